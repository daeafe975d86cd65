//! Feeds, batches, records, subjects, and the release pass over them.

use super::{Fresh, batch_of, consents::stated, key, now, on_both, partner};
use jiff::{SignedDuration, civil::date};
use tallygate::{
    domain::{BatchId, Event, FeedId, PersonId, RecordType, Role, SubjectId},
    protocol::ConsentRecord,
    store::{
        ActError, Effect, Outcome, Rights,
        consents::Unconsented,
        counted::Counted,
        erasures,
        feeds::{self, NewBatch},
        records::{self, NewEvent, NewWithdrawal},
        releases, scan,
        subjects::{self, Move, NewSubject, Subject, Tie},
    },
};

on_both!(
    feeds_are_made_once_and_batches_count_once_accepted,
    what_was_staged_and_left_is_cleared_and_nothing_else,
    records_are_known_by_their_feed_and_key,
    a_withdrawal_of_an_accepted_batch_stays,
    subjects_are_found_by_every_key_and_move_with_their_events,
    the_pass_leaves_out_what_does_not_count,
    an_event_whose_batch_is_gone_does_not_count,
    facts_are_of_the_first_who_has_an_event_that_counts,
    a_birth_that_a_release_went_by_stays_however_often_it_is_corrected,
    a_birth_that_a_release_went_by_goes_along_where_persons_part_and_join,
    many_rows_fit_one_call,
    what_is_about_nobody_is_told_its_day_and_erased,
);

fn event(record_type: RecordType, day: i32) -> Event {
    Event {
        record_type,
        role: Role::Principal,
        day: Some(day),
        known: day + 1,
        place: None,
        values: vec![],
    }
}

pub(super) fn stored(person: i64, event_number: i64, consent: Option<[u8; 16]>) -> NewEvent {
    let mut body = Vec::new();
    event(RecordType::HealthReview, 19_000 + i32::try_from(event_number).unwrap())
        .encode(&mut body);
    let (person, subject) = (PersonId::new(person), SubjectId::new(person));
    NewEvent { person, subject, event_number, role: 0, consent, body, key_version: 1 }
}

fn subject(id: i64, person: i64, keys: &[(u8, usize)]) -> NewSubject {
    let keys = keys.iter().map(|(rung, number)| (*rung, key(*number))).collect();
    let nhs = (id % 2 == 0).then(|| key(usize::try_from(id).unwrap() + 9_000));
    let (id, person) = (SubjectId::new(id), PersonId::new(person));
    NewSubject {
        subject: Subject { id, person, nhs, keys, key_version: 1, tie: Tie::default() },
        facts: Some(vec![9, 8, 7]),
    }
}

impl Fresh {
    /// Stages events as a batch of a feed, with the record keys `first..`.
    pub(super) async fn stage(&self, feed: FeedId, first: usize, events: &[NewEvent]) -> BatchId {
        self.stage_at(batch_of(feed), first, events).await
    }

    pub(super) async fn stage_at(
        &self,
        new: NewBatch,
        first: usize,
        events: &[NewEvent],
    ) -> BatchId {
        let mut tx = self.store.transact(Rights::Intake).await.unwrap();
        let batch = feeds::stage(&mut tx, &new).await.unwrap();
        let sent: Vec<_> =
            events.iter().zip(first..).map(|(event, at)| (key(at), event.event_number)).collect();
        records::stage_sent(&mut tx, new.feed, batch, &sent, 1).await.unwrap();
        records::stage_events(&mut tx, batch, events).await.unwrap();
        tx.commit().await.unwrap();
        batch
    }

    async fn insert(&self, new: &[NewSubject]) {
        let mut tx = self.store.transact(Rights::Intake).await.unwrap();
        subjects::take_subject_numbers(&mut tx, new.len()).await.unwrap();
        subjects::take_person_numbers(&mut tx, new.len()).await.unwrap();
        subjects::insert(&mut tx, new).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Person, number of events and whose facts, as the release pass sees them.
    async fn counted(&self, feeds: &[FeedId]) -> Vec<(i64, usize, Option<i64>)> {
        let mut tx = self.read(Rights::Release).await;
        let persons = scan::persons(&mut tx, feeds, 0, 100).await.unwrap();
        let seen = persons.iter().map(|p| {
            let facts = p.facts.as_ref().map(|(subject, _)| subject.number());
            (p.person.number(), p.events().unwrap().len(), facts)
        });
        seen.collect()
    }
}

async fn what_is_about_nobody_is_told_its_day_and_erased(fresh: Fresh) {
    let feed = fresh.feed("centres", RecordType::ProviderSession).await;
    let hung_on = |event_number: i64| {
        let subject = SubjectId::NOBODY;
        NewEvent { person: PersonId::NOBODY, subject, ..stored(7, event_number, None) }
    };
    // One from before 1970: its day is below zero.
    let mut early = Vec::new();
    event(RecordType::ProviderSession, -70_000).encode(&mut early);
    let events = [hung_on(1), hung_on(2), NewEvent { body: early, ..hung_on(3) }];
    let batch = fresh.stage(feed, 1, &events).await;
    fresh.accept(batch).await.unwrap();
    assert_eq!(fresh.counted(&[feed]).await, []);
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    for (number, day) in [(1, Some(19_002)), (2, Some(19_003)), (3, Some(-69_999)), (4, None)] {
        assert_eq!(records::known_since(&mut tx, batch, number).await.unwrap(), day);
    }
    erasures::erase_record(&mut tx, 1, Some(&[SubjectId::NOBODY])).await.unwrap();
    erasures::erase_record(&mut tx, 2, Some(&[SubjectId::new(7)])).await.unwrap();
    assert_eq!(records::known_since(&mut tx, batch, 1).await.unwrap(), None);
    assert_eq!(records::known_since(&mut tx, batch, 2).await.unwrap(), Some(19_003));
    tx.commit().await.unwrap();
}

async fn feeds_are_made_once_and_batches_count_once_accepted(fresh: Fresh) {
    let births = fresh.feed("health", RecordType::LiveBirth).await;
    let reviews = fresh.feed("health", RecordType::HealthReview).await;
    assert_eq!(fresh.feed("health", RecordType::LiveBirth).await, births);
    let mut tx = fresh.read(Rights::Figures).await;
    let all = feeds::all(&mut tx).await.unwrap();
    assert_eq!(
        all,
        [
            (births, partner("health"), RecordType::LiveBirth),
            (reviews, partner("health"), RecordType::HealthReview)
        ]
    );
    drop(tx);

    let batch = fresh.stage(births, 1, &[stored(1, 1, None)]).await;
    assert!(freshness(&fresh).await.is_empty());
    assert_eq!(fresh.accept(batch).await.unwrap(), Outcome::None);
    // Twice is once; and what is accepted can't be abandoned.
    assert!(matches!(fresh.accept(batch).await, Err(ActError::Conflict)));
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    feeds::abandon(&mut tx, &[batch]).await.unwrap_err();
    drop(tx);
    let later = NewBatch { extract_day: 20_010, protocol_version: 3, ..batch_of(births) };
    let later = fresh.stage_at(later, 2, &[stored(1, 2, None)]).await;
    fresh.accept(later).await.unwrap();
    let seen = freshness(&fresh).await;
    let (day, versions) = (seen[0].extract_day, seen[0].protocols.iter().map(|p| p.1).collect());
    assert_eq!((seen.len(), day, versions), (1, date(2024, 10, 14), vec![2, 3]));
}

async fn freshness(fresh: &Fresh) -> Vec<feeds::Freshness> {
    let mut tx = fresh.read(Rights::Figures).await;
    feeds::freshness(&mut tx).await.unwrap()
}

async fn what_was_staged_and_left_is_cleared_and_nothing_else(fresh: Fresh) {
    let feed = fresh.feed("health", RecordType::HealthReview).await;
    let hours_ago = |hours| now() - SignedDuration::from_hours(hours);
    let left = NewBatch { staged_at: hours_ago(2), ..batch_of(feed) };
    let left = fresh.stage_at(left, 1, &[stored(1, 1, None)]).await;
    let accepted = NewBatch { staged_at: hours_ago(3), ..batch_of(feed) };
    let accepted = fresh.stage_at(accepted, 2, &[stored(2, 2, None)]).await;
    fresh.accept(accepted).await.unwrap();
    let under_way = fresh.stage(feed, 3, &[stored(3, 3, None)]).await;
    let abandoned = fresh.stage(feed, 4, &[stored(4, 4, None)]).await;
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    feeds::abandon(&mut tx, &[abandoned]).await.unwrap();
    feeds::clear_unaccepted(&mut tx, hours_ago(1)).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    let keys: Vec<_> = (1..=4).map(key).collect();
    let sent = records::sent(&mut tx, feed, &keys).await.unwrap();
    assert_eq!(sent.keys().copied().collect::<Vec<_>>(), sorted(vec![key(2), key(3)]));
    drop(tx);
    assert!(fresh.accept(left).await.is_err());
    fresh.accept(under_way).await.unwrap();
    assert_eq!(fresh.counted(&[feed]).await, [(2, 1, None), (3, 1, None)]);
}

fn sorted(mut keys: Vec<[u8; 16]>) -> Vec<[u8; 16]> {
    keys.sort_unstable();
    keys
}

async fn records_are_known_by_their_feed_and_key(fresh: Fresh) {
    let feed = fresh.feed("health", RecordType::HealthReview).await;
    let other = fresh.feed("dwp", RecordType::TwoYearOldEligibility).await;
    let batch = fresh.stage(feed, 1, &[stored(1, 1, None), stored(1, 2, None)]).await;
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    assert!(records::sent(&mut tx, other, &[key(1)]).await.unwrap().is_empty());
    let sent = records::sent(&mut tx, feed, &[key(1), key(2), key(3)]).await.unwrap();
    assert_eq!(sent.len(), 2);
    let first = sent[&key(1)];
    assert_eq!((first.event_number, first.batch, first.accepted), (1, batch, false));
    // Taken over: sent anew under another batch.
    records::take_over(&mut tx, feed, &[key(1)]).await.unwrap();
    let second = feeds::stage(&mut tx, &batch_of(feed)).await.unwrap();
    records::stage_sent(&mut tx, feed, second, &[(key(1), 7)], 1).await.unwrap();
    let sent = records::sent(&mut tx, feed, &[key(1)]).await.unwrap();
    assert_eq!((sent[&key(1)].event_number, sent[&key(1)].batch), (7, second));
    // The same record twice is refused.
    records::stage_sent(&mut tx, feed, second, &[(key(1), 8)], 1).await.unwrap_err();
    drop(tx);
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    let first = records::take_event_numbers(&mut tx, 5).await.unwrap();
    assert_eq!(records::take_event_numbers(&mut tx, 1).await.unwrap(), first + 5);
}

async fn a_withdrawal_of_an_accepted_batch_stays(fresh: Fresh) {
    let feed = fresh.feed("health", RecordType::HealthReview).await;
    let events = [stored(1, 1, None), stored(1, 2, None), stored(1, 3, None)];
    let batch = fresh.stage(feed, 1, &events).await;
    fresh.accept(batch).await.unwrap();
    let withdraw = async |number, known| {
        let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
        let batch = feeds::stage(&mut tx, &batch_of(feed)).await.unwrap();
        let new = [NewWithdrawal { event_number: number, known }];
        records::stage_withdrawals(&mut tx, batch, &new).await.unwrap();
        tx.commit().await.unwrap();
        batch
    };
    let withdrawn = async || {
        let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
        records::withdrawn(&mut tx, &[1, 2, 3, 4]).await.unwrap()
    };
    let left = withdraw(1, 5).await;
    assert!(withdrawn().await.is_empty());
    assert_eq!(fresh.counted(&[feed]).await, [(1, 3, None)]);
    // Another batch makes it, and is accepted; a third can't take it over any more.
    let made = withdraw(1, 6).await;
    fresh.accept(made).await.unwrap();
    withdraw(1, 7).await;
    fresh.accept(left).await.unwrap();
    assert_eq!(withdrawn().await, [1]);
    assert_eq!(fresh.counted(&[feed]).await, [(1, 2, None)]);
}

async fn subjects_are_found_by_every_key_and_move_with_their_events(fresh: Fresh) {
    let feed = fresh.feed("health", RecordType::HealthReview).await;
    let new = [
        subject(1, 1, &[(0, 10), (1, 11), (2, 12)]),
        subject(2, 2, &[(0, 20), (1, 11)]),
        subject(3, 3, &[(0, 30)]),
    ];
    fresh.insert(&new).await;
    let events = [stored(1, 1, None), stored(2, 2, None), stored(2, 3, None)];
    let batch = fresh.stage(feed, 1, &events).await;
    fresh.accept(batch).await.unwrap();
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    subjects::link_alone(&mut tx).await.unwrap();
    let known = subjects::by_fingerprint(&mut tx, &[key(20), key(11), key(99)]).await.unwrap();
    assert_eq!(known.len(), 1, "rung 0 alone is an identity");
    assert_eq!(known[&key(20)], (SubjectId::new(2), PersonId::new(2)));
    let sharing = subjects::persons_with(&mut tx, &[key(11), key(30)]).await.unwrap();
    assert_eq!(sharing, [1, 2, 3].map(PersonId::new));
    let of = subjects::of_persons(&mut tx, &[PersonId::new(2), PersonId::new(1)]).await.unwrap();
    let expected: Vec<Subject> = new[..2].iter().map(|new| new.subject.clone()).collect();
    assert_eq!(of, expected);
    let (from, to) = (PersonId::new(2), PersonId::new(1));
    let moving = Move { subject: SubjectId::new(2), from, to };
    subjects::move_subjects(&mut tx, &[moving]).await.unwrap();
    subjects::move_subjects(&mut tx, &[moving]).await.unwrap_err();
    drop(tx);
    // The failed second move undid both; once is enough.
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    subjects::move_subjects(&mut tx, &[moving]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(fresh.counted(&[feed]).await, [(1, 3, Some(1))]);
}

async fn the_pass_leaves_out_what_does_not_count(fresh: Fresh) {
    let reviews = fresh.feed("health", RecordType::HealthReview).await;
    let other = fresh.feed("dwp", RecordType::TwoYearOldEligibility).await;
    fresh
        .insert(&[subject(1, 1, &[(0, 1)]), subject(2, 2, &[(0, 2)]), subject(3, 3, &[(0, 3)])])
        .await;
    let (given, refused) = (key(71), key(72));
    let events = [stored(1, 1, None), stored(2, 2, Some(given)), stored(3, 3, Some(refused))];
    let accepted = fresh.stage(reviews, 1, &events).await;
    fresh.accept(accepted).await.unwrap();
    let of_other = fresh.stage(other, 1, &[stored(1, 4, None)]).await;
    fresh.accept(of_other).await.unwrap();
    // Staged only: neither the event nor, for person 9, the facts.
    fresh.stage(reviews, 9, &[stored(1, 5, None), stored(9, 6, None)]).await;
    let consents = vec![
        stated(&[(1, given)], ConsentRecord::Given, 20_000),
        stated(&[(1, refused)], ConsentRecord::Refused, 20_000),
    ];
    fresh.act(Effect::PutConsents(consents)).await.unwrap();
    assert_eq!(fresh.counted(&[reviews]).await, [(1, 1, Some(1)), (2, 1, Some(2))]);
    assert_eq!(fresh.counted(&[reviews, other]).await, [(1, 2, Some(1)), (2, 1, Some(2))]);
    assert!(fresh.counted(&[]).await.is_empty());
    let mut tx = fresh.read(Rights::Release).await;
    assert_eq!(scan::last_person(&mut tx).await.unwrap(), 3);
    assert_eq!(
        scan::principal_events(&mut tx, &[reviews], &Unconsented::default()).await.unwrap().len(),
        2
    );
    // Where a consent is asked for, only a given one counts, and only if it covers the feed.
    let mut unconsented = Unconsented { asked: [reviews].into(), ..Unconsented::default() };
    let counted = async |tx: &mut _, unconsented: &Unconsented| {
        let feeds = [reviews, other];
        let counted = Counted::read(tx, &feeds, unconsented).await.unwrap();
        let found = scan::counted_persons(tx, &counted, 0, 9).await.unwrap();
        let number =
            |person: &scan::StoredPerson| (person.person.number(), person.events().unwrap().len());
        found.iter().map(number).collect::<Vec<_>>()
    };
    assert_eq!(counted(&mut tx, &unconsented).await, [(1, 1), (2, 1)]);
    let principals = scan::principal_events(&mut tx, &[reviews], &unconsented).await.unwrap();
    assert_eq!(principals.len(), 1);
    unconsented.not_counting.insert(other, [given].into());
    assert_eq!(counted(&mut tx, &unconsented).await, [(1, 1), (2, 1)]);
    unconsented.not_counting.insert(reviews, [given].into());
    assert_eq!(counted(&mut tx, &unconsented).await, [(1, 1)]);
    let range = scan::persons(&mut tx, &[reviews], 1, 2).await.unwrap();
    assert_eq!(range.iter().map(|p| p.person.number()).collect::<Vec<_>>(), [2]);
    let days: Vec<_> = range[0].events().unwrap().iter().map(|event| event.day).collect();
    assert_eq!(days, [Some(19_002)]);
}

/// Whatever may have left it behind: what is of no batch that was accepted does not count.
async fn an_event_whose_batch_is_gone_does_not_count(fresh: Fresh) {
    let reviews = fresh.feed("health", RecordType::HealthReview).await;
    fresh.insert(&[subject(1, 1, &[(0, 1)]), subject(2, 2, &[(0, 2)])]).await;
    let gone = fresh.stage(reviews, 1, &[]).await;
    let batch = fresh.stage(reviews, 1, &[stored(1, 1, None)]).await;
    fresh.accept(batch).await.unwrap();
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    feeds::abandon(&mut tx, &[gone]).await.unwrap();
    feeds::clear_unaccepted(&mut tx, now()).await.unwrap();
    records::stage_events(&mut tx, gone, &[stored(2, 2, None)]).await.unwrap();
    let never = BatchId::new(batch.number() + 7);
    records::stage_events(&mut tx, never, &[stored(2, 3, None)]).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(fresh.counted(&[reviews]).await, [(1, 1, Some(1))]);
}

async fn facts_are_of_the_first_who_has_an_event_that_counts(fresh: Fresh) {
    let reviews = fresh.feed("health", RecordType::HealthReview).await;
    let other = fresh.feed("dwp", RecordType::TwoYearOldEligibility).await;
    // Three identities of one person, of another two.
    let all = [(1, 1), (2, 1), (3, 1), (4, 2), (5, 2)];
    let all = all.map(|(id, person)| subject(id, person, &[(0, usize::try_from(id).unwrap())]));
    fresh.insert(&all).await;
    let of = |subject: i64, person: i64, number: i64| NewEvent {
        subject: SubjectId::new(subject),
        ..stored(person, number, None)
    };
    let events = [of(2, 1, 12), of(3, 1, 13), of(5, 2, 15)];
    let batch = fresh.stage(reviews, 1, &events).await;
    fresh.accept(batch).await.unwrap();
    let batch = fresh.stage(other, 1, &[of(1, 1, 11), of(4, 2, 14)]).await;
    fresh.accept(batch).await.unwrap();
    assert_eq!(fresh.counted(&[reviews, other]).await, [(1, 3, Some(1)), (2, 2, Some(4))]);
    assert_eq!(fresh.counted(&[reviews]).await, [(1, 2, Some(2)), (2, 1, Some(5))]);
    // Withdrawn one by one: the first, then the second; of the other person all.
    let withdraw = async |numbers: &[i64]| {
        let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
        let batch = feeds::stage(&mut tx, &batch_of(reviews)).await.unwrap();
        let day = 19_500;
        let all: Vec<_> = numbers
            .iter()
            .map(|number| NewWithdrawal { event_number: *number, known: day })
            .collect();
        records::stage_withdrawals(&mut tx, batch, &all).await.unwrap();
        tx.commit().await.unwrap();
        fresh.accept(batch).await.unwrap();
    };
    withdraw(&[11, 14]).await;
    assert_eq!(fresh.counted(&[reviews, other]).await, [(1, 2, Some(2)), (2, 1, Some(5))]);
    withdraw(&[12, 15]).await;
    assert_eq!(fresh.counted(&[reviews, other]).await, [(1, 1, Some(3))]);
}

impl Fresh {
    /// Freezes a quarter as a close does, by whose facts the pass goes, and tells them all.
    async fn close(&self, feeds: &[FeedId], quarter: &str) -> Vec<(i64, Option<i64>)> {
        let mut tx = self.read(Rights::Release).await;
        let persons = scan::persons(&mut tx, feeds, 0, 100).await.unwrap();
        drop(tx);
        let new = persons.iter().filter(|p| !p.counted_before);
        let births = new.filter_map(|p| p.facts.as_ref().map(|(subject, _)| *subject)).collect();
        let (quarter, document) = (quarter.parse().unwrap(), "{}".to_owned());
        let entry = releases::Entry { quarter, digest: [1; 32], document };
        self.act(Effect::Freeze(Box::new((entry, births)))).await.unwrap();
        let seen = persons
            .iter()
            .map(|p| (p.person.number(), p.facts.as_ref().map(|(subject, _)| subject.number())));
        seen.collect()
    }

    /// An identity's record, accepted.
    async fn record(&self, feed: FeedId, subject: i64, person: i64, number: i64) {
        let event = NewEvent { subject: SubjectId::new(subject), ..stored(person, number, None) };
        let batch = self.stage(feed, usize::try_from(number).unwrap(), &[event]).await;
        self.accept(batch).await.unwrap();
    }

    async fn withdraw(&self, feed: FeedId, number: i64) {
        let mut tx = self.store.transact(Rights::Intake).await.unwrap();
        let batch = feeds::stage(&mut tx, &batch_of(feed)).await.unwrap();
        let withdrawal = NewWithdrawal { event_number: number, known: 19_500 };
        records::stage_withdrawals(&mut tx, batch, &[withdrawal]).await.unwrap();
        tx.commit().await.unwrap();
        self.accept(batch).await.unwrap();
    }

    async fn part(&self, subject: i64, from: i64, to: i64) {
        let mut tx = self.store.transact(Rights::Intake).await.unwrap();
        let (subject, from, to) = (SubjectId::new(subject), PersonId::new(from), PersonId::new(to));
        subjects::move_subjects(&mut tx, &[Move { subject, from, to }]).await.unwrap();
        tx.commit().await.unwrap();
    }
}

/// Who could be a newborn again before each close would be in tables that the ledger charges once.
async fn a_birth_that_a_release_went_by_stays_however_often_it_is_corrected(fresh: Fresh) {
    let feed = fresh.feed("health", RecordType::HealthReview).await;
    // A date for each identity of one person.
    let all: Vec<_> = (1..=6).map(|id| subject(id, 1, &[])).collect();
    fresh.insert(&all).await;
    fresh.record(feed, 2, 1, 2).await;
    // Before any close a correction counts.
    fresh.withdraw(feed, 2).await;
    fresh.record(feed, 3, 1, 3).await;
    assert_eq!(fresh.close(&[feed], "2026Q1").await, [(1, Some(3))]);
    for (n, quarter) in (4..).zip(["2026Q2", "2026Q3", "2026Q4"]) {
        fresh.withdraw(feed, n - 1).await;
        fresh.record(feed, n, 1, n).await;
        assert_eq!(fresh.close(&[feed], quarter).await, [(1, Some(3))], "{quarter}");
    }
    // Nor does an older identity that is sent again take its place.
    fresh.record(feed, 1, 1, 11).await;
    assert_eq!(fresh.counted(&[feed]).await, [(1, 2, Some(3))]);
    // Erased, it is gone, and the person's other dates are what there is.
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    erasures::erase_record(&mut tx, 3, Some(&[SubjectId::new(3)])).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(fresh.counted(&[feed]).await, [(1, 2, Some(1))]);
}

async fn a_birth_that_a_release_went_by_goes_along_where_persons_part_and_join(fresh: Fresh) {
    let feed = fresh.feed("health", RecordType::HealthReview).await;
    let all = [(1, 1), (2, 1), (3, 1), (4, 4), (5, 5)];
    fresh.insert(&all.map(|(id, person)| subject(id, person, &[]))).await;
    for (subject, person) in [(1, 1), (2, 1), (3, 1), (4, 4)] {
        fresh.record(feed, subject, person, subject).await;
    }
    assert_eq!(fresh.close(&[feed], "2026Q1").await, [(1, Some(1)), (4, Some(4))]);
    // Whoever goes goes on by the date it was counted by, and so does whoever stays.
    fresh.part(2, 1, 2).await;
    fresh.part(1, 1, 8).await;
    let parted = [(1, 1, Some(1)), (2, 1, Some(1)), (4, 1, Some(4)), (8, 1, Some(1))];
    assert_eq!(fresh.counted(&[feed]).await, parted);
    // Who comes in later and joins somebody older, and the other way round: the first close holds.
    fresh.record(feed, 5, 5, 5).await;
    assert_eq!(fresh.close(&[feed], "2026Q2").await[3], (5, Some(5)));
    fresh.part(4, 4, 5).await;
    fresh.part(3, 1, 5).await;
    assert_eq!(fresh.counted(&[feed]).await[1], (5, 3, Some(1)));
}

async fn many_rows_fit_one_call(fresh: Fresh) {
    let feed = fresh.feed("health", RecordType::HealthReview).await;
    // More than any statement takes at once, and no round number.
    let count = 5_777;
    let new: Vec<_> =
        (1..=count).map(|n| subject(n, n, &[(0, usize::try_from(n).unwrap())])).collect();
    fresh.insert(&new).await;
    let events: Vec<_> = (1..=count).map(|n| stored(n, n, None)).collect();
    let batch = fresh.stage(feed, 1, &events).await;
    fresh.accept(batch).await.unwrap();
    let keys: Vec<_> = (1..=6_000).map(key).collect();
    let mut tx = fresh.store.transact(Rights::Intake).await.unwrap();
    assert_eq!(records::sent(&mut tx, feed, &keys).await.unwrap().len(), 5_777);
    assert_eq!(subjects::by_fingerprint(&mut tx, &keys).await.unwrap().len(), 5_777);
    drop(tx);
    let mut tx = fresh.read(Rights::Release).await;
    assert_eq!(scan::persons(&mut tx, &[feed], 0, 6_000).await.unwrap().len(), 5_777);
}
