//! `tallygate migrate`: the database brought up to date, apart from serving; and the first
//! partners of a new deployment, whom nobody could enter over the API yet.

use super::{CliError, Console, Outcome};
use crate::{
    config::Config,
    gateway::register::Partner,
    identity::SystemClock,
    server::{self, system_rng},
};
use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

const HELP: &str = "\
With --register, the partners in FILE (a JSON list of register entries) are entered into an empty
register: at least one must be allowed to be a data officer, who enters the others over the API.

On PostgreSQL the tables belong to database.owner, who may create roles, and the gateway's own
user (the one of database.postgres) owns nothing: migrate makes the roles and lets it take them on.
  CREATE ROLE owner LOGIN CREATEROLE PASSWORD '...';  CREATE ROLE gateway LOGIN PASSWORD '...';
  CREATE DATABASE tallygate OWNER owner;

Examples:
  tallygate migrate --config gateway.toml
  tallygate migrate --config gateway.toml --register first-partners.json";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Migrate {
    /// The configuration, a TOML file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The first partners of a new deployment.
    #[arg(long, value_name = "FILE")]
    register: Option<PathBuf>,
}

impl Migrate {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let failed = |source: Box<dyn Error + Send + Sync>| CliError::Failed {
            act: "bring the database up to date",
            source,
        };
        let config = read_config(&self.config)?;
        let Some(path) = self.register else {
            server::migrate(&config).await.map_err(|error| failed(error.into()))?;
            console.note("the database is up to date");
            return Ok(Outcome::Done);
        };
        let text = fs::read_to_string(&path)
            .map_err(|source| CliError::Unreadable { path: path.clone(), source })?;
        let partners: Vec<Partner> = serde_json::from_str(&text).map_err(|source| {
            let expected = "a JSON list of register entries";
            CliError::WrongEntry { path, expected, source: source.into() }
        })?;
        let (count, clock) = (partners.len(), Arc::new(SystemClock));
        server::enter_first_partners(&config, clock, system_rng(), partners)
            .await
            .map_err(|error| failed(error.into()))?;
        console.note(&format!("the database is up to date; {count} partners entered"));
        Ok(Outcome::Done)
    }
}

/// Reads a gateway's configuration.
///
/// # Errors
/// Names the file, the entry and what to do.
pub(super) fn read_config(path: &Path) -> Result<Config, CliError> {
    Config::read(path)
        .map_err(|source| CliError::Rejected { path: path.to_owned(), source: source.into() })
}
