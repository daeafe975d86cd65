//! The synthetic place's exact counts, quarter by quarter, by the real count.

use super::catalogue;
use crate::{
    bench::{BenchError, attacks::Noiseless},
    demo::LAST_QUARTER,
    disclosure::{
        Catalogue, Closing, Counter, Digest, Geography, Ledger, Limits, PersonFacts, ReachArea,
        Release, period::Period,
    },
    domain::{Lsoa, PersonId, Quarter, RecordType, time::date_of},
    synth::{self, Life, PlaceFacts},
};
use jiff::Timestamp;
use rand::CryptoRng;

/// A place whose counts are known.
pub(super) struct Town {
    pub(super) catalogue: Catalogue,
    pub(super) geography: Geography,
    /// Releases without noise, oldest first.
    pub(super) quarters: Vec<Release>,
}

impl Town {
    /// Counts every quarter of a plan.
    pub(super) fn count(plan: &synth::Plan) -> Result<Self, BenchError> {
        let (catalogue, geography) = (catalogue()?, geography(synth::place(plan.place))?);
        let lives = synth::lives(plan).map_err(BenchError::Population)?;
        let counted = quarters(plan)
            .into_iter()
            .map(|quarter| release(&catalogue, &geography, &lives, quarter, &mut Noiseless));
        let quarters = counted.collect::<Result<_, _>>()?;
        Ok(Self { catalogue, geography, quarters })
    }

    /// The last quarter without noise and with a generator's.
    #[cfg(test)]
    pub(super) fn count_twice<R: CryptoRng>(
        plan: &synth::Plan,
        rng: &mut R,
    ) -> Result<(Release, Release), BenchError> {
        let (catalogue, geography) = (catalogue()?, geography(synth::place(plan.place))?);
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
    let closing = Closing {
        ledger: &ledger,
        policy: Digest::of(b"bench"),
        feeds: vec![],
        protocols: vec![],
        previous: None,
        created_at: Timestamp::UNIX_EPOCH,
    };
    Ok(counter.freeze(rng, closing)?)
}

/// The place's areas, as the demo loads them.
pub(super) fn geography(place: &PlaceFacts) -> Result<Geography, BenchError> {
    let (mut areas, mut neighbourhoods, mut deprived) = (Vec::new(), Vec::new(), Vec::new());
    for reach in &place.areas {
        for (number, own) in (0_u8..).zip(place.neighbourhoods(&reach.lsoas)) {
            for at in own {
                neighbourhoods.push((number, place.lsoas[*at].code.parse::<Lsoa>()?));
            }
        }
        for at in reach.lsoas.iter().filter(|at| place.lsoas[**at].is_deprived()) {
            deprived.push(place.lsoas[*at].code.parse::<Lsoa>()?);
        }
        let lsoas = reach.lsoas.iter().map(|at| place.lsoas[*at].code.parse::<Lsoa>());
        areas.push(ReachArea {
            code: reach.code.parse()?,
            cluster: place.clusters[reach.cluster].code.parse()?,
            lead_agency: None,
            lsoas: lsoas.collect::<Result<_, _>>()?,
            under_fives: u32::try_from(reach.lsoas.len() * 123).unwrap_or(u32::MAX),
        });
    }
    let areas = Geography::new("1".to_owned(), place.authority_code.parse()?, areas)?;
    Ok(areas.with_places(&neighbourhoods, &deprived)?)
}
