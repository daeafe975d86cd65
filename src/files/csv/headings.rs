//! The first line of a file: its encoding, its delimiter, its headings.

use super::{BUFFER, COLUMNS_MAX, FilesError, REJECT_COLUMNS};
use csv::ByteRecord;
use std::io::{Read, Seek, SeekFrom};

pub(super) fn refuse_utf16(from: &mut (impl Read + Seek)) -> Result<(), FilesError> {
    let mut first = Vec::with_capacity(2);
    from.by_ref().take(2).read_to_end(&mut first)?;
    from.seek(SeekFrom::Start(0))?;
    match first[..] {
        [0xff, 0xfe] | [0xfe, 0xff] | [0, _] | [_, 0] => Err(FilesError::Utf16),
        _ => Ok(()),
    }
}

/// What the first line tells of all.
#[derive(Debug, Clone, Copy)]
pub(super) struct FirstLine {
    pub(super) delimiter: u8,
    /// Whether a line feed ends it.
    pub(super) line_feeds: bool,
    /// Whether it only says the delimiter, as spreadsheets have it (`sep=;`): the headings are in
    /// the second.
    pub(super) is_notice: bool,
}

/// The delimiter that the first line names, or of which it has most outside quotation marks; a
/// comma for none.
pub(super) fn first_line(from: &mut (impl Read + Seek)) -> Result<FirstLine, FilesError> {
    let mut first = Vec::new();
    from.by_ref().take(BUFFER as u64).read_to_end(&mut first)?;
    from.seek(SeekFrom::Start(0))?;
    let (delimiter, line_feeds) = guess(&first);
    Ok(match notice(&first) {
        Some(delimiter) => FirstLine { delimiter, line_feeds, is_notice: true },
        None => FirstLine { delimiter, line_feeds, is_notice: false },
    })
}

/// The delimiter of a line `sep=;`, which some spreadsheets write first, with quotation marks or not.
fn notice(first: &[u8]) -> Option<u8> {
    let first = first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(first);
    let line = first.split(|byte| matches!(byte, b'\r' | b'\n')).next()?;
    let line = line.strip_prefix(b"\"").and_then(|line| line.strip_suffix(b"\"")).unwrap_or(line);
    match line {
        [s, e, p, b'=', delimiter] if [*s, *e, *p].eq_ignore_ascii_case(b"sep") => {
            DELIMITERS.contains(delimiter).then_some(*delimiter)
        }
        _ => None,
    }
}

const DELIMITERS: [u8; 4] = *b",;\t|";

fn guess(first: &[u8]) -> (u8, bool) {
    let (mut counts, mut quoted, mut seen, mut line_feed) = ([0u32; 4], false, false, false);
    for &byte in first {
        seen |= !matches!(byte, b'\r' | b'\n');
        match byte {
            b'"' => quoted = !quoted,
            b'\r' | b'\n' if !quoted && seen => {
                line_feed = byte == b'\n';
                break;
            }
            _ if quoted => {}
            _ => {
                if let Some(at) = DELIMITERS.iter().position(|d| *d == byte) {
                    counts[at] += 1;
                }
            }
        }
    }
    let most = (0..4).rev().max_by_key(|at| counts[*at]).unwrap_or(0);
    (DELIMITERS[most], line_feed)
}

/// Headings, trimmed, and their places, less those of a rejects file.
pub(super) fn read_headings(
    headings: &ByteRecord,
) -> Result<(Vec<String>, Vec<usize>), FilesError> {
    if headings.iter().all(<[u8]>::is_empty) {
        return Err(FilesError::Empty);
    }
    if headings.len() > COLUMNS_MAX {
        return Err(FilesError::TooManyColumns { found: headings.len() });
    }
    if headings.as_slice().iter().any(|b| matches!(b, b'\r' | b'\n')) {
        return Err(FilesError::HeadingQuote);
    }
    let (mut columns, mut places) = (Vec::new(), Vec::new());
    for (place, heading) in headings.iter().enumerate() {
        let heading = std::str::from_utf8(heading)
            .map_err(|_| FilesError::HeadingNotUtf8 { column: place + 1 })?
            .trim();
        if REJECT_COLUMNS.contains(&heading) {
            continue;
        }
        if let Some(first) = columns.iter().position(|c| c == heading) {
            return Err(FilesError::DuplicateHeading {
                first: places[first] + 1,
                second: place + 1,
            });
        }
        columns.push(heading.to_owned());
        places.push(place);
    }
    Ok((columns, places))
}
