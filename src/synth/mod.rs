//! A synthetic population, the files that partners would send about it, and the truth behind them.
//!
//! Why: nobody can try a gateway on real children. From a seed this room makes a place's households with their
//! births, moves and dealings with five partners, writes each partner's CSV files with the errors that real
//! files have, and keeps what the files are about: `truth.json` holds the exact figures that a gateway with
//! perfect linkage would count.
//!
//! Invariants:
//! - The same [`Plan`] gives the same bytes: chance comes from one seeded generator for each stage, nothing
//!   depends on a clock, a hash map's order or the machine.
//! - No NHS number outside the test range 999 000 0000 - 999 999 9999 is written. Learner and National Insurance
//!   numbers keep their rules, and are unique.
//! - No date lies after 2026-05-10, two days before the last quarter's close day.
//! - Records are never amended, only withdrawn at the next extract, before a quarter could count them; so the truth
//!   doesn't depend on how corrections are dated.
//!
//! Events lie in the period; earlier are only the births and registrations of children who are under five in it,
//! cases, the first term's start, and the attendances of the first quarter's 12 months.
//!
//! The geography is real, all else is invented, reach areas and deprivation deciles included
//! (`src/synth/data/README.md`): Office for National Statistics, Open Government Licence v3.0, contains OS data, Crown copyright and database right.
//! Names come from Faker (MIT licence).

mod agencies;
mod calendar;
mod canaries;
mod dice;
mod dirt;
mod ground;
mod identifiers;
mod lives;
mod movement;
mod names;
mod nobody;
mod output;
mod people;
mod place;
mod population;
mod record;
mod render;
mod statements;
#[cfg(test)]
mod tests;
mod truth;

use std::io::Write;
use std::path::Path;

pub use canaries::Canary;
pub use lives::{Life, lives};
pub use output::FileSummary;
pub use place::{
    ATTRIBUTION, Cluster, Lsoa, Place, PlaceFacts, Postcode, ReachArea, UnknownPlace, place,
};
pub use statements::{Statement, statements};

use agencies::Agency;
use calendar::Period;
use dice::{Dice, Stage};
use ground::Ground;
use people::{People, PersonId};
use population::Registry;
use record::{Feed, Partner};

/// The longest period, in quarters.
pub const MAX_QUARTERS: u8 = 20;
/// The largest scale: ten times the real place; NHS test numbers would not suffice for much more.
pub const MAX_SCALE: f64 = 10.0;
/// The most canaries.
pub const MAX_CANARIES: u16 = 1_000;

/// What to simulate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// Where.
    pub place: Place,
    /// All chance comes from it.
    pub seed: u64,
    /// 1.0 is the real number of births; more than 0, at most [`MAX_SCALE`].
    pub scale: f64,
    /// How many quarters, ending with 2026Q1; 1 to [`MAX_QUARTERS`].
    pub quarters: u8,
    /// How many people who can be searched for; at most [`MAX_CANARIES`].
    pub canaries: u16,
}

/// What was written.
pub struct Summary {
    /// One entry a CSV file of records.
    pub files: Vec<FileSummary>,
    /// Consents in `centres/consent.csv`.
    pub consents: u64,
    /// Children simulated, of whom those born early are five or more by the end.
    pub children: u64,
    /// People who can be searched for, as many as the plan says.
    pub canaries: Vec<Canary>,
}

/// Why no population was written.
#[derive(Debug, thiserror::Error)]
pub enum SynthError {
    /// The scale is not above 0 and at most [`MAX_SCALE`].
    #[error("the scale must be more than 0 and at most {MAX_SCALE}")]
    Scale,
    /// The number of quarters is out of bounds.
    #[error("the number of quarters must be 1 to {MAX_QUARTERS}")]
    Quarters,
    /// Too many canaries.
    #[error("at most {MAX_CANARIES} canaries can be had")]
    Canaries,
    /// A folder could not be made.
    #[error("cannot make a folder for the partners' files")]
    Folder {
        /// What the system said.
        source: std::io::Error,
    },
    /// A file could not be written.
    #[error("cannot write a partner's file")]
    Write {
        /// What the system said.
        source: std::io::Error,
    },
}

impl SynthError {
    /// A CSV writer of ours fails only by its file: rows have equal lengths and are UTF-8.
    fn csv(error: csv::Error) -> Self {
        Self::Write { source: error.into() }
    }
}

impl Plan {
    fn check(&self) -> Result<(), SynthError> {
        if !(self.scale > 0.0 && self.scale <= MAX_SCALE) {
            return Err(SynthError::Scale);
        }
        if !(1..=MAX_QUARTERS).contains(&self.quarters) {
            return Err(SynthError::Quarters);
        }
        if self.canaries > MAX_CANARIES {
            return Err(SynthError::Canaries);
        }
        Ok(())
    }
}

/// Simulates the plan and writes `dir/<partner>/<record_type>.csv`, `dir/centres/consent.csv` and
/// `dir/truth.json`, over what may stand there.
///
/// # Errors
/// When the plan is out of bounds or a file can't be written.
pub fn write(plan: &Plan, dir: &Path) -> Result<Summary, SynthError> {
    plan.check()?;
    let ground = Ground::new(place(plan.place), plan.seed);
    let period = Period::new(plan.quarters);
    let (people, canaries) = populate(plan, &ground, &period);
    let feeds = feeds(plan, &people, &ground, &period);

    let world = render::World { people: &people, ground: &ground, period: &period };
    let mut files = feeds
        .iter()
        .map(|feed| output::write_feed(&world, feed, dir))
        .collect::<Result<Vec<_>, _>>()?;
    files.extend(nobody::write((&ground, &period), plan.seed, dir)?);
    let consents = output::write_consents(&world, &feeds, dir)?;
    let truth = truth::Truth::new(&people, &ground, &period, &feeds).figures();
    let mut out = output::create(&dir.join("truth.json"))?;
    serde_json::to_writer(&mut out, &truth)
        .map_err(|error| SynthError::Write { source: error.into() })?;
    out.write_all(b"\n")
        .and_then(|()| out.flush())
        .map_err(|source| SynthError::Write { source })?;

    let children = people.persons.iter().filter(|person| person.is_child()).count();
    Ok(Summary {
        files,
        consents,
        children: u64::try_from(children).unwrap_or(u64::MAX),
        canaries: canaries.iter().map(|id| canaries::describe(&people, &ground, *id)).collect(),
    })
}

/// Everybody, and which of them are canaries.
fn populate(plan: &Plan, ground: &Ground, period: &Period) -> (People, Vec<PersonId>) {
    let mut registry = Registry {
        ground,
        period,
        names: names::Names::new(),
        issuer: identifiers::Issuer::new(plan.seed),
        dice: Dice::new(plan.seed, Stage::Population),
    };
    let mut people = population::build(&mut registry, plan.scale);
    registry.dice = Dice::new(plan.seed, Stage::Canaries);
    let canaries = canaries::add(&mut registry, &mut people, plan.canaries);
    (people, canaries)
}

/// Every partner's records, soiled.
fn feeds(plan: &Plan, people: &People, ground: &Ground, period: &Period) -> Vec<Feed> {
    let agency = |partner, stage| Agency {
        partner,
        people,
        ground,
        period,
        dice: Dice::new(plan.seed, stage),
    };
    let mut feeds = agencies::health::records(&mut agency(Partner::Health, Stage::Health));
    feeds.extend(agencies::dwp::records(&mut agency(Partner::Dwp, Stage::Dwp)));
    feeds.extend(agencies::learning::records(&mut agency(Partner::Learning, Stage::Learning)));
    feeds.extend(agencies::families::records(&mut agency(Partner::Families, Stage::Families)));
    feeds.extend(agencies::centres::records(&mut agency(Partner::Centres, Stage::Centres)));
    let mut dice = Dice::new(plan.seed, Stage::Dirt);
    for feed in &mut feeds {
        dirt::soil(feed, people, period, &mut dice);
    }
    feeds.push(agencies::health::moves(&mut agency(Partner::Health, Stage::Moves)));
    further(plan, people, feeds, agency)
}

/// The same with the agencies' further files, which are made from these.
fn further<'a>(
    plan: &Plan,
    people: &People,
    mut feeds: Vec<Feed>,
    agency: impl Fn(Partner, Stage) -> Agency<'a>,
) -> Vec<Feed> {
    let mut dice = Dice::new(plan.seed, Stage::MoreDirt);
    let all =
        [Partner::Health, Partner::Dwp, Partner::Learning, Partner::Families, Partner::Centres];
    for partner in all {
        let mut agency = agency(partner, Stage::More(partner.number()));
        for mut feed in agencies::more::records(&mut agency, &feeds) {
            dirt::soil(&mut feed, people, agency.period, &mut dice);
            feeds.push(feed);
        }
    }
    // Whoever tells of a death has looked twice.
    let deaths = agencies::more::deaths(&mut agency(Partner::Health, Stage::More(0)), &feeds);
    feeds.push(deaths);
    feeds
}
