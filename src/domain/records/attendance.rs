//! One person's attendance at a centre's activity on one day.

use super::PERSON;
use crate::domain::{
    field::{
        CodeList,
        FieldKind::{Centre, Code},
    },
    record::{About, Agency, FieldDefinition, RecordDefinition, RecordType},
};

/// Who came.
pub static ATTENDEE: CodeList = CodeList { name: "attendee", codes: &["child", "adult"] };

/// To what.
pub static ACTIVITY: CodeList = CodeList {
    name: "activity",
    codes: &[
        "stay_and_play",
        "baby_group",
        "health_clinic",
        "parenting_course",
        "family_support",
        "outreach",
    ],
};

/// What it says.
const PAYLOAD: &[FieldDefinition] = &[
    FieldDefinition::new("attendee", Code(&ATTENDEE), "child or adult").required(),
    FieldDefinition::new("centre", Centre, "the centre's code").required(),
    FieldDefinition::new("activity", Code(&ACTIVITY), "what was attended").required(),
];

/// The definition.
pub const DEFINITION: RecordDefinition = RecordDefinition::new(
    RecordType::Attendance,
    "An attendance at a centre's activity; event_date is the day attended.",
    About::Families,
    &[Agency::Centres],
    PERSON,
    PAYLOAD,
);

/// Stored number of `attendee`.
pub const WHO: u8 = DEFINITION.number("attendee");
