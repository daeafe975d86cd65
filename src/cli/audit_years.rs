//! `tallygate audit verify --previous`: the years' logs as one, from their mirrors alone.

use super::{
    CliError, Console,
    audit_mirror::{unread, verify_mirror},
};
use crate::verify::{
    Directory, VerifierKey,
    entries::Entries,
    note::verify_checkpoint,
    years::{followed, follows},
};
use std::path::{Path, PathBuf};

/// Whether each log follows the one in the next folder: that one is sound, signed by the same
/// key under its own name, and ended where the first entry after it says.
///
/// # Errors
/// When a mirror can't be read.
pub(super) fn is_chain(
    newest: &Path,
    previous: &[PathBuf],
    key: &VerifierKey,
    console: &mut Console<'_>,
) -> Result<bool, CliError> {
    let mut later = newest;
    for earlier in previous {
        if !follows_on(later, earlier, key, console)? {
            return Ok(false);
        }
        later = earlier;
    }
    if let Some(name) = predecessor(later)? {
        let folder = later.display();
        console.note(&format!("{folder} follows {name}: give its mirror with --previous, too"));
    }
    Ok(true)
}

/// The name of the log before that of a mirror.
fn predecessor(mirror: &Path) -> Result<Option<String>, CliError> {
    Ok(first_entry(mirror)?.and_then(|entry| followed(&entry)))
}

fn first_entry(mirror: &Path) -> Result<Option<Vec<u8>>, CliError> {
    let directory = Directory::new(mirror);
    let log = Entries::open(&directory).map_err(unread)?;
    if log.size() == 0 { Ok(None) } else { log.entry(0).map(Some).map_err(unread) }
}

fn follows_on(
    later: &Path,
    earlier: &Path,
    key: &VerifierKey,
    console: &mut Console<'_>,
) -> Result<bool, CliError> {
    let first = first_entry(later)?.unwrap_or_default();
    let named = followed(&first).and_then(|name| key.named(&name).ok());
    let Some(named) = named else {
        console.note(&format!("FAILED: {} follows no other log", later.display()));
        return Ok(false);
    };
    let directory = Directory::new(earlier);
    let report = verify_mirror(&directory, &named, console)?;
    let log = Entries::open(&directory).map_err(unread)?;
    let ended = verify_checkpoint(log.checkpoint().as_bytes(), &named);
    let fits = ended.is_ok_and(|ended| follows(&first, &ended));
    let (name, earlier) = (named.name(), earlier.display());
    if fits && report.is_sound() {
        console.note(&format!("{earlier}: {name}, sound, and ended where the next began"));
    } else if fits {
        console.note(&format!("FAILED: {earlier}: {name} is not sound: verify it by itself"));
    } else {
        console.note(&format!("FAILED: {earlier}: {name} did not end where the next says"));
    }
    Ok(fits && report.is_sound())
}
