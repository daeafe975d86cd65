//! A whole file taken back by its sender.

use super::{
    last_leaf, reason_of, refused,
    support::{Town, partner},
};
use crate::{
    audit::{LeafKind, SizeClass},
    domain::{
        RecordType,
        identifier::{Scheme, check},
    },
    gateway::{Accepted, Actor, Intake, OpenStream, UndoCause, UndoneStream},
    protocol::{Act, CallerRole, template::Template},
    store::{Rights, feeds, scan},
};

pub(super) const COLUMNS: [&str; 8] = [
    "record_id",
    "operation",
    "extracted_at",
    "event_date",
    "nhs_number",
    "date_of_birth",
    "review",
    "outcome",
];

/// The opening's receipt.
pub(super) struct Opened {
    pub(super) index: u64,
    hash: [u8; 32],
}

pub(super) fn nhs_number(n: usize) -> String {
    let valid = |text: &String| check(Scheme::Nhs, text).is_ok();
    (9_990_000_000_u64..).map(|number| number.to_string()).filter(valid).nth(n).unwrap()
}

pub(super) fn reviews(range: std::ops::Range<usize>) -> Vec<Vec<String>> {
    let row = |n: usize| {
        let (id, nhs) = (format!("r-{n}"), nhs_number(n));
        let (day, birth) = ("2026-02-03", "2024-02-28");
        [&*id, "upsert", "2026-05-01", day, &nhs, birth, "twelve_month", "completed"]
            .map(str::to_owned)
            .to_vec()
    };
    range.map(row).collect()
}

pub(super) fn withdrawals(range: std::ops::Range<usize>) -> Vec<Vec<String>> {
    let row = |n: usize| {
        let id = format!("r-{n}");
        [&*id, "withdraw", "2026-05-01", "", "", "", "", ""].map(str::to_owned).to_vec()
    };
    range.map(row).collect()
}

pub(super) fn health(town: &Town) -> Actor {
    town.actor("health", &[CallerRole::Provider], None)
}

/// A stream of health's, of rows as [`reviews`] makes them.
pub(super) fn reviews_stream() -> OpenStream {
    OpenStream {
        protocol: "isp-health".to_owned(),
        version: 0,
        record_type: "health_review".to_owned(),
        purpose: String::new(),
        columns: COLUMNS.map(str::to_owned).to_vec(),
        extract_day: "2026-05-10".to_owned(),
        dry_run: false,
        blinding: None,
    }
}

pub(super) async fn open(town: &Town) -> (Intake, Opened) {
    let opened = town.gateway.open_stream(health(town), reviews_stream()).await.unwrap();
    let (intake, receipt) = opened.into_parts();
    (intake, Opened { index: receipt.leaf_index, hash: *receipt.leaf_hash.as_bytes() })
}

pub(super) async fn take(intake: &mut Intake, rows: Vec<Vec<String>>) -> Accepted {
    let batch = intake.reader().read(rows).unwrap();
    intake.take_batch(batch).await.unwrap().0
}

/// A stream of one batch, closed: its opening, and how many were sent before.
pub(super) async fn push(town: &Town, rows: Vec<Vec<String>>) -> (Opened, usize) {
    let wanted = rows.len();
    let (mut intake, opened) = open(town).await;
    let accepted = take(&mut intake, rows).await;
    assert_eq!((accepted.well_formed, accepted.rejections.len()), (wanted, 0), "{accepted:?}");
    intake.close().await.unwrap();
    (opened, accepted.sent_before)
}

pub(super) async fn undo(town: &Town, opened: &Opened) -> UndoneStream {
    let (actor, cause) = (health(town), UndoCause::WrongFile);
    let undone = town.gateway.undo_stream(&actor, opened.index, &opened.hash, cause).await;
    undone.unwrap().into_parts().0
}

/// How many persons have a health review that counts.
pub(super) async fn counted(town: &Town) -> usize {
    let mut tx = town.gateway.store().transact(Rights::Intake).await.unwrap();
    let feed = feeds::feed(&mut tx, &partner("health"), RecordType::HealthReview).await.unwrap();
    let last = scan::last_person(&mut tx).await.unwrap();
    scan::persons(&mut tx, &[feed], 0, last).await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undone_file_counts_no_more_and_may_be_sent_again() {
    let town = Town::new().await;
    let (kept, _) = push(&town, reviews(0..3)).await;
    let (wrong, _) = push(&town, reviews(3..8)).await;
    let (takes_back, _) = push(&town, withdrawals(0..1)).await;
    assert_eq!(counted(&town).await, 7);
    let frozen = town.close("2026Q1").await.into_parts().0;

    town.set_clock("2026-05-14T12:00:00Z");
    let undone = undo(&town, &wrong).await;
    assert_eq!((undone.batches, undone.records, undone.already), (1, 5, false));
    let leaf = last_leaf(&town).await;
    assert_eq!(
        (leaf.kind, leaf.size_class),
        (LeafKind::IntakeStreamUndone, Some(SizeClass::Under100))
    );
    assert_eq!(
        (leaf.notes.stream, leaf.notes.record_type),
        (Some(wrong.index), Some(RecordType::HealthReview))
    );
    assert_eq!(leaf.notes.cause.unwrap().as_str(), "wrong_file");
    assert_eq!(leaf.protocol.unwrap().id.as_str(), "isp-health");
    assert_eq!(counted(&town).await, 2);
    // A withdrawal that an undone file made stops holding, too.
    undo(&town, &takes_back).await;
    assert_eq!(counted(&town).await, 3);

    // Asked again it answers again, and nothing changes.
    let again = undo(&town, &wrong).await;
    assert_eq!(again, UndoneStream { already: true, ..undone });
    assert_eq!(last_leaf(&town).await.kind, LeafKind::RegisterRead);

    // What was undone is new when it is sent again; what was not, was sent before.
    let (sent_again, before) = push(&town, reviews(0..8)).await;
    assert_eq!((before, counted(&town).await), (3, 8));
    let (_, before) = push(&town, withdrawals(0..1)).await;
    assert_eq!((before, counted(&town).await), (0, 7), "withdrawn anew");
    let undone = undo(&town, &sent_again).await;
    assert_eq!((undone.records, counted(&town).await), (5, 2));
    undo(&town, &kept).await;
    assert_eq!(counted(&town).await, 0);

    // The release is what it was, and the checklist tells of what was taken back.
    let release = town.gateway.release(&town.officer(), "2026Q1").await.unwrap();
    assert_eq!(release.value().document, frozen.document);
    town.set_clock("2026-08-13T12:00:00Z");
    let open = town.open_points("2026Q2").await;
    assert!(open.contains(&"file_undone".to_owned()), "{open:?}");
    town.close("2026Q2").await;
    town.set_clock("2026-11-13T12:00:00Z");
    let open = town.open_points("2026Q3").await;
    assert!(!open.contains(&"file_undone".to_owned()), "{open:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_still_open_takes_no_more_once_it_is_undone() {
    let town = Town::new().await;
    let (mut intake, opened) = open(&town).await;
    take(&mut intake, reviews(0..2)).await;
    assert_eq!(undo(&town, &opened).await.records, 2);
    let batch = intake.reader().read(reviews(2..4)).unwrap();
    assert_eq!(refused(intake.take_batch(batch).await.map(drop)).0, "stream_undone");
    let leaf = last_leaf(&town).await;
    assert_eq!((reason_of(&leaf), leaf.notes.stream), ("stream_undone", Some(opened.index)));
    // Neither what counted nor what was under way stands in the way of another stream.
    assert_eq!((push(&town, reviews(0..4)).await.1, counted(&town).await), (0, 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_undone_by_its_own_sender_alone_under_whatever_protocol() {
    let town = Town::new().await;
    let (wrong, _) = push(&town, reviews(0..2)).await;
    let (_, empty) = open(&town).await;
    let ask = |actor: Actor, index: u64, hash: [u8; 32]| {
        let gateway = &town.gateway;
        async move { refused(gateway.undo_stream(&actor, index, &hash, UndoCause::WrongFile).await).0 }
    };
    let sender = || health(&town);
    let other = town.actor("centres", &[CallerRole::Provider], None);
    let officer = Actor { roles: town.officer().roles, ..sender() };
    assert_eq!(ask(other, wrong.index, wrong.hash).await, "not_found");
    let leaf = last_leaf(&town).await;
    assert_eq!((reason_of(&leaf), leaf.notes.stream), ("not_found", None));
    assert_eq!(ask(officer, wrong.index, wrong.hash).await, "wrong_role");
    assert_eq!(ask(sender(), wrong.index, empty.hash).await, "not_found");
    assert_eq!(ask(sender(), wrong.index + 1, wrong.hash).await, "not_found", "a batch's leaf");
    assert_eq!(ask(sender(), 1 << 40, wrong.hash).await, "not_found");
    assert_eq!(ask(sender(), empty.index, empty.hash).await, "nothing_to_undo");
    assert_eq!(counted(&town).await, 2);
    let suspend = Act::Suspend { party: partner("health") };
    town.put_protocol(Template::Health, &[suspend]).await;
    undo(&town, &wrong).await;
    assert_eq!(counted(&town).await, 0);
}
