//! One aim of an adult's learning.

use super::{DATE_OF_BIRTH, FORENAME, LOCAL_ID, LSOA, NHS_NUMBER, POSTCODE, SEX, SURNAME, UPRN};
use crate::domain::{
    field::{
        CodeList,
        FieldKind::{AnyDate, Code, Dropped, Flag, Identifier, PastDate},
    },
    identifier::Scheme,
    record::{FieldDefinition, RecordDefinition, RecordType},
};

/// The ILR's completion status: 1 continuing, 2 completed, 3 withdrawn, 6 on a break.
pub static COMPLETION: CodeList =
    CodeList { name: "completion status", codes: &["1", "2", "3", "6"] };

/// The ILR's outcome: 1 achieved, 2 partly, 3 not achieved, 8 not yet known.
pub static OUTCOME: CodeList = CodeList { name: "learning outcome", codes: &["1", "2", "3", "8"] };

/// Where the learner went.
pub static DESTINATION: CodeList = CodeList {
    name: "destination",
    codes: &["work", "learning", "volunteering", "none", "unknown"],
};

/// The definition.
pub const DEFINITION: RecordDefinition = RecordDefinition {
    record_type: RecordType::LearningAim,
    doc: "A learning aim of an adult; event_date is its start.",
    event_is_birth: false,
    identity: &[
        FieldDefinition::new("uln", Identifier(Scheme::Uln), "unique learner number, 10 digits"),
        NHS_NUMBER,
        LOCAL_ID,
        FORENAME,
        SURNAME,
        DATE_OF_BIRTH,
        SEX,
        POSTCODE,
        UPRN,
        LSOA,
    ],
    payload: &[
        FieldDefinition::new(
            "aim_reference",
            Dropped(8),
            "the learning aim's reference; checked, not kept",
        ),
        FieldDefinition::new("start_date", PastDate, "when it began").required(),
        FieldDefinition::new("planned_end_date", AnyDate, "when it should end"),
        FieldDefinition::new("completion_status", Code(&COMPLETION), "ILR completion status")
            .required(),
        FieldDefinition::new("outcome", Code(&OUTCOME), "ILR outcome"),
        FieldDefinition::new("destination", Code(&DESTINATION), "where the learner went"),
        FieldDefinition::new("esol", Flag, "whether it is English for speakers of other languages"),
    ],
    period: Some(("start_date", "planned_end_date")),
};
