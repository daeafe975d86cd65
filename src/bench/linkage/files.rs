//! Files of people, with the pairs that are one: public data sets such as FEBRL's, or a partner's
//! own.
//!
//! Columns as partners write them, or by FEBRL's names: `record_id` (rec_id), `forename`
//! (given_name), `surname`, `date_of_birth` (ISO or yyyymmdd), `sex`, `postcode`, `uprn`,
//! `nhs_number`, `soc_sec_id`, and an address in lines: `street_number`, `address_1`, `address_2`,
//! `suburb`. A soc_sec_id is a strong identifier of persons without a check digit: two that differ
//! by one character may be one mistyped, which a check digit would have shown. Only this reads it.

use super::{Figure, Linker, Pair, share, unreadable, whole};
use crate::{
    bench::BenchError,
    domain::{field::parse_date, place::canonical_postcode},
    keys::{BirthDate, RawIdentifier, RawText},
    linkage::{RawIdentity, RawLines, Sex},
};
use jiff::civil::Date;
use std::{
    collections::{BTreeSet, HashMap},
    fs::File,
    path::{Path, PathBuf},
};

/// Files to link.
#[derive(Debug)]
pub(crate) struct Files {
    /// People.
    pub(crate) left: PathBuf,
    /// Other people; the same file to look for doubles within it.
    pub(crate) right: PathBuf,
    /// Pairs that are one: `left`, `right`.
    pub(crate) truth: PathBuf,
    /// Where to write the pairs that were found, in the same form.
    pub(crate) found: Option<PathBuf>,
}

/// A file's rows by heading.
struct Sheet {
    columns: HashMap<String, usize>,
    rows: Vec<csv::StringRecord>,
}

impl Sheet {
    fn read(path: &Path) -> Result<Self, BenchError> {
        let file = File::open(path).map_err(unreadable(path))?;
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
        let headings = reader.headers()?.clone();
        let columns = headings.iter().enumerate();
        let columns = columns.map(|(at, name)| (name.to_ascii_lowercase(), at)).collect();
        let rows = reader.records().collect::<Result<_, _>>()?;
        Ok(Self { columns, rows })
    }

    fn has(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.columns.contains_key(*name))
    }

    fn get<'a>(&self, row: &'a csv::StringRecord, names: &[&str]) -> Option<&'a str> {
        let at = names.iter().find_map(|name| self.columns.get(*name))?;
        row.get(*at).filter(|text| !text.is_empty())
    }

    fn identity(&self, row: &csv::StringRecord) -> RawIdentity {
        let text = |names: &[&str]| self.get(row, names).map(|t| RawText::new(t.to_owned()));
        let code = self.get(row, &["postcode"]);
        let known = code.and_then(canonical_postcode);
        let foreign = code.filter(|_| known.is_none());
        RawIdentity {
            nhs_number: self
                .get(row, &["nhs_number"])
                .map(|number| RawIdentifier::new(number.to_owned())),
            surname: text(&["surname"]),
            forename: text(&["forename", "given_name"]),
            birth: self.get(row, &["date_of_birth"]).and_then(date).map(BirthDate::new),
            sex: self.get(row, &["sex"]).and_then(|sex| match sex {
                "1" | "M" | "m" => Some(Sex::Male),
                "2" | "F" | "f" => Some(Sex::Female),
                _ => None,
            }),
            postcode: known.map(RawText::new),
            uprn: text(&["uprn"]),
            lines: RawLines {
                house: text(&["street_number"]),
                street: text(&["address_1"]),
                second: text(&["address_2"]),
                locality: text(&["suburb"]),
                postcode: foreign.map(|code| RawText::new(code.to_owned())),
            },
            unchecked_number: text(&["soc_sec_id"]),
            ..RawIdentity::default()
        }
    }
}

fn date(text: &str) -> Option<Date> {
    parse_date(text).or_else(|_| Date::strptime("%Y%m%d", text)).ok()
}

impl Files {
    pub(super) fn measure(&self) -> Result<Vec<Figure>, BenchError> {
        let left = Sheet::read(&self.left)?;
        let within = self.left == self.right;
        let right = if within { None } else { Some(Sheet::read(&self.right)?) };
        let sheets: Vec<&Sheet> = std::iter::once(&left).chain(&right).collect();
        let id = ["record_id", "rec_id"];
        if let Some(at) = sheets.iter().position(|sheet| !sheet.has(&id)) {
            let path = if at == 0 { &self.left } else { &self.right };
            return Err(BenchError::NoColumn { path: path.clone(), column: "record_id" });
        }
        let mut ids: Vec<String> = Vec::new();
        let mut places: [HashMap<String, usize>; 2] = Default::default();
        for (side, sheet) in sheets.iter().enumerate() {
            for row in &sheet.rows {
                let name = sheet.get(row, &id).unwrap_or_default().to_owned();
                places[side].insert(name.clone(), ids.len());
                ids.push(name);
            }
        }
        let truth = self.truth(&places[0], if within { &places[0] } else { &places[1] })?;
        let identities =
            sheets.iter().flat_map(|sheet| sheet.rows.iter().map(|row| sheet.identity(row)));
        let linked = Linker::new()?.link(identities)?;
        let split = left.rows.len();
        let across = |(a, b): &Pair| within || (*a < split && *b >= split);
        let found: BTreeSet<Pair> = linked.pairs.into_iter().filter(across).collect();
        if let Some(path) = &self.found {
            write(path, &found, &ids)?;
        }
        let right_ones = found.intersection(&truth).count();
        let precision = share(right_ones, found.len());
        let recall = share(right_ones, truth.len());
        let f1 = share(2 * right_ones, found.len() + truth.len());
        Ok(vec![
            Figure::new("precision", precision),
            Figure::new("recall", recall),
            Figure::new("f1", f1),
            Figure::new("records", whole(ids.len())),
            Figure::new("keys_a_record", share(linked.keys, ids.len())),
            Figure::new("tags_a_record", share(linked.tags, ids.len())),
        ])
    }

    fn truth(
        &self,
        left: &HashMap<String, usize>,
        right: &HashMap<String, usize>,
    ) -> Result<BTreeSet<Pair>, BenchError> {
        let sheet = Sheet::read(&self.truth)?;
        for column in ["left", "right"] {
            if !sheet.has(&[column]) {
                return Err(BenchError::NoColumn { path: self.truth.clone(), column });
            }
        }
        let place = |row: &csv::StringRecord, column, of: &HashMap<String, usize>| {
            sheet.get(row, &[column]).and_then(|id| of.get(id)).copied()
        };
        let mut pairs = BTreeSet::new();
        for (at, row) in (1u64..).zip(&sheet.rows) {
            let pair = place(row, "left", left).zip(place(row, "right", right));
            let path = || self.truth.clone();
            let (a, b) = pair.ok_or_else(|| BenchError::UnknownRecord { path: path(), row: at })?;
            if a != b {
                pairs.insert((a.min(b), a.max(b)));
            }
        }
        Ok(pairs)
    }
}

fn write(path: &Path, pairs: &BTreeSet<Pair>, ids: &[String]) -> Result<(), BenchError> {
    let mut out = csv::Writer::from_writer(File::create(path).map_err(unreadable(path))?);
    out.write_record(["left", "right"])?;
    for (a, b) in pairs {
        out.write_record([&ids[*a], &ids[*b]])?;
    }
    out.flush().map_err(unreadable(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const PEOPLE: &str = "rec_id,given_name,surname,street_number,address_1,suburb,postcode,date_of_birth,soc_sec_id\n\
        a,jane,waller,12,tullaroop street,st james,4011,19810901,6988048\n\
        b,jnae,waller,12,tullaroop street,st james,4011,19810901,6988048\n\
        c,simon,waller,12,tullaroop street,st james,4011,19810901,1234567\n\
        d,peter,ngo,3,elm court,bittern,2776,19600210,2635962\n";

    fn measured(people: &str, truth: &str) -> Result<Vec<Figure>, BenchError> {
        let folder = tempfile::tempdir().unwrap();
        let (file, pairs) = (folder.path().join("p.csv"), folder.path().join("t.csv"));
        fs::write(&file, people).unwrap();
        fs::write(&pairs, truth).unwrap();
        let found = Some(folder.path().join("found.csv"));
        let files = Files { left: file.clone(), right: file, truth: pairs, found };
        let figures = files.measure()?;
        let found = fs::read_to_string(files.found.as_ref().unwrap()).unwrap();
        assert_eq!(found.lines().next(), Some("left,right"));
        Ok(figures)
    }

    #[test]
    fn doubles_are_found_and_twins_are_not() {
        let figures = measured(PEOPLE, "left,right\na,b\n").unwrap();
        let value = |name: &str| figures.iter().find(|f| f.name == name).unwrap().value;
        assert_eq!((value("precision"), value("recall"), value("f1")), (1.0, 1.0, 1.0));
        let figures = measured(PEOPLE, "left,right\na,b\na,d\n").unwrap();
        assert!((figures[1].value - 0.5).abs() < 1e-9);
    }

    #[test]
    fn files_without_ids_or_with_strangers_are_refused() {
        let error = measured("surname\nx\n", "left,right\n").unwrap_err();
        assert!(matches!(error, BenchError::NoColumn { column: "record_id", .. }));
        let error = measured(PEOPLE, "left,right\na,nobody\n").unwrap_err();
        assert!(matches!(error, BenchError::UnknownRecord { row: 1, .. }));
        assert!(!error.to_string().contains("nobody"));
    }
}
