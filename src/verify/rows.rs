//! Verifying a log from the rows of its tables, bottom-up, one tile at a time.
//!
//! The operator's (and a restore's) question: does the database still hold what was signed?
//! Every entry is hashed and every hash recomputed from what lies below it; the checkpoint
//! in the head row must be signed and fit. Where a tiles folder is at hand, its entries are
//! compared too: that names a row also where someone who owns the database altered it
//! together with every hash above it, and shows a database that was put back.
//!
//! Memory holds some tiles of rows and one tile a level. What it can't show is what the tiles
//! can't show either: see [`super`].

use super::{
    bundle::{Bundle, MAX_BUNDLE},
    leaf,
    level::{joined_root, row_length, tile_root},
    note::{self, VerifierKey},
    path::{CHECKPOINT, FULL, FileName, Row},
    proof::{Sha, empty_root, hash_of_entry},
    report::MAX_KEPT,
    row_report::{LogRow, RowProblem, RowReport},
    settle::{Settled, Tile, settle},
    source::TileSource,
};
use jiff::Timestamp;
use std::future::Future;

/// Tiles of entries read at once.
const TILES_AT_ONCE: u64 = 4;
/// Levels of hash tiles that there can be.
const LEVELS: u8 = 8;

/// The head row, unchecked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as in the table")]
pub struct HeadRow {
    pub size: i64,
    pub root: Vec<u8>,
    pub checkpoint: Vec<u8>,
    pub at: i64,
}

/// A place that holds a log's tables, as one snapshot that begins with the first question.
pub trait RowSource {
    /// Why it can't be read, which says nothing about the log.
    type Error;

    /// The row of `log_head`.
    fn head(&mut self) -> impl Future<Output = Result<Option<HeadRow>, Self::Error>>;

    /// One past the greatest index among the rows of `log_entry` and of level 0 of `log_hash`.
    fn end(&mut self) -> impl Future<Output = Result<u64, Self::Error>>;

    /// The entries of `from..until` that are there, by index.
    fn entries(
        &mut self,
        from: u64,
        until: u64,
    ) -> impl Future<Output = Result<Vec<(u64, Vec<u8>)>, Self::Error>>;

    /// The hashes `from..until` of a level that are there, by index.
    fn hashes(
        &mut self,
        level: u8,
        from: u64,
        until: u64,
    ) -> impl Future<Output = Result<Vec<(u64, Vec<u8>)>, Self::Error>>;

    /// At most `most` rows that a log with so many entries, and with so many hashes at each
    /// level, does not have.
    fn beyond(
        &mut self,
        entries: u64,
        hashes: &[u64],
        most: usize,
    ) -> impl Future<Output = Result<Vec<LogRow>, Self::Error>>;
}

/// Verifies the tables in `source` against the log's verifier key, and compares their entries
/// with those of a tiles folder.
///
/// # Errors
/// Only when the rows can't be read; whatever is wrong with them is in the report.
pub async fn verify_rows<S: RowSource>(
    source: &mut S,
    key: &VerifierKey,
    tiles: Option<&dyn TileSource>,
) -> Result<RowReport, S::Error> {
    let mut report = RowReport::default();
    // Before the snapshot: a running gateway's tiles are never ahead of its database, and so
    // must not become so while we look.
    let tiles = tiles.and_then(|tiles| Published::open(tiles, key, &mut report));
    let head = source.head().await?;
    let end = source.end().await?;
    let stated = read_head(head.as_ref(), key, &mut report);
    let size = stated.map_or(end, |stated| stated.0).min(i64::MAX.unsigned_abs());
    report.size = size;
    report.root = stated.map(|(_, root)| hex::encode(root));
    if head.is_none() && end > 0 {
        report.miss(LogRow::LogHead, 0);
    }
    let lengths: Vec<u64> = (0..LEVELS).map(|level| row_length(Row::Level(level), size)).collect();
    for row in source.beyond(size, &lengths, MAX_KEPT).await? {
        report.find(row, RowProblem::BeyondHead);
    }
    let root = stated.map(|(_, root)| root);
    let mut walk =
        Walk { source, size, root, tiles, report, open: Vec::new(), scratch: Vec::new() };
    walk.run(end.min(size)).await?;
    if let Some(head) = &head {
        walk.check_time(head).await?;
    }
    Ok(walk.report)
}

/// Size and root of the log: what the checkpoint says where it can be read, or else the row.
fn read_head(
    head: Option<&HeadRow>,
    key: &VerifierKey,
    report: &mut RowReport,
) -> Option<(u64, Sha)> {
    let head = head?;
    let row = u64::try_from(head.size).ok().zip(Sha::try_from(&*head.root).ok());
    let opened = match note::open(&head.checkpoint, key) {
        Ok(opened) => opened,
        Err(problem) => {
            report.find(LogRow::LogHead, RowProblem::Note(problem));
            return row;
        }
    };
    let problems = opened.problems(key);
    report.signed = problems.is_empty();
    for problem in problems {
        report.find(LogRow::LogHead, RowProblem::Note(problem));
    }
    let said = (opened.checkpoint.size, opened.checkpoint.root);
    if i64::try_from(said.0) != Ok(head.size) {
        report.find(LogRow::LogHead, RowProblem::HeadDiffers { column: "size" });
    }
    if head.root != said.1 {
        report.find(LogRow::LogHead, RowProblem::HeadDiffers { column: "root" });
    }
    // An unsigned checkpoint says no more than its row does.
    Some(if report.signed { said } else { row.unwrap_or(said) })
}

/// A tiles folder whose checkpoint could be read.
struct Published<'t> {
    tiles: &'t dyn TileSource,
    size: u64,
}

impl<'t> Published<'t> {
    fn open(tiles: &'t dyn TileSource, key: &VerifierKey, report: &mut RowReport) -> Option<Self> {
        let note = tiles.read(CHECKPOINT, note::MAX_NOTE_BYTES).ok().flatten();
        let checkpoint = note.and_then(|note| note::verify_checkpoint(&note, key).ok());
        if checkpoint.is_none() {
            report.tiles_unread.push(CHECKPOINT.to_owned());
        }
        checkpoint.map(|checkpoint| Self { tiles, size: checkpoint.size })
    }

    /// A bundle, and how many of its entries were published; a partial one may have been
    /// replaced by the full one.
    fn bundle(&self, index: u64, report: &mut RowReport) -> Option<(Bundle, usize)> {
        let rest = self.size.saturating_sub(index * FULL as u64);
        let width = usize::try_from(rest).map_or(FULL, |rest| rest.min(FULL));
        if width == 0 {
            return None;
        }
        let file = |width| FileName { row: Row::Entries, index, width };
        for held in [width, FULL] {
            if let Ok(Some(bytes)) = self.tiles.read(&file(held).path(), MAX_BUNDLE) {
                return Some((Bundle::parse(bytes, held), width));
            }
        }
        if report.tiles_unread.len() < MAX_KEPT {
            report.tiles_unread.push(file(width).path());
        }
        None
    }
}

const fn signed(index: u64) -> i64 {
    index.cast_signed()
}

const fn entry_row(index: u64) -> LogRow {
    LogRow::LogEntry { leaf_index: signed(index) }
}

fn hash_row(level: u8, index: u64) -> LogRow {
    LogRow::LogHash { level: i64::from(level), hash_index: signed(index) }
}

struct Walk<'a, S> {
    source: &'a mut S,
    size: u64,
    root: Option<Sha>,
    tiles: Option<Published<'a>>,
    report: RowReport,
    /// The unfinished tile of each level from 1 up.
    open: Vec<Tile>,
    scratch: Vec<u8>,
}

type Rows = std::iter::Peekable<std::vec::IntoIter<(u64, Vec<u8>)>>;

/// The rows of `width` places from `first` on.
fn places(rows: &mut Rows, first: u64, width: usize) -> Vec<Option<Vec<u8>>> {
    (first..first + width as u64)
        .map(|index| rows.next_if(|(at, _)| *at == index).map(|(_, bytes)| bytes))
        .collect()
}

impl<S: RowSource> Walk<'_, S> {
    /// Walks all rows before `end`; a false size must not send us on a journey beyond.
    async fn run(&mut self, end: u64) -> Result<(), S::Error> {
        let (size, full) = (self.size, FULL as u64);
        let mut edge = None;
        let last = end.div_ceil(full);
        for index in (0..last).step_by(usize::try_from(TILES_AT_ONCE).unwrap_or(1)) {
            let until = (index + TILES_AT_ONCE).min(last);
            let (from, to) = (index * full, (until * full).min(size));
            let mut entries = self.source.entries(from, to).await?.into_iter().peekable();
            let mut hashes = self.source.hashes(0, from, to).await?.into_iter().peekable();
            for index in index..until {
                let first = index * full;
                let width = usize::try_from(size - first).map_or(FULL, |rest| rest.min(FULL));
                let rows = places(&mut entries, first, width);
                let stored = places(&mut hashes, first, width);
                let tile = self.lowest(index, &rows, stored);
                if width < FULL {
                    edge = Some((tile, rows));
                } else if let Some(believed) = self.finish(tile, &rows).await? {
                    self.push(1, tile_root(&believed)).await?;
                } else {
                    self.push(1, None).await?;
                }
            }
        }
        if end < size {
            self.report.miss(entry_row(end), signed(size - 1));
            self.report.miss(hash_row(0, end), signed(size - 1));
        }
        if let Some(published) = self.tiles.as_ref().map(|tiles| tiles.size)
            && published > end
        {
            let problem = RowProblem::OnlyInTiles { through: signed(published - 1) };
            self.report.find(entry_row(end), problem);
        }
        if last * full >= size { self.finish_edges(edge).await } else { Ok(()) }
    }

    /// A tile of leaf hashes beside its entries; the entries are compared with the published.
    fn lowest(
        &mut self,
        index: u64,
        rows: &[Option<Vec<u8>>],
        stored: Vec<Option<Vec<u8>>>,
    ) -> Tile {
        let first = index * FULL as u64;
        for (at, row) in (first..).zip(rows) {
            match row {
                Some(_) => self.report.entries += 1,
                None => self.report.miss(entry_row(at), signed(at)),
            }
        }
        self.compare(index, rows);
        let below = rows.iter().map(|row| row.as_deref().map(hash_of_entry)).collect();
        Tile { level: 0, index, below, stored: self.stored(0, first, stored) }
    }

    /// Stored hashes as hashes; missing ones and those of another length are named.
    fn stored(&mut self, level: u8, first: u64, rows: Vec<Option<Vec<u8>>>) -> Vec<Option<Sha>> {
        let mut hashes = Vec::with_capacity(rows.len());
        for (index, row) in (first..).zip(rows) {
            let hash = row.as_deref().map(Sha::try_from);
            match hash {
                Some(Ok(_)) => self.report.hashes += 1,
                Some(Err(_)) => self.report.find(hash_row(level, index), RowProblem::HashAltered),
                None => self.report.miss(hash_row(level, index), signed(index)),
            }
            hashes.push(hash.and_then(Result::ok));
        }
        hashes
    }

    /// Compares entries with those of the tiles folder.
    fn compare(&mut self, index: u64, rows: &[Option<Vec<u8>>]) {
        let Some(tiles) = &self.tiles else { return };
        let Some((bundle, width)) = tiles.bundle(index, &mut self.report) else { return };
        for (number, row) in rows.iter().enumerate().take(width) {
            let at = index * FULL as u64 + number as u64;
            let Some(published) = bundle.entry(number) else { continue };
            self.report.compared_with_tiles += 1;
            match row {
                Some(row) if row != published => {
                    self.report.find(entry_row(at), RowProblem::TilesDiffer);
                }
                _ => {}
            }
        }
    }

    /// Settles a full tile against the hash above it, which is read only where it is needed.
    async fn finish(
        &mut self,
        tile: Tile,
        rows: &[Option<Vec<u8>>],
    ) -> Result<Option<Vec<Sha>>, S::Error> {
        let mut above = None;
        if tile.below != tile.stored {
            let read = self.source.hashes(tile.level + 1, tile.index, tile.index + 1).await?;
            above = read.first().and_then(|(_, hash)| Sha::try_from(&**hash).ok());
        }
        let tiles = [tile];
        let settled = settle(&tiles, |hashes| {
            above.is_some() && hashes.first().and_then(|hashes| tile_root(hashes)) == above
        });
        self.blame(&tiles, &settled);
        self.read_leaves(&tiles[0], rows, settled.believed.as_ref().and_then(|all| all.first()));
        Ok(settled.believed.and_then(|all| all.into_iter().next()))
    }

    /// Names what differed and was wrong.
    fn blame(&mut self, tiles: &[Tile], settled: &Settled) {
        for (tile, place, below) in &settled.differing {
            let Tile { level, index, .. } = tiles[*tile];
            let at = index * FULL as u64 + *place as u64;
            let hash = hash_row(level, at);
            match (level, below) {
                (_, Some(true)) => self.report.find(hash, RowProblem::HashAltered),
                (0, Some(false)) => self.report.find(entry_row(at), RowProblem::EntryAltered),
                (0, None) => {
                    self.report.find(entry_row(at), RowProblem::EntryAndHashDiffer);
                    self.report.find(hash, RowProblem::EntryAndHashDiffer);
                }
                (_, Some(false)) => {
                    let shift = 8 * u32::from(level);
                    let (first, last) = (at << shift, ((at + 1) << shift) - 1);
                    let (first, last) = (signed(first), signed(last));
                    self.report.find(hash, RowProblem::AlteredBelow { first, last });
                }
                (_, None) => self.report.find(hash, RowProblem::HashAndBelowDiffer),
            }
        }
    }

    /// Reads those entries as leaves that the tree was made of.
    fn read_leaves(&mut self, tile: &Tile, rows: &[Option<Vec<u8>>], believed: Option<&Vec<Sha>>) {
        let mut scratch = std::mem::take(&mut self.scratch);
        for (number, row) in rows.iter().enumerate() {
            let known = believed.and_then(|believed| believed.get(number));
            if known.is_none() || known != tile.below[number].as_ref() {
                continue;
            }
            let Some(Err(problem)) = row.as_deref().map(|row| leaf::read(row, &mut scratch)) else {
                continue;
            };
            let at = tile.index * FULL as u64 + number as u64;
            self.report.find(entry_row(at), RowProblem::NotALeaf(problem));
        }
        self.scratch = scratch;
    }

    /// Adds what is known of the next hash of a level from 1 up.
    async fn push(&mut self, level: u8, hash: Option<Sha>) -> Result<(), S::Error> {
        let (mut level, mut hash) = (level, hash);
        loop {
            let place = usize::from(level) - 1;
            if self.open.len() == place {
                self.open.push(Tile { level, ..Tile::default() });
            }
            self.open[place].below.push(hash);
            if self.open[place].below.len() < FULL {
                return Ok(());
            }
            let index = self.open[place].index;
            let next = Tile { level, index: index + 1, ..Tile::default() };
            let tile = std::mem::replace(&mut self.open[place], next);
            let tile = self.with_stored(tile).await?;
            hash = self.finish(tile, &[]).await?.as_deref().and_then(tile_root);
            level += 1;
        }
    }

    async fn with_stored(&mut self, tile: Tile) -> Result<Tile, S::Error> {
        let first = tile.index * FULL as u64;
        let until = first + tile.below.len() as u64;
        let rows = self.source.hashes(tile.level, first, until).await?;
        let rows = places(&mut rows.into_iter().peekable(), first, tile.below.len());
        Ok(Tile { stored: self.stored(tile.level, first, rows), ..tile })
    }

    /// The right edge: each level's unfinished tile, under the signed root.
    async fn finish_edges(
        &mut self,
        lowest: Option<(Tile, Vec<Option<Vec<u8>>>)>,
    ) -> Result<(), S::Error> {
        let (lowest, rows) = lowest.unwrap_or_default();
        let mut tiles = vec![lowest];
        for tile in std::mem::take(&mut self.open) {
            tiles.push(self.with_stored(tile).await?);
        }
        let root_of = |hashes: &[Vec<Sha>]| joined_root(hashes).unwrap_or_else(empty_root);
        let settled = settle(&tiles, |hashes| Some(root_of(hashes)) == self.root);
        self.blame(&tiles, &settled);
        self.read_leaves(&tiles[0], &rows, settled.believed.as_ref().and_then(|all| all.first()));
        let root = settled.believed.as_deref().map(root_of);
        self.report.recomputed_root = root.map(hex::encode);
        if self.root.is_some() && root.is_some() && root != self.root {
            self.report.find(LogRow::LogHead, RowProblem::RootDiffers);
        }
        Ok(())
    }

    /// Whether the head's time is that of the newest entry.
    async fn check_time(&mut self, head: &HeadRow) -> Result<(), S::Error> {
        let Some(last) = self.size.checked_sub(1) else { return Ok(()) };
        let rows = self.source.entries(last, self.size).await?;
        let Some((_, entry)) = rows.first() else { return Ok(()) };
        let Ok(leaf) = leaf::read(entry, &mut self.scratch) else { return Ok(()) };
        let at = leaf.at.and_then(|at| at.parse::<Timestamp>().ok());
        if at.is_some_and(|at| at.as_microsecond() != head.at) {
            self.report.find(LogRow::LogHead, RowProblem::HeadDiffers { column: "at" });
        }
        Ok(())
    }
}
