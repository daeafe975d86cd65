//! A provider at a session that was held for providers. About nobody; a childminder is a person,
//! so the provider's number is a pseudonym all the same. It is all that tells one provider from another:
//! who gets a second number counts as two.

use crate::domain::{
    field::{
        CodeList,
        FieldKind::{Centre, Code, Flag, ProviderReference},
    },
    record::{About, Agency, FieldDefinition, RecordDefinition, RecordType},
};

/// What the provider is.
pub static KIND: CodeList = CodeList {
    name: "provider kind",
    codes: &["childminder", "nursery", "pre_school", "school", "other"],
};

/// What was held.
pub static SESSION: CodeList =
    CodeList { name: "provider session", codes: &["information", "training", "network"] };

/// What it says.
const PAYLOAD: &[FieldDefinition] = &[
    FieldDefinition::new("provider_urn", ProviderReference, "the provider's URN; pseudonymised")
        .required(),
    FieldDefinition::new("provider_kind", Code(&KIND), "what the provider is").required(),
    FieldDefinition::new("session", Code(&SESSION), "what was held").required(),
    FieldDefinition::new("attended", Flag, "whether the provider came").required(),
    FieldDefinition::new("centre", Centre, "the code of the centre that held it"),
];

/// The definition.
pub const DEFINITION: RecordDefinition = RecordDefinition::new(
    RecordType::ProviderSession,
    "A provider invited to a session; event_date is the session's day.",
    About::Nobody,
    &[Agency::Centres],
    &[],
    PAYLOAD,
);

/// Stored number of `provider_urn`.
pub const URN: u8 = DEFINITION.number("provider_urn");
/// Stored number of `provider_kind`.
pub const WHAT: u8 = DEFINITION.number("provider_kind");
/// Stored number of `session`.
pub const WHICH: u8 = DEFINITION.number("session");
/// Stored number of `attended`.
pub const CAME: u8 = DEFINITION.number("attended");
