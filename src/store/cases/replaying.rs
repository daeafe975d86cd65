//! Whether a restored backup is being brought up to the journal, and may be served from.

use crate::store::{StoreError, Tx, error::counted, tx::on};

const REPLAYING: i64 = 2;

async fn counter(tx: &mut Tx, name: &'static str) -> Result<i64, StoreError> {
    let (next,): (i64,) = on!(tx, c => sqlx::query_as(
        "SELECT next FROM counter WHERE name = $1").bind(name).fetch_one(c).await)?;
    Ok(next)
}

/// Begins to bring a restored backup up to the journal: from here on nothing may be served from
/// it, whatever crashes, until [`end_replay`] and a scrub.
///
/// # Errors
/// When it can't be written.
pub async fn begin_replay(tx: &mut Tx) -> Result<(), StoreError> {
    on!(tx, c => sqlx::query("UPDATE counter SET next = $1 WHERE name = 'replaying'")
        .bind(REPLAYING).execute(c).await.map(drop))?;
    super::owe_scrub(tx).await.map(drop)
}

/// All of it is done again and erased: what is left is to scrub the files.
///
/// # Errors
/// When it can't be written.
pub async fn end_replay(tx: &mut Tx) -> Result<(), StoreError> {
    super::owe_scrub(tx).await?;
    on!(&mut *tx, c => sqlx::query(
        "UPDATE counter SET next = (SELECT e.next FROM counter e WHERE e.name = 'erased_days') \
         WHERE name = 'replayed_days'").execute(c).await.map(drop))?;
    on!(tx, c => sqlx::query("UPDATE counter SET next = 1 WHERE name = 'replaying'")
        .execute(c).await.map(drop))?;
    Ok(())
}

/// Whether a replay was begun and did not come to its end.
///
/// # Errors
/// When it can't be read.
pub async fn is_replaying(tx: &mut Tx) -> Result<bool, StoreError> {
    Ok(counter(tx, "replaying").await? == REPLAYING)
}

/// Whether nothing may be served before the files are scrubbed.
///
/// # Errors
/// When it can't be read.
pub async fn must_scrub(tx: &mut Tx) -> Result<bool, StoreError> {
    let (_, scrubbed) = super::scrubs(tx).await?;
    let replayed = counted(counter(tx, "replayed_days").await?)?;
    Ok(is_replaying(tx).await? || replayed > scrubbed)
}
