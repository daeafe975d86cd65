//! Tests of the whole room: what a small world's releases hold.

mod caps;
mod classification;
mod releases;
mod statistics;

use super::{
    Catalogue, Closing, Counter, Digest, Geography, Ledger, Limits, PersonFacts, ReachArea,
    Release, period::Period,
};
use crate::domain::{
    Event, Lsoa, PersonId, Quarter, RecordType, Role,
    field::Value,
    records::{
        attendance, family_case, funded_place, referral, registration, two_year_old_eligibility,
    },
    time::epoch_day,
};
use chacha20::ChaCha20Rng;
use jiff::{Timestamp, civil::Date};
use rand::SeedableRng;

/// 17 areas `CC01` .. in 8 clusters, two LSOAs each: numbers 10, 11 for the first,
/// 20, 21 for the second ...
fn geography() -> Geography {
    let areas = (1..=17_u32).map(|n| ReachArea {
        code: format!("CC{n:02}").parse().unwrap(),
        cluster: format!("CL{}", (n - 1) / 2 % 8 + 1).parse().unwrap(),
        lsoas: vec![lsoa(10 * n), lsoa(10 * n + 1)],
        under_fives: 1400,
    });
    Geography::new("v1".into(), "E08000026".parse().unwrap(), areas.collect()).unwrap()
}

fn lsoa(number: u32) -> Lsoa {
    Lsoa::from_number(number).unwrap()
}

fn quarter(text: &str) -> Quarter {
    text.parse().unwrap()
}

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

/// An event that was known on its own day, in the first area.
fn event(record_type: RecordType, on: Option<i32>, values: Vec<(u8, Value)>) -> Event {
    let known = on.unwrap_or(0);
    Event { record_type, role: Role::Principal, day: on, known, place: Some(lsoa(10)), values }
}

fn born(known: i32) -> Event {
    Event { known, ..event(RecordType::LiveBirth, None, vec![]) }
}

fn registered(start: i32, end: Option<i32>) -> Event {
    let mut values = vec![(registration::START_DATE, Value::Day(start))];
    values.extend(end.map(|end| (registration::END_DATE, Value::Day(end))));
    event(RecordType::Registration, Some(start), values)
}

fn attended(on: i32) -> Event {
    event(RecordType::Attendance, Some(on), vec![(attendance::WHO, Value::Code(0))])
}

fn listed(on: i32) -> Event {
    let values = vec![(two_year_old_eligibility::LIST_DATE, Value::Day(on))];
    event(RecordType::TwoYearOldEligibility, Some(on), values)
}

fn funded(on: i32, term: i32, age: i32) -> Event {
    let values = vec![
        (funded_place::TERM, Value::Integer(term)),
        (funded_place::FUNDED_AGE, Value::Integer(age)),
    ];
    event(RecordType::FundedPlace, Some(on), values)
}

fn referred(on: i32, direction: &str) -> Event {
    let direction = referral::DIRECTION.number(direction).unwrap();
    event(RecordType::Referral, Some(on), vec![(referral::WHICH_WAY, Value::Code(direction))])
}

fn case(kind: &str, opened: i32, closed: Option<i32>, reference: bool) -> Event {
    let kind = family_case::CASE_TYPE.number(kind).unwrap();
    let mut values = vec![
        (family_case::TYPE, Value::Code(kind)),
        (family_case::OPENED, Value::Day(opened)),
        (family_case::REFERENCE_CHILD, Value::Flag(reference)),
    ];
    values.extend(closed.map(|closed| (family_case::CLOSED, Value::Day(closed))));
    event(RecordType::FamilyCase, Some(opened), values)
}

/// The last day of 2026Q1, S in most cases here.
fn s() -> i32 {
    epoch_day(day("2026-03-31"))
}

fn period() -> Period {
    Period::new(quarter("2026Q1"), Some(day("2026-02-01")))
}

fn person(date_of_birth: Option<Date>, events: &[Event]) -> PersonFacts<'_> {
    PersonFacts { person: PersonId::new(1), date_of_birth, death: None, events }
}

fn closing(ledger: &Ledger, previous: Option<Digest>) -> Closing<'_> {
    Closing {
        ledger,
        policy: Digest::of(b"policy"),
        feeds: vec![],
        protocols: vec![],
        previous,
        created_at: Timestamp::UNIX_EPOCH,
    }
}

/// A release of planted counts.
fn release_of(
    catalogue: &Catalogue,
    geography: &Geography,
    count_of: impl Fn(usize, usize) -> u64,
    seed: u64,
) -> Release {
    let mut counter = Counter::new(catalogue, period(), geography).unwrap();
    counter.plant(count_of);
    let ledger = Ledger::new(Limits::recommended());
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    counter.freeze(&mut rng, closing(&ledger, None)).unwrap()
}
