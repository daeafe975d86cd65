//! Records as staged: what was sent, the events of its persons, and withdrawals.

use super::{StoreError, Tx, bulk, error::key16, feeds, tx::on};
use crate::domain::{BatchId, FeedId, PersonId, SubjectId};
use std::collections::BTreeMap;

/// Where a record that was sent before is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// Its number.
    pub event_number: i64,
    /// The batch it came in.
    pub batch: BatchId,
    /// Whether that batch was accepted; if not, the record may be taken over.
    pub accepted: bool,
}

/// An event to stage.
#[derive(Debug)]
pub struct NewEvent {
    /// Whose it is.
    pub person: PersonId,
    /// By which identity.
    pub subject: SubjectId,
    /// The record's number.
    pub event_number: i64,
    /// The person's part in the record.
    pub role: u8,
    /// The consent relied on, if any.
    pub consent: Option<[u8; 16]>,
    /// The stored form of the event.
    pub body: Vec<u8>,
}

/// A withdrawal to stage.
#[derive(Debug, Clone, Copy)]
pub struct NewWithdrawal {
    /// The record's number.
    pub event_number: i64,
    /// The day it became known, days since 1970-01-01.
    pub known: i32,
}

/// Takes `count` numbers for new records and returns the first.
///
/// # Errors
/// When they can't be taken.
pub async fn take_event_numbers(tx: &mut Tx, count: usize) -> Result<i64, StoreError> {
    tx.take_numbers("event", count).await
}

/// Which of these record keys the feed has sent before.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn sent(
    tx: &mut Tx,
    feed: FeedId,
    keys: &[[u8; 16]],
) -> Result<BTreeMap<[u8; 16], Sent>, StoreError> {
    let mut found = BTreeMap::new();
    for list in bulk::lists(keys) {
        let sql = bulk::within(
            tx.is_sqlite(),
            "SELECT s.record_key, s.event_number, s.batch_id, b.state FROM sent s \
             JOIN batch b ON b.batch_id = s.batch_id WHERE s.feed_id = $1 AND s.record_key",
            list.len(),
            "",
        );
        let rows: Vec<(Vec<u8>, i64, i64, i64)> = on!(tx, c => {
            let mut query = sqlx::query_as(sql).bind(feed.number());
            for key in list {
                query = query.bind(key.to_vec());
            }
            query.fetch_all(c).await
        })?;
        for (key, event_number, batch, state) in rows {
            let batch = BatchId::new(batch);
            let accepted = state == feeds::ACCEPTED;
            found
                .insert(key16(&key, "sent", "record_key")?, Sent { event_number, batch, accepted });
        }
    }
    Ok(found)
}

/// Forgets that records of batches given up were sent, so that they can be staged anew.
///
/// # Errors
/// When it can't be written.
pub async fn take_over(tx: &mut Tx, feed: FeedId, keys: &[[u8; 16]]) -> Result<(), StoreError> {
    for key in keys {
        on!(tx, c => sqlx::query("DELETE FROM sent WHERE feed_id = $1 AND record_key = $2")
            .bind(feed.number()).bind(key.to_vec()).execute(c).await.map(drop))?;
    }
    Ok(())
}

/// Stages that records were sent: their keys and numbers.
///
/// # Errors
/// When it can't be written.
pub async fn stage_sent(
    tx: &mut Tx,
    feed: FeedId,
    batch: BatchId,
    records: &[([u8; 16], i64)],
) -> Result<(), StoreError> {
    for chunk in bulk::chunks(records) {
        let columns = &["feed_id", "record_key", "batch_id", "event_number"];
        let sql = bulk::insert(tx.is_sqlite(), "sent", columns, chunk.len(), "");
        let rows = on!(tx, c => {
            let mut query = sqlx::query(sql);
            for (key, event_number) in chunk {
                query = query.bind(feed.number()).bind(key.to_vec()).bind(batch.number())
                    .bind(*event_number);
            }
            query.execute(c).await.map(|done| done.rows_affected())
        })?;
        bulk::touched(rows, chunk.len(), "sent")?;
    }
    Ok(())
}

/// Stages events.
///
/// # Errors
/// When they can't be written.
pub async fn stage_events(
    tx: &mut Tx,
    batch: BatchId,
    events: &[NewEvent],
) -> Result<(), StoreError> {
    for chunk in bulk::chunks(events) {
        let columns =
            &["person_id", "event_number", "role", "subject_id", "batch_id", "consent_key", "body"];
        let sql = bulk::insert(tx.is_sqlite(), "event", columns, chunk.len(), "");
        let rows = on!(tx, c => {
            let mut query = sqlx::query(sql);
            for event in chunk {
                query = query.bind(event.person.number()).bind(event.event_number)
                    .bind(i64::from(event.role)).bind(event.subject.number())
                    .bind(batch.number()).bind(event.consent.map(|key| key.to_vec()))
                    .bind(&*event.body);
            }
            query.execute(c).await.map(|done| done.rows_affected())
        })?;
        bulk::touched(rows, chunk.len(), "event")?;
    }
    Ok(())
}

/// Stages withdrawals; one that an accepted batch already made stays as it is.
///
/// # Errors
/// When they can't be written.
pub async fn stage_withdrawals(
    tx: &mut Tx,
    batch: BatchId,
    withdrawals: &[NewWithdrawal],
) -> Result<(), StoreError> {
    for withdrawal in withdrawals {
        on!(tx, c => sqlx::query(
            "INSERT INTO withdrawal (event_number, batch_id, known) VALUES ($1, $2, $3) \
             ON CONFLICT (event_number) DO UPDATE \
             SET batch_id = excluded.batch_id, known = excluded.known \
             WHERE NOT EXISTS (SELECT 1 FROM batch b \
                               WHERE b.batch_id = withdrawal.batch_id AND b.state = 1)")
            .bind(withdrawal.event_number).bind(batch.number())
            .bind(i64::from(withdrawal.known)).execute(c).await.map(drop))?;
    }
    Ok(())
}

/// Which of these records are withdrawn by an accepted batch.
///
/// # Errors
/// When it can't be read.
pub async fn withdrawn(tx: &mut Tx, numbers: &[i64]) -> Result<Vec<i64>, StoreError> {
    let mut found = Vec::new();
    for list in bulk::lists(numbers) {
        let sql = bulk::within(
            tx.is_sqlite(),
            "SELECT w.event_number FROM withdrawal w \
             JOIN batch b ON b.batch_id = w.batch_id AND b.state = 1 WHERE w.event_number",
            list.len(),
            "",
        );
        let rows: Vec<(i64,)> = on!(tx, c => {
            let mut query = sqlx::query_as(sql);
            for number in list {
                query = query.bind(number);
            }
            query.fetch_all(c).await
        })?;
        found.extend(rows.into_iter().map(|(number,)| number));
    }
    Ok(found)
}
