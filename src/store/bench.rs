//! What `tallygate bench` compares with, and seeds: the bare writing and reading of the same
//! rows, without anything that makes them trustworthy.
//!
//! Why here: this is the only room that names sqlx. Why apart: nothing in this file checks,
//! decides, links or logs. Only `src/bench` may name it (a test of the architecture says so),
//! so none of it can be reached from a gateway.
//!
//! Invariants:
//! - A limit writes the same rows into the same tables and indexes, as durably, in batches of
//!   the same size, by the fastest portable way: a multi-row INSERT on SQLite, UNNEST on
//!   PostgreSQL, each batch in the order of its keys.
//! - What is copied here was invented; no limit reads what it writes.

mod batches;
mod database;
mod families;
pub mod linking;
mod log;
mod people;
mod rows;
mod subjects;

use super::{Rights, Store, StoreError, Tx};
use std::collections::BTreeMap;

pub use batches::{BareBatch, StoredEvent, batches, write};
pub use database::{create_database, drop_database};
pub use log::{RawLog, fill_log};
pub use people::{Pattern, Scan, load, patterns, scan, take_numbers};
pub use subjects::{BareKey, StoredSubject};

/// Rows of many batches or persons, by its number.
type Many<T> = BTreeMap<i64, Vec<T>>;

/// A transaction that may do everything: limits know no rights.
async fn begin(store: &Store) -> Result<Tx, StoreError> {
    store.transact_as_owner().await
}

/// The same, to read; on SQLite beside the one that writes.
async fn look(store: &Store) -> Result<Tx, StoreError> {
    if store.is_embedded() { store.read(Rights::Release).await } else { begin(store).await }
}
