//! The family edges of batches.

use super::{
    Many,
    rows::{Column, Rows},
};
use crate::store::{StoreError, Tx, tx::on};
use std::collections::BTreeMap;

const EDGE: &[&str] = &[
    "event_number",
    "subject_id",
    "other_id",
    "tie",
    "case_token",
    "batch_id",
    "from_day",
    "until_day",
];

/// batch_id, event_number, subject_id, other_id, tie, case_token, from_day, until_day.
pub(super) type EdgeRow = (i64, i64, i64, i64, i64, Option<Vec<u8>>, Option<i64>, Option<i64>);

pub(super) async fn edges(tx: &mut Tx) -> Result<Many<EdgeRow>, StoreError> {
    let rows: Vec<EdgeRow> = on!(tx, c => sqlx::query_as(
        "SELECT batch_id, event_number, subject_id, other_id, tie, case_token, from_day, until_day \
         FROM family_edge ORDER BY event_number, subject_id, other_id").fetch_all(c).await)?;
    let mut of_batch: Many<EdgeRow> = BTreeMap::new();
    for row in rows {
        of_batch.entry(row.0).or_default().push(row);
    }
    Ok(of_batch)
}

pub(super) fn table(batch: i64, rows: &[EdgeRow]) -> Rows {
    let numbers = |of: fn(&EdgeRow) -> i64| Column::Numbers(rows.iter().map(of).collect());
    let columns = vec![
        numbers(|row| row.1),
        numbers(|row| row.2),
        numbers(|row| row.3),
        numbers(|row| row.4),
        Column::Bytes(rows.iter().map(|row| row.5.clone()).collect()),
        Column::Numbers(vec![batch; rows.len()]),
        Column::OptionalNumbers(rows.iter().map(|row| row.6).collect()),
        Column::OptionalNumbers(rows.iter().map(|row| row.7).collect()),
    ];
    Rows::new("family_edge", EDGE, columns)
}
