//! The catalogue: which tables are counted, with what noise, and what is read off them.
//!
//! Why it exists: everything that a release may hold is declared here in advance, as data.
//! Errors, budget and refusals follow from it alone. Its digest stands in the signed root
//! disclosure policy and in each release: SHA-256 of its RFC 8785 form.

use super::{DisclosureError, check, release::Digest};
pub use super::{
    measure::{Assumed, Measure},
    target::{Direction, Target, TargetKind},
};
use crate::domain::{IndicatorId, Quarter, RecordType, TableId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

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
    /// The children who can be in it, by age on the quarter's last day; none where it is left
    /// out. Tables that no one person can be in together cost the most of them, not the sum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ages: Option<Months>,
    /// Whether persons of 16 or more, and of unknown age, can be in it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub adults: bool,
    /// The quarters of the year, 1 to 4, in which it is counted; in all where it is left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub due: Vec<u8>,
    /// The noise's variance parameter (sigma squared) a cell; 0 for exact counts, which only
    /// organisations that are no natural persons may have.
    pub variance: u32,
    /// The areas it is counted for.
    pub base: Base,
    /// Sums of its cells that other tables of the same people tell, too, by a name for each.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub subtotals: BTreeMap<String, Vec<String>>,
    /// The only record types that it depends on.
    pub sources: Vec<RecordType>,
}

/// Ages in whole months completed on a quarter's last day, from `from` to below `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Months {
    /// The least.
    pub from: u16,
    /// The first that is too old.
    pub to: u16,
}

impl Months {
    /// Whether an age is among them.
    #[must_use]
    pub fn holds(self, months: i32) -> bool {
        i32::from(self.from) <= months && months < i32::from(self.to)
    }
}

pub(super) const fn is_false(flag: &bool) -> bool {
    !*flag
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
    /// All reach areas that one agency runs.
    LeadAgency,
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
    /// The letter behind the number, of an indicator that stands beside another: `b` of 16b.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub letter: Option<char>,
    /// What it is called.
    pub title: String,
    /// What is counted.
    pub definition: String,
    /// Out of what, and from where that is known.
    pub denominator: String,
    /// The target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Target>,
    /// How it is read off a table.
    pub measure: Measure,
    /// What the expected errors assume.
    pub assumed: Assumed,
    /// Its parts, by one dimension at a time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<Breakdown>,
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

impl Catalogue {
    /// The text of the catalogue that comes with this program.
    pub const SHIPPED: &str = include_str!("catalogue.toml");

    /// The catalogue that comes with this program.
    ///
    /// # Errors
    /// None in a build whose tests passed.
    pub fn shipped() -> Result<Self, DisclosureError> {
        Self::parse(Self::SHIPPED)
    }

    /// Reads and checks a catalogue.
    ///
    /// # Errors
    /// [`DisclosureError::UnreadableCatalogue`] with the line, or
    /// [`DisclosureError::WrongCatalogue`] with every mistake.
    pub fn parse(text: &str) -> Result<Self, DisclosureError> {
        let catalogue = Self::read(text)?;
        let mistakes = check::check(&catalogue);
        if mistakes.is_empty() {
            Ok(catalogue)
        } else {
            Err(DisclosureError::WrongCatalogue(mistakes))
        }
    }

    /// Reads a catalogue, whatever else is wrong with it.
    pub(super) fn read(text: &str) -> Result<Self, DisclosureError> {
        toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(0, |span| {
                text.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1
            });
            DisclosureError::UnreadableCatalogue { line }
        })
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

    /// The tables that are counted in a quarter, in their order.
    pub fn due_in(&self, quarter: Quarter) -> impl Iterator<Item = &Table> {
        self.tables.iter().filter(move |table| table.is_due(quarter))
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

    /// The record types that may be counted for an indicator and its parts (for every one, where
    /// none is named), each with the tables that count it, by name. `None` for no indicator.
    #[must_use]
    pub fn counted_types(
        &self,
        indicator: Option<&IndicatorId>,
    ) -> Option<BTreeMap<String, BTreeSet<String>>> {
        let wanted: Option<BTreeSet<_>> = match indicator {
            None => None,
            Some(id) => {
                let indicator = self.indicator(id)?;
                let parts = indicator.parts().map(|part| part.measure.table());
                Some(parts.chain([indicator.measure.table()]).collect())
            }
        };
        let mut tables = BTreeMap::<String, BTreeSet<String>>::new();
        for table in &self.tables {
            if wanted.as_ref().is_some_and(|wanted| !wanted.contains(&table.id)) {
                continue;
            }
            for source in &table.sources {
                tables.entry(source.name().to_owned()).or_default().insert(table.id.to_string());
            }
        }
        Some(tables)
    }
}

impl Table {
    /// Whether it is counted in a quarter.
    #[must_use]
    pub fn is_due(&self, quarter: Quarter) -> bool {
        self.due.is_empty() || self.due.contains(&quarter.number().unsigned_abs())
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

    /// Its parts of all dimensions, none when it has no breakdown.
    pub fn parts(&self) -> impl Iterator<Item = &Part> {
        self.by.iter().flat_map(|by| &by.parts)
    }

    /// Its parts by one dimension.
    #[must_use]
    pub fn parts_by(&self, dimension: &str) -> Option<&[Part]> {
        let by = self.by.iter().find(|by| by.dimension == dimension)?;
        Some(&by.parts)
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
        let numbers: BTreeSet<u8> = indicators.iter().map(|(number, _)| *number).collect();
        assert!(numbers.into_iter().eq(1..=29), "all of the data book's, and 16b");
        for fixed in [
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
            (16, "families_known_to_both"),
        ] {
            assert!(indicators.contains(&fixed), "{fixed:?}");
        }
        // Every table is read by a figure, or its cost would be for nothing.
        for table in &catalogue.tables {
            let reads = |i: &Indicator| {
                std::iter::once(&i.measure)
                    .chain(i.parts().map(|part| &part.measure))
                    .any(|measure| *measure.table() == table.id)
            };
            assert!(catalogue.indicators.iter().any(reads), "{}", table.id);
        }
    }

    #[test]
    fn the_digest_follows_the_meaning_and_not_the_layout() {
        let catalogue = Catalogue::shipped().unwrap();
        let relaid =
            Catalogue::parse(&Catalogue::SHIPPED.replace("cap = 1\n", "cap    =  1 # one\n"))
                .unwrap();
        assert_eq!(catalogue.digest(), relaid.digest());
        let changed =
            Catalogue::parse(&Catalogue::SHIPPED.replace("variance = 110", "variance = 111"))
                .unwrap();
        assert_ne!(catalogue.digest(), changed.digest());
    }

    #[test]
    fn a_text_that_is_no_catalogue_is_refused_with_its_line() {
        let text = Catalogue::SHIPPED.replacen("cap = 1", "cap = \"one\"", 1);
        let line = text.lines().position(|line| line == "cap = \"one\"").unwrap() + 1;
        assert_eq!(
            Catalogue::parse(&text).err(),
            Some(DisclosureError::UnreadableCatalogue { line })
        );
        assert!(
            Catalogue::parse(&Catalogue::SHIPPED.replacen("cap = 1", "cap = 1\ncup = 1", 1))
                .is_err()
        );
    }
}
