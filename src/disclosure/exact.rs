//! Exact counts, which have no way out but through noise.
//!
//! Why it exists: this is the one place where a person adds to a count, and the one place
//! where counts become releasable. (Organisations that are no natural persons are counted
//! beside them in a type of their own, which no person's record can reach.) `ExactCount` has no Debug, Display, Clone, PartialEq or
//! serde and no accessor outside tests; [`Counter::freeze`] consumes the counts, and what
//! is left of them is overwritten. Run it inside the transaction that stores the release:
//! a crash before the commit leaves nothing, and the next attempt draws anew.
//!
//! Memory is areas x cells, whatever the number of persons.

use super::{
    DisclosureError,
    catalogue::{Base, Catalogue, Table},
    classify::Classification,
    facts::PersonFacts,
    geography::{Geography, Place},
    known::Known,
    ledger::Ledger,
    noise::{NoiseTable, Noises},
    period::Period,
    release::{
        CatalogueReference, Digest, FeedWeek, NoisyTable, ProtocolReference, Release,
        ReleasedGeography,
    },
    residence::{Homes, Sources},
};
use crate::domain::{Event, Lsoa, PersonId};
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
        noise.noised(i64::try_from(self.0).unwrap_or(i64::MAX), rng)
    }
}

impl Drop for ExactCount {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// One table while it is being counted.
struct ExactTable<'a> {
    table: &'a Table,
    classification: Classification,
    /// Which of the counter's residences it uses.
    residence: usize,
    /// Area after area, each with its cells.
    counts: Vec<ExactCount>,
}

impl ExactTable<'_> {
    /// The one place where a person is counted: in at most as many cells of one area as the
    /// table's cap, and in one that may hold the person at all.
    fn add(&mut self, known: &Known<'_>, place: Place) {
        let row = match self.table.base {
            Base::ReachArea => usize::from(place.area),
            Base::Authority => 0,
        };
        let cap = usize::try_from(self.table.cap).unwrap_or(usize::MAX);
        for cell in self.classification.cells_of(known, place).iter().take(cap) {
            self.counts[row * self.table.cells.len() + usize::from(cell)].add_one();
        }
    }
}

/// Organisations, by table: plain numbers, as bodies have no privacy that noise would protect.
/// Those that may be persons are exact counts like persons and get noise.
#[derive(Default)]
struct Bodies(Vec<i64>);

/// Counts every table of a catalogue that is due, in one pass over the persons.
pub struct Counter<'a> {
    catalogue: &'a Catalogue,
    digest: Digest,
    geography: &'a Geography,
    period: Period,
    /// The tables due in the quarter, in the catalogue's order.
    tables: Vec<ExactTable<'a>>,
    /// The exact tables' counts, by the table's place.
    bodies: BTreeMap<usize, Bodies>,
    /// The distinct sets of sources; tables of one set share a residence.
    sources: Vec<Sources>,
    /// The present person's residences, by set, as far as any table asked.
    places: Vec<Option<Option<Place>>>,
    homes: Homes,
    order: u64,
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
        for table in catalogue.due_in(period.quarter) {
            // A checked catalogue has a classification for each table.
            let Some(classification) = Classification::of(&table.id) else { continue };
            let set = Sources::new(&table.sources);
            let residence = sources.iter().position(|known| *known == set).unwrap_or_else(|| {
                sources.push(set);
                sources.len() - 1
            });
            let size = rows(table, geography) * table.cells.len();
            let counts = std::iter::repeat_with(|| ExactCount(0)).take(size).collect();
            tables.push(ExactTable { table, classification, residence, counts });
        }
        Ok(Self {
            catalogue,
            digest: catalogue.digest()?,
            geography,
            period,
            tables,
            bodies: BTreeMap::new(),
            places: vec![None; sources.len()],
            sources,
            homes: Homes::new(),
            order: 0,
            last: None,
        })
    }

    /// The key of the order in which a person of more groups than a table's cap counts in some
    /// of them. Drawn anew for each release, so that nobody chose it; the guarantee does not
    /// rest on it.
    #[must_use]
    pub const fn in_order_of(mut self, key: u64) -> Self {
        self.order = key;
        self
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
        let Some(known) = Known::new(facts, &self.period, self.order) else { return Ok(()) };
        self.homes.read(facts, &self.period);
        self.places.fill(None);
        // Most people live in one place by all sets of sources.
        let mut looked_up: Option<(Lsoa, Option<Place>)> = None;
        for table in &mut self.tables {
            if !table.classification.admits(&known) {
                continue;
            }
            let (homes, geography) = (&self.homes, self.geography);
            let sources = self.sources[table.residence];
            let place = self.places[table.residence].get_or_insert_with(|| {
                let lsoa = homes.of(sources)?;
                let place = match looked_up {
                    Some((same, place)) if same == lsoa => place,
                    _ => geography.place_of(lsoa),
                };
                looked_up = Some((lsoa, place));
                place
            });
            if let Some(place) = *place {
                table.add(&known, place);
            }
        }
        Ok(())
    }

    /// Adds all organisations: `events` are all records about nobody that may be used. To be
    /// called once; each organisation counts once, however many records it has.
    pub fn add_organisations(&mut self, events: &[Event]) {
        for (at, table) in self.tables.iter_mut().enumerate() {
            let cells = table.classification.organisations(events, &self.period);
            if table.table.variance == 0 {
                let bodies = self.bodies.entry(at).or_default();
                bodies.0.resize(table.table.cells.len(), 0);
                cells.into_iter().for_each(|cell| bodies.0[usize::from(cell)] += 1);
            } else {
                cells.into_iter().for_each(|cell| table.counts[usize::from(cell)].add_one());
            }
        }
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
            tables: draw(self.tables, &self.bodies, rng),
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
    exact: Vec<ExactTable<'_>>,
    bodies: &BTreeMap<usize, Bodies>,
    rng: &mut R,
) -> Vec<NoisyTable> {
    let mut noises = Noises::default();
    let drawn = exact.into_iter().enumerate().map(|(at, ExactTable { table, mut counts, .. })| {
        let values: Vec<i64> = if table.variance == 0 {
            // Nothing that a person's record says is in here: see `add_organisations`.
            let none = || vec![0; table.cells.len()];
            bodies.get(&at).map_or_else(none, |bodies| bodies.0.clone())
        } else {
            let noise = noises.of(table.variance);
            // Nothing is left where a count was: moved out of the list alone it would lie on there.
            let taken = counts.iter_mut().map(|count| std::mem::replace(count, ExactCount(0)));
            taken.map(|count| count.with_noise(noise, rng)).collect()
        };
        NoisyTable {
            id: table.id.clone(),
            base: table.base,
            cells: table.cells.clone(),
            cap: table.cap,
            periods: table.periods,
            ages: table.ages,
            adults: table.adults,
            variance: table.variance,
            counts: values.chunks(table.cells.len()).map(<[i64]>::to_vec).collect(),
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
