//! `tallygate audit patterns`: what may be worth a look, in a mirror of the log.

use super::{
    CliError, Console, Outcome,
    audit_mirror::{VerifyFirst, entries, unread},
    output::{Format, Printing, Table},
    partner_file::read_text,
    text::counted,
};
use crate::verify::{
    Directory,
    patterns::{PatternFinding, Patterns as Looked, config::Config},
};
use serde_json::json;
use std::{ops::ControlFlow, path::PathBuf};

const HELP: &str = "\
Lists repeated refusals, sudden volume, one user over many areas, questions outside working hours
and enumeration, each with its reason, its time and its entries. Nothing follows of itself: a
finding is a question to ask, and there is mostly a good answer. So the exit code is 0 also with
findings, unless --fail is given. The thresholds are in deploy/patterns.example.toml.

Examples:
  tallygate audit patterns mirror --vkey-file log.vkey
  tallygate audit patterns --tiles mirror --config patterns.toml --fail --format json";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
#[command(group = clap::ArgGroup::new("where").required(true).args(["dir", "tiles"]))]
pub(super) struct Patterns {
    /// A mirror of the log, with its entries.
    dir: Option<PathBuf>,
    /// The same, by a flag.
    #[arg(long, value_name = "DIR")]
    tiles: Option<PathBuf>,
    /// What is worth a look; the defaults when left out.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// End with 1 when there are findings.
    #[arg(long)]
    fail: bool,
    #[command(flatten)]
    first: VerifyFirst,
    #[command(flatten)]
    printing: Printing,
}

impl Patterns {
    pub(super) fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let config = match &self.config {
            None => Config::default(),
            Some(path) => Config::parse(&read_text(path)?)
                .map_err(|error| CliError::Rejected { path: path.clone(), source: error.into() })?,
        };
        let mirror =
            Directory::new(self.dir.as_ref().or(self.tiles.as_ref()).ok_or(CliError::NoLog)?);
        if !self.first.allows(&mirror, console)? {
            return Ok(Outcome::WithFindings);
        }
        let mut patterns = Looked::new(config).ok_or(CliError::NotPrintable)?;
        entries(&mirror)?
            .forward(0, &mut |index, _, leaf| {
                patterns.note(index, leaf);
                ControlFlow::Continue(())
            })
            .map_err(unread)?;
        let found = patterns.finish();
        match self.printing.format {
            Format::Json => console.json(&found)?,
            format => console.table(format, &table(&found))?,
        }
        if !found.is_empty() {
            let found = counted(found.len() as u64, "finding", "findings");
            console.note(&format!("{found} worth a look; people have reasons, patterns have none"));
        }
        Ok(Outcome::findings(self.fail && !found.is_empty()))
    }
}

fn table(found: &[PatternFinding]) -> Table {
    let mut table = Table::new(&[
        "pattern",
        "partner",
        "user",
        "from",
        "until",
        "count",
        "reason",
        "entries",
        "entries_omitted",
    ]);
    for one in found {
        table.row([
            json!(one.pattern.word()),
            json!(one.partner),
            json!(one.user),
            json!(one.from),
            json!(one.until),
            json!(one.count),
            json!(one.reason),
            json!(one.entries),
            json!(one.entries_omitted),
        ]);
    }
    table
}
