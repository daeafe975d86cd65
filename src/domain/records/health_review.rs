//! A health visitor's or GP's review of a child, from Health.

use super::CHILD;
use crate::domain::{
    field::{CodeList, FieldKind::Code},
    record::{About, Agency, FieldDefinition, RecordDefinition, RecordType},
};

/// Which review of the Healthy Child Programme.
pub static REVIEW: CodeList = CodeList {
    name: "review",
    codes: &[
        "antenatal",
        "new_birth",
        "six_to_eight_week",
        "twelve_month",
        "two_to_two_and_a_half_year",
    ],
};

/// What came of it.
pub static OUTCOME: CodeList =
    CodeList { name: "review outcome", codes: &["completed", "declined", "not_attended"] };

/// What it says.
const PAYLOAD: &[FieldDefinition] = &[
    FieldDefinition::new("review", Code(&REVIEW), "which review").required(),
    FieldDefinition::new("outcome", Code(&OUTCOME), "what came of it").required().special(),
];

/// The definition.
pub const DEFINITION: RecordDefinition = RecordDefinition::new(
    RecordType::HealthReview,
    "A health review of a child; event_date is the day of the review.",
    About::Children,
    &[Agency::Health],
    CHILD,
    PAYLOAD,
)
.health();

/// Stored number of `review`.
pub const WHICH: u8 = DEFINITION.number("review");
/// Stored number of `outcome`.
pub const CAME_OF_IT: u8 = DEFINITION.number("outcome");
