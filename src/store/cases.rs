//! Cases of subjects' rights: what each stops, by what its subject is known again, whom it is
//! told, and which records were left out because of it.
//!
//! A case is staged with everything that hangs on it while nobody else links or stages, binds at
//! intake from that transaction on, and counts once the sequencer has committed its leaf with
//! it. A crash in between leaves a case that binds and never came into the log: it is given up
//! when the next gateway clears up, or when its opener asks again.

use super::{
    StoreError, Tx,
    bulk::{
        self, Among,
        Column::{Bytes, Integers, Texts},
    },
    error::{key16, stored},
    feeds,
    tx::on,
};
use crate::domain::{BatchId, FeedId, PartnerId, PersonId};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// Staged: binds at intake, and is in no leaf yet.
pub const STAGED: u8 = 0;
/// Binds.
pub const ACTIVE: u8 = 1;
/// Ended: binds no more.
pub const ENDED: u8 = 2;
const GIVEN_UP: u8 = 3;

/// A record counts no more.
pub const STOP: u8 = 1;
/// It is to be erased as well.
pub const ERASE: u8 = 2;

/// A case as kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Its number.
    pub id: i64,
    /// Who opened it.
    pub partner: PartnerId,
    /// Pseudonym of the opener's reference.
    pub key: [u8; 16],
    /// What was chosen, a number of the protocol room's.
    pub choice: u8,
    /// Who chose, a number of the gateway's.
    pub given_by: u8,
    /// The day it was asked for, days since 1970-01-01.
    pub requested_on: i32,
    /// [`STAGED`], [`ACTIVE`] or [`ENDED`].
    pub state: u8,
    /// When its leaf was written, microseconds since 1970-01-01 UTC; 0 before.
    pub opened_at: i64,
    /// When it ended; 0 before.
    pub ended_at: i64,
    /// The day by which every party has to have acknowledged.
    pub due_day: i32,
    /// What makes the digest in its leaf one that can't be tried.
    pub nonce: [u8; 16],
}

/// A record that a case stops, with the notice of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped {
    /// Its number.
    pub event_number: i64,
    /// Its feed.
    pub feed: FeedId,
    /// The batch it came in.
    pub batch: BatchId,
    /// [`STOP`] or [`ERASE`].
    pub effect: u8,
    /// Its key as a suppression; `None` where it is not known any more.
    pub token: Option<[u8; 16]>,
    /// The day by which its sender has to have acknowledged.
    pub due_day: i32,
}

/// What a party is told about a record of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Its number.
    pub id: i64,
    /// The case.
    pub case: i64,
    /// The record's feed.
    pub feed: FeedId,
    /// The record's key as a suppression.
    pub token: [u8; 16],
    /// [`STOP`] or [`ERASE`].
    pub effect: u8,
    /// What was chosen.
    pub choice: u8,
    /// By when it is to be acknowledged, days since 1970-01-01.
    pub due_day: i32,
    /// When it was, microseconds since 1970-01-01 UTC; 0 before.
    pub acknowledged_at: i64,
    /// The signed acknowledgement; empty before.
    pub acknowledgement: String,
    /// The case's state.
    pub state: u8,
}

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

/// Raised with each case that begins or ends to bind: 1 before there ever was one.
///
/// # Errors
/// When it can't be read.
pub async fn number(tx: &mut Tx) -> Result<u64, StoreError> {
    let (number,): (i64,) = on!(tx, c => sqlx::query_as(
        "SELECT next FROM counter WHERE name = 'cases'").fetch_one(c).await)?;
    super::error::counted(number)
}

async fn raise(tx: &mut Tx) -> Result<(), StoreError> {
    tx.take_numbers("cases", 1).await.map(drop)
}

/// Every suppression that binds, with what was chosen.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn binding(tx: &mut Tx) -> Result<Vec<([u8; 16], u8)>, StoreError> {
    let rows: Vec<(Vec<u8>, i64)> = on!(tx, c => sqlx::query_as(
        "SELECT s.token, k.kind FROM suppression s JOIN rights_case k ON k.case_id = s.case_id \
         WHERE k.state IN (0, 1)").fetch_all(c).await)?;
    let token = |(token, kind): (Vec<u8>, i64)| {
        Ok((key16(&token, "suppression", "token")?, number8(kind, "kind", 0)?))
    };
    rows.into_iter().map(token).collect()
}

/// The suppressions of a case.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn suppressions(tx: &mut Tx, case: i64) -> Result<Vec<[u8; 16]>, StoreError> {
    let rows: Vec<(Vec<u8>,)> = on!(tx, c => sqlx::query_as(
        "SELECT token FROM suppression WHERE case_id = $1 ORDER BY token")
        .bind(case).fetch_all(c).await)?;
    rows.into_iter().map(|(token,)| key16(&token, "suppression", "token")).collect()
}

type CaseRow = (i64, String, Vec<u8>, i64, i64, i64, i64, i64, i64, i64, Vec<u8>);

fn case(
    (id, partner, key, kind, given_by, requested, state, opened, ended, due, nonce): CaseRow,
) -> Result<Case, StoreError> {
    let corrupt = |column| StoreError::Corrupt { table: "rights_case", column, row: id };
    Ok(Case {
        id,
        partner: partner.parse().map_err(|_| corrupt("partner_id"))?,
        key: key16(&key, "rights_case", "case_key")?,
        choice: number8(kind, "kind", id)?,
        given_by: number8(given_by, "given_by", id)?,
        requested_on: i32::try_from(requested).map_err(|_| corrupt("requested_on"))?,
        state: number8(state, "state", id)?,
        opened_at: opened,
        ended_at: ended,
        due_day: i32::try_from(due).map_err(|_| corrupt("due_day"))?,
        nonce: key16(&nonce, "rights_case", "nonce")?,
    })
}

fn number8(stored: i64, column: &'static str, row: i64) -> Result<u8, StoreError> {
    u8::try_from(stored).map_err(|_| StoreError::Corrupt { table: "rights_case", column, row })
}

const CASE: &str = "SELECT case_id, partner_id, case_key, kind, given_by, requested_on, state, \
                    opened_at, ended_at, due_day, nonce FROM rights_case";

/// A partner's case by its reference, staged ones included.
///
/// # Errors
/// When it can't be read or is corrupt.
pub async fn find(
    tx: &mut Tx,
    partner: &PartnerId,
    key: &[u8; 16],
) -> Result<Option<Case>, StoreError> {
    let sql = sqlx::AssertSqlSafe(format!(
        "{CASE} WHERE partner_id = $1 AND case_key = $2 AND state < 3 ORDER BY case_id DESC"
    ));
    let row: Option<CaseRow> = on!(tx, c => sqlx::query_as(sql)
        .bind(partner.as_str()).bind(&key[..]).fetch_optional(c).await)?;
    row.map(case).transpose()
}

/// Every case that came into the log, by number: one partner's, or everybody's.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn list(tx: &mut Tx, partner: Option<&PartnerId>) -> Result<Vec<Case>, StoreError> {
    let sql = sqlx::AssertSqlSafe(format!(
        "{CASE} WHERE state IN (1, 2) AND (partner_id = $1 OR $2 = 1) ORDER BY case_id"
    ));
    let rows: Vec<CaseRow> = on!(tx, c => sqlx::query_as(sql)
        .bind(partner.map_or("", PartnerId::as_str)).bind(i64::from(partner.is_none()))
        .fetch_all(c).await)?;
    rows.into_iter().map(case).collect()
}

/// Stages a case: its suppressions, what it stops, and the notices. Its own number, state and
/// times are given here. Whatever was staged before under the same reference is given up.
///
/// # Errors
/// When it can't be written.
pub async fn stage(
    tx: &mut Tx,
    new: &Case,
    tokens: &[[u8; 16]],
    stopped: &[Stopped],
    at: Timestamp,
) -> Result<i64, StoreError> {
    on!(&mut *tx, c => sqlx::query(
        "UPDATE rights_case SET state = $1 WHERE partner_id = $2 AND case_key = $3 AND state = 0")
        .bind(i64::from(GIVEN_UP)).bind(new.partner.as_str()).bind(&new.key[..])
        .execute(c).await.map(drop))?;
    let id = tx.take_numbers("case", 1).await?;
    on!(&mut *tx, c => sqlx::query(
        "INSERT INTO rights_case (case_id, partner_id, case_key, kind, given_by, requested_on, \
         state, staged_at, opened_at, ended_at, due_day, nonce) \
         VALUES ($1, $2, $3, $4, $5, $6, 0, $7, 0, 0, $8, $9)")
        .bind(id).bind(new.partner.as_str()).bind(&new.key[..]).bind(i64::from(new.choice))
        .bind(i64::from(new.given_by)).bind(i64::from(new.requested_on))
        .bind(at.as_microsecond()).bind(i64::from(new.due_day)).bind(&new.nonce[..])
        .execute(c).await.map(drop))?;
    bulk::insert_new(
        tx,
        "suppression",
        &[
            ("token", Bytes(tokens.iter().map(|token| &token[..]).collect())),
            ("case_id", Integers(vec![id; tokens.len()])),
        ],
    )
    .await?;
    stage_stops(tx, id, stopped).await?;
    stage_notices(tx, id, stopped).await?;
    raise(tx).await?;
    Ok(id)
}

async fn stage_stops(tx: &mut Tx, case: i64, stopped: &[Stopped]) -> Result<(), StoreError> {
    let all = || stopped.iter();
    bulk::insert_new(
        tx,
        "record_stop",
        &[
            ("event_number", Integers(all().map(|s| s.event_number).collect())),
            ("case_id", Integers(vec![case; stopped.len()])),
            ("feed_id", Integers(all().map(|s| s.feed.number()).collect())),
            ("batch_id", Integers(all().map(|s| s.batch.number()).collect())),
            ("effect", Integers(all().map(|s| i64::from(s.effect)).collect())),
        ],
    )
    .await
}

async fn stage_notices(tx: &mut Tx, case: i64, stopped: &[Stopped]) -> Result<(), StoreError> {
    let told: Vec<(&Stopped, &[u8; 16])> =
        stopped.iter().filter_map(|s| Some((s, s.token.as_ref()?))).collect();
    let first = tx.take_numbers("notice", told.len()).await?;
    let all = || told.iter();
    bulk::insert_new(
        tx,
        "notice",
        &[
            ("notice_id", Integers((first..).take(told.len()).collect())),
            ("case_id", Integers(vec![case; told.len()])),
            ("feed_id", Integers(all().map(|(s, _)| s.feed.number()).collect())),
            ("token", Bytes(all().map(|(_, token)| &token[..]).collect())),
            ("effect", Integers(all().map(|(s, _)| i64::from(s.effect)).collect())),
            ("due_day", Integers(all().map(|(s, _)| i64::from(s.due_day)).collect())),
            ("acknowledged_at", Integers(vec![0; told.len()])),
            ("acknowledgement", Texts(vec![""; told.len()])),
        ],
    )
    .await
}

/// A staged case counts from now on.
pub(super) async fn open(tx: &mut Tx, id: i64, at: Timestamp) -> Result<(), StoreError> {
    let rows = on!(&mut *tx, c => sqlx::query(
        "UPDATE rights_case SET state = $1, opened_at = $2 WHERE case_id = $3 AND state = $4")
        .bind(i64::from(ACTIVE)).bind(at.as_microsecond()).bind(id).bind(i64::from(STAGED))
        .execute(c).await.map(|done| done.rows_affected()))?;
    bulk::touched(rows, 1, "rights_case")?;
    raise(tx).await
}

/// A case binds no more.
pub(super) async fn end(tx: &mut Tx, id: i64, at: Timestamp) -> Result<(), StoreError> {
    let rows = on!(&mut *tx, c => sqlx::query(
        "UPDATE rights_case SET state = $1, ended_at = $2 WHERE case_id = $3 AND state = $4")
        .bind(i64::from(ENDED)).bind(at.as_microsecond()).bind(id).bind(i64::from(ACTIVE))
        .execute(c).await.map(|done| done.rows_affected()))?;
    bulk::touched(rows, 1, "rights_case")?;
    raise(tx).await
}

/// Gives up what was staged before a time and never came into the log.
///
/// # Errors
/// When it can't be written.
pub async fn clear_staged(tx: &mut Tx, staged_before: Timestamp) -> Result<(), StoreError> {
    let rows = on!(&mut *tx, c => sqlx::query(
        "UPDATE rights_case SET state = $1 WHERE state = $2 AND staged_at < $3")
        .bind(i64::from(GIVEN_UP)).bind(i64::from(STAGED)).bind(staged_before.as_microsecond())
        .execute(c).await.map(|done| done.rows_affected()))?;
    if rows > 0 { raise(tx).await } else { Ok(()) }
}

/// The records of some persons: their numbers, and the batches they came in.
///
/// # Errors
/// When they can't be read.
pub async fn records_of(
    tx: &mut Tx,
    persons: &[PersonId],
) -> Result<Vec<(i64, BatchId)>, StoreError> {
    let numbers: Vec<i64> = persons.iter().map(|person| person.number()).collect();
    if let Tx::Postgres(postgres) = tx {
        // Intake may not read what records say; a function of the owner tells which there are.
        let rows: Vec<(i64, i64)> =
            sqlx::query_as("SELECT event_number, batch_id FROM records_of_persons($1)")
                .bind(numbers)
                .fetch_all(&mut **postgres)
                .await?;
        return Ok(rows.into_iter().map(|(n, batch)| (n, BatchId::new(batch))).collect());
    }
    let rows: Vec<(i64, i64)> = bulk::select(
        tx,
        "SELECT DISTINCT event_number, batch_id FROM event WHERE person_id",
        None,
        &Among::Numbers(&numbers),
        "",
    )
    .await?;
    Ok(rows.into_iter().map(|(n, batch)| (n, BatchId::new(batch))).collect())
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
        on!(tx, c => sqlx::query("DELETE FROM dropped WHERE feed_id = $1 AND token = $2")
            .bind(feed.number()).bind(&token[..]).execute(c).await.map(drop))?;
    }
    Ok(())
}

/// The records that cases which bind want erased, of a number of feeds' at most so many.
///
/// # Errors
/// When they can't be read.
pub async fn to_erase(tx: &mut Tx, most: i64) -> Result<Vec<(i64, FeedId, BatchId)>, StoreError> {
    let rows: Vec<(i64, i64, i64)> = on!(tx, c => sqlx::query_as(
        "SELECT DISTINCT r.event_number, r.feed_id, r.batch_id FROM record_stop r \
         JOIN rights_case k ON k.case_id = r.case_id AND k.state = 1 \
         JOIN batch b ON b.batch_id = r.batch_id AND b.state IN (1, 3) \
         WHERE r.effect = 2 ORDER BY r.event_number LIMIT $1")
        .bind(most).fetch_all(c).await)?;
    let row = |(number, feed, batch)| (number, FeedId::new(feed), BatchId::new(batch));
    Ok(rows.into_iter().map(row).collect())
}

/// The records that rest on a consent that was withdrawn. Looks through every event.
///
/// # Errors
/// When they can't be read.
pub async fn on_withdrawn_consents(tx: &mut Tx) -> Result<Vec<(i64, FeedId, BatchId)>, StoreError> {
    let (any,): (i64,) = on!(&mut *tx, c => sqlx::query_as(
        "SELECT COUNT(*) FROM consent WHERE state = 3").fetch_one(c).await)?;
    if any == 0 {
        return Ok(Vec::new());
    }
    let rows: Vec<(i64, i64, i64)> = on!(tx, c => sqlx::query_as(
        "SELECT DISTINCT e.event_number, b.feed_id, e.batch_id FROM event e \
         JOIN batch b ON b.batch_id = e.batch_id AND b.state IN (1, 3) \
         WHERE e.consent_key IN (SELECT consent_key FROM consent WHERE state = 3) \
         ORDER BY e.event_number").fetch_all(c).await)?;
    let row = |(number, feed, batch)| (number, FeedId::new(feed), BatchId::new(batch));
    Ok(rows.into_iter().map(row).collect())
}

/// How many records a case wants erased that are there.
///
/// # Errors
/// When it can't be read.
pub async fn erasing(tx: &mut Tx, case: i64) -> Result<u64, StoreError> {
    let (count,): (i64,) = on!(tx, c => sqlx::query_as(
        "SELECT COUNT(*) FROM record_stop WHERE case_id = $1 AND effect = 2")
        .bind(case).fetch_one(c).await)?;
    super::error::counted(count)
}

/// A record is gone: nothing stops it any more.
///
/// # Errors
/// When it can't be written.
pub async fn forget_stops(tx: &mut Tx, number: i64) -> Result<(), StoreError> {
    on!(tx, c => sqlx::query("DELETE FROM record_stop WHERE event_number = $1")
        .bind(number).execute(c).await.map(drop))?;
    Ok(())
}

type NoticeRow = (i64, i64, i64, Vec<u8>, i64, i64, i64, i64, String, i64);

const NOTICE: &str = "SELECT n.notice_id, n.case_id, n.feed_id, n.token, n.effect, k.kind, \
                      n.due_day, n.acknowledged_at, n.acknowledgement, k.state FROM notice n \
                      JOIN rights_case k ON k.case_id = n.case_id";

fn notice(row: NoticeRow) -> Result<Notice, StoreError> {
    let (id, case, feed, token, effect, kind, due, acknowledged_at, acknowledgement, state) = row;
    let corrupt = |column| StoreError::Corrupt { table: "notice", column, row: id };
    Ok(Notice {
        id,
        case,
        feed: FeedId::new(feed),
        token: key16(&token, "notice", "token")?,
        effect: u8::try_from(effect).map_err(|_| corrupt("effect"))?,
        choice: number8(kind, "kind", case)?,
        due_day: i32::try_from(due).map_err(|_| corrupt("due_day"))?,
        acknowledged_at,
        acknowledgement,
        state: number8(state, "state", case)?,
    })
}

/// The notices to some feeds, of cases that came into the log, by number.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn notices_to(tx: &mut Tx, feeds: &[FeedId]) -> Result<Vec<Notice>, StoreError> {
    let numbers: Vec<i64> = feeds.iter().map(|feed| feed.number()).collect();
    let mut found: Vec<Notice> = Vec::new();
    for feed in numbers {
        let sql = sqlx::AssertSqlSafe(format!(
            "{NOTICE} WHERE n.feed_id = $1 AND k.state IN (1, 2) ORDER BY n.notice_id"
        ));
        let rows: Vec<NoticeRow> =
            on!(&mut *tx, c => sqlx::query_as(sql).bind(feed).fetch_all(c).await)?;
        for row in rows {
            found.push(notice(row)?);
        }
    }
    found.sort_by_key(|notice| notice.id);
    Ok(found)
}

/// The notices of a case, by number.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn notices_of(tx: &mut Tx, case: i64) -> Result<Vec<Notice>, StoreError> {
    let sql = sqlx::AssertSqlSafe(format!("{NOTICE} WHERE n.case_id = $1 ORDER BY n.notice_id"));
    let rows: Vec<NoticeRow> = on!(tx, c => sqlx::query_as(sql).bind(case).fetch_all(c).await)?;
    rows.into_iter().map(notice).collect()
}

/// A party acknowledges some of its notices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledged {
    /// Their numbers.
    pub notices: Vec<i64>,
    /// The signed acknowledgement of all of them.
    pub document: String,
}

/// Enters an acknowledgement; of one that was acknowledged before the first stays.
pub(super) async fn acknowledge(
    tx: &mut Tx,
    acknowledged: &Acknowledged,
    at: Timestamp,
) -> Result<(), StoreError> {
    for id in &acknowledged.notices {
        let rows = on!(&mut *tx, c => sqlx::query(
            "UPDATE notice SET acknowledged_at = $1, acknowledgement = $2 \
             WHERE notice_id = $3 AND acknowledged_at = 0")
            .bind(at.as_microsecond()).bind(&acknowledged.document).bind(id)
            .execute(c).await.map(|done| done.rows_affected()))?;
        bulk::touched(rows, 1, "notice")?;
    }
    Ok(())
}

/// Days that erased something, and how many of them are scrubbed.
///
/// # Errors
/// When they can't be read.
pub async fn scrubs(tx: &mut Tx) -> Result<(u64, u64), StoreError> {
    let rows: Vec<(String, i64)> = on!(tx, c => sqlx::query_as(
        "SELECT name, next FROM counter WHERE name IN ('erased_days', 'scrubbed_days')")
        .fetch_all(c).await)?;
    let of = |name: &str| rows.iter().find(|(n, _)| n == name).map_or(1, |(_, next)| *next);
    Ok((super::error::counted(of("erased_days"))?, super::error::counted(of("scrubbed_days"))?))
}

/// Something is erased: its bytes are still to be scrubbed. Gives the generation of erasures that
/// it is of.
///
/// # Errors
/// When it can't be written.
pub async fn owe_scrub(tx: &mut Tx) -> Result<i64, StoreError> {
    tx.take_numbers("erased_days", 1).await
}

/// Keeps the keys of records that their sender wanted erased, for the journal.
///
/// # Errors
/// When it can't be written.
pub async fn keep_erased(
    tx: &mut Tx,
    generation: i64,
    feed: FeedId,
    tokens: &[[u8; 16]],
) -> Result<(), StoreError> {
    bulk::insert(
        tx,
        "erased_key",
        &[
            ("generation", Integers(vec![generation; tokens.len()])),
            ("feed_id", Integers(vec![feed.number(); tokens.len()])),
            ("token", Bytes(tokens.iter().map(|token| &token[..]).collect())),
        ],
        "ON CONFLICT (generation, feed_id, token) DO NOTHING",
    )
    .await
    .map(drop)
}

/// The keys of erased records of the generations after one.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn erased_since(
    tx: &mut Tx,
    generation: u64,
) -> Result<Vec<(u64, FeedId, [u8; 16])>, StoreError> {
    let rows: Vec<(i64, i64, Vec<u8>)> = on!(tx, c => sqlx::query_as(
        "SELECT generation, feed_id, token FROM erased_key WHERE generation > $1 \
         ORDER BY generation, feed_id, token")
        .bind(stored(generation)?).fetch_all(c).await)?;
    let row = |(generation, feed, token): (i64, i64, Vec<u8>)| {
        let token = key16(&token, "erased_key", "token")?;
        Ok((super::error::counted(generation)?, FeedId::new(feed), token))
    };
    rows.into_iter().map(row).collect()
}

/// Erasures are counted on from a generation.
///
/// # Errors
/// When it can't be written.
pub async fn erased_up_to(tx: &mut Tx, generation: u64) -> Result<(), StoreError> {
    let next = stored(generation)?;
    on!(tx, c => sqlx::query(
        "UPDATE counter SET next = $1 WHERE name = 'erased_days' AND next < $2")
        .bind(next).bind(next).execute(c).await.map(drop))?;
    Ok(())
}

/// Everything erased up to a count of days is scrubbed.
///
/// # Errors
/// When it can't be written.
pub async fn scrubbed(tx: &mut Tx, days: u64) -> Result<(), StoreError> {
    let days = stored(days)?;
    on!(tx, c => sqlx::query(
        "UPDATE counter SET next = $1 WHERE name = 'scrubbed_days' AND next < $2")
        .bind(days).bind(days).execute(c).await.map(drop))?;
    Ok(())
}
