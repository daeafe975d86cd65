//! The log as it is published: what the projector wrote at its last tick, and nothing newer.
//!
//! Partners see the log grow on a fixed tick, all acts of a tick at once, so that its growth
//! times nobody's act. Everything here is bounded by the checkpoint in the folder: a file that
//! the newest entries would widen has the width that it had at the tick.
//!
//! A narrower file than the published one, which a client may still want for an earlier
//! checkpoint, is the beginning of the wider one; a file that is missing or of the wrong
//! length (the next tick moved it away between two looks, or somebody lost it) is made from
//! the database, which has what every file is made of.

use super::{
    Actor, Denied, Gateway, ProjectionError, Refused,
    project_tiles::{bytes_of, checkpoint_of, on_disk, origin_of},
};
use crate::{
    audit::{
        Leaf, LeafKind, SizeClass, TileFile,
        tile::{CHECKPOINT_PATH, TileKind, narrow_bundle},
        tree::TILE_WIDTH,
    },
    domain::PartnerId,
    protocol::CallerRole,
    store::{Effect, Logged, Rights, Store, log},
};
use std::path::PathBuf;

/// The published log of one gateway. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Published {
    store: Store,
    dir: PathBuf,
}

/// A signed checkpoint that is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedCheckpoint {
    /// How many entries.
    pub size: u64,
    /// The signed note.
    pub note: String,
}

impl Published {
    /// What is published in a folder of tiles, of the log in a store.
    #[must_use]
    pub fn new(store: Store, dir: impl Into<PathBuf>) -> Self {
        Self { store, dir: dir.into() }
    }

    /// The checkpoint of the last tick.
    ///
    /// # Errors
    /// `Unpublished` where there is none that could be read.
    pub async fn checkpoint(&self) -> Result<PublishedCheckpoint, ProjectionError> {
        let bytes = on_disk(&self.dir, |folder| folder.read(CHECKPOINT_PATH)).await?;
        let bytes = bytes.ok_or(ProjectionError::Unpublished)?;
        let (size, _) = checkpoint_of(&bytes).ok_or(ProjectionError::Unpublished)?;
        let note = String::from_utf8(bytes).map_err(|_| ProjectionError::Unpublished)?;
        Ok(PublishedCheckpoint { size, note })
    }

    /// A file of the log; `None` where the published log does not have it, or not yet.
    ///
    /// # Errors
    /// When it can't be read from the folder, nor made from the database.
    pub async fn file(&self, file: TileFile) -> Result<Option<Vec<u8>>, ProjectionError> {
        let checkpoint = self.checkpoint().await?;
        let width = file.width_at(checkpoint.size);
        if file.width > width {
            return Ok(None);
        }
        let held = TileFile { width, ..file };
        let read = on_disk(&self.dir, move |folder| folder.read(&held.path())).await?;
        if let Some(bytes) = read.and_then(|bytes| narrow(&file, &held, bytes)) {
            return Ok(Some(bytes));
        }
        let base = self.base_of(&checkpoint.note).await?;
        Ok(Some(bytes_of(&self.store, base, &file).await?))
    }

    /// Where the published log begins in the tables: around the turn of a year that is the
    /// log that has just ended.
    async fn base_of(&self, note: &str) -> Result<u64, ProjectionError> {
        let origin = origin_of(note.as_bytes()).unwrap_or_default();
        let mut tx = self.store.read(Rights::Figures).await?;
        let mut logs = log::past(&mut tx).await?;
        logs.extend(log::head(&mut tx).await?);
        let published = logs.iter().find(|head| head.origin() == origin);
        published.map(|head| head.base).ok_or(ProjectionError::Unpublished)
    }
}

/// The beginning of a wider file; `None` when that has not the length it must have.
fn narrow(file: &TileFile, held: &TileFile, mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    let length = match file.kind {
        TileKind::Hashes(_) => (bytes.len() == held.width * 32).then_some(file.width * 32)?,
        TileKind::Entries => {
            let whole = narrow_bundle(&bytes, held.width)?.len() == bytes.len();
            narrow_bundle(&bytes, file.width).filter(|_| whole)?.len()
        }
    };
    bytes.truncate(length);
    Some(bytes)
}

impl Gateway {
    /// The hashes of a tile, as many as are asked for or, for a width of 0, as are published.
    ///
    /// Gives no [`Logged`]: hash tiles and checkpoints are the log's own public side, the same
    /// for every partner. They say how much was logged up to a tick and nothing about any
    /// entry, and what is asked tells nothing about anybody; a leaf for each look would make
    /// each tick's look the cause of the next one's growth. Only being refused is a leaf.
    ///
    /// # Errors
    /// For a tile that no log has, or that is not published yet.
    pub async fn tile_hashes(
        &self,
        actor: &Actor,
        published: &Published,
        (level, index, width): (u32, u64, u32),
    ) -> Result<Vec<u8>, Denied> {
        let level = u8::try_from(level).ok().filter(|level| *level < 64);
        let asked = usize::try_from(width).ok().filter(|width| *width <= TILE_WIDTH);
        let (Some(level), Some(asked)) = (level, asked) else {
            let (field, rule) = match level {
                None => ("level", "0 to 63"),
                Some(_) => ("width", "0 to 256"),
            };
            return Err(self.refuse_malformed(actor, Refused::invalid(field, rule)).await);
        };
        let mut file = TileFile { kind: TileKind::Hashes(level), index, width: asked };
        if asked == 0 {
            file.width = file.width_at(published.checkpoint().await?.size);
        }
        match published.file(file).await? {
            Some(hashes) if file.width > 0 => Ok(hashes),
            _ => Err(self.refuse_malformed(actor, Refused::not_found()).await),
        }
    }

    /// A bundle of entries as published, for auditors; the look is a leaf.
    ///
    /// # Errors
    /// For callers who are no auditors, and for a bundle that is not published.
    pub async fn entry_bundle(
        &self,
        actor: &Actor,
        published: &Published,
        file: TileFile,
    ) -> Result<Logged<Vec<u8>>, Denied> {
        self.require(actor, &[CallerRole::Auditor]).await?;
        let Some(bytes) = published.file(file).await? else {
            return Err(self.refuse_malformed(actor, Refused::not_found()).await);
        };
        let mut leaf = actor.leaf(LeafKind::LogRead, self);
        leaf.size_class = Some(SizeClass::of(file.width as u64));
        Ok(self.commit_for(actor, leaf, || Effect::None).await?.map(|_| bytes))
    }

    /// Refuses a caller who is known by a certificate alone, with a leaf.
    pub async fn refuse_partner(&self, partner: &PartnerId, refused: Refused) -> Denied {
        let mut leaf = Leaf::new(LeafKind::Refused, self.now());
        leaf.partner = Some(partner.clone());
        self.refuse(leaf, refused).await
    }
}
