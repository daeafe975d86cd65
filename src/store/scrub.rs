//! Scrubbing: what was erased must not lie on in the engine's own files.
//!
//! A deleted row lives on in pages that were not yet used again, in the write-ahead log, in
//! indexes. On SQLite the gateway itself rewrites its file (VACUUM copies what is there and
//! nothing else) and folds the write-ahead log in, which is then cut to nothing. On PostgreSQL
//! only the tables' owner may: every table that holds keyed values is rewritten with its indexes
//! (VACUUM FULL), a checkpoint makes the write-ahead log behind it needless, and a switch to a
//! new segment lets the server recycle it.
//!
//! **Not reached from here:** write-ahead segments that the server keeps for standbys, slots or an
//! archive, until it recycles and overwrites them; backups; what a file system or a disk keeps of
//! blocks that were freed. Backups are met when one is restored; the others are the operator's.

use super::{Engine, Rights, Store, StoreError, cases};
use sqlx::{AssertSqlSafe, Executor};
use std::time::Duration;
use tokio::time;

/// Tables that hold keyed values, or what they are sealed with.
const TABLES: [&str; 10] = [
    "event",
    "subject",
    "subject_key",
    "sent",
    "withdrawal",
    "erasure",
    "batch_detail",
    "act_detail",
    "record_stop",
    "dropped",
];
/// A reader may hold the write-ahead log for a moment.
const TRIES: usize = 20;
const PAUSE: Duration = Duration::from_millis(100);
/// How long one try waits, in milliseconds: writers wait meanwhile, and a backup that reads may
/// take long. What is left then is left to the next scrub.
const BUSY: &str = "PRAGMA busy_timeout = 100";
const USUAL: &str = "PRAGMA busy_timeout = 10000";

/// What a scrub came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scrubbed {
    /// Whether the write-ahead log was folded in.
    pub checkpointed: bool,
    /// Whether the write-ahead log was cut, or a new segment of it begun.
    pub switched: bool,
}

impl Store {
    /// Whether something was erased since the last scrub.
    ///
    /// # Errors
    /// When it can't be read.
    pub async fn owes_scrub(&self) -> Result<bool, StoreError> {
        let mut tx = self.read(Rights::Figures).await?;
        let (erased, scrubbed) = cases::scrubs(&mut tx).await?;
        Ok(erased > scrubbed)
    }

    /// Rewrites what holds keyed values, so that nothing is left of what was erased. On
    /// PostgreSQL as the tables' owner. Nothing may be written meanwhile: writers wait.
    ///
    /// # Errors
    /// When the engine refuses to rewrite.
    pub async fn scrub(&self) -> Result<Scrubbed, StoreError> {
        let mut tx = self.read_as_owner().await?;
        let (erased, _) = cases::scrubs(&mut tx).await?;
        drop(tx);
        let done = match &self.engine {
            Engine::Sqlite { writer, .. } => {
                let mut connection = writer.acquire().await?;
                // The copy that VACUUM makes has no room in memory.
                connection.execute("PRAGMA temp_store = file").await?;
                let rewritten = connection.execute("VACUUM").await;
                connection.execute("PRAGMA temp_store = memory").await?;
                rewritten?;
                connection.execute(BUSY).await?;
                let mut cut = false;
                for _ in 0..TRIES {
                    let (busy, ..): (i64, i64, i64) =
                        sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)")
                            .fetch_one(&mut *connection)
                            .await?;
                    cut = busy == 0;
                    if cut {
                        break;
                    }
                    time::sleep(PAUSE).await;
                }
                connection.execute(USUAL).await?;
                Scrubbed { checkpointed: cut, switched: cut }
            }
            Engine::Postgres(servers) => {
                let mut connection = servers.acquire().await?;
                for table in TABLES {
                    let sql = AssertSqlSafe(format!("VACUUM FULL {table}"));
                    connection.execute(sqlx::query(sql)).await?;
                }
                // Both need more than to own the tables; who may not is told.
                let checkpointed = connection.execute("CHECKPOINT").await.is_ok();
                let switched = connection.execute("SELECT pg_switch_wal()").await.is_ok();
                Scrubbed { checkpointed, switched }
            }
        };
        if done.checkpointed || !self.is_embedded() {
            let mut tx = self.transact_as_owner().await?;
            cases::scrubbed(&mut tx, erased).await?;
            tx.commit().await?;
        }
        Ok(done)
    }
}
