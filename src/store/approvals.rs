//! What a first person wants done, where an act needs two people. A row lasts until a second
//! person does it, in the same transaction, or until it has expired.

use super::{StoreError, Tx, bulk, error::key16, tx::on};
use crate::domain::PartnerId;
use jiff::{SignedDuration, Timestamp};

/// How long a first person's word waits for a second one.
pub const LASTS: SignedDuration = SignedDuration::from_hours(7 * 24);

/// A first person's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// SHA-256 of what is to be done.
    pub act: [u8; 32],
    /// The first person's organisation.
    pub partner: PartnerId,
    /// Who of it, as a keyed pseudonym.
    pub user: [u8; 16],
    /// When it was given, microseconds since 1970-01-01 UTC.
    pub given_at: i64,
}

impl Approval {
    /// Whether it still waits at a moment.
    #[must_use]
    pub fn waits_at(&self, now: Timestamp) -> bool {
        now.as_microsecond() < self.given_at.saturating_add(lasts())
    }
}

fn lasts() -> i64 {
    i64::try_from(LASTS.as_micros()).unwrap_or(i64::MAX)
}

/// The word given for an act, expired or not.
///
/// # Errors
/// When it can't be read or is corrupt.
pub async fn of(tx: &mut Tx, act: &[u8; 32]) -> Result<Option<Approval>, StoreError> {
    let row: Option<(String, Vec<u8>, i64)> = on!(tx, c => sqlx::query_as(
        "SELECT partner_id, user_key, given_at FROM approval WHERE act_digest = $1")
        .bind(act.to_vec()).fetch_optional(c).await)?;
    row.map(|(partner, user, given_at)| {
        let corrupt = |_| StoreError::Corrupt { table: "approval", column: "partner_id", row: 0 };
        Ok(Approval {
            act: *act,
            partner: partner.parse().map_err(corrupt)?,
            user: key16(&user, "approval", "user_key")?,
            given_at,
        })
    })
    .transpose()
}

/// Enters a first person's word, in place of one that does not count any more; whatever has
/// expired goes.
pub(super) async fn give(
    tx: &mut Tx,
    new: &Approval,
    replaced: Option<&Approval>,
    at: Timestamp,
) -> Result<(), StoreError> {
    on!(&mut *tx, c => sqlx::query("DELETE FROM approval WHERE given_at <= $1")
        .bind(at.as_microsecond().saturating_sub(lasts())).execute(c).await.map(drop))?;
    if let Some(replaced) = replaced {
        remove(tx, replaced).await?;
    }
    let rows = on!(tx, c => sqlx::query(
        "INSERT INTO approval (act_digest, partner_id, user_key, given_at) \
         VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING")
        .bind(new.act.to_vec()).bind(new.partner.as_str()).bind(new.user.to_vec())
        .bind(at.as_microsecond()).execute(c).await.map(|done| done.rows_affected()))?;
    bulk::touched(rows, 1, "approval")
}

/// Uses a first person's word up: it serves one act, once.
pub(super) async fn spend(tx: &mut Tx, approval: &Approval) -> Result<(), StoreError> {
    bulk::touched(remove(tx, approval).await?, 1, "approval")
}

async fn remove(tx: &mut Tx, approval: &Approval) -> Result<u64, StoreError> {
    Ok(on!(tx, c => sqlx::query(
        "DELETE FROM approval WHERE act_digest = $1 AND partner_id = $2 AND user_key = $3 \
         AND given_at = $4")
        .bind(approval.act.to_vec()).bind(approval.partner.as_str())
        .bind(approval.user.to_vec()).bind(approval.given_at)
        .execute(c).await.map(|done| done.rows_affected()))?)
}
