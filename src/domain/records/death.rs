//! A death, from Health. From its day on nothing counts the person any more.

use super::PERSON;
use crate::domain::record::{About, Agency, RecordDefinition, RecordType};

/// The definition.
pub const DEFINITION: RecordDefinition = RecordDefinition::new(
    RecordType::Death,
    "A death; event_date is its day. It says nothing else: no cause, no place.",
    About::Families,
    &[Agency::Health],
    PERSON,
    &[],
)
.health();
