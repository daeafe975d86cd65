//! Attacks on published counts, against ours and against the rules in use: can somebody who knows
//! everyone else tell where one child is?
//!
//! Why it exists: a guarantee on paper does not show a fault in the build. Each attack is run on
//! twin data sets, one without and one with the child's change, chosen by a coin; what it guesses
//! is held against the exact bound of the noise that the catalogue declares. Ours must never be
//! guessed significantly more often than the bound allows, and the same attacks must break the
//! rules in use: a suite that never wins shows nothing.
//!
//! Attack 13 (acknowledgements, consents, sizes and times as oracles) needs the API and is in
//! `tests/attacks`; times are measured by `bench withheld`.
//!
//! Invariants: a run depends on its seed alone; rates carry exact binomial intervals that hold for
//! all attacks together.

mod attribute;
mod averaging;
mod bound;
mod boundaries;
mod cells;
mod chaff;
mod childhood;
mod erasure;
mod least_squares;
pub(crate) mod life;
mod mechanisms;
mod mover;
mod nested;
mod numbers;
mod presence;
mod ratios;
mod reconstruction;
mod repeats;
mod tallygate;
#[cfg(test)]
mod tests;

use super::BenchError;
use crate::disclosure::{Catalogue, DisclosureError, noise::NoiseTable, preview::STATED_DELTA};
use bound::Contrast;
use cells::Dice;
use mechanisms::Mechanism;
use numbers::Tally;
use rand::CryptoRng;
use serde::Serialize;
use std::{
    collections::BTreeMap,
    num::NonZero,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};
use tallygate::{Build, Ours};

pub(in crate::bench) use tallygate::Noiseless;

/// How often any interval of a run may miss, all attacks together.
const MISSES: f64 = 0.01;
/// Trials that are run in one go.
const CHUNK: u64 = 4_800;

/// One attack.
struct Attack {
    /// Its number in the design; 0 for the measure that the others are held to.
    number: u8,
    name: &'static str,
    /// A trial against a rule in use: whether the attacker says that the change is there.
    in_use: fn(&dyn Mechanism, &mut Dice, bool) -> bool,
    /// What is done to ours.
    ours: Ours,
}

const ATTACKS: [Attack; 13] = [
    presence::ATTACK,
    nested::ATTACK,
    mover::ATTACK,
    attribute::ATTACK,
    boundaries::ATTACK,
    averaging::ATTACK,
    least_squares::ATTACK,
    ratios::ATTACK,
    reconstruction::ATTACK,
    chaff::ATTACK,
    erasure::ATTACK,
    repeats::ATTACK,
    childhood::ATTACK,
];

/// What one attack came to against one way of publishing.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Row {
    /// The attack's number and name.
    pub(crate) attack: String,
    /// Against what.
    pub(crate) mechanism: &'static str,
    /// How many trials.
    pub(crate) trials: u64,
    /// The share of right guesses; 0.5 is chance.
    pub(crate) accuracy: f64,
    /// The lower end of its interval.
    pub(crate) low: f64,
    /// The upper end.
    pub(crate) high: f64,
    /// Of ours: what nobody can beat, if the noise is what the catalogue says.
    pub(crate) bound: Option<f64>,
    /// The least epsilon that the guesses prove, at delta 1e-6.
    pub(crate) epsilon: f64,
    /// The least mu of Gaussian differential privacy that they prove.
    pub(crate) mu: f64,
    /// Of ours: whether the accuracy is not significantly above the bound.
    pub(crate) within: Option<bool>,
}

/// Runs every attack against every rule in use and ours.
///
/// # Errors
/// When the catalogue is not one that can be counted.
pub(crate) fn run(catalogue: &Catalogue, trials: u64, seed: u64) -> Result<Vec<Row>, BenchError> {
    run_on(&[Build::at_nine(catalogue), Build::of(catalogue)], trials, seed)
}

/// The most often that anybody guesses one person's cells, by the exact bound: in one quarter,
/// and in all the quarters in which it can be counted.
pub(crate) fn exact_bounds(catalogue: &Catalogue) -> [f64; 2] {
    [life::quarter(catalogue), life::childhood(catalogue)]
        .map(|lived| life::contrast(&lived).accuracy())
}

/// The worst attack's accuracy against two rules in use and ours, by name.
///
/// # Errors
/// As [`run`].
pub(crate) fn worst(
    catalogue: &Catalogue,
    trials: u64,
    seed: u64,
) -> Result<[(&'static str, f64); 3], BenchError> {
    let rows = run(catalogue, trials, seed)?;
    let of = |mechanism: &'static str| {
        let own = rows.iter().filter(|row| row.mechanism == mechanism);
        (mechanism, own.map(|row| row.accuracy).fold(0.0, f64::max))
    };
    Ok(["hes", "cell_keys_9_5", "tallygate"].map(of))
}

/// How far from each count lies what is published of it: by a rule in use of this name, or by
/// ours at the count's variance. Without what is withheld.
pub(crate) fn published<R: CryptoRng + ?Sized>(
    mechanism: &str,
    counts: &[(i64, u32)],
    rng: &mut R,
) -> Vec<f64> {
    let rules = mechanisms::in_use();
    let rule = rules.iter().find(|rule| rule.name() == mechanism);
    let mut noises: BTreeMap<u32, NoiseTable> = BTreeMap::new();
    let mut error = |(count, variance): &(i64, u32)| -> Option<f64> {
        let shown = match rule {
            Some(rule) => {
                let count = u32::try_from(*count).ok()?;
                rule.show(cells::Set { count, key: rng.next_u64() })?
            }
            None => {
                let noise = noises.entry(*variance).or_insert_with(|| NoiseTable::new(*variance));
                count + noise.draw(rng)
            }
        };
        Some((shown - count).abs() as f64)
    };
    counts.iter().filter_map(&mut error).collect()
}

/// Whom an attack is run against.
#[derive(Clone, Copy)]
enum Against<'a> {
    InUse(&'a dyn Mechanism),
    Ours(&'a Build),
}

/// Some trials of one attack against one way of publishing.
struct Job<'a> {
    attack: &'a Attack,
    against: Against<'a>,
    row: usize,
    trials: u64,
    seed: [u64; 4],
}

impl Job<'_> {
    fn run(&self) -> Result<(Tally, Contrast), DisclosureError> {
        let mut dice = Dice::new(self.seed);
        match self.against {
            Against::Ours(build) => build.attacked(self.attack.ours, self.trials, &mut dice),
            Against::InUse(mechanism) => {
                let mut tally = Tally::default();
                for _ in 0..self.trials {
                    let truth = dice.coin();
                    let guess = (self.attack.in_use)(mechanism, &mut dice, truth);
                    tally.record(truth, guess);
                }
                Ok((tally, Contrast::default()))
            }
        }
    }
}

fn run_on(builds: &[Build], trials: u64, seed: u64) -> Result<Vec<Row>, BenchError> {
    let in_use = mechanisms::in_use();
    let rules = in_use.iter().map(|rule| Against::InUse(&**rule));
    let all: Vec<Against<'_>> = rules.chain(builds.iter().map(Against::Ours)).collect();
    let pairs: Vec<(&Attack, Against<'_>)> =
        ATTACKS.iter().flat_map(|attack| all.iter().map(move |one| (attack, *one))).collect();
    let mut jobs = Vec::new();
    for (row, (attack, against)) in pairs.iter().enumerate() {
        for chunk in 0..trials.div_ceil(CHUNK) {
            let trials = CHUNK.min(trials - chunk * CHUNK);
            let seed = [seed, u64::from(attack.number), row as u64, chunk];
            jobs.push(Job { attack, against: *against, row, trials, seed });
        }
    }
    let found = run_jobs(&jobs, pairs.len())?;
    Ok(pairs
        .iter()
        .zip(found)
        .map(|((attack, against), found)| row(attack, *against, &found))
        .collect())
}

/// Runs all jobs on all processors; the sums do not depend on who ran what.
fn run_jobs(jobs: &[Job<'_>], rows: usize) -> Result<Vec<(Tally, Contrast)>, DisclosureError> {
    let found = Mutex::new(vec![(Tally::default(), Contrast::default()); rows]);
    let next = AtomicUsize::new(0);
    let work = || -> Result<(), DisclosureError> {
        while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let (tally, contrast) = job.run()?;
            let mut found = found.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            found[job.row].0.add(tally);
            found[job.row].1 = contrast;
        }
        Ok(())
    };
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..processors).map(|_| scope.spawn(work)).collect();
        let ended = workers.into_iter().map(|worker| match worker.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        ended.collect::<Result<Vec<()>, DisclosureError>>()
    })?;
    Ok(found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
}

fn row(attack: &Attack, against: Against<'_>, (tally, contrast): &(Tally, Contrast)) -> Row {
    let alpha = MISSES / ATTACKS.len() as f64;
    let (low, high) = tally.interval(alpha);
    let (mechanism, bound) = match against {
        Against::InUse(rule) => (rule.name(), None),
        Against::Ours(build) => (build.name, Some(contrast.accuracy())),
    };
    let places = |value: f64| (value * 1e4).round() / 1e4;
    Row {
        attack: format!("{} {}", attack.number, attack.name),
        mechanism,
        trials: tally.trials(),
        accuracy: places(tally.accuracy()),
        low: places(low),
        high: places(high),
        bound: bound.map(|bound| (bound * 1e5).round() / 1e5),
        epsilon: places(tally.epsilon_at_least(STATED_DELTA, alpha)),
        mu: places(tally.mu_at_least(alpha)),
        within: bound.map(|bound| low <= bound),
    }
}
