//! `tallygate serve`: the gateway, until it is told to stop.

use super::{CliError, Console, Outcome};
use crate::{
    config::Config,
    identity::SystemClock,
    server::{
        self, system_rng,
        telemetry::{self, LogFilter},
    },
};
use std::{path::PathBuf, sync::Arc};
use tokio::signal::unix::{SignalKind, signal};

const HELP: &str = "\
Brings the database up to date, listens, and stops in order on Ctrl-C or SIGTERM: open streams may
finish, the end is logged, the last tiles are written.

Example:
  tallygate serve --config demo/gateway.toml";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Serve {
    /// The configuration, a TOML file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// What the gateway writes about itself to standard error.
    #[arg(long, value_name = "LEVEL", default_value = "warn", env = "TALLYGATE_LOG")]
    log: LogFilter,
}

impl Serve {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        telemetry::init(&self.log);
        let refused = |error| CliError::Rejected { path: self.config.clone(), source: error };
        let config = Config::read(&self.config).map_err(|error| refused(error.into()))?;
        let stopped = |error: Box<dyn std::error::Error + Send + Sync>| CliError::Failed {
            act: "run the gateway",
            source: error,
        };
        let mut terminated =
            signal(SignalKind::terminate()).map_err(|error| stopped(error.into()))?;
        let running = server::start(&config, Arc::new(SystemClock), system_rng())
            .await
            .map_err(|error| stopped(error.into()))?;
        console.note(&format!("listening on {}; stop with Ctrl-C", running.address()));
        if let Some(web) = running.web_address() {
            console.note(&format!("the log's tiles are on https://{web}"));
        }
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminated.recv() => {}
        }
        console.note("stopping");
        running.stop().await.map_err(|error| stopped(error.into()))?;
        Ok(Outcome::Done)
    }
}
