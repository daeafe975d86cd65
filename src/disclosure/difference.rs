//! How far two released figures lie apart, and whether the noise leaves that open.
//!
//! Why it exists: two figures with margins invite a comparison that the margins do not allow.
//! A difference here has a margin of its own, so that a book or a page never leaves its reader
//! to guess. It is post-processing of releases: it reads noisy values and the variances that the
//! catalogue fixes, costs nothing and reveals nothing that the two figures did not.
//!
//! - The two noises must be independent: of two releases, or of areas of one release that share
//!   no row. Of an area and one that it lies in no difference is given.
//! - Counts: the variances add up. Shares and balances: the two intervals, which are Fieller's,
//!   are put together as in Zou and Donner 2008 (MOVER), for ratios as in Donner and Zou 2012.
//! - Who looks at twenty differences finds one by chance: where several are looked at together,
//!   the interval that decides is widened for as many (Bonferroni).
//! - A withheld figure has no difference.

use super::{
    DisclosureError,
    accounting::normal_quantile,
    catalogue::{Catalogue, Level},
    display::{ROUND_TO, Z95},
    figure::{Unit, Unrounded, unrounded},
    release::Release,
};
use crate::domain::{IndicatorId, Quarter};
use serde::Serialize;

/// A figure that is to be compared with others: nothing of it can be read but by comparing.
pub struct Compared {
    quarter: Quarter,
    rows: Vec<usize>,
    figure: Unrounded,
}

/// A difference, the second less the first.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Difference {
    /// Persons or percentage points.
    pub unit: Unit,
    /// The difference: of counts to the nearest 5, of percentages to one place.
    pub value: f64,
    /// The lower end of its 95% interval.
    pub lower: f64,
    /// The upper end.
    pub upper: f64,
    /// What to print after ±: at least the distance from the value to either end.
    pub margin: f64,
    /// Whether it can be told from none, as many comparisons as are made considered.
    pub is_distinct: bool,
}

/// How often the second is the first: 1 is no change.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Ratio {
    /// The ratio.
    pub value: f64,
    /// The lower end of its 95% interval.
    pub lower: f64,
    /// The upper end; infinite where the first may be nothing.
    pub upper: f64,
}

impl Compared {
    /// Reads a figure off the rows of a release that make up an area; `None` where it is
    /// withheld.
    ///
    /// # Errors
    /// As [`super::figure()`].
    pub fn read(
        catalogue: &Catalogue,
        release: &Release,
        indicator: &IndicatorId,
        part: Option<&str>,
        located: (Level, Vec<usize>),
    ) -> Result<Option<Self>, DisclosureError> {
        let (quarter, rows) = (release.quarter, located.1.clone());
        let figure = unrounded(catalogue, release, indicator, part, located)?;
        Ok(figure.map(|figure| Self { quarter, rows, figure }))
    }

    /// This figure less another, one of `comparisons` that are looked at together; `None` where
    /// their noises are not independent.
    #[must_use]
    pub fn less(&self, first: &Self, comparisons: usize) -> Option<Difference> {
        self.is_independent(first).then(|| apart(first.figure, self.figure, comparisons))
    }

    /// This figure as a multiple of another; `None` where their noises are not independent, or
    /// the other is nothing.
    #[must_use]
    pub fn times(&self, first: &Self) -> Option<Ratio> {
        self.is_independent(first).then(|| times(first.figure, self.figure)).flatten()
    }

    /// Noise is drawn anew for each release and each row.
    fn is_independent(&self, other: &Self) -> bool {
        self.quarter != other.quarter || self.rows.iter().all(|row| !other.rows.contains(row))
    }
}

fn apart(first: Unrounded, second: Unrounded, comparisons: usize) -> Difference {
    let value = second.value - first.value;
    let below = (second.value - second.lower).hypot(first.upper - first.value);
    let above = (second.upper - second.value).hypot(first.value - first.lower);
    let wider = quantile(comparisons) / Z95;
    let is_distinct = value - wider * below > 0.0 || value + wider * above < 0.0;
    let (lower, upper) = (value - below, value + above);
    match second.unit {
        Unit::Count => Difference {
            unit: Unit::Count,
            value: whole((value / ROUND_TO).round() * ROUND_TO),
            lower: whole(lower.floor()),
            upper: whole(upper.ceil()),
            margin: (below.max(above) + ROUND_TO / 2.0).ceil(),
            is_distinct,
        },
        // Differences of percentages, and of gaps between them, are points.
        Unit::Percent | Unit::Points => Difference {
            unit: second.unit,
            value: tenths(100.0 * value, f64::round),
            lower: tenths(100.0 * lower, f64::floor),
            upper: tenths(100.0 * upper, f64::ceil),
            margin: tenths(100.0 * below.max(above) + 0.05, f64::ceil),
            is_distinct,
        },
    }
}

fn times(first: Unrounded, second: Unrounded) -> Option<Ratio> {
    // Each end lies at most once its value away from it, or the formula has no meaning.
    let side = |side: Unrounded| {
        (side.value, side.lower.max(0.0), side.upper.min(2.0 * side.value - side.value * 1e-9))
    };
    let (a, a_low, a_high) = side(second);
    let (b, b_low, b_high) = side(first);
    if b <= 0.0 || a <= 0.0 {
        return None;
    }
    let product = a * b;
    let root = |end_a: f64, end_b: f64| {
        let (near_a, near_b) = (end_a * (2.0 * a - end_a), end_b * (2.0 * b - end_b));
        (product * product - near_a * near_b).max(0.0).sqrt()
    };
    let lower = (product - root(a_low, b_high)) / (b_high * (2.0 * b - b_high));
    let is_open = first.upper >= 2.0 * first.value || b_low <= 0.0;
    let upper = match is_open {
        true => f64::INFINITY,
        false => (product + root(a_high, b_low)) / (b_low * (2.0 * b - b_low)),
    };
    Some(Ratio { value: a / b, lower: lower.max(0.0), upper })
}

/// No minus before a zero.
fn whole(value: f64) -> f64 {
    if value == 0.0 { 0.0 } else { value }
}

fn tenths(percent: f64, round: fn(f64) -> f64) -> f64 {
    // Half a millionth: what floating point adds is no tenth.
    let nudged = if round(0.5) > 0.5 { percent - 5e-7 } else { percent + 5e-7 };
    whole(round(nudged * 10.0) / 10.0)
}

/// The normal quantile that keeps as many comparisons together at 95%.
fn quantile(comparisons: usize) -> f64 {
    if comparisons <= 1 {
        return Z95;
    }
    normal_quantile(1.0 - 0.025 / comparisons as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(value: f64, variance: f64) -> Unrounded {
        let half = Z95 * variance.sqrt();
        Unrounded { unit: Unit::Count, value, lower: value - half, upper: value + half }
    }

    fn percent(value: f64, half: f64) -> Unrounded {
        let unit = Unit::Percent;
        Unrounded { unit, value, lower: value - half, upper: value + half }
    }

    #[test]
    fn variances_of_counts_add_up() {
        let told = apart(count(700.0, 90.0), count(741.0, 160.0), 1);
        let half = Z95 * 250.0_f64.sqrt();
        assert_eq!(told.value, 40.0);
        assert_eq!((told.lower, told.upper), ((41.0 - half).floor(), (41.0 + half).ceil()));
        assert!(told.margin >= half && told.is_distinct);
        // The same distance among a hundred others is none.
        assert!(!apart(count(700.0, 90.0), count(741.0, 160.0), 100).is_distinct);
        let none = apart(count(700.0, 90.0), count(698.0, 90.0), 1);
        assert!(!none.is_distinct && none.value == 0.0 && none.value.is_sign_positive());
    }

    #[test]
    fn intervals_of_shares_are_put_together_end_by_end() {
        let told = apart(percent(0.700, 0.03), percent(0.750, 0.04), 1);
        assert_eq!((told.value, told.lower, told.upper), (5.0, 0.0, 10.0));
        assert!(!told.is_distinct && told.margin >= 5.0);
        let skewed = Unrounded { lower: 0.70, upper: 0.76, ..percent(0.75, 0.0) };
        let told = apart(percent(0.65, 0.0), skewed, 1);
        assert_eq!((told.lower, told.upper, told.margin), (5.0, 11.0, 5.1));
        assert!(told.is_distinct);
    }

    #[test]
    fn ratios_agree_with_the_delta_method_where_margins_are_small() {
        let told = times(percent(0.50, 0.005), percent(0.45, 0.005)).unwrap();
        let half = 0.9 * ((0.01_f64).powi(2) + (0.005_f64 / 0.45).powi(2)).sqrt();
        assert!((told.value - 0.9).abs() < 1e-12);
        assert!((told.upper - told.lower - 2.0 * half).abs() < 1e-3, "{told:?}");
        // Where the first may be nothing, so many times it may be anything.
        assert_eq!(times(count(20.0, 110.0), count(40.0, 40.0)).unwrap().upper, f64::INFINITY);
        assert_eq!(times(count(0.0, 1.0), count(40.0, 40.0)), None);
    }

    #[test]
    fn quantiles_widen_with_the_number_of_comparisons() {
        assert_eq!(quantile(1), Z95);
        for (comparisons, wanted) in [(2, 2.241_403), (16, 2.954_5), (136, 3.559)] {
            let found = quantile(comparisons);
            assert!((found - wanted).abs() < 0.01, "{comparisons}: {found}");
        }
    }
}
