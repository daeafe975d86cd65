//! Scrubbing: what was erased must not lie on in the engine's own files.
//!
//! A deleted row lives on in pages that were not yet used again, in the write-ahead log, in
//! indexes. On SQLite the gateway itself rewrites its file (VACUUM copies what is there and
//! nothing else) and folds the write-ahead log in, which is then cut to nothing. On PostgreSQL
//! only the tables' owner may: every table that holds keyed values is rewritten with its indexes
//! (VACUUM FULL), and so are the planner's statistics, which hold samples of them. Checkpoints
//! make the write-ahead log behind it needless; but the server keeps such segments for later as
//! they are, so that as many new ones are begun as there are files, which overwrites each of them
//! (a segment that is left is filled up with zeros).
//!
//! A scrub counts as done only where every step of it was.
//!
//! **Not reached from here:** write-ahead segments that the server keeps for standbys, slots or an
//! archive; backups; what a file system or a disk keeps of blocks that were freed. Backups are met
//! when one is restored; the others are the operator's.

use super::{Engine, Rights, Store, StoreError, cases};
use sqlx::{AssertSqlSafe, Executor, PgConnection};
use std::time::Duration;
use tokio::time;

/// Tables that hold keyed values, or what they are sealed with.
const TABLES: [&str; 12] = [
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
    "dropped_case",
    "key_progress",
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
    /// Whether the planner's statistics were made and written anew; SQLite keeps none of values.
    pub statistics: bool,
    /// Whether the write-ahead log was folded in.
    pub checkpointed: bool,
    /// Whether the write-ahead log was cut, or all that lay of it overwritten.
    pub switched: bool,
}

impl Scrubbed {
    /// Whether nothing is left of what was erased.
    #[must_use]
    pub const fn is_done(self) -> bool {
        self.statistics && self.checkpointed && self.switched
    }
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

    /// Whether nothing may be served before a scrub.
    ///
    /// # Errors
    /// When it can't be read.
    pub async fn must_scrub(&self) -> Result<bool, StoreError> {
        let mut tx = self.read(Rights::Figures).await?;
        cases::must_scrub(&mut tx).await
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
                Scrubbed { statistics: true, checkpointed: cut, switched: cut }
            }
            Engine::Postgres(servers) => {
                let mut connection = servers.acquire().await?;
                for table in TABLES {
                    let sql = AssertSqlSafe(format!("VACUUM FULL {table}"));
                    connection.execute(sqlx::query(sql)).await?;
                }
                let statistics = rewrite_statistics(&mut connection).await?;
                let (checkpointed, switched) = overwrite_log(&mut connection).await;
                Scrubbed { statistics, checkpointed, switched }
            }
        };
        if done.is_done() {
            let mut tx = self.transact_as_owner().await?;
            cases::scrubbed(&mut tx, erased).await?;
            tx.commit().await?;
        }
        Ok(done)
    }
}

/// The planner's statistics hold the commonest values of columns, and others in steps. Whoever
/// owns the database may rewrite them; a tables' owner alone is passed over in silence, so that it
/// is asked first.
async fn rewrite_statistics(connection: &mut PgConnection) -> Result<bool, StoreError> {
    for table in TABLES {
        let sql = AssertSqlSafe(format!("ANALYZE {table}"));
        connection.execute(sqlx::query(sql)).await?;
    }
    let (owns,): (bool,) = sqlx::query_as(
        "SELECT pg_has_role(current_user, datdba, 'USAGE') FROM pg_database \
         WHERE datname = current_database()",
    )
    .fetch_one(&mut *connection)
    .await?;
    if owns {
        connection.execute("VACUUM FULL pg_catalog.pg_statistic").await?;
    }
    Ok(owns)
}

/// Lets go of the write-ahead log so far, and overwrites what the server keeps of it for later:
/// whether the one and the other could be done. Both need more than to own the tables.
async fn overwrite_log(connection: &mut PgConnection) -> (bool, bool) {
    // The second one lets go of the segment that the first one's begin lies in.
    for sql in ["CHECKPOINT", NEXT_SEGMENT.0, NEXT_SEGMENT.1, "CHECKPOINT"] {
        if connection.execute(sql).await.is_err() {
            return (sql != "CHECKPOINT", false);
        }
    }
    let segments = sqlx::query_as("SELECT COUNT(*) FROM pg_ls_waldir()");
    let Ok((segments,)): Result<(i64,), _> = segments.fetch_one(&mut *connection).await else {
        return (true, false);
    };
    for _ in 0..=segments {
        for sql in [NEXT_SEGMENT.0, NEXT_SEGMENT.1] {
            if connection.execute(sql).await.is_err() {
                return (true, false);
            }
        }
    }
    (connection.execute("CHECKPOINT").await.is_ok(), true)
}

/// A segment is left only where something is in it.
const NEXT_SEGMENT: (&str, &str) =
    ("SELECT pg_logical_emit_message(false, 'tallygate', '')", "SELECT pg_switch_wal()");

#[cfg(test)]
impl Store {
    /// Writes what PostgreSQL holds in memory, statistics included, so that its files can be searched.
    pub(crate) async fn settle_for_tests(&self) {
        if let Engine::Postgres(servers) = &self.engine {
            let mut connection = servers.acquire().await.unwrap();
            for sql in ["ANALYZE", "CHECKPOINT"] {
                connection.execute(sql).await.unwrap();
            }
        }
    }
}
