//! The date of birth that a first release went by holds for all later ones, whatever its sender
//! does about it: told through whole closes, by the figures that another date would change.

use super::{
    erase,
    support::{AREAS, Town},
    undo::{self, health, nhs_number},
};
use crate::gateway::{OpenStream, UndoCause};

/// So many that twelve standard deviations of a figure's noise don't hide them.
const CHILDREN: usize = 150;
/// The closes, and a date by which a child would be a newborn of that quarter.
const QUARTERS: [(&str, &str, &str); 4] = [
    ("2026Q1", "2026-05-13T12:00:00Z", "2026-02-10"),
    ("2026Q2", "2026-08-13T12:00:00Z", "2026-05-10"),
    ("2026Q3", "2026-11-13T12:00:00Z", "2026-08-10"),
    ("2026Q4", "2027-02-13T12:00:00Z", "2026-11-10"),
];

/// What is sent of all children.
struct Told<'a> {
    /// The first letter of the records' ids.
    id: &'a str,
    operation: &'a str,
    day: &'a str,
    born: &'a str,
    /// The first letter of the ids of what they supersede.
    instead_of: Option<&'a str>,
}

/// Records of live births; the opening's receipt.
async fn tell(town: &Town, told: Told<'_>) -> (u64, [u8; 32]) {
    let columns =
        ["record_id", "operation", "extracted_at", "event_date", "nhs_number", "forename"];
    let more = ["surname", "date_of_birth", "lsoa_2011", "plurality", "supersedes"];
    let columns = columns.iter().chain(&more);
    let open = OpenStream {
        record_type: "live_birth".to_owned(),
        columns: columns.map(|&column| column.to_owned()).collect(),
        extract_day: told.day.to_owned(),
        ..undo::reviews_stream()
    };
    let Told { operation, day, born, .. } = told;
    let row = |n: usize| {
        let id = format!("{}-{n}", told.id);
        if operation == "withdraw" {
            return [&*id, operation, day, "", "", "", "", "", "", "", ""]
                .map(str::to_owned)
                .to_vec();
        }
        let letters = |n: usize| {
            n.to_string().bytes().map(|digit| char::from(digit - b'0' + b'a')).collect::<String>()
        };
        let (nhs, forename) = (nhs_number(n), format!("Ada{}", letters(n)));
        let surname = format!("Example{}", letters(n + 500));
        let earlier = told.instead_of.map_or_else(String::new, |first| format!("{first}-{n}"));
        [&*id, operation, day, born, &nhs, &forename, &surname, born, AREAS[0].2, "1", &earlier]
            .map(str::to_owned)
            .to_vec()
    };
    if town.gateway.now().to_string().get(..10).is_some_and(|today| today < told.day) {
        town.set_clock(&format!("{}T12:00:00Z", told.day));
    }
    let opened = town.gateway.open_stream(health(town), open).await.unwrap();
    let (mut intake, receipt) = opened.into_parts();
    let accepted = undo::take(&mut intake, (0..CHILDREN).map(row).collect()).await;
    assert_eq!((accepted.well_formed, accepted.rejections.len()), (CHILDREN, 0), "{accepted:?}");
    intake.close().await.unwrap();
    (receipt.leaf_index, *receipt.leaf_hash.as_bytes())
}

async fn upsert(town: &Town, id: &str, day: &str, born: &str) -> (u64, [u8; 32]) {
    tell(town, Told { id, operation: "upsert", day, born, instead_of: None }).await
}

/// A record in the place of another: under its own id it would be one that was sent before.
async fn correct(town: &Town, (of, id): (&str, &str), day: &str, born: &str) {
    tell(town, Told { id, operation: "upsert", day, born, instead_of: Some(of) }).await;
}

async fn withdraw(town: &Town, id: &str, day: &str) {
    tell(town, Told { id, operation: "withdraw", day, born: "", instead_of: None }).await;
}

/// Closes a quarter, and tells how many newborns and under-fives the first area is said to have.
async fn close(town: &Town, quarter: usize) -> (i64, i64) {
    let (name, at, _) = QUARTERS[quarter];
    town.set_clock(at);
    let frozen = town.close(name).await;
    let cells = |table: &str| {
        frozen.value().release.table(&table.parse().unwrap()).unwrap().counts[0].clone()
    };
    (cells("births")[0], cells("registered").iter().sum())
}

/// Whether a noisy count is that of all children, or of none; never in between.
fn all(noisy: i64) -> bool {
    let children = i64::try_from(CHILDREN).unwrap();
    assert!(noisy < children / 3 || noisy > children - children / 3, "{noisy}");
    noisy > children / 2
}

fn told((newborns, under_fives): (i64, i64)) -> (bool, bool) {
    (all(newborns), all(under_fives))
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_told_another_birth_before_each_close_is_a_newborn_once() {
    let town = Town::new().await;
    upsert(&town, "A", "2026-04-01", "2024-09-10").await;
    // Before any close a correction counts.
    correct(&town, ("A", "B"), "2026-04-02", QUARTERS[0].2).await;
    assert_eq!(told(close(&town, 0).await), (true, true));
    correct(&town, ("B", "C"), "2026-07-01", QUARTERS[1].2).await;
    assert_eq!(told(close(&town, 1).await), (false, true));
    // Under other keys, another record after the one that gave the date was withdrawn.
    town.rotate_keys().await;
    withdraw(&town, "C", "2026-10-01").await;
    upsert(&town, "D", "2026-10-02", QUARTERS[2].2).await;
    assert_eq!(told(close(&town, 2).await), (false, true));
    // One in the place of that.
    correct(&town, ("D", "E"), "2027-01-02", QUARTERS[3].2).await;
    assert_eq!(told(close(&town, 3).await), (false, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_does_it_help_to_take_back_the_file_that_told_the_first() {
    let town = Town::new().await;
    let (index, hash) = upsert(&town, "A", "2026-04-01", QUARTERS[0].2).await;
    assert_eq!(told(close(&town, 0).await), (true, true));
    let (actor, cause) = (health(&town), UndoCause::WrongFile);
    town.gateway.undo_stream(&actor, index, &hash, cause).await.unwrap();
    // A birth that is first known of now counts now, of whoever is young enough: they still are.
    upsert(&town, "B", "2026-07-02", "2024-09-10").await;
    assert_eq!(told(close(&town, 1).await), (true, true));
}

/// What an erasure takes with it, and no more: the next date holds from the next close on, and
/// that the ledger does not charge (the catalogue says so).
#[tokio::test(flavor = "multi_thread")]
async fn an_erased_date_is_followed_by_one_other_that_holds() {
    let town = Town::new().await;
    upsert(&town, "A", "2026-04-01", QUARTERS[0].2).await;
    assert_eq!(told(close(&town, 0).await), (true, true));
    upsert(&town, "B", "2026-07-01", QUARTERS[1].2).await;
    let ids: Vec<String> = (0..CHILDREN).map(|n| format!("A-{n}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    erase::erase_of(&town, "live_birth", &ids).await;
    assert_eq!(told(close(&town, 1).await), (true, true));
    correct(&town, ("B", "C"), "2026-10-01", QUARTERS[2].2).await;
    assert_eq!(told(close(&town, 2).await), (false, true));
}
