//! A release: one quarter's noisy base cells, frozen, with all that a verifier needs.
//!
//! Why it exists: queries look up and never compute anew, so the same question has the
//! same answer for ever. The document's canonical bytes are its RFC 8785 JSON; its
//! digest, SHA-256 of these, goes into the access log and into the next release, which
//! makes a chain.

use super::{
    DisclosureError,
    catalogue::{Base, Level, Months, is_false},
    geography::{self, Geography},
    ledger::Spending,
};
pub use crate::domain::Digest;
use crate::domain::{AreaCode, PartnerId, ProtocolId, Quarter, RecordType, TableId};
use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{collections::BTreeSet, fmt, str::FromStr};

/// One quarter's release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// The quarter.
    pub quarter: Quarter,
    /// When it was made.
    pub created_at: Timestamp,
    /// The catalogue that it was counted by.
    pub catalogue: CatalogueReference,
    /// The digest of the root disclosure policy that allowed it.
    pub policy: Digest,
    /// The areas of that quarter.
    pub geography: ReleasedGeography,
    /// The noisy base cells.
    pub tables: Vec<NoisyTable>,
    /// What it cost, and the ledger after it.
    pub budget: Spending,
    /// How fresh each feed was at the close.
    pub feeds: Vec<FeedWeek>,
    /// The protocol versions behind it.
    pub protocols: Vec<ProtocolReference>,
    /// The digest of the release before it.
    pub previous: Option<Digest>,
}

/// Which catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogueReference {
    /// Its version.
    pub version: String,
    /// Its digest.
    pub digest: Digest,
}

/// Which version of a protocol.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProtocolReference {
    /// Its id.
    pub id: ProtocolId,
    /// Its version.
    pub version: u32,
    /// The digest of its canonical bytes.
    pub digest: Digest,
}

/// The areas of a release, without their LSOAs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleasedGeography {
    /// The geography's version.
    pub version: String,
    /// The authority.
    pub authority: AreaCode,
    /// The reach areas, in the order of the tables' rows.
    pub areas: Vec<ReleasedArea>,
}

/// A reach area of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReleasedArea {
    /// Its code.
    pub code: AreaCode,
    /// Its cluster.
    pub cluster: AreaCode,
    /// The agency that runs it, where one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lead_agency: Option<AreaCode>,
}

/// One table's noisy base cells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoisyTable {
    /// The table.
    pub id: TableId,
    /// What its rows are.
    pub base: Base,
    /// What its columns are.
    pub cells: Vec<String>,
    /// Its cap.
    pub cap: u32,
    /// Its periods in a lifetime.
    pub periods: u32,
    /// The children who can be in it. A table that says neither this nor `adults` is one of
    /// before they were said: anybody can be in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ages: Option<Months>,
    /// Whether persons of 16 or more, and of unknown age, can be in it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub adults: bool,
    /// Its noise's variance a cell; 0 for organisations' exact counts.
    pub variance: u32,
    /// A row for each base area: exact count plus noise, which may be below zero.
    pub counts: Vec<Vec<i64>>,
}

/// How fresh a feed was when the quarter closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedWeek {
    /// The sender.
    pub partner: PartnerId,
    /// What it sends.
    pub record_type: RecordType,
    /// The week of its last extract, as declared; `None` when it sent nothing.
    pub week: Option<ExtractWeek>,
}

/// An ISO 8601 week, written `2026-W14`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExtractWeek {
    year: i16,
    week: i8,
}

impl ExtractWeek {
    /// The week of a day.
    #[must_use]
    pub fn of(day: Date) -> Self {
        let week = day.iso_week_date();
        Self { year: week.year(), week: week.week() }
    }
}

impl fmt::Display for ExtractWeek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-W{:02}", self.year, self.week)
    }
}

/// A text was no week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a week: write the year, -W and two digits, like 2026-W14")]
pub struct InvalidWeek;

impl FromStr for ExtractWeek {
    type Err = InvalidWeek;
    fn from_str(text: &str) -> Result<Self, InvalidWeek> {
        let (year, week) = text.split_once("-W").ok_or(InvalidWeek)?;
        let parsed = Self {
            year: year.parse().map_err(|_| InvalidWeek)?,
            week: week.parse().map_err(|_| InvalidWeek)?,
        };
        let real =
            jiff::civil::ISOWeekDate::new(parsed.year, parsed.week, jiff::civil::Weekday::Monday);
        if real.is_ok() && parsed.to_string() == text { Ok(parsed) } else { Err(InvalidWeek) }
    }
}

impl Serialize for ExtractWeek {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ExtractWeek {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Release {
    /// Its RFC 8785 bytes.
    ///
    /// # Errors
    /// None for a release that this room made.
    pub fn canonical_bytes(&self) -> Result<Vec<u8>, DisclosureError> {
        serde_json_canonicalizer::to_vec(self).map_err(|_| DisclosureError::UnreadableRelease)
    }

    /// SHA-256 of its canonical bytes.
    ///
    /// # Errors
    /// As [`Release::canonical_bytes`].
    pub fn digest(&self) -> Result<Digest, DisclosureError> {
        Ok(Digest::of(&self.canonical_bytes()?))
    }

    /// Reads a release from its canonical bytes.
    ///
    /// # Errors
    /// [`DisclosureError::UnreadableRelease`] for anything that is not a release, has
    /// tables that are not rectangles, or is not in canonical form.
    pub fn from_canonical_bytes(bytes: &[u8]) -> Result<Self, DisclosureError> {
        let release: Self =
            serde_json::from_slice(bytes).map_err(|_| DisclosureError::UnreadableRelease)?;
        if release.canonical_bytes()? == bytes && release.is_rectangular() {
            Ok(release)
        } else {
            Err(DisclosureError::UnreadableRelease)
        }
    }

    fn is_rectangular(&self) -> bool {
        self.tables.iter().all(|table| {
            let rows = match table.base {
                Base::ReachArea => self.geography.areas.len(),
                Base::Authority => 1,
            };
            table.counts.len() == rows
                && table.counts.iter().all(|row| row.len() == table.cells.len())
        })
    }

    /// A table.
    #[must_use]
    pub fn table(&self, id: &TableId) -> Option<&NoisyTable> {
        self.tables.iter().find(|table| table.id == *id)
    }
}

impl ReleasedGeography {
    /// What a release keeps of a geography.
    #[must_use]
    pub fn of(geography: &Geography) -> Self {
        let areas = geography.areas().iter();
        Self {
            version: geography.version().to_owned(),
            authority: geography.authority().clone(),
            areas: areas
                .map(|a| ReleasedArea {
                    code: a.code.clone(),
                    cluster: a.cluster.clone(),
                    lead_agency: a.lead_agency.clone(),
                })
                .collect(),
        }
    }

    /// What an area is, and the rows of the reach areas it consists of.
    #[must_use]
    pub fn locate(&self, area: &AreaCode) -> Option<(Level, Vec<usize>)> {
        let keys = self.areas.iter().map(|a| (&a.code, &a.cluster, a.lead_agency.as_ref()));
        geography::locate(&self.authority, keys, area)
    }

    /// Every area of it: the authority, lead agencies, clusters, reach areas.
    #[must_use]
    pub fn all_areas(&self) -> Vec<(Level, AreaCode)> {
        let clusters: BTreeSet<&AreaCode> = self.areas.iter().map(|a| &a.cluster).collect();
        let agencies: BTreeSet<&AreaCode> =
            self.areas.iter().filter_map(|a| a.lead_agency.as_ref()).collect();
        std::iter::once((Level::Authority, self.authority.clone()))
            .chain(agencies.into_iter().map(|code| (Level::LeadAgency, code.clone())))
            .chain(clusters.into_iter().map(|code| (Level::Cluster, code.clone())))
            .chain(self.areas.iter().map(|a| (Level::ReachArea, a.code.clone())))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weeks_and_digests_are_read_as_they_are_written() {
        let week = ExtractWeek::of(jiff::civil::date(2026, 4, 1));
        assert_eq!(week.to_string(), "2026-W14");
        assert_eq!("2026-W14".parse(), Ok(week));
        for wrong in ["2026-W54", "2026-W00", "2026W14", "2026-W1", "26-W14", ""] {
            assert_eq!(wrong.parse::<ExtractWeek>(), Err(InvalidWeek), "{wrong}");
        }
        let digest = Digest::of(b"");
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert!(digest.to_string().starts_with("e3b0c44298fc1c14"));
        assert!(digest.to_string().to_uppercase().parse::<Digest>().is_err());
        assert!("e3".parse::<Digest>().is_err());
    }
}
