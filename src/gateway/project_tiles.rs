//! The access log as files (C2SP tlog-tiles), made from the database beside its service.
//!
//! Files are written to a temporary name and renamed; the checkpoint comes last and what
//! it makes superfluous goes after it, so that whoever reads the folder at any moment, or
//! after a crash at any line, finds a log that verifies (at worst with a file too many).
//! The first pass after a start compares every file with the database and makes anew what
//! is missing or damaged.
//!
//! A folder that is ahead of the database, or tells another history, is left alone: then
//! the database was put back to an earlier state, and writing over the evidence would hide it.

use super::Witnesses;
use crate::{
    audit::{
        AuditError, Hash, TileFile, TileId,
        tile::{CHECKPOINT_PATH, TileKind, encode_bundle, encode_hashes, plan, superseded},
        tree,
    },
    store::{Rights, Store, StoreError, log},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::{
    collections::{BTreeSet, HashSet},
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

/// Files made before they are written, so that memory stays bounded.
const FILES_AT_ONCE: usize = 64;

/// Why the log could not be projected.
#[derive(Debug, thiserror::Error)]
pub enum ProjectionError {
    /// The database could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log's forms failed.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The folder could not be read or written.
    #[error("the tiles can't be written below {path}", path = path.display())]
    File {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The folder's checkpoint is of another history than the database.
    #[error(
        "the checkpoint in the tiles folder is ahead of the database or tells another history: \
         the database may have been put back to an earlier state"
    )]
    Forked,
}

/// Projects one log into one folder. Clones work on the same folder, one at a time.
#[derive(Debug, Clone)]
pub struct Projector {
    store: Store,
    dir: PathBuf,
    /// Who is asked to cosign what is projected.
    witnesses: Option<Arc<Witnesses>>,
    /// The size that the folder holds; `None` until it was compared with the database.
    projected: Arc<Mutex<Option<u64>>>,
}

impl Projector {
    /// A projector of a store's log into a folder, which is made when it is not there.
    #[must_use]
    pub fn new(store: Store, dir: impl Into<PathBuf>) -> Self {
        Self { store, dir: dir.into(), witnesses: None, projected: Arc::default() }
    }

    /// Lets these witnesses cosign each checkpoint before it is published.
    #[must_use]
    pub fn with_witnesses(self, witnesses: Arc<Witnesses>) -> Self {
        Self { witnesses: Some(witnesses), ..self }
    }

    /// Brings the folder up to the log's head.
    ///
    /// # Errors
    /// When the database can't be read, the folder not written, or the two contradict.
    pub async fn project_once(&self) -> Result<(), ProjectionError> {
        let mut projected = self.projected.lock().await;
        let mut tx = self.store.read(Rights::Figures).await?;
        let Some(head) = log::head(&mut tx).await? else { return Ok(()) };
        drop(tx);
        self.ask_witnesses(&head).await;
        let checkpoint = self.checkpoint(&head).await?;
        let old = match *projected {
            Some(size) if size == head.size => {
                let publish =
                    move |folder: &Folder| folder.write(CHECKPOINT_PATH, checkpoint.as_bytes());
                return self.on_disk(publish).await;
            }
            Some(size) => size,
            None => {
                self.compare(&head).await?;
                0
            }
        };
        let files: Vec<TileFile> = plan(old, head.size).collect();
        for some in files.chunks(FILES_AT_ONCE) {
            let mut made = Vec::with_capacity(some.len());
            for file in some {
                made.push((file.path(), self.bytes(file).await?));
            }
            self.on_disk(move |folder| {
                made.iter().try_for_each(|(path, bytes)| folder.write(path, bytes))
            })
            .await?;
        }
        let first = projected.is_none();
        let gone: Vec<String> = superseded(old, head.size).map(|file| file.path()).collect();
        let wanted: HashSet<String> =
            if first { files.iter().map(TileFile::path).collect() } else { HashSet::new() };
        self.on_disk(move |folder| {
            folder.write(CHECKPOINT_PATH, checkpoint.as_bytes())?;
            if first {
                folder.remove_others(&wanted)?;
            }
            gone.iter().try_for_each(|path| folder.remove(path))
        })
        .await?;
        *projected = Some(head.size);
        Ok(())
    }

    /// Projects at every tick until it is told to stop, and then a last time. What fails is
    /// told to the operator and tried again.
    pub async fn run(self, stop: CancellationToken, tick: Duration) {
        let mut ticks = tokio::time::interval(tick);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let stopping = tokio::select! {
                () = stop.cancelled() => true,
                _ = ticks.tick() => false,
            };
            if let Err(error) = self.project_once().await {
                let source = std::error::Error::source(&error);
                tracing::error!(%error, ?source, "the access log could not be projected");
            }
            if stopping {
                return;
            }
        }
    }

    /// Asks the witnesses for their cosignatures. Without them the log is projected all the
    /// same: whether figures may be answered then is another's decision.
    async fn ask_witnesses(&self, head: &log::Head) {
        let Some(witnesses) = &self.witnesses else { return };
        if let Err(error) = witnesses.round(&self.store, head).await {
            tracing::error!(%error, "the witnesses could not be asked");
        }
    }

    /// The checkpoint as it is published: with the cosignatures that there are.
    async fn checkpoint(&self, head: &log::Head) -> Result<String, ProjectionError> {
        match &self.witnesses {
            Some(witnesses) => witnesses.cosigned(&self.store, head).await,
            None => Ok(head.checkpoint.clone()),
        }
    }

    /// A file's bytes, from the database.
    async fn bytes(&self, file: &TileFile) -> Result<Vec<u8>, ProjectionError> {
        let mut tx = self.store.read(Rights::Figures).await?;
        let (first, width) = (file.first(), file.width as u64);
        match file.kind {
            TileKind::Entries => {
                let entries = log::entries(&mut tx, first, first + width).await?;
                Ok(encode_bundle(entries.iter().map(Vec::as_slice))?)
            }
            TileKind::Hashes(level) => {
                let id = TileId { level, index: file.index };
                Ok(encode_hashes(&log::hashes(&mut tx, id, file.width).await?))
            }
        }
    }

    /// Refuses to write over a folder whose checkpoint the database does not continue.
    async fn compare(&self, head: &log::Head) -> Result<(), ProjectionError> {
        let text = self.on_disk(|folder| folder.read(CHECKPOINT_PATH)).await?;
        // A checkpoint that can't be read is damaged and proves nothing.
        let Some((size, root)) = text.as_deref().and_then(checkpoint_of) else { return Ok(()) };
        if size > head.size {
            return Err(ProjectionError::Forked);
        }
        let mut tx = self.store.read(Rights::Figures).await?;
        let ids: BTreeSet<TileId> = tree::Frontier::tiles(size).into_iter().collect();
        let tiles = log::tiles(&mut tx, size, &ids).await?;
        let ours = tree::Frontier::from_tiles(size, &tiles)?.root()?;
        if ours == root { Ok(()) } else { Err(ProjectionError::Forked) }
    }

    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Folder) -> io::Result<T> + Send + 'static,
    ) -> Result<T, ProjectionError> {
        let folder = Folder { dir: self.dir.clone() };
        let failed = |source| ProjectionError::File { path: self.dir.clone(), source };
        let joined = tokio::task::spawn_blocking(move || work(&folder)).await;
        joined.map_err(io::Error::other).and_then(|done| done).map_err(failed)
    }
}

/// Size and root of a checkpoint's text.
fn checkpoint_of(bytes: &[u8]) -> Option<(u64, Hash)> {
    let mut lines = std::str::from_utf8(bytes).ok()?.lines().skip(1);
    let size = lines.next()?.parse().ok()?;
    let root = STANDARD.decode(lines.next()?).ok()?;
    Some((size, Hash::try_from(root.as_slice()).ok()?))
}

/// The folder, seen by blocking code.
struct Folder {
    dir: PathBuf,
}

impl Folder {
    fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.dir.join(path)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if absent(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes a file as a whole or not at all; one that is right already is left alone.
    fn write(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        if self.read(path)?.is_some_and(|held| held == bytes) {
            return Ok(());
        }
        let target = self.dir.join(path);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        // Beside the folder, so that a reader of the folder never meets half a file.
        let name = self.dir.file_name().unwrap_or_default().to_string_lossy();
        let staged = self.dir.with_file_name(format!(".{name}.writing"));
        fs::write(&staged, bytes)?;
        fs::rename(&staged, &target)
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let target = self.dir.join(path);
        match fs::remove_file(&target) {
            Err(error) if !absent(&error) => return Err(error),
            _ => {}
        }
        // The folder of a tile's partial widths goes with the last of them.
        if let Some(parent) = target.parent().filter(|p| p.extension().is_some()) {
            let _ = fs::remove_dir(parent);
        }
        Ok(())
    }

    /// Removes tiles that this size of the log does not have: left by a crash.
    fn remove_others(&self, wanted: &HashSet<String>) -> io::Result<()> {
        let mut folders = vec![self.dir.join("tile")];
        while let Some(folder) = folders.pop() {
            for item in fs::read_dir(&folder)? {
                let path = item?.path();
                if path.is_dir() {
                    folders.push(path);
                } else if let Some(name) = self.name_of(&path).filter(|n| !wanted.contains(n)) {
                    self.remove(&name)?;
                }
            }
        }
        Ok(())
    }

    fn name_of(&self, path: &Path) -> Option<String> {
        let inside = path.strip_prefix(&self.dir).ok()?;
        let parts = inside.components().map(|part| part.as_os_str().to_string_lossy());
        Some(parts.collect::<Vec<_>>().join("/"))
    }
}

fn absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
