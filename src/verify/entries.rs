//! A mirrored log's entries, read as leaves; and proofs out of its tiles.
//!
//! Invariant: nothing here says that the mirror is right. [`super::verify_log`] does; whoever
//! reads entries without it believes whoever wrote the files.

use super::{
    bundle::{Bundle, MAX_BUNDLE},
    leaf::{self, Leaf, LeafProblem},
    level::file_of,
    note::MAX_NOTE_BYTES,
    path::{CHECKPOINT, FULL, Row},
    proof::Sha,
    receipt::ReceiptProblem,
    source::{SourceError, TileSource},
    subtrees::Subtrees,
};
use std::ops::ControlFlow;

/// Why a mirror's entries can't be read.
#[derive(Debug, thiserror::Error)]
pub enum EntriesError {
    /// The place can't be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// There is no checkpoint, or it states no size.
    #[error("there is no checkpoint there that states a size: it is no mirror of a log")]
    NoCheckpoint,
    /// A file is missing or too short.
    #[error("{path} is missing or too short: fetch the log again")]
    Missing {
        /// Its path below the log's prefix.
        path: String,
    },
    /// There is no such entry.
    #[error("the log at hand has no entry {index}: it has {size} entries")]
    NoSuchEntry {
        /// The entry.
        index: u64,
        /// The log's size.
        size: u64,
    },
    /// An entry is not a leaf.
    #[error("entry {index} is not a leaf of the access log: {problem}")]
    NotALeaf {
        /// The entry.
        index: u64,
        /// Why not.
        problem: LeafProblem,
    },
}

/// What is done with an entry: its index, its bytes, and what they say.
pub type Visit<'v> = dyn FnMut(u64, &[u8], &Leaf<'_>) -> ControlFlow<()> + 'v;

/// The entries of a mirrored log, up to the size that its checkpoint states.
#[derive(Debug)]
pub struct Entries<'s, S> {
    source: &'s S,
    checkpoint: String,
    size: u64,
}

impl<'s, S: TileSource> Entries<'s, S> {
    /// Opens a mirror. Its checkpoint's signature is not looked at.
    ///
    /// # Errors
    /// When it has no checkpoint or can't be read.
    pub fn open(source: &'s S) -> Result<Self, EntriesError> {
        let note = source.read(CHECKPOINT, MAX_NOTE_BYTES)?.ok_or(EntriesError::NoCheckpoint)?;
        let checkpoint = String::from_utf8(note).map_err(|_| EntriesError::NoCheckpoint)?;
        let size = checkpoint.lines().nth(1).and_then(|line| line.parse().ok());
        Ok(Self { source, size: size.ok_or(EntriesError::NoCheckpoint)?, checkpoint })
    }

    /// How many entries.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The checkpoint's text.
    #[must_use]
    pub fn checkpoint(&self) -> &str {
        &self.checkpoint
    }

    /// An entry's bytes.
    ///
    /// # Errors
    /// When there is no such entry or its bundle can't be read.
    pub fn entry(&self, index: u64) -> Result<Vec<u8>, EntriesError> {
        if index >= self.size {
            return Err(EntriesError::NoSuchEntry { index, size: self.size });
        }
        let bundle = self.bundle(index / FULL as u64)?;
        let number = usize::try_from(index % FULL as u64).unwrap_or(FULL);
        bundle.entry(number).map(<[u8]>::to_vec).ok_or_else(|| self.missing(index / FULL as u64))
    }

    /// An entry's hash and its audit path, as the tiles have them.
    ///
    /// # Errors
    /// When there is no such entry or tiles are missing.
    pub fn inclusion(&self, index: u64) -> Result<(Sha, Vec<Sha>), EntriesError> {
        if index >= self.size {
            return Err(EntriesError::NoSuchEntry { index, size: self.size });
        }
        let trees = Subtrees { source: self.source, size: self.size };
        Ok((found(trees.leaf(index)?)?, found(trees.inclusion(index)?)?))
    }

    /// The consistency proof of the first `old` entries, as the tiles have it.
    ///
    /// # Errors
    /// When tiles are missing.
    pub fn consistency(&self, old: u64) -> Result<Vec<Sha>, EntriesError> {
        found(Subtrees { source: self.source, size: self.size }.consistency(old)?)
    }

    /// Visits the entries from `from` on, the earliest first, until told to stop.
    ///
    /// # Errors
    /// When a bundle can't be read or an entry is no leaf.
    pub fn forward(&self, from: u64, visit: &mut Visit<'_>) -> Result<(), EntriesError> {
        let mut scratch = Vec::new();
        for number in from / FULL as u64..self.size.div_ceil(FULL as u64) {
            let bundle = self.bundle(number)?;
            for (place, entry) in bundle.iter().enumerate() {
                let index = number * FULL as u64 + place as u64;
                if index >= from && visit_one(index, entry, &mut scratch, visit)?.is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Visits the entries before `before`, the latest first, until told to stop.
    ///
    /// # Errors
    /// As [`Entries::forward`].
    pub fn backward(&self, before: u64, visit: &mut Visit<'_>) -> Result<(), EntriesError> {
        let before = before.min(self.size);
        let mut scratch = Vec::new();
        for number in (0..before.div_ceil(FULL as u64)).rev() {
            let bundle = self.bundle(number)?;
            for (place, entry) in bundle.iter().enumerate().rev() {
                let index = number * FULL as u64 + place as u64;
                if index < before && visit_one(index, entry, &mut scratch, visit)?.is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn bundle(&self, number: u64) -> Result<Bundle, EntriesError> {
        let file = file_of(Row::Entries, number, self.size);
        let bytes = self.source.read(&file.path(), MAX_BUNDLE)?;
        let bundle = bytes.map(|bytes| Bundle::parse(bytes, file.width));
        bundle.filter(Bundle::is_whole).ok_or_else(|| self.missing(number))
    }

    fn missing(&self, number: u64) -> EntriesError {
        EntriesError::Missing { path: file_of(Row::Entries, number, self.size).path() }
    }
}

fn visit_one(
    index: u64,
    entry: &[u8],
    scratch: &mut Vec<u8>,
    visit: &mut Visit<'_>,
) -> Result<ControlFlow<()>, EntriesError> {
    match leaf::read(entry, scratch) {
        Ok(leaf) => Ok(visit(index, entry, &leaf)),
        Err(problem) => Err(EntriesError::NotALeaf { index, problem }),
    }
}

/// Out of tiles nothing but a missing one can go wrong.
fn found<T>(found: Result<T, ReceiptProblem>) -> Result<T, EntriesError> {
    found.map_err(|problem| match problem {
        ReceiptProblem::MissingTile { path } => EntriesError::Missing { path },
        _ => EntriesError::NoCheckpoint,
    })
}
