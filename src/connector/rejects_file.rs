//! Where rejects go: readable by their owner alone, and never over rows that somebody may still have
//! to mend.
//!
//! A rejects file is often mended and pushed itself, and nightly pushes name the same one again. So
//! the file that is pushed can't be its own rejects file, rows that stand in one are set aside, and a
//! push that goes on writes behind its own earlier rejects or not at all: the rows before them are
//! not looked at again.

use super::{
    journal::{JournalError, Resumed},
    order::PushError,
};
use crate::files::{FilesError, RejectsWriter};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// Which file a path leads to, whatever it is called; `None` where there is none.
fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

/// Refuses to write rejects into the file that is pushed.
pub(super) fn refuse_itself(pushed: &Path, rejects: &Path) -> Result<(), FilesError> {
    if identity(rejects).is_some_and(|one| identity(pushed) == Some(one)) {
        return Err(FilesError::OwnRejects);
    }
    Ok(())
}

/// The rejects file of a push, if it has one: its own of before where it goes on, else begun, with
/// where the rows lie now that stood in it.
pub(super) fn open(
    path: Option<&Path>,
    resumed: Option<&Resumed>,
    columns: &[String],
) -> Result<(Option<RejectsWriter<File>>, Option<PathBuf>), PushError> {
    if let Some(resumed) = resumed
        && let Some(earlier) = go_on(path, resumed)?
    {
        return Ok((Some(earlier), None));
    }
    let Some(path) = path else { return Ok((None, None)) };
    let begun = begin(path, columns);
    let unusable = |source| PushError::File { path: path.to_owned(), source };
    begun.map(|(rejects, aside)| (Some(rejects), aside)).map_err(unusable)
}

/// The earlier rejects of a push that goes on, cut to what was acknowledged; `None` where it has none.
fn go_on(
    path: Option<&Path>,
    resumed: &Resumed,
) -> Result<Option<RejectsWriter<File>>, JournalError> {
    if resumed.report.rejected == 0 || (path.is_none() && resumed.rejects.is_none()) {
        return Ok(None);
    }
    let earlier = path.zip(resumed.rejects.as_deref()).and_then(|(path, earlier)| {
        let same = path == earlier || (identity(path)? == identity(earlier)?);
        let file = OpenOptions::new().append(true).open(path).ok().filter(|_| same)?;
        let whole = file.metadata().ok()?.len() >= resumed.rejects_bytes;
        (whole && file.set_len(resumed.rejects_bytes).is_ok()).then_some(file)
    });
    earlier.map(RejectsWriter::go_on).map(Some).ok_or(JournalError::OtherRejects)
}

/// Begins a rejects file; tells where the rows lie now that stood in it.
fn begin(
    path: &Path,
    columns: &[String],
) -> Result<(RejectsWriter<File>, Option<PathBuf>), FilesError> {
    let aside = if holds_rows(path)? { Some(set_aside(path)?) } else { None };
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    Ok((RejectsWriter::begin(file, columns)?, aside))
}

/// Whether more than headings stands in a file. What is no file (a terminal, say) holds none.
fn holds_rows(path: &Path) -> io::Result<bool> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => return Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    }
    let mut file = BufReader::new(File::open(path)?);
    file.skip_until(b'\n')?;
    Ok(!file.fill_buf()?.is_empty())
}

/// Gives a file a free name beside it: `rejects.1.csv`.
fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let stem = path.file_stem().unwrap_or_default();
    let numbered = |number: u32| {
        let mut name = stem.to_owned();
        name.push(format!(".{number}"));
        if let Some(ending) = path.extension() {
            name.push(".");
            name.push(ending);
        }
        path.with_file_name(name)
    };
    let free = (1..).map(numbered).find(|name| !name.exists()).unwrap_or_else(|| numbered(0));
    fs::rename(path, &free).map(|()| free)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_stand_in_it_are_set_aside_and_headings_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rejects.csv");
        let columns = ["record_id".to_owned()];
        for expected in [None, None] {
            assert_eq!(begin(&path, &columns).unwrap().1, expected);
        }
        let mode = fs::metadata(&path).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600);
        for (rows, name) in [("a\n1\n", "rejects.1.csv"), ("a\n2", "rejects.2.csv")] {
            fs::write(&path, rows).unwrap();
            let aside = begin(&path, &columns).unwrap().1.unwrap();
            assert_eq!(aside, folder.path().join(name));
            assert_eq!(fs::read_to_string(aside).unwrap(), rows);
        }
    }

    #[test]
    fn a_file_is_known_under_each_of_its_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("a.csv"), "a\n1\n").unwrap();
        std::os::unix::fs::symlink(path("a.csv"), path("link.csv")).unwrap();
        for name in ["a.csv", "link.csv", "./a.csv"] {
            let refused = refuse_itself(&path("a.csv"), &path(name));
            assert!(matches!(refused, Err(FilesError::OwnRejects)), "{name}");
        }
        assert!(refuse_itself(&path("a.csv"), &path("b.csv")).is_ok());
    }
}
