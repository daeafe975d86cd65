//! What can go wrong in this room. Nothing here depends on a person's data.

use super::{check::Mistake, ledger::Rho};
use crate::domain::{AreaCode, IndicatorId, PersonId, Quarter, TableId};

/// Why a catalogue, a release or a figure was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DisclosureError {
    /// The catalogue's text is not TOML of the expected shape.
    #[error("the catalogue cannot be read (line {line})")]
    UnreadableCatalogue {
        /// The line, from 1; 0 when unknown.
        line: usize,
    },
    /// The catalogue can be read but says something wrong.
    #[error("the catalogue has mistakes; the first: {}", .0.first().map_or_else(String::new, ToString::to_string))]
    WrongCatalogue(Vec<Mistake>),
    /// An area stands in no cluster, twice, or shares an LSOA with another.
    #[error("the geography is not a partition: {0}")]
    WrongGeography(AreaCode),
    /// A geography has no areas, or more than 65,535.
    #[error("a geography has 1 to 65,535 reach areas")]
    GeographySize,
    /// A neighbourhood or a deprived LSOA is not the geography's.
    #[error("neighbourhoods and deprived LSOAs must be of the geography, each once")]
    WrongPlaces,
    /// A person came twice or out of ascending order.
    #[error("persons must be counted once each, in ascending order; stopped at surrogate {0}")]
    PersonOutOfOrder(PersonId),
    /// The quarter was released already.
    #[error("{0} is released already")]
    AlreadyReleased(Quarter),
    /// An earlier quarter than the last released one.
    #[error("{0} lies before the last released quarter")]
    BeforeLastRelease(Quarter),
    /// A table's noise is below the policy's floor.
    #[error("table {table}: variance {variance} is below the policy's floor of {floor}")]
    VarianceBelowFloor {
        /// The table.
        table: TableId,
        /// Its variance.
        variance: u32,
        /// The policy's floor.
        floor: u32,
    },
    /// Putting the released tables together tells a cell or an area too well.
    #[error(
        "table {table}: all tables together tell a cell at variance {variance}, below the floor of {floor}"
    )]
    ContrastBelowFloor {
        /// The table.
        table: TableId,
        /// The least variance, rounded down.
        variance: u32,
        /// The floor.
        floor: u32,
    },
    /// One quarter would cost more than the policy allows.
    #[error("the quarter would cost rho {needed}; the policy allows {limit}")]
    OverQuarterlyLimit {
        /// What it would cost.
        needed: Rho,
        /// What is allowed.
        limit: Rho,
    },
    /// A person's lifetime would cost more than the policy allows.
    #[error("a lifetime would cost rho {needed}; the policy allows {limit}")]
    OverLifetimeLimit {
        /// What it would cost.
        needed: Rho,
        /// What is allowed.
        limit: Rho,
    },
    /// No such indicator in the catalogue.
    #[error("no indicator {0}")]
    UnknownIndicator(IndicatorId),
    /// The indicator has no such part.
    #[error("indicator {0} has no such part")]
    UnknownPart(IndicatorId),
    /// The area was not in the release's geography.
    #[error("no area {0} in this release")]
    UnknownArea(AreaCode),
    /// The table is counted for the authority only.
    #[error("this is published for the whole authority only")]
    AuthorityOnly,
    /// The release does not hold the table or a cell that the indicator reads.
    #[error("the release of {0} does not hold this")]
    NotInRelease(Quarter),
    /// A document's bytes are not a release in canonical form.
    #[error("not a release in canonical form")]
    UnreadableRelease,
    /// A sealed release's envelope is malformed or its signature wrong.
    #[error("the release's signature does not verify")]
    WrongSignature,
    /// A release contradicts the catalogue, its own geography or its predecessors.
    #[error("the release of {quarter} is wrong: {what}")]
    WrongRelease {
        /// Its quarter.
        quarter: Quarter,
        /// What contradicts.
        what: Contradiction,
    },
}

/// What a verifier found wrong in a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// The catalogue's digest.
    #[error("it names another catalogue")]
    Catalogue,
    /// The tables, their cells, caps, periods, variances or areas.
    #[error("its tables are not the catalogue's")]
    Tables,
    /// The budget, recomputed.
    #[error("its budget does not add up")]
    Budget,
    /// The digest of the release before.
    #[error("it does not follow the release before")]
    Predecessor,
}
