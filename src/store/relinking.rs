//! Runs that resolve every subject anew: how far each has come.
//!
//! One at a time. The place and what moved up to there are written in one transaction, so that a
//! kill leaves whole batches only, and whichever gateway goes on begins where the last one ended.

use super::{
    StoreError, Tx, bulk,
    error::{counted, stored},
    tx::on,
};
use crate::domain::{PersonId, SubjectId};
use jiff::Timestamp;

/// A run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Its number, from 1.
    pub number: i64,
    /// The version of the rules that it resolves by.
    pub rules: u16,
    /// The last subject there was when it began: later ones came in by these rules.
    pub until: SubjectId,
    /// The last one looked at.
    pub place: SubjectId,
    /// How many went to another person.
    pub moved: u64,
    /// When it began, microseconds since 1970-01-01 UTC.
    pub begun_at: i64,
    /// When it ended; `None` while it goes on.
    pub done_at: Option<i64>,
}

type RunRow = (i64, i64, i64, i64, i64, i64, i64);

/// The last run; `None` before there is any.
///
/// # Errors
/// When it can't be read or is corrupt.
pub async fn latest(tx: &mut Tx) -> Result<Option<Run>, StoreError> {
    let row: Option<RunRow> = on!(tx, c => sqlx::query_as(
        "SELECT number, rules, until_subject, place, moved, begun_at, done_at FROM relinking \
         ORDER BY number DESC LIMIT 1").fetch_optional(c).await)?;
    let Some((number, rules, until, place, moved, begun_at, done_at)) = row else {
        return Ok(None);
    };
    let corrupt = |_| StoreError::Corrupt { table: "relinking", column: "rules", row: number };
    Ok(Some(Run {
        number,
        rules: u16::try_from(rules).map_err(corrupt)?,
        until: SubjectId::new(until),
        place: SubjectId::new(place),
        moved: counted(moved)?,
        begun_at,
        done_at: (done_at != 0).then_some(done_at),
    }))
}

/// Begins a run, where none is under way.
pub(super) async fn begin(tx: &mut Tx, rules: u16, at: Timestamp) -> Result<(), StoreError> {
    let rows = on!(tx, c => sqlx::query(
        "INSERT INTO relinking (number, rules, until_subject, place, moved, begun_at, done_at) \
         SELECT COALESCE((SELECT MAX(number) FROM relinking), 0) + 1, $1, \
         (SELECT next - 1 FROM counter WHERE name = 'subject'), 0, 0, $2, 0 \
         WHERE NOT EXISTS (SELECT 1 FROM relinking WHERE done_at = 0)")
        .bind(i64::from(rules)).bind(at.as_microsecond())
        .execute(c).await.map(|done| done.rows_affected()))?;
    bulk::touched(rows, 1, "relinking")
}

/// Ends a run that has come to its end.
pub(super) async fn end(tx: &mut Tx, number: i64, at: Timestamp) -> Result<(), StoreError> {
    let rows = on!(tx, c => sqlx::query(
        "UPDATE relinking SET done_at = $1 WHERE number = $2 AND done_at = 0")
        .bind(at.as_microsecond()).bind(number)
        .execute(c).await.map(|done| done.rows_affected()))?;
    bulk::touched(rows, 1, "relinking")
}

/// The subjects behind a run's place, in order, with their persons.
///
/// # Errors
/// When they can't be read.
pub async fn behind(
    tx: &mut Tx,
    run: &Run,
    most: i64,
) -> Result<Vec<(SubjectId, PersonId)>, StoreError> {
    let rows: Vec<(i64, i64)> = on!(tx, c => sqlx::query_as(
        "SELECT subject_id, person_id FROM subject \
         WHERE subject_id > $1 AND subject_id <= $2 ORDER BY subject_id LIMIT $3")
        .bind(run.place.number()).bind(run.until.number()).bind(most).fetch_all(c).await)?;
    let found = |(subject, person)| (SubjectId::new(subject), PersonId::new(person));
    Ok(rows.into_iter().map(found).collect())
}

/// Keeps that a run has come to a place, by which so many more moved.
///
/// # Errors
/// When it can't be written, or another gateway has gone on meanwhile.
pub async fn keep(
    tx: &mut Tx,
    run: &Run,
    place: SubjectId,
    moved: usize,
) -> Result<(), StoreError> {
    let rows = on!(tx, c => sqlx::query(
        "UPDATE relinking SET place = $1, moved = moved + $2 WHERE number = $3 AND place = $4")
        .bind(place.number()).bind(stored(moved as u64)?).bind(run.number)
        .bind(run.place.number()).execute(c).await.map(|done| done.rows_affected()))?;
    bulk::touched(rows, 1, "relinking")
}
