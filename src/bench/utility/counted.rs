//! The synthetic place's exact counts, quarter by quarter, by the real count.

use super::catalogue;
use crate::{
    bench::{
        BenchError,
        noise::{Noiseless, closing},
    },
    demo::{LAST_QUARTER, journey},
    disclosure::{
        Catalogue, Counter, Geography, Ledger, Limits, PersonFacts, Release, period::Period,
    },
    domain::{PersonId, Quarter, RecordType, time::date_of},
    grpc::area_set,
    synth::{self, Life},
};
use rand::CryptoRng;

/// A place whose counts are known.
pub(super) struct Town {
    pub(super) catalogue: Catalogue,
    /// Releases without noise, oldest first.
    pub(super) quarters: Vec<Release>,
}

impl Town {
    /// Counts every quarter of a plan.
    pub(super) fn count(plan: &synth::Plan) -> Result<Self, BenchError> {
        let (catalogue, geography) = (catalogue()?, geography(plan.place)?);
        let lives = synth::lives(plan).map_err(BenchError::Population)?;
        let counted = quarters(plan)
            .into_iter()
            .map(|quarter| release(&catalogue, &geography, &lives, quarter, &mut Noiseless));
        let quarters = counted.collect::<Result<_, _>>()?;
        Ok(Self { catalogue, quarters })
    }

    /// The last quarter without noise and with a generator's.
    #[cfg(test)]
    pub(super) fn count_twice<R: CryptoRng>(
        plan: &synth::Plan,
        rng: &mut R,
    ) -> Result<(Release, Release), BenchError> {
        let (catalogue, geography) = (catalogue()?, geography(plan.place)?);
        let lives = synth::lives(plan).map_err(BenchError::Population)?;
        let last = quarters(plan).into_iter().next_back().ok_or(BenchError::Nobody)?;
        let exact = release(&catalogue, &geography, &lives, last, &mut Noiseless)?;
        Ok((exact, release(&catalogue, &geography, &lives, last, rng)?))
    }
}

/// The plan's quarters, oldest first; the last is that of the population's last day.
fn quarters(plan: &synth::Plan) -> Vec<Quarter> {
    let last: Option<Quarter> = LAST_QUARTER.parse().ok();
    let mut quarters: Vec<Quarter> =
        std::iter::successors(last, |quarter| Some(quarter.previous()))
            .take(usize::from(plan.quarters))
            .collect();
    quarters.reverse();
    quarters
}

fn release<R: CryptoRng + ?Sized>(
    catalogue: &Catalogue,
    geography: &Geography,
    lives: &[Life],
    quarter: Quarter,
    rng: &mut R,
) -> Result<Release, BenchError> {
    let mut counter = Counter::new(catalogue, Period::new(quarter), geography)?.in_order_of(1);
    for (number, life) in (1..).zip(lives) {
        let deaths = life.events.iter().filter(|event| event.record_type == RecordType::Death);
        counter.add(&PersonFacts {
            person: PersonId::new(number),
            date_of_birth: Some(life.date_of_birth),
            sex: life.sex,
            death: deaths.filter_map(|event| event.day).min().and_then(date_of),
            events: &life.events,
        })?;
    }
    let ledger = Ledger::new(Limits::recommended());
    Ok(counter.freeze(rng, closing(&ledger))?)
}

/// The place's areas, as the demo loads them.
fn geography(place: synth::Place) -> Result<Geography, BenchError> {
    let areas = journey::areas(synth::place(place));
    Ok(area_set(areas).map_err(|_| BenchError::Areas)?.counted().clone())
}
