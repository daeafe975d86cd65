//! The access log's tables: entries, tree hashes, and the head row.
//!
//! Each year's log is a tree of its own under a name of its own. All of them lie in the same
//! tables: the log that begins at `base`, a multiple of [`SPAN`], has its entry `i` at
//! `base + i` and its hash `i` of tile level `l` at `base / 256^l + i`, which are whole numbers
//! for every level that a log of fewer than [`SPAN`] entries has.

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

/// How many entries a log may have before the next one's place begins.
pub const SPAN: u64 = 1 << 40;

/// The newest state of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Where the log begins in the tables.
    pub base: u64,
    /// How many leaves.
    pub size: u64,
    /// The root hash.
    pub root: Hash,
    /// The signed checkpoint.
    pub checkpoint: String,
    /// The time of the newest leaf, microseconds since 1970-01-01 UTC.
    pub at: i64,
}

impl Head {
    /// The log's name: the first line of its checkpoint.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.checkpoint.lines().next().unwrap_or_default()
    }
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
    read_head(tx, "SELECT base, size, root, checkpoint, at FROM log_head WHERE only_row = 1").await
}

/// The logs of earlier years as they ended, the oldest first.
///
/// # Errors
/// When they can't be read or are corrupt.
pub async fn past(tx: &mut Tx) -> Result<Vec<Head>, StoreError> {
    let rows: Vec<HeadColumns> = on!(tx, c => sqlx::query_as(
        "SELECT base, size, root, checkpoint, at FROM past_log ORDER BY base")
        .fetch_all(c).await)?;
    rows.into_iter().map(|row| head_of(row, "past_log")).collect()
}

/// Ends a log: it stays as it is, for ever.
pub(super) async fn end(tx: &mut Tx, head: &Head) -> Result<(), StoreError> {
    on!(tx, c => sqlx::query(
        "INSERT INTO past_log (base, size, root, checkpoint, at) VALUES ($1, $2, $3, $4, $5)")
        .bind(stored(head.base)?).bind(stored(head.size)?).bind(&head.root.as_bytes()[..])
        .bind(&*head.checkpoint).bind(head.at)
        .execute(c).await.map(drop))?;
    Ok(())
}

/// The head, which no other gateway can move until this transaction ends.
pub(super) async fn lock_head(tx: &mut Tx) -> Result<Option<Head>, StoreError> {
    let sql = "SELECT base, size, root, checkpoint, at FROM log_head WHERE only_row = 1 FOR UPDATE";
    read_head(tx, sql).await
}

type HeadColumns = (i64, i64, Vec<u8>, String, i64);

async fn read_head(tx: &mut Tx, sql: &'static str) -> Result<Option<Head>, StoreError> {
    #[cfg(test)]
    super::faults::name(sql);
    let row: Option<HeadColumns> = on!(tx, c => sqlx::query_as(sql).fetch_optional(c).await)?;
    row.map(|row| head_of(row, "log_head")).transpose()
}

fn head_of(row: HeadColumns, table: &'static str) -> Result<Head, StoreError> {
    let (base, size, root, checkpoint, at) = row;
    let root = hash(&root, table, 1)?;
    Ok(Head { base: counted(base)?, size: counted(size)?, root, checkpoint, at })
}

/// What a transaction adds to the log.
#[derive(Debug)]
pub(super) struct Growth<'a> {
    /// Where the log begins in the tables.
    pub(super) base: u64,
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
            insert_hashes(tx, growth).await?;
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
    let levels: Vec<i64> = growth.hashes.iter().map(|new| i64::from(new.level)).collect();
    let hashes: Vec<&[u8]> = growth.hashes.iter().map(|new| &new.hash.as_bytes()[..]).collect();
    #[cfg(test)]
    let due = super::faults::before_on_postgres(tx, "WITH entries").await?;
    let done = sqlx::query(
        "WITH entries AS (INSERT INTO log_entry (leaf_index, leaf) \
             SELECT * FROM UNNEST($1::BIGINT[], $2::BYTEA[])), \
         hashes AS (INSERT INTO log_hash (level, hash_index, hash) \
             SELECT * FROM UNNEST($3::BIGINT[], $4::BIGINT[], $5::BYTEA[])) \
         UPDATE log_head SET size = $6, root = $7, checkpoint = $8, at = $9, base = $12 \
             WHERE only_row = 1 AND size = $10 AND root = $11 AND base = $13",
    )
    .bind(numbers(growth)?)
    .bind(leaves)
    .bind(levels)
    .bind(hash_numbers(growth)?)
    .bind(hashes)
    .bind(stored(new.size)?)
    .bind(&new.root.as_bytes()[..])
    .bind(&*new.checkpoint)
    .bind(new.at)
    .bind(stored(old.size)?)
    .bind(&old.root.as_bytes()[..])
    .bind(stored(new.base)?)
    .bind(stored(old.base)?)
    .execute(&mut **tx)
    .await?;
    #[cfg(test)]
    super::faults::after_on_postgres(tx, due).await?;
    Ok(done.rows_affected() == 1)
}

/// The places of the new entries.
fn numbers(growth: &Growth<'_>) -> Result<Vec<i64>, StoreError> {
    let until = growth.first + growth.leaves.len() as u64;
    // The place after belongs to the next year's log.
    if until >= SPAN {
        return Err(StoreError::Range);
    }
    Ok((stored(growth.base + growth.first)?..stored(growth.base + until)?).collect())
}

/// The places of the new hashes.
fn hash_numbers(growth: &Growth<'_>) -> Result<Vec<i64>, StoreError> {
    growth.hashes.iter().map(|new| stored(first_hash(growth.base, new.level) + new.index)).collect()
}

/// The place of a log's first hash of a tile level.
fn first_hash(base: u64, level: u8) -> u64 {
    base.checked_shr(u32::from(level) * 8).unwrap_or(0)
}

async fn swap_head(tx: &mut Tx, old: Option<&Head>, new: &Head) -> Result<bool, StoreError> {
    let (size, root) = (stored(new.size)?, new.root.as_bytes().to_vec());
    let rows = if let Some(old) = old {
        let (old_size, old_root) = (stored(old.size)?, old.root.as_bytes().to_vec());
        on!(tx, c => sqlx::query(
            "UPDATE log_head SET size = $1, root = $2, checkpoint = $3, at = $4, base = $5 \
             WHERE only_row = 1 AND size = $6 AND root = $7 AND base = $8")
            .bind(size).bind(root).bind(&*new.checkpoint).bind(new.at).bind(stored(new.base)?)
            .bind(old_size).bind(old_root).bind(stored(old.base)?)
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

async fn insert_hashes(tx: &mut Tx, growth: &Growth<'_>) -> Result<(), StoreError> {
    let hashes = growth.hashes;
    bulk::insert_new(
        tx,
        "log_hash",
        &[
            ("level", Integers(hashes.iter().map(|new| i64::from(new.level)).collect())),
            ("hash_index", Integers(hash_numbers(growth)?)),
            ("hash", Bytes(hashes.iter().map(|new| &new.hash.as_bytes()[..]).collect())),
        ],
    )
    .await
}

/// Where the log that grows begins in the tables.
async fn base(tx: &mut Tx) -> Result<u64, StoreError> {
    let row: Option<(i64,)> = on!(tx, c => sqlx::query_as(
        "SELECT base FROM log_head WHERE only_row = 1").fetch_optional(c).await)?;
    row.map_or(Ok(0), |(base,)| counted(base))
}

/// The entries `from..until` of the log that grows, in order.
///
/// # Errors
/// When they can't be read, or one is missing.
pub async fn entries(tx: &mut Tx, from: u64, until: u64) -> Result<Vec<Vec<u8>>, StoreError> {
    let base = base(tx).await?;
    entries_of(tx, base, from, until).await
}

/// The entries `from..until` of the log that begins at `base`, in order.
///
/// # Errors
/// When they can't be read, or one is missing.
pub async fn entries_of(
    tx: &mut Tx,
    base: u64,
    from: u64,
    until: u64,
) -> Result<Vec<Vec<u8>>, StoreError> {
    let place = |index: u64| base.checked_add(index).ok_or(StoreError::Range).and_then(stored);
    let rows: Vec<(i64, Vec<u8>)> = on!(tx, c => sqlx::query_as(
        "SELECT leaf_index, leaf FROM log_entry WHERE leaf_index >= $1 AND leaf_index < $2 \
         ORDER BY leaf_index")
        .bind(place(from)?).bind(place(until)?).fetch_all(c).await)?;
    if rows.len() as u64 != until.saturating_sub(from) {
        return Err(StoreError::LogDamaged);
    }
    Ok(rows.into_iter().map(|(_, leaf)| leaf).collect())
}

/// The hashes that a tree of `size` leaves has in some tiles of the log that grows.
///
/// # Errors
/// When they can't be read, or one is missing.
pub async fn tiles(tx: &mut Tx, size: u64, ids: &BTreeSet<TileId>) -> Result<TileSet, StoreError> {
    let base = base(tx).await?;
    tiles_of(tx, base, size, ids).await
}

/// The same of the log that begins at `base`.
///
/// # Errors
/// When they can't be read, or one is missing.
pub async fn tiles_of(
    tx: &mut Tx,
    base: u64,
    size: u64,
    ids: &BTreeSet<TileId>,
) -> Result<TileSet, StoreError> {
    let mut set = TileSet::default();
    for id in ids {
        set.insert(*id, &hashes_of(tx, base, *id, id.width(size)).await?)?;
    }
    Ok(set)
}

/// The first `width` hashes of a tile of the log that grows.
///
/// # Errors
/// When they can't be read, or one is missing.
pub async fn hashes(tx: &mut Tx, id: TileId, width: usize) -> Result<Vec<Hash>, StoreError> {
    let base = base(tx).await?;
    hashes_of(tx, base, id, width).await
}

/// The same of the log that begins at `base`.
///
/// # Errors
/// When they can't be read, or one is missing.
pub async fn hashes_of(
    tx: &mut Tx,
    base: u64,
    id: TileId,
    width: usize,
) -> Result<Vec<Hash>, StoreError> {
    let (level, first) = (i64::from(id.level), stored(first_hash(base, id.level) + id.first())?);
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
    let tiles = tiles_of(tx, head.base, head.size, &ids).await?;
    let frontier = Frontier::from_tiles(head.size, &tiles)?;
    if frontier.root()? == head.root { Ok(frontier) } else { Err(StoreError::LogDamaged) }
}
