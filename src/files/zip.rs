//! Just enough of ZIP (APPNOTE 6.3) for a workbook's parts, in bounded memory.
//!
//! Why not a library: what an archive says about its sizes is the sender's word. Here no part
//! is ever larger in memory than the limit asked for, whatever was compressed into it.

use super::FilesError;
use std::io::{Read, Seek, SeekFrom};

/// The most parts a workbook may have.
const ENTRIES_MAX: usize = 2_000;
const DIRECTORY_MAX: u64 = 1 << 20;
const END_BYTES: u64 = 22;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// One part.
struct Entry {
    name: Vec<u8>,
    method: u16,
    encrypted: bool,
    compressed: u64,
    header: u64,
}

/// An archive's parts.
pub(super) struct Archive<R> {
    from: R,
    bytes: u64,
    entries: Vec<Entry>,
}

const DAMAGED: FilesError = FilesError::Workbook;

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

impl<R: Read + Seek> Archive<R> {
    /// Reads the directory at the archive's end.
    pub(super) fn open(mut from: R) -> Result<Self, FilesError> {
        let bytes = from.seek(SeekFrom::End(0))?;
        let tail = bytes.min(END_BYTES + u64::from(u16::MAX));
        let end = read_at(&mut from, bytes - tail, tail)?;
        let place = end.windows(4).rposition(|four| four == b"PK\x05\x06").ok_or(DAMAGED)?;
        let end = &end[place..];
        let (size, offset) = (u32_at(end, 12).ok_or(DAMAGED)?, u32_at(end, 16).ok_or(DAMAGED)?);
        if u64::from(size) > DIRECTORY_MAX {
            return Err(FilesError::WorkbookTooLarge);
        }
        let directory = read_at(&mut from, u64::from(offset), u64::from(size))?;
        let mut entries = Vec::new();
        let mut rest = &directory[..];
        while rest.starts_with(b"PK\x01\x02") {
            let length = |at| u16_at(rest, at).map(usize::from).ok_or(DAMAGED);
            let (name, extra, comment) = (length(28)?, length(30)?, length(32)?);
            entries.push(Entry {
                name: rest.get(46..46 + name).ok_or(DAMAGED)?.to_vec(),
                method: u16_at(rest, 10).ok_or(DAMAGED)?,
                encrypted: u16_at(rest, 8).ok_or(DAMAGED)? & 1 == 1,
                compressed: u64::from(u32_at(rest, 20).ok_or(DAMAGED)?),
                header: u64::from(u32_at(rest, 42).ok_or(DAMAGED)?),
            });
            if entries.len() > ENTRIES_MAX {
                return Err(FilesError::WorkbookTooLarge);
            }
            rest = rest.get(46 + name + extra + comment..).ok_or(DAMAGED)?;
        }
        Ok(Self { from, bytes, entries })
    }

    /// A part as text, at most `limit` bytes of it; `None` when there is no such part.
    pub(super) fn text(&mut self, name: &str, limit: usize) -> Result<Option<String>, FilesError> {
        let found = self.entries.iter().find(|e| e.name.eq_ignore_ascii_case(name.as_bytes()));
        let Some(entry) = found else { return Ok(None) };
        if entry.encrypted {
            return Err(FilesError::OldWorkbook);
        }
        if entry.compressed > limit as u64 {
            return Err(FilesError::WorkbookTooLarge);
        }
        let header = read_at(&mut self.from, entry.header, 30)?;
        if !header.starts_with(b"PK\x03\x04") {
            return Err(DAMAGED);
        }
        let length = |at| u16_at(&header, at).map(u64::from).ok_or(DAMAGED);
        let place = entry.header + 30 + length(26)? + length(28)?;
        if place + entry.compressed > self.bytes {
            return Err(DAMAGED);
        }
        let packed = read_at(&mut self.from, place, entry.compressed)?;
        let bytes = match entry.method {
            STORED => packed,
            DEFLATED => inflated(&packed, limit)?,
            _ => return Err(DAMAGED),
        };
        String::from_utf8(bytes).map(Some).map_err(|_| DAMAGED)
    }
}

fn inflated(packed: &[u8], limit: usize) -> Result<Vec<u8>, FilesError> {
    use miniz_oxide::inflate::{TINFLStatus, decompress_to_vec_with_limit};
    decompress_to_vec_with_limit(packed, limit).map_err(|error| match error.status {
        TINFLStatus::HasMoreOutput => FilesError::WorkbookTooLarge,
        _ => DAMAGED,
    })
}

/// So many bytes from a place on; fewer are an error.
fn read_at(from: &mut (impl Read + Seek), place: u64, bytes: u64) -> Result<Vec<u8>, FilesError> {
    from.seek(SeekFrom::Start(place))?;
    let mut piece = Vec::new();
    from.take(bytes).read_to_end(&mut piece)?;
    if piece.len() as u64 == bytes { Ok(piece) } else { Err(DAMAGED) }
}
