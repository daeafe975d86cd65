//! Checking proofs, as RFC 9162 §2.1.3.2 and §2.1.4.2 say it.

use sha2::{Digest, Sha256};

/// A SHA-256 value.
pub type Sha = [u8; 32];

/// SHA-256(00 || entry).
#[must_use]
pub fn hash_of_entry(entry: &[u8]) -> Sha {
    Sha256::new_with_prefix([0]).chain_update(entry).finalize().into()
}

/// SHA-256(01 || left || right).
#[must_use]
pub fn hash_of_pair(left: &Sha, right: &Sha) -> Sha {
    Sha256::new_with_prefix([1]).chain_update(left).chain_update(right).finalize().into()
}

/// The root of the empty tree.
#[must_use]
pub fn empty_root() -> Sha {
    Sha256::digest([]).into()
}

/// Whether `path` proves that the leaf number `index` of the tree (`size`, `root`) has this
/// hash.
#[must_use]
pub fn is_included(leaf: &Sha, index: u64, size: u64, path: &[Sha], root: &Sha) -> bool {
    if index >= size {
        return false;
    }
    let (mut node, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in path {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            hash = hash_of_pair(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = hash_of_pair(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// Whether `path` proves that the tree (`old_size`, `old_root`) is the beginning of the tree
/// (`new_size`, `new_root`). Nothing can be proved about an empty tree, so for an old size of
/// 0 this is false, as the published vectors have it: callers look at its root themselves.
#[must_use]
pub fn is_consistent(
    (old_size, old_root): (u64, &Sha),
    (new_size, new_root): (u64, &Sha),
    path: &[Sha],
) -> bool {
    if old_size == 0 || old_size > new_size {
        return false;
    }
    if old_size == new_size {
        return path.is_empty() && old_root == new_root;
    }
    let (first, rest) = match path.split_first() {
        // A power of two: the old root itself is the first node.
        _ if old_size.is_power_of_two() => (old_root, path),
        Some(parts) => parts,
        None => return false,
    };
    if path.is_empty() {
        return false;
    }
    roots_by_path(old_size, new_size, first, rest) == Some((*old_root, *new_root))
}

/// The roots of the tree of `new_size` leaves and of its first `old_size` leaves, as a
/// consistency proof gives them; `first` is the largest complete subtree at the end of the
/// first leaves (which is all of them where their number is a power of two, and then is no
/// part of the proof as RFC 6962 writes it). Whoever knows the new root to be right
/// knows by it what the old one is. `None` for a path of another length.
#[must_use]
pub fn roots_by_path(
    old_size: u64,
    new_size: u64,
    first: &Sha,
    rest: &[Sha],
) -> Option<(Sha, Sha)> {
    if old_size == 0 || old_size >= new_size {
        return None;
    }
    let (mut node, mut last) = (old_size - 1, new_size - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let (mut old, mut new) = (*first, *first);
    for sibling in rest {
        if last == 0 {
            return None;
        }
        if node & 1 == 1 || node == last {
            old = hash_of_pair(sibling, &old);
            new = hash_of_pair(sibling, &new);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            new = hash_of_pair(&new, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    (last == 0).then_some((old, new))
}

/// Whether a private detail laid open (`salt`, `item`, its number and path among `size`) is
/// the one that a leaf's `detail` field commits to.
#[must_use]
pub fn detail_is_committed(
    commitment: &Sha,
    (salt, item): (&[u8; 16], &[u8]),
    index: u64,
    size: u64,
    path: &[Sha],
) -> bool {
    let leaf: Sha =
        Sha256::new_with_prefix([0]).chain_update(salt).chain_update(item).finalize().into();
    is_included(&leaf, index, size, path, commitment)
}
