//! A child's sessions in a term, from early-years providers and schools.

use super::{NEEDS, PUPIL};
use crate::domain::{
    field::FieldKind::{Integer, ProviderReference, Term},
    record::{About, Agency, FieldDefinition, RecordDefinition, RecordType, RowRule},
};

/// What it says.
const PAYLOAD: &[FieldDefinition] = &[
    FieldDefinition::new("term", Term, "the term, like 2026-spring").required(),
    FieldDefinition::new("possible", Integer { min: 1, max: 500 }, "sessions that were possible")
        .required(),
    FieldDefinition::new("attended", Integer { min: 0, max: 500 }, "sessions attended").required(),
    FieldDefinition::new(
        "provider_urn",
        ProviderReference,
        "the provider's or school's URN; pseudonymised",
    ),
    NEEDS,
];

/// The definition.
pub const DEFINITION: RecordDefinition = RecordDefinition::new(
    RecordType::SessionAttendance,
    "Sessions of a child in a term; event_date is the last day covered.",
    About::Children,
    &[Agency::Learning],
    PUPIL,
    PAYLOAD,
)
.termly()
.ruled(&[RowRule::AtMost("attended", "possible")]);

/// Stored number of `term`.
pub const TERM: u8 = DEFINITION.number("term");
/// Stored number of `possible`.
pub const POSSIBLE: u8 = DEFINITION.number("possible");
/// Stored number of `attended`.
pub const ATTENDED: u8 = DEFINITION.number("attended");
/// Stored number of `sen`.
pub const SEN: u8 = DEFINITION.number("sen");
