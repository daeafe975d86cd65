//! What a case reaches: a person's records, and the terms that they came in under.

use crate::{
    domain::{BatchId, FeedId, PersonId},
    store::{
        StoreError, Tx,
        bulk::{self, Among},
        error::key16,
        feeds,
        tx::on,
    },
};
use std::collections::BTreeMap;

/// A record of a person's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Held {
    /// Its number.
    pub number: i64,
    /// The batch that it came in.
    pub batch: BatchId,
    /// Whether it is about the person first; else the person is named in it.
    pub principal: bool,
}

/// The records of some persons.
///
/// # Errors
/// When they can't be read.
pub async fn records_of(tx: &mut Tx, persons: &[PersonId]) -> Result<Vec<Held>, StoreError> {
    // What is about nobody hangs on a person who is nobody: it is not one case's.
    let persons = persons.iter().filter(|person| **person != PersonId::NOBODY);
    let numbers: Vec<i64> = persons.map(|person| person.number()).collect();
    let rows: Vec<(i64, i64, i64)> = if let Tx::Postgres(postgres) = tx {
        // Intake may not read what records say; a function of the owner tells which there are.
        sqlx::query_as("SELECT event_number, batch_id, role FROM records_of_persons($1)")
            .bind(numbers)
            .fetch_all(&mut **postgres)
            .await?
    } else {
        bulk::select(
            tx,
            "SELECT event_number, batch_id, role FROM event WHERE person_id",
            None,
            &Among::Numbers(&numbers),
            "",
        )
        .await?
    };
    let mut held: BTreeMap<i64, Held> = BTreeMap::new();
    for (number, batch, role) in rows {
        let new = Held { number, batch: BatchId::new(batch), principal: false };
        held.entry(number).or_insert(new).principal |= role == 0;
    }
    Ok(held.into_values().collect())
}

/// The person that a record is about first. Looks through every event: for records from before
/// batches had a detail, which says where each is.
///
/// # Errors
/// When it can't be read.
pub async fn person_of(tx: &mut Tx, number: i64) -> Result<Option<PersonId>, StoreError> {
    let sql = if tx.is_sqlite() {
        "SELECT person_id FROM event WHERE event_number = $1 AND role = 0"
    } else {
        "SELECT person_of_record FROM person_of_record($1)"
    };
    let row: Option<(i64,)> =
        on!(tx, c => sqlx::query_as(sql).bind(number).fetch_optional(c).await)?;
    Ok(row.map(|(person,)| PersonId::new(person)))
}

/// Where a batch stands, and the terms that it came in under, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Its feed.
    pub feed: FeedId,
    /// The protocol.
    pub protocol: String,
    /// Its version.
    pub version: i64,
    /// Whether it is accepted, or staged and may be.
    pub live: bool,
    /// Whether it was abandoned: its rows are about to go.
    pub abandoned: bool,
}

/// The terms of some batches.
///
/// # Errors
/// When they can't be read.
pub async fn terms(
    tx: &mut Tx,
    batches: &[BatchId],
) -> Result<BTreeMap<BatchId, Terms>, StoreError> {
    let numbers: Vec<i64> = batches.iter().map(|batch| batch.number()).collect();
    let rows: Vec<(i64, i64, String, i64, i64)> = bulk::select(
        tx,
        "SELECT batch_id, feed_id, protocol_id, protocol_version, state FROM batch WHERE batch_id",
        None,
        &Among::Numbers(&numbers),
        "",
    )
    .await?;
    let terms = rows.into_iter().map(|(batch, feed, protocol, version, state)| {
        let live = state == feeds::ACCEPTED || state == feeds::STAGED;
        let (feed, abandoned) = (FeedId::new(feed), state == feeds::ABANDONED);
        (BatchId::new(batch), Terms { feed, protocol, version, live, abandoned })
    });
    Ok(terms.collect())
}

/// The keys, with their versions, of records of a feed by number. Looks through the feed.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn keys_of(
    tx: &mut Tx,
    feed: FeedId,
    numbers: &[i64],
) -> Result<Vec<(i64, [u8; 16], u16)>, StoreError> {
    let rows: Vec<(i64, Vec<u8>, i64)> = bulk::select(
        tx,
        "SELECT event_number, record_key, key_version FROM sent \
         WHERE feed_id = $1 AND event_number",
        Some(feed.number()),
        &Among::Numbers(numbers),
        "",
    )
    .await?;
    rows.into_iter()
        .map(|(number, key, version)| {
            let corrupt = StoreError::Corrupt { table: "sent", column: "key_version", row: number };
            let version = u16::try_from(version).map_err(|_| corrupt)?;
            Ok((number, key16(&key, "sent", "record_key")?, version))
        })
        .collect()
}
