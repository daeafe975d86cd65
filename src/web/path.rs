//! The paths of a log, read strictly: each file has one spelling and no other.

use crate::audit::TileFile;
use http::Uri;

/// What a path asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// The signed checkpoint.
    Checkpoint,
    /// A hash tile or an entry bundle.
    File(TileFile),
    /// Something that is not served here.
    Nothing,
    /// A spelling that names nothing: percent signs, `..`, a query, or below `/tile/` anything
    /// but the standard's form.
    Malformed,
}

impl Asked {
    /// Reads a request's target.
    #[must_use]
    pub fn read(target: &Uri) -> Self {
        let path = target.path();
        let odd = path.contains(['%', '\\', ';'])
            || path.contains("//")
            || path.split('/').any(|part| part == "." || part == "..");
        if odd || target.query().is_some() {
            return Self::Malformed;
        }
        match path {
            "/checkpoint" => Self::Checkpoint,
            path if path.starts_with("/tile/") => {
                TileFile::parse(&path[1..]).map_or(Self::Malformed, Self::File)
            }
            _ => Self::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::tile::TileKind;
    use proptest::prelude::*;

    fn read(target: &str) -> Asked {
        Asked::read(&target.parse().unwrap())
    }

    #[test]
    fn paths_of_the_standard_are_read() {
        assert_eq!(read("/checkpoint"), Asked::Checkpoint);
        assert_eq!(read("https://gateway.example:8444/checkpoint"), Asked::Checkpoint);
        let kind = TileKind::Hashes(1);
        let file = TileFile { kind, index: 1_234_067, width: 256 };
        assert_eq!(read("/tile/1/x001/x234/067"), Asked::File(file));
        let file = TileFile { kind: TileKind::Entries, index: 0, width: 7 };
        assert_eq!(read("/tile/entries/000.p/7"), Asked::File(file));
    }

    #[test]
    fn other_paths_are_nothing_or_malformed() {
        for target in ["/", "*", "/checkpoint/", "/Checkpoint", "/tile", "/tiles/0/000", "/x"] {
            assert_eq!(read(target), Asked::Nothing, "{target}");
        }
        for target in [
            "/checkpoint?",
            "/checkpoint?x=1",
            "/tile/0/000?x",
            "/tile/",
            "/tile/0",
            "/tile/0/000/",
            "/tile/0/00%30",
            "/%74ile/0/000",
            "/checkpoint%00",
            "/../checkpoint",
            "/./checkpoint",
            "/tile/0/../0/000",
            "/tile/entries/../../../etc/passwd",
            "//checkpoint",
            "/tile//0/000",
            "/tile/0/000.p/0",
            "/tile/0/000.p/256",
            "/tile/64/000",
            "/tile/00/000",
            "/tile/0/0",
            "/tile/0/x018/x446/x744/x073/x709/x551/616",
            "/tile/entries/000.p/1;x",
            "/tile/0/x000/001",
            "/tile/-1/000",
            "/tile/0/000.p/99999999999999999999",
        ] {
            assert_eq!(read(target), Asked::Malformed, "{target}");
        }
    }

    proptest! {
        /// Whatever a target may be: no panic, and a file only ever from its one spelling.
        #[test]
        fn any_target_is_read(target in "/(tile/|checkpoint)?[!-~]{0,60}") {
            if let Ok(uri) = target.parse::<Uri>()
                && let Asked::File(file) = Asked::read(&uri)
            {
                prop_assert_eq!(format!("/{}", file.path()), target);
            }
        }

        /// Indices of any size, at any level, of any width: read as they are, or not at all.
        #[test]
        fn any_number_is_read(
            level in 0_u32..300,
            groups in prop::collection::vec(0_u32..1000, 1..9),
            width in 0_u32..400,
        ) {
            let (last, above) = groups.split_last().unwrap();
            let above: String = above.iter().map(|group| format!("x{group:03}/")).collect();
            for end in [String::new(), format!(".p/{width}")] {
                let target = format!("/tile/{level}/{above}{last:03}{end}");
                match read(&target) {
                    Asked::File(file) => prop_assert_eq!(format!("/{}", file.path()), target),
                    other => prop_assert_eq!(other, Asked::Malformed),
                }
            }
        }
    }
}
