//! What can go wrong below the use cases. No variant holds stored or submitted data.

/// An error of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The engine refused or broke.
    #[error("the database refused the operation")]
    Database(#[from] sqlx::Error),
    /// Another process has the SQLite file open.
    #[error(
        "another process is using this database file; stop it, or use PostgreSQL for several gateways"
    )]
    InUse,
    /// The file can't be reached.
    #[error("the database file can't be opened; check that its folder exists and is writable")]
    Unreachable(#[source] std::io::Error),
    /// The engine would acknowledge writes before they are on disk.
    #[error(
        "the database is not set to be durable ({setting}); set it so, or nothing that is acknowledged is safe"
    )]
    NotDurable {
        /// Which setting.
        setting: &'static str,
    },
    /// No server of the database takes writes.
    #[error(
        "no database server that takes writes can be reached; check the servers of database.postgres"
    )]
    NoPrimary,
    /// The database is not yet at this program's level.
    #[error("the database is older than this program; run `tallygate migrate --config FILE`")]
    Older,
    /// The database was migrated by a newer program.
    #[error("this database was written by a newer tallygate; use that version")]
    Newer,
    /// Stored data is not what this program writes.
    #[error("corrupt data in {table}.{column}, row {row}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// The row's number, or 0 where rows have none.
        row: i64,
    },
    /// A write touched another number of rows than it must.
    #[error("a write to {table} did not find what it was to change")]
    Unchanged {
        /// The table.
        table: &'static str,
    },
    /// A number does not fit the database's type.
    #[error("a number is beyond what the database holds")]
    Range,
    /// The log can't be continued from what is stored.
    #[error(
        "the access log in the database does not fit its own head; run `tallygate audit verify`"
    )]
    LogDamaged,
    /// The log goes by another name than the configuration's.
    #[error(
        "the database's access log has another name than log.origin: only its last part, the year, may change, and never back; set log.origin right, or restart this gateway with the others' new one"
    )]
    OtherLog,
    /// A leaf could not be formed.
    #[error("a log entry could not be formed")]
    Leaf(#[from] crate::audit::AuditError),
}

impl StoreError {
    /// Whether the connection broke, so that what was begun may be tried again.
    #[must_use]
    pub fn is_lost_connection(&self) -> bool {
        matches!(self, Self::Database(error) if super::postgres::connection_lost(error))
    }

    /// Whether another migration changed the cluster's roles at the same moment: PostgreSQL
    /// tells it as an internal error or as a duplicate in its own catalogue.
    pub(super) fn is_role_race(&self) -> bool {
        let Self::Database(sqlx::Error::Database(error)) = self else { return false };
        match error.code().as_deref() {
            Some("XX000") => error.message().contains("concurrently updated"),
            Some("23505") => error.table().is_some_and(|table| table.starts_with("pg_auth")),
            _ => false,
        }
    }

    /// Whether a row of that table was already there: another gateway was first.
    pub(super) fn is_duplicate_of(&self, table: &str) -> bool {
        matches!(self, Self::Database(sqlx::Error::Database(error))
            if error.is_unique_violation() && error.table() == Some(table))
    }
}

/// A count or index as the database holds it.
pub(super) fn stored(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|_| StoreError::Range)
}

/// A count or index from the database.
pub(super) fn counted(number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(|_| StoreError::Range)
}

/// Sixteen stored bytes.
pub(super) fn key16(
    bytes: &[u8],
    table: &'static str,
    column: &'static str,
) -> Result<[u8; 16], StoreError> {
    bytes.try_into().map_err(|_| StoreError::Corrupt { table, column, row: 0 })
}
