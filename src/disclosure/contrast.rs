//! How well all released tables together tell one cell: least squares over the whole system.
//!
//! Why it exists: tables of the same people tell some sums more than once (all of them, the
//! registered among them), and whoever puts them together knows each a little better than from
//! one table. That depends on the catalogue alone, so it is worked out and held to a floor
//! before anything is counted.
//!
//! The unknowns are the exact cells; each has one noisy observation. A name that several tables
//! give to a sum of their cells (`population` for all of them, `subtotals` for some) is one
//! number: a linear constraint. Least squares under the constraints is conditioning of
//! independent Gaussians on them, one after the other. Reach areas are alike, so one of them and
//! the sum of all others stand for all; what is counted for the authority is the sum of both.

use super::{
    DisclosureError,
    catalogue::{Base, Catalogue, Table},
    geography::Geography,
    ledger::some_quarter,
};
use crate::domain::{Quarter, TableId};
use serde::Serialize;
use std::collections::BTreeMap;

/// No cell and no named sum may be told better than at this variance: as good as one table of
/// one cell with five persons' standard deviation.
pub const CONTRAST_FLOOR: u32 = 25;

/// Below this a direction is fixed already: the constraint follows from others.
const FIXED: f64 = 1e-9;

/// How well a cell, or a named sum of cells, of one base area is told.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Contrast {
    /// The table.
    pub table: TableId,
    /// The cell, or the name of the sum.
    pub name: String,
    /// The variance of its own noise.
    pub own: f64,
    /// The variance with which all tables together tell it.
    pub together: f64,
}

/// A sum of unknowns, by their places, each with its factor.
type Combination = Vec<(usize, f64)>;
/// A table, and the places of those of its cells that a name stands for.
type Named<'a> = (&'a Table, Vec<usize>);

/// One of the noisy numbers.
struct Known<'a> {
    table: &'a Table,
    cell: usize,
    /// Of the sum of all other reach areas.
    of_rest: bool,
}

/// The covariance of the unknowns, given what was taken in so far.
struct Gaussian {
    size: usize,
    covariance: Vec<f64>,
}

impl Gaussian {
    fn independent(variances: &[f64]) -> Self {
        let size = variances.len();
        let mut covariance = vec![0.0; size * size];
        for (at, variance) in variances.iter().enumerate() {
            covariance[at * size + at] = *variance;
        }
        Self { size, covariance }
    }

    /// The covariance of each unknown with a combination of them.
    fn with(&self, combination: &[(usize, f64)]) -> Vec<f64> {
        let row = |at: usize| {
            combination.iter().map(|(other, by)| by * self.covariance[at * self.size + other]).sum()
        };
        (0..self.size).map(row).collect()
    }

    fn variance(&self, combination: &[(usize, f64)]) -> f64 {
        let with = self.with(combination);
        combination.iter().map(|(at, by)| by * with[*at]).sum()
    }

    /// Takes in that a combination is a known number.
    fn fix(&mut self, combination: &[(usize, f64)]) {
        let with = self.with(combination);
        let variance: f64 = combination.iter().map(|(at, by)| by * with[*at]).sum();
        if variance < FIXED {
            return;
        }
        for (at, a) in with.iter().enumerate().filter(|(_, a)| **a != 0.0) {
            let row = &mut self.covariance[at * self.size..(at + 1) * self.size];
            for (cell, b) in row.iter_mut().zip(&with) {
                *cell -= a * b / variance;
            }
        }
    }
}

/// The names that a table gives to sums of its cells, with the cells' places.
fn names(table: &Table) -> impl Iterator<Item = (&str, Vec<usize>)> {
    let all = (table.population.as_str(), (0..table.cells.len()).collect());
    let place = |cell: &String| table.cells.iter().position(|known| known == cell);
    let some = table
        .subtotals
        .iter()
        .map(move |(name, cells)| (name.as_str(), cells.iter().filter_map(place).collect()));
    std::iter::once(all).chain(some)
}

/// How well a quarter's tables together tell each cell and each named sum.
#[must_use]
pub fn contrasts(catalogue: &Catalogue, geography: &Geography, quarter: Quarter) -> Vec<Contrast> {
    let rest = geography.areas().len().saturating_sub(1) as f64;
    let mut unknowns: Vec<Known<'_>> = Vec::new();
    for table in catalogue.due_in(quarter).filter(|table| table.variance > 0) {
        let copies: &[bool] =
            if table.base == Base::ReachArea && rest > 0.0 { &[false, true] } else { &[false] };
        for of_rest in copies {
            let cells = 0..table.cells.len();
            unknowns.extend(cells.map(|cell| Known { table, cell, of_rest: *of_rest }));
        }
    }
    let variance = |known: &Known<'_>| {
        f64::from(known.table.variance) * if known.of_rest { rest } else { 1.0 }
    };
    let variances: Vec<f64> = unknowns.iter().map(variance).collect();
    let mut told = Gaussian::independent(&variances);
    let place = |id: &TableId, cell: usize, of_rest: bool| {
        let own = |k: &Known<'_>| k.table.id == *id && k.cell == cell && k.of_rest == of_rest;
        unknowns.iter().position(own)
    };
    let sum = |table: &Table, cells: &[usize], of_rest: bool| -> Combination {
        let places = cells.iter().filter_map(|cell| place(&table.id, *cell, of_rest));
        places.map(|at| (at, 1.0)).collect()
    };
    for constraint in constraints(catalogue, quarter, rest > 0.0, &sum) {
        told.fix(&constraint);
    }
    let mut found = Vec::new();
    for (at, known) in unknowns.iter().enumerate().filter(|(_, known)| !known.of_rest) {
        let (table, name) = (known.table.id.clone(), known.table.cells[known.cell].clone());
        let together = told.variance(&[(at, 1.0)]);
        found.push(Contrast { table, name, own: variances[at], together });
    }
    for table in catalogue.due_in(quarter).filter(|table| table.variance > 0) {
        for (name, cells) in names(table) {
            let together = told.variance(&sum(table, &cells, false));
            let own = f64::from(table.variance) * cells.len() as f64;
            let (table, name) = (table.id.clone(), name.to_owned());
            found.push(Contrast { table, name, own, together });
        }
    }
    found
}

/// What is one number though several tables tell it: differences of sums that are zero.
fn constraints(
    catalogue: &Catalogue,
    quarter: Quarter,
    has_rest: bool,
    sum: &dyn Fn(&Table, &[usize], bool) -> Combination,
) -> Vec<Combination> {
    let mut tellers: BTreeMap<&str, [Vec<Named<'_>>; 2]> = BTreeMap::new();
    for table in catalogue.due_in(quarter).filter(|table| table.variance > 0) {
        for (name, cells) in names(table) {
            let base = usize::from(table.base == Base::Authority);
            tellers.entry(name).or_default()[base].push((table, cells));
        }
    }
    let less = |mut one: Combination, other: Combination| {
        one.extend(other.into_iter().map(|(at, by)| (at, -by)));
        one
    };
    let mut found = Vec::new();
    for [by_area, of_authority] in tellers.values() {
        for of_rest in [false, true].into_iter().take(1 + usize::from(has_rest)) {
            for pair in by_area.windows(2) {
                let of = |(table, cells): &Named<'_>| sum(table, cells, of_rest);
                found.push(less(of(&pair[0]), of(&pair[1])));
            }
        }
        for pair in of_authority.windows(2) {
            let of = |(table, cells): &Named<'_>| sum(table, cells, false);
            found.push(less(of(&pair[0]), of(&pair[1])));
        }
        if let ([(area, cells), ..], [(whole, all), ..]) = (&by_area[..], &of_authority[..]) {
            let mut parts = sum(area, cells, false);
            if has_rest {
                parts.extend(sum(area, cells, true));
            }
            found.push(less(sum(whole, all, false), parts));
        }
    }
    found
}

/// The least variance with which anybody can know a base cell or a named sum of one base area
/// from all that is released in any quarter of the year.
#[must_use]
pub fn minimum_contrast_variance(catalogue: &Catalogue, geography: &Geography) -> f64 {
    least(catalogue, geography).map_or(f64::INFINITY, |contrast| contrast.together)
}

/// The contrast that is told best.
#[must_use]
pub fn least(catalogue: &Catalogue, geography: &Geography) -> Option<Contrast> {
    let quarters = std::iter::successors(Some(some_quarter()), |quarter| Some(quarter.next()));
    let all = quarters.take(4).flat_map(|quarter| contrasts(catalogue, geography, quarter));
    all.min_by(|a, b| a.together.total_cmp(&b.together))
}

/// Whether a catalogue's tables keep to the floor together.
///
/// # Errors
/// [`DisclosureError::ContrastBelowFloor`]; it reads no data.
pub fn check(catalogue: &Catalogue, geography: &Geography) -> Result<(), DisclosureError> {
    match least(catalogue, geography) {
        Some(least) if least.together < f64::from(CONTRAST_FLOOR) => {
            let variance = (0..CONTRAST_FLOOR).rev().find(|v| f64::from(*v) <= least.together);
            Err(DisclosureError::ContrastBelowFloor {
                table: least.table,
                variance: variance.unwrap_or(0),
                floor: CONTRAST_FLOOR,
            })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disclosure::geography::ReachArea;

    fn geography(areas: u32) -> Geography {
        let area = |n: u32| ReachArea {
            code: format!("CC{n:02}").parse().unwrap(),
            cluster: "CL1".parse().unwrap(),
            lead_agency: None,
            lsoas: vec![crate::domain::Lsoa::from_number(n).unwrap()],
            under_fives: 1400,
        };
        let areas = (1..=areas).map(area).collect();
        Geography::new("v1".into(), "E08000026".parse().unwrap(), areas).unwrap()
    }

    /// Some of the shipped tables, in all quarters.
    fn only(ids: &[&str]) -> Catalogue {
        let mut catalogue = Catalogue::shipped().unwrap();
        catalogue.tables.retain(|table| ids.contains(&table.id.as_str()));
        catalogue.tables.iter_mut().for_each(|table| table.due.clear());
        catalogue
    }

    fn told(catalogue: &Catalogue, areas: u32, name: &str) -> f64 {
        let all = contrasts(catalogue, &geography(areas), some_quarter());
        all.into_iter().find(|contrast| contrast.name == name).unwrap().together
    }

    #[test]
    fn two_tables_of_one_total_tell_a_cell_as_the_formula_says() {
        let mut catalogue = only(&["births", "prompt"]);
        let [births, prompt] = &mut catalogue.tables[..] else { panic!("two tables") };
        (births.variance, prompt.variance) = (40, 40);
        // v - v^2 / (s + t): 40 - 40^2 / (40 + 80).
        assert!((told(&catalogue, 17, "born") - (40.0 - 1600.0 / 120.0)).abs() < 1e-9);
        assert!((told(&catalogue, 17, "prompt") - (40.0 - 1600.0 / 120.0)).abs() < 1e-9);
        // Alone a cell keeps its own.
        assert!(
            (told(&only(&["births"]), 17, "born")
                - f64::from(only(&["births"]).tables[0].variance))
            .abs()
                < 1e-9
        );
    }

    #[test]
    fn an_authority_table_tells_one_area_of_many_little_and_one_of_one_much() {
        let mut catalogue = only(&["families", "families_by_area"]);
        catalogue.tables.iter_mut().for_each(|table| table.variance = 100);
        // The sum of 17 areas and the authority: 100 - 100^2 / (1700 + 100).
        let wanted = 100.0 - 10_000.0 / 1800.0;
        let of_area = |areas| {
            let all = contrasts(&catalogue, &geography(areas), some_quarter());
            let own =
                |c: &&Contrast| c.table.as_str() == "families_by_area" && c.name == "registered";
            all.iter().find(own).unwrap().together
        };
        assert!((of_area(17) - wanted).abs() < 1e-9, "{}", of_area(17));
        assert!((of_area(1) - 50.0).abs() < 1e-9, "{}", of_area(1));
    }

    #[test]
    fn the_shipped_catalogue_keeps_to_the_floor_and_a_table_too_many_does_not() {
        let mut catalogue = Catalogue::shipped().unwrap();
        assert_eq!(check(&catalogue, &geography(17)), Ok(()));
        let own = catalogue.tables.iter().map(|table| table.variance).filter(|v| *v > 0).min();
        assert!(minimum_contrast_variance(&catalogue, &geography(17)) < f64::from(own.unwrap()));
        let at = catalogue.tables.iter().position(|table| table.id.as_str() == "prompt").unwrap();
        catalogue.tables[at].variance = 20;
        assert!(matches!(
            check(&catalogue, &geography(17)),
            Err(DisclosureError::ContrastBelowFloor { .. })
        ));
    }
}
