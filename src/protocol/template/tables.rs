//! What the templates publish, and from what: the shipped catalogue's tables (a test of the room
//! that closes quarters holds the two together).

use super::{AreaLevel, RecordType};

/// A table, where it is published, and the record types that may serve it.
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) finest: AreaLevel,
    pub(super) sources: &'static [RecordType],
}

/// Children known, and where they live: each table counts residents.
macro_rules! residents {
    ($($more:ident),*) => {
        &[
            RecordType::LiveBirth,
            RecordType::HealthReview,
            RecordType::Registration,
            RecordType::Attendance,
            RecordType::Movement,
            $(RecordType::$more,)*
        ]
    };
}

const fn by_reach_area(name: &'static str, sources: &'static [RecordType]) -> Table {
    Table { name, finest: AreaLevel::ReachArea, sources }
}

const fn of_the_authority(name: &'static str, sources: &'static [RecordType]) -> Table {
    Table { name, finest: AreaLevel::Authority, sources }
}

/// The eight that the first catalogue had, then those that came later: outputs are named by their
/// place in signed documents.
pub(super) const TABLES: [Table; 41] = [
    by_reach_area("engagement", residents!()),
    by_reach_area("under_fives", residents!()),
    by_reach_area("births", residents!()),
    by_reach_area("prompt", residents!()),
    by_reach_area("twos", residents!(TwoYearOldEligibility, FundedPlace)),
    by_reach_area("referrals", residents!(Referral)),
    by_reach_area("families", residents!(FamilyCase)),
    of_the_authority("family_types", residents!(FamilyCase)),
    by_reach_area("registered", residents!()),
    by_reach_area("by_sex", residents!()),
    by_reach_area("by_ethnic_group", residents!(EarlyYearsProfile)),
    by_reach_area("by_needs", residents!(FundedPlace, SessionAttendance)),
    by_reach_area("by_deprivation", residents!()),
    of_the_authority("group_and_deprivation", residents!(EarlyYearsProfile)),
    by_reach_area("neighbourhoods", residents!()),
    of_the_authority(
        "target_groups",
        residents!(EarlyYearsProfile, FundedPlace, SessionAttendance, FamilyCase),
    ),
    by_reach_area("non_attenders", residents!(Survey)),
    by_reach_area("new_birth_visit", residents!()),
    by_reach_area("six_week", residents!()),
    by_reach_area("feeding", residents!(FeedingSixToEightWeek)),
    by_reach_area("review_12", residents!()),
    by_reach_area("review_15", residents!()),
    by_reach_area("review_two", residents!(DevelopmentScore)),
    by_reach_area("three_four", residents!(FundedPlace)),
    by_reach_area("nursery", residents!(SessionAttendance)),
    by_reach_area("families_by_area", residents!(FamilyCase)),
    of_the_authority("families_reviewed", residents!(FamilyCase)),
    of_the_authority("referral_partners", residents!(Referral)),
    of_the_authority("referrals_engaged", residents!(Referral)),
    of_the_authority("wellbeing", residents!(DevelopmentScore)),
    of_the_authority("cohort_two", residents!(DevelopmentScore)),
    by_reach_area("profiles_meals", residents!(EarlyYearsProfile)),
    by_reach_area("profiles_users", residents!(EarlyYearsProfile)),
    of_the_authority("cohort_five", residents!(EarlyYearsProfile)),
    by_reach_area("learning", residents!(LearningAim)),
    by_reach_area("progression", residents!(LearningAim, VolunteerPlacement)),
    of_the_authority("volunteers", residents!(VolunteerPlacement)),
    of_the_authority("volunteers_progressed", residents!(VolunteerPlacement)),
    by_reach_area("satisfaction", residents!(Survey)),
    of_the_authority("providers", &[RecordType::ProviderSession]),
    of_the_authority("schools", &[RecordType::SchoolContact]),
];
