//! Checks of the room as a whole: the files against the domain's definitions, the rates of dirt, the truth
//! against a recount from the files and against a population that can be counted by hand.

mod files;
mod rates;
mod recount;
mod truth;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use jiff::civil::date;

use super::calendar::{Day, Period};
use super::people::People;
use super::record::{Entry, Facts, Feed, Home, Partner, Sent};
use super::*;
use crate::domain::RecordType;
use crate::domain::row::RowLayout;

fn plan(scale: f64) -> Plan {
    Plan { place: Place::Coventry, seed: 7, scale, quarters: 8, canaries: 4 }
}

/// A population in memory.
struct Made {
    people: People,
    ground: Ground,
    period: Period,
    feeds: Vec<Feed>,
}

fn make(plan: &Plan) -> Made {
    let ground = Ground::new(place(plan.place), plan.seed);
    let period = Period::new(plan.quarters);
    let (people, _) = populate(plan, &ground, &period);
    let feeds = feeds(plan, &people, &ground, &period);
    Made { people, ground, period, feeds }
}

/// A row of a file by its column names.
type Row = BTreeMap<String, String>;

fn rows(dir: &Path, file: &FileSummary) -> Vec<Row> {
    let mut reader = csv::Reader::from_path(dir.join(&file.path)).unwrap();
    reader.deserialize().map(|row| row.unwrap()).collect()
}

fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for folder in ["health", "dwp", "learning", "families", "centres"] {
        for file in fs::read_dir(dir.join(folder)).unwrap() {
            let path = file.unwrap().path();
            all.insert(
                path.strip_prefix(dir).unwrap().display().to_string(),
                fs::read(&path).unwrap(),
            );
        }
    }
    all.insert("truth.json".into(), fs::read(dir.join("truth.json")).unwrap());
    all
}

/// The columns in which a row breaks the domain's rules.
fn offences(record_type: RecordType, row: &Row) -> Vec<&'static str> {
    let columns: Vec<&String> = row.keys().collect();
    let values: Vec<&String> = row.values().collect();
    let layout = RowLayout::new(record_type, &columns).unwrap();
    match layout.check(&values, date(2026, 5, 10)) {
        Ok(_) => Vec::new(),
        Err(violations) => violations.iter().map(|violation| violation.field).collect(),
    }
}
