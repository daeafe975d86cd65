//! Feeds and their batches: staged, accepted, abandoned, undone.

use super::{StoreError, Tx, bulk, error::stored, tx::on};
use crate::domain::{BatchId, FeedId, PartnerId, ProtocolId, RecordType};
use jiff::{Timestamp, civil::Date};

/// Staged: durable, but counted by nobody.
pub(super) const STAGED: i64 = 0;
/// Accepted: counts.
pub(super) const ACCEPTED: i64 = 1;
/// Abandoned: its records may be sent again.
pub(super) const ABANDONED: i64 = 2;
/// Undone by its sender: kept, counts no more, and its records may be sent again.
pub(super) const UNDONE: i64 = 3;

/// What a batch is staged with.
#[derive(Debug, Clone)]
pub struct NewBatch {
    /// Its feed.
    pub feed: FeedId,
    /// The day the extract stands for, days since 1970-01-01.
    pub extract_day: i32,
    /// The commitment to its private detail, an item a record.
    pub digest: [u8; 32],
    /// The protocol relied on.
    pub protocol: ProtocolId,
    /// Its version.
    pub protocol_version: u32,
    /// When it is staged.
    pub staged_at: Timestamp,
    /// The place of its stream's "opened" leaf among those of all years.
    pub stream: u64,
    /// The records, and withdrawals of records, that it brings.
    pub records: u64,
}

/// The feed of a partner's records of one type, made when it is new.
///
/// # Errors
/// When it can't be read or written.
pub async fn feed(
    tx: &mut Tx,
    partner: &PartnerId,
    record_type: RecordType,
) -> Result<FeedId, StoreError> {
    if let Some(known) = known(tx, partner, record_type).await? {
        return Ok(known);
    }
    let id = tx.take_numbers("feed", 1).await?;
    let (id,): (i64,) = on!(tx, c => sqlx::query_as(
        "INSERT INTO feed (feed_id, partner_id, record_type) VALUES ($1, $2, $3) \
         ON CONFLICT (partner_id, record_type) DO UPDATE SET record_type = excluded.record_type \
         RETURNING feed_id")
        .bind(id).bind(partner.as_str()).bind(i64::from(record_type.number()))
        .fetch_one(c).await)?;
    Ok(FeedId::new(id))
}

/// The feed of a partner's records of one type, if there is one.
///
/// # Errors
/// When it can't be read.
pub async fn known(
    tx: &mut Tx,
    partner: &PartnerId,
    record_type: RecordType,
) -> Result<Option<FeedId>, StoreError> {
    let known: Option<(i64,)> = on!(tx, c => sqlx::query_as(
        "SELECT feed_id FROM feed WHERE partner_id = $1 AND record_type = $2")
        .bind(partner.as_str()).bind(i64::from(record_type.number()))
        .fetch_optional(c).await)?;
    Ok(known.map(|(id,)| FeedId::new(id)))
}

/// Every feed there is.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn all(tx: &mut Tx) -> Result<Vec<(FeedId, PartnerId, RecordType)>, StoreError> {
    let rows: Vec<(i64, String, i64)> = on!(tx, c => sqlx::query_as(
        "SELECT feed_id, partner_id, record_type FROM feed ORDER BY feed_id").fetch_all(c).await)?;
    rows.into_iter()
        .map(|(id, partner, record_type)| {
            let corrupt = |column| StoreError::Corrupt { table: "feed", column, row: id };
            let number = u8::try_from(record_type).ok().and_then(RecordType::from_number);
            Ok((
                FeedId::new(id),
                partner.parse().map_err(|_| corrupt("partner_id"))?,
                number.ok_or(corrupt("record_type"))?,
            ))
        })
        .collect()
}

/// Opens a staged batch.
///
/// # Errors
/// When it can't be written.
pub async fn stage(tx: &mut Tx, new: &NewBatch) -> Result<BatchId, StoreError> {
    let id = tx.take_numbers("batch", 1).await?;
    on!(tx, c => sqlx::query(
        "INSERT INTO batch \
         (batch_id, feed_id, state, extract_day, digest, protocol_id, protocol_version, \
         staged_at, stream, records) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)")
        .bind(id).bind(new.feed.number()).bind(STAGED).bind(i64::from(new.extract_day))
        .bind(new.digest.to_vec()).bind(new.protocol.as_str())
        .bind(i64::from(new.protocol_version)).bind(new.staged_at.as_microsecond())
        .bind(stored(new.stream)?).bind(stored(new.records)?)
        .execute(c).await.map(drop))?;
    Ok(BatchId::new(id))
}

/// A staged batch counts from now on. One that was abandoned meanwhile does not: its
/// records have been taken over by another. Nor does one of a stream that was undone.
pub(super) async fn accept(tx: &mut Tx, batch: BatchId) -> Result<(), StoreError> {
    let rows = on!(tx, c => sqlx::query(
        "UPDATE batch SET state = $1 WHERE batch_id = $2 AND state = $3 \
         AND NOT EXISTS (SELECT 1 FROM stream_undo u WHERE u.stream = batch.stream)")
        .bind(ACCEPTED).bind(batch.number()).bind(STAGED)
        .execute(c).await.map(|done| done.rows_affected()))?;
    bulk::touched(rows, 1, "batch")
}

/// Gives up staged batches, so that their records can be taken over.
///
/// # Errors
/// [`StoreError::Unchanged`] when one was accepted meanwhile, or undone.
pub async fn abandon(tx: &mut Tx, batches: &[BatchId]) -> Result<(), StoreError> {
    for batch in batches {
        let rows = on!(tx, c => sqlx::query(
            "UPDATE batch SET state = $1 WHERE batch_id = $2 AND state <> $3 AND state <> $4")
            .bind(ABANDONED).bind(batch.number()).bind(ACCEPTED).bind(UNDONE)
            .execute(c).await.map(|done| done.rows_affected()))?;
        bulk::touched(rows, 1, "batch")?;
    }
    Ok(())
}

/// Removes what was staged before a time and never accepted, and what was abandoned: nobody
/// can accept it any more. Alone: what somebody moves to another person meanwhile, or abandons,
/// would stay behind without its batch.
///
/// # Errors
/// When it can't be written.
pub async fn clear_unaccepted(tx: &mut Tx, staged_before: Timestamp) -> Result<(), StoreError> {
    super::subjects::link_alone(tx).await?;
    on!(&mut *tx, c => sqlx::query("UPDATE batch SET state = $1 WHERE state = $2 AND staged_at < $3")
        .bind(ABANDONED).bind(STAGED).bind(staged_before.as_microsecond())
        .execute(c).await.map(drop))?;
    let (left,): (i64,) = on!(&mut *tx, c => sqlx::query_as(
        "SELECT COUNT(*) FROM batch WHERE state = $1").bind(ABANDONED).fetch_one(c).await)?;
    if left == 0 {
        return Ok(());
    }
    // The case a record was not used because of goes with it: the same id may be another's later.
    tx.run(
        "DELETE FROM dropped_case WHERE (feed_id, token) IN (SELECT d.feed_id, d.token \
         FROM dropped d JOIN batch b ON b.batch_id = d.batch_id WHERE b.state = 2)",
    )
    .await?;
    for sql in [
        "DELETE FROM dropped WHERE batch_id IN (SELECT batch_id FROM batch WHERE state = 2)",
        "DELETE FROM taken_late WHERE batch_id IN (SELECT batch_id FROM batch WHERE state = 2)",
    ] {
        tx.run(sql).await?;
    }
    if !tx.is_sqlite() {
        // Intake may not delete records; a function of the owner deletes just these.
        return tx.run("SELECT clear_abandoned()").await;
    }
    for sql in [
        "DELETE FROM family_edge WHERE batch_id IN (SELECT batch_id FROM batch WHERE state = 2)",
        "DELETE FROM event WHERE batch_id IN (SELECT batch_id FROM batch WHERE state = 2)",
        "DELETE FROM sent WHERE batch_id IN (SELECT batch_id FROM batch WHERE state = 2)",
        "DELETE FROM withdrawal WHERE batch_id IN (SELECT batch_id FROM batch WHERE state = 2)",
        "DELETE FROM batch_detail WHERE batch_id IN (SELECT batch_id FROM batch WHERE state = 2)",
        "DELETE FROM erased WHERE batch_id IN (SELECT batch_id FROM batch WHERE state = 2)",
        "DELETE FROM batch WHERE state = 2",
    ] {
        tx.run(sql).await?;
    }
    Ok(())
}

/// The batches of a feed that were undone, in order.
///
/// # Errors
/// When they can't be read.
pub async fn undone(tx: &mut Tx, feed: FeedId) -> Result<Vec<BatchId>, StoreError> {
    let rows: Vec<(i64,)> = on!(tx, c => sqlx::query_as(
        "SELECT batch_id FROM batch WHERE feed_id = $1 AND state = $2 ORDER BY batch_id")
        .bind(feed.number()).bind(UNDONE).fetch_all(c).await)?;
    Ok(rows.into_iter().map(|(id,)| BatchId::new(id)).collect())
}

/// How fresh a feed is, by its sender's declaration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freshness {
    /// The sender.
    pub partner: PartnerId,
    /// What it sends.
    pub record_type: RecordType,
    /// The latest day that an accepted extract stands for.
    pub extract_day: Date,
    /// The protocols that its accepted batches relied on, with their versions.
    pub protocols: Vec<(ProtocolId, u32)>,
}

/// The freshness of every feed with an accepted batch, by partner and record type.
///
/// # Errors
/// When it can't be read or is corrupt.
pub async fn freshness(tx: &mut Tx) -> Result<Vec<Freshness>, StoreError> {
    let rows: Vec<(String, i64, String, i64, i64)> = on!(tx, c => sqlx::query_as(
        "SELECT f.partner_id, f.record_type, b.protocol_id, b.protocol_version, \
         MAX(b.extract_day) FROM batch b JOIN feed f ON f.feed_id = b.feed_id \
         WHERE b.state = $1 \
         GROUP BY f.partner_id, f.record_type, b.protocol_id, b.protocol_version \
         ORDER BY f.partner_id, f.record_type, b.protocol_id, b.protocol_version")
        .bind(ACCEPTED).fetch_all(c).await)?;
    let mut feeds: Vec<Freshness> = Vec::new();
    for (partner, record_type, protocol, version, day) in rows {
        let corrupt = |column| StoreError::Corrupt { table: "batch", column, row: 0 };
        let partner: PartnerId = partner.parse().map_err(|_| corrupt("partner_id"))?;
        let record_type = u8::try_from(record_type)
            .ok()
            .and_then(RecordType::from_number)
            .ok_or(corrupt("record_type"))?;
        let day = i32::try_from(day).ok().and_then(crate::domain::time::date_of);
        let day = day.ok_or(corrupt("extract_day"))?;
        let protocol = (
            protocol.parse().map_err(|_| corrupt("protocol_id"))?,
            u32::try_from(version).map_err(|_| corrupt("protocol_version"))?,
        );
        match feeds.last_mut() {
            Some(last) if last.partner == partner && last.record_type == record_type => {
                last.extract_day = last.extract_day.max(day);
                last.protocols.push(protocol);
            }
            _ => feeds.push(Freshness {
                partner,
                record_type,
                extract_day: day,
                protocols: vec![protocol],
            }),
        }
    }
    Ok(feeds)
}

/// How the records of a feed came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// The sender.
    pub partner: PartnerId,
    /// What it sends.
    pub record_type: RecordType,
    /// When its last accepted batch came in, microseconds since 1970-01-01 UTC.
    pub last: i64,
    /// How many days after the day it stands for the most belated extract came in, among
    /// the batches since the moment asked about; `None` when there are none.
    pub oldest_days: Option<i64>,
}

/// How the records of every feed with an accepted batch came in; `since` is in microseconds
/// since 1970-01-01 UTC.
///
/// # Errors
/// When it can't be read or is corrupt.
pub async fn arrivals(tx: &mut Tx, since: i64) -> Result<Vec<Arrival>, StoreError> {
    let rows: Vec<(String, i64, i64, Option<i64>)> = on!(tx, c => sqlx::query_as(
        "SELECT f.partner_id, f.record_type, MAX(b.staged_at), \
         MAX(CASE WHEN b.staged_at > $1 THEN b.staged_at / 86400000000 - b.extract_day END) \
         FROM batch b JOIN feed f ON f.feed_id = b.feed_id WHERE b.state = $2 \
         GROUP BY f.partner_id, f.record_type ORDER BY f.partner_id, f.record_type")
        .bind(since).bind(ACCEPTED).fetch_all(c).await)?;
    rows.into_iter()
        .map(|(partner, record_type, last, oldest_days)| {
            let (partner, record_type) = named((partner, record_type))?;
            Ok(Arrival { partner, record_type, last, oldest_days })
        })
        .collect()
}

/// A feed's sender and record type as stored.
pub(super) fn named(
    (partner, record_type): (String, i64),
) -> Result<(PartnerId, RecordType), StoreError> {
    let corrupt = |column| StoreError::Corrupt { table: "feed", column, row: 0 };
    let number = u8::try_from(record_type).ok().and_then(RecordType::from_number);
    let partner = partner.parse().map_err(|_| corrupt("partner_id"))?;
    Ok((partner, number.ok_or(corrupt("record_type"))?))
}
