//! An adult's volunteering at a centre, from the first question to what came after.

use super::{PERSON, registration::TARGET_GROUPS};
use crate::domain::{
    field::{
        CodeList,
        FieldKind::{AnyDate, Centre, Code, Codes, PastDate},
    },
    record::{About, Agency, FieldDefinition, RecordDefinition, RecordType, RowRule},
};

/// How far it has come.
pub static STAGE: CodeList =
    CodeList { name: "volunteering stage", codes: &["enquiry", "training", "placed", "ended"] };

/// What came after.
pub static OUTCOME: CodeList = CodeList {
    name: "volunteering outcome",
    codes: &["work", "learning", "volunteering_elsewhere", "none", "unknown"],
};

/// What it says.
const PAYLOAD: &[FieldDefinition] = &[
    FieldDefinition::new("centre", Centre, "the centre's code").required(),
    FieldDefinition::new("start_date", PastDate, "the day it began").required(),
    FieldDefinition::new("end_date", AnyDate, "the day it ended; empty while it goes on"),
    FieldDefinition::new("stage", Code(&STAGE), "how far it has come").required(),
    FieldDefinition::new("outcome", Code(&OUTCOME), "what came after"),
    FieldDefinition::new("target_groups", Codes(&TARGET_GROUPS), "target groups, separated by ;")
        .special(),
];

/// The definition.
pub const DEFINITION: RecordDefinition = RecordDefinition::new(
    RecordType::VolunteerPlacement,
    "An adult's volunteering; event_date is its start.",
    About::Adults,
    &[Agency::Centres],
    PERSON,
    PAYLOAD,
)
.ruled(&[RowRule::InOrder("start_date", "end_date")]);

/// Stored number of `start_date`.
pub const START_DATE: u8 = DEFINITION.number("start_date");
/// Stored number of `end_date`.
pub const END_DATE: u8 = DEFINITION.number("end_date");
/// Stored number of `outcome`.
pub const WENT_TO: u8 = DEFINITION.number("outcome");
/// Stored number of `target_groups`.
pub const GROUPS: u8 = DEFINITION.number("target_groups");
