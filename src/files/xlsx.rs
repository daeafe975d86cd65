//! The first sheet of an Excel workbook (ECMA-376, .xlsx) as CSV, in bounded memory.
//!
//! Why not a spreadsheet library: those spread a sheet out as a rectangle from its first to its
//! last cell, and two cells far apart are then billions. Here rows are written as they come, and
//! parts, strings and columns have limits. Cells that are formatted as dates become dates
//! (YYYY-MM-DD), whatever they are shown as; numbers keep their digits; of formulas the value
//! that was last computed is taken, or the error, which the row's check refuses: taken for
//! nothing, an NHS number that was looked up in vain would be a child without one.

use super::{
    FilesError,
    csv::COLUMNS_MAX,
    xml::{Piece, Pieces, attribute, unescaped},
    zip::Archive,
};
use crate::domain::time::{date_of, epoch_day};
use jiff::civil::{Date, date};
use std::{
    borrow::Cow,
    collections::BTreeSet,
    io::{Read, Seek},
};

/// The largest sheet and its texts together, unpacked, in bytes.
const SHEET_MAX: usize = 160 << 20;
/// The largest other part, unpacked, in bytes.
const PART_MAX: usize = 4 << 20;
/// The largest sheet, as CSV, in bytes.
const CSV_MAX: usize = 96 << 20;
/// The last row of a sheet (Excel's limit).
const ROWS_MAX: usize = 1 << 20;
const STRINGS_MAX: usize = 2_000_000;
const STYLES_MAX: usize = 100_000;

type Rows = csv::Writer<Vec<u8>>;

/// Whether a file begins as a workbook (as any ZIP archive) does.
#[must_use]
pub(super) fn is_archive(first: &[u8]) -> bool {
    first.starts_with(b"PK\x03\x04")
}

/// Whether a file begins as an old or a password-protected workbook does.
#[must_use]
pub(super) fn is_old(first: &[u8]) -> bool {
    first.starts_with(&[0xd0, 0xcf, 0x11, 0xe0])
}

/// The first sheet that is not hidden, as CSV.
pub(super) fn first_sheet(from: impl Read + Seek) -> Result<Vec<u8>, FilesError> {
    let mut archive = Archive::open(from)?;
    let workbook = archive.text("xl/workbook.xml", PART_MAX)?.ok_or(FilesError::Workbook)?;
    let (sheet, from_1904) = sheet_of(&workbook);
    let relations = archive.text("xl/_rels/workbook.xml.rels", PART_MAX)?.unwrap_or_default();
    let path = path_of(&relations, &sheet.ok_or(FilesError::Workbook)?);
    let dates = Dates {
        styles: date_styles(&archive.text("xl/styles.xml", PART_MAX)?.unwrap_or_default()),
        from_1904,
    };
    let strings =
        Strings::read(&archive.text("xl/sharedStrings.xml", SHEET_MAX)?.unwrap_or_default())?;
    let path = path.unwrap_or_else(|| "xl/worksheets/sheet1.xml".to_owned());
    let left = SHEET_MAX - strings.all.len().min(SHEET_MAX);
    let sheet = archive.text(&path, left)?.ok_or(FilesError::Workbook)?;
    to_csv(&sheet, &strings, &dates, CSV_MAX)
}

/// The relation's id of the first sheet that is shown, and whether days count from 1904.
fn sheet_of(workbook: &str) -> (Option<String>, bool) {
    let (mut first, mut from_1904) = (None, false);
    for piece in Pieces::of(workbook) {
        let Piece::Open { name, attributes, .. } = piece else { continue };
        let is = |name: &str, values: &[&str]| {
            attribute(attributes, name).is_some_and(|value| values.contains(&&*value))
        };
        match name {
            "workbookPr" => from_1904 = is("date1904", &["1", "true"]),
            "sheet" if first.is_none() && !is("state", &["hidden", "veryHidden"]) => {
                first = attribute(attributes, "id").map(Cow::into_owned);
            }
            _ => {}
        }
    }
    (first, from_1904)
}

fn path_of(relations: &str, id: &str) -> Option<String> {
    for piece in Pieces::of(relations) {
        let Piece::Open { name: "Relationship", attributes, .. } = piece else { continue };
        if attribute(attributes, "Id").is_some_and(|found| found == id) {
            let target = attribute(attributes, "Target")?;
            return Some(match target.strip_prefix('/') {
                Some(absolute) => absolute.to_owned(),
                None => format!("xl/{target}"),
            });
        }
    }
    None
}

/// Which styles show a day.
struct Dates {
    styles: Vec<bool>,
    from_1904: bool,
}

fn date_styles(styles: &str) -> Vec<bool> {
    let (mut custom, mut dates, mut in_cells) = (BTreeSet::new(), Vec::new(), false);
    for piece in Pieces::of(styles) {
        match piece {
            Piece::Open { name: "numFmt", attributes, .. } => {
                let code = attribute(attributes, "formatCode").unwrap_or_default();
                if let Some(id) = attribute(attributes, "numFmtId").filter(|_| shows_day(&code)) {
                    custom.insert(id.into_owned());
                }
            }
            Piece::Open { name: "cellXfs", .. } => in_cells = true,
            Piece::Close { name: "cellXfs" } => in_cells = false,
            Piece::Open { name: "xf", attributes, .. } if in_cells && dates.len() < STYLES_MAX => {
                let id = attribute(attributes, "numFmtId").unwrap_or_default();
                let built_in = id.parse().is_ok_and(
                    |id: u32| matches!(id, 14..=17 | 22 | 27..=31 | 34..=36 | 50..=54 | 57 | 58),
                );
                dates.push(built_in || custom.contains(&*id));
            }
            _ => {}
        }
    }
    dates
}

/// Whether a number format shows a day: it names years or days outside quotes and brackets.
fn shows_day(code: &str) -> bool {
    let (mut quoted, mut bracket, mut escaped) = (false, false, false);
    code.chars().any(|c| {
        let plain = !quoted && !bracket && !escaped;
        escaped = plain && c == '\\';
        match c {
            '"' if !escaped => quoted = !quoted,
            '[' if plain => bracket = true,
            ']' => bracket = false,
            _ => {}
        }
        plain && matches!(c, 'y' | 'Y' | 'd' | 'D')
    })
}

/// The day of a spreadsheet's number: days since the end of 1899, or since 1904 began. Day 60 of
/// the first count, 29 February 1900, never was.
#[must_use]
pub(super) fn day_of(serial: i32, from_1904: bool) -> Option<Date> {
    let first = match (from_1904, serial) {
        (true, 0..=2_957_003) => date(1904, 1, 1),
        (false, 1..=59) => date(1899, 12, 31),
        (false, 61..=2_958_465) => date(1899, 12, 30),
        _ => return None,
    };
    date_of(epoch_day(first) + serial)
}

/// The strings that cells refer to, behind one another.
struct Strings {
    all: String,
    ends: Vec<usize>,
}

impl Strings {
    fn read(part: &str) -> Result<Self, FilesError> {
        let mut strings = Self { all: String::new(), ends: Vec::new() };
        let (mut in_text, mut reading_aid) = (false, false);
        for piece in Pieces::of(part) {
            match piece {
                Piece::Open { name: "t", empty, .. } => in_text = !empty && !reading_aid,
                Piece::Close { name: "t" } => in_text = false,
                Piece::Open { name: "rPh", empty, .. } => reading_aid = !empty,
                Piece::Close { name: "rPh" } => reading_aid = false,
                Piece::Text(text) if in_text => strings.all.push_str(&unescaped(text)),
                Piece::Close { name: "si" } | Piece::Open { name: "si", empty: true, .. } => {
                    strings.ends.push(strings.all.len());
                    if strings.ends.len() > STRINGS_MAX {
                        return Err(FilesError::WorkbookTooLarge);
                    }
                }
                _ => {}
            }
        }
        Ok(strings)
    }

    fn get(&self, number: &str) -> Option<&str> {
        let number: usize = number.trim().parse().ok()?;
        let start = match number {
            0 => 0,
            _ => *self.ends.get(number - 1)?,
        };
        self.all.get(start..*self.ends.get(number)?)
    }
}

/// A cell while it is read.
#[derive(Default)]
struct Cell {
    column: usize,
    kind: String,
    style: usize,
    text: String,
}

impl Cell {
    fn value(self, strings: &Strings, dates: &Dates) -> String {
        match &*self.kind {
            "s" => strings.get(&self.text).unwrap_or_default().to_owned(),
            "b" => if self.text.trim() == "1" { "yes" } else { "no" }.to_owned(),
            "" | "n" => number(&self.text, dates.styles.get(self.style) == Some(&true), dates),
            _ => self.text,
        }
    }
}

/// A number with its digits, or the day that it stands for.
fn number(text: &str, is_day: bool, dates: &Dates) -> String {
    let text = text.trim();
    let Some(value) = text.parse::<f64>().ok().filter(|v| v.abs() < 9e15) else {
        return text.to_owned();
    };
    let whole = value.fract() == 0.0;
    let plain = format!("{value:.0}");
    let day = plain.parse().ok().filter(|_| is_day && whole);
    match day.and_then(|serial| day_of(serial, dates.from_1904)) {
        Some(day) => day.to_string(),
        None if whole => plain,
        None => text.to_owned(),
    }
}

/// The zero-based column of a reference like `AB12`.
fn column_of(reference: &str) -> Option<usize> {
    let letters = reference.bytes().take_while(u8::is_ascii_uppercase);
    let number = letters.take(4).fold(0usize, |n, b| n * 26 + usize::from(b - b'A') + 1);
    number.checked_sub(1)
}

/// The same writer, behind so many blank lines.
fn behind_blank_lines(writer: Rows, lines: usize) -> Result<Rows, FilesError> {
    let mut written = writer.into_inner().map_err(|_| FilesError::Workbook)?;
    written.resize(written.len() + lines, b'\n');
    Ok(Rows::from_writer(written))
}

/// At most `limit` bytes of it.
fn to_csv(
    sheet: &str,
    strings: &Strings,
    dates: &Dates,
    limit: usize,
) -> Result<Vec<u8>, FilesError> {
    let mut writer = Rows::from_writer(Vec::new());
    let (mut row, mut cell): (Vec<String>, Option<Cell>) = (Vec::new(), None);
    let (mut width, mut written, mut in_text) = (0, 0, false);
    // Which row is read, and how many are written: empty ones are blank lines, so that the others
    // keep their numbers.
    let (mut number, mut lines) = (0_usize, 0);
    // Where a cell stands that does not say so (ECMA-376 part 1 §18.3.1.4): behind the one before,
    // be it empty or not.
    let mut next = 0;
    for piece in Pieces::of(sheet) {
        match piece {
            Piece::Open { name: "row", attributes, .. } => {
                let stated = attribute(attributes, "r").and_then(|r| r.parse().ok());
                let stated = stated.filter(|r| (number + 1..=ROWS_MAX).contains(r));
                number = stated.unwrap_or(number + 1);
            }
            Piece::Open { name: "c", attributes, empty } => {
                let place = attribute(attributes, "r").and_then(|place| column_of(&place));
                let column = place.unwrap_or(next);
                next = column + 1;
                if column >= COLUMNS_MAX {
                    return Err(FilesError::TooManyColumns { found: column + 1 });
                }
                let kind = attribute(attributes, "t").unwrap_or_default().into_owned();
                let style = attribute(attributes, "s").and_then(|s| s.parse().ok());
                let style = style.unwrap_or(usize::MAX);
                cell = (!empty).then_some(Cell { column, kind, style, text: String::new() });
            }
            Piece::Open { name: "v" | "t", empty, .. } => in_text = !empty,
            Piece::Close { name: "v" | "t" } => in_text = false,
            Piece::Text(text) if in_text => {
                if let Some(cell) = &mut cell {
                    cell.text.push_str(&unescaped(text));
                }
            }
            Piece::Close { name: "c" } => {
                if let Some(cell) = cell.take() {
                    let column = cell.column;
                    if row.len() <= column {
                        row.resize(column + 1, String::new());
                    }
                    // A row is one line of CSV; no field of a record holds a line break.
                    row[column] = cell.value(strings, dates).replace(['\r', '\n'], " ");
                }
            }
            Piece::Close { name: "row" } => {
                next = 0;
                while row.last().is_some_and(String::is_empty) {
                    row.pop();
                }
                if row.is_empty() {
                    continue;
                }
                // The first row that is not empty holds the headings.
                width = if width == 0 { row.len() } else { width };
                row.resize(row.len().max(width), String::new());
                let blank = number.saturating_sub(lines + 1);
                written += blank + row.iter().map(|value| value.len() + 1).sum::<usize>();
                if written > limit {
                    return Err(FilesError::WorkbookTooLarge);
                }
                if blank > 0 {
                    writer = behind_blank_lines(writer, blank)?;
                }
                writer.write_record(&row).map_err(super::csv::io_error)?;
                lines += blank + 1;
                row.clear();
            }
            Piece::Close { name: "sheetData" } => break,
            _ => {}
        }
    }
    writer.into_inner().map_err(|_| FilesError::Workbook)
}

#[cfg(test)]
mod tests;
