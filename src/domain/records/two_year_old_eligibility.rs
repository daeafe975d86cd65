//! A child on DWP's list of two-year-olds who may have a funded place, through the authority.

use super::{DATE_OF_BIRTH, FORENAME, LOCAL_ID, LSOA, NHS_NUMBER, POSTCODE, SEX, SURNAME, UPRN};
use crate::domain::{
    event::Role,
    field::{
        CodeList,
        FieldKind::{Code, Forename, Identifier, PastDate, Surname},
    },
    identifier::Scheme,
    record::{About, Agency, FieldDefinition, RecordDefinition, RecordType},
};

/// Why the child is eligible.
pub static CRITERION: CodeList = CodeList {
    name: "eligibility criterion",
    codes: &["economic", "looked_after", "send", "adopted"],
};

/// Who it is about.
const WHO_IS_IT: &[FieldDefinition] = &[
    NHS_NUMBER,
    LOCAL_ID,
    FORENAME,
    SURNAME,
    DATE_OF_BIRTH.required(),
    SEX,
    POSTCODE,
    UPRN,
    LSOA,
    FieldDefinition::new(
        "parent_nino",
        Identifier(Scheme::Nino),
        "the parent's National Insurance number",
    )
    .of(Role::Parent),
    FieldDefinition::new("parent_forename", Forename, "the parent's given name").of(Role::Parent),
    FieldDefinition::new("parent_surname", Surname, "the parent's family name").of(Role::Parent),
];

/// What it says.
const PAYLOAD: &[FieldDefinition] = &[
    FieldDefinition::new("list_date", PastDate, "the day the list was made").required(),
    FieldDefinition::new("criterion", Code(&CRITERION), "why the child is eligible")
        .required()
        .special(),
];

/// The definition.
pub const DEFINITION: RecordDefinition = RecordDefinition::new(
    RecordType::TwoYearOldEligibility,
    "A child on a list of eligible two-year-olds; event_date is the list's date.",
    About::Children,
    &[Agency::Dwp],
    WHO_IS_IT,
    PAYLOAD,
)
.termly();

/// Stored number of `list_date`.
pub const LIST_DATE: u8 = DEFINITION.number("list_date");
