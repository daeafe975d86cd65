//! Records that were not used because of a case: whether their sender sent them before, and
//! nothing else.

use crate::{
    domain::{BatchId, FeedId},
    store::{
        StoreError, Tx,
        bulk::{
            self, Among,
            Column::{Bytes, Integers, OptionalBytes},
        },
        error::key16,
        feeds,
        tx::on,
    },
};
use std::collections::BTreeMap;

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
    /// Whether its time is over: it stays known for a while, as one that was used does.
    pub let_go: bool,
}

/// A record that is not used, to stage.
#[derive(Debug, Clone, Copy)]
pub struct NewDropped {
    /// Its key as a suppression.
    pub token: [u8; 16],
    /// The number that it takes.
    pub event_number: i64,
    /// What its end is counted from, covered beside its token; `None` where that is not known.
    pub days: Option<[u8; 16]>,
}

/// token, event_number, batch_id, the batch's state, forget_day.
type DroppedRow = (Vec<u8>, i64, i64, i64, Option<i64>);

/// Which of these records a feed has sent that were not used.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn dropped(
    tx: &mut Tx,
    feed: FeedId,
    tokens: &[[u8; 16]],
) -> Result<BTreeMap<[u8; 16], Dropped>, StoreError> {
    let rows: Vec<DroppedRow> = bulk::select(
        tx,
        "SELECT d.token, d.event_number, d.batch_id, b.state, d.forget_day FROM dropped d \
         JOIN batch b ON b.batch_id = d.batch_id WHERE d.feed_id = $1 AND d.token",
        Some(feed.number()),
        &Among::Keys(tokens),
        "",
    )
    .await?;
    let known = |(token, event_number, batch, state, forget_day): DroppedRow| {
        let (accepted, undone) = (state == feeds::ACCEPTED, state == feeds::UNDONE);
        let (batch, let_go) = (BatchId::new(batch), forget_day.is_some());
        let dropped = Dropped { event_number, batch, accepted, undone, let_go };
        Ok((key16(&token, "dropped", "token")?, dropped))
    };
    rows.into_iter().map(known).collect()
}

/// Whether a feed has any record that was sent and not used.
///
/// # Errors
/// When it can't be read.
pub async fn any_dropped(tx: &mut Tx, feed: FeedId) -> Result<bool, StoreError> {
    let (any,): (i64,) = on!(tx, c => sqlx::query_as(
        "SELECT COUNT(*) FROM (SELECT 1 FROM dropped WHERE feed_id = $1 LIMIT 1) AS found")
        .bind(feed.number()).fetch_one(c).await)?;
    Ok(any > 0)
}

/// Stages records that are not used: their keys as suppressions, and numbers.
///
/// # Errors
/// When it can't be written.
pub async fn stage_dropped(
    tx: &mut Tx,
    feed: FeedId,
    batch: BatchId,
    records: &[NewDropped],
) -> Result<(), StoreError> {
    let all = || records.iter();
    let days = all().map(|record| record.days.as_ref().map(|days| &days[..])).collect();
    bulk::insert_new(
        tx,
        "dropped",
        &[
            ("feed_id", Integers(vec![feed.number(); records.len()])),
            ("token", Bytes(all().map(|record| &record.token[..]).collect())),
            ("batch_id", Integers(vec![batch.number(); records.len()])),
            ("event_number", Integers(all().map(|record| record.event_number).collect())),
            ("days", OptionalBytes(days)),
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
        on!(&mut *tx, c => sqlx::query("DELETE FROM dropped WHERE feed_id = $1 AND token = $2")
            .bind(feed.number()).bind(&token[..]).execute(c).await.map(drop))?;
        on!(&mut *tx, c => sqlx::query("DELETE FROM dropped_case WHERE feed_id = $1 AND token = $2")
            .bind(feed.number()).bind(&token[..]).execute(c).await.map(drop))?;
    }
    Ok(())
}

/// Keeps which cases records were not used because of.
///
/// # Errors
/// When it can't be written.
pub async fn stage_dropped_by(
    tx: &mut Tx,
    feed: FeedId,
    cases: &[([u8; 16], i64)],
) -> Result<(), StoreError> {
    bulk::insert(
        tx,
        "dropped_case",
        &[
            ("feed_id", Integers(vec![feed.number(); cases.len()])),
            ("token", Bytes(cases.iter().map(|(token, _)| &token[..]).collect())),
            ("case_id", Integers(cases.iter().map(|(_, case)| *case).collect())),
        ],
        "ON CONFLICT DO NOTHING",
    )
    .await
    .map(drop)
}

/// The cases that a record was not used because of.
///
/// # Errors
/// When they can't be read.
pub async fn dropped_by(
    tx: &mut Tx,
    feed: FeedId,
    token: &[u8; 16],
) -> Result<Vec<i64>, StoreError> {
    let rows: Vec<(i64,)> = on!(tx, c => sqlx::query_as(
        "SELECT case_id FROM dropped_case WHERE feed_id = $1 AND token = $2 ORDER BY case_id")
        .bind(feed.number()).bind(&token[..]).fetch_all(c).await)?;
    Ok(rows.into_iter().map(|(case,)| case).collect())
}

/// A record that was not used and whose time is not over yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unused {
    /// The number that it took.
    pub event_number: i64,
    /// Its key as a suppression.
    pub token: [u8; 16],
    /// What its end is counted from, covered beside its token.
    pub days: Option<[u8; 16]>,
    /// When the batch came in that withdrew it, or what it is used as since, if one did;
    /// microseconds since 1970-01-01 UTC.
    pub withdrawn: Option<i64>,
}

/// event_number, token, days, the moment of a withdrawal.
type UnusedRow = (i64, Vec<u8>, Option<Vec<u8>>, Option<i64>);

/// The records that a batch brought and that were not used, but for those let go.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn unused_of(tx: &mut Tx, batch: BatchId) -> Result<Vec<Unused>, StoreError> {
    let rows: Vec<UnusedRow> = on!(tx, c => sqlx::query_as(
        "SELECT d.event_number, d.token, d.days, \
         (SELECT b.staged_at FROM withdrawal w JOIN batch b ON b.batch_id = w.batch_id \
          AND b.state = 1 WHERE w.event_number = d.event_number OR w.event_number IN \
          (SELECT t.event_number FROM taken_late t WHERE t.of_number = d.event_number) \
          ORDER BY b.staged_at LIMIT 1) FROM dropped d \
         WHERE d.batch_id = $1 AND d.forget_day IS NULL ORDER BY d.event_number")
        .bind(batch.number()).fetch_all(c).await)?;
    let unused = |(event_number, token, days, withdrawn): UnusedRow| {
        let token = key16(&token, "dropped", "token")?;
        let days = days.map(|days| key16(&days, "dropped", "days")).transpose()?;
        Ok(Unused { event_number, token, days, withdrawn })
    };
    rows.into_iter().map(unused).collect()
}

/// A record that was not used is let go: it stays known through this day, so that it does not
/// come in before.
///
/// # Errors
/// When it can't be written.
pub async fn unused_until(
    tx: &mut Tx,
    feed: FeedId,
    token: &[u8; 16],
    day: i32,
) -> Result<(), StoreError> {
    on!(tx, c => sqlx::query("UPDATE dropped SET forget_day = $1 WHERE feed_id = $2 AND token = $3")
        .bind(i64::from(day)).bind(feed.number()).bind(&token[..]).execute(c).await.map(drop))?;
    Ok(())
}

/// Forgets records that were not used and are let go, that their protocols' dates would refuse
/// now, at most so many, and tells how many there were.
///
/// # Errors
/// When it can't be written.
pub async fn forget_unused(tx: &mut Tx, today: i32, most: i64) -> Result<u64, StoreError> {
    let over = "(SELECT feed_id, token FROM dropped \
                WHERE forget_day IS NOT NULL AND forget_day < $1 \
                ORDER BY feed_id, token LIMIT $2)";
    let mut forgotten = 0;
    // The cases first: they are found by what is forgotten.
    for table in ["dropped_case", "dropped"] {
        let sql = format!("DELETE FROM {table} WHERE (feed_id, token) IN {over}");
        forgotten = on!(&mut *tx, c => sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(i64::from(today)).bind(most).execute(c).await
            .map(|done| done.rows_affected()))?;
    }
    Ok(forgotten)
}
