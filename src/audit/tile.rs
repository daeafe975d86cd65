//! The log as files (C2SP tlog-tiles 0.1.0).
//!
//! Invariants: a full tile or bundle never changes once written; a partial one is written
//! under its own width, so no file is ever overwritten with other bytes, and any file can be
//! made anew from the stored entries and hashes. Whoever writes: every file of [`plan`] (each
//! to a temporary name, then renamed), then `checkpoint`, and only then remove the files of
//! [`superseded`]. A crash in between leaves files a verifier calls early, never wrong ones.

use super::{
    AuditError, Hash,
    tree::{TILE_HEIGHT, TILE_WIDTH, TileId, leaves_at},
};
use std::fmt::Write;

/// The path of the signed checkpoint.
pub const CHECKPOINT_PATH: &str = "checkpoint";

/// What a file of the log holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TileKind {
    /// The entries themselves, each behind its length.
    Entries,
    /// The hashes of this tile level, 0 to 7.
    Hashes(u8),
}

/// One file of the log, other than the checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TileFile {
    /// What it holds.
    pub kind: TileKind,
    /// Its number, from the left.
    pub index: u64,
    /// How many entries or hashes: 1 to 256, 256 being a full one.
    pub width: usize,
}

impl TileFile {
    /// The number of its first entry or hash, within the log or within its level.
    #[must_use]
    pub fn first(&self) -> u64 {
        TileId { level: 0, index: self.index }.first()
    }

    /// Its path below the log's prefix, with `/` between the parts.
    #[must_use]
    pub fn path(&self) -> String {
        let mut path = match self.kind {
            TileKind::Entries => "tile/entries/".to_owned(),
            TileKind::Hashes(level) => format!("tile/{level}/"),
        };
        let mut groups = Vec::new();
        let mut rest = self.index;
        loop {
            groups.push(rest % 1000);
            rest /= 1000;
            if rest == 0 {
                break;
            }
        }
        for group in groups.iter().skip(1).rev() {
            // Writing to a String cannot fail.
            let _ = write!(path, "x{group:03}/");
        }
        let _ = write!(path, "{:03}", groups[0]);
        if self.width < TILE_WIDTH {
            let _ = write!(path, ".p/{}", self.width);
        }
        path
    }
}

/// The kinds of file with, for each, how many hashes or entries it had and has.
fn kinds(old: u64, new: u64) -> impl Iterator<Item = (TileKind, u64, u64)> {
    let levels = (0..TILE_HEIGHT)
        .map(move |level| (TileKind::Hashes(level), leaves_at(old, level), leaves_at(new, level)));
    std::iter::once((TileKind::Entries, old, new)).chain(levels)
}

fn partial(kind: TileKind, count: u64) -> Option<TileFile> {
    let width = usize::try_from(count % TILE_WIDTH as u64).ok().filter(|width| *width > 0)?;
    Some(TileFile { kind, index: count / TILE_WIDTH as u64, width })
}

/// The files that a log which grew from `old` to `new` leaves needs: each full one once, and
/// the partial ones of the new size where they differ. Lazy, so a huge log costs no memory.
pub fn plan(old: u64, new: u64) -> impl Iterator<Item = TileFile> {
    kinds(old, new).filter(|(_, old, new)| old < new).flat_map(|(kind, old, new)| {
        let full = old / TILE_WIDTH as u64..new / TILE_WIDTH as u64;
        full.map(move |index| TileFile { kind, index, width: TILE_WIDTH }).chain(partial(kind, new))
    })
}

/// The partial files of the `old` size that the `new` one has replaced by wider ones.
pub fn superseded(old: u64, new: u64) -> impl Iterator<Item = TileFile> {
    kinds(old, new)
        .filter(|(_, old, new)| old < new)
        .filter_map(|(kind, old, _)| partial(kind, old))
}

/// The bytes of a hash tile: its hashes one after the other.
#[must_use]
pub fn encode_hashes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

/// The bytes of an entry bundle: each entry behind its length, u16 big-endian.
///
/// # Errors
/// `EntryTooLong` for an entry over 65,535 bytes.
pub fn encode_bundle<'a>(
    entries: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<u8>, AuditError> {
    let mut bundle = Vec::new();
    for entry in entries {
        let length = u16::try_from(entry.len()).map_err(|_| AuditError::EntryTooLong)?;
        bundle.extend_from_slice(&length.to_be_bytes());
        bundle.extend_from_slice(entry);
    }
    Ok(bundle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_standard() {
        let path = |kind, index, width| TileFile { kind, index, width }.path();
        assert_eq!(path(TileKind::Hashes(0), 1_234_067, 256), "tile/0/x001/x234/067");
        assert_eq!(path(TileKind::Hashes(1), 0, 5), "tile/1/000.p/5");
        assert_eq!(path(TileKind::Entries, 1000, 256), "tile/entries/x001/000");
        assert_eq!(path(TileKind::Entries, 999, 255), "tile/entries/999.p/255");
        let largest = path(TileKind::Hashes(0), u64::MAX, 256);
        assert_eq!(largest, "tile/0/x018/x446/x744/x073/x709/x551/615");
    }

    #[test]
    fn a_plan_writes_full_tiles_once_and_the_partial_ones_of_the_new_size() {
        let paths = |old, new| plan(old, new).map(|file| file.path()).collect::<Vec<_>>();
        assert_eq!(paths(0, 0), Vec::<String>::new());
        assert_eq!(paths(0, 1), ["tile/entries/000.p/1", "tile/0/000.p/1"]);
        assert_eq!(
            paths(255, 257),
            [
                "tile/entries/000",
                "tile/entries/001.p/1",
                "tile/0/000",
                "tile/0/001.p/1",
                "tile/1/000.p/1"
            ]
        );
        assert_eq!(paths(257, 258), ["tile/entries/001.p/2", "tile/0/001.p/2"]);
        assert_eq!(paths(512, 512), Vec::<String>::new());
        let gone = superseded(257, 512).map(|file| file.path()).collect::<Vec<_>>();
        assert_eq!(gone, ["tile/entries/001.p/1", "tile/0/001.p/1", "tile/1/000.p/1"]);
        let huge = plan(u64::MAX - 1, u64::MAX).collect::<Vec<_>>();
        assert_eq!(huge.len(), 2);
        assert_eq!(huge[0].width, 255);
        assert_eq!(plan(0, u64::MAX).take(3).count(), 3);
    }

    #[test]
    fn a_bundle_is_lengths_and_bytes() {
        let entries: [&[u8]; 2] = [b"ab", b""];
        assert_eq!(encode_bundle(entries), Ok(vec![0, 2, b'a', b'b', 0, 0]));
        let long = vec![0; 65_536];
        assert_eq!(encode_bundle([long.as_slice()]), Err(AuditError::EntryTooLong));
        assert_eq!(encode_bundle([&long[1..]]).map(|bundle| bundle.len()), Ok(65_537));
    }
}
