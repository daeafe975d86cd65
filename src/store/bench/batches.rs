//! What accepted batches left, and writing the same rows bare.

use super::{
    BareKey, Many, StoredSubject, begin, families, log, look,
    rows::{Column, Rows},
    subjects,
};
use crate::store::{Store, StoreError, Tx, error::stored, tx::on};
use std::collections::BTreeMap;

const SENT: &[&str] = &["feed_id", "record_key", "batch_id", "event_number"];
const EVENT: &[&str] =
    &["person_id", "event_number", "role", "subject_id", "batch_id", "consent_key", "body"];
const BATCH_DETAIL: &[&str] = &["batch_id", "sealed"];

/// Every row that one accepted batch left in a store.
#[derive(Debug)]
pub struct BareBatch {
    /// Which partner sent it: batches of one are written one after another.
    pub partner: String,
    head: BatchRow,
    tables: Vec<Rows>,
}

/// batch_id, feed_id, state, extract_day, digest, protocol_id, protocol_version.
type BatchRow = (i64, i64, i64, i64, Vec<u8>, String, i64);

/// The rows of all batches in a store, in order, with the log's entries from `first_entry`
/// on dealt out among them.
///
/// # Errors
/// When they can't be read.
pub async fn batches(store: &Store, first_entry: u64) -> Result<Vec<BareBatch>, StoreError> {
    let mut tx = look(store).await?;
    let heads: Vec<BatchRow> = on!(&mut tx, c => sqlx::query_as(
        "SELECT batch_id, feed_id, state, extract_day, digest, protocol_id, protocol_version \
         FROM batch ORDER BY batch_id").fetch_all(c).await)?;
    let partners: Vec<(i64, String)> = on!(&mut tx, c => sqlx::query_as("SELECT feed_id, partner_id FROM feed").fetch_all(c).await)?;
    let partners: BTreeMap<i64, String> = partners.into_iter().collect();
    let mut sent = sent_rows(&mut tx).await?;
    let mut events = event_rows(&mut tx).await?;
    let (mut subjects, mut keys) = subjects_of(&mut tx, &events).await?;
    let mut edges = families::edges(&mut tx).await?;
    let mut details = detail_rows(&mut tx).await?;
    let (mut entries, mut hashes) = log::rows(&mut tx, stored(first_entry)?).await?;
    let mut left = heads.len();
    let mut all = Vec::with_capacity(left);
    for head in heads {
        let id = head.0;
        all.push(BareBatch {
            partner: partners.get(&head.1).cloned().unwrap_or_default(),
            head,
            tables: vec![
                sent_table(id, sent.remove(&id).unwrap_or_default()),
                subjects::table(&subjects.remove(&id).unwrap_or_default()),
                subjects::key_table(&keys.remove(&id).unwrap_or_default()),
                event_table(&events.remove(&id).unwrap_or_default()),
                families::table(id, &edges.remove(&id).unwrap_or_default()),
                detail_table(id, details.remove(&id)),
                log::entry_table(share(&mut entries, left)),
                log::hash_table(share(&mut hashes, left)),
            ],
        });
        left -= 1;
    }
    Ok(all)
}

/// An even share of what is left for so many.
fn share<T>(rest: &mut Vec<T>, among: usize) -> Vec<T> {
    let taken = rest.len().div_ceil(among.max(1)).min(rest.len());
    rest.drain(..taken).collect()
}

type SentRow = (i64, Vec<u8>, i64);

async fn sent_rows(tx: &mut Tx) -> Result<Many<SentRow>, StoreError> {
    let rows: Vec<(i64, i64, Vec<u8>, i64)> = on!(tx, c => sqlx::query_as(
        "SELECT batch_id, feed_id, record_key, event_number FROM sent \
         ORDER BY batch_id, feed_id, record_key").fetch_all(c).await)?;
    let mut of_batch: Many<_> = BTreeMap::new();
    for (batch, feed, key, number) in rows {
        of_batch.entry(batch).or_default().push((feed, key, number));
    }
    Ok(of_batch)
}

/// An event as stored.
#[derive(Debug, Clone)]
pub struct StoredEvent {
    /// Whose it is.
    pub person: i64,
    /// The record's number.
    pub number: i64,
    /// The person's part in it.
    pub role: i64,
    /// By which identity.
    pub subject: i64,
    /// The batch it came in.
    pub batch: i64,
    /// The consent relied on.
    pub consent: Option<Vec<u8>>,
    /// Its stored form.
    pub body: Vec<u8>,
}

type EventRow = (i64, i64, i64, i64, i64, Option<Vec<u8>>, Vec<u8>);

pub(super) async fn event_rows(tx: &mut Tx) -> Result<Many<StoredEvent>, StoreError> {
    let rows: Vec<EventRow> = on!(tx, c => sqlx::query_as(
        "SELECT person_id, event_number, role, subject_id, batch_id, consent_key, body \
         FROM event ORDER BY person_id, event_number, role").fetch_all(c).await)?;
    let mut of_batch: Many<_> = BTreeMap::new();
    for (person, number, role, subject, batch, consent, body) in rows {
        let event = StoredEvent { person, number, role, subject, batch, consent, body };
        of_batch.entry(batch).or_default().push(event);
    }
    Ok(of_batch)
}

/// Subjects and their keys, each with the first batch that has an event of it.
async fn subjects_of(
    tx: &mut Tx,
    events: &Many<StoredEvent>,
) -> Result<(Many<StoredSubject>, Many<BareKey>), StoreError> {
    let mut first: BTreeMap<i64, i64> = BTreeMap::new();
    for (batch, events) in events {
        for event in events {
            first.entry(event.subject).or_insert(*batch);
        }
    }
    let (mut subjects, mut keys): (Many<_>, Many<_>) = Default::default();
    for found in subjects::all(tx).await? {
        if let Some(batch) = first.get(&found.subject) {
            subjects.entry(*batch).or_default().push(found);
        }
    }
    for key in subjects::all_keys(tx).await? {
        if let Some(batch) = first.get(&key.1) {
            keys.entry(*batch).or_default().push(key);
        }
    }
    Ok((subjects, keys))
}

async fn detail_rows(tx: &mut Tx) -> Result<BTreeMap<i64, Vec<u8>>, StoreError> {
    let rows: Vec<(i64, Vec<u8>)> = on!(tx, c => sqlx::query_as(
        "SELECT batch_id, sealed FROM batch_detail").fetch_all(c).await)?;
    Ok(rows.into_iter().collect())
}

fn detail_table(batch: i64, sealed: Option<Vec<u8>>) -> Rows {
    let ids = sealed.iter().map(|_| batch).collect();
    let columns = vec![Column::Numbers(ids), Column::Bytes(sealed.into_iter().map(Some).collect())];
    Rows::new("batch_detail", BATCH_DETAIL, columns)
}

fn sent_table(batch: i64, rows: Vec<SentRow>) -> Rows {
    let (mut feeds, mut keys, mut numbers) = (vec![], vec![], vec![]);
    for (feed, key, number) in rows {
        feeds.push(feed);
        keys.push(Some(key));
        numbers.push(number);
    }
    let batches = vec![batch; feeds.len()];
    let columns = vec![
        Column::Numbers(feeds),
        Column::Bytes(keys),
        Column::Numbers(batches),
        Column::Numbers(numbers),
    ];
    Rows::new("sent", SENT, columns)
}

pub(super) fn event_table(events: &[StoredEvent]) -> Rows {
    let numbers = |of: fn(&StoredEvent) -> i64| Column::Numbers(events.iter().map(of).collect());
    let columns = vec![
        numbers(|event| event.person),
        numbers(|event| event.number),
        numbers(|event| event.role),
        numbers(|event| event.subject),
        numbers(|event| event.batch),
        Column::Bytes(events.iter().map(|event| event.consent.clone()).collect()),
        Column::Bytes(events.iter().map(|event| Some(event.body.clone())).collect()),
    ];
    Rows::new("event", EVENT, columns)
}

/// Writes one batch's rows in one durable transaction, and nothing else.
///
/// # Errors
/// When the engine refuses.
pub async fn write(store: &Store, batch: &BareBatch) -> Result<(), StoreError> {
    let (id, feed, state, extract_day, digest, protocol, version) = &batch.head;
    let mut tx = begin(store).await?;
    on!(&mut tx, c => sqlx::query(
        "INSERT INTO batch \
         (batch_id, feed_id, state, extract_day, digest, protocol_id, protocol_version) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)")
        .bind(id).bind(feed).bind(state).bind(extract_day).bind(digest).bind(protocol)
        .bind(version).execute(c).await.map(drop))?;
    for rows in &batch.tables {
        rows.insert(&mut tx).await?;
    }
    log::set_head(&mut tx, *id).await?;
    tx.commit().await
}
