//! Verifying a whole log from its files, bottom-up, one bundle at a time.
//!
//! Every entry is hashed and every tile recomputed from what lies below it. Where an entry
//! and its leaf hash differ, the hash above them (or, at the right edge, the signed root)
//! tells which of the two was altered. Memory holds one bundle and one tile a level, besides
//! the list of files.
//!
//! A folder that is being filled from somewhere (`tallygate audit fetch`) holds files of a
//! larger log before their checkpoint is put in place: whoever fills it says so by that
//! checkpoint under the name [`NEXT_CHECKPOINT`]. Where that is signed, files up to its size
//! are early and not wrong; without it, files beyond the checkpoint are those of a log that
//! was rolled back.

use super::{
    leaf,
    level::{Inventory, check_tile, file_of, joined_root, read_tile, tile_root},
    note::{self, Checkpoint, VerifierKey},
    path::{CHECKPOINT, FULL, FileName, NEXT_CHECKPOINT, Row},
    proof::{Sha, empty_root, hash_of_entry},
    report::{Notice, Place, Problem, Report},
    source::{SourceError, TileSource},
};
use std::collections::BTreeMap;

/// The longest bundle: 256 entries of 65,535 bytes with their lengths.
pub(super) const MAX_BUNDLE: usize = FULL * (2 + 65_535);

/// Verifies the log in `source` against its verifier key.
///
/// # Errors
/// Only when files can't be read; whatever is wrong with the log is in the report.
pub fn verify_log(source: &impl TileSource, key: &VerifierKey) -> Result<Report, SourceError> {
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
    walk.run()?;
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

/// A bundle as read: where each entry lies, and whether its lengths fill it.
pub(super) struct Bundle {
    bytes: Vec<u8>,
    entries: Vec<std::ops::Range<usize>>,
    whole: bool,
}

impl Bundle {
    pub(super) fn parse(bytes: Vec<u8>, width: usize) -> Self {
        let mut entries = Vec::with_capacity(width);
        let mut at = 0;
        while entries.len() < width {
            let Some(length) = bytes.get(at..).and_then(|rest| rest.first_chunk::<2>()) else {
                break;
            };
            let end = at + 2 + usize::from(u16::from_be_bytes(*length));
            if end > bytes.len() {
                break;
            }
            entries.push(at + 2..end);
            at = end;
        }
        let whole = entries.len() == width && at == bytes.len();
        Self { bytes, entries, whole }
    }

    /// The entry of a number, where the lengths before it lead to one.
    pub(super) fn entry(&self, number: usize) -> Option<&[u8]> {
        self.entries.get(number).and_then(|place| self.bytes.get(place.clone()))
    }

    /// Whether its lengths and bytes make the entries that it should hold.
    pub(super) const fn is_whole(&self) -> bool {
        self.whole
    }

    pub(super) fn hashes(&self) -> Vec<Sha> {
        self.entries.iter().map(|entry| hash_of_entry(&self.bytes[entry.clone()])).collect()
    }
}

/// The tile of a level that is being filled from below.
#[derive(Default)]
struct Level {
    index: u64,
    below: Vec<Option<Sha>>,
    /// The tile's file, once read; the inner `None` when it is missing.
    read: Option<Option<Vec<Sha>>>,
}

/// What came before, to see clocks and sequences go wrong.
#[derive(Default)]
struct History {
    sequences: BTreeMap<String, u64>,
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

impl<S: TileSource> Walk<'_, S> {
    fn run(&mut self) -> Result<(), SourceError> {
        let size = self.checkpoint.size;
        let full = size / FULL as u64;
        // A false size must not send us on a journey: nothing lies beyond the last file.
        let end = self.inventory.end(Row::Entries).max(self.inventory.end(Row::Level(0)));
        for index in 0..full.min(end) {
            let (bundle, tile) = self.read_pair(index)?;
            let above = self.hash_above(index)?;
            let believed = self.settle(index, bundle.as_ref(), tile, |hashes| {
                above.is_some() && tile_root(hashes) == above
            })?;
            let root = believed.as_deref().and_then(tile_root);
            self.push(1, root)?;
        }
        if end >= full {
            self.finish(full)?;
        }
        Ok(())
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
            let (bundle, tile) = self.read_pair(full)?;
            let signed = self.checkpoint.root;
            self.settle(full, bundle.as_ref(), tile, |hashes| root_with(hashes) == Some(signed))?
        };
        let root = lowest.as_deref().and_then(root_with);
        self.report.recomputed_root = root.map(hex::encode);
        if root.is_some_and(|root| root != self.checkpoint.root) {
            self.report.find(CHECKPOINT.to_owned(), Place::Line(3), Problem::RootDiffers);
        }
        Ok(())
    }

    fn read_pair(&mut self, index: u64) -> Result<(Option<Bundle>, Option<Vec<Sha>>), SourceError> {
        let size = self.checkpoint.size;
        let entries = file_of(Row::Entries, index, size);
        let bundle = self
            .source
            .read(&entries.path(), MAX_BUNDLE)?
            .map(|bytes| Bundle::parse(bytes, entries.width));
        self.report.files += u64::from(bundle.is_some());
        let tile = read_tile(self.source, file_of(Row::Level(0), index, size), &mut self.report)?;
        Ok((bundle, tile))
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
        let whole = bundle.is_some_and(|bundle| bundle.whole);
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
        let known: Vec<Option<Sha>> = believed.iter().flatten().copied().map(Some).collect();
        self.check_older_tiles(hashes, &known)?;
        self.check_older_bundles(entries, &known)?;
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
            if !bundle.whole || !differing.is_empty() {
                self.blame_entries(older, &differing, bundle.whole, computed.len());
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
        let mut scratch = std::mem::take(&mut self.scratch);
        for (number, entry) in bundle.entries.iter().enumerate() {
            if believed.is_none_or(|believed| believed.get(number) != computed.get(number)) {
                continue;
            }
            match leaf::read(&bundle.bytes[entry.clone()], &mut scratch) {
                Ok(leaf) => {
                    let index = file.index.saturating_mul(FULL as u64) + number as u64;
                    self.history.note(&leaf, index, &mut self.report);
                }
                Err(problem) => {
                    self.report.find(file.path(), Place::Entry(number), Problem::NotALeaf(problem));
                }
            }
        }
        self.scratch = scratch;
    }
}

fn count(counts: &mut BTreeMap<String, u64>, name: &str) {
    match counts.get_mut(name) {
        Some(count) => *count += 1,
        None => {
            counts.insert(name.to_owned(), 1);
        }
    }
}

impl History {
    fn note(&mut self, leaf: &leaf::Leaf<'_>, index: u64, report: &mut Report) {
        report.leaves += 1;
        count(&mut report.kinds, leaf.kind.unwrap_or_default());
        if let Some(reason) = leaf.reason {
            count(&mut report.refusals, reason);
        }
        let at = leaf.at.unwrap_or_default();
        if report.first_at.is_none() {
            report.first_at = Some(at.to_owned());
        }
        // Times of this one form sort as text.
        match &mut report.last_at {
            Some(last) if at < last.as_str() => {
                let after = last.clone();
                at.clone_into(last);
                report.notice(Notice::ClockWentBack { index, at: at.to_owned(), after });
            }
            Some(last) => at.clone_into(last),
            last => *last = Some(at.to_owned()),
        }
        if let (Some(partner), Some(found)) = (leaf.partner, leaf.sequence) {
            let before = match self.sequences.get_mut(partner) {
                Some(last) => Some(std::mem::replace(last, found)),
                None => self.sequences.insert(partner.to_owned(), found),
            };
            let expected = before.map_or(found, |before| before + 1);
            if expected != found {
                let partner = partner.to_owned();
                report.notice(Notice::SequenceGap { index, partner, expected, found });
            }
        }
    }
}
