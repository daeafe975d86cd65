//! An authority of many small areas, with as many children in each as the trial wants.

use super::{Crowd, State};
use crate::{
    bench::{attacks::cells::Dice, noise::closing},
    disclosure::{
        Catalogue, Counter, DisclosureError, Geography, Ledger, Limits, PersonFacts, ReachArea,
        Release, Table, catalogue::Base, display, period::Period,
    },
    domain::{
        Event, Lsoa, PersonId, Quarter, RecordType, Role, field::Value, ids::InvalidId,
        records::registration::START_DATE, row::Sex, time::epoch_day,
    },
};
use jiff::civil::{Date, date};
use rand::CryptoRng;

/// The table in which a child is by its registration.
pub(super) const TABLE: &str = "engagement";

/// Areas, each a trial.
const AREAS: usize = 240;
/// Areas in a cluster.
pub(super) const CLUSTER: usize = 4;
/// The first quarter.
const FIRST: (i16, i8) = (2026, 1);
/// Every child's date of birth: under five in all quarters of any attack.
pub(super) const BORN: Date = date(2025, 1, 10);
/// The day on which everything happened and became known.
const KNOWN: Date = date(2025, 2, 3);

/// Whether each area has cells of its own.
pub(super) fn is_by_area(table: &Table) -> bool {
    table.base == Base::ReachArea && table.variance > 0
}

/// How boundaries change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::bench::attacks) enum Redrawn {
    /// Each area gives the neighbourhood of its child to the next area.
    Shaved,
    /// Each two areas become one; the child is in the first of them.
    Merged,
    /// Each area falls into two, the child's neighbourhood and the rest.
    Split,
}

impl Redrawn {
    const ALL: [Self; 3] = [Self::Shaved, Self::Merged, Self::Split];

    /// Whether a child's change is looked for in an area: of two that are merged in the first, as
    /// the attacker knows all others.
    pub(super) const fn is_tried(self, area: usize) -> bool {
        !matches!(self, Self::Merged) || area.is_multiple_of(2)
    }

    /// The row of an area's child in the new boundaries.
    pub(super) const fn row(self, area: usize) -> usize {
        match self {
            Self::Shaved => (area + 1) % AREAS,
            Self::Merged => area / 2,
            Self::Split => 2 * area + 1,
        }
    }
}

/// The areas, before and after the boundaries are redrawn.
pub(super) struct World {
    before: Geography,
    /// By way of redrawing.
    after: [Geography; 3],
    /// For each area and state, what is known of a child in it.
    events: Vec<[Vec<Event>; 2]>,
}

impl World {
    pub(super) fn new() -> Result<Self, DisclosureError> {
        // Each area has a neighbourhood that stays and one, the child's, that goes.
        let stays = |area: usize| [2 * area];
        let goes = |area: usize| [2 * area + 1];
        let whole = |area: usize| [stays(area), goes(area)].concat();
        let after = |redrawn: Redrawn| match redrawn {
            Redrawn::Shaved => geography("2", 'A', AREAS, |area| {
                [stays(area), goes((area + AREAS - 1) % AREAS)].concat()
            }),
            Redrawn::Merged => geography("3", 'M', AREAS / 2, |area| {
                [whole(2 * area), whole(2 * area + 1)].concat()
            }),
            Redrawn::Split => geography("4", 'S', 2 * AREAS, |area| vec![area]),
        };
        let [shaved, merged, split] = Redrawn::ALL.map(after);
        let events = (0..AREAS).map(|area| events(2 * area + 1)).collect::<Result<_, _>>();
        Ok(Self {
            before: geography("1", 'A', AREAS, whole)?,
            after: [shaved?, merged?, split?],
            events: events.map_err(no_such_code)?,
        })
    }

    pub(super) fn areas(&self) -> usize {
        self.events.len()
    }

    /// The boundaries of a quarter.
    pub(super) const fn geography(&self, redrawn: Option<Redrawn>) -> &Geography {
        let [shaved, merged, split] = &self.after;
        match redrawn {
            None => &self.before,
            Some(Redrawn::Shaved) => shaved,
            Some(Redrawn::Merged) => merged,
            Some(Redrawn::Split) => split,
        }
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
        redrawn: Option<Redrawn>,
        lives: &dyn Fn(usize) -> (u32, State),
        rng: &mut R,
    ) -> Result<Release, DisclosureError> {
        let period = Period::new(self::quarter(quarter)?);
        let mut counter = Counter::new(catalogue, period, self.geography(redrawn))?;
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
        counter.freeze(rng, closing(&ledger))
    }
}

/// A ledger's limits that allow everything: what is measured here may be worse than ours.
pub(super) fn without_limits() -> Result<Limits, DisclosureError> {
    let endless = || "999999999".parse().map_err(|_| DisclosureError::UnreadableRelease);
    Ok(Limits { quarter: endless()?, lifetime: endless()?, minimum_variance: 1 })
}

/// A quarter by its number, from 0 on.
pub(super) fn quarter(number: usize) -> Result<Quarter, DisclosureError> {
    let first = Quarter::new(FIRST.0, FIRST.1).map_err(|_| DisclosureError::UnreadableRelease)?;
    Ok((0..number).fold(first, |quarter, _| quarter.next()))
}

pub(super) fn no_such_code(_: InvalidId) -> DisclosureError {
    DisclosureError::GeographySize
}

fn geography(
    version: &str,
    letter: char,
    areas: usize,
    neighbourhoods: impl Fn(usize) -> Vec<usize>,
) -> Result<Geography, DisclosureError> {
    let area = |number: usize| {
        let lsoas = neighbourhoods(number).into_iter().map(lsoa).collect::<Result<_, _>>()?;
        Ok(ReachArea {
            code: format!("{letter}{number:04}").parse()?,
            cluster: format!("K{:04}", number / CLUSTER).parse()?,
            lead_agency: None,
            lsoas,
            under_fives: 100,
        })
    };
    let areas = (0..areas).map(area).collect::<Result<_, _>>().map_err(no_such_code)?;
    Geography::new(version.to_owned(), "W0001".parse().map_err(no_such_code)?, areas)
}

pub(super) fn lsoa(number: usize) -> Result<Lsoa, InvalidId> {
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
