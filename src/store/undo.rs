//! Streams that their sender took back.
//!
//! An undone batch keeps its rows: they count for nothing, since only accepted batches do,
//! and its records may be sent again. That a stream is undone is written once and stays, so
//! that no batch of it is accepted later, through whichever gateway. What was taken late moves to
//! the batch that its sender sent it in first, and is undone with that one alone.

use super::{
    StoreError, Tx, bulk, cases,
    error::{counted, stored},
    feeds::{ACCEPTED, UNDONE},
    tx::on,
};
use crate::domain::{FeedId, PartnerId, RecordType};
use jiff::Timestamp;

/// A stream to undo, as it was when that was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undo {
    /// The place of its "opened" leaf among those of all years.
    pub stream: u64,
    /// Its feed.
    pub feed: FeedId,
    /// Why, a code.
    pub cause: &'static str,
    /// Its accepted batches.
    pub batches: u64,
    /// The records, and withdrawals of records, that they brought.
    pub records: u64,
}

/// What became of a stream that was undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Undone {
    /// How many batches.
    pub batches: u64,
    /// The records, and withdrawals of records, that they brought.
    pub records: u64,
    /// When, microseconds since 1970-01-01 UTC.
    pub undone_at: i64,
}

/// The feed of a stream's accepted batches, how many they are, and their records; `None`
/// when it has none.
///
/// # Errors
/// When they can't be read.
pub async fn accepted(tx: &mut Tx, stream: u64) -> Result<Option<(FeedId, u64, u64)>, StoreError> {
    let row: Option<(i64, i64, i64)> = on!(tx, c => sqlx::query_as(
        "SELECT feed_id, COUNT(*), CAST(SUM(records) AS BIGINT) FROM batch \
         WHERE stream = $1 AND state = $2 GROUP BY feed_id")
        .bind(stored(stream)?).bind(ACCEPTED).fetch_optional(c).await)?;
    row.map(|(feed, batches, records)| {
        Ok((FeedId::new(feed), counted(batches)?, counted(records)?))
    })
    .transpose()
}

/// What was undone of a stream, if it was.
///
/// # Errors
/// When it can't be read.
pub async fn undone(tx: &mut Tx, stream: u64) -> Result<Option<Undone>, StoreError> {
    let row: Option<(i64, i64, i64)> = on!(tx, c => sqlx::query_as(
        "SELECT batches, records, undone_at FROM stream_undo WHERE stream = $1")
        .bind(stored(stream)?).fetch_optional(c).await)?;
    row.map(|(batches, records, undone_at)| {
        Ok(Undone { batches: counted(batches)?, records: counted(records)?, undone_at })
    })
    .transpose()
}

/// The feeds of which a stream was undone after a moment, in microseconds since 1970-01-01
/// UTC, each once.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn feeds_since(
    tx: &mut Tx,
    since: i64,
) -> Result<Vec<(PartnerId, RecordType)>, StoreError> {
    let rows: Vec<(String, i64)> = on!(tx, c => sqlx::query_as(
        "SELECT DISTINCT f.partner_id, f.record_type FROM stream_undo u \
         JOIN feed f ON f.feed_id = u.feed_id WHERE u.undone_at > $1 \
         ORDER BY f.partner_id, f.record_type")
        .bind(since).fetch_all(c).await)?;
    rows.into_iter().map(super::feeds::named).collect()
}

/// Undoes every accepted batch of a stream.
pub(super) async fn apply(tx: &mut Tx, undo: &Undo, at: Timestamp) -> Result<(), StoreError> {
    let stream = stored(undo.stream)?;
    cases::settle_late(tx, stream).await?;
    let rows = on!(&mut *tx, c => sqlx::query(
        "INSERT INTO stream_undo (stream, feed_id, cause, batches, records, undone_at) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING")
        .bind(stream).bind(undo.feed.number()).bind(undo.cause)
        .bind(stored(undo.batches)?).bind(stored(undo.records)?).bind(at.as_microsecond())
        .execute(c).await.map(|done| done.rows_affected()))?;
    bulk::touched(rows, 1, "stream_undo")?;
    let rows = on!(tx, c => sqlx::query(
        "UPDATE batch SET state = $1 WHERE stream = $2 AND state = $3")
        .bind(UNDONE).bind(stream).bind(ACCEPTED)
        .execute(c).await.map(|done| done.rows_affected()))?;
    // Where one more was accepted meanwhile the leaf would say too little: decide anew.
    if rows == undo.batches { Ok(()) } else { Err(StoreError::Unchanged { table: "batch" }) }
}
