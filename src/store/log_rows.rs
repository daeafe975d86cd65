//! The log's tables as they lie, for an auditor: nothing is checked, nothing believed.
//!
//! Where [`super::log`] stops at the first row that is not as it must be, these read whatever
//! is there, also what no gateway would have written. Indices are those of the log that begins
//! at `base` (see [`super::log`]).

use super::{
    StoreError, Tx,
    error::stored,
    log::SPAN,
    tx::{on, on_either},
};
use sqlx::Row;

/// A log's head row, unchecked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadRow {
    /// Where the log begins.
    pub base: i64,
    /// How many leaves it states.
    pub size: i64,
    /// The root hash it states.
    pub root: Vec<u8>,
    /// The signed checkpoint.
    pub checkpoint: Vec<u8>,
    /// The time of the newest leaf it states, microseconds since 1970-01-01 UTC.
    pub at: i64,
}

/// The row of `log_head`, if there is one.
///
/// # Errors
/// When the database can't be read.
pub async fn head(tx: &mut Tx) -> Result<Option<HeadRow>, StoreError> {
    let sql = "SELECT base, size, root, checkpoint, at FROM log_head WHERE only_row = 1";
    Ok(heads(tx, sql).await?.pop())
}

/// The rows of `past_log`, the oldest first.
///
/// # Errors
/// When the database can't be read.
pub async fn past(tx: &mut Tx) -> Result<Vec<HeadRow>, StoreError> {
    heads(tx, "SELECT base, size, root, checkpoint, at FROM past_log ORDER BY base").await
}

async fn heads(tx: &mut Tx, sql: &'static str) -> Result<Vec<HeadRow>, StoreError> {
    // Unchecked: a changed row may hold another type, which must be seen and not stop us.
    on_either!(tx, c => sqlx::query(sql).fetch_all(c).await?.iter().map(|row| Ok(HeadRow {
        base: row.try_get_unchecked(0)?,
        size: row.try_get_unchecked(1)?,
        root: row.try_get_unchecked(2)?,
        checkpoint: row.try_get_unchecked(3)?,
        at: row.try_get_unchecked(4)?,
    })).collect())
}

/// The place of an index of a tile level (or of an entry, level 0); what would lie beyond all
/// places is the last.
fn place(base: u64, level: u8, index: u64) -> Result<i64, StoreError> {
    let first = base.checked_shr(u32::from(level) * 8).unwrap_or(0);
    stored(first.saturating_add(index).min(i64::MAX.unsigned_abs()))
}

/// The entries of `from..until` that are there, by their index.
///
/// # Errors
/// When the database can't be read.
pub async fn entries(
    tx: &mut Tx,
    base: u64,
    from: u64,
    until: u64,
) -> Result<Vec<(i64, Vec<u8>)>, StoreError> {
    let sql = "SELECT leaf_index - $3, leaf FROM log_entry \
               WHERE leaf_index >= $1 AND leaf_index < $2 ORDER BY leaf_index";
    on_either!(tx, c => sqlx::query(sql).bind(place(base, 0, from)?).bind(place(base, 0, until)?)
        .bind(stored(base)?).fetch_all(c).await?.iter()
        .map(|row| Ok((row.try_get_unchecked(0)?, row.try_get_unchecked(1)?))).collect())
}

/// The hashes `from..until` of a level that are there, by their index.
///
/// # Errors
/// When the database can't be read.
pub async fn hashes(
    tx: &mut Tx,
    base: u64,
    level: u8,
    from: u64,
    until: u64,
) -> Result<Vec<(i64, Vec<u8>)>, StoreError> {
    let sql = "SELECT hash_index - $4, hash FROM log_hash \
               WHERE level = $1 AND hash_index >= $2 AND hash_index < $3 ORDER BY hash_index";
    on_either!(tx, c => sqlx::query(sql).bind(i64::from(level)).bind(place(base, level, from)?)
        .bind(place(base, level, until)?).bind(place(base, level, 0)?)
        .fetch_all(c).await?.iter()
        .map(|row| Ok((row.try_get_unchecked(0)?, row.try_get_unchecked(1)?))).collect())
}

/// One past the greatest index among entries and leaf hashes.
///
/// # Errors
/// When the database can't be read.
pub async fn end(tx: &mut Tx, base: u64) -> Result<i64, StoreError> {
    let sql = "SELECT COALESCE(MAX(last), $1 - 1) + 1 - $1 FROM \
               (SELECT MAX(leaf_index) AS last FROM log_entry \
                WHERE leaf_index >= $1 AND leaf_index < $2 \
                UNION ALL SELECT MAX(hash_index) FROM log_hash \
                WHERE level = 0 AND hash_index >= $1 AND hash_index < $2) AS ends";
    let (end,): (i64,) = on!(tx, c => sqlx::query_as(sql).bind(stored(base)?)
        .bind(place(base, 0, SPAN)?).fetch_one(c).await)?;
    Ok(end)
}

/// Entries that no log has, at most so many: after the `size` of the log at `base`, or, of the
/// log that grows (`last`), beyond the places of every log.
///
/// # Errors
/// When the database can't be read.
pub async fn entries_beyond(
    tx: &mut Tx,
    (base, last): (u64, bool),
    size: u64,
    most: usize,
) -> Result<Vec<i64>, StoreError> {
    let until = if last { i64::MAX } else { place(base, 0, SPAN)? };
    let below = if last { 0 } else { i64::MIN };
    let sql = "SELECT leaf_index - $5 FROM log_entry \
               WHERE leaf_index < $1 OR (leaf_index >= $2 AND leaf_index < $3) \
               ORDER BY leaf_index LIMIT $4";
    let rows: Vec<(i64,)> = on!(tx, c => sqlx::query_as(sql).bind(below)
        .bind(place(base, 0, size)?).bind(until).bind(stored(most as u64)?).bind(stored(base)?)
        .fetch_all(c).await)?;
    Ok(rows.into_iter().map(|(index,)| index).collect())
}

/// Hashes of a level that no log has, at most so many, as [`entries_beyond`].
///
/// # Errors
/// When the database can't be read.
pub async fn hashes_beyond(
    tx: &mut Tx,
    (base, last): (u64, bool),
    level: u8,
    length: u64,
    most: usize,
) -> Result<Vec<(i64, i64)>, StoreError> {
    let first = place(base, level, 0)?;
    let (next, _) = (base + SPAN).overflowing_shr(u32::from(level) * 8);
    let until = if last { i64::MAX } else { stored(next)? };
    let below = if last { 0 } else { i64::MIN };
    let sql = "SELECT level, hash_index - $6 FROM log_hash \
               WHERE level = $1 AND (hash_index < $2 OR (hash_index >= $3 AND hash_index < $4)) \
               ORDER BY hash_index LIMIT $5";
    let rows = on!(tx, c => sqlx::query_as(sql).bind(i64::from(level)).bind(below)
        .bind(place(base, level, length)?).bind(until).bind(stored(most as u64)?).bind(first)
        .fetch_all(c).await)?;
    Ok(rows)
}

/// Hashes of levels that no log has, at most so many.
///
/// # Errors
/// When the database can't be read.
pub async fn hashes_of_no_level(tx: &mut Tx, most: usize) -> Result<Vec<(i64, i64)>, StoreError> {
    let sql = "SELECT level, hash_index FROM log_hash WHERE level < 0 OR level > 7 \
               ORDER BY level, hash_index LIMIT $1";
    let rows = on!(tx, c => sqlx::query_as(sql).bind(stored(most as u64)?).fetch_all(c).await)?;
    Ok(rows)
}
