//! What somebody said about a consent. About nobody: it belongs to the sender's own reference of the
//! consent, which records name in `consent_ref`.
//!
//! Why a record type: agencies hold consents in the same systems as everything else, and extract
//! them the same way. A row has exactly the effect of the consent service's call: it is a statement,
//! kept for ever beside those before it, and never taken back or corrected; what was said since is
//! another row. So sent again with other words under the same `record_id`, it is another statement.

use crate::domain::{
    field::{
        CodeList,
        FieldKind::{AnyDate, Code, Codes, PastDate, ScopedReference, Token},
    },
    record::{About, Agency, FieldDefinition, RecordDefinition, RecordType, RowRule},
};

/// What was said.
pub static STATE: CodeList =
    CodeList { name: "consent state", codes: &["given", "refused", "withdrawn", "expired"] };

/// Who said it.
pub static GIVEN_BY: CodeList =
    CodeList { name: "consent giver", codes: &["subject", "parent", "carer"] };

/// How it was obtained.
pub static OBTAINED: CodeList =
    CodeList { name: "consent means", codes: &["in_writing", "online", "verbally_noted"] };

/// What the data may be used for: the purposes that protocols name.
pub static PURPOSES: CodeList = CodeList {
    name: "purposes",
    codes: &[
        "childrens_centre_planning",
        "early_education_take_up",
        "inspection",
        "public_health",
        "safeguarding_oversight",
        "audit",
    ],
};

/// Which records it covers.
pub static RECORD_TYPES: CodeList = CodeList { name: "record types", codes: RecordType::NAMES };

/// What it says.
const PAYLOAD: &[FieldDefinition] = &[
    FieldDefinition::new("state", Code(&STATE), "given, refused, withdrawn or expired").required(),
    FieldDefinition::new(
        "given_by",
        Code(&GIVEN_BY),
        "the subject, a parent or a carer, who said it",
    )
    .required(),
    FieldDefinition::new("recorded_on", PastDate, "the day it was said").required(),
    FieldDefinition::new("notice_version", Token, "version of the privacy notice that was shown")
        .required(),
    FieldDefinition::new(
        "giver_ref",
        ScopedReference,
        "the sender's reference of who said it, where several may speak",
    ),
    FieldDefinition::new("obtained", Code(&OBTAINED), "in writing, online, or by word of mouth"),
    FieldDefinition::new(
        "purposes",
        Codes(&PURPOSES),
        "the purposes that it covers, separated by ; empty for all",
    ),
    FieldDefinition::new(
        "record_types",
        Codes(&RECORD_TYPES),
        "the record types that it covers, separated by ; empty for all",
    ),
    FieldDefinition::new("evidence_ref", ScopedReference, "the sender's reference of the evidence"),
    FieldDefinition::new("valid_until", AnyDate, "its last day; empty where it has none"),
];

/// The definition.
pub const DEFINITION: RecordDefinition = RecordDefinition::new(
    RecordType::Consent,
    "What was said about the consent that consent_ref names; event_date is the day it was said.",
    About::Nobody,
    &[Agency::Health, Agency::Dwp, Agency::Learning, Agency::Families, Agency::Centres],
    &[],
    PAYLOAD,
)
.statement()
.ruled(&[RowRule::InOrder("recorded_on", "valid_until")])
.backdated(6_575);

/// Stored number of `state`.
pub const STATED: u8 = DEFINITION.number("state");
/// Stored number of `given_by`.
pub const GIVER: u8 = DEFINITION.number("given_by");
/// Stored number of `recorded_on`.
pub const DAY: u8 = DEFINITION.number("recorded_on");
/// Stored number of `notice_version`.
pub const NOTICE: u8 = DEFINITION.number("notice_version");
/// Stored number of `giver_ref`.
pub const GIVER_REF: u8 = DEFINITION.number("giver_ref");
/// Stored number of `obtained`.
pub const MEANS: u8 = DEFINITION.number("obtained");
/// Stored number of `purposes`.
pub const FOR_PURPOSES: u8 = DEFINITION.number("purposes");
/// Stored number of `record_types`.
pub const FOR_TYPES: u8 = DEFINITION.number("record_types");
/// Stored number of `evidence_ref`.
pub const EVIDENCE_REF: u8 = DEFINITION.number("evidence_ref");
/// Stored number of `valid_until`.
pub const UNTIL: u8 = DEFINITION.number("valid_until");
