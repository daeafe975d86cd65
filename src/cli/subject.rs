//! `tallygate subject`: what a person may see of what is held.

use super::{
    CliError, Console, Outcome,
    argument::shown_moment,
    output::{Printing, Record, Table},
    partner_file::read_text,
    remote::{Remote, Service, present},
    subject_relink,
};
use crate::{
    domain::RecordType,
    gateway::{IdentityProof, WithholdReason, report_info},
    keys::{RecipientKey, RecipientSecret, hpke::SUITE_NAME},
    wire::v1::{self, subject_service_client::SubjectServiceClient},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use clap::Subcommand;
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

pub(super) const EXAMPLES: &str = "\
Examples:
  tallygate subject request --proof passport --received 2026-11-20 --profile officer.toml
  tallygate subject report 7 --who person.csv --to dpo.pub --out report.json --profile officer.toml
  tallygate subject open report.json --key dpo.key";

const REQUEST_HELP: &str = "\
Proofs of identity: passport, driving_licence, birth_certificate (with proof of parental
responsibility), online_verified, known_in_person, legal_representative.

Example:
  tallygate subject request --proof passport --received 2026-11-20 --profile officer.toml";

const REPORT_HELP: &str = "\
Two data officers make a report: the first call is a word, the same call by the second makes it.
FILE is CSV with a heading and one row, of the columns that record types have: nhs_number,
date_of_birth, surname, forename, sex, postcode and so on. It is read here and keyed and wiped at
the gateway; no argument names anybody.

Example:
  tallygate subject report 7 --who person.csv --to dpo.pub --out report.json --profile officer.toml";

const WITHHOLD_HELP: &str = "\
What is withheld is left out of reports to the person it is about, and can't be told from what is
not there. Child protection cases are withheld without a mark, until --show names them.

Reasons:
  dpa_sch3_para21   child abuse data, where showing it is not in the child's best interests
  dpa_sch3_para5    health data, where showing it would be likely to cause serious harm
  dpa_sch3_para11   social work data, likewise
  dpa_sch3_para19   education data, likewise
  dpa_sch2_para2    preventing or detecting crime
  dpa_sch2_para16   it would show who somebody else is
  dpa_sch2_para19   legal professional privilege
  dpa_sch4_para3    adoption records

Examples:
  tallygate subject withhold F-0815 --type family_case --reason dpa_sch3_para21 --profile families.toml
  tallygate subject withhold --all --type health_review --reason dpa_sch3_para5 --profile health.toml
  tallygate subject withhold F-0816 --show --type family_case --reason dpa_sch3_para21 --profile families.toml";

/// What the file of a sealed report calls itself.
const FORM: &str = "tallygate-subject-report/2";

#[derive(Debug, Subcommand)]
pub(super) enum SubjectCommand {
    /// Enters a person's wish to see what is held, after proof of identity.
    #[command(after_help = REQUEST_HELP)]
    Request {
        /// By what they proved who they are: a code of the list below.
        #[arg(long, value_name = "CODE", value_parser = proof)]
        proof: IdentityProof,
        /// The day the wish was received; today when left out.
        #[arg(long, value_name = "YYYY-MM-DD")]
        received: Option<jiff::civil::Date>,
        #[command(flatten)]
        remote: Remote,
        #[command(flatten)]
        printing: Printing,
    },
    /// Makes the report of a request, sealed; it takes two data officers.
    #[command(after_help = REPORT_HELP)]
    Report(Report),
    /// Opens a sealed report, on the machine of whoever holds the key.
    #[command(after_help = "Example:\n  tallygate subject open report.json --key dpo.key")]
    Open {
        /// The sealed report.
        file: PathBuf,
        /// The private key, as `subject new-key` wrote it.
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
    /// Lists the requests: received, due, done.
    #[command(after_help = "Example:\n  tallygate subject list --profile officer.toml")]
    List {
        #[command(flatten)]
        remote: Remote,
        #[command(flatten)]
        printing: Printing,
    },
    /// Marks records of your own that a report must not show.
    #[command(after_help = WITHHOLD_HELP)]
    Withhold(Withhold),
    /// Resolves every subject anew by the linkage rules in use, beside intake.
    #[command(after_help = subject_relink::HELP)]
    Relink(subject_relink::Relink),
    /// Makes the key pair of a data protection officer, offline.
    #[command(after_help = "Example:\n  tallygate subject new-key --out dpo")]
    NewKey {
        /// The folder to write to.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        #[command(flatten)]
        printing: Printing,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct Report {
    /// The request's number.
    number: u64,
    /// Who it is about: a CSV file with one row.
    #[arg(long, value_name = "FILE")]
    who: PathBuf,
    /// The data protection officer's public key.
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// Where the sealed report is written.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    printing: Printing,
}

#[derive(Debug, clap::Args)]
pub(super) struct Withhold {
    /// Your ids of the records.
    #[arg(value_name = "RECORD_ID", required_unless_present = "all", conflicts_with = "all")]
    ids: Vec<String>,
    /// Every record of the type.
    #[arg(long)]
    all: bool,
    /// Show them, in place of withholding them.
    #[arg(long)]
    show: bool,
    /// Their type.
    #[arg(long = "type", value_name = "RECORD_TYPE")]
    record_type: RecordType,
    /// The paragraph of the Data Protection Act 2018: a code of the list below.
    #[arg(long, value_name = "CODE", value_parser = reason)]
    reason: WithholdReason,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    printing: Printing,
}

type Client = SubjectServiceClient<Service>;

fn proof(code: &str) -> Result<IdentityProof, &'static str> {
    IdentityProof::from_code(code).ok_or("no such proof of identity")
}

fn reason(code: &str) -> Result<WithholdReason, &'static str> {
    WithholdReason::from_code(code).ok_or("no such paragraph")
}

impl SubjectCommand {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        match self {
            Self::Request { proof, received, remote, printing } => {
                let session = remote.open().await?;
                let request = v1::AskReportRequest {
                    proof: wire_proof(proof).into(),
                    received_on: received.map(|day| day.to_string()).unwrap_or_default(),
                };
                let answer = Client::new(session.service()).ask_report(request).await?;
                let answer = answer.into_inner();
                let request = present(answer.request, "request")?;
                let record = Record::default()
                    .with("number", request.number)
                    .with("received_on", request.received_on)
                    .with("due_on", request.due_on);
                console.record(printing.format, &record)?;
                session.logged(console, answer.receipt)?;
            }
            Self::Report(report) => report.run(console).await?,
            Self::Relink(relink) => return relink.run(console).await,
            Self::Open { file, key } => console.text(&opened(&file, &key)?)?,
            Self::List { remote, printing } => {
                let session = remote.open().await?;
                let request = v1::ListSubjectRequestsRequest {};
                let answer = Client::new(session.service()).list_subject_requests(request).await?;
                let answer = answer.into_inner();
                let columns = ["number", "proof", "received_on", "due_on", "done_at", "overdue"];
                let mut table = Table::new(&columns);
                let overdue = answer.requests.iter().any(|request| request.overdue);
                for request in answer.requests {
                    table.row([
                        json!(request.number),
                        json!(request.proof),
                        json!(request.received_on),
                        json!(request.due_on),
                        json!(request.done_at),
                        json!(request.overdue),
                    ]);
                }
                console.table(printing.format, &table)?;
                session.logged(console, answer.receipt)?;
                return Ok(Outcome::findings(overdue));
            }
            Self::Withhold(withhold) => withhold.run(console).await?,
            Self::NewKey { out, printing } => new_key(&out, printing, console)?,
        }
        Ok(Outcome::Done)
    }
}

impl Report {
    async fn run(self, console: &mut Console<'_>) -> Result<(), CliError> {
        let (columns, values) = person(&self.who)?;
        let recipient = key_of(&self.to)?;
        let session = self.remote.open().await?;
        let request = v1::ReportSubjectRequest {
            number: self.number,
            columns,
            values,
            recipient: recipient.to_vec(),
        };
        let answer = Client::new(session.service()).report_subject(request).await?.into_inner();
        let record = Record::default().with("number", self.number);
        if let Some(awaited) = &answer.awaited {
            let until = shown_moment(awaited.expires_at);
            console.note(&format!(
                "waiting for a second person: nothing is made until another data officer makes \
                 the same call, until {until}"
            ));
            let state = "waiting for a second person";
            let record = record.with("state", state).with("until", until);
            console.record(self.printing.format, &record)?;
            return session.logged(console, answer.receipt);
        }
        let sealed = json!({
            "form": FORM,
            "suite": SUITE_NAME,
            "info": report_info(self.number),
            "request": self.number,
            "key_id": answer.key_id,
            "encapsulated_secret": STANDARD.encode(&answer.encapsulated_secret),
            "sealed": STANDARD.encode(&answer.sealed),
        });
        write(&self.out, &format!("{sealed:#}\n"))?;
        let record = record.with("state", "made").with("key_id", answer.key_id);
        let record = record.with("file", self.out.display().to_string());
        console.record(self.printing.format, &record)?;
        session.logged(console, answer.receipt)
    }
}

impl Withhold {
    async fn run(self, console: &mut Console<'_>) -> Result<(), CliError> {
        let session = self.remote.open().await?;
        let request = v1::MarkWithheldRequest {
            record_type: self.record_type.name().to_owned(),
            record_ids: self.ids,
            shown: self.show,
            reason: wire_reason(self.reason).into(),
        };
        let answer = Client::new(session.service()).mark_withheld(request).await?.into_inner();
        let record = Record::default()
            .with("received", answer.received)
            .with("all", self.all)
            .with("state", if self.show { "shown" } else { "withheld" });
        console.record(self.printing.format, &record)?;
        session.logged(console, answer.receipt)
    }
}

/// The one row of a file of one person.
fn person(path: &Path) -> Result<(Vec<String>, Vec<String>), CliError> {
    let expected = "CSV with a heading and one row, of the columns of an identity";
    let wrong = || CliError::WrongForm { path: path.to_owned(), expected };
    let text = Zeroizing::new(read_text(path)?);
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let columns = reader.headers().map_err(|_| wrong())?.iter().map(str::to_owned).collect();
    let mut rows = reader.records();
    let row = rows.next().and_then(Result::ok).ok_or_else(wrong)?;
    if rows.next().is_some() {
        return Err(wrong());
    }
    Ok((columns, row.iter().map(str::to_owned).collect()))
}

/// The 32 bytes of a public key's file: base64 on one line.
fn key_of(path: &Path) -> Result<[u8; 32], CliError> {
    let wrong = || CliError::WrongForm {
        path: path.to_owned(),
        expected: "a key as `subject new-key` writes it",
    };
    let bytes = STANDARD.decode(read_text(path)?.trim()).map_err(|_| wrong())?;
    bytes.as_slice().try_into().map_err(|_| wrong())
}

/// What a sealed report says.
fn opened(file: &Path, key: &Path) -> Result<String, CliError> {
    let expected = "a sealed report, as `subject report` writes it";
    let wrong = || CliError::WrongForm { path: file.to_owned(), expected };
    let sealed: Value = serde_json::from_str(&read_text(file)?).map_err(|_| wrong())?;
    let bytes = |name: &str| {
        let text = sealed.get(name).and_then(Value::as_str)?;
        STANDARD.decode(text).ok()
    };
    if sealed.get("form").and_then(Value::as_str) != Some(FORM) {
        return Err(wrong());
    }
    let request = sealed.get("request").and_then(Value::as_u64).ok_or_else(wrong)?;
    let secret = bytes("encapsulated_secret").ok_or_else(wrong)?;
    let text = bytes("sealed").ok_or_else(wrong)?;
    let key = RecipientSecret::load(key)
        .map_err(|error| CliError::Failed { act: "read the key", source: error.into() })?;
    let plain = key
        .open(&secret, report_info(request).as_bytes(), &text)
        .map_err(|error| CliError::Failed { act: "open the report", source: error.into() })?;
    let report: Value = serde_json::from_slice(&plain).map_err(|_| wrong())?;
    Ok(format!("{report:#}\n"))
}

fn new_key(out: &Path, printing: Printing, console: &mut Console<'_>) -> Result<(), CliError> {
    let made = RecipientSecret::generate();
    let (secret, public): (RecipientSecret, RecipientKey) = made.map_err(super::keys::failed)?;
    fs::create_dir_all(out)
        .map_err(|source| CliError::Unwritable { path: out.to_owned(), source })?;
    let (private_file, public_file) = (out.join("dpo.key"), out.join("dpo.pub"));
    secret.write_new(&private_file).map_err(super::keys::failed)?;
    write(&public_file, &format!("{}\n", STANDARD.encode(public.as_bytes())))?;
    let record = Record::default()
        .with("key_id", public.id())
        .with("private_file", private_file.display().to_string())
        .with("public_file", public_file.display().to_string());
    console.record(printing.format, &record)
}

fn write(path: &Path, text: &str) -> Result<(), CliError> {
    fs::write(path, text).map_err(|source| CliError::Unwritable { path: path.to_owned(), source })
}

const fn wire_proof(proof: IdentityProof) -> v1::IdentityProof {
    match proof {
        IdentityProof::Passport => v1::IdentityProof::Passport,
        IdentityProof::DrivingLicence => v1::IdentityProof::DrivingLicence,
        IdentityProof::BirthCertificate => v1::IdentityProof::BirthCertificate,
        IdentityProof::OnlineVerified => v1::IdentityProof::OnlineVerified,
        IdentityProof::KnownInPerson => v1::IdentityProof::KnownInPerson,
        IdentityProof::LegalRepresentative => v1::IdentityProof::LegalRepresentative,
    }
}

const fn wire_reason(reason: WithholdReason) -> v1::WithholdReason {
    match reason {
        WithholdReason::ChildAbuse => v1::WithholdReason::ChildAbuse,
        WithholdReason::SeriousHarmHealth => v1::WithholdReason::SeriousHarmHealth,
        WithholdReason::SeriousHarmSocialWork => v1::WithholdReason::SeriousHarmSocialWork,
        WithholdReason::SeriousHarmEducation => v1::WithholdReason::SeriousHarmEducation,
        WithholdReason::Crime => v1::WithholdReason::Crime,
        WithholdReason::RightsOfOthers => v1::WithholdReason::RightsOfOthers,
        WithholdReason::LegalPrivilege => v1::WithholdReason::LegalPrivilege,
        WithholdReason::Adoption => v1::WithholdReason::Adoption,
    }
}
