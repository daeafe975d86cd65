//! `tallygate protocol`: sharing protocols at the gateway, and as papers offline.

use super::{
    CliError, Console, Outcome,
    output::{Format, Printing, Record},
    partner_file::read_text,
    protocol_adherence::AdherenceDraft,
    protocol_diff::Diff,
    protocol_draft::New,
    protocol_paper::{Kind, Sign, Verify},
    protocol_register::{List, Show, revoked, show},
    protocol_reinstate::Reinstate,
    protocol_revoke::Revoke,
    protocol_schema::Schema,
    remote::{Remote, Service},
};
use crate::{
    domain::{AreaCode, PartnerId, ProtocolId, RecordType, TableId},
    protocol::Envelope,
    wire::v1::{self, protocol_service_client::ProtocolServiceClient},
};
use clap::Subcommand;
use jiff::civil::Date;
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
    /// Submits a signed protocol, root policy, deed, revocation or reinstatement.
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
    /// Lists the register of protocols, or those that a search finds.
    List(List),
    /// Shows where one protocol stands, what it changes, or its signed text.
    Show(Show),
    /// Says in words what an amendment changes, offline (exit code 1 when anything differs).
    Diff(Diff),
    /// Prints the JSON Schema of what is signed.
    Schema(Schema),
    /// Drafts a deed of adherence, by which a new party joins a protocol, offline.
    Adherence(AdherenceDraft),
    /// Revokes your own organisation's part of a protocol at once, with its officer's key.
    Revoke(Revoke),
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
    /// Agrees, by an officer's signed word, that what was suspended resumes.
    #[command(visible_alias = "resume")]
    Reinstate(Reinstate),
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

pub(super) type Client = ProtocolServiceClient<Service>;

impl ProtocolCommand {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        match self {
            Self::New(new) => return new.run(console),
            Self::Sign(sign) => return sign.run(console),
            Self::Verify(verify) => return verify.run(console),
            Self::Submit { file, remote, printing } => {
                submit(file, &remote, printing.format, console).await?;
            }
            Self::List(list) => list.run(console).await?,
            Self::Show(show) => show.run(console).await?,
            Self::Diff(diff) => return diff.run(console),
            Self::Schema(schema) => return schema.run(console),
            Self::Adherence(draft) => return draft.run(console),
            Self::Revoke(revoke) => revoke.run(console).await?,
            Self::Suspend { protocol, remote, printing } => {
                let session = remote.open().await?;
                let request = v1::SuspendProtocolRequest { protocol_id: protocol.to_string() };
                let answer = Client::new(session.service()).suspend_protocol(request).await?;
                let answer = answer.into_inner();
                show(console, printing.format, answer.entry)?;
                session.logged(console, answer.receipt)?;
            }
            Self::Reinstate(reinstate) => reinstate.run(console).await?,
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
        Kind::Adherence => {
            let request = v1::AdhereToProtocolRequest { document };
            let answer = client.adhere_to_protocol(request).await?.into_inner();
            show(console, format, answer.entry)?;
            session.logged(console, answer.receipt)
        }
        Kind::Revocation => {
            let request = v1::RevokeProtocolRequest { document };
            let answer = client.revoke_protocol(request).await?.into_inner();
            revoked(console, format, answer.entry, &answer.releases)?;
            session.logged(console, answer.receipt)
        }
        Kind::Reinstatement => {
            let request = v1::ResumeProtocolRequest { document, ..Default::default() };
            let answer = client.resume_protocol(request).await?.into_inner();
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
