//! A mirror's folder on the disk: its files by name, its lock, and what was signed.

use crate::{
    cli::CliError,
    verify::{
        Checkpoint, NoteProblem, VerifierKey,
        note::verify_checkpoint,
        path::{CHECKPOINT, FULL, FileName, NEXT_CHECKPOINT, Row},
    },
};
use std::{
    fs::{self, File, TryLockError},
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

/// A state that the log's key has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signed {
    pub(super) note: String,
    pub(super) checkpoint: Checkpoint,
}

pub(super) fn unwritable(path: &Path) -> impl FnOnce(io::Error) -> CliError {
    let path = path.to_owned();
    move |source| CliError::Unwritable { path, source }
}

/// A hidden name beside the mirror.
pub(super) fn beside(out: &Path, what: &str) -> PathBuf {
    let name = out.file_name().unwrap_or_default().to_string_lossy();
    out.with_file_name(format!(".{name}.{what}"))
}

/// The folder where a mirror is begun, which may be there from an interrupted fetch. One
/// that was complete, and not moved yet, is gone on with like any other.
pub(super) fn begun_beside(out: &Path) -> Result<(PathBuf, File), CliError> {
    let work = beside(out, "fetching");
    fs::create_dir_all(&work).map_err(unwritable(&work))?;
    let lock = locked(&work)?;
    match fs::rename(work.join(CHECKPOINT), work.join(NEXT_CHECKPOINT)) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(unwritable(&work)(error)),
        _ => Ok((work, lock)),
    }
}

/// One fetch at a time; the lock ends with the process.
pub(super) fn locked(folder: &Path) -> Result<File, CliError> {
    let file = File::open(folder).map_err(unwritable(folder))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(CliError::Busy { path: folder.to_owned() }),
        Err(TryLockError::Error(source)) => Err(unwritable(folder)(source)),
    }
}

/// A checkpoint file, which must be signed by the log's key; `None` when it is not there.
pub(super) fn read_signed(path: &Path, key: &VerifierKey) -> Result<Option<Signed>, CliError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(source) => return Err(CliError::Unreadable { path: path.to_owned(), source }),
    };
    let rejected =
        |problem: NoteProblem| CliError::Rejected { path: path.to_owned(), source: problem.into() };
    let checkpoint = verify_checkpoint(&bytes, key).map_err(rejected)?;
    let note = String::from_utf8(bytes).map_err(|_| rejected(NoteProblem::NotText { line: 1 }))?;
    Ok(Some(Signed { note, checkpoint }))
}

pub(super) fn remove(path: &Path) -> Result<(), CliError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(unwritable(path)(error)),
        _ => Ok(()),
    }
}

pub(super) fn sync_folder(path: &Path) -> Result<(), CliError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(unwritable(path))
}

pub(super) fn rows() -> impl Iterator<Item = Row> {
    std::iter::once(Row::Entries).chain((0..8).map(Row::Level))
}

/// How many full files a row has, and the width of the partial one.
pub(super) fn extent(row: Row, size: u64) -> (u64, usize) {
    let length = match row {
        Row::Entries => size,
        Row::Level(level) => size >> (8 * u32::from(level)),
    };
    (length / FULL as u64, usize::try_from(length % FULL as u64).unwrap_or(0))
}

/// The partial file of a row.
pub(super) fn partial(row: Row, size: u64) -> Option<FileName> {
    let (index, width) = extent(row, size);
    (width > 0).then_some(FileName { row, index, width })
}

/// The file of this number in a log of `size` entries.
pub(super) fn edge_or_full(row: Row, index: u64, size: u64) -> Option<FileName> {
    let (whole, _) = extent(row, size);
    if index < whole {
        return Some(FileName { row, index, width: FULL });
    }
    partial(row, size).filter(|file| file.index == index)
}

/// The full files that a log of `new` entries has and one of `old` has not.
pub(super) fn full_files(old: u64, new: u64) -> impl Iterator<Item = FileName> {
    rows().flat_map(move |row| {
        let (from, until) = (extent(row, old).0, extent(row, new).0);
        (from..until).map(move |index| FileName { row, index, width: FULL })
    })
}
