//! One aim of an adult's learning.

use super::{
    DATE_OF_BIRTH, ETHNIC, FORENAME, LOCAL_ID, LSOA, NHS_NUMBER, POSTCODE, SEX, SURNAME, UPRN,
};
use crate::domain::{
    field::{
        CodeList,
        FieldKind::{AnyDate, Centre, Code, Dropped, Flag, Identifier, PastDate},
    },
    identifier::Scheme,
    record::{About, Agency, FieldDefinition, RecordDefinition, RecordType, RowRule},
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

/// Who it is about.
const WHO_IS_IT: &[FieldDefinition] = &[
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
];

/// What it says.
const PAYLOAD: &[FieldDefinition] = &[
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
    FieldDefinition::new("venue", Centre, "the code of the centre where it was held"),
    ETHNIC,
];

/// The definition.
pub const DEFINITION: RecordDefinition = RecordDefinition::new(
    RecordType::LearningAim,
    "A learning aim of an adult; event_date is its start.",
    About::Adults,
    &[Agency::Learning],
    WHO_IS_IT,
    PAYLOAD,
)
.ruled(&[RowRule::InOrder("start_date", "planned_end_date")]);

/// Stored number of `planned_end_date`.
pub const PLANNED_END: u8 = DEFINITION.number("planned_end_date");
/// Stored number of `completion_status`.
pub const COMPLETED: u8 = DEFINITION.number("completion_status");
/// Stored number of `outcome`.
pub const ACHIEVED: u8 = DEFINITION.number("outcome");
/// Stored number of `destination`.
pub const WENT_TO: u8 = DEFINITION.number("destination");
/// Stored number of `esol`.
pub const IS_ESOL: u8 = DEFINITION.number("esol");
