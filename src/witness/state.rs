//! What a witness has seen of a log, as one file: the newest checkpoint that it cosigned, with
//! the log's signature and its own, so that any tool reads and checks it.
//!
//! The file is replaced whole: written beside, synced, renamed, and the folder synced. A
//! crash at any line leaves the old checkpoint or the new one.

use crate::verify::{WitnessKey, note, proof::Sha};
use sha2::{Digest, Sha256};
use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

/// The state can't be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The folder is not there.
    #[error(
        "the state folder {} can't be used: make an empty one for a new witness; a witness whose \
         state was lost must be given another key and name", path.display()
    )]
    NoFolder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another witness works on the folder.
    #[error("another witness is running on the state folder {}", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// A file can't be read.
    #[error("the state {} can't be read: the witness can't go on without it", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not what this witness wrote.
    #[error(
        "the state {} is damaged, or of another witness's key: put the true file back, or give \
         this witness another key and name", path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
    },
}

/// The newest checkpoint that was cosigned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) size: u64,
    pub(super) root: Sha,
    /// When it was cosigned, seconds since 1970.
    pub(super) at: u64,
}

/// The folder, held alone.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Opens a folder that must be there, and holds it against other witnesses.
    pub(super) fn open(path: &Path) -> Result<Self, StateError> {
        let no_folder = |source| StateError::NoFolder { path: path.to_owned(), source };
        if !fs::metadata(path).map_err(no_folder)?.is_dir() {
            return Err(no_folder(io::ErrorKind::NotADirectory.into()));
        }
        let lock = File::create(path.join("lock")).map_err(no_folder)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(fs::TryLockError::WouldBlock) => Err(StateError::InUse { path: path.to_owned() }),
            Err(fs::TryLockError::Error(source)) => Err(no_folder(source)),
        }
    }

    /// The file of a log. An origin may hold any characters, so its hash is the name.
    pub(super) fn file(&self, origin: &str) -> StateFile {
        let name = hex::encode(Sha256::digest(origin));
        StateFile { folder: self.path.clone(), name, origin: origin.to_owned() }
    }
}

/// One log's file.
#[derive(Debug)]
pub(super) struct StateFile {
    folder: PathBuf,
    name: String,
    origin: String,
}

/// How far keeping a state came when it failed.
#[derive(Debug)]
pub(super) enum Unkept {
    /// Nothing changed.
    Nothing(io::Error),
    /// The new state stands in the folder, but may not outlive a power cut.
    NotDurable(io::Error),
}

impl StateFile {
    fn path(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// What was kept; `None` for a log that was never cosigned.
    pub(super) fn load(&self, key: &WitnessKey) -> Result<Option<Seen>, StateError> {
        let path = self.path();
        let bytes = match File::open(&path) {
            Ok(file) => {
                let mut bytes = Vec::new();
                let most = note::MAX_NOTE_BYTES as u64 + 1;
                let read = file.take(most).read_to_end(&mut bytes);
                read.map_err(|source| StateError::Unreadable { path: path.clone(), source })?;
                bytes
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(StateError::Unreadable { path, source }),
        };
        let damaged = || StateError::Damaged { path: path.clone() };
        let opened = note::read_any(&bytes).map_err(|_| damaged())?;
        // The own cosignature is what says that the file is whole.
        let at = key.cosigned_at(&opened).ok().flatten().ok_or_else(damaged)?;
        if opened.checkpoint.origin != self.origin {
            return Err(damaged());
        }
        Ok(Some(Seen { size: opened.checkpoint.size, root: opened.checkpoint.root, at }))
    }

    /// Keeps a cosigned checkpoint in place of the one before.
    pub(super) fn keep(&self, note: &str) -> Result<(), Unkept> {
        let staged = self.folder.join(format!("{}.writing", self.name));
        let write = || {
            let mut file = File::create(&staged)?;
            file.write_all(note.as_bytes())?;
            file.sync_all()?;
            fs::rename(&staged, self.path())
        };
        write().map_err(Unkept::Nothing)?;
        File::open(&self.folder).and_then(|folder| folder.sync_all()).map_err(Unkept::NotDurable)
    }
}
