//! Whether an adult claims, is out of work or works, from Jobcentre Plus: a flag only, never an
//! amount.

use super::{DATE_OF_BIRTH, FORENAME, LOCAL_ID, LSOA, NHS_NUMBER, POSTCODE, SEX, SURNAME, UPRN};
use crate::domain::{
    field::{
        CodeList,
        FieldKind::{Code, Identifier, PastDate},
    },
    identifier::Scheme,
    record::{About, Agency, FieldDefinition, RecordDefinition, RecordType},
};

/// A flag only.
pub static STATUS: CodeList =
    CodeList { name: "work status", codes: &["claimant", "workless", "in_work"] };

/// Who it is about.
const WHO_IS_IT: &[FieldDefinition] = &[
    FieldDefinition::new("nino", Identifier(Scheme::Nino), "National Insurance number"),
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
    FieldDefinition::new("status", Code(&STATUS), "claimant, workless or in_work")
        .required()
        .special(),
    FieldDefinition::new("work_start", PastDate, "the day that work began"),
];

/// The definition.
pub const DEFINITION: RecordDefinition = RecordDefinition::new(
    RecordType::WorkStatus,
    "An adult's work status; event_date is the day from which it holds.",
    About::Adults,
    &[Agency::Dwp],
    WHO_IS_IT,
    PAYLOAD,
);
