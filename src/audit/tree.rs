//! The append-only tree (RFC 6962 §2.1) in tiles of 256 hashes, and its proofs.
//!
//! Invariants: a tree of `n` leaves is described completely by its [`Frontier`], the
//! unfinished tile at the right edge of each level (at most 255 hashes a level, seven levels
//! for 2^56 leaves), so appending costs the same for ten thousand entries as for ten
//! million. Appending returns a new frontier and leaves the old one untouched: when the
//! commit fails, drop the result and nothing has happened.
//!
//! Proofs are computed from subtree hashes through [`HashReader`]. A reader over a store
//! asks [`tiles_for_inclusion`] or [`tiles_for_consistency`] which tiles are needed, fetches
//! those (in whatever way, async or not) into a [`TileSet`], and computes from that.

use super::{AuditError, Hash, node_hash};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

/// How many levels of the tree one tile spans.
pub const TILE_HEIGHT: u8 = 8;
/// How many hashes a full tile holds.
pub const TILE_WIDTH: usize = 256;
/// The largest tree: what a BIGINT can count.
pub const MAX_LEAVES: u64 = i64::MAX.cast_unsigned();

/// A tile's place: level 0 holds leaf hashes, each level above the roots of full tiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TileId {
    /// 0 to 7.
    pub level: u8,
    /// From the left, beginning with 0.
    pub index: u64,
}

impl TileId {
    /// How many hashes this tile holds in a tree of `size` leaves: 0 to 256.
    #[must_use]
    pub fn width(self, size: u64) -> usize {
        let at_level = leaves_at(size, self.level);
        let before = self.index.saturating_mul(TILE_WIDTH as u64);
        usize::try_from(at_level.saturating_sub(before)).map_or(TILE_WIDTH, |n| n.min(TILE_WIDTH))
    }

    /// The number, at this tile's level, of its first hash.
    #[must_use]
    pub fn first(self) -> u64 {
        self.index.saturating_mul(TILE_WIDTH as u64)
    }
}

/// How many hashes the tiles of a level hold together in a tree of `size` leaves.
pub(super) fn leaves_at(size: u64, level: u8) -> u64 {
    size.checked_shr(u32::from(level) * u32::from(TILE_HEIGHT)).unwrap_or(0)
}

/// Up to 256 hashes and the complete subtrees above them, so that a proof reads and never
/// hashes anew.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tile {
    /// `heights[h]` are the complete subtrees of 2^h hashes, from the left.
    heights: [Vec<Hash>; TILE_HEIGHT as usize],
}

impl Tile {
    /// A tile of given hashes.
    ///
    /// # Errors
    /// `TileWidth` for more than 256 hashes.
    pub fn from_hashes(level: u8, hashes: &[Hash]) -> Result<Self, AuditError> {
        if hashes.len() > TILE_WIDTH {
            return Err(AuditError::TileWidth { level });
        }
        let mut tile = Self::default();
        for hash in hashes {
            tile.push(*hash);
        }
        Ok(tile)
    }

    /// Its hashes, from the left.
    #[must_use]
    pub fn hashes(&self) -> &[Hash] {
        &self.heights[0]
    }

    /// Adds a hash on the right; gives the tile's root when this fills it.
    fn push(&mut self, hash: Hash) -> Option<Hash> {
        let mut node = hash;
        for height in &mut self.heights {
            height.push(node);
            if height.len() % 2 == 1 {
                return None;
            }
            node = node_hash(&height[height.len() - 2], &height[height.len() - 1]);
        }
        Some(node)
    }

    fn node(&self, height: u8, position: usize) -> Option<Hash> {
        self.heights.get(usize::from(height))?.get(position).copied()
    }
}

/// Gives the hashes of complete subtrees.
pub trait HashReader {
    /// The hash of subtree number `index` (from the left) of 2^`height` leaves, or `None`
    /// when this reader does not have it.
    fn node(&self, height: u8, index: u64) -> Option<Hash>;
}

/// Where a subtree's hash is found: its tile, the height within it, the position there.
fn locate(height: u8, index: u64) -> (TileId, u8, usize) {
    let within = height % TILE_HEIGHT;
    let bits = TILE_HEIGHT - within;
    let position = index & ((1 << bits) - 1);
    let tile = TileId { level: height / TILE_HEIGHT, index: index >> bits };
    (tile, within, usize::try_from(position).unwrap_or(usize::MAX))
}

/// Tiles held in memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TileSet(BTreeMap<TileId, Tile>);

impl TileSet {
    /// Adds a tile, or replaces it.
    ///
    /// # Errors
    /// `TileWidth` for more than 256 hashes.
    pub fn insert(&mut self, id: TileId, hashes: &[Hash]) -> Result<(), AuditError> {
        self.0.insert(id, Tile::from_hashes(id.level, hashes)?);
        Ok(())
    }

    /// A tile, when it is here.
    #[must_use]
    pub fn tile(&self, id: TileId) -> Option<&Tile> {
        self.0.get(&id)
    }
}

impl HashReader for TileSet {
    fn node(&self, height: u8, index: u64) -> Option<Hash> {
        let (id, within, position) = locate(height, index);
        self.0.get(&id)?.node(within, position)
    }
}

/// The right edge of a tree: all that is needed to append to it and to know its root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// By level, the tile that is not yet full; absent above the highest that has a hash.
    edge: Vec<Tile>,
}

impl HashReader for Frontier {
    fn node(&self, height: u8, index: u64) -> Option<Hash> {
        let (id, within, position) = locate(height, index);
        if id.index != leaves_at(self.size, id.level) / TILE_WIDTH as u64 {
            return None;
        }
        self.edge.get(usize::from(id.level))?.node(within, position)
    }
}

/// A hash that an append added to a level, for the store to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewHash {
    /// 0 for leaf hashes, above that the roots of tiles just filled.
    pub level: u8,
    /// Its number within the level, from the left.
    pub index: u64,
    /// The hash.
    pub hash: Hash,
}

/// What an append made. Nothing is changed until the caller keeps [`Appended::frontier`].
#[derive(Debug, Clone)]
pub struct Appended {
    /// The number of leaves before; the first new leaf has this index.
    pub old_size: u64,
    /// The tree after.
    pub frontier: Frontier,
    /// The root after.
    pub root: Hash,
    /// Every hash added, lower levels first where an append filled a tile.
    pub new_hashes: Vec<NewHash>,
    touched: TileSet,
}

impl Appended {
    /// The inclusion proof of a leaf this append added, without reading anything.
    ///
    /// # Errors
    /// `BeyondTree` when the leaf is not in the tree, `MissingHash` when it is older.
    pub fn inclusion_proof(&self, leaf_index: u64) -> Result<Vec<Hash>, AuditError> {
        inclusion_proof(&self.touched, self.frontier.size, leaf_index)
    }
}

impl Frontier {
    /// The empty tree.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// The number of leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The tiles, one a level, whose hashes [`Frontier::from_tiles`] needs for a tree of
    /// `size` leaves; each with [`TileId::width`] hashes, from [`TileId::first`] on.
    #[must_use]
    pub fn tiles(size: u64) -> Vec<TileId> {
        (0..TILE_HEIGHT)
            .map(|level| (level, leaves_at(size, level)))
            .take_while(|(_, hashes)| *hashes > 0)
            .map(|(level, hashes)| TileId { level, index: hashes / TILE_WIDTH as u64 })
            .collect()
    }

    /// The frontier from stored hashes. Compare [`Frontier::root`] with the signed root.
    ///
    /// # Errors
    /// `TileWidth` when a tile is missing or has not exactly the hashes the size says.
    pub fn from_tiles(size: u64, tiles: &TileSet) -> Result<Self, AuditError> {
        let mut edge = Vec::new();
        for id in Self::tiles(size) {
            let tile = match (tiles.tile(id), id.width(size)) {
                (Some(tile), width) if tile.hashes().len() == width => tile.clone(),
                (None, 0) => Tile::default(),
                _ => return Err(AuditError::TileWidth { level: id.level }),
            };
            edge.push(tile);
        }
        Ok(Self { size, edge })
    }

    /// The frontier as bytes: the size (u64, big-endian), then each level's hashes, 32 bytes
    /// each; how many follows from the size.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let hashes = self.edge.iter().flat_map(Tile::hashes);
        let mut bytes = self.size.to_be_bytes().to_vec();
        hashes.for_each(|hash| bytes.extend_from_slice(hash.as_bytes()));
        bytes
    }

    /// The inverse of [`Frontier::to_bytes`].
    ///
    /// # Errors
    /// `DamagedFrontier` when the length does not fit the size.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, AuditError> {
        let (size, mut rest) = bytes.split_first_chunk::<8>().ok_or(AuditError::DamagedFrontier)?;
        let size = u64::from_be_bytes(*size);
        if size > MAX_LEAVES {
            return Err(AuditError::DamagedFrontier);
        }
        let mut edge = Vec::new();
        for id in Self::tiles(size) {
            let (hashes, after) =
                rest.split_at_checked(id.width(size) * 32).ok_or(AuditError::DamagedFrontier)?;
            let (hashes, _) = hashes.as_chunks::<32>();
            let hashes: Vec<Hash> = hashes.iter().map(|bytes| Hash::new(*bytes)).collect();
            edge.push(Tile::from_hashes(id.level, &hashes)?);
            rest = after;
        }
        if rest.is_empty() { Ok(Self { size, edge }) } else { Err(AuditError::DamagedFrontier) }
    }

    /// The root hash.
    ///
    /// # Errors
    /// `MissingHash` cannot occur for a frontier made by this module.
    pub fn root(&self) -> Result<Hash, AuditError> {
        root(self, self.size)
    }

    /// The tree with these leaf hashes added on the right.
    ///
    /// # Errors
    /// `BeyondTree` when it would exceed [`MAX_LEAVES`].
    pub fn append(&self, leaves: &[Hash]) -> Result<Appended, AuditError> {
        let size = self
            .size
            .checked_add(leaves.len() as u64)
            .filter(|size| *size <= MAX_LEAVES)
            .ok_or(AuditError::BeyondTree)?;
        let mut after = self.clone();
        let mut touched = TileSet::default();
        let mut new_hashes = Vec::with_capacity(leaves.len() + leaves.len() / 128 + 1);
        for leaf in leaves {
            after.push(*leaf, &mut new_hashes, &mut touched);
        }
        for (id, tile) in Self::tiles(size).into_iter().zip(&after.edge) {
            touched.0.insert(id, tile.clone());
        }
        let root = after.root()?;
        debug_assert_eq!(after.size, size);
        Ok(Appended { old_size: self.size, frontier: after, root, new_hashes, touched })
    }

    fn push(&mut self, leaf: Hash, new_hashes: &mut Vec<NewHash>, touched: &mut TileSet) {
        let mut carried = Some(leaf);
        let mut level = 0_u8;
        while let Some(hash) = carried {
            if self.edge.len() == usize::from(level) {
                self.edge.push(Tile::default());
            }
            let index = leaves_at(self.size, level);
            new_hashes.push(NewHash { level, index, hash });
            let tile = &mut self.edge[usize::from(level)];
            carried = tile.push(hash);
            if carried.is_some() {
                let id = TileId { level, index: index / TILE_WIDTH as u64 };
                touched.0.insert(id, std::mem::take(tile));
            }
            level += 1;
        }
        self.size += 1;
    }
}

/// The hash of leaves `from..to`, a range that the recursive splitting of RFC 6962 meets:
/// complete subtrees of falling size.
fn range_hash(reader: &impl HashReader, from: u64, to: u64) -> Result<Hash, AuditError> {
    let mut subtrees = Vec::with_capacity(64);
    let mut start = from;
    while start < to {
        let height = u8::try_from((to - start).ilog2()).unwrap_or(u8::MAX);
        let index = start >> height;
        subtrees.push(reader.node(height, index).ok_or(AuditError::MissingHash { height, index })?);
        start += 1 << height;
    }
    let right = subtrees.pop().ok_or(AuditError::BeyondTree)?;
    Ok(subtrees.iter().rev().fold(right, |right, left| node_hash(left, &right)))
}

/// The largest power of two below `n`; `n` is at least 2.
fn split(n: u64) -> u64 {
    1 << (n - 1).ilog2()
}

/// The root of the first `size` leaves.
///
/// # Errors
/// `MissingHash` when the reader lacks a hash.
pub fn root(reader: &impl HashReader, size: u64) -> Result<Hash, AuditError> {
    if size == 0 { Ok(Hash::EMPTY_TREE) } else { range_hash(reader, 0, size) }
}

/// The audit path of a leaf in the tree of the first `size` leaves (RFC 6962 §2.1.1).
///
/// # Errors
/// `BeyondTree` when there is no such leaf, `MissingHash` when the reader lacks a hash.
pub fn inclusion_proof(
    reader: &impl HashReader,
    size: u64,
    leaf_index: u64,
) -> Result<Vec<Hash>, AuditError> {
    if leaf_index >= size || size > MAX_LEAVES {
        return Err(AuditError::BeyondTree);
    }
    let (mut from, mut to) = (0, size);
    let mut path = Vec::with_capacity(64);
    while to - from > 1 {
        let middle = from + split(to - from);
        if leaf_index < middle {
            path.push(range_hash(reader, middle, to)?);
            to = middle;
        } else {
            path.push(range_hash(reader, from, middle)?);
            from = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The proof that the tree of `old` leaves is the beginning of that of `new` (RFC 6962
/// §2.1.2); empty when they are equal or the old one is empty.
///
/// # Errors
/// `BeyondTree` when `old` is larger than `new`, `MissingHash` when the reader lacks a hash.
pub fn consistency_proof(
    reader: &impl HashReader,
    old: u64,
    new: u64,
) -> Result<Vec<Hash>, AuditError> {
    if old > new || new > MAX_LEAVES {
        return Err(AuditError::BeyondTree);
    }
    if old == 0 || old == new {
        return Ok(Vec::new());
    }
    let (mut from, mut to) = (0, new);
    let mut path = Vec::with_capacity(64);
    while old != to {
        let middle = from + split(to - from);
        if old <= middle {
            path.push(range_hash(reader, middle, to)?);
            to = middle;
        } else {
            path.push(range_hash(reader, from, middle)?);
            from = middle;
        }
    }
    // The verifier knows the old root itself; any other subtree it must be told.
    if from != 0 {
        path.push(range_hash(reader, from, to)?);
    }
    path.reverse();
    Ok(path)
}

/// Notes which tiles a proof reads.
#[derive(Default)]
struct Recorder(RefCell<BTreeSet<TileId>>);

impl HashReader for Recorder {
    fn node(&self, height: u8, index: u64) -> Option<Hash> {
        self.0.borrow_mut().insert(locate(height, index).0);
        Some(Hash::EMPTY_TREE)
    }
}

/// The tiles [`inclusion_proof`] reads.
///
/// # Errors
/// `BeyondTree` when there is no such leaf.
pub fn tiles_for_inclusion(size: u64, leaf_index: u64) -> Result<BTreeSet<TileId>, AuditError> {
    let recorder = Recorder::default();
    inclusion_proof(&recorder, size, leaf_index)?;
    Ok(recorder.0.into_inner())
}

/// The tiles [`consistency_proof`] reads.
///
/// # Errors
/// `BeyondTree` when `old` is larger than `new`.
pub fn tiles_for_consistency(old: u64, new: u64) -> Result<BTreeSet<TileId>, AuditError> {
    let recorder = Recorder::default();
    consistency_proof(&recorder, old, new)?;
    Ok(recorder.0.into_inner())
}
