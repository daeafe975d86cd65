//! Which cells of each table a person falls in: pure functions of facts and period.
//!
//! Why it exists: a table is a name in the catalogue and a classification here, one short
//! file a table (or a family of tables) in `tables/`. Who can be in a table at all is said
//! once, in its `Definition`, and held to in one place ([`Classification::admits`]): the
//! budget counts on it that nobody is in two tables of different ages in one quarter. Where,
//! how often and in how many cells it may count somebody is checked against the
//! catalogue's declaration ([`super::check`]).

use super::{
    catalogue::{Base, Months},
    geography::Place,
    known::Known,
    period::Period,
    tables,
};
use crate::domain::{Event, RecordType, TableId};

/// A cell's place in its table's list.
pub type Cell = u8;

/// The most cells of one table that one person may add one to.
pub const MOST_CELLS: usize = 4;

/// The cells of one person in one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cells {
    at: [Cell; MOST_CELLS],
    count: u8,
}

impl Cells {
    /// Adds one; no more than [`MOST_CELLS`], and none twice.
    pub fn push(&mut self, cell: Cell) {
        let count = usize::from(self.count);
        if count < MOST_CELLS && !self.at[..count].contains(&cell) {
            self.at[count] = cell;
            self.count += 1;
        }
    }

    /// Them.
    pub fn iter(&self) -> impl Iterator<Item = Cell> + '_ {
        self.at[..usize::from(self.count)].iter().copied()
    }
}

impl From<Option<Cell>> for Cells {
    fn from(cell: Option<Cell>) -> Self {
        let mut cells = Self::default();
        cell.into_iter().for_each(|cell| cells.push(cell));
        cells
    }
}

/// How a table sorts.
#[derive(Clone, Copy)]
pub(super) enum Sort {
    /// A person into at most one cell.
    One(fn(&Known<'_>) -> Option<Cell>),
    /// The same, where the cell depends on where in the area the person lives.
    Placed(fn(&Known<'_>, Place) -> Option<Cell>),
    /// A person into several cells.
    Several(fn(&Known<'_>, Place) -> Cells),
    /// Organisations, from all records about nobody: a cell for each.
    Organisations(fn(&[Event], &Period) -> Vec<Cell>),
}

/// All that is fixed about a table's classification.
pub(super) struct Definition {
    pub(super) name: &'static str,
    pub(super) cells: &'static [&'static str],
    /// The children it admits, by age on the last day.
    pub(super) ages: Option<Months>,
    /// Whether it admits persons of 16 or more, or of unknown age.
    pub(super) adults: bool,
    /// How often one person can be in it.
    pub(super) recurs: Recurs,
    /// The most cells that it gives one person.
    pub(super) cap: u32,
    /// The record types whose content it reads; an address may come from more.
    pub(super) reads: &'static [RecordType],
    /// Nobody is in it without a record of one of these of its own; empty where none is needed.
    pub(super) needs: &'static [RecordType],
    /// The finest base it may be counted for.
    pub(super) finest: Base,
    /// Whether it counts organisations that are no natural persons, which may be exact.
    pub(super) exact: bool,
    pub(super) sort: Sort,
}

/// In how many quarters of a lifetime one person can be in a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recurs {
    /// In each in which it is of the table's ages.
    WhileOfAge,
    /// In one, whatever the ages: it counts who turns an age in the quarter.
    Once,
    /// In one, as long as the table is counted in the same quarter of each year, and in no other.
    OnceIfYearly,
}

/// Living under-fives.
pub(super) const UNDER_FIVE: Option<Months> = Some(Months { from: 0, to: 60 });

/// From this age on, in months, somebody is an adult here: 16 years. Whoever is between five
/// and that is in no table but those of the assessment at five.
pub const ADULT_MONTHS: i32 = 192;

/// The rolling horizon of what can happen to an adult, in quarters: five years.
pub const HORIZON: u32 = 20;

impl Definition {
    /// Under-fives of each reach area, each in one cell: what most tables are.
    pub(super) const fn of_children(
        name: &'static str,
        cells: &'static [&'static str],
        sort: fn(&Known<'_>) -> Option<Cell>,
    ) -> Self {
        Self {
            name,
            cells,
            ages: UNDER_FIVE,
            adults: false,
            recurs: Recurs::WhileOfAge,
            cap: 1,
            reads: &[],
            needs: &[],
            finest: Base::ReachArea,
            exact: false,
            sort: Sort::One(sort),
        }
    }

    /// Adults of each reach area, each in one cell.
    pub(super) const fn of_adults(
        name: &'static str,
        cells: &'static [&'static str],
        sort: fn(&Known<'_>) -> Option<Cell>,
    ) -> Self {
        Self { ages: None, adults: true, ..Self::of_children(name, cells, sort) }
    }

    /// Children from an age to below another, in months.
    pub(super) const fn aged(self, from: u16, to: u16) -> Self {
        Self { ages: Some(Months { from, to }), ..self }
    }

    pub(super) const fn and_adults(self) -> Self {
        Self { adults: true, ..self }
    }

    pub(super) const fn once(self) -> Self {
        Self { recurs: Recurs::Once, ..self }
    }

    /// Counted in one quarter of each year, and each person in one of them.
    pub(super) const fn once_if_yearly(self) -> Self {
        Self { recurs: Recurs::OnceIfYearly, ..self }
    }

    pub(super) const fn reading(self, reads: &'static [RecordType]) -> Self {
        Self { reads, ..self }
    }

    pub(super) const fn needing(self, needs: &'static [RecordType]) -> Self {
        Self { needs, ..self }
    }

    /// Too small or delicate for anything but the authority.
    pub(super) const fn of_the_authority(self) -> Self {
        Self { finest: Base::Authority, ..self }
    }
}

/// How a table is filled.
#[derive(Clone, Copy)]
pub struct Classification(&'static Definition);

impl std::fmt::Debug for Classification {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Classification").field(&self.0.name).finish()
    }
}

impl Classification {
    /// The classification of a table's name.
    #[must_use]
    pub fn of(table: &TableId) -> Option<Self> {
        tables::ALL.iter().find(|known| known.name == table.as_str()).map(|known| Self(known))
    }

    /// Every classification of this program, by name.
    #[must_use]
    pub fn names() -> Vec<&'static str> {
        tables::ALL.iter().map(|known| known.name).collect()
    }

    /// Its cells, in order.
    #[must_use]
    pub const fn cells(self) -> &'static [&'static str] {
        self.0.cells
    }

    /// The children it admits, by age on the quarter's last day.
    #[must_use]
    pub const fn ages(self) -> Option<Months> {
        self.0.ages
    }

    /// Whether it admits persons of 16 or more, or of unknown age.
    #[must_use]
    pub const fn adults(self) -> bool {
        self.0.adults
    }

    /// How often one person can be in it.
    #[must_use]
    pub const fn recurs(self) -> Recurs {
        self.0.recurs
    }

    /// The most cells that it gives one person.
    #[must_use]
    pub const fn cap(self) -> u32 {
        self.0.cap
    }

    /// The record types whose content it reads; an address may come from more.
    #[must_use]
    pub const fn reads(self) -> &'static [RecordType] {
        self.0.reads
    }

    /// Whether its cells are too small and delicate for anything below the authority.
    #[must_use]
    pub fn authority_only(self) -> bool {
        self.0.finest == Base::Authority
    }

    /// Whether it counts organisations that are no natural persons: these may be exact.
    #[must_use]
    pub const fn may_be_exact(self) -> bool {
        self.0.exact
    }

    /// Whether a person can be in the table at all: by its age, and by what it has records of.
    #[must_use]
    pub fn admits(self, known: &Known<'_>) -> bool {
        let of_age = match known.months {
            Some(months) if months < ADULT_MONTHS => {
                self.0.ages.is_some_and(|ages| ages.holds(months))
            }
            // Whoever is said to be born later is neither child nor adult.
            None if known.unborn => false,
            Some(_) | None => self.0.adults,
        };
        of_age && (self.0.needs.is_empty() || known.has_any(self.0.needs))
    }

    /// The person's cells, when it is in the table's population; `place` is where in the
    /// authority it lives.
    #[must_use]
    pub fn cells_of(self, known: &Known<'_>, place: Place) -> Cells {
        if !self.admits(known) {
            return Cells::default();
        }
        match self.0.sort {
            Sort::One(sort) => sort(known).into(),
            Sort::Placed(sort) => sort(known, place).into(),
            Sort::Several(sort) => sort(known, place),
            Sort::Organisations(_) => Cells::default(),
        }
    }

    /// The organisations' cells, one for each; none where it counts persons.
    #[must_use]
    pub fn organisations(self, events: &[Event], period: &Period) -> Vec<Cell> {
        match self.0.sort {
            Sort::Organisations(sort) => sort(events, period),
            Sort::One(_) | Sort::Placed(_) | Sort::Several(_) => Vec::new(),
        }
    }
}
