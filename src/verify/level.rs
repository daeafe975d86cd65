//! Hash tiles: reading them, joining hashes to a root, and which files a log should have.

use super::{
    path::{FULL, FileName, Row},
    proof::{Sha, hash_of_pair},
    report::{Place, Problem, Report},
    source::{SourceError, TileSource},
};
use std::collections::BTreeMap;

/// How many hashes (or entries) a row has in a log of `size` entries.
pub(super) fn row_length(row: Row, size: u64) -> u64 {
    match row {
        Row::Entries => size,
        Row::Level(level) => size >> (8 * u32::from(level)),
    }
}

/// The file of a row that holds its tile number `index` in a log of `size` entries.
pub(super) fn file_of(row: Row, index: u64, size: u64) -> FileName {
    let rest = row_length(row, size).saturating_sub(index.saturating_mul(FULL as u64));
    FileName { row, index, width: usize::try_from(rest).map_or(FULL, |rest| rest.min(FULL)) }
}

/// The root of a power of two of hashes.
fn complete_root(hashes: &[Sha]) -> Option<Sha> {
    let mut row = hashes.to_vec();
    while row.len() > 1 {
        row = row.chunks_exact(2).map(|pair| hash_of_pair(&pair[0], &pair[1])).collect();
    }
    row.first().copied()
}

/// The root of a full tile; `None` when it is not full.
pub(super) fn tile_root(hashes: &[Sha]) -> Option<Sha> {
    if hashes.len() == FULL { complete_root(hashes) } else { None }
}

/// The root of a tree from the unfinished tile of each level, lowest level first; `None` for
/// the empty tree.
pub(super) fn joined_root(edges: &[Vec<Sha>]) -> Option<Sha> {
    let mut right: Option<Sha> = None;
    for edge in edges {
        let mut end = edge.len();
        // The binary digits of the width are the complete subtrees, the smallest rightmost.
        for bit in 0..8 {
            if edge.len() >> bit & 1 == 1 {
                let start = end - (1 << bit);
                let left = complete_root(&edge[start..end])?;
                right = Some(right.map_or(left, |right| hash_of_pair(&left, &right)));
                end = start;
            }
        }
    }
    right
}

/// The files that are there, by row, and what is wrong with that.
#[derive(Default)]
pub(super) struct Inventory {
    full: BTreeMap<Row, Vec<u64>>,
    partial: BTreeMap<(Row, u64), Vec<usize>>,
    /// Whether the checkpoint of a larger log is there that is being fetched.
    pub(super) next: bool,
}

impl Inventory {
    pub(super) fn add(&mut self, file: FileName) {
        if file.width == FULL {
            self.full.entry(file.row).or_default().push(file.index);
        } else {
            self.partial.entry((file.row, file.index)).or_default().push(file.width);
        }
    }

    pub(super) fn sort(&mut self) {
        self.full.values_mut().for_each(|row| row.sort_unstable());
        self.partial.values_mut().for_each(|row| row.sort_unstable());
    }

    pub(super) fn has(&self, file: FileName) -> bool {
        if file.width == FULL {
            self.full.get(&file.row).is_some_and(|row| row.binary_search(&file.index).is_ok())
        } else {
            self.partial.get(&(file.row, file.index)).is_some_and(|row| row.contains(&file.width))
        }
    }

    /// One past the highest number among a row's files, but no more than there are files: one
    /// stray file with a huge number sends nobody on a journey over what is missing before it.
    pub(super) fn end(&self, row: Row) -> u64 {
        let full = self.full.get(&row).and_then(|row| row.last()).copied();
        let partial =
            self.partial.range((row, 0)..=(row, u64::MAX)).next_back().map(|file| file.0.1);
        let files = self.full.values().map(Vec::len).sum::<usize>() + self.partial.len();
        full.max(partial).map_or(0, |last| last.saturating_add(1)).min(files as u64)
    }

    /// Partial files that a wider one has replaced: the standard lets them stay.
    pub(super) fn older(&self, current: FileName) -> impl Iterator<Item = FileName> + use<'_> {
        let widths = self.partial.get(&(current.row, current.index)).into_iter().flatten();
        widths
            .filter(move |width| **width < current.width)
            .map(move |width| FileName { width: *width, ..current })
    }

    /// Names the files that are missing and those that a log of `size` entries can't have, nor
    /// one of `early` entries of which some files are here before their time.
    pub(super) fn compare(&self, size: u64, early: u64, report: &mut Report) {
        for row in std::iter::once(Row::Entries).chain((0..8).map(Row::Level)) {
            let length = row_length(row, size);
            let (whole, width) = (length / FULL as u64, length % FULL as u64);
            let mut next = 0;
            for index in self.full.get(&row).into_iter().flatten().copied() {
                if index >= whole {
                    if file_of(row, index, early).width == FULL {
                        continue;
                    }
                    let path = FileName { row, index, width: FULL }.path();
                    report.find(path, Place::File, Problem::BeyondCheckpoint);
                    continue;
                }
                missing(row, next, index, report);
                next = index + 1;
            }
            missing(row, next, whole, report);
            let edge = file_of(row, whole, size);
            if width > 0 && !self.has(edge) {
                report.find(edge.path(), Place::File, Problem::Missing { through: None });
            }
            for ((_, index), widths) in self.partial.range((row, 0)..=(row, u64::MAX)) {
                let most = file_of(row, *index, early).width;
                for width in widths.iter().copied().filter(|width| *width > most) {
                    let path = FileName { row, index: *index, width }.path();
                    report.find(path, Place::File, Problem::BeyondCheckpoint);
                }
            }
        }
    }
}

/// Names a run of missing full files.
fn missing(row: Row, from: u64, to: u64, report: &mut Report) {
    if from < to {
        let path = |index| FileName { row, index, width: FULL }.path();
        let through = (to - from > 1).then(|| path(to - 1));
        report.find(path(from), Place::File, Problem::Missing { through });
    }
}

/// A tile's hashes, when it is there with the right length.
pub(super) fn read_tile(
    source: &impl TileSource,
    file: FileName,
    report: &mut Report,
) -> Result<Option<Vec<Sha>>, SourceError> {
    if file.width == 0 {
        return Ok(None);
    }
    let Some(bytes) = source.read(&file.path(), file.width * 32)? else { return Ok(None) };
    report.files += 1;
    if bytes.len() != file.width * 32 {
        report.find(file.path(), Place::Hash(bytes.len() / 32), Problem::WrongLength);
        return Ok(None);
    }
    Ok(Some(bytes.as_chunks::<32>().0.to_vec()))
}

/// Checks a tile's hashes against what is known of them from below.
pub(super) fn check_tile(file: FileName, read: &[Sha], below: &[Option<Sha>], report: &mut Report) {
    for (number, (read, below)) in read.iter().zip(below).enumerate() {
        if below.is_some_and(|below| below != *read) {
            report.find(file.path(), Place::Hash(number), Problem::HashAltered);
        }
    }
}
