//! Records that were not used when they were sent, and are since a later batch brought them again
//! after the choice had ended.
//!
//! Their sender was told that they were sent before. So they are undone with the file that sent
//! them first, and stay where the later one is undone.

use crate::{
    domain::BatchId,
    store::{
        StoreError, Tx,
        bulk::{self, Among, Column::Integers},
        tx::on,
    },
};
use std::collections::BTreeSet;

/// A record that is taken late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TakenLate {
    /// Its number as it is used.
    pub event_number: i64,
    /// The batch that its sender sent it in first.
    pub of_batch: BatchId,
    /// The number that it took there.
    pub of_number: i64,
}

/// Stages records that a batch takes late.
///
/// # Errors
/// When it can't be written.
pub async fn stage_late(
    tx: &mut Tx,
    batch: BatchId,
    records: &[TakenLate],
) -> Result<(), StoreError> {
    let all = || records.iter();
    bulk::insert_new(
        tx,
        "taken_late",
        &[
            ("event_number", Integers(all().map(|record| record.event_number).collect())),
            ("batch_id", Integers(vec![batch.number(); records.len()])),
            ("of_batch", Integers(all().map(|record| record.of_batch.number()).collect())),
            ("of_number", Integers(all().map(|record| record.of_number).collect())),
        ],
    )
    .await
}

/// The batches whose private details have the items of some records, where these were taken late.
///
/// # Errors
/// When they can't be read.
pub async fn late_items(tx: &mut Tx, numbers: &[i64]) -> Result<Vec<BatchId>, StoreError> {
    let rows: Vec<(i64,)> = bulk::select(
        tx,
        "SELECT batch_id FROM taken_late WHERE event_number",
        None,
        &Among::Numbers(numbers),
        "",
    )
    .await?;
    let batches: BTreeSet<i64> = rows.into_iter().map(|(batch,)| batch).collect();
    Ok(batches.into_iter().map(BatchId::new).collect())
}

/// The numbers as which some records are used that were not when they were sent.
///
/// # Errors
/// When they can't be read.
pub async fn used_as(tx: &mut Tx, numbers: &[i64]) -> Result<Vec<(i64, i64)>, StoreError> {
    bulk::select(
        tx,
        "SELECT t.of_number, t.event_number FROM taken_late t \
         JOIN batch b ON b.batch_id = t.batch_id AND b.state IN (1, 3) WHERE t.of_number",
        None,
        &Among::Numbers(numbers),
        "",
    )
    .await
}

/// Nothing is left of a record that was taken late.
///
/// # Errors
/// When it can't be written.
pub async fn forget_late(tx: &mut Tx, number: i64) -> Result<(), StoreError> {
    on!(tx, c => sqlx::query("DELETE FROM taken_late WHERE event_number = $1")
        .bind(number).execute(c).await.map(drop))?;
    Ok(())
}

/// Moves what a stream has to do with to the batches that it counts with, before the stream is
/// undone.
pub(in crate::store) async fn settle_late(tx: &mut Tx, stream: i64) -> Result<(), StoreError> {
    if let Tx::Postgres(postgres) = tx {
        // The sequencer may not touch what records say; a function of the owner moves just these.
        sqlx::query("SELECT settle_taken_late($1)").bind(stream).execute(&mut **postgres).await?;
        return Ok(());
    }
    for sql in [
        "UPDATE family_edge SET batch_id = t.of_batch FROM taken_late t \
         JOIN batch l ON l.batch_id = t.batch_id JOIN batch o ON o.batch_id = t.of_batch \
         WHERE family_edge.batch_id = t.batch_id \
         AND family_edge.event_number = t.event_number \
         AND l.state = 1 AND (l.stream = $1 OR o.stream = $2)",
        "UPDATE event SET batch_id = t.of_batch FROM taken_late t \
         JOIN batch l ON l.batch_id = t.batch_id JOIN batch o ON o.batch_id = t.of_batch \
         WHERE event.batch_id = t.batch_id AND event.event_number = t.event_number \
         AND l.state = 1 AND (l.stream = $1 OR o.stream = $2)",
        "UPDATE sent SET batch_id = t.of_batch FROM taken_late t \
         JOIN batch l ON l.batch_id = t.batch_id JOIN batch o ON o.batch_id = t.of_batch \
         WHERE sent.feed_id = l.feed_id AND sent.batch_id = t.batch_id \
         AND sent.event_number = t.event_number \
         AND l.state = 1 AND (l.stream = $1 OR o.stream = $2)",
        "UPDATE batch_keeping SET look_day = -2147483648 WHERE batch_id IN \
         (SELECT t.of_batch FROM taken_late t JOIN batch l ON l.batch_id = t.batch_id \
          JOIN batch o ON o.batch_id = t.of_batch \
          WHERE l.state = 1 AND (l.stream = $1 OR o.stream = $2))",
    ] {
        on!(&mut *tx, c => sqlx::query(sql).bind(stream).bind(stream).execute(c).await.map(drop))?;
    }
    Ok(())
}
