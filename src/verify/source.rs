//! Where the log's files come from.

use std::{
    collections::BTreeMap,
    fs, io,
    io::Read,
    path::{Path, PathBuf},
};

/// The files could not be read at all, which says nothing about the log.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The operating system refused.
    #[error("could not read {path}: {kind}")]
    Io {
        /// Which file or folder of the log.
        path: PathBuf,
        /// Why.
        kind: io::ErrorKind,
    },
}

/// A place that holds a log's files.
pub trait TileSource {
    /// Every file there, as paths with `/` below the log's prefix; also those that don't
    /// belong there.
    ///
    /// # Errors
    /// When the place can't be read.
    fn list(&self) -> Result<Vec<String>, SourceError>;

    /// A file's bytes, at most `max` + 1 of them (so that a longer file is seen to be
    /// longer); `None` when there is no such file.
    ///
    /// # Errors
    /// When the place can't be read.
    fn read(&self, path: &str, max: usize) -> Result<Option<Vec<u8>>, SourceError>;
}

/// A folder.
#[derive(Debug, Clone)]
pub struct Directory {
    root: PathBuf,
}

impl Directory {
    /// The folder that holds `checkpoint` and `tile`.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> SourceError {
    let path = path.to_owned();
    move |error| SourceError::Io { path, kind: error.kind() }
}

impl TileSource for Directory {
    fn list(&self) -> Result<Vec<String>, SourceError> {
        let mut files = Vec::new();
        let mut folders = vec![(self.root.clone(), String::new())];
        while let Some((folder, prefix)) = folders.pop() {
            for item in fs::read_dir(&folder).map_err(failed(&folder))? {
                let item = item.map_err(failed(&folder))?;
                let name = format!("{prefix}{}", item.file_name().to_string_lossy());
                // A symbolic link is listed as a file and not followed into a folder.
                if item.file_type().map_err(failed(&folder))?.is_dir() {
                    folders.push((item.path(), format!("{name}/")));
                } else {
                    files.push(name);
                }
            }
        }
        Ok(files)
    }

    fn read(&self, path: &str, max: usize) -> Result<Option<Vec<u8>>, SourceError> {
        let path = self.root.join(path);
        let file = match fs::File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(&path)(error)),
        };
        // One reservation instead of many: a hint, which a growing file may exceed.
        let length = file.metadata().map_or(0, |about| about.len());
        let hint = usize::try_from(length).unwrap_or(max).min(max);
        let mut bytes = Vec::with_capacity(hint + 1);
        file.take(max as u64 + 1).read_to_end(&mut bytes).map_err(failed(&path))?;
        Ok(Some(bytes))
    }
}

/// A log held in memory.
impl TileSource for BTreeMap<String, Vec<u8>> {
    fn list(&self) -> Result<Vec<String>, SourceError> {
        Ok(self.keys().cloned().collect())
    }

    fn read(&self, path: &str, max: usize) -> Result<Option<Vec<u8>>, SourceError> {
        Ok(self.get(path).map(|bytes| bytes[..bytes.len().min(max.saturating_add(1))].to_vec()))
    }
}
