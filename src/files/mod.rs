//! Partners' files: read with bounded memory, checked row by row, rejects written back.
//!
//! Why it exists: arbitrary extracts are the norm, and a bad record must never spoil its
//! neighbours. The connector and the browser's upload both read files through here.
//!
//! - [`input`]: a file, whatever it is: CSV, JSON lines or a workbook, in any encoding.
//! - [`csv`]: rows of a CSV file, whatever its delimiter, its line ends, its byte order mark and
//!   the order of its columns; [`encoding`]: UTF-8, UTF-16 and Windows-1252.
//! - [`mapping`]: a partner's own columns, codes and dates; [`suggest`] proposes one.
//! - [`check`]: the rows against their record type's definition, by the gateway's own check.
//! - [`schema`]: templates, JSON and Table Schemas and documents, from the definitions.
//! - [`rejects`]: the rows that were refused, with the reason beside them.
//!
//! Invariants: a row takes at most [`csv::ROW_MAX`] bytes of memory, whatever the file holds, and
//! a workbook's part at most 128 MiB, whatever was compressed into it; no error, Debug or Display text holds a value or a heading of the file, since the first
//! line of a file without headings is a record.

pub mod check;
pub mod csv;
pub mod encoding;
pub mod input;
mod json_lines;
pub mod mapping;
pub mod rejects;
pub mod schema;
pub mod suggest;
mod window;
mod xlsx;
mod xml;
mod zip;

pub use self::csv::{CsvTable, Row, RowFault};
pub use check::{Complaint, FileCheck, FileSummary, Verdict, check_file};
pub use input::{Input, Kept};
pub use mapping::{Mapping, MappingError};
pub use rejects::RejectsWriter;

use crate::domain::LayoutError;
use std::io;

/// Why a file can't be used at all: one clear sentence each, and never a value.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The operating system refused.
    #[error("the file can't be read or written: {0}")]
    Io(#[from] io::Error),
    /// Nothing is in it.
    #[error("the file is empty: its first line must hold the column headings")]
    Empty,
    /// The text is encoded otherwise.
    #[error("the file is in UTF-16: save it as CSV in UTF-8")]
    Utf16,
    /// A heading is no text.
    #[error("the heading of column {column} is not UTF-8: save the file as CSV in UTF-8")]
    HeadingNotUtf8 {
        /// The column's place, from 1 on.
        column: usize,
    },
    /// A quote in the first line is never closed there.
    #[error("a quotation mark in the first line is not closed there")]
    HeadingQuote,
    /// An archive that is no workbook, or a damaged one.
    #[error("the workbook can't be read: open it in a spreadsheet and save it as .xlsx or as CSV")]
    Workbook,
    /// An old workbook, or one under a password.
    #[error(
        "the workbook is of the old form (.xls) or under a password: save it as .xlsx without a \
         password, or as CSV"
    )]
    OldWorkbook,
    /// More than is taken apart in memory.
    #[error(
        "the workbook holds more than 128 MiB unpacked: save the sheet as CSV, which may be of any \
         size"
    )]
    WorkbookTooLarge,
    /// Far more columns than any record type has.
    #[error("the file has {found} columns, and no record type has more than {}", csv::COLUMNS_MAX)]
    TooManyColumns {
        /// Columns found.
        found: usize,
    },
    /// A line so long that it can't be a record.
    #[error("line {line} is longer than 1 MiB: no record is, so look for a lost line end there")]
    LineTooLong {
        /// The line, from 1 on.
        line: u64,
    },
    /// A heading that is there twice.
    #[error("columns {first} and {second} have the same heading: leave one out")]
    DuplicateHeading {
        /// The first one's place, from 1 on.
        first: usize,
        /// The second one's.
        second: usize,
    },
    /// Rejects would go into the file that is pushed.
    #[error("the rejects can't be written into the file that is pushed: name another one")]
    OwnRejects,
    /// A column that was asked for is not there.
    #[error("the file has no column {name}")]
    AbsentColumn {
        /// The column asked for.
        name: &'static str,
    },
    /// The mapping can't be used.
    #[error(transparent)]
    Mapping(#[from] MappingError),
    /// The columns don't fit the record type.
    #[error(transparent)]
    Layout(#[from] LayoutError),
}
