//! Areas and postcodes as files: what `area load` reads.

use super::{
    CliError,
    area_lookup::{Lookup, rejected},
    partner_file::read_entries,
};
use crate::{
    domain::{
        AreaCode, Lsoa,
        place::{Vintage, canonical_postcode},
    },
    wire::v1,
};
use jiff::civil::Date;
use serde::Deserialize;
use std::{fs::File, path::Path, path::PathBuf};

/// The most postcodes of one request.
const CHUNK: usize = 10_000;
const AREAS: &str = "a file of areas";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AreaFile {
    valid_from: Date,
    #[serde(default = "of_2011")]
    vintage: Vintage,
    areas: Vec<AreaEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AreaEntry {
    code: AreaCode,
    name: String,
    level: LevelName,
    parent: Option<AreaCode>,
    lead_agency: Option<AreaCode>,
    #[serde(default)]
    lsoas: Vec<Lsoa>,
    #[serde(default)]
    estimated_under_fives: u32,
    #[serde(default)]
    deprived_lsoas: Vec<Lsoa>,
    #[serde(default)]
    neighbourhoods: Vec<NeighbourhoodEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NeighbourhoodEntry {
    name: String,
    lsoas: Vec<Lsoa>,
    estimated_under_fives: u32,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum LevelName {
    ReachArea,
    Cluster,
    LeadAgency,
    Authority,
}

const fn of_2011() -> Vintage {
    Vintage::Census2011
}

/// Areas as a file draws them, in LSOAs of its own census year.
pub(super) struct AreasOf {
    /// The census year.
    pub(super) vintage: Vintage,
    /// The areas.
    pub(super) request: v1::LoadAreasRequest,
}

/// Reads a geography that is to be loaded: in LSOAs of 2011, into which one of 2021 is translated.
///
/// # Errors
/// As [`drawn`]; and for areas of 2021 without a lookup, or whose boundaries run through LSOAs of
/// 2011.
pub(super) fn read(path: &Path, lookup: Option<&Path>) -> Result<v1::LoadAreasRequest, CliError> {
    let AreasOf { vintage, mut request } = drawn(path)?;
    if vintage == Vintage::Census2011 {
        return Ok(request);
    }
    let lookup = Lookup::read(lookup.ok_or(CliError::NoLookup)?)?;
    for area in &mut request.areas {
        let v1::Area { code, lsoas, deprived_lsoas, neighbourhoods, .. } = area;
        let parts = neighbourhoods.iter_mut().map(|part| &mut part.lsoas);
        for codes in parts.chain([lsoas, deprived_lsoas]).filter(|codes| !codes.is_empty()) {
            // Codes that were just read.
            let new: Vec<Lsoa> = codes.iter().filter_map(|code| code.parse().ok()).collect();
            let old = lookup.translated(code, &new).map_err(|fault| rejected(path, fault))?;
            *codes = texts(&old);
        }
    }
    Ok(request)
}

/// Reads a geography as it is drawn.
///
/// # Errors
/// When the file can't be read or is not of the form that `area load --help` shows.
pub(super) fn drawn(path: &Path) -> Result<AreasOf, CliError> {
    let file: AreaFile = read_entries(path, AREAS)?;
    let areas = file.areas.into_iter().map(|area| v1::Area {
        code: area.code.to_string(),
        name: area.name,
        level: match area.level {
            LevelName::ReachArea => v1::AreaLevel::ReachArea,
            LevelName::Cluster => v1::AreaLevel::Cluster,
            LevelName::LeadAgency => v1::AreaLevel::LeadAgency,
            LevelName::Authority => v1::AreaLevel::Authority,
        }
        .into(),
        parent: area.parent.map(|code| code.to_string()).unwrap_or_default(),
        lead_agency: area.lead_agency.map(|code| code.to_string()).unwrap_or_default(),
        lsoas: texts(&area.lsoas),
        estimated_under_fives: area.estimated_under_fives,
        deprived_lsoas: texts(&area.deprived_lsoas),
        neighbourhoods: area
            .neighbourhoods
            .into_iter()
            .map(|own| v1::Neighbourhood {
                name: own.name,
                lsoas: texts(&own.lsoas),
                estimated_under_fives: own.estimated_under_fives,
            })
            .collect(),
    });
    let valid_from = file.valid_from.to_string();
    let request = v1::LoadAreasRequest { areas: areas.collect(), valid_from };
    Ok(AreasOf { vintage: file.vintage, request })
}

fn texts(lsoas: &[Lsoa]) -> Vec<String> {
    lsoas.iter().map(ToString::to_string).collect()
}

/// Why a postcode lookup can't be used; never the value.
#[derive(Debug, thiserror::Error)]
enum PostcodeFault {
    #[error("row {row}: {field} is not {good}")]
    Value { row: u64, field: &'static str, good: &'static str },
    #[error("row {row} is not CSV with as many values as the heading")]
    Form { row: u64 },
}

/// Chunks of a postcode lookup, each as large as a request may be.
pub(super) struct PostcodeChunks {
    path: PathBuf,
    records: csv::StringRecordsIntoIter<File>,
    postcode: usize,
    lsoa: usize,
    rows: u64,
}

impl PostcodeChunks {
    /// Opens a CSV file with the columns `postcode` and `lsoa_2011` (or `lsoa`).
    ///
    /// # Errors
    /// When it can't be read or lacks a column.
    pub(super) fn open(path: &Path) -> Result<Self, CliError> {
        let file = File::open(path)
            .map_err(|source| CliError::Unreadable { path: path.to_owned(), source })?;
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
        let wrong = || CliError::WrongForm {
            path: path.to_owned(),
            expected: "CSV with the columns postcode and lsoa_2011",
        };
        let heading = reader.headers().map_err(|_| wrong())?;
        let place = |names: &[&str]| heading.iter().position(|name| names.contains(&name));
        let postcode = place(&["postcode"]).ok_or_else(wrong)?;
        let lsoa = place(&["lsoa_2011", "lsoa"]).ok_or_else(wrong)?;
        Ok(Self { path: path.to_owned(), records: reader.into_records(), postcode, lsoa, rows: 0 })
    }

    /// Rows are numbered as a spreadsheet shows them: the heading is row 1.
    fn row(
        &mut self,
        record: csv::Result<csv::StringRecord>,
    ) -> Result<v1::PostcodePlace, CliError> {
        self.rows += 1;
        let row = self.rows + 1;
        let reject = |fault: PostcodeFault| CliError::Rejected {
            path: self.path.clone(),
            source: fault.into(),
        };
        let record = record.map_err(|_| reject(PostcodeFault::Form { row }))?;
        let postcode = record.get(self.postcode).and_then(canonical_postcode).ok_or_else(|| {
            reject(PostcodeFault::Value { row, field: "postcode", good: "a postcode like CV1 1AA" })
        })?;
        let lsoa: Lsoa =
            record.get(self.lsoa).and_then(|text| text.parse().ok()).ok_or_else(|| {
                reject(PostcodeFault::Value {
                    row,
                    field: "lsoa_2011",
                    good: "a code like E01009522",
                })
            })?;
        Ok(v1::PostcodePlace { postcode, lsoa: lsoa.to_string() })
    }
}

impl Iterator for PostcodeChunks {
    type Item = Result<Vec<v1::PostcodePlace>, CliError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut chunk = Vec::new();
        while chunk.len() < CHUNK
            && let Some(record) = self.records.next()
        {
            match self.row(record) {
                Ok(row) => chunk.push(row),
                Err(error) => return Some(Err(error)),
            }
        }
        if chunk.is_empty() { None } else { Some(Ok(chunk)) }
    }
}

/// Reads the whole lookup once without keeping it, and counts its rows.
///
/// # Errors
/// The first fault, by row.
pub(super) fn check_postcodes(path: &Path) -> Result<u64, CliError> {
    let mut rows = 0;
    for chunk in PostcodeChunks::open(path)? {
        rows += chunk?.len() as u64;
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn file(name: &str, text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        (folder, path)
    }

    const AREAS_TOML: &str = r#"
        valid_from = "2024-04-01"
        [[areas]]
        code = "E08000026"
        name = "Coventry"
        level = "authority"
        [[areas]]
        code = "CC01"
        name = "Foleshill"
        level = "reach_area"
        parent = "CL1"
        lsoas = ["E01009522"]
    "#;

    #[test]
    fn areas_are_read_and_wrong_ones_named() {
        let (_folder, path) = file("areas.toml", AREAS_TOML);
        let request = read(&path, None).unwrap();
        assert_eq!(request.valid_from, "2024-04-01");
        assert_eq!(request.areas[1].level(), v1::AreaLevel::ReachArea);
        assert_eq!(request.areas[1].lsoas, ["E01009522"]);
        for (from, to) in
            [("E01009522", "E0100952"), ("\"authority\"", "\"city\""), ("valid_from", "valid")]
        {
            let (_folder, path) = file("areas.toml", &AREAS_TOML.replace(from, to));
            assert!(matches!(read(&path, None), Err(CliError::WrongEntry { .. })), "{to}");
        }
    }

    #[test]
    fn areas_of_2021_are_loaded_in_lsoas_of_2011() {
        let text = AREAS_TOML.replace(
            "[[areas]]\n        code = \"E08",
            "vintage = \"2021\"\n        [[areas]]\n        code = \"E08",
        );
        let (_folder, path) = file("areas.toml", &text.replace("E01009522", "E01030001"));
        assert!(matches!(read(&path, None), Err(CliError::NoLookup)));
        let pairs = "LSOA11CD,LSOA21CD\nE01009522,E01030001\nE01009523,E01030001\n";
        let (_other, lookup) = file("lookup.csv", pairs);
        let request = read(&path, Some(&lookup)).unwrap();
        assert_eq!(request.areas[1].lsoas, ["E01009522", "E01009523"]);
        assert_eq!(drawn(&path).unwrap().request.areas[1].lsoas, ["E01030001"]);
    }

    #[test]
    fn postcodes_come_in_chunks_whatever_the_order_of_columns() {
        let mut text = String::from("\u{feff}lsoa_2011,note,postcode\r\n");
        for number in 0..10_001 {
            text.push_str(&format!("E01009522,x,cv{}{} 1aa\r\n", number % 9 + 1, number % 10));
        }
        let (_folder, path) = file("postcodes.csv", &text);
        let chunks: Vec<_> = PostcodeChunks::open(&path).unwrap().map(Result::unwrap).collect();
        assert_eq!(chunks.iter().map(Vec::len).collect::<Vec<_>>(), [10_000, 1]);
        assert_eq!(chunks[0][0].postcode, "CV10 1AA");
        assert_eq!(check_postcodes(&path).unwrap(), 10_001);
    }

    #[test]
    fn a_wrong_postcode_is_named_by_row_and_not_shown() {
        for (text, place) in [
            ("postcode,lsoa_2011\nCV1 1AA,E01009522\nSECRET,E01009522\n", "row 3: postcode"),
            ("postcode,lsoa\nCV1 1AA,SECRET\n", "row 2: lsoa_2011"),
            ("postcode,lsoa\nCV1 1AA\n", "row 2 is not CSV"),
        ] {
            let (_folder, path) = file("postcodes.csv", text);
            let sentence = check_postcodes(&path).unwrap_err().to_string();
            assert!(sentence.contains(place), "{sentence}");
            assert!(!sentence.contains("SECRET"), "{sentence}");
        }
        let (_folder, path) = file("postcodes.csv", "code,lsoa\n");
        assert!(matches!(PostcodeChunks::open(&path), Err(CliError::WrongForm { .. })));
    }
}
