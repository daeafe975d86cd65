//! A child's registration with a centre.

use super::{CHILD, ETHNIC};
use crate::domain::{
    field::{
        CodeList,
        FieldKind::{AnyDate, Centre, Code, Codes, PastDate},
    },
    record::{About, Agency, FieldDefinition, RecordDefinition, RecordType, RowRule},
};

/// How the family came to register.
pub static SOURCE: CodeList = CodeList {
    name: "registration source",
    codes: &["centre", "health_visitor", "midwife", "outreach", "self"],
};

/// Locally agreed target groups.
pub static TARGET_GROUPS: CodeList = CodeList {
    name: "target groups",
    codes: &[
        "teenage_parent",
        "lone_parent",
        "workless",
        "minority_ethnic",
        "disabled",
        "father",
        "domestic_abuse",
        "cp_cin_lac",
        "funded_two",
        "deprived_area",
        "gypsy_roma_traveller",
        "eal",
        "substance_misuse",
        "mental_health",
    ],
};

/// What it says.
const PAYLOAD: &[FieldDefinition] = &[
    FieldDefinition::new("centre", Centre, "the centre's code").required(),
    FieldDefinition::new("start_date", PastDate, "the day the registration began").required(),
    FieldDefinition::new("end_date", AnyDate, "the day it ended; empty while active"),
    FieldDefinition::new("source", Code(&SOURCE), "how the family came to register"),
    FieldDefinition::new("target_groups", Codes(&TARGET_GROUPS), "target groups, separated by ;")
        .special(),
    ETHNIC,
];

/// The definition.
pub const DEFINITION: RecordDefinition = RecordDefinition::new(
    RecordType::Registration,
    "A child's registration with a centre; event_date is its start.",
    About::Children,
    &[Agency::Centres],
    CHILD,
    PAYLOAD,
)
.ruled(&[RowRule::InOrder("start_date", "end_date")]);

/// Stored number of `start_date`.
pub const START_DATE: u8 = DEFINITION.number("start_date");
/// Stored number of `end_date`.
pub const END_DATE: u8 = DEFINITION.number("end_date");
/// Stored number of `target_groups`.
pub const GROUPS: u8 = DEFINITION.number("target_groups");
/// Stored number of `ethnicity`.
pub const ETHNICITY: u8 = DEFINITION.number("ethnicity");
