//! The catalogue: which tables are counted, with what noise, and what is read off them.
//!
//! Why it exists: everything that a release may hold is declared here in advance, as data.
//! Errors, budget and refusals follow from it alone. Its digest stands in the signed root
//! disclosure policy and in each release: SHA-256 of its RFC 8785 form.

use super::{DisclosureError, check, release::Digest};
use crate::domain::{IndicatorId, RecordType, TableId};
use serde::{Deserialize, Serialize};

const SHIPPED: &str = include_str!("catalogue.toml");

/// A closed list of tables and of the indicators that are sums and ratios of their cells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// Its version, for people; the digest is what binds.
    pub version: String,
    /// What is counted.
    pub tables: Vec<Table>,
    /// What is read off the tables.
    pub indicators: Vec<Indicator>,
}

/// A partition of a population: a person falls in at most `cap` cells of one base area.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Its id, which names the classification that fills it.
    pub id: TableId,
    /// What it is called.
    pub title: String,
    /// Whom it splits. Tables of one population have equal totals, which an attacker may use.
    pub population: String,
    /// Its cells, in the classification's order.
    pub cells: Vec<String>,
    /// The most cells that one person may add one to.
    pub cap: u32,
    /// The most quarters of a lifetime in which one person can be in it.
    pub periods: u32,
    /// The noise's variance parameter (sigma squared) a cell.
    pub variance: u32,
    /// The areas it is counted for.
    pub base: Base,
    /// The only record types that it depends on.
    pub sources: Vec<RecordType>,
}

/// What a table is counted for; all above is sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Base {
    /// Each reach area.
    ReachArea,
    /// The authority as a whole.
    Authority,
}

/// What an area is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// One centre's catchment.
    ReachArea,
    /// A group of reach areas.
    Cluster,
    /// The local authority.
    Authority,
}

/// A figure of the data book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Indicator {
    /// Its id.
    pub id: IndicatorId,
    /// Its number in the data book.
    pub number: u8,
    /// What it is called.
    pub title: String,
    /// What is counted.
    pub definition: String,
    /// Out of what, and from where that is known.
    pub denominator: String,
    /// The target, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// How it is read off a table.
    pub measure: Measure,
    /// What the expected errors assume.
    pub assumed: Assumed,
    /// Its parts, by one dimension.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Breakdown>,
}

/// An indicator's parts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Breakdown {
    /// The dimension: `age`, `direction`, `case_type`.
    pub dimension: String,
    /// The parts.
    pub parts: Vec<Part>,
}

/// One part of an indicator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Its id within the indicator.
    pub id: String,
    /// What it is called.
    pub title: String,
    /// How it is read off a table.
    pub measure: Measure,
    /// What the expected errors assume.
    pub assumed: Assumed,
}

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
}

impl Measure {
    /// The table it reads.
    #[must_use]
    pub const fn table(&self) -> &TableId {
        match self {
            Self::Count { table, .. } | Self::Share { table, .. } | Self::Balance { table, .. } => {
                table
            }
        }
    }

    /// Its two lists of cells; a count has an empty second one.
    #[must_use]
    pub fn cells(&self) -> (&[String], &[String]) {
        match self {
            Self::Count { cells, .. } => (cells, &[]),
            Self::Share { numerator, denominator, .. } => (numerator, denominator),
            Self::Balance { one, other, .. } => (one, other),
        }
    }
}

/// Assumptions for the expected errors; no figure uses them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assumed {
    /// What is counted, or counted out of, per 1,000 under-fives of the published estimate.
    pub per_thousand: u32,
    /// The share of it that is expected, in percent; 100 for a count.
    pub percent: u32,
}

impl Catalogue {
    /// The catalogue that comes with this program.
    ///
    /// # Errors
    /// None in a build whose tests passed.
    pub fn shipped() -> Result<Self, DisclosureError> {
        Self::parse(SHIPPED)
    }

    /// Reads and checks a catalogue.
    ///
    /// # Errors
    /// [`DisclosureError::UnreadableCatalogue`] with the line, or
    /// [`DisclosureError::WrongCatalogue`] with every mistake.
    pub fn parse(text: &str) -> Result<Self, DisclosureError> {
        let catalogue: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(0, |span| {
                text.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1
            });
            DisclosureError::UnreadableCatalogue { line }
        })?;
        let mistakes = check::check(&catalogue);
        if mistakes.is_empty() {
            Ok(catalogue)
        } else {
            Err(DisclosureError::WrongCatalogue(mistakes))
        }
    }

    /// SHA-256 of the RFC 8785 form.
    ///
    /// # Errors
    /// None: every catalogue has a canonical form.
    pub fn digest(&self) -> Result<Digest, DisclosureError> {
        let bytes = serde_json_canonicalizer::to_vec(self)
            .map_err(|_| DisclosureError::UnreadableCatalogue { line: 0 })?;
        Ok(Digest::of(&bytes))
    }

    /// A table.
    #[must_use]
    pub fn table(&self, id: &TableId) -> Option<&Table> {
        self.tables.iter().find(|table| table.id == *id)
    }

    /// An indicator.
    #[must_use]
    pub fn indicator(&self, id: &IndicatorId) -> Option<&Indicator> {
        self.indicators.iter().find(|indicator| indicator.id == *id)
    }
}

impl Indicator {
    /// Its measure, or a part's.
    ///
    /// # Errors
    /// [`DisclosureError::UnknownPart`].
    pub fn measure_of(&self, part: Option<&str>) -> Result<&Measure, DisclosureError> {
        Ok(part.map(|id| self.part(id)).transpose()?.map_or(&self.measure, |part| &part.measure))
    }

    /// A part.
    ///
    /// # Errors
    /// [`DisclosureError::UnknownPart`].
    pub fn part(&self, id: &str) -> Result<&Part, DisclosureError> {
        self.parts()
            .find(|part| part.id == id)
            .ok_or_else(|| DisclosureError::UnknownPart(self.id.clone()))
    }

    /// Its parts, none when it has no breakdown.
    pub fn parts(&self) -> impl Iterator<Item = &Part> {
        self.by.iter().flat_map(|by| &by.parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_catalogue_is_right_and_has_the_fixed_indicators() {
        let catalogue = Catalogue::shipped().unwrap();
        let indicators: Vec<_> =
            catalogue.indicators.iter().map(|i| (i.number, i.id.as_str())).collect();
        assert_eq!(
            indicators,
            [
                (1, "births"),
                (2, "under_fives"),
                (3, "registered"),
                (4, "prompt_registration"),
                (5, "ever_attended"),
                (6, "sustained"),
                (7, "registered_not_attending"),
                (10, "two_year_take_up"),
                (11, "eligible_twos_registered"),
                (14, "referrals"),
                (16, "families_known"),
            ]
        );
    }

    #[test]
    fn the_digest_follows_the_meaning_and_not_the_layout() {
        let catalogue = Catalogue::shipped().unwrap();
        let relaid =
            Catalogue::parse(&SHIPPED.replace("cap = 1\n", "cap    =  1 # one\n")).unwrap();
        assert_eq!(catalogue.digest(), relaid.digest());
        let changed =
            Catalogue::parse(&SHIPPED.replace("variance = 240", "variance = 241")).unwrap();
        assert_ne!(catalogue.digest(), changed.digest());
    }

    #[test]
    fn a_text_that_is_no_catalogue_is_refused_with_its_line() {
        let text = SHIPPED.replacen("cap = 1", "cap = \"one\"", 1);
        let line = text.lines().position(|line| line == "cap = \"one\"").unwrap() + 1;
        assert_eq!(
            Catalogue::parse(&text).err(),
            Some(DisclosureError::UnreadableCatalogue { line })
        );
        assert!(Catalogue::parse(&SHIPPED.replacen("cap = 1", "cap = 1\ncup = 1", 1)).is_err());
    }
}
