//! Target groups of under-fives by registration and contact. A child counts in at most four of
//! its groups, which ones is as good as random.
//!
//! Membership is what a registration says of the child, also one that ended, and what others
//! know without it: ethnic group, special needs, an open case, a funded place at two, the place.
//! Groups that only a registration can tell have hardly any unregistered member here; the
//! catalogue publishes no share registered of those. Nothing is taken from a parent's records.

use crate::{
    disclosure::{
        catalogue::Base,
        classify::{Cells, Definition, MOST_CELLS, Recurs, Sort},
        geography::Place,
        known::{Known, SUSTAINED_DAYS},
    },
    domain::{
        RecordType,
        crosswalk::ETHNIC_GROUP,
        records::{
            family_case, funded_place,
            registration::{self, TARGET_GROUPS as GROUPS},
        },
    },
};

const READS: &[RecordType] = &[
    RecordType::Registration,
    RecordType::Attendance,
    RecordType::LiveBirth,
    RecordType::EarlyYearsProfile,
    RecordType::FundedPlace,
    RecordType::SessionAttendance,
    RecordType::FamilyCase,
];

macro_rules! cells {
    ($($group:literal),*) => {
        &[$(
            concat!($group, "_unregistered"),
            concat!($group, "_registered"),
            concat!($group, "_sustained"),
        )*]
    };
}

pub(in crate::disclosure) const TARGET_GROUPS: Definition = Definition {
    name: "target_groups",
    cells: cells!(
        "teenage_parent",
        "lone_parent",
        "workless",
        "minority_ethnic",
        "disabled",
        "father",
        "domestic_abuse",
        "cp_cin_lac",
        "funded_two",
        "deprived_area",
        "gypsy_roma_traveller",
        "eal",
        "substance_misuse",
        "mental_health"
    ),
    ages: crate::disclosure::classify::UNDER_FIVE,
    adults: false,
    recurs: Recurs::WhileOfAge,
    cap: 4,
    reads: READS,
    needs: &[],
    finest: Base::Authority,
    exact: false,
    sort: Sort::Several(cells),
};

const WHITE_BRITISH: u8 = ETHNIC_GROUP.number_of("white_british");
const TRAVELLER: u8 = ETHNIC_GROUP.number_of("gypsy_or_irish_traveller");
const EARLY_HELP: u8 = family_case::CASE_TYPE.number_of("eh");
const TROUBLED: u8 = family_case::CASE_TYPE.number_of("tf");

const fn group(name: &str) -> u32 {
    1 << GROUPS.number_of(name)
}

/// The person's groups, a bit each.
fn groups(known: &Known<'_>, place: Place) -> u32 {
    let said = known.events(RecordType::Registration).filter_map(|event| {
        match event.value(registration::GROUPS) {
            Some(crate::domain::field::Value::Codes(set)) => Some(*set),
            _ => None,
        }
    });
    let mut set = said.fold(0, |all, set| all | set);
    let mut also = |holds: bool, name: u32| set |= if holds { name } else { 0 };
    let ethnicity = known.ethnicity();
    also(ethnicity.is_some_and(|own| own != WHITE_BRITISH), group("minority_ethnic"));
    also(ethnicity == Some(TRAVELLER), group("gypsy_roma_traveller"));
    also(known.has_needs() == Some(true), group("disabled"));
    also(place.deprived, group("deprived_area"));
    let known_to_social_care = known.open_cases().any(|event| {
        event.code_of(family_case::TYPE).is_some_and(|t| t != EARLY_HELP && t != TROUBLED)
    });
    also(known_to_social_care, group("cp_cin_lac"));
    let at_two = known
        .events(RecordType::FundedPlace)
        .any(|event| event.integer_of(funded_place::FUNDED_AGE) == Some(2));
    also(at_two, group("funded_two"));
    set
}

fn cells(known: &Known<'_>, place: Place) -> Cells {
    let mut cells = Cells::default();
    let set = groups(known, place);
    if set == 0 {
        return cells;
    }
    let status = match known.registered_since {
        None => 0,
        Some(_) => 1 + u8::from(known.days_in_year() >= SUSTAINED_DAYS),
    };
    known.some_of(set, MOST_CELLS).for_each(|group| cells.push(3 * group + status));
    cells
}
