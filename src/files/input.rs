//! A partner's file, whatever it is: looked at once from beginning to end, then read as CSV in
//! UTF-8 as often as it takes.

use super::{
    CsvTable, FilesError,
    encoding::{Decoder, Detector, Encoding},
    json_lines,
    window::Window,
    xlsx,
};
use sha2::{Digest, Sha256};
use std::{
    fs::File,
    io::{self, Cursor, Read, Seek, SeekFrom},
    path::Path,
    sync::Arc,
};
use zeroize::Zeroizing;

/// How far a reader of CSV goes back, at most: to the beginning of a row ([`super::csv::ROW_MAX`]),
/// and what it read ahead.
const REACH: usize = 2 << 20;

/// What is in a file.
#[derive(Debug, Clone)]
enum Shape {
    Csv(Encoding),
    JsonLines(Encoding, Vec<String>),
    /// A workbook's first sheet as CSV.
    Sheet(Arc<[u8]>),
}

/// A file's bytes in memory, wiped when nobody needs them any more. No Debug: they hold values.
#[derive(Clone)]
pub struct Kept(Arc<Zeroizing<Vec<u8>>>);

impl Kept {
    /// Bytes to keep.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Zeroizing::new(bytes)))
    }
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Kept([redacted])")
    }
}

/// Where a file's bytes are.
#[derive(Debug)]
pub enum Bytes {
    /// On the sender's own disk.
    File(File),
    /// In memory: what a browser sent is never written to a disk.
    Memory(Cursor<Kept>),
}

impl Bytes {
    /// The same bytes, to be read from their beginning.
    fn again(&self) -> io::Result<Self> {
        Ok(match self {
            Self::File(file) => {
                let mut file = file.try_clone()?;
                file.seek(SeekFrom::Start(0))?;
                Self::File(file)
            }
            Self::Memory(bytes) => Self::Memory(Cursor::new(bytes.get_ref().clone())),
        })
    }
}

impl Read for Bytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(from) => from.read(buffer),
            Self::Memory(from) => from.read(buffer),
        }
    }
}

impl Seek for Bytes {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Self::File(from) => from.seek(to),
            Self::Memory(from) => from.seek(to),
        }
    }
}

/// A file that was looked at. One open file, so that what was looked at is what is read even
/// where another takes its name meanwhile.
#[derive(Debug)]
pub struct Input {
    file: Bytes,
    bytes: u64,
    sha256: String,
    shape: Shape,
}

/// A file's text as UTF-8, in which one can go back a little. No Debug: it holds values.
pub enum Text {
    /// As it stands in the file.
    Plain(Bytes),
    /// Decoded on the way.
    Decoded(Box<Window<Box<dyn Read + Send>>>),
    /// A workbook's sheet.
    Memory(Cursor<Arc<[u8]>>),
}

impl Read for Text {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(from) => from.read(buffer),
            Self::Decoded(from) => from.read(buffer),
            Self::Memory(from) => from.read(buffer),
        }
    }
}

impl Seek for Text {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Self::Plain(from) => from.seek(to),
            Self::Decoded(from) => from.seek(to),
            Self::Memory(from) => from.seek(to),
        }
    }
}

impl Input {
    /// Opens a file and looks at all of it.
    ///
    /// # Errors
    /// When it can't be read, or is of no form that can be.
    pub fn open(path: &Path) -> Result<Self, FilesError> {
        Self::look_at(Bytes::File(File::open(path)?))
    }

    /// The same of a file that came over a network.
    ///
    /// # Errors
    /// When it is of no form that can be read.
    pub fn in_memory(bytes: Kept) -> Result<Self, FilesError> {
        Self::look_at(Bytes::Memory(Cursor::new(bytes)))
    }

    fn look_at(mut file: Bytes) -> Result<Self, FilesError> {
        let (mut hash, mut detector, mut bytes) = (Sha256::new(), Detector::default(), 0);
        let mut first = Vec::new();
        let mut piece = vec![0; 64 << 10];
        loop {
            let read = file.read(&mut piece)?;
            if read == 0 {
                break;
            }
            if bytes == 0 {
                first.extend_from_slice(&piece[..read.min(1024)]);
            }
            hash.update(&piece[..read]);
            detector.see(&piece[..read]);
            bytes += read as u64;
        }
        file.seek(SeekFrom::Start(0))?;
        let shape = shape(&mut file, &first, detector.found())?;
        Ok(Self { file, bytes, sha256: hex::encode(hash.finalize()), shape })
    }

    /// How long the file is, in bytes.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// SHA-256 of the file, in hexadecimal.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// About which place in the file a place in its text is, for a progress bar.
    #[must_use]
    pub fn place(&self, in_text: u64) -> u64 {
        let of = |text: u64| in_text.saturating_mul(self.bytes) / text.max(1);
        match &self.shape {
            Shape::Csv(Encoding::Utf8) => in_text,
            Shape::Csv(Encoding::Windows1252) | Shape::JsonLines(..) => in_text.min(self.bytes),
            Shape::Csv(Encoding::Utf16Le | Encoding::Utf16Be) => (2 * in_text).min(self.bytes),
            Shape::Sheet(csv) => of(csv.len() as u64).min(self.bytes),
        }
    }

    /// Reads it from its beginning. Two tables of one file can't be read beside each other.
    ///
    /// # Errors
    /// When it can't be read, or its first line can't be headings.
    pub fn table(&self) -> Result<CsvTable<Text>, FilesError> {
        let file = self.file.again()?;
        match &self.shape {
            Shape::Csv(Encoding::Utf8) => CsvTable::open(Text::Plain(file)),
            Shape::Csv(encoding) => CsvTable::open(decoded(Decoder::new(file, *encoding))),
            Shape::JsonLines(encoding, keys) => {
                let text = Decoder::new(file, *encoding);
                let rows = json_lines::AsCsv::new(without_mark(text), keys.clone())?;
                Ok(CsvTable::of_rows(decoded(rows))?.of_objects())
            }
            Shape::Sheet(csv) => CsvTable::of_rows(Text::Memory(Cursor::new(Arc::clone(csv)))),
        }
    }
}

fn decoded(from: impl Read + Send + 'static) -> Text {
    Text::Decoded(Box::new(Window::new(Box::new(from), REACH)))
}

/// UTF-8 text less a byte order mark (UTF-16's is gone already).
fn without_mark(mut from: impl Read) -> impl Read {
    let mut first = Vec::with_capacity(3);
    // What can't be read now can't be read by the next reading, which tells.
    let _ = from.by_ref().take(3).read_to_end(&mut first);
    if first == [0xef, 0xbb, 0xbf] {
        first.clear();
    }
    Cursor::new(first).chain(from)
}

fn shape(file: &mut Bytes, first: &[u8], encoding: Encoding) -> Result<Shape, FilesError> {
    if xlsx::is_archive(first) {
        return Ok(Shape::Sheet(xlsx::first_sheet(&mut *file)?.into()));
    }
    if xlsx::is_old(first) {
        return Err(FilesError::OldWorkbook);
    }
    let mut start = String::new();
    // Where the first bytes end within a letter, that letter is left out.
    let _ = Decoder::new(first, encoding).take(256).read_to_string(&mut start);
    let lossy = String::from_utf8_lossy(first);
    let start = if start.is_empty() { &*lossy } else { &start };
    if start.trim_start_matches('\u{feff}').trim_start().starts_with('{') {
        file.seek(SeekFrom::Start(0))?;
        let keys = json_lines::keys(without_mark(Decoder::new(&mut *file, encoding)))?;
        return Ok(Shape::JsonLines(encoding, keys));
    }
    Ok(Shape::Csv(encoding))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::RowFault;

    /// A file's rows, or what is wrong with them.
    fn rows(bytes: &[u8]) -> Result<Vec<Result<Vec<String>, RowFault>>, FilesError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, bytes).unwrap();
        let input = Input::open(&path)?;
        assert_eq!(input.bytes(), bytes.len() as u64);
        // The same file in memory is the same file.
        let sent = Input::in_memory(Kept::new(bytes.to_vec()))?;
        assert_eq!((sent.bytes(), sent.sha256()), (input.bytes(), input.sha256()));
        assert_eq!(sent.table()?.columns(), input.table()?.columns());
        let mut all = Vec::new();
        // Twice: a table can be read again.
        for _ in 0..2 {
            let mut table = input.table()?;
            all = vec![Ok(table.columns().to_vec())];
            let order: Vec<usize> = (0..table.columns().len()).collect();
            while let Some(row) = table.next_row()? {
                assert!(input.place(row.end()) <= input.bytes());
                let values = row.values(&order);
                all.push(values.map(|values| values.into_iter().map(str::to_owned).collect()));
            }
        }
        Ok(all)
    }

    fn good(bytes: &[u8]) -> Vec<Vec<String>> {
        rows(bytes).unwrap().into_iter().map(Result::unwrap).collect()
    }

    #[test]
    fn the_same_rows_come_in_every_form() {
        let expected = [vec!["id", "name"], vec!["1", "Zoë"], vec!["2", "a;b"]];
        let text = "id,name\n1,Zoë\n2,a;b\n";
        let utf16: Vec<u8> =
            [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        let forms: [&[u8]; 8] = [
            text.as_bytes(),
            &utf16,
            b"id,name\r\n1,Zo\xeb\r\n2,a;b\r\n",
            "id;name\n1;Zoë\n2;\"a;b\"\n".as_bytes(),
            "\u{feff}id\tname\n1\tZoë\n2\ta;b\n".as_bytes(),
            "id|name\n1|Zoë\n2|a;b\n".as_bytes(),
            "{\"id\":1,\"name\":\"Zoë\"}\n\n{\"name\":\"a;b\",\"id\":\"2\"}\n".as_bytes(),
            "\u{feff}{\"id\":1,\"name\":\"Zoë\"}\n{\"name\":\"a;b\",\"id\":\"2\"}".as_bytes(),
        ];
        for form in forms {
            assert_eq!(good(form), expected, "{form:?}");
        }
    }

    #[test]
    fn a_line_that_is_no_object_spoils_no_neighbour() {
        let lines =
            "{\"a\":1,\"b\":null}\n[1]\n{\"a\":1,\"a\":2}\n{\"a\":{\"b\":1}}\nx\n{\"b\":true}\n";
        let found = rows(lines.as_bytes()).unwrap();
        let faults = found.iter().filter(|row| matches!(row, Err(RowFault::NotAnObject))).count();
        assert_eq!((found.len(), faults), (7, 4));
        assert_eq!(found[6], Ok(vec![String::new(), "yes".to_owned()]));
    }

    #[test]
    fn mixed_encodings_many_columns_and_old_workbooks_are_told_in_one_sentence() {
        let mixed = rows(b"id,name\n1,Zo\xc3\xab\n2,Zo\xeb\n").unwrap();
        assert!(matches!(mixed[2], Err(RowFault::NotUtf8 { column: 2, .. })) && mixed[1].is_ok());
        let keys: Vec<String> = (0..10_000).map(|n| format!("\"k{n}\":1")).collect();
        let wide = format!("{{{}}}\n", keys.join(","));
        assert!(matches!(rows(wide.as_bytes()), Err(FilesError::Empty)));
        let narrow: Vec<String> = (0..2_000).map(|n| format!("{{\"k{n}\":1}}\n")).collect();
        let many = rows(narrow.concat().as_bytes());
        assert!(matches!(many, Err(FilesError::TooManyColumns { .. })));
        let old = [&b"\xd0\xcf\x11\xe0"[..], &[0; 100]].concat();
        assert!(matches!(rows(&old), Err(FilesError::OldWorkbook)));
        assert!(matches!(rows(b"PK\x03\x04 and no more"), Err(FilesError::Workbook)));
        let long = [b"{\"a\":\"", &*vec![b'x'; 2 << 20], b"\"}"].concat();
        assert!(matches!(rows(&long), Err(FilesError::LineTooLong { line: 1 })));
    }

    proptest::proptest! {
        #[test]
        fn no_file_panics(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let _ = rows(&bytes);
        }
    }
}
