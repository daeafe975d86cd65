//! Consents as a CSV file, in batches; and the file of rejected rows.
//!
//! A row that is wrong in itself is rejected here and its neighbours are sent; what else is
//! wrong, the gateway says by the row's place in the request. No message holds a value.

use super::CliError;
use crate::wire::v1;
use jiff::civil::Date;
use std::{
    fmt,
    fs::File,
    path::{Path, PathBuf},
};

/// Consents of one request.
const BATCH: usize = 1_000;
/// Longest reference, in characters: a partner's local ids are no longer.
const MAX_REFERENCE: usize = 36;
const COLUMNS: [&str; 5] = ["consent_ref", "state", "given_by", "recorded_on", "notice_version"];
/// Columns that a file may have, too.
const MORE: [&str; 6] =
    ["giver_ref", "obtained", "purposes", "record_types", "evidence_ref", "valid_until"];
const FORM: &str =
    "CSV with the columns consent_ref, state, given_by, recorded_on and notice_version";

/// A row as it was read, with its number as a spreadsheet shows it: the heading is row 1.
#[derive(Clone)]
pub(super) struct Row {
    number: u64,
    record: csv::StringRecord,
}

/// Why a row was not recorded. Debug and Display hold no value of the row.
pub(super) struct Rejection {
    row: Row,
    field: String,
    code: String,
    message: String,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row {}: ", self.row.number)?;
        if !self.field.is_empty() {
            write!(f, "{} ", self.field)?;
        }
        write!(f, "({}) {}", self.code, self.message)
    }
}

impl Rejection {
    /// The gateway's rejection of one of the rows of a request.
    ///
    /// # Errors
    /// When it is about a row that was not sent.
    pub(super) fn of(rejection: v1::ConsentRejection, rows: &[Row]) -> Result<Self, CliError> {
        let place = usize::try_from(rejection.row).ok();
        let row = place.and_then(|place| rows.get(place)).cloned();
        let row = row.ok_or(CliError::AnswerIncomplete { part: "rejected row" })?;
        let (field, code) = (rejection.field, rejection.rule);
        Ok(Self { row, field, code, message: rejection.message })
    }

    fn here(row: Row, field: &str, code: &str, message: &str) -> Self {
        let owned = str::to_owned;
        Self { row, field: owned(field), code: owned(code), message: owned(message) }
    }
}

/// What goes out in one request, and what of the file does not go out.
pub(super) struct Batch {
    /// The consents.
    pub(super) consents: Vec<v1::Consent>,
    /// The row of each consent.
    pub(super) rows: Vec<Row>,
    /// Rows that were wrong in themselves.
    pub(super) rejections: Vec<Rejection>,
}

/// The batches of a file.
pub(super) struct Batches {
    path: PathBuf,
    heading: csv::StringRecord,
    records: csv::StringRecordsIntoIter<File>,
    places: [usize; 5],
    more: [Option<usize>; 6],
    rows: u64,
}

impl Batches {
    /// Opens a file of consents.
    ///
    /// # Errors
    /// When it can't be read or lacks a column.
    pub(super) fn open(path: &Path) -> Result<Self, CliError> {
        let file = File::open(path)
            .map_err(|source| CliError::Unreadable { path: path.to_owned(), source })?;
        let mut reader =
            csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(file);
        let wrong = || CliError::WrongForm { path: path.to_owned(), expected: FORM };
        let heading = reader.headers().map_err(|_| wrong())?.clone();
        let mut places = [0; 5];
        for (place, column) in places.iter_mut().zip(COLUMNS) {
            *place = heading.iter().position(|name| name == column).ok_or_else(wrong)?;
        }
        let more = MORE.map(|column| heading.iter().position(|name| name == column));
        let (path, records) = (path.to_owned(), reader.into_records());
        Ok(Self { path, heading, records, places, more, rows: 0 })
    }

    /// The file's own heading.
    pub(super) fn heading(&self) -> &csv::StringRecord {
        &self.heading
    }

    /// The next rows; `None` at the end.
    ///
    /// # Errors
    /// When the file can't be read on.
    pub(super) fn next_batch(&mut self) -> Result<Option<Batch>, CliError> {
        let mut batch = Batch { consents: Vec::new(), rows: Vec::new(), rejections: Vec::new() };
        while batch.consents.len() < BATCH && batch.rejections.len() < BATCH {
            let Some(record) = self.records.next() else { break };
            let row = self.row(record)?;
            match self.consent(&row) {
                Ok(consent) => {
                    batch.consents.push(consent);
                    batch.rows.push(row);
                }
                Err((field, code, message)) => {
                    batch.rejections.push(Rejection::here(row, field, code, message));
                }
            }
        }
        let empty = batch.consents.is_empty() && batch.rejections.is_empty();
        Ok(if empty { None } else { Some(batch) })
    }

    fn row(&mut self, record: csv::Result<csv::StringRecord>) -> Result<Row, CliError> {
        let record = record.map_err(|_| CliError::WrongForm {
            path: self.path.clone(),
            expected: "UTF-8 text to its end",
        })?;
        self.rows += 1;
        Ok(Row { number: self.rows + 1, record })
    }

    fn consent(
        &self,
        row: &Row,
    ) -> Result<v1::Consent, (&'static str, &'static str, &'static str)> {
        if row.record.len() != self.heading.len() {
            return Err(("", "row-length", "a row has as many values as the heading"));
        }
        let value = |column: usize| row.record.get(self.places[column]).unwrap_or_default();
        let reference = value(0);
        if reference.is_empty() || reference.chars().count() > MAX_REFERENCE {
            return Err((COLUMNS[0], "length", "1 to 36 characters"));
        }
        let state = match value(1) {
            "given" => v1::ConsentState::Given,
            "refused" => v1::ConsentState::Refused,
            "withdrawn" => v1::ConsentState::Withdrawn,
            "expired" => v1::ConsentState::Expired,
            _ => return Err((COLUMNS[1], "unknown-code", "given, refused, withdrawn or expired")),
        };
        let given_by = match value(2) {
            "subject" => v1::ConsentGiver::Subject,
            "parent" => v1::ConsentGiver::Parent,
            "carer" => v1::ConsentGiver::Carer,
            _ => return Err((COLUMNS[2], "unknown-code", "subject, parent or carer")),
        };
        let day: Date =
            value(3).parse().map_err(|_| (COLUMNS[3], "date", "a date like 2026-03-31"))?;
        let more =
            |column: usize| self.more[column].and_then(|at| row.record.get(at)).unwrap_or_default();
        let list = |column: usize| {
            let words = more(column).split(';').map(str::trim).filter(|word| !word.is_empty());
            words.map(str::to_owned).collect()
        };
        let means = match more(1) {
            "" => v1::ConsentMeans::Unspecified,
            "in_writing" => v1::ConsentMeans::InWriting,
            "online" => v1::ConsentMeans::Online,
            "verbally_noted" => v1::ConsentMeans::VerballyNoted,
            _ => return Err((MORE[1], "unknown-code", "in_writing, online or verbally_noted")),
        };
        let until = match more(5) {
            "" => String::new(),
            day => {
                let day: Date =
                    day.parse().map_err(|_| (MORE[5], "date", "a date like 2026-03-31"))?;
                day.to_string()
            }
        };
        Ok(v1::Consent {
            giver_ref: more(0).to_owned(),
            means: means.into(),
            purposes: list(2),
            record_types: list(3),
            evidence_ref: more(4).to_owned(),
            valid_until: until,
            consent_ref: reference.to_owned(),
            state: state.into(),
            given_by: given_by.into(),
            recorded_on: day.to_string(),
            notice_version: value(4).to_owned(),
        })
    }
}

/// A state's name, as files write it; an unknown consent is `unknown`.
pub(super) const fn state_name(state: v1::ConsentState) -> &'static str {
    match state {
        v1::ConsentState::Unspecified => "unknown",
        v1::ConsentState::Given => "given",
        v1::ConsentState::Refused => "refused",
        v1::ConsentState::Withdrawn => "withdrawn",
        v1::ConsentState::Expired => "expired",
    }
}

/// Who gave it, as files write it.
pub(super) const fn giver_name(giver: v1::ConsentGiver) -> &'static str {
    match giver {
        v1::ConsentGiver::Unspecified => "",
        v1::ConsentGiver::Subject => "subject",
        v1::ConsentGiver::Parent => "parent",
        v1::ConsentGiver::Carer => "carer",
    }
}

/// How it was obtained, as files write it.
pub(super) const fn means_name(means: v1::ConsentMeans) -> &'static str {
    match means {
        v1::ConsentMeans::Unspecified => "",
        v1::ConsentMeans::InWriting => "in_writing",
        v1::ConsentMeans::Online => "online",
        v1::ConsentMeans::VerballyNoted => "verbally_noted",
    }
}

/// The file of rejected rows: the original row, then `_row`, `_field`, `_code`, `_message`.
pub(super) struct Rejects(Option<(PathBuf, csv::Writer<File>)>);

impl Rejects {
    /// Starts the file, when one was asked for.
    ///
    /// # Errors
    /// When it can't be written.
    pub(super) fn open(
        path: Option<PathBuf>,
        heading: &csv::StringRecord,
    ) -> Result<Self, CliError> {
        let Some(path) = path else { return Ok(Self(None)) };
        let file = File::create(&path)
            .map_err(|source| CliError::Unwritable { path: path.clone(), source })?;
        // Rejected rows may be ragged; each is kept as it came.
        let writer = csv::WriterBuilder::new().flexible(true).from_writer(file);
        let mut rejects = Self(Some((path, writer)));
        rejects.write(heading.iter().chain(["_row", "_field", "_code", "_message"]))?;
        Ok(rejects)
    }

    /// Adds a row.
    ///
    /// # Errors
    /// When it can't be written.
    pub(super) fn add(&mut self, rejection: &Rejection) -> Result<(), CliError> {
        let number = rejection.row.number.to_string();
        let why = [number.as_str(), &rejection.field, &rejection.code, &rejection.message];
        self.write(rejection.row.record.iter().chain(why))
    }

    /// Writes out what is held back.
    ///
    /// # Errors
    /// When it can't be written.
    pub(super) fn finish(self) -> Result<(), CliError> {
        let Some((path, mut writer)) = self.0 else { return Ok(()) };
        writer.flush().map_err(|source| CliError::Unwritable { path, source })
    }

    fn write<'a>(&mut self, cells: impl Iterator<Item = &'a str>) -> Result<(), CliError> {
        let Some((path, writer)) = &mut self.0 else { return Ok(()) };
        writer
            .write_record(cells)
            .map_err(|error| CliError::Unwritable { path: path.clone(), source: error.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn batches(text: &str) -> (tempfile::TempDir, Result<Batches, CliError>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("consents.csv");
        fs::write(&path, text).unwrap();
        let batches = Batches::open(&path);
        (folder, batches)
    }

    #[test]
    fn good_rows_go_and_bad_ones_stay_with_their_number() {
        let text = "state,consent_ref,given_by,recorded_on,notice_version\r\n\
            given,C1,parent,2026-01-02,n1\r\n\
            maybe,C2,parent,2026-01-02,n1\r\n\
            refused,,parent,2026-01-02,n1\r\n\
            refused,C4,neighbour,2026-01-02,n1\r\n\
            refused,C5,carer,02/01/2026,n1\r\n\
            refused,C6,carer\r\n\
            withdrawn,C7,subject,2026-01-03,\r\n";
        let (_folder, batches) = batches(text);
        let batch = batches.unwrap().next_batch().unwrap().unwrap();
        let sent: Vec<_> = batch.consents.iter().map(|c| c.consent_ref.as_str()).collect();
        assert_eq!(sent, ["C1", "C7"]);
        let found: Vec<_> =
            batch.rejections.iter().map(|r| (r.row.number, r.field.as_str())).collect();
        assert_eq!(
            found,
            [(3, "state"), (4, "consent_ref"), (5, "given_by"), (6, "recorded_on"), (7, "")]
        );
        let sentence = batch.rejections[0].to_string();
        assert!(sentence.starts_with("row 3: state (unknown-code)"), "{sentence}");
        assert!(!sentence.contains("maybe"));
    }

    #[test]
    fn batches_hold_a_thousand() {
        let mut text = COLUMNS.join(",");
        text.push('\n');
        for number in 0..1_001 {
            text.push_str(&format!("C{number},given,parent,2026-01-02,n1\n"));
        }
        let (_folder, batches) = batches(&text);
        let mut batches = batches.unwrap();
        let mut sizes = Vec::new();
        while let Some(batch) = batches.next_batch().unwrap() {
            sizes.push(batch.consents.len());
        }
        assert_eq!(sizes, [1_000, 1]);
    }

    #[test]
    fn a_missing_column_is_said() {
        let (_folder, batches) = batches("consent_ref,state\n");
        assert!(matches!(batches.err(), Some(CliError::WrongForm { .. })));
    }

    #[test]
    fn the_rejects_file_holds_the_row_and_the_reason() {
        let (folder, batches) =
            batches(&format!("{}\nC1,maybe,parent,2026-01-02,n1\n", COLUMNS.join(",")));
        let mut batches = batches.unwrap();
        let path = folder.path().join("rejects.csv");
        let mut rejects = Rejects::open(Some(path.clone()), batches.heading()).unwrap();
        let batch = batches.next_batch().unwrap().unwrap();
        rejects.add(&batch.rejections[0]).unwrap();
        let row = batch.rejections[0].row.clone();
        let theirs = v1::ConsentRejection {
            row: 0,
            field: "recorded_on".to_owned(),
            rule: "future".to_owned(),
            message: "not after today".to_owned(),
        };
        rejects.add(&Rejection::of(theirs.clone(), &[row]).unwrap()).unwrap();
        rejects.finish().unwrap();
        assert_eq!(
            fs::read_to_string(path).unwrap(),
            "consent_ref,state,given_by,recorded_on,notice_version,_row,_field,_code,_message\n\
             C1,maybe,parent,2026-01-02,n1,2,state,unknown-code,\"given, refused, withdrawn or expired\"\n\
             C1,maybe,parent,2026-01-02,n1,2,recorded_on,future,not after today\n"
        );
        assert!(Rejection::of(theirs, &[]).is_err());
    }
}
