//! Frozen releases.

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
    let rows: Vec<(String, Vec<u8>, String, i64)> = on!(tx, c => sqlx::query_as(
        "SELECT quarter, digest, document, frozen_at FROM frozen_release ORDER BY quarter")
        .fetch_all(c).await)?;
    rows.into_iter()
        .map(|(quarter, digest, document, frozen_at)| {
            let corrupt = |column| StoreError::Corrupt { table: "frozen_release", column, row: 0 };
            let entry = Entry {
                quarter: quarter.parse().map_err(|_| corrupt("quarter"))?,
                digest: digest.try_into().map_err(|_| corrupt("digest"))?,
                document,
            };
            Ok(Frozen { entry, frozen_at })
        })
        .collect()
}
