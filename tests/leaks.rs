//! Nobody can be found in what the gateway stores, writes or says: everything the partners
//! sent about who somebody is, in every form a careless program would leave it in.

use crate::support::{CANARIES, SEED, demo, files};
use aho_corasick::{AhoCorasick, MatchKind};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use std::{collections::BTreeSet, fs};
use tallygate::{
    domain::{Event, field::Value, time::epoch_day},
    synth::{Place, Plan, write},
};

/// What must not be found, and in which form it is looked for.
#[derive(Default)]
pub(crate) struct Needles {
    bytes: Vec<Vec<u8>>,
    forms: Vec<(&'static str, String)>,
}

impl Needles {
    fn add(&mut self, form: &'static str, what: &str, bytes: impl Into<Vec<u8>>) {
        self.bytes.push(bytes.into());
        self.forms.push((form, what.to_owned()));
    }

    /// What of it is found.
    pub(crate) fn found_in(&self, bytes: &[u8]) -> Vec<String> {
        let search = AhoCorasick::new(&self.bytes).unwrap();
        let found = search.find_overlapping_iter(bytes);
        found
            .map(|found| {
                let (form, what) = &self.forms[found.pattern().as_usize()];
                format!("{what} as {form} at byte {}", found.start())
            })
            .collect()
    }

    /// A text in clear, UTF-16, hexadecimal, base64 at three alignments, and hashed without
    /// a key.
    fn add_text(&mut self, text: &str) {
        let clear = text.as_bytes();
        self.add("clear", text, clear);
        let wide: Vec<u16> = text.encode_utf16().collect();
        self.add("UTF-16 LE", text, wide.iter().flat_map(|c| c.to_le_bytes()).collect::<Vec<u8>>());
        self.add("UTF-16 BE", text, wide.iter().flat_map(|c| c.to_be_bytes()).collect::<Vec<u8>>());
        self.add("hex", text, hex::encode(clear));
        self.add("HEX", text, hex::encode_upper(clear));
        for shift in 0..3 {
            let mut shifted = vec![0; shift];
            shifted.extend_from_slice(clear);
            let code = STANDARD_NO_PAD.encode(&shifted);
            // The characters that depend on this text alone.
            let first = (shift * 8).div_ceil(6);
            let last = (shifted.len() * 8) / 6;
            self.add("base64", text, &code.as_bytes()[first..last]);
        }
        for (name, digest) in [
            ("MD5", Md5::digest(clear).to_vec()),
            ("SHA-1", Sha1::digest(clear).to_vec()),
            ("SHA-256", Sha256::digest(clear).to_vec()),
        ] {
            self.add(name, text, digest.clone());
            self.add(name, text, hex::encode(&digest));
            self.add(name, text, hex::encode_upper(&digest));
            self.add(name, text, STANDARD_NO_PAD.encode(&digest));
        }
    }
}

/// Every NHS number, NINO, ULN, UPRN and postcode in the partners' files.
fn identifiers() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for file in files(&demo().dir.join("files")) {
        if file.extension().is_none_or(|e| e != "csv") {
            continue;
        }
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_path(&file).unwrap();
        let headings = reader.headers().unwrap().clone();
        let sought: Vec<usize> = headings
            .iter()
            .enumerate()
            .filter(|(_, name)| {
                // Local ids are looked for by the canaries' words in them: the others are too
                // short not to be met by chance.
                let sought = ["nhs_number", "nino", "uln", "postcode", "uprn"];
                sought.iter().any(|end| name.ends_with(end))
            })
            .map(|(at, _)| at)
            .collect();
        for row in reader.records() {
            let row = row.unwrap();
            found.extend(sought.iter().filter_map(|at| row.get(*at)).map(str::to_owned));
        }
    }
    // Shorter ones occur by chance in any megabyte of hexadecimal or base64.
    found.retain(|text| text.len() >= 7);
    found
}

fn canaries() -> tallygate::synth::Summary {
    let plan = Plan {
        place: Place::Coventry,
        seed: SEED,
        scale: crate::support::SCALE.parse().unwrap(),
        quarters: 8,
        canaries: CANARIES,
    };
    write(&plan, tempfile::tempdir().unwrap().path()).unwrap()
}

/// Everything that must not be found of the shared demo's people.
pub(crate) fn needles() -> Needles {
    let mut needles = Needles::default();
    for text in identifiers() {
        needles.add_text(&text);
    }
    for canary in canaries().canaries {
        for word in [&canary.forename, &canary.surname, &canary.token, &canary.postcode] {
            needles.add_text(word);
            needles.add_text(&word.to_uppercase());
            needles.add_text(&word.to_lowercase());
        }
        let birth = canary.date_of_birth;
        // Children's births as people write them; protocols begin and end on other days.
        needles.add("clear", "a birth date", birth.to_string());
        needles.add("clear", "a birth date", birth.strftime("%d/%m/%Y").to_string());
        needles.add("clear", "a birth date", birth.strftime("%Y%m%d").to_string());
        // The canary children were born on days on which other things happened, too.
        if birth.year() < 1950 {
            let day = i64::from(epoch_day(birth));
            let micros = day * 86_400_000_000;
            for text in
                [birth.to_string(), birth.strftime("%d/%m/%Y").to_string(), micros.to_string()]
            {
                needles.add_text(&text);
            }
            for number in [day, micros] {
                needles.add("i64 LE", &birth.to_string(), number.to_le_bytes());
                needles.add("i64 BE", &birth.to_string(), number.to_be_bytes());
            }
        }
    }
    needles
}

#[test]
fn nobody_is_found_in_what_the_demo_left_or_said() {
    let demo = demo();
    assert_eq!(demo.code, Some(0), "{}", demo.stderr);
    let needles = needles();
    assert!(needles.bytes.len() > 10_000, "only {} needles", needles.bytes.len());
    let search =
        AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(&needles.bytes).unwrap();
    let mut searched = 0;
    let mut look = |name: &str, bytes: &[u8]| {
        searched += bytes.len();
        if let Some(found) = search.find(bytes) {
            let (form, what) = &needles.forms[found.pattern().as_usize()];
            panic!("{name}: {what} as {form} at byte {}", found.start());
        }
    };
    for file in files(&demo.dir) {
        if !file.starts_with(demo.dir.join("files")) {
            look(file.to_str().unwrap(), &fs::read(&file).unwrap());
        }
    }
    look("standard output", demo.stdout.as_bytes());
    look("standard error at debug level", demo.stderr.as_bytes());
    assert!(demo.stderr.contains("DEBUG"), "the server's output is not at debug level");
    assert!(searched > 1_000_000, "only {searched} bytes were searched");
}

#[test]
fn the_search_can_find_what_it_looks_for() {
    let mut needles = Needles::default();
    needles.add_text("9990000018");
    let search = AhoCorasick::new(&needles.bytes).unwrap();
    let text = "id=9990000018;";
    for bytes in [
        text.as_bytes().to_vec(),
        text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        hex::encode(text).into_bytes(),
        STANDARD_NO_PAD.encode(text).into_bytes(),
        STANDARD_NO_PAD.encode(&text[1..]).into_bytes(),
        STANDARD_NO_PAD.encode(&text[2..]).into_bytes(),
        hex::encode(Sha256::digest("9990000018")).into_bytes(),
        Md5::digest("9990000018").to_vec(),
    ] {
        assert!(search.is_match(&bytes));
    }
}

/// Numbers in the database that would be a canary's birth: SQLite stores them too short to
/// be searched for as bytes.
#[tokio::test]
async fn no_stored_number_is_a_canary_birth() {
    let births: BTreeSet<i32> = canaries()
        .canaries
        .iter()
        .filter(|canary| canary.date_of_birth.year() < 1950)
        .map(|canary| epoch_day(canary.date_of_birth))
        .collect();
    assert!(births.len() > 10);
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("gateway.db");
    fs::copy(demo().dir.join("gateway.db"), &copy).unwrap();
    let pool = sqlx::SqlitePool::connect(&format!("sqlite:{}", copy.display())).await.unwrap();
    let columns: Vec<(String, String)> = sqlx::query_as(
        "SELECT m.name, c.name FROM sqlite_schema m, pragma_table_info(m.name) c \
         WHERE m.type = 'table' AND c.type = 'BIGINT'",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert!(columns.len() > 20);
    for (table, column) in columns {
        for birth in &births {
            let sql = format!("SELECT COUNT(*) FROM {table} WHERE {column} = {birth}");
            let (found,): (i64,) =
                sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_one(&pool).await.unwrap();
            assert_eq!(found, 0, "{table}.{column}");
        }
    }
    let bodies: Vec<(Vec<u8>,)> =
        sqlx::query_as("SELECT body FROM event").fetch_all(&pool).await.unwrap();
    assert!(bodies.len() > 1_000);
    for (body,) in bodies {
        let (event, _) = Event::decode(&body).unwrap();
        let days = event.values.iter().filter_map(|(_, value)| match value {
            Value::Day(day) => Some(*day),
            _ => None,
        });
        let mut days = days.chain(event.day).chain([event.known]);
        assert!(days.all(|day| !births.contains(&day)));
    }
}
