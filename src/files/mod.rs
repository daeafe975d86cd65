//! Partners' files: read with bounded memory, checked row by row, rejects written back.
//!
//! Why it exists: arbitrary extracts are the norm, and a bad record must never spoil its
//! neighbours. The connector and the browser's upload both read files through here.
//!
//! - [`csv`]: rows of a CSV file, whatever its line ends, its byte order mark and the order
//!   of its columns.
//! - [`check`]: the rows against their record type's definition, by the gateway's own check.
//! - [`rejects`]: the rows that were refused, with the reason beside them.
//!
//! Invariants: a row takes at most [`csv::ROW_MAX`] bytes of memory, whatever the file holds;
//! no error, Debug or Display text holds a value or a heading of the file, since the first
//! line of a file without headings is a record.

pub mod check;
pub mod csv;
pub mod rejects;

pub use self::csv::{CsvTable, Row, RowFault};
pub use check::{Complaint, FileCheck, FileSummary, Verdict, check_file};
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
    /// One column, and another delimiter than a comma in it.
    #[error("the columns are not separated by commas: save the file as comma-separated CSV")]
    Delimiter,
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
    /// A column that was asked for is not there.
    #[error("the file has no column {name}")]
    AbsentColumn {
        /// The column asked for.
        name: &'static str,
    },
    /// The columns don't fit the record type.
    #[error(transparent)]
    Layout(#[from] LayoutError),
}
