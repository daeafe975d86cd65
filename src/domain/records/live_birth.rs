//! A live birth, from Health. Its event is the birth itself, so the day is only sealed.

use super::{
    DATE_OF_BIRTH, ETHNIC, FORENAME, LOCAL_ID, LSOA, NHS_NUMBER, POSTCODE, SEX, SURNAME, UPRN,
};
use crate::domain::{
    event::Role,
    field::FieldKind::{BirthDate, Forename, Identifier, Integer, Surname},
    identifier::Scheme,
    record::{About, Agency, FieldDefinition, RecordDefinition, RecordType},
};

/// The child and its mother.
const IDENTITY: &[FieldDefinition] = &[
    NHS_NUMBER.required(),
    LOCAL_ID,
    FORENAME,
    SURNAME,
    DATE_OF_BIRTH.required(),
    SEX,
    POSTCODE,
    UPRN,
    LSOA,
    FieldDefinition::new("mother_nhs_number", Identifier(Scheme::Nhs), "the mother's NHS number")
        .of(Role::Mother),
    FieldDefinition::new("mother_forename", Forename, "the mother's given name").of(Role::Mother),
    FieldDefinition::new("mother_surname", Surname, "the mother's family name").of(Role::Mother),
    FieldDefinition::new(
        "mother_date_of_birth",
        BirthDate,
        "the mother's date of birth, YYYY-MM-DD",
    )
    .of(Role::Mother),
];

/// What it says.
const PAYLOAD: &[FieldDefinition] = &[
    FieldDefinition::new(
        "plurality",
        Integer { min: 1, max: 9 },
        "how many were born of this pregnancy, 1 to 9",
    )
    .required(),
    FieldDefinition::new(
        "birth_order",
        Integer { min: 1, max: 9 },
        "which of them this child was, 1 to 9",
    ),
    ETHNIC,
];

/// The definition.
pub const DEFINITION: RecordDefinition = RecordDefinition::new(
    RecordType::LiveBirth,
    "A live birth: the child, its mother and where they live.",
    About::Children,
    &[Agency::Health],
    IDENTITY,
    PAYLOAD,
)
.birth()
.health();

/// Stored number of `plurality`.
pub const PLURALITY: u8 = DEFINITION.number("plurality");
/// Stored number of `ethnicity`.
pub const ETHNICITY: u8 = DEFINITION.number("ethnicity");
