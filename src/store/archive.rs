//! The form of a backup: one file, the same from either engine.
//!
//! All numbers are big-endian.
//!
//! ```text
//! "tallygate backup 1\n"                   what it is, and the format's version
//! u32 length, then a JSON header           migrations applied, the log's head, tables and columns
//! for each table of the header:
//!   u32 length > 0, then a row             by primary key, texts in the order of their bytes
//!   ...
//!   u32 0, then u64                        no more rows; how many there were
//! 32 bytes                                 SHA-256 of everything before
//!
//! a row: for each column of the header
//!   00                                     NULL
//!   01, i64                                a number
//!   02, u32 length, bytes                  text, UTF-8
//!   03, u32 length, bytes                  bytes
//! ```
//!
//! Invariants: the same rows give the same bytes, whatever the engine; what was cut short or
//! changed in any byte is told from what is whole. The hash proves that nothing was changed
//! by accident, not who made it: whoever can write the file can compute it anew. What the
//! file can't be made to say is another access log, whose checkpoint is signed.

use super::tables::{Column, Kind};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io::{self, ErrorKind, Read, Write};

/// The first line.
const MAGIC: &[u8; 19] = b"tallygate backup 1\n";
/// What the first line begins with in every version.
const FAMILY: usize = 17;
/// A header beyond this is none.
const MAX_HEADER_BYTES: u32 = 1 << 20;

/// What an archive says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The migrations that its database had.
    pub migrations: Vec<String>,
    /// The access log's newest state; absent before its first entry.
    pub log: Option<LogState>,
    /// Its tables, in the order of their rows.
    pub tables: Vec<TableShape>,
}

/// The access log's newest state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogState {
    /// How many entries.
    pub size: u64,
    /// The root hash, hexadecimal.
    pub root: String,
    /// The signed checkpoint.
    pub checkpoint: String,
}

/// A table of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableShape {
    /// Its name.
    pub name: String,
    /// Its columns, in the order of a row's values.
    pub columns: Vec<String>,
}

/// Why an archive can't be written or is not to be used.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It is another kind of file.
    #[error("this is not a tallygate backup")]
    NotAnArchive,
    /// It is of another version of the format.
    #[error("this backup is of another format; restore it with the tallygate that made it")]
    Version,
    /// It ends too early.
    #[error("this backup was cut short: use another copy; nothing was restored")]
    Truncated,
    /// It does not say what was written.
    #[error("this backup was changed or damaged: use another copy; nothing was restored")]
    Damaged,
    /// A value is longer than the format can say.
    #[error("a stored value is too long for a backup")]
    TooLong,
    /// The system.
    #[error("the backup could not be read or written: {}", .0.kind())]
    Io(#[source] io::Error),
}

impl From<io::Error> for ArchiveError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::UnexpectedEof => Self::Truncated,
            _ => Self::Io(error),
        }
    }
}

/// A value of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Null,
    Integer(i64),
    Text(String),
    Bytes(Vec<u8>),
}

fn length(bytes: &[u8]) -> Result<[u8; 4], ArchiveError> {
    u32::try_from(bytes.len()).map(u32::to_be_bytes).map_err(|_| ArchiveError::TooLong)
}

/// Adds a number to a row.
pub(super) fn put_integer(row: &mut Vec<u8>, value: Option<i64>) {
    let Some(value) = value else { return row.push(0) };
    row.push(1);
    row.extend_from_slice(&value.to_be_bytes());
}

/// Adds text to a row.
pub(super) fn put_text(row: &mut Vec<u8>, value: Option<&str>) -> Result<(), ArchiveError> {
    put(row, 2, value.map(str::as_bytes))
}

/// Adds bytes to a row.
pub(super) fn put_bytes(row: &mut Vec<u8>, value: Option<&[u8]>) -> Result<(), ArchiveError> {
    put(row, 3, value)
}

fn put(row: &mut Vec<u8>, tag: u8, value: Option<&[u8]>) -> Result<(), ArchiveError> {
    let Some(value) = value else {
        row.push(0);
        return Ok(());
    };
    row.push(tag);
    row.extend_from_slice(&length(value)?);
    row.extend_from_slice(value);
    Ok(())
}

/// Reads a row's values, each of the kind that its column holds.
pub(super) fn values<'c>(
    mut row: &[u8],
    columns: impl Iterator<Item = &'c Column>,
) -> Result<Vec<Value>, ArchiveError> {
    let mut found = Vec::new();
    for column in columns {
        let (tag, rest) = row.split_first().ok_or(ArchiveError::Damaged)?;
        row = rest;
        found.push(match (tag, column.kind) {
            (0, _) if column.nullable => Value::Null,
            (1, Kind::Integer) => {
                let (value, rest) = row.split_first_chunk::<8>().ok_or(ArchiveError::Damaged)?;
                row = rest;
                Value::Integer(i64::from_be_bytes(*value))
            }
            (2, Kind::Text) => {
                let text = String::from_utf8(take(&mut row)?.to_vec());
                Value::Text(text.map_err(|_| ArchiveError::Damaged)?)
            }
            (3, Kind::Bytes) => Value::Bytes(take(&mut row)?.to_vec()),
            _ => return Err(ArchiveError::Damaged),
        });
    }
    if row.is_empty() { Ok(found) } else { Err(ArchiveError::Damaged) }
}

fn take<'r>(row: &mut &'r [u8]) -> Result<&'r [u8], ArchiveError> {
    let damaged = || ArchiveError::Damaged;
    let (length, rest) = row.split_first_chunk::<4>().ok_or_else(damaged)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| damaged())?;
    let (value, rest) = rest.split_at_checked(length).ok_or_else(damaged)?;
    *row = rest;
    Ok(value)
}

/// Writes an archive.
pub(super) struct Writer<W> {
    to: W,
    hash: Sha256,
    bytes: u64,
    rows: u64,
}

impl<W: Write> Writer<W> {
    pub(super) fn begin(to: W, header: &Header) -> Result<Self, ArchiveError> {
        let mut writer = Self { to, hash: Sha256::new(), bytes: 0, rows: 0 };
        let header = serde_json::to_vec(header).map_err(|_| ArchiveError::TooLong)?;
        writer.write(MAGIC)?;
        writer.write(&length(&header)?)?;
        writer.write(&header)?;
        Ok(writer)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), ArchiveError> {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        self.to.write_all(bytes).map_err(ArchiveError::Io)
    }

    pub(super) fn row(&mut self, row: &[u8]) -> Result<(), ArchiveError> {
        self.rows += 1;
        self.write(&length(row)?)?;
        self.write(row)
    }

    /// Ends a table and tells how many rows it has.
    pub(super) fn end_table(&mut self) -> Result<u64, ArchiveError> {
        let rows = std::mem::take(&mut self.rows);
        self.write(&[0; 4])?;
        self.write(&rows.to_be_bytes())?;
        Ok(rows)
    }

    /// Ends the archive and tells its length and its hash.
    pub(super) fn finish(mut self) -> Result<(u64, [u8; 32]), ArchiveError> {
        let digest: [u8; 32] = self.hash.finalize().into();
        self.to.write_all(&digest).and_then(|()| self.to.flush()).map_err(ArchiveError::Io)?;
        Ok((self.bytes + 32, digest))
    }
}

/// Reads an archive.
pub(super) struct Reader<R> {
    from: R,
    hash: Sha256,
    rows: u64,
}

impl<R: Read> Reader<R> {
    pub(super) fn begin(from: R) -> Result<(Self, Header), ArchiveError> {
        let mut reader = Self { from, hash: Sha256::new(), rows: 0 };
        let mut magic = [0; MAGIC.len()];
        match reader.read(&mut magic) {
            Err(ArchiveError::Truncated) => return Err(ArchiveError::NotAnArchive),
            other => other?,
        }
        if magic != *MAGIC {
            let family = magic[..FAMILY] == MAGIC[..FAMILY];
            return Err(if family { ArchiveError::Version } else { ArchiveError::NotAnArchive });
        }
        let length = reader.number()?;
        if length > MAX_HEADER_BYTES {
            return Err(ArchiveError::Damaged);
        }
        let mut header = Vec::new();
        reader.read_to(&mut header, length)?;
        let header = serde_json::from_slice(&header).map_err(|_| ArchiveError::Damaged)?;
        Ok((reader, header))
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<(), ArchiveError> {
        self.from.read_exact(bytes)?;
        self.hash.update(bytes);
        Ok(())
    }

    fn number(&mut self) -> Result<u32, ArchiveError> {
        let mut number = [0; 4];
        self.read(&mut number)?;
        Ok(u32::from_be_bytes(number))
    }

    /// Reads so many bytes, believing no length before it has seen as much.
    fn read_to(&mut self, bytes: &mut Vec<u8>, length: u32) -> Result<(), ArchiveError> {
        bytes.clear();
        let read = (&mut self.from).take(u64::from(length)).read_to_end(bytes)?;
        self.hash.update(&*bytes);
        if read as u64 == u64::from(length) { Ok(()) } else { Err(ArchiveError::Truncated) }
    }

    /// Reads a table's next row; `false` after its last one.
    pub(super) fn row(&mut self, row: &mut Vec<u8>) -> Result<bool, ArchiveError> {
        let length = self.number()?;
        if length > 0 {
            self.rows += 1;
            self.read_to(row, length)?;
            return Ok(true);
        }
        let mut rows = [0; 8];
        self.read(&mut rows)?;
        if u64::from_be_bytes(rows) == std::mem::take(&mut self.rows) {
            Ok(false)
        } else {
            Err(ArchiveError::Damaged)
        }
    }

    /// Checks the hash, and that nothing follows it.
    pub(super) fn finish(mut self) -> Result<[u8; 32], ArchiveError> {
        let digest: [u8; 32] = self.hash.finalize().into();
        let mut stated = [0; 32];
        self.from.read_exact(&mut stated)?;
        let more = (&mut self.from).take(1).read_to_end(&mut Vec::new())?;
        if stated == digest && more == 0 { Ok(digest) } else { Err(ArchiveError::Damaged) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] = [
        Column { name: "a", kind: Kind::Integer, nullable: false, since: 1 },
        Column { name: "b", kind: Kind::Text, nullable: false, since: 1 },
        Column { name: "c", kind: Kind::Bytes, nullable: true, since: 1 },
    ];

    fn archive() -> Vec<u8> {
        let table = |name: &str| TableShape { name: name.to_owned(), columns: vec![] };
        let header = Header {
            migrations: vec!["0001_register".to_owned()],
            log: None,
            tables: vec![table("one"), table("two")],
        };
        let mut bytes = Vec::new();
        let mut writer = Writer::begin(&mut bytes, &header).unwrap();
        for number in [7, -1] {
            let mut row = Vec::new();
            put_integer(&mut row, Some(number));
            put_text(&mut row, Some("caf\u{e9}")).unwrap();
            put_bytes(&mut row, (number > 0).then_some(&[0, 255])).unwrap();
            writer.row(&row).unwrap();
        }
        assert_eq!(writer.end_table().unwrap(), 2);
        assert_eq!(writer.end_table().unwrap(), 0);
        let (length, _) = writer.finish().unwrap();
        assert_eq!(length, bytes.len() as u64);
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Vec<Vec<Value>>, ArchiveError> {
        let (mut reader, header) = Reader::begin(bytes)?;
        let (mut rows, mut row) = (Vec::new(), Vec::new());
        for _ in &header.tables {
            while reader.row(&mut row)? {
                rows.push(values(&row, COLUMNS.iter())?);
            }
        }
        reader.finish()?;
        Ok(rows)
    }

    #[test]
    fn what_was_written_is_read() {
        let text = || Value::Text("caf\u{e9}".to_owned());
        let rows = [
            vec![Value::Integer(7), text(), Value::Bytes(vec![0, 255])],
            vec![Value::Integer(-1), text(), Value::Null],
        ];
        assert_eq!(read(&archive()).unwrap(), rows);
    }

    #[test]
    fn no_byte_can_change_and_none_be_missing() {
        let whole = archive();
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut spoilt = whole.clone();
                spoilt[at] ^= 1 << bit;
                assert!(read(&spoilt).is_err(), "byte {at}, bit {bit}");
            }
            assert!(read(&whole[..at]).is_err(), "cut at {at}");
        }
        assert!(matches!(read(&[&whole[..], &[0]].concat()), Err(ArchiveError::Damaged)));
        let other = [b"tallygate backup 2\n", &whole[MAGIC.len()..]].concat();
        assert!(matches!(read(&other), Err(ArchiveError::Version)));
        assert!(matches!(read(b"PK"), Err(ArchiveError::NotAnArchive)));
    }

    #[test]
    fn a_row_holds_what_its_columns_say_and_no_more() {
        let mut row = Vec::new();
        put_integer(&mut row, Some(1));
        put_text(&mut row, Some("x")).unwrap();
        put_bytes(&mut row, None).unwrap();
        assert!(values(&row, COLUMNS.iter()).is_ok());
        assert!(values(&row, COLUMNS[..2].iter()).is_err());
        assert!(values(&row[1..], COLUMNS.iter()).is_err());
        row[0] = 0;
        assert!(values(&row, COLUMNS.iter()).is_err(), "NULL where there is none");
    }
}
