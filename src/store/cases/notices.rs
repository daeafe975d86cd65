//! Notices: what a party that holds a live record is told, and its signed answer.

use super::{Stopped, number8};
use crate::{
    domain::FeedId,
    store::{
        StoreError, Tx,
        bulk::{
            self,
            Column::{Bytes, Integers, Texts},
        },
        error::key16,
        tx::on,
    },
};
use jiff::Timestamp;

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
    /// [`STOP`](super::STOP) or [`ERASE`](super::ERASE).
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
pub(in crate::store) async fn acknowledge(
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

pub(super) async fn stage_notices(
    tx: &mut Tx,
    case: i64,
    stopped: &[Stopped],
) -> Result<(), StoreError> {
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
