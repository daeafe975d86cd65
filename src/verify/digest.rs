//! The work on full bundles that needs nothing else: reading, hashing, parsing, on every core.
//!
//! Bundle i is done by worker i mod n, which hands its results on in order through a short
//! queue of its own; so they are taken in the log's order without being sorted, and however
//! large the log, no more than a few bundles a worker are in memory. Where bundle and tile
//! agree, only hashes and a summary are handed on; where they don't, both are, and
//! [`super::log`] finds out which of them was altered.

use super::{
    bundle::{Bundle, MAX_BUNDLE},
    history::Summary,
    leaf::{self, LeafProblem},
    level::{file_of, read_tile, tile_root},
    path::{FULL, FileName, Row},
    proof::Sha,
    report::Report,
    source::{SourceError, TileSource},
};
use std::{
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::Scope,
};

/// Results of a worker that wait to be taken.
const QUEUED: usize = 8;

/// A bundle and its tile of leaf hashes.
pub(super) struct Pair {
    /// How many files there were, and what was wrong with their length.
    pub(super) report: Report,
    pub(super) content: Content,
}

/// What they came to.
pub(super) enum Content {
    /// The entries have the hashes of the tile.
    Agreed(Box<Agreed>),
    /// They don't, or one of the two is missing.
    Unsettled(Option<Bundle>, Option<Vec<Sha>>),
}

/// Entries that have the hashes of their tile.
pub(super) struct Agreed {
    pub(super) hashes: Vec<Sha>,
    /// The tile's root; `None` for a tile that is not full.
    pub(super) root: Option<Sha>,
    pub(super) leaves: Leaves,
}

/// Leaves of one bundle that were read.
#[derive(Default)]
pub(super) struct Leaves {
    pub(super) summary: Summary,
    /// Entries that are no leaves.
    pub(super) problems: Vec<(usize, LeafProblem)>,
}

impl Leaves {
    /// Reads an entry of the bundle in `file`.
    pub(super) fn read(
        &mut self,
        file: FileName,
        number: usize,
        entry: &[u8],
        scratch: &mut Vec<u8>,
    ) {
        let index = file.index.saturating_mul(FULL as u64) + number as u64;
        match leaf::read(entry, scratch) {
            Ok(leaf) => self.summary.note(&leaf, index),
            Err(problem) => self.problems.push((number, problem)),
        }
    }
}

/// Reads bundle and tile number `index` of a log of `size` entries.
pub(super) fn read_pair(
    source: &impl TileSource,
    index: u64,
    size: u64,
    scratch: &mut Vec<u8>,
) -> Result<Pair, SourceError> {
    let entries = file_of(Row::Entries, index, size);
    let mut report = Report::default();
    let bundle = source.read(&entries.path(), MAX_BUNDLE)?;
    let bundle = bundle.map(|bytes| Bundle::parse(bytes, entries.width));
    report.files += u64::from(bundle.is_some());
    let tile = read_tile(source, file_of(Row::Level(0), index, size), &mut report)?;
    let content = match (bundle, tile) {
        (Some(bundle), Some(tile)) if bundle.is_whole() && bundle.has_hashes(&tile) => {
            let mut leaves = Leaves::default();
            for (number, entry) in bundle.iter().enumerate() {
                leaves.read(entries, number, entry, scratch);
            }
            Content::Agreed(Box::new(Agreed { root: tile_root(&tile), hashes: tile, leaves }))
        }
        (bundle, tile) => Content::Unsettled(bundle, tile),
    };
    Ok(Pair { report, content })
}

/// The pairs of a log's full bundles, in order.
pub(super) struct Pairs {
    queues: Vec<Receiver<Result<Pair, SourceError>>>,
}

impl Pairs {
    /// Starts `threads` workers on the bundles before `end`. They stop when this is dropped.
    pub(super) fn start<'scope, S: TileSource + Sync>(
        scope: &'scope Scope<'scope, '_>,
        source: &'scope S,
        end: u64,
        size: u64,
        threads: usize,
    ) -> Self {
        let workers = u64::try_from(threads.max(1)).unwrap_or(1).min(end.max(1));
        let start = |worker: u64| {
            let (sender, receiver) = sync_channel(QUEUED);
            let step = usize::try_from(workers).unwrap_or(1);
            scope.spawn(move || work(source, (worker..end).step_by(step), size, &sender));
            receiver
        };
        Self { queues: (0..workers).map(start).collect() }
    }

    /// The pair number `index`; each is asked for once, in order. `None` can't happen while
    /// the workers live.
    pub(super) fn take(&self, index: u64) -> Option<Result<Pair, SourceError>> {
        let worker = usize::try_from(index % self.queues.len() as u64).ok()?;
        self.queues.get(worker)?.recv().ok()
    }
}

fn work<S: TileSource>(
    source: &S,
    indices: impl Iterator<Item = u64>,
    size: u64,
    results: &SyncSender<Result<Pair, SourceError>>,
) {
    let mut scratch = Vec::new();
    for index in indices {
        let pair = read_pair(source, index, size, &mut scratch);
        let broken = pair.is_err();
        // Nobody takes them any more once the walk has ended.
        if results.send(pair).is_err() || broken {
            return;
        }
    }
}
