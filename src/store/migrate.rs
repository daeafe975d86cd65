//! Migrations: the same steps on both engines, each in one transaction, never changed
//! once they have landed.

use super::{Rights, Store, StoreError, Tx, tx::on};
use std::time::Duration;
use tokio::time;

struct Step {
    name: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

macro_rules! steps {
    ($($name:literal),* $(,)?) => {
        const STEPS: &[Step] = &[$(Step {
            name: $name,
            sqlite: include_str!(concat!("../../migrations/sqlite/", $name, ".sql")),
            postgres: include_str!(concat!("../../migrations/postgres/", $name, ".sql")),
        }),*];
    };
}

/// Roles belong to the whole cluster, and no lock of one database keeps another's migration
/// from making or granting them at the same moment: the loser tries again.
const ROLE_TRIES: usize = 20;
const ROLE_PAUSE: Duration = Duration::from_millis(100);

steps![
    "0001_register",
    "0002_log",
    "0003_records",
    "0004_releases",
    "0005_rights",
    "0006_undo",
    "0007_evidence",
    "0008_choices",
    "0009_records",
    "0010_unused",
    "0011_linkage",
    "0012_blinded",
    "0013_families",
    "0014_requests",
    "0015_births",
];

/// Applies the steps that are missing, in order, and lets the user `gateway` take on the
/// gateway's rights.
///
/// Each step keeps the program before it working: gateways are upgraded one by one while
/// others run (see [`check`]).
pub(super) async fn run(store: &Store, gateway: Option<&str>) -> Result<(), StoreError> {
    run_until(store, STEPS.len()).await?;
    if let Some(gateway) = gateway.filter(|_| !store.is_embedded()) {
        grant_in_the_end(store, gateway).await?;
    }
    fits(&mut store.transact_as_owner().await?).await
}

/// Applies the first `level` steps, those of them that are missing.
pub(super) async fn run_until(store: &Store, level: usize) -> Result<(), StoreError> {
    for _ in 0..ROLE_TRIES {
        match apply_until(store, level).await {
            Err(error) if error.is_role_race() => time::sleep(ROLE_PAUSE).await,
            done => return done,
        }
    }
    apply_until(store, level).await
}

async fn apply_until(store: &Store, level: usize) -> Result<(), StoreError> {
    let mut tx = store.transact_as_owner().await?;
    tx.run("CREATE TABLE IF NOT EXISTS migration (step BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL)")
        .await?;
    tx.commit().await?;
    let sqlite = store.is_embedded();
    for (number, step) in (1i64..).zip(&STEPS[..level.min(STEPS.len())]) {
        let mut tx = store.transact_as_owner().await?;
        if !sqlite {
            // Two may migrate at once: the second waits here and then finds it done.
            tx.run("LOCK TABLE migration IN EXCLUSIVE MODE").await?;
        }
        let done: Option<(String,)> = on!(&mut tx, c => sqlx::query_as("SELECT name FROM migration WHERE step = $1")
            .bind(number).fetch_optional(c).await)?;
        match done {
            Some((name,)) if name == step.name => continue,
            Some(_) => return Err(StoreError::Newer),
            None => {}
        }
        let sql = if sqlite { step.sqlite } else { step.postgres };
        on!(&mut tx, c => sqlx::raw_sql(sql).execute(c).await.map(drop))?;
        on!(&mut tx, c => sqlx::query("INSERT INTO migration (step, name) VALUES ($1, $2)")
            .bind(number).bind(step.name).execute(c).await.map(drop))?;
        tx.commit().await?;
    }
    Ok(())
}

/// The names of the steps that were applied, in order; none where nothing is.
///
/// # Errors
/// [`StoreError::Newer`] when this program does not know one of them.
pub(super) async fn applied(tx: &mut Tx) -> Result<Vec<String>, StoreError> {
    if !is_present(tx).await? {
        return Ok(Vec::new());
    }
    let rows: Vec<(i64, String)> = on!(tx, c => sqlx::query_as("SELECT step, name FROM migration ORDER BY step")
        .fetch_all(c).await)?;
    let names: Vec<String> = rows.into_iter().map(|(_, name)| name).collect();
    if is_known(&names) { Ok(names) } else { Err(StoreError::Newer) }
}

/// Whether these are the first steps of this program's own.
pub(super) fn is_known(names: &[String]) -> bool {
    names.len() <= STEPS.len() && names.iter().zip(STEPS).all(|(name, step)| name == step.name)
}

/// Whether anything was ever migrated.
async fn is_present(tx: &mut Tx) -> Result<bool, StoreError> {
    let sql = if tx.is_sqlite() {
        "SELECT COUNT(*) FROM sqlite_schema WHERE name = 'migration'"
    } else {
        "SELECT COUNT(*) FROM pg_tables WHERE tablename = 'migration' AND schemaname = ANY(current_schemas(false))"
    };
    let (present,): (i64,) = on!(tx, c => sqlx::query_as(sql).fetch_one(c).await)?;
    Ok(present > 0)
}

async fn grant_in_the_end(store: &Store, gateway: &str) -> Result<(), StoreError> {
    for _ in 0..ROLE_TRIES {
        match grant(store, gateway).await {
            Err(error) if error.is_role_race() => time::sleep(ROLE_PAUSE).await,
            done => return done,
        }
    }
    grant(store, gateway).await
}

/// Lets a database user take on the gateway's rights, one transaction at a time.
async fn grant(store: &Store, gateway: &str) -> Result<(), StoreError> {
    let mut tx = store.transact_as_owner().await?;
    tx.run("LOCK TABLE migration IN EXCLUSIVE MODE").await?;
    // Names can't be arguments; format() quotes them in the database itself.
    let roles = Rights::ALL.map(Rights::role).join(", ");
    let sql = "SELECT format('GRANT %s TO %I', $1::TEXT, $2::TEXT), \
               CASE WHEN $2 = current_user THEN '' ELSE format('ALTER ROLE %I NOINHERIT', $2::TEXT) END";
    let (grant, alone): (String, String) = on!(&mut tx, c => sqlx::query_as(sql)
        .bind(roles).bind(gateway).fetch_one(c).await)?;
    for sql in [alone, grant] {
        on!(&mut tx, c => sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(c).await.map(drop))?;
    }
    tx.commit().await
}

/// Whether this program can serve from the schema as it is: at its own level, or at the
/// next one, to which an upgrade of other gateways may have brought it meanwhile.
pub(super) async fn check(store: &Store) -> Result<(), StoreError> {
    if !is_present(&mut store.read_as_owner().await?).await? {
        return Err(StoreError::Older);
    }
    fits(&mut store.read(Rights::Figures).await?).await
}

async fn fits(tx: &mut Tx) -> Result<(), StoreError> {
    let (last,): (i64,) = on!(tx, c =>
        sqlx::query_as("SELECT COALESCE(MAX(step), 0) FROM migration").fetch_one(c).await)?;
    let known = i64::try_from(STEPS.len()).map_err(|_| StoreError::Range)?;
    match last - known {
        0 | 1 => Ok(()),
        ..0 => Err(StoreError::Older),
        2.. => Err(StoreError::Newer),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tables::tables_at, *};
    use crate::store::{Location, tables::Kind};
    use std::{collections::BTreeSet, fs};

    #[test]
    fn both_engines_have_the_same_steps_and_all_are_listed() {
        let names = |engine: &str| -> BTreeSet<String> {
            fs::read_dir(format!("{}/migrations/{engine}", env!("CARGO_MANIFEST_DIR")))
                .unwrap()
                .map(|f| f.unwrap().file_name().into_string().unwrap())
                .collect()
        };
        let listed: BTreeSet<String> = STEPS.iter().map(|s| format!("{}.sql", s.name)).collect();
        assert_eq!(names("sqlite"), listed);
        assert_eq!(names("postgres"), listed);
    }

    /// Stores that have taken a step don't take it again: what is wrong in one is mended by a
    /// later one. `sha256sum sqlite/* postgres/* > landed.sha256` adds the new.
    #[test]
    fn a_step_that_has_shipped_never_changes() {
        use sha2::{Digest, Sha256};
        let folder = format!("{}/migrations", env!("CARGO_MANIFEST_DIR"));
        let landed = fs::read_to_string(format!("{folder}/landed.sha256")).unwrap();
        let landed: Vec<&str> = landed.lines().collect();
        for (line, step) in landed.iter().zip(STEPS.iter().map(|step| step.name).cycle()) {
            let (digest, file) = line.split_once("  ").unwrap();
            let bytes = fs::read(format!("{folder}/{file}")).unwrap();
            assert_eq!(digest, hex::encode(Sha256::digest(bytes)), "{file}");
            assert!(file.ends_with(&format!("{step}.sql")), "{file} stands where {step} should");
        }
        assert_eq!(landed.len(), 2 * STEPS.len());
    }

    /// Name, type, whether it must be there, and its place in the primary key.
    type Shape = (String, String, bool, i64);

    /// What a backup reads at each level is all that there is.
    #[tokio::test]
    async fn every_level_has_the_tables_and_columns_that_are_listed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("levels.db").into_boxed_path();
        let store = Store::open(&Location::Sqlite(file)).await.unwrap();
        for level in 1..=STEPS.len() {
            run_until(&store, level).await.unwrap();
            let mut tx = store.read_as_owner().await.unwrap();
            assert_eq!(applied(&mut tx).await.unwrap().len(), level);
            let sql = "SELECT m.name, c.name, c.type, c.\"notnull\", c.pk \
                       FROM sqlite_schema m, pragma_table_info(m.name) c \
                       WHERE m.type = 'table' AND m.name <> 'migration' ORDER BY m.name, c.cid";
            let Tx::Sqlite(sqlite) = &mut tx else { panic!("not SQLite") };
            let real: Vec<(String, String, String, bool, i64)> =
                sqlx::query_as(sql).fetch_all(&mut **sqlite).await.unwrap();
            let real: Vec<(String, Shape)> =
                real.into_iter().map(|(table, a, b, c, d)| (table, (a, b, c, d))).collect();
            let mut listed: Vec<(String, Shape)> = Vec::new();
            for table in tables_at(level) {
                for (at, column) in (1..).zip(table.columns_at(level)) {
                    let kind = match column.kind {
                        Kind::Integer => "BIGINT",
                        Kind::Text => "TEXT",
                        Kind::Bytes => "BLOB",
                    };
                    let key = if at <= table.key { i64::try_from(at).unwrap() } else { 0 };
                    let shape = (column.name.to_owned(), kind.to_owned(), !column.nullable, key);
                    listed.push((table.name.to_owned(), shape));
                }
            }
            listed.sort_by(|a, b| a.0.cmp(&b.0));
            assert_eq!(real, listed, "level {level}");
        }
    }
}
