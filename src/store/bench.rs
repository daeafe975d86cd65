//! What `tallygate bench` compares with, and seeds: the bare writing and reading of the same
//! rows, without anything that makes them trustworthy.
//!
//! Why here: this is the only room that names sqlx. Why apart: nothing in this file checks,
//! decides, links or logs. Only `src/bench` may name it (a test of the architecture says so),
//! so none of it can be reached from a gateway.
//!
//! Invariants:
//! - A limit writes the same rows into the same tables and indexes, as durably, in batches of
//!   the same size, by the fastest portable way: a multi-row INSERT on SQLite, UNNEST on
//!   PostgreSQL, each batch in the order of its keys.
//! - What is copied here was invented; no limit reads what it writes.

mod families;
pub mod linking;

use super::{
    Location, PostgresLocation, Rights, Store, StoreError, Tx,
    bulk::touched,
    error::stored,
    log::{self, Growth, Head},
    scan::RANGE,
    tx::on,
};
use crate::{
    audit::{Leaf, LogSigner, leaf_hash},
    domain::PersonId,
};
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, PgConnection, Postgres, Sqlite, Transaction,
};
use std::collections::BTreeMap;

/// Rows that a statement on SQLite takes, largest first: few sizes, so that each is prepared
/// once.
const CHUNKS: [usize; 3] = [256, 16, 1];

/// A column of rows.
#[derive(Debug, Clone)]
enum Column {
    Numbers(Vec<i64>),
    OptionalNumbers(Vec<Option<i64>>),
    Bytes(Vec<Option<Vec<u8>>>),
}

/// Rows of one table.
#[derive(Debug, Clone)]
struct Rows {
    table: &'static str,
    names: &'static [&'static str],
    columns: Vec<Column>,
    count: usize,
}

impl Rows {
    fn new(table: &'static str, names: &'static [&'static str], columns: Vec<Column>) -> Self {
        let count = match columns.first() {
            Some(Column::Numbers(numbers)) => numbers.len(),
            Some(Column::OptionalNumbers(numbers)) => numbers.len(),
            Some(Column::Bytes(bytes)) => bytes.len(),
            None => 0,
        };
        Self { table, names, columns, count }
    }

    async fn insert(&self, tx: &mut Tx) -> Result<(), StoreError> {
        if self.count == 0 {
            return Ok(());
        }
        match tx {
            Tx::Sqlite(tx) => self.insert_values(tx).await,
            Tx::Postgres(tx) => self.insert_arrays(tx).await,
        }
    }

    async fn insert_values(&self, tx: &mut Transaction<'_, Sqlite>) -> Result<(), StoreError> {
        let row = format!("({})", vec!["?"; self.names.len()].join(", "));
        let mut first = 0;
        while first < self.count {
            let left = self.count - first;
            let size = CHUNKS.into_iter().find(|size| *size <= left).unwrap_or(1);
            // Tables and columns are literals of this file, never input.
            let sql = AssertSqlSafe(format!(
                "INSERT INTO {} ({}) VALUES {}",
                self.table,
                self.names.join(", "),
                vec![&*row; size].join(", ")
            ));
            let mut query = sqlx::query(sql);
            for at in first..first + size {
                for column in &self.columns {
                    query = match column {
                        Column::Numbers(numbers) => query.bind(numbers[at]),
                        Column::OptionalNumbers(numbers) => query.bind(numbers[at]),
                        Column::Bytes(bytes) => query.bind(bytes[at].as_deref()),
                    };
                }
            }
            touched(query.execute(&mut **tx).await?.rows_affected(), size, self.table)?;
            first += size;
        }
        Ok(())
    }

    async fn insert_arrays(&self, tx: &mut Transaction<'_, Postgres>) -> Result<(), StoreError> {
        let arrays: Vec<String> = (1..)
            .zip(&self.columns)
            .map(|(number, column)| match column {
                Column::Numbers(_) | Column::OptionalNumbers(_) => {
                    format!("${number}::BIGINT[]")
                }
                Column::Bytes(_) => format!("${number}::BYTEA[]"),
            })
            .collect();
        // Tables and columns are literals of this file, never input.
        let sql = AssertSqlSafe(format!(
            "INSERT INTO {} ({}) SELECT * FROM UNNEST({})",
            self.table,
            self.names.join(", "),
            arrays.join(", ")
        ));
        let mut query = sqlx::query(sql);
        for column in &self.columns {
            query = match column {
                Column::Numbers(numbers) => query.bind(&numbers[..]),
                Column::OptionalNumbers(numbers) => query.bind(&numbers[..]),
                Column::Bytes(bytes) => query.bind(&bytes[..]),
            };
        }
        let done = query.execute(&mut **tx).await?.rows_affected();
        touched(done, self.count, self.table)
    }
}

const SENT: &[&str] = &["feed_id", "record_key", "batch_id", "event_number"];
const SUBJECT: &[&str] = &["subject_id", "person_id", "nhs", "facts", "comparison"];
const SUBJECT_KEY: &[&str] = &["match_key", "subject_id", "rung"];
const EVENT: &[&str] =
    &["person_id", "event_number", "role", "subject_id", "batch_id", "consent_key", "body"];
const BATCH_DETAIL: &[&str] = &["batch_id", "sealed"];
const LOG_ENTRY: &[&str] = &["leaf_index", "leaf"];
const LOG_HASH: &[&str] = &["level", "hash_index", "hash"];

/// A transaction that may do everything: limits know no rights.
async fn begin(store: &Store) -> Result<Tx, StoreError> {
    store.transact_as_owner().await
}

/// The same, to read; on SQLite beside the one that writes.
async fn look(store: &Store) -> Result<Tx, StoreError> {
    if store.is_embedded() { store.read(Rights::Release).await } else { begin(store).await }
}

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

type Many<T> = BTreeMap<i64, Vec<T>>;

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
    let (mut subjects, mut keys) = subject_rows(&mut tx, &events).await?;
    let mut edges = families::edges(&mut tx).await?;
    let mut details = detail_rows(&mut tx).await?;
    let (mut entries, mut hashes) = log_rows(&mut tx, stored(first_entry)?).await?;
    let mut left = heads.len();
    let mut all = Vec::with_capacity(left);
    for head in heads {
        let id = head.0;
        all.push(BareBatch {
            partner: partners.get(&head.1).cloned().unwrap_or_default(),
            head,
            tables: vec![
                sent_table(id, sent.remove(&id).unwrap_or_default()),
                subject_table(subjects.remove(&id).unwrap_or_default()),
                key_table(keys.remove(&id).unwrap_or_default()),
                event_table(&events.remove(&id).unwrap_or_default()),
                families::table(id, &edges.remove(&id).unwrap_or_default()),
                detail_table(id, details.remove(&id)),
                entry_table(share(&mut entries, left)),
                hash_table(share(&mut hashes, left)),
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

async fn event_rows(tx: &mut Tx) -> Result<Many<StoredEvent>, StoreError> {
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

/// A subject as stored.
#[derive(Debug, Clone)]
pub struct StoredSubject {
    /// Its number.
    pub subject: i64,
    /// Its person.
    pub person: i64,
    /// Pseudonym of its NHS number.
    pub nhs: Option<Vec<u8>>,
    /// Its sealed facts.
    pub facts: Option<Vec<u8>>,
    /// What it is compared by, sealed.
    pub comparison: Option<Vec<u8>>,
}

type KeyRow = (Vec<u8>, i64, i64);

/// Subjects and their keys, each with the first batch that has an event of it.
async fn subject_rows(
    tx: &mut Tx,
    events: &Many<StoredEvent>,
) -> Result<(Many<StoredSubject>, Many<KeyRow>), StoreError> {
    let mut first: BTreeMap<i64, i64> = BTreeMap::new();
    for (batch, events) in events {
        for event in events {
            first.entry(event.subject).or_insert(*batch);
        }
    }
    let (mut subjects, mut keys): (Many<_>, Many<_>) = Default::default();
    for found in all_subjects(tx).await? {
        if let Some(batch) = first.get(&found.subject) {
            subjects.entry(*batch).or_default().push(found);
        }
    }
    let rows: Vec<(Vec<u8>, i64, i64)> = on!(tx, c => sqlx::query_as(
        "SELECT match_key, subject_id, rung FROM subject_key ORDER BY match_key, subject_id")
        .fetch_all(c).await)?;
    for row in rows {
        if let Some(batch) = first.get(&row.1) {
            keys.entry(*batch).or_default().push(row);
        }
    }
    Ok((subjects, keys))
}

/// subject_id, person_id, nhs, facts, comparison.
type SubjectRow = (i64, i64, Option<Vec<u8>>, Option<Vec<u8>>, Option<Vec<u8>>);

async fn all_subjects(tx: &mut Tx) -> Result<Vec<StoredSubject>, StoreError> {
    let rows: Vec<SubjectRow> = on!(tx, c => sqlx::query_as(
        "SELECT subject_id, person_id, nhs, facts, comparison FROM subject ORDER BY subject_id")
        .fetch_all(c).await)?;
    let subject = |(subject, person, nhs, facts, comparison)| StoredSubject {
        subject,
        person,
        nhs,
        facts,
        comparison,
    };
    Ok(rows.into_iter().map(subject).collect())
}

type LogRows = (Vec<(i64, Vec<u8>)>, Vec<(i64, i64, Vec<u8>)>);

async fn log_rows(tx: &mut Tx, first: i64) -> Result<LogRows, StoreError> {
    let entries = on!(tx, c => sqlx::query_as(
        "SELECT leaf_index, leaf FROM log_entry WHERE leaf_index >= $1 ORDER BY leaf_index")
        .bind(first).fetch_all(c).await)?;
    let hashes = on!(tx, c => sqlx::query_as(
        "SELECT level, hash_index, hash FROM log_hash WHERE level > 0 OR hash_index >= $1 \
         ORDER BY level, hash_index").bind(first).fetch_all(c).await)?;
    Ok((entries, hashes))
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

fn subject_table(rows: Vec<StoredSubject>) -> Rows {
    let (mut ids, mut persons, mut nhs, mut facts) = (vec![], vec![], vec![], vec![]);
    let mut comparisons = vec![];
    for row in rows {
        comparisons.push(row.comparison);
        ids.push(row.subject);
        persons.push(row.person);
        nhs.push(row.nhs);
        facts.push(row.facts);
    }
    let columns = vec![
        Column::Numbers(ids),
        Column::Numbers(persons),
        Column::Bytes(nhs),
        Column::Bytes(facts),
        Column::Bytes(comparisons),
    ];
    Rows::new("subject", SUBJECT, columns)
}

fn key_table(rows: Vec<KeyRow>) -> Rows {
    let (mut keys, mut subjects, mut rungs) = (vec![], vec![], vec![]);
    for (key, subject, rung) in rows {
        keys.push(Some(key));
        subjects.push(subject);
        rungs.push(rung);
    }
    let columns = vec![Column::Bytes(keys), Column::Numbers(subjects), Column::Numbers(rungs)];
    Rows::new("subject_key", SUBJECT_KEY, columns)
}

fn event_table(events: &[StoredEvent]) -> Rows {
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

fn entry_table(rows: Vec<(i64, Vec<u8>)>) -> Rows {
    let (indices, leaves) = rows.into_iter().map(|(index, leaf)| (index, Some(leaf))).unzip();
    Rows::new("log_entry", LOG_ENTRY, vec![Column::Numbers(indices), Column::Bytes(leaves)])
}

fn hash_table(rows: Vec<(i64, i64, Vec<u8>)>) -> Rows {
    let (mut levels, mut indices, mut hashes) = (vec![], vec![], vec![]);
    for (level, index, hash) in rows {
        levels.push(level);
        indices.push(index);
        hashes.push(Some(hash));
    }
    let columns = vec![Column::Numbers(levels), Column::Numbers(indices), Column::Bytes(hashes)];
    Rows::new("log_hash", LOG_HASH, columns)
}

/// The checkpoint's usual length, so that the head row is as long as a real one.
const CHECKPOINT_BYTES: usize = 200;

async fn set_head(tx: &mut Tx, size: i64) -> Result<(), StoreError> {
    let (root, checkpoint) = (vec![0_u8; 32], "-".repeat(CHECKPOINT_BYTES));
    on!(tx, c => sqlx::query(
        "INSERT INTO log_head (only_row, size, root, checkpoint, at) VALUES (1, $1, $2, $3, 0) \
         ON CONFLICT (only_row) DO UPDATE SET size = excluded.size, root = excluded.root, \
         checkpoint = excluded.checkpoint")
        .bind(size).bind(root).bind(checkpoint).execute(c).await.map(drop))?;
    Ok(())
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
    set_head(&mut tx, *id).await?;
    tx.commit().await
}

/// The raw group commit: a log without its tree.
#[derive(Debug)]
pub struct RawLog {
    store: Store,
    size: i64,
}

impl RawLog {
    /// On an empty, migrated store.
    #[must_use]
    pub const fn new(store: Store) -> Self {
        Self { store, size: 0 }
    }

    /// One transaction: an entry and a hash each, a hash more for every 256, and the head.
    ///
    /// # Errors
    /// When the engine refuses.
    pub async fn commit(&mut self, leaves: Vec<Vec<u8>>) -> Result<(), StoreError> {
        let first = self.size;
        let next = first + i64::try_from(leaves.len()).map_err(|_| StoreError::Range)?;
        let hash = |level, index| (level, index, vec![0x5a_u8; 32]);
        let mut hashes: Vec<_> = (first..next).map(|index| hash(0, index)).collect();
        hashes.extend((first / 256..next / 256).map(|index| hash(1, index)));
        let mut tx = begin(&self.store).await?;
        entry_table((first..next).zip(leaves).collect()).insert(&mut tx).await?;
        hash_table(hashes).insert(&mut tx).await?;
        set_head(&mut tx, next).await?;
        tx.commit().await?;
        self.size = next;
        Ok(())
    }
}

/// Entries that a transaction of [`fill_log`] takes.
const FILL: u64 = 1_000;

/// Makes a log as long as told, of one leaf again and again, with its whole tree: what the write
/// path can go on from.
///
/// # Errors
/// When the engine refuses.
pub async fn fill_log(
    store: &Store,
    signer: &LogSigner,
    leaf: &Leaf,
    entries: u64,
) -> Result<(), StoreError> {
    let bytes = leaf.encode()?;
    let hash = leaf_hash(&bytes);
    let mut tx = look(store).await?;
    let mut old = log::head(&mut tx).await?;
    let mut frontier = log::frontier(&mut tx, old.as_ref()).await?;
    drop(tx);
    while frontier.size() < entries {
        let (first, count) = (frontier.size(), FILL.min(entries - frontier.size()));
        let count = usize::try_from(count).map_err(|_| StoreError::Range)?;
        let appended = frontier.append(&vec![hash; count])?;
        let size = appended.frontier.size();
        let checkpoint = signer.sign_checkpoint(size, &appended.root);
        let at = leaf.at.as_microsecond();
        let base = old.as_ref().map_or(0, |old| old.base);
        let head = Head { base, size, root: appended.root, checkpoint, at };
        let leaves = vec![bytes.clone(); count];
        let growth = Growth { base, first, leaves: &leaves, hashes: &appended.new_hashes };
        let mut tx = begin(store).await?;
        if !log::grow(&mut tx, &growth, old.as_ref(), &head).await? {
            return Err(StoreError::Unchanged { table: "log_head" });
        }
        tx.commit().await?;
        (frontier, old) = (appended.frontier, Some(head));
    }
    Ok(())
}

/// Reads every event and every sealed fact once, in stored order, by key range as a release
/// does, joining a person's events into one row; decodes and decides nothing. Returns the
/// persons and the bytes.
///
/// # Errors
/// When they can't be read.
pub async fn scan(store: &Store) -> Result<(u64, u64), StoreError> {
    let mut tx = look(store).await?;
    let last = super::scan::last_person(&mut tx).await?;
    let joined = if tx.is_sqlite() {
        "SELECT person_id, group_concat(hex(body), '') FROM event \
         WHERE person_id > $1 AND person_id <= $2 GROUP BY person_id ORDER BY person_id"
    } else {
        "SELECT person_id, string_agg(encode(body, 'hex'), '' ORDER BY event_number, role) \
         FROM event WHERE person_id > $1 AND person_id <= $2 \
         GROUP BY person_id ORDER BY person_id"
    };
    let (mut persons, mut bytes, mut after) = (0, 0, 0);
    while after < last {
        let until = after.saturating_add(RANGE).min(last);
        let facts: Vec<(i64, Vec<u8>)> = on!(&mut tx, c => sqlx::query_as(
            "SELECT person_id, facts FROM subject WHERE person_id > $1 AND person_id <= $2 \
             AND facts IS NOT NULL ORDER BY person_id, subject_id")
            .bind(after).bind(until).fetch_all(c).await)?;
        let bodies: Vec<(i64, String)> = on!(&mut tx, c => sqlx::query_as(joined)
            .bind(after).bind(until).fetch_all(c).await)?;
        persons += bodies.len() as u64;
        bytes += facts.iter().map(|(_, facts)| facts.len() as u64).sum::<u64>();
        bytes += bodies.iter().map(|(_, body)| body.len() as u64 / 2).sum::<u64>();
        after = until;
    }
    Ok((persons, bytes))
}

/// A person with everything that a release reads of it.
#[derive(Debug, Clone)]
pub struct Pattern {
    /// Its identity that has sealed facts, or any.
    pub subject: StoredSubject,
    /// Its events.
    pub events: Vec<StoredEvent>,
}

/// Every person of a store, to invent others after.
///
/// # Errors
/// When they can't be read.
pub async fn patterns(store: &Store) -> Result<Vec<Pattern>, StoreError> {
    let mut tx = look(store).await?;
    let mut events: Many<StoredEvent> = BTreeMap::new();
    for event in event_rows(&mut tx).await?.into_values().flatten() {
        events.entry(event.person).or_default().push(event);
    }
    let mut patterns: BTreeMap<i64, Pattern> = BTreeMap::new();
    for subject in all_subjects(&mut tx).await? {
        let Some(own) = events.remove(&subject.person) else {
            // A second identity of a person: its facts count where the first has none.
            if let Some(pattern) = patterns.get_mut(&subject.person)
                && pattern.subject.facts.is_none()
            {
                pattern.subject = subject;
            }
            continue;
        };
        patterns.insert(subject.person, Pattern { subject, events: own });
    }
    Ok(patterns.into_values().collect())
}

/// Loads invented persons: what a release reads, and none of what only intake needs.
///
/// # Errors
/// When they can't be written.
pub async fn load(store: &Store, persons: Vec<Pattern>) -> Result<(), StoreError> {
    let (mut subjects, mut events) = (Vec::with_capacity(persons.len()), Vec::new());
    for person in persons {
        subjects.push(person.subject);
        events.extend(person.events);
    }
    let mut tx = begin(store).await?;
    subject_table(subjects).insert(&mut tx).await?;
    event_table(&events).insert(&mut tx).await?;
    tx.commit().await
}

/// The first of `persons` numbers for persons and subjects, and of `events` for events.
///
/// # Errors
/// When they can't be taken.
pub async fn take_numbers(
    store: &Store,
    persons: usize,
    events: usize,
) -> Result<(PersonId, i64, i64), StoreError> {
    let mut tx = begin(store).await?;
    let person = tx.take_numbers("person", persons).await?;
    let subject = tx.take_numbers("subject", persons).await?;
    let event = tx.take_numbers("event", events).await?;
    tx.commit().await?;
    Ok((PersonId::new(person), subject, event))
}

/// Makes an empty database for one measurement, on the servers of the location.
///
/// # Errors
/// When the server can't be reached or the user may not create databases.
pub async fn create_database(
    server: &PostgresLocation,
    name: &str,
) -> Result<Location, StoreError> {
    // The name is this program's, letters, digits and underscores.
    on_server(server, format!("CREATE DATABASE {name}")).await?;
    Ok(Location::Postgres(server.with_database(name)))
}

/// Drops a database that [`create_database`] made, with whoever is still connected to it: a
/// measurement that failed leaves its gateway behind.
///
/// # Errors
/// When the server can't be reached.
pub async fn drop_database(server: &PostgresLocation, name: &str) -> Result<(), StoreError> {
    on_server(server, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await
}

async fn on_server(server: &PostgresLocation, sql: String) -> Result<(), StoreError> {
    // Making and dropping take their time; that is no news.
    let options = server.primary().await.ok_or(StoreError::NoPrimary)?.disable_statement_logging();
    let mut connection = PgConnection::connect_with(&options).await?;
    sqlx::query(AssertSqlSafe(sql)).execute(&mut connection).await?;
    connection.close().await?;
    Ok(())
}
