//! Records that were not used because of a case: whether their sender sent them before, and
//! nothing else.

use crate::{
    domain::{BatchId, FeedId},
    store::{
        StoreError, Tx,
        bulk::{
            self, Among,
            Column::{Bytes, Integers},
        },
        error::key16,
        feeds,
        tx::on,
    },
};
use std::collections::BTreeMap;

/// Where a record that was not used is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dropped {
    /// The number that it took.
    pub event_number: i64,
    /// The batch it came in.
    pub batch: BatchId,
    /// Whether that batch was accepted.
    pub accepted: bool,
    /// Whether that batch was undone.
    pub undone: bool,
}

/// Which of these records a feed has sent that were not used.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn dropped(
    tx: &mut Tx,
    feed: FeedId,
    tokens: &[[u8; 16]],
) -> Result<BTreeMap<[u8; 16], Dropped>, StoreError> {
    let rows: Vec<(Vec<u8>, i64, i64, i64)> = bulk::select(
        tx,
        "SELECT d.token, d.event_number, d.batch_id, b.state FROM dropped d \
         JOIN batch b ON b.batch_id = d.batch_id WHERE d.feed_id = $1 AND d.token",
        Some(feed.number()),
        &Among::Keys(tokens),
        "",
    )
    .await?;
    let known = |(token, event_number, batch, state): (Vec<u8>, i64, i64, i64)| {
        let (accepted, undone) = (state == feeds::ACCEPTED, state == feeds::UNDONE);
        let batch = BatchId::new(batch);
        Ok((key16(&token, "dropped", "token")?, Dropped { event_number, batch, accepted, undone }))
    };
    rows.into_iter().map(known).collect()
}

/// Stages records that are not used: their keys as suppressions, and numbers.
///
/// # Errors
/// When it can't be written.
pub async fn stage_dropped(
    tx: &mut Tx,
    feed: FeedId,
    batch: BatchId,
    records: &[([u8; 16], i64)],
) -> Result<(), StoreError> {
    bulk::insert_new(
        tx,
        "dropped",
        &[
            ("feed_id", Integers(vec![feed.number(); records.len()])),
            ("token", Bytes(records.iter().map(|(token, _)| &token[..]).collect())),
            ("batch_id", Integers(vec![batch.number(); records.len()])),
            ("event_number", Integers(records.iter().map(|(_, number)| *number).collect())),
        ],
    )
    .await
}

/// Forgets records that were not used: their sender wants them erased, or sends them anew.
///
/// # Errors
/// When it can't be written.
pub async fn forget_dropped(
    tx: &mut Tx,
    feed: FeedId,
    tokens: &[[u8; 16]],
) -> Result<(), StoreError> {
    for token in tokens {
        on!(&mut *tx, c => sqlx::query("DELETE FROM dropped WHERE feed_id = $1 AND token = $2")
            .bind(feed.number()).bind(&token[..]).execute(c).await.map(drop))?;
        on!(&mut *tx, c => sqlx::query("DELETE FROM dropped_case WHERE feed_id = $1 AND token = $2")
            .bind(feed.number()).bind(&token[..]).execute(c).await.map(drop))?;
    }
    Ok(())
}

/// Keeps which cases records were not used because of.
///
/// # Errors
/// When it can't be written.
pub async fn stage_dropped_by(
    tx: &mut Tx,
    feed: FeedId,
    cases: &[([u8; 16], i64)],
) -> Result<(), StoreError> {
    bulk::insert(
        tx,
        "dropped_case",
        &[
            ("feed_id", Integers(vec![feed.number(); cases.len()])),
            ("token", Bytes(cases.iter().map(|(token, _)| &token[..]).collect())),
            ("case_id", Integers(cases.iter().map(|(_, case)| *case).collect())),
        ],
        "ON CONFLICT DO NOTHING",
    )
    .await
    .map(drop)
}

/// The cases that a record was not used because of.
///
/// # Errors
/// When they can't be read.
pub async fn dropped_by(
    tx: &mut Tx,
    feed: FeedId,
    token: &[u8; 16],
) -> Result<Vec<i64>, StoreError> {
    let rows: Vec<(i64,)> = on!(tx, c => sqlx::query_as(
        "SELECT case_id FROM dropped_case WHERE feed_id = $1 AND token = $2 ORDER BY case_id")
        .bind(feed.number()).bind(&token[..]).fetch_all(c).await)?;
    Ok(rows.into_iter().map(|(case,)| case).collect())
}
