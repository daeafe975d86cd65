//! What the templates publish, and from what.

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

pub(super) const TABLES: [Table; 8] = [
    by_reach_area("engagement", residents!()),
    by_reach_area("under_fives", residents!()),
    by_reach_area("births", residents!()),
    by_reach_area("prompt", residents!()),
    by_reach_area("twos", residents!(TwoYearOldEligibility, FundedPlace)),
    by_reach_area("referrals", residents!(Referral)),
    by_reach_area("families", residents!(FamilyCase)),
    Table { name: "family_types", finest: AreaLevel::Authority, sources: residents!(FamilyCase) },
];
