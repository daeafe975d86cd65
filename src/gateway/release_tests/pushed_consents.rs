//! Consents that are pushed like any record.

use super::{
    last_leaf, reason_of,
    records::{Cells, Opening, push_by},
    refused,
    support::Town,
};
use crate::{
    audit::LeafKind,
    domain::RecordType,
    gateway::{Accepted, AskedConsent, ConsentGiver, ConsentRecord, StatedConsent, UndoCause},
    protocol::{CallerRole, template::Template},
};
use jiff::civil::date;

const STATED: [&str; 9] = [
    "record_id",
    "extracted_at",
    "event_date",
    "consent_ref",
    "state",
    "given_by",
    "recorded_on",
    "notice_version",
    "giver_ref",
];

async fn town() -> Town {
    let town = Town::new().await;
    town.put_protocol(Template::Centres, &[]).await;
    town
}

async fn state(town: &Town, reference: &str, rows: &[Cells<'_>]) -> (Accepted, Opening) {
    let own: Vec<Vec<(&str, &str)>> = rows
        .iter()
        .map(|cells| {
            let mut cells = cells.to_vec();
            cells.extend([("consent_ref", reference), ("giver_ref", "")]);
            // What the test says comes first and is found first.
            cells
        })
        .collect();
    let rows: Vec<Cells<'_>> = own.iter().map(Vec::as_slice).collect();
    push_by(town, Template::Centres, RecordType::Consent, &STATED, &rows).await
}

/// How many registrations that rely on a consent are let in.
async fn registered(town: &Town, id: &str, reference: &str) -> usize {
    let mut columns: Vec<&str> = RecordType::Registration.definition().columns().collect();
    columns.retain(|column| !["supersedes", "operation"].contains(column));
    let cells: Cells<'_> = &[("record_id", id), ("consent_ref", reference)];
    let sent = push_by(town, Template::Centres, RecordType::Registration, &columns, &[cells]).await;
    sent.0.well_formed
}

async fn known(town: &Town, sender: &str, reference: &str) -> Option<(ConsentRecord, usize)> {
    let actor = town.actor(sender, &[CallerRole::Provider], None);
    let (on, known_at) = (String::new(), String::new());
    let asked = AskedConsent { reference: reference.to_owned(), on, known_at };
    let known = town.gateway.consent_as_known(&actor, asked).await.unwrap().into_parts().0;
    known.map(|known| (known.state, known.statements.len()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pushed_withdrawal_reaches_what_a_withdrawal_reaches() {
    let town = town().await;
    assert_eq!(registered(&town, "R-0", "A1").await, 0, "unknown is treated as refused");
    let given: Cells<'_> = &[("record_id", "1"), ("state", "given"), ("recorded_on", "2026-03-01")];
    let (accepted, _) = state(&town, "A1", &[given]).await;
    assert_eq!((accepted.well_formed, accepted.sent_before), (1, 0), "{accepted:?}");
    assert_eq!(known(&town, "centres", "A1").await, Some((ConsentRecord::Given, 1)));
    assert_eq!(known(&town, "health", "A1").await, None, "nobody else's reference");
    assert_eq!(registered(&town, "R-1", "A1").await, 1);
    // The same batch says yes and, later in it, no.
    let gone: Cells<'_> =
        &[("record_id", "2"), ("state", "withdrawn"), ("recorded_on", "2026-03-02")];
    let (accepted, _) = state(&town, "A1", &[given, gone]).await;
    assert_eq!((accepted.well_formed, accepted.sent_before), (2, 1), "{accepted:?}");
    assert_eq!(known(&town, "centres", "A1").await, Some((ConsentRecord::Withdrawn, 2)));
    assert_eq!(registered(&town, "R-2", "A1").await, 0);
    // What the consent service itself would have made of it.
    let actor = town.actor("centres", &[CallerRole::Provider], None);
    let said = |state, day: &str| {
        let mut said = StatedConsent::default();
        "A2".clone_into(&mut said.reference);
        (said.state, said.given_by) = (Some(state), Some(ConsentGiver::Subject));
        day.clone_into(&mut said.recorded_on);
        "2026-1".clone_into(&mut said.notice_version);
        said
    };
    let both = vec![
        said(ConsentRecord::Given, "2026-03-01"),
        said(ConsentRecord::Withdrawn, "2026-03-02"),
    ];
    town.gateway.record_consents(&actor, both).await.unwrap();
    assert_eq!(known(&town, "centres", "A2").await, Some((ConsentRecord::Withdrawn, 2)));
    // And pushed again it says nothing new.
    let (accepted, _) = state(&town, "A2", &[given, gone]).await;
    assert_eq!((accepted.well_formed, accepted.sent_before), (2, 2), "{accepted:?}");
    assert_eq!(known(&town, "centres", "A2").await, Some((ConsentRecord::Withdrawn, 2)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_of_one_id_in_other_words_is_another_statement() {
    let town = town().await;
    let row = |state: &'static str, day: &'static str| {
        [("record_id", "the-only"), ("state", state), ("recorded_on", day)]
    };
    for (said, day, expected) in [
        ("given", "2026-03-01", (0, ConsentRecord::Given, 1)),
        ("refused", "2026-03-04", (0, ConsentRecord::Refused, 2)),
        // The old extract again: the yes of an earlier day lifts nothing and is not kept twice.
        ("given", "2026-03-01", (1, ConsentRecord::Refused, 2)),
        ("given", "2026-03-05", (0, ConsentRecord::Given, 3)),
    ] {
        let row = row(said, day);
        let (accepted, _) = state(&town, "A1", &[&row]).await;
        let (before, standing, statements) = expected;
        assert_eq!((accepted.well_formed, accepted.sent_before), (1, before), "{said} {day}");
        assert_eq!(known(&town, "centres", "A1").await, Some((standing, statements)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_of_a_consent_stays_said() {
    let town = town().await;
    let mut columns = STATED.to_vec();
    columns.extend(["operation", "supersedes", "valid_until", "record_types"]);
    let rows: [Cells<'_>; 6] = [
        &[("operation", "withdraw"), ("record_id", "1")],
        &[("supersedes", "1"), ("record_id", "2")],
        &[("consent_ref", " "), ("supersedes", ""), ("record_id", "3")],
        &[("notice_version", "for Ada Example"), ("supersedes", ""), ("record_id", "4")],
        &[("valid_until", "2026-01-01"), ("supersedes", ""), ("record_id", "5")],
        &[("record_types", "registration; people"), ("supersedes", ""), ("record_id", "6")],
    ];
    let pushed = push_by(&town, Template::Centres, RecordType::Consent, &columns, &rows).await;
    let said: Vec<_> = pushed.0.rejections.iter().map(|r| (r.row, r.field, r.rule)).collect();
    let expected = [
        (0, "operation", "statement-stays"),
        (1, "supersedes", "statement-stays"),
        (2, "consent_ref", "missing"),
        (3, "notice_version", "notice-form"),
        (4, "valid_until", "end-before-start"),
        (5, "record_types", "unknown-code"),
    ];
    assert_eq!((pushed.0.well_formed, &said[..]), (0, &expected[..]));
    assert_eq!(known(&town, "centres", "CN-1").await, None);
    let (_, (index, hash)) = state(&town, "A1", &[&[("record_id", "7")]]).await;
    let actor = town.actor("centres", &[CallerRole::Provider], None);
    let undone = town.gateway.undo_stream(&actor, index, &hash, UndoCause::WrongFile).await;
    assert_eq!(refused(undone).0, "statements_stay");
    assert_eq!(known(&town, "centres", "A1").await, Some((ConsentRecord::Given, 1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_leaf_is_that_of_the_consent_service_with_the_clause_that_let_it_in() {
    let town = town().await;
    let day = date(2026, 3, 1).to_string();
    for (said, kind) in
        [("given", LeafKind::ConsentRecorded), ("withdrawn", LeafKind::ConsentWithdrawn)]
    {
        let row = [("record_id", said), ("state", said), ("recorded_on", &*day)];
        state(&town, "A1", &[&row]).await;
        let head = last_leaf(&town).await;
        assert_eq!((head.kind, reason_of(&head)), (LeafKind::IntakeStreamClosed, ""));
        let (_, leaf) = super::details::last_of(&town, kind).await;
        assert!(leaf.protocol.is_some() && leaf.clause.is_some() && leaf.detail.is_some());
        assert_eq!(leaf.notes.record_type, Some(RecordType::Consent));
    }
}
