//! Frozen releases, and the notices of those that were withdrawn.

use super::{StoreError, Tx, tx::on};
use crate::domain::Quarter;
use jiff::Timestamp;

/// A release to freeze.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its quarter.
    pub quarter: Quarter,
    /// SHA-256 of its canonical bytes.
    pub digest: [u8; 32],
    /// The signed document.
    pub document: String,
}

/// A frozen release.
#[derive(Debug, Clone)]
pub struct Frozen {
    /// What was frozen.
    pub entry: Entry,
    /// When, microseconds since 1970-01-01 UTC.
    pub frozen_at: i64,
    /// Its notice and when it was withdrawn, if it was.
    pub withdrawn: Option<(String, i64)>,
}

/// A release to withdraw.
#[derive(Debug, Clone)]
pub struct Withdrawal {
    /// Its quarter.
    pub quarter: Quarter,
    /// SHA-256 of its canonical bytes.
    pub digest: [u8; 32],
    /// What is said instead of its figures.
    pub notice: String,
}

pub(super) async fn withdraw(
    tx: &mut Tx,
    withdrawal: &Withdrawal,
    at: Timestamp,
) -> Result<(), StoreError> {
    let rows = on!(tx, c => sqlx::query(
        "INSERT INTO release_withdrawal (quarter, digest, notice, withdrawn_at) \
         VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING")
        .bind(withdrawal.quarter.to_string()).bind(withdrawal.digest.to_vec())
        .bind(&*withdrawal.notice).bind(at.as_microsecond())
        .execute(c).await.map(|done| done.rows_affected()))?;
    super::bulk::touched(rows, 1, "release_withdrawal")
}

pub(super) async fn freeze(tx: &mut Tx, entry: &Entry, at: Timestamp) -> Result<(), StoreError> {
    let rows = on!(tx, c => sqlx::query(
        "INSERT INTO frozen_release (quarter, digest, document, frozen_at) \
         VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING")
        .bind(entry.quarter.to_string()).bind(entry.digest.to_vec()).bind(&*entry.document)
        .bind(at.as_microsecond()).execute(c).await.map(|done| done.rows_affected()))?;
    super::bulk::touched(rows, 1, "frozen_release")
}

/// Every release, oldest quarter first.
///
/// # Errors
/// When they can't be read or one is corrupt.
pub async fn all(tx: &mut Tx) -> Result<Vec<Frozen>, StoreError> {
    let rows: Vec<Row> = on!(tx, c => sqlx::query_as(
        "SELECT r.quarter, r.digest, r.document, r.frozen_at, w.digest, w.notice, w.withdrawn_at \
         FROM frozen_release r LEFT JOIN release_withdrawal w ON w.quarter = r.quarter \
         ORDER BY r.quarter")
        .fetch_all(c).await)?;
    rows.into_iter().map(read).collect()
}

type Row = (String, Vec<u8>, String, i64, Option<Vec<u8>>, Option<String>, Option<i64>);

fn read(
    (quarter, digest, document, frozen_at, of, notice, withdrawn_at): Row,
) -> Result<Frozen, StoreError> {
    let corrupt = |column| StoreError::Corrupt { table: "frozen_release", column, row: 0 };
    if of.is_some_and(|of| of != digest) {
        let (table, column) = ("release_withdrawal", "digest");
        return Err(StoreError::Corrupt { table, column, row: 0 });
    }
    let entry = Entry {
        quarter: quarter.parse().map_err(|_| corrupt("quarter"))?,
        digest: digest.try_into().map_err(|_| corrupt("digest"))?,
        document,
    };
    Ok(Frozen { entry, frozen_at, withdrawn: notice.zip(withdrawn_at) })
}
