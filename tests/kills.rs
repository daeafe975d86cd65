//! A gateway on SQLite, killed (SIGKILL) at random moments while partners push and managers
//! ask: after each of ten rounds every receipt that a caller was given is in the log, which
//! has one history without a gap, and every acknowledged record is there once.
//!
//! What this can't find: what a power cut takes that the system had acknowledged as written.
//! That the commit waits for the disk is asked of the database at its start.

use crate::{
    gateways::{
        Node,
        load::{Load, compare},
    },
    support::{copy, demo, output},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};
use std::{fs, net::TcpListener, path::Path, time::Duration};
use tallygate::connector::KeptReceipt;
use tokio::time::sleep;

const ROUNDS: usize = 10;

/// The shared demo's gateway, from a copy, as a process of its own.
pub(crate) fn node(folder: &Path) -> Node {
    let demo = demo();
    assert_eq!(demo.code, Some(0), "{}", demo.stderr);
    copy(&demo.dir, folder);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let config = folder.join("gateway.toml");
    let text = fs::read_to_string(&config).unwrap();
    let (grpc, web) = text.split_once("[web]").unwrap();
    let listen = |part: &str, at: &str| -> String {
        let lines = part.lines().map(|line| match line {
            _ if line.starts_with("listen") => format!("listen = \"{at}\"\n"),
            _ => format!("{line}\n"),
        });
        lines.collect()
    };
    let text = format!("{}[web]{}", listen(grpc, &address), listen(web, "127.0.0.1:0"));
    fs::write(&config, text).unwrap();
    Node::new(config, address, folder.join("profiles"))
}

/// The database of a gateway that does not run.
async fn database(folder: &Path) -> SqlitePool {
    let options = SqliteConnectOptions::new().filename(folder.join("gateway.db"));
    SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap()
}

/// How many records of accepted batches there are, and how many events.
async fn accepted(folder: &Path) -> (i64, i64) {
    let pool = database(folder).await;
    let counts = sqlx::query_as(
        "SELECT (SELECT COUNT(*) FROM sent s JOIN batch b USING (batch_id) WHERE b.state = 1), \
                (SELECT COUNT(*) FROM event e JOIN batch b USING (batch_id) WHERE b.state = 1)",
    );
    let counts = counts.fetch_one(&pool).await.unwrap();
    pool.close().await;
    counts
}

/// Recomputes the log and finds in it every receipt that was given so far.
async fn reconcile(folder: &Path, load: &Load) -> u64 {
    let receipts = load.receipts();
    let pool = database(folder).await;
    let leaves: Vec<(Vec<u8>,)> = sqlx::query_as("SELECT leaf FROM log_entry ORDER BY leaf_index")
        .fetch_all(&pool)
        .await
        .unwrap();
    let head = sqlx::query_as("SELECT size, root FROM log_head").fetch_one(&pool).await.unwrap();
    pool.close().await;
    compare(&leaves, &head, &receipts)
}

/// Waits until both kinds of caller have been served since.
pub(crate) async fn served_since(load: &Load, before: (usize, usize)) {
    for _ in 0..600 {
        let now = load.reached();
        if now.0 > before.0 && now.1 > before.1 {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("callers are not served any more: {before:?}, {:?}", load.reached());
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_kills_under_load_lose_no_answer_and_fork_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway");
    let mut gateway = tokio::task::block_in_place(|| node(&path));
    let before = accepted(&path).await;
    let addresses = [gateway.address.clone(), gateway.address.clone()];
    let (load, callers) = Load::begin(path.join("profiles"), addresses);
    let mut moments = StdRng::seed_from_u64(u64::from(std::process::id()));
    let mut size = 0;
    for round in 0..ROUNDS {
        let reached = load.reached();
        tokio::task::block_in_place(|| gateway.start());
        served_since(&load, reached).await;
        sleep(Duration::from_millis(moments.random_range(0..250))).await;
        gateway.kill();
        let now = reconcile(&path, &load).await;
        assert!(now > size, "round {round}: nothing was logged");
        size = now;
    }
    tokio::task::block_in_place(|| gateway.start());
    load.end(callers).await;
    gateway.kill();
    let size = reconcile(&path, &load).await;
    let (now, acknowledged) = (accepted(&path).await, i64::try_from(load.reached().0).unwrap());
    assert_eq!((now.0 - before.0, now.1 - before.1), (acknowledged, acknowledged));
    verified(&path, "gateway.toml", &load, size);
}

/// The auditor's own verifier says the same, of the database's tables and of the receipts.
pub(crate) fn verified(folder: &Path, config: &str, load: &Load, size: u64) {
    let receipts = folder.join("given");
    fs::create_dir(&receipts).unwrap();
    for (n, receipt) in load.receipts().into_iter().enumerate() {
        let kept = serde_json::to_string(&KeptReceipt::from(receipt)).unwrap();
        fs::write(receipts.join(format!("{n}.json")), kept).unwrap();
    }
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let config = text(&folder.join(config));
    let said = output(&["audit", "verify", "--config", &config, "--format", "json"], 0);
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["sound"], true, "{said}");
    assert!(said.to_string().contains(&format!(":{size}")), "{said}");
    let key = text(&folder.join("log.vkey"));
    output(&["audit", "verify", "--receipts", &text(&receipts), "--vkey-file", &key], 0);
}
