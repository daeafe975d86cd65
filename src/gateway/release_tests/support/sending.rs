//! The town's partners send, and its children are born.

use super::*;

impl Town {
    /// Stages and accepts records of one type, an event a person; those of the centres with a
    /// consent that is given for everything.
    pub(in crate::gateway::release_tests) async fn send(
        &self,
        sender: &str,
        record_type: RecordType,
        extract_day: Date,
        events: Vec<(SubjectId, Event)>,
    ) -> (BatchId, i64) {
        let consent = (sender == "centres").then_some(CONSENT);
        if consent.is_some() {
            self.consent(CONSENT, Coverage::default()).await;
        }
        self.send_with(sender, record_type, extract_day, events, consent).await
    }

    /// Records a consent that is given, under a stored form of its reference.
    pub(in crate::gateway::release_tests) async fn consent(
        &self,
        key: [u8; 16],
        coverage: Coverage,
    ) {
        let stated = consents::Stated {
            reference: vec![(1, key)],
            giver: vec![],
            evidence: vec![],
            given_by: Some(ConsentGiver::Parent),
            state: ConsentRecord::Given,
            stated_on: epoch_day(date(2024, 6, 1)),
            means: None,
            notice_version: "v1".to_owned(),
            coverage,
        };
        self.act(LeafKind::ConsentRecorded, Effect::PutConsents(vec![stated])).await;
    }

    /// The same with the consent relied on.
    pub(in crate::gateway::release_tests) async fn send_with(
        &self,
        sender: &str,
        record_type: RecordType,
        extract_day: Date,
        events: Vec<(SubjectId, Event)>,
        consent: Option<[u8; 16]>,
    ) -> (BatchId, i64) {
        let mut tx = self.gateway.store().transact(Rights::Intake).await.unwrap();
        let feed = feeds::feed(&mut tx, &partner(sender), record_type).await.unwrap();
        let batch = feeds::stage(
            &mut tx,
            &feeds::NewBatch {
                feed,
                extract_day: epoch_day(extract_day),
                digest: [0; 32],
                protocol: format!("isp-{sender}").parse().unwrap(),
                protocol_version: 1,
                staged_at: self.gateway.now(),
                stream: 0,
                records: events.len() as u64,
            },
        )
        .await
        .unwrap();
        let first = records::take_event_numbers(&mut tx, events.len()).await.unwrap();
        let rows: Vec<NewEvent> = events
            .iter()
            .zip(first..)
            .map(|((subject, event), event_number)| {
                let mut body = Vec::new();
                event.encode(&mut body);
                // Here every subject is a person of its own, of the same number.
                let person = PersonId::new(subject.number());
                let role = event.role.number();
                NewEvent {
                    person,
                    subject: *subject,
                    event_number,
                    role,
                    consent,
                    body,
                    key_version: u16::from(consent.is_some()),
                }
            })
            .collect();
        records::stage_events(&mut tx, batch, &rows).await.unwrap();
        tx.commit().await.unwrap();
        self.act(LeafKind::BatchAccepted, Effect::AcceptBatch(batch)).await;
        (batch, first)
    }

    pub(in crate::gateway::release_tests) async fn withdraw(
        &self,
        sender: &str,
        record_type: RecordType,
        number: i64,
    ) {
        let (batch, _) = self.send(sender, record_type, date(2026, 4, 8), vec![]).await;
        let mut tx = self.gateway.store().transact(Rights::Intake).await.unwrap();
        let withdrawal = NewWithdrawal { event_number: number, known: 0 };
        records::stage_withdrawals(&mut tx, batch, &[withdrawal]).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Children born evenly over the four years before 2026, as many in each area.
    pub(in crate::gateway::release_tests) async fn children(
        &mut self,
        count: usize,
    ) -> Vec<SubjectId> {
        let mut tx = self.gateway.store().transact(Rights::Intake).await.unwrap();
        let first = subjects::take_subject_numbers(&mut tx, count).await.unwrap();
        subjects::take_person_numbers(&mut tx, count).await.unwrap();
        let mut new = Vec::with_capacity(count);
        for (n, id) in (0..count).zip(first..) {
            let day = i32::try_from(n % 1_400).unwrap();
            let birth = Some(BirthDate::new(days_after(date(2022, 2, 1), day)));
            let facts = Facts { birth, sex: Sex::NotKnown };
            let (id, person) = (SubjectId::new(id), PersonId::new(id));
            let sealed =
                facts.seal(facts_cell(id), &self.gateway.keys().sealer, &mut self.rng).unwrap();
            let keys = vec![];
            new.push(NewSubject {
                subject: Subject {
                    id,
                    person,
                    nhs: None,
                    keys,
                    key_version: 1,
                    tie: Tie::default(),
                },
                facts: sealed,
            });
        }
        subjects::insert(&mut tx, &new).await.unwrap();
        tx.commit().await.unwrap();
        (first..).take(count).map(SubjectId::new).collect()
    }

    /// Every child's birth, two of three registered, and a list of the two-year-olds.
    pub(in crate::gateway::release_tests) async fn populate(
        &mut self,
        count: usize,
    ) -> Vec<SubjectId> {
        let children = self.children(count).await;
        let extract = date(2026, 4, 7);
        let lsoa = |n: usize| Some(AREAS[n % 3].2.parse().unwrap());
        let event = |record_type, day: Option<Date>, place, values| Event {
            record_type,
            role: Role::Principal,
            day: day.map(epoch_day),
            known: epoch_day(extract),
            place,
            values,
        };
        let births = children.iter().enumerate();
        let births: Vec<_> = births
            .map(|(n, id)| (*id, event(RecordType::LiveBirth, None, lsoa(n), vec![])))
            .collect();
        self.send("health", RecordType::LiveBirth, extract, births).await;
        let start = date(2026, 1, 5);
        // Within each area two of three.
        let registered = children.iter().enumerate().filter(|(n, _)| n / 3 % 3 != 0);
        let registered: Vec<_> = registered
            .map(|(n, id)| {
                let values = vec![(registration::START_DATE, Value::Day(epoch_day(start)))];
                (*id, event(RecordType::Registration, Some(start), lsoa(n), values))
            })
            .collect();
        self.send("centres", RecordType::Registration, extract, registered).await;
        let list = date(2026, 1, 20);
        let listed = children.iter().enumerate().filter(|(n, _)| n % 1_400 > 700);
        let listed: Vec<_> = listed
            .map(|(_, id)| {
                let values =
                    vec![(two_year_old_eligibility::LIST_DATE, Value::Day(epoch_day(list)))];
                (*id, event(RecordType::TwoYearOldEligibility, Some(list), None, values))
            })
            .collect();
        self.send("dwp", RecordType::TwoYearOldEligibility, extract, listed).await;
        children
    }
}
