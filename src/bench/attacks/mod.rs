//! Attacks on published counts, against ours and against the rules in use: can somebody who knows
//! everyone else tell where one child is?
//!
//! Why it exists: a guarantee on paper does not show a fault in the build. Each attack is run on
//! twin data sets, one without and one with the child's change, chosen by a coin; what it guesses
//! is held against two bounds of the exact discrete noise: what nobody can beat on these twins, by how
//! far apart they were counted, and what the ledger charges such a life, from the catalogue's declarations
//! alone. Ours must never be guessed significantly more often than either allows, nor be counted further
//! apart than is charged; and the same attacks must break the rules in use: a suite that never
//! wins shows nothing. That the ledger charges what the catalogue's text says is worked out again in
//! `tests/attacks`, from that text and a calendar.
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
mod mechanisms;
mod mover;
mod nested;
pub(in crate::bench) mod numbers;
mod presence;
mod ratios;
mod reconstruction;
mod repeats;
mod tallygate;
#[cfg(test)]
mod tests;

use super::BenchError;
use crate::disclosure::{
    Catalogue,
    cost::{ChargedLife, DELTAS, dearest_life, dearest_quarter},
    display::{self, NoisySum},
    noise::{NoiseTable, Noises},
};
use cells::Dice;
use mechanisms::Mechanism;
use numbers::Tally;
use rand::CryptoRng;
use serde::Serialize;
use std::{
    num::NonZero,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};
use tallygate::{Build, Found, Ours};

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

const ATTACKS: [Attack; 15] = [
    presence::ATTACK,
    nested::ATTACK,
    mover::ATTACK,
    attribute::ATTACK,
    boundaries::SHAVED,
    boundaries::MERGED,
    boundaries::SPLIT,
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
    /// Of ours: what nobody can beat on these twins, as they were counted, if the noise is what the
    /// catalogue says.
    pub(crate) bound: Option<f64>,
    /// Of ours: what the ledger charges such a life, by the same exact distribution.
    pub(crate) ledger: Option<f64>,
    /// The least epsilon that the guesses prove, at delta 1e-6.
    pub(crate) epsilon: f64,
    /// The least mu of Gaussian differential privacy that they prove.
    pub(crate) mu: f64,
    /// Of ours: whether the accuracy is not significantly above the bound, nor that above the
    /// ledger's.
    pub(crate) within: Option<bool>,
}

/// Runs every attack against every rule in use and ours.
///
/// # Errors
/// When the catalogue is not one that can be counted.
pub(crate) fn run(
    catalogue: &Catalogue,
    trials: u64,
    seed: u64,
    say: &mut dyn FnMut(&str),
) -> Result<Vec<Row>, BenchError> {
    run_on(&[Build::at_nine(catalogue), Build::of(catalogue)], trials, seed, say)
}

/// The most often that anybody guesses one person's cells, by the exact bound: in one quarter,
/// and in all the quarters in which it can be counted.
pub(crate) fn exact_bounds(catalogue: &Catalogue) -> [f64; 2] {
    [dearest_quarter(catalogue), dearest_life(catalogue)].map(|life| exact_bound(&life))
}

/// The same of any life: a change leaves as many cells as it enters.
pub(crate) fn exact_bound(life: &ChargedLife<'_>) -> f64 {
    tallygate::charged(life, 2).accuracy()
}

/// The worst attack on two rules in use and on ours: the row of each.
///
/// # Errors
/// As [`run`].
pub(crate) fn worst(
    catalogue: &Catalogue,
    trials: u64,
    seed: u64,
    say: &mut dyn FnMut(&str),
) -> Result<Vec<Row>, BenchError> {
    let rows = run(catalogue, trials, seed, say)?;
    let of = |mechanism: &str| {
        let own = rows.iter().filter(|row| row.mechanism == mechanism);
        own.max_by(|one, other| one.accuracy.total_cmp(&other.accuracy)).cloned()
    };
    Ok(["hes", "cell_keys_9_5", "tallygate"].into_iter().filter_map(of).collect())
}

/// How far from each count lies what is published of it: by a rule in use of this name, or by
/// ours at the count's variance; `None` where that withholds it.
pub(crate) fn published<R: CryptoRng + ?Sized>(
    mechanism: &str,
    counts: &[(i64, u32)],
    rng: &mut R,
) -> Vec<Option<f64>> {
    let rules = mechanisms::in_use();
    let rule = rules.iter().find(|rule| rule.name() == mechanism);
    let mut noises = Noises::default();
    let mut error = |(count, variance): &(i64, u32)| -> Option<f64> {
        let shown = match rule {
            Some(rule) => {
                let count = u32::try_from(*count).ok()?;
                rule.show(cells::Set { count, key: rng.next_u64() })?
            }
            None => ours_shown(*count, f64::from(*variance), noises.of(*variance), rng)?,
        };
        Some((shown - count).abs() as f64)
    };
    counts.iter().map(&mut error).collect()
}

/// What ours shows of a count of one base cell: rounded, unless it is withheld.
fn ours_shown<R: CryptoRng + ?Sized>(
    count: i64,
    variance: f64,
    noise: &NoiseTable,
    rng: &mut R,
) -> Option<i64> {
    let value = noise.noised(count, rng) as f64;
    let shown = display::count(NoisySum { value, variance }).value;
    (value >= display::least_shown(variance)).then(|| crate::bench::whole(shown))
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
    fn run(&self) -> Result<Found, BenchError> {
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
                Ok(Found { tally, ..Found::default() })
            }
        }
    }
}

fn run_on(
    builds: &[Build],
    trials: u64,
    seed: u64,
    say: &mut dyn FnMut(&str),
) -> Result<Vec<Row>, BenchError> {
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
    let (attacks, ways) = (ATTACKS.len(), all.len());
    say(&format!("attacks: {attacks} on {ways} ways of publishing, {trials} trials of each"));
    let found = run_jobs(&jobs, pairs.len(), &mut |done| {
        // When the last of an attack's jobs is done: they are begun in this order.
        let (job, next) = (&jobs[done - 1], jobs.get(done));
        if next.is_none_or(|next| next.row / ways > job.row / ways) {
            let (attack, all) = (job.attack, jobs.len());
            say(&format!("attacks: {} {}; {done} of {all} parts", attack.number, attack.name));
        }
    })?;
    Ok(pairs
        .iter()
        .zip(found)
        .map(|((attack, against), found)| row(attack, *against, &found))
        .collect())
}

/// Runs all jobs on all processors, and says how many are done; the sums do not depend on who ran what.
fn run_jobs(
    jobs: &[Job<'_>],
    rows: usize,
    done: &mut dyn FnMut(usize),
) -> Result<Vec<Found>, BenchError> {
    let mut all = vec![Found::default(); rows];
    let next = AtomicUsize::new(0);
    let (tell, told) = mpsc::channel();
    let work = |tell: mpsc::Sender<(usize, Result<Found, BenchError>)>| {
        while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            // Nobody listens any more where another job has failed.
            if tell.send((job.row, job.run())).is_err() {
                return;
            }
        }
    };
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        for _ in 0..processors {
            let tell = tell.clone();
            scope.spawn(|| work(tell));
        }
        drop(tell);
        for (number, (row, found)) in (1..).zip(told) {
            let Found { tally, counted, charged } = found?;
            all[row].tally.add(tally);
            (all[row].counted, all[row].charged) = (counted, charged);
            done(number);
        }
        Ok(all)
    })
}

/// What a bound may lie below another by arithmetic alone.
const ARITHMETIC: f64 = 2e-5;

fn row(attack: &Attack, against: Against<'_>, found: &Found) -> Row {
    let Found { tally, counted, charged } = found;
    let alpha = MISSES / ATTACKS.len() as f64;
    let (low, high) = tally.interval(alpha);
    let (mechanism, bounds) = match against {
        Against::InUse(rule) => (rule.name(), None),
        Against::Ours(build) => (build.name, Some((counted.accuracy(), charged.accuracy()))),
    };
    let places = |value: f64| (value * 1e4).round() / 1e4;
    let finely = |value: f64| (value * 1e5).round() / 1e5;
    Row {
        attack: format!("{} {}", attack.number, attack.name),
        mechanism,
        trials: tally.trials(),
        accuracy: places(tally.accuracy()),
        low: places(low),
        high: places(high),
        bound: bounds.map(|(bound, _)| finely(bound)),
        ledger: bounds.map(|(_, ledger)| finely(ledger)),
        epsilon: places(tally.epsilon_at_least(DELTAS[0], alpha)),
        mu: places(tally.mu_at_least(alpha)),
        within: bounds.map(|(bound, ledger)| low <= bound && bound <= ledger + ARITHMETIC),
    }
}
