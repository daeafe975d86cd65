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
    /// Its margin is so wide that the value would say nothing: told from released values alone.
    Uncertain,
}

/// What a figure's numbers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Persons, families or births.
    Count,
    /// Percent, 0 to 100.
    Percent,
    /// Percentage points between two shares, -100 to 100.
    Points,
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
    /// Of a percentage: what it is out of, to the nearest 5; of a gap the smaller of the two.
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
    let located = release.geography.locate(area);
    let located = located.ok_or_else(|| DisclosureError::UnknownArea(area.clone()))?;
    figure_of_rows(catalogue, release, indicator, part, area, located)
}

/// The same of the release's rows that make up an area, which the caller has found: those of an
/// earlier geography may bear other codes ([`super::Geography::rows_before`]).
///
/// # Errors
/// As [`figure`].
pub fn figure_of_rows(
    catalogue: &Catalogue,
    release: &Release,
    indicator: &IndicatorId,
    part: Option<&str>,
    area: &AreaCode,
    located: (Level, Vec<usize>),
) -> Result<Figure, DisclosureError> {
    let level = located.0;
    let read = ReadOff::of(catalogue, release, indicator, part, located)?;
    let (unit, value, withheld_below) = read.shown();
    Ok(Figure {
        indicator: indicator.clone(),
        part: part.map(str::to_owned),
        title: read.title.to_owned(),
        area: area.clone(),
        level,
        period: release.quarter,
        unit,
        value,
        withheld_below,
    })
}

/// A figure before it is rounded, with its 95% interval: what differences are made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Unrounded {
    pub(super) unit: Unit,
    /// A count, or a fraction of 1.
    pub(super) value: f64,
    pub(super) lower: f64,
    pub(super) upper: f64,
}

/// The figure unrounded, where it is shown; a withheld one has no difference from anything.
pub(super) fn unrounded(
    catalogue: &Catalogue,
    release: &Release,
    indicator: &IndicatorId,
    part: Option<&str>,
    located: (Level, Vec<usize>),
) -> Result<Option<Unrounded>, DisclosureError> {
    let read = ReadOff::of(catalogue, release, indicator, part, located)?;
    let (unit, value, _) = read.shown();
    let Sums { first, second, covariance } = read.own;
    let (value, lower, upper) = match (value, read.measure, &read.against) {
        (Released::Withheld | Released::Uncertain, ..) => return Ok(None),
        (_, Measure::Count { .. }, _) => display::unrounded_count(first),
        (_, Measure::Balance { .. }, _) => display::unrounded_balance(first, second, covariance),
        (_, _, Some(other)) => display::unrounded_gap(
            display::unrounded_share(first, second, covariance),
            display::unrounded_share(other.first, other.second, other.covariance),
        ),
        (_, _, None) => display::unrounded_share(first, second, covariance),
    };
    Ok(Some(Unrounded { unit, value, lower, upper }))
}

/// What a figure is made of.
struct ReadOff<'c> {
    measure: &'c Measure,
    title: &'c str,
    own: Sums,
    /// The other share of a gap.
    against: Option<Sums>,
}

impl<'c> ReadOff<'c> {
    fn of(
        catalogue: &'c Catalogue,
        release: &Release,
        indicator: &IndicatorId,
        part: Option<&str>,
        (level, rows): (Level, Vec<usize>),
    ) -> Result<Self, DisclosureError> {
        let declared = catalogue
            .indicator(indicator)
            .ok_or_else(|| DisclosureError::UnknownIndicator(indicator.clone()))?;
        let measure = declared.measure_of(part)?;
        let part = part.map(|id| declared.part(id)).transpose()?;
        let title = part.map_or(&declared.title, |part| &part.title);
        let missing = || DisclosureError::NotInRelease(release.quarter);
        let table = release.table(measure.table()).ok_or_else(missing)?;
        let rows = match (table.base, level) {
            (Base::ReachArea, _) => rows,
            (Base::Authority, Level::Authority) => vec![0],
            (Base::Authority, _) => return Err(DisclosureError::AuthorityOnly),
        };
        let sums = |(first, second): (&[String], &[String])| {
            let first = columns(table, first).ok_or_else(missing)?;
            let second = columns(table, second).ok_or_else(missing)?;
            Ok::<_, DisclosureError>(Sums::of(table, &rows, &first, &second))
        };
        let own = sums(measure.cells())?;
        let against = measure.against().map(sums).transpose()?;
        Ok(Self { measure, title, own, against })
    }

    fn shown(&self) -> (Unit, Released<Reading>, f64) {
        match &self.against {
            Some(other) => read_gap(&self.own, other),
            None => read(self.measure, &self.own),
        }
    }
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
        Measure::Share { .. } | Measure::Gap { .. } => {
            (Unit::Percent, second, display::share(first, second, covariance))
        }
        Measure::Balance { .. } => {
            (Unit::Percent, larger, display::balance(first, second, covariance))
        }
    };
    let Estimate { value, lower, upper, margin } = estimate;
    let word = proportion_word(lower, upper).filter(|_| matches!(measure, Measure::Share { .. }));
    let out_of = (unit == Unit::Percent).then(|| display::count(judged).value);
    let reading = Reading { value, lower, upper, margin, out_of, word };
    let withheld_below = display::least_shown(judged.variance);
    (unit, released(reading, unit, judged.value >= withheld_below), withheld_below)
}

/// A value that is shown, unless what it is out of is too small or its margin says nothing.
fn released(reading: Reading, unit: Unit, enough: bool) -> Released<Reading> {
    let uncertain = match unit {
        Unit::Count => false,
        Unit::Percent => display::says_nothing(reading.margin, display::PERCENT_SCALE),
        Unit::Points => display::says_nothing(reading.margin, display::POINTS_SCALE),
    };
    match (enough, uncertain) {
        (false, _) => Released::Withheld,
        (true, true) => Released::Uncertain,
        (true, false) => Released::Shown(reading),
    }
}

/// One share less the other. It is shown where each of them would be.
fn read_gap(one: &Sums, other: &Sums) -> (Unit, Released<Reading>, f64) {
    let share = |sums: &Sums| display::share(sums.first, sums.second, sums.covariance);
    let Estimate { value, lower, upper, margin } = display::gap(&share(one), &share(other));
    let least = |sums: &Sums| display::least_shown(sums.second.variance);
    let shown = |sums: &Sums| sums.second.value >= least(sums);
    let smaller = if one.second.value < other.second.value { one.second } else { other.second };
    let out_of = Some(display::count(smaller).value);
    let reading = Reading { value, lower, upper, margin, out_of, word: None };
    let both = shown(one) && shown(other);
    let value = released(reading, Unit::Points, both);
    (Unit::Points, value, least(one).max(least(other)))
}

/// What stands in the place of a value whose margin says nothing.
pub const UNCERTAIN: &str = "too uncertain to say";

/// "71.3% ± 1.1: large majority", "34% ± 12", "1410 ± 36", "withheld (below 13)", "too uncertain to
/// say".
impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reading = match self.value {
            Released::Shown(reading) => reading,
            Released::Withheld => return write!(f, "withheld (below {})", self.withheld_below),
            Released::Uncertain => return f.write_str(UNCERTAIN),
        };
        let Reading { value, margin, word, .. } = reading;
        match self.unit {
            Unit::Count => write!(f, "{value} ± {margin}")?,
            Unit::Points => write!(f, "{value:+.1} points ± {margin:.1}")?,
            Unit::Percent if margin < 5.0 => write!(f, "{value:.1}% ± {margin:.1}")?,
            Unit::Percent => write!(f, "{:.0}% ± {:.0}", value.round(), margin.ceil())?,
        }
        word.map_or(Ok(()), |word| write!(f, ": {word}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(part: f64, whole: f64) -> Sums {
        let sum = |value, variance| NoisySum { value, variance };
        Sums { first: sum(part, 18.0), second: sum(whole, 36.0), covariance: 18.0 }
    }

    fn share() -> Measure {
        let table = "registered".parse().unwrap();
        Measure::Share { table, numerator: Vec::new(), denominator: Vec::new() }
    }

    #[test]
    fn a_share_is_shown_too_uncertain_or_withheld_by_noisy_values_alone() {
        let told = |part, whole| read(&share(), &sums(part, whole)).1;
        assert!(matches!(told(60.0, 90.0), Released::Shown(reading) if reading.margin < 50.0));
        assert_eq!(told(10.0, 13.0), Released::Uncertain);
        // Too small goes before too uncertain: the one thing that is said of all that is small.
        assert_eq!(told(10.0, 11.0), Released::Withheld);
        assert_eq!(told(0.0, -4.0), Released::Withheld);
        let gap = |other| read_gap(&sums(60.0, 90.0), &sums(10.0, other)).1;
        assert_eq!((gap(13.0), gap(11.0)), (Released::Uncertain, Released::Withheld));
        assert!(matches!(gap(60.0), Released::Shown(_)));
    }
}
