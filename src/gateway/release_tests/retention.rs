//! Records let go once their time is over: gone, not to come in again, named, and proved.

use super::{
    details::{last_of, opened, text},
    last_leaf, refused,
    support::{AREAS, Town, partner},
    undo::{COLUMNS, counted, health, open, push, reviews, reviews_stream, take, withdrawals},
};
use crate::{
    audit::{Code, LeafKind, SizeClass},
    domain::{
        BatchId, Event, PersonId, RecordType, Role, field::Value, records::family_case,
        time::epoch_day,
    },
    gateway::{
        GatewayError, NamedRecords, OpenStream, RetentionLine, RetentionProof, Sought, Verdict,
    },
    protocol::{
        Act, Protocol, SignatoryRole,
        document::Retention,
        life::{Handling, RevocationReason},
        template::Template,
        vocabulary::RetentionStart,
    },
    store::{
        Rights, log,
        retention::{self, NEVER},
        subjects,
    },
};
use jiff::civil::{Date, date};

/// A town whose health reviews are kept for so long.
pub(super) async fn kept_for(days: u16, from: RetentionStart) -> Town {
    let town = Town::new().await;
    town.put_changed(Template::Health, kept(days, from), &[]).await;
    // The first day: nothing has ended yet.
    town.gateway.apply_retention(None).await.unwrap();
    town
}

fn kept(days: u16, from: RetentionStart) -> impl FnOnce(&mut Protocol) {
    move |protocol| {
        (protocol.retention[1].days, protocol.retention[1].from_event) = (days, from);
        // An event may come in up to 160 days later.
        (protocol.flows[1].max_backdate_days, protocol.flows[1].max_lag_days) = (100, 60);
    }
}

pub(super) async fn apply_on(town: &Town, moment: &str) {
    town.set_clock(moment);
    town.gateway.apply_retention(Some(town.gateway.today())).await.unwrap();
}

/// Identities, and batches that were looked through to their end.
async fn left(town: &Town) -> usize {
    let mut tx = town.gateway.store().transact(Rights::Intake).await.unwrap();
    let persons: Vec<PersonId> = (1..50).map(PersonId::new).collect();
    subjects::of_persons(&mut tx, &persons).await.unwrap().len()
}

async fn named_days(town: &Town) -> usize {
    let mut tx = town.gateway.store().read(Rights::Figures).await.unwrap();
    let size = log::head(&mut tx).await.unwrap().unwrap().size;
    let entries = log::entries(&mut tx, 0, size).await.unwrap();
    let kind = br#""kind":"retention_applied""#;
    entries.iter().filter(|entry| entry.windows(kind.len()).any(|window| window == kind)).count()
}

async fn prove(town: &Town) -> RetentionProof {
    town.gateway.prove_retention(&town.auditor(), None, None).await.unwrap().into_parts().0
}

/// Reviews with another event day.
fn of_day(day: &str, range: std::ops::Range<usize>) -> Vec<Vec<String>> {
    let mut rows = reviews(range);
    rows.iter_mut().for_each(|row| day.clone_into(&mut row[3]));
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn what_hung_together_by_a_record_that_is_let_go_comes_apart() {
    let town = kept_for(120, RetentionStart::EventDate).await;
    let open = OpenStream {
        columns: ["surname", "forename", "sex", "postcode", "lsoa_2011"]
            .iter()
            .chain(&COLUMNS)
            .map(|column| (*column).to_owned())
            .collect(),
        ..reviews_stream()
    };
    let opened = town.gateway.open_stream(health(&town), open).await.unwrap();
    let mut intake = opened.into_parts().0;
    let of = |n: usize, day: &str, postcode: &str, numbered: bool| {
        let mut row = of_day(day, n..n + 1).remove(0);
        row[4] = if numbered { reviews(0..1)[0][4].clone() } else { String::new() };
        let who = ["Example", "Adaeze", "2", postcode, AREAS[0].2].map(str::to_owned);
        [&who[..], &row].concat()
    };
    // One number at two addresses, and the second address without the number: the first and the
    // last have nothing in common but names and a birth date.
    let rows = vec![
        of(0, "2026-04-20", "CV1 1AH", true),
        of(1, "2026-02-03", "CV6 5HB", true),
        of(2, "2026-04-20", "CV6 5HB", false),
    ];
    let accepted = take(&mut intake, rows).await;
    assert_eq!((accepted.well_formed, &accepted.rejections[..]), (3, &[][..]));
    intake.close().await.unwrap();
    assert_eq!(counted(&town).await, 1);
    apply_on(&town, "2026-06-03T23:30:00Z").await;
    assert_eq!(counted(&town).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_due_goes_with_all_that_it_left_and_its_neighbours_prove() {
    let town = kept_for(120, RetentionStart::EventDate).await;
    let mut rows = of_day("2026-02-03", 0..3);
    rows.extend(of_day("2026-04-20", 3..5));
    push(&town, rows).await;
    let (batch, committed) = last_of(&town, LeafKind::BatchAccepted).await;
    let frozen = town.close("2026Q1").await.into_parts().0;
    // 120 days after 3 February: kept through 3 June, in London.
    apply_on(&town, "2026-06-03T22:30:00Z").await;
    assert_eq!((counted(&town).await, left(&town).await), (5, 5));
    apply_on(&town, "2026-06-03T23:30:00Z").await;
    assert_eq!((counted(&town).await, left(&town).await), (2, 2));
    for (item, gone) in [(0, true), (2, true), (3, false), (4, false)] {
        let item = opened(&town, batch, Sought::Item(item)).await;
        assert_eq!((item.shown.is_none(), item.size), (gone, 128));
    }
    assert_eq!(last_of(&town, LeafKind::BatchAccepted).await.1, committed);
    let release = town.gateway.release(&town.officer(), "2026Q1").await.unwrap();
    assert_eq!(release.value().document, frozen.document);
    // One leaf a day, with a class, and an item for each record type.
    let (index, leaf) = last_of(&town, LeafKind::RetentionApplied).await;
    assert_eq!((leaf.size_class, &leaf.partner), (Some(SizeClass::Under100), &None));
    for (at, record_type) in (0..).zip(RecordType::ALL) {
        let said = text(&opened(&town, index, Sought::Item(at)).await);
        let expected = serde_json::json!({ "record_type": record_type.name(),
            "size_class": "<100", "through_day": "2026-06-03" });
        assert_eq!(said, expected);
    }
    // What was destroyed is named among the day's erasures.
    town.gateway.name_erasures().await.unwrap();
    apply_on(&town, "2026-06-05T01:00:00Z").await;
    town.gateway.name_erasures().await.unwrap();
    let (index, _) = last_of(&town, LeafKind::Erasures).await;
    let expected = serde_json::json!({ "batch": committed.detail, "erased": 0 });
    assert_eq!(text(&opened(&town, index, Sought::Item(0)).await), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_day_has_one_leaf_whichever_gateway_writes_it() {
    let town = kept_for(120, RetentionStart::EventDate).await;
    assert_eq!(named_days(&town).await, 0);
    town.set_clock("2026-05-14T02:00:00Z");
    for _ in 0..3 {
        let (one, two) =
            tokio::join!(town.gateway.apply_retention(None), town.gateway.apply_retention(None));
        one.and(two).unwrap();
    }
    assert_eq!(named_days(&town).await, 1);
    apply_on(&town, "2026-05-20T02:00:00Z").await;
    apply_on(&town, "2026-05-18T02:00:00Z").await;
    assert_eq!(named_days(&town).await, 2, "days on which none ran are named with the next");
    let days = (Some(date(2026, 5, 1)), Some(date(2026, 5, 31)));
    let proof = town.gateway.prove_retention(&town.officer(), days.0, days.1).await.unwrap();
    // A line for all and one a type, whether anything went or not; the day from which days are
    // counted is none that was applied.
    let mut expected = Vec::new();
    for day in [date(2026, 5, 13), date(2026, 5, 19)] {
        expected.push((day, None, 100));
        expected.extend(RecordType::ALL.iter().map(|of| (day, Some(*of), 100)));
    }
    let days = proof.value().days.iter();
    let days: Vec<_> = days.map(|day| (day.day, day.record_type, day.below)).collect();
    assert_eq!(days, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_let_go_does_not_come_in_again() {
    let town = kept_for(20, RetentionStart::Received).await;
    push(&town, reviews(0..3)).await;
    apply_on(&town, "2026-06-02T12:00:00Z").await;
    assert_eq!(counted(&town).await, 3, "received on 13 May, kept through 2 June");
    apply_on(&town, "2026-06-03T12:00:00Z").await;
    assert_eq!((counted(&town).await, left(&town).await), (0, 0));
    // Its sender is told what it always was, and it counts for nothing.
    assert_eq!(push(&town, reviews(0..4)).await.1, 3);
    assert_eq!(push(&town, withdrawals(0..2)).await.1, 2, "there is nothing left to withdraw");
    assert_eq!(counted(&town).await, 1);
    let ids = vec!["r-0".to_owned(), "r-3".to_owned()];
    let named = NamedRecords { record_type: "health_review".to_owned(), record_ids: ids };
    let found = town.gateway.find_records(&health(&town), named).await.unwrap();
    assert_eq!(*found.value(), [false, true]);
    // From the next year on the protocol's own dates refuse it; its key is gone.
    apply_on(&town, "2027-01-02T12:00:00Z").await;
    let (mut intake, _) = open(&town).await;
    let again = take(&mut intake, reviews(0..1)).await;
    let rules: Vec<_> = again.rejections.iter().map(|rejection| rejection.rule).collect();
    assert_eq!((again.sent_before, rules), (0, vec!["extract_too_late"]));
    let keys: Vec<_> = ["r-0", "r-1", "r-2"]
        .map(|id| {
            let (health, of) = (partner("health"), RecordType::HealthReview);
            *town.gateway.record_key(&health, of, id).as_bytes()
        })
        .to_vec();
    let mut tx = town.gateway.store().transact(Rights::Intake).await.unwrap();
    let feed =
        crate::store::feeds::feed(&mut tx, &partner("health"), RecordType::HealthReview).await;
    let sent = crate::store::records::sent(&mut tx, feed.unwrap(), &keys).await.unwrap();
    assert!(sent.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_would_be_let_go_at_once_is_refused() {
    let town = kept_for(60, RetentionStart::EventDate).await;
    let (mut intake, _) = open(&town).await;
    let mut rows = of_day("2026-03-13", 0..1);
    rows.extend(of_day("2026-03-14", 1..2));
    let accepted = take(&mut intake, rows).await;
    let refused: Vec<_> = accepted.rejections.iter().map(|r| (r.row, r.rule)).collect();
    assert_eq!((accepted.well_formed, refused), (1, vec![(0, "event_too_old")]));
}

#[tokio::test(flavor = "multi_thread")]
async fn new_clauses_bind_what_is_there_from_the_next_day_on() {
    let town = kept_for(2_000, RetentionStart::EventDate).await;
    push(&town, reviews(0..2)).await;
    apply_on(&town, "2026-05-14T02:00:00Z").await;
    town.put_changed(Template::Health, kept(90, RetentionStart::EventDate), &[]).await;
    let proof = prove(&town).await;
    assert_eq!(proof.pending, [(partner("health"), RecordType::HealthReview)]);
    assert_eq!(proof.verdict, Verdict::Incomplete);
    assert!(proof.overdue.is_empty(), "nothing is judged by what was not applied yet");
    apply_on(&town, "2026-05-15T02:00:00Z").await;
    assert_eq!(counted(&town).await, 0);
    let proof = prove(&town).await;
    assert_eq!((proof.pending.len(), proof.judged, proof.as_of), (0, 1, date(2026, 5, 15)));
    assert_eq!(proof.verdict, Verdict::NoneOverdue);
    // A suspension stops the sending and not the clock; a part that is purged goes at once.
    let town = kept_for(2_000, RetentionStart::EventDate).await;
    push(&town, reviews(0..2)).await;
    let revoke = |handling| Act::Revoke {
        party: partner("health"),
        role: SignatoryRole::Siro,
        handling,
        reason: RevocationReason::BasisLost,
    };
    let change = || kept(2_000, RetentionStart::EventDate);
    town.put_changed(Template::Health, change(), &[revoke(Handling::Freeze)]).await;
    apply_on(&town, "2026-05-14T02:00:00Z").await;
    assert_eq!(left(&town).await, 2, "frozen: kept as long as it said last");
    town.put_changed(Template::Health, change(), &[revoke(Handling::Purge)]).await;
    apply_on(&town, "2026-05-15T02:00:00Z").await;
    assert_eq!(left(&town).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_proof_finds_what_the_job_overlooked() {
    let town = kept_for(120, RetentionStart::EventDate).await;
    push(&town, reviews(0..2)).await;
    apply_on(&town, "2026-05-14T02:00:00Z").await;
    let mut tx = town.gateway.store().transact(Rights::Intake).await.unwrap();
    for batch in 1..20 {
        // As a job would leave it that miscalculated.
        retention::looked_through(&mut tx, BatchId::new(batch), NEVER).await.unwrap();
    }
    tx.commit().await.unwrap();
    apply_on(&town, "2026-06-20T02:00:00Z").await;
    assert_eq!(counted(&town).await, 2);
    let proof = prove(&town).await;
    assert_eq!(proof.overdue, [(partner("health"), RecordType::HealthReview, 100)]);
    let leaf = last_leaf(&town).await;
    assert_eq!(leaf.kind, LeafKind::RetentionChecked);
    assert_eq!(leaf.notes.cause.as_ref().map(Code::as_str), Some("overdue"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_tells_classes_by_clause() {
    let town = kept_for(120, RetentionStart::EventDate).await;
    push(&town, reviews(0..3)).await;
    let on = async |day| {
        let lines = town.gateway.preview_retention(&town.officer(), day).await.unwrap();
        let of = |line: &RetentionLine| (line.clause.clone(), line.counted_from, line.below);
        lines.value().iter().map(of).collect::<Vec<_>>()
    };
    let clause = Some("isp-health/1#/retention/1".to_owned());
    let expected = vec![(clause, "event_date", 100), (None, "", 100)];
    assert_eq!(on(None).await, expected);
    assert_eq!(on(Some(date(2026, 6, 4))).await, expected, "three and none look the same");
    assert_eq!(last_leaf(&town).await.notes.register.unwrap().as_str(), "retention");
    let past = town.gateway.preview_retention(&town.officer(), Some(date(2026, 5, 1))).await;
    assert_eq!(refused(past).0, "invalid_argument");
    let auditor = town.gateway.preview_retention(&town.auditor(), None).await;
    assert_eq!(refused(auditor).0, "wrong_role");
    let sender = town.gateway.prove_retention(&health(&town), None, None).await;
    assert_eq!(refused(sender).0, "wrong_role");
}

/// The proof is of today, and says so where the job stands still.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_stands_still_proves_nothing() {
    let town = kept_for(2_000, RetentionStart::EventDate).await;
    push(&town, reviews(0..2)).await;
    apply_on(&town, "2026-05-14T02:00:00Z").await;
    assert_eq!(prove(&town).await.verdict, Verdict::NoneOverdue);
    town.set_clock("2026-05-15T02:00:00Z");
    let proof = prove(&town).await;
    assert_eq!((proof.verdict, proof.as_of), (Verdict::Stalled, date(2026, 5, 15)));
    assert_eq!(proof.last_applied, Some(date(2026, 5, 13)));
    let leaf = last_leaf(&town).await;
    assert_eq!(leaf.notes.cause.as_ref().map(Code::as_str), Some("stalled"));
    // What is due in the meantime is found, whether anybody lets it go or not.
    town.set_clock("2032-05-15T02:00:00Z");
    assert_eq!(prove(&town).await.verdict, Verdict::Overdue);
}

/// What is let go is gone: a clock that jumped destroys nothing by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_far_ahead_is_believed_at_its_operators_word_alone() {
    let town = kept_for(200, RetentionStart::EventDate).await;
    push(&town, reviews(0..3)).await;
    apply_on(&town, "2026-05-14T02:00:00Z").await;
    // 31 days after the last that was applied, and one more.
    town.set_clock("2026-06-13T12:00:00Z");
    town.gateway.apply_retention(None).await.unwrap();
    assert_eq!(last_leaf(&town).await.notes.cause, None);
    town.set_clock("2026-12-14T12:00:00Z");
    for confirmed in [None, Some(date(2026, 11, 12)), Some(date(2026, 12, 15))] {
        let refused = town.gateway.apply_retention(confirmed).await;
        let expected = (date(2026, 6, 12), date(2026, 12, 14));
        match refused {
            Err(GatewayError::ClockJumped { last, today }) => assert_eq!((last, today), expected),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(left(&town).await, 3);
    town.gateway.apply_retention(Some(date(2026, 12, 14))).await.unwrap();
    assert_eq!(left(&town).await, 0);
    let leaf = last_leaf(&town).await;
    assert_eq!(leaf.notes.cause.as_ref().map(Code::as_str), Some("clock_confirmed"));
}

/// A document that keeps a feed longer, signed while its records are let go, saves what is left.
#[tokio::test(flavor = "multi_thread")]
async fn clauses_are_those_in_force_when_a_record_goes() {
    let town = kept_for(60, RetentionStart::EventDate).await;
    push(&town, of_day("2026-04-20", 0..3)).await;
    town.set_clock("2026-06-25T02:00:00Z");
    let (mut rules, _) = town.gateway.rules_now(date(2026, 6, 25)).await.unwrap();
    town.put_changed(Template::Health, kept(2_000, RetentionStart::EventDate), &[]).await;
    let mut tx = town.gateway.store().read(Rights::Intake).await.unwrap();
    let first = BatchId::new(i64::MIN);
    let batches = retention::to_look_through(&mut tx, first, i32::MAX, 9).await.unwrap();
    drop(tx);
    for batch in &batches {
        let went = town.gateway.let_go_under(&mut rules, batch, date(2026, 6, 25)).await;
        assert!(!went.unwrap(), "others bind now: begin anew");
        assert!(town.gateway.let_go_under(&mut rules, batch, date(2026, 6, 25)).await.unwrap());
    }
    assert_eq!((batches.len(), left(&town).await), (1, 3));
}

/// A case that nobody closed: from its withdrawal on, or from five years after it began.
#[tokio::test(flavor = "multi_thread")]
async fn an_open_case_has_an_end() {
    let mut town = Town::new().await;
    let change = |protocol: &mut Protocol| {
        let case = |kept: &&mut Retention| kept.record_type == RecordType::FamilyCase;
        let kept = protocol.retention.iter_mut().find(case).unwrap();
        (kept.days, kept.from_event) = (20, RetentionStart::CaseClosed);
        protocol.expires = date(2099, 12, 31);
    };
    town.put_changed(Template::Families, change, &[]).await;
    town.gateway.apply_retention(None).await.unwrap();
    let children = town.children(3).await;
    let began = date(2026, 5, 1);
    let case = |closed: Option<Date>| Event {
        record_type: RecordType::FamilyCase,
        role: Role::Principal,
        day: Some(epoch_day(began)),
        known: epoch_day(began),
        place: None,
        values: closed
            .map(|day| (family_case::CLOSED, Value::Day(epoch_day(day))))
            .into_iter()
            .collect(),
    };
    let cases =
        [(children[0], case(Some(began))), (children[1], case(None)), (children[2], case(None))];
    let (batch, first) = town.send("families", RecordType::FamilyCase, began, cases.to_vec()).await;
    let left = async || {
        let mut tx = town.gateway.store().read(Rights::Release).await.unwrap();
        retention::events_of(&mut tx, batch).await.unwrap().len()
    };
    apply_on(&town, "2026-05-25T02:00:00Z").await;
    assert_eq!(left().await, 2, "20 days after its closing");
    town.set_clock("2026-06-10T12:00:00Z");
    town.withdraw("families", RecordType::FamilyCase, first + 1).await;
    apply_on(&town, "2026-06-30T12:00:00Z").await;
    assert_eq!(left().await, 2);
    apply_on(&town, "2026-07-01T12:00:00Z").await;
    assert_eq!(left().await, 1, "20 days after its withdrawal");
    apply_on(&town, "2031-05-21T12:00:00Z").await;
    assert_eq!((left().await, prove(&town).await.verdict), (1, Verdict::NoneOverdue));
    town.set_clock("2031-05-22T12:00:00Z");
    assert_eq!(prove(&town).await.verdict, Verdict::Overdue);
    apply_on(&town, "2031-05-22T12:00:00Z").await;
    assert_eq!((left().await, prove(&town).await.verdict), (0, Verdict::NoneOverdue));
}
