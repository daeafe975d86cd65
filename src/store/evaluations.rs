//! Blinded values that were evaluated, partner by partner and day by day, against quotas.
//!
//! Spending is an effect of the sequencer's, in one transaction with its leaf, and before anything
//! is evaluated: several gateways on one store share a partner's quota, and a kill in between
//! costs the partner some of it and gives nobody more.

use super::{
    StoreError, Tx, bulk,
    effect::Outcome,
    error::{counted, stored},
    tx::on,
};
use crate::domain::PartnerId;

/// Evaluations that a partner asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spending {
    /// Who asks.
    pub partner: PartnerId,
    /// The day, in days since 1970-01-01 UTC.
    pub day: i32,
    /// How many.
    pub count: u64,
    /// The most of that day.
    pub quota: u64,
}

/// How many were evaluated for a partner on a day.
///
/// # Errors
/// When it can't be read.
pub async fn on_day(tx: &mut Tx, partner: &PartnerId, day: i32) -> Result<u64, StoreError> {
    let found: Option<(i64,)> = on!(tx, c => sqlx::query_as(
        "SELECT evaluated FROM evaluation WHERE partner_id = $1 AND day = $2")
        .bind(partner.as_str()).bind(i64::from(day)).fetch_optional(c).await)?;
    found.map_or(Ok(0), |(evaluated,)| counted(evaluated))
}

/// Spends; [`StoreError::Unchanged`] where it would go beyond the quota.
pub(super) async fn spend(tx: &mut Tx, spending: &Spending) -> Result<Outcome, StoreError> {
    let Spending { partner, day, count, quota } = spending;
    let day = i64::from(*day);
    if count > quota {
        return Err(StoreError::Unchanged { table: "evaluation" });
    }
    // The day before stays: of two gateways one's clock may still be in it.
    on!(&mut *tx, c => sqlx::query("DELETE FROM evaluation WHERE partner_id = $1 AND day < $2")
        .bind(partner.as_str()).bind(day - 1).execute(c).await.map(drop))?;
    let rows = on!(&mut *tx, c => sqlx::query(
        "INSERT INTO evaluation (partner_id, day, evaluated) VALUES ($1, $2, $3) \
         ON CONFLICT (partner_id, day) DO UPDATE \
         SET evaluated = evaluation.evaluated + excluded.evaluated \
         WHERE evaluation.evaluated + excluded.evaluated <= $4")
        .bind(partner.as_str()).bind(day).bind(stored(*count)?).bind(stored(*quota)?)
        .execute(c).await.map(|done| done.rows_affected()))?;
    bulk::touched(rows, 1, "evaluation")?;
    let day = spending.day;
    on_day(tx, partner, day).await.map(Outcome::Total)
}
