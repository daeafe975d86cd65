//! The log's tables as they lie, for an auditor: nothing is checked, nothing believed.
//!
//! Where [`super::log`] stops at the first row that is not as it must be, these read whatever
//! is there, also what no gateway would have written.

use super::{
    StoreError, Tx,
    error::stored,
    tx::{on, on_either},
};
use sqlx::Row;

/// The head row, unchecked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadRow {
    /// How many leaves it states.
    pub size: i64,
    /// The root hash it states.
    pub root: Vec<u8>,
    /// The signed checkpoint.
    pub checkpoint: Vec<u8>,
    /// The time of the newest leaf it states, microseconds since 1970-01-01 UTC.
    pub at: i64,
}

/// The head row, if there is one.
///
/// # Errors
/// When the database can't be read.
pub async fn head(tx: &mut Tx) -> Result<Option<HeadRow>, StoreError> {
    let sql = "SELECT size, root, checkpoint, at FROM log_head WHERE only_row = 1";
    // Unchecked: a changed row may hold another type, which must be seen and not stop us.
    on_either!(tx, c => sqlx::query(sql).fetch_optional(c).await?.map(|row| Ok(HeadRow {
        size: row.try_get_unchecked(0)?,
        root: row.try_get_unchecked(1)?,
        checkpoint: row.try_get_unchecked(2)?,
        at: row.try_get_unchecked(3)?,
    })).transpose())
}

/// The entries of `from..until` that are there, by their index.
///
/// # Errors
/// When the database can't be read.
pub async fn entries(
    tx: &mut Tx,
    from: u64,
    until: u64,
) -> Result<Vec<(i64, Vec<u8>)>, StoreError> {
    let sql = "SELECT leaf_index, leaf FROM log_entry \
               WHERE leaf_index >= $1 AND leaf_index < $2 ORDER BY leaf_index";
    on_either!(tx, c => sqlx::query(sql).bind(stored(from)?).bind(stored(until)?)
        .fetch_all(c).await?.iter()
        .map(|row| Ok((row.try_get_unchecked(0)?, row.try_get_unchecked(1)?))).collect())
}

/// The hashes `from..until` of a level that are there, by their index.
///
/// # Errors
/// When the database can't be read.
pub async fn hashes(
    tx: &mut Tx,
    level: u8,
    from: u64,
    until: u64,
) -> Result<Vec<(i64, Vec<u8>)>, StoreError> {
    let sql = "SELECT hash_index, hash FROM log_hash \
               WHERE level = $1 AND hash_index >= $2 AND hash_index < $3 ORDER BY hash_index";
    on_either!(tx, c => sqlx::query(sql).bind(i64::from(level)).bind(stored(from)?).bind(stored(until)?)
        .fetch_all(c).await?.iter()
        .map(|row| Ok((row.try_get_unchecked(0)?, row.try_get_unchecked(1)?))).collect())
}

/// One past the greatest index among entries and leaf hashes.
///
/// # Errors
/// When the database can't be read.
pub async fn end(tx: &mut Tx) -> Result<i64, StoreError> {
    let sql = "SELECT COALESCE(MAX(last), -1) + 1 FROM \
               (SELECT MAX(leaf_index) AS last FROM log_entry \
                UNION ALL SELECT MAX(hash_index) FROM log_hash WHERE level = 0) AS ends";
    let (end,): (i64,) = on!(tx, c => sqlx::query_as(sql).fetch_one(c).await)?;
    Ok(end)
}

/// Entries outside `0..size`, at most so many.
///
/// # Errors
/// When the database can't be read.
pub async fn entries_beyond(tx: &mut Tx, size: u64, most: usize) -> Result<Vec<i64>, StoreError> {
    let sql = "SELECT leaf_index FROM log_entry \
               WHERE leaf_index < 0 OR leaf_index >= $1 ORDER BY leaf_index LIMIT $2";
    let rows: Vec<(i64,)> = on!(tx, c => sqlx::query_as(sql).bind(stored(size)?)
        .bind(stored(most as u64)?).fetch_all(c).await)?;
    Ok(rows.into_iter().map(|(index,)| index).collect())
}

/// Hashes of a level outside `0..length`, at most so many.
///
/// # Errors
/// When the database can't be read.
pub async fn hashes_beyond(
    tx: &mut Tx,
    level: u8,
    length: u64,
    most: usize,
) -> Result<Vec<(i64, i64)>, StoreError> {
    let sql = "SELECT level, hash_index FROM log_hash \
               WHERE level = $1 AND (hash_index < 0 OR hash_index >= $2) \
               ORDER BY hash_index LIMIT $3";
    let rows = on!(tx, c => sqlx::query_as(sql).bind(i64::from(level)).bind(stored(length)?)
        .bind(stored(most as u64)?).fetch_all(c).await)?;
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
