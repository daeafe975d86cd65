//! Arrivals in any order, and what is taken back.

use super::{closure::Closure, *};
use crate::{
    domain::{BatchId, PartnerId},
    keys::{BirthDate, IdentifierKind, MasterKeys, RawIdentifier, RawText, VersionState, Versions},
    linkage::{MAX_COMPONENT, MAX_HOLDERS, RawIdentity, Sender, Sex},
    store::{
        Location, Rights, Store, erasures,
        faults::world::{database, postgres::Database},
        records::{self, NewEvent},
    },
};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::SliceRandom};
use std::collections::{BTreeMap, BTreeSet};

/// NHS number, forename, surname, birth, sex, postcode, UPRN; `-` for nothing.
type Stated = [&'static str; 7];

/// Twins, siblings, namesakes, errors, moves, numbers that conflict, records that fit two.
const HARD: [Stated; 30] = [
    ["9990000018", "Zoe", "Oyelaran", "2023-04-11", "F", "CV1 1AH", "1"],
    ["-", "Zoe", "Oyelaran", "2023-04-11", "F", "CV1 1AH", "-"],
    ["-", "Zoey", "Oyelaran", "2023-04-11", "F", "CV1 1AH", "1"],
    ["-", "Zoe", "Oyelarna", "2023-11-04", "F", "CV1 1AH", "-"],
    ["9990000018", "Zoe", "Oyelaran", "2022-04-11", "F", "CV6 5RB", "-"],
    ["-", "Zoe", "Oyelaran", "2023-04-11", "F", "CV6 5RB", "-"],
    ["-", "Z", "Oyelaran", "2023-04-11", "F", "CV1 1AH", "-"],
    ["-", "Jack", "Hall", "2022-05-06", "M", "CV2 2AB", "7"],
    ["-", "James", "Hall", "2022-05-06", "M", "CV2 2AB", "7"],
    ["-", "J", "Hall", "2022-05-06", "M", "CV2 2AB", "7"],
    ["-", "Jakc", "Hall", "2022-05-06", "M", "CV2 2AB", "7"],
    ["-", "Jack", "Hall", "2022-05-06", "M", "CV2 2AB", "-"],
    ["-", "James", "Hall", "2022-06-05", "M", "CV2 2AB", "7"],
    ["9990000026", "Ali", "Khan", "2021-02-03", "M", "CV3 3AB", "8"],
    ["9990000034", "Ali", "Khan", "2021-02-03", "M", "CV3 3AB", "9"],
    ["-", "Ali", "Khan", "2021-02-03", "M", "CV3 3AB", "-"],
    ["-", "Aly", "Khan", "2021-02-03", "M", "CV3 3AB", "8"],
    ["-", "Hassan", "Shah", "2022-07-08", "M", "CV4 4AB", "5"],
    ["-", "Hussain", "Shah", "2022-07-08", "M", "CV4 4AB", "5"],
    ["-", "Hasan", "Shah", "2022-07-08", "M", "CV4 4AB", "5"],
    ["-", "Husein", "Shah", "2022-07-08", "M", "CV4 4AB", "5"],
    ["-", "Mohammed Ali", "Shah", "2020-07-08", "M", "CV4 4AB", "5"],
    ["-", "Mohammed Amin", "Shah", "2020-07-08", "M", "CV4 4AB", "5"],
    ["-", "Mohammed", "Shah", "2020-07-08", "M", "CV4 4AB", "5"],
    ["-", "Ola", "Nowak", "2023-01-01", "F", "CV5 6AB", "4"],
    ["-", "Aleksandra", "Nowak", "2023-01-01", "F", "CV5 6AB", "4"],
    ["-", "Ola", "Nowak", "2023-03-04", "F", "CV5 6AB", "4"],
    ["-", "Aleksandra", "Nowak", "2023-03-04", "F", "CV5 6BA", "-"],
    ["-", "Sandra", "Nowak-Hall", "2023-03-04", "F", "CV5 6AB", "4"],
    ["-", "Baby", "Nowak", "2023-03-04", "F", "CV5 6AB", "4"],
];

async fn store() -> (Store, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&Location::Sqlite(dir.path().join("g.db").into())).await.unwrap();
    store.migrate(None).await.unwrap();
    (store, dir)
}

/// A store as a gateway opens it, whose user owns nothing.
async fn on_postgres(database: &Database) -> Store {
    let at = |user| Location::Postgres(database.location(user));
    let owner = Store::open(&at("owner")).await.unwrap();
    owner.migrate(Some("gateway")).await.unwrap();
    owner.close().await;
    Store::open(&at("gateway")).await.unwrap()
}

fn keys(rng: &mut StdRng) -> KeysInUse {
    let keys = MasterKeys::generate(rng);
    let check = keys.check_value(KeyVersion::FIRST).unwrap();
    let all = vec![(KeyVersion::FIRST, VersionState::Current, check)];
    KeysInUse::new(keys, Versions { number: 1, prf: crate::keys::Prf::Hmac, all }).unwrap()
}

fn keyed(keys: &KeysInUse, at: usize, stated: &Stated) -> KeyedIdentity {
    let health: PartnerId = "health".parse().unwrap();
    let kind = IdentifierKind::Record { partner: &health, record_type: "live_birth" };
    let record = RawIdentifier::new(format!("r-{at}")).pseudonymise(kind, &keys.pseudonymiser);
    let given = |text: &str| (text != "-").then(|| text.to_owned());
    let [nhs, forename, surname, birth, sex, postcode, uprn] = stated.map(given);
    let raw = RawIdentity {
        nhs_number: nhs.map(RawIdentifier::new),
        forename: forename.map(RawText::new),
        surname: surname.map(RawText::new),
        birth: birth.map(|day| BirthDate::new(day.parse().unwrap())),
        sex: sex.map(|sex| if sex == "M" { Sex::Male } else { Sex::Female }),
        postcode: postcode.map(RawText::new),
        uprn: uprn.map(RawText::new),
        ..RawIdentity::default()
    };
    let sender = Sender { partner: &health, record: &record, position: 0 };
    raw.pseudonymise(sender, &keys.pseudonymiser).unwrap()
}

/// Where each of some identities is in the end, in their order.
async fn arrive(
    keys: &KeysInUse,
    tx: &mut Tx,
    all: &[KeyedIdentity],
    batches: &[Vec<usize>],
    rng: &mut StdRng,
) -> Vec<(SubjectId, PersonId)> {
    for batch in batches {
        let batch: Vec<&KeyedIdentity> = batch.iter().map(|at| &all[*at]).collect();
        link(keys, tx, &batch, rng).await.unwrap();
    }
    let whole: Vec<&KeyedIdentity> = all.iter().collect();
    link(keys, tx, &whole, rng).await.unwrap()
}

/// Which identities are one person.
fn partition(placed: &[(SubjectId, PersonId)]) -> BTreeSet<BTreeSet<usize>> {
    let mut persons: BTreeMap<PersonId, BTreeSet<usize>> = BTreeMap::new();
    for (at, (_, person)) in placed.iter().enumerate() {
        persons.entry(*person).or_default().insert(at);
    }
    persons.into_values().collect()
}

#[tokio::test]
async fn a_thousand_orders_give_the_same_persons() {
    let (store, _dir) = store().await;
    let on_sqlite = persons_in_orders(&store, 1_000).await;
    let Some(database) = database().await else { return };
    let store = on_postgres(&database).await;
    assert_eq!(persons_in_orders(&store, 25).await, on_sqlite);
    store.close().await;
}

/// The persons of the hard set, the same in so many orders.
async fn persons_in_orders(store: &Store, orders: usize) -> BTreeSet<BTreeSet<usize>> {
    let mut tx = store.transact(Rights::Intake).await.unwrap();
    let mut rng = StdRng::seed_from_u64(5);
    let mut first = None;
    for order in 0..orders {
        // Other keys, other persons: nothing of an order before is found again.
        let keys = keys(&mut rng);
        let all: Vec<_> = HARD.iter().enumerate().map(|(at, s)| keyed(&keys, at, s)).collect();
        let mut places: Vec<usize> = (0..HARD.len()).collect();
        places.shuffle(&mut rng);
        let size = rng.random_range(1..=HARD.len());
        let batches: Vec<Vec<usize>> = places.chunks(size).map(<[usize]>::to_vec).collect();
        let placed = arrive(&keys, &mut tx, &all, &batches, &mut rng).await;
        let persons = partition(&placed);
        let expected = first.get_or_insert_with(|| persons.clone());
        assert_eq!(&persons, expected, "order {order}: {places:?} by {size}");
    }
    let persons = first.unwrap();
    let together = |a: usize, b: usize| persons.iter().any(|p| p.contains(&a) && p.contains(&b));
    for (a, b) in [(0, 1), (0, 2), (0, 3), (0, 4), (4, 5), (7, 10), (7, 11), (8, 12)] {
        assert!(together(a, b), "{:?} and {:?}", HARD[a], HARD[b]);
    }
    let apart = [(7, 8), (13, 14), (13, 15), (17, 18), (21, 22), (7, 9), (8, 9), (26, 29)];
    for (a, b) in apart {
        assert!(!together(a, b), "{:?} and {:?}", HARD[a], HARD[b]);
    }
    persons
}

/// One that stands alone, its namesake of another postcode with a number, and what shows that they
/// are one.
const MERGED: [Stated; 3] = [
    ["-", "Zoe", "Oyelaran", "2023-04-11", "F", "CV1 1AH", "-"],
    ["9990000018", "Zoe", "Oyelaran", "2023-04-11", "F", "CV6 5RB", "-"],
    ["9990000018", "Zoe", "Oyelaran", "2023-04-11", "F", "CV1 1AH", "-"],
];

#[tokio::test]
async fn a_split_undoes_a_merge_exactly() {
    let (store, _dir) = store().await;
    merged_and_split(&store).await;
    let Some(database) = database().await else { return };
    let store = on_postgres(&database).await;
    merged_and_split(&store).await;
    store.close().await;
}

async fn merged_and_split(store: &Store) {
    let mut tx = store.transact(Rights::Intake).await.unwrap();
    let mut rng = StdRng::seed_from_u64(6);
    let keys = keys(&mut rng);
    let all: Vec<_> = MERGED.iter().enumerate().map(|(at, s)| keyed(&keys, at, s)).collect();
    let mut placed = Vec::new();
    let mut before = Vec::new();
    for one in &all {
        if placed.len() == 2 {
            let persons: Vec<PersonId> = placed.iter().map(|(_, person)| *person).collect();
            before = subjects::of_persons(&mut tx, &persons).await.unwrap();
        }
        placed.push(link(&keys, &mut tx, &[one], &mut rng).await.unwrap()[0]);
    }
    assert_eq!(before.len(), 2);
    assert_ne!(before[0].person, before[1].person);
    let merged = subjects::of_persons(&mut tx, &[before[0].person]).await.unwrap();
    assert_eq!(merged.len(), 3, "the third shows that they are one");
    let links: Vec<_> = merged.iter().filter_map(|subject| subject.tie.link).collect();
    assert_eq!(links.len(), 2);
    assert!(links.iter().all(|link| link.rules == crate::linkage::COMPARISON_RULES));
    // The third's record is erased, and with it the only thing that ties the two.
    let (third, person) = (placed[2].0, merged[2].person);
    let event = NewEvent {
        person,
        subject: third,
        event_number: 7,
        role: 0,
        consent: None,
        body: vec![0; 24],
        key_version: 0,
    };
    records::stage_events(&mut tx, BatchId::new(1), &[event]).await.unwrap();
    erasures::erase_record(&mut tx, 7, Some(&[third])).await.unwrap();
    resolve_after_erasure(&keys, &mut tx, &[person]).await.unwrap();
    let persons: Vec<PersonId> = before.iter().map(|subject| subject.person).collect();
    assert_eq!(subjects::of_persons(&mut tx, &persons).await.unwrap(), before);
}

#[tokio::test]
async fn a_lookup_key_that_many_hold_is_not_followed_whoever_came_last() {
    let (store, _dir) = store().await;
    let mut tx = store.transact(Rights::Intake).await.unwrap();
    let mut rng = StdRng::seed_from_u64(8);
    let keys = keys(&mut rng);
    // Two of one name and errors, found by birth date and postcode alone, in a crowd of that day.
    let mut all = vec![
        keyed(&keys, 0, &["-", "Zoe", "Oyelaran", "2023-04-11", "F", "CV1 1AH", "1"]),
        keyed(&keys, 1, &["-", "Zoe", "Hall", "2023-04-11", "F", "CV1 1AH", "1"]),
    ];
    let pair = arrive(&keys, &mut tx, &all, &[vec![0], vec![1]], &mut rng).await;
    assert_eq!(pair[0].1, pair[1].1, "found while few hold the key");
    for n in 0..MAX_HOLDERS {
        let letters: Vec<u8> = [n / 26, n % 26].map(|l| b'a' + u8::try_from(l).unwrap()).into();
        let name: &'static str =
            Box::leak(format!("Qx{}", String::from_utf8(letters).unwrap()).into_boxed_str());
        let stated = ["-", name, name, "2023-04-11", "M", "CV1 1AH", "-"];
        all.push(keyed(&keys, 2 + n, &stated));
    }
    let batches: Vec<Vec<usize>> = (2..all.len()).map(|at| vec![at]).collect();
    let placed = arrive(&keys, &mut tx, &all, &batches, &mut rng).await;
    assert_ne!(placed[0].1, placed[1].1, "as if the crowd had come first");
    let mut closure = Closure::new(&keys);
    for subject in subjects::of_persons(&mut tx, &[placed[0].1]).await.unwrap() {
        closure.begin_stored(subject).unwrap();
    }
    closure.follow(&mut tx).await.unwrap();
    assert_eq!(closure.resolve(&mut tx).await.unwrap().0, []);
}

#[tokio::test]
async fn a_number_that_a_system_fills_in_for_everybody_ties_nobody() {
    let (store, _dir) = store().await;
    let mut tx = store.transact(Rights::Intake).await.unwrap();
    let mut rng = StdRng::seed_from_u64(9);
    let keys = keys(&mut rng);
    let leaked = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
    let filled_in = |at: usize, name: &'static str, postcode: &'static str| {
        keyed(&keys, at, &["9990000018", name, name, "2023-04-11", "-", postcode, "-"])
    };
    let name = |n: usize| {
        let letters = [n / 676, n / 26 % 26, n % 26].map(|l| b'a' + u8::try_from(l).unwrap());
        leaked(String::from_utf8([b"qz", &letters[..]].concat()).unwrap())
    };
    let mut all: Vec<KeyedIdentity> = (0..=MAX_COMPONENT)
        .map(|n| filled_in(n, name(n), leaked(format!("CV{} {}AA", 10 + n % 80, n / 80))))
        .collect();
    let crowd = all.len();
    let whole = vec![(0..crowd).collect()];
    let placed = arrive(&keys, &mut tx, &all, &whole, &mut rng).await;
    assert_eq!(partition(&placed).len(), crowd, "too many to be resolved");
    // Two of one house, who meet by address and birth date.
    all.push(filled_in(crowd, "Zoe", "CV1 1AH"));
    all.push(filled_in(crowd + 1, "Benedict", "CV1 1AH"));
    let placed = arrive(&keys, &mut tx, &all, &[vec![crowd], vec![crowd + 1]], &mut rng).await;
    assert_eq!(partition(&placed).len(), crowd + 2);
}
