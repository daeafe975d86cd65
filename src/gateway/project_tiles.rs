//! The access log as files (C2SP tlog-tiles), made from the database beside its service.
//!
//! Files are written to a temporary name and renamed; the checkpoint comes last and what
//! it makes superfluous goes after it, so that whoever reads the folder at any moment, or
//! after a crash at any line, finds a log that verifies (at worst with a file too many).
//! The first pass after a start compares every file with the database and makes anew what
//! is missing or damaged. From then on each tick looks after the folder as well, at a cost
//! that does not grow with the log: it compares the checkpoint, the right edge, and the next
//! few of all files, so that in time it comes round to each. (Whoever reads a file through
//! the gateway in the meantime gets a missing one from the database: [`super::Published`].)
//!
//! The folder holds the log that grows. When its year has ended, the folder is brought to the
//! end of that log and renamed: `tiles` becomes `tiles-2026`, after the last part of the log's
//! name, and stays so. Past logs whose folder is lost are projected there again at a start.
//!
//! A folder that is ahead of the database, or tells another history, is left alone: then
//! the database was put back to an earlier state, and writing over the evidence would hide it.

use super::Witnesses;
use crate::{
    audit::{
        AuditError, Hash, TileFile, TileId,
        tile::{CHECKPOINT_PATH, TileKind, edge, encode_bundle, encode_hashes, plan, superseded},
        tree,
    },
    store::{Rights, Store, StoreError, log},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures_util::future::join_all;
use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

/// Files made before they are written, so that memory stays bounded.
const FILES_AT_ONCE: usize = 64;
/// Files that a tick compares with the database, besides the right edge: an hour of ticks of
/// five seconds comes round to three million entries.
const LOOKED_AFTER: usize = 16;

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
    /// Nothing that could be read is published: no first tick yet, or a damaged checkpoint,
    /// which the next tick makes anew.
    #[error("no checkpoint is published yet: the next tick of the log does it")]
    Unpublished,
}

/// What the folder holds, as this process has seen to it.
#[derive(Debug, Clone, Copy)]
struct Held {
    /// Where its log begins in the tables.
    base: u64,
    size: u64,
    /// How many of its files the ticks have compared since they last began.
    looked_after: usize,
}

/// Projects the log into a folder. Clones work on the same folder, one at a time.
#[derive(Debug, Clone)]
pub struct Projector {
    store: Store,
    dir: PathBuf,
    /// Who is asked to cosign what is projected.
    witnesses: Option<Arc<Witnesses>>,
    /// `None` until the folder was compared with the database.
    projected: Arc<Mutex<Option<Held>>>,
    /// The head that a tick last published: what the witnesses are asked to cosign.
    published: Arc<watch::Sender<Option<log::Head>>>,
    /// When a tick last ended well; before the first, when this was made.
    ticked: Arc<watch::Sender<Instant>>,
}

impl Projector {
    /// A projector of a store's log into a folder, which is made when it is not there.
    #[must_use]
    pub fn new(store: Store, dir: impl Into<PathBuf>) -> Self {
        let (dir, published) = (dir.into(), Arc::new(watch::Sender::new(None)));
        let ticked = Arc::new(watch::Sender::new(Instant::now()));
        Self { store, dir, witnesses: None, projected: Arc::default(), published, ticked }
    }

    /// For how long the log was not published.
    #[must_use]
    pub fn tick_age(&self) -> Duration {
        self.ticked.borrow().elapsed()
    }

    /// Publishes each checkpoint with the cosignatures that these witnesses have given for it.
    #[must_use]
    pub fn with_witnesses(self, witnesses: Arc<Witnesses>) -> Self {
        Self { witnesses: Some(witnesses), ..self }
    }

    /// Brings the folder up to the log's head. Nobody is waited for: cosignatures that come
    /// later go under the checkpoint when they come.
    ///
    /// # Errors
    /// When the database can't be read, the folder not written, or the two contradict.
    pub async fn project_once(&self) -> Result<(), ProjectionError> {
        let mut projected = self.projected.lock().await;
        let mut tx = self.store.read(Rights::Figures).await?;
        let Some(head) = log::head(&mut tx).await? else { return Ok(()) };
        // Also where the folder can't be written: the quorum must not hang on a disk.
        self.published.send_replace(Some(head.clone()));
        let same_log = projected.is_some_and(|held| held.base == head.base);
        let past = if same_log { Vec::new() } else { log::past(&mut tx).await? };
        drop(tx);
        let checkpoint = self.checkpoint(&head).await?;
        let known = projected.filter(|_| same_log);
        if known.is_some_and(|held| held.size == head.size) {
            if self.witnesses.is_none() {
                return Ok(());
            }
            // New cosignatures of what is there already.
            let publish =
                move |folder: &Folder| folder.write(CHECKPOINT_PATH, checkpoint.as_bytes());
            return on_disk(&self.dir, publish).await.map(drop);
        }
        for past in &past {
            self.put_away(past).await?;
        }
        if known.is_none() {
            self.compare(&head, &self.dir).await?;
        }
        self.project(&head, checkpoint, &self.dir, known.map(|held| held.size)).await?;
        let looked_after = known.map_or(0, |held| held.looked_after);
        *projected = Some(Held { base: head.base, size: head.size, looked_after });
        Ok(())
    }

    /// Has the newest checkpoint cosigned by every witness that is due, and publishes it so.
    /// Waits for all of them.
    ///
    /// # Errors
    /// When the database can't be read or the folder not written; witnesses that fail are none.
    pub async fn cosign_once(&self) -> Result<(), ProjectionError> {
        let Some(witnesses) = &self.witnesses else { return Ok(()) };
        let head = self.published.borrow().clone();
        let Some(head) = head else { return Ok(()) };
        if let Err(error) = witnesses.round(&self.store, &head).await {
            tracing::error!(%error, "the witnesses could not be asked");
        }
        self.publish_cosigned(&head).await
    }

    /// Has each published checkpoint cosigned until it is told to stop. Each witness is asked
    /// in its own time: one that hangs delays neither the tick nor another.
    pub async fn keep_cosigning(self, stop: CancellationToken) {
        let witnesses = self.witnesses.as_ref().map_or(0, |witnesses| witnesses.count());
        let each = (0..witnesses).map(|number| self.keep_asking(number));
        tokio::select! {
            () = stop.cancelled() => {}
            _ = join_all(each) => {}
        }
    }

    async fn keep_asking(&self, number: usize) {
        let Some(witnesses) = &self.witnesses else { return };
        let mut heads = self.published.subscribe();
        // Published before this looked, perhaps.
        heads.mark_changed();
        // Never closed: the sender is this one's own.
        while heads.changed().await.is_ok() {
            let Some(head) = heads.borrow_and_update().clone() else { continue };
            let done = match witnesses.round_of(&self.store, &head, number).await {
                Ok(true) => self.publish_cosigned(&head).await,
                Ok(false) => Ok(()),
                Err(error) => {
                    tracing::error!(%error, "a witness could not be asked");
                    Ok(())
                }
            };
            if let Err(error) = done {
                tracing::error!(%error, "a cosignature could not be published");
            }
        }
    }

    /// Writes the checkpoint with the cosignatures that there are now, where this size of it is
    /// still the published one.
    async fn publish_cosigned(&self, head: &log::Head) -> Result<(), ProjectionError> {
        let projected = self.projected.lock().await;
        if projected.is_none_or(|held| (held.base, held.size) != (head.base, head.size)) {
            return Ok(());
        }
        let checkpoint = self.checkpoint(head).await?;
        let publish = move |folder: &Folder| folder.write(CHECKPOINT_PATH, checkpoint.as_bytes());
        on_disk(&self.dir, publish).await.map(drop)
    }

    /// Brings a folder from an old size to a log's head; from no size known, all of it.
    async fn project(
        &self,
        head: &log::Head,
        checkpoint: String,
        dir: &Path,
        old: Option<u64>,
    ) -> Result<(), ProjectionError> {
        let (old, first) = (old.unwrap_or(0), old.is_none());
        let mut files = plan(old, head.size);
        loop {
            let some: Vec<TileFile> = files.by_ref().take(FILES_AT_ONCE).collect();
            if some.is_empty() {
                break;
            }
            self.write(head.base, dir, &some).await?;
        }
        let size = head.size;
        let gone: Vec<String> = superseded(old, size).map(|file| file.path()).collect();
        on_disk(dir, move |folder| {
            folder.write(CHECKPOINT_PATH, checkpoint.as_bytes())?;
            if first {
                folder.remove_others(size)?;
            }
            gone.iter().try_for_each(|path| folder.remove(path))
        })
        .await
    }

    /// Sees that a log that ended has a folder of its own, whole.
    async fn put_away(&self, past: &log::Head) -> Result<(), ProjectionError> {
        let place = past_folder(&self.dir, past.origin());
        let is_its = |note: Option<Vec<u8>>| {
            note.as_deref().and_then(origin_of).is_some_and(|origin| origin == past.origin())
        };
        if is_its(on_disk(&self.dir, |folder| folder.read(CHECKPOINT_PATH)).await?) {
            self.compare(past, &self.dir).await?;
            self.project(past, self.checkpoint(past).await?, &self.dir, None).await?;
            let to = place.clone();
            return on_disk(&self.dir, move |folder| fs::rename(&folder.dir, to)).await;
        }
        if is_its(on_disk(&place, |folder| folder.read(CHECKPOINT_PATH)).await?) {
            return Ok(());
        }
        self.project(past, self.checkpoint(past).await?, &place, None).await
    }

    /// Makes anew what is missing or damaged among the checkpoint, the right edge and the next
    /// few of all files; gives how many that were.
    ///
    /// # Errors
    /// When the database can't be read or the folder not written.
    pub async fn look_after(&self) -> Result<usize, ProjectionError> {
        let mut projected = self.projected.lock().await;
        let Some(held) = projected.as_mut() else { return Ok(0) };
        let mut tx = self.store.read(Rights::Figures).await?;
        let head = log::head(&mut tx).await?.filter(|head| head.base == held.base);
        drop(tx);
        // A new year's log has begun: this one is put away at the next projection.
        let Some(head) = head else { return Ok(0) };
        let size = held.size;
        let next: Vec<TileFile> =
            plan(0, size).skip(held.looked_after).take(LOOKED_AFTER).collect();
        let round = next.len() < LOOKED_AFTER;
        held.looked_after = if round { 0 } else { held.looked_after + next.len() };
        let files: Vec<TileFile> = edge(size).chain(next).collect();
        let mended = self.write(head.base, &self.dir, &files).await?;
        // Only a state that the database still has as its newest can be signed for anew; one
        // beyond ours is another gateway's, which shares the folder.
        if head.size != size {
            return Ok(mended);
        }
        let ours = self.checkpoint(&head).await?.into_bytes();
        let wrote = on_disk(&self.dir, move |folder| {
            let there = folder.read(CHECKPOINT_PATH)?;
            let newer = there.as_deref().and_then(checkpoint_of).is_some_and(|(has, _)| has > size);
            if newer { Ok(false) } else { folder.write(CHECKPOINT_PATH, &ours) }
        });
        Ok(mended + usize::from(wrote.await?))
    }

    /// Writes files from the database where they are not there or other; gives how many.
    async fn write(
        &self,
        base: u64,
        dir: &Path,
        files: &[TileFile],
    ) -> Result<usize, ProjectionError> {
        let mut made = Vec::with_capacity(files.len());
        for file in files {
            made.push((file.path(), bytes_of(&self.store, base, file).await?));
        }
        on_disk(dir, move |folder| {
            made.iter().try_fold(0, |written, (path, bytes)| {
                folder.write(path, bytes).map(|wrote| written + usize::from(wrote))
            })
        })
        .await
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
            let done = match self.project_once().await {
                Ok(()) => {
                    self.ticked.send_replace(Instant::now());
                    self.look_after().await
                }
                Err(error) => Err(error),
            };
            match done {
                Ok(0) => {}
                Ok(files) => {
                    tracing::warn!(files, "tiles were missing or damaged, and were made anew");
                }
                Err(error) => {
                    let source = std::error::Error::source(&error);
                    tracing::error!(%error, ?source, "the access log could not be projected");
                }
            }
            if stopping {
                return;
            }
        }
    }

    /// The checkpoint as it is published: with the cosignatures that there are.
    async fn checkpoint(&self, head: &log::Head) -> Result<String, ProjectionError> {
        match &self.witnesses {
            Some(witnesses) => witnesses.cosigned(&self.store, head).await,
            None => Ok(head.checkpoint.clone()),
        }
    }

    /// Refuses to write over a folder whose checkpoint the database does not continue.
    async fn compare(&self, head: &log::Head, dir: &Path) -> Result<(), ProjectionError> {
        let text = on_disk(dir, |folder| folder.read(CHECKPOINT_PATH)).await?;
        // A checkpoint that can't be read is damaged and proves nothing.
        let Some((size, root)) = text.as_deref().and_then(checkpoint_of) else { return Ok(()) };
        let other_log = text.as_deref().and_then(origin_of).is_none_or(|it| it != head.origin());
        if other_log || size > head.size {
            return Err(ProjectionError::Forked);
        }
        let mut tx = self.store.read(Rights::Figures).await?;
        let ids: BTreeSet<TileId> = tree::Frontier::tiles(size).into_iter().collect();
        let tiles = log::tiles_of(&mut tx, head.base, size, &ids).await?;
        let ours = tree::Frontier::from_tiles(size, &tiles)?.root()?;
        if ours == root { Ok(()) } else { Err(ProjectionError::Forked) }
    }
}

/// Where a log lies that has ended: beside the folder of the one that grows.
pub(super) fn past_folder(dir: &Path, origin: &str) -> PathBuf {
    let last = origin.rsplit('/').next().unwrap_or_default();
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    dir.with_file_name(format!("{name}-{}", last.chars().map(plain).collect::<String>()))
}

/// The log's name in a checkpoint's text.
pub(super) fn origin_of(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()?.lines().next()
}

/// Works on a folder of tiles, where it may block.
pub(super) async fn on_disk<T: Send + 'static>(
    dir: &Path,
    work: impl FnOnce(&Folder) -> io::Result<T> + Send + 'static,
) -> Result<T, ProjectionError> {
    let folder = Folder { dir: dir.to_owned() };
    let failed = |source| ProjectionError::File { path: dir.to_owned(), source };
    let joined = tokio::task::spawn_blocking(move || work(&folder)).await;
    joined.map_err(io::Error::other).and_then(|done| done).map_err(failed)
}

/// A file's bytes, from the database, of the log that begins at `base`.
pub(super) async fn bytes_of(
    store: &Store,
    base: u64,
    file: &TileFile,
) -> Result<Vec<u8>, ProjectionError> {
    let mut tx = store.read(Rights::Figures).await?;
    let (first, width) = (file.first(), file.width as u64);
    match file.kind {
        TileKind::Entries => {
            let entries = log::entries_of(&mut tx, base, first, first + width).await?;
            Ok(encode_bundle(entries.iter().map(Vec::as_slice))?)
        }
        TileKind::Hashes(level) => {
            let id = TileId { level, index: file.index };
            Ok(encode_hashes(&log::hashes_of(&mut tx, base, id, file.width).await?))
        }
    }
}

/// Size and root of a checkpoint's text.
pub(super) fn checkpoint_of(bytes: &[u8]) -> Option<(u64, Hash)> {
    let mut lines = std::str::from_utf8(bytes).ok()?.lines().skip(1);
    let size = lines.next()?.parse().ok()?;
    let root = STANDARD.decode(lines.next()?).ok()?;
    Some((size, Hash::try_from(root.as_slice()).ok()?))
}

/// The folder, seen by blocking code.
pub(super) struct Folder {
    dir: PathBuf,
}

impl Folder {
    pub(super) fn read(&self, path: &str) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.dir.join(path)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if absent(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes a file as a whole or not at all, and gives true; one that is right already is
    /// left alone.
    fn write(&self, path: &str, bytes: &[u8]) -> io::Result<bool> {
        if self.read(path)?.is_some_and(|held| held == bytes) {
            return Ok(false);
        }
        let target = self.dir.join(path);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        // Beside the folder, so that a reader of the folder never meets half a file.
        let name = self.dir.file_name().unwrap_or_default().to_string_lossy();
        let staged = self.dir.with_file_name(format!(".{name}.writing"));
        fs::write(&staged, bytes)?;
        fs::rename(&staged, &target).map(|()| true)
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
    fn remove_others(&self, size: u64) -> io::Result<()> {
        let mut folders = vec![self.dir.join("tile")];
        while let Some(folder) = folders.pop() {
            let items = match fs::read_dir(&folder) {
                // A log without an entry has no tiles.
                Err(error) if absent(&error) => continue,
                items => items?,
            };
            for item in items {
                let path = item?.path();
                if path.is_dir() {
                    folders.push(path);
                } else if let Some(name) = self.name_of(&path)
                    && TileFile::parse(&name).is_none_or(|file| file.width_at(size) != file.width)
                {
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
