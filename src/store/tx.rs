//! A transaction on either engine.

use super::StoreError;
use sqlx::{Postgres, Sqlite, Transaction};

/// A transaction on SQLite or PostgreSQL. Dropped without [`Tx::commit`], it is undone.
pub enum Tx {
    /// On SQLite.
    Sqlite(Transaction<'static, Sqlite>),
    /// On PostgreSQL.
    Postgres(Transaction<'static, Postgres>),
}

impl std::fmt::Debug for Tx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tx")
    }
}

/// Runs one body on whichever engine the transaction is of: `on!(tx, c => query.execute(c).await)`.
macro_rules! on {
    ($tx:expr, $connection:ident => $body:expr) => {
        match $tx {
            $crate::store::Tx::Sqlite(tx) => {
                let $connection = &mut **tx;
                $body
            }
            $crate::store::Tx::Postgres(tx) => {
                let $connection = &mut **tx;
                $body
            }
        }
    };
}
pub(crate) use on;

impl Tx {
    /// Makes it durable.
    ///
    /// # Errors
    /// When the engine can't; then nothing of it is stored, unless the connection broke
    /// while it was being committed: then only a later look tells.
    pub async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(tx) => tx.commit().await?,
            Self::Postgres(tx) => tx.commit().await?,
        }
        Ok(())
    }

    /// Whether it runs on SQLite.
    #[must_use]
    pub const fn is_sqlite(&self) -> bool {
        matches!(self, Self::Sqlite(_))
    }

    /// Runs a statement that has no arguments.
    pub(super) async fn run(&mut self, sql: &'static str) -> Result<(), StoreError> {
        on!(self, c => sqlx::query(sql).execute(c).await.map(drop))?;
        Ok(())
    }

    /// Takes `count` numbers from a counter and returns the first.
    pub(super) async fn take_numbers(
        &mut self,
        counter: &'static str,
        count: usize,
    ) -> Result<i64, StoreError> {
        let count = i64::try_from(count).map_err(|_| StoreError::Range)?;
        let row: Option<(i64,)> = on!(self, c => sqlx::query_as(
            "UPDATE counter SET next = next + $1 WHERE name = $2 RETURNING next")
            .bind(count).bind(counter).fetch_optional(c).await)?;
        let (next,) = row.ok_or(StoreError::Unchanged { table: "counter" })?;
        Ok(next - count)
    }
}
