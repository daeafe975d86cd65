//! One person's answer to a survey. Answers without a name are no records: they are counted where
//! they were given.

use super::PERSON;
use crate::domain::{
    field::{
        CodeList,
        FieldKind::{Centre, Code, Codes, Integer},
    },
    record::{About, Agency, FieldDefinition, RecordDefinition, RecordType},
};

/// Which survey.
pub static KIND: CodeList = CodeList { name: "survey", codes: &["satisfaction", "non_attender"] };

/// Why somebody does not come.
pub static WHY_NOT: CodeList = CodeList {
    name: "reason for not attending",
    codes: &[
        "times",
        "distance",
        "not_known_about",
        "not_needed",
        "felt_unwelcome",
        "work",
        "other_services",
        "other",
    ],
};

/// What it says.
const PAYLOAD: &[FieldDefinition] = &[
    FieldDefinition::new("survey", Code(&KIND), "satisfaction or non_attender").required(),
    FieldDefinition::new("centre", Centre, "the centre's code").required(),
    FieldDefinition::new(
        "satisfaction",
        Integer { min: 1, max: 5 },
        "1 very dissatisfied to 5 very satisfied",
    ),
    FieldDefinition::new("why_not", Codes(&WHY_NOT), "why not attending, separated by ;"),
];

/// The definition.
pub const DEFINITION: RecordDefinition = RecordDefinition::new(
    RecordType::Survey,
    "An answer to a survey; event_date is the day it was given.",
    About::Families,
    &[Agency::Centres],
    PERSON,
    PAYLOAD,
);

/// Stored number of `survey`.
pub const WHICH: u8 = DEFINITION.number("survey");
/// Stored number of `satisfaction`.
pub const SATISFACTION: u8 = DEFINITION.number("satisfaction");
