//! A log that grows, taken bundle by bundle: every tile and the root recomputed from the
//! entries alone, at the cost of the new ones. This is what a mirror is made with.
//!
//! Invariant: memory holds one tile a level. What was taken can't be given back: whoever finds
//! another root in the end starts again from what was verified before.

use super::{
    bundle::Bundle,
    level::{file_of, joined_root, row_length, tile_root},
    note::Checkpoint,
    path::{FULL, FileName, Row},
    proof::{Sha, empty_root},
    source::{SourceError, TileSource},
};

/// How many levels of tiles a log can have.
const LEVELS: u8 = 8;

/// Why a bundle does not go on from what was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GrowthProblem {
    /// Not the next bundle, or one behind a partial one.
    #[error("a bundle came out of order")]
    OutOfOrder,
    /// Its lengths and its bytes don't make the number of entries that it should hold.
    #[error("a bundle does not hold the entries that it should")]
    Malformed,
    /// Its first entries are others than those that were known.
    #[error("entries that were known before have been replaced by others")]
    Rewritten,
}

/// The right edge of a log, and what is known of the tile that begins there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Growth {
    /// Full bundles taken.
    whole: u64,
    /// The unfinished tile of each level, lowest first.
    edges: Vec<Vec<Sha>>,
    /// Leaf hashes that the next bundle must begin with.
    known: Vec<Sha>,
}

impl Growth {
    /// Goes on from a verified log's last full bundle; the entries behind that must come
    /// again, with more. `None` when the log's hash tiles don't lead to its root.
    ///
    /// # Errors
    /// When the files can't be read.
    pub fn resume(
        source: &impl TileSource,
        checkpoint: &Checkpoint,
    ) -> Result<Option<Self>, SourceError> {
        let size = checkpoint.size;
        let mut edges = Vec::new();
        for level in 0..LEVELS {
            let row = Row::Level(level);
            let file = file_of(row, row_length(row, size) / FULL as u64, size);
            if file.width == 0 {
                edges.push(Vec::new());
                continue;
            }
            match source.read(&file.path(), file.width * 32)? {
                Some(bytes) if bytes.len() == file.width * 32 => {
                    edges.push(bytes.as_chunks::<32>().0.to_vec());
                }
                _ => return Ok(None),
            }
        }
        if joined_root(&edges).unwrap_or_else(empty_root) != checkpoint.root {
            return Ok(None);
        }
        let known = edges.first_mut().map(std::mem::take).unwrap_or_default();
        Ok(Some(Self { whole: size / FULL as u64, edges, known }))
    }

    /// How many entries were taken.
    #[must_use]
    pub fn size(&self) -> u64 {
        let last = self.edges.first().map_or(0, Vec::len);
        self.whole * FULL as u64 + last as u64
    }

    /// The number of the next bundle.
    #[must_use]
    pub const fn next(&self) -> u64 {
        self.whole
    }

    /// Takes a bundle of `width` entries; gives the hash tiles that it completes.
    ///
    /// # Errors
    /// When it is not the next one as it should be.
    pub fn take(
        &mut self,
        index: u64,
        width: usize,
        bundle: &[u8],
    ) -> Result<Vec<(FileName, Vec<u8>)>, GrowthProblem> {
        let behind_a_partial_one = self.edges.first().is_some_and(|edge| !edge.is_empty());
        if index != self.whole || behind_a_partial_one {
            return Err(GrowthProblem::OutOfOrder);
        }
        if !(1..=FULL).contains(&width) {
            return Err(GrowthProblem::Malformed);
        }
        let bundle = Bundle::parse(bundle.to_vec(), width);
        if !bundle.is_whole() {
            return Err(GrowthProblem::Malformed);
        }
        let hashes = bundle.hashes();
        if !hashes.starts_with(&self.known) {
            return Err(GrowthProblem::Rewritten);
        }
        self.known.clear();
        if self.edges.is_empty() {
            self.edges.push(Vec::new());
        }
        self.edges[0] = hashes;
        Ok(if width == FULL { self.carry() } else { Vec::new() })
    }

    /// Moves the roots of finished tiles up.
    fn carry(&mut self) -> Vec<(FileName, Vec<u8>)> {
        self.whole += 1;
        let mut finished = Vec::new();
        for level in 0..LEVELS {
            let place = usize::from(level);
            let Some(root) = self.edges.get(place).and_then(|edge| tile_root(edge)) else { break };
            let hashes = std::mem::take(&mut self.edges[place]);
            let index = (self.whole >> (8 * level)) - 1;
            let file = FileName { row: Row::Level(level), index, width: FULL };
            finished.push((file, hashes.concat()));
            if self.edges.len() == place + 1 {
                self.edges.push(Vec::new());
            }
            self.edges[place + 1].push(root);
        }
        finished
    }

    /// The partial hash tiles at the right edge.
    #[must_use]
    pub fn edge(&self) -> Vec<(FileName, Vec<u8>)> {
        let levels = (0..LEVELS).zip(&self.edges).filter(|(_, edge)| !edge.is_empty());
        let file = |(level, edge): (u8, &Vec<Sha>)| {
            let index = self.whole >> (8 * level);
            (FileName { row: Row::Level(level), index, width: edge.len() }, edge.concat())
        };
        levels.map(file).collect()
    }

    /// The root of what was taken.
    #[must_use]
    pub fn root(&self) -> Sha {
        joined_root(&self.edges).unwrap_or_else(empty_root)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::proof::hash_of_entry;
    use ct_merkle::mem_backed_tree::MemoryBackedTree;
    use sha2::Sha256;
    use std::collections::BTreeMap;

    type Files = BTreeMap<String, Vec<u8>>;

    fn entry(n: u64) -> Vec<u8> {
        n.to_be_bytes()[..usize::try_from(n % 7).unwrap() + 1].to_vec()
    }

    fn bundle(entries: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
        let mut bytes = Vec::new();
        for entry in entries {
            bytes.extend_from_slice(&u16::try_from(entry.len()).unwrap().to_be_bytes());
            bytes.extend_from_slice(&entry);
        }
        bytes
    }

    /// Takes entries up to `size`, and keeps every file.
    fn grow(growth: &mut Growth, size: u64, files: &mut Files) {
        while growth.next() * 256 < size {
            let from = growth.next() * 256;
            let until = (from + 256).min(size);
            let (index, width) = (growth.next(), usize::try_from(until - from).unwrap());
            let taken = growth.take(index, width, &bundle((from..until).map(entry))).unwrap();
            files.extend(taken.into_iter().map(|(file, bytes)| (file.path(), bytes)));
            if width < 256 {
                break;
            }
        }
        files.extend(growth.edge().into_iter().map(|(file, bytes)| (file.path(), bytes)));
    }

    fn foreign_root(size: u64) -> Sha {
        let mut tree = MemoryBackedTree::<Sha256, Vec<u8>>::new();
        (0..size).for_each(|n| tree.push(entry(n)));
        tree.root().as_bytes().as_slice().try_into().unwrap()
    }

    /// In one step, and from each size to the next: a foreign tree's root, and the same files.
    #[test]
    fn roots_are_those_of_a_foreign_tree_and_resuming_goes_on() {
        let mut stepwise = Files::new();
        let mut before: Option<Checkpoint> = None;
        for size in [0, 1, 2, 255, 256, 257, 700, 65_536, 65_537, 66_000] {
            let (mut whole, mut files) = (Growth::default(), Files::new());
            grow(&mut whole, size, &mut files);
            let root = if size == 0 { empty_root() } else { foreign_root(size) };
            assert_eq!((whole.size(), whole.root()), (size, root), "{size}");
            let mut resumed = match &before {
                Some(before) => Growth::resume(&stepwise, before).unwrap().unwrap(),
                None => Growth::default(),
            };
            grow(&mut resumed, size, &mut stepwise);
            assert_eq!((resumed.size(), resumed.root()), (size, root), "{size}");
            assert!(files.iter().all(|(path, bytes)| stepwise.get(path) == Some(bytes)), "{size}");
            before = Some(Checkpoint { origin: "log".to_owned(), size, root });
        }
    }

    #[test]
    fn what_is_not_the_next_bundle_is_refused() {
        let mut growth = Growth::default();
        let full = bundle((0..256).map(entry));
        assert_eq!(growth.take(1, 256, &full), Err(GrowthProblem::OutOfOrder));
        for width in [0, 255, 257] {
            assert_eq!(growth.take(0, width, &full), Err(GrowthProblem::Malformed), "{width}");
        }
        assert_eq!(growth.take(0, 256, &full[1..]), Err(GrowthProblem::Malformed));
        assert_eq!(growth, Growth::default());
        assert_eq!(growth.take(0, 256, &full).unwrap().len(), 1);
        growth.take(1, 3, &bundle((256..259).map(entry))).unwrap();
        let again = bundle((256..260).map(entry));
        assert_eq!(growth.take(1, 4, &again), Err(GrowthProblem::OutOfOrder));
    }

    #[test]
    fn known_entries_can_not_be_replaced_nor_left_out() {
        let (mut growth, mut files) = (Growth::default(), Files::new());
        grow(&mut growth, 300, &mut files);
        let checkpoint = Checkpoint { origin: "log".to_owned(), size: 300, root: growth.root() };
        let resume = |files: &Files| Growth::resume(files, &checkpoint).unwrap();
        let mut resumed = resume(&files).unwrap();
        let changed = bundle((256..310).map(|n| entry(if n == 299 { 7 } else { n })));
        assert_eq!(resumed.take(1, 54, &changed), Err(GrowthProblem::Rewritten));
        let fewer = bundle((256..299).map(entry));
        assert_eq!(resumed.take(1, 43, &fewer), Err(GrowthProblem::Rewritten));
        resumed.take(1, 54, &bundle((256..310).map(entry))).unwrap();
        assert_eq!(resumed.root(), foreign_root(310));
        // A mirror whose own tiles were damaged is no ground to go on from.
        for path in ["tile/0/001.p/44", "tile/1/000.p/1"] {
            let mut spoilt = files.clone();
            spoilt.get_mut(path).unwrap()[5] ^= 1;
            assert_eq!(resume(&spoilt), None, "{path}");
            spoilt.remove(path);
            assert_eq!(resume(&spoilt), None, "{path}");
        }
        assert_eq!(hash_of_entry(&entry(0)), growth_leaf(&files, 0));
    }

    fn growth_leaf(files: &Files, n: usize) -> Sha {
        files["tile/0/000"].as_chunks::<32>().0[n]
    }
}
