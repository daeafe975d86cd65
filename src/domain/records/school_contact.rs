//! A centre's contact with a school. About nobody.

use crate::domain::{
    field::{
        CodeList,
        FieldKind::{Centre, Code, Flag, ProviderReference},
    },
    record::{About, Agency, FieldDefinition, RecordDefinition, RecordType},
};

/// What kind.
pub static CONTACT: CodeList = CodeList {
    name: "school contact",
    codes: &["visit", "meeting", "shared_session", "transition", "other"],
};

/// What it says.
const PAYLOAD: &[FieldDefinition] = &[
    FieldDefinition::new("school_urn", ProviderReference, "the school's URN; pseudonymised")
        .required(),
    FieldDefinition::new("contact", Code(&CONTACT), "what kind").required(),
    FieldDefinition::new("engaged", Flag, "whether the school takes part in the centre's work")
        .required(),
    FieldDefinition::new("centre", Centre, "the centre's code").required(),
];

/// The definition.
pub const DEFINITION: RecordDefinition = RecordDefinition::new(
    RecordType::SchoolContact,
    "A contact between a centre and a school; event_date is its day.",
    About::Nobody,
    &[Agency::Centres],
    &[],
    PAYLOAD,
);

/// Stored number of `school_urn`.
pub const URN: u8 = DEFINITION.number("school_urn");
/// Stored number of `engaged`.
pub const ENGAGED: u8 = DEFINITION.number("engaged");
