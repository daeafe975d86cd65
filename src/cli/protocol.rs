//! `tallygate protocol`: sharing protocols at the gateway, and as papers offline.

use super::{
    CliError, Console, Outcome,
    output::{Format, Printing, Record, Table},
    partner_file::read_text,
    protocol_draft::New,
    protocol_paper::{Kind, Sign, Verify},
    remote::{Remote, Service, present},
};
use crate::{
    domain::{AreaCode, PartnerId, ProtocolId, RecordType, TableId},
    protocol::Envelope,
    wire::v1::{self, protocol_service_client::ProtocolServiceClient},
};
use clap::Subcommand;
use jiff::civil::Date;
use serde_json::json;
use std::path::PathBuf;

pub(super) const EXAMPLES: &str = "\
Examples:
  tallygate protocol new --template health > isp-health.json
  tallygate protocol submit isp-health.json --profile officer.toml
  tallygate protocol list --profile health.toml";

#[derive(Debug, Subcommand)]
pub(super) enum ProtocolCommand {
    /// Drafts a protocol from a template, offline.
    New(New),
    /// Adds a signature to a draft or a partly signed copy, offline.
    Sign(Sign),
    /// Verifies a document's signatures offline.
    Verify(Verify),
    /// Submits a signed protocol or root policy; active once every signature it needs is there.
    #[command(
        after_help = "Examples:\n  tallygate protocol submit isp-health.json --profile officer.toml\n  tallygate protocol submit root-policy.json --profile officer.toml"
    )]
    Submit {
        /// The signed protocol: General JWS JSON, as `protocol sign` writes it.
        file: PathBuf,
        #[command(flatten)]
        remote: Remote,
        #[command(flatten)]
        printing: Printing,
    },
    /// Lists the protocols that you are a party to.
    #[command(
        after_help = "Example:\n  tallygate protocol list --format json --profile health.toml"
    )]
    List {
        #[command(flatten)]
        remote: Remote,
        #[command(flatten)]
        printing: Printing,
    },
    /// Shows where one protocol stands, or its signed text.
    #[command(
        after_help = "Example:\n  tallygate protocol show isp-health --document --profile health.toml > isp-health.json"
    )]
    Show {
        /// The protocol's id.
        protocol: ProtocolId,
        /// Its version; the latest when left out.
        #[arg(long, value_name = "N")]
        version: Option<u32>,
        /// Print the signed text itself.
        #[arg(long)]
        document: bool,
        #[command(flatten)]
        remote: Remote,
        #[command(flatten)]
        printing: Printing,
    },
    /// Suspends your own part of a protocol at once.
    #[command(
        after_help = "Example:\n  tallygate protocol suspend isp-health --profile health.toml"
    )]
    Suspend {
        /// The protocol's id.
        protocol: ProtocolId,
        #[command(flatten)]
        remote: Remote,
        #[command(flatten)]
        printing: Printing,
    },
    /// Lifts your own suspension.
    #[command(
        after_help = "Example:\n  tallygate protocol resume isp-health --profile health.toml"
    )]
    Resume {
        /// The protocol's id.
        protocol: ProtocolId,
        #[command(flatten)]
        remote: Remote,
        #[command(flatten)]
        printing: Printing,
    },
    /// Says whether a record or a figure would be allowed, and by which clause (exit code 1
    /// when it would not).
    #[command(
        after_help = "Examples:\n  tallygate protocol explain --protocol isp-health --type live_birth --columns nhs_number,postcode \\\n    --profile health.toml\n  tallygate protocol explain --field health_review.outcome --area E01009600 --day 2026-05-01 --profile health.toml\n  tallygate protocol explain --table engagement --area CC01 --profile manager-cc01.toml"
    )]
    Explain(Question),
}

/// What `explain` asks: about records (--type or --field), or about a figure (--table and
/// --area).
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("about").required(true).args(["record_type", "fields", "table"]))]
pub(super) struct Question {
    /// The protocol relied on; for single fields and figures, any that would allow it when left
    /// out.
    #[arg(long, value_name = "ID", required_unless_present_any = ["table", "fields"])]
    protocol: Option<ProtocolId>,
    /// The partner that would act; your own when left out.
    #[arg(long, value_name = "ID")]
    partner: Option<PartnerId>,
    /// The purpose claimed; planning when left out, and none for single fields.
    #[arg(long, value_name = "PURPOSE")]
    purpose: Option<String>,
    /// Records of this type, to be sent.
    #[arg(long = "type", value_name = "RECORD_TYPE")]
    record_type: Option<RecordType>,
    /// The columns they would have.
    #[arg(
        long,
        value_name = "COLUMN",
        value_delimiter = ',',
        requires = "record_type",
        conflicts_with = "area"
    )]
    columns: Vec<String>,
    /// Single fields of one record type, to be sent: what the flow requires goes with them.
    #[arg(long = "field", value_name = "RECORD_TYPE.FIELD", value_delimiter = ',', value_parser = parse_field)]
    fields: Vec<RecordField>,
    /// A figure of this table of the catalogue.
    #[arg(long, value_name = "TABLE", requires = "area")]
    table: Option<TableId>,
    /// The figure's area; for records, where their subjects live (an LSOA or an area).
    #[arg(long, value_name = "CODE")]
    area: Option<AreaCode>,
    /// The day, also one gone by or to come; today when left out.
    #[arg(long, value_name = "YYYY-MM-DD")]
    day: Option<Date>,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    printing: Printing,
}

/// A field with its record type: `health_review.outcome`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct RecordField {
    record_type: RecordType,
    field: String,
}

fn parse_field(text: &str) -> Result<RecordField, &'static str> {
    let rule = "write the record type, a dot and the field, like health_review.outcome";
    let (record_type, field) = text.split_once('.').ok_or(rule)?;
    let record_type = record_type.parse().map_err(|_| rule)?;
    Ok(RecordField { record_type, field: field.to_owned() })
}

impl Question {
    /// What is asked of the gateway.
    fn request(self) -> Result<v1::ExplainDecisionRequest, CliError> {
        let mut types = self.fields.iter().map(|field| field.record_type);
        let of_fields = types.next();
        if types.any(|other| Some(other) != of_fields) {
            return Err(CliError::SeveralTypes);
        }
        let text = |id: Option<&dyn ToString>| id.map(ToString::to_string).unwrap_or_default();
        let single = of_fields.is_some();
        let usual = if single { "" } else { super::query::PLANNING };
        Ok(v1::ExplainDecisionRequest {
            protocol_id: text(self.protocol.as_ref().map(|id| id as _)),
            partner_id: text(self.partner.as_ref().map(|id| id as _)),
            purpose: self.purpose.unwrap_or_else(|| usual.to_owned()),
            record_type: text(self.record_type.or(of_fields).as_ref().map(|id| id as _)),
            columns: self.columns,
            table: text(self.table.as_ref().map(|id| id as _)),
            area: text(self.area.as_ref().map(|id| id as _)),
            fields: self.fields.into_iter().map(|field| field.field).collect(),
            day: text(self.day.as_ref().map(|day| day as _)),
        })
    }
}

type Client = ProtocolServiceClient<Service>;

impl ProtocolCommand {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        match self {
            Self::New(new) => return new.run(console),
            Self::Sign(sign) => return sign.run(console),
            Self::Verify(verify) => return verify.run(console),
            Self::Submit { file, remote, printing } => {
                submit(file, &remote, printing.format, console).await?;
            }
            Self::List { remote, printing } => list(&remote, printing.format, console).await?,
            Self::Show { protocol, version, document, remote, printing } => {
                let session = remote.open().await?;
                let request = v1::GetProtocolRequest {
                    protocol_id: protocol.to_string(),
                    version: version.unwrap_or(0),
                };
                let answer = Client::new(session.service()).get_protocol(request).await?;
                let answer = answer.into_inner();
                if document {
                    console.text(&answer.document)?;
                } else {
                    show(console, printing.format, answer.entry)?;
                }
                session.logged(console, answer.receipt)?;
            }
            Self::Suspend { protocol, remote, printing } => {
                let session = remote.open().await?;
                let request = v1::SuspendProtocolRequest { protocol_id: protocol.to_string() };
                let answer = Client::new(session.service()).suspend_protocol(request).await?;
                let answer = answer.into_inner();
                show(console, printing.format, answer.entry)?;
                session.logged(console, answer.receipt)?;
            }
            Self::Resume { protocol, remote, printing } => {
                let session = remote.open().await?;
                let request = v1::ResumeProtocolRequest { protocol_id: protocol.to_string() };
                let answer = Client::new(session.service()).resume_protocol(request).await?;
                let answer = answer.into_inner();
                show(console, printing.format, answer.entry)?;
                session.logged(console, answer.receipt)?;
            }
            Self::Explain(question) => return explain(question, console).await,
        }
        Ok(Outcome::Done)
    }
}

async fn submit(
    file: PathBuf,
    remote: &Remote,
    format: Format,
    console: &mut Console<'_>,
) -> Result<(), CliError> {
    let document = read_text(&file)?;
    let envelope = Envelope::parse(document.as_bytes())
        .map_err(|error| CliError::Rejected { path: file, source: error.into() })?;
    let session = remote.open().await?;
    let mut client = Client::new(session.service());
    match Kind::of(envelope.payload()) {
        Kind::Protocol => {
            let request = v1::SubmitProtocolRequest { document };
            let answer = client.submit_protocol(request).await?.into_inner();
            show(console, format, answer.entry)?;
            session.logged(console, answer.receipt)
        }
        Kind::RootPolicy => {
            let request = v1::SubmitRootPolicyRequest { document };
            let answer = client.submit_root_policy(request).await?.into_inner();
            let record = Record::default()
                .with("version", answer.version)
                .with("digest", hex::encode(&answer.digest));
            console.record(format, &record)?;
            session.logged(console, answer.receipt)
        }
    }
}

async fn list(remote: &Remote, format: Format, console: &mut Console<'_>) -> Result<(), CliError> {
    let session = remote.open().await?;
    let mut client = Client::new(session.service());
    let mut table = Table::new(&[
        "protocol_id",
        "version",
        "state",
        "parties",
        "effective",
        "review_by",
        "expires",
        "missing",
    ]);
    let mut page_token = String::new();
    loop {
        let request = v1::ListProtocolsRequest { page_size: 0, page_token };
        let answer = client.list_protocols(request).await?.into_inner();
        session.logged(console, answer.receipt)?;
        for entry in &answer.entries {
            table.row([
                json!(entry.protocol_id),
                json!(entry.version),
                json!(state(entry.state())),
                json!(entry.parties),
                json!(entry.effective),
                json!(entry.review_by),
                json!(entry.expires),
                json!(entry.missing),
            ]);
        }
        page_token = answer.next_page_token;
        if page_token.is_empty() {
            return console.table(format, &table);
        }
    }
}

fn show(
    console: &mut Console<'_>,
    format: Format,
    entry: Option<v1::ProtocolEntry>,
) -> Result<(), CliError> {
    console.record(format, &record(&present(entry, "entry")?))
}

fn record(entry: &v1::ProtocolEntry) -> Record {
    Record::default()
        .with("protocol_id", entry.protocol_id.as_str())
        .with("version", entry.version)
        .with("state", state(entry.state()))
        .with("title", entry.title.as_str())
        .with("parties", json!(entry.parties))
        .with("effective", entry.effective.as_str())
        .with("review_by", entry.review_by.as_str())
        .with("expires", entry.expires.as_str())
        .with("digest", hex::encode(&entry.digest))
        .with("missing", json!(entry.missing))
}

const fn state(state: v1::ProtocolState) -> &'static str {
    match state {
        v1::ProtocolState::Unspecified => "",
        v1::ProtocolState::Draft => "draft",
        v1::ProtocolState::PartlySigned => "partly_signed",
        v1::ProtocolState::Active => "active",
        v1::ProtocolState::Suspended => "suspended",
        v1::ProtocolState::Superseded => "superseded",
        v1::ProtocolState::Expired => "expired",
        v1::ProtocolState::Revoked => "revoked",
    }
}

async fn explain(question: Question, console: &mut Console<'_>) -> Result<Outcome, CliError> {
    let session = question.remote.open().await?;
    let format = question.printing.format;
    let request = question.request()?;
    let answer = Client::new(session.service()).explain_decision(request).await?.into_inner();
    let record = Record::default()
        .with("allowed", answer.allowed)
        .with("clause", answer.clause)
        .with("sentence", answer.sentence);
    console.record(format, &record)?;
    session.logged(console, answer.receipt)?;
    Ok(Outcome::findings(!answer.allowed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_shows_what_is_missing_line_by_line() {
        let entry = v1::ProtocolEntry {
            protocol_id: "isp-health".to_owned(),
            version: 2,
            state: v1::ProtocolState::PartlySigned.into(),
            missing: vec!["a signature of dwp".to_owned(), "a Caldicott Guardian".to_owned()],
            ..v1::ProtocolEntry::default()
        };
        let (mut out, mut err) = (Vec::new(), Vec::new());
        show(&mut Console::new(&mut out, &mut err, false), Format::Table, Some(entry)).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("State        partly_signed\n"), "{text}");
        assert!(
            text.contains("Missing      a signature of dwp\n             a Caldicott"),
            "{text}"
        );
    }

    #[test]
    fn an_answer_without_its_entry_is_an_error() {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let shown = show(&mut Console::new(&mut out, &mut err, false), Format::Table, None);
        assert!(matches!(shown, Err(CliError::AnswerIncomplete { part: "entry" })));
    }
}
