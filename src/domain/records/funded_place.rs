//! A funded early-education place of a child in one term.

use super::{CHILD, NEEDS};
use crate::domain::{
    field::FieldKind::{Integer, ProviderReference, Term},
    record::{About, Agency, FieldDefinition, RecordDefinition, RecordType},
};

/// What it says.
const PAYLOAD: &[FieldDefinition] = &[
    FieldDefinition::new("term", Term, "the term, like 2026-spring").required(),
    FieldDefinition::new(
        "funded_age",
        Integer { min: 2, max: 4 },
        "funded as a 2-, 3- or 4-year-old",
    )
    .required(),
    FieldDefinition::new("hours", Integer { min: 1, max: 30 }, "funded hours a week, 1 to 30"),
    FieldDefinition::new(
        "provider_urn",
        ProviderReference,
        "the provider's URN; pseudonymised, as a childminder is a person",
    ),
    NEEDS,
];

/// The definition.
pub const DEFINITION: RecordDefinition = RecordDefinition::new(
    RecordType::FundedPlace,
    "A funded place in a term; event_date is the child's start in that term.",
    About::Children,
    &[Agency::Learning],
    CHILD,
    PAYLOAD,
)
.termly();

/// Stored number of `term`.
pub const TERM: u8 = DEFINITION.number("term");
/// Stored number of `funded_age`.
pub const FUNDED_AGE: u8 = DEFINITION.number("funded_age");
/// Stored number of `sen`.
pub const SEN: u8 = DEFINITION.number("sen");
