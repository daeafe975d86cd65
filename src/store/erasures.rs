//! Erasing: records that their sender wants gone, what carrying that out destroys, and the
//! days whose erasures the log names.
//!
//! What is asked for waits here until it is carried out, in a transaction of its own that takes
//! the record's rows, its key and the request with it. Afterwards only a batch's number and an
//! item's within it are left, until and after a day's leaf names them.
//!
//! What a copy of the database, its write-ahead log, an old page that was not yet used again
//! (PostgreSQL; SQLite overwrites with `secure_delete`) or a backup holds is not reached from
//! here: a scrub is for that.

use super::{
    StoreError, Tx,
    bulk::{
        self, Among,
        Column::{Bytes, Integers},
    },
    error::{key16, stored},
    subjects,
    tx::on,
};
use crate::domain::{BatchId, FeedId, PersonId, SubjectId};
use jiff::Timestamp;
use std::collections::BTreeSet;

/// The day of what no leaf has named yet.
const UNNAMED: i64 = -1;

/// A record that is to be erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Its feed.
    pub feed: FeedId,
    /// Pseudonym of the sender's id of it.
    pub key: [u8; 16],
    /// Version of the key that wrapped it.
    pub key_version: u16,
}

/// An item of a batch that was erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unnamed {
    /// The batch's commitment.
    pub commitment: [u8; 32],
    /// The item's number within it.
    pub item: u64,
}

/// The erasures of a day, to be named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The day, days since 1970-01-01 in Europe/London.
    pub day: i32,
    /// How many there are.
    pub count: u64,
}

/// Enters what is to be erased; what is asked for already stays as it is.
pub(super) async fn ask(tx: &mut Tx, asked: &[Asked], at: Timestamp) -> Result<(), StoreError> {
    let all = || asked.iter();
    bulk::insert(
        tx,
        "erasure",
        &[
            ("feed_id", Integers(all().map(|a| a.feed.number()).collect())),
            ("record_key", Bytes(all().map(|a| &a.key[..]).collect())),
            ("key_version", Integers(all().map(|a| i64::from(a.key_version)).collect())),
            ("asked_at", Integers(vec![at.as_microsecond(); asked.len()])),
        ],
        "ON CONFLICT (feed_id, record_key) DO NOTHING",
    )
    .await
    .map(drop)
}

/// What is to be erased and not yet carried out, after a record in the order of feeds and keys,
/// at most so many.
///
/// # Errors
/// When it can't be read or is corrupt.
pub async fn asked(
    tx: &mut Tx,
    after: (FeedId, [u8; 16]),
    most: i64,
) -> Result<Vec<Asked>, StoreError> {
    let (feed, key) = after;
    let rows: Vec<(i64, Vec<u8>, i64)> = on!(tx, c => sqlx::query_as(
        "SELECT feed_id, record_key, key_version FROM erasure \
         WHERE feed_id > $1 OR (feed_id = $2 AND record_key > $3) \
         ORDER BY feed_id, record_key LIMIT $4")
        .bind(feed.number()).bind(feed.number()).bind(key.to_vec()).bind(most)
        .fetch_all(c).await)?;
    rows.into_iter()
        .map(|(feed, key, version)| {
            let corrupt = StoreError::Corrupt { table: "erasure", column: "key_version", row: 0 };
            Ok(Asked {
                feed: FeedId::new(feed),
                key: key16(&key, "erasure", "record_key")?,
                key_version: u16::try_from(version).map_err(|_| corrupt)?,
            })
        })
        .collect()
}

/// Which of these records of a feed are to be erased.
///
/// # Errors
/// When it can't be read or is corrupt.
pub async fn waiting(
    tx: &mut Tx,
    feed: FeedId,
    keys: &[[u8; 16]],
) -> Result<Vec<[u8; 16]>, StoreError> {
    let rows: Vec<(Vec<u8>,)> = bulk::select(
        tx,
        "SELECT record_key FROM erasure WHERE feed_id = $1 AND record_key",
        Some(feed.number()),
        &Among::Keys(keys),
        "",
    )
    .await?;
    rows.into_iter().map(|(key,)| key16(&key, "erasure", "record_key")).collect()
}

/// A request is carried out: nothing of it is left.
///
/// # Errors
/// When it can't be written.
pub async fn settle(tx: &mut Tx, asked: &Asked) -> Result<(), StoreError> {
    on!(tx, c => sqlx::query("DELETE FROM erasure WHERE feed_id = $1 AND record_key = $2")
        .bind(asked.feed.number()).bind(asked.key.to_vec()).execute(c).await.map(drop))?;
    Ok(())
}

/// Destroys a record's events and withdrawal, and the identities (with their sealed births)
/// that nothing else rests on. `named`: the identities it named; `None` where that is not
/// known, and every event is looked through.
///
/// # Errors
/// When it can't be written.
pub async fn erase_record(
    tx: &mut Tx,
    number: i64,
    named: Option<&[SubjectId]>,
) -> Result<(), StoreError> {
    let persons: Option<Vec<i64>> = match named {
        Some(named) => {
            let persons = subjects::persons_of(tx, named).await?;
            let nobody = named.contains(&SubjectId::NOBODY).then_some(PersonId::NOBODY);
            Some(persons.iter().chain(&nobody).map(|person| person.number()).collect())
        }
        None => None,
    };
    if let Tx::Postgres(postgres) = tx {
        // Intake may neither read nor delete what records say; a function of the owner does.
        sqlx::query("SELECT erase_record($1, $2)")
            .bind(number)
            .bind(persons)
            .execute(&mut **postgres)
            .await?;
        return Ok(());
    }
    let mut gone: Vec<i64> = Vec::new();
    match persons {
        None => {
            let rows: Vec<(i64,)> = on!(&mut *tx, c => sqlx::query_as(
                "DELETE FROM event WHERE event_number = $1 RETURNING subject_id")
                .bind(number).fetch_all(c).await)?;
            gone.extend(rows.into_iter().map(|(subject,)| subject));
        }
        Some(persons) => {
            for person in persons {
                let rows: Vec<(i64,)> = on!(&mut *tx, c => sqlx::query_as(
                    "DELETE FROM event WHERE person_id = $1 AND event_number = $2 \
                     RETURNING subject_id")
                    .bind(person).bind(number).fetch_all(c).await)?;
                gone.extend(rows.into_iter().map(|(subject,)| subject));
            }
        }
    }
    on!(&mut *tx, c => sqlx::query("DELETE FROM withdrawal WHERE event_number = $1")
        .bind(number).execute(c).await.map(drop))?;
    on!(&mut *tx, c => sqlx::query("DELETE FROM family_edge WHERE event_number = $1")
        .bind(number).execute(c).await.map(drop))?;
    for subject in gone {
        let rows = on!(&mut *tx, c => sqlx::query(
            "DELETE FROM subject WHERE subject_id = $1 AND NOT EXISTS \
             (SELECT 1 FROM event e WHERE e.person_id = subject.person_id \
              AND e.subject_id = subject.subject_id)")
            .bind(subject).execute(c).await.map(|done| done.rows_affected()))?;
        if rows > 0 {
            on!(&mut *tx, c => sqlx::query("DELETE FROM subject_key WHERE subject_id = $1")
                .bind(subject).execute(c).await.map(drop))?;
            on!(&mut *tx, c => sqlx::query("DELETE FROM counted_birth WHERE subject_id = $1")
                .bind(subject).execute(c).await.map(drop))?;
        }
    }
    Ok(())
}

/// The batches that withdrew some records.
///
/// # Errors
/// When they can't be read.
pub async fn withdrawing(tx: &mut Tx, numbers: &[i64]) -> Result<Vec<BatchId>, StoreError> {
    let rows: Vec<(i64,)> = bulk::select(
        tx,
        "SELECT batch_id FROM withdrawal WHERE event_number",
        None,
        &Among::Numbers(numbers),
        "",
    )
    .await?;
    let batches: BTreeSet<i64> = rows.into_iter().map(|(batch,)| batch).collect();
    Ok(batches.into_iter().map(BatchId::new).collect())
}

/// A withdrawal as stored: the record's number, the batch, and the day it became known.
pub type Withdrawal = (i64, i64, i64);

/// The withdrawals of some records.
///
/// # Errors
/// When they can't be read.
pub async fn withdrawals(tx: &mut Tx, numbers: &[i64]) -> Result<Vec<Withdrawal>, StoreError> {
    bulk::select(
        tx,
        "SELECT event_number, batch_id, known FROM withdrawal WHERE event_number",
        None,
        &Among::Numbers(numbers),
        "",
    )
    .await
}

/// Puts withdrawals back, of records that are gone and whose senders are told what they were
/// told before. One that is there is of a file that was undone, and counts no more.
///
/// # Errors
/// When they can't be written.
pub async fn put_withdrawals(tx: &mut Tx, all: &[Withdrawal]) -> Result<(), StoreError> {
    bulk::insert(
        tx,
        "withdrawal",
        &[
            ("event_number", Integers(all.iter().map(|(number, ..)| *number).collect())),
            ("batch_id", Integers(all.iter().map(|(_, batch, _)| *batch).collect())),
            ("known", Integers(all.iter().map(|(.., known)| *known).collect())),
        ],
        "ON CONFLICT (event_number) DO UPDATE SET batch_id = excluded.batch_id, \
         known = excluded.known",
    )
    .await
    .map(drop)
}

/// Notes which items of a batch were erased, for the day's leaf.
///
/// # Errors
/// When it can't be written.
pub async fn note(tx: &mut Tx, batch: BatchId, items: &[u64]) -> Result<(), StoreError> {
    let items: Result<Vec<i64>, StoreError> = items.iter().map(|item| stored(*item)).collect();
    let items = items?;
    bulk::insert_new(
        tx,
        "erased",
        &[
            ("batch_id", Integers(vec![batch.number(); items.len()])),
            ("day", Integers(vec![UNNAMED; items.len()])),
            ("item", Integers(items)),
        ],
    )
    .await
}

/// What was erased and no leaf has named yet, in order.
///
/// # Errors
/// When it can't be read or is corrupt.
pub async fn unnamed(tx: &mut Tx) -> Result<Vec<Unnamed>, StoreError> {
    let rows: Vec<(i64, Vec<u8>, i64)> = on!(tx, c => sqlx::query_as(
        "SELECT e.batch_id, b.digest, e.item FROM erased e \
         JOIN batch b ON b.batch_id = e.batch_id AND b.state IN (1, 3) \
         WHERE e.day = $1 ORDER BY e.batch_id, e.item")
        .bind(UNNAMED).fetch_all(c).await)?;
    rows.into_iter()
        .map(|(row, digest, item)| {
            let corrupt = StoreError::Corrupt { table: "batch", column: "digest", row };
            let commitment = digest.try_into().map_err(|_| corrupt)?;
            Ok(Unnamed { commitment, item: super::error::counted(item)? })
        })
        .collect()
}

/// The last day whose erasures are named; `None` before there is any.
///
/// # Errors
/// When it can't be read or is corrupt.
pub async fn last_day(tx: &mut Tx) -> Result<Option<i32>, StoreError> {
    let (day,): (Option<i64>,) = on!(tx, c => sqlx::query_as(
        "SELECT MAX(day) FROM erasure_day").fetch_one(c).await)?;
    let corrupt = |_| StoreError::Corrupt { table: "erasure_day", column: "day", row: 0 };
    day.map(|day| i32::try_from(day).map_err(corrupt)).transpose()
}

/// Days begin to be counted after this one.
///
/// # Errors
/// When it can't be written.
pub async fn begin(tx: &mut Tx, day: i32) -> Result<(), StoreError> {
    on!(tx, c => sqlx::query("INSERT INTO erasure_day (day) VALUES ($1) ON CONFLICT DO NOTHING")
        .bind(i64::from(day)).execute(c).await.map(drop))?;
    Ok(())
}

/// A day's erasures are named, by one gateway alone, and all of them.
pub(super) async fn name(tx: &mut Tx, named: &Named) -> Result<(), StoreError> {
    let day = i64::from(named.day);
    let rows = on!(&mut *tx, c => sqlx::query(
        "INSERT INTO erasure_day (day) VALUES ($1) ON CONFLICT DO NOTHING")
        .bind(day).execute(c).await.map(|done| done.rows_affected()))?;
    bulk::touched(rows, 1, "erasure_day")?;
    let rows = on!(tx, c => sqlx::query(
        "UPDATE erased SET day = $1 WHERE day = $2 \
         AND EXISTS (SELECT 1 FROM batch b \
                     WHERE b.batch_id = erased.batch_id AND b.state IN (1, 3))")
        .bind(day).bind(UNNAMED).execute(c).await.map(|done| done.rows_affected()))?;
    // Where more were erased meanwhile the leaf would say too little: count anew.
    if rows == named.count { Ok(()) } else { Err(StoreError::Unchanged { table: "erased" }) }
}
