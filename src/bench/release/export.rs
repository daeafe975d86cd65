//! What a close counts, as plain files for a program that shares no code with us, beside what our
//! counter made of it.
//!
//! `persons.csv` and a file a record type (`live_birth.csv` and so on; what is about nobody belongs
//! to person 0) hold what the close's pass sees, `lsoas.csv` where each LSOA lies. `exact.csv`
//! holds the counts of the closed quarter's tables and of the three quarters' before it, by the counter
//! itself: it has one exit, through noise, and goes through it with a generator that draws none
//! ([`Noiseless`]). After the close `release.json` is the signed release and `times.csv` says what
//! took how long.
//!
//! Days are numbers since 1970-01-01, dates of birth are dates, codes are written as in the
//! records. No person is real: whoever is in a bench's store was invented for it.

use super::pass::{Pass, Read, lsoas};
use crate::{
    bench::{
        BenchError,
        noise::{Noiseless, closing},
        site::Site,
    },
    demo::LAST_QUARTER,
    disclosure::{Counter, Geography, Ledger, Limits, Release, catalogue::Base, period::Period},
    domain::{
        Event, Quarter, RecordType, Role,
        field::{FieldKind, Value},
        row::Sex,
    },
    keys::{MasterKeys, Sealer},
    store::{Rights, releases},
};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

type Csv = csv::Writer<File>;

/// Quarters that are counted: a table is due in each or in one of four.
const QUARTERS: usize = 4;

/// The key of the order in which a person of many groups counts in some.
const ORDER: u64 = 1;

/// Where the files go.
pub(super) struct Export {
    dir: PathBuf,
    times: Vec<(&'static str, Duration)>,
}

impl Export {
    /// Makes the folder.
    pub(super) fn new(dir: &Path) -> Result<Self, BenchError> {
        fs::create_dir_all(dir).map_err(unwritable(dir))?;
        Ok(Self { dir: dir.to_owned(), times: Vec::new() })
    }

    /// Remembers how long something took.
    pub(super) fn took(&mut self, what: &'static str, time: Duration) {
        self.times.push((what, time));
    }

    fn file(&self, name: &str, columns: &[&str]) -> Result<Csv, BenchError> {
        let mut file = csv::Writer::from_path(self.dir.join(format!("{name}.csv")))?;
        file.write_record(columns)?;
        Ok(file)
    }

    /// Everything that the close is about to see, and the exact counts of it.
    pub(super) async fn before_close(&mut self, site: &Site) -> Result<(), BenchError> {
        let begun = Instant::now();
        let gateway = site.running.gateway();
        let last: Quarter = LAST_QUARTER.parse().map_err(|_| BenchError::Areas)?;
        let snapshot = gateway.snapshot();
        let areas = snapshot.areas(last.last_day()).ok_or(BenchError::Areas)?;
        let geography = areas.counted();
        self.write_lsoas(geography)?;
        let mut counters = Vec::with_capacity(QUARTERS);
        let quarters = std::iter::successors(Some(last), |quarter| Some(quarter.previous()));
        for quarter in quarters.take(QUARTERS) {
            let counter = Counter::new(gateway.catalogue(), Period::new(quarter), geography)?;
            counters.push(counter.in_order_of(ORDER));
        }
        let sealer = Sealer::new(&MasterKeys::load(&site.path("keys/pseudonym.json"))?)?;
        let mut pass = Pass::begin(gateway, last, &sealer).await?;
        let mut events = Events { export: self, files: BTreeMap::new() };
        for event in &pass.organisations {
            events.write(0, event)?;
        }
        for counter in &mut counters {
            counter.add_organisations(&pass.organisations);
        }
        let mut persons = self.file("persons", &["person", "date_of_birth", "sex"])?;
        while let Some(range) = pass.next().await? {
            for read in &range {
                write_person(&mut persons, read)?;
                for event in &read.events {
                    events.write(read.person.number(), event)?;
                }
                for counter in &mut counters {
                    counter.add(&read.facts())?;
                }
            }
        }
        events.finish()?;
        flushed(persons)?;
        let ledger = Ledger::new(Limits::recommended());
        let exact = counters.into_iter().map(|counter| {
            counter.freeze(&mut Noiseless, closing(&ledger)).map_err(BenchError::from)
        });
        self.write_exact(&exact.collect::<Result<Vec<_>, _>>()?)?;
        self.took("export", begun.elapsed());
        Ok(())
    }

    fn write_lsoas(&self, geography: &Geography) -> Result<(), BenchError> {
        let columns = ["lsoa", "area", "neighbourhood", "deprived"];
        let mut file = self.file("lsoas", &columns)?;
        for (row, lsoa) in lsoas(geography) {
            let place = geography.place_of(lsoa).ok_or(BenchError::Areas)?;
            let neighbourhood = place.neighbourhood.map(|number| number.to_string());
            file.write_record([
                lsoa.to_string().as_str(),
                geography.areas()[row].code.as_str(),
                &neighbourhood.unwrap_or_default(),
                flag(place.deprived),
            ])?;
        }
        flushed(file)
    }

    /// The counts without noise, cell by cell; zeros, too.
    fn write_exact(&self, releases: &[Release]) -> Result<(), BenchError> {
        let columns = ["quarter", "table", "area", "cell", "count"];
        let mut file = self.file("exact", &columns)?;
        for release in releases {
            let quarter = release.quarter.to_string();
            for table in &release.tables {
                for (row, counts) in table.counts.iter().enumerate() {
                    let area = match table.base {
                        Base::ReachArea => release.geography.areas[row].code.as_str(),
                        Base::Authority => release.geography.authority.as_str(),
                    };
                    for (cell, count) in table.cells.iter().zip(counts) {
                        let count = count.to_string();
                        file.write_record([&*quarter, table.id.as_str(), area, cell, &count])?;
                    }
                }
            }
        }
        flushed(file)
    }

    /// The signed release, and the times.
    pub(super) async fn after_close(self, site: &Site) -> Result<(), BenchError> {
        let mut tx = site.running.gateway().store().read(Rights::Figures).await?;
        let frozen = releases::all(&mut tx).await?.pop().ok_or(BenchError::Nobody)?;
        let path = self.dir.join("release.json");
        fs::write(&path, frozen.entry.document).map_err(unwritable(&path))?;
        let mut file = self.file("times", &["what", "seconds"])?;
        for (what, time) in &self.times {
            file.write_record([*what, &format!("{:.6}", time.as_secs_f64())])?;
        }
        flushed(file)
    }
}

/// The files of the record types, each made with the first event.
struct Events<'a> {
    export: &'a Export,
    files: BTreeMap<RecordType, Csv>,
}

impl Events<'_> {
    fn write(&mut self, person: i64, event: &Event) -> Result<(), BenchError> {
        let payload = event.record_type.definition().payload;
        let file = match self.files.entry(event.record_type) {
            std::collections::btree_map::Entry::Occupied(file) => file.into_mut(),
            std::collections::btree_map::Entry::Vacant(none) => {
                let mut columns = vec!["person", "role", "day", "known", "lsoa"];
                columns.extend(payload.iter().map(|field| field.name));
                none.insert(self.export.file(event.record_type.name(), &columns)?)
            }
        };
        let role = match event.role {
            Role::Principal => "principal",
            Role::Mother => "mother",
            Role::Parent => "parent",
        };
        file.write_field(person.to_string())?;
        file.write_field(role)?;
        file.write_field(event.day.map(|day| day.to_string()).unwrap_or_default())?;
        file.write_field(event.known.to_string())?;
        file.write_field(event.place.map(|place| place.to_string()).unwrap_or_default())?;
        for (number, field) in (0..).zip(payload) {
            let value = event.value(number).map(|value| written(field.kind, value));
            file.write_field(value.unwrap_or_default())?;
        }
        file.write_record(None::<&[u8]>)?;
        Ok(())
    }

    fn finish(self) -> Result<(), BenchError> {
        self.files.into_values().try_for_each(flushed)
    }
}

/// A value as its sender writes it, but days as numbers and references as what is kept of them.
fn written(kind: FieldKind, value: &Value) -> String {
    let codes = match kind {
        FieldKind::Code(list) | FieldKind::Codes(list) => list.codes,
        FieldKind::Mapped(crosswalk) => crosswalk.to.codes,
        _ => &[],
    };
    match value {
        Value::Day(number) | Value::Integer(number) => number.to_string(),
        Value::Flag(is) => flag(*is).to_owned(),
        Value::Code(code) => codes.get(usize::from(*code)).copied().unwrap_or_default().to_owned(),
        Value::Codes(set) => {
            let held = codes.iter().zip(0..).filter(|(_, bit)| set >> bit & 1 == 1);
            held.map(|(code, _)| *code).collect::<Vec<_>>().join(";")
        }
        Value::Centre(centre) => centre.to_string(),
        Value::Key(key) => hex::encode(key),
    }
}

const fn flag(is: bool) -> &'static str {
    if is { "true" } else { "false" }
}

fn write_person(file: &mut Csv, read: &Read) -> Result<(), BenchError> {
    let sex = match read.sex {
        Sex::Male => "1",
        Sex::Female => "2",
        Sex::Indeterminate => "9",
        Sex::NotKnown => "X",
    };
    let born = read.date_of_birth.map(|born| born.to_string()).unwrap_or_default();
    file.write_record([read.person.number().to_string().as_str(), &born, sex])?;
    Ok(())
}

fn flushed(mut file: Csv) -> Result<(), BenchError> {
    Ok(file.flush().map_err(csv::Error::from)?)
}

fn unwritable(path: &Path) -> impl FnOnce(std::io::Error) -> BenchError {
    let path = path.to_owned();
    move |source| BenchError::File { path, source }
}
