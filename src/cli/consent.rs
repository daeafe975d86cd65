//! `tallygate consent`: consents given, refused and withdrawn, by the sender's references.

use super::{
    CliError, Console, Outcome,
    consent_file::{self, Rejection, Rejects},
    consent_receipt,
    output::{Printing, Record, Table},
    remote::{Remote, Service},
    text::counted,
};
use crate::wire::v1::{self, consent_service_client::ConsentServiceClient};
use clap::Subcommand;
use std::path::PathBuf;

pub(super) const EXAMPLES: &str = "\
Examples:
  tallygate consent record consents.csv --profile centres.toml
  tallygate consent withdraw C-2026-0117 --profile centres.toml";

const RECORD_HELP: &str = "\
The file is CSV with these columns, in any order:
  consent_ref      your own reference, at most 36 characters; kept only as a pseudonym
  state            given, refused, withdrawn, expired
  given_by         subject, parent, carer
  recorded_on      YYYY-MM-DD
  notice_version   the privacy notice that was shown
and, as far as it has them:
  giver_ref        your own reference of who gave it, where several people may; without it
                   all parents are one voice, and all carers
  obtained         in_writing, online, verbally_noted; by conduct is no consent
  purposes         what it covers, as protocols name it, separated by ; (none: everything)
  record_types     what it covers, separated by ; (none: all that you send)
  evidence_ref     your own reference of what proves it
  valid_until      its last day, YYYY-MM-DD
giver_ref and evidence_ref are kept only as pseudonyms. Where parents differ, refusal prevails.

Example:
  tallygate consent record consents.csv --rejects rejected.csv --profile centres.toml";

const SHOW_HELP: &str = "\
Examples:
  tallygate consent show C-2026-0117 --profile centres.toml
  tallygate consent show C-2026-0117 --on 2026-03-01 --known-at 2026-03-02T00:00:00Z \
--profile centres.toml
  tallygate consent show C-2026-0117 --statements --format csv --profile centres.toml";

/// The most rejections that are listed on the terminal; the rejects file has all.
const SHOWN: usize = 20;

#[derive(Debug, Subcommand)]
pub(super) enum ConsentCommand {
    /// Records the consents of a CSV file (exit code 1 when some rows are rejected).
    #[command(after_help = RECORD_HELP)]
    Record {
        /// The consents: a CSV file.
        file: PathBuf,
        /// Write rejected rows, with the reason, to this CSV file.
        #[arg(long, value_name = "FILE")]
        rejects: Option<PathBuf>,
        #[command(flatten)]
        remote: Remote,
        #[command(flatten)]
        printing: Printing,
    },
    /// Withdraws one consent: no record that relies on it is taken or counted from now on.
    #[command(
        after_help = "Example:\n  tallygate consent withdraw C-2026-0117 --profile centres.toml"
    )]
    Withdraw {
        /// Your own reference of the consent.
        consent_ref: String,
        #[command(flatten)]
        remote: Remote,
    },
    /// Writes a consent's receipt with the fields of ISO/IEC TS 27560.
    #[command(after_help = consent_receipt::HELP)]
    Receipt(consent_receipt::Receipt),
    /// Shows the state of one consent, today or as it was known on a day.
    #[command(after_help = SHOW_HELP)]
    Show {
        /// Your own reference of the consent.
        consent_ref: String,
        /// The state on this day.
        #[arg(long, value_name = "YYYY-MM-DD")]
        on: Option<jiff::civil::Date>,
        /// As it was known at this moment.
        #[arg(long, value_name = "TIME")]
        known_at: Option<jiff::Timestamp>,
        /// List every statement about it.
        #[arg(long)]
        statements: bool,
        #[command(flatten)]
        remote: Remote,
        #[command(flatten)]
        printing: Printing,
    },
}

type Client = ConsentServiceClient<Service>;

impl ConsentCommand {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        match self {
            Self::Record { file, rejects, remote, printing } => {
                return record(file, rejects, &remote, printing, console).await;
            }
            Self::Receipt(receipt) => return receipt.run(console).await,
            Self::Withdraw { consent_ref, remote } => {
                let session = remote.open().await?;
                let request = v1::WithdrawConsentRequest { consent_ref };
                let answer = Client::new(session.service()).withdraw_consent(request).await?;
                console.note("withdrawn");
                session.logged(console, answer.into_inner().receipt)?;
            }
            Self::Show { consent_ref, on, known_at, statements, remote, printing } => {
                let session = remote.open().await?;
                let request = v1::GetConsentRequest {
                    consent_ref,
                    on_day: on.map(|day| day.to_string()).unwrap_or_default(),
                    known_at: known_at.map(|moment| moment.to_string()).unwrap_or_default(),
                };
                let answer = Client::new(session.service()).get_consent(request).await?;
                let answer = answer.into_inner();
                if statements {
                    console.table(printing.format, &table(&answer.statements))?;
                } else {
                    let record = Record::default()
                        .with("state", consent_file::state_name(answer.state()))
                        .with("recorded_on", answer.recorded_on.as_str());
                    console.record(printing.format, &record)?;
                }
                session.logged(console, answer.receipt)?;
            }
        }
        Ok(Outcome::Done)
    }
}

/// The statements about a consent, in the order in which they became known.
fn table(statements: &[v1::ConsentStatement]) -> Table {
    let columns = [
        "state",
        "given_by",
        "giver",
        "recorded_on",
        "known_at",
        "obtained",
        "notice_version",
        "purposes",
        "record_types",
        "valid_until",
        "evidence",
        "stands",
    ];
    let mut table = Table::new(&columns);
    for statement in statements {
        table.row([
            consent_file::state_name(statement.state()).into(),
            consent_file::giver_name(statement.given_by()).into(),
            statement.giver.into(),
            statement.recorded_on.as_str().into(),
            statement.known_at.as_str().into(),
            consent_file::means_name(statement.means()).into(),
            statement.notice_version.as_str().into(),
            statement.purposes.join(";").into(),
            statement.record_types.join(";").into(),
            statement.valid_until.as_str().into(),
            statement.has_evidence.into(),
            statement.stands.into(),
        ]);
    }
    table
}

async fn record(
    file: PathBuf,
    rejects: Option<PathBuf>,
    remote: &Remote,
    printing: Printing,
    console: &mut Console<'_>,
) -> Result<Outcome, CliError> {
    let mut batches = consent_file::Batches::open(&file)?;
    let mut rejects = Rejects::open(rejects, batches.heading())?;
    let session = remote.open().await?;
    let mut client = Client::new(session.service());
    let (mut recorded, mut rejected) = (0_u64, 0_u64);
    while let Some(batch) = batches.next_batch()? {
        let mut found = batch.rejections;
        if !batch.consents.is_empty() {
            let request = v1::RecordConsentsRequest { consents: batch.consents };
            let answer = client.record_consents(request).await?.into_inner();
            recorded += u64::from(answer.recorded);
            for rejection in answer.rejections {
                found.push(Rejection::of(rejection, &batch.rows)?);
            }
            session.logged(console, answer.receipt)?;
        }
        for rejection in found {
            rejected += 1;
            if rejected <= SHOWN as u64 {
                console.note(&rejection.to_string());
            }
            rejects.add(&rejection)?;
        }
    }
    if rejected > SHOWN as u64 {
        let more = counted(rejected - SHOWN as u64, "row", "rows");
        console.note(&format!("and {more} more: --rejects FILE lists them all"));
    }
    rejects.finish()?;
    let summary = Record::default().with("recorded", recorded).with("rejected", rejected);
    console.record(printing.format, &summary)?;
    Ok(Outcome::findings(rejected > 0))
}
