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
//!
//! Every verdict is an exact binomial one: a row fails where its share is refuted, at less than one
//! in 100,000 of a true one. Nothing is added to that but what whole persons leave open.

mod counted;
mod errors;
mod printed;

use super::{
    BenchError,
    attacks::{
        self,
        numbers::{at_least, at_most},
    },
    noise::drawn,
};
use crate::{
    disclosure::{Catalogue, Level, cost::cost, noise::Noises, wanted},
    domain::TableId,
    synth,
};
use counted::Town;
use rand::{SeedableRng, rngs::StdRng};
use serde::Serialize;
use std::collections::BTreeMap;

/// Seeds of the authority's totals.
const TOTALS: u64 = 1_000;
/// Trials of each attack on the ways of publishing that stand beside ours.
const TRIALS: u64 = 1_000;
/// How often a true share is refuted at either end.
const MISSES: f64 = 1e-5;
/// What intervals must cover.
const COVERAGE: (f64, f64) = (0.945, 0.955);
/// From so many intervals on the share itself must be in that, whatever sampling leaves open.
const MANY: u64 = 20_000;
/// The share of totals that lie within three deviations.
const WITHIN_THREE: f64 = 0.997;

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
    /// `printed`, `error`, `coverage`, `totals` or `beside`.
    pub(crate) what: &'static str,
    /// An indicator, with its part after a dot; a kind of figure; a way of publishing.
    pub(crate) name: String,
    /// For which areas.
    pub(crate) level: &'static str,
    /// How many values.
    pub(crate) values: u64,
    /// The 95% quantile of the error that the catalogue prints.
    pub(crate) printed: Option<f64>,
    /// The same function at the sizes counted, on average.
    pub(crate) expected: Option<f64>,
    /// The 95% quantile that was measured.
    pub(crate) measured: Option<f64>,
    /// The share of errors within what was printed or expected for each, of intervals that covered, of
    /// totals within three deviations; the worst attack's accuracy.
    pub(crate) share: f64,
    /// What that share can truly be at least, by the exact interval.
    pub(crate) low: f64,
    /// At most.
    pub(crate) high: f64,
    /// Whether what is promised is in it.
    pub(crate) met: bool,
}

/// Measures.
///
/// # Errors
/// When the plan is out of bounds.
pub(crate) fn measure(plan: &Plan, say: &mut dyn FnMut(&str)) -> Result<Vec<Row>, BenchError> {
    say("utility: what the catalogue prints, against draws at the sizes that it assumes");
    let mut rows = printed::measure(&catalogue()?, plan)?;
    say("utility: a population, and its exact counts in eight quarters");
    let town = Town::count(&synth::Plan {
        place: synth::Place::Coventry,
        seed: plan.seed,
        scale: plan.scale,
        quarters: crate::demo::QUARTERS,
        canaries: 0,
    })?;
    say(&format!("utility: figures of {} draws beside the counts", plan.draws));
    rows.extend(errors::measure(&town, plan, say)?);
    say(&format!("utility: the authority's totals under {TOTALS} seeds"));
    rows.extend(totals(&town, plan.seed));
    say("utility: other ways of publishing the same counts, and their worst attacks");
    rows.extend(beside(&town, plan, say)?);
    let summaries = ["printed", "error"].map(|what| summary(what, &rows));
    rows.extend(summaries.into_iter().flatten());
    Ok(rows)
}

/// Errors beside what was expected of each.
#[derive(Default)]
struct Inside {
    /// Within it by half a person less, and by half a person more: whole persons leave that open.
    inside: [u64; 2],
    errors: Vec<f64>,
}

impl Inside {
    fn look(&mut self, error: f64, expected: f64, half: f64) {
        self.inside[0] += u64::from(error <= expected - half);
        self.inside[1] += u64::from(error <= expected + half);
        self.errors.push(error);
    }

    fn values(&self) -> u64 {
        self.errors.len() as u64
    }

    /// The row; it is met where 95% can be the share, or less where the expected error is an
    /// upper bound.
    fn row(
        &mut self,
        (what, name, level): (&'static str, &str, &'static str),
        at_most: bool,
    ) -> Row {
        let values = self.values();
        let [less, more] = self.inside;
        let mut row = share_row((what, name, level), (more, values), (0.95, 1.0));
        row.low = fraction(at_least(less, values, MISSES));
        row.met = row.high >= 0.95 && (at_most || row.low <= 0.95);
        row.share = fraction(f64::midpoint(less as f64, more as f64) / values.max(1) as f64);
        row.measured = Some(quantile(&mut self.errors));
        row
    }
}

/// A row that holds where the true share can be one of these, by the exact interval.
fn share_row(
    (what, name, level): (&'static str, &str, &'static str),
    (inside, values): (u64, u64),
    (low, high): (f64, f64),
) -> Row {
    let share = inside as f64 / values.max(1) as f64;
    let (least, most) = (at_least(inside, values, MISSES), at_most(inside, values, MISSES));
    Row {
        what,
        name: name.to_owned(),
        level,
        values,
        printed: None,
        expected: None,
        measured: None,
        share: fraction(share),
        low: fraction(least),
        high: fraction(most),
        met: values > 0 && least <= high && most >= low,
    }
}

fn coverage_row(name: &str, (covered, intervals): (u64, u64), at_least: bool) -> Row {
    let (low, high) = if at_least { (COVERAGE.0, 1.0) } else { COVERAGE };
    let mut row = share_row(("coverage", name, "all"), (covered, intervals), (low, high));
    if intervals >= MANY {
        let share = covered as f64 / intervals as f64;
        row.met = (low..=high).contains(&share);
    }
    row
}

fn named(indicator: &str, part: Option<&str>) -> String {
    part.map_or_else(|| indicator.to_owned(), |part| format!("{indicator}.{part}"))
}

const fn level_name(level: Level) -> &'static str {
    wanted::level_name(level)
}

fn fraction(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

fn places(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

/// Whether each table's total over the authority lies within three deviations of the variance that the
/// ledger charges it for, cap / rho.
fn totals(town: &Town, seed: u64) -> Vec<Row> {
    let charged: BTreeMap<TableId, f64> = cost(&town.catalogue)
        .tables
        .into_iter()
        .filter(|table| table.variance > 0)
        .map(|table| (table.table, f64::from(table.cap) / table.quarter.rho.value()))
        .collect();
    let mut rng = StdRng::seed_from_u64(seed ^ 0x70_7461_6c73);
    let mut noises = Noises::default();
    let mut found: BTreeMap<&TableId, (u64, u64)> = BTreeMap::new();
    for exact in town.quarters.iter().cycle().zip(0..TOTALS).map(|(exact, _)| exact) {
        let release = drawn(exact, &mut noises, &mut rng);
        for (noisy, exact) in release.tables.iter().zip(&exact.tables) {
            let Some(variance) = charged.get(&exact.id) else { continue };
            let sum = |counts: &[Vec<i64>]| counts.iter().flatten().sum::<i64>();
            let cells = exact.counts.iter().map(Vec::len).sum::<usize>();
            let deviation = (cells as f64 * variance).sqrt();
            let error = (sum(&noisy.counts) - sum(&exact.counts)) as f64;
            let (inside, values) = found.entry(&exact.id).or_default();
            *inside += u64::from(error.abs() <= 3.0 * deviation);
            *values += 1;
        }
    }
    let row =
        |name: &str, found| share_row(("totals", name, "authority"), found, (WITHIN_THREE, 1.0));
    let (inside, values) =
        found.values().fold((0, 0), |(all, of), (inside, values)| (all + inside, of + values));
    let mut rows: Vec<Row> =
        found.iter().map(|(table, found)| row(table.as_str(), *found)).collect();
    let mut all = row("within three deviations", (inside, values));
    // Of so many the share itself.
    all.met &= values < MANY || all.share >= WITHIN_THREE;
    rows.push(all);
    rows
}

/// Errors of what is shown of base cells, and the worst attack, of ours and of two rules in use: neither
/// may have both smaller. Of ours the attack is what the ledger allows at most.
fn beside(town: &Town, plan: &Plan, say: &mut dyn FnMut(&str)) -> Result<Vec<Row>, BenchError> {
    let worst = attacks::worst(&town.catalogue, TRIALS, plan.seed, say)?;
    let mut rng = StdRng::seed_from_u64(plan.seed ^ 0x6265_7369_6465);
    let counts: Vec<(i64, u32)> = town
        .quarters
        .iter()
        .flat_map(|quarter| &quarter.tables)
        .filter(|table| table.variance > 0)
        .flat_map(|table| table.counts.iter().flatten().map(|count| (*count, table.variance)))
        .collect();
    let [_, allowed] = attacks::exact_bounds(&town.catalogue);
    let mut rows: Vec<Row> = Vec::new();
    let mut published = |mechanism| attacks::published(mechanism, &counts, &mut rng);
    let all: Vec<_> = worst.iter().map(|attack| published(attack.mechanism)).collect();
    // The same counts in the same cells: those that each of them shows.
    let by_all = |at: &usize| all.iter().all(|errors| errors[*at].is_some());
    let by_all: Vec<usize> = (0..counts.len()).filter(by_all).collect();
    for (attack, own) in worst.into_iter().zip(&all) {
        let mut errors: Vec<f64> = by_all.iter().filter_map(|at| own[*at]).collect();
        let mut row = share_row(("beside", attack.mechanism, "reach_area"), (0, 1), (0.0, 1.0));
        row.values = errors.len() as u64;
        row.measured = Some(quantile(&mut errors));
        (row.share, row.low, row.high) = (attack.accuracy, attack.low, attack.high);
        rows.push(row);
    }
    let ours = rows.iter().find(|row| row.name == "tallygate").cloned();
    for row in &mut rows {
        row.met = ours.as_ref().is_some_and(|ours| {
            row.name == ours.name || row.measured >= ours.measured || row.low > allowed
        });
    }
    Ok(rows)
}

/// For each level how many rows of a kind there are, and the one whose share is the furthest from 95%.
fn summary(what: &'static str, rows: &[Row]) -> Vec<Row> {
    let levels = ["reach_area", "cluster", "lead_agency", "authority"];
    let of = |level: &str| {
        let own: Vec<&Row> =
            rows.iter().filter(|row| row.what == what && row.level == level).collect();
        let off = |row: &Row| (row.share - 0.95).abs();
        let worst = own.iter().max_by(|one, other| off(one).total_cmp(&off(other)))?;
        let missed = own.iter().filter(|row| !row.met).count();
        let name = format!("{} figures, {missed} not met; the furthest: {}", own.len(), worst.name);
        let met = missed == 0;
        Some(Row {
            what: if what == "error" { "errors" } else { "prints" },
            name,
            met,
            ..(*worst).clone()
        })
    };
    levels.into_iter().filter_map(of).collect()
}

/// The 95% quantile of some errors.
fn quantile(errors: &mut [f64]) -> f64 {
    errors.sort_by(f64::total_cmp);
    let rank = (errors.len() * 95).div_ceil(100).max(1);
    errors.get(rank - 1).map_or(0.0, |error| places(*error))
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
        let added = drawn(&exact, &mut Noises::default(), &mut StdRng::seed_from_u64(5));
        assert_eq!(added, frozen);
        assert_ne!(exact.tables, frozen.tables);
        let least = exact.tables.iter().flat_map(|table| table.counts.iter().flatten()).min();
        assert_eq!(least, Some(&0), "an exact count is never below zero");
        let total: i64 = exact.tables.iter().flat_map(|t| t.counts.iter().flatten()).sum();
        assert!(total > 300, "{total}");
    }

    #[test]
    fn a_share_that_is_not_what_is_promised_is_refuted() {
        let of = |inside| coverage_row("x", (inside, 30_000), false).met;
        assert!(of(28_500) && of(28_351) && !of(28_349) && !of(28_651));
        let few = |inside| coverage_row("x", (inside, 1_000), false).met;
        assert!(few(950) && few(970) && !few(900) && !few(990));
        let mut inside = Inside::default();
        (0..2_000).for_each(|n| inside.look(f64::from(n), 1_899.5, 0.5));
        assert!(inside.row(("error", "x", "all"), false).met);
        let mut wide = Inside::default();
        (0..2_000).for_each(|n| wide.look(f64::from(n), 1_960.5, 0.5));
        assert!(
            !wide.row(("error", "x", "all"), false).met
                && wide.row(("error", "x", "all"), true).met
        );
    }
}
