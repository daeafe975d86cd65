//! Someone who owns the database changes the log's tables: each row is named.

use super::{Ground, ended};
use crate::support::{postgres::cluster, tallygate};
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, SqlitePool};
use std::fs;

/// What is done to the tables, and what must be said of it.
const ATTACKS: [(&str, &[&str]); 16] = [
    (
        "UPDATE log_entry SET leaf = CAST(REPLACE(CAST(leaf AS TEXT), '\"v\":1', '\"v\":2') AS BLOB) \
         WHERE leaf_index = 5",
        &["log_entry, leaf_index 5: altered", "log_entry, leaf_index 5: the tiles folder holds"],
    ),
    ("DELETE FROM log_entry WHERE leaf_index = 7", &["log_entry, leaf_index 7: missing"]),
    (
        "DELETE FROM log_entry WHERE leaf_index BETWEEN 3 AND 9",
        &["log_entry, leaf_index 3: missing, as all through 9"],
    ),
    (
        "DELETE FROM log_entry WHERE leaf_index >= 60",
        &["log_entry, leaf_index 60: missing, as all through"],
    ),
    (
        "UPDATE log_entry SET leaf = 'text' WHERE leaf_index = 6",
        &["log_entry, leaf_index 6: altered"],
    ),
    (
        "INSERT INTO log_entry SELECT size, x'00' FROM log_head",
        &["beyond the log that its head speaks of"],
    ),
    (
        "UPDATE log_hash SET hash = (SELECT h.hash FROM log_hash h WHERE h.hash_index = 4) \
         WHERE hash_index = 9",
        &["log_hash, level 0, hash_index 9: altered"],
    ),
    (
        "UPDATE log_hash SET hash = x'00' WHERE hash_index = 9",
        &["log_hash, level 0, hash_index 9: altered"],
    ),
    ("DELETE FROM log_hash WHERE hash_index = 11", &["log_hash, level 0, hash_index 11: missing"]),
    (
        "INSERT INTO log_hash VALUES (3, 0, x'00')",
        &["log_hash, level 3, hash_index 0: beyond the log"],
    ),
    (
        "INSERT INTO log_hash VALUES (-1, 0, x'00')",
        &["log_hash, level -1, hash_index 0: beyond the log"],
    ),
    ("UPDATE log_head SET size = size - 1", &["log_head: size is not"]),
    ("UPDATE log_head SET root = (SELECT hash FROM log_hash LIMIT 1)", &["log_head: root is not"]),
    ("UPDATE log_head SET at = at + 1", &["log_head: at is not"]),
    ("DELETE FROM log_head", &["log_head: missing"]),
    (
        "UPDATE log_head SET checkpoint = REPLACE(checkpoint, char(10) || size || char(10), \
         char(10) || (size - 1) || char(10))",
        &["log_head: checkpoint, line 5: the signature does not fit"],
    ),
];

const TRIGGERS: [&str; 4] =
    ["log_entry_stays", "log_entry_kept", "log_hash_stays", "log_hash_kept"];

/// A copy of the database whose triggers are gone.
async fn owned(ground: &Ground) -> SqlitePool {
    let _ = fs::remove_file(ground.path("owned.db-wal"));
    let _ = fs::remove_file(ground.path("owned.db-shm"));
    fs::copy(ground.path("gateway.db"), ground.path("owned.db")).unwrap();
    let pool = ground.pool("owned.db").await;
    for trigger in TRIGGERS {
        let sql = AssertSqlSafe(format!("DROP TRIGGER {trigger}"));
        sqlx::query(sql).execute(&pool).await.unwrap();
    }
    pool
}

#[tokio::test(flavor = "multi_thread")]
async fn every_changed_or_missing_row_of_the_log_is_named() {
    let ground = Ground::copy().await;
    ground.sqlite("owned");
    owned(&ground).await.close().await;
    ended(&ground.verify("owned"), 0);
    for (attack, named) in ATTACKS {
        let pool = owned(&ground).await;
        let done = sqlx::query(attack).execute(&pool).await.unwrap();
        assert!(done.rows_affected() > 0, "{attack}");
        pool.close().await;
        let text = ended(&ground.verify("owned"), 1);
        for words in named {
            assert!(text.contains(words), "{attack}\n{text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_altered_with_its_hash_is_named_by_the_tiles() {
    let ground = Ground::copy().await;
    ground.sqlite("owned");
    let pool = owned(&ground).await;
    let (leaf,): (Vec<u8>,) = sqlx::query_as("SELECT leaf FROM log_entry WHERE leaf_index = 12")
        .fetch_one(&pool)
        .await
        .unwrap();
    let forged = String::from_utf8(leaf).unwrap().replace("\"at\":\"2", "\"at\":\"1");
    let hash = Sha256::new_with_prefix([0]).chain_update(&forged).finalize().to_vec();
    for (sql, bytes) in [
        ("UPDATE log_entry SET leaf = $1 WHERE leaf_index = 12", forged.into_bytes()),
        ("UPDATE log_hash SET hash = $1 WHERE level = 0 AND hash_index = 12", hash),
    ] {
        assert_eq!(sqlx::query(sql).bind(bytes).execute(&pool).await.unwrap().rows_affected(), 1);
    }
    pool.close().await;
    let text = ended(&ground.verify("owned"), 1);
    assert!(text.contains("log_entry, leaf_index 12: the tiles folder holds another"), "{text}");
    assert!(text.contains("log_head: the rows have another root"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_put_back_is_seen_by_the_tiles() {
    let ground = Ground::copy().await;
    fs::copy(ground.path("gateway.db"), ground.path("old.db")).unwrap();
    let running = ground.serve("gateway").await;
    running.stop().await.unwrap();
    ended(&ground.verify("gateway"), 0);
    ground.sqlite("old");
    let text = ended(&ground.verify("old"), 1);
    assert!(text.contains("but the tiles folder has them"), "{text}");
    // Without the folder nobody can know: the older state was signed as well.
    ground.configure("old", "sqlite = \"old.db\"", "no-tiles");
    let text = ended(&ground.verify("old"), 0);
    assert!(text.contains("not compared with the tiles folder's checkpoint"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_verified_beside_a_running_gateway_with_another_key_too() {
    let ground = Ground::copy().await;
    let running = ground.serve("gateway").await;
    ended(&ground.verify("gateway"), 0);
    let (config, key) = (ground.text("gateway.toml"), ground.text("log.vkey"));
    let verify = |key: &str| {
        tallygate(["audit", "verify", "--config", &config, "--vkey-file", key, "--format", "json"])
    };
    let report: serde_json::Value = serde_json::from_slice(&verify(&key).stdout).unwrap();
    assert_eq!(report["sound"], true);
    let text = fs::read_to_string(&key).unwrap();
    // Some other log's key, valid in itself.
    let other = tallygate([
        "keys",
        "new",
        "--purpose",
        "log",
        "--origin",
        "other.example/2026",
        "--out",
        &ground.text("other"),
    ]);
    if other.status.success() {
        let key = ground.text("other/log.vkey");
        assert_ne!(fs::read_to_string(&key).unwrap(), text);
        let report: serde_json::Value = serde_json::from_slice(&verify(&key).stdout).unwrap();
        assert_eq!(report["sound"], false);
    } else {
        panic!("{}", String::from_utf8_lossy(&other.stderr));
    }
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rows_are_named_on_postgres_too() {
    let Some(cluster) = cluster() else { return };
    let ground = Ground::copy().await;
    let database = cluster.database(None).await;
    ground.backup("gateway", "demo.backup");
    ground.postgres("large", &database);
    ended(&ground.restore("large", "demo.backup"), 0);
    let owner = database.pool("owner").await;
    for sql in [
        "ALTER TABLE log_entry DISABLE TRIGGER USER",
        "ALTER TABLE log_hash DISABLE TRIGGER USER",
        "UPDATE log_entry SET leaf = set_byte(leaf, 40, get_byte(leaf, 40) # 1) WHERE leaf_index = 5",
        "DELETE FROM log_entry WHERE leaf_index = 7",
        "UPDATE log_hash SET hash = set_byte(hash, 3, get_byte(hash, 3) # 1) WHERE hash_index = 9",
        "DELETE FROM log_hash WHERE hash_index = 11",
        "UPDATE log_head SET at = at + 1",
    ] {
        sqlx::query(sql).execute(&owner).await.unwrap();
    }
    let text = ended(&ground.verify("large"), 1);
    for words in [
        "log_entry, leaf_index 5: altered",
        "log_entry, leaf_index 7: missing",
        "log_hash, level 0, hash_index 9: altered",
        "log_hash, level 0, hash_index 11: missing",
        "log_head: at is not",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
    // What is wrong with the log stays wrong in a backup, and a restore says so.
    ground.backup("large", "bad.backup");
    ground.sqlite("bad");
    let text = ended(&ground.restore("bad", "bad.backup"), 1);
    assert!(text.contains("log_hash, level 0, hash_index 9: altered"), "{text}");
}
