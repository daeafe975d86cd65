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

/// Runs one body on whichever engine the transaction is of.
macro_rules! on_either {
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
pub(crate) use on_either;

/// Runs one statement on either: `on!(tx, c => query.execute(c).await)`.
#[cfg(not(test))]
macro_rules! on {
    ($($tokens:tt)*) => {
        $crate::store::tx::on_either!($($tokens)*)
    };
}
/// The same for tests, which may make any statement fail (see [`super::faults`]).
#[cfg(test)]
macro_rules! on {
    ($tx:expr, $connection:ident => $body:expr) => {
        match $tx {
            $crate::store::Tx::Sqlite(tx) => match $crate::store::faults::before(stringify!($body))
            {
                Err(error) => Err(error),
                Ok(due) => {
                    let $connection = &mut **tx;
                    let done = $body;
                    $crate::store::faults::after(due).and(done)
                }
            },
            $crate::store::Tx::Postgres(tx) => {
                let done = match $crate::store::faults::before(stringify!($body)) {
                    Err(error) => Err(error),
                    Ok(due) => {
                        let $connection = &mut **tx;
                        let done = $body;
                        $crate::store::faults::after(due).and(done)
                    }
                };
                match done {
                    Err(error) => Err($crate::store::faults::spoil(tx, error).await),
                    done => done,
                }
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
        #[cfg(test)]
        let due = super::faults::before("COMMIT")?;
        match self {
            Self::Sqlite(tx) => tx.commit().await?,
            Self::Postgres(tx) => tx.commit().await?,
        }
        #[cfg(test)]
        super::faults::after(due)?;
        Ok(())
    }

    /// Whether it runs on SQLite.
    #[must_use]
    pub const fn is_sqlite(&self) -> bool {
        matches!(self, Self::Sqlite(_))
    }

    /// Runs a statement that has no arguments.
    pub(super) async fn run(&mut self, sql: &'static str) -> Result<(), StoreError> {
        #[cfg(test)]
        super::faults::name(sql);
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
