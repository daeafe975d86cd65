//! A mirror of the log in a folder, as `audit fetch` keeps it: what is written when, so that
//! the folder verifies at every moment, and what is refused.
//!
//! A fetch goes into the mirror itself: first the signed checkpoint that it will have, under
//! the name `checkpoint.next`; then bundles and tiles as they come, each beside the folder and
//! renamed into it; last, once everything recomputes to the signed root, `checkpoint.next`
//! becomes `checkpoint` by one rename. Killed at any byte, the mirror is what it was, with some
//! files too early (which `audit verify` knows by `checkpoint.next`), and the next fetch hashes
//! those again instead of fetching them.
//!
//! A mirror that is not there yet, or is found damaged, is made beside its folder under
//! `.NAME.fetching` and renamed as a whole.
//!
//! Nothing that comes from the gateway is believed: every hash here is computed from entries.

mod disk;

use super::CliError;
use crate::verify::{
    Checkpoint, Directory, Growth, GrowthProblem, NoteProblem, TileSource, VerifierKey,
    note::verify_checkpoint,
    path::{CHECKPOINT, FULL, FileName, NEXT_CHECKPOINT, Row},
    proof::{Sha, is_consistent},
};
use disk::{
    Signed, begun_beside, beside, edge_or_full, full_files, locked, partial, read_signed, remove,
    rows, sync_folder, unwritable,
};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

/// The longest bundle: 256 entries of 65,535 bytes with their lengths.
const MAX_BUNDLE: usize = FULL * (2 + 65_535);

/// Why what the gateway showed does not go into the mirror.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum MirrorRefused {
    /// Its checkpoint.
    #[error("the gateway's checkpoint: {0}")]
    NotSigned(NoteProblem),
    /// Its log is smaller than it was.
    #[error("rolled back: the log had {had} entries and has {has} now")]
    RolledBack {
        /// As the mirror has it.
        had: u64,
        /// As the gateway says now.
        has: u64,
    },
    /// Two signed roots for one size.
    #[error("forked: two signed roots for the same {size} entries")]
    Forked {
        /// The size.
        size: u64,
    },
    /// What the mirror has is not shown to be the beginning.
    #[error("the gateway does not prove that its log begins with the {size} entries of the mirror")]
    NotProved {
        /// The mirror's size.
        size: u64,
    },
    /// The entries that came.
    #[error("{0}")]
    Entries(#[from] GrowthProblem),
    /// The entries are not those that the checkpoint was signed for.
    #[error("the entries have another root than the signed checkpoint states")]
    RootDiffers,
}

/// A mirror that is being brought up to date.
pub(super) struct Mirror {
    key: VerifierKey,
    out: PathBuf,
    /// Where files go: the mirror itself, or the folder beside it.
    work: PathBuf,
    /// What the mirror holds, verified.
    held: Option<Signed>,
    /// Where an interrupted fetch was going, then where this one goes.
    next: Option<Signed>,
    growth: Growth,
    /// Bundles that an interrupted fetch had left.
    reused: u64,
    _lock: File,
}

fn unreadable(source: crate::verify::SourceError) -> CliError {
    CliError::Failed { act: "read the mirror", source: source.into() }
}

impl Mirror {
    /// Opens a mirror, or begins one where `out` is not there or empty.
    ///
    /// # Errors
    /// When the folder is something else, or another fetch works on it.
    pub(super) fn open(out: &Path, key: VerifierKey) -> Result<Self, CliError> {
        // A name is needed to put things beside it; this also takes a `/` off the end.
        let out: PathBuf = out.components().collect();
        if out.file_name().is_none() {
            return Err(CliError::NotAMirror { path: out });
        }
        let there = out.join(CHECKPOINT).exists();
        if !there && fs::read_dir(&out).is_ok_and(|mut items| items.next().is_some()) {
            return Err(CliError::NotAMirror { path: out });
        }
        let (work, lock) = if there { (out.clone(), locked(&out)?) } else { begun_beside(&out)? };
        // Read under the lock: another fetch may just have ended.
        let held = read_signed(&out.join(CHECKPOINT), &key)?;
        let mut mirror = Self {
            key,
            out,
            work,
            held,
            next: None,
            growth: Growth::default(),
            reused: 0,
            _lock: lock,
        };
        mirror.read_next()?;
        Ok(mirror)
    }

    /// The log's name, as its key has it.
    pub(super) fn log(&self) -> &str {
        self.key.name()
    }

    /// How many entries the mirror holds.
    pub(super) fn held_size(&self) -> u64 {
        self.held.as_ref().map_or(0, |held| held.checkpoint.size)
    }

    /// Bundles of an interrupted fetch that need not be fetched again.
    pub(super) const fn reused(&self) -> u64 {
        self.reused
    }

    /// Where an interrupted fetch was going. What is no checkpoint of this log is left over
    /// from nothing that can be gone on with.
    fn read_next(&mut self) -> Result<(), CliError> {
        let path = self.work.join(NEXT_CHECKPOINT);
        self.next = read_signed(&path, &self.key).or_else(|error| match error {
            CliError::Rejected { .. } => {
                fs::remove_file(&path).map_err(unwritable(&path)).map(|()| None)
            }
            other => Err(other),
        })?;
        Ok(())
    }

    /// Whether every full file of the mirror is there; a look at names and lengths.
    pub(super) fn has_every_file(&self) -> bool {
        let size = self.held_size();
        full_files(0, size).all(|file| {
            fs::metadata(self.work.join(file.path())).is_ok_and(|found| match file.row {
                Row::Entries => found.len() >= 2 * FULL as u64,
                Row::Level(_) => found.len() == 32 * FULL as u64,
            })
        })
    }

    /// Begins the mirror again beside its folder, because it is damaged. What it held still
    /// has to be the beginning of the log.
    ///
    /// # Errors
    /// When the other folder can't be made, or another fetch works on it.
    pub(super) fn begin_anew(&mut self) -> Result<(), CliError> {
        // What is left is one lock at any time: the old one goes with its file.
        (self.work, self._lock) = begun_beside(&self.out)?;
        self.read_next()
    }

    /// Gets ready to go on behind what is verified, and what an interrupted fetch had left;
    /// gives the first bundle that is wanted, or `None` when the mirror's own tiles are
    /// damaged.
    ///
    /// # Errors
    /// When files can't be read or written.
    pub(super) fn begin(&mut self) -> Result<Option<u64>, CliError> {
        let source = Directory::new(&self.work);
        self.growth = match &self.held {
            Some(held) if self.work == self.out => {
                match Growth::resume(&source, &held.checkpoint).map_err(unreadable)? {
                    Some(growth) => growth,
                    None => return Ok(None),
                }
            }
            _ => Growth::default(),
        };
        self.reused = 0;
        let until = self.next.as_ref().map_or(0, |next| next.checkpoint.size / FULL as u64);
        while self.growth.next() < until {
            let file = FileName { row: Row::Entries, index: self.growth.next(), width: FULL };
            let Some(bundle) = source.read(&file.path(), MAX_BUNDLE).map_err(unreadable)? else {
                break;
            };
            let Ok(tiles) = self.growth.take(file.index, FULL, &bundle) else { break };
            self.put_all(&tiles)?;
            self.reused += 1;
        }
        Ok(Some(self.growth.next()))
    }

    /// Looks at the checkpoint that the gateway shows, with the proof that what the mirror
    /// holds is its beginning; gives the size that the mirror will have.
    ///
    /// # Errors
    /// The inner error when it is refused: the mirror stays as it is.
    pub(super) fn offer(
        &mut self,
        note: &str,
        proof: &[Sha],
    ) -> Result<Result<u64, MirrorRefused>, CliError> {
        let checkpoint = match verify_checkpoint(note.as_bytes(), &self.key) {
            Ok(checkpoint) => checkpoint,
            Err(problem) => return Ok(Err(MirrorRefused::NotSigned(problem))),
        };
        for earlier in [&self.held, &self.next].into_iter().flatten() {
            let earlier = &earlier.checkpoint;
            if let Err(refused) = goes_on(earlier, &checkpoint) {
                return Ok(Err(refused));
            }
        }
        if let Some(held) = &self.held {
            let (had, has) = (&held.checkpoint, &checkpoint);
            let proved = is_consistent((had.size, &had.root), (has.size, &has.root), proof);
            if (1..has.size).contains(&had.size) && !proved {
                return Ok(Err(MirrorRefused::NotProved { size: had.size }));
            }
        }
        let size = checkpoint.size;
        self.forget_partial()?;
        self.put(NEXT_CHECKPOINT, note.as_bytes())?;
        self.next = Some(Signed { note: note.to_owned(), checkpoint });
        Ok(Ok(size))
    }

    /// Takes the next bundle.
    ///
    /// # Errors
    /// The inner error when it is refused.
    pub(super) fn take(
        &mut self,
        index: u64,
        width: usize,
        bundle: &[u8],
    ) -> Result<Result<(), MirrorRefused>, CliError> {
        let file = FileName { row: Row::Entries, index, width };
        // Only what belongs to the promised size: a partial bundle ends it.
        if edge_or_full(Row::Entries, index, self.next_size()) != Some(file) {
            return Ok(Err(GrowthProblem::OutOfOrder.into()));
        }
        match self.growth.take(index, width, bundle) {
            Ok(tiles) => {
                self.put(&file.path(), bundle)?;
                self.put_all(&tiles)?;
                Ok(Ok(()))
            }
            Err(problem) => Ok(Err(problem.into())),
        }
    }

    /// How many entries were taken, those that were there included.
    pub(super) fn taken(&self) -> u64 {
        self.growth.size()
    }

    /// Puts the new checkpoint in place, once everything recomputes to its root.
    ///
    /// # Errors
    /// The inner error when it does not: the mirror stays as it is, and what was fetched
    /// is removed.
    pub(super) fn finish(&mut self) -> Result<Result<(), MirrorRefused>, CliError> {
        let Some(next) = self.next.clone() else { return Ok(Ok(())) };
        if self.growth.size() != next.checkpoint.size {
            return Err(CliError::BrokenOff);
        }
        if self.growth.root() != next.checkpoint.root {
            self.forget()?;
            return Ok(Err(MirrorRefused::RootDiffers));
        }
        self.put_all(&self.growth.edge())?;
        self.sync(next.checkpoint.size)?;
        let (from, to) = (self.work.join(NEXT_CHECKPOINT), self.work.join(CHECKPOINT));
        fs::rename(&from, &to).map_err(unwritable(&to))?;
        if self.work == self.out {
            self.remove_partial_of(self.held_size(), next.checkpoint.size)?;
        } else {
            self.move_in()?;
        }
        sync_folder(&self.out)?;
        self.held = self.next.take();
        Ok(Ok(()))
    }

    /// Keeps the signed checkpoints that contradict each other beside the mirror.
    ///
    /// # Errors
    /// When they can't be written.
    pub(super) fn keep_evidence(&self, note: &str) -> Result<PathBuf, CliError> {
        let name = self.out.file_name().unwrap_or_default().to_string_lossy();
        let folder = self.out.with_file_name(format!("{name}.evidence"));
        fs::create_dir_all(&folder).map_err(unwritable(&folder))?;
        let shown = verify_checkpoint(note.as_bytes(), &self.key).ok();
        let shown = shown.map(|checkpoint| Signed { note: note.to_owned(), checkpoint });
        let signed = [self.held.clone(), self.next.clone(), shown];
        for Signed { note, checkpoint } in signed.into_iter().flatten() {
            let root = hex::encode(&checkpoint.root[..8]);
            // Named by what it says, so that no two differ under one name.
            let path = folder.join(format!("{}-{root}.checkpoint", checkpoint.size));
            fs::write(&path, note).map_err(unwritable(&path))?;
        }
        Ok(folder)
    }

    fn next_size(&self) -> u64 {
        self.next.as_ref().map_or(0, |next| next.checkpoint.size)
    }

    /// Removes what an interrupted fetch has left, and says so by removing its checkpoint last.
    fn forget(&mut self) -> Result<(), CliError> {
        if self.work != self.out {
            let path = self.work.clone();
            fs::remove_dir_all(&path).map_err(unwritable(&path))?;
            return self.begin_anew();
        }
        self.forget_partial()?;
        for file in full_files(self.held_size(), self.next_size()) {
            remove(&self.work.join(file.path()))?;
        }
        remove(&self.work.join(NEXT_CHECKPOINT))?;
        self.next = None;
        Ok(())
    }

    /// Removes the partial files that an interrupted fetch may have left.
    fn forget_partial(&self) -> Result<(), CliError> {
        let held = if self.work == self.out { self.held_size() } else { 0 };
        self.remove_partial_of(self.next_size(), held)
    }

    /// Removes the partial files of a size that another does not have.
    fn remove_partial_of(&self, size: u64, kept: u64) -> Result<(), CliError> {
        for row in rows() {
            let Some(file) = partial(row, size).filter(|file| partial(row, kept) != Some(*file))
            else {
                continue;
            };
            let path = self.work.join(file.path());
            remove(&path)?;
            // The folder of a tile's partial widths goes with the last of them.
            if let Some(folder) = path.parent() {
                let _ = fs::remove_dir(folder);
            }
        }
        Ok(())
    }

    fn put_all(&self, files: &[(FileName, Vec<u8>)]) -> Result<(), CliError> {
        files.iter().try_for_each(|(file, bytes)| self.put(&file.path(), bytes))
    }

    /// Writes a file as a whole or not at all; one that is right already is left alone.
    fn put(&self, path: &str, bytes: &[u8]) -> Result<(), CliError> {
        let target = self.work.join(path);
        if fs::read(&target).is_ok_and(|there| there == bytes) {
            return Ok(());
        }
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).map_err(unwritable(folder))?;
        }
        let staged = beside(&self.out, "writing");
        fs::write(&staged, bytes).map_err(unwritable(&staged))?;
        fs::rename(&staged, &target).map_err(unwritable(&target))
    }

    /// Waits for the disk to have every new file: the checkpoint must not outlive them.
    fn sync(&self, size: u64) -> Result<(), CliError> {
        let held = if self.work == self.out { self.held_size() } else { 0 };
        let edge = rows().filter_map(|row| partial(row, size));
        for file in full_files(held, size).chain(edge) {
            let path = self.work.join(file.path());
            File::open(&path).and_then(|file| file.sync_all()).map_err(unwritable(&path))?;
        }
        let path = self.work.join(NEXT_CHECKPOINT);
        File::open(&path).and_then(|file| file.sync_all()).map_err(unwritable(&path))
    }

    /// Moves what was made beside the mirror's folder to its place. A damaged mirror is kept,
    /// under another name.
    fn move_in(&mut self) -> Result<(), CliError> {
        if self.held.is_some() {
            let name = self.out.file_name().unwrap_or_default().to_string_lossy();
            let place = |n: u32| self.out.with_file_name(format!("{name}.damaged-{n}"));
            let free = (1_u32..).map(place).find(|path| !path.exists());
            let path = free.unwrap_or_else(|| self.out.clone());
            fs::rename(&self.out, &path).map_err(unwritable(&path))?;
        }
        fs::rename(&self.work, &self.out).map_err(unwritable(&self.out))?;
        self.work.clone_from(&self.out);
        Ok(())
    }
}

/// Whether a later state may follow an earlier one, as far as sizes and roots tell.
fn goes_on(earlier: &Checkpoint, later: &Checkpoint) -> Result<(), MirrorRefused> {
    if later.size < earlier.size {
        return Err(MirrorRefused::RolledBack { had: earlier.size, has: later.size });
    }
    if later.size == earlier.size && later.root != earlier.root {
        return Err(MirrorRefused::Forked { size: later.size });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
