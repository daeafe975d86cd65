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
//! - Rows of a batch count only once the batch is accepted, and no more once it is undone.
//! - A log entry, a log hash, a frozen release, its notice and the undoing of a stream never
//!   change (triggers say so too).

pub mod access;
mod alone;
pub mod approvals;
pub mod archive;
pub mod backup;
pub mod bench;
mod births;
mod bulk;
pub mod cases;
pub mod consents;
pub mod cosignatures;
pub mod counted;
pub mod details;
pub mod effect;
pub mod erasures;
mod error;
pub mod evaluations;
pub mod families;
#[cfg(test)]
pub(crate) mod faults;
pub mod feeds;
pub mod geography;
pub mod key_versions;
pub mod log;
pub mod log_rows;
mod migrate;
pub mod papers;
pub mod partners;
mod postgres;
pub mod privacy_notices;
pub mod protocols;
pub mod records;
pub mod releases;
pub mod relinking;
pub mod retention;
pub mod rewrap;
mod rights;
pub mod scan;
pub mod scrub;
pub mod sequencer;
pub mod sharding;
mod sqlite;
mod statements;
pub mod subjects;
pub mod table_requests;
pub mod tables;
mod tx;
mod unconsented;
pub mod undo;

pub use alone::{Alone, Lock, alone};
pub use effect::{Effect, Outcome};
pub use error::StoreError;
pub use postgres::{LocationError, PostgresLocation};
pub use rights::Rights;
pub use sequencer::{Act, ActError, Logged, Sequencer, calendar_year};
pub use tx::Tx;

use crate::meters::StoreMeters;
use sqlx::{Pool, Sqlite};
use std::{fs::File, path::Path, sync::Arc, time::Instant};

/// Where the data lies.
#[derive(Debug, Clone)]
pub enum Location {
    /// A SQLite file, for one gateway.
    Sqlite(Box<Path>),
    /// A PostgreSQL database, for several.
    Postgres(PostgresLocation),
}

/// An open store.
#[derive(Clone)]
pub struct Store {
    engine: Engine,
    meters: StoreMeters,
    #[cfg(test)]
    pub(crate) faults: faults::Faults,
}

#[derive(Clone)]
enum Engine {
    Sqlite {
        writer: Pool<Sqlite>,
        readers: Pool<Sqlite>,
        /// Held as long as the store: a second process is refused. Absent where a file is
        /// only read, which may be done beside a running gateway.
        _lock: Option<Arc<File>>,
    },
    Postgres(postgres::Servers),
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
            Location::Postgres(location) => {
                Engine::Postgres(postgres::Servers::open(location).await?)
            }
        };
        Ok(Self::over(engine))
    }

    /// Opens the store to look at, and nothing else: a SQLite file beside the gateway that
    /// may be using it. (On PostgreSQL what may be done is a matter of [`Rights`].)
    ///
    /// # Errors
    /// When it can't be opened.
    pub async fn open_to_read(location: &Location) -> Result<Self, StoreError> {
        match location {
            Location::Sqlite(path) => Ok(Self::over(sqlite::open_to_read(path).await?)),
            Location::Postgres(_) => Self::open(location).await,
        }
    }

    fn over(engine: Engine) -> Self {
        Self {
            engine,
            meters: StoreMeters::default(),
            #[cfg(test)]
            faults: faults::Faults::default(),
        }
    }

    /// Brings the schema to this program's level. On PostgreSQL as the tables' owner, and
    /// `gateway` is the user that may take on the gateway's [`Rights`] from then on.
    ///
    /// # Errors
    /// [`StoreError::Newer`] when the database was written by a newer program,
    /// [`StoreError::Database`] when a step fails; its transaction is undone.
    pub async fn migrate(&self, gateway: Option<&str>) -> Result<(), StoreError> {
        migrate::run(self, gateway).await
    }

    /// Checks that this program can serve from the schema as it is.
    ///
    /// # Errors
    /// [`StoreError::Older`] or [`StoreError::Newer`].
    pub async fn check_level(&self) -> Result<(), StoreError> {
        migrate::check(self).await
    }

    /// What an operator should know about how safe a commit is here.
    ///
    /// # Errors
    /// When the database can't be asked.
    pub async fn warnings(&self) -> Result<Vec<&'static str>, StoreError> {
        match &self.engine {
            Engine::Sqlite { .. } => Ok(Vec::new()),
            Engine::Postgres(servers) => servers.warnings().await,
        }
    }

    /// Whether it is one file of one process.
    #[must_use]
    pub const fn is_embedded(&self) -> bool {
        matches!(self.engine, Engine::Sqlite { .. })
    }

    /// Begins a transaction that only reads, on one snapshot.
    ///
    /// # Errors
    /// When the engine refuses.
    pub async fn read(&self, rights: Rights) -> Result<Tx, StoreError> {
        #[cfg(test)]
        self.faults.begin(rights, "begin reading")?;
        let asked = Instant::now();
        let tx = match &self.engine {
            Engine::Sqlite { readers, .. } => Tx::Sqlite(readers.begin().await?),
            Engine::Postgres(servers) => Tx::Postgres(servers.begin(rights.begin_reading()).await?),
        };
        self.meters.began_reading(asked.elapsed());
        Ok(tx)
    }

    /// Begins a transaction that writes; dropped without [`Tx::commit`], it is undone.
    ///
    /// # Errors
    /// When the engine refuses.
    pub async fn transact(&self, rights: Rights) -> Result<Tx, StoreError> {
        #[cfg(test)]
        self.faults.begin(rights, "begin")?;
        let asked = Instant::now();
        let tx = match &self.engine {
            Engine::Sqlite { writer, .. } => Tx::Sqlite(sqlite::begin_writing(writer).await?),
            Engine::Postgres(servers) => Tx::Postgres(servers.begin(rights.begin_writing()).await?),
        };
        self.meters.began_writing(asked.elapsed());
        Ok(tx)
    }

    /// How long it takes, for those who watch it.
    #[must_use]
    pub const fn meters(&self) -> &StoreMeters {
        &self.meters
    }

    /// Begins a transaction that only reads, on one snapshot, with all rights of the database
    /// user: for backups.
    async fn read_as_owner(&self) -> Result<Tx, StoreError> {
        match &self.engine {
            Engine::Sqlite { .. } => self.read(Rights::Figures).await,
            Engine::Postgres(servers) => {
                let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
                Ok(Tx::Postgres(servers.begin(begin).await?))
            }
        }
    }

    /// Begins a transaction with all rights of the database user: for the schema, and for
    /// a restore.
    async fn transact_as_owner(&self) -> Result<Tx, StoreError> {
        match &self.engine {
            Engine::Sqlite { .. } => self.transact(Rights::Intake).await,
            Engine::Postgres(servers) => Ok(Tx::Postgres(servers.begin("BEGIN").await?)),
        }
    }

    /// Closes every connection; the last one folds SQLite's write-ahead log into its file.
    pub async fn close(&self) {
        match &self.engine {
            Engine::Sqlite { writer, readers, .. } => {
                readers.close().await;
                writer.close().await;
            }
            Engine::Postgres(servers) => servers.close().await,
        }
    }
}
