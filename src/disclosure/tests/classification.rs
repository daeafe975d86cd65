//! Each definition's edges, one case a line.

use super::*;
use crate::disclosure::{classify::Classification, geography::Place, known::Known};

/// A deprived LSOA in the second neighbourhood of the first area.
pub(super) const PLACE: Place = Place { area: 0, neighbourhood: Some(1), deprived: true };

/// The name of the cell that a table gives.
pub(super) fn cell_in(
    table: &str,
    period: &Period,
    facts: &PersonFacts<'_>,
) -> Option<&'static str> {
    let classification = Classification::of(&table.parse().unwrap()).unwrap();
    let known = Known::new(facts, period, 0)?;
    let cell = classification.cells_of(&known, PLACE).iter().next()?;
    Some(classification.cells()[usize::from(cell)])
}

pub(super) type Case = (&'static str, Option<&'static str>, Option<&'static str>, Vec<Event>);

/// (case, date of birth, wanted cell, events) in 2026Q1.
pub(super) fn run(table: &str, cases: Vec<Case>) {
    for (case, birth, wanted, events) in cases {
        let got = cell_in(table, &period(), &person(birth.map(day), &events));
        assert_eq!(got, wanted, "{table}: {case}");
        let reversed: Vec<Event> = events.into_iter().rev().collect();
        let got = cell_in(table, &period(), &person(birth.map(day), &reversed));
        assert_eq!(got, wanted, "{table}, events reversed: {case}");
    }
}

const TODDLER: Option<&str> = Some("2024-01-15");

#[test]
fn under_fives_by_the_edges_of_age() {
    run(
        "under_fives",
        vec![
            ("no date of birth", None, None, vec![]),
            ("born on S", Some("2026-03-31"), Some("age_0_unregistered"), vec![]),
            ("born after S", Some("2026-04-01"), None, vec![]),
            ("a year less a day", Some("2025-04-01"), Some("age_0_unregistered"), vec![]),
            ("first birthday on S", Some("2025-03-31"), Some("age_1_unregistered"), vec![]),
            ("fifth birthday after S", Some("2021-04-01"), Some("age_4_unregistered"), vec![]),
            ("fifth birthday on S", Some("2021-03-31"), None, vec![]),
            ("born on 29 February", Some("2024-02-29"), Some("age_2_unregistered"), vec![]),
        ],
    );
}

#[test]
fn a_death_by_the_last_day_stops_everything() {
    let events = [born(s()), registered(s(), None), referred(s(), "in")];
    for (death, counts) in [("2026-03-30", false), ("2026-03-31", false), ("2026-04-01", true)] {
        for table in ["births", "under_fives", "engagement", "referrals"] {
            let mut facts = person(Some(day("2026-02-01")), &events);
            facts.death = Some(day(death));
            assert_eq!(cell_in(table, &period(), &facts).is_some(), counts, "{table} {death}");
        }
    }
}

#[test]
fn engagement_by_registration() {
    let close = s() + 42;
    let late = |known| Event { known, ..registered(s() - 200, None) };
    run(
        "engagement",
        vec![
            ("nothing known", TODDLER, Some("unregistered_absent"), vec![]),
            ("five years old", Some("2021-03-31"), None, vec![registered(s(), None)]),
            ("begins on S", TODDLER, Some("new_absent"), vec![registered(s(), None)]),
            (
                "begins after S",
                TODDLER,
                Some("unregistered_absent"),
                vec![registered(s() + 1, None)],
            ),
            (
                "ends on S",
                TODDLER,
                Some("unregistered_absent"),
                vec![registered(s() - 9, Some(s()))],
            ),
            ("ends after S", TODDLER, Some("new_absent"), vec![registered(s() - 9, Some(s() + 1))]),
            ("89 days", TODDLER, Some("new_absent"), vec![registered(s() - 89, None)]),
            ("90 days", TODDLER, Some("long_absent"), vec![registered(s() - 90, None)]),
            (
                "the earliest active one counts",
                TODDLER,
                Some("long_absent"),
                vec![registered(s() - 5, None), registered(s() - 100, None)],
            ),
            (
                "an ended one does not make it long",
                TODDLER,
                Some("new_absent"),
                vec![registered(s() - 5, None), registered(s() - 100, Some(s() - 50))],
            ),
            ("known at the close", TODDLER, Some("long_absent"), vec![late(close)]),
            ("known after the close", TODDLER, Some("unregistered_absent"), vec![late(close + 1)]),
            (
                "another's registration",
                TODDLER,
                Some("unregistered_absent"),
                vec![Event { role: Role::Parent, ..registered(s(), None) }],
            ),
        ],
    );
}

#[test]
fn engagement_by_attendance() {
    let year_ago = epoch_day(day("2025-03-31"));
    let long = || registered(s() - 400, None);
    run(
        "engagement",
        vec![
            ("a visitor", TODDLER, Some("unregistered_attended"), vec![attended(s())]),
            ("after S", TODDLER, Some("unregistered_absent"), vec![attended(s() + 1)]),
            ("12 months ago", TODDLER, Some("unregistered_absent"), vec![attended(year_ago)]),
            ("a day later", TODDLER, Some("unregistered_attended"), vec![attended(year_ago + 1)]),
            (
                "two days",
                TODDLER,
                Some("long_occasional"),
                vec![long(), attended(s()), attended(s() - 1)],
            ),
            (
                "three attendances on two days",
                TODDLER,
                Some("long_occasional"),
                vec![long(), attended(s()), attended(s() - 1), attended(s())],
            ),
            (
                "three days",
                TODDLER,
                Some("long_sustained"),
                vec![long(), attended(s()), attended(s() - 1), attended(year_ago + 1)],
            ),
            (
                "two in the window and one before it",
                TODDLER,
                Some("long_occasional"),
                vec![long(), attended(s()), attended(s() - 1), attended(year_ago)],
            ),
            (
                "new and many",
                TODDLER,
                Some("new_sustained"),
                (0..9).map(|n| attended(s() - n)).chain([registered(s() - 1, None)]).collect(),
            ),
        ],
    );
}

#[test]
fn births_count_once_in_the_quarter_that_first_knows() {
    let before = epoch_day(quarter("2025Q4").close_day());
    run(
        "births",
        vec![
            ("first day of Q", Some("2026-01-01"), Some("born"), vec![born(s())]),
            ("last day of Q", Some("2026-03-31"), Some("born"), vec![born(s() + 42)]),
            ("known after the close", Some("2026-03-31"), None, vec![born(s() + 43)]),
            ("after Q", Some("2026-04-01"), None, vec![born(s())]),
            ("before Q, in time then", Some("2025-12-31"), None, vec![born(before)]),
            ("before Q, too late then", Some("2025-12-31"), Some("born"), vec![born(before + 1)]),
            ("sent again later", Some("2025-12-31"), None, vec![born(before), born(before + 1)]),
            ("no birth record", Some("2026-01-01"), None, vec![registered(s(), None)]),
            (
                "the mother",
                Some("2026-01-01"),
                None,
                vec![Event { role: Role::Mother, ..born(s()) }],
            ),
        ],
    );
}

#[test]
fn prompt_registration_by_its_edges() {
    let birth = epoch_day(day("2025-11-20"));
    let b = Some("2025-11-20");
    run(
        "prompt",
        vec![
            ("no birth record", b, None, vec![registered(birth, None)]),
            ("not registered", b, Some("not_prompt"), vec![born(s())]),
            ("56 days", b, Some("prompt"), vec![born(s()), registered(birth + 56, None)]),
            ("57 days", b, Some("not_prompt"), vec![born(s()), registered(birth + 57, None)]),
            ("before the birth", b, Some("prompt"), vec![born(s()), registered(birth - 30, None)]),
            (
                "known after the close",
                b,
                Some("not_prompt"),
                vec![born(s()), Event { known: s() + 43, ..registered(birth, None) }],
            ),
            ("first day of Q-1", Some("2025-10-01"), Some("not_prompt"), vec![born(s())]),
            ("day before Q-1", Some("2025-09-30"), None, vec![born(s())]),
            ("last day of Q-1", Some("2025-12-31"), Some("not_prompt"), vec![born(s())]),
            ("first day of Q", Some("2026-01-01"), None, vec![born(s())]),
        ],
    );
}

#[test]
fn twos_by_list_place_and_registration() {
    let list = epoch_day(day("2026-02-01"));
    let spring = 2026 * 3;
    let reg = || registered(s() - 10, None);
    run(
        "twos",
        vec![
            ("not listed", TODDLER, None, vec![reg()]),
            ("an older list", TODDLER, None, vec![listed(s() - 121)]),
            ("a later list", TODDLER, None, vec![listed(s() + 1)]),
            ("120 days", TODDLER, Some("unfunded_unregistered"), vec![listed(s() - 120)]),
            ("listed", TODDLER, Some("unfunded_unregistered"), vec![listed(list)]),
            ("registered", TODDLER, Some("unfunded_registered"), vec![listed(list), reg()]),
            (
                "funded",
                TODDLER,
                Some("funded_unregistered"),
                vec![listed(list), funded(s() - 50, spring, 2)],
            ),
            (
                "both",
                TODDLER,
                Some("funded_registered"),
                vec![listed(list), funded(s() - 50, spring, 2), reg()],
            ),
            (
                "funded in another term",
                TODDLER,
                Some("unfunded_unregistered"),
                vec![listed(list), funded(s() - 150, spring - 1, 2)],
            ),
            (
                "funded as a three-year-old",
                TODDLER,
                Some("unfunded_unregistered"),
                vec![listed(list), funded(s() - 50, spring, 3)],
            ),
            ("17 months", Some("2024-10-01"), None, vec![listed(list)]),
            ("18 months", Some("2024-09-30"), Some("unfunded_unregistered"), vec![listed(list)]),
            ("41 months", Some("2022-10-01"), Some("unfunded_unregistered"), vec![listed(list)]),
            ("42 months", Some("2022-09-30"), None, vec![listed(list)]),
            ("the parent", TODDLER, None, vec![Event { role: Role::Parent, ..listed(list) }]),
        ],
    );
    // Summer is counted in two quarters.
    for (q, counts) in [("2025Q1", false), ("2025Q2", true), ("2025Q3", true), ("2025Q4", false)] {
        let period = Period::new(quarter(q));
        let list = epoch_day(quarter(q).last_day());
        let events = [listed(list), funded(list - 300, 2025 * 3 + 1, 2)];
        let cell = cell_in("twos", &period, &person(Some(day("2022-12-01")), &events));
        assert_eq!(cell == Some("funded_unregistered"), counts, "{q}");
    }
}

#[test]
fn referrals_by_direction_and_quarter() {
    let first = epoch_day(day("2026-01-01"));
    let late = |known| Event { known, ..referred(first - 1, "in") };
    let before = epoch_day(quarter("2025Q4").close_day());
    run(
        "referrals",
        vec![
            ("none", None, None, vec![]),
            ("an adult in", Some("1990-05-05"), Some("in_only"), vec![referred(first, "in")]),
            ("age unknown, out", None, Some("out_only"), vec![referred(s(), "out")]),
            ("both", None, Some("both"), vec![referred(first, "in"), referred(s(), "out")]),
            ("twice in", None, Some("in_only"), vec![referred(first, "in"), referred(s(), "in")]),
            ("after S", None, None, vec![referred(s() + 1, "in")]),
            ("before Q, known in time", None, None, vec![late(before)]),
            ("before Q, known late", None, Some("in_only"), vec![late(before + 1)]),
            ("known too late", None, None, vec![Event { known: s() + 43, ..referred(s(), "in") }]),
        ],
    );
}

#[test]
fn families_by_case_and_type() {
    let open = |kind| case(kind, s() - 30, None, true);
    let reg = || registered(s() - 10, None);
    run(
        "families",
        vec![
            ("no case", TODDLER, None, vec![reg()]),
            ("open", TODDLER, Some("unregistered"), vec![open("tf")]),
            ("open and registered", TODDLER, Some("registered"), vec![open("tf"), reg()]),
            ("opened on S", TODDLER, Some("unregistered"), vec![case("cin", s(), None, true)]),
            ("opened after S", TODDLER, None, vec![case("cin", s() + 1, None, true)]),
            ("closed on S", TODDLER, None, vec![case("cin", s() - 9, Some(s()), true)]),
            (
                "closed after S",
                TODDLER,
                Some("unregistered"),
                vec![case("cin", s() - 9, Some(s() + 1), true)],
            ),
            ("not the reference child", TODDLER, None, vec![case("cin", s() - 9, None, false)]),
            ("a reference child of five", Some("2021-03-31"), None, vec![open("cin")]),
            (
                "known after the close",
                TODDLER,
                None,
                vec![Event { known: s() + 43, ..open("cin") }],
            ),
        ],
    );
    run(
        "family_types",
        vec![
            ("child protection", TODDLER, Some("cp_unregistered"), vec![open("cp")]),
            ("in need", TODDLER, Some("cin_registered"), vec![open("cin"), reg()]),
            ("troubled", TODDLER, Some("tf_unregistered"), vec![open("tf")]),
            ("early help", TODDLER, Some("other_unregistered"), vec![open("eh")]),
            ("looked after", TODDLER, Some("other_registered"), vec![open("lac"), reg()]),
            (
                "several: the first in order",
                TODDLER,
                Some("cp_unregistered"),
                vec![open("eh"), open("tf"), open("cp"), open("cin")],
            ),
            (
                "a closed one does not count",
                TODDLER,
                Some("tf_unregistered"),
                vec![open("tf"), case("cp", s() - 90, Some(s() - 1), true)],
            ),
        ],
    );
}
