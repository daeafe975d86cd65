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
use crate::domain::field::{FieldKind, parse_date};
use crate::domain::identifier;
use crate::domain::place::canonical_postcode;

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

/// What is wrong with a row by the domain's rules: the offending columns.
fn offences(record_type: RecordType, row: &Row) -> Vec<&'static str> {
    let today = date(2026, 5, 10);
    let definition = record_type.definition();
    let mut wrong = Vec::new();
    for field in definition.fields() {
        let text = row[field.name].as_str();
        if text.is_empty() {
            if field.required {
                wrong.push(field.name);
            }
            continue;
        }
        let fine = match field.kind {
            FieldKind::Identifier(scheme) => identifier::check(scheme, text).is_ok(),
            FieldKind::Forename | FieldKind::Surname => text.chars().count() <= 100,
            FieldKind::BirthDate => parse_date(text).is_ok_and(|born| born <= today),
            FieldKind::Sex => ["1", "2", "M", "F"].contains(&text),
            FieldKind::Postcode => canonical_postcode(text).as_deref() == Some(text),
            FieldKind::Uprn => identifier::check_uprn(text).is_ok(),
            FieldKind::Lsoa => text.parse::<crate::domain::Lsoa>().is_ok(),
            FieldKind::AnyDate => parse_date(text).is_ok_and(|day| day <= today),
            kind => kind.parse_payload(text, today).is_ok(),
        };
        if !fine {
            wrong.push(field.name);
        }
    }
    if let Some((start, end)) = definition.period
        && !row[end].is_empty()
        && row[end] < row[start]
    {
        wrong.push(end);
    }
    let event = parse_date(&row["event_date"]).unwrap();
    if parse_date(&row["extracted_at"]).unwrap() < event || event > today {
        wrong.push("event_date");
    }
    if definition.event_is_birth && row["event_date"] != row["date_of_birth"] {
        wrong.push("event_date");
    }
    wrong
}
