//! `tallygate protocol diff`: what an amendment changes, in words, before anybody signs it.

use super::{
    CliError, Console, Outcome,
    output::{Printing, Table},
    protocol_paper::{Kind, read_envelope, rejected},
};
use crate::protocol::{Protocol, diff};
use serde_json::json;
use std::path::{Path, PathBuf};

const HELP: &str = "\
OLD and NEW are drafts or signed copies. The columns are where (a JSON pointer), how (added, removed,
changed, reordered) and the sentence. Nothing that differs is left out.
Exit code 1 when anything differs, 0 when they say the same.

Example:
  tallygate protocol diff isp-health.json isp-health-2.json";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Diff {
    /// The protocol as it is.
    old: PathBuf,
    /// The protocol as it would be.
    new: PathBuf,
    #[command(flatten)]
    printing: Printing,
}

impl Diff {
    pub(super) fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let (old, new) = (read(&self.old)?, read(&self.new)?);
        let changes = diff::changes(&old, &new);
        let mut table = Table::new(&["pointer", "difference", "sentence"]);
        for change in &changes {
            let pointer = if change.pointer.is_empty() { "/" } else { &change.pointer };
            table.row([json!(pointer), json!(change.difference.code()), json!(change.sentence)]);
        }
        if changes.is_empty() {
            console.note("they say the same");
        }
        console.table(self.printing.format, &table)?;
        Ok(Outcome::findings(!changes.is_empty()))
    }
}

/// A protocol out of a draft or a signed copy.
///
/// # Errors
/// When the file can't be read, or is no protocol that holds.
pub(super) fn read(path: &Path) -> Result<Protocol, CliError> {
    let envelope = read_envelope(path)?;
    if Kind::of(envelope.payload()) != Kind::Protocol {
        return Err(CliError::WrongForm { path: path.to_owned(), expected: "a sharing protocol" });
    }
    Protocol::parse(envelope.payload()).map_err(|fault| rejected(path, fault))
}
