//! The access log bare: its rows, the raw group commit, and a long log made at once.

use super::{
    begin, look,
    rows::{Column, Rows},
};
use crate::{
    audit::{Leaf, LogSigner, leaf_hash},
    store::{
        Store, StoreError, Tx,
        log::{self, Growth, Head},
        tx::on,
    },
};

const LOG_ENTRY: &[&str] = &["leaf_index", "leaf"];
const LOG_HASH: &[&str] = &["level", "hash_index", "hash"];

pub(super) type LogRows = (Vec<(i64, Vec<u8>)>, Vec<(i64, i64, Vec<u8>)>);

pub(super) async fn rows(tx: &mut Tx, first: i64) -> Result<LogRows, StoreError> {
    let entries = on!(tx, c => sqlx::query_as(
        "SELECT leaf_index, leaf FROM log_entry WHERE leaf_index >= $1 ORDER BY leaf_index")
        .bind(first).fetch_all(c).await)?;
    let hashes = on!(tx, c => sqlx::query_as(
        "SELECT level, hash_index, hash FROM log_hash WHERE level > 0 OR hash_index >= $1 \
         ORDER BY level, hash_index").bind(first).fetch_all(c).await)?;
    Ok((entries, hashes))
}

pub(super) fn entry_table(rows: Vec<(i64, Vec<u8>)>) -> Rows {
    let (indices, leaves) = rows.into_iter().map(|(index, leaf)| (index, Some(leaf))).unzip();
    Rows::new("log_entry", LOG_ENTRY, vec![Column::Numbers(indices), Column::Bytes(leaves)])
}

pub(super) fn hash_table(rows: Vec<(i64, i64, Vec<u8>)>) -> Rows {
    let (mut levels, mut indices, mut hashes) = (vec![], vec![], vec![]);
    for (level, index, hash) in rows {
        levels.push(level);
        indices.push(index);
        hashes.push(Some(hash));
    }
    let columns = vec![Column::Numbers(levels), Column::Numbers(indices), Column::Bytes(hashes)];
    Rows::new("log_hash", LOG_HASH, columns)
}

/// The checkpoint's usual length, so that the head row is as long as a real one.
const CHECKPOINT_BYTES: usize = 200;

pub(super) async fn set_head(tx: &mut Tx, size: i64) -> Result<(), StoreError> {
    let (root, checkpoint) = (vec![0_u8; 32], "-".repeat(CHECKPOINT_BYTES));
    on!(tx, c => sqlx::query(
        "INSERT INTO log_head (only_row, size, root, checkpoint, at) VALUES (1, $1, $2, $3, 0) \
         ON CONFLICT (only_row) DO UPDATE SET size = excluded.size, root = excluded.root, \
         checkpoint = excluded.checkpoint")
        .bind(size).bind(root).bind(checkpoint).execute(c).await.map(drop))?;
    Ok(())
}

/// The raw group commit: a log without its tree.
#[derive(Debug)]
pub struct RawLog {
    store: Store,
    size: i64,
}

impl RawLog {
    /// On an empty, migrated store.
    #[must_use]
    pub const fn new(store: Store) -> Self {
        Self { store, size: 0 }
    }

    /// One transaction: an entry and a hash each, a hash more for every 256, and the head.
    ///
    /// # Errors
    /// When the engine refuses.
    pub async fn commit(&mut self, leaves: Vec<Vec<u8>>) -> Result<(), StoreError> {
        let first = self.size;
        let next = first + i64::try_from(leaves.len()).map_err(|_| StoreError::Range)?;
        let hash = |level, index| (level, index, vec![0x5a_u8; 32]);
        let mut hashes: Vec<_> = (first..next).map(|index| hash(0, index)).collect();
        hashes.extend((first / 256..next / 256).map(|index| hash(1, index)));
        let mut tx = begin(&self.store).await?;
        entry_table((first..next).zip(leaves).collect()).insert(&mut tx).await?;
        hash_table(hashes).insert(&mut tx).await?;
        set_head(&mut tx, next).await?;
        tx.commit().await?;
        self.size = next;
        Ok(())
    }
}

/// Entries that a transaction of [`fill_log`] takes.
const FILL: u64 = 1_000;

/// Makes a log as long as told, of one leaf again and again, with its whole tree: what the write
/// path can go on from.
///
/// # Errors
/// When the engine refuses.
pub async fn fill_log(
    store: &Store,
    signer: &LogSigner,
    leaf: &Leaf,
    entries: u64,
) -> Result<(), StoreError> {
    let bytes = leaf.encode()?;
    let hash = leaf_hash(&bytes);
    let mut tx = look(store).await?;
    let mut old = log::head(&mut tx).await?;
    let mut frontier = log::frontier(&mut tx, old.as_ref()).await?;
    drop(tx);
    while frontier.size() < entries {
        let (first, count) = (frontier.size(), FILL.min(entries - frontier.size()));
        let count = usize::try_from(count).map_err(|_| StoreError::Range)?;
        let appended = frontier.append(&vec![hash; count])?;
        let size = appended.frontier.size();
        let checkpoint = signer.sign_checkpoint(size, &appended.root);
        let at = leaf.at.as_microsecond();
        let base = old.as_ref().map_or(0, |old| old.base);
        let head = Head { base, size, root: appended.root, checkpoint, at };
        let leaves = vec![bytes.clone(); count];
        let growth = Growth { base, first, leaves: &leaves, hashes: &appended.new_hashes };
        let mut tx = begin(store).await?;
        if !log::grow(&mut tx, &growth, old.as_ref(), &head).await? {
            return Err(StoreError::Unchanged { table: "log_head" });
        }
        tx.commit().await?;
        (frontier, old) = (appended.frontier, Some(head));
    }
    Ok(())
}
