//! Whole databases, out and in again.

use super::{Ground, ended};
use crate::support::{
    postgres::cluster,
    stream::{Stream, rows},
};
use sqlx::{AssertSqlSafe, SqlitePool};
use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt};
use tallygate::{
    store::tables::{Kind, TABLES},
    wire::v1::{
        self, access_log_service_client::AccessLogServiceClient,
        figure_service_client::FigureServiceClient,
    },
};

/// How many rows each table has, migrations aside.
async fn counts(pool: &SqlitePool) -> BTreeMap<String, i64> {
    let names: Vec<(String,)> = sqlx::query_as(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> 'migration'",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let mut counts = BTreeMap::new();
    for (name,) in names {
        let sql = AssertSqlSafe(format!("SELECT COUNT(*) FROM {name}"));
        let (count,): (i64,) = sqlx::query_as(sql).fetch_one(pool).await.unwrap();
        counts.insert(name, count);
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_rows_come_back_through_either_engine() {
    let ground = Ground::copy().await;
    let first = ground.backup("gateway", "first.backup");
    let mode = fs::metadata(ground.path("first.backup")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    ground.sqlite("twin");
    let text = ended(&ground.restore("twin", "first.backup"), 0);
    assert!(text.contains("access log is sound") && text.contains("keys/pseudonym.json"), "{text}");
    let (before, after) = (ground.pool("gateway.db").await, ground.pool("twin.db").await);
    let before = counts(&before).await;
    assert!(before["event"] > 1_000 && before["log_entry"] > 10, "{before:?}");
    assert_eq!(before, counts(&after).await);
    // An archive is the same for the same rows, so this compares every value of them.
    assert!(ground.backup("twin", "twin.backup") == first);
    let Some(cluster) = cluster() else { return };
    ground.postgres("large", &cluster.database(None).await);
    ended(&ground.restore("large", "first.backup"), 0);
    ended(&ground.verify("large"), 0);
    assert!(ground.backup("large", "large.backup") == first, "PostgreSQL gives other rows");
    ground.sqlite("home");
    ended(&ground.restore("home", "large.backup"), 0);
    assert_eq!(before, counts(&ground.pool("home.db").await).await);
    assert!(ground.backup("home", "home.backup") == first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_or_cut_archive_is_refused_and_nothing_written() {
    let ground = Ground::copy().await;
    let whole = ground.backup("gateway", "whole.backup");
    ground.sqlite("empty");
    // Every byte of a small one is flipped in the archive's own tests.
    let places =
        [0, 17, 20, 60, whole.len() / 3, whole.len() / 2, whole.len() - 33, whole.len() - 1];
    for at in places {
        let mut changed = whole.clone();
        changed[at] ^= 4;
        fs::write(ground.path("changed.backup"), &changed).unwrap();
        let text = ended(&ground.restore("empty", "changed.backup"), 2);
        let named = ["changed or damaged", "cut short", "not a tallygate backup", "another format"];
        let newer = text.contains("newer tallygate");
        assert!(newer || named.iter().any(|word| text.contains(word)), "byte {at}: {text}");
    }
    for length in [0, 10, 300, whole.len() - 1] {
        fs::write(ground.path("cut.backup"), &whole[..length]).unwrap();
        ended(&ground.restore("empty", "cut.backup"), 2);
    }
    assert_eq!(counts(&ground.pool("empty.db").await).await, BTreeMap::new());
    ended(&ground.restore("empty", "whole.backup"), 0);
    let text = ended(&ground.restore("empty", "whole.backup"), 2);
    assert!(text.contains("not empty"), "{text}");
    let text = String::from_utf8(
        crate::support::tallygate([
            "backup",
            "--config",
            &ground.text("gateway.toml"),
            "--out",
            &ground.text("whole.backup"),
        ])
        .stderr,
    )
    .unwrap();
    assert!(text.contains("exists already"), "{text}");
}

async fn card(ground: &Ground, running: &tallygate::server::Running) -> v1::GetCardResponse {
    let manager = ground.caller(running, "manager-CC01").await;
    let request = v1::GetCardRequest {
        area: "CC01".to_owned(),
        quarter: String::new(),
        purposes: vec!["childrens_centre_planning".to_owned()],
    };
    FigureServiceClient::new(manager).get_card(request).await.unwrap().into_inner()
}

async fn log_size(ground: &Ground, running: &tallygate::server::Running) -> u64 {
    let auditor = ground.caller(running, "auditor").await;
    let request = v1::GetCheckpointRequest {};
    let answer = AccessLogServiceClient::new(auditor).get_checkpoint(request).await.unwrap();
    answer.into_inner().checkpoint.lines().nth(1).unwrap().parse().unwrap()
}

/// Serves from a restored database as the lost one was served from.
async fn goes_on(ground: &Ground, config: &str, before: &v1::GetCardResponse, size: u64) {
    let running = ground.serve(config).await;
    let after = card(ground, &running).await;
    let receipt = after.receipt.clone().unwrap();
    assert!(receipt.leaf_index >= size, "the log goes on where it ended");
    assert_eq!(v1::GetCardResponse { receipt: before.receipt.clone(), ..after }, *before);
    assert!(log_size(ground, &running).await > size);
    running.stop().await.unwrap();
    // The tiles of before are continued, not replaced: the auditor sees one log.
    let text = ended(&ground.verify(config), 0);
    assert!(text.contains("Compared with tiles"), "{text}");
    let (tiles, key) = (ground.text("tiles"), ground.text("log.vkey"));
    crate::support::output(&["audit", "verify", &tiles, "--vkey-file", &key], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_gateway_gives_the_same_card_and_goes_on_with_the_same_log() {
    let ground = Ground::copy().await;
    let running = ground.serve("gateway").await;
    let before = card(&ground, &running).await;
    let size = log_size(&ground, &running).await;
    running.stop().await.unwrap();
    ground.backup("gateway", "the.backup");
    ground.sqlite("second");
    ended(&ground.restore("second", "the.backup"), 0);
    goes_on(&ground, "second", &before, size).await;
    let Some(cluster) = cluster() else { return };
    // The first backup is behind the tiles by now, and restoring it would fork the log.
    ground.backup("second", "newer.backup");
    ground.postgres("third", &cluster.database(None).await);
    ended(&ground.restore("third", "newer.backup"), 0);
    goes_on(&ground, "third", &before, size).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_behind_the_published_log_is_not_called_good() {
    let ground = Ground::copy().await;
    ground.backup("gateway", "old.backup");
    let running = ground.serve("gateway").await;
    card(&ground, &running).await;
    running.stop().await.unwrap();
    ground.sqlite("late");
    let text = ended(&ground.restore("late", "old.backup"), 1);
    assert!(text.contains("fork") && text.contains("do not serve from it"), "{text}");
}

/// Pushes while backups are taken; each must be one moment of the database.
async fn under_load(ground: &Ground, config: &str) {
    let running = ground.serve(config).await;
    let health = ground.caller(&running, "health").await;
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let load = tokio::spawn(async move {
        let mut taken = 0;
        for part in 0.. {
            // A batch a stream: each is accepted with a leaf of its own.
            let mut stream = Stream::open(health.clone()).await.unwrap();
            stream.send(1, rows("load", part * 20..part * 20 + 20)).await;
            taken += stream.acknowledged().await.well_formed;
            if stopped.try_recv().is_ok() {
                break;
            }
        }
        taken
    });
    let mut entries = Vec::new();
    for round in 0..3 {
        let archive = format!("{config}-{round}.backup");
        tokio::task::block_in_place(|| ground.backup(config, &archive));
        let restored = format!("{config}-{round}");
        // A tiles folder of the moment would be ahead of the backup by now.
        ground.configure(&restored, &format!("sqlite = \"{restored}.db\""), "no-tiles");
        tokio::task::block_in_place(|| ended(&ground.restore(&restored, &archive), 0));
        let pool = ground.pool(&format!("{restored}.db")).await;
        let one = |sql: &'static str| {
            let pool = pool.clone();
            async move { sqlx::query_as::<_, (i64,)>(sql).fetch_one(&pool).await.unwrap().0 }
        };
        let accepted = one("SELECT COUNT(*) FROM batch WHERE state = 1").await;
        let logged = one(
            "SELECT COUNT(*) FROM log_entry WHERE CAST(leaf AS TEXT) LIKE '%\"batch_accepted\"%'",
        )
        .await;
        assert_eq!(accepted, logged, "one moment");
        entries.push(one("SELECT size FROM log_head").await);
        tokio::task::block_in_place(|| ended(&ground.verify(config), 0));
    }
    stop.send(()).unwrap();
    assert!(load.await.unwrap() >= 20);
    assert!(entries.is_sorted() && entries[0] < entries[2], "there was no load: {entries:?}");
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_load_is_one_moment_on_sqlite() {
    let ground = Ground::copy().await;
    under_load(&ground, "gateway").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_load_is_one_moment_on_postgres() {
    let Some(cluster) = cluster() else { return };
    let ground = Ground::copy().await;
    ground.backup("gateway", "demo.backup");
    ground.postgres("several", &cluster.database(None).await);
    ended(&ground.restore("several", "demo.backup"), 0);
    under_load(&ground, "several").await;
}

/// The list that backups go by is the schema; SQLite's is compared level by level beside
/// the migrations.
#[tokio::test(flavor = "multi_thread")]
async fn postgres_has_the_tables_and_columns_that_are_listed() {
    let Some(cluster) = cluster() else { return };
    let ground = Ground::copy().await;
    let database = cluster.database(None).await;
    ground.postgres("schema", &database);
    crate::support::output(&["migrate", "--config", &ground.text("schema.toml")], 0);
    type Shape = (String, String, String, bool, bool);
    let real: Vec<Shape> = sqlx::query_as(
        "SELECT c.table_name::TEXT, c.column_name::TEXT, c.data_type::TEXT, \
         c.is_nullable = 'YES', EXISTS (SELECT 1 FROM pg_index i \
         JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey) \
         WHERE i.indisprimary AND i.indrelid = c.table_name::regclass \
         AND a.attname = c.column_name) \
         FROM information_schema.columns c \
         WHERE c.table_schema = 'public' AND c.table_name <> 'migration' \
         ORDER BY c.table_name, c.ordinal_position",
    )
    .fetch_all(&database.pool("owner").await)
    .await
    .unwrap();
    let mut listed: Vec<Shape> = Vec::new();
    let mut tables: Vec<_> = TABLES.iter().collect();
    tables.sort_by_key(|table| table.name);
    for table in tables {
        for (at, column) in table.columns.iter().enumerate() {
            let kind = match column.kind {
                Kind::Integer => "bigint",
                Kind::Text => "text",
                Kind::Bytes => "bytea",
            };
            listed.push((
                table.name.to_owned(),
                column.name.to_owned(),
                kind.to_owned(),
                column.nullable,
                at < table.key,
            ));
        }
    }
    assert_eq!(real, listed);
}
