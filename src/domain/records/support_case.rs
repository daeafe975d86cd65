//! A centre's support to a family, over weeks or months.

use super::PERSON;
use crate::domain::{
    field::{
        CodeList,
        FieldKind::{CaseReference, Centre, Code, PastDate},
    },
    record::{About, Agency, FieldDefinition, RecordDefinition, RecordType, RowRule},
};

/// How much.
pub static LEVEL: CodeList =
    CodeList { name: "support level", codes: &["universal_plus", "targeted", "early_help"] };

/// What came of it.
pub static OUTCOME: CodeList = CodeList {
    name: "support outcome",
    codes: &["needs_met", "partly_met", "stepped_up", "disengaged", "moved_away"],
};

/// What it says.
const PAYLOAD: &[FieldDefinition] = &[
    FieldDefinition::new("case_id", CaseReference, "the centre's id of the case").required(),
    FieldDefinition::new("centre", Centre, "the centre's code").required(),
    FieldDefinition::new("level", Code(&LEVEL), "how much support").required().special(),
    FieldDefinition::new("opened", PastDate, "the day it began").required(),
    FieldDefinition::new("closed", PastDate, "the day it ended; empty while open"),
    FieldDefinition::new("outcome", Code(&OUTCOME), "what came of it").special(),
];

/// The definition.
pub const DEFINITION: RecordDefinition = RecordDefinition::new(
    RecordType::SupportCase,
    "A family's support by a centre; event_date is the day it began.",
    About::Families,
    &[Agency::Centres],
    PERSON,
    PAYLOAD,
)
.backdated(6_575)
.ruled(&[RowRule::InOrder("opened", "closed")]);
