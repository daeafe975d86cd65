//! Private details, sealed by whoever hands them in: nothing here can read them.
//!
//! A batch's detail is staged with its rows and found by its commitment, which is the batch's
//! digest; any other act's is written by the sequencer with the leaf, and found by the leaf's
//! time and index (an index alone is good for one of the log's years).

use super::{
    Effect, StoreError, Tx,
    bulk::{
        self,
        Column::{Bytes, Integers},
    },
    error::stored,
    tx::on,
};
use crate::domain::BatchId;
use jiff::Timestamp;

/// A detail to be kept with an act's leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The first eight bytes of the leaf's commitment, which the sealing binds.
    pub mark: i64,
    /// The sealed form.
    pub sealed: Vec<u8>,
}

impl Kept {
    /// The effect that keeps it beside another one.
    #[must_use]
    pub fn with(self, effect: Effect) -> Effect {
        Effect::Keep(Box::new((self, effect)))
    }
}

/// Keeps the details of acts whose leaves begin at `first`, each with its place among them.
pub(super) async fn insert(
    tx: &mut Tx,
    at: Timestamp,
    first: u64,
    kept: &[(u64, &Kept)],
) -> Result<(), StoreError> {
    if kept.is_empty() {
        return Ok(());
    }
    let indices: Result<Vec<i64>, StoreError> =
        kept.iter().map(|(place, _)| stored(first.saturating_add(*place))).collect();
    bulk::insert_new(
        tx,
        "act_detail",
        &[
            ("at", Integers(vec![at.as_microsecond(); kept.len()])),
            ("leaf_index", Integers(indices?)),
            ("mark", Integers(kept.iter().map(|(_, kept)| kept.mark).collect())),
            ("sealed", Bytes(kept.iter().map(|(_, kept)| &*kept.sealed).collect())),
        ],
    )
    .await
}

/// The detail of the act whose leaf has this time and index, if one is kept.
///
/// # Errors
/// When it can't be read.
pub async fn of_act(tx: &mut Tx, at: Timestamp, index: u64) -> Result<Option<Kept>, StoreError> {
    let row: Option<(i64, Vec<u8>)> = on!(tx, c => sqlx::query_as(
        "SELECT mark, sealed FROM act_detail WHERE at = $1 AND leaf_index = $2")
        .bind(at.as_microsecond()).bind(stored(index)?).fetch_optional(c).await)?;
    Ok(row.map(|(mark, sealed)| Kept { mark, sealed }))
}

/// Stages a batch's detail.
///
/// # Errors
/// When it can't be written.
pub async fn stage(tx: &mut Tx, batch: BatchId, sealed: &[u8]) -> Result<(), StoreError> {
    on!(tx, c => sqlx::query("INSERT INTO batch_detail (batch_id, sealed) VALUES ($1, $2)")
        .bind(batch.number()).bind(sealed).execute(c).await.map(drop))?;
    Ok(())
}

/// A batch's detail; `None` for batches from before there were any.
///
/// # Errors
/// When it can't be read.
pub async fn of_batch(tx: &mut Tx, batch: BatchId) -> Result<Option<Vec<u8>>, StoreError> {
    let row: Option<(Vec<u8>,)> = on!(tx, c => sqlx::query_as(
        "SELECT sealed FROM batch_detail WHERE batch_id = $1")
        .bind(batch.number()).fetch_optional(c).await)?;
    Ok(row.map(|(sealed,)| sealed))
}

/// Puts a batch's detail in place of an earlier form of it.
///
/// # Errors
/// [`StoreError::Unchanged`] when it was another one already.
pub async fn replace(
    tx: &mut Tx,
    batch: BatchId,
    old: &[u8],
    new: &[u8],
) -> Result<(), StoreError> {
    let rows = on!(tx, c => sqlx::query(
        "UPDATE batch_detail SET sealed = $1 WHERE batch_id = $2 AND sealed = $3")
        .bind(new).bind(batch.number()).bind(old)
        .execute(c).await.map(|done| done.rows_affected()))?;
    bulk::touched(rows, 1, "batch_detail")
}

/// The batch with this commitment.
///
/// # Errors
/// When it can't be read.
pub async fn batch_with(tx: &mut Tx, digest: &[u8; 32]) -> Result<Option<BatchId>, StoreError> {
    let row: Option<(i64,)> = on!(tx, c => sqlx::query_as(
        "SELECT batch_id FROM batch WHERE digest = $1").bind(&digest[..]).fetch_optional(c).await)?;
    Ok(row.map(|(id,)| BatchId::new(id)))
}

/// The details of batches after one, in order, at most so many.
///
/// # Errors
/// When they can't be read.
pub async fn batches_after(
    tx: &mut Tx,
    after: BatchId,
    most: i64,
) -> Result<Vec<(BatchId, Vec<u8>)>, StoreError> {
    let rows: Vec<(i64, Vec<u8>)> = on!(tx, c => sqlx::query_as(
        "SELECT batch_id, sealed FROM batch_detail WHERE batch_id > $1 \
         ORDER BY batch_id LIMIT $2").bind(after.number()).bind(most).fetch_all(c).await)?;
    Ok(rows.into_iter().map(|(id, sealed)| (BatchId::new(id), sealed)).collect())
}

/// Where an act's detail is: its leaf's time, microseconds since 1970-01-01 UTC, and index.
pub type ActPlace = (i64, i64);

/// The details of acts after one, in order, at most so many.
///
/// # Errors
/// When they can't be read.
pub async fn acts_after(
    tx: &mut Tx,
    after: ActPlace,
    most: i64,
) -> Result<Vec<(ActPlace, Kept)>, StoreError> {
    let rows: Vec<(i64, i64, i64, Vec<u8>)> = on!(tx, c => sqlx::query_as(
        "SELECT at, leaf_index, mark, sealed FROM act_detail \
         WHERE at > $1 OR (at = $2 AND leaf_index > $3) ORDER BY at, leaf_index LIMIT $4")
        .bind(after.0).bind(after.0).bind(after.1).bind(most).fetch_all(c).await)?;
    Ok(rows
        .into_iter()
        .map(|(at, index, mark, sealed)| ((at, index), Kept { mark, sealed }))
        .collect())
}

/// Puts another sealed form in place of an act's.
///
/// # Errors
/// [`StoreError::Unchanged`] when it is not there.
pub async fn replace_act(tx: &mut Tx, place: ActPlace, sealed: &[u8]) -> Result<(), StoreError> {
    let rows = on!(tx, c => sqlx::query(
        "UPDATE act_detail SET sealed = $1 WHERE at = $2 AND leaf_index = $3")
        .bind(sealed).bind(place.0).bind(place.1)
        .execute(c).await.map(|done| done.rows_affected()))?;
    bulk::touched(rows, 1, "act_detail")
}
