//! Backups from either engine into either, and the question whether a database still holds
//! the log that was signed.

mod attacks;
mod restore;
mod twins;

use crate::{
    gateways::{Service, connect},
    support::{copy, demo, postgres::Database, tallygate},
};
use sqlx::SqlitePool;
use std::{fs, path::PathBuf, process::Output, sync::Arc};
use tallygate::{
    config::Config,
    identity::SystemClock,
    server::{self, Running, system_rng},
};
use tempfile::TempDir;

/// A folder like the demo's, with configurations for databases of its own.
struct Ground {
    folder: TempDir,
}

impl Ground {
    /// A copy of the shared demo; its own database is that of `gateway.toml`.
    async fn copy() -> Self {
        let demo = tokio::task::spawn_blocking(demo).await.unwrap();
        assert_eq!(demo.code, Some(0), "{}", demo.stderr);
        let folder = tempfile::tempdir().unwrap();
        for part in ["certificates", "keys", "profiles", "tiles"] {
            copy(&demo.dir.join(part), &folder.path().join(part));
        }
        for file in ["gateway.db", "log.vkey", "ca.pem", "boundaries.json"] {
            fs::copy(demo.dir.join(file), folder.path().join(file)).unwrap();
        }
        let ground = Self { folder };
        ground.configure("gateway", "sqlite = \"gateway.db\"", "tiles");
        ground
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Writes a configuration with another database and tiles folder.
    fn configure(&self, name: &str, database: &str, tiles: &str) {
        let text = fs::read_to_string(demo().dir.join("gateway.toml")).unwrap();
        let text: String = text
            .lines()
            .map(|line| match line {
                _ if line.starts_with("listen") => "listen = \"127.0.0.1:0\"\n".to_owned(),
                _ if line.starts_with("sqlite") => format!("{database}\n"),
                _ if line.starts_with("tiles") => format!("tiles = \"{tiles}\"\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        fs::write(self.path(&format!("{name}.toml")), text).unwrap();
    }

    /// A configuration for an empty SQLite database, named after it.
    fn sqlite(&self, name: &str) {
        self.configure(name, &format!("sqlite = \"{name}.db\""), "tiles");
    }

    /// A configuration for an empty PostgreSQL database.
    fn postgres(&self, name: &str, database: &Database) {
        let lines = format!("postgres = \"{}\"\nowner = \"owner\"", database.url);
        self.configure(name, &lines, "tiles");
    }

    /// Backs the database of a configuration up and gives the archive.
    fn backup(&self, config: &str, archive: &str) -> Vec<u8> {
        let (config, out) = (self.text(&format!("{config}.toml")), self.text(archive));
        let done = tallygate(["backup", "--config", &config, "--out", &out]);
        ended(&done, 0);
        fs::read(&out).unwrap()
    }

    fn restore(&self, config: &str, archive: &str) -> Output {
        let (config, from) = (self.text(&format!("{config}.toml")), self.text(archive));
        tallygate(["restore", "--config", &config, "--from", &from])
    }

    /// Verifies the database of a configuration.
    fn verify(&self, config: &str) -> Output {
        let config = self.text(&format!("{config}.toml"));
        tallygate(["audit", "verify", "--config", &config])
    }

    /// Starts a gateway on a configuration's database.
    async fn serve(&self, config: &str) -> Running {
        let config = Config::read(&self.path(&format!("{config}.toml"))).unwrap();
        server::start(&config, Arc::new(SystemClock), system_rng()).await.unwrap()
    }

    async fn caller(&self, running: &Running, name: &str) -> Service {
        connect(&self.path("profiles"), name, &running.address().to_string()).await.unwrap()
    }

    async fn pool(&self, file: &str) -> SqlitePool {
        SqlitePool::connect(&format!("sqlite:{}", self.text(file))).await.unwrap()
    }
}

/// Asserts an exit code and gives all that was printed.
fn ended(done: &Output, code: i32) -> String {
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
    assert_eq!(done.status.code(), Some(code), "{text}");
    text
}
