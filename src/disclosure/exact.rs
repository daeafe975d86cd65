//! Exact counts, which have no way out but through noise.
//!
//! Why it exists: this is the one place where a person adds to a count, and the one place
//! where counts become releasable. `ExactCount` has no Debug, Display, Clone, PartialEq or
//! serde and no accessor outside tests; [`Counter::freeze`] consumes the counts, and what
//! is left of them is overwritten. Run it inside the transaction that stores the release:
//! a crash before the commit leaves nothing, and the next attempt draws anew.
//!
//! Memory is areas x cells, whatever the number of persons.

use super::{
    DisclosureError,
    catalogue::{Base, Catalogue, Table},
    classify::{Classification, Known},
    facts::PersonFacts,
    geography::Geography,
    ledger::Ledger,
    noise::NoiseTable,
    period::Period,
    release::{
        CatalogueReference, Digest, FeedWeek, NoisyTable, ProtocolReference, Release,
        ReleasedGeography,
    },
    residence::{Sources, residence},
};
use crate::domain::{Lsoa, PersonId};
use jiff::Timestamp;
use rand::CryptoRng;
use std::collections::BTreeMap;
use zeroize::Zeroize;

/// One exact count of persons in one cell.
struct ExactCount(u64);

impl ExactCount {
    fn add_one(&mut self) {
        self.0 += 1;
    }

    /// The only exit.
    fn with_noise<R: CryptoRng + ?Sized>(self, noise: &NoiseTable, rng: &mut R) -> i64 {
        // A count of persons is far below 2^63.
        i64::try_from(self.0).unwrap_or(i64::MAX).saturating_add(noise.draw(rng))
    }
}

impl Drop for ExactCount {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// One table while it is being counted.
struct ExactTable {
    classification: Classification,
    base: Base,
    cells: usize,
    /// Which of the counter's residences it uses.
    residence: usize,
    /// Area after area, each with its cells.
    counts: Vec<ExactCount>,
}

impl ExactTable {
    /// The one place where a person is counted: at most one cell of one area, which is
    /// within every cap, as a right catalogue's caps are 1 or more.
    fn add(&mut self, known: &Known<'_>, area: u16) {
        if let Some(cell) = self.classification.cell(known) {
            let row = match self.base {
                Base::ReachArea => usize::from(area),
                Base::Authority => 0,
            };
            self.counts[row * self.cells + usize::from(cell)].add_one();
        }
    }
}

/// Counts every table of a catalogue in one pass over the persons.
pub struct Counter<'a> {
    catalogue: &'a Catalogue,
    digest: Digest,
    geography: &'a Geography,
    period: Period,
    tables: Vec<ExactTable>,
    /// The distinct sets of sources; tables of one set share a residence.
    sources: Vec<Sources>,
    last: Option<PersonId>,
}

/// What a release records about its making besides the counts.
pub struct Closing<'a> {
    /// What was spent before; the release must keep to its limits.
    pub ledger: &'a Ledger,
    /// The digest of the root disclosure policy in force.
    pub policy: Digest,
    /// Each feed's declared extract week, frozen at the close.
    pub feeds: Vec<FeedWeek>,
    /// The protocol versions that its sources came under.
    pub protocols: Vec<ProtocolReference>,
    /// The digest of the release before.
    pub previous: Option<Digest>,
    /// When.
    pub created_at: Timestamp,
}

impl<'a> Counter<'a> {
    /// An empty count of a quarter.
    ///
    /// # Errors
    /// [`DisclosureError::WrongCatalogue`].
    pub fn new(
        catalogue: &'a Catalogue,
        period: Period,
        geography: &'a Geography,
    ) -> Result<Self, DisclosureError> {
        let mistakes = super::check::check(catalogue);
        if !mistakes.is_empty() {
            return Err(DisclosureError::WrongCatalogue(mistakes));
        }
        let (mut tables, mut sources) = (Vec::new(), Vec::new());
        for table in &catalogue.tables {
            // A checked catalogue has a classification for each table.
            let Some(classification) = Classification::of(&table.id) else { continue };
            let set = Sources::new(&table.sources);
            let residence = sources.iter().position(|known| *known == set).unwrap_or_else(|| {
                sources.push(set);
                sources.len() - 1
            });
            let (base, cells) = (table.base, table.cells.len());
            let size = rows(table, geography) * cells;
            let counts = std::iter::repeat_with(|| ExactCount(0)).take(size).collect();
            tables.push(ExactTable { classification, base, cells, residence, counts });
        }
        let digest = catalogue.digest()?;
        Ok(Self { catalogue, digest, geography, period, tables, sources, last: None })
    }

    /// Adds one person to every table whose population it belongs to.
    ///
    /// # Errors
    /// [`DisclosureError::PersonOutOfOrder`] when persons do not ascend: a person that came
    /// twice would be counted twice.
    pub fn add(&mut self, facts: &PersonFacts<'_>) -> Result<(), DisclosureError> {
        if self.last.is_some_and(|last| last >= facts.person) {
            return Err(DisclosureError::PersonOutOfOrder(facts.person));
        }
        self.last = Some(facts.person);
        let Some(known) = Known::new(facts, &self.period) else { return Ok(()) };
        let mut looked_up: Option<(Lsoa, Option<u16>)> = None;
        for (index, sources) in self.sources.iter().enumerate() {
            let Some(lsoa) = residence(facts, &self.period, *sources) else { continue };
            let area = match looked_up {
                Some((same, area)) if same == lsoa => area,
                _ => self.geography.area_of(lsoa),
            };
            looked_up = Some((lsoa, area));
            let Some(area) = area else { continue };
            for table in self.tables.iter_mut().filter(|table| table.residence == index) {
                table.add(&known, area);
            }
        }
        Ok(())
    }

    /// Asks the ledger, then draws fresh noise for every cell, empty ones too, and gives
    /// the release. The exact counts are gone afterwards, also after a refusal.
    ///
    /// # Errors
    /// As [`Ledger::cost`]; none depends on the counts.
    pub fn freeze<R: CryptoRng + ?Sized>(
        self,
        rng: &mut R,
        closing: Closing<'_>,
    ) -> Result<Release, DisclosureError> {
        let budget = closing.ledger.cost(self.catalogue, self.period.quarter)?;
        let version = self.catalogue.version.clone();
        Ok(Release {
            quarter: self.period.quarter,
            created_at: closing.created_at,
            catalogue: CatalogueReference { version, digest: self.digest },
            policy: closing.policy,
            geography: ReleasedGeography::of(self.geography),
            tables: draw(self.catalogue, self.tables, rng),
            budget,
            feeds: closing.feeds,
            protocols: closing.protocols,
            previous: closing.previous,
        })
    }
}

/// How many base areas a table has.
pub(super) fn rows(table: &Table, geography: &Geography) -> usize {
    match table.base {
        Base::ReachArea => geography.areas().len(),
        Base::Authority => 1,
    }
}

fn draw<R: CryptoRng + ?Sized>(
    catalogue: &Catalogue,
    exact: Vec<ExactTable>,
    rng: &mut R,
) -> Vec<NoisyTable> {
    let mut noises: BTreeMap<u32, NoiseTable> = BTreeMap::new();
    let drawn = catalogue.tables.iter().zip(exact).map(|(table, exact)| {
        let noise = noises.entry(table.variance).or_insert_with(|| NoiseTable::new(table.variance));
        let values: Vec<i64> =
            exact.counts.into_iter().map(|count| count.with_noise(noise, rng)).collect();
        NoisyTable {
            id: table.id.clone(),
            base: table.base,
            cells: table.cells.clone(),
            cap: table.cap,
            periods: table.periods,
            variance: table.variance,
            counts: values.chunks(exact.cells).map(<[i64]>::to_vec).collect(),
        }
    });
    drawn.collect()
}

#[cfg(test)]
impl Counter<'_> {
    /// The exact counts, table by table: under test only.
    pub(super) fn reveal(&self) -> Vec<Vec<u64>> {
        self.tables.iter().map(|t| t.counts.iter().map(|count| count.0).collect()).collect()
    }

    /// Sets exact counts: under test only.
    pub(super) fn plant(&mut self, count_of: impl Fn(usize, usize) -> u64) {
        for (t, table) in self.tables.iter_mut().enumerate() {
            for (i, count) in table.counts.iter_mut().enumerate() {
                *count = ExactCount(count_of(t, i));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ExactCount;

    /// Fails to compile when `ExactCount` gains one of the traits: the call is then
    /// ambiguous between the two implementations.
    macro_rules! assert_lacks {
        ($type:ty: $($trait:path),+) => { $( {
            trait Ambiguous<A> { fn holds() {} }
            impl<T: ?Sized> Ambiguous<()> for T {}
            struct Has;
            impl<T: ?Sized + $trait> Ambiguous<Has> for T {}
            <$type as Ambiguous<_>>::holds();
        } )+ };
    }

    #[test]
    fn an_exact_count_can_not_be_shown_copied_compared_or_sent() {
        assert_lacks!(ExactCount: std::fmt::Debug, std::fmt::Display, Clone, PartialEq,
            serde::Serialize, Into<u64>, AsRef<u64>);
    }
}
