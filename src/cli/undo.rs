//! `tallygate undo`: takes back what a push sent, by the receipts that it kept.
//!
//! A push that broke and went on has several streams; each is undone by the receipt of its
//! opening. Doing it again does nothing more, so that what stopped half way is repeated.

use super::{
    CliError, Console, Outcome,
    argument::shown_moment,
    output::{Printing, Table},
    remote::Remote,
};
use crate::{
    connector::PushReport,
    wire::v1::{self, UndoReason, intake_service_client::IntakeServiceClient},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use clap::ValueEnum;
use serde_json::json;
use std::{
    fs,
    path::{Path, PathBuf},
};

const HELP: &str = "\
RECEIPTS is the report that `tallygate push --receipts DIR` kept of the file. What it stored counts
no more from the next release on, and the same records may be pushed again and are then new.
Releases that are out stay as they are. Records that another file sent again meanwhile were known
from this one: push that file again, too. Links between people that the file led to stay.

Example:
  tallygate undo receipts/live_birth.json --reason wrong-file --profile health.toml";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Undo {
    /// The kept report of a push, with its receipts.
    #[arg(required = true, value_name = "RECEIPTS")]
    files: Vec<PathBuf>,
    /// Why; it stands in the access log.
    #[arg(long, value_enum)]
    reason: Reason,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    printing: Printing,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Reason {
    /// It was another file than the one meant.
    WrongFile,
    /// Its values were wrong, or stood in the wrong columns.
    WrongValues,
    /// It was of another period, or stood for another day.
    WrongPeriod,
    /// It should not have been shared.
    NotToBeShared,
}

impl From<Reason> for UndoReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::WrongFile => Self::WrongFile,
            Reason::WrongValues => Self::WrongValues,
            Reason::WrongPeriod => Self::WrongPeriod,
            Reason::NotToBeShared => Self::NotToBeShared,
        }
    }
}

/// The streams of a kept report: index and hash of each opening.
fn streams(path: &Path) -> Result<Vec<(u64, Vec<u8>)>, CliError> {
    let unreadable = |source| CliError::Unreadable { path: path.to_owned(), source };
    let invalid = || CliError::NotReceipts { path: path.to_owned() };
    let text = fs::read_to_string(path).map_err(unreadable)?;
    let report: PushReport = serde_json::from_str(&text).map_err(|_| invalid())?;
    let opened = report.sessions.iter().filter_map(|session| session.opened.as_ref());
    let stream = |receipt: &crate::connector::KeptReceipt| {
        let hash = STANDARD.decode(&receipt.leaf_hash).map_err(|_| invalid())?;
        Ok((receipt.leaf_index, hash))
    };
    let streams: Vec<_> = opened.map(stream).collect::<Result<_, CliError>>()?;
    if streams.is_empty() { Err(invalid()) } else { Ok(streams) }
}

impl Undo {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let mut all = Vec::new();
        for file in &self.files {
            all.push((file, streams(file)?));
        }
        let session = self.remote.open().await?;
        let mut client = IntakeServiceClient::new(session.service());
        let mut table =
            Table::new(&["file", "stream", "batches", "records", "undone_at", "already"]);
        for (file, streams) in all {
            for (opened_leaf_index, opened_leaf_hash) in streams {
                let request = v1::UndoStreamRequest {
                    opened_leaf_index,
                    opened_leaf_hash,
                    reason: UndoReason::from(self.reason).into(),
                };
                let answer = client.undo_stream(request).await?.into_inner();
                table.row([
                    json!(file.display().to_string()),
                    json!(opened_leaf_index),
                    json!(answer.batches),
                    json!(answer.records),
                    json!(shown_moment(answer.undone_at)),
                    json!(answer.already),
                ]);
                session.logged(console, answer.receipt)?;
            }
        }
        console.table(self.printing.format, &table)?;
        Ok(Outcome::Done)
    }
}
