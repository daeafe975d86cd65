//! `tallygate witness`: cosigns the checkpoints of logs that only grow.

use super::{CliError, Console, Outcome};
use crate::{
    identity::{Clock, SystemClock},
    server::{
        self,
        telemetry::{self, LogFilter},
    },
    witness::{self, WitnessConfig},
};
use std::{path::PathBuf, sync::Arc};
use tokio::signal::unix::{SignalKind, signal};

const HELP: &str = "\
For the oversight body and for partners, on a machine of their own: whoever runs the gateway must
not run its witnesses. It keeps the newest checkpoint that it has seen of each log, cosigns one
that continues it, and refuses every other. The interface is C2SP tlog-witness.

First:  tallygate keys new --purpose witness --origin witness.oversight.example --out keys
        mkdir state
and give witness.vkey to the gateway's operator and to the auditors. See
deploy/witness.example.toml.

Example:
  tallygate witness --config witness.toml";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Witness {
    /// The configuration, a TOML file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// What the witness writes about itself to standard error.
    #[arg(long, value_name = "LEVEL", default_value = "warn", env = "TALLYGATE_LOG")]
    log: LogFilter,
}

impl Witness {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        telemetry::init(&self.log);
        let refused = |source: Box<dyn std::error::Error + Send + Sync>| CliError::Rejected {
            path: self.config.clone(),
            source,
        };
        server::forbid_core_dumps().map_err(|error| refused(error.into()))?;
        let config = WitnessConfig::read(&self.config).map_err(|error| refused(error.into()))?;
        let mut terminated =
            signal(SignalKind::terminate()).map_err(|error| refused(error.into()))?;
        let running = witness::start(&config, Arc::new(|| SystemClock.now()))
            .await
            .map_err(|error| refused(error.into()))?;
        console.note(&format!("cosigning as {}", running.vkey()));
        console.note(&format!("listening on {}; stop with Ctrl-C", running.address()));
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminated.recv() => {}
        }
        console.note("stopping");
        running.stop().await;
        Ok(Outcome::Done)
    }
}
