//! The demo's ground and journey: an authority, partners, keys, signed agreements and a real
//! gateway in one folder, and every step that its callers take over the real API.
//!
//! Why a room of its own: `tallygate demo` shows the journey, and `tallygate bench` measures
//! on the same ground, so that what is measured is what is shown.
//!
//! Invariant: nothing outside the folder is touched, and only a folder that this room made is
//! ever wiped.

pub(crate) mod agreements;
pub(crate) mod ground;
pub(crate) mod journey;

use crate::{
    config::{Config, ConfigError},
    connector::{ConnectorError, PushError},
    disclosure::DisclosureError,
    domain::{Quarter, ids::InvalidId},
    gateway::GatewayError,
    identity::{Clock, IssueError},
    keys::KeyError,
    protocol::{Fault, Rule, SignatureError},
    server::{self, Running, ServeError, system_rng},
    store::{Location, LocationError},
    synth::SynthError,
    verify,
};
use ground::{Ground, write};
use std::{io, path::PathBuf, sync::Arc};

/// The last of the demo's quarters; fixed, so that the same seed gives the same files.
pub(crate) const LAST_QUARTER: &str = "2026Q1";
/// How many quarters it closes.
pub(crate) const QUARTERS: u8 = 8;

/// Why the demo could not go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DemoError {
    #[error("can't use {}: {source}", path.display())]
    Folder { path: PathBuf, source: io::Error },
    #[error("{} holds something that no demo made: give --dir a new folder", path.display())]
    NotADemo { path: PathBuf },
    #[error("no free port on this machine's loopback address: {0}")]
    Port(io::Error),
    #[error("the protocol {protocol} did not become active")]
    NotActive { protocol: String },
    #[error("a partner of the demo is missing")]
    Nobody,
    #[error("a quarter was not closed by its second officer")]
    NotClosed,
    #[error("--postgres: {0}")]
    Database(LocationError),
    #[error(transparent)]
    Synth(#[from] SynthError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    #[error(transparent)]
    Issue(#[from] IssueError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Connector(#[from] ConnectorError),
    #[error(transparent)]
    Push(#[from] PushError),
    #[error("the gateway refused: {}", .0.message())]
    Refused(#[from] Box<tonic::Status>),
    #[error(transparent)]
    Disclosure(#[from] DisclosureError),
    #[error(transparent)]
    Signature(#[from] SignatureError),
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error("a template of the demo breaks the rule {0:?}")]
    Template(Rule),
    #[error(transparent)]
    Id(#[from] InvalidId),
    #[error(transparent)]
    Time(#[from] jiff::Error),
    #[error(transparent)]
    Csv(#[from] csv::Error),
    #[error("the log's tiles can't be read: {0}")]
    Log(#[from] verify::SourceError),
    #[error("the log's key can't be read: {0}")]
    LogKey(#[from] verify::note::NoteProblem),
}

impl From<tonic::Status> for DemoError {
    fn from(status: tonic::Status) -> Self {
        Self::Refused(Box::new(status))
    }
}

impl From<Rule> for DemoError {
    fn from(rule: Rule) -> Self {
        Self::Template(rule)
    }
}

/// Starts the gateway as its own configuration says, or on another database, which it then
/// owns, and enters the partners.
pub(crate) async fn start(
    ground: &Ground,
    database: Option<Location>,
    clock: &Arc<dyn Clock>,
) -> Result<Running, DemoError> {
    let mut config = Config::read(&ground.dir.join("gateway.toml"))?;
    if let Some(database) = database {
        config.owner = database.clone();
        config.database = database;
    }
    server::migrate(&config).await?;
    let running = server::start(&config, Arc::clone(clock), system_rng()).await?;
    server::enter(running.gateway(), ground.partners.clone()).await?;
    write(&ground.dir, "log.vkey", format!("{}\n", running.gateway().log_vkey()).as_bytes())?;
    Ok(running)
}

/// The quarters that the demo closes, oldest first.
pub(crate) fn quarters() -> Vec<Quarter> {
    let mut quarters: Vec<Quarter> = LAST_QUARTER.parse().into_iter().collect();
    while quarters.len() < usize::from(QUARTERS) {
        let Some(earliest) = quarters.last().copied() else { break };
        quarters.push(Quarter::previous(earliest));
    }
    quarters.reverse();
    quarters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quarters_are_eight_in_order() {
        let quarters = quarters();
        assert_eq!((quarters[0].to_string(), quarters.len()), ("2024Q2".to_owned(), 8));
        assert!(quarters.is_sorted());
    }

    #[test]
    fn only_a_demo_is_wiped() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("thesis.txt"), "years of work").unwrap();
        assert!(matches!(ground::clear(dir.path()), Err(DemoError::NotADemo { .. })));
        assert!(dir.path().join("thesis.txt").exists());
        let demo = dir.path().join("demo");
        ground::clear(&demo).unwrap();
        std::fs::write(demo.join("files/old.csv"), "old").unwrap();
        ground::clear(&demo).unwrap();
        assert!(!demo.join("files/old.csv").exists());
    }
}
