//! The rejects file: each refused row as it stood, with the reason beside it.
//!
//! A row is there once, however many rules it broke, so that the file can be corrected and
//! sent again: the four columns that it adds are passed over when it is read.

use super::{FilesError, check::Complaint, csv::io_error};
use csv::{ByteRecord, Writer};
use std::io::Write;

/// The columns behind the original ones: the row's number as a spreadsheet shows it; fields
/// and codes, separated by `;`; sentences, separated by ` | `.
pub const REJECT_COLUMNS: [&str; 4] = ["_row", "_field", "_code", "_message"];

/// Writes a rejects file. No Debug: it buffers values.
pub struct RejectsWriter<W: Write> {
    writer: Writer<W>,
}

impl<W: Write> RejectsWriter<W> {
    /// Begins a file for rows of these columns.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn begin(to: W, columns: &[String]) -> Result<Self, FilesError> {
        let mut rejects = Self::go_on(to);
        let headings = columns.iter().map(String::as_str).chain(REJECT_COLUMNS);
        rejects.writer.write_record(headings).map_err(io_error)?;
        rejects.flush()?;
        Ok(rejects)
    }

    /// Goes on with a file that was begun.
    #[must_use]
    pub fn go_on(to: W) -> Self {
        Self { writer: Writer::from_writer(to) }
    }

    /// Writes one refused row, as [`super::Row::original`] gives it.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn write(
        &mut self,
        number: u64,
        original: &ByteRecord,
        complaints: &[Complaint],
    ) -> Result<(), FilesError> {
        let join = |part: fn(&Complaint) -> &str, by: &str| {
            complaints.iter().map(part).collect::<Vec<_>>().join(by)
        };
        let number = number.to_string();
        let (field, code) = (join(|c| &c.field, ";"), join(|c| &c.code, ";"));
        let message = join(|c| &c.message, " | ");
        let reason = [&number, &field, &code, &message].map(String::as_bytes);
        self.writer.write_record(original.iter().chain(reason)).map_err(io_error)?;
        Ok(())
    }

    /// Hands all that was written to the operating system.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn flush(&mut self) -> Result<(), FilesError> {
        Ok(self.writer.flush()?)
    }

    /// What it writes to.
    #[must_use]
    pub fn get_ref(&self) -> &W {
        self.writer.get_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::field::Rule;
    use crate::domain::row::Violation;
    use crate::files::{CsvTable, RowFault};
    use std::io::Cursor;

    #[test]
    fn a_rejects_file_reads_as_the_file_it_came_from() {
        let columns = ["record_id".to_owned(), "forename".to_owned()];
        let mut bytes = Vec::new();
        let mut rejects = RejectsWriter::begin(&mut bytes, &columns).unwrap();
        let both = [
            Complaint::from(Violation { field: "forename", rule: Rule::NameForm }),
            Complaint::from(RowFault::OpenQuote),
        ];
        let original = ByteRecord::from(vec!["r,1", "say \"Ann\""]);
        rejects.write(7, &original, &both).unwrap();
        rejects.flush().unwrap();
        drop(rejects);

        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(text.starts_with("record_id,forename,_row,_field,_code,_message\n"));
        assert!(text.contains(",7,forename;,name-form;open-quote,"));
        let mut table = CsvTable::open(Cursor::new(bytes)).unwrap();
        assert_eq!(table.columns(), columns);
        let row = table.next_row().unwrap().unwrap();
        assert_eq!(row.values(&[0, 1]).unwrap(), ["r,1", "say \"Ann\""]);
        assert_eq!(row.original(), original);
    }
}
