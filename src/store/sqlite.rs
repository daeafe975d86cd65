//! SQLite: one file, one process, one writing connection.

use super::{Engine, StoreError};
use sqlx::{
    Pool, Sqlite, Transaction,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use std::{fs::File, path::Path, sync::Arc, time::Duration};

/// Pages between checkpoints: large, since a checkpoint rewrites what bulk intake touches.
const AUTOCHECKPOINT_PAGES: &str = "50000";
/// Readers beside the one writer.
const READERS: u32 = 4;
/// Of each reader, KiB: they look things up by key or read on in order, and the operating
/// system holds the file anyway; what a long log leaves in them must not add up.
const READER_CACHE: &str = "-2048";

/// Opens the file for this process alone.
pub(super) async fn open(path: &Path) -> Result<Engine, StoreError> {
    let lock = lock(path)?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(false)
        .busy_timeout(Duration::from_secs(10))
        .pragma("wal_autocheckpoint", AUTOCHECKPOINT_PAGES)
        .pragma("cache_size", "-65536")
        .pragma("temp_store", "memory")
        .pragma("secure_delete", "on")
        .row_buffer_size(1_000);
    let writer = SqlitePoolOptions::new()
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options.clone())
        .await?;
    let readers = SqlitePoolOptions::new()
        .max_connections(READERS)
        .connect_with(options.pragma("cache_size", READER_CACHE).pragma("query_only", "on"))
        .await?;
    // What the acknowledgement promises rests on this, so it is asked, not assumed.
    let (synchronous,): (i64,) = sqlx::query_as("PRAGMA synchronous").fetch_one(&writer).await?;
    if synchronous != 2 {
        return Err(StoreError::NotDurable { setting: "synchronous" });
    }
    Ok(Engine::Sqlite { writer, readers, _lock: Some(Arc::new(lock)) })
}

/// Begins a transaction on the one writing connection.
///
/// Where the disk is full or fails, SQLite ends a transaction by itself; the driver goes on
/// counting it, and its connection would refuse every further one until the program is
/// started again. Such a connection is given up for a new one.
pub(super) async fn begin_writing(
    writer: &Pool<Sqlite>,
) -> Result<Transaction<'static, Sqlite>, StoreError> {
    const BEGIN: &str = "BEGIN IMMEDIATE";
    match writer.begin_with(BEGIN).await {
        Err(sqlx::Error::InvalidSavePointStatement) => {
            tracing::warn!("a transaction was ended by the database; taking a new connection");
            writer.acquire().await?.close().await?;
            Ok(writer.begin_with(BEGIN).await?)
        }
        begun => Ok(begun?),
    }
}

/// Opens the file to look at. A snapshot of a write-ahead log disturbs nobody who writes;
/// SQLite itself refuses whatever would.
pub(super) async fn open_to_read(path: &Path) -> Result<Engine, StoreError> {
    // SQLite would say no more than that it can't. (Asked without opening the file: closing
    // it again would drop the locks that this process may hold on it.)
    std::fs::metadata(path).map_err(StoreError::Unreachable)?;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(Duration::from_secs(10))
        .pragma("cache_size", READER_CACHE)
        .pragma("temp_store", "memory")
        .row_buffer_size(1_000);
    let readers = SqlitePoolOptions::new().max_connections(READERS).connect_with(options).await?;
    Ok(Engine::Sqlite { writer: readers.clone(), readers, _lock: None })
}

/// SQLite's own locks would let a second gateway in between two transactions; this one
/// lasts as long as the process.
fn lock(path: &Path) -> Result<File, StoreError> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path.with_extension("lock"))
        .map_err(StoreError::Unreachable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(StoreError::InUse),
        Err(std::fs::TryLockError::Error(error)) => Err(StoreError::Unreachable(error)),
    }
}
