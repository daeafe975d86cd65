//! How wrong every figure will be, from the catalogue and published estimates alone.
//!
//! Why it exists: errors are decided when a table is designed, so they are printed before
//! anything is counted. Nothing here can read data.

use super::{
    catalogue::{Assumed, Base, Catalogue, Level, Measure, Table},
    display::Z95,
    figure::Unit,
    geography::Geography,
};
use crate::domain::{AreaCode, IndicatorId, TableId};
use serde::Serialize;
use std::collections::BTreeSet;

/// The expected error of one figure at one level.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExpectedError {
    /// The indicator.
    pub indicator: IndicatorId,
    /// The part of it.
    pub part: Option<String>,
    /// The table it is read off.
    pub table: TableId,
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

fn mean_areas(geography: &Geography) -> Vec<MeanArea> {
    let areas = geography.areas();
    let clusters: BTreeSet<&AreaCode> = areas.iter().map(|area| &area.cluster).collect();
    let agencies: BTreeSet<&AreaCode> =
        areas.iter().filter_map(|area| area.lead_agency.as_ref()).collect();
    let total: f64 = areas.iter().map(|area| f64::from(area.under_fives)).sum();
    let mean = |level, parts: usize| MeanArea {
        level,
        reach_areas: areas.len() as f64 / parts as f64,
        under_fives: total / parts as f64,
    };
    let mut means = vec![mean(Level::ReachArea, areas.len()), mean(Level::Cluster, clusters.len())];
    if !agencies.is_empty() {
        means.push(mean(Level::LeadAgency, agencies.len()));
    }
    means.push(mean(Level::Authority, 1));
    means
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
                    table: table.id.clone(),
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
        Measure::Gap { .. } => Unit::Points,
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
    // Of a gap both sides are taken to be as the smaller one.
    let sides = if measure.against().is_some() { 2.0_f64 } else { 1.0 };
    100.0 * (sides * numerator).sqrt() / size
}

/// The 95% margin of a measure for one reach area of so many under-fives; `None` where it is
/// not published for one.
pub(super) fn margin_of_area(
    catalogue: &Catalogue,
    measure: &Measure,
    assumed: Assumed,
    under_fives: f64,
) -> Option<f64> {
    let table = catalogue.table(measure.table()).filter(|table| table.base == Base::ReachArea)?;
    let area = MeanArea { level: Level::ReachArea, reach_areas: 1.0, under_fives };
    let size = under_fives * f64::from(assumed.per_thousand) / 1000.0;
    Some(Z95 * deviation(table, measure, area, size, assumed))
}
