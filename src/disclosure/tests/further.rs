//! The edges of the definitions beyond a card's heart, one case a line.

use super::{
    classification::{Case, PLACE, run},
    *,
};
use crate::disclosure::{classify::Classification, known::Known};

const TODDLER: Option<&str> = Some("2024-01-15");

/// The names of all cells that a table gives.
pub(super) fn cells_in(table: &str, facts: &PersonFacts<'_>, key: u64) -> Vec<&'static str> {
    let classification = Classification::of(&table.parse().unwrap()).unwrap();
    let period = period();
    let known = Known::new(facts, &period, key).unwrap();
    let cells = classification.cells_of(&known, PLACE);
    cells.iter().map(|cell| classification.cells()[usize::from(cell)]).collect()
}

pub(super) fn on(text: &str) -> i32 {
    epoch_day(day(text))
}

#[test]
fn registered_by_attributes_and_place() {
    let reg = || registered(s() - 10, None);
    let of = |table: &'static str, cases: Vec<Case>| run(table, cases);
    of(
        "registered",
        vec![
            ("registered", TODDLER, Some("registered"), vec![reg()]),
            ("not", TODDLER, Some("unregistered"), vec![]),
            ("five", Some("2021-03-31"), None, vec![reg()]),
        ],
    );
    of("by_sex", vec![("a girl", TODDLER, Some("girls_registered"), vec![reg()])]);
    of(
        "by_deprivation",
        vec![
            ("registered", TODDLER, Some("deprived_registered"), vec![reg()]),
            ("not", TODDLER, Some("deprived_unregistered"), vec![]),
        ],
    );
    of("neighbourhoods", vec![("the second", TODDLER, Some("second_registered"), vec![reg()])]);
    let of_group = |group: u8| Event {
        values: vec![(live_birth::ETHNICITY, Value::Code(group))],
        ..born(s())
    };
    of(
        "by_ethnic_group",
        vec![
            ("not said", TODDLER, None, vec![born(s()), reg()]),
            ("not stated", TODDLER, None, vec![of_group(18)]),
            ("Pakistani", TODDLER, Some("asian_unregistered"), vec![of_group(9)]),
            ("white Irish", TODDLER, Some("white_registered"), vec![of_group(1), reg()]),
        ],
    );
    of(
        "group_and_deprivation",
        vec![("both", TODDLER, Some("asian_deprived_unregistered"), vec![of_group(9)])],
    );
    let with_needs = |provision: u8| Event {
        values: vec![(funded_place::SEN, Value::Code(provision))],
        ..funded(s(), 0, 2)
    };
    of(
        "by_needs",
        vec![
            ("nobody says", TODDLER, None, vec![reg(), funded(s(), 0, 2)]),
            ("none", TODDLER, Some("none_unregistered"), vec![with_needs(0)]),
            ("support", TODDLER, Some("needs_registered"), vec![with_needs(1), reg()]),
            ("one of two", TODDLER, Some("needs_unregistered"), vec![with_needs(0), with_needs(2)]),
            ("under two", Some("2024-04-01"), None, vec![with_needs(1)]),
        ],
    );
}

#[test]
fn non_attenders_by_survey() {
    let long = || registered(s() - 90, None);
    let year_ago = on("2025-03-31");
    run(
        "non_attenders",
        vec![
            ("not asked", TODDLER, Some("not_surveyed"), vec![long()]),
            ("asked", TODDLER, Some("surveyed"), vec![long(), asked(s(), "non_attender", 1)]),
            ("new", TODDLER, None, vec![registered(s() - 89, None)]),
            ("came", TODDLER, None, vec![long(), attended(s())]),
            (
                "too long ago",
                TODDLER,
                Some("not_surveyed"),
                vec![registered(year_ago, None), asked(year_ago, "non_attender", 1)],
            ),
            (
                "asked something else",
                TODDLER,
                Some("not_surveyed"),
                vec![long(), asked(s(), "satisfaction", 5)],
            ),
        ],
    );
}

#[test]
fn reviews_are_counted_in_the_quarter_in_which_they_fall_due() {
    let visit = |day: i32| reviewed(day, "new_birth", "completed");
    let born_on = on("2026-01-20");
    let b = Some("2026-01-20");
    run(
        "new_birth_visit",
        vec![
            ("day 14", b, Some("on_time"), vec![visit(born_on + 14)]),
            ("day 15", b, Some("not_on_time"), vec![visit(born_on + 15)]),
            ("none", b, Some("not_on_time"), vec![]),
            (
                "declined",
                b,
                Some("not_on_time"),
                vec![reviewed(born_on + 12, "new_birth", "declined")],
            ),
            ("another", b, Some("not_on_time"), vec![reviewed(born_on, "antenatal", "completed")]),
            ("30 days on S", Some("2026-03-01"), Some("not_on_time"), vec![]),
            ("29 days on S", Some("2026-03-02"), None, vec![]),
            ("30 days before Q", Some("2025-12-01"), None, vec![]),
            ("30 days on the first day", Some("2025-12-02"), Some("not_on_time"), vec![]),
        ],
    );
    let six = |day: i32| reviewed(day, "six_to_eight_week", "completed");
    run(
        "six_week",
        vec![
            ("eight weeks", b, Some("reviewed"), vec![six(born_on + 56)]),
            ("a day late", b, Some("not_reviewed"), vec![six(born_on + 57)]),
            ("eight weeks after S", Some("2026-02-04"), None, vec![six(s())]),
        ],
    );
    run(
        "feeding",
        vec![
            ("nobody asked", b, None, vec![six(born_on + 50)]),
            ("unknown", b, None, vec![fed(born_on + 50, "unknown")]),
            ("in part", b, Some("breastfed"), vec![fed(born_on + 50, "partial")]),
            ("not", b, Some("not_breastfed"), vec![fed(born_on + 50, "none")]),
            (
                "both said",
                b,
                Some("breastfed"),
                vec![fed(born_on + 50, "none"), fed(born_on + 50, "total")],
            ),
        ],
    );
}

#[test]
fn later_reviews_are_counted_in_the_quarter_in_which_they_fall_due() {
    let year = |day: i32| reviewed(day, "twelve_month", "completed");
    run(
        "review_12",
        vec![
            ("on the birthday", Some("2025-02-10"), Some("reviewed"), vec![year(on("2026-02-10"))]),
            ("a day late", Some("2025-02-10"), Some("not_reviewed"), vec![year(on("2026-02-11"))]),
            ("not one yet", Some("2025-04-01"), None, vec![]),
            ("one before Q", Some("2024-12-31"), None, vec![]),
        ],
    );
    run(
        "review_15",
        vec![
            ("a day before", Some("2024-11-10"), Some("reviewed"), vec![year(on("2026-02-09"))]),
            ("late", Some("2024-11-10"), Some("not_reviewed"), vec![year(on("2026-02-11"))]),
            ("15 months before Q", Some("2024-09-30"), None, vec![]),
        ],
    );
    let two = || reviewed(on("2026-01-05"), "two_to_two_and_a_half_year", "completed");
    let b = Some("2023-08-15");
    run(
        "review_two",
        vec![
            ("none", b, Some("not_reviewed"), vec![]),
            ("without a score", b, Some("without_asq"), vec![two()]),
            ("with one", b, Some("with_asq"), vec![two(), scored(on("2026-01-05"), true)]),
            ("a score at one", b, Some("without_asq"), vec![two(), scored(on("2024-09-01"), true)]),
            (
                "too late",
                b,
                Some("not_reviewed"),
                vec![reviewed(on("2026-02-16"), "two_to_two_and_a_half_year", "completed")],
            ),
            ("31 months", Some("2023-06-30"), None, vec![two()]),
        ],
    );
}

#[test]
fn early_education_by_place_and_attendance() {
    let spring = 2026 * 3;
    let three = Some("2022-05-01");
    run(
        "three_four",
        vec![
            ("none", three, Some("unfunded"), vec![]),
            ("as three", three, Some("funded"), vec![funded(s(), spring, 3)]),
            ("as two", three, Some("unfunded"), vec![funded(s(), spring, 2)]),
            ("another term", three, Some("unfunded"), vec![funded(s(), spring - 1, 3)]),
            ("35 months", Some("2023-04-01"), None, vec![funded(s(), spring, 3)]),
            ("36 months", Some("2023-03-31"), Some("funded"), vec![funded(s(), spring, 3)]),
        ],
    );
    run(
        "nursery",
        vec![
            ("nowhere", three, None, vec![]),
            ("84 of 100", three, Some("low"), vec![sessions(s(), spring, 100, 84)]),
            ("85 of 100", three, Some("not_low"), vec![sessions(s(), spring, 100, 85)]),
            (
                "two places together",
                three,
                Some("not_low"),
                vec![sessions(s(), spring, 50, 40), sessions(s(), spring, 50, 45)],
            ),
            ("another term", three, None, vec![sessions(s(), spring - 1, 100, 10)]),
        ],
    );
}

#[test]
fn referrals_by_partner_and_engagement() {
    let to = |on: i32, direction: &str, party: &str| {
        let mut made = referred(on, direction);
        made.values.push((referral::PARTY, code(&referral::OTHER_PARTY, party)));
        made
    };
    let events = [to(s(), "in", "school"), to(s(), "out", "health"), to(s(), "in", "school")];
    let facts = person(None, &events);
    assert_eq!(cells_in("referral_partners", &facts, 0), ["in_school", "out_health"]);
    // Of three two, which ones is the key's choice.
    let events = [to(s(), "in", "self"), to(s(), "out", "health"), to(s(), "in", "school")];
    let facts = person(None, &events);
    let chosen: std::collections::BTreeSet<_> =
        (0..40).map(|key| cells_in("referral_partners", &facts, key)).collect();
    assert!(chosen.iter().all(|cells| cells.len() == 2) && chosen.len() > 2, "{chosen:?}");
    let answered = |on: i32, outcome: &str, came: i32| {
        let mut made = referred(on, "in");
        made.values.push((referral::CAME_OF_IT, code(&referral::OUTCOME, outcome)));
        made.values.push((referral::CAME_ON, Value::Day(came)));
        made
    };
    let (first, last) = (on("2026-01-01") - 30, s() - 30);
    run(
        "referrals_engaged",
        vec![
            ("in time", None, Some("engaged"), vec![answered(last, "engaged", last + 30)]),
            ("a day late", None, Some("not_engaged"), vec![answered(last, "engaged", last + 31)]),
            ("declined", None, Some("not_engaged"), vec![answered(first, "declined", first)]),
            ("30 days before Q", None, None, vec![answered(first - 1, "engaged", first)]),
            ("30 days not over", None, None, vec![answered(last + 1, "engaged", s())]),
            ("out", None, None, vec![referred(last, "out")]),
            (
                "one of two",
                None,
                Some("engaged"),
                vec![answered(first, "declined", first), answered(last, "engaged", last)],
            ),
        ],
    );
}

#[test]
fn families_by_review_and_target_groups_up_to_four() {
    let open = || case("cp", s() - 30, None, true);
    run(
        "families_reviewed",
        vec![
            ("none", TODDLER, Some("not_reviewed"), vec![open()]),
            (
                "seen",
                TODDLER,
                Some("reviewed"),
                vec![open(), reviewed(s(), "antenatal", "completed")],
            ),
            (
                "not attended",
                TODDLER,
                Some("not_reviewed"),
                vec![open(), reviewed(s(), "antenatal", "not_attended")],
            ),
            ("no case", TODDLER, None, vec![reviewed(s(), "antenatal", "completed")]),
        ],
    );
    let cells = |events: &[Event], key| {
        let mut cells = cells_in("target_groups", &person(TODDLER.map(day), events), key);
        cells.sort_unstable();
        cells
    };
    assert_eq!(cells(&[], 0), ["deprived_area_unregistered"]);
    assert_eq!(cells(&[open()], 0), ["cp_cin_lac_unregistered", "deprived_area_unregistered"]);
    let early_help = case("eh", s() - 30, None, true);
    assert_eq!(cells(&[early_help], 0), ["deprived_area_unregistered"]);
    let mut said = registered(s() - 9, None);
    said.values.push((registration::GROUPS, Value::Codes(0b1011)));
    let visits = [said.clone(), attended(s()), attended(s() - 1), attended(s() - 2)];
    let sustained = cells(&visits, 0);
    assert_eq!(sustained.len(), 4);
    assert!(sustained.iter().all(|cell| cell.ends_with("_sustained")), "{sustained:?}");
    // A fifth group: four of them, and not always the same.
    let many = [said, open()];
    let chosen: std::collections::BTreeSet<_> = (0..60).map(|key| cells(&many, key)).collect();
    assert!(chosen.iter().all(|cells| cells.len() == 4) && chosen.len() == 5, "{chosen:?}");
}
