//! What one gateway at a time does, among all on a database.

use super::{Rights, Store, StoreError, Tx, tx::on};

/// What is done alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    /// Letting go of records whose time is over.
    Retention,
    /// Doing again what a restored backup lacks.
    Replay,
}

/// Leave to do something alone, until it is dropped.
#[derive(Debug)]
pub struct Alone {
    /// Holds the lock; nothing is done in it.
    _lock: Option<Tx>,
}

/// Tries to be the one gateway that does something; `None` while another does. An embedded
/// file has one gateway anyway.
///
/// # Errors
/// When the database can't be asked.
pub async fn alone(store: &Store, lock: Lock) -> Result<Option<Alone>, StoreError> {
    if store.is_embedded() {
        return Ok(Some(Alone { _lock: None }));
    }
    let number: i64 = match lock {
        Lock::Retention => 7_419_220_532,
        Lock::Replay => 7_419_220_533,
    };
    let mut tx = store.transact(Rights::Intake).await?;
    let (alone,): (bool,) = on!(&mut tx, c => sqlx::query_as(
        "SELECT pg_try_advisory_xact_lock($1)").bind(number).fetch_one(c).await)?;
    Ok(alone.then_some(Alone { _lock: Some(tx) }))
}
