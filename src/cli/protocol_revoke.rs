//! `tallygate protocol revoke`: an officer ends its own organisation's part, with a key of its own.

use super::{
    CliError, Console,
    output::Printing,
    protocol::Client,
    protocol_draft::write,
    protocol_paper::{Signatory, rejected, role, sign_with, signing_key},
    protocol_register::revoked,
    remote::{Remote, present},
};
use crate::{
    domain::{PartnerId, ProtocolId},
    identity::{Clock, SystemClock},
    protocol::{
        Digest, Envelope, ProtocolVersion, Revoking, SignatoryRole, Signed,
        adherence::Agreement,
        document::SCHEMA,
        life::{Handling, RevocationReason},
        signing::{Document, Draft},
    },
    wire::v1,
};
use std::path::{Path, PathBuf};

const HELP: &str = "\
Only a senior information risk owner (siro) or a Caldicott Guardian (caldicott_guardian) revokes, and
only the part of its own organisation. From the answer on its flows are refused on every gateway.
--freeze keeps its data, unused; --purge has them erased when the day ends. The answer names the
releases that the data went into; they stay as they are. Only a new version brings the part back.
Reasons: purpose_ended, basis_lost, breach, organisation_ended, governance_decision.
With --out the signed revocation is written and not sent; `protocol submit` sends it.

Example:
  tallygate protocol revoke isp-health --key siro.pem --role siro --freeze --reason basis_lost \\
    --profile health.toml";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
#[command(group = clap::ArgGroup::new("handling").required(true).args(["freeze", "purge"]))]
pub(super) struct Revoke {
    /// The protocol's id.
    protocol: ProtocolId,
    /// The officer's private signing key: Ed25519, PKCS#8 PEM.
    #[arg(long, value_name = "KEY")]
    key: PathBuf,
    /// The office: siro or caldicott_guardian.
    #[arg(long, value_name = "ROLE", value_parser = role)]
    role: SignatoryRole,
    /// Why.
    #[arg(long, value_name = "REASON", value_parser = reason)]
    reason: RevocationReason,
    /// Keep the data that were sent under it, unused.
    #[arg(long)]
    freeze: bool,
    /// Erase the data that were sent under it.
    #[arg(long)]
    purge: bool,
    /// Its version; the one in force when left out.
    #[arg(long, value_name = "N")]
    version: Option<u32>,
    /// Write the signed revocation here instead of sending it.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    printing: Printing,
}

fn reason(text: &str) -> Result<RevocationReason, &'static str> {
    RevocationReason::from_code(text)
        .ok_or("one of purpose_ended, basis_lost, breach, organisation_ended, governance_decision")
}

impl Revoke {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<(), CliError> {
        let party = self.remote.partner()?;
        let session = self.remote.open().await?;
        let mut client = Client::new(session.service());
        let request = v1::GetProtocolRequest {
            protocol_id: self.protocol.to_string(),
            version: self.version.unwrap_or(0),
        };
        let answer = client.get_protocol(request).await?.into_inner();
        session.logged(console, answer.receipt)?;
        let entry = present(answer.entry, "entry")?;
        let document = self.paper(&party, &entry)?;
        if let Some(path) = &self.out {
            write(path, &document)?;
            console.note(&format!("signed: {}; nothing was sent", path.display()));
            return Ok(());
        }
        let request = v1::RevokeProtocolRequest { document };
        let answer = client.revoke_protocol(request).await?.into_inner();
        revoked(console, self.printing.format, answer.entry, &answer.releases)?;
        session.logged(console, answer.receipt)
    }

    /// The signed revocation of the version that the gateway holds.
    fn paper(&self, party: &PartnerId, entry: &v1::ProtocolEntry) -> Result<String, CliError> {
        let incomplete = || CliError::AnswerIncomplete { part: "digest" };
        let digest: [u8; 32] = entry.digest.as_slice().try_into().map_err(|_| incomplete())?;
        let revoking = Revoking {
            schema: SCHEMA,
            revokes: Agreement {
                protocol: self.protocol.clone(),
                version: ProtocolVersion::new(entry.version).ok_or_else(incomplete)?,
                digest: Digest::from_bytes(digest),
            },
            party: party.clone(),
            handling: if self.purge { Handling::Purge } else { Handling::Freeze },
            reason: self.reason,
        };
        signed(&revoking, &Signatory { party, role: self.role, key_file: &self.key })
    }
}

fn signed(revoking: &Revoking, signatory: &Signatory<'_>) -> Result<String, CliError> {
    let path: &Path = signatory.key_file;
    let key = signing_key(path)?;
    let canonical = revoking.canonical().map_err(|fault| rejected(path, fault))?;
    let draft = Signed::<Revoking, Draft>::draft(&canonical);
    let envelope: Envelope = draft.map_err(|fault| rejected(path, fault))?.envelope().clone();
    let kid = key.verifying_key().kid();
    let header = signatory.header(&envelope, &kid, SystemClock.now())?;
    sign_with(envelope, header, &key)
        .and_then(|signed| signed.to_json())
        .map_err(|error| rejected(path, error))
}
