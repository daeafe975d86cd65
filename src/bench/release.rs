//! One quarter's close; beside a bare ordered scan of the same rows.
//!
//! The persons are invented after those of a small population that came in over the API:
//! the same kinds and numbers of events, other numbers, other neighbourhoods, in as many
//! areas as England has for so many children. They are loaded as stored rows, sealed facts
//! included; what only intake reads (record keys, match keys) is left out. The scans are made
//! before and after the close, and the faster of the two is the limit: row by row in `release`,
//! and in `release_joined` with each person's events put together, which is the least that a pass
//! could do.
//!
//! With a folder to export into, what the close sees and its exact counts are written between the
//! first scan and the close ([`export`]), for another program to count and to be timed beside it.

mod export;
mod pass;

use super::{
    BenchError, Row,
    sample::{Memory, Sample, rate, row},
    site::{Scratch, Site, place},
};
use crate::{
    demo::{LAST_QUARTER, journey},
    domain::{Event, Lsoa, Quarter},
    identity::Clock,
    keys::{Cell, MasterKeys, Sealer},
    linkage::Facts,
    server::system_rng,
    store::{
        Store,
        bench::{self as bare, Pattern, Scan},
    },
    wire::v1,
};
use export::Export;
use rand::rngs::StdRng;
use std::{
    collections::HashMap,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

/// Children of the small population.
const CHILDREN: u64 = 400;
/// Persons to an area: 3.2 million children in 2,500 areas.
const PERSONS_AN_AREA: u64 = 1_280;
/// LSOAs to an area, as in England.
const LSOAS_AN_AREA: u64 = 13;
/// The most areas beside the place's own; a geography has an end.
const MOST_AREAS: u64 = 4_900;
/// The first of the invented LSOAs' numbers; real ones are lower.
const FIRST_LSOA: u32 = 900_000;
/// Persons that are loaded in one transaction.
const CHUNK: usize = 5_000;

pub(super) async fn measure(
    scratch: &mut Scratch,
    clock: &Arc<dyn Clock>,
    persons: u64,
    export: Option<&Path>,
    say: &mut dyn FnMut(&str),
) -> Result<Vec<Row>, BenchError> {
    let mut export = export.map(Export::new).transpose()?;
    say("release: a small population to invent persons after");
    let (areas, lsoas) = geography(persons)?;
    let site = Site::open(scratch, "release", CHILDREN, areas, clock).await?;
    let today = clock.now().to_zoned(jiff::tz::TimeZone::UTC).date();
    journey::push_all(&site.ground.dir, today).await?;
    say(&format!("release: loading {persons} persons in {} areas", lsoas.areas));
    let store = site.running.gateway().store().clone();
    Seeder::new(&site, lsoas.numbers)?.seed(&store, persons).await?;
    say("release: the bare scan, the close, the bare scan again");
    let before = scans(&store).await?;
    if let Some(export) = &mut export {
        say("release: writing what the close will see, and its exact counts");
        export.before_close(&site).await?;
    }
    let memory = Memory::watch();
    let second = journey::connect(&site.ground.dir, "officer-2").await?;
    let quarter: Vec<Quarter> = LAST_QUARTER.parse().into_iter().collect();
    let begun = Instant::now();
    journey::close([&site.officer, &second], &quarter).await?;
    let close = begun.elapsed();
    let peak = memory.peak_mib();
    let after = scans(&store).await?;
    if let Some(mut export) = export {
        export.took("close", close);
        export.took("scan", before.took.min(after.took));
        export.after_close(&site).await?;
    }
    drop(store);
    site.close().await?;
    let sample = Sample { elapsed: close, calls: vec![close] };
    let own = rate(before.persons, close);
    let measured =
        |name, limit| row((name, "persons/s"), scratch.engine(), (own, limit), &sample, peak);
    Ok(vec![
        measured("release", before.rows.max(after.rows)),
        measured("release_joined", before.joined.max(after.joined)),
    ])
}

/// The limits, persons a second.
struct Scans {
    persons: u64,
    rows: f64,
    joined: f64,
    /// How long the reading row by row took.
    took: Duration,
}

async fn scans(store: &Store) -> Result<Scans, BenchError> {
    let begun = Instant::now();
    let (persons, _bytes) = bare::scan(store, Scan::Rows).await?;
    let took = begun.elapsed();
    let rows = rate(persons, took);
    let begun = Instant::now();
    bare::scan(store, Scan::Joined).await?;
    Ok(Scans { persons, rows, joined: rate(persons, begun.elapsed()), took })
}

/// Where the invented persons live.
struct Lsoas {
    areas: usize,
    numbers: Vec<Lsoa>,
}

/// The place's own areas, and as many more as England has for so many persons.
fn geography(persons: u64) -> Result<(Vec<v1::Area>, Lsoas), BenchError> {
    let mut areas = journey::areas(place());
    let mut numbers = Vec::new();
    for lsoa in &place().lsoas {
        numbers.push(lsoa.code.parse()?);
    }
    let mut next = FIRST_LSOA;
    for number in 0..(persons / PERSONS_AN_AREA).min(MOST_AREAS) {
        let mut own = Vec::new();
        for _ in 0..LSOAS_AN_AREA {
            let lsoa = Lsoa::from_number(next)?;
            own.push(lsoa.to_string());
            numbers.push(lsoa);
            next += 1;
        }
        areas.push(v1::Area {
            code: format!("X{number:04}"),
            name: format!("Invented area {number}"),
            level: v1::AreaLevel::ReachArea.into(),
            parent: place().clusters[0].code.to_owned(),
            lsoas: own,
            estimated_under_fives: 1_280,
            ..v1::Area::default()
        });
    }
    let reach = areas.iter().filter(|area| !area.lsoas.is_empty()).count();
    Ok((areas, Lsoas { areas: reach, numbers }))
}

/// Invents persons after those that are there.
struct Seeder {
    sealer: Sealer,
    lsoas: Vec<Lsoa>,
    /// Where each of the place's own LSOAs stands in `lsoas`.
    place_of: HashMap<Lsoa, usize>,
    rng: StdRng,
}

impl Seeder {
    fn new(site: &Site, lsoas: Vec<Lsoa>) -> Result<Self, BenchError> {
        let keys = MasterKeys::load(&site.path("keys/pseudonym.json"))?;
        let place_of = lsoas.iter().enumerate().map(|(at, lsoa)| (*lsoa, at)).collect();
        Ok(Self { sealer: Sealer::new(&keys)?, lsoas, place_of, rng: system_rng() })
    }

    async fn seed(&mut self, store: &Store, persons: u64) -> Result<(), BenchError> {
        let patterns = bare::patterns(store).await?;
        if patterns.is_empty() {
            return Err(BenchError::Nobody);
        }
        let mut endless = (0_usize..).flat_map(|round| patterns.iter().map(move |p| (round, p)));
        let mut left = usize::try_from(persons).unwrap_or(usize::MAX);
        while left > 0 {
            let count = left.min(CHUNK);
            let chosen: Vec<_> = endless.by_ref().take(count).collect();
            let events = chosen.iter().map(|(_, pattern)| pattern.events.len()).sum();
            let (person, subject, mut event) = bare::take_numbers(store, count, events).await?;
            let mut invented = Vec::with_capacity(count);
            for ((round, pattern), at) in chosen.into_iter().zip(0..) {
                let own = (person.number() + at, subject + at);
                invented.push(self.invent(pattern, round, own, &mut event)?);
            }
            bare::load(store, invented).await?;
            left -= count;
        }
        Ok(())
    }

    /// A person like the pattern, under numbers of its own, so many neighbourhoods further.
    fn invent(
        &mut self,
        pattern: &Pattern,
        round: usize,
        (person, subject): (i64, i64),
        next_event: &mut i64,
    ) -> Result<Pattern, BenchError> {
        let mut invented = pattern.clone();
        let cell = |row| Cell { table: "subject", column: "facts", row };
        if let Some(sealed) = &pattern.subject.facts {
            let facts = Facts::open(cell(pattern.subject.subject), &self.sealer, sealed)?;
            invented.subject.facts = facts.seal(cell(subject), &self.sealer, &mut self.rng)?;
        }
        (invented.subject.person, invented.subject.subject) = (person, subject);
        for event in &mut invented.events {
            let (mut read, _) = Event::decode(&event.body)?;
            read.place = read.place.map(|place| self.moved(place, round));
            event.body.clear();
            read.encode(&mut event.body);
            (event.person, event.subject, event.number) = (person, subject, *next_event);
            *next_event += 1;
        }
        Ok(invented)
    }

    fn moved(&self, place: Lsoa, round: usize) -> Lsoa {
        let at = self.place_of.get(&place).copied().unwrap_or_default();
        // 61 is prime: rounds spread over all neighbourhoods.
        self.lsoas[(at + round * 61) % self.lsoas.len()]
    }
}
