//! Tests of the whole room: what a small world's releases hold.

mod caps;
mod classification;
mod further;
mod outcomes;
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
        attendance, development_score, early_years_profile, family_case, feeding_6_8_week,
        funded_place, health_review, learning_aim, live_birth, provider_session, referral,
        registration, school_contact, session_attendance, survey, two_year_old_eligibility,
        volunteer_placement,
    },
    row::Sex,
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
        lead_agency: None,
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
    Period::new(quarter("2026Q1"))
}

fn person(date_of_birth: Option<Date>, events: &[Event]) -> PersonFacts<'_> {
    let (person, sex) = (PersonId::new(1), Sex::Female);
    PersonFacts { person, date_of_birth, sex, death: None, events }
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

/// What is due in the first quarter of a year, without exact tables: a catalogue whose tables
/// are those of a release of [`period`], one by one.
fn first_quarter() -> Catalogue {
    let mut catalogue = Catalogue::shipped().unwrap();
    let q = period().quarter;
    catalogue.tables.retain(|table| table.is_due(q) && table.variance > 0);
    let ids: Vec<_> = catalogue.tables.iter().map(|table| table.id.clone()).collect();
    catalogue.indicators.retain(|indicator| ids.contains(indicator.measure.table()));
    for indicator in &mut catalogue.indicators {
        indicator.by.iter_mut().for_each(|by| {
            by.parts.retain(|part| ids.contains(part.measure.table()));
        });
        indicator.by.retain(|by| !by.parts.is_empty());
    }
    catalogue
}

/// The place of a table among those due in 2026Q1.
fn at(catalogue: &Catalogue, id: &str) -> usize {
    let mut due = catalogue.due_in(period().quarter);
    due.position(|table| table.id.as_str() == id).unwrap()
}

fn code(list: &crate::domain::field::CodeList, code: &str) -> Value {
    Value::Code(list.number(code).unwrap())
}

fn reviewed(on: i32, review: &str, outcome: &str) -> Event {
    let values = vec![
        (health_review::WHICH, code(&health_review::REVIEW, review)),
        (health_review::CAME_OF_IT, code(&health_review::OUTCOME, outcome)),
    ];
    event(RecordType::HealthReview, Some(on), values)
}

fn fed(on: i32, feeding: &str) -> Event {
    let values = vec![(feeding_6_8_week::FED, code(&feeding_6_8_week::FEEDING, feeding))];
    event(RecordType::FeedingSixToEightWeek, Some(on), values)
}

fn scored(on: i32, on_track: bool) -> Event {
    let values = vec![(development_score::ON_TRACK, Value::Flag(on_track))];
    event(RecordType::DevelopmentScore, Some(on), values)
}

fn sessions(on: i32, term: i32, possible: i32, attended: i32) -> Event {
    let values = vec![
        (session_attendance::TERM, Value::Integer(term)),
        (session_attendance::POSSIBLE, Value::Integer(possible)),
        (session_attendance::ATTENDED, Value::Integer(attended)),
    ];
    event(RecordType::SessionAttendance, Some(on), values)
}

fn profiled(on: i32, year: i32, reached: bool, meals: bool) -> Event {
    let values = vec![
        (early_years_profile::YEAR, Value::Integer(year)),
        (early_years_profile::REACHED, Value::Flag(reached)),
        (early_years_profile::MEALS, Value::Flag(meals)),
    ];
    event(RecordType::EarlyYearsProfile, Some(on), values)
}

fn aim(start: i32, end: i32, completed: bool, to: &str, esol: bool) -> Event {
    let status = if completed { "2" } else { "3" };
    let values = vec![
        (learning_aim::PLANNED_END, Value::Day(end)),
        (learning_aim::COMPLETED, code(&learning_aim::COMPLETION, status)),
        (learning_aim::ACHIEVED, code(&learning_aim::OUTCOME, "1")),
        (learning_aim::WENT_TO, code(&learning_aim::DESTINATION, to)),
        (learning_aim::IS_ESOL, Value::Flag(esol)),
    ];
    Event { known: end, ..event(RecordType::LearningAim, Some(start), values) }
}

fn asked(on: i32, kind: &str, answer: i32) -> Event {
    let values = vec![
        (survey::WHICH, code(&survey::KIND, kind)),
        (survey::SATISFACTION, Value::Integer(answer)),
    ];
    event(RecordType::Survey, Some(on), values)
}

fn volunteered(start: i32, end: Option<i32>, groups: u32, to: &str) -> Event {
    let mut values = vec![(volunteer_placement::START_DATE, Value::Day(start))];
    values.extend(end.map(|end| (volunteer_placement::END_DATE, Value::Day(end))));
    values.push((volunteer_placement::WENT_TO, code(&volunteer_placement::OUTCOME, to)));
    values.push((volunteer_placement::GROUPS, Value::Codes(groups)));
    let known = end.unwrap_or(start);
    Event { known, ..event(RecordType::VolunteerPlacement, Some(start), values) }
}
