//! Hashes of subtrees out of a log's hash tiles, as they stand in the files, and the proofs
//! made of them. What damaged files give is no proof: it does not lead to the signed root.

use super::{
    level::file_of,
    path::{FULL, Row},
    proof::{Sha, hash_of_pair},
    receipt::ReceiptProblem,
    source::{SourceError, TileSource},
};

/// Subtree hashes out of a log's tiles, as they stand in the files.
pub(super) struct Subtrees<'a, S> {
    pub(super) source: &'a S,
    pub(super) size: u64,
}

pub(super) type Found<T> = Result<Result<T, ReceiptProblem>, SourceError>;

/// Takes the value or hands the problem on.
macro_rules! found {
    ($result:expr) => {
        match $result? {
            Ok(value) => value,
            Err(problem) => return Ok(Err(problem)),
        }
    };
}

impl<S: TileSource> Subtrees<'_, S> {
    /// The audit path of an entry of the log (RFC 6962 §2.1.1), leaf's sibling first.
    pub(super) fn inclusion(&self, index: u64) -> Found<Vec<Sha>> {
        let mut path = Vec::new();
        let (mut from, mut to) = (0, self.size);
        // From the root down, so that the siblings come in the opposite order.
        while to - from > 1 {
            let middle = from + (to - from).next_power_of_two() / 2;
            if index < middle {
                path.push(found!(self.range(middle, to)));
                to = middle;
            } else {
                path.push(found!(self.range(from, middle)));
                from = middle;
            }
        }
        path.reverse();
        Ok(Ok(path))
    }

    /// The proof that the log's first `old` entries are its beginning (RFC 6962 §2.1.2);
    /// empty for the whole log.
    pub(super) fn consistency(&self, old: u64) -> Found<Vec<Sha>> {
        let mut path = Vec::new();
        if (1..self.size).contains(&old) {
            found!(self.subproof(old, 0, self.size, &mut path));
        }
        Ok(Ok(path))
    }

    /// The hash of an entry.
    pub(super) fn leaf(&self, index: u64) -> Found<Sha> {
        self.node(0, index)
    }

    /// RFC 6962 §2.1.2, SUBPROOF, innermost first.
    fn subproof(&self, old: u64, from: u64, to: u64, path: &mut Vec<Sha>) -> Found<()> {
        if old == to {
            if from != 0 {
                path.push(found!(self.range(from, to)));
            }
            return Ok(Ok(()));
        }
        let middle = from + (to - from).next_power_of_two() / 2;
        if old <= middle {
            found!(self.subproof(old, from, middle, path));
            path.push(found!(self.range(middle, to)));
        } else {
            found!(self.subproof(old, middle, to, path));
            path.push(found!(self.range(from, middle)));
        }
        Ok(Ok(()))
    }

    /// The hash of the leaves `from..to`.
    fn range(&self, from: u64, to: u64) -> Found<Sha> {
        let count = to - from;
        if count.is_power_of_two() {
            return self.node(count.trailing_zeros(), from / count);
        }
        let middle = from + count.next_power_of_two() / 2;
        let left = found!(self.range(from, middle));
        let right = found!(self.range(middle, to));
        Ok(Ok(hash_of_pair(&left, &right)))
    }

    /// The hash of a complete subtree of 2^`height` leaves.
    pub(super) fn node(&self, height: u32, index: u64) -> Found<Sha> {
        let level = u8::try_from(height / 8).unwrap_or(u8::MAX);
        let count = 1_u64 << (height % 8);
        let first = index * count;
        let file = file_of(Row::Level(level), first / FULL as u64, self.size);
        let missing = || ReceiptProblem::MissingTile { path: file.path() };
        let Some(bytes) = self.source.read(&file.path(), FULL * 32)? else {
            return Ok(Err(missing()));
        };
        let (hashes, _) = bytes.as_chunks::<32>();
        let start = usize::try_from(first % FULL as u64).unwrap_or(FULL);
        let end = start + usize::try_from(count).unwrap_or(FULL);
        let Some(hashes) = hashes.get(start..end) else { return Ok(Err(missing())) };
        let mut row = hashes.to_vec();
        while row.len() > 1 {
            row = row.chunks_exact(2).map(|pair| hash_of_pair(&pair[0], &pair[1])).collect();
        }
        Ok(row.first().copied().ok_or_else(missing))
    }
}
