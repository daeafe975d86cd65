//! What must be true after a round.

use super::ground::{Data, Scene};
use crate::{
    gateways::load::{Load, compare},
    kills::verified,
};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use tallygate::audit::{Leaf, LeafKind};

/// What is compared from before to after.
#[derive(Debug)]
pub(super) struct Held {
    /// Records of accepted batches, their events, different records among the events, and
    /// accepted batches.
    counts: (i64, i64, i64, i64),
    /// Batches that the log says were accepted.
    logged: i64,
    releases: Vec<(String, Vec<u8>, String, i64)>,
    leaves: Vec<(Vec<u8>,)>,
    head: (i64, Vec<u8>),
}

const COUNTS: &str = "SELECT \
    (SELECT COUNT(*) FROM sent s JOIN batch b USING (batch_id) WHERE b.state = 1), \
    (SELECT COUNT(*) FROM event e JOIN batch b USING (batch_id) WHERE b.state = 1), \
    (SELECT COUNT(DISTINCT event_number) FROM event e JOIN batch b USING (batch_id) WHERE b.state = 1), \
    (SELECT COUNT(*) FROM batch WHERE state = 1)";
const RELEASES: &str = "SELECT quarter, digest, document, frozen_at FROM frozen_release ORDER BY 1";
const LEAVES: &str = "SELECT leaf FROM log_entry ORDER BY leaf_index";
const HEAD: &str = "SELECT size, root FROM log_head";

macro_rules! read {
    ($pool:expr) => {{
        let pool = $pool;
        let leaves: Vec<(Vec<u8>,)> = sqlx::query_as(LEAVES).fetch_all(&pool).await.unwrap();
        let kinds = leaves.iter().map(|(leaf,)| Leaf::decode(leaf).unwrap().kind);
        let held = Held {
            counts: sqlx::query_as(COUNTS).fetch_one(&pool).await.unwrap(),
            releases: sqlx::query_as(RELEASES).fetch_all(&pool).await.unwrap(),
            head: sqlx::query_as(HEAD).fetch_one(&pool).await.unwrap(),
            logged: i64::try_from(kinds.filter(|k| *k == LeafKind::BatchAccepted).count()).unwrap(),
            leaves,
        };
        pool.close().await;
        held
    }};
}

impl Held {
    /// What a database holds that no gateway uses.
    pub(super) async fn of(data: &Data) -> Self {
        match data {
            Data::Sqlite(path) => {
                let options = SqliteConnectOptions::new().filename(path);
                let pool = SqlitePoolOptions::new().max_connections(1);
                read!(pool.connect_with(options).await.unwrap())
            }
            Data::Postgres(database) => read!(database.pool("owner").await),
        }
    }
}

/// Every record that was sent is there once, whatever was answered on the way; what was there
/// before is as it was; the log verifies and holds every receipt.
pub(super) async fn all_is_well(scene: &Scene, before: &Held, load: &Load) {
    let now = Held::of(&scene.data).await;
    let sent = i64::try_from(load.sent()).unwrap();
    assert!(sent > 0, "nothing was sent");
    let (records, events, different, batches) = now.counts;
    let added = (records - before.counts.0, events - before.counts.1, different - before.counts.2);
    assert_eq!(added, (sent, sent, sent), "records, events, different ones; each sent is one");
    let accepted = (batches - before.counts.3, now.logged - before.logged);
    assert_eq!(accepted.0, accepted.1, "accepted batches, and leaves that say so");
    assert_eq!(now.releases, before.releases, "a release has changed");
    assert!(!now.releases.is_empty());
    assert_eq!(now.leaves[..before.leaves.len()], before.leaves, "the log's past has changed");
    let size = compare(&now.leaves, &now.head, &load.receipts());
    tokio::task::block_in_place(|| verified(&scene.path, scene.config(), load, size));
}
