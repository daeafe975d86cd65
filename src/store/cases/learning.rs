//! What is learnt of a case's subject after the case was opened.

use super::{Case, Stopped, notices::stage_notices, raise, stage_stops};
use crate::store::{
    StoreError, Tx,
    bulk::{
        self, Among,
        Column::{Bytes, Integers},
    },
    error::key16,
    tx::on,
};
use std::collections::BTreeSet;

/// The cases that bind by some tokens: each token with each of its cases.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn binding_by(
    tx: &mut Tx,
    tokens: &[[u8; 16]],
) -> Result<Vec<([u8; 16], i64)>, StoreError> {
    let rows: Vec<(Vec<u8>, i64)> = bulk::select(
        tx,
        "SELECT s.token, s.case_id FROM suppression s \
         JOIN rights_case k ON k.case_id = s.case_id AND k.state IN (0, 1) WHERE s.token",
        None,
        &Among::Keys(tokens),
        "",
    )
    .await?;
    let pair = |(token, case): (Vec<u8>, i64)| Ok((key16(&token, "suppression", "token")?, case));
    rows.into_iter().map(pair).collect()
}

/// A case by its number.
///
/// # Errors
/// When it can't be read or is corrupt.
pub async fn by_number(tx: &mut Tx, id: i64) -> Result<Option<Case>, StoreError> {
    let sql = sqlx::AssertSqlSafe(format!("{} WHERE case_id = $1", super::CASE));
    let row: Option<super::CaseRow> =
        on!(tx, c => sqlx::query_as(sql).bind(id).fetch_optional(c).await)?;
    row.map(super::case).transpose()
}

/// Adds what a case's subject is known by as well, and what the case stops because of it; what it
/// stops already stays as it is. A quarter that is being counted is counted anew.
///
/// # Errors
/// When it can't be written.
pub async fn learn(
    tx: &mut Tx,
    case: i64,
    tokens: &[[u8; 16]],
    stopped: &[Stopped],
) -> Result<(), StoreError> {
    bulk::insert(
        tx,
        "suppression",
        &[
            ("token", Bytes(tokens.iter().map(|token| &token[..]).collect())),
            ("case_id", Integers(vec![case; tokens.len()])),
        ],
        "ON CONFLICT DO NOTHING",
    )
    .await?;
    let rows: Vec<(i64,)> = on!(&mut *tx, c => sqlx::query_as(
        "SELECT event_number FROM record_stop WHERE case_id = $1").bind(case).fetch_all(c).await)?;
    let before: BTreeSet<i64> = rows.into_iter().map(|(number,)| number).collect();
    let new: Vec<Stopped> =
        stopped.iter().filter(|stop| !before.contains(&stop.event_number)).copied().collect();
    if !new.is_empty() {
        stage_stops(tx, case, &new).await?;
        stage_notices(tx, case, &new).await?;
        tx.take_numbers("policy_epoch", 1).await?;
    }
    raise(tx).await
}
