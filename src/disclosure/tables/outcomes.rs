//! What became of children: development at two to two and a half, and the profile at five.
//! Each is counted once in a life. Contact is that before the second birthday: three days or
//! more, or none at all; who came once or twice is in neither group.

use crate::{
    disclosure::{
        catalogue::Base,
        classify::{Cell, Definition, Sort},
        geography::Place,
        known::{Known, day_of_age},
    },
    domain::RecordType,
};

const SCORES: &[RecordType] = &[RecordType::DevelopmentScore];
const PROFILES: &[RecordType] = &[RecordType::EarlyYearsProfile];

/// Children who turned two and a half in the last twelve months, with a score.
pub(in crate::disclosure) const WELLBEING: Definition = Definition {
    sort: Sort::Placed(wellbeing),
    finest: Base::Authority,
    ..Definition::of_children(
        "wellbeing",
        &["deprived_on_track", "deprived_behind", "other_on_track", "other_behind"],
        at_two,
    )
    .aged(30, 42)
    .once_if_yearly()
    .reading(SCORES)
    .needing(SCORES)
};

pub(in crate::disclosure) const COHORT_TWO: Definition = Definition::of_children(
    "cohort_two",
    &["contact_on_track", "contact_behind", "none_on_track", "none_behind"],
    at_two,
)
.aged(30, 42)
.once_if_yearly()
.reading(&[RecordType::DevelopmentScore, RecordType::Attendance])
.needing(SCORES)
.of_the_authority();

/// Children of the school year that ended, by free school meals.
pub(in crate::disclosure) const PROFILES_MEALS: Definition = Definition::of_children(
    "profiles_meals",
    &["meals_reached", "meals_not", "none_reached", "none_not"],
    by_meals,
)
.aged(60, 73)
.once_if_yearly()
.reading(PROFILES)
.needing(PROFILES);

/// By whether the child ever came to a centre.
pub(in crate::disclosure) const PROFILES_USERS: Definition = Definition::of_children(
    "profiles_users",
    &["users_reached", "users_not", "others_reached", "others_not"],
    by_use,
)
.aged(60, 73)
.once_if_yearly()
.reading(&[RecordType::EarlyYearsProfile, RecordType::Attendance])
.needing(PROFILES);

pub(in crate::disclosure) const COHORT_FIVE: Definition = Definition::of_children(
    "cohort_five",
    &["contact_reached", "contact_not", "none_reached", "none_not"],
    at_five,
)
.aged(60, 73)
.once_if_yearly()
.reading(&[RecordType::EarlyYearsProfile, RecordType::Attendance])
.needing(PROFILES)
.of_the_authority();

fn wellbeing(known: &Known<'_>, place: Place) -> Option<Cell> {
    Some(2 * u8::from(!place.deprived) + u8::from(!known.on_track_at_two()?))
}

fn at_two(known: &Known<'_>) -> Option<Cell> {
    let on_track = known.on_track_at_two()?;
    Some(2 * u8::from(!known.sustained_by_two()?) + u8::from(!on_track))
}

fn by_meals(known: &Known<'_>) -> Option<Cell> {
    let (reached, meals) = known.profile()?;
    Some(2 * u8::from(!meals) + u8::from(!reached))
}

fn by_use(known: &Known<'_>) -> Option<Cell> {
    let (reached, _) = known.profile()?;
    let fifth = day_of_age(known.born?, 60);
    let came = known.days_attended(i32::MIN, fifth - 1) > 0;
    Some(2 * u8::from(!came) + u8::from(!reached))
}

fn at_five(known: &Known<'_>) -> Option<Cell> {
    let (reached, _) = known.profile()?;
    Some(2 * u8::from(!known.sustained_by_two()?) + u8::from(!reached))
}
