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
database's owner does it with this command, at a time when writers may wait: every table that holds
keyed values and the planner's statistics are rewritten, and what the server keeps of its
write-ahead log is overwritten. For the latter the owner needs, in this very database:
  GRANT pg_checkpoint TO tallygate_owner;
  GRANT EXECUTE ON FUNCTION pg_switch_wal(), pg_ls_waldir() TO tallygate_owner;
Standbys, archived segments and earlier backups are not reached.

It counts as done only where every step was. A gateway whose database was restored from a backup
that held what was erased since serves nothing before that.

Exit codes: 0 scrubbed; 1 a step could not be done, it is still owed; 2 not scrubbed.

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
            .with("statistics", scrubbed.statistics)
            .with("checkpoint", scrubbed.checkpointed)
            .with("write_ahead_log", if scrubbed.switched { "overwritten" } else { "as it was" })
            .with("done", scrubbed.is_done());
        console.record(self.printing.format, &record)?;
        Ok(Outcome::findings(!scrubbed.is_done()))
    }
}
