//! Records whose time is over: which batches to look through, what is in them, and the days
//! that the log names.
//!
//! A batch is looked through when it is new, when the clauses that bind its feed change, and on
//! the day on which the next of its records may be due; never otherwise. So a day costs one
//! pass over the list of batches and a reading of those that have something due, whatever else
//! is kept. What is let go is destroyed by [`super::erasures`], as what a sender erases is.
//!
//! [`kept`] looks at everything there is, batch by batch, and knows nothing of these lists: it is
//! for a preview, and to prove that nothing was overlooked.

use super::{
    StoreError, Tx, bulk,
    error::{counted, stored},
    tx::on,
};
use crate::domain::{BatchId, FeedId, ProtocolId, RecordType, SubjectId};

/// Nothing more is due in a batch, as far as its clauses go.
pub const NEVER: i32 = i32::MAX;

/// The row of a day that is there whether anything went or not.
const WHOLE: i64 = 0;

/// A batch to look through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Its number.
    pub batch: BatchId,
    /// Its feed.
    pub feed: FeedId,
    /// The protocol that it relied on, and its version.
    pub protocol: ProtocolId,
    /// See `protocol`.
    pub version: u32,
    /// When it came in, microseconds since 1970-01-01 UTC.
    pub received: i64,
}

type BatchRow = (i64, i64, String, i64, i64);

fn batch((row, feed, protocol, version, received): BatchRow) -> Result<Batch, StoreError> {
    let corrupt = |column| StoreError::Corrupt { table: "batch", column, row };
    Ok(Batch {
        batch: BatchId::new(row),
        feed: FeedId::new(feed),
        protocol: protocol.parse().map_err(|_| corrupt("protocol_id"))?,
        version: u32::try_from(version).map_err(|_| corrupt("protocol_version"))?,
        received,
    })
}

/// The batches after one in which something may be due on a day, in order, at most so many:
/// accepted ones, and undone ones, which are kept, too.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn to_look_through(
    tx: &mut Tx,
    after: BatchId,
    today: i32,
    most: i64,
) -> Result<Vec<Batch>, StoreError> {
    let rows: Vec<BatchRow> = on!(tx, c => sqlx::query_as(
        "SELECT b.batch_id, b.feed_id, b.protocol_id, b.protocol_version, b.staged_at FROM batch b \
         LEFT JOIN batch_keeping k ON k.batch_id = b.batch_id \
         WHERE b.batch_id > $1 AND b.state IN (1, 3) \
         AND (k.look_day IS NULL OR k.look_day <= $2) ORDER BY b.batch_id LIMIT $3")
        .bind(after.number()).bind(i64::from(today)).bind(most).fetch_all(c).await)?;
    rows.into_iter().map(batch).collect()
}

/// A batch was looked through: on this day the next of it may be due.
///
/// # Errors
/// When it can't be written.
pub async fn looked_through(tx: &mut Tx, batch: BatchId, look_day: i32) -> Result<(), StoreError> {
    on!(tx, c => sqlx::query(
        "INSERT INTO batch_keeping (batch_id, look_day) VALUES ($1, $2) \
         ON CONFLICT (batch_id) DO UPDATE SET look_day = excluded.look_day")
        .bind(batch.number()).bind(i64::from(look_day)).execute(c).await.map(drop))?;
    Ok(())
}

/// The digest of the clauses by which a feed's days were reckoned, if they were.
///
/// # Errors
/// When it can't be read.
pub async fn rules_of(tx: &mut Tx, feed: FeedId) -> Result<Option<Vec<u8>>, StoreError> {
    let row: Option<(Vec<u8>,)> = on!(tx, c => sqlx::query_as(
        "SELECT rules FROM feed_keeping WHERE feed_id = $1")
        .bind(feed.number()).fetch_optional(c).await)?;
    Ok(row.map(|(rules,)| rules))
}

/// Other clauses bind a feed: each of its batches is to be looked through anew.
///
/// # Errors
/// When it can't be written.
pub async fn begin_anew(tx: &mut Tx, feed: FeedId, rules: &[u8; 32]) -> Result<(), StoreError> {
    on!(&mut *tx, c => sqlx::query(
        "UPDATE batch_keeping SET look_day = $1 \
         WHERE batch_id IN (SELECT batch_id FROM batch WHERE feed_id = $2)")
        .bind(i64::from(i32::MIN)).bind(feed.number()).execute(c).await.map(drop))?;
    on!(tx, c => sqlx::query(
        "INSERT INTO feed_keeping (feed_id, rules) VALUES ($1, $2) \
         ON CONFLICT (feed_id) DO UPDATE SET rules = excluded.rules")
        .bind(feed.number()).bind(&rules[..]).execute(c).await.map(drop))?;
    Ok(())
}

/// What a record says of one of its persons, as stored. No Debug: the facts may be opened.
pub struct StoredEvent {
    /// The record's number.
    pub number: i64,
    /// The person's part in it.
    pub role: u8,
    /// By which identity.
    pub subject: SubjectId,
    /// The stored form of the event.
    pub body: Vec<u8>,
    /// That identity's sealed facts.
    pub facts: Option<Vec<u8>>,
    /// When the batch came in that withdrew the record, if one did; microseconds since 1970-01-01
    /// UTC.
    pub withdrawn: Option<i64>,
}

type EventRow = (i64, i64, i64, Vec<u8>, Option<Vec<u8>>, Option<i64>);

fn event(
    (number, role, subject, body, facts, withdrawn): EventRow,
) -> Result<StoredEvent, StoreError> {
    let corrupt = StoreError::Corrupt { table: "event", column: "role", row: number };
    let role = u8::try_from(role).map_err(|_| corrupt)?;
    Ok(StoredEvent { number, role, subject: SubjectId::new(subject), body, facts, withdrawn })
}

/// The events of a batch that are left, a record's behind one another.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn events_of(tx: &mut Tx, batch: BatchId) -> Result<Vec<StoredEvent>, StoreError> {
    let rows: Vec<EventRow> = on!(tx, c => sqlx::query_as(
        "SELECT e.event_number, e.role, e.subject_id, e.body, s.facts, \
         (SELECT b.staged_at FROM withdrawal w JOIN batch b ON b.batch_id = w.batch_id \
          AND b.state = 1 WHERE w.event_number = e.event_number) FROM event e \
         LEFT JOIN subject s ON s.subject_id = e.subject_id \
         WHERE e.batch_id = $1 ORDER BY e.event_number, e.role")
        .bind(batch.number()).fetch_all(c).await)?;
    rows.into_iter().map(event).collect()
}

/// What a record of a batch says of whom it is about, of some records.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn principals(
    tx: &mut Tx,
    batch: BatchId,
    numbers: &[i64],
) -> Result<Vec<StoredEvent>, StoreError> {
    let rows: Vec<EventRow> = bulk::select(
        tx,
        "SELECT e.event_number, e.role, e.subject_id, e.body, s.facts, CAST(NULL AS BIGINT) \
         FROM event e LEFT JOIN subject s ON s.subject_id = e.subject_id \
         WHERE e.batch_id = $1 AND e.role = 0 AND e.event_number",
        Some(batch.number()),
        &bulk::Among::Numbers(numbers),
        "",
    )
    .await?;
    rows.into_iter().map(event).collect()
}

/// The batches after one in which records may be kept, in order, at most so many: accepted ones, and
/// undone ones.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn kept(tx: &mut Tx, after: BatchId, most: i64) -> Result<Vec<Batch>, StoreError> {
    let rows: Vec<BatchRow> = on!(tx, c => sqlx::query_as(
        "SELECT batch_id, feed_id, protocol_id, protocol_version, staged_at FROM batch \
         WHERE batch_id > $1 AND state IN (1, 3) ORDER BY batch_id LIMIT $2")
        .bind(after.number()).bind(most).fetch_all(c).await)?;
    rows.into_iter().map(batch).collect()
}

/// A record is let go: its key goes after this day, so that it does not come in again before.
///
/// # Errors
/// When it can't be written.
pub async fn know_until(
    tx: &mut Tx,
    feed: FeedId,
    (key, number): (&[u8; 16], i64),
    day: i32,
) -> Result<(), StoreError> {
    on!(tx, c => sqlx::query(
        "UPDATE sent SET forget_day = $1 \
         WHERE feed_id = $2 AND record_key = $3 AND event_number = $4")
        .bind(i64::from(day)).bind(feed.number()).bind(key.to_vec()).bind(number)
        .execute(c).await.map(drop))?;
    Ok(())
}

/// Forgets the keys of records let go that their protocols' dates would refuse now, at most so
/// many, and tells how many there were.
///
/// # Errors
/// When it can't be written.
pub async fn forget(tx: &mut Tx, today: i32, most: i64) -> Result<u64, StoreError> {
    Ok(on!(tx, c => sqlx::query(
        "DELETE FROM sent WHERE (feed_id, record_key) IN \
         (SELECT feed_id, record_key FROM sent \
          WHERE forget_day IS NOT NULL AND forget_day < $1 LIMIT $2)")
        .bind(i64::from(today)).bind(most).execute(c).await.map(|done| done.rows_affected()))?)
}

/// Counts records that were let go, until the log names the day.
///
/// # Errors
/// When it can't be written.
pub async fn count(tx: &mut Tx, record_type: RecordType, records: u64) -> Result<(), StoreError> {
    if let Tx::Postgres(postgres) = tx {
        // Intake may only add to it; a function of the owner does.
        sqlx::query("SELECT count_let_go($1, $2)")
            .bind(i64::from(record_type.number()))
            .bind(stored(records)?)
            .execute(&mut **postgres)
            .await?;
        return Ok(());
    }
    on!(tx, c => sqlx::query(
        "INSERT INTO let_go (record_type, records) VALUES ($1, $2) \
         ON CONFLICT (record_type) DO UPDATE SET records = let_go.records + excluded.records")
        .bind(i64::from(record_type.number())).bind(stored(records)?)
        .execute(c).await.map(drop))?;
    Ok(())
}

/// How many records were let go since the last day that is named, by type.
///
/// # Errors
/// When it can't be read or is corrupt.
pub async fn unnamed(tx: &mut Tx) -> Result<Vec<(RecordType, u64)>, StoreError> {
    let rows: Vec<(i64, i64)> = on!(tx, c => sqlx::query_as(
        "SELECT record_type, records FROM let_go ORDER BY record_type").fetch_all(c).await)?;
    let named = |(number, records)| {
        let corrupt = StoreError::Corrupt { table: "let_go", column: "record_type", row: number };
        let record_type = u8::try_from(number).ok().and_then(RecordType::from_number);
        Ok((record_type.ok_or(corrupt)?, counted(records)?))
    };
    rows.into_iter().map(named).collect()
}

/// The last day whose retention was applied; `None` before there is any.
///
/// # Errors
/// When it can't be read or is corrupt.
pub async fn last_day(tx: &mut Tx) -> Result<Option<i32>, StoreError> {
    let (day,): (Option<i64>,) = on!(tx, c => sqlx::query_as(
        "SELECT MAX(day) FROM retention_day").fetch_one(c).await)?;
    let corrupt = |_| StoreError::Corrupt { table: "retention_day", column: "day", row: 0 };
    day.map(|day| i32::try_from(day).map_err(corrupt)).transpose()
}

/// Days begin to be counted after this one.
///
/// # Errors
/// When it can't be written.
pub async fn begin(tx: &mut Tx, day: i32) -> Result<(), StoreError> {
    on!(tx, c => sqlx::query(
        "INSERT INTO retention_day (day, record_type, below) VALUES ($1, $2, 100) \
         ON CONFLICT DO NOTHING")
        .bind(i64::from(day)).bind(WHOLE).execute(c).await.map(drop))?;
    Ok(())
}

/// A day's retention, to be named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The day, days since 1970-01-01 in Europe/London.
    pub day: i32,
    /// What was let go, by type, and the bound of its class of sizes; of types of which nothing
    /// went, too, so that the rows tell no more than the classes.
    pub types: Vec<(RecordType, u64, u64)>,
    /// The bound of the class of all together.
    pub below: u64,
}

/// A day's retention is named, by one gateway alone, and all of it.
pub(super) async fn name(tx: &mut Tx, named: &Named) -> Result<(), StoreError> {
    let day = i64::from(named.day);
    let rows = on!(&mut *tx, c => sqlx::query(
        "INSERT INTO retention_day (day, record_type, below) VALUES ($1, $2, $3) \
         ON CONFLICT DO NOTHING")
        .bind(day).bind(WHOLE).bind(stored(named.below)?)
        .execute(c).await.map(|done| done.rows_affected()))?;
    bulk::touched(rows, 1, "retention_day")?;
    for (record_type, records, below) in &named.types {
        let number = i64::from(record_type.number());
        if *records > 0 {
            // Where more were let go meanwhile the leaf would say too little: count anew.
            let rows = on!(&mut *tx, c => sqlx::query(
                "DELETE FROM let_go WHERE record_type = $1 AND records = $2")
                .bind(number).bind(stored(*records)?)
                .execute(c).await.map(|done| done.rows_affected()))?;
            bulk::touched(rows, 1, "let_go")?;
        }
        on!(&mut *tx, c => sqlx::query(
            "INSERT INTO retention_day (day, record_type, below) VALUES ($1, $2, $3)")
            .bind(day).bind(number).bind(stored(*below)?).execute(c).await.map(drop))?;
    }
    Ok(())
}

/// A day as the log names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Day {
    /// The day, days since 1970-01-01 in Europe/London.
    pub day: i32,
    /// The record type; `None` for all together.
    pub record_type: Option<RecordType>,
    /// The bound of the class of sizes; 0 for the class without one.
    pub below: u64,
}

/// The days from one to another, both included, as the log named them: the day from which days
/// are counted is none of them.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn days(tx: &mut Tx, from: i32, until: i32) -> Result<Vec<Day>, StoreError> {
    let rows: Vec<(i64, i64, i64)> = on!(tx, c => sqlx::query_as(
        "SELECT d.day, d.record_type, d.below FROM retention_day d \
         WHERE d.day >= $1 AND d.day <= $2 AND EXISTS \
         (SELECT 1 FROM retention_day t WHERE t.day = d.day AND t.record_type <> 0) \
         ORDER BY d.day, d.record_type")
        .bind(i64::from(from)).bind(i64::from(until)).fetch_all(c).await)?;
    rows.into_iter()
        .map(|(day, number, below)| {
            let corrupt = |column| StoreError::Corrupt { table: "retention_day", column, row: day };
            let record_type = match number {
                WHOLE => None,
                number => {
                    let known = u8::try_from(number).ok().and_then(RecordType::from_number);
                    Some(known.ok_or(corrupt("record_type"))?)
                }
            };
            let day = i32::try_from(day).map_err(|_| corrupt("day"))?;
            Ok(Day { day, record_type, below: counted(below)? })
        })
        .collect()
}
