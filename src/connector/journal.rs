//! The journal of a push, `FILE.tallygate-resume`: what was acknowledged, so that a push that
//! broke or was killed goes on behind it.
//!
//! JSON lines, only ever appended: a kill at any byte leaves at most a torn last line, which
//! is dropped. Losing lines is harmless, since the gateway recognises rows it has; the one
//! thing it must never do is to name rows that were not acknowledged, so a line is written
//! after the acknowledgement came and after the batch's rejects were written. It holds
//! counts, hashes and receipts, never a value.

use super::report::{BatchOutcome, KeptReceipt, PushReport, Session};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// The journal can't be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The operating system refused.
    #[error("the resume file {} can't be read or written: {source}", path.display())]
    Io {
        /// The journal.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file is not the one of which rows were acknowledged.
    #[error(
        "the file changed since the push that is to be resumed: push it without --resume; rows \
         that were sent before are recognised"
    )]
    FileChanged,
    /// The push was another one.
    #[error(
        "the push that is to be resumed used another protocol, record type or mapping: repeat \
         that command, or push without --resume"
    )]
    OtherPush,
    /// Its rejects are not where this push would write them, or no longer whole.
    #[error(
        "the rejects of the push that is to be resumed are not in the file that --rejects names, as \
         they were then: repeat that command, or push without --resume; rows that were sent before \
         are recognised"
    )]
    OtherRejects,
    /// A line is not one of ours.
    #[error(
        "line {line} of the resume file {} is damaged: push without --resume; rows that were \
         sent before are recognised", path.display()
    )]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// The line, from 1 on.
        line: usize,
    },
}

/// What a push is about; a resumed one must be about the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// SHA-256 of the file, in hexadecimal.
    pub file_sha256: String,
    /// The sharing protocol relied on.
    pub protocol_id: String,
    /// The type of every record.
    pub record_type: String,
    /// Where rejects are written.
    pub rejects: Option<PathBuf>,
    /// SHA-256 of the mapping, in hexadecimal.
    #[serde(default)]
    pub mapping: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Begun(Subject),
    Opened { protocol_version: u32, receipt: Option<KeptReceipt> },
    Batch(BatchOutcome),
}

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
}

/// What a journal tells about a push that broke.
#[derive(Debug)]
pub struct Resumed {
    /// Its streams and sums.
    pub report: PushReport,
    /// Where its rejects went.
    pub rejects: Option<PathBuf>,
    /// How long its rejects file was when the last batch was acknowledged, in bytes.
    pub rejects_bytes: u64,
}

/// Where the journal of a file lies.
#[must_use]
pub fn journal_path(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".tallygate-resume");
    name.into()
}

impl Journal {
    /// Begins a journal. One of a push that broke and is not resumed holds the receipts of what was
    /// acknowledged: it is set aside, and said where.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn begin(file: &Path, subject: &Subject) -> Result<(Self, Option<PathBuf>), JournalError> {
        let path = journal_path(file);
        let failed = |source| JournalError::Io { path: journal_path(file), source };
        let aside = set_aside(&path).map_err(failed)?;
        let file = OpenOptions::new().write(true).create_new(true).open(&path).map_err(failed)?;
        let mut journal = Self { path, file };
        journal.append(&Line::Begun(subject.clone()))?;
        Ok((journal, aside))
    }

    /// Reads the journal of a file and goes on with it; `None` when there is none.
    ///
    /// # Errors
    /// When the file or the push is another one, or the journal is damaged.
    pub fn resume(file: &Path, subject: &Subject) -> Result<Option<(Self, Resumed)>, JournalError> {
        let path = journal_path(file);
        let failed = |source| JournalError::Io { path: journal_path(file), source };
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        // Behind the last line end is a torn line, if anything.
        let whole = text.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let Some(resumed) = read_lines(file, &text[..whole], subject)? else { return Ok(None) };
        let opened = OpenOptions::new().append(true).open(&path).map_err(failed)?;
        opened.set_len(whole as u64).map_err(failed)?;
        Ok(Some((Self { path, file: opened }, resumed)))
    }

    /// Notes that a stream is open.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn opened(
        &mut self,
        protocol_version: u32,
        receipt: Option<KeptReceipt>,
    ) -> Result<(), JournalError> {
        self.append(&Line::Opened { protocol_version, receipt })
    }

    /// Notes that a batch was acknowledged.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn acknowledged(&mut self, batch: BatchOutcome) -> Result<(), JournalError> {
        self.append(&Line::Batch(batch))
    }

    /// The push is complete: nothing is left to resume.
    ///
    /// # Errors
    /// When it can't be removed.
    pub fn finish(self) -> Result<(), JournalError> {
        fs::remove_file(&self.path).map_err(|source| JournalError::Io { path: self.path, source })
    }

    fn append(&mut self, line: &Line) -> Result<(), JournalError> {
        let failed = |source| JournalError::Io { path: self.path.clone(), source };
        let mut text = serde_json::to_vec(line).map_err(|e| failed(e.into()))?;
        text.push(b'\n');
        // One write a line, so that only the last one can be torn.
        self.file.write_all(&text).map_err(failed)
    }
}

/// Moves a journal to a free name, or removes one without receipts.
fn set_aside(path: &Path) -> io::Result<Option<PathBuf>> {
    match fs::read(path) {
        // Behind the first line, of what was to be pushed, stand the receipts.
        Ok(text) if text.iter().filter(|byte| **byte == b'\n').count() < 2 => {
            return fs::remove_file(path).map(|()| None);
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    }
    let numbered = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    };
    let free = (1..).map(numbered).find(|name| !name.exists()).unwrap_or_else(|| numbered(0));
    fs::rename(path, &free).map(|()| Some(free))
}

/// `None` when not even the first line is whole.
fn read_lines(
    file: &Path,
    text: &[u8],
    subject: &Subject,
) -> Result<Option<Resumed>, JournalError> {
    let mut lines = text.split(|b| *b == b'\n').filter(|line| !line.is_empty()).enumerate();
    let damaged = |at| JournalError::Damaged { path: journal_path(file), line: at + 1 };
    let read = |at, line| serde_json::from_slice::<Line>(line).map_err(|_| damaged(at));
    let Some((at, first)) = lines.next() else { return Ok(None) };
    let Line::Begun(begun) = read(at, first)? else { return Err(damaged(at)) };
    if begun.file_sha256 != subject.file_sha256 {
        return Err(JournalError::FileChanged);
    }
    let about = |of: &Subject| (of.protocol_id.clone(), of.record_type.clone(), of.mapping.clone());
    if about(&begun) != about(subject) {
        return Err(JournalError::OtherPush);
    }
    let mut report =
        PushReport::begin(file, &begun.file_sha256, &begun.protocol_id, &begun.record_type);
    let mut rejects_bytes = 0;
    for (at, line) in lines {
        match read(at, line)? {
            Line::Begun(_) => return Err(damaged(at)),
            Line::Opened { protocol_version, receipt } => report.sessions.push(Session {
                protocol_version,
                opened: receipt,
                ..Session::default()
            }),
            Line::Batch(batch) => {
                rejects_bytes = batch.rejects_bytes;
                report.add(batch);
            }
        }
    }
    Ok(Some(Resumed { report, rejects: begun.rejects, rejects_bytes }))
}
