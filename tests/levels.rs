//! Data of the levels before this program's: a finished demo's rows, as a database of that level
//! holds them, are carried over by `tallygate migrate`. Every value that was there is as it was, the
//! log verifies, and the gateway goes on: the same figures, and what was sent is known.
//!
//! The older level is made by the migrations themselves, up to it, as they were shipped; what its
//! tables hold is what this program's demo wrote, without later columns. What this can't find is what
//! only an older program would have written.

use crate::{
    gateways::{Ground, Node},
    kills,
    support::{
        gateway::start,
        output,
        postgres::{Database, cluster},
        stream::{Stream, rows},
    },
};
use futures_util::TryStreamExt;
use sqlx::{
    AssertSqlSafe, Column, Connection, Row, SqliteConnection, TypeInfo, ValueRef,
    postgres::PgPoolCopyExt,
    sqlite::{SqliteConnectOptions, SqliteRow},
};
use std::{collections::BTreeMap, fs, path::Path, sync::Arc};
use tallygate::{
    config::Config,
    identity::SystemClock,
    store::tables::{Table, tables_at},
    wire::v1::{GetCardRequest, figure_service_client::FigureServiceClient},
};

/// How many levels back; each keeps the program before it working, so that data can be as old.
const LEVELS_BACK: usize = 3;

/// The migrations of an engine, by name, in order.
fn migrations(engine: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(engine);
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    let name = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
    paths.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

/// What makes an empty database of a level.
fn schema_at(engine: &str, level: usize) -> String {
    let mut sql =
        "CREATE TABLE migration (step BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL);\n"
            .to_owned();
    for ((name, text), step) in migrations(engine).into_iter().zip(1..=level) {
        sql += &text;
        sql += &format!("\nINSERT INTO migration (step, name) VALUES ({step}, '{name}');\n");
    }
    sql
}

fn columns(table: &Table, level: usize) -> String {
    table.columns_at(level).map(|column| column.name).collect::<Vec<_>>().join(", ")
}

/// The rows of a table at a level, in the order of their keys.
fn rows_of(table: &Table, level: usize) -> String {
    let key: Vec<&str> = table.key_columns().iter().map(|column| column.name).collect();
    format!("SELECT {} FROM {} ORDER BY {}", columns(table, level), table.name, key.join(", "))
}

/// A value, whatever its type.
fn value(row: &SqliteRow, at: usize) -> String {
    let raw = row.try_get_raw(at).unwrap();
    match (raw.is_null(), raw.type_info().name()) {
        (true, _) => "NULL".to_owned(),
        (_, "INTEGER") => row.get::<i64, _>(at).to_string(),
        (_, "TEXT") => row.get(at),
        _ => hex::encode(row.get::<Vec<u8>, _>(at)),
    }
}

async fn open(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    SqliteConnection::connect_with(&options).await.unwrap()
}

/// The rows of each table.
type Content = BTreeMap<&'static str, Vec<Vec<String>>>;

/// Every value of a level's columns.
async fn content(path: &Path, level: usize) -> Content {
    let mut database = open(path).await;
    let mut content = Content::new();
    for table in tables_at(level) {
        let sql = AssertSqlSafe(rows_of(table, level));
        let rows = sqlx::query(sql).fetch_all(&mut database).await.unwrap();
        let values = |row: &SqliteRow| {
            row.columns().iter().map(|column| value(row, column.ordinal())).collect()
        };
        content.insert(table.name, rows.iter().map(values).collect());
    }
    database.close().await.unwrap();
    content
}

/// Whether every row that an older level had is there, and no other; of the counters, which later
/// levels add to, every one that it had.
fn kept(now: &Content, older: &Content) -> bool {
    now.keys().eq(older.keys())
        && older.iter().all(|(table, rows)| match *table {
            "counter" => rows.iter().all(|row| now["counter"].contains(row)),
            table => now[table] == *rows,
        })
}

/// Puts a demo's rows into a new database of an older level, in its place.
async fn age(path: &Path, level: usize) {
    let now = path.with_extension("now");
    fs::rename(path, &now).unwrap();
    let mut database = open(path).await;
    sqlx::raw_sql(AssertSqlSafe(schema_at("sqlite", level))).execute(&mut database).await.unwrap();
    let attach = AssertSqlSafe(format!("ATTACH '{}' AS now", now.display()));
    sqlx::raw_sql(attach).execute(&mut database).await.unwrap();
    for table in tables_at(level) {
        let (name, columns) = (table.name, columns(table, level));
        let mut sql =
            format!("INSERT OR REPLACE INTO {name} ({columns}) SELECT {columns} FROM now.{name}");
        if table.seeded {
            // Those that this level has.
            sql += &format!(" WHERE name IN (SELECT name FROM {name})");
        }
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut database).await.unwrap();
    }
    database.close().await.unwrap();
}

async fn card(service: crate::gateways::Service) -> Vec<tallygate::wire::v1::CardLine> {
    let request = GetCardRequest {
        area: "CC01".to_owned(),
        quarter: String::new(),
        purposes: vec!["childrens_centre_planning".to_owned()],
    };
    FigureServiceClient::new(service).get_card(request).await.unwrap().into_inner().lines
}

/// What is sent before is known, and what is new is taken.
async fn goes_on(service: crate::gateways::Service, before: u32) {
    let mut stream = Stream::open(service).await.unwrap();
    stream.send(1, rows("level", 0..10)).await;
    let taken = stream.acknowledged().await;
    assert_eq!((taken.well_formed, taken.sent_before), (10, before));
    stream.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn data_of_the_levels_before_are_carried_over_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let newest = migrations("sqlite").len();
    let mut card_before = None;
    for level in (newest - LEVELS_BACK..=newest).rev() {
        let path = folder.path().join(format!("level-{level}"));
        tokio::task::block_in_place(|| kills::node(&path));
        let (database, toml) = (path.join("gateway.db"), path.join("gateway.toml"));
        let whole = content(&database, level).await;
        assert!(whole["event"].len() > 1_000 && whole["log_entry"].len() > 10);
        if level < newest {
            age(&database, level).await;
            let aged = content(&database, level).await;
            assert!(kept(&whole, &aged), "not the same rows at {level}");
        }
        let aged = content(&database, level).await;
        let config = toml.to_str().unwrap();
        tokio::task::block_in_place(|| output(&["migrate", "--config", config], 0));
        let now = content(&database, level).await;
        assert!(kept(&now, &aged), "a migration from {level} changed rows");
        let verify = ["audit", "verify", "--config", config];
        tokio::task::block_in_place(|| output(&verify, 0));
        let config = Config::read(&toml).unwrap();
        let running = start(&config, Arc::new(SystemClock)).await.unwrap();
        let address = running.address().to_string();
        let at = async |name: &str| {
            crate::gateways::connect(&path.join("profiles"), name, &address).await.unwrap()
        };
        let lines = card(at("manager-CC01").await).await;
        assert_eq!(*card_before.get_or_insert(lines.clone()), lines, "level {level}");
        goes_on(at("health").await, 0).await;
        goes_on(at("health").await, 10).await;
        running.stop().await.unwrap();
        tokio::task::block_in_place(|| output(&verify, 0));
    }
}

/// Puts a demo's rows into an empty database, of an older level.
async fn age_on_postgres(from: &Database, to: &Database, level: usize) {
    let (from, to) = (from.pool("owner").await, to.pool("owner").await);
    sqlx::raw_sql(AssertSqlSafe(schema_at("postgres", level))).execute(&to).await.unwrap();
    for table in tables_at(level) {
        let (name, columns) = (table.name, columns(table, level));
        let mut own = String::new();
        if table.seeded {
            // Those that this level has.
            let names: Vec<(String,)> = sqlx::query_as("SELECT quote_literal(name) FROM counter")
                .fetch_all(&to)
                .await
                .unwrap();
            let names: Vec<String> = names.into_iter().map(|(name,)| name).collect();
            own = format!(" WHERE name IN ({})", names.join(", "));
            let clear = AssertSqlSafe(format!("DELETE FROM {name}"));
            sqlx::raw_sql(clear).execute(&to).await.unwrap();
        }
        let out = format!("COPY (SELECT {columns} FROM {name}{own}) TO STDOUT");
        let mut rows = from.copy_out_raw(&out).await.unwrap();
        let mut into =
            to.copy_in_raw(&format!("COPY {name} ({columns}) FROM STDIN")).await.unwrap();
        while let Some(chunk) = rows.try_next().await.unwrap() {
            into.send(chunk).await.unwrap();
        }
        into.finish().await.unwrap();
    }
}

/// Every value of a level's columns, as text.
async fn content_on_postgres(database: &Database, level: usize) -> Content {
    let pool = database.pool("owner").await;
    let mut content = Content::new();
    for table in tables_at(level) {
        let sql = format!("SELECT r::TEXT FROM ({}) r", rows_of(table, level));
        let rows: Vec<(String,)> =
            sqlx::query_as(AssertSqlSafe(sql)).fetch_all(&pool).await.unwrap();
        content.insert(table.name, rows.into_iter().map(|(row,)| vec![row]).collect());
    }
    content
}

#[tokio::test(flavor = "multi_thread")]
async fn data_of_the_level_before_are_carried_over_on_postgresql() {
    let Some(cluster) = cluster() else { return };
    let database = cluster.database(None).await;
    let own = database.clone();
    let ground = tokio::task::spawn_blocking(move || Ground::demo(&own, "0.005")).await.unwrap();
    let level = migrations("postgres").len() - 1;
    let older = cluster.database(None).await;
    age_on_postgres(&database, &older, level).await;
    let whole = content_on_postgres(&database, level).await;
    assert!(whole["event"].len() > 1_000);
    let aged = content_on_postgres(&older, level).await;
    assert!(kept(&whole, &aged));
    // The same ground, on the older database.
    let toml = ground.path("gateway.toml");
    let text = fs::read_to_string(&toml).unwrap().replace(&database.name, &older.name);
    fs::write(&toml, text).unwrap();
    let mut node: Node = ground.configure("level");
    let config = toml.to_str().unwrap();
    tokio::task::block_in_place(|| output(&["migrate", "--config", config], 0));
    let now = content_on_postgres(&older, level).await;
    assert!(kept(&now, &aged), "a migration changed rows");
    let verify = ["audit", "verify", "--config", config];
    tokio::task::block_in_place(|| output(&verify, 0));
    tokio::task::block_in_place(|| node.start());
    goes_on(node.caller("health").await, 0).await;
    goes_on(node.caller("health").await, 10).await;
    assert!(!card(node.caller("manager-CC01").await).await.is_empty());
    node.kill();
    tokio::task::block_in_place(|| output(&verify, 0));
}
