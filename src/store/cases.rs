//! Cases of subjects' rights: what each stops, by what its subject is known again, whom it is
//! told, and which records were left out because of it.
//!
//! A case is staged with everything that hangs on it while nobody else links or stages, binds at
//! intake from that transaction on, and counts once the sequencer has committed its leaf with
//! it. A crash in between leaves a case that binds and never came into the log: it is given up
//! when the next gateway clears up, or when its opener asks again.

mod dropped;
mod erasing;
mod late;
mod learning;
mod notices;
mod reach;
mod replaying;

pub use dropped::{
    Dropped, NewDropped, Unused, any_dropped, dropped, dropped_by, forget_dropped, forget_unused,
    stage_dropped, stage_dropped_by, unused_of, unused_until,
};
pub use erasing::{
    Erased, erased_since, erased_up_to, erasing, forget_stops, keep_erased, on_withdrawn_consents,
    owe_scrub, scrubbed, scrubs, stopping, to_erase,
};
pub(super) use late::settle_late;
pub use late::{TakenLate, forget_late, late_items, stage_late, used_as};
pub use learning::{binding_by, by_number, learn};
pub(super) use notices::acknowledge;
pub use notices::{Acknowledged, Notice, notices_of, notices_to};
pub use reach::{Held, Terms, keys_of, person_of, records_of, terms};
pub use replaying::{begin_replay, end_replay, is_replaying, must_scrub};

use super::{
    StoreError, Tx,
    bulk::{
        self,
        Column::{Bytes, Integers},
    },
    error::key16,
    tx::on,
};
use crate::domain::{BatchId, FeedId, PartnerId};
use jiff::Timestamp;

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
    /// Keyed digest of whom it is about, as its opener stated it.
    pub wish: [u8; 16],
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

type CaseRow = (i64, String, Vec<u8>, i64, i64, i64, i64, i64, i64, i64, Vec<u8>, Vec<u8>);

fn case(
    (id, partner, key, kind, given_by, requested, state, opened, ended, due, nonce, wish): CaseRow,
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
        wish: key16(&wish, "rights_case", "wish")?,
    })
}

fn number8(stored: i64, column: &'static str, row: i64) -> Result<u8, StoreError> {
    u8::try_from(stored).map_err(|_| StoreError::Corrupt { table: "rights_case", column, row })
}

const CASE: &str = "SELECT case_id, partner_id, case_key, kind, given_by, requested_on, state, \
                    opened_at, ended_at, due_day, nonce, wish FROM rights_case";

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
         state, staged_at, opened_at, ended_at, due_day, nonce, wish) \
         VALUES ($1, $2, $3, $4, $5, $6, 0, $7, 0, 0, $8, $9, $10)")
        .bind(id).bind(new.partner.as_str()).bind(&new.key[..]).bind(i64::from(new.choice))
        .bind(i64::from(new.given_by)).bind(i64::from(new.requested_on))
        .bind(at.as_microsecond()).bind(i64::from(new.due_day)).bind(&new.nonce[..])
        .bind(&new.wish[..]).execute(c).await.map(drop))?;
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
    notices::stage_notices(tx, id, stopped).await?;
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
