//! The dearest change that a catalogue allows: which cells anybody's move touches at most.

use super::bound::Contrast;
use crate::disclosure::{Catalogue, Table, cost::cost};

/// Months from which on somebody is an adult: the tables' own word decides from there.
const ADULT: i32 = 192;

/// A table, and in how many releases one life is in it.
pub(crate) struct Lived<'a> {
    /// The table.
    pub(crate) table: &'a Table,
    /// How often.
    pub(crate) times: u32,
}

impl Lived<'_> {
    /// Cells that a change touches: as many are left as are entered.
    pub(super) const fn cells(&self) -> u32 {
        2 * self.table.cap * self.times
    }
}

/// The tables of the person who is dearest in any one quarter.
pub(crate) fn quarter(catalogue: &Catalogue) -> Vec<Lived<'_>> {
    let holds = |table: &Table, months: i32| {
        if months >= ADULT {
            table.adults
        } else {
            table.ages.is_some_and(|ages| ages.holds(months))
        }
    };
    let of = |number: u8, months: i32| -> Vec<Lived<'_>> {
        let due = |table: &&Table| table.due.is_empty() || table.due.contains(&number);
        let held = catalogue.tables.iter().filter(due).filter(|table| holds(table, months));
        held.filter(|table| table.variance > 0).map(|table| Lived { table, times: 1 }).collect()
    };
    let all = (1..=4).flat_map(|number| (0..=ADULT).map(move |months| of(number, months)));
    let rho = |lived: &[Lived<'_>]| -> f64 {
        lived.iter().map(|own| f64::from(own.cells()) / f64::from(own.table.variance)).sum()
    };
    all.max_by(|one, other| rho(one).total_cmp(&rho(other))).unwrap_or_default()
}

/// The tables of the dearest life, each as often as it is charged to that life.
pub(crate) fn childhood(catalogue: &Catalogue) -> Vec<Lived<'_>> {
    let costs = cost(catalogue).tables;
    let lived = catalogue.tables.iter().zip(costs).filter(|(table, _)| table.variance > 0);
    lived
        .map(|(table, cost)| {
            let one = f64::from(table.cap) / f64::from(table.variance);
            let times = (cost.of_dearest.value() / one).round();
            Lived { table, times: (0..=1_000).find(|n| f64::from(*n) >= times).unwrap_or(0) }
        })
        .filter(|lived| lived.times > 0)
        .collect()
}

/// What such a change makes different.
pub(super) fn contrast(lived: &[Lived<'_>]) -> Contrast {
    let mut contrast = Contrast::default();
    for own in lived {
        contrast.add(own.table.variance, 1, own.cells());
    }
    contrast
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disclosure::ledger::{lifetime, quarterly};

    #[test]
    fn the_dearest_lives_cost_what_the_ledger_says() {
        let catalogue = Catalogue::shipped().unwrap();
        for (lived, rho) in [
            (quarter(&catalogue), quarterly(&catalogue)),
            (childhood(&catalogue), lifetime(&catalogue)),
        ] {
            let own = contrast(&lived).mu_squared() / 2.0;
            assert!((own - rho.value()).abs() < 1e-6, "{own} {rho}");
        }
    }
}
