//! The attacks on ours: real persons through the real count, noise and release, and an attacker
//! who holds the release itself, which is more than any answer shows.
//!
//! Of most attacks each area of a geography is a trial of its own: in it the child is in the one state or the
//! other, by a coin. What the attacker knows of everyone else comes from the same code, with a
//! generator that draws no noise: nobody but a bench can hand one in. It reads what is claimed
//! of the noise from one catalogue, while another may have made it, so that a build with half of
//! the variance can be planted.

mod views;
mod whole;
mod world;

use super::{bound::Contrast, cells::Dice, numbers::Tally};
use crate::{
    bench::{BenchError, noise::Noiseless},
    disclosure::{Catalogue, DisclosureError, Measure, Release, cost},
};
use world::World;

pub(super) use whole::charged;
pub(super) use world::Redrawn;

/// Where the child is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// In no record.
    Absent,
    /// Known to Health.
    Unregistered,
    /// Registered at a centre, too.
    Registered,
}

/// How many others live in the area.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Crowd {
    /// Up to twenty, perhaps nobody.
    Few,
    /// Enough that figures are shown.
    Many,
    /// As many as bring a count to where it is shown or withheld.
    Edge,
}

/// What the attacker looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    /// All noisy cells.
    Release,
    /// The cards of the clusters around, too.
    Nested,
    /// A percentage of the area's card alone.
    Ratio,
    /// The cells, and the same figures asked for again and again.
    Repeats,
}

/// A child's quarters: its state in each, without and with the change that is looked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Life {
    pub(super) quarters: &'static [[State; 2]],
    pub(super) crowd: Crowd,
    /// Whether and how boundaries change after the first quarter.
    pub(super) redrawn: Option<Redrawn>,
    pub(super) view: View,
}

/// What is done to ours.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ours {
    /// Releases of quarters are compared.
    Life(Life),
    /// Whole releases of the dearest change that the catalogue allows.
    Whole {
        /// Of all quarters of the dearest life, not of the dearest one.
        childhood: bool,
    },
    /// What the question would need is refused.
    Refused,
}

/// What came of some trials.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    pub(super) tally: Tally,
    /// How far apart the two data sets were, as counted: what nobody can beat, if the noise is what
    /// the catalogue says.
    pub(super) counted: Contrast,
    /// How far apart the ledger says that they may be: from the catalogue's declarations alone.
    /// Whatever the count does, it must not be more.
    pub(super) charged: Contrast,
}

/// A build of ours.
#[derive(Debug, Clone)]
pub(super) struct Build {
    pub(super) name: &'static str,
    /// What it says of its noise.
    pub(super) claimed: Catalogue,
    /// What its noise is; the same but where a fault is planted.
    pub(super) built: Catalogue,
    /// Whether a quarter is counted again for new boundaries: a fault, planted by tests alone.
    counts_again: bool,
}

impl Build {
    /// A catalogue as it is.
    pub(super) fn of(catalogue: &Catalogue) -> Self {
        let (claimed, built) = (catalogue.clone(), catalogue.clone());
        Self { name: "tallygate", claimed, built, counts_again: false }
    }

    /// One table alone, at the variance of the design's own experiments.
    pub(super) fn at_nine(catalogue: &Catalogue) -> Self {
        Self::alone_at_nine(catalogue, world::TABLE)
    }

    /// The same of another table.
    pub(super) fn alone_at_nine(catalogue: &Catalogue, table: &str) -> Self {
        let mut catalogue = catalogue.clone();
        catalogue.tables.retain(|own| own.id.as_str() == table);
        let left = catalogue.clone();
        let stands = |measure: &Measure| left.table(measure.table()).is_some();
        catalogue.indicators.retain(|indicator| {
            stands(&indicator.measure) && indicator.parts().all(|part| stands(&part.measure))
        });
        catalogue.tables.iter_mut().for_each(|table| table.variance = 9);
        Self {
            name: "tallygate_9",
            claimed: catalogue.clone(),
            built: catalogue,
            counts_again: false,
        }
    }

    /// The same with half of the noise, which it does not admit.
    #[cfg(test)]
    pub(super) fn with_half_the_noise(mut self) -> Self {
        self.built.tables.iter_mut().for_each(|table| table.variance /= 2);
        self
    }

    /// The same with a fault: after a change of boundaries the quarter before is counted anew.
    #[cfg(test)]
    pub(super) fn counting_again(mut self) -> Self {
        self.counts_again = true;
        self
    }

    /// So many trials of an attack, and between what data sets.
    pub(super) fn attacked(
        &self,
        ours: Ours,
        trials: u64,
        dice: &mut Dice,
    ) -> Result<Found, BenchError> {
        match ours {
            Ours::Life(life) => Ok(self.live(&life, trials, dice)?),
            Ours::Whole { childhood } => whole::attacked(self, childhood, trials, dice),
            Ours::Refused => Ok(self.refused(trials, dice)?),
        }
    }

    fn live(&self, life: &Life, trials: u64, dice: &mut Dice) -> Result<Found, DisclosureError> {
        let mut found = Found { charged: self.charged(life)?, ..Found::default() };
        let world = World::new()?;
        while found.tally.trials() < trials {
            let lived = Lived::new(self, &world, life, dice)?;
            found.counted = lived.contrast.clone();
            for (trial, truth) in lived.truths.iter().enumerate() {
                let tried = life.redrawn.is_none_or(|redrawn| redrawn.is_tried(trial));
                if tried && found.tally.trials() < trials {
                    let guess = lived.guess(self, &world, life, trial, dice)?;
                    found.tally.record(*truth, guess);
                }
            }
        }
        Ok(found)
    }

    /// What the ledger charges a child of such a life in the quarters in which it differs: as many
    /// cells as it may be in where it is there or not; as many again where it moves.
    fn charged(&self, life: &Life) -> Result<Contrast, DisclosureError> {
        let mut quarters = Vec::new();
        let mut cells = 1;
        for (number, [without, with]) in life.quarters.iter().enumerate() {
            if without != with {
                quarters.push(world::quarter(number)?);
                let moves = ![without, with].contains(&&State::Absent);
                cells = if moves { 2 } else { cells };
            }
        }
        Ok(charged(&cost::charged_in(&self.claimed, world::BORN, &quarters), cells))
    }

    /// The attribute stands in no table: nothing that can be asked depends on it.
    fn refused(&self, trials: u64, dice: &mut Dice) -> Result<Found, DisclosureError> {
        let world = World::new()?;
        let release =
            world.release(&self.built, 0, None, &|_| (5, State::Registered), dice.rng())?;
        let answered = views::answers_to_what_is_not_published(self, &release);
        let mut tally = Tally::default();
        for _ in 0..trials {
            let truth = dice.coin();
            let guess = if answered { truth } else { dice.coin() };
            tally.record(truth, guess);
        }
        Ok(Found { tally, ..Found::default() })
    }
}

/// The change, if the ratio of likelihoods speaks for it; a coin's toss where it says nothing.
fn decide(ratio: f64, dice: &mut Dice) -> bool {
    if ratio == 0.0 { dice.coin() } else { ratio > 0.0 }
}

/// Releases of a batch of trials, beside what they would be without noise.
struct Lived {
    truths: Vec<bool>,
    /// By quarter: without the change, with it, as released.
    quarters: Vec<[Release; 3]>,
    /// The first quarter counted anew, by a build that does that.
    again: Option<[Release; 3]>,
    redrawn: Option<Redrawn>,
    contrast: Contrast,
}

impl Lived {
    fn new(
        build: &Build,
        world: &World,
        life: &Life,
        dice: &mut Dice,
    ) -> Result<Self, DisclosureError> {
        let tried = |area| life.redrawn.is_none_or(|redrawn| redrawn.is_tried(area));
        let truths: Vec<bool> = (0..world.areas()).map(|area| dice.coin() && tried(area)).collect();
        let others: Vec<u32> =
            (0..world.areas()).map(|_| world.others(life.crowd, &build.claimed, dice)).collect();
        let mut counted = |number: usize, redrawn: Option<Redrawn>| {
            let states = life.quarters[number];
            let side = |with: bool| states[usize::from(with)];
            let without = |area: usize| (others[area], side(false));
            let with = |area: usize| (others[area], side(tried(area)));
            let there = |area: usize| (others[area], side(truths[area]));
            let exact = &mut Noiseless;
            Ok::<_, DisclosureError>([
                world.release(&build.built, number, redrawn, &without, exact)?,
                world.release(&build.built, number, redrawn, &with, exact)?,
                world.release(&build.built, number, redrawn, &there, dice.rng())?,
            ])
        };
        let mut quarters = Vec::new();
        for number in 0..life.quarters.len() {
            quarters.push(counted(number, life.redrawn.filter(|_| number > 0))?);
        }
        let again = life.redrawn.filter(|_| build.counts_again);
        let again = again.map(|redrawn| counted(0, Some(redrawn))).transpose()?;
        let (redrawn, contrast) = (life.redrawn, Contrast::default());
        let mut lived = Self { truths, quarters, again, redrawn, contrast };
        lived.contrast = lived.contrast_of(build, 0);
        Ok(lived)
    }

    /// Every cell of an area over the quarters: variance claimed, without, with, as released.
    fn cells<'a>(
        &'a self,
        build: &'a Build,
        trial: usize,
    ) -> impl Iterator<Item = (usize, u32, [i64; 3])> + 'a {
        self.quarters.iter().enumerate().flat_map(move |(quarter, releases)| {
            let redrawn = self.redrawn.filter(|_| quarter > 0);
            let row = redrawn.map_or(trial, |redrawn| redrawn.row(trial));
            cells_of_row(build, releases, row)
                .map(move |(variance, cells)| (quarter, variance, cells))
        })
    }

    fn contrast_of(&self, build: &Build, trial: usize) -> Contrast {
        let mut contrast = Contrast::default();
        for (_, variance, [without, with, _]) in self.cells(build, trial) {
            let shift = u32::try_from((with - without).unsigned_abs()).unwrap_or(u32::MAX);
            contrast.add(variance, shift, 1);
        }
        contrast
    }

    fn guess(
        &self,
        build: &Build,
        world: &World,
        life: &Life,
        trial: usize,
        dice: &mut Dice,
    ) -> Result<bool, DisclosureError> {
        let truth = self.truths[trial];
        if life.view == View::Ratio {
            return Ok(decide(views::ratio(build, &self.quarters[0], trial)?, dice));
        }
        // Noise that is the same in two quarters tells which of them has changed.
        if let Some(side) = self.same_noise_twice(build, trial) {
            return Ok(side);
        }
        let mut ratio: f64 =
            self.cells(build, trial).map(|(_, variance, cells)| ratio(variance, cells)).sum();
        match life.view {
            View::Nested => {
                ratio += views::clusters_beyond_their_areas(build, &self.quarters[0], trial)?;
            }
            View::Repeats if views::answers_differ(build, &self.quarters[0][2], trial)? => {
                return Ok(truth);
            }
            _ => {}
        }
        if let Some(redrawn) = self.redrawn {
            let first = &self.quarters[0];
            let series = views::back_series(build, world, redrawn, first, trial)?;
            let Some(more) = series else { return Ok(truth) };
            ratio += more;
            if views::second_version_is_allowed(build, &first[2]) {
                return Ok(truth);
            }
            if let Some(again) = &self.again {
                let again = cells_of_row(build, again, redrawn.row(trial));
                ratio += again.map(|(variance, cells)| self::ratio(variance, cells)).sum::<f64>();
            }
        }
        Ok(decide(ratio, dice))
    }

    /// With which side's counts the noise of an area's every cell is that of the quarter before.
    fn same_noise_twice(&self, build: &Build, trial: usize) -> Option<bool> {
        let noise = |quarter: usize, side: usize| -> Vec<i64> {
            let own = self.cells(build, trial).filter(|(number, ..)| *number == quarter);
            own.map(|(.., cells)| cells[2] - cells[side]).collect()
        };
        if self.quarters.len() < 2 || self.redrawn.is_some() {
            return None;
        }
        [false, true].into_iter().find(|side| {
            let (one, other) = (noise(0, usize::from(*side)), noise(1, usize::from(*side)));
            one.len() >= 8 && one == other
        })
    }
}

/// Every cell of a row: variance claimed, without, with, as released.
fn cells_of_row<'a>(
    build: &'a Build,
    releases: &'a [Release; 3],
    row: usize,
) -> impl Iterator<Item = (u32, [i64; 3])> + 'a {
    build.claimed.tables.iter().flat_map(move |table| {
        let of = |side: usize| releases[side].table(&table.id)?.counts.get(row);
        let three = [of(0), of(1), of(2)].map(|row| row.map_or(&[][..], Vec::as_slice));
        let cells = if world::is_by_area(table) { three[0].len() } else { 0 };
        (0..cells).map(move |cell| (table.variance, three.map(|row| row[cell])))
    })
}

/// The log-likelihood ratio of the change by one cell.
fn ratio(variance: u32, [without, with, seen]: [i64; 3]) -> f64 {
    let square = |exact: i64| ((seen - exact) as f64).powi(2);
    (square(without) - square(with)) / (2.0 * f64::from(variance))
}
