//! How wrong every figure will be, from the catalogue and published estimates alone.
//!
//! Why it exists: errors are decided when a table is designed, so they are printed before
//! anything is counted. Nothing here can read data.

use super::{
    catalogue::{Assumed, Base, Catalogue, Level, Measure, Table},
    display::Z95,
    exact::rows,
    figure::Unit,
    geography::Geography,
};
use crate::domain::{AreaCode, IndicatorId};
use serde::Serialize;
use std::collections::BTreeSet;

/// The expected error of one figure at one level.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExpectedError {
    /// The indicator.
    pub indicator: IndicatorId,
    /// The part of it.
    pub part: Option<String>,
    /// What it is called.
    pub title: String,
    /// For which areas, taken at their mean size.
    pub level: Level,
    /// Persons or percent.
    pub unit: Unit,
    /// What is assumed to be counted, or counted out of.
    pub assumed_size: f64,
    /// The percentage that is assumed; 100 for a count.
    pub assumed_percent: u32,
    /// The 95% quantile of the error, in the unit.
    pub margin: f64,
}

/// The size of areas at one level.
#[derive(Debug, Clone, Copy, PartialEq)]
struct MeanArea {
    level: Level,
    /// How many reach areas one area consists of.
    reach_areas: f64,
    /// The estimate of its under-fives.
    under_fives: f64,
}

fn mean_areas(geography: &Geography) -> [MeanArea; 3] {
    let areas = geography.areas();
    let clusters: BTreeSet<&AreaCode> = areas.iter().map(|area| &area.cluster).collect();
    let total: f64 = areas.iter().map(|area| f64::from(area.under_fives)).sum();
    let mean = |level, parts: usize| MeanArea {
        level,
        reach_areas: areas.len() as f64 / parts as f64,
        under_fives: total / parts as f64,
    };
    [
        mean(Level::ReachArea, areas.len()),
        mean(Level::Cluster, clusters.len()),
        mean(Level::Authority, 1),
    ]
}

/// The expected error of every indicator and part at every level it is published for.
#[must_use]
pub fn expected_errors(catalogue: &Catalogue, geography: &Geography) -> Vec<ExpectedError> {
    let mut errors = Vec::new();
    for indicator in &catalogue.indicators {
        let whole = (None, &indicator.title, &indicator.measure, indicator.assumed);
        let parts =
            indicator.parts().map(|p| (Some(p.id.clone()), &p.title, &p.measure, p.assumed));
        for (part, title, measure, assumed) in std::iter::once(whole).chain(parts) {
            let Some(table) = catalogue.table(measure.table()) else { continue };
            for area in mean_areas(geography) {
                if table.base == Base::Authority && area.level != Level::Authority {
                    continue;
                }
                let size = area.under_fives * f64::from(assumed.per_thousand) / 1000.0;
                errors.push(ExpectedError {
                    indicator: indicator.id.clone(),
                    part: part.clone(),
                    title: title.clone(),
                    level: area.level,
                    unit: unit(measure),
                    assumed_size: size,
                    assumed_percent: assumed.percent,
                    margin: Z95 * deviation(table, measure, area, size, assumed),
                });
            }
        }
    }
    errors
}

const fn unit(measure: &Measure) -> Unit {
    match measure {
        Measure::Count { .. } => Unit::Count,
        Measure::Share { .. } | Measure::Balance { .. } => Unit::Percent,
    }
}

/// The standard deviation of a figure: of a count that of its noises' sum; of a ratio p = a/d by
/// the delta method, (Var a - 2 p Cov + p^2 Var d) / d^2.
fn deviation(table: &Table, measure: &Measure, area: MeanArea, size: f64, assumed: Assumed) -> f64 {
    let base_areas = if table.base == Base::Authority { 1.0 } else { area.reach_areas };
    let variance = |cells: usize| cells as f64 * base_areas * f64::from(table.variance);
    let (first, second) = measure.cells();
    if matches!(measure, Measure::Count { .. }) {
        return variance(first.len()).sqrt();
    }
    let shared = first.iter().filter(|cell| second.contains(cell)).count();
    let p = f64::from(assumed.percent) / 100.0;
    let numerator =
        variance(first.len()) - 2.0 * p * variance(shared) + p * p * variance(second.len());
    100.0 * numerator.sqrt() / size
}

/// The least variance with which anybody can know one base cell from everything that is
/// released, by least squares: tables of one population have equal totals (of
/// births across two quarters), which tells a little about each of their cells.
///
/// For a cell of variance v in a table whose total has variance s, when other tables tell
/// the same total with variance t: v - v^2 / (s + t).
#[must_use]
pub fn minimum_contrast_variance(catalogue: &Catalogue, geography: &Geography) -> f64 {
    let total = |table: &Table, rows: usize| {
        f64::from(table.variance) * table.cells.len() as f64 * rows as f64
    };
    let of_cell = |table: &Table| {
        let variance = f64::from(table.variance);
        let others = catalogue
            .tables
            .iter()
            .filter(|other| other.id != table.id && other.population == table.population);
        // Two totals can be compared at the coarser of their bases.
        let precision: f64 = others
            .map(|other| {
                let coarse = table.base == Base::Authority || other.base == Base::Authority;
                let rows_of = |table: &Table| if coarse { rows(table, geography) } else { 1 };
                let own = total(table, rows_of(table));
                let told = total(other, rows_of(other));
                // Its gain in precision, as if it were the only other table.
                variance * variance / (own + told)
            })
            .sum();
        variance - precision.min(variance)
    };
    catalogue.tables.iter().map(of_cell).fold(f64::INFINITY, f64::min)
}
