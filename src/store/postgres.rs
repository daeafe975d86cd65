//! PostgreSQL: several gateways, one database, found again after a failover.
//!
//! A connection URL may list several servers (`postgres://gateway@db1,db2/tallygate`, as
//! libpq writes it); the one that takes writes is used. Where connections break, the servers
//! are asked again until one of them has become the primary, for as long as
//! [`PATIENCE`]; what was begun on a broken connection is undone and its caller told.

use super::StoreError;
use sqlx::{
    ConnectOptions, Connection, Pool, Postgres, Transaction,
    postgres::{PgConnectOptions, PgConnection, PgPoolOptions, PgSslMode},
};
use std::{sync::Arc, time::Duration};
use tokio::{sync::Mutex, time};

/// Connections of one gateway.
const CONNECTIONS: u32 = 16;
/// How long a connection may take before the servers are asked who is primary.
const CONNECTING: Duration = Duration::from_secs(3);
/// How long a transaction waits for a primary before it fails.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between two rounds of asking.
const PAUSE: Duration = Duration::from_millis(200);

/// Where a PostgreSQL database is and as whom it is used. Its Debug shows no password.
#[derive(Clone)]
pub struct PostgresLocation {
    servers: Arc<[PgConnectOptions]>,
}

impl std::fmt::Debug for PostgresLocation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresLocation")
            .field("servers", &self.servers.len())
            .field("user", &self.user())
            .finish_non_exhaustive()
    }
}

/// A database URL can't be used. Never shows the URL: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// Not `postgres://user@server[:port][,server[:port]...]/database`.
    #[error(
        "write it as postgres://user@server/database, several servers apart by commas, the user always named"
    )]
    Malformed,
    /// A password in the URL.
    #[error("leave the password out of the URL and name its file in database.password_file")]
    Password,
    /// A server across a network without a verified certificate.
    #[error(
        "a server on another machine needs ?sslmode=verify-full (and sslrootcert=FILE for an authority of your own)"
    )]
    Unverified,
}

impl PostgresLocation {
    /// Reads a URL; the password comes from elsewhere.
    ///
    /// # Errors
    /// When it is malformed, holds a password, or would cross a network unverified.
    pub fn parse(url: &str, password: Option<&str>) -> Result<Self, LocationError> {
        let rest = url
            .strip_prefix("postgres://")
            .or_else(|| url.strip_prefix("postgresql://"))
            .ok_or(LocationError::Malformed)?;
        let (authority, path) = rest.split_once('/').ok_or(LocationError::Malformed)?;
        let (user, servers) = authority.rsplit_once('@').ok_or(LocationError::Malformed)?;
        if user.contains(':') || path.contains("password=") {
            return Err(LocationError::Password);
        }
        let database = path.split('?').next().unwrap_or_default();
        if user.is_empty() || database.is_empty() {
            return Err(LocationError::Malformed);
        }
        let servers: Result<Vec<_>, _> = servers
            .split(',')
            .map(|server| {
                let one = format!("postgres://{user}@{server}/{path}");
                let options: PgConnectOptions =
                    one.parse().map_err(|_| LocationError::Malformed)?;
                let options = match password {
                    Some(password) => options.password(password),
                    None => options,
                };
                verified(&options)?;
                Ok(options.application_name("tallygate"))
            })
            .collect();
        Ok(Self { servers: servers?.into() })
    }

    /// The database user.
    #[must_use]
    pub fn user(&self) -> &str {
        self.servers.first().map_or("", PgConnectOptions::get_username)
    }

    /// How many servers it lists.
    #[must_use]
    pub fn servers(&self) -> usize {
        self.servers.len()
    }

    /// As a URL of the first server, for a measurement's own configuration.
    pub(crate) fn url(&self) -> String {
        let mut url = self.servers.first().map(ConnectOptions::to_url_lossy);
        if let Some(url) = &mut url {
            // What it says beside the place is for the program to choose.
            url.set_query(None);
        }
        url.map_or_else(String::new, String::from)
    }

    /// Another database of the same servers.
    pub(super) fn with_database(&self, name: &str) -> Self {
        Self { servers: self.servers.iter().map(|one| one.clone().database(name)).collect() }
    }

    /// The server that takes writes, if any can be reached.
    pub(super) async fn primary(&self) -> Option<PgConnectOptions> {
        if let [only] = &*self.servers {
            return Some(only.clone());
        }
        for server in self.servers.iter() {
            if let Ok(true) = time::timeout(CONNECTING, takes_writes(server)).await {
                return Some(server.clone());
            }
        }
        None
    }
}

async fn takes_writes(server: &PgConnectOptions) -> bool {
    let asked = async {
        let mut connection = PgConnection::connect_with(server).await?;
        let (standby,): (bool,) =
            sqlx::query_as("SELECT pg_is_in_recovery()").fetch_one(&mut connection).await?;
        connection.close().await?;
        Ok::<_, sqlx::Error>(!standby)
    };
    asked.await.unwrap_or(false)
}

/// A Unix socket and this machine's own addresses need no certificate.
fn verified(options: &PgConnectOptions) -> Result<(), LocationError> {
    let local = options.get_socket().is_some()
        || matches!(options.get_host(), "localhost" | "127.0.0.1" | "::1" | "[::1]")
        || options.get_host().starts_with('/');
    if local || matches!(options.get_ssl_mode(), PgSslMode::VerifyFull) {
        Ok(())
    } else {
        Err(LocationError::Unverified)
    }
}

/// Connections to a database.
#[derive(Clone)]
pub(super) struct Servers {
    location: PostgresLocation,
    pool: Pool<Postgres>,
    /// One look for the primary at a time.
    looking: Arc<Mutex<()>>,
}

impl Servers {
    /// Connects, and asks whether a commit waits for the disk.
    pub(super) async fn open(location: &PostgresLocation) -> Result<Self, StoreError> {
        let primary = location.primary().await.ok_or(StoreError::NoPrimary)?;
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(CONNECTING)
            // A broken connection shows when a transaction begins on it, without a question
            // of its own before each.
            .test_before_acquire(false)
            .connect_with(primary)
            .await?;
        let servers = Self { location: location.clone(), pool, looking: Arc::default() };
        let commit = servers.setting("synchronous_commit").await?;
        if commit == "off" {
            return Err(StoreError::NotDurable { setting: "synchronous_commit" });
        }
        if servers.setting("fsync").await? == "off" {
            return Err(StoreError::NotDurable { setting: "fsync" });
        }
        Ok(servers)
    }

    /// A setting of the server.
    pub(super) async fn setting(&self, name: &'static str) -> Result<String, StoreError> {
        let (value,): (String,) =
            sqlx::query_as("SELECT current_setting($1)").bind(name).fetch_one(&self.pool).await?;
        Ok(value)
    }

    /// Begins a transaction, on another server where the one in use has gone.
    pub(super) async fn begin(
        &self,
        statement: &'static str,
    ) -> Result<Transaction<'static, Postgres>, StoreError> {
        let begun = time::Instant::now();
        loop {
            match self.pool.begin_with(statement).await {
                Ok(tx) => return Ok(tx),
                Err(error) if connection_lost(&error) && begun.elapsed() < PATIENCE => {
                    self.look_for_primary().await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn look_for_primary(&self) {
        let Ok(_only_one) = self.looking.try_lock() else {
            return time::sleep(PAUSE).await;
        };
        match self.location.primary().await {
            Some(primary) => self.pool.set_connect_options(primary),
            None => tracing::warn!("no database server takes writes; asking again"),
        }
        // Broken connections are idle ones that fail at once: go through them without haste.
        time::sleep(PAUSE / 20).await;
    }

    /// What an operator should know about how safe a commit is.
    pub(super) async fn warnings(&self) -> Result<Vec<&'static str>, StoreError> {
        let mut warnings = Vec::new();
        let commit = self.setting("synchronous_commit").await?;
        let standbys = self.setting("synchronous_standby_names").await?;
        let (connected,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM pg_stat_replication")
            .fetch_one(&self.pool)
            .await?;
        let expected = self.location.servers() > 1 || connected > 0;
        if expected && standbys.is_empty() {
            warnings.push(
                "a standby is configured but synchronous_standby_names is empty: a failover can lose what was acknowledged",
            );
        }
        if !standbys.is_empty() && commit == "local" {
            warnings.push(
                "synchronous_commit is local: a commit does not wait for the standby, and a failover can lose what was acknowledged",
            );
        }
        if self.setting("full_page_writes").await? == "off" {
            warnings.push("full_page_writes is off: a crash can corrupt the database");
        }
        let (strong,): (bool,) = sqlx::query_as(
            "SELECT r.rolsuper OR EXISTS (SELECT 1 FROM pg_tables t \
             WHERE t.tablename = 'log_entry' AND t.tableowner = current_user) \
             FROM pg_roles r WHERE r.rolname = current_user",
        )
        .fetch_one(&self.pool)
        .await?;
        if strong {
            warnings.push(
                "the gateway's database user owns the tables or is a superuser: give it a user of its own (see `tallygate migrate --help`)",
            );
        }
        Ok(warnings)
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }
}

/// Whether the connection broke or its server stopped taking writes, so that another may
/// do: never an error of the statement itself.
pub(super) fn connection_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::BeginFailed
        | sqlx::Error::Protocol(_)
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            // Connection exceptions, shutdown, cannot connect now; a standby's refusal to write.
            code.starts_with("08") || code.starts_with("57P") || code == "25006"
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<PostgresLocation, LocationError> {
        PostgresLocation::parse(url, Some("secret"))
    }

    #[test]
    fn several_servers_are_listed_as_libpq_does() {
        let location = parse("postgres://gateway@localhost:5433,127.0.0.1/tallygate").unwrap();
        let ports: Vec<u16> = location.servers.iter().map(PgConnectOptions::get_port).collect();
        assert_eq!((location.servers(), ports), (2, vec![5433, 5432]));
        assert_eq!(location.user(), "gateway");
        let shown = format!("{location:?}");
        assert!(shown.contains("gateway") && !shown.contains("secret"), "{shown}");
        let socket = parse("postgres://gateway@localhost/tallygate?host=/run/postgresql");
        assert!(socket.unwrap().servers[0].get_socket().is_some());
    }

    #[test]
    fn what_would_leak_or_can_not_work_is_refused() {
        use LocationError::{Malformed, Password, Unverified};
        for (url, error) in [
            ("mysql://gateway@localhost/tallygate", Malformed),
            ("postgres://localhost/tallygate", Malformed),
            ("postgres://gateway@localhost", Malformed),
            ("postgres://gateway@localhost/", Malformed),
            ("postgres://gateway:pw@localhost/tallygate", Password),
            ("postgres://gateway@localhost/tallygate?password=pw", Password),
            ("postgres://gateway@db.example/tallygate", Unverified),
            ("postgres://gateway@db.example/tallygate?sslmode=require", Unverified),
            ("postgres://gateway@localhost,db.example/tallygate", Unverified),
        ] {
            assert_eq!(parse(url).unwrap_err(), error, "{url}");
        }
        parse("postgres://gateway@db.example/tallygate?sslmode=verify-full").unwrap();
    }
}
