//! Private key files: for the owner alone, written whole or not at all.

use super::KeyError;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use zeroize::Zeroizing;

/// A key file is small; anything longer is another file.
const MAX_BYTES: u64 = 1 << 20;

/// Whether writing may replace a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Existing {
    /// A file that is there is an error: a key must never be lost by accident.
    Refuse,
    /// Replace it, at once and whole.
    Replace,
}

fn failed(path: &Path) -> impl Fn(std::io::Error) -> KeyError + '_ {
    move |source| KeyError::File { path: path.to_owned(), source }
}

/// The file's bytes, wiped from memory when dropped.
///
/// # Errors
/// [`KeyError::OpenToOthers`] where group or others have any permission but `more`,
/// [`KeyError::File`].
pub(super) fn read_private(path: &Path, more: u32) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let mut file = File::open(path).map_err(failed(path))?;
    let about = file.metadata().map_err(failed(path))?;
    let mode = about.permissions().mode() & 0o777;
    if mode & 0o077 & !more != 0 {
        return Err(KeyError::OpenToOthers { path: path.to_owned(), mode });
    }
    if !about.is_file() || about.len() > MAX_BYTES {
        return Err(KeyError::InvalidFile { path: path.to_owned(), rule: "a file below 1 MiB" });
    }
    // The whole length at once: a growing buffer would leave copies of the key behind.
    let length = usize::try_from(about.len()).unwrap_or(0);
    let mut bytes = Zeroizing::new(vec![0; length]);
    file.read_exact(&mut bytes).map_err(failed(path))?;
    Ok(bytes)
}

/// Writes beside the file, syncs, then moves into place: a crash leaves the old file or the new one.
///
/// # Errors
/// [`KeyError::File`], also where a file exists that may not be replaced.
pub(super) fn write_private(path: &Path, bytes: &[u8], existing: Existing) -> Result<(), KeyError> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    let draft = Path::new(&draft);
    // A draft of an earlier crash is of no use to anyone.
    match fs::remove_file(draft) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(failed(draft)(e)),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(draft)
        .map_err(failed(draft))?;
    // The mode above is cut by the umask; this one is exact.
    file.set_permissions(fs::Permissions::from_mode(0o600)).map_err(failed(draft))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed(draft))?;
    let placed = match existing {
        Existing::Replace => fs::rename(draft, path),
        // A link, unlike a rename, refuses an existing name.
        Existing::Refuse => fs::hard_link(draft, path),
    };
    if existing == Existing::Refuse || placed.is_err() {
        fs::remove_file(draft).map_err(failed(draft))?;
    }
    placed.map_err(failed(path))?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|f| f.sync_all()).map_err(failed(path))
}

/// Lets `replace` put another file in the place of one, then overwrites the bytes of the old.
/// A crash in between leaves them on the disk under no name. What else may keep them:
/// [`super::master_file`].
///
/// # Errors
/// What `replace` says; [`KeyError::File`].
pub(super) fn wipe_after(
    path: &Path,
    replace: impl FnOnce() -> Result<(), KeyError>,
) -> Result<(), KeyError> {
    let mut old = OpenOptions::new().write(true).open(path).map_err(failed(path))?;
    let length = old.metadata().map_err(failed(path))?.len().min(MAX_BYTES);
    replace()?;
    let zeros = vec![0; usize::try_from(length).unwrap_or(0)];
    old.write_all(&zeros).and_then(|()| old.sync_all()).map_err(failed(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_for_the_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k");
        write_private(&path, b"one", Existing::Refuse).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(read_private(&path, 0).unwrap().as_slice(), b"one");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(read_private(&path, 0), Err(KeyError::OpenToOthers { mode: 0o640, .. })));
    }

    #[test]
    fn an_existing_key_is_only_replaced_on_demand() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k");
        write_private(&path, b"one", Existing::Refuse).unwrap();
        assert!(matches!(
            write_private(&path, b"two", Existing::Refuse),
            Err(KeyError::File { .. })
        ));
        assert_eq!(read_private(&path, 0).unwrap().as_slice(), b"one");
        write_private(&path, b"two", Existing::Replace).unwrap();
        assert_eq!(read_private(&path, 0).unwrap().as_slice(), b"two");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no draft is left");
    }
}
