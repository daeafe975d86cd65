//! `tallygate consent`: consents given, refused and withdrawn, by the sender's references.

use super::{
    CliError, Console, Outcome,
    audit_proof::read_key,
    consent_file::{self, Rejection, Rejects},
    consent_notice, consent_receipt,
    output::{Printing, Record, Table},
    partner_file::read_text,
    remote::{Remote, Service},
    rights::{self, Giver, Opening},
    text::{counted, printable},
};
use crate::domain::RecordType;
use crate::verify::verify_case;
use crate::wire::v1::{
    self, consent_service_client::ConsentServiceClient, rights_service_client::RightsServiceClient,
};
use clap::Subcommand;
use jiff::civil::Date;
use std::{
    fs,
    path::{Path, PathBuf},
};

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

const WITHDRAW_HELP: &str = "\
By reference: no record that relies on that consent is taken or counted from now on.
Under a case: nothing of the subject's is, on any flow that rests on consent, whoever sends it;
each party that holds a live record of its own is told, and has to acknowledge. The subject is
named by one of your own records, or by an identity in a file (see `tallygate rights open --help`).

Examples:
  tallygate consent withdraw C-2026-0117 --profile centres.toml
  tallygate consent withdraw --case IG-2026-17 --type registration --record R-0815 \\
    --requested-on 2026-05-12 --profile centres.toml";

const PROVE_HELP: &str = "\
Example:
  tallygate consent prove IG-2026-17 --out proof.json --profile centres.toml";

const VERIFY_HELP: &str = "\
Each entry must stand in the log that was signed and name the document beside it; your own
acknowledgements must be signed with the keys that they name.

Example:
  tallygate consent verify-proof proof.json --vkey-file log.vkey";

/// Whose consent is withdrawn, under a case.
#[derive(Debug, clap::Args)]
pub(super) struct Subject {
    /// Your own reference of the case: at most 36 characters.
    #[arg(long = "case", value_name = "REF", requires = "requested_on")]
    case_ref: Option<String>,
    /// The type of the record that names the subject.
    #[arg(long = "type", value_name = "RECORD_TYPE", requires = "record")]
    record_type: Option<RecordType>,
    /// Your id of a record whose principal is the subject.
    #[arg(long, value_name = "RECORD_ID", requires = "record_type", conflicts_with = "identity")]
    record: Option<String>,
    /// A CSV file of one row: who the subject is, after proof of identity.
    #[arg(long, value_name = "FILE", requires = "case_ref")]
    identity: Option<PathBuf>,
    /// Who withdrew it.
    #[arg(long, value_name = "WHO", default_value = "parent")]
    given_by: Giver,
    /// The day it was asked for.
    #[arg(long, value_name = "DATE", requires = "case_ref")]
    requested_on: Option<Date>,
}

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
    /// Withdraws one consent by your reference of it, or all of a subject's under a case.
    #[command(after_help = WITHDRAW_HELP)]
    Withdraw {
        /// Your own reference of the consent.
        #[arg(required_unless_present = "case_ref", conflicts_with = "case_ref")]
        consent_ref: Option<String>,
        /// Your own reference of who withdraws it: nobody else's yes lifts it.
        #[arg(long, value_name = "REF", conflicts_with = "case_ref")]
        giver_ref: Option<String>,
        #[command(flatten)]
        subject: Subject,
        #[command(flatten)]
        remote: Remote,
        #[command(flatten)]
        printing: Printing,
    },
    /// Writes the proof that a case was honoured, once every party had its time.
    #[command(after_help = PROVE_HELP)]
    Prove {
        /// Your own reference of the case.
        case_ref: String,
        /// Where to write the proof.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        #[command(flatten)]
        remote: Remote,
    },
    /// Checks such a proof, without a gateway (exit code 1 when it proves nothing).
    #[command(name = "verify-proof", after_help = VERIFY_HELP)]
    VerifyProof {
        /// The proof.
        file: PathBuf,
        /// The log's verifier key; where the case lasted over a new year, each year's.
        #[arg(long, value_name = "FILE", required = true)]
        vkey_file: Vec<PathBuf>,
        #[command(flatten)]
        printing: Printing,
    },
    /// Writes a consent's receipt with the fields of ISO/IEC TS 27560.
    #[command(after_help = consent_receipt::HELP)]
    Receipt(consent_receipt::Receipt),
    /// States which privacy notice is in force for what you send without consent.
    #[command(after_help = consent_notice::HELP)]
    Notice(consent_notice::Notice),
    /// Lists what was stated about privacy notices: your own, or everybody's.
    #[command(after_help = consent_notice::LIST_HELP)]
    Notices(consent_notice::Notices),
    /// Shows the state of one consent, today or as it was known on a day.
    #[command(after_help = SHOW_HELP)]
    Show {
        /// Your own reference of the consent.
        consent_ref: String,
        /// The state on this day.
        #[arg(long, value_name = "YYYY-MM-DD")]
        on: Option<Date>,
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

impl Subject {
    fn opening(self) -> Option<Opening> {
        Some(Opening {
            case_ref: self.case_ref?,
            record_type: self.record_type,
            record: self.record,
            identity: self.identity,
            given_by: self.given_by,
            requested_on: self.requested_on?,
        })
    }
}

type Client = ConsentServiceClient<Service>;

impl ConsentCommand {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        match self {
            Self::Record { file, rejects, remote, printing } => {
                return record(file, rejects, &remote, printing, console).await;
            }
            Self::Receipt(receipt) => return receipt.run(console).await,
            Self::Notice(notice) => return notice.run(console).await,
            Self::Notices(notices) => return notices.run(console).await,
            Self::Withdraw { subject, remote, printing, .. } if subject.case_ref.is_some() => {
                if let Some(opening) = subject.opening() {
                    let kind = rights::Kind::Withdrawal;
                    rights::open(kind, opening, &remote, printing, console).await?;
                }
            }
            Self::Withdraw { consent_ref, giver_ref, subject, remote, .. } => {
                let session = remote.open().await?;
                // Without a reference of its own a giver is nobody in particular.
                let given_by = match giver_ref.as_ref().map(|_| subject.given_by) {
                    None => v1::ConsentGiver::Unspecified,
                    Some(Giver::Subject) => v1::ConsentGiver::Subject,
                    Some(Giver::Parent) => v1::ConsentGiver::Parent,
                    Some(Giver::Carer) => v1::ConsentGiver::Carer,
                };
                let request = v1::WithdrawConsentRequest {
                    consent_ref: consent_ref.unwrap_or_default(),
                    given_by: given_by.into(),
                    giver_ref: giver_ref.unwrap_or_default(),
                };
                let answer = Client::new(session.service()).withdraw_consent(request).await?;
                console.note("withdrawn");
                session.logged(console, answer.into_inner().receipt)?;
            }
            Self::Prove { case_ref, out, remote } => {
                let session = remote.open().await?;
                let mut client = RightsServiceClient::new(session.service());
                let answer = client.prove_case(v1::ProveCaseRequest { case_ref }).await?;
                let answer = answer.into_inner();
                fs::write(&out, answer.proof)
                    .map_err(|source| CliError::Unwritable { path: out.clone(), source })?;
                session.logged(console, answer.receipt)?;
                console.note(&format!("{} proves it", out.display()));
            }
            Self::VerifyProof { file, vkey_file, printing } => {
                return verify_proof(&file, &vkey_file, printing, console);
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

fn verify_proof(
    file: &Path,
    keys: &[PathBuf],
    printing: Printing,
    console: &mut Console<'_>,
) -> Result<Outcome, CliError> {
    let keys: Vec<_> = keys.iter().map(|path| read_key(path)).collect::<Result<_, _>>()?;
    match verify_case(&read_text(file)?, &keys) {
        Ok(proved) => {
            let record = Record::default()
                .with("verdict", "holds")
                .with("partner", printable(&proved.partner))
                .with("choice", printable(&proved.choice))
                .with("requested_on", printable(&proved.requested_on))
                .with("opened_at", printable(&proved.opened_at))
                .with("own_acknowledgements", proved.acknowledgements as u64)
                .with("own_notices_acknowledged", proved.acknowledged as u64)
                .with("own_notices_open", proved.not_acknowledged as u64)
                .with("looked_on", printable(&proved.looked_on));
            console.record(printing.format, &record)?;
            Ok(Outcome::Done)
        }
        Err(problem) => {
            console.note(&format!("FAILED: {}: {problem}", file.display()));
            Ok(Outcome::WithFindings)
        }
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
