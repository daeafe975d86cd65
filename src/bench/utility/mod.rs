//! How useful the figures are: what they say beside what was counted, on a whole place.
//!
//! Why it exists: the catalogue prints expected errors before anything is counted, and a reader
//! of figures relies on their intervals. Both are promises about noise, and are kept or not
//! whatever the records are: here they are measured on the synthetic place's own counts, with
//! each record put to its true person. What linkage misses is measured elsewhere (`bench linkage`,
//! `tests/truth.rs`).
//!
//! The exact counts come out of the real count by a generator that draws no noise, which nobody
//! but a bench can hand in; further draws are added to them, and a test sees that a real freeze
//! gives the same.

mod counted;
mod errors;

use super::{BenchError, attacks};
use crate::{
    disclosure::{Catalogue, Release, noise::NoiseTable},
    synth,
};
use counted::Town;
use rand::{CryptoRng, SeedableRng, rngs::StdRng};
use serde::Serialize;
use std::collections::BTreeMap;

/// Seeds of the authority's totals.
const TOTALS: u64 = 1_000;
/// Trials of each attack on the ways of publishing that stand beside ours.
const TRIALS: u64 = 2_000;
/// Deviations of the sample that a share may be off.
const DEVIATIONS: f64 = 4.0;

/// What to measure on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// 1.0 is Coventry.
    pub(crate) scale: f64,
    /// All chance comes from it.
    pub(crate) seed: u64,
    /// How many times noise is drawn.
    pub(crate) draws: u32,
}

/// One thing measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Row {
    /// `error`, `coverage`, `totals` or `beside`.
    pub(crate) what: &'static str,
    /// An indicator, with its part after a dot; a kind of figure; a way of publishing.
    pub(crate) name: String,
    /// For which areas.
    pub(crate) level: &'static str,
    /// How many values.
    pub(crate) values: u64,
    /// The 95% quantile of the error that the catalogue prints, at the sizes that it assumes.
    pub(crate) printed: Option<f64>,
    /// The same formula at the sizes counted, on average.
    pub(crate) expected: Option<f64>,
    /// The 95% quantile that was measured.
    pub(crate) measured: Option<f64>,
    /// The share of errors within what was expected for each, of intervals that covered, of
    /// totals within three deviations; the worst attack's accuracy.
    pub(crate) share: f64,
    /// What the share may be at least.
    pub(crate) low: f64,
    /// At most.
    pub(crate) high: f64,
    /// Whether it is.
    pub(crate) met: bool,
}

/// Measures.
///
/// # Errors
/// When the plan is out of bounds.
pub(crate) fn measure(plan: &Plan, say: &mut dyn FnMut(&str)) -> Result<Vec<Row>, BenchError> {
    say("utility: a population, and its exact counts in eight quarters");
    let town = Town::count(&synth::Plan {
        place: synth::Place::Coventry,
        seed: plan.seed,
        scale: plan.scale,
        quarters: crate::demo::QUARTERS,
        canaries: 0,
    })?;
    say("utility: figures of so many draws beside the counts");
    let mut rows = errors::measure(&town, plan)?;
    say(&format!("utility: the authority's totals under {TOTALS} seeds"));
    rows.push(totals(&town, plan.seed));
    say("utility: other ways of publishing the same counts, and their worst attacks");
    rows.extend(beside(&town, plan)?);
    Ok(rows)
}

/// An exact release with noise drawn as a freeze draws it.
fn noisy<R: CryptoRng + ?Sized>(exact: &Release, rng: &mut R) -> Release {
    let mut release = exact.clone();
    let mut noises: BTreeMap<u32, NoiseTable> = BTreeMap::new();
    for table in release.tables.iter_mut().filter(|table| table.variance > 0) {
        let noise = noises.entry(table.variance).or_insert_with(|| NoiseTable::new(table.variance));
        for count in table.counts.iter_mut().flatten() {
            *count += noise.draw(rng);
        }
    }
    release
}

/// A row that holds when its share lies so near to what it should be.
fn share_row(
    (what, name, level): (&'static str, &str, &'static str),
    (inside, values): (u64, u64),
    (low, high): (f64, f64),
) -> Row {
    let share = inside as f64 / values.max(1) as f64;
    Row {
        what,
        name: name.to_owned(),
        level,
        values,
        printed: None,
        expected: None,
        measured: None,
        share: (share * 1e4).round() / 1e4,
        low: (low * 1e4).round() / 1e4,
        high: (high * 1e4).round() / 1e4,
        met: values > 0 && share >= low && share <= high,
    }
}

/// What sampling leaves open around a share.
fn around(share: f64, values: u64) -> f64 {
    DEVIATIONS * (share * (1.0 - share) / values.max(1) as f64).sqrt()
}

/// Whether each table's total over the authority lies within three deviations of the ledger's
/// variance.
fn totals(town: &Town, seed: u64) -> Row {
    let mut rng = StdRng::seed_from_u64(seed ^ 0x70_7461_6c73);
    let (mut inside, mut values) = (0, 0);
    for exact in town.quarters.iter().cycle().zip(0..TOTALS).map(|(exact, _)| exact) {
        let release = noisy(exact, &mut rng);
        let pairs = release.tables.iter().zip(&exact.tables);
        for (noisy, exact) in pairs.filter(|(_, exact)| exact.variance > 0) {
            let sum = |counts: &[Vec<i64>]| counts.iter().flatten().sum::<i64>();
            let cells = exact.counts.iter().map(Vec::len).sum::<usize>();
            let deviation = (cells as f64 * f64::from(exact.variance)).sqrt();
            let error = (sum(&noisy.counts) - sum(&exact.counts)) as f64;
            inside += u64::from(error.abs() <= 3.0 * deviation);
            values += 1;
        }
    }
    let expected = 0.9973;
    let off = around(expected, values);
    share_row(
        ("totals", "within three deviations", "authority"),
        (inside, values),
        (expected - off, 1.0),
    )
}

/// Errors of base cells, and the worst attack, of ours and of two rules in use: neither may
/// have both smaller.
fn beside(town: &Town, plan: &Plan) -> Result<Vec<Row>, BenchError> {
    let worst = attacks::worst(&town.catalogue, TRIALS, plan.seed)?;
    let mut rng = StdRng::seed_from_u64(plan.seed ^ 0x6265_7369_6465);
    let counts: Vec<(i64, u32)> = town
        .quarters
        .iter()
        .flat_map(|quarter| &quarter.tables)
        .filter(|table| table.variance > 0)
        .flat_map(|table| table.counts.iter().flatten().map(|count| (*count, table.variance)))
        .collect();
    let mut rows: Vec<Row> = Vec::new();
    for (mechanism, accuracy) in worst {
        let mut errors = attacks::published(mechanism, &counts, &mut rng);
        let mut row = share_row(("beside", mechanism, "reach_area"), (0, 1), (0.0, 1.0));
        row.values = errors.len() as u64;
        row.measured = Some(quantile(&mut errors));
        row.share = accuracy;
        rows.push(row);
    }
    let ours = rows.iter().find(|row| row.name == "tallygate").cloned();
    for row in &mut rows {
        row.met = ours.as_ref().is_some_and(|ours| {
            row.name == ours.name || row.measured >= ours.measured || row.share >= ours.share
        });
    }
    Ok(rows)
}

/// The 95% quantile of some errors.
fn quantile(errors: &mut [f64]) -> f64 {
    errors.sort_by(f64::total_cmp);
    let rank = (errors.len() * 95).div_ceil(100).max(1);
    errors.get(rank - 1).map_or(0.0, |error| (error * 1e3).round() / 1e3)
}

/// The catalogue that is measured.
fn catalogue() -> Result<Catalogue, BenchError> {
    Ok(Catalogue::shipped()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_that_is_added_is_what_a_freeze_draws_and_no_noise_is_none() {
        let plan = synth::Plan {
            place: synth::Place::Coventry,
            seed: 7,
            scale: 0.01,
            quarters: 1,
            canaries: 0,
        };
        let (exact, frozen) = Town::count_twice(&plan, &mut StdRng::seed_from_u64(5)).unwrap();
        let added = noisy(&exact, &mut StdRng::seed_from_u64(5));
        assert_eq!(added.tables, frozen.tables);
        assert_ne!(exact.tables, frozen.tables);
        let least = exact.tables.iter().flat_map(|table| table.counts.iter().flatten()).min();
        assert_eq!(least, Some(&0), "an exact count is never below zero");
        let total: i64 = exact.tables.iter().flat_map(|t| t.counts.iter().flatten()).sum();
        assert!(total > 300, "{total}");
    }
}
