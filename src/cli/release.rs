//! `tallygate release`: previews, the close of a quarter, and what was released.

use super::{
    CliError, Console, Outcome,
    argument::shown_moment,
    output::{Format, Printing, Record, Table},
    release_verify::Verify,
    remote::{MAX_ANSWER_BYTES, Remote, Service, Session, present},
    tree,
};
use crate::{
    domain::Quarter,
    wire::v1::{self, release_service_client::ReleaseServiceClient},
};
use clap::Subcommand;
use serde_json::{Value, json};

pub(super) const EXAMPLES: &str = "\
Examples:
  tallygate release preview 2026Q1 --profile officer.toml
  tallygate release close 2026Q1 --profile officer.toml
  tallygate release list --profile officer.toml";

#[derive(Debug, Subcommand)]
pub(super) enum ReleaseCommand {
    /// Shows what closing a quarter would release: structure, expected errors and budget,
    /// never a count.
    #[command(after_help = "Example:\n  tallygate release preview 2026Q1 --profile officer.toml")]
    Preview(OfQuarter),
    /// Closes a quarter: counts, adds noise, freezes, signs and logs. It can't be undone.
    #[command(after_help = "Example:\n  tallygate release close 2026Q1 --profile officer.toml")]
    Close(OfQuarter),
    /// Lists the releases.
    #[command(
        after_help = "Example:\n  tallygate release list --format csv --profile officer.toml"
    )]
    List {
        #[command(flatten)]
        remote: Remote,
        #[command(flatten)]
        printing: Printing,
    },
    /// Checks a signed release offline: signature, shape and budget.
    Verify(Verify),
    /// Shows one release, or its signed text.
    #[command(
        after_help = "Example:\n  tallygate release show 2026Q1 --document --profile officer.toml > 2026Q1.json"
    )]
    Show {
        #[command(flatten)]
        of: OfQuarter,
        /// Print the signed text itself, for `release verify`.
        #[arg(long)]
        document: bool,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct OfQuarter {
    /// The quarter, which is also the release's id.
    #[arg(value_name = "QUARTER")]
    quarter: Quarter,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    printing: Printing,
}

type Client = ReleaseServiceClient<Service>;

fn client(session: &Session) -> Client {
    Client::new(session.service()).max_decoding_message_size(MAX_ANSWER_BYTES)
}

impl ReleaseCommand {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        match self {
            Self::Preview(of) => {
                let session = of.remote.open().await?;
                let request = v1::PreviewReleaseRequest { quarter: of.quarter.to_string() };
                let answer = client(&session).preview_release(request).await?.into_inner();
                tree::print(console, of.printing.format, &parsed(&answer.preview, "preview")?)?;
                session.logged(console, answer.receipt)?;
            }
            Self::Close(of) => {
                let session = of.remote.open().await?;
                let request = v1::CloseQuarterRequest { quarter: of.quarter.to_string() };
                let answer = client(&session).close_quarter(request).await?.into_inner();
                let entry = present(answer.entry, "entry")?;
                console.record(of.printing.format, &record(&entry))?;
                session.logged(console, answer.receipt)?;
            }
            Self::Verify(verify) => return verify.run(console),
            Self::List { remote, printing } => {
                let session = remote.open().await?;
                let request = v1::ListReleasesRequest {};
                let answer = client(&session).list_releases(request).await?.into_inner();
                console.table(printing.format, &table(&answer.entries))?;
                session.logged(console, answer.receipt)?;
            }
            Self::Show { of, document } => {
                let session = of.remote.open().await?;
                let request = v1::GetReleaseRequest { quarter: of.quarter.to_string() };
                let answer = client(&session).get_release(request).await?.into_inner();
                if document || of.printing.format == Format::Json {
                    console.text(&answer.document)?;
                } else {
                    let entry = present(answer.entry, "entry")?;
                    console.record(of.printing.format, &record(&entry))?;
                }
                session.logged(console, answer.receipt)?;
            }
        }
        Ok(Outcome::Done)
    }
}

fn parsed(text: &str, part: &'static str) -> Result<Value, CliError> {
    serde_json::from_str(text).map_err(|_| CliError::AnswerIncomplete { part })
}

const COLUMNS: [&str; 5] = ["quarter", "frozen_at", "rho", "lifetime_rho", "digest"];

fn values(entry: &v1::ReleaseEntry) -> [Value; 5] {
    [
        json!(entry.quarter),
        json!(shown_moment(entry.frozen_at)),
        json!(entry.rho),
        json!(entry.lifetime_rho),
        json!(hex::encode(&entry.digest)),
    ]
}

fn record(entry: &v1::ReleaseEntry) -> Record {
    COLUMNS
        .into_iter()
        .zip(values(entry))
        .fold(Record::default(), |record, (name, value)| record.with(name, value))
}

fn table(entries: &[v1::ReleaseEntry]) -> Table {
    let mut table = Table::new(&COLUMNS);
    for entry in entries {
        table.row(values(entry));
    }
    table
}
