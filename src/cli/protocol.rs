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
    /// Submits a signed protocol, root policy, deed or revocation; active once fully signed.
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
    /// Lists the protocols that you are a party to, or those that a search finds.
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
        after_help = "Examples:\n  tallygate protocol explain --protocol isp-health --type live_birth --columns nhs_number,postcode \\\n    --profile health.toml\n  tallygate protocol explain --table engagement --area CC01 --profile manager-cc01.toml"
    )]
    Explain(Question),
}

/// What `explain` asks: about records (--type), or about a figure (--table and --area).
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("about").required(true).args(["record_type", "table"]))]
pub(super) struct Question {
    /// The protocol relied on; for a figure, any that would allow it when left out.
    #[arg(long, value_name = "ID", required_unless_present = "table")]
    protocol: Option<ProtocolId>,
    /// The partner that would act; your own when left out.
    #[arg(long, value_name = "ID")]
    partner: Option<PartnerId>,
    /// The purpose claimed.
    #[arg(long, value_name = "PURPOSE", default_value = super::query::PLANNING)]
    purpose: String,
    /// Records of this type, to be sent.
    #[arg(long = "type", value_name = "RECORD_TYPE")]
    record_type: Option<RecordType>,
    /// The columns they would have.
    #[arg(long, value_name = "COLUMN", value_delimiter = ',', requires = "record_type")]
    columns: Vec<String>,
    /// A figure of this table of the catalogue.
    #[arg(long, value_name = "TABLE", requires = "area")]
    table: Option<TableId>,
    /// The figure's area.
    #[arg(long, value_name = "CODE", conflicts_with = "record_type")]
    area: Option<AreaCode>,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    printing: Printing,
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
    let text = |id: Option<&dyn ToString>| id.map(ToString::to_string).unwrap_or_default();
    let request = v1::ExplainDecisionRequest {
        protocol_id: text(question.protocol.as_ref().map(|id| id as _)),
        partner_id: text(question.partner.as_ref().map(|id| id as _)),
        purpose: question.purpose,
        record_type: text(question.record_type.as_ref().map(|id| id as _)),
        columns: question.columns,
        table: text(question.table.as_ref().map(|id| id as _)),
        area: text(question.area.as_ref().map(|id| id as _)),
    };
    let answer = Client::new(session.service()).explain_decision(request).await?.into_inner();
    let record = Record::default()
        .with("allowed", answer.allowed)
        .with("clause", answer.clause)
        .with("sentence", answer.sentence);
    console.record(question.printing.format, &record)?;
    session.logged(console, answer.receipt)?;
    Ok(Outcome::findings(!answer.allowed))
}
