//! `tallygate erase` and `tallygate find`: a sender's own records, by their ids.

use super::{
    CliError, Console, Outcome,
    output::{Printing, Record, Table},
    partner_file::read_text,
    remote::Remote,
};
use crate::{
    domain::RecordType,
    wire::v1::{self, intake_service_client::IntakeServiceClient},
};
use serde_json::json;
use std::path::PathBuf;

/// The most records of one call.
const MOST_RECORDS: usize = 1_000;

const ERASE_HELP: &str = "\
Within the day the records are gone, with the identities that nothing else rests on, and no later
release counts them. Releases that are out stay as they are. The answer is the same whether the
gateway has the records or not. It can't be taken back; a record that is pushed again from the
next day on is a new one. To have a record merely not counted any more, withdraw it.

Examples:
  tallygate erase R-0815 R-0816 --type health_review --profile health.toml
  tallygate erase --file ids.txt --type health_review --profile health.toml";

const FIND_HELP: &str = "\
Examples:
  tallygate find R-0815 --type health_review --profile health.toml
  tallygate find --file ids.txt --type health_review --format csv --profile health.toml";

/// The records that a call names.
#[derive(Debug, clap::Args)]
struct Named {
    /// Your ids of the records.
    #[arg(value_name = "RECORD_ID", required_unless_present = "file", conflicts_with = "file")]
    ids: Vec<String>,
    /// A file of ids, one a line.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Their type.
    #[arg(long = "type", value_name = "RECORD_TYPE")]
    record_type: RecordType,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    printing: Printing,
}

#[derive(Debug, clap::Args)]
#[command(after_help = ERASE_HELP)]
pub(super) struct Erase {
    #[command(flatten)]
    named: Named,
}

#[derive(Debug, clap::Args)]
#[command(after_help = FIND_HELP)]
pub(super) struct Find {
    #[command(flatten)]
    named: Named,
}

impl Named {
    fn ids(&self) -> Result<Vec<String>, CliError> {
        let Some(file) = &self.file else { return Ok(self.ids.clone()) };
        let text = read_text(file)?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        Ok(lines.map(str::to_owned).collect())
    }
}

impl Erase {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let named = self.named;
        let ids = named.ids()?;
        let session = named.remote.open().await?;
        let mut client = IntakeServiceClient::new(session.service());
        let mut received = 0;
        for some in ids.chunks(MOST_RECORDS) {
            let record_type = named.record_type.name().to_owned();
            let request = v1::EraseRecordsRequest { record_type, record_ids: some.to_vec() };
            let answer = client.erase_records(request).await?.into_inner();
            received += u64::from(answer.received);
            session.logged(console, answer.receipt)?;
        }
        console.note("within the day they are gone, and no later release counts them");
        console.record(named.printing.format, &Record::default().with("received", received))?;
        Ok(Outcome::Done)
    }
}

impl Find {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let named = self.named;
        let ids = named.ids()?;
        let session = named.remote.open().await?;
        let mut client = IntakeServiceClient::new(session.service());
        let mut table = Table::new(&["record_id", "held"]);
        for some in ids.chunks(MOST_RECORDS) {
            let record_type = named.record_type.name().to_owned();
            let request = v1::FindRecordsRequest { record_type, record_ids: some.to_vec() };
            let answer = client.find_records(request).await?.into_inner();
            session.logged(console, answer.receipt)?;
            for (id, held) in some.iter().zip(answer.held) {
                table.row([json!(id), json!(held)]);
            }
        }
        console.table(named.printing.format, &table)?;
        Ok(Outcome::Done)
    }
}
