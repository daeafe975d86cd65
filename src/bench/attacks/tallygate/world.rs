//! An authority of many small areas, with as many children in each as the trial wants.

use super::{Crowd, State};
use crate::{
    bench::attacks::cells::Dice,
    disclosure::{
        Catalogue, Closing, Counter, Digest, DisclosureError, Geography, Ledger, Limits,
        PersonFacts, ReachArea, Release, Table, catalogue::Base, display, period::Period,
    },
    domain::{
        Event, Lsoa, PersonId, Quarter, RecordType, Role, field::Value, ids::InvalidId,
        records::registration::START_DATE, row::Sex, time::epoch_day,
    },
};
use jiff::{
    Timestamp,
    civil::{Date, date},
};
use rand::{CryptoRng, TryCryptoRng, TryRng};
use std::convert::Infallible;

/// The table in which a child is by its registration.
pub(super) const TABLE: &str = "engagement";

/// Areas, each a trial.
const AREAS: usize = 240;
/// Areas in a cluster.
pub(super) const CLUSTER: usize = 4;
/// The first quarter.
const FIRST: (i16, i8) = (2026, 1);
/// Every child's date of birth: under five in all quarters of any attack.
const BORN: Date = date(2025, 1, 10);
/// The day on which everything happened and became known.
const KNOWN: Date = date(2025, 2, 3);

/// A generator of the one value that is no noise: the middle of the distribution.
pub(in crate::bench) struct Noiseless;

impl TryRng for Noiseless {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(1 << 31)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(1 << 63)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.fill(0x80);
        Ok(())
    }
}

impl TryCryptoRng for Noiseless {}

/// Whether each area has cells of its own.
pub(super) fn is_by_area(table: &Table) -> bool {
    table.base == Base::ReachArea && table.variance > 0
}

/// The areas, before and after the boundaries are redrawn.
pub(super) struct World {
    before: Geography,
    after: Geography,
    /// For each area and state, what is known of a child in it.
    events: Vec<[Vec<Event>; 2]>,
}

impl World {
    pub(super) fn new() -> Result<Self, DisclosureError> {
        // Each area has a neighbourhood that stays and one that the next area gets.
        let stays = |area: usize| [2 * area];
        let moves = |area: usize| [2 * area + 1];
        let before = geography("1", |area| [stays(area), moves(area)].concat());
        let after =
            geography("2", |area| [stays(area), moves((area + AREAS - 1) % AREAS)].concat());
        let events = (0..AREAS).map(|area| events(2 * area + 1)).collect::<Result<_, _>>();
        Ok(Self { before: before?, after: after?, events: events.map_err(no_such_code)? })
    }

    pub(super) fn areas(&self) -> usize {
        self.events.len()
    }

    /// How many others live in an area.
    pub(super) fn others(&self, crowd: Crowd, catalogue: &Catalogue, dice: &mut Dice) -> u32 {
        match crowd {
            Crowd::Few => dice.between(0, 21),
            Crowd::Many => dice.between(160, 241),
            Crowd::Edge => {
                let variances = catalogue.tables.iter().filter(|table| is_by_area(table));
                let least = variances.map(|table| table.variance).min().unwrap_or(1);
                // Half of the others are registered, and in one cell: that is where the edge is.
                let edge = display::least_shown(f64::from(least));
                (0..).find(|n| f64::from(*n) >= 2.0 * edge).unwrap_or(0)
            }
        }
    }

    /// A quarter's release of the number and state that `lives` gives for each area.
    pub(super) fn release<R: CryptoRng + ?Sized>(
        &self,
        catalogue: &Catalogue,
        quarter: usize,
        redrawn: bool,
        lives: &dyn Fn(usize) -> (u32, State),
        rng: &mut R,
    ) -> Result<Release, DisclosureError> {
        let geography = if redrawn { &self.after } else { &self.before };
        let quarter = (0..quarter).fold(first_quarter()?, |quarter, _| quarter.next());
        let mut counter = Counter::new(catalogue, Period::new(quarter), geography)?;
        let mut person = 0;
        for (area, events) in self.events.iter().enumerate() {
            let (others, target) = lives(area);
            // Every second one is registered; the target comes last.
            let states = (0..others)
                .map(|n| if n % 2 == 0 { State::Registered } else { State::Unregistered });
            for state in states.chain([target]) {
                person += 1;
                let events = match state {
                    State::Absent => continue,
                    State::Unregistered => &events[0],
                    State::Registered => &events[1],
                };
                counter.add(&PersonFacts {
                    person: PersonId::new(person),
                    date_of_birth: Some(BORN),
                    sex: Sex::NotKnown,
                    death: None,
                    events,
                })?;
            }
        }
        let ledger = Ledger::new(without_limits()?);
        let closing = Closing {
            ledger: &ledger,
            policy: Digest::of(b"bench"),
            feeds: vec![],
            protocols: vec![],
            previous: None,
            created_at: Timestamp::UNIX_EPOCH,
        };
        counter.freeze(rng, closing)
    }
}

/// A ledger's limits that allow everything: what is measured here may be worse than ours.
pub(super) fn without_limits() -> Result<Limits, DisclosureError> {
    let endless = || "999999999".parse().map_err(|_| DisclosureError::UnreadableRelease);
    Ok(Limits { quarter: endless()?, lifetime: endless()?, minimum_variance: 1 })
}

fn first_quarter() -> Result<Quarter, DisclosureError> {
    Quarter::new(FIRST.0, FIRST.1).map_err(|_| DisclosureError::UnreadableRelease)
}

fn no_such_code(_: InvalidId) -> DisclosureError {
    DisclosureError::GeographySize
}

fn geography(
    version: &str,
    neighbourhoods: impl Fn(usize) -> Vec<usize>,
) -> Result<Geography, DisclosureError> {
    let area = |number: usize| {
        let lsoas = neighbourhoods(number).into_iter().map(lsoa).collect::<Result<_, _>>()?;
        Ok(ReachArea {
            code: format!("A{number:04}").parse()?,
            cluster: format!("K{:04}", number / CLUSTER).parse()?,
            lead_agency: None,
            lsoas,
            under_fives: 100,
        })
    };
    let areas = (0..AREAS).map(area).collect::<Result<_, _>>().map_err(no_such_code)?;
    Geography::new(version.to_owned(), "W0001".parse().map_err(no_such_code)?, areas)
}

fn lsoa(number: usize) -> Result<Lsoa, InvalidId> {
    Lsoa::from_number(u32::try_from(number).unwrap_or(u32::MAX))
}

/// What is known of an unregistered child of a neighbourhood, and of a registered one.
fn events(neighbourhood: usize) -> Result<[Vec<Event>; 2], InvalidId> {
    let place = lsoa(neighbourhood)?;
    let day = epoch_day(KNOWN);
    let event = |record_type, values| Event {
        record_type,
        role: Role::Principal,
        day: Some(day),
        known: day,
        place: Some(place),
        values,
    };
    let review = event(RecordType::HealthReview, vec![]);
    let registered = event(RecordType::Registration, vec![(START_DATE, Value::Day(day))]);
    Ok([vec![review.clone()], vec![review, registered]])
}
