//! How wrong every figure will be, from the catalogue and published estimates alone.
//!
//! Why it exists: errors are decided when a table is designed, so they are printed before
//! anything is counted. Nothing here can read data.

use super::{
    accounting::normal_distribution,
    catalogue::{Assumed, Base, Catalogue, Level, Measure},
    display::{Z95, least_shown},
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
    /// The 95% quantile of the error of what is shown, in the unit; of a gap at most that.
    pub margin: f64,
}

/// The size of areas at one level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct MeanArea {
    pub(super) level: Level,
    /// How many reach areas one area consists of.
    reach_areas: f64,
    /// The estimate of its under-fives.
    pub(super) under_fives: f64,
}

impl MeanArea {
    /// How many areas of a base it is a sum of.
    pub(super) const fn base_areas(&self, base: Base) -> f64 {
        match base {
            Base::ReachArea => self.reach_areas,
            Base::Authority => 1.0,
        }
    }
}

pub(super) fn mean_areas(geography: &Geography) -> Vec<MeanArea> {
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
                    margin: margin(
                        measure,
                        table.variance,
                        area.base_areas(table.base),
                        (size, f64::from(assumed.percent)),
                    ),
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

/// The 95% quantile of the error of a measure over so many base areas whose cells have this
/// variance: of a count that of its noises' sum; of a percentage of `size` persons that of the ratio
/// of two noisy sums, where it is shown.
#[must_use]
pub fn margin(
    measure: &Measure,
    variance: u32,
    base_areas: f64,
    (size, percent): (f64, f64),
) -> f64 {
    let of = |cells: usize| cells as f64 * base_areas * f64::from(variance);
    let (first, second) = measure.cells();
    if matches!(measure, Measure::Count { .. }) {
        return Z95 * of(first.len()).sqrt();
    }
    let shared = first.iter().filter(|cell| second.contains(cell)).count();
    let ratio = Ratio {
        part: of(first.len()),
        whole: of(second.len()),
        covariance: of(shared),
        size,
        share: percent / 100.0,
    };
    // Of a gap both sides are taken to be as the smaller one.
    let sides = if measure.against().is_some() { 2.0_f64 } else { 1.0 };
    100.0 * sides.sqrt() * ratio.quantile()
}

/// A noisy sum out of another.
struct Ratio {
    /// Variance of what is counted.
    part: f64,
    /// And of what it is out of.
    whole: f64,
    covariance: f64,
    /// How many it is out of.
    size: f64,
    share: f64,
}

/// From so many deviations on the noise below changes the quantile by less than one in 500.
const CERTAIN: f64 = 40.0;
/// Steps of the integral.
const STEPS: u32 = 96;

impl Ratio {
    /// The 95% quantile of its error, as a fraction.
    ///
    /// Where what it is out of is nearly certain, by the delta method: (Var a - 2 p Cov +
    /// p^2 Var d) / d^2. Else that understates it, as the noise below the line is not small: then
    /// by integrating over that noise, for as much as is shown.
    fn quantile(&self) -> f64 {
        let Self { part, whole, covariance, size, share } = *self;
        let numerator = part - 2.0 * share * covariance + share * share * whole;
        let delta = Z95 * numerator.max(0.0).sqrt() / size;
        if size >= CERTAIN * whole.sqrt() || whole <= 0.0 || delta <= 0.0 {
            return delta;
        }
        let shown = self.within(f64::INFINITY);
        if shown < 1e-9 {
            return delta;
        }
        // By doubling and halving: the probability rises with the error.
        let (mut low, mut high) = (0.0, delta);
        while self.within(high) < 0.95 * shown && high < 1e6 * delta {
            high *= 2.0;
        }
        for _ in 0..24 {
            let middle = f64::midpoint(low, high);
            if self.within(middle) < 0.95 * shown { low = middle } else { high = middle }
        }
        f64::midpoint(low, high)
    }

    /// How probable it is that the percentage is shown and wrong by `error` at most.
    fn within(&self, error: f64) -> f64 {
        let Self { part, whole, covariance, size, share } = *self;
        let deviation = whole.sqrt();
        let slope = covariance / whole;
        let rest = (part - covariance * slope).max(1e-12).sqrt();
        let from = ((least_shown(whole) - 0.5 - size) / deviation).max(-7.0);
        let width = (7.0 - from).max(0.0) / f64::from(STEPS);
        let density = |z: f64| (-0.5 * z * z).exp() / (2.0 * std::f64::consts::PI).sqrt();
        let step = |number: u32| {
            let z = from + width * (f64::from(number) + 0.5);
            let (noise, seen) = (z * deviation, size + z * deviation);
            let middle = (slope - share) * noise;
            let held = if error.is_finite() {
                normal_distribution((error * seen - middle) / rest)
                    - normal_distribution((-error * seen - middle) / rest)
            } else {
                1.0
            };
            width * density(z) * held
        };
        (0..STEPS).map(step).sum()
    }
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
    let size = under_fives * f64::from(assumed.per_thousand) / 1000.0;
    Some(margin(measure, table.variance, 1.0, (size, f64::from(assumed.percent))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disclosure::noise::NoiseTable;
    use chacha20::ChaCha20Rng;
    use rand::SeedableRng;

    fn share() -> Measure {
        let cells = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let (numerator, denominator) = (cells(&["a"]), cells(&["a", "b"]));
        Measure::Share { table: "registered".parse().unwrap(), numerator, denominator }
    }

    /// What is drawn and shown is wrong by more than the margin in one of 20, however small what
    /// it is out of.
    #[test]
    fn the_margin_of_a_share_is_the_quantile_of_what_is_drawn_and_shown() {
        let mut rng = ChaCha20Rng::seed_from_u64(3);
        for (a, b) in [(18.0, 12.0), (30.0, 30.0), (75.0, 5.0), (400.0, 200.0)] {
            let (size, share_of) = (a + b, a / (a + b));
            let told = margin(&share(), 100, 1.0, (size, 100.0 * share_of));
            let noise = NoiseTable::new(100);
            let (mut shown, mut inside) = (0_u32, 0_u32);
            while shown < 40_000 {
                let [x, y] = [a, b].map(|count: f64| count + noise.draw(&mut rng) as f64);
                if x + y >= least_shown(200.0) {
                    shown += 1;
                    inside += u32::from(100.0 * (x / (x + y) - share_of).abs() <= told);
                }
            }
            let off = (f64::from(inside) / f64::from(shown) - 0.95).abs();
            // Four deviations, and half a person of a lattice of two.
            assert!(off < 0.0044 + 0.004, "{a} of {size}: {inside} of {shown} within {told}");
        }
    }

    #[test]
    fn of_many_the_margin_is_the_delta_methods_and_it_meets_the_integral() {
        let ratio =
            |size: f64| Ratio { part: 100.0, whole: 200.0, covariance: 100.0, size, share: 0.7 };
        let at = CERTAIN * 200.0_f64.sqrt();
        let (delta, integral) = (ratio(at).quantile(), ratio(0.999 * at).quantile());
        assert!((integral / delta - 1.001).abs() < 2e-3, "{delta} {integral}");
        assert!(ratio(60.0).quantile() > 1.05 * delta * at / 60.0);
    }
}
