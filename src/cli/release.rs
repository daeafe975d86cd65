//! `tallygate release`: previews, the close of a quarter, and what was released.

use super::{
    CliError, Console, Outcome,
    argument::shown_moment,
    output::{Format, Printing, Record, Table},
    release_verify::Verify,
    remote::{MAX_ANSWER_BYTES, Remote, Service, Session, present},
    text::printable,
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
  tallygate release close 2026Q1 --accept late_data --profile officer.toml
  tallygate release list --profile officer.toml";

const CLOSE_HELP: &str = "\
It takes two data officers: the first call is entered and waits, the same call by another one
within 7 days closes the quarter. Each must accept exactly the warnings that the preview has open.

Example:
  tallygate release close 2026Q1 --accept feed_stale --accept late_data --profile officer.toml";

const WITHDRAW_HELP: &str = "\
The release itself stays as it was signed, what it cost stays spent, and its quarter is not closed
again. Cards, queries and trends show the notice where they touch the quarter.

Example:
  NOTICE='One sender sent the births of another district.'
  tallygate release withdraw 2026Q1 --notice \"$NOTICE\" --profile officer.toml";

#[derive(Debug, Subcommand)]
pub(super) enum ReleaseCommand {
    /// Shows what closing a quarter would release: structure, expected errors and budget,
    /// never a count.
    #[command(after_help = "Example:\n  tallygate release preview 2026Q1 --profile officer.toml")]
    Preview(OfQuarter),
    /// Closes a quarter: counts, adds noise, freezes, signs and logs. It can't be undone.
    #[command(after_help = CLOSE_HELP)]
    Close {
        #[command(flatten)]
        of: OfQuarter,
        /// A warning of the preview that you have looked at and close with; once for each.
        #[arg(long, value_name = "CODE")]
        accept: Vec<String>,
    },
    /// Withdraws a release that was found wrong: a notice stands in place of its figures.
    #[command(after_help = WITHDRAW_HELP)]
    Withdraw {
        #[command(flatten)]
        of: OfQuarter,
        /// What everybody reads from then on: one line of 10 to 500 characters.
        #[arg(long, value_name = "TEXT")]
        notice: String,
    },
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
            Self::Close { of, accept } => {
                let session = of.remote.open().await?;
                let quarter = of.quarter.to_string();
                let request = v1::CloseQuarterRequest { quarter, accepted_warnings: accept };
                let answer = client(&session).close_quarter(request).await?.into_inner();
                let record = match (&answer.awaited, answer.entry) {
                    (Some(awaited), _) => waiting(&of, awaited, console),
                    (None, entry) => record(&present(entry, "entry")?),
                };
                console.record(of.printing.format, &record)?;
                session.logged(console, answer.receipt)?;
            }
            Self::Withdraw { of, notice } => {
                let session = of.remote.open().await?;
                let request =
                    v1::WithdrawReleaseRequest { quarter: of.quarter.to_string(), notice };
                let answer = client(&session).withdraw_release(request).await?.into_inner();
                console.record(of.printing.format, &record(&present(answer.entry, "entry")?))?;
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
                let entry = present(answer.entry, "entry")?;
                if document || of.printing.format == Format::Json {
                    if entry.withdrawn_at != 0 {
                        let (at, notice) = (shown_moment(entry.withdrawn_at), &entry.notice);
                        console.note(&format!("withdrawn {at}: {}", printable(notice)));
                    }
                    console.text(&answer.document)?;
                } else {
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

/// A first call: what it waits for, and until when.
fn waiting(of: &OfQuarter, awaited: &v1::AwaitedApproval, console: &mut Console<'_>) -> Record {
    let until = shown_moment(awaited.expires_at);
    console.note(&format!(
        "waiting for a second person: nothing is released until another data officer makes the \
         same call, until {until}"
    ));
    Record::default()
        .with("quarter", of.quarter.to_string())
        .with("state", "waiting for a second person")
        .with("until", until)
        .with("act_digest", hex::encode(&awaited.act_digest))
}

const COLUMNS: [&str; 7] =
    ["quarter", "frozen_at", "rho", "lifetime_rho", "digest", "withdrawn_at", "notice"];

fn values(entry: &v1::ReleaseEntry) -> [Value; 7] {
    let withdrawn = (entry.withdrawn_at != 0).then(|| shown_moment(entry.withdrawn_at));
    [
        json!(entry.quarter),
        json!(shown_moment(entry.frozen_at)),
        json!(entry.rho),
        json!(entry.lifetime_rho),
        json!(hex::encode(&entry.digest)),
        json!(withdrawn.unwrap_or_default()),
        json!(entry.notice),
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
