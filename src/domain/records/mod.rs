//! One record type a file: its fields, their kinds, and what they mean.

pub mod antenatal;
pub mod attendance;
pub mod consent;
pub mod death;
pub mod development_score;
pub mod early_years_profile;
#[cfg(test)]
pub mod example;
pub mod family_case;
pub mod feeding_6_8_week;
pub mod funded_place;
pub mod health_review;
pub mod learning_aim;
pub mod live_birth;
pub mod movement;
pub mod provider_session;
pub mod referral;
pub mod registration;
pub mod school_contact;
pub mod session_attendance;
pub mod support_case;
pub mod survey;
pub mod two_year_old_eligibility;
pub mod volunteer_placement;
pub mod work_status;

use super::{
    crosswalk::{ETHNICITY, SEN},
    field::FieldKind::{
        BirthDate, Forename, Identifier, Lsoa, Mapped, Postcode, Sex, Surname, Uprn,
    },
    identifier::Scheme,
    record::FieldDefinition,
};

const NHS_NUMBER: FieldDefinition = FieldDefinition::new(
    "nhs_number",
    Identifier(Scheme::Nhs),
    "NHS number, 10 digits without spaces; empty when unknown",
);
const LOCAL_ID: FieldDefinition = FieldDefinition::new(
    "local_id",
    Identifier(Scheme::Local),
    "the sender's own id of the person, at most 36 characters; never linked across partners",
);
const FORENAME: FieldDefinition =
    FieldDefinition::new("forename", Forename, "given name; only keyed match keys of it are kept");
const SURNAME: FieldDefinition =
    FieldDefinition::new("surname", Surname, "family name; only keyed match keys of it are kept");
const DATE_OF_BIRTH: FieldDefinition =
    FieldDefinition::new("date_of_birth", BirthDate, "date of birth, YYYY-MM-DD; kept only sealed");
const SEX: FieldDefinition =
    FieldDefinition::new("sex", Sex, "1 male, 2 female, 9 indeterminate, X not known; or M, F");
const POSTCODE: FieldDefinition =
    FieldDefinition::new("postcode", Postcode, "postcode of residence; becomes an LSOA, then gone");
const UPRN: FieldDefinition =
    FieldDefinition::new("uprn", Uprn, "unique property reference number, 1 to 12 digits");
const LSOA: FieldDefinition = FieldDefinition::new(
    "lsoa_2011",
    Lsoa,
    "LSOA of residence (2011 boundaries); stands in for an absent or unknown postcode",
);

const UPN: FieldDefinition =
    FieldDefinition::new("upn", Identifier(Scheme::Upn), "unique pupil number, 13 characters");

/// Ethnicity, from any of the three lists.
const ETHNIC: FieldDefinition = FieldDefinition::new(
    "ethnicity",
    Mapped(&ETHNICITY),
    "ethnicity: the NHS's A to Z and 99, schools' WBRI ..., the ILR's 31 to 99, or the ONS group",
)
.special();
/// Special educational needs.
const NEEDS: FieldDefinition =
    FieldDefinition::new("sen", Mapped(&SEN), "special educational needs: N, K or E").special();

/// A child as most agencies know one.
const CHILD: &[FieldDefinition] =
    &[NHS_NUMBER, LOCAL_ID, FORENAME, SURNAME, DATE_OF_BIRTH.required(), SEX, POSTCODE, UPRN, LSOA];

/// A child or an adult.
const PERSON: &[FieldDefinition] =
    &[NHS_NUMBER, LOCAL_ID, FORENAME, SURNAME, DATE_OF_BIRTH, SEX, POSTCODE, UPRN, LSOA];

/// A child as a school knows one.
const PUPIL: &[FieldDefinition] = &[
    UPN,
    NHS_NUMBER,
    LOCAL_ID,
    FORENAME,
    SURNAME,
    DATE_OF_BIRTH.required(),
    SEX,
    POSTCODE,
    UPRN,
    LSOA,
];
