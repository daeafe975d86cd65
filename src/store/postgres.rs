//! PostgreSQL: several gateways, one database.

use super::{Engine, StoreError};
use sqlx::postgres::PgPoolOptions;

const CONNECTIONS: u32 = 8;

/// Connects, and asks whether a commit waits for the disk.
pub(super) async fn open(url: &str) -> Result<Engine, StoreError> {
    let pool = PgPoolOptions::new().max_connections(CONNECTIONS).connect(url).await?;
    let (commit,): (String,) =
        sqlx::query_as("SELECT current_setting('synchronous_commit')").fetch_one(&pool).await?;
    if commit == "off" {
        return Err(StoreError::NotDurable { setting: "synchronous_commit" });
    }
    Ok(Engine::Postgres(pool))
}
