//! The access log's tables: entries, tree hashes, and the head row.

use super::{
    StoreError, Tx,
    bulk::{
        self,
        Column::{Bytes, Integers},
    },
    error::{counted, stored},
    tx::on,
};
use crate::audit::{Frontier, Hash, NewHash, TileId, TileSet};
use sqlx::{Postgres, Transaction};
use std::collections::BTreeSet;

/// The newest state of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// How many leaves.
    pub size: u64,
    /// The root hash.
    pub root: Hash,
    /// The signed checkpoint.
    pub checkpoint: String,
    /// The time of the newest leaf, microseconds since 1970-01-01 UTC.
    pub at: i64,
}

fn hash(bytes: &[u8], table: &'static str, row: i64) -> Result<Hash, StoreError> {
    let bytes = bytes.try_into().map_err(|_| StoreError::Corrupt { table, column: "hash", row })?;
    Ok(Hash::new(bytes))
}

/// The head, or `None` before the log's first leaf.
///
/// # Errors
/// When it can't be read or is corrupt.
pub async fn head(tx: &mut Tx) -> Result<Option<Head>, StoreError> {
    read_head(tx, "SELECT size, root, checkpoint, at FROM log_head WHERE only_row = 1").await
}

/// The head, which no other gateway can move until this transaction ends.
pub(super) async fn lock_head(tx: &mut Tx) -> Result<Option<Head>, StoreError> {
    let sql = "SELECT size, root, checkpoint, at FROM log_head WHERE only_row = 1 FOR UPDATE";
    read_head(tx, sql).await
}

async fn read_head(tx: &mut Tx, sql: &'static str) -> Result<Option<Head>, StoreError> {
    #[cfg(test)]
    super::faults::name(sql);
    let row: Option<(i64, Vec<u8>, String, i64)> =
        on!(tx, c => sqlx::query_as(sql).fetch_optional(c).await)?;
    row.map(|(size, root, checkpoint, at)| {
        Ok(Head { size: counted(size)?, root: hash(&root, "log_head", 1)?, checkpoint, at })
    })
    .transpose()
}

/// What a transaction adds to the log.
#[derive(Debug)]
pub(super) struct Growth<'a> {
    /// The index of its first entry.
    pub(super) first: u64,
    /// Its entries.
    pub(super) leaves: &'a [Vec<u8>],
    /// The tree's new hashes.
    pub(super) hashes: &'a [NewHash],
}

/// Adds entries and hashes and then, last of all, moves the head from `old` to `new`; `false`
/// when another gateway was faster and moved it first.
///
/// PostgreSQL does it in one statement: each that is sent costs a journey to the server, with
/// everybody who waits for the log waiting for it.
pub(super) async fn grow(
    tx: &mut Tx,
    growth: &Growth<'_>,
    old: Option<&Head>,
    new: &Head,
) -> Result<bool, StoreError> {
    match (&mut *tx, old) {
        (Tx::Postgres(tx), Some(old)) => grow_at_once(tx, growth, old, new).await,
        _ => {
            insert_entries(tx, growth).await?;
            insert_hashes(tx, growth.hashes).await?;
            swap_head(tx, old, new).await
        }
    }
}

async fn grow_at_once(
    tx: &mut Transaction<'static, Postgres>,
    growth: &Growth<'_>,
    old: &Head,
    new: &Head,
) -> Result<bool, StoreError> {
    let leaves: Vec<&[u8]> = growth.leaves.iter().map(|leaf| &**leaf).collect();
    let indices: Result<Vec<i64>, StoreError> =
        growth.hashes.iter().map(|new| stored(new.index)).collect();
    let levels: Vec<i64> = growth.hashes.iter().map(|new| i64::from(new.level)).collect();
    let hashes: Vec<&[u8]> = growth.hashes.iter().map(|new| &new.hash.as_bytes()[..]).collect();
    #[cfg(test)]
    let due = super::faults::before_on_postgres(tx, "WITH entries").await?;
    let done = sqlx::query(
        "WITH entries AS (INSERT INTO log_entry (leaf_index, leaf) \
             SELECT * FROM UNNEST($1::BIGINT[], $2::BYTEA[])), \
         hashes AS (INSERT INTO log_hash (level, hash_index, hash) \
             SELECT * FROM UNNEST($3::BIGINT[], $4::BIGINT[], $5::BYTEA[])) \
         UPDATE log_head SET size = $6, root = $7, checkpoint = $8, at = $9 \
             WHERE only_row = 1 AND size = $10 AND root = $11",
    )
    .bind(numbers(growth)?)
    .bind(leaves)
    .bind(levels)
    .bind(indices?)
    .bind(hashes)
    .bind(stored(new.size)?)
    .bind(&new.root.as_bytes()[..])
    .bind(&*new.checkpoint)
    .bind(new.at)
    .bind(stored(old.size)?)
    .bind(&old.root.as_bytes()[..])
    .execute(&mut **tx)
    .await?;
    #[cfg(test)]
    super::faults::after_on_postgres(tx, due).await?;
    Ok(done.rows_affected() == 1)
}

/// The indices of the new entries.
fn numbers(growth: &Growth<'_>) -> Result<Vec<i64>, StoreError> {
    let first = stored(growth.first)?;
    let count = i64::try_from(growth.leaves.len()).map_err(|_| StoreError::Range)?;
    Ok((first..first + count).collect())
}

async fn swap_head(tx: &mut Tx, old: Option<&Head>, new: &Head) -> Result<bool, StoreError> {
    let (size, root) = (stored(new.size)?, new.root.as_bytes().to_vec());
    let rows = if let Some(old) = old {
        let (old_size, old_root) = (stored(old.size)?, old.root.as_bytes().to_vec());
        on!(tx, c => sqlx::query(
            "UPDATE log_head SET size = $1, root = $2, checkpoint = $3, at = $4 \
             WHERE only_row = 1 AND size = $5 AND root = $6")
            .bind(size).bind(root).bind(&*new.checkpoint).bind(new.at)
            .bind(old_size).bind(old_root)
            .execute(c).await.map(|done| done.rows_affected()))?
    } else {
        on!(tx, c => sqlx::query(
            "INSERT INTO log_head (only_row, size, root, checkpoint, at) \
             VALUES (1, $1, $2, $3, $4) ON CONFLICT DO NOTHING")
            .bind(size).bind(root).bind(&*new.checkpoint).bind(new.at)
            .execute(c).await.map(|done| done.rows_affected()))?
    };
    Ok(rows == 1)
}

async fn insert_entries(tx: &mut Tx, growth: &Growth<'_>) -> Result<(), StoreError> {
    bulk::insert_new(
        tx,
        "log_entry",
        &[
            ("leaf_index", Integers(numbers(growth)?)),
            ("leaf", Bytes(growth.leaves.iter().map(|leaf| &**leaf).collect())),
        ],
    )
    .await
}

async fn insert_hashes(tx: &mut Tx, hashes: &[NewHash]) -> Result<(), StoreError> {
    let indices: Result<Vec<i64>, StoreError> =
        hashes.iter().map(|new| stored(new.index)).collect();
    bulk::insert_new(
        tx,
        "log_hash",
        &[
            ("level", Integers(hashes.iter().map(|new| i64::from(new.level)).collect())),
            ("hash_index", Integers(indices?)),
            ("hash", Bytes(hashes.iter().map(|new| &new.hash.as_bytes()[..]).collect())),
        ],
    )
    .await
}

/// The entries `from..until`, in order.
///
/// # Errors
/// When they can't be read, or one is missing.
pub async fn entries(tx: &mut Tx, from: u64, until: u64) -> Result<Vec<Vec<u8>>, StoreError> {
    let rows: Vec<(i64, Vec<u8>)> = on!(tx, c => sqlx::query_as(
        "SELECT leaf_index, leaf FROM log_entry WHERE leaf_index >= $1 AND leaf_index < $2 \
         ORDER BY leaf_index")
        .bind(stored(from)?).bind(stored(until)?).fetch_all(c).await)?;
    if rows.len() as u64 != until.saturating_sub(from) {
        return Err(StoreError::LogDamaged);
    }
    Ok(rows.into_iter().map(|(_, leaf)| leaf).collect())
}

/// The hashes that a tree of `size` leaves has in some tiles.
///
/// # Errors
/// When they can't be read, or one is missing.
pub async fn tiles(tx: &mut Tx, size: u64, ids: &BTreeSet<TileId>) -> Result<TileSet, StoreError> {
    let mut set = TileSet::default();
    for id in ids {
        set.insert(*id, &hashes(tx, *id, id.width(size)).await?)?;
    }
    Ok(set)
}

/// The first `width` hashes of a tile.
///
/// # Errors
/// When they can't be read, or one is missing.
pub async fn hashes(tx: &mut Tx, id: TileId, width: usize) -> Result<Vec<Hash>, StoreError> {
    let (level, first) = (i64::from(id.level), stored(id.first())?);
    let until = first + i64::try_from(width).map_err(|_| StoreError::Range)?;
    let rows: Vec<(i64, Vec<u8>)> = on!(tx, c => sqlx::query_as(
        "SELECT hash_index, hash FROM log_hash \
         WHERE level = $1 AND hash_index >= $2 AND hash_index < $3 ORDER BY hash_index")
        .bind(level).bind(first).bind(until).fetch_all(c).await)?;
    if rows.len() != width {
        return Err(StoreError::LogDamaged);
    }
    rows.iter().map(|(row, bytes)| hash(bytes, "log_hash", *row)).collect()
}

/// The tree's right edge as stored, checked against the head.
pub(super) async fn frontier(tx: &mut Tx, head: Option<&Head>) -> Result<Frontier, StoreError> {
    let Some(head) = head else { return Ok(Frontier::empty()) };
    let ids: BTreeSet<TileId> = Frontier::tiles(head.size).into_iter().collect();
    let frontier = Frontier::from_tiles(head.size, &tiles(tx, head.size, &ids).await?)?;
    if frontier.root()? == head.root { Ok(frontier) } else { Err(StoreError::LogDamaged) }
}
