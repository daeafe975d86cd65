//! The attacks on ours: real persons through the real count, noise and release, and an attacker
//! who holds the release itself, which is more than any answer shows.
//!
//! Each area of a geography is a trial of its own: in it the child is in the one state or the
//! other, by a coin. What the attacker knows of everyone else comes from the same code, with a
//! generator that draws no noise: nobody but a bench can hand one in. It reads what is claimed
//! of the noise from one catalogue, while another may have made it, so that a build with half of
//! the variance can be planted.

mod views;
mod world;

use super::{bound::Contrast, cells::Dice, life, numbers::Tally};
use crate::disclosure::{Catalogue, DisclosureError, Measure, Release, noise::NoiseTable};
use world::World;

pub(in crate::bench) use world::Noiseless;

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
    /// Whether boundaries change after the first quarter.
    pub(super) redrawn: bool,
    pub(super) view: View,
}

/// What is done to ours.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ours {
    /// Releases of quarters are compared.
    Life(Life),
    /// The worst change that the catalogue's declarations allow.
    Catalogue {
        /// In as many quarters as they allow, not one.
        childhood: bool,
    },
    /// What the question would need is refused.
    Refused,
}

/// A build of ours.
#[derive(Debug, Clone)]
pub(super) struct Build {
    pub(super) name: &'static str,
    /// What it says of its noise.
    pub(super) claimed: Catalogue,
    /// What its noise is; the same but where a fault is planted.
    pub(super) built: Catalogue,
}

impl Build {
    /// A catalogue as it is.
    pub(super) fn of(catalogue: &Catalogue) -> Self {
        Self { name: "tallygate", claimed: catalogue.clone(), built: catalogue.clone() }
    }

    /// One table alone, at the variance of the design's own experiments.
    pub(super) fn at_nine(catalogue: &Catalogue) -> Self {
        let mut catalogue = catalogue.clone();
        catalogue.tables.retain(|table| table.id.as_str() == world::TABLE);
        let left = catalogue.clone();
        let stands = |measure: &Measure| left.table(measure.table()).is_some();
        catalogue.indicators.retain(|indicator| {
            stands(&indicator.measure) && indicator.parts().all(|part| stands(&part.measure))
        });
        catalogue.tables.iter_mut().for_each(|table| table.variance = 9);
        Self { name: "tallygate_9", claimed: catalogue.clone(), built: catalogue }
    }

    /// The same with half of the noise, which it does not admit.
    #[cfg(test)]
    pub(super) fn with_half_the_noise(mut self) -> Self {
        self.built.tables.iter_mut().for_each(|table| table.variance /= 2);
        self
    }

    /// So many trials of an attack, and between what data sets.
    pub(super) fn attacked(
        &self,
        ours: Ours,
        trials: u64,
        dice: &mut Dice,
    ) -> Result<(Tally, Contrast), DisclosureError> {
        match ours {
            Ours::Life(life) => self.live(&life, trials, dice),
            Ours::Catalogue { childhood } => Ok(self.worst_change(childhood, trials, dice)),
            Ours::Refused => self.refused(trials, dice),
        }
    }

    fn live(
        &self,
        life: &Life,
        trials: u64,
        dice: &mut Dice,
    ) -> Result<(Tally, Contrast), DisclosureError> {
        let (mut tally, mut contrast) = (Tally::default(), Contrast::default());
        let world = World::new()?;
        while tally.trials() < trials {
            let lived = Lived::new(self, &world, life, dice)?;
            contrast = lived.contrast.clone();
            for (trial, truth) in lived.truths.iter().enumerate() {
                if tally.trials() < trials {
                    tally.record(*truth, lived.guess(self, life, trial, dice)?);
                }
            }
        }
        Ok((tally, contrast))
    }

    /// In every table the child leaves as many cells as it may be in, and enters others.
    fn worst_change(&self, childhood: bool, trials: u64, dice: &mut Dice) -> (Tally, Contrast) {
        let mut tally = Tally::default();
        let claimed = &self.claimed;
        let lived = if childhood { life::childhood(claimed) } else { life::quarter(claimed) };
        let mut noises: Vec<(u32, u32, NoiseTable)> = Vec::new();
        for own in &lived {
            let claimed = own.table.variance;
            let built = self.built.table(&own.table.id).map_or(claimed, |table| table.variance);
            let known = noises
                .iter_mut()
                .find(|(variance, _, noise)| *variance == claimed && noise.variance() == built);
            match known {
                Some((_, cells, _)) => *cells += own.cells(),
                None => noises.push((claimed, own.cells(), NoiseTable::new(built))),
            }
        }
        for _ in 0..trials {
            let truth = dice.coin();
            let mut ratio = 0.0;
            for (variance, cells, noise) in &noises {
                for _ in 0..*cells {
                    let seen = noise.draw(dice.rng()) as f64 + f64::from(u8::from(truth));
                    ratio += (2.0 * seen - 1.0) / (2.0 * f64::from(*variance));
                }
            }
            tally.record(truth, decide(ratio, dice));
        }
        (tally, life::contrast(&lived))
    }

    /// The attribute stands in no table: nothing that can be asked depends on it.
    fn refused(&self, trials: u64, dice: &mut Dice) -> Result<(Tally, Contrast), DisclosureError> {
        let world = World::new()?;
        let release =
            world.release(&self.built, 0, false, &|_| (5, State::Registered), dice.rng())?;
        let answered = views::answers_to_what_is_not_published(self, &release);
        let mut tally = Tally::default();
        for _ in 0..trials {
            let truth = dice.coin();
            let guess = if answered { truth } else { dice.coin() };
            tally.record(truth, guess);
        }
        Ok((tally, Contrast::default()))
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
    redrawn: bool,
    contrast: Contrast,
}

impl Lived {
    fn new(
        build: &Build,
        world: &World,
        life: &Life,
        dice: &mut Dice,
    ) -> Result<Self, DisclosureError> {
        let truths: Vec<bool> = (0..world.areas()).map(|_| dice.coin()).collect();
        let others: Vec<u32> =
            (0..world.areas()).map(|_| world.others(life.crowd, &build.claimed, dice)).collect();
        let mut quarters = Vec::new();
        for (number, states) in life.quarters.iter().enumerate() {
            let redrawn = life.redrawn && number > 0;
            let side = |with: bool| states[usize::from(with)];
            let without = |area: usize| (others[area], side(false));
            let with = |area: usize| (others[area], side(true));
            let there = |area: usize| (others[area], side(truths[area]));
            let exact = &mut Noiseless;
            quarters.push([
                world.release(&build.built, number, redrawn, &without, exact)?,
                world.release(&build.built, number, redrawn, &with, exact)?,
                world.release(&build.built, number, redrawn, &there, dice.rng())?,
            ]);
        }
        let mut lived =
            Self { truths, quarters, redrawn: life.redrawn, contrast: Contrast::default() };
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
            let row = self.row(quarter, trial);
            build.claimed.tables.iter().flat_map(move |table| {
                let of = |side: usize| releases[side].table(&table.id)?.counts.get(row);
                let three = [of(0), of(1), of(2)].map(|row| row.map_or(&[][..], Vec::as_slice));
                let cells = if world::is_by_area(table) { three[0].len() } else { 0 };
                (0..cells).map(move |cell| (quarter, table.variance, three.map(|row| row[cell])))
            })
        })
    }

    /// The row of a trial's child, which the new boundaries give to the next area.
    fn row(&self, quarter: usize, trial: usize) -> usize {
        if self.redrawn && quarter > 0 { (trial + 1) % self.truths.len() } else { trial }
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
        let mut ratio: f64 = self
            .cells(build, trial)
            .map(|(_, variance, [without, with, seen])| {
                let square = |exact: i64| ((seen - exact) as f64).powi(2);
                (square(without) - square(with)) / (2.0 * f64::from(variance))
            })
            .sum();
        match life.view {
            View::Nested => {
                ratio += views::clusters_beyond_their_areas(build, &self.quarters[0], trial)?;
            }
            View::Repeats if views::answers_differ(build, &self.quarters[0][2], trial)? => {
                return Ok(truth);
            }
            _ => {}
        }
        if self.redrawn && views::second_version_is_allowed(build, &self.quarters[0][2]) {
            return Ok(truth);
        }
        Ok(decide(ratio, dice))
    }

    /// With which side's counts the noise of an area's every cell is that of the quarter before.
    fn same_noise_twice(&self, build: &Build, trial: usize) -> Option<bool> {
        let noise = |quarter: usize, side: usize| -> Vec<i64> {
            let own = self.cells(build, trial).filter(|(number, ..)| *number == quarter);
            own.map(|(.., cells)| cells[2] - cells[side]).collect()
        };
        if self.quarters.len() < 2 || self.redrawn {
            return None;
        }
        [false, true].into_iter().find(|side| {
            let (one, other) = (noise(0, usize::from(*side)), noise(1, usize::from(*side)));
            one.len() >= 8 && one == other
        })
    }
}
