//! A person referred to or by a centre or a family service.

use super::PERSON;
use crate::domain::{
    field::{
        CodeList,
        FieldKind::{Code, PastDate},
    },
    record::{About, Agency, FieldDefinition, RecordDefinition, RecordType},
};

/// Into or out of the sender.
pub static DIRECTION: CodeList = CodeList { name: "direction", codes: &["in", "out"] };

/// From or to whom.
pub static OTHER_PARTY: CodeList = CodeList {
    name: "other party",
    codes: &[
        "health",
        "social_care",
        "jobcentre",
        "adult_learning",
        "school",
        "early_years",
        "voluntary",
        "self",
    ],
};

/// Why.
pub static REASON: CodeList = CodeList {
    name: "referral reason",
    codes: &[
        "parenting",
        "speech_language",
        "housing",
        "employment",
        "health",
        "safeguarding",
        "send",
    ],
};

/// What came of it.
pub static OUTCOME: CodeList = CodeList {
    name: "referral outcome",
    codes: &["engaged", "not_engaged", "declined", "pending"],
};

/// What it says.
const PAYLOAD: &[FieldDefinition] = &[
    FieldDefinition::new("direction", Code(&DIRECTION), "in or out").required(),
    FieldDefinition::new("other_party", Code(&OTHER_PARTY), "from or to whom").required(),
    FieldDefinition::new("reason", Code(&REASON), "why").special(),
    FieldDefinition::new("outcome", Code(&OUTCOME), "what came of it").required(),
    FieldDefinition::new("outcome_date", PastDate, "the day of the outcome"),
];

/// The definition.
pub const DEFINITION: RecordDefinition = RecordDefinition::new(
    RecordType::Referral,
    "A referral of a person; event_date is the day of the referral.",
    About::Families,
    &[Agency::Families, Agency::Centres],
    PERSON,
    PAYLOAD,
);

/// Stored number of `direction`.
pub const WHICH_WAY: u8 = DEFINITION.number("direction");
/// Stored number of `other_party`.
pub const PARTY: u8 = DEFINITION.number("other_party");
/// Stored number of `outcome`.
pub const CAME_OF_IT: u8 = DEFINITION.number("outcome");
/// Stored number of `outcome_date`.
pub const CAME_ON: u8 = DEFINITION.number("outcome_date");
