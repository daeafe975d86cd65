//! What subjects may see: their requests, what controllers keep from the answers, and who
//! shared which records of a person.

use super::{
    Outcome, StoreError, Tx,
    bulk::{
        self, Among,
        Column::{Bytes, Integers, Texts},
    },
    error::{counted, key16},
    tx::on,
};
use crate::domain::{BatchId, FeedId, PartnerId, PersonId, ProtocolId, RecordType};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Records of one feed that are kept from reports, or shown in them all the same.
#[derive(Debug, Clone)]
pub struct Marks {
    /// The feed, which is the marking controller's.
    pub feed: FeedId,
    /// The records' keys as suppressions; `None` for all of the feed.
    pub records: Option<Vec<[u8; 16]>>,
    /// Whether they are withheld; else they are shown.
    pub withheld: bool,
    /// Why: a code of a closed list.
    pub reason: &'static str,
}

/// A subject's wish to see what is held.
#[derive(Debug, Clone)]
pub struct NewRequest {
    /// Who entered it.
    pub partner: PartnerId,
    /// By what the subject proved who it is: a code of a closed list.
    pub proof: &'static str,
    /// The day it was received, days since 1970-01-01.
    pub received_on: i32,
    /// The day it is to be answered by.
    pub due_on: i32,
}

/// A request as kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Its number.
    pub number: i64,
    /// Who entered it.
    pub partner: String,
    /// By what the subject proved who it is.
    pub proof: String,
    /// The day it was received, days since 1970-01-01.
    pub received_on: i32,
    /// The day it is to be answered by.
    pub due_on: i32,
    /// When it was entered, microseconds since 1970-01-01 UTC.
    pub asked_at: i64,
    /// When its report was made.
    pub done_at: Option<i64>,
}

/// A record of a person, without what it says.
#[derive(Debug, Clone)]
pub struct SharedRecord {
    /// Its number.
    pub number: i64,
    /// Its feed.
    pub feed: FeedId,
    /// Its batch.
    pub batch: BatchId,
    /// Who sent it.
    pub partner: PartnerId,
    /// Its type.
    pub record_type: RecordType,
    /// Under which protocol.
    pub protocol: ProtocolId,
    /// Which version of it.
    pub version: u32,
    /// When its batch came in, microseconds since 1970-01-01 UTC; 0 where that was not kept.
    pub received_at: i64,
    /// The consent that it relies on, as stored.
    pub consent: Option<[u8; 16]>,
    /// Its stored form: some are withheld for what they say.
    pub body: Vec<u8>,
}

/// What is marked of some records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Marked {
    /// Feeds with whether they are withheld.
    pub feeds: BTreeMap<FeedId, bool>,
    /// Records with whether they are withheld, which goes before their feed's.
    pub records: BTreeMap<i64, bool>,
}

const WITHHELD: i64 = 1;
const SHOWN: i64 = 2;

/// Enters marks in place of earlier ones of the same.
pub(super) async fn mark(tx: &mut Tx, marks: &Marks, at: Timestamp) -> Result<(), StoreError> {
    let state = if marks.withheld { WITHHELD } else { SHOWN };
    let again = "DO UPDATE SET state = excluded.state, reason = excluded.reason, \
                 marked_at = excluded.marked_at";
    let Some(records) = &marks.records else {
        let sql = sqlx::AssertSqlSafe(format!(
            "INSERT INTO withheld_feed (feed_id, state, reason, marked_at) \
             VALUES ($1, $2, $3, $4) ON CONFLICT (feed_id) {again}"
        ));
        on!(tx, c => sqlx::query(sql).bind(marks.feed.number()).bind(state).bind(marks.reason)
            .bind(at.as_microsecond()).execute(c).await.map(drop))?;
        return Ok(());
    };
    let records: BTreeSet<&[u8; 16]> = records.iter().collect();
    let count = records.len();
    bulk::insert(
        tx,
        "withheld_key",
        &[
            ("feed_id", Integers(vec![marks.feed.number(); count])),
            ("token", Bytes(records.into_iter().map(|token| &token[..]).collect())),
            ("state", Integers(vec![state; count])),
            ("reason", Texts(vec![marks.reason; count])),
            ("marked_at", Integers(vec![at.as_microsecond(); count])),
        ],
        "ON CONFLICT (feed_id, token) DO UPDATE SET state = excluded.state, \
         reason = excluded.reason, marked_at = excluded.marked_at",
    )
    .await
    .map(drop)
}

/// Withholds what takes the place of a record that is withheld: each with the token of what it
/// replaces first. A mark of its own stays; that a record is shown says nothing of its successor,
/// which may be another kind of case.
///
/// # Errors
/// When it can't be written.
pub async fn mark_alike(
    tx: &mut Tx,
    feed: FeedId,
    replaced: &[([u8; 16], [u8; 16])],
) -> Result<(), StoreError> {
    for (earlier, later) in replaced {
        on!(&mut *tx, c => sqlx::query(
            "INSERT INTO withheld_key (feed_id, token, state, reason, marked_at) \
             SELECT w.feed_id, $1, w.state, w.reason, w.marked_at FROM withheld_key w \
             WHERE w.feed_id = $2 AND w.token = $3 AND w.state = $4 \
             ON CONFLICT DO NOTHING")
            .bind(&later[..]).bind(feed.number()).bind(&earlier[..]).bind(WITHHELD)
            .execute(c).await.map(drop))?;
    }
    Ok(())
}

/// Enters a request and tells its number.
pub(super) async fn ask(
    tx: &mut Tx,
    new: &NewRequest,
    at: Timestamp,
) -> Result<Outcome, StoreError> {
    let number = tx.take_numbers("subject_request", 1).await?;
    on!(tx, c => sqlx::query(
        "INSERT INTO subject_request \
         (number, partner_id, proof, received_on, due_on, asked_at, done_at) \
         VALUES ($1, $2, $3, $4, $5, $6, 0)")
        .bind(number).bind(new.partner.as_str()).bind(new.proof)
        .bind(i64::from(new.received_on)).bind(i64::from(new.due_on))
        .bind(at.as_microsecond()).execute(c).await.map(drop))?;
    Ok(Outcome::Total(counted(number)?))
}

/// Says that a request's report was made, for the first time.
pub(super) async fn finish(tx: &mut Tx, number: i64, at: Timestamp) -> Result<(), StoreError> {
    let rows = on!(tx, c => sqlx::query(
        "UPDATE subject_request SET done_at = $1 WHERE number = $2 AND done_at = 0")
        .bind(at.as_microsecond()).bind(number)
        .execute(c).await.map(|done| done.rows_affected()))?;
    bulk::touched(rows, 1, "subject_request")
}

type RequestRow = (i64, String, String, i64, i64, i64, i64);

/// Every request, the oldest first.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn requests(tx: &mut Tx) -> Result<Vec<Request>, StoreError> {
    let rows: Vec<RequestRow> = on!(tx, c => sqlx::query_as(
        "SELECT number, partner_id, proof, received_on, due_on, asked_at, done_at \
         FROM subject_request ORDER BY number").fetch_all(c).await)?;
    rows.into_iter()
        .map(|(number, partner, proof, received, due, asked_at, done_at)| {
            let corrupt =
                |column| StoreError::Corrupt { table: "subject_request", column, row: number };
            Ok(Request {
                number,
                partner,
                proof,
                received_on: i32::try_from(received).map_err(|_| corrupt("received_on"))?,
                due_on: i32::try_from(due).map_err(|_| corrupt("due_on"))?,
                asked_at,
                done_at: (done_at != 0).then_some(done_at),
            })
        })
        .collect()
}

type SharedRow = (i64, i64, i64, String, i64, String, i64, i64, Option<Vec<u8>>, Vec<u8>);

/// The accepted records of a person, in the order in which they came.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn shared(tx: &mut Tx, person: PersonId) -> Result<Vec<SharedRecord>, StoreError> {
    let rows: Vec<SharedRow> = on!(tx, c => sqlx::query_as(
        "SELECT e.event_number, f.feed_id, b.batch_id, f.partner_id, f.record_type, b.protocol_id, \
         b.protocol_version, b.staged_at, e.consent_key, e.body \
         FROM event e JOIN batch b ON b.batch_id = e.batch_id AND b.state = 1 \
         JOIN feed f ON f.feed_id = b.feed_id \
         WHERE e.person_id = $1 ORDER BY e.event_number, e.role")
        .bind(person.number()).fetch_all(c).await)?;
    rows.into_iter()
        .map(|row: SharedRow| {
            let (number, feed, batch, partner, record_type, protocol, version, at, key, body) = row;
            let corrupt = |column| StoreError::Corrupt { table: "batch", column, row: number };
            let record_type = u8::try_from(record_type).ok().and_then(RecordType::from_number);
            Ok(SharedRecord {
                number,
                feed: FeedId::new(feed),
                batch: BatchId::new(batch),
                partner: partner.parse().map_err(|_| corrupt("partner_id"))?,
                record_type: record_type.ok_or(corrupt("record_type"))?,
                protocol: protocol.parse().map_err(|_| corrupt("protocol_id"))?,
                version: u32::try_from(version).map_err(|_| corrupt("protocol_version"))?,
                received_at: at,
                consent: key.map(|key| key16(&key, "event", "consent_key")).transpose()?,
                body,
            })
        })
        .collect()
}

/// What is marked of some records and their feeds. `tokens`: of each record by its number the key
/// as a suppression. One whose key is not known any more is withheld where its feed withholds any.
///
/// # Errors
/// When it can't be read or is corrupt.
pub async fn marked(
    tx: &mut Tx,
    records: &[SharedRecord],
    tokens: &BTreeMap<i64, [u8; 16]>,
) -> Result<Marked, StoreError> {
    let distinct = |of: fn(&SharedRecord) -> i64| {
        records.iter().map(of).collect::<BTreeSet<i64>>().into_iter().collect::<Vec<_>>()
    };
    let (feeds, numbers) = (distinct(|r| r.feed.number()), distinct(|r| r.number));
    let feeds: Vec<(i64, i64)> = bulk::select(
        tx,
        "SELECT feed_id, state FROM withheld_feed WHERE feed_id",
        None,
        &Among::Numbers(&feeds),
        "",
    )
    .await?;
    let found: Vec<(i64, i64)> = bulk::select(
        tx,
        "SELECT event_number, state FROM withheld_record WHERE event_number",
        None,
        &Among::Numbers(&numbers),
        "",
    )
    .await?;
    let state = |state: i64, table, row| match state {
        WITHHELD => Ok(true),
        SHOWN => Ok(false),
        _ => Err(StoreError::Corrupt { table, column: "state", row }),
    };
    let mut marked = Marked::default();
    for (feed, mark) in feeds {
        marked.feeds.insert(FeedId::new(feed), state(mark, "withheld_feed", feed)?);
    }
    for (number, mark) in found {
        marked.records.insert(number, state(mark, "withheld_record", number)?);
    }
    for record in records {
        let Some(token) = tokens.get(&record.number) else {
            let (any,): (i64,) = on!(&mut *tx, c => sqlx::query_as(
                "SELECT COUNT(*) FROM withheld_key WHERE feed_id = $1 AND state = $2")
                .bind(record.feed.number()).bind(WITHHELD).fetch_one(c).await)?;
            if any > 0 {
                marked.records.insert(record.number, true);
            }
            continue;
        };
        let mark: Option<(i64,)> = on!(&mut *tx, c => sqlx::query_as(
            "SELECT state FROM withheld_key WHERE feed_id = $1 AND token = $2")
            .bind(record.feed.number()).bind(&token[..]).fetch_optional(c).await)?;
        if let Some((mark,)) = mark {
            marked.records.insert(record.number, state(mark, "withheld_key", record.number)?);
        }
    }
    Ok(marked)
}
