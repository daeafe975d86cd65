//! The register of partners. An entry is kept as the JSON that `gateway` forms of it.

use super::{
    StoreError, Tx,
    error::{counted, stored},
    tx::on,
};
use crate::domain::PartnerId;

/// A partner's entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub partner: PartnerId,
    /// The entry as JSON.
    pub json: String,
    /// Whether it is barred.
    pub disabled: bool,
}

/// Every entry, by id.
///
/// # Errors
/// When the register can't be read or an id is corrupt.
pub async fn all(tx: &mut Tx) -> Result<Vec<Entry>, StoreError> {
    let rows: Vec<(String, String, i64)> = on!(tx, c => sqlx::query_as(
        "SELECT partner_id, entry, disabled FROM partner ORDER BY partner_id")
        .fetch_all(c).await)?;
    rows.into_iter()
        .map(|(id, json, disabled)| {
            let partner = id.parse().map_err(|_| StoreError::Corrupt {
                table: "partner",
                column: "partner_id",
                row: 0,
            })?;
            Ok(Entry { partner, json, disabled: disabled != 0 })
        })
        .collect()
}

pub(super) async fn put(tx: &mut Tx, entry: &Entry) -> Result<(), StoreError> {
    on!(tx, c => sqlx::query(
        "INSERT INTO partner (partner_id, entry, disabled, acts) VALUES ($1, $2, $3, 0) \
         ON CONFLICT (partner_id) DO UPDATE SET entry = excluded.entry, disabled = excluded.disabled")
        .bind(entry.partner.as_str()).bind(&*entry.json).bind(i64::from(entry.disabled))
        .execute(c).await.map(drop))?;
    Ok(())
}

pub(super) async fn disable(tx: &mut Tx, partner: &PartnerId) -> Result<(), StoreError> {
    let rows = on!(tx, c => sqlx::query("UPDATE partner SET disabled = 1 WHERE partner_id = $1")
        .bind(partner.as_str()).execute(c).await.map(|done| done.rows_affected()))?;
    super::bulk::touched(rows, 1, "partner")
}

/// The number of a partner's last logged act; `None` when it is not in the register.
pub(super) async fn sequence(tx: &mut Tx, partner: &PartnerId) -> Result<Option<u64>, StoreError> {
    let row: Option<(i64,)> = on!(tx, c => sqlx::query_as(
        "SELECT acts FROM partner WHERE partner_id = $1")
        .bind(partner.as_str()).fetch_optional(c).await)?;
    row.map(|(acts,)| counted(acts)).transpose()
}

pub(super) async fn store_sequences(
    tx: &mut Tx,
    sequences: &[(&PartnerId, u64)],
) -> Result<(), StoreError> {
    for (partner, acts) in sequences {
        let rows = on!(tx, c => sqlx::query("UPDATE partner SET acts = $1 WHERE partner_id = $2")
            .bind(stored(*acts)?).bind(partner.as_str())
            .execute(c).await.map(|done| done.rows_affected()))?;
        super::bulk::touched(rows, 1, "partner")?;
    }
    Ok(())
}
