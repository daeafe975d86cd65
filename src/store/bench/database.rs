//! Databases for one measurement each.

use crate::store::{Location, PostgresLocation, StoreError};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};

/// Makes an empty database for one measurement, on the servers of the location.
///
/// # Errors
/// When the server can't be reached or the user may not create databases.
pub async fn create_database(
    server: &PostgresLocation,
    name: &str,
) -> Result<Location, StoreError> {
    // The name is this program's, letters, digits and underscores.
    on_server(server, format!("CREATE DATABASE {name}")).await?;
    Ok(Location::Postgres(server.with_database(name)))
}

/// Drops a database that [`create_database`] made, with whoever is still connected to it: a
/// measurement that failed leaves its gateway behind.
///
/// # Errors
/// When the server can't be reached.
pub async fn drop_database(server: &PostgresLocation, name: &str) -> Result<(), StoreError> {
    on_server(server, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await
}

async fn on_server(server: &PostgresLocation, sql: String) -> Result<(), StoreError> {
    // Making and dropping take their time; that is no news.
    let options = server.primary().await.ok_or(StoreError::NoPrimary)?.disable_statement_logging();
    let mut connection = PgConnection::connect_with(&options).await?;
    sqlx::query(AssertSqlSafe(sql)).execute(&mut connection).await?;
    connection.close().await?;
    Ok(())
}
