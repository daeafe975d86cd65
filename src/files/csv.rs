//! Rows of a partner's CSV file (RFC 4180, leniently), in bounded memory. The delimiter (comma,
//! semicolon, tab or bar) is the one of which the first line has most.
//!
//! Why not a plain `csv` reader: a quotation mark that is never closed would swallow all
//! rows behind it, and a line without an end would be read into memory as a whole. No field
//! of a record type holds a line break, so a row that spans lines is refused by its first
//! line, and reading goes on at the second: a bad row spoils no neighbour.

mod headings;

use super::{FilesError, rejects::REJECT_COLUMNS};
use csv::{ByteRecord, Position, Reader, ReaderBuilder};
use headings::{FirstLine, first_line, read_headings, refuse_utf16};
use std::io::{self, Read, Seek, SeekFrom};

/// The longest line that is read, in bytes.
pub const ROW_MAX: u64 = 1 << 20;
/// The longest row that is sent, in bytes: one message to the gateway stays below its limit.
pub const SENT_ROW_MAX: usize = 64 << 10;
/// The most columns a file may have.
pub const COLUMNS_MAX: usize = 1_000;

const BUFFER: usize = 64 << 10;

/// Why a row is not even looked at. Never holds a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFault {
    /// More or fewer values than the file has columns.
    Shape {
        /// Columns of the file.
        expected: usize,
        /// Values of the row.
        found: usize,
    },
    /// A quotation mark that is not closed before the line ends.
    OpenQuote,
    /// Bytes that are not UTF-8.
    NotUtf8 {
        /// The column's place, from 1 on.
        column: usize,
        /// Zero-based place of the first such byte in the value.
        byte: usize,
        /// Zero-based place in the file where the row begins.
        row_byte: u64,
    },
    /// More than [`SENT_ROW_MAX`] bytes.
    TooLarge,
    /// A line of JSON lines that is no object of plain values.
    NotAnObject,
}

impl RowFault {
    /// A stable code for programs, beside those of `domain::field::Rule`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Shape { .. } => "row-shape",
            Self::OpenQuote => "open-quote",
            Self::NotUtf8 { .. } => "not-utf8",
            Self::TooLarge => "row-too-large",
            Self::NotAnObject => "not-an-object",
        }
    }
}

impl std::fmt::Display for RowFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Shape { expected, found } => {
                write!(f, "the row has {found} values, the file has {expected} columns")
            }
            Self::OpenQuote => f.write_str(
                "a quotation mark is not closed on this line; a value can't hold a line break",
            ),
            Self::NotUtf8 { column, byte, row_byte } => write!(
                f,
                "column {column} is not UTF-8 at byte {byte} of its value (the row begins at \
                 byte {row_byte} of the file): save the file as CSV in UTF-8"
            ),
            Self::TooLarge => f.write_str("the row is longer than 64 KiB; no record is"),
            Self::NotAnObject => f.write_str(
                "the line is not one JSON object of texts, numbers, true, false or null, each key once",
            ),
        }
    }
}

/// A source that gives only so many bytes a row; line ends do not count, so that a sheet's million
/// empty rows are passed over.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let mut read = 0;
        // At least a byte order mark at once: the parser looks for one in its first bytes only.
        while read < most.min(4) {
            match self.inner.read(&mut buffer[read..most]) {
                Ok(0) => break,
                Ok(n) => read += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if !buffer[..read].iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
            self.left = self.left.saturating_sub(read as u64);
        }
        Ok(read)
    }
}

impl<R: Seek> Seek for Bounded<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

/// A CSV file with headings in its first line.
pub struct CsvTable<R> {
    reader: Reader<Bounded<R>>,
    record: ByteRecord,
    /// Columns of the file, those of a rejects file included.
    width: usize,
    /// The headings and places of the columns that hold data.
    columns: Vec<String>,
    places: Vec<usize>,
    /// The latest row's number.
    number: u64,
    /// Whether a line's end is counted when the row before it is read, and not only behind it.
    line_feeds: bool,
    delimiter: u8,
    /// Whether rows of another shape were lines that are no object.
    objects: bool,
}

/// One row. No Debug: it borrows values.
pub struct Row<'a> {
    number: u64,
    byte: u64,
    end: u64,
    record: &'a ByteRecord,
    places: &'a [usize],
    fault: Option<RowFault>,
}

impl<R: Read + Seek> CsvTable<R> {
    /// Opens a file and reads its headings. Headings that a rejects file adds are passed
    /// over, so that a corrected rejects file can be sent as it is.
    ///
    /// # Errors
    /// When the first line can't be headings, see [`FilesError`].
    pub fn open(mut from: R) -> Result<Self, FilesError> {
        refuse_utf16(&mut from)?;
        let first = first_line(&mut from)?;
        Self::made(from, first)
    }

    /// The same of rows that this program made of a file of another kind: with commas and line feeds.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn of_rows(from: R) -> Result<Self, FilesError> {
        Self::made(from, FirstLine { delimiter: b',', line_feeds: true, is_notice: false })
    }

    fn made(from: R, first: FirstLine) -> Result<Self, FilesError> {
        let FirstLine { delimiter, line_feeds, is_notice } = first;
        let source = Bounded { inner: from, left: ROW_MAX };
        let mut reader = ReaderBuilder::new()
            .flexible(true)
            .has_headers(!is_notice)
            .delimiter(delimiter)
            .buffer_capacity(BUFFER)
            .from_reader(source);
        let mut headings = ByteRecord::new();
        let read = if is_notice {
            let notice = reader.read_byte_record(&mut headings);
            notice.and_then(|_| reader.read_byte_record(&mut headings)).map(drop)
        } else {
            reader.byte_headers().map(|found| headings.clone_from(found))
        };
        read.map_err(|error| match io_error(error) {
            quota if quota.kind() == io::ErrorKind::QuotaExceeded => {
                FilesError::LineTooLong { line: 1 + u64::from(is_notice) }
            }
            other => other.into(),
        })?;
        let (columns, places) = read_headings(&headings)?;
        let width = headings.len();
        let record = ByteRecord::new();
        let (number, objects) = (1 + u64::from(is_notice), false);
        Ok(Self { reader, record, width, columns, places, number, line_feeds, delimiter, objects })
    }

    /// The same, made of JSON lines.
    #[must_use]
    pub fn of_objects(mut self) -> Self {
        self.objects = true;
        self
    }

    /// The headings, in the file's order.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Where columns stand, for [`Row::values`] to give values in the order of `names`.
    ///
    /// # Errors
    /// [`FilesError::AbsentColumn`].
    pub fn order(&self, names: &[&'static str]) -> Result<Vec<usize>, FilesError> {
        let place = |name: &&'static str| {
            let found = self.columns.iter().position(|c| c == name);
            found.ok_or(FilesError::AbsentColumn { name })
        };
        names.iter().map(place).collect()
    }

    /// The next row, or `None` at the end. Blank lines are passed over.
    ///
    /// # Errors
    /// When the file can't be read further: a line longer than [`ROW_MAX`], or the
    /// operating system's refusal. Rows that are at fault are rows all the same.
    pub fn next_row(&mut self) -> Result<Option<Row<'_>>, FilesError> {
        self.reader.get_mut().left = ROW_MAX + BUFFER as u64;
        let start = self.reader.position().clone();
        let spans_lines = match self.reader.read_byte_record(&mut self.record) {
            Ok(false) => return Ok(None),
            Ok(true) => {
                let held = self.record.as_slice();
                held.len() as u64 > ROW_MAX || held.iter().any(|b| matches!(b, b'\r' | b'\n'))
            }
            Err(error) => match io_error(error) {
                quota if quota.kind() == io::ErrorKind::QuotaExceeded => true,
                other => return Err(other.into()),
            },
        };
        let line = if spans_lines {
            self.take_first_line(&start)?
        } else {
            self.reader.position().line() - u64::from(self.line_feeds)
        };
        // Lines that end in other ways than the first are counted as rows.
        self.number = line.max(self.number + 1);
        let fault = if spans_lines {
            Some(RowFault::OpenQuote)
        } else if self.record.len() != self.width && self.objects {
            Some(RowFault::NotAnObject)
        } else if self.record.len() != self.width {
            Some(RowFault::Shape { expected: self.width, found: self.record.len() })
        } else if self.record.as_slice().len() > SENT_ROW_MAX {
            Some(RowFault::TooLarge)
        } else {
            None
        };
        Ok(Some(Row {
            number: self.number,
            byte: start.byte(),
            end: self.reader.position().byte(),
            record: &self.record,
            places: &self.places,
            fault,
        }))
    }

    /// Puts the first line at or behind `start` in the record's place and goes on behind it; its
    /// number.
    fn take_first_line(&mut self, start: &Position) -> Result<u64, FilesError> {
        let source = self.reader.get_mut();
        source.inner.seek(SeekFrom::Start(start.byte()))?;
        let (mut line, mut number, mut end) = (Vec::new(), start.line(), start.byte());
        let mut piece = vec![0; 4096];
        'line: loop {
            let read = source.inner.read(&mut piece)?;
            if read == 0 {
                break;
            }
            for byte in &piece[..read] {
                match byte {
                    // A line end left over from the row before.
                    b'\r' | b'\n' if line.is_empty() => number += u64::from(*byte == b'\n'),
                    b'\r' | b'\n' => break 'line,
                    _ => line.push(*byte),
                }
                end += 1;
            }
            if line.len() as u64 > ROW_MAX {
                return Err(FilesError::LineTooLong { line: number });
            }
        }
        let mut position = start.clone();
        position.set_byte(end).set_line(number);
        self.reader.seek_raw(SeekFrom::Start(end), position).map_err(io_error)?;
        self.record = line.split(|b| *b == self.delimiter).collect();
        Ok(number)
    }
}

impl<'a> Row<'a> {
    /// Its number as a spreadsheet shows it, empty rows counted: the headings are mostly row 1.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// The place in the file behind it, in bytes.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.end
    }

    /// Its values in the order that [`CsvTable::order`] gave.
    ///
    /// # Errors
    /// What is wrong with the row as a row.
    pub fn values(&self, order: &[usize]) -> Result<Vec<&'a str>, RowFault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let (record, places) = (self.record, self.places);
        let read = |column: &usize| {
            let place = places[*column];
            std::str::from_utf8(&record[place]).map_err(|error| RowFault::NotUtf8 {
                column: place + 1,
                byte: error.valid_up_to(),
                row_byte: self.byte,
            })
        };
        order.iter().map(read).collect()
    }

    /// Its data as it stood in the file, one value a column: a missing one is empty, and
    /// what is over stands in the last, behind commas.
    #[must_use]
    pub fn original(&self) -> ByteRecord {
        let mut fields: Vec<Vec<u8>> = self
            .places
            .iter()
            .map(|place| self.record.get(*place).unwrap_or_default().to_vec())
            .collect();
        let over = self.places.last().map_or(0, |last| last + 1);
        if let (Some(last), Some(RowFault::Shape { .. } | RowFault::OpenQuote)) =
            (fields.last_mut(), self.fault)
        {
            for extra in self.record.iter().skip(over) {
                last.push(b',');
                last.extend_from_slice(extra);
            }
        }
        fields.into_iter().collect()
    }
}

/// Only the source can fail: rows of any width are taken, as bytes.
pub(super) fn io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        _ => io::ErrorKind::InvalidData.into(),
    }
}

#[cfg(test)]
mod tests;
