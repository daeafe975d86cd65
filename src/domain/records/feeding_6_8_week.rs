//! How a child is fed at the review at six to eight weeks, from Health.

use super::CHILD;
use crate::domain::{
    field::{CodeList, FieldKind::Code},
    record::{About, Agency, FieldDefinition, RecordDefinition, RecordType},
};

/// Fed at the breast wholly, in part, or not.
pub static FEEDING: CodeList =
    CodeList { name: "feeding", codes: &["total", "partial", "none", "unknown"] };

/// What it says.
const PAYLOAD: &[FieldDefinition] = &[FieldDefinition::new(
    "feeding",
    Code(&FEEDING),
    "fed at the breast: total, partial, none or unknown",
)
.required()
.special()];

/// The definition.
pub const DEFINITION: RecordDefinition = RecordDefinition::new(
    RecordType::FeedingSixToEightWeek,
    "How a child is fed at six to eight weeks; event_date is the day it was asked.",
    About::Children,
    &[Agency::Health],
    CHILD,
    PAYLOAD,
)
.health();

/// Stored number of `feeding`.
pub const FED: u8 = DEFINITION.number("feeding");
