//! What a catalogue costs, from the catalogue alone: each table's and all tables' rho, epsilon and
//! attacker's accuracy, for one quarter and for a whole childhood, and the trade of noise for
//! protection.
//!
//! Why it exists: the budget is decided where tables are designed. Nothing here reads data.

use super::{
    accounting::{change_accuracy, epsilon},
    catalogue::{Base, Catalogue, Months, Table},
    expected::margin_of_area,
    ledger::{Limits, Rho, lifetime, quarterly, quarterly_in, some_quarter},
    lives::{self, Charge, Dearest, Releases},
    noise::NoiseTable,
};
use crate::domain::{Quarter, TableId};
use jiff::civil::Date;
use serde::Serialize;

/// The deltas at which epsilons are stated.
pub const DELTAS: [f64; 2] = [1e-6, 1e-9];

/// An amount of rho in words that people can weigh.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Weighed {
    /// The amount.
    pub rho: Rho,
    /// The least epsilon at delta 1e-6.
    pub epsilon_6: f64,
    /// The least epsilon at delta 1e-9.
    pub epsilon_9: f64,
    /// How often an attacker who knows everyone else tells one person's cells right, at even
    /// prior odds, by the Gaussian formula; 0.5 is chance.
    pub accuracy: f64,
}

impl Weighed {
    /// Weighs an amount.
    #[must_use]
    pub fn of(rho: Rho) -> Self {
        let value = rho.value();
        let at = |delta| if value > 0.0 { epsilon(value, delta) } else { 0.0 };
        let [epsilon_6, epsilon_9] = DELTAS.map(at);
        Self { rho, epsilon_6, epsilon_9, accuracy: change_accuracy(value) }
    }
}

/// What one table costs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TableCost {
    /// The table.
    pub table: TableId,
    /// What its rows are.
    pub base: Base,
    /// How many cells a base area has.
    pub cells: usize,
    /// The children who can be in it.
    pub ages: Option<Months>,
    /// Whether adults can.
    pub adults: bool,
    /// The quarters of the year in which it is counted; all where it is empty.
    pub due: Vec<u8>,
    /// Its cap.
    pub cap: u32,
    /// Its noise's variance a cell.
    pub variance: u32,
    /// In how many quarters of a life one person is in it at most.
    pub quarters: u32,
    /// What one quarter of it costs whoever is in it.
    pub quarter: Weighed,
    /// What it costs over the life in which it costs the most.
    pub lifetime: Weighed,
    /// Its share of the dearest life of all.
    pub of_dearest: Rho,
}

/// What a whole catalogue costs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cost {
    /// Each table's.
    pub tables: Vec<TableCost>,
    /// The dearest person of the first to the fourth quarter of a year.
    pub quarters: [Weighed; 4],
    /// The dearest person of any quarter.
    pub quarter: Weighed,
    /// The dearest life.
    pub lifetime: Weighed,
    /// The dearest adult's five years.
    pub adult: Weighed,
    /// Around which date of birth the dearest life begins, in a year of no meaning; none for an
    /// adult's.
    pub dearest_born: Option<Date>,
    /// By how much the exact discrete accuracy of one cell exceeds the formula's, at most.
    pub discrete_excess: f64,
}

/// The cost of a catalogue.
#[must_use]
pub fn cost(catalogue: &Catalogue) -> Cost {
    let all = lives::to_come(catalogue.tables.iter(), some_quarter()).collect();
    let dearest = lives::dearest(&all);
    let adults: Vec<&Table> = catalogue.tables.iter().filter(|table| table.adults).collect();
    let of_adults = Catalogue {
        version: catalogue.version.clone(),
        tables: adults.into_iter().map(|table| Table { ages: None, ..table.clone() }).collect(),
        indicators: Vec::new(),
    };
    let tables = catalogue.tables.iter().map(|table| {
        let alone = lives::to_come(std::iter::once(table), some_quarter()).collect();
        let own = lives::dearest(&alone).tables.get(&table.id).copied().unwrap_or_default();
        let one = if own.0 == 0 || table.variance == 0 {
            Rho::default()
        } else {
            Rho::of(table.cap, 1, table.variance)
        };
        TableCost {
            table: table.id.clone(),
            base: table.base,
            cells: table.cells.len(),
            ages: table.ages,
            adults: table.adults,
            due: table.due.clone(),
            cap: table.cap,
            variance: table.variance,
            quarters: own.0,
            quarter: Weighed::of(one),
            lifetime: Weighed::of(own.1),
            of_dearest: dearest.tables.get(&table.id).map(|(_, rho)| *rho).unwrap_or_default(),
        }
    });
    let tables = tables.collect();
    let mut quarter = some_quarter();
    let quarters = [(); 4].map(|()| {
        let weighed = Weighed::of(quarterly_in(catalogue, quarter));
        quarter = quarter.next();
        weighed
    });
    Cost {
        tables,
        quarters,
        quarter: Weighed::of(quarterly(catalogue)),
        lifetime: Weighed::of(dearest.rho),
        adult: Weighed::of(lifetime(&of_adults)),
        dearest_born: dearest.born,
        discrete_excess: discrete_excess(catalogue),
    }
}

/// A table, and in how many releases one life is charged for it.
#[derive(Debug, Clone, Copy)]
pub struct Lived<'a> {
    /// The table.
    pub table: &'a Table,
    /// How often.
    pub times: u32,
}

/// A life, and the tables that it is charged for; exact tables, which charge nobody, left out.
#[derive(Debug, Clone)]
pub struct ChargedLife<'a> {
    /// The date of birth; none for an adult.
    pub born: Option<Date>,
    /// The quarters that it was gone through in.
    pub quarters: Vec<Quarter>,
    /// The tables.
    pub tables: Vec<Lived<'a>>,
}

/// The dearest person of any one quarter.
#[must_use]
pub fn dearest_quarter(catalogue: &Catalogue) -> ChargedLife<'_> {
    let quarters = std::iter::successors(Some(some_quarter()), |quarter| Some(quarter.next()));
    let lives = quarters.take(4).map(|quarter| {
        let releases = releases(catalogue, &[quarter]);
        (lives::dearest(&releases), quarter)
    });
    let dearest = lives.max_by_key(|(life, _)| life.rho);
    let (life, quarter) = dearest.unwrap_or_else(|| (Dearest::default(), some_quarter()));
    charged(catalogue, &life, vec![quarter])
}

/// The dearest life of all.
#[must_use]
pub fn dearest_life(catalogue: &Catalogue) -> ChargedLife<'_> {
    let releases: Releases = lives::to_come(catalogue.tables.iter(), some_quarter()).collect();
    charged(catalogue, &lives::dearest(&releases), releases.into_keys().collect())
}

/// What a child born on a day is charged in these quarters.
#[must_use]
pub fn charged_in<'a>(
    catalogue: &'a Catalogue,
    born: Date,
    quarters: &[Quarter],
) -> ChargedLife<'a> {
    let releases = releases(catalogue, quarters);
    charged(catalogue, &lives::of_child(&releases, born), quarters.to_vec())
}

fn releases(catalogue: &Catalogue, quarters: &[Quarter]) -> Releases {
    let due = |quarter: &Quarter| {
        let due = catalogue.due_in(*quarter).map(|table| (table.id.clone(), Charge::of(table)));
        (*quarter, due.collect())
    };
    quarters.iter().map(due).collect()
}

fn charged<'a>(
    catalogue: &'a Catalogue,
    life: &Dearest,
    quarters: Vec<Quarter>,
) -> ChargedLife<'a> {
    let noisy = catalogue.tables.iter().filter(|table| table.variance > 0);
    let lived = noisy.filter_map(|table| {
        let (times, _) = life.tables.get(&table.id)?;
        Some(Lived { table, times: *times })
    });
    ChargedLife { born: life.born, quarters, tables: lived.collect() }
}

/// How far the exact accuracy of telling one person in one cell lies above the formula's, at
/// most over the catalogue's variances: what the discrete noise adds to every figure here.
fn discrete_excess(catalogue: &Catalogue) -> f64 {
    let least = catalogue.tables.iter().map(|table| table.variance).filter(|v| *v > 0).min();
    least.map_or(0.0, |least| {
        let exact = NoiseTable::new(least).presence_accuracy();
        (exact - super::accounting::attacker_accuracy(1.0 / f64::from(least))).max(0.0)
    })
}

/// A point of the trade: all noise as it is, times a factor.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Trade {
    /// What every variance is multiplied by, in percent.
    pub noise_percent: u32,
    /// The 95% margin of "registered" of an area of 1,000 under-fives, in points.
    pub registered_margin: f64,
    /// The attacker's accuracy after the dearest quarter.
    pub quarter: f64,
    /// After the dearest life.
    pub lifetime: f64,
    /// Whether both keep to the recommended limits.
    pub keeps: bool,
}

/// The frontier around a catalogue: what less and what more noise would mean.
#[must_use]
pub fn frontier(catalogue: &Catalogue) -> Vec<Trade> {
    let limits = Limits::recommended();
    let trade = |noise_percent: u32| {
        let mut scaled = catalogue.clone();
        for table in scaled.tables.iter_mut().filter(|table| table.variance > 0) {
            table.variance = (table.variance * noise_percent).div_ceil(100).max(1);
        }
        let (of_quarter, of_life) = (quarterly(&scaled), lifetime(&scaled));
        Trade {
            noise_percent,
            registered_margin: registered_margin(&scaled).unwrap_or(f64::NAN),
            quarter: change_accuracy(of_quarter.value()),
            lifetime: change_accuracy(of_life.value()),
            keeps: of_quarter <= limits.quarter && of_life <= limits.lifetime,
        }
    };
    [25, 50, 75, 90, 100, 110, 125, 150, 200, 400].map(trade).to_vec()
}

/// The 95% margin of "registered" (indicator 3) of one reach area of 1,000 under-fives, in points.
#[must_use]
pub fn registered_margin(catalogue: &Catalogue) -> Option<f64> {
    let registered = catalogue.indicators.iter().find(|i| i.number == 3 && i.letter.is_none())?;
    margin_of_area(catalogue, &registered.measure, registered.assumed, 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_catalogue_keeps_both_aims() {
        let catalogue = Catalogue::shipped().unwrap();
        let cost = cost(&catalogue);
        assert!(cost.quarter.accuracy + cost.discrete_excess <= 0.60, "{:?}", cost.quarter);
        assert!(cost.lifetime.accuracy + cost.discrete_excess <= 0.80, "{:?}", cost.lifetime);
        assert!(cost.adult.accuracy <= 0.80, "{:?}", cost.adult);
        let margin = registered_margin(&catalogue).unwrap();
        assert!((1.5..=1.6).contains(&margin), "{margin}");
        assert!(cost.discrete_excess < 1e-4);
        // The parts of the dearest life are the whole of it.
        let parts: Rho = cost.tables.iter().map(|table| table.of_dearest).sum();
        assert_eq!(parts, cost.lifetime.rho);
        assert!(cost.quarters.iter().all(|q| q.rho <= cost.quarter.rho));
    }

    #[test]
    fn the_dearest_lives_tables_add_up_to_what_the_ledger_says() {
        let catalogue = Catalogue::shipped().unwrap();
        for (life, rho) in [
            (dearest_quarter(&catalogue), quarterly(&catalogue)),
            (dearest_life(&catalogue), lifetime(&catalogue)),
        ] {
            let one = |lived: &Lived<'_>| Rho::of(lived.table.cap, 1, lived.table.variance);
            let times = |lived: &Lived<'_>| (0..lived.times).map(|_| one(lived)).sum::<Rho>();
            assert_eq!(life.tables.iter().map(times).sum::<Rho>(), rho);
            let born = life.born.unwrap();
            let again = charged_in(&catalogue, born, &life.quarters);
            let told = |life: &ChargedLife<'_>| -> Vec<(TableId, u32)> {
                life.tables.iter().map(|own| (own.table.id.clone(), own.times)).collect()
            };
            assert_eq!(told(&again), told(&life));
        }
    }

    #[test]
    fn less_noise_is_seen_to_break_the_limits_and_more_to_widen_the_margin() {
        let trades = frontier(&Catalogue::shipped().unwrap());
        assert!(trades.iter().any(|t| t.noise_percent == 100 && t.keeps));
        assert!(trades.iter().all(|t| t.noise_percent > 75 || !t.keeps));
        assert!(trades.is_sorted_by(|a, b| a.registered_margin < b.registered_margin));
        assert!(trades.is_sorted_by(|a, b| a.lifetime > b.lifetime));
    }
}
