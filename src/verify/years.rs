//! A new year's log follows the one before: its first leaf carries the old one's last
//! checkpoint, so that whoever trusts the new one can check the old one, and nobody can put
//! another in its place.

use super::{leaf, note::Checkpoint};

/// The name of the log that a log follows, as its first entry says; `None` for one that
/// follows none.
#[must_use]
pub fn followed(first_entry: &[u8]) -> Option<String> {
    let leaf = leaf::read(first_entry, &mut Vec::new()).ok()?;
    leaf.previous.map(|previous| previous.origin.to_owned())
}

/// Whether the first entry of a log says that it follows the one that ended with this
/// checkpoint.
#[must_use]
pub fn follows(first_entry: &[u8], ended: &Checkpoint) -> bool {
    let mut scratch = Vec::new();
    let Ok(leaf) = leaf::read(first_entry, &mut scratch) else { return false };
    leaf.kind == Some("log_opened")
        && leaf.previous.is_some_and(|previous| {
            previous.origin == ended.origin
                && previous.size == ended.size
                && previous.root == hex::encode(ended.root)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = r#"{"at":"2027-01-01T00:00:00.000000Z","decision":"granted","kind":"log_opened","previous":{"origin":"x.example/2026","root":"0707070707070707070707070707070707070707070707070707070707070707","size":9},"v":1}"#;

    #[test]
    fn a_log_follows_the_one_whose_end_it_names_and_no_other() {
        let ended = || Checkpoint { origin: "x.example/2026".to_owned(), size: 9, root: [7; 32] };
        assert!(follows(FIRST.as_bytes(), &ended()));
        assert_eq!(followed(FIRST.as_bytes()).as_deref(), Some("x.example/2026"));
        assert!(!follows(FIRST.as_bytes(), &Checkpoint { size: 8, ..ended() }));
        assert!(!follows(FIRST.as_bytes(), &Checkpoint { root: [8; 32], ..ended() }));
        let other = Checkpoint { origin: "y.example/2026".to_owned(), ..ended() };
        assert!(!follows(FIRST.as_bytes(), &other));
        let kind = FIRST.replace("log_opened", "log_read");
        assert!(!follows(kind.as_bytes(), &ended()));
        assert!(!follows(b"", &ended()));
    }
}
