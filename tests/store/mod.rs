//! The contract of the store: every repository function, the same on both engines. Each test
//! runs on SQLite and, where PostgreSQL is installed, on a database of its own there.

mod access;
mod cases;
mod consents;
mod cosignatures;
mod details;
mod evaluations;
mod families;
mod keys;
mod links;
mod log;
mod papers;
mod records;
mod register;
mod relinking;
mod retention;
mod rights;
mod schema;
mod sharding;
mod table_requests;
mod undo;
mod years;

use crate::support::postgres::{Database, cluster};
use jiff::Timestamp;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use std::{path::PathBuf, sync::Arc};
use tallygate::{
    audit::{Leaf, LeafKind, LogSigner},
    domain::{BatchId, FeedId, PartnerId, RecordType},
    store::{
        Act, ActError, Effect, Location, Outcome, Rights, Sequencer, Store, Tx,
        feeds::{self, NewBatch},
    },
};
use tokio::task::JoinHandle;

/// Runs a contract on both engines.
macro_rules! on_both {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        mod both {
            $(mod $name {
                #[tokio::test(flavor = "multi_thread")]
                async fn sqlite() {
                    super::super::$name(crate::store::Fresh::sqlite().await).await;
                }
                #[tokio::test(flavor = "multi_thread")]
                async fn postgres() {
                    if let Some(fresh) = crate::store::Fresh::postgres().await {
                        super::super::$name(fresh).await;
                    }
                }
            })*
        }
    };
}
use on_both;

/// A migrated store without content, as a gateway holds it.
pub(crate) struct Fresh {
    pub(crate) store: Store,
    pub(crate) sequencer: Sequencer,
    task: JoinHandle<()>,
    place: Place,
}

/// Where it lies.
enum Place {
    Sqlite(tempfile::TempDir),
    Postgres(Database),
}

/// What the clock says in these tests.
const NOW: i64 = 1_790_000_000_000_000;

pub(crate) fn now() -> Timestamp {
    Timestamp::from_microsecond(NOW).unwrap()
}

pub(crate) fn signer() -> LogSigner {
    LogSigner::from_seed("contract.example/2026".parse().unwrap(), &[7; 32]).unwrap()
}

fn file(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("gateway.db")
}

impl Fresh {
    pub(crate) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let location = Location::Sqlite(file(&folder).into());
        let store = Store::open(&location).await.unwrap();
        store.migrate(None).await.unwrap();
        Self::over(store, Place::Sqlite(folder)).await
    }

    async fn postgres() -> Option<Self> {
        let database = cluster()?.database(None).await;
        let owner = Store::open(&Location::Postgres(database.location("owner"))).await.unwrap();
        owner.migrate(Some("gateway")).await.unwrap();
        owner.close().await;
        let location = Location::Postgres(database.location("gateway"));
        let store = Store::open(&location).await.unwrap();
        store.check_level().await.unwrap();
        Some(Self::over(store, Place::Postgres(database)).await)
    }

    async fn over(store: Store, place: Place) -> Self {
        let (sequencer, task) =
            Sequencer::start(store.clone(), signer(), Arc::new(now)).await.unwrap();
        Self { store, sequencer, task, place }
    }

    /// Commits an effect with a leaf.
    async fn act(&self, effect: Effect) -> Result<Outcome, ActError> {
        self.act_under(effect, None).await
    }

    async fn act_under(&self, effect: Effect, epoch: Option<u64>) -> Result<Outcome, ActError> {
        let leaf = Leaf::new(LeafKind::RegisterRead, now());
        Ok(self.sequencer.commit(Act { leaf, effect, epoch }).await?.value().clone())
    }

    async fn read(&self, rights: Rights) -> Tx {
        self.store.read(rights).await.unwrap()
    }

    async fn feed(&self, sender: &str, record_type: RecordType) -> FeedId {
        let mut tx = self.store.transact(Rights::Intake).await.unwrap();
        let feed = feeds::feed(&mut tx, &partner(sender), record_type).await.unwrap();
        tx.commit().await.unwrap();
        feed
    }

    async fn accept(&self, batch: BatchId) -> Result<Outcome, ActError> {
        self.act(Effect::AcceptBatch(batch)).await
    }

    /// Runs a statement as whoever owns the data, beside the gateway: how many rows it
    /// touched, or what the database said.
    async fn attack(&self, sql: &str) -> Result<u64, String> {
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        let done = match &self.place {
            Place::Sqlite(folder) => {
                let options = SqliteConnectOptions::new().filename(file(folder));
                let pool = SqlitePool::connect_with(options).await.unwrap();
                sqlx::raw_sql(sql).execute(&pool).await.map(|done| done.rows_affected())
            }
            Place::Postgres(database) => {
                let pool = database.pool("owner").await;
                sqlx::raw_sql(sql).execute(&pool).await.map(|done| done.rows_affected())
            }
        };
        done.map_err(|error| error.to_string())
    }
}

fn partner(id: &str) -> PartnerId {
    id.parse().unwrap()
}

fn batch_of(feed: FeedId) -> NewBatch {
    NewBatch {
        feed,
        extract_day: 20_000,
        digest: [3; 32],
        protocol: "isp-health".parse().unwrap(),
        protocol_version: 2,
        staged_at: now(),
        stream: 0,
        records: 1,
    }
}

/// Sixteen bytes that are no other number's.
fn key(number: usize) -> [u8; 16] {
    // Spread over the key space, as pseudonyms are.
    let spread = (number as u128).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    spread.to_be_bytes()
}
