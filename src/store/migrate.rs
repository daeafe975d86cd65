//! Migrations: the same steps on both engines, each in one transaction, never changed
//! once they have landed.

use super::{Rights, Store, StoreError, Tx, tx::on};

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

steps!["0001_register", "0002_log", "0003_records", "0004_releases", "0005_rights", "0006_undo"];

/// Applies the steps that are missing, in order, and lets the user `gateway` take on the
/// gateway's rights.
///
/// Each step keeps the program before it working: gateways are upgraded one by one while
/// others run (see [`check`]).
pub(super) async fn run(store: &Store, gateway: Option<&str>) -> Result<(), StoreError> {
    let mut tx = store.transact_as_owner().await?;
    tx.run("CREATE TABLE IF NOT EXISTS migration (step BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL)")
        .await?;
    tx.commit().await?;
    let sqlite = store.is_embedded();
    for (number, step) in (1i64..).zip(STEPS) {
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
    if let Some(gateway) = gateway.filter(|_| !sqlite) {
        grant(store, gateway).await?;
    }
    fits(&mut store.transact_as_owner().await?).await
}

/// Lets a database user take on the gateway's rights, one transaction at a time.
async fn grant(store: &Store, gateway: &str) -> Result<(), StoreError> {
    let mut tx = store.transact_as_owner().await?;
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
    let mut tx = store.transact_as_owner().await?;
    let present = if tx.is_sqlite() {
        "SELECT COUNT(*) FROM sqlite_schema WHERE name = 'migration'"
    } else {
        "SELECT COUNT(*) FROM pg_tables WHERE tablename = 'migration' AND schemaname = ANY(current_schemas(false))"
    };
    let (present,): (i64,) = on!(&mut tx, c => sqlx::query_as(present).fetch_one(c).await)?;
    if present == 0 {
        return Err(StoreError::Older);
    }
    drop(tx);
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
    use super::STEPS;
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
}
