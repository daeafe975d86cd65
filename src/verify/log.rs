//! Verifying a whole log from its files, bottom-up, one bundle at a time.
//!
//! Every entry is hashed and every tile recomputed from what lies below it. Where an entry
//! and its leaf hash differ, the hash above them (or, at the right edge, the signed root)
//! tells which of the two was altered. The work within full bundles is done on every core
//! (`digest.rs`); memory holds some bundles a core and one tile a level, besides the list
//! of files.
//!
//! A folder that is being filled from somewhere (`tallygate audit fetch`) holds files of a
//! larger log before their checkpoint is put in place: whoever fills it says so by that
//! checkpoint under the name [`NEXT_CHECKPOINT`]. Where that is signed, files up to its size
//! are early and not wrong; without it, files beyond the checkpoint are those of a log that
//! was rolled back.

use super::{
    bundle::{Bundle, MAX_BUNDLE},
    digest::{Agreed, Content, Leaves, Pairs, read_pair},
    history::History,
    level::{Inventory, check_tile, file_of, joined_root, read_tile, tile_root},
    note::{self, Checkpoint, VerifierKey},
    path::{CHECKPOINT, FULL, FileName, NEXT_CHECKPOINT, Row},
    proof::{Sha, empty_root},
    report::{Notice, Place, Problem, Report},
    source::{SourceError, TileSource},
};
use std::thread;

/// Verifies the log in `source` against its verifier key.
///
/// # Errors
/// Only when files can't be read; whatever is wrong with the log is in the report.
pub fn verify_log(
    source: &(impl TileSource + Sync),
    key: &VerifierKey,
) -> Result<Report, SourceError> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    verify_log_on(source, key, threads, &mut |_, _| {})
}

/// The same on so many threads; `tell` hears how many entries of how many are through.
///
/// # Errors
/// As [`verify_log`].
pub fn verify_log_on(
    source: &(impl TileSource + Sync),
    key: &VerifierKey,
    threads: usize,
    tell: &mut dyn FnMut(u64, u64),
) -> Result<Report, SourceError> {
    let mut report = Report::default();
    let inventory = take_inventory(source, &mut report)?;
    let Some(checkpoint) = read_checkpoint(source, key, &mut report)? else { return Ok(report) };
    let early = read_next(source, key, &inventory, &mut report)?;
    inventory.compare(checkpoint.size, early.unwrap_or(0).max(checkpoint.size), &mut report);
    let mut walk = Walk {
        source,
        inventory: &inventory,
        checkpoint: &checkpoint,
        report,
        levels: Vec::new(),
        history: History::default(),
        scratch: Vec::new(),
    };
    walk.run(threads, tell)?;
    Ok(walk.report)
}

fn take_inventory(source: &impl TileSource, report: &mut Report) -> Result<Inventory, SourceError> {
    let mut inventory = Inventory::default();
    let mut paths = source.list()?;
    paths.sort_unstable();
    for path in paths {
        match FileName::parse(&path) {
            Some(file) => inventory.add(file),
            None if path == CHECKPOINT => {}
            None if path == NEXT_CHECKPOINT => inventory.next = true,
            None => report.find(path, Place::File, Problem::Unexpected),
        }
    }
    inventory.sort();
    Ok(inventory)
}

/// The checkpoint's claims, also when the signature is wrong, so that the files can still
/// be looked at.
fn read_checkpoint(
    source: &impl TileSource,
    key: &VerifierKey,
    report: &mut Report,
) -> Result<Option<Checkpoint>, SourceError> {
    let Some(bytes) = source.read(CHECKPOINT, note::MAX_NOTE_BYTES)? else {
        report.find(CHECKPOINT.to_owned(), Place::File, Problem::Missing { through: None });
        return Ok(None);
    };
    report.files += 1;
    let mut find = |problem: note::NoteProblem| {
        let place = problem.line().map_or(Place::File, Place::Line);
        report.find(CHECKPOINT.to_owned(), place, Problem::Note(problem));
    };
    let opened = match note::open(&bytes, key) {
        Ok(opened) => opened,
        Err(problem) => {
            find(problem);
            return Ok(None);
        }
    };
    let problems = opened.problems(key);
    problems.iter().copied().for_each(&mut find);
    let checkpoint = opened.checkpoint;
    report.signed = problems.is_empty();
    report.origin = Some(checkpoint.origin.clone());
    report.size = Some(checkpoint.size);
    report.root = Some(hex::encode(checkpoint.root));
    Ok(Some(checkpoint))
}

/// The size up to which files may be early, where the checkpoint of a larger log is there.
fn read_next(
    source: &impl TileSource,
    key: &VerifierKey,
    inventory: &Inventory,
    report: &mut Report,
) -> Result<Option<u64>, SourceError> {
    if !inventory.next {
        return Ok(None);
    }
    let bytes = source.read(NEXT_CHECKPOINT, note::MAX_NOTE_BYTES)?.unwrap_or_default();
    let next = match note::verify_checkpoint(&bytes, key) {
        Ok(next) => next,
        Err(problem) => {
            let place = problem.line().map_or(Place::File, Place::Line);
            report.find(NEXT_CHECKPOINT.to_owned(), place, Problem::Note(problem));
            return Ok(None);
        }
    };
    report.notice(Notice::Unfinished { size: next.size });
    Ok(Some(next.size))
}

/// The tile of a level that is being filled from below.
#[derive(Default)]
struct Level {
    index: u64,
    below: Vec<Option<Sha>>,
    /// The tile's file, once read; the inner `None` when it is missing.
    read: Option<Option<Vec<Sha>>>,
}

struct Walk<'a, S> {
    source: &'a S,
    inventory: &'a Inventory,
    checkpoint: &'a Checkpoint,
    report: Report,
    /// Levels 1 and up.
    levels: Vec<Level>,
    history: History,
    scratch: Vec<u8>,
}

impl<S: TileSource + Sync> Walk<'_, S> {
    fn run(&mut self, threads: usize, tell: &mut dyn FnMut(u64, u64)) -> Result<(), SourceError> {
        let size = self.checkpoint.size;
        let full = size / FULL as u64;
        // A false size must not send us on a journey: nothing lies beyond the last file.
        let end = self.inventory.end(Row::Entries).max(self.inventory.end(Row::Level(0)));
        let source = self.source;
        thread::scope(|scope| {
            let pairs = Pairs::start(scope, source, full.min(end), size, threads);
            for index in 0..full.min(end) {
                let Some(pair) = pairs.take(index) else { break };
                let pair = pair?;
                self.report.add(pair.report);
                let root = match pair.content {
                    Content::Agreed(agreed) => self.agreed(index, *agreed)?,
                    Content::Unsettled(bundle, tile) => {
                        let above = self.hash_above(index)?;
                        let believed = self.settle(index, bundle.as_ref(), tile, |hashes| {
                            above.is_some() && tile_root(hashes) == above
                        })?;
                        believed.as_deref().and_then(tile_root)
                    }
                };
                self.push(1, root)?;
                tell((index + 1) * FULL as u64, size);
            }
            Ok(())
        })?;
        if end >= full {
            self.finish(full)?;
        }
        tell(size, size);
        Ok(())
    }

    /// Takes a bundle that has the hashes of its tile; gives the tile's root.
    fn agreed(&mut self, index: u64, agreed: Agreed) -> Result<Option<Sha>, SourceError> {
        let entries = file_of(Row::Entries, index, self.checkpoint.size);
        self.take_leaves(entries, agreed.leaves);
        self.check_older(index, agreed.hashes)?;
        Ok(agreed.root)
    }

    /// The right edge: each level's unfinished tile, and the root.
    fn finish(&mut self, full: u64) -> Result<(), SourceError> {
        let mut upper = Vec::new();
        for level in 1..=u8::try_from(self.levels.len()).unwrap_or(u8::MAX) {
            upper.push(self.finish_tile(level)?);
        }
        let root_with = |lowest: &[Sha]| {
            let mut edges = vec![lowest.to_vec()];
            for edge in &upper {
                edges.push(edge.iter().copied().collect::<Option<Vec<_>>>()?);
            }
            Some(joined_root(&edges).unwrap_or_else(empty_root))
        };
        let lowest = if self.checkpoint.size.is_multiple_of(FULL as u64) {
            Some(Vec::new())
        } else {
            let pair = read_pair(self.source, full, self.checkpoint.size, &mut self.scratch)?;
            self.report.add(pair.report);
            let signed = self.checkpoint.root;
            match pair.content {
                Content::Agreed(agreed) => {
                    let hashes = agreed.hashes.clone();
                    self.agreed(full, *agreed)?;
                    Some(hashes)
                }
                Content::Unsettled(bundle, tile) => {
                    let backed = |hashes: &[Sha]| root_with(hashes) == Some(signed);
                    self.settle(full, bundle.as_ref(), tile, backed)?
                }
            }
        };
        let root = lowest.as_deref().and_then(root_with);
        self.report.recomputed_root = root.map(hex::encode);
        if root.is_some_and(|root| root != self.checkpoint.root) {
            self.report.find(CHECKPOINT.to_owned(), Place::Line(3), Problem::RootDiffers);
        }
        Ok(())
    }

    /// What the level-1 tile says of the full level-0 tile number `index`.
    fn hash_above(&mut self, index: u64) -> Result<Option<Sha>, SourceError> {
        self.load(1)?;
        let position = usize::try_from(index % FULL as u64).unwrap_or(FULL);
        let tile = self.levels.first().and_then(|level| level.read.as_ref()?.as_ref());
        Ok(tile.and_then(|tile| tile.get(position)).copied())
    }

    /// Makes sure that the current tile of a level (1 and up) has been read.
    fn load(&mut self, level: u8) -> Result<(), SourceError> {
        while self.levels.len() < usize::from(level) {
            self.levels.push(Level::default());
        }
        let state = &mut self.levels[usize::from(level) - 1];
        if state.read.is_none() {
            let file = file_of(Row::Level(level), state.index, self.checkpoint.size);
            state.read = Some(read_tile(self.source, file, &mut self.report)?);
        }
        Ok(())
    }

    /// Adds what is known of the next hash of a level (1 and up).
    fn push(&mut self, level: u8, hash: Option<Sha>) -> Result<(), SourceError> {
        self.load(level)?;
        let state = &mut self.levels[usize::from(level) - 1];
        state.below.push(hash);
        if state.below.len() < FULL {
            return Ok(());
        }
        let known = self.finish_tile(level)?.into_iter().collect::<Option<Vec<_>>>();
        self.push(level + 1, known.as_deref().and_then(tile_root))
    }

    /// Checks the current tile of a level against what lies below, and begins the next one.
    /// Gives each hash as known from below, or else as the file says.
    fn finish_tile(&mut self, level: u8) -> Result<Vec<Option<Sha>>, SourceError> {
        self.load(level)?;
        let state = &mut self.levels[usize::from(level) - 1];
        let file = file_of(Row::Level(level), state.index, self.checkpoint.size);
        let read = state.read.take().flatten().unwrap_or_default();
        let mut known = std::mem::take(&mut state.below);
        state.index += 1;
        check_tile(file, &read, &known, &mut self.report);
        for (known, read) in known.iter_mut().zip(&read) {
            *known = known.or(Some(*read));
        }
        self.check_older_tiles(file, &known)?;
        Ok(known)
    }

    /// Checks earlier, partial files of a number against what is known of its leaf hashes.
    fn check_older(&mut self, index: u64, known: Vec<Sha>) -> Result<(), SourceError> {
        let size = self.checkpoint.size;
        let known: Vec<Option<Sha>> = known.into_iter().map(Some).collect();
        self.check_older_tiles(file_of(Row::Level(0), index, size), &known)?;
        self.check_older_bundles(file_of(Row::Entries, index, size), &known)
    }

    fn check_older_tiles(
        &mut self,
        file: FileName,
        known: &[Option<Sha>],
    ) -> Result<(), SourceError> {
        for older in self.inventory.older(file) {
            if let Some(read) = read_tile(self.source, older, &mut self.report)? {
                check_tile(older, &read, known, &mut self.report);
            }
        }
        Ok(())
    }

    /// Decides between a bundle and its tile of leaf hashes, names what is wrong, reads the
    /// leaves, and gives the leaf hashes to go on with. `backed` tells whether hashes are
    /// those that the tree above was made of.
    fn settle(
        &mut self,
        index: u64,
        bundle: Option<&Bundle>,
        tile: Option<Vec<Sha>>,
        backed: impl Fn(&[Sha]) -> bool,
    ) -> Result<Option<Vec<Sha>>, SourceError> {
        let size = self.checkpoint.size;
        let (entries, hashes) =
            (file_of(Row::Entries, index, size), file_of(Row::Level(0), index, size));
        let computed = bundle.map(Bundle::hashes);
        let whole = bundle.is_some_and(Bundle::is_whole);
        let believed = match (computed.as_deref(), tile) {
            (Some(computed), Some(tile)) if whole && computed == tile => Some(tile),
            (Some(computed), Some(tile)) => {
                let differing: Vec<usize> =
                    (0..tile.len()).filter(|n| computed.get(*n) != tile.get(*n)).collect();
                if !whole || backed(&tile) {
                    self.blame_entries(entries, &differing, whole, computed.len());
                    Some(tile)
                } else {
                    self.blame_hashes(entries, hashes, &differing, backed(computed));
                    Some(computed.to_vec())
                }
            }
            (Some(computed), None) if whole => Some(computed.to_vec()),
            (Some(computed), None) => {
                self.blame_entries(entries, &[], false, computed.len());
                None
            }
            (None, tile) => tile,
        };
        if let (Some(bundle), Some(computed)) = (bundle, &computed) {
            self.read_leaves(entries, bundle, computed, believed.as_deref());
        }
        self.check_older(index, believed.clone().unwrap_or_default())?;
        Ok(believed)
    }

    /// Names altered leaf hashes; where nothing above backs the entries either, both sides.
    fn blame_hashes(
        &mut self,
        entries: FileName,
        hashes: FileName,
        differing: &[usize],
        entries_backed: bool,
    ) {
        for number in differing.iter().copied() {
            if entries_backed {
                self.report.find(hashes.path(), Place::Hash(number), Problem::HashAltered);
            } else {
                let (entry, hash) = (Place::Entry(number), Place::Hash(number));
                self.report.find(entries.path(), entry, Problem::EntryAndHashDiffer);
                self.report.find(hashes.path(), hash, Problem::EntryAndHashDiffer);
            }
        }
    }

    /// Names altered entries. Where a bundle's lengths no longer fill it, all after the first
    /// altered entry is shifted, so only that one is named.
    fn blame_entries(&mut self, file: FileName, differing: &[usize], whole: bool, parsed: usize) {
        if whole {
            for number in differing {
                self.report.find(file.path(), Place::Entry(*number), Problem::EntryAltered);
            }
        } else {
            let first = differing.first().copied().unwrap_or(parsed);
            self.report.find(file.path(), Place::Entry(first), Problem::WrongLength);
        }
    }

    fn check_older_bundles(
        &mut self,
        current: FileName,
        known: &[Option<Sha>],
    ) -> Result<(), SourceError> {
        for older in self.inventory.older(current) {
            let Some(bytes) = self.source.read(&older.path(), MAX_BUNDLE)? else { continue };
            self.report.files += 1;
            let bundle = Bundle::parse(bytes, older.width);
            let computed = bundle.hashes();
            let differing: Vec<usize> = (0..older.width)
                .filter(|n| known.get(*n).is_some_and(|known| computed.get(*n) != known.as_ref()))
                .collect();
            if !bundle.is_whole() || !differing.is_empty() {
                self.blame_entries(older, &differing, bundle.is_whole(), computed.len());
            }
        }
        Ok(())
    }

    /// Reads those entries as leaves that the tree was made of.
    fn read_leaves(
        &mut self,
        file: FileName,
        bundle: &Bundle,
        computed: &[Sha],
        believed: Option<&[Sha]>,
    ) {
        let mut leaves = Leaves::default();
        for (number, entry) in bundle.iter().enumerate() {
            if believed.is_some_and(|believed| believed.get(number) == computed.get(number)) {
                leaves.read(file, number, entry, &mut self.scratch);
            }
        }
        self.take_leaves(file, leaves);
    }

    fn take_leaves(&mut self, file: FileName, leaves: Leaves) {
        for (number, problem) in leaves.problems {
            self.report.find(file.path(), Place::Entry(number), Problem::NotALeaf(problem));
        }
        self.history.absorb(leaves.summary, &mut self.report);
    }
}
