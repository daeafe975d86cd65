//! Every record type on its way in; corrections; what is about nobody; deaths and moves.

use super::{
    details::{last_of, opened},
    support::{AREAS, Town, partner},
};
use crate::{
    audit::LeafKind,
    domain::{
        BatchId, Event, RecordType, Role, SubjectId,
        field::Value,
        identifier::{Scheme, check},
        records::live_birth,
        time::epoch_day,
    },
    gateway::{Accepted, NamedRecords, OpenStream, Sought, UndoCause},
    protocol::{
        CallerRole,
        template::Template,
        vocabulary::{Confidentiality, ConsentRule, OnWithdrawal},
    },
    store::{Rights, feeds, retention, scan},
};
use jiff::civil::date;

pub(super) type Cells<'a> = &'a [(&'a str, &'a str)];

/// The opening's receipt.
pub(super) type Opening = (u64, [u8; 32]);

/// Who sends a type.
fn sender_of(record_type: RecordType) -> Template {
    let sends = |t: &&Template| t.record_types().contains(&record_type);
    *Template::ALL.iter().find(sends).unwrap()
}

/// Pushes rows of the definition's examples, changed as each says; columns that are in none of
/// `columns` are left out.
async fn push(
    town: &Town,
    record_type: RecordType,
    columns: &[&str],
    rows: &[Cells<'_>],
) -> (Accepted, Opening) {
    push_by(town, sender_of(record_type), record_type, columns, rows).await
}

/// The same by the sender of a template.
pub(super) async fn push_by(
    town: &Town,
    template: Template,
    record_type: RecordType,
    columns: &[&str],
    rows: &[Cells<'_>],
) -> (Accepted, Opening) {
    let open = OpenStream {
        protocol: format!("isp-{template}"),
        version: 0,
        record_type: record_type.name().to_owned(),
        purpose: String::new(),
        columns: columns.iter().map(|column| (*column).to_owned()).collect(),
        extract_day: "2026-05-10".to_owned(),
        dry_run: false,
        blinding: None,
    };
    let actor = town.actor(template.code(), &[CallerRole::Provider], None);
    let stream = town.gateway.open_stream(actor, open).await.unwrap();
    let (mut intake, receipt) = stream.into_parts();
    let definition = record_type.definition();
    let value = |cells: Cells<'_>, column: &str| {
        let changed = cells.iter().find(|(name, _)| *name == column);
        changed.map_or_else(|| definition.example(column), |(_, value)| (*value).to_owned())
    };
    let rows = rows.iter().map(|cells| columns.iter().map(|c| value(cells, c)).collect());
    let batch = intake.reader().read(rows.collect()).unwrap();
    let accepted = intake.take_batch(batch).await.unwrap().0;
    intake.close().await.unwrap();
    (accepted, (receipt.leaf_index, *receipt.leaf_hash.as_bytes()))
}

fn all_columns(record_type: RecordType) -> Vec<&'static str> {
    record_type.definition().columns().collect()
}

/// A town whose centres need no consent.
async fn town() -> Town {
    let town = Town::new().await;
    town.put_changed(
        Template::Centres,
        |protocol| {
            for flow in &mut protocol.flows {
                flow.consent = ConsentRule::Notice;
                flow.confidentiality = Confidentiality::Statute;
                flow.on_withdrawal = OnWithdrawal::Stop;
            }
        },
        &[],
    )
    .await;
    town
}

/// How many events are kept: about nobody, and about somebody.
async fn kept(town: &Town) -> (usize, usize) {
    let mut tx = town.gateway.store().read(Rights::Release).await.unwrap();
    let mut events = Vec::new();
    for batch in retention::kept(&mut tx, BatchId::new(0), 1_000).await.unwrap() {
        events.extend(retention::events_of(&mut tx, batch.batch).await.unwrap());
    }
    let nobody = events.iter().filter(|event| event.subject == SubjectId::NOBODY).count();
    (nobody, events.len() - nobody)
}

/// The events of a feed that count, of their principals.
async fn counted(town: &Town, record_type: RecordType) -> Vec<Event> {
    let mut tx = town.gateway.store().transact(Rights::Intake).await.unwrap();
    let sender = partner(sender_of(record_type).code());
    let feed = feeds::feed(&mut tx, &sender, record_type).await.unwrap();
    let last = scan::last_person(&mut tx).await.unwrap();
    let persons = scan::persons(&mut tx, &[feed], 0, last).await.unwrap();
    let events = persons.iter().flat_map(|person| person.events().unwrap());
    events.filter(|event| event.role == Role::Principal).collect()
}

/// [`RecordType::Example`], which only the tests have, goes the same way as all.
#[tokio::test(flavor = "multi_thread")]
async fn every_type_is_taken_in_and_known_when_it_comes_again() {
    let town = town().await;
    for record_type in RecordType::ALL {
        let columns = all_columns(*record_type);
        let (first, _) = push(&town, *record_type, &columns, &[&[]]).await;
        assert_eq!((first.well_formed, first.sent_before), (1, 0), "{record_type} {first:?}");
        let (again, _) = push(&town, *record_type, &columns, &[&[]]).await;
        assert_eq!((again.well_formed, again.sent_before), (1, 1), "{record_type} {again:?}");
        let somebody = !record_type.definition().identity.is_empty();
        assert_eq!(counted(&town, *record_type).await.is_empty(), !somebody, "{record_type}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postcode_that_the_lookup_lacks_is_told_for_every_type_with_an_address() {
    let town = town().await;
    let addressed = RecordType::ALL.iter().filter(|t| t.definition().field("postcode").is_some());
    for record_type in addressed {
        let mut columns = all_columns(*record_type);
        columns.retain(|column| *column != "lsoa_2011");
        let lacking: Cells<'_> = &[("postcode", "B1 1BB")];
        let unknown: Cells<'_> = &[("record_id", "R-2"), ("postcode", "ZZ99 3WZ")];
        let (accepted, _) = push(&town, *record_type, &columns, &[lacking, unknown]).await;
        let said: Vec<_> = accepted.rejections.iter().map(|r| (r.row, r.field, r.rule)).collect();
        assert_eq!(said, [(0, "postcode", "postcode-not-found")], "{record_type}");
        assert_eq!(accepted.well_formed, 1, "{record_type}: who has no known address has none");
        assert!(!accepted.rejections[0].by_protocol);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_about_nobody_is_kept_withdrawn_and_erased_and_counts_nobody() {
    let town = town().await;
    let session = RecordType::ProviderSession;
    let columns = all_columns(session);
    let ids = ["S-1", "S-2", "S-3"].map(|id| [("record_id", id)]);
    let rows: Vec<Cells<'_>> = ids.iter().map(|cells| &cells[..]).collect();
    let (accepted, _) = push(&town, session, &columns, &rows).await;
    assert_eq!((accepted.well_formed, accepted.sent_before), (3, 0), "{accepted:?}");
    assert_eq!(kept(&town).await, (3, 0));
    let gone: Cells<'_> = &[("record_id", "S-1"), ("operation", "withdraw")];
    let (accepted, _) = push(&town, session, &columns, &[gone]).await;
    assert_eq!((accepted.well_formed, accepted.sent_before), (1, 0));
    let named = || NamedRecords {
        record_type: session.name().to_owned(),
        record_ids: vec!["S-2".to_owned()],
    };
    let centres = town.actor("centres", &[CallerRole::Provider], None);
    let found = town.gateway.find_records(&centres, named()).await.unwrap();
    assert_eq!(*found.value(), [true]);
    town.gateway.erase_records(&centres, named()).await.unwrap();
    town.gateway.carry_out_erasures().await.unwrap();
    assert_eq!(kept(&town).await, (2, 0));
    let found = town.gateway.find_records(&centres, named()).await.unwrap();
    assert_eq!(*found.value(), [false]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_correction_takes_the_place_of_the_record_and_is_known_since_it_was() {
    let town = Town::new().await;
    let birth = RecordType::LiveBirth;
    let columns = all_columns(birth);
    let first: Cells<'_> = &[("record_id", "B-1"), ("plurality", "1")];
    let second: Cells<'_> = &[
        ("record_id", "B-2"),
        ("supersedes", "B-1"),
        ("plurality", "2"),
        ("extracted_at", "2026-05-01"),
    ];
    let third: Cells<'_> = &[
        ("record_id", "B-3"),
        ("supersedes", "B-2"),
        ("plurality", "3"),
        ("extracted_at", "2026-05-02"),
    ];
    let stands = async |plurality: i32| {
        let events = counted(&town, birth).await;
        let own: Vec<_> = events
            .iter()
            .filter(|event| event.value(live_birth::PLURALITY) == Some(&Value::Integer(plurality)))
            .collect();
        assert_eq!((events.len(), own.len()), (1, 1), "{events:?}");
        assert_eq!(own[0].known, epoch_day(date(2026, 4, 2)));
    };
    // Nothing to take the place of; a record of its own feed alone.
    let (refused, _) = push(&town, birth, &columns, &[second]).await;
    let said: Vec<_> = refused.rejections.iter().map(|r| (r.field, r.rule)).collect();
    assert_eq!(
        (refused.well_formed, &said[..]),
        (0, &[("supersedes", "nothing-to-supersede")][..])
    );
    push(&town, birth, &columns, &[first]).await;
    stands(1).await;
    let (accepted, correction) = push(&town, birth, &columns, &[second]).await;
    assert_eq!((accepted.well_formed, accepted.sent_before), (1, 0), "{accepted:?}");
    stands(2).await;
    // The private detail says what is stored: the record, and that the earlier one went.
    let (index, _) = last_of(&town, LeafKind::BatchAccepted).await;
    for item in 0..2 {
        assert!(opened(&town, index, Sought::Item(item)).await.shown.is_some());
    }
    // A correction of a correction, sent twice; the one corrected can't be corrected again.
    push(&town, birth, &columns, &[third]).await;
    stands(3).await;
    let (again, _) = push(&town, birth, &columns, &[third]).await;
    assert_eq!((again.well_formed, again.sent_before), (1, 1));
    stands(3).await;
    let twice: Cells<'_> = &[&[("record_id", "B-4")][..], second].concat();
    let (refused, _) = push(&town, birth, &columns, &[twice]).await;
    assert_eq!(refused.rejections[0].rule, "nothing-to-supersede");
    stands(3).await;
    // Taken back, the file that corrected leaves what stood before it, less what still stands.
    let health = town.actor("health", &[CallerRole::Provider], None);
    let (index, hash) = correction;
    town.gateway.undo_stream(&health, index, &hash, UndoCause::WrongValues).await.unwrap();
    assert_eq!(counted(&town, birth).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_and_its_correction_may_stand_in_one_batch() {
    let town = Town::new().await;
    let birth = RecordType::LiveBirth;
    let columns = all_columns(birth);
    let rows: [Cells<'_>; 3] = [
        &[("record_id", "B-1")],
        &[("record_id", "B-2"), ("supersedes", "B-1"), ("extracted_at", "2026-05-01")],
        &[("record_id", "B-3"), ("supersedes", "B-9")],
    ];
    let (accepted, _) = push(&town, birth, &columns, &rows).await;
    assert_eq!((accepted.well_formed, accepted.rejections.len()), (2, 1), "{accepted:?}");
    assert_eq!(accepted.rejections[0].row, 2);
    let events = counted(&town, birth).await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].known, epoch_day(date(2026, 4, 2)));
}

fn nhs_numbers(count: usize) -> Vec<String> {
    let valid = |text: &String| check(Scheme::Nhs, text).is_ok();
    (9_990_000_000_u64..).map(|number| number.to_string()).filter(valid).take(count).collect()
}

/// Far above the noise of a cell of the table.
const CHILDREN: usize = 400;

#[tokio::test(flavor = "multi_thread")]
async fn the_dead_and_those_who_moved_away_are_not_counted() {
    let town = Town::new().await;
    let numbers = nhs_numbers(3 * CHILDREN);
    let who = ["record_id", "extracted_at", "event_date", "nhs_number", "date_of_birth"];
    let columns = [&who[..], &["lsoa_2011", "review", "outcome"]].concat();
    for ((_, _, lsoa), numbers) in AREAS.iter().zip(numbers.chunks(CHILDREN)) {
        let rows: Vec<_> = numbers
            .iter()
            .map(|nhs| [("record_id", nhs.as_str()), ("nhs_number", nhs), ("lsoa_2011", *lsoa)])
            .collect();
        let rows: Vec<Cells<'_>> = rows.iter().map(|cells| &cells[..]).collect();
        let (accepted, _) = push(&town, RecordType::HealthReview, &columns, &rows).await;
        assert_eq!(accepted.well_formed, CHILDREN);
    }
    let told: Vec<_> = numbers[CHILDREN..]
        .iter()
        .map(|nhs| {
            [
                ("record_id", nhs.as_str()),
                ("nhs_number", nhs),
                ("event_date", "2026-03-20"),
                ("movement", "out"),
            ]
        })
        .collect();
    let told: Vec<Cells<'_>> = told.iter().map(|cells| &cells[..]).collect();
    let (dead, gone) = told.split_at(CHILDREN);
    push(&town, RecordType::Death, &who, dead).await;
    push(&town, RecordType::Movement, &[&who[..], &["movement"]].concat(), gone).await;
    let frozen = town.close("2026Q1").await.into_parts().0;
    let table = frozen.release.table(&"under_fives".parse().unwrap()).unwrap();
    let sums: Vec<i64> = table.counts.iter().map(|area| area.iter().sum()).collect();
    let near = |at: usize, exact: i64| (sums[at] - exact).abs() < 150;
    assert!(near(0, 400) && near(1, 0) && near(2, 0), "{sums:?}");
}
