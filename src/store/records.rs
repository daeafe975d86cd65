//! Records as staged: what was sent, the events of its persons, and withdrawals.

use super::{
    StoreError, Tx,
    bulk::{
        self, Among,
        Column::{Bytes, Integers, OptionalBytes},
    },
    error::key16,
    feeds,
    tx::on,
};
use crate::domain::{BatchId, Event, FeedId, PersonId, SubjectId};
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
    /// Whether that batch was undone: it stays as it is, without the record.
    pub undone: bool,
    /// Whether the record is gone, its time being over: it stays known for a while, so that it
    /// does not come in again.
    pub let_go: bool,
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
    /// The key version of the consent and of what the body refers to; 0 where it has neither.
    pub key_version: u16,
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

/// record_key, event_number, batch_id, the batch's state, forget_day.
type SentRow = (Vec<u8>, i64, i64, i64, Option<i64>);

/// Which of these record keys the feed has sent before.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn sent(
    tx: &mut Tx,
    feed: FeedId,
    keys: &[[u8; 16]],
) -> Result<BTreeMap<[u8; 16], Sent>, StoreError> {
    let rows: Vec<SentRow> = bulk::select(
        tx,
        "SELECT s.record_key, s.event_number, s.batch_id, b.state, s.forget_day FROM sent s \
         JOIN batch b ON b.batch_id = s.batch_id WHERE s.feed_id = $1 AND s.record_key",
        Some(feed.number()),
        &Among::Keys(keys),
        "",
    )
    .await?;
    let known = |(key, event_number, batch, state, forget_day): SentRow| {
        let (batch, let_go) = (BatchId::new(batch), forget_day.is_some());
        let (accepted, undone) = (state == feeds::ACCEPTED, state == feeds::UNDONE);
        let sent = Sent { event_number, batch, accepted, undone, let_go };
        Ok((key16(&key, "sent", "record_key")?, sent))
    };
    rows.into_iter().map(known).collect()
}

/// Since when a record of a batch is known, days since 1970-01-01; `None` when nothing of it
/// is kept.
///
/// # Errors
/// When it can't be read or is corrupt.
pub async fn known_since(
    tx: &mut Tx,
    batch: BatchId,
    number: i64,
) -> Result<Option<i32>, StoreError> {
    if let Tx::Postgres(postgres) = tx {
        // Intake may not read what records say; a function of the owner tells this alone.
        let (day,): (Option<i64>,) = sqlx::query_as("SELECT record_known($1, $2)")
            .bind(batch.number())
            .bind(number)
            .fetch_one(&mut **postgres)
            .await?;
        return day.map(|day| i32::try_from(day).map_err(|_| StoreError::Range)).transpose();
    }
    let row: Option<(Vec<u8>,)> = on!(tx, c => sqlx::query_as(
        "SELECT body FROM event WHERE batch_id = $1 AND event_number = $2 LIMIT 1")
        .bind(batch.number()).bind(number).fetch_optional(c).await)?;
    let corrupt = StoreError::Corrupt { table: "event", column: "body", row: number };
    match row {
        Some((body,)) => Ok(Some(Event::decode(&body).map_err(|_| corrupt)?.0.known)),
        None => Ok(None),
    }
}

/// Forgets that records of batches given up or undone were sent, so that they can be staged
/// anew.
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

/// Stages that records were sent: their keys, all of one key version, and numbers.
///
/// # Errors
/// When it can't be written.
pub async fn stage_sent(
    tx: &mut Tx,
    feed: FeedId,
    batch: BatchId,
    records: &[([u8; 16], i64)],
    key_version: u16,
) -> Result<(), StoreError> {
    bulk::insert_new(
        tx,
        "sent",
        &[
            ("feed_id", Integers(vec![feed.number(); records.len()])),
            ("record_key", Bytes(records.iter().map(|(key, _)| &key[..]).collect())),
            ("batch_id", Integers(vec![batch.number(); records.len()])),
            ("event_number", Integers(records.iter().map(|(_, number)| *number).collect())),
            ("key_version", Integers(vec![i64::from(key_version); records.len()])),
        ],
    )
    .await
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
    let all = || events.iter();
    let consents = all().map(|e| e.consent.as_ref().map(|key| &key[..])).collect();
    bulk::insert_new(
        tx,
        "event",
        &[
            ("person_id", Integers(all().map(|e| e.person.number()).collect())),
            ("event_number", Integers(all().map(|e| e.event_number).collect())),
            ("role", Integers(all().map(|e| i64::from(e.role)).collect())),
            ("subject_id", Integers(all().map(|e| e.subject.number()).collect())),
            ("batch_id", Integers(vec![batch.number(); events.len()])),
            ("consent_key", OptionalBytes(consents)),
            ("body", Bytes(all().map(|e| &*e.body).collect())),
            ("key_version", Integers(all().map(|e| i64::from(e.key_version)).collect())),
        ],
    )
    .await
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
    let rows: Vec<(i64,)> = bulk::select(
        tx,
        "SELECT w.event_number FROM withdrawal w \
         JOIN batch b ON b.batch_id = w.batch_id AND b.state = 1 WHERE w.event_number",
        None,
        &Among::Numbers(numbers),
        "",
    )
    .await?;
    Ok(rows.into_iter().map(|(number,)| number).collect())
}
