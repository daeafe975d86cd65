//! `tallygate serve`: the gateway, until it is told to stop.

use super::{CliError, Console, Outcome};
use crate::{
    config::Config,
    identity::SystemClock,
    server::{
        self, system_rng,
        telemetry::{self, LevelFile, LogFilter},
    },
};
use jiff::civil::Date;
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::{
    signal::unix::{SignalKind, signal},
    time,
};

/// How often the configuration is looked at for another level of what is written.
const LOOK_AT_LEVEL: Duration = Duration::from_secs(2);

const HELP: &str = "\
Brings the database up to date, listens, and stops in order on Ctrl-C or SIGTERM: open streams may
finish, the end is logged, the last tiles are written.

Every witness must say that this database is not behind what it has seen; else nothing is served.
Where one is down or gone for good, or what it says is false, --without-witness goes on without its
word; the log tells so. One that is no longer in the configuration is retired by it.

What the protocols let nobody keep any longer is let go before anything is served. Where the last time
is more than a month ago by the clock, nothing is: check the clock, and give its day with --today.

The journal of erasures (erasure.journal, beside the keys) must be there and whole: what a restored
backup lacks of it is done again before anything is served. Where it is lost for good, or the
database never had one, --without-journal goes on without; the log tells so.

New certificates, keys, authorities and lists of revoked certificates are taken as soon as their files
change, or on SIGHUP, without a restart; wrong ones change nothing. So is telemetry.log.

Examples:
  tallygate serve --config demo/gateway.toml
  tallygate serve --config gateway.toml --without-witness witness.partner.example";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Serve {
    /// The configuration, a TOML file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Go on without this witness's word: its name, or name+id; repeatable.
    #[arg(long, value_name = "NAME")]
    without_witness: Vec<String>,
    /// Believe the clock: it is this day, and no gateway ran for more than a month before.
    #[arg(long, value_name = "YYYY-MM-DD")]
    today: Option<Date>,
    /// Go on without the journal of erasures, or with one whose end is lost.
    #[arg(long)]
    without_journal: bool,
    /// What the gateway writes about itself to standard error.
    /// [default: telemetry.log of the configuration, or warn]
    #[arg(long, value_name = "LEVEL", env = "TALLYGATE_LOG")]
    log: Option<LogFilter>,
}

impl Serve {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let level = telemetry::init(&self.log.clone().unwrap_or_default());
        let refused = |error| CliError::Rejected { path: self.config.clone(), source: error };
        let mut config = Config::read(&self.config).map_err(|error| refused(error.into()))?;
        config.without_witnesses.clone_from(&self.without_witness);
        config.confirmed_day = self.today;
        config.without_journal = self.without_journal;
        let stopped = |error: Box<dyn std::error::Error + Send + Sync>| CliError::Failed {
            act: "run the gateway",
            source: error,
        };
        server::forbid_core_dumps().map_err(|error| stopped(error.into()))?;
        let mut terminated =
            signal(SignalKind::terminate()).map_err(|error| stopped(error.into()))?;
        let mut hung_up = signal(SignalKind::hangup()).map_err(|error| stopped(error.into()))?;
        let mut level = LevelFile::new(self.config.clone(), level);
        let level_is_said = self.log.is_some();
        if !level_is_said {
            level.look();
        }
        let running = server::start(&config, Arc::new(SystemClock), system_rng())
            .await
            .map_err(|error| stopped(error.into()))?;
        console.note(&format!("listening on {}; stop with Ctrl-C", running.address()));
        if let Some(web) = running.web_address() {
            console.note(&format!("the log's tiles are on https://{web}"));
        }
        loop {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => break,
                _ = terminated.recv() => break,
                _ = hung_up.recv() => console.note(match running.reload() {
                    true => "the files were read again",
                    false => "some files are refused, and the old ones go on: see the line above",
                }),
                () = time::sleep(LOOK_AT_LEVEL) => {}
            }
            if !level_is_said {
                level.look();
            }
        }
        console.note("stopping");
        running.stop().await.map_err(|error| stopped(error.into()))?;
        Ok(Outcome::Done)
    }
}
