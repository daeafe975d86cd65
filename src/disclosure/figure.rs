//! One figure: an indicator, or a part of one, for an area and a quarter.
//!
//! The one query result type. It is a look-up in a release: no predicate, no union of
//! areas, nothing recomputed from data. Clusters and the authority are sums of the
//! unrounded noisy values of their reach areas. A withheld figure goes the same way as a
//! shown one to the last step, and says the same about zero, small and absent.

use super::{
    DisclosureError,
    catalogue::{Base, Catalogue, Level, Measure},
    display::{self, Estimate, NoisySum},
    release::{NoisyTable, Release},
    words::proportion_word,
};
use crate::domain::{AreaCode, IndicatorId, Quarter};
use serde::Serialize;
use std::fmt;

/// A released value, or the one thing that is said of all values that are too small.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Released<T> {
    /// It is shown.
    Shown(T),
    /// It is zero, small or absent.
    Withheld,
}

/// What a figure's numbers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Persons, families or births.
    Count,
    /// Percent, 0 to 100.
    Percent,
}

/// A shown value with its margin of error, which covers the noise and the rounding and not
/// what linkage missed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Reading {
    /// The value: a count to the nearest 5, or a percentage to one place.
    pub value: f64,
    /// The lower end of the 95% interval.
    pub lower: f64,
    /// The upper end.
    pub upper: f64,
    /// What to print after ±.
    pub margin: f64,
    /// Of a percentage: what it is out of, to the nearest 5.
    pub out_of: Option<f64>,
    /// Of a share: inspection's word, unless the margin spans an edge.
    pub word: Option<&'static str>,
}

/// An indicator's value for an area and a quarter.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figure {
    /// The indicator.
    pub indicator: IndicatorId,
    /// The part of it, when a part was asked for.
    pub part: Option<String>,
    /// What it is called.
    pub title: String,
    /// The area.
    pub area: AreaCode,
    /// What the area is.
    pub level: Level,
    /// The quarter.
    pub period: Quarter,
    /// What the numbers are.
    pub unit: Unit,
    /// The value.
    pub value: Released<Reading>,
    /// Noisy values (of a percentage: of what it is out of) below this are withheld.
    pub withheld_below: f64,
}

/// Reads a figure off a release.
///
/// # Errors
/// [`DisclosureError::UnknownIndicator`], [`DisclosureError::UnknownPart`],
/// [`DisclosureError::UnknownArea`], [`DisclosureError::AuthorityOnly`],
/// [`DisclosureError::NotInRelease`]; none depends on a value.
pub fn figure(
    catalogue: &Catalogue,
    release: &Release,
    indicator: &IndicatorId,
    part: Option<&str>,
    area: &AreaCode,
) -> Result<Figure, DisclosureError> {
    let declared = catalogue
        .indicator(indicator)
        .ok_or_else(|| DisclosureError::UnknownIndicator(indicator.clone()))?;
    let measure = declared.measure_of(part)?;
    let title = part.map(|id| declared.part(id)).transpose()?.map_or(&declared.title, |p| &p.title);
    let (level, rows) =
        release.geography.locate(area).ok_or_else(|| DisclosureError::UnknownArea(area.clone()))?;
    let missing = || DisclosureError::NotInRelease(release.quarter);
    let table = release.table(measure.table()).ok_or_else(missing)?;
    let rows = match (table.base, level) {
        (Base::ReachArea, _) => rows,
        (Base::Authority, Level::Authority) => vec![0],
        (Base::Authority, _) => return Err(DisclosureError::AuthorityOnly),
    };
    let (first, second) = measure.cells();
    let first = columns(table, first).ok_or_else(missing)?;
    let second = columns(table, second).ok_or_else(missing)?;
    let sums = Sums::of(table, &rows, &first, &second);
    let (unit, value, withheld_below) = read(measure, &sums);
    Ok(Figure {
        indicator: indicator.clone(),
        part: part.map(str::to_owned),
        title: title.clone(),
        area: area.clone(),
        level,
        period: release.quarter,
        unit,
        value,
        withheld_below,
    })
}

fn columns(table: &NoisyTable, cells: &[String]) -> Option<Vec<usize>> {
    cells.iter().map(|cell| table.cells.iter().position(|c| c == cell)).collect()
}

/// Two noisy sums over the same rows, and how their noises covary.
struct Sums {
    first: NoisySum,
    second: NoisySum,
    covariance: f64,
}

impl Sums {
    fn of(table: &NoisyTable, rows: &[usize], first: &[usize], second: &[usize]) -> Self {
        let variance_of = |cells: usize| (cells * rows.len()) as f64 * f64::from(table.variance);
        let sum = |columns: &[usize]| {
            let total: i64 = rows
                .iter()
                .map(|row| columns.iter().map(|c| table.counts[*row][*c]).sum::<i64>())
                .sum();
            NoisySum { value: total as f64, variance: variance_of(columns.len()) }
        };
        let shared = first.iter().filter(|column| second.contains(column)).count();
        Self { first: sum(first), second: sum(second), covariance: variance_of(shared) }
    }
}

fn read(measure: &Measure, sums: &Sums) -> (Unit, Released<Reading>, f64) {
    let Sums { first, second, covariance } = *sums;
    let larger = if first.value > second.value { first } else { second };
    let (unit, judged, estimate) = match measure {
        Measure::Count { .. } => (Unit::Count, first, display::count(first)),
        Measure::Share { .. } => (Unit::Percent, second, display::share(first, second, covariance)),
        Measure::Balance { .. } => {
            (Unit::Percent, larger, display::balance(first, second, covariance))
        }
    };
    let Estimate { value, lower, upper, margin } = estimate;
    let word = proportion_word(lower, upper).filter(|_| matches!(measure, Measure::Share { .. }));
    let out_of = (unit == Unit::Percent).then(|| display::count(judged).value);
    let reading = Reading { value, lower, upper, margin, out_of, word };
    let withheld_below = display::least_shown(judged.variance);
    let shown = judged.value >= withheld_below;
    let value = if shown { Released::Shown(reading) } else { Released::Withheld };
    (unit, value, withheld_below)
}

/// "71.3% ± 1.1: large majority", "34% ± 12", "1410 ± 36", "withheld (below 13)".
impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Released::Shown(reading) = self.value else {
            return write!(f, "withheld (below {})", self.withheld_below);
        };
        let Reading { value, margin, word, .. } = reading;
        match self.unit {
            Unit::Count => write!(f, "{value} ± {margin}")?,
            Unit::Percent if margin < 5.0 => write!(f, "{value:.1}% ± {margin:.1}")?,
            Unit::Percent => write!(f, "{:.0}% ± {:.0}", value.round(), margin.ceil())?,
        }
        word.map_or(Ok(()), |word| write!(f, ": {word}"))
    }
}
