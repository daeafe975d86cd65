//! A member of a family with a case, from Troubled Families and social care.
//!
//! One row a member. A family is counted once, at its reference child (normally the
//! youngest), so that no person adds to more than one family.

use super::PERSON;
use crate::domain::{
    family::{CaseFields, Tie},
    field::{
        CodeList,
        FieldKind::{CaseReference, Code, Codes, Flag, PastDate},
    },
    record::{About, Agency, FieldDefinition, RecordDefinition, RecordType, RowRule},
};

/// Child in need, child protection, looked after, early help, Troubled Families.
pub static CASE_TYPE: CodeList =
    CodeList { name: "case type", codes: &["cin", "cp", "lac", "eh", "tf"] };

/// The six criteria of the Troubled Families programme.
pub static CRITERIA: CodeList =
    CodeList { name: "criteria", codes: &["1", "2", "3", "4", "5", "6"] };

/// The member's part in the family.
pub static MEMBER_ROLE: CodeList =
    CodeList { name: "member role", codes: &["child", "parent", "carer", "other"] };

/// What it says.
const PAYLOAD: &[FieldDefinition] = &[
    FieldDefinition::new("case_id", CaseReference, "the sender's id of the case").required(),
    FieldDefinition::new("case_type", Code(&CASE_TYPE), "cin, cp, lac, eh or tf")
        .required()
        .special(),
    FieldDefinition::new("opened", PastDate, "the day the case was opened").required().special(),
    FieldDefinition::new("closed", PastDate, "the day it was closed; empty while open").special(),
    FieldDefinition::new("criteria", Codes(&CRITERIA), "criteria met, separated by ;").special(),
    FieldDefinition::new("member_role", Code(&MEMBER_ROLE), "the member's part in the family")
        .required(),
    FieldDefinition::new(
        "reference_child",
        Flag,
        "yes for the one child, normally the youngest, at whom the family is counted",
    )
    .required(),
];

/// All but how they make up a family.
const FIELDS: RecordDefinition = RecordDefinition::new(
    RecordType::FamilyCase,
    "A member of a family with a case; event_date is the day the case was opened.",
    About::Families,
    &[Agency::Families],
    PERSON,
    PAYLOAD,
)
.ruled(&[RowRule::InOrder("opened", "closed")])
.backdated(6_575);

/// The definition.
pub const DEFINITION: RecordDefinition = FIELDS.of_case(CaseFields {
    case: FIELDS.number("case_id"),
    part: (
        FIELDS.number("member_role"),
        [Tie::CaseChild, Tie::CaseParent, Tie::CaseCarer, Tie::CaseOther],
    ),
    opened: FIELDS.number("opened"),
    closed: FIELDS.number("closed"),
});

/// Stored number of `case_type`.
pub const TYPE: u8 = DEFINITION.number("case_type");
/// Stored number of `opened`.
pub const OPENED: u8 = DEFINITION.number("opened");
/// Stored number of `closed`.
pub const CLOSED: u8 = DEFINITION.number("closed");
/// Stored number of `reference_child`.
pub const REFERENCE_CHILD: u8 = DEFINITION.number("reference_child");
