//! Cases of subjects' rights: what they stop, what is told, and what nobody can tell.

use super::{
    last_leaf, refused,
    support::{Town, partner},
};
use crate::{
    audit::LeafKind,
    domain::{
        RecordType,
        identifier::{Scheme, check},
    },
    gateway::{
        Accepted, Actor, CaseAnswer, CaseState, CaseSubject, ConsentGiver, ConsentRecord, Intake,
        NamedRecords, NewCase, OpenStream, OpenedCase, PageRequest, Progress,
        StatedAcknowledgement, StatedConsent, StatedIdentity, UndoCause,
    },
    protocol::{CallerRole, Choice, acknowledgement::Acknowledgement, choice::Effect},
    store::{Logged, Rights, feeds, scan},
    verify,
};

pub(super) const BIRTH: &str = "2024-02-28";

pub(super) fn nhs_number(n: usize) -> String {
    let valid = |text: &String| check(Scheme::Nhs, text).is_ok();
    (9_990_000_000_u64..).map(|number| number.to_string()).filter(valid).nth(n).unwrap()
}

/// A sender with a feed.
#[derive(Clone, Copy)]
pub(super) struct Sender {
    pub(super) partner: &'static str,
    pub(super) record_type: RecordType,
    pub(super) columns: &'static [&'static str],
    /// What stands behind the identity.
    pub(super) payload: &'static [&'static str],
}

pub(super) const HEALTH: Sender = Sender {
    partner: "health",
    record_type: RecordType::HealthReview,
    columns: &["review", "outcome"],
    payload: &["twelve_month", "completed"],
};
pub(super) const CENTRES: Sender = Sender {
    partner: "centres",
    record_type: RecordType::Attendance,
    columns: &["attendee", "centre", "activity"],
    payload: &["child", "CC01", "stay_and_play"],
};

impl Sender {
    pub(super) fn actor(self, town: &Town) -> Actor {
        town.actor(self.partner, &[CallerRole::Provider], None)
    }

    pub(super) fn row(self, operation: &str, n: usize) -> Vec<String> {
        let id = format!("r-{n}");
        let consent = if self.partner == "centres" { format!("C-{n}") } else { String::new() };
        let mut row: Vec<String> = [&*id, operation, "2026-05-01"].map(str::to_owned).to_vec();
        if operation == "withdraw" {
            row.resize(6 + self.payload.len(), String::new());
            return row;
        }
        let nhs = nhs_number(n);
        row.extend(["2026-02-03", &consent, &nhs, BIRTH].map(str::to_owned));
        row.extend(self.payload.iter().map(|text| (*text).to_owned()));
        row
    }

    pub(super) async fn open(self, town: &Town) -> (Intake, (u64, [u8; 32])) {
        let envelope = ["record_id", "operation", "extracted_at", "event_date", "consent_ref"];
        let identity = ["nhs_number", "date_of_birth"];
        let columns = envelope.iter().chain(&identity).chain(self.columns);
        let open = OpenStream {
            protocol: format!("isp-{}", self.partner),
            version: 0,
            record_type: self.record_type.name().to_owned(),
            purpose: String::new(),
            columns: columns.map(|column| (*column).to_owned()).collect(),
            extract_day: "2026-05-10".to_owned(),
            dry_run: false,
        };
        let opened = town.gateway.open_stream(self.actor(town), open).await.unwrap();
        let (intake, receipt) = opened.into_parts();
        (intake, (receipt.leaf_index, *receipt.leaf_hash.as_bytes()))
    }

    pub(super) async fn push_rows(
        self,
        town: &Town,
        rows: Vec<Vec<String>>,
    ) -> (Accepted, (u64, [u8; 32])) {
        let (mut intake, opened) = self.open(town).await;
        let width = 7 + self.columns.len();
        let rows = rows
            .into_iter()
            .map(|mut row| {
                row.resize(width, String::new());
                row
            })
            .collect();
        let batch = intake.reader().read(rows).unwrap();
        let accepted = intake.take_batch(batch).await.unwrap().0;
        intake.close().await.unwrap();
        (accepted, opened)
    }

    pub(super) async fn push(self, town: &Town, range: std::ops::Range<usize>) -> Accepted {
        let rows = range.map(|n| self.row("upsert", n)).collect();
        self.push_rows(town, rows).await.0
    }

    pub(super) async fn withdraw(self, town: &Town, range: std::ops::Range<usize>) -> Accepted {
        let rows = range.map(|n| self.row("withdraw", n)).collect();
        self.push_rows(town, rows).await.0
    }

    pub(super) fn named(self, ids: std::ops::Range<usize>) -> NamedRecords {
        let record_ids = ids.map(|n| format!("r-{n}")).collect();
        NamedRecords { record_type: self.record_type.name().to_owned(), record_ids }
    }

    pub(super) async fn find(self, town: &Town, ids: std::ops::Range<usize>) -> Vec<bool> {
        let found = town.gateway.find_records(&self.actor(town), self.named(ids)).await;
        found.unwrap().into_parts().0
    }

    /// How many persons have a record that counts.
    pub(super) async fn counted(self, town: &Town) -> usize {
        let mut tx = town.gateway.store().transact(Rights::Intake).await.unwrap();
        let sender = partner(self.partner);
        let feed = feeds::feed(&mut tx, &sender, self.record_type).await.unwrap();
        let last = scan::last_person(&mut tx).await.unwrap();
        scan::persons(&mut tx, &[feed], 0, last).await.unwrap().len()
    }
}

pub(super) async fn consents(town: &Town, range: std::ops::Range<usize>) {
    let given = range.map(|n| StatedConsent {
        reference: format!("C-{n}"),
        state: Some(ConsentRecord::Given),
        given_by: Some(ConsentGiver::Parent),
        recorded_on: "2026-01-02".to_owned(),
        notice_version: "notice-1".to_owned(),
        giver_ref: String::new(),
        means: None,
        purposes: Vec::new(),
        record_types: Vec::new(),
        evidence_ref: String::new(),
        valid_until: String::new(),
    });
    town.gateway.record_consents(&CENTRES.actor(town), given.collect()).await.unwrap();
}

pub(super) fn known_by(nhs: String, birth: &str) -> CaseSubject {
    let mut stated = StatedIdentity::default();
    stated.nhs_number = nhs;
    birth.clone_into(&mut stated.date_of_birth);
    CaseSubject::Identity(stated)
}

pub(super) fn identity(n: usize) -> CaseSubject {
    known_by(nhs_number(n), BIRTH)
}

pub(super) fn record(sender: Sender, n: usize) -> CaseSubject {
    let record_type = sender.record_type.name().to_owned();
    CaseSubject::Record { record_type, record_id: format!("r-{n}") }
}

pub(super) fn case(reference: &str, choice: Choice, subject: CaseSubject) -> NewCase {
    NewCase {
        case_ref: reference.to_owned(),
        choice: Some(choice),
        given_by: Some(ConsentGiver::Parent),
        requested_on: "2026-05-12".to_owned(),
        subject: Some(subject),
    }
}

pub(super) async fn open(town: &Town, actor: &Actor, new: NewCase) -> Logged<CaseAnswer> {
    town.gateway.open_case(actor, new).await.unwrap().map(|opened| match opened {
        OpenedCase::Open(case) => *case,
        OpenedCase::Waiting(_) => panic!("it waits for a second person"),
    })
}

/// The same by two officers, where it takes two.
pub(super) async fn open_by_two(town: &Town, new: impl Fn() -> NewCase) {
    let first = town.gateway.open_case(&town.officer(), new()).await.unwrap();
    if matches!(first.value(), OpenedCase::Waiting(_)) {
        open(town, &town.second_officer(), new()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_stops_what_is_there_and_whatever_comes() {
    let town = Town::new().await;
    HEALTH.push(&town, 0..5).await;
    assert_eq!(HEALTH.counted(&town).await, 5);
    let new = || case("case-1", Choice::Objection, record(HEALTH, 2));
    let answer = open(&town, &HEALTH.actor(&town), new()).await.into_parts().0;
    let leaf = last_leaf(&town).await;
    assert_eq!((leaf.kind, leaf.size_class), (LeafKind::CaseOpened, None));
    assert_eq!(leaf.notes.cause.unwrap().as_str(), "objection");
    assert_eq!((answer.state, answer.progress), (CaseState::Open, Progress::InProgress));
    assert!(answer.flows.iter().all(|flow| matches!(flow.effect, Effect::Stop(_))));
    assert_eq!(HEALTH.counted(&town).await, 4);
    // The same child under another record, and somebody else.
    let mut other = HEALTH.row("upsert", 2);
    other[0] = "another".to_owned();
    let rows = vec![other, HEALTH.row("upsert", 7)];
    let accepted = HEALTH.push_rows(&town, rows).await.0;
    assert_eq!((accepted.well_formed, accepted.sent_before), (2, 0));
    assert_eq!(HEALTH.counted(&town).await, 5);
    // The same call again changes nothing, another one under the reference is refused.
    let again = open(&town, &HEALTH.actor(&town), new()).await.into_parts().0;
    assert_eq!(again, answer);
    assert_eq!(last_leaf(&town).await.kind, LeafKind::RegisterRead);
    for (choice, child) in [(Choice::Restriction, 2), (Choice::Objection, 3)] {
        let differs = case("case-1", choice, record(HEALTH, child));
        let answer = town.gateway.open_case(&HEALTH.actor(&town), differs).await;
        assert_eq!(refused(answer).0, "case_differs", "{choice} of child {child}");
    }
    // It ends: what is there counts again, what was not used is taken when it is sent again.
    let ended = town.gateway.end_case(&HEALTH.actor(&town), "case-1".to_owned()).await;
    assert_eq!(ended.unwrap().value().state, CaseState::Ended);
    assert_eq!(last_leaf(&town).await.kind, LeafKind::CaseEnded);
    assert_eq!(HEALTH.counted(&town).await, 6);
    let ended = town.gateway.end_case(&HEALTH.actor(&town), "case-1".to_owned()).await;
    assert_eq!(refused(ended).0, "case_ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_choice_reaches_the_flows_that_the_law_lets_it_reach() {
    let town = Town::new().await;
    consents(&town, 0..4).await;
    HEALTH.push(&town, 0..4).await;
    CENTRES.push(&town, 0..4).await;
    let both = async || (HEALTH.counted(&town).await, CENTRES.counted(&town).await);
    assert_eq!(both().await, (4, 4));
    let centres = CENTRES.actor(&town);
    // Consent is the centres' alone; the opt-out is of confidential patient information.
    open(&town, &centres, case("a", Choice::Withdrawal, record(CENTRES, 0))).await;
    assert_eq!(both().await, (4, 3));
    open(&town, &town.officer(), case("b", Choice::OptOut, identity(1))).await;
    assert_eq!(both().await, (3, 3));
    open(&town, &centres, case("c", Choice::Restriction, record(CENTRES, 2))).await;
    assert_eq!(both().await, (2, 2));
    // One record, and not its subject.
    open(&town, &centres, case("d", Choice::Rectification, record(CENTRES, 3))).await;
    assert_eq!(both().await, (2, 1));
    let mut corrected = CENTRES.row("upsert", 3);
    corrected[0] = "r-30".to_owned();
    CENTRES.push_rows(&town, vec![corrected]).await;
    assert_eq!(both().await, (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quarter_that_is_closed_after_a_case_leaves_the_subject_out() {
    let mut town = Town::new().await;
    town.populate(600).await;
    HEALTH.push(&town, 0..3).await;
    let before = town.gateway.snapshot().epoch();
    open(&town, &HEALTH.actor(&town), case("a", Choice::Objection, record(HEALTH, 1))).await;
    assert!(town.gateway.snapshot().epoch() > before, "a count that began before is thrown away");
    let frozen = town.close("2026Q1").await.into_parts().0;
    town.gateway.end_case(&HEALTH.actor(&town), "a".to_owned()).await.unwrap();
    let release = town.gateway.release(&town.officer(), "2026Q1").await.unwrap();
    assert_eq!(release.value().document, frozen.document);
}

/// Everything that a sender is told, with or without a choice of child 2's.
async fn told(sender: Sender, choice: Option<(Choice, bool)>) -> Vec<String> {
    let town = Town::new().await;
    consents(&town, 0..20).await;
    town.gateway.name_erasures().await.unwrap();
    let mut all = Vec::new();
    let say = |all: &mut Vec<String>, said: &dyn std::fmt::Debug| all.push(format!("{said:?}"));
    if let Some((choice, true)) = choice {
        open_by_two(&town, || case("early", choice, identity(2))).await;
    }
    say(&mut all, &sender.push(&town, 0..5).await);
    if let Some((choice, false)) = choice {
        open_by_two(&town, || case("late", choice, identity(2))).await;
    }
    say(&mut all, &sender.push(&town, 0..5).await);
    say(&mut all, &sender.find(&town, 0..9).await);
    // Another record of the same child, and one whose withdrawal comes with it.
    let mut other = sender.row("upsert", 2);
    other[0] = "r-8".to_owned();
    let mut gone = sender.row("upsert", 2);
    gone[0] = "r-9".to_owned();
    let rows = vec![other, gone, sender.row("withdraw", 9), sender.row("withdraw", 11)];
    let (accepted, opened) = sender.push_rows(&town, rows.clone()).await;
    say(&mut all, &accepted);
    say(&mut all, &sender.push_rows(&town, rows.clone()).await.0);
    say(&mut all, &sender.find(&town, 0..9).await);
    let actor = sender.actor(&town);
    let undone = town.gateway.undo_stream(&actor, opened.0, &opened.1, UndoCause::WrongFile).await;
    let undone = undone.unwrap().into_parts().0;
    say(&mut all, &(undone.batches, undone.records, undone.already));
    say(&mut all, &sender.find(&town, 0..10).await);
    say(&mut all, &sender.push_rows(&town, rows).await.0);
    // The day ends: what is to be erased is.
    town.set_clock("2026-05-13T23:30:00Z");
    town.gateway.name_erasures().await.unwrap();
    say(&mut all, &sender.find(&town, 0..10).await);
    say(&mut all, &sender.push(&town, 0..6).await);
    say(&mut all, &sender.withdraw(&town, 2..3).await);
    say(&mut all, &sender.withdraw(&town, 2..4).await);
    let erased = town.gateway.erase_records(&actor, sender.named(0..3)).await;
    say(&mut all, &erased.unwrap().into_parts().0);
    say(&mut all, &sender.find(&town, 0..10).await);
    town.set_clock("2026-05-15T12:00:00Z");
    town.gateway.name_erasures().await.unwrap();
    say(&mut all, &sender.find(&town, 0..10).await);
    say(&mut all, &sender.push(&town, 0..10).await);
    say(&mut all, &sender.find(&town, 0..10).await);
    if let Some((_, early)) = choice {
        let reference = if early { "early" } else { "late" };
        town.gateway.end_case(&town.officer(), reference.to_owned()).await.unwrap();
    }
    // What is taken late is withdrawn in the very batch that brings it again.
    let mut rows: Vec<Vec<String>> = (0..10).map(|n| sender.row("upsert", n)).collect();
    rows.extend([2, 2].map(|n| sender.row("withdraw", n)));
    say(&mut all, &sender.push_rows(&town, rows).await.0);
    say(&mut all, &sender.find(&town, 0..10).await);
    say(&mut all, &sender.withdraw(&town, 2..3).await);
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn whether_a_subject_chose_can_not_be_told_by_whoever_sends() {
    for (sender, choice) in
        [(HEALTH, Choice::Objection), (HEALTH, Choice::OptOut), (CENTRES, Choice::Withdrawal)]
    {
        let without = told(sender, None).await;
        for early in [true, false] {
            let with = told(sender, Some((choice, early))).await;
            for (step, (with, without)) in with.iter().zip(&without).enumerate() {
                assert_eq!(with, without, "{choice} {early} step {step}");
            }
            assert_eq!(with.len(), without.len());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_opener_is_told_hangs_on_protocols_alone() {
    let town = Town::new().await;
    HEALTH.push(&town, 0..2).await;
    let officer = town.officer();
    let known = open(&town, &officer, case("a", Choice::Restriction, identity(0))).await;
    let unknown = open(&town, &officer, case("b", Choice::Restriction, identity(9))).await;
    assert_eq!(known.value(), unknown.value());
    // Somebody whom nobody has sent yet is known when somebody does.
    HEALTH.push(&town, 8..10).await;
    assert_eq!(HEALTH.counted(&town).await, 2);
    let health = HEALTH.actor(&town);
    let never = case("c", Choice::Restriction, record(HEALTH, 7));
    assert_eq!(refused(town.gateway.open_case(&health, never).await).0, "invalid_argument");
    let by_record = case("c", Choice::Restriction, record(HEALTH, 0));
    assert_eq!(refused(town.gateway.open_case(&officer, by_record).await).0, "invalid_argument");
    // One that was not used is one that was sent.
    open(&town, &health, case("d", Choice::Restriction, record(HEALTH, 9))).await;
    let unnamed = known_by(nhs_number(1), "");
    let answer = town.gateway.open_case(&officer, case("e", Choice::Objection, unnamed)).await;
    assert_eq!(refused(answer).0, "invalid_argument");
    assert_eq!(town.gateway.cases(&officer).await.unwrap().value().len(), 2);
    assert_eq!(refused(town.gateway.case(&health, "a".to_owned()).await).0, "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_party_is_told_of_its_own_live_records() {
    let town = Town::new().await;
    consents(&town, 0..4).await;
    HEALTH.push(&town, 0..4).await;
    CENTRES.push(&town, 0..2).await;
    let health = HEALTH.actor(&town);
    open(&town, &CENTRES.actor(&town), case("a", Choice::Restriction, record(CENTRES, 1))).await;
    let page = PageRequest::default();
    let listed = town.gateway.notices(&health, false, &page).await.unwrap().into_parts().0;
    let [notice] = &*listed.entries else { panic!("{listed:?}") };
    assert_eq!((notice.record_type, notice.action), (RecordType::HealthReview, "restrict"));
    assert_eq!(notice.due.to_string(), "2026-05-27");
    let matched = town.gateway.match_notices(&health, HEALTH.named(0..4)).await.unwrap();
    let none: Vec<String> = vec![];
    assert_eq!(*matched.value(), [none.clone(), vec![notice.id.clone()], none.clone(), none]);
    // The party itself sees that it is late at once; others only once the quarter is over.
    town.set_clock("2026-05-28T12:00:00Z");
    let listed = town.gateway.notices(&health, false, &page).await.unwrap().into_parts().0;
    assert!(listed.entries[0].overdue);
    assert_eq!(town.gateway.overdue_notices(&town.auditor()).await.unwrap().value().len(), 0);
    town.set_clock("2026-07-01T12:00:00Z");
    let overdue = town.gateway.overdue_notices(&town.auditor()).await.unwrap().into_parts().0;
    let late: Vec<&str> = overdue.iter().map(|party| party.partner.as_str()).collect();
    assert_eq!(late, ["centres", "health"]);
    assert!(overdue.iter().all(|party| party.quarter.to_string() == "2026Q2"));
    let case = town.gateway.case(&CENTRES.actor(&town), "a".to_owned()).await.unwrap();
    let case = case.value();
    assert_eq!((case.progress, case.own_notices, case.own_acknowledged), (Progress::Over, 1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_is_signed_with_a_key_for_nothing_else() {
    let town = Town::new().await;
    HEALTH.push(&town, 0..3).await;
    let health = HEALTH.actor(&town);
    open(&town, &town.officer(), case("a", Choice::Objection, identity(1))).await;
    let listed = town.gateway.notices(&health, false, &PageRequest::default()).await.unwrap();
    let id = listed.value().entries[0].id.clone();
    let word = |partner: &str, ids: &[&str]| {
        let ids = ids.iter().map(|id| (*id).to_owned()).collect();
        Acknowledgement::new(partner.parse().unwrap(), ids)
    };
    let hand_in = async |signed: String| {
        town.gateway.acknowledge_notices(&health, StatedAcknowledgement(signed)).await
    };
    // A key that signs protocols is no key for this.
    let wrong = town.signed(&word("health", &[&id]), &["health"]);
    assert_eq!(refused(hand_in(wrong).await).0, "invalid_argument");
    let key = town.put_acknowledgement_key("health").await;
    let signed = |word: &Acknowledgement| town.signed_with(word, &key);
    assert_eq!(refused(hand_in("{}".to_owned()).await).0, "invalid_argument");
    let other = "00000000000000000000000000000000";
    assert_eq!(refused(hand_in(signed(&word("health", &[&id, other]))).await).0, "not_found");
    assert_eq!(refused(hand_in(signed(&word("centres", &[&id]))).await).0, "invalid_argument");
    let mut changed = signed(&word("health", &[&id]));
    changed = changed.replacen("\"signature\": \"", "\"signature\": \"A", 1);
    assert_eq!(refused(hand_in(changed).await).0, "invalid_argument");
    let entered = hand_in(signed(&word("health", &[&id]))).await.unwrap().into_parts().0;
    assert_eq!((entered.acknowledged, entered.before), (1, 0));
    assert_eq!(last_leaf(&town).await.kind, LeafKind::NoticesAcknowledged);
    let again = hand_in(signed(&word("health", &[&id]))).await.unwrap().into_parts().0;
    assert_eq!((again.acknowledged, again.before), (0, 1));
    town.set_clock("2026-06-01T12:00:00Z");
    let case = town.gateway.case(&town.officer(), "a".to_owned()).await.unwrap();
    let case = case.value();
    assert_eq!((case.progress, case.own_notices, case.own_acknowledged), (Progress::Over, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_is_proved_offline_and_a_changed_proof_proves_nothing() {
    let town = Town::new().await;
    town.gateway.name_erasures().await.unwrap();
    consents(&town, 0..3).await;
    CENTRES.push(&town, 0..3).await;
    let centres = CENTRES.actor(&town);
    open(&town, &centres, case("a", Choice::Withdrawal, record(CENTRES, 1))).await;
    open(&town, &centres, case("b", Choice::Restriction, record(CENTRES, 2))).await;
    let prove =
        async |reference: &str| town.gateway.prove_case(&centres, reference.to_owned()).await;
    assert_eq!(refused(prove("a").await).0, "case_in_progress");
    let listed = town.gateway.notices(&centres, false, &PageRequest::default()).await.unwrap();
    let ids = listed.value().entries.iter().map(|notice| notice.id.clone()).collect();
    let key = town.put_acknowledgement_key("centres").await;
    let word = Acknowledgement::new(partner("centres"), ids);
    let signed = StatedAcknowledgement(town.signed_with(&word, &key));
    let entered = town.gateway.acknowledge_notices(&centres, signed).await.unwrap();
    assert_eq!(entered.value().acknowledged, 2);
    town.set_clock("2026-05-28T12:00:00Z");
    assert_eq!(refused(prove("a").await).0, "not_erased");
    town.gateway.name_erasures().await.unwrap();
    let proof = prove("a").await.unwrap().into_parts().0;
    let vkey = [town.vkey.parse().unwrap()];
    let proved = verify::verify_case(&proof, &vkey).unwrap();
    assert_eq!((&*proved.partner, &*proved.choice), ("centres", "withdrawal"));
    assert_eq!((proved.acknowledgements, proved.acknowledged, proved.not_acknowledged), (1, 1, 0));
    assert_eq!(proved.looked_on, "2026-05-28");
    // Nothing of it counts what others erased.
    assert!(!proof.contains("erasures"));
    verify::verify_case(&prove("b").await.unwrap().into_parts().0, &vkey).unwrap();
    // It names nobody, and none of its parts can be changed or left out.
    for key in super::erased::stored(&town, 1) {
        assert!(!proof.contains(&hex::encode(key)));
    }
    let document: serde_json::Value = serde_json::from_str(&proof).unwrap();
    for at in 0..document["leaves"].as_array().unwrap().len() {
        for part in ["entry", "proof", "document", "key"] {
            let mut changed = document.clone();
            let Some(text) = changed["leaves"][at][part].as_str() else { continue };
            let middle = text.len() / 2;
            let other = if text.as_bytes()[middle] == b'7' { "8" } else { "7" };
            let text = format!("{}{other}{}", &text[..middle], &text[middle + 1..]);
            changed["leaves"][at][part] = serde_json::Value::String(text);
            verify::verify_case(&changed.to_string(), &vkey).unwrap_err();
        }
    }
    for gone in 0..document["leaves"].as_array().unwrap().len() {
        let mut changed = document.clone();
        changed["leaves"].as_array_mut().unwrap().remove(gone);
        verify::verify_case(&changed.to_string(), &vkey).unwrap_err();
    }
    assert!(verify::verify_case(&proof, &[]).is_err());
}
