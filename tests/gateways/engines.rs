//! The same demo on both engines: the same answers, wherever no noise is involved.

use super::{Ground, shared};
use crate::support::{Demo, demo, output, postgres::Database};
use sqlx::SqlitePool;
use tallygate::store::Rights;

/// What both engines must agree on, as counts: keys are drawn for each demo, so that the
/// pseudonyms themselves differ.
const ALIKE: [(&str, &str); 6] = [
    (
        "records by feed",
        "SELECT f.partner_id, f.record_type, COUNT(*) FROM sent s \
         JOIN batch b ON b.batch_id = s.batch_id AND b.state = 1 \
         JOIN feed f ON f.feed_id = s.feed_id \
         GROUP BY f.partner_id, f.record_type ORDER BY f.partner_id, f.record_type",
    ),
    (
        "persons by how many identities make them up",
        "SELECT '', identities, COUNT(*) FROM \
         (SELECT COUNT(*) AS identities FROM subject GROUP BY person_id) p \
         GROUP BY identities ORDER BY identities",
    ),
    (
        "persons by how many events they have",
        "SELECT '', events, COUNT(*) FROM \
         (SELECT COUNT(*) AS events FROM event GROUP BY person_id) p \
         GROUP BY events ORDER BY events",
    ),
    (
        "match keys by rung",
        "SELECT '', rung, COUNT(*) FROM subject_key GROUP BY rung ORDER BY rung",
    ),
    ("consents", "SELECT '', state, COUNT(*) FROM consent GROUP BY state ORDER BY state"),
    (
        "what is kept of records",
        "SELECT '', length, COUNT(*) FROM (SELECT LENGTH(body) AS length FROM event) e \
         GROUP BY length ORDER BY length",
    ),
];

type Counts = Vec<(String, i64, i64)>;

async fn on_postgres(database: &Database, sql: &'static str) -> Counts {
    let pool = database.pool("owner").await;
    let sql = sqlx::AssertSqlSafe(
        sql.replace("SELECT ''", "SELECT ''::TEXT")
            .replace("LENGTH(body) AS length", "LENGTH(body)::BIGINT AS length"),
    );
    sqlx::query_as(sql).fetch_all(&pool).await.unwrap()
}

async fn on_sqlite(demo: &Demo, sql: &'static str) -> Counts {
    let path = demo.dir.join("gateway.db");
    let url = format!("sqlite:{}?mode=ro", path.display());
    sqlx::query_as(sql).fetch_all(&SqlitePool::connect(&url).await.unwrap()).await.unwrap()
}

/// The lines that say what became of each file's records.
fn pushed(stdout: &str) -> Vec<&str> {
    stdout.lines().filter(|line| line.contains(" well-formed ")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_files_come_to_the_same_on_both() {
    let Some((ground, database)) = shared().await else { return };
    let demo = tokio::task::spawn_blocking(demo).await.unwrap();
    assert_eq!(pushed(&ground.stdout), pushed(&demo.stdout));
    assert!(pushed(&ground.stdout).len() > 9);
    for (what, sql) in ALIKE {
        let (postgres, sqlite) = (on_postgres(database, sql).await, on_sqlite(demo, sql).await);
        assert!(!sqlite.is_empty(), "{what}");
        assert_eq!(postgres, sqlite, "{what}");
    }
    // Who closed a quarter, asked or pushed what, and how it was decided: the same leaves.
    assert_eq!(kinds(ground), kinds_of(demo));
}

fn kinds(ground: &Ground) -> serde_json::Value {
    leaves(&ground.path("tiles"), &ground.path("log.vkey"))
}

fn kinds_of(demo: &Demo) -> serde_json::Value {
    leaves(&demo.dir.join("tiles"), &demo.dir.join("log.vkey"))
}

fn leaves(tiles: &std::path::Path, key: &std::path::Path) -> serde_json::Value {
    let (tiles, key) = (tiles.to_str().unwrap(), key.to_str().unwrap());
    let text = output(&["audit", "verify", tiles, "--vkey-file", key, "--format", "json"], 0);
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    report["kinds"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_the_demo_needs_more_rights_than_it_has() {
    let Some((_, database)) = shared().await else { return };
    // The gateway's user could do nothing on its own account: all of the demo ran in roles.
    let (roles,): (Vec<String>,) = sqlx::query_as(
        "SELECT ARRAY_AGG(r.rolname::TEXT ORDER BY r.rolname) FROM pg_auth_members m \
         JOIN pg_roles r ON r.oid = m.roleid JOIN pg_roles g ON g.oid = m.member \
         WHERE g.rolname = 'gateway' AND NOT g.rolinherit AND NOT g.rolsuper",
    )
    .fetch_one(&database.pool("owner").await)
    .await
    .unwrap();
    let mut expected = Rights::ALL.map(Rights::role).map(str::to_owned).to_vec();
    expected.sort();
    assert_eq!(roles, expected);
}
