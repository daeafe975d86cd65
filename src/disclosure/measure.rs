//! How a figure comes from the cells of one table.

use crate::domain::TableId;
use serde::{Deserialize, Serialize};

/// How a figure comes from cells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Measure {
    /// A sum of cells.
    Count {
        /// The table.
        table: TableId,
        /// Its cells.
        cells: Vec<String>,
    },
    /// Some cells as a percentage of more cells.
    Share {
        /// The table.
        table: TableId,
        /// The cells counted, all of them among the denominator's.
        numerator: Vec<String>,
        /// The cells counted out of.
        denominator: Vec<String>,
    },
    /// The smaller of two sums as a percentage of the larger.
    Balance {
        /// The table.
        table: TableId,
        /// The one.
        one: Vec<String>,
        /// The other.
        other: Vec<String>,
    },
    /// One share less another, of people who are in no cell of the other, in percentage
    /// points.
    Gap {
        /// The table.
        table: TableId,
        /// The cells counted of the one, all of them among `of`.
        share: Vec<String>,
        /// The cells that the one is out of.
        of: Vec<String>,
        /// The cells counted of the other, all of them among `against_of`.
        against: Vec<String>,
        /// The cells that the other is out of; none of them among `of`.
        against_of: Vec<String>,
    },
}

impl Measure {
    /// The table it reads.
    #[must_use]
    pub const fn table(&self) -> &TableId {
        match self {
            Self::Count { table, .. }
            | Self::Share { table, .. }
            | Self::Balance { table, .. }
            | Self::Gap { table, .. } => table,
        }
    }

    /// Its two lists of cells: what is counted and out of what; a count has an empty second
    /// one. Of a gap those of the one share; [`Measure::against`] has the other's.
    #[must_use]
    pub fn cells(&self) -> (&[String], &[String]) {
        match self {
            Self::Count { cells, .. } => (cells, &[]),
            Self::Share { numerator, denominator, .. } => (numerator, denominator),
            Self::Balance { one, other, .. } => (one, other),
            Self::Gap { share, of, .. } => (share, of),
        }
    }

    /// The other share of a gap: what is counted and out of what.
    #[must_use]
    pub fn against(&self) -> Option<(&[String], &[String])> {
        match self {
            Self::Gap { against, against_of, .. } => Some((against, against_of)),
            Self::Count { .. } | Self::Share { .. } | Self::Balance { .. } => None,
        }
    }
}

/// Assumptions for the expected errors; no figure uses them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assumed {
    /// What is counted, or counted out of, per 1,000 under-fives of the published estimate;
    /// of a gap the smaller of its two sides.
    pub per_thousand: u32,
    /// The share of it that is expected, in percent; 100 for a count.
    pub percent: u32,
}
