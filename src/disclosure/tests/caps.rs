//! No person adds more than the catalogue says, whatever its records say.

use super::*;
use crate::disclosure::{
    DisclosureError, Rho,
    ledger::{lifetime, quarterly_in},
};
use proptest::prelude::*;

fn any_event() -> impl Strategy<Value = Event> {
    let days = -2200..200_i32;
    let what = (0..17_u8, days, 0..300_i32, proptest::option::of(0..400_i32));
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
            8 => reviewed(on, health_review::REVIEW.codes[usize::from(code % 5)], "completed"),
            9 => fed(on, feeding_6_8_week::FEEDING.codes[usize::from(code % 4)]),
            10 => scored(on, flag),
            11 => sessions(on, 2026 * 3 - i32::from(code), 100, 60 + lag % 40),
            12 => profiled(on, 2020 + i32::from(code), flag, code > 2),
            13 => aim(on, on + lag, flag, ["work", "none", "unknown"][usize::from(role)], code > 2),
            14 => asked(on, ["satisfaction", "non_attender"][usize::from(flag)], 1 + lag % 5),
            15 => volunteered(on, end, u32::from(code), "work"),
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

/// What one person adds to each table that is due in a quarter, in the catalogue's order.
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

/// What it cost the person that it added so many to a table.
fn paid(add: u64, variance: u32) -> Rho {
    match u32::try_from(add).unwrap() {
        0 => Rho::default(),
        cells => Rho::of(cells, 1, variance),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    /// No life whatever costs more than the accounting says, neither in a quarter nor in all:
    /// tables of different ages exclude each other, or the sums below would pass the dearest
    /// life's.
    #[test]
    fn a_person_adds_at_most_the_cap_a_quarter_and_the_periods_a_lifetime(
        (birth, events) in any_life()
    ) {
        let (catalogue, geography) = (Catalogue::shipped().unwrap(), geography());
        let mut quarters = vec![0; catalogue.tables.len()];
        let (mut q, mut life, whole) = (quarter("2018Q4"), Rho::default(), lifetime(&catalogue));
        // 36 quarters.
        while q < quarter("2027Q4") {
            let facts = person(birth, &events);
            let adds = added(&catalogue, &geography, Period::new(q), &facts);
            let mut now = Rho::default();
            let numbered = catalogue.tables.iter().enumerate().filter(|(_, table)| table.is_due(q));
            for ((at, table), add) in numbered.zip(adds) {
                prop_assert!(add <= u64::from(table.cap), "{} in {q}", table.id);
                quarters[at] += u32::from(add > 0);
                now = now + paid(add, table.variance);
            }
            prop_assert!(now <= quarterly_in(&catalogue, q), "{now} in {q}");
            life = life + now;
            q = q.next();
        }
        prop_assert!(life <= whole, "{life} of {whole}");
        for (table, quarters) in catalogue.tables.iter().zip(quarters) {
            prop_assert!(quarters <= table.periods, "{}: {quarters}", table.id);
        }
    }

    #[test]
    fn a_table_depends_on_no_record_type_outside_its_sources((birth, events) in any_life()) {
        let (catalogue, geography) = (Catalogue::shipped().unwrap(), geography());
        let q = quarter(["2025Q2", "2025Q3", "2025Q4", "2026Q1"][events.len() % 4]);
        let count = |events: &[Event]| {
            let period = Period::new(q);
            let mut counter = Counter::new(&catalogue, period, &geography).unwrap();
            counter.add(&person(birth, events)).unwrap();
            counter.reveal()
        };
        let all = count(&events);
        for (at, table) in catalogue.due_in(q).enumerate() {
            let own: Vec<Event> = events
                .iter()
                .filter(|event| table.sources.contains(&event.record_type))
                .cloned()
                .collect();
            prop_assert_eq!(&count(&own)[at], &all[at], "{}", table.id);
        }
    }
}

/// Tables whose every quarter a child can be made to fill: what is declared is not too much.
const FILLED: [&str; 14] = [
    "registered",
    "engagement",
    "under_fives",
    "by_deprivation",
    "prompt",
    "new_birth_visit",
    "six_week",
    "review_12",
    "review_15",
    "review_two",
    "twos",
    "three_four",
    "families",
    "families_by_area",
];

#[test]
fn the_quarters_of_a_childhood_are_exactly_as_many_as_declared() {
    let catalogue = Catalogue::shipped().unwrap();
    let geography = geography();
    let first = day("2019-01-01");
    // Every 41st date of birth over four years, always listed and with a case.
    for n in (0..1461).step_by(41) {
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
            let period = Period::new(q);
            let adds = added(&catalogue, &geography, period, &person(Some(birth), &events));
            let numbered = catalogue.tables.iter().enumerate().filter(|(_, table)| table.is_due(q));
            for ((at, _), add) in numbered.zip(adds) {
                quarters[at] += u32::try_from(add).unwrap();
            }
            q = q.next();
        }
        for (table, quarters) in catalogue.tables.iter().zip(quarters) {
            if FILLED.contains(&table.id.as_str()) {
                assert_eq!(quarters, table.periods, "{} born {birth}", table.id);
            } else {
                assert!(quarters <= table.periods * table.cap, "{} born {birth}", table.id);
            }
        }
    }
}

#[test]
fn nobody_is_in_a_childs_and_an_adults_table_and_who_is_not_born_in_none() {
    let catalogue = Catalogue::shipped().unwrap();
    let geography = geography();
    let events = [
        born(s()),
        referred(s(), "in"),
        registered(s(), None),
        aim(s() - 90, s(), true, "work", false),
        asked(s(), "satisfaction", 5),
    ];
    for (birth, child, adult) in [
        (Some("2026-03-31"), true, false),
        (Some("2021-04-01"), true, false),
        (Some("2021-03-31"), false, false),
        (Some("2010-04-01"), false, false),
        (Some("2010-03-31"), false, true),
        (None, false, true),
        (Some("2026-04-01"), false, false),
    ] {
        let adds = added(&catalogue, &geography, period(), &person(birth.map(day), &events));
        let of = |id: &str| adds[at(&catalogue, id)] > 0;
        assert_eq!((of("registered"), of("learning")), (child, adult), "{birth:?}");
        assert_eq!((of("engagement"), of("satisfaction")), (child, adult), "{birth:?}");
        assert_eq!(of("referrals"), child || adult, "{birth:?}");
    }
}

#[test]
fn what_several_tables_tell_is_one_number() {
    let (catalogue, geography) = (Catalogue::shipped().unwrap(), geography());
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    for q in ["2025Q2", "2025Q3", "2025Q4", "2026Q1"].map(quarter) {
        let mut counter = Counter::new(&catalogue, Period::new(q), &geography).unwrap();
        for n in 1..400 {
            let on = epoch_day(q.last_day());
            let ago =
                |rng: &mut ChaCha20Rng, most: u64| i32::try_from(rng.next_u64() % most).unwrap();
            let age = ago(&mut rng, 2200);
            let mut events = vec![Event { known: 0, ..born(0) }];
            if ago(&mut rng, 2) == 0 {
                events.push(registered(on - ago(&mut rng, 300), None));
            }
            if ago(&mut rng, 3) == 0 {
                events.push(case("cp", on - ago(&mut rng, 500), None, true));
            }
            let birth = crate::domain::time::date_of(on - age);
            counter
                .add(&PersonFacts { person: PersonId::new(n), ..person(birth, &events) })
                .unwrap();
        }
        let counts = counter.reveal();
        let mut told: std::collections::BTreeMap<&str, Vec<(&str, u64)>> = Default::default();
        for (table, counts) in catalogue.due_in(q).zip(&counts) {
            for (name, cells) in &table.subtotals {
                let width = table.cells.len();
                let counted = |(at, count): (usize, &u64)| {
                    if cells.contains(&table.cells[at % width]) { *count } else { 0 }
                };
                let sum = counts.iter().enumerate().map(counted).sum();
                told.entry(name).or_default().push((table.id.as_str(), sum));
            }
        }
        for (name, told) in told {
            assert!(told.windows(2).all(|pair| pair[0].1 == pair[1].1), "{q} {name}: {told:?}");
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
    for (place, counts) in [(Some(lsoa(11)), true), (Some(lsoa(999)), false), (None, false)] {
        let events = [Event { place, ..registered(s(), None) }];
        let facts = person(Some(day("2025-01-01")), &events);
        let adds = added(&catalogue, &geography, period(), &facts);
        assert_eq!(adds.iter().sum::<u64>() > 0, counts);
    }
}
