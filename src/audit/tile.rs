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

    /// The file that a path below the log's prefix names; `None` for any other spelling than
    /// [`Self::path`]'s. Levels go up to 63, as the standard has them, though no log of ours
    /// has more than eight.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        let (row, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let kind = match row {
            "entries" => TileKind::Entries,
            level => TileKind::Hashes(level.parse().ok().filter(|level| *level < 64)?),
        };
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => {
                (number, width.parse().ok().filter(|width| (1..TILE_WIDTH).contains(width))?)
            }
            None => (rest, TILE_WIDTH),
        };
        let mut index: u64 = 0;
        let mut groups = number.split('/').peekable();
        while let Some(group) = groups.next() {
            let last = groups.peek().is_none();
            let digits = if last { group } else { group.strip_prefix('x')? };
            let three = digits.len() == 3 && digits.bytes().all(|b| b.is_ascii_digit());
            let group: u64 = digits.parse().ok().filter(|_| three)?;
            index = index.checked_mul(1000)?.checked_add(group)?;
        }
        let file = Self { kind, index, width };
        // Signs and leading zeros would name the same file a second time.
        (file.path() == path).then_some(file)
    }

    /// How many entries or hashes the file of this place holds in a log of `size` entries.
    #[must_use]
    pub fn width_at(&self, size: u64) -> usize {
        let level = match self.kind {
            TileKind::Entries => 0,
            TileKind::Hashes(level) => level,
        };
        TileId { level, index: self.index }.width(size)
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

/// The partial files at the right edge of a log.
pub fn edge(size: u64) -> impl Iterator<Item = TileFile> {
    kinds(size, size).filter_map(|(kind, size, _)| partial(kind, size))
}

/// The first `width` entries of a bundle, as a bundle; `None` when it has fewer, or bytes
/// that are no entry.
#[must_use]
pub fn narrow_bundle(bundle: &[u8], width: usize) -> Option<&[u8]> {
    let mut at: usize = 0;
    for _ in 0..width {
        let length = bundle.get(at..)?.first_chunk::<2>()?;
        at = at.checked_add(2 + usize::from(u16::from_be_bytes(*length)))?;
    }
    bundle.get(..at)
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
    use proptest::prelude::*;

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
    fn a_path_is_read_in_its_one_spelling() {
        for path in ["tile/0/000", "tile/63/x001/x234/067", "tile/entries/x001/000.p/255"] {
            assert_eq!(TileFile::parse(path).map(|file| file.path()).as_deref(), Some(path));
        }
        for path in [
            "",
            "tile",
            "tile/",
            "tile/0",
            "tile/0/",
            "tile/0/0",
            "tile/0/0000",
            "tile/00/000",
            "tile/64/000",
            "tile/256/000",
            "tile/-1/000",
            "tile/+1/000",
            "tile/0/x000/001",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/000.p/+1",
            "tile/0/000.p/",
            "tile/0/000.p/1.p/1",
            "tile/0/001/067",
            "tile/0/x001067",
            "tile/0/x001/",
            "tile/entries/000.p/1/x",
            "tile/0/000.tmp",
            "/tile/0/000",
            "tile/0/../000",
            "tile/0/x018/x446/x744/x073/x709/x551/616",
            "tile/x/000",
            "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
            "tile/0/\u{661}00",
            "tile/Entries/000",
        ] {
            assert_eq!(TileFile::parse(path), None, "{path}");
        }
    }

    #[test]
    fn the_edge_is_what_a_plan_leaves_partial() {
        for size in [0, 1, 255, 256, 257, 65_536, 65_900, 1 << 40, u64::MAX] {
            let edge: Vec<_> = edge(size).collect();
            assert!(edge.iter().all(|file| file.width_at(size) == file.width), "{size}");
            if size <= 65_900 {
                let partial: Vec<_> = plan(0, size).filter(|f| f.width < TILE_WIDTH).collect();
                assert_eq!(edge, partial, "{size}");
            }
        }
    }

    #[test]
    fn a_narrower_bundle_is_its_beginning() {
        let bundle = encode_bundle([b"ab".as_slice(), b"", b"c"]).unwrap();
        assert_eq!(narrow_bundle(&bundle, 0), Some(&[][..]));
        assert_eq!(narrow_bundle(&bundle, 2), Some(&bundle[..6]));
        assert_eq!(narrow_bundle(&bundle, 3), Some(&bundle[..]));
        assert_eq!(narrow_bundle(&bundle, 4), None);
        assert_eq!(narrow_bundle(&bundle[..8], 3), None);
        assert_eq!(narrow_bundle(&[0xff], 1), None);
    }

    proptest! {
        /// Whatever comes as a path: no panic, and only ever the one spelling.
        #[test]
        fn any_text_is_a_path_or_none(text in "(tile/)?(entries|[0-9]{1,3})?/?[x0-9/.p%\\\\ -]{0,40}") {
            if let Some(file) = TileFile::parse(&text) {
                prop_assert_eq!(file.path(), text);
            }
        }

        #[test]
        fn every_file_is_found_by_its_path(index: u64, width in 1..=TILE_WIDTH, level in 0..65_u8) {
            let kind = if level == 64 { TileKind::Entries } else { TileKind::Hashes(level) };
            let file = TileFile { kind, index, width };
            prop_assert_eq!(TileFile::parse(&file.path()), Some(file));
        }
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
