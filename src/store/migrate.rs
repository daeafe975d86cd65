//! Migrations: the same steps on both engines, each in one transaction, never changed
//! once they have landed.

use super::{Engine, Store, StoreError, tx::on};

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

steps!["0001_register", "0002_log", "0003_records", "0004_releases"];

/// Applies the steps that are missing, in order.
pub(super) async fn run(store: &Store) -> Result<(), StoreError> {
    let mut tx = store.transact().await?;
    tx.run("CREATE TABLE IF NOT EXISTS migration (step BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL)")
        .await?;
    tx.commit().await?;
    let sqlite = matches!(store.engine, Engine::Sqlite { .. });
    for (number, step) in (1i64..).zip(STEPS) {
        let mut tx = store.transact().await?;
        if !sqlite {
            // Two gateways may start at once: the second waits here and then finds it done.
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
    refuse_newer(store).await
}

/// A step this program does not know means a newer program wrote here.
async fn refuse_newer(store: &Store) -> Result<(), StoreError> {
    let mut tx = store.read().await?;
    let (last,): (i64,) = on!(&mut tx, c =>
        sqlx::query_as("SELECT COALESCE(MAX(step), 0) FROM migration").fetch_one(c).await)?;
    let known = i64::try_from(STEPS.len()).map_err(|_| StoreError::Range)?;
    if last > known { Err(StoreError::Newer) } else { Ok(()) }
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
