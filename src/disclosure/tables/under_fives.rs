//! Under-fives by year of age on the quarter's last day, and by what they are: sex, ethnic
//! group, special needs; each by registration. One such table a quarter of the year.

use crate::{
    disclosure::{
        catalogue::Base,
        classify::{Cell, Definition, Sort},
        geography::Place,
        known::Known,
    },
    domain::{RecordType, row::Sex},
};

pub(in crate::disclosure) const UNDER_FIVES: Definition = Definition::of_children(
    "under_fives",
    &[
        "age_0_registered",
        "age_0_unregistered",
        "age_1_registered",
        "age_1_unregistered",
        "age_2_registered",
        "age_2_unregistered",
        "age_3_registered",
        "age_3_unregistered",
        "age_4_registered",
        "age_4_unregistered",
    ],
    by_age,
)
.reading(&[RecordType::Registration]);

/// Whoever's sex is not known is not counted.
pub(in crate::disclosure) const BY_SEX: Definition = Definition::of_children(
    "by_sex",
    &["boys_registered", "boys_unregistered", "girls_registered", "girls_unregistered"],
    by_sex,
)
.reading(&[RecordType::Registration]);

/// What a birth's record, a registration or a school's profile states, in this order.
const STATED: &[RecordType] =
    &[RecordType::LiveBirth, RecordType::Registration, RecordType::EarlyYearsProfile];

pub(in crate::disclosure) const BY_ETHNIC_GROUP: Definition = Definition::of_children(
    "by_ethnic_group",
    &[
        "white_registered",
        "white_unregistered",
        "mixed_registered",
        "mixed_unregistered",
        "asian_registered",
        "asian_unregistered",
        "black_registered",
        "black_unregistered",
        "other_registered",
        "other_unregistered",
    ],
    by_ethnic_group,
)
.reading(STATED)
.needing(STATED);

/// Children of two to four of whom a nursery or school says whether they have special needs.
pub(in crate::disclosure) const BY_NEEDS: Definition = Definition::of_children(
    "by_needs",
    &["needs_registered", "needs_unregistered", "none_registered", "none_unregistered"],
    by_needs,
)
.aged(24, 60)
.reading(&[RecordType::FundedPlace, RecordType::SessionAttendance, RecordType::Registration])
.needing(&[RecordType::FundedPlace, RecordType::SessionAttendance]);

/// Two attributes at once, for the authority.
pub(in crate::disclosure) const GROUP_AND_DEPRIVATION: Definition = Definition {
    sort: Sort::Placed(by_group_and_deprivation),
    finest: Base::Authority,
    ..Definition::of_children(
        "group_and_deprivation",
        &[
            "white_deprived_registered",
            "white_deprived_unregistered",
            "white_other_registered",
            "white_other_unregistered",
            "mixed_deprived_registered",
            "mixed_deprived_unregistered",
            "mixed_other_registered",
            "mixed_other_unregistered",
            "asian_deprived_registered",
            "asian_deprived_unregistered",
            "asian_other_registered",
            "asian_other_unregistered",
            "black_deprived_registered",
            "black_deprived_unregistered",
            "black_other_registered",
            "black_other_unregistered",
            "other_deprived_registered",
            "other_deprived_unregistered",
            "other_other_registered",
            "other_other_unregistered",
        ],
        by_ethnic_group,
    )
    .reading(STATED)
    .needing(STATED)
};

fn by_age(known: &Known<'_>) -> Option<Cell> {
    let year = Cell::try_from(known.months? / 12).ok()?;
    Some(2 * year + known.unregistered())
}

fn by_sex(known: &Known<'_>) -> Option<Cell> {
    let sex = match known.sex {
        Sex::Male => 0,
        Sex::Female => 2,
        Sex::Indeterminate | Sex::NotKnown => return None,
    };
    Some(sex + known.unregistered())
}

fn by_ethnic_group(known: &Known<'_>) -> Option<Cell> {
    Some(2 * known.ethnic_group()? + known.unregistered())
}

fn by_needs(known: &Known<'_>) -> Option<Cell> {
    Some(2 * u8::from(!known.has_needs()?) + known.unregistered())
}

fn by_group_and_deprivation(known: &Known<'_>, place: Place) -> Option<Cell> {
    Some(4 * known.ethnic_group()? + 2 * u8::from(!place.deprived) + known.unregistered())
}
