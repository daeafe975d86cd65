//! Reports to subjects: who may have one, what it says, and what nobody can tell from it.

use super::{
    last_leaf, refused,
    support::{Town, partner},
    undo::{health, push, reviews},
};
use crate::{
    audit::{Decision, LeafKind},
    gateway::{
        Actor, AskReport, IdentityProof, MarkedRecords, NamedSubject, OpenStream, Reported,
        SealedReport, WithholdReason, report_info,
    },
    keys::{RecipientKey, RecipientSecret},
    protocol::CallerRole,
};
use serde_json::{Value, json};

/// The NHS number and birth of the first review's child.
const FIRST: [(&str, &str); 2] = [("nhs_number", "9990000018"), ("date_of_birth", "2024-02-28")];
const CASE: [&str; 12] = [
    "record_id",
    "operation",
    "extracted_at",
    "event_date",
    "nhs_number",
    "date_of_birth",
    "case_id",
    "case_type",
    "opened",
    "closed",
    "member_role",
    "reference_child",
];

fn families(town: &Town) -> Actor {
    town.actor("families", &[CallerRole::Provider], None)
}

/// A family case about a child, sent by the families' service.
async fn case(town: &Town, id: &str, nhs: &str, kind: &str) {
    case_in_place(town, (id, ""), nhs, kind).await;
}

/// The same in the place of an earlier one.
async fn case_in_place(town: &Town, (id, earlier): (&str, &str), nhs: &str, kind: &str) {
    let open = OpenStream {
        protocol: "isp-families".to_owned(),
        version: 0,
        record_type: "family_case".to_owned(),
        purpose: String::new(),
        columns: CASE.iter().chain(&["supersedes"]).map(|&column| column.to_owned()).collect(),
        extract_day: "2026-05-10".to_owned(),
        dry_run: false,
    };
    let day = "2026-03-02";
    let born = "2024-02-28";
    let row =
        [id, "upsert", "2026-05-01", day, nhs, born, "K1", kind, day, "", "child", "yes", earlier];
    let opened = town.gateway.open_stream(families(town), open).await.unwrap();
    let mut intake = opened.into_parts().0;
    let batch = intake.reader().read(vec![row.map(str::to_owned).to_vec()]).unwrap();
    let accepted = intake.take_batch(batch).await.unwrap().0;
    assert_eq!((accepted.well_formed, accepted.rejections.len()), (1, 0), "{accepted:?}");
}

async fn ask(town: &Town) -> u64 {
    let asked =
        AskReport { proof: Some(IdentityProof::Passport), received_on: "2026-05-11".to_owned() };
    let entered = town.gateway.ask_report(&town.officer(), &asked).await.unwrap();
    entered.value().number
}

fn named(number: u64, who: &[(&str, &str)], key: &RecipientKey) -> NamedSubject {
    let column = |(column, _): &(&str, &str)| (*column).to_owned();
    let value = |(_, value): &(&str, &str)| (*value).to_owned();
    let (columns, values) = (who.iter().map(column).collect(), who.iter().map(value).collect());
    let mut named = NamedSubject { number, columns, values, recipient: Vec::new() };
    named.recipient = key.as_bytes().to_vec();
    named
}

async fn made(town: &Town, who: &[(&str, &str)], key: &RecipientKey) -> (u64, SealedReport) {
    let number = ask(town).await;
    let first = town.gateway.report_subject(&town.officer(), named(number, who, key)).await;
    assert!(matches!(first.unwrap().value(), Reported::Waiting(_)));
    assert_eq!(last_leaf(town).await.kind, LeafKind::ApprovalGiven);
    let second = town.second_officer();
    let done = town.gateway.report_subject(&second, named(number, who, key)).await.unwrap();
    let Reported::Made(report) = done.into_parts().0 else { panic!("not made") };
    (number, *report)
}

/// What a report says, but for its number and time.
async fn said(town: &Town, who: &[(&str, &str)]) -> (Value, usize) {
    let (secret, key) = RecipientSecret::generate().unwrap();
    let (number, report) = made(town, who, &key).await;
    let open = |number| secret.open(&report.secret, report_info(number).as_bytes(), &report.sealed);
    assert!(open(number + 1).is_err(), "as another request's");
    let plain = open(number).unwrap();
    let mut value: Value = serde_json::from_slice(&plain).unwrap();
    assert_eq!(value["proof"], "passport");
    for changing in ["made_at", "request"] {
        assert!(value.as_object_mut().unwrap().remove(changing).is_some());
    }
    (value, report.sealed.len())
}

async fn mark(town: &Town, actor: &Actor, record_type: &str, ids: &[&str], withheld: bool) {
    let marked = MarkedRecords {
        record_type: record_type.to_owned(),
        record_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        withheld,
        reason: Some(WithholdReason::ChildAbuse),
    };
    let done = town.gateway.mark_withheld(actor, marked).await.unwrap();
    assert_eq!(*done.value(), ids.len());
    let leaf = last_leaf(town).await;
    assert_eq!((leaf.kind, leaf.decision), (LeafKind::RecordsWithheld, Decision::Granted));
    assert_eq!(leaf.notes.cause.unwrap().as_str(), "dpa_sch3_para21");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_says_who_shared_what_and_never_that_a_child_is_protected() {
    let town = Town::new().await;
    push(&town, reviews(0..2)).await;
    let review = json!({ "sender": "health", "record_type": "health_review",
        "received": "2026-05", "protocol": "isp-health", "version": 1, "records": 1 });
    let plain = said(&town, &FIRST).await;
    assert_eq!(plain.0["shared"], json!([review]));
    assert_eq!(plain.0["rights"][0]["protocol"], "isp-health");

    // A protection case changes nothing: no line, no count, no length.
    let nhs = FIRST[0].1;
    case(&town, "F-1", nhs, "cp").await;
    assert_eq!(said(&town, &FIRST).await, plain);
    // Another kind of case is shown, and its controller may keep it back, too.
    case(&town, "F-2", nhs, "eh").await;
    let both = said(&town, &FIRST).await;
    assert_eq!(both.0["shared"].as_array().unwrap().len(), 2);
    assert_eq!(both.0["shared"][0]["records"], 1);
    mark(&town, &families(&town), "family_case", &["F-2", "never sent"], true).await;
    assert_eq!(said(&town, &FIRST).await, plain);
    // So is what supersedes it, and what was marked before it came.
    case_in_place(&town, ("F-3", "F-2"), nhs, "eh").await;
    mark(&town, &families(&town), "family_case", &["F-4"], true).await;
    case(&town, "F-4", nhs, "eh").await;
    assert_eq!(said(&town, &FIRST).await, plain);
    mark(&town, &families(&town), "family_case", &["F-3"], false).await;
    assert_eq!(said(&town, &FIRST).await, both);
    // Only its controller lets a protection case be shown; another's mark does nothing.
    mark(&town, &health(&town), "family_case", &["F-1"], false).await;
    assert_eq!(said(&town, &FIRST).await, both);
    // That a case is shown says nothing of one that supersedes it and protects.
    case_in_place(&town, ("F-5", "F-3"), nhs, "cp").await;
    assert_eq!(said(&town, &FIRST).await, both);
    mark(&town, &families(&town), "family_case", &["F-1"], false).await;
    assert_eq!(said(&town, &FIRST).await.0["shared"][0]["records"], 2);

    // All withheld, and nobody there: the same report.
    mark(&town, &families(&town), "family_case", &[], true).await;
    mark(&town, &families(&town), "family_case", &["F-1", "F-3"], true).await;
    mark(&town, &health(&town), "health_review", &[], true).await;
    let nobody = [("nhs_number", "9990000026"), ("date_of_birth", "2019-01-01")];
    let withheld = said(&town, &FIRST).await;
    assert_eq!(withheld, said(&town, &nobody).await);
    assert_eq!(withheld.0["shared"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_takes_two_officers_who_mean_the_same_person_request_and_key() {
    let town = Town::new().await;
    push(&town, reviews(0..2)).await;
    let (_, key) = RecipientSecret::generate().unwrap();
    let (_, other_key) = RecipientSecret::generate().unwrap();
    let (officer, second) = (town.officer(), town.second_officer());
    let (number, another) = (ask(&town).await, ask(&town).await);
    let report = async |actor: &Actor, number, who: &[(&str, &str)], key: &RecipientKey| {
        town.gateway.report_subject(actor, named(number, who, key)).await
    };
    let waits = |done: Result<crate::store::Logged<Reported>, crate::gateway::Denied>| {
        assert!(matches!(done.unwrap().value(), Reported::Waiting(_)));
    };
    waits(report(&officer, number, &FIRST, &key).await);
    assert_eq!(refused(report(&officer, number, &FIRST, &key).await).0, "second_person_needed");
    let somebody = [("nhs_number", "9990000026"), ("date_of_birth", "2024-02-28")];
    waits(report(&second, number, &somebody, &key).await);
    waits(report(&second, number, &FIRST, &other_key).await);
    waits(report(&second, another, &FIRST, &key).await);
    let done = report(&second, number, &FIRST, &key).await.unwrap();
    assert!(matches!(done.value(), Reported::Made(_)));
    let leaf = last_leaf(&town).await;
    assert_eq!(leaf.kind, LeafKind::SubjectReported);
    assert_eq!(leaf.notes.key.as_ref().map(|key| key.as_str().to_owned()), Some(key.id()));
    assert_eq!(
        (leaf.partner, leaf.area, leaf.size_class),
        (Some(partner("authority")), None, None)
    );
    assert!(leaf.detail.is_some() && leaf.notes.approval.is_some());
    assert_eq!(refused(report(&officer, number, &FIRST, &key).await).0, "already_reported");
    assert_eq!(refused(report(&officer, 99, &FIRST, &key).await).0, "not_found");

    for who in [
        &[("nhs_number", "9990000018")][..],
        &[("nhs_number", "9990000019"), ("date_of_birth", "2024-02-28")],
        &[("shoe_size", "7")],
        &[],
    ] {
        let no = refused(report(&officer, another, who, &key).await).0;
        assert_eq!(no, "invalid_argument", "{who:?}");
    }
    let weak = RecipientKey::new([0; 32]);
    assert_eq!(refused(report(&officer, another, &FIRST, &weak).await).0, "invalid_argument");
    for actor in [town.auditor(), health(&town), town.manager("CC01")] {
        assert_eq!(refused(report(&actor, another, &FIRST, &key).await).0, "wrong_role");
    }
    for actor in [town.auditor(), town.officer()] {
        let no = town.gateway.mark_withheld(&actor, reasonless("family_case")).await;
        assert_eq!(refused(no).0, "wrong_role");
    }
    let no = town.gateway.mark_withheld(&health(&town), reasonless("health_review")).await;
    assert_eq!(refused(no).0, "invalid_argument");
}

fn reasonless(record_type: &str) -> MarkedRecords {
    let (record_type, record_ids) = (record_type.to_owned(), Vec::new());
    MarkedRecords { record_type, record_ids, withheld: true, reason: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_tracked_to_their_day() {
    let town = Town::new().await;
    let first = ask(&town).await;
    let leaf = last_leaf(&town).await;
    assert_eq!(leaf.kind, LeafKind::SubjectRequested);
    assert_eq!(leaf.notes.cause.unwrap().as_str(), "passport");
    let (_, key) = RecipientSecret::generate().unwrap();
    made(&town, &FIRST, &key).await;
    let listed = town.gateway.subject_requests(&town.auditor()).await.unwrap().into_parts().0;
    assert_eq!(listed.iter().map(|r| r.number).collect::<Vec<_>>(), [first, first + 1]);
    assert!(listed[0].done_at.is_none() && listed[1].done_at.is_some());
    let days = listed[0].due_on.since(listed[0].received_on).unwrap().get_days();
    assert!((1..=31).contains(&days), "{days}");
    assert!(!listed[0].overdue);
    town.set_clock("2026-06-30T12:00:00Z");
    let listed = town.gateway.subject_requests(&town.officer()).await.unwrap().into_parts().0;
    assert_eq!(listed.iter().map(|r| r.overdue).collect::<Vec<_>>(), [true, false]);
    for day in ["2026-07-01", "soon"] {
        let asked = AskReport { proof: Some(IdentityProof::Passport), received_on: day.to_owned() };
        let no = refused(town.gateway.ask_report(&town.officer(), &asked).await).0;
        assert_eq!(no, "invalid_argument");
    }
    let asked = AskReport { proof: None, received_on: String::new() };
    let no = refused(town.gateway.ask_report(&town.officer(), &asked).await).0;
    assert_eq!(no, "invalid_argument");
    let no = refused(town.gateway.subject_requests(&health(&town)).await).0;
    assert_eq!(no, "wrong_role");
}
