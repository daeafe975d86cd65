//! `tallygate scrub`: what was erased is taken out of the database's own files.

use super::{
    CliError, Console, Outcome,
    migrate::read_config,
    output::{Printing, Record},
};
use crate::store::Store;
use std::path::PathBuf;

const HELP: &str = "\
A gateway on SQLite does this by itself after each day that erased something; on PostgreSQL the
tables' owner does it with this command, at a time when writers may wait: every table that holds
keyed values is rewritten. A checkpoint and a switch of the write-ahead log follow, for which the
owner needs pg_checkpoint and the right to run pg_switch_wal(); without them the server recycles
its log in its own time. Standbys, archived segments and earlier backups are not reached.

Exit codes: 0 scrubbed; 1 scrubbed, but the write-ahead log is still to be recycled; 2 not scrubbed.

Example:
  tallygate scrub --config gateway.toml";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Scrub {
    /// The configuration, a TOML file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    #[command(flatten)]
    printing: Printing,
}

impl Scrub {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let config = read_config(&self.config)?;
        let failed = |source: crate::store::StoreError| CliError::Failed {
            act: "scrub the database",
            source: source.into(),
        };
        let store = Store::open(&config.owner).await.map_err(failed)?;
        let scrubbed = store.scrub().await;
        store.close().await;
        let scrubbed = scrubbed.map_err(failed)?;
        let record = Record::default()
            .with("rewritten", true)
            .with("checkpoint", scrubbed.checkpointed)
            .with("write_ahead_log", if scrubbed.switched { "switched" } else { "not switched" });
        console.record(self.printing.format, &record)?;
        Ok(Outcome::findings(!(scrubbed.checkpointed && scrubbed.switched)))
    }
}
