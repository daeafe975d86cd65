//! The journal's file and its anchor: read, appended to, and checked for what is missing.
//!
//! A crash after a line is durable and before the anchor says so leaves an anchor that is behind,
//! which is no fault; one before the line is durable leaves at most part of it, which is cut off
//! when the file is opened next.

use super::{Entry, JournalError, JournalPlace, bytes16};
use crate::{
    domain::PartnerId,
    keys::{KeysInUse, PseudonymDomain},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
};

/// The version of the rules that lines' codes are made under; far from those of identifiers.
const LINE_RULES: u16 = 0x4a4f;
/// The largest journal that is read, in bytes.
const MAX_BYTES: u64 = 4 << 30;

/// Who opened a case, and its key.
pub(super) type CaseId = (PartnerId, [u8; 16]);

/// An open journal, and what it says so far.
pub(in crate::gateway) struct Journal {
    place: JournalPlace,
    /// How much of it was read or written.
    length: u64,
    last: [u8; 16],
    lines: usize,
    /// What the anchor says of it, and the code that its last line then must have.
    anchored: Option<(usize, [u8; 16])>,
    /// By what each case's subject is known again.
    pub(super) opened: BTreeMap<CaseId, BTreeSet<[u8; 16]>>,
    pub(super) ended: BTreeSet<CaseId>,
    /// The last generation of erasures in it.
    pub(super) generation: u64,
    /// The number of the last statement about a consent in it.
    pub(super) statement: i64,
    /// The store's counters as of the last look.
    pub(super) looked: Option<(u64, u64, i64)>,
}

fn code(keys: &KeysInUse, before: &[u8; 16], line: &[u8]) -> [u8; 16] {
    let input = keys.pseudonymiser.begin(PseudonymDomain::Suppression, LINE_RULES);
    *input.bytes(before).bytes(line).finish().as_bytes()
}

/// What the anchor says: how many lines there were, and the code of the last.
fn anchor(place: &JournalPlace) -> Result<Option<(usize, [u8; 16])>, JournalError> {
    let text = match fs::read_to_string(&place.anchor) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(JournalError::File { path: place.anchor.clone(), source }),
    };
    let read = text.trim_end().split_once(' ').and_then(|(lines, code)| {
        let lines: usize = lines.parse().ok()?;
        Some((lines, bytes16(code)?))
    });
    match read {
        Some(said) => Ok(Some(said)),
        None if place.go_on => Ok(None),
        None => Err(JournalError::Anchor { anchor: place.anchor.clone() }),
    }
}

impl Journal {
    /// Opens the journal and reads what it says. Where there is none it begins if it `may`, or
    /// if the operator goes on without. Tells whether he did, although something is missing.
    pub(super) fn open(
        place: &JournalPlace,
        keys: &KeysInUse,
        may_begin: bool,
    ) -> Result<(Self, Vec<Entry>, bool), JournalError> {
        let anchored = anchor(place)?;
        let fresh = |anchored| Self {
            place: place.clone(),
            length: 0,
            last: [0; 16],
            lines: 0,
            anchored,
            opened: BTreeMap::new(),
            ended: BTreeSet::new(),
            generation: 0,
            statement: 0,
            looked: None,
        };
        let mut journal = fresh(anchored);
        let entries = match place.path.exists() {
            true => journal.catch_up(keys)?.1,
            false => Vec::new(),
        };
        let matches = journal.anchored.is_none();
        if journal.lines > 0 && matches {
            if anchored.is_none() {
                journal.append(keys, &[])?;
            }
            return Ok((journal, entries, false));
        }
        let may_begin = may_begin && anchored.is_none();
        match journal.lines {
            _ if place.go_on || may_begin => {}
            0 => return Err(JournalError::Missing { path: place.path.clone() }),
            found => {
                let expected = anchored.map_or(0, |(lines, _)| lines);
                let (path, anchor) = (place.path.clone(), place.anchor.clone());
                return Err(JournalError::Short { path, anchor, found, expected });
            }
        }
        journal.anchored = None;
        let begins = journal.lines == 0;
        journal.append(keys, if begins { &[Entry::Begun {}] } else { &[] })?;
        Ok((journal, entries, place.go_on && !may_begin))
    }

    /// Locks the file and reads what another gateway on this machine has written since.
    fn catch_up(&mut self, keys: &KeysInUse) -> Result<(File, Vec<Entry>), JournalError> {
        let path = self.place.path.clone();
        let failed = |source| JournalError::File { path: path.clone(), source };
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(0o600);
        let mut file = options.open(&path).map_err(failed)?;
        file.lock().map_err(failed)?;
        file.seek(SeekFrom::Start(self.length)).map_err(failed)?;
        let mut text = Vec::new();
        Read::by_ref(&mut file).take(MAX_BYTES).read_to_end(&mut text).map_err(failed)?;
        if text.len() as u64 == MAX_BYTES {
            return Err(failed(io::ErrorKind::FileTooLarge.into()));
        }
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.length += whole as u64;
        if whole < text.len() {
            // Nobody else is writing: a crash cut this short.
            file.set_len(self.length).map_err(failed)?;
        }
        let mut entries = Vec::new();
        for line in text[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let entry = self.read(keys, line);
            let broken = || JournalError::Line { path: path.clone(), line: self.lines };
            entries.push(entry.ok_or_else(broken)?);
        }
        Ok((file, entries))
    }

    fn read(&mut self, keys: &KeysInUse, line: &[u8]) -> Option<Entry> {
        self.lines += 1;
        let (stated, json) = (line.get(..32)?, line.get(33..)?);
        let expected = code(keys, &self.last, json);
        if hex::decode(stated).ok()? != expected {
            return None;
        }
        let entry: Entry = serde_json::from_slice(json).ok()?;
        self.last = expected;
        if self.anchored == Some((self.lines, expected)) {
            // As long as it was, and the same.
            self.anchored = None;
        }
        self.note(&entry);
        Some(entry)
    }

    fn has(&self, entry: &Entry) -> bool {
        match entry {
            Entry::Begun {} => self.lines > 0,
            Entry::Opened { partner, case, .. } => {
                self.opened.contains_key(&(partner.clone(), *case))
            }
            Entry::Learnt { partner, case, tokens } => {
                let known = self.opened.get(&(partner.clone(), *case));
                let mut tokens = tokens.iter().filter_map(|token| bytes16(token));
                known.is_some_and(|known| tokens.all(|token| known.contains(&token)))
            }
            Entry::Ended { partner, case } => self.ended.contains(&(partner.clone(), *case)),
            Entry::Noes { up_to, .. } => *up_to <= self.statement,
            Entry::Erased { generation, .. } => *generation <= self.generation,
        }
    }

    fn note(&mut self, entry: &Entry) {
        match entry {
            Entry::Begun {} => {}
            Entry::Opened { partner, case, tokens, .. }
            | Entry::Learnt { partner, case, tokens } => {
                let known = self.opened.entry((partner.clone(), *case)).or_default();
                known.extend(tokens.iter().filter_map(|token| bytes16(token)));
            }
            Entry::Ended { partner, case } => {
                self.ended.insert((partner.clone(), *case));
            }
            Entry::Noes { up_to, .. } => self.statement = self.statement.max(*up_to),
            Entry::Erased { generation, .. } => {
                self.generation = self.generation.max(*generation);
            }
        }
    }

    /// Appends entries that are not there, durable when this returns, and anchors them.
    pub(super) fn append(
        &mut self,
        keys: &KeysInUse,
        entries: &[Entry],
    ) -> Result<(), JournalError> {
        let (mut file, _) = self.catch_up(keys)?;
        let path = self.place.path.clone();
        let failed = |source| JournalError::File { path: path.clone(), source };
        let new: Vec<&Entry> = entries.iter().filter(|entry| !self.has(entry)).collect();
        let mut text = Vec::new();
        let mut last = self.last;
        for entry in &new {
            let json = serde_json::to_vec(entry).map_err(|error| failed(error.into()))?;
            last = code(keys, &last, &json);
            text.extend_from_slice(hex::encode(last).as_bytes());
            text.push(b' ');
            text.extend_from_slice(&json);
            text.push(b'\n');
        }
        let written = file.write_all(&text).and_then(|()| file.sync_data());
        if let Err(source) = written {
            // Half a line would spoil what is written behind it.
            let _ = file.set_len(self.length);
            return Err(failed(source));
        }
        (self.last, self.length) = (last, self.length + text.len() as u64);
        self.lines += new.len();
        for entry in new {
            self.note(entry);
        }
        self.put_anchor()
    }

    /// Says beside the tiles how long the journal is. While it is locked, so that it never says
    /// less than another gateway said.
    fn put_anchor(&self) -> Result<(), JournalError> {
        let path = &self.place.anchor;
        let mut draft = OsString::from(path);
        draft.push(".part");
        let draft = PathBuf::from(draft);
        let write = || {
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder)?;
            }
            let mut options = OpenOptions::new();
            let mut file =
                options.write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
            writeln!(file, "{} {}", self.lines, hex::encode(self.last))?;
            file.sync_data()?;
            fs::rename(&draft, path)
        };
        write().map_err(|source| JournalError::File { path: path.clone(), source })
    }
}
