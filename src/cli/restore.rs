//! `tallygate restore`: a backup into an empty database, and the question whether the access
//! log in it is still the one that was signed.

use super::{
    CliError, Console, Outcome, audit_rows,
    backup::{key_files, record},
    migrate::read_config,
    output::{Format, Printing},
};
use crate::store::{Location, Store, backup};
use serde_json::json;
use std::{
    fs::File,
    io::BufReader,
    path::{Path, PathBuf},
};

const HELP: &str = "\
The database that the configuration names must be empty; it is brought up to date first, on
PostgreSQL as database.owner. A backup that was cut short or changed is refused before anything is
written. Then the whole access log is recomputed from the restored rows, checked against its signed
checkpoint and compared with the tiles folder: only then may a gateway serve from it.

What subjects chose and what was erased since the backup was made is in the gateway's journal
(erasure.journal, beside the keys): at its start, before it serves anything, the gateway does all of
that again and scrubs. Put the journal in place first: without it, or with its end missing, the
gateway does not start. On PostgreSQL it then asks for `tallygate scrub` before it serves.

A backup is older than the database that was lost: where the tiles folder (or an auditor, or a
partner's receipt) has entries that the backup has not, going on from it would fork the log. This
is found and named, as far as the tiles folder tells it.

Exit codes: 0 restored and sound; 1 restored, but the log is not sound: do not serve from it;
2 nothing was restored.

Example:
  tallygate restore --config gateway.toml --from tallygate-2026-03-31.backup";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Restore {
    /// The configuration, a TOML file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// The backup.
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    #[command(flatten)]
    printing: Printing,
}

impl Restore {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let config = read_config(&self.config)?;
        let unreadable = |source| CliError::Unreadable { path: self.from.clone(), source };
        let mut archive =
            BufReader::with_capacity(1 << 20, File::open(&self.from).map_err(unreadable)?);
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| CliError::Failed {
            act: "restore the backup",
            source,
        };
        let store = Store::open(&config.owner).await.map_err(|error| failed(error.into()))?;
        let gateway = match &config.database {
            Location::Sqlite(_) => None,
            Location::Postgres(location) => Some(location.user()),
        };
        let restored = backup::restore(&store, gateway, &mut archive).await;
        store.close().await;
        let contents = restored.map_err(|error| failed(error.into()))?;
        let logs = audit_rows::check(&config, None).await?;
        match self.printing.format {
            Format::Table => {
                console.record(Format::Table, &record(&contents))?;
                console.text("")?;
                audit_rows::print(console, &logs)?;
            }
            Format::Json => console.json(&json!({
                "restored": record(&contents), "sound": logs.is_sound(), "log": logs.current,
            }))?,
            Format::Csv => console.table(Format::Csv, &audit_rows::findings(&logs))?,
        }
        console.note(&verdict(&logs, &self.from, &key_files(&config)));
        Ok(Outcome::findings(!logs.is_sound()))
    }
}

fn verdict(logs: &audit_rows::Logs, from: &Path, keys: &str) -> String {
    let from = from.display();
    if logs.is_sound() {
        format!("{from} is restored and its access log is sound; a gateway needs its keys: {keys}")
    } else {
        format!("{from} is restored but its access log is NOT sound: do not serve from it")
    }
}
