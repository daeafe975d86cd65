//! A move, from Health. A child that moves away is no longer counted where it lived: its later
//! address, if any, takes the place of the one before (disclosure's rule of residence).

use super::PERSON;
use crate::domain::{
    field::{CodeList, FieldKind::Code},
    record::{About, Agency, FieldDefinition, RecordDefinition, RecordType},
};

/// Into the authority, out of it, or within.
pub static DIRECTION: CodeList = CodeList { name: "movement", codes: &["in", "out", "within"] };

/// What it says.
const PAYLOAD: &[FieldDefinition] =
    &[FieldDefinition::new("movement", Code(&DIRECTION), "in, out or within the authority")
        .required()];

/// The definition.
pub const DEFINITION: RecordDefinition = RecordDefinition::new(
    RecordType::Movement,
    "A move; event_date is its day, and the address, if given, is the new one.",
    About::Families,
    &[Agency::Health],
    PERSON,
    PAYLOAD,
)
.health();

/// Stored number of `movement`.
pub const WHICH_WAY: u8 = DEFINITION.number("movement");
/// The code of a move away.
pub const OUT: u8 = DIRECTION.number_of("out");
