//! A child's scores in the Ages and Stages Questionnaire (ASQ-3), from Health: five domains.

use super::CHILD;
use crate::domain::{
    field::FieldKind::{self, Flag, Integer},
    record::{About, Agency, FieldDefinition, RecordDefinition, RecordType},
};

/// A domain's score.
const SCORE: FieldKind = Integer { min: 0, max: 60 };

/// What it says.
const PAYLOAD: &[FieldDefinition] = &[
    FieldDefinition::new(
        "interval_months",
        Integer { min: 2, max: 60 },
        "the questionnaire's age in months, 2 to 60",
    )
    .required(),
    FieldDefinition::new(
        "communication",
        SCORE,
        "score in communication, 0 to 60; empty where it was not scored",
    )
    .special(),
    FieldDefinition::new(
        "gross_motor",
        SCORE,
        "score in gross motor, 0 to 60; empty where it was not scored",
    )
    .special(),
    FieldDefinition::new(
        "fine_motor",
        SCORE,
        "score in fine motor, 0 to 60; empty where it was not scored",
    )
    .special(),
    FieldDefinition::new(
        "problem_solving",
        SCORE,
        "score in problem solving, 0 to 60; empty where it was not scored",
    )
    .special(),
    FieldDefinition::new(
        "personal_social",
        SCORE,
        "score in personal and social, 0 to 60; empty where it was not scored",
    )
    .special(),
    FieldDefinition::new(
        "on_track",
        Flag,
        "whether every score is at or above the questionnaire's threshold",
    )
    .special(),
];

/// The definition.
pub const DEFINITION: RecordDefinition = RecordDefinition::new(
    RecordType::DevelopmentScore,
    "ASQ-3 scores of a child; event_date is the day of the questionnaire.",
    About::Children,
    &[Agency::Health],
    CHILD,
    PAYLOAD,
)
.health();

/// Stored number of `on_track`.
pub const ON_TRACK: u8 = DEFINITION.number("on_track");
