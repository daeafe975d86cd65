//! The only room that names sqlx: what is kept, on an embedded SQLite or on PostgreSQL.
//!
//! Repository functions are plain `async fn`s over a [`Tx`], their SQL beside them, in the
//! subset both engines share; `on!` runs one body on either. There are two ways in:
//! [`Store::read`] and [`Store::transact`]. Whatever is done, asked or refused goes
//! through the [`sequencer`], which commits its effect and its leaf together; only that
//! commit makes a [`Logged`] answer.
//!
//! Invariants:
//! - An answer exists as [`Logged`] only after the transaction that holds both its effect
//!   and its leaf has committed.
//! - Rows of a batch count only once the batch is accepted.
//! - A log entry, a log hash and a frozen release never change (triggers say so too).

pub mod bench;
mod bulk;
pub mod consents;
pub mod effect;
mod error;
pub mod feeds;
pub mod geography;
pub mod log;
mod migrate;
pub mod partners;
mod postgres;
pub mod protocols;
pub mod records;
pub mod releases;
pub mod scan;
pub mod sequencer;
mod sqlite;
pub mod subjects;
mod tx;

pub use effect::{Effect, Outcome};
pub use error::StoreError;
pub use sequencer::{Act, ActError, Logged, Sequencer};
pub use tx::Tx;

use sqlx::{Pool, Postgres, Sqlite};
use std::{fs::File, path::Path, sync::Arc};

/// Where the data lies.
#[derive(Debug, Clone)]
pub enum Location {
    /// A SQLite file, for one gateway.
    Sqlite(Box<Path>),
    /// A PostgreSQL database, for several; its connection URL.
    Postgres(Box<str>),
}

/// An open store.
#[derive(Clone)]
pub struct Store {
    engine: Engine,
}

#[derive(Clone)]
enum Engine {
    Sqlite {
        writer: Pool<Sqlite>,
        readers: Pool<Sqlite>,
        /// Held as long as the store: a second process is refused.
        _lock: Arc<File>,
    },
    Postgres(Pool<Postgres>),
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.engine {
            Engine::Sqlite { .. } => "Store(SQLite)",
            Engine::Postgres(_) => "Store(PostgreSQL)",
        })
    }
}

impl Store {
    /// Opens the store, creating a SQLite file that is not there. Does not migrate.
    ///
    /// # Errors
    /// [`StoreError::InUse`] when another process holds the SQLite file,
    /// [`StoreError::NotDurable`] when the engine would acknowledge before it is on disk,
    /// [`StoreError::Database`] when it can't be opened.
    pub async fn open(location: &Location) -> Result<Self, StoreError> {
        let engine = match location {
            Location::Sqlite(path) => sqlite::open(path).await?,
            Location::Postgres(url) => postgres::open(url).await?,
        };
        Ok(Self { engine })
    }

    /// Brings the schema to this program's level.
    ///
    /// # Errors
    /// [`StoreError::Newer`] when the database was written by a newer program,
    /// [`StoreError::Database`] when a step fails; its transaction is undone.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        migrate::run(self).await
    }

    /// Begins a transaction that only reads, on one snapshot.
    ///
    /// # Errors
    /// When the engine refuses.
    pub async fn read(&self) -> Result<Tx, StoreError> {
        Ok(match &self.engine {
            Engine::Sqlite { readers, .. } => Tx::Sqlite(readers.begin().await?),
            Engine::Postgres(pool) => Tx::Postgres(
                pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?,
            ),
        })
    }

    /// Begins a transaction that writes; dropped without [`Tx::commit`], it is undone.
    ///
    /// # Errors
    /// When the engine refuses.
    pub async fn transact(&self) -> Result<Tx, StoreError> {
        Ok(match &self.engine {
            Engine::Sqlite { writer, .. } => {
                Tx::Sqlite(writer.begin_with("BEGIN IMMEDIATE").await?)
            }
            Engine::Postgres(pool) => Tx::Postgres(pool.begin().await?),
        })
    }

    /// Closes every connection; the last one folds SQLite's write-ahead log into its file.
    pub async fn close(&self) {
        match &self.engine {
            Engine::Sqlite { writer, readers, .. } => {
                readers.close().await;
                writer.close().await;
            }
            Engine::Postgres(pool) => pool.close().await,
        }
    }
}
