//! The log's entries as a stream, for an auditor who mirrors the whole of it.
//!
//! The stream goes up to the head as it was when it was opened, so it ends. It has an opened
//! leaf before its first byte and a closed leaf with its size class, however it ended; it
//! ends at once where its caller is barred. Memory holds one bundle.

use super::{Actor, Denied, Gateway, Published, Refused, project_tiles::bytes_of};
use crate::{
    audit::{
        Hash, LeafKind, SizeClass, TileFile,
        tile::TileKind,
        tree::{TILE_WIDTH, consistency_proof, tiles_for_consistency},
    },
    protocol::CallerRole,
    store::{Effect, Logged, Rights, StoreError, log},
};
use std::sync::Arc;

/// An open stream of entries.
pub struct EntryStream {
    gateway: Arc<Gateway>,
    actor: Actor,
    /// The index of its opened leaf.
    opened: u64,
    epoch: u64,
    checkpoint: String,
    consistency: Vec<Hash>,
    base: u64,
    size: u64,
    next: u64,
    sent: u64,
}

impl std::fmt::Debug for EntryStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EntryStream").field("opened", &self.opened).finish_non_exhaustive()
    }
}

/// Up to 256 entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryBundle {
    /// Its number.
    pub index: u64,
    /// How many entries it holds.
    pub width: usize,
    /// The entries, each behind its length.
    pub entries: Vec<u8>,
}

/// Which entries an auditor wants.
#[derive(Debug, Clone, Copy)]
pub struct WantedEntries<'a> {
    /// The log's name, this year's or one that has ended; empty for the one that grows.
    pub origin: &'a str,
    /// From the bundle of this entry on.
    pub from_index: u64,
    /// How many entries the caller knows.
    pub known_size: u64,
    /// Up to the published checkpoint, which witnesses have cosigned; else up to the newest.
    pub published: Option<&'a Published>,
}

impl<'a> WantedEntries<'a> {
    /// Up to the newest entry.
    #[must_use]
    pub const fn new(origin: &'a str, from_index: u64, known_size: u64) -> Self {
        Self { origin, from_index, known_size, published: None }
    }
}

impl Gateway {
    /// Opens a stream of a log's entries, with the proof that what the caller knows is the
    /// beginning of the log. What lies beyond the log is no error: the caller sees the
    /// checkpoint, and that nothing comes.
    ///
    /// # Errors
    /// For callers who are no auditors, and for a log that there is not.
    pub async fn open_entries(
        self: &Arc<Self>,
        actor: Actor,
        wanted: WantedEntries<'_>,
    ) -> Result<Logged<EntryStream>, Denied> {
        let WantedEntries { origin, from_index, known_size, published } = wanted;
        self.require(&actor, &[CallerRole::Auditor]).await?;
        let published = match published {
            Some(published) => Some(published.checkpoint().await?),
            None => None,
        };
        let mut tx = self.store.read(Rights::Figures).await?;
        let mut head = log::head(&mut tx).await?.ok_or(StoreError::LogDamaged)?;
        if !origin.is_empty() && origin != head.origin() {
            let past = log::past(&mut tx).await?;
            let Some(ended) = past.into_iter().find(|past| past.origin() == origin) else {
                drop(tx);
                return Err(self.refuse_malformed(&actor, Refused::not_found()).await);
            };
            head = ended;
        } else if let Some(published) = published
            // Whoever knows more already is shown the log as it is, and sees that it grew.
            && (known_size..=head.size).contains(&published.size)
            && published.note.lines().next() == Some(head.origin())
        {
            (head.size, head.checkpoint) = (published.size, published.note);
        }
        let consistency = if (1..head.size).contains(&known_size) {
            let needed = tiles_for_consistency(known_size, head.size)?;
            let tiles = log::tiles_of(&mut tx, head.base, head.size, &needed).await?;
            consistency_proof(&tiles, known_size, head.size)?
        } else {
            Vec::new()
        };
        drop(tx);
        let epoch = self.snapshot().epoch();
        let leaf = actor.leaf(LeafKind::LogStreamOpened, self);
        let logged = self.commit_for(&actor, leaf, || Effect::None).await?;
        let opened = logged.receipt().leaf_index;
        Ok(logged.map(|_| EntryStream {
            gateway: Arc::clone(self),
            actor,
            opened,
            epoch,
            checkpoint: head.checkpoint,
            consistency,
            base: head.base,
            size: head.size,
            next: from_index / TILE_WIDTH as u64,
            sent: 0,
        }))
    }
}

impl EntryStream {
    /// The signed tree up to whose size entries are sent.
    #[must_use]
    pub fn checkpoint(&self) -> &str {
        &self.checkpoint
    }

    /// The proof that what the caller knew is the beginning of that tree.
    #[must_use]
    pub fn consistency(&self) -> &[Hash] {
        &self.consistency
    }

    /// The next bundle; `None` after the last.
    ///
    /// # Errors
    /// When the caller is not let in any more, or the bundle can't be read.
    pub async fn bundle(&mut self) -> Result<Option<EntryBundle>, Denied> {
        self.gateway.catch_up().await?;
        let snapshot = self.gateway.snapshot();
        if snapshot.epoch() != self.epoch {
            self.gateway.still_registered(&self.actor, &snapshot, &[CallerRole::Auditor]).await?;
            self.epoch = snapshot.epoch();
        }
        let mut file = TileFile { kind: TileKind::Entries, index: self.next, width: 0 };
        file.width = file.width_at(self.size);
        if file.width == 0 {
            return Ok(None);
        }
        let entries = bytes_of(&self.gateway.store, self.base, &file).await?;
        self.next += 1;
        self.sent += file.width as u64;
        Ok(Some(EntryBundle { index: file.index, width: file.width, entries }))
    }

    /// Closes the stream; gives how many entries were read for it.
    ///
    /// # Errors
    /// When the end can't be logged.
    pub async fn close(self) -> Result<Logged<u64>, Denied> {
        let mut leaf = self.actor.leaf(LeafKind::LogStreamClosed, &self.gateway);
        leaf.size_class = Some(SizeClass::of(self.sent));
        leaf.notes.stream = Some(self.opened);
        let logged = self.gateway.commit(leaf, Effect::None, None).await?;
        Ok(logged.map(|_| self.sent))
    }
}
