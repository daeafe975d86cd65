//! Paths of a log's files, read strictly (C2SP tlog-tiles 0.1.0).

use std::fmt::Write;

/// How many entries or hashes a full file holds.
pub const FULL: usize = 256;
/// The signed checkpoint's path.
pub const CHECKPOINT: &str = "checkpoint";
/// The path of the checkpoint that whoever fills a folder will put in place.
pub const NEXT_CHECKPOINT: &str = "checkpoint.next";

/// A row of files: the entry bundles, or the hash tiles of a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Row {
    /// `tile/entries/...`
    Entries,
    /// `tile/<level>/...`, 0 to 7.
    Level(u8),
}

/// One file of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileName {
    /// Its row.
    pub row: Row,
    /// Its number within the row.
    pub index: u64,
    /// How many entries or hashes it holds: 256, or 1 to 255 when it is partial.
    pub width: usize,
}

impl FileName {
    /// As a path with `/`.
    #[must_use]
    pub fn path(&self) -> String {
        let digits = self.index.to_string();
        let padded = format!("{}{digits}", "0".repeat((3 - digits.len() % 3) % 3));
        let last = padded.len() - 3;
        let mut path = match self.row {
            Row::Entries => "tile/entries/".to_owned(),
            Row::Level(level) => format!("tile/{level}/"),
        };
        for start in (0..last).step_by(3) {
            let _ = write!(path, "x{}/", &padded[start..start + 3]);
        }
        path.push_str(&padded[last..]);
        if self.width < FULL {
            let _ = write!(path, ".p/{}", self.width);
        }
        path
    }

    /// The file a path names; `None` for a path in any other spelling than the standard's.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        let (row, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let row = match row {
            "entries" => Row::Entries,
            level => Row::Level(level.parse().ok().filter(|level| *level < 8)?),
        };
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => {
                (number, width.parse().ok().filter(|w| (1..FULL).contains(w))?)
            }
            None => (rest, FULL),
        };
        let digits: String = number.chars().filter(char::is_ascii_digit).collect();
        let file = Self { row, index: digits.parse().ok()?, width };
        // One spelling only: what we would write ourselves.
        (file.path() == path).then_some(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_one_spelling() {
        for path in [
            "tile/0/000",
            "tile/0/x001/x234/067",
            "tile/entries/x001/000.p/255",
            "tile/7/999.p/1",
            "tile/0/x018/x446/x744/x073/x709/x551/615",
        ] {
            assert_eq!(FileName::parse(path).map(|file| file.path()).as_deref(), Some(path));
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
            "tile/8/000",
            "tile/-1/000",
            "tile/+1/000",
            "tile/0/x000/001",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/000.p/+1",
            "tile/0/000.p/",
            "tile/0/001/067",
            "tile/0/x001067",
            "tile/entries/000.p/1/x",
            "tile/0/000.tmp",
            "/tile/0/000",
            "tile/0/../000",
            "tile/0/x018/x446/x744/x073/x709/x551/616",
            "tile/x/000",
            "tile/0/\u{0661}00",
        ] {
            assert_eq!(FileName::parse(path), None, "{path}");
        }
    }
}
