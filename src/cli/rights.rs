//! `tallygate rights`: cases of subjects' rights. A subject's identity is read from a file and
//! never from an argument, which other people on the machine may see.

use super::{
    CliError, Console, Outcome,
    argument::shown_moment,
    output::{Printing, Record, Table},
    remote::{Remote, Service, present},
};
use crate::{
    domain::RecordType,
    files::CsvTable,
    wire::v1::{self, open_case_request::Subject, rights_service_client::RightsServiceClient},
};
use clap::{Args, Subcommand, ValueEnum};
use jiff::civil::Date;
use serde_json::{Value, json};
use std::{
    fs::File,
    path::{Path, PathBuf},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  tallygate rights open --kind objection --case IG-2026-17 --type health_review --record R-0815 \\
    --given-by parent --requested-on 2026-05-12 --profile health.toml
  tallygate rights show IG-2026-17 --profile health.toml
  tallygate rights end IG-2026-17 --profile health.toml";

const OPEN_HELP: &str = "\
The subject is named by one of your own records, or by an identity that you have proved, in a CSV
file of one row with some of the columns nhs_number, surname, forename, date_of_birth, sex and
postcode: an NHS number with a date of birth, or all but the NHS number. Both are kept only as
pseudonyms. The answer says for each flow that you may read what the choice does to it, and why;
it says nothing about who has records of the subject. A case by identity that erases what others
sent opens when a second person of your organisation makes the same call within 7 days.

Example:
  tallygate rights open --kind restriction --case IG-2026-18 --identity proved.csv \\
    --given-by subject --requested-on 2026-05-12 --profile officer.toml";

/// What a subject chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    /// Withdraws consent.
    Withdrawal,
    /// Objects, UK GDPR article 21.
    Objection,
    /// Wants processing restricted, article 18.
    Restriction,
    /// Wants the data erased, article 17.
    Erasure,
    /// Wants one record put right, article 16.
    Rectification,
    /// The national data opt-out.
    OptOut,
}

/// Who chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Giver {
    /// The subject.
    Subject,
    /// A parent with parental responsibility.
    Parent,
    /// A carer with parental responsibility.
    Carer,
}

/// A case to open.
#[derive(Debug, Args)]
pub(super) struct Opening {
    /// Your own reference of the case: at most 36 characters.
    #[arg(long = "case", value_name = "REF")]
    pub(super) case_ref: String,
    /// The type of the record that names the subject.
    #[arg(long = "type", value_name = "RECORD_TYPE", requires = "record")]
    pub(super) record_type: Option<RecordType>,
    /// Your id of a record whose principal is the subject.
    #[arg(
        long,
        value_name = "RECORD_ID",
        requires = "record_type",
        required_unless_present = "identity",
        conflicts_with = "identity"
    )]
    pub(super) record: Option<String>,
    /// A CSV file of one row: who the subject is, after proof of identity.
    #[arg(long, value_name = "FILE")]
    pub(super) identity: Option<PathBuf>,
    /// Who chose.
    #[arg(long, value_name = "WHO", default_value = "parent")]
    pub(super) given_by: Giver,
    /// The day it was asked for.
    #[arg(long, value_name = "DATE")]
    pub(super) requested_on: Date,
}

#[derive(Debug, Subcommand)]
pub(super) enum RightsCommand {
    /// Opens a case: nothing of the subject's is taken or counted from now on where it reaches.
    #[command(after_help = OPEN_HELP)]
    Open {
        /// What the subject chose.
        #[arg(long)]
        kind: Kind,
        #[command(flatten)]
        opening: Opening,
        #[command(flatten)]
        remote: Remote,
        #[command(flatten)]
        printing: Printing,
    },
    /// Shows a case of your own: what it does to which flow, and how far the parties have come.
    #[command(after_help = "Example:\n  tallygate rights show IG-2026-17 --profile health.toml")]
    Show {
        /// Your own reference.
        case_ref: String,
        #[command(flatten)]
        remote: Remote,
        #[command(flatten)]
        printing: Printing,
    },
    /// Ends a case: consent given again, objection resolved, restriction lifted.
    #[command(after_help = "Example:\n  tallygate rights end IG-2026-17 --profile health.toml")]
    End {
        /// Your own reference.
        case_ref: String,
        #[command(flatten)]
        remote: Remote,
        #[command(flatten)]
        printing: Printing,
    },
    /// Lists your own cases, the oldest first. References are kept as pseudonyms: none is shown.
    #[command(after_help = "Example:\n  tallygate rights list --format csv --profile health.toml")]
    List {
        #[command(flatten)]
        remote: Remote,
        #[command(flatten)]
        printing: Printing,
    },
}

type Client = RightsServiceClient<Service>;

impl RightsCommand {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        match self {
            Self::Open { kind, opening, remote, printing } => {
                open(kind, opening, &remote, printing, console).await?;
            }
            Self::Show { case_ref, remote, printing } => {
                let session = remote.open().await?;
                let request = v1::GetCaseRequest { case_ref };
                let answer = Client::new(session.service()).get_case(request).await?.into_inner();
                show(&present(answer.case, "case")?, printing, console)?;
                session.logged(console, answer.receipt)?;
            }
            Self::End { case_ref, remote, printing } => {
                let session = remote.open().await?;
                let request = v1::EndCaseRequest { case_ref };
                let answer = Client::new(session.service()).end_case(request).await?.into_inner();
                console.note("ended; what was erased stays erased");
                show(&present(answer.case, "case")?, printing, console)?;
                session.logged(console, answer.receipt)?;
            }
            Self::List { remote, printing } => {
                let session = remote.open().await?;
                let request = v1::ListCasesRequest {};
                let answer = Client::new(session.service()).list_cases(request).await?.into_inner();
                let columns = ["kind", "requested_on", "opened_on", "state", "due_on", "progress"];
                let mut table = Table::new(&columns);
                for case in &answer.cases {
                    let (kind, state) = (kind_name(case.kind()), state_name(case));
                    table.row([
                        json!(kind),
                        json!(case.requested_on),
                        json!(case.opened_on),
                        json!(state),
                        json!(case.due_on),
                        json!(case.progress),
                    ]);
                }
                console.table(printing.format, &table)?;
                session.logged(console, answer.receipt)?;
            }
        }
        Ok(Outcome::Done)
    }
}

/// Opens a case and shows it.
pub(super) async fn open(
    kind: Kind,
    opening: Opening,
    remote: &Remote,
    printing: Printing,
    console: &mut Console<'_>,
) -> Result<(), CliError> {
    let request = request(kind, opening)?;
    let session = remote.open().await?;
    let answer = Client::new(session.service()).open_case(request).await?.into_inner();
    if let Some(awaited) = answer.awaited {
        console.note("nothing is done yet: a second person has to make the same call");
        let record = Record::default()
            .with("waits_for", "a second person")
            .with("act", hex::encode(&awaited.act_digest))
            .with("until", shown_moment(awaited.expires_at));
        console.record(printing.format, &record)?;
        return session.logged(console, answer.receipt);
    }
    show(&present(answer.case, "case")?, printing, console)?;
    session.logged(console, answer.receipt)
}

fn request(kind: Kind, opening: Opening) -> Result<v1::OpenCaseRequest, CliError> {
    let kind = match kind {
        Kind::Withdrawal => v1::CaseKind::Withdrawal,
        Kind::Objection => v1::CaseKind::Objection,
        Kind::Restriction => v1::CaseKind::Restriction,
        Kind::Erasure => v1::CaseKind::Erasure,
        Kind::Rectification => v1::CaseKind::Rectification,
        Kind::OptOut => v1::CaseKind::OptOut,
    };
    let given_by = match opening.given_by {
        Giver::Subject => v1::ConsentGiver::Subject,
        Giver::Parent => v1::ConsentGiver::Parent,
        Giver::Carer => v1::ConsentGiver::Carer,
    };
    let record = opening.record_type.zip(opening.record).map(|(record_type, record_id)| {
        Subject::Record(v1::CaseRecord { record_type: record_type.name().to_owned(), record_id })
    });
    let subject = match (record, opening.identity) {
        (Some(record), _) => Some(record),
        (None, Some(path)) => Some(Subject::Identity(identity(&path)?)),
        (None, None) => None,
    };
    Ok(v1::OpenCaseRequest {
        case_ref: opening.case_ref,
        kind: kind.into(),
        given_by: given_by.into(),
        requested_on: opening.requested_on.to_string(),
        subject,
    })
}

/// The identity in a file of one row; columns that are not there are empty.
fn identity(path: &Path) -> Result<v1::CaseIdentity, CliError> {
    let wrong = || CliError::WrongForm {
        path: path.to_owned(),
        expected: "CSV of one row with columns of nhs_number, surname, forename, date_of_birth, \
                   sex and postcode",
    };
    let file = File::open(path)
        .map_err(|source| CliError::Unreadable { path: path.to_owned(), source })?;
    let mut table = CsvTable::open(file).map_err(|_| wrong())?;
    let names = ["nhs_number", "surname", "forename", "date_of_birth", "sex", "postcode"];
    let columns = table.columns().to_vec();
    if columns.iter().any(|column| !names.contains(&column.as_str())) {
        return Err(wrong());
    }
    let order: Vec<usize> = (0..columns.len()).collect();
    let mut identity = v1::CaseIdentity::default();
    let row = table.next_row().map_err(|_| wrong())?.ok_or_else(wrong)?;
    let values = row.values(&order).map_err(|_| wrong())?;
    for (column, value) in columns.iter().zip(values) {
        let into = match column.as_str() {
            "nhs_number" => &mut identity.nhs_number,
            "surname" => &mut identity.surname,
            "forename" => &mut identity.forename,
            "date_of_birth" => &mut identity.date_of_birth,
            "sex" => &mut identity.sex,
            _ => &mut identity.postcode,
        };
        value.clone_into(into);
    }
    match table.next_row().map_err(|_| wrong())? {
        Some(_) => Err(wrong()),
        None => Ok(identity),
    }
}

pub(super) const fn kind_name(kind: v1::CaseKind) -> &'static str {
    match kind {
        v1::CaseKind::Unspecified => "unknown",
        v1::CaseKind::Withdrawal => "withdrawal",
        v1::CaseKind::Objection => "objection",
        v1::CaseKind::Restriction => "restriction",
        v1::CaseKind::Erasure => "erasure",
        v1::CaseKind::Rectification => "rectification",
        v1::CaseKind::OptOut => "opt_out",
    }
}

const fn state_name(case: &v1::Case) -> &'static str {
    if case.ended { "ended" } else { "open" }
}

fn show(case: &v1::Case, printing: Printing, console: &mut Console<'_>) -> Result<(), CliError> {
    let flows: Vec<Value> = case
        .flows
        .iter()
        .map(|flow| {
            json!(format!(
                "{}: {} sends {} ({} v{} /flows/{}): {}",
                flow.effect,
                flow.from,
                flow.record_type,
                flow.protocol,
                flow.version,
                flow.flow,
                flow.words
            ))
        })
        .collect();
    let record = Record::default()
        .with("kind", kind_name(case.kind()))
        .with("state", state_name(case))
        .with("requested_on", case.requested_on.as_str())
        .with("opened_on", case.opened_on.as_str())
        .with("due_on", case.due_on.as_str())
        .with("progress", case.progress.as_str())
        .with("own_notices", case.own_notices)
        .with("own_acknowledged", case.own_acknowledged)
        .with("flows", json!(flows));
    console.record(printing.format, &record)
}
