//! An expectant mother's antenatal contact, from Health: who will need what, and when. The child
//! has no identity yet, so the record is about the mother.

use super::PERSON;
use crate::domain::{
    field::FieldKind::AnyDate,
    record::{About, Agency, FieldDefinition, RecordDefinition, RecordType},
};

/// What it says.
const PAYLOAD: &[FieldDefinition] =
    &[FieldDefinition::new("expected_date", AnyDate, "the day the birth is expected")
        .required()
        .special()];

/// The definition.
pub const DEFINITION: RecordDefinition = RecordDefinition::new(
    RecordType::Antenatal,
    "An antenatal contact of an expectant mother; event_date is the day of the contact.",
    About::Adults,
    &[Agency::Health],
    PERSON,
    PAYLOAD,
)
.health();
