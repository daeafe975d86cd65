//! Which lives there can be, and the dearest of them.
//!
//! Why it exists: nobody is two years and four years old in one quarter, nor a child and an
//! adult, so tables of different ages cost the most of them and not the sum (parallel
//! composition). That is not asserted: every admissible life is gone through and added up.
//!
//! A child's life is its date of birth: it fixes the age in whole months on every quarter's last
//! day. These days are the 30th or the 31st, so that only the month of birth matters and
//! whether it was a 31st. An adult's life is a window of five years ([`HORIZON`]); under that
//! age nobody is an adult, and who is neither (5 to 15) is in the tables that say so.
//!
//! Why the dearest life bounds a change from any life to any other, also from a child's to an
//! adult's: a person in two lives leaves the cells of the one and enters those of the other, and
//! (a - b)^2 <= a + b for a, b of 0 and 1, so that rho is at most the mean of the two
//! lives' own costs, and that at most the dearer one's.

use super::{
    catalogue::{Months, Table},
    classify::{ADULT_MONTHS, Classification, HORIZON, Recurs},
    ledger::Rho,
    period::months_between,
    release::NoisyTable,
};
use crate::domain::{Quarter, TableId};
use jiff::civil::Date;
use std::collections::BTreeMap;

/// What a table cost in one release, and whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Charge {
    rho: Rho,
    /// In how many quarters of a lifetime at most, where turning an age decides; nothing where age
    /// and quarter alone do.
    periods: Option<u32>,
    ages: Option<Months>,
    adults: bool,
}

impl Charge {
    pub(super) fn of(table: &Table) -> Self {
        let rho = cost(table.cap, table.variance);
        let periods = turning(&table.id).then_some(table.periods);
        Self { rho, periods, ages: table.ages, adults: table.adults }
    }

    /// Of a table that was released. One that does not say whom it holds may hold anybody.
    pub(super) fn released(table: &NoisyTable) -> Self {
        let rho = cost(table.cap, table.variance);
        let (mut ages, mut adults) = (table.ages, table.adults);
        if ages.is_none() && !adults && table.variance > 0 {
            (ages, adults) = (Some(Months { from: 0, to: 192 }), true);
        }
        Self { rho, periods: turning(&table.id).then_some(table.periods), ages, adults }
    }

    fn holds(&self, months: i32) -> bool {
        if months >= ADULT_MONTHS {
            self.adults
        } else {
            self.ages.is_some_and(|ages| ages.holds(months))
        }
    }
}

/// Whether a table counts whoever turns an age in the quarter, which happens once however often the
/// table is counted. One that is counted once a year holds a person in one quarter only as long
/// as that stays the same quarter of the year: there the ages say how often it was.
fn turning(table: &TableId) -> bool {
    Classification::of(table).is_some_and(|known| known.recurs() == Recurs::Once)
}

/// Exact counts are of bodies, whom nothing is charged.
fn cost(cap: u32, variance: u32) -> Rho {
    if variance == 0 { Rho::default() } else { Rho::of(cap, 1, variance) }
}

/// What was, or would be, released: each quarter's tables.
pub(super) type Releases = BTreeMap<Quarter, BTreeMap<TableId, Charge>>;

/// A life, and what it costs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Dearest {
    /// In all.
    pub(super) rho: Rho,
    /// By table: in how many quarters, and what that costs.
    pub(super) tables: BTreeMap<TableId, (u32, Rho)>,
    /// The date of birth; none for an adult.
    pub(super) born: Option<Date>,
}

/// The dearest person of one quarter: the most of any age.
pub(super) fn dearest_in(charges: &BTreeMap<TableId, Charge>) -> Rho {
    let of_age =
        |months: i32| charges.values().filter(|c| c.holds(months)).map(|c| c.rho).sum::<Rho>();
    (0..=ADULT_MONTHS).map(of_age).max().unwrap_or_default()
}

/// A quarter as it is gone through: its last day, and its charges by the table's number.
struct Due {
    quarter: Quarter,
    last: Date,
    charges: Vec<(usize, Charge)>,
}

/// Releases as lives are gone through in them.
struct Gone<'a> {
    numbers: BTreeMap<&'a TableId, usize>,
    quarters: Vec<Due>,
}

impl<'a> Gone<'a> {
    fn new(releases: &'a Releases) -> Self {
        let mut numbers: BTreeMap<&TableId, usize> = BTreeMap::new();
        for table in releases.values().flat_map(BTreeMap::keys) {
            let next = numbers.len();
            numbers.entry(table).or_insert(next);
        }
        let due = |(quarter, charges): (&Quarter, &BTreeMap<TableId, Charge>)| Due {
            quarter: *quarter,
            last: quarter.last_day(),
            charges: charges.iter().map(|(table, charge)| (numbers[table], *charge)).collect(),
        };
        let quarters = releases.iter().map(due).collect();
        Self { numbers, quarters }
    }

    fn child(&self, born: Date) -> Vec<(u32, Rho)> {
        let ages = self.quarters.iter().filter_map(move |due| {
            let months = months_between(born, due.last);
            (0..ADULT_MONTHS).contains(&months).then_some((months, due))
        });
        spent(self.numbers.len(), ages)
    }

    /// The years that begin with a quarter.
    fn adult(&self, start: &Due) -> Vec<(u32, Rho)> {
        let from = ordinal(start.quarter);
        let inside = move |quarter: Quarter| {
            u32::try_from(ordinal(quarter) - from).is_ok_and(|n| n < HORIZON)
        };
        let years = self.quarters.iter().filter(move |due| inside(due.quarter));
        spent(self.numbers.len(), years.map(|due| (ADULT_MONTHS, due)))
    }

    fn told(self, born: Option<Date>, spent: &[(u32, Rho)]) -> Dearest {
        let tables = self.numbers.into_iter().map(|(table, number)| (table.clone(), spent[number]));
        let tables = tables.filter(|(_, (count, _))| *count > 0).collect();
        Dearest { rho: total(spent), tables, born }
    }
}

fn total(spent: &[(u32, Rho)]) -> Rho {
    spent.iter().map(|(_, rho)| *rho).sum()
}

/// The dearest life.
pub(super) fn dearest(releases: &Releases) -> Dearest {
    let gone = Gone::new(releases);
    let children = births(releases).map(|born| (Some(born), gone.child(born)));
    let all = children.chain(gone.quarters.iter().map(|start| (None, gone.adult(start))));
    let Some((born, spent)) = all.max_by_key(|(_, spent)| total(spent)) else {
        return Dearest::default();
    };
    gone.told(born, &spent)
}

/// What a child born on a day is charged.
pub(super) fn of_child(releases: &Releases, born: Date) -> Dearest {
    let gone = Gone::new(releases);
    let spent = gone.child(born);
    gone.told(Some(born), &spent)
}

/// The months in which somebody may be born whom any release holds as a child below the oldest
/// age of any table, each with a day of at most 30 and a 31st.
fn births(releases: &Releases) -> impl Iterator<Item = Date> {
    let first = releases.keys().next().map_or(0, |q| 12 * i32::from(q.year()));
    let last = releases.keys().next_back().map_or(-1, |q| 12 * i32::from(q.year()) + 11);
    let oldest = releases.values().flat_map(BTreeMap::values).filter_map(|c| c.ages);
    let oldest = oldest.map(|ages| i32::from(ages.to)).max().unwrap_or(0);
    (first - oldest..=last).flat_map(|month| {
        let (year, month) = (month.div_euclid(12), month.rem_euclid(12) + 1);
        let date =
            move |day| Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, day).ok();
        [date(1), date(31)].into_iter().flatten()
    })
}

/// For each table the dearest of as many quarters as a person can be in it, whatever
/// catalogue held it: a new version gives nothing back. How many these are, and what they cost.
fn spent<'a>(tables: usize, ages: impl Iterator<Item = (i32, &'a Due)>) -> Vec<(u32, Rho)> {
    let mut all: Vec<(Option<u32>, Vec<Rho>)> = vec![(None, Vec::new()); tables];
    for (months, due) in ages {
        for (number, charge) in due.charges.iter().filter(|(_, charge)| charge.holds(months)) {
            let (periods, rhos) = &mut all[*number];
            *periods = charge.periods.max(*periods);
            rhos.push(charge.rho);
        }
    }
    let counted = |(periods, mut rhos): (Option<u32>, Vec<Rho>)| {
        rhos.sort_unstable_by(|a, b| b.cmp(a));
        let most = periods.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
        rhos.truncate(most);
        (u32::try_from(rhos.len()).unwrap_or(u32::MAX), rhos.into_iter().sum())
    };
    all.into_iter().map(counted).collect()
}

/// Quarters in which a table would be released, from a quarter on: as many as the longest life
/// goes on that it is charged to.
pub(super) fn to_come<'a>(
    tables: impl Iterator<Item = &'a Table> + Clone,
    from: Quarter,
) -> impl Iterator<Item = (Quarter, BTreeMap<TableId, Charge>)> {
    /// Seven years: six of a child's, in whichever quarter they begin.
    const QUARTERS: usize = 28;
    std::iter::successors(Some(from), |quarter| Some(quarter.next())).take(QUARTERS).map(
        move |quarter| {
            let due = tables.clone().filter(|table| table.is_due(quarter));
            (quarter, due.map(|table| (table.id.clone(), Charge::of(table))).collect())
        },
    )
}

/// In how many quarters one person can be in a table, by its ages and when it is due.
pub(super) fn most_quarters(ages: Option<Months>, adults: bool, due: &[u8]) -> u32 {
    let a_year = if due.is_empty() { 4 } else { due.len() };
    let of_adults = if adults { HORIZON / 4 * u32::try_from(a_year).unwrap_or(4) } else { 0 };
    let some = Quarter::of(Date::constant(2000, 1, 1));
    let quarters: Vec<Quarter> = std::iter::successors(Some(some), |q| Some(q.next()))
        .take(28)
        .filter(|q| due.is_empty() || due.contains(&q.number().unsigned_abs()))
        .collect();
    let in_life = |born: Date| {
        let held = quarters.iter().filter(|q| {
            let months = months_between(born, q.last_day());
            ages.is_some_and(|ages| ages.holds(months))
        });
        u32::try_from(held.count()).unwrap_or(u32::MAX)
    };
    let births = (1..=12).flat_map(|month| {
        [Date::new(2000, month, 1), Date::new(2000, month, 31)].into_iter().filter_map(Result::ok)
    });
    of_adults.max(births.map(in_life).max().unwrap_or(0))
}

fn ordinal(quarter: Quarter) -> i32 {
    i32::from(quarter.year()) * 4 + i32::from(quarter.number())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::days_after;

    #[test]
    fn a_birth_on_any_day_has_one_of_the_lives_that_are_gone_through() {
        let quarters: Vec<Quarter> =
            std::iter::successors(Some("2000Q1".parse().unwrap()), |q: &Quarter| Some(q.next()))
                .take(30)
                .collect();
        let life = |born: Date| -> Vec<i32> {
            quarters.iter().map(|q| months_between(born, q.last_day())).collect()
        };
        for n in 0..1_461 {
            let born = days_after(Date::constant(2000, 1, 1), n);
            let stands_for =
                Date::new(born.year(), born.month(), if born.day() == 31 { 31 } else { 1 });
            assert_eq!(life(born), life(stands_for.unwrap()), "{born}");
        }
    }

    #[test]
    fn the_most_quarters_follow_from_ages_and_when_a_table_is_due() {
        let months = |from, to| Some(Months { from, to });
        for (ages, adults, due, wanted) in [
            (months(0, 60), false, &[][..], 20),
            (months(0, 60), false, &[2], 5),
            (months(0, 60), false, &[1, 3, 4], 15),
            (months(18, 42), false, &[], 8),
            (months(30, 42), false, &[4], 1),
            (months(0, 1), false, &[], 1),
            (None, true, &[], 20),
            (None, true, &[3], 5),
            (months(0, 60), true, &[], 20),
            (None, false, &[], 0),
        ] {
            assert_eq!(most_quarters(ages, adults, due), wanted, "{ages:?} {due:?}");
        }
    }
}
