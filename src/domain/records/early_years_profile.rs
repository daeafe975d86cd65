//! A child's early years foundation stage profile, from schools: seventeen goals at five.

use super::{ETHNIC, NEEDS, PUPIL};
use crate::domain::{
    field::{
        CodeList,
        FieldKind::{Code, Flag, Integer},
    },
    record::{About, Agency, FieldDefinition, RecordDefinition, RecordType, RowRule},
};

/// How a goal was met: the school census's 1, 2, 3 (until 2021) and A.
pub static GOAL: CodeList = CodeList { name: "early learning goal", codes: &["1", "2", "3", "A"] };

/// The goals of a good level of development.
const GOOD_LEVEL: &[&str] = &[
    "com_g01", "com_g02", "pse_g03", "pse_g04", "pse_g05", "phy_g06", "phy_g07", "lit_g08",
    "lit_g09", "lit_g10", "mat_g11", "mat_g12",
];

const fn goal(name: &'static str, doc: &'static str) -> FieldDefinition {
    FieldDefinition::new(name, Code(&GOAL), doc)
}

/// What it says.
const PAYLOAD: &[FieldDefinition] = &[
    FieldDefinition::new(
        "year",
        Integer { min: 2008, max: 2100 },
        "the year in which the school year ended",
    )
    .required(),
    goal("com_g01", "listening, attention and understanding"),
    goal("com_g02", "speaking"),
    goal("pse_g03", "self-regulation"),
    goal("pse_g04", "managing self"),
    goal("pse_g05", "building relationships"),
    goal("phy_g06", "gross motor skills"),
    goal("phy_g07", "fine motor skills"),
    goal("lit_g08", "comprehension"),
    goal("lit_g09", "word reading"),
    goal("lit_g10", "writing"),
    goal("mat_g11", "number"),
    goal("mat_g12", "numerical patterns"),
    goal("utw_g13", "past and present"),
    goal("utw_g14", "people, culture and communities"),
    goal("utw_g15", "the natural world"),
    goal("exp_g16", "creating with materials"),
    goal("exp_g17", "being imaginative and expressive"),
    FieldDefinition::new(
        "good_level",
        Flag,
        "whether it reached a good level of development: the first twelve goals",
    )
    .required(),
    FieldDefinition::new("free_school_meals", Flag, "whether it may have free school meals")
        .special(),
    FieldDefinition::new("eal", Flag, "whether English is an additional language"),
    NEEDS,
    ETHNIC,
];

/// The definition.
pub const DEFINITION: RecordDefinition = RecordDefinition::new(
    RecordType::EarlyYearsProfile,
    "A child's profile at the end of reception; event_date is the day of the assessment.",
    About::Children,
    &[Agency::Learning],
    PUPIL,
    PAYLOAD,
)
.termly()
.ruled(&[RowRule::Follows { flag: "good_level", from: GOOD_LEVEL, codes: &["2", "3"] }]);

/// Stored number of `year`.
pub const YEAR: u8 = DEFINITION.number("year");
/// Stored number of `good_level`.
pub const REACHED: u8 = DEFINITION.number("good_level");
/// Stored number of `free_school_meals`.
pub const MEALS: u8 = DEFINITION.number("free_school_meals");
/// Stored number of `sen`.
pub const SEN: u8 = DEFINITION.number("sen");
/// Stored number of `ethnicity`.
pub const ETHNICITY: u8 = DEFINITION.number("ethnicity");
