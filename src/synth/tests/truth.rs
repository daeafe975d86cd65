//! The truth's definitions.

use super::*;
use crate::synth::dirt::Consent;
use crate::synth::truth::{Figure, Truth};

#[test]
fn a_tiny_plan_has_all_areas_and_its_parts_add_up() {
    let made = make(&plan(0.02));
    let facts = made.ground.facts;
    let figures = Truth::new(&made.people, &made.ground, &made.period, &made.feeds).figures();
    assert_eq!(figures.len(), 8);
    for (quarter, indicators) in &figures {
        assert_eq!(indicators.len(), 11 + 14, "{quarter}");
        for (indicator, areas) in indicators {
            assert_eq!(areas.len(), 17 + 8 + 1);
            let sum = |codes: &mut dyn Iterator<Item = &'static str>| {
                codes.map(|code| areas[code]).fold((0, 0), |(n, d), figure| {
                    (n + figure.numerator, d + figure.denominator.unwrap_or_default())
                })
            };
            let authority = sum(&mut std::iter::once(facts.authority_code));
            assert_eq!(sum(&mut facts.areas.iter().map(|area| area.code)), authority);
            assert_eq!(sum(&mut facts.clusters.iter().map(|cluster| cluster.code)), authority);
            for figure in areas.values() {
                let plain = matches!(*indicator, "births" | "under_fives");
                assert_eq!(figure.denominator.is_none(), plain);
                if !plain && *indicator != "referrals" {
                    assert!(Some(figure.numerator) <= figure.denominator, "{indicator}");
                }
            }
        }
        let under_fives = indicators["under_fives"][facts.authority_code].numerator;
        assert!((380..560).contains(&under_fives), "{under_fives}");
    }
}

/// A home in the reach area at a position.
fn home_in(ground: &Ground, area: usize) -> Home {
    let mut dice = Dice::new(1, Stage::Dirt);
    loop {
        let home = ground.anywhere(&mut dice);
        if ground.area(home) == area {
            return Home::At(home);
        }
    }
}

fn on(year: i16, month: i8, day: i8) -> Day {
    Day::of(date(year, month, day))
}

fn feed(partner: Partner, record_type: RecordType, entries: Vec<Entry>) -> Feed {
    Feed { partner, record_type, entries }
}

/// Births, registrations and attendances of three children; `home` is in the first area.
fn by_hand([one, two, three]: [PersonId; 3], home: Home, elsewhere: Home) -> Vec<Feed> {
    let entry = Entry::new;
    let came = |centre| Facts::Attendance { centre, activity: 0 };
    let registered = |end| Facts::Registration { centre: 0, end, source: 0, groups: 0 };
    let (load, known) = (on(2024, 4, 8), on(2026, 4, 2));
    let births = vec![
        // Known on 14 February, after the close of 2025Q4 (11 February): counted in 2026Q1.
        entry(one, on(2025, 11, 10), on(2026, 2, 14), home, Facts::LiveBirth),
        entry(two, on(2023, 6, 1), load, elsewhere, Facts::LiveBirth),
        entry(three, on(2021, 3, 31), load, home, Facts::LiveBirth),
    ];
    let registrations = vec![
        // Day 56 after the birth, 85 days before S: prompt, and not long.
        entry(one, on(2026, 1, 5), known, home, registered(None)),
        entry(two, on(2024, 1, 1), load, home, registered(None)),
        entry(three, on(2025, 1, 1), known, home, registered(Some(on(2026, 3, 31)))),
    ];
    let attendances = vec![
        entry(one, on(2026, 1, 6), known, home, came(0)),
        entry(one, on(2026, 1, 6), known, home, came(1)),
        entry(one, on(2026, 1, 7), known, home, came(0)),
        // On the day before the 12 months, and known after the close.
        entry(two, on(2025, 3, 31), on(2025, 4, 3), home, came(0)),
        entry(two, on(2025, 12, 1), on(2026, 5, 13), elsewhere, came(0)),
    ];
    vec![
        feed(Partner::Health, RecordType::LiveBirth, births),
        feed(Partner::Centres, RecordType::Registration, registrations),
        feed(Partner::Centres, RecordType::Attendance, attendances),
    ]
}

/// The second child on the list, with a funded place and a case; referrals of the second and third.
fn services_by_hand(two: PersonId, three: PersonId, term: calendar::Term) -> Vec<Feed> {
    let known = on(2026, 4, 2);
    let entry = |who, event, facts| Entry::new(who, event, known, Home::Blank, facts);
    let case = Facts::CaseMember {
        case: record::CaseNumber(1),
        case_type: 0,
        closed: Some(on(2026, 4, 1)),
        criteria: 0,
        role: 0,
        reference: true,
    };
    let funded = Facts::FundedPlace { term, age: 2, hours: 15, provider: 1 };
    let (other_party, reason, outcome, outcome_on) = (0, 0, 3, None);
    let referred =
        |direction| Facts::Referral { direction, other_party, reason, outcome, outcome_on };
    let list = vec![entry(two, on(2026, 2, 2), Facts::Eligibility { criterion: 0 })];
    let referrals = vec![
        entry(two, on(2026, 3, 1), referred(0)),
        entry(two, on(2026, 3, 2), referred(0)),
        entry(three, on(2026, 3, 1), referred(1)),
    ];
    let places = vec![entry(two, on(2026, 1, 6), funded)];
    let cases = vec![entry(two, on(2026, 1, 10), case)];
    vec![
        feed(Partner::Dwp, RecordType::TwoYearOldEligibility, list),
        feed(Partner::Learning, RecordType::FundedPlace, places),
        feed(Partner::Families, RecordType::FamilyCase, cases),
        feed(Partner::Centres, RecordType::Referral, referrals),
    ]
}

#[test]
fn a_population_that_can_be_counted_by_hand() {
    let made = make(&Plan { canaries: 0, ..plan(0.005) });
    let facts = made.ground.facts;
    let mut people = made.people;
    let mut children = people.households.iter().filter_map(|h| h.children.first().copied());
    let three = [(); 3].map(|()| children.next().unwrap());
    drop(children);
    for (child, born) in three.iter().zip([on(2025, 11, 10), on(2023, 6, 1), on(2021, 3, 31)]) {
        people.person_mut(*child).born = born;
    }
    let mut feeds = by_hand(three, home_in(&made.ground, 0), home_in(&made.ground, 3));
    feeds.extend(services_by_hand(three[1], three[2], made.period.quarters[7].term));
    let figures = Truth::new(&people, &made.ground, &made.period, &feeds).figures();
    let area = facts.areas[0].code;
    let now = |indicator: &str| {
        let Figure { numerator, denominator } = figures["2026Q1"][indicator][area];
        (numerator, denominator)
    };
    assert_eq!(now("births"), (1, None));
    // The third child turned five on 31 March.
    assert_eq!(now("under_fives"), (2, None));
    assert_eq!(now("registered"), (2, Some(2)));
    assert_eq!(now("ever_attended"), (1, Some(2)));
    // Two distinct days are not three.
    assert_eq!(now("sustained"), (0, Some(2)));
    assert_eq!(now("registered_not_attending"), (1, Some(1)));
    assert_eq!(now("prompt_registration"), (1, Some(1)));
    assert_eq!(now("two_year_take_up"), (1, Some(1)));
    assert_eq!(now("eligible_twos_registered"), (1, Some(1)));
    assert_eq!(now("families_known"), (1, Some(1)));
    assert_eq!(now("referrals"), (1, Some(1)));
    assert_eq!(figures["2026Q1"]["under_fives"][facts.areas[3].code].numerator, 0);
    assert_eq!(figures["2025Q4"]["births"][area].numerator, 0);
    // Its birth was elsewhere, its later registration here.
    assert_eq!(figures["2024Q2"]["under_fives"][area].numerator, 2);
    assert_eq!(Consent::of(people.person(three[0]), true), Consent::Given);
}
