//! Which of two hashes is right: what a row says, or what lies below it.
//!
//! Where they differ, the hash above (or, at the right edge, the signed root) was made of
//! the right ones, so every choice is tried until one leads to it. One altered row is always
//! told; so are several in one tile, up to [`MOST_TRIED`]; beyond that only whether all the
//! rows or all that lies below them are right.

use super::proof::Sha;

/// Differing places of which every combination is tried.
const MOST_TRIED: usize = 8;

/// The hashes of a tile: as stored, and as known from below.
#[derive(Debug, Default)]
pub(super) struct Tile {
    pub(super) level: u8,
    pub(super) index: u64,
    pub(super) below: Vec<Option<Sha>>,
    pub(super) stored: Vec<Option<Sha>>,
}

/// What differed, and what was right.
pub(super) struct Settled {
    /// Tile, place in it, and whether what lies below is right; `None` when nothing tells.
    pub(super) differing: Vec<(usize, usize, Option<bool>)>,
    /// The hashes of each tile to go on with, where all are known.
    pub(super) believed: Option<Vec<Vec<Sha>>>,
}

/// Settles tiles that one hash stands above. `backed` tells whether hashes lead to it.
pub(super) fn settle(tiles: &[Tile], backed: impl Fn(&[Vec<Sha>]) -> bool) -> Settled {
    let mut differing = Vec::new();
    for (number, tile) in tiles.iter().enumerate() {
        for (place, (below, stored)) in tile.below.iter().zip(&tile.stored).enumerate() {
            if let (Some(below), Some(stored)) = (below, stored)
                && below != stored
            {
                differing.push((number, place, None));
            }
        }
    }
    let first = |tile: &Tile| -> Option<Vec<Sha>> {
        tile.stored.iter().zip(&tile.below).map(|(stored, below)| stored.or(*below)).collect()
    };
    let as_stored: Option<Vec<Vec<Sha>>> = tiles.iter().map(first).collect();
    let Some(mut hashes) = as_stored else { return Settled { differing, believed: None } };
    let count = differing.len();
    // As stored first, for what is changed is more often one entry than its hash and all
    // that stands above it.
    let choices: Vec<u64> =
        if count <= MOST_TRIED { (0..1 << count).collect() } else { vec![0, u64::MAX] };
    let is_below = |choice: u64, n: usize| choice >> n.min(63) & 1 == 1;
    let mut choose = |choice: u64| {
        for (n, (tile, place, _)) in differing.iter().enumerate() {
            let Tile { below, stored, .. } = &tiles[*tile];
            let side = if is_below(choice, n) { below } else { stored };
            if let Some(hash) = side[*place] {
                hashes[*tile][*place] = hash;
            }
        }
        backed(&hashes)
    };
    let right = choices.iter().copied().find(|choice| choose(*choice));
    if right.is_none() {
        choose(0);
    }
    for (n, (_, _, below)) in differing.iter_mut().enumerate() {
        *below = right.map(|choice| is_below(choice, n));
    }
    Settled { differing, believed: Some(hashes) }
}
