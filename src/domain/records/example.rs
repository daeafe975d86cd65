//! A record type that only tests have: this file and its line in the list are all of it.

use super::CHILD;
use crate::domain::{
    crosswalk::ETHNICITY,
    field::{
        CodeList,
        FieldKind::{Code, Integer, Mapped, PastDate},
    },
    record::{About, Agency, FieldDefinition, RecordDefinition, RecordType, RowRule},
};

static KIND: CodeList = CodeList { name: "toy kind", codes: &["wooden", "woollen"] };

/// What it says.
const PAYLOAD: &[FieldDefinition] = &[
    FieldDefinition::new("toy", Code(&KIND), "which toy").required(),
    FieldDefinition::new("lent", Integer { min: 1, max: 9 }, "how many").required(),
    FieldDefinition::new("broken", Integer { min: 0, max: 9 }, "how many came back broken"),
    FieldDefinition::new("returned", PastDate, "the day it came back"),
    FieldDefinition::new("ethnicity", Mapped(&ETHNICITY), "ethnicity").special(),
];

/// The definition.
pub const DEFINITION: RecordDefinition = RecordDefinition::new(
    RecordType::Example,
    "A toy lent to a child; event_date is the day it was lent.",
    About::Children,
    &[Agency::Centres],
    CHILD,
    PAYLOAD,
)
.ruled(&[RowRule::AtMost("broken", "lent")]);
