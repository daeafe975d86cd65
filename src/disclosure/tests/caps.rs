//! No person adds more than the catalogue says, whatever its records say.

use super::*;
use crate::disclosure::DisclosureError;
use proptest::prelude::*;

fn any_event() -> impl Strategy<Value = Event> {
    let days = -2200..200_i32;
    let what = (0..9_u8, days, 0..300_i32, proptest::option::of(0..400_i32));
    let how = (0..6_u8, any::<bool>(), 0..3_u8, proptest::option::of(10..190_u32));
    (what, how).prop_map(|((kind, ago, lag, length), (code, flag, role, place))| {
        let on = s() + ago;
        let end = length.map(|length| on + length);
        let made = match kind {
            0 => born(on),
            1 => registered(on, end),
            2 | 3 => attended(on),
            4 => listed(on),
            5 => funded(on, 2026 * 3 - i32::from(code), 2 + i32::from(flag)),
            6 => referred(on, if flag { "in" } else { "out" }),
            7 => case(["cin", "cp", "lac", "eh", "tf"][usize::from(code % 5)], on, end, flag),
            _ => event(RecordType::HealthReview, Some(on), vec![]),
        };
        let role = if role == 0 { Role::Parent } else { Role::Principal };
        Event { known: on + lag, role, place: place.map(lsoa), ..made }
    })
}

fn any_life() -> impl Strategy<Value = (Option<Date>, Vec<Event>)> {
    let birth = proptest::option::weighted(0.95, -2600..30_i32)
        .prop_map(|ago| ago.and_then(|ago| crate::domain::time::date_of(s() + ago)));
    (birth, proptest::collection::vec(any_event(), 0..14))
}

/// What one person adds to each table in one quarter.
fn added(
    catalogue: &Catalogue,
    geography: &Geography,
    period: Period,
    facts: &PersonFacts<'_>,
) -> Vec<u64> {
    let mut counter = Counter::new(catalogue, period, geography).unwrap();
    counter.add(facts).unwrap();
    counter.reveal().iter().map(|counts| counts.iter().sum()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(150) })]

    #[test]
    fn a_person_adds_at_most_the_cap_a_quarter_and_the_periods_a_lifetime(
        (birth, events) in any_life()
    ) {
        let (catalogue, geography) = (Catalogue::shipped().unwrap(), geography());
        let mut quarters = vec![0; catalogue.tables.len()];
        let mut q = quarter("2018Q4");
        // 36 quarters; every list date is tried, as an attacker who declares lists might.
        while q < quarter("2027Q4") {
            let list = events
                .iter()
                .filter(|e| e.record_type == RecordType::TwoYearOldEligibility)
                .filter_map(|e| crate::domain::time::date_of(e.day.unwrap()))
                .filter(|day| *day <= q.last_day())
                .max();
            let facts = person(birth, &events);
            let adds = added(&catalogue, &geography, Period::new(q, list), &facts);
            for ((table, add), quarters) in catalogue.tables.iter().zip(adds).zip(&mut quarters) {
                prop_assert!(add <= u64::from(table.cap), "{} in {q}", table.id);
                *quarters += u32::from(add > 0);
            }
            q = q.next();
        }
        for (table, quarters) in catalogue.tables.iter().zip(quarters) {
            // Referrals have a rolling horizon, and no life here is longer than it.
            if table.id.as_str() != "referrals" {
                prop_assert!(quarters <= table.periods, "{}: {quarters}", table.id);
            }
        }
    }

    #[test]
    fn a_table_depends_on_no_record_type_outside_its_sources((birth, events) in any_life()) {
        let (catalogue, geography) = (Catalogue::shipped().unwrap(), geography());
        let count = |events: &[Event]| {
            let mut counter = Counter::new(&catalogue, period(), &geography).unwrap();
            counter.add(&person(birth, events)).unwrap();
            counter.reveal()
        };
        let all = count(&events);
        for (at, table) in catalogue.tables.iter().enumerate() {
            let own: Vec<Event> = events
                .iter()
                .filter(|event| table.sources.contains(&event.record_type))
                .cloned()
                .collect();
            prop_assert_eq!(&count(&own)[at], &all[at], "{}", table.id);
        }
    }
}

#[test]
fn the_quarters_of_a_childhood_are_exactly_as_many_as_declared() {
    let catalogue = Catalogue::shipped().unwrap();
    let geography = geography();
    let first = day("2019-01-01");
    // Every thirteenth date of birth over four years, always listed and with a case.
    for n in (0..1461).step_by(13) {
        let birth = crate::domain::time::days_after(first, n);
        let mut quarters = vec![0_u32; catalogue.tables.len()];
        let mut q = quarter("2018Q4");
        while q < quarter("2028Q2") {
            let list = epoch_day(q.last_day());
            let events = [
                Event { known: 0, ..born(0) },
                Event { known: 0, ..case("cp", 0, None, true) },
                listed(list),
            ];
            let period = Period::new(q, Some(q.last_day()));
            let adds = added(&catalogue, &geography, period, &person(Some(birth), &events));
            for (quarters, add) in quarters.iter_mut().zip(adds) {
                *quarters += u32::try_from(add).unwrap();
            }
            q = q.next();
        }
        for (table, quarters) in catalogue.tables.iter().zip(quarters) {
            if table.id.as_str() != "referrals" {
                assert_eq!(quarters, table.periods, "{} born {birth}", table.id);
            }
        }
    }
}

#[test]
fn a_person_can_not_be_added_twice() {
    let (catalogue, geography) = (Catalogue::shipped().unwrap(), geography());
    let mut counter = Counter::new(&catalogue, period(), &geography).unwrap();
    let numbered = |n| PersonFacts { person: PersonId::new(n), ..person(None, &[]) };
    counter.add(&numbered(5)).unwrap();
    counter.add(&numbered(6)).unwrap();
    for n in [6, 5] {
        assert_eq!(
            counter.add(&numbered(n)),
            Err(DisclosureError::PersonOutOfOrder(PersonId::new(n)))
        );
    }
}

#[test]
fn persons_outside_the_authority_or_without_a_place_count_nowhere() {
    let (catalogue, geography) = (Catalogue::shipped().unwrap(), geography());
    for (place, total) in [(Some(lsoa(11)), 2), (Some(lsoa(999)), 0), (None, 0)] {
        let events = [Event { place, ..registered(s(), None) }];
        let facts = person(Some(day("2025-01-01")), &events);
        let adds = added(&catalogue, &geography, period(), &facts);
        assert_eq!(adds.iter().sum::<u64>(), total);
    }
}
