//! What an indicator is meant to reach, as data: a reader is told whether a change is more
//! than the noise, which words alone can't say.

use crate::domain::Quarter;
use serde::{Deserialize, Serialize};

/// A target of an indicator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// In words, as the data book prints it.
    pub words: String,
    /// Whether `percent` is a change against a baseline or a level.
    pub kind: TargetKind,
    /// Which way.
    pub direction: Direction,
    /// Of a change by how many percent of the baseline's own value, of a level the level.
    pub percent: u32,
    /// The quarter that a change is measured against; the first released one that holds
    /// the figure where it is left out. A level has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Quarter>,
}

/// What a target's percentage is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetKind {
    /// A change relative to the baseline's value: 10 of 30% is 3 points.
    Change,
    /// A level to be reached.
    Level,
}

/// Which way a target lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// At least so much, or so much more.
    Up,
    /// At most so much, or so much less.
    Down,
}
