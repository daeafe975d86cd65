//! An officer's own word about a version of a protocol (`protocol revoke`, `protocol reinstate`):
//! looked up, signed here with a key that never leaves the machine, and sent or written down.

use super::{
    CliError, Console,
    output::Printing,
    protocol::Client,
    protocol_draft::write,
    protocol_paper::{Signatory, rejected, role, sign_with, signing_key},
    remote::{Remote, Session, present},
};
use crate::{
    domain::{PartnerId, ProtocolId},
    identity::{Clock, SystemClock},
    protocol::{
        Digest, Envelope, ProtocolVersion, SignatoryRole, Signed,
        adherence::Agreement,
        signing::{Document, Draft},
    },
    wire::v1,
};
use std::path::PathBuf;

/// Which protocol it is about, who signs, and where it goes.
#[derive(Debug, clap::Args)]
pub(super) struct Word {
    /// The protocol's id.
    protocol: ProtocolId,
    /// The officer's private signing key: Ed25519, PKCS#8 PEM.
    #[arg(long, value_name = "KEY")]
    key: PathBuf,
    /// The officer's office.
    #[arg(long, value_name = "ROLE", value_parser = role)]
    pub(super) role: SignatoryRole,
    /// Its version; the one in force when left out.
    #[arg(long, value_name = "N")]
    version: Option<u32>,
    /// Write the signed paper here instead of sending it.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    pub(super) printing: Printing,
}

/// What a word is about, as the gateway holds it.
pub(super) struct About {
    pub(super) party: PartnerId,
    pub(super) agreement: Agreement,
    pub(super) entry: v1::ProtocolEntry,
}

impl Word {
    /// Looks up what the word is about, and signs what `say` makes of it. `None` once it is
    /// written down and not to be sent.
    ///
    /// # Errors
    /// When the gateway can't be asked, or the paper can't be signed or written.
    pub(super) async fn signed<T: Document>(
        &self,
        console: &mut Console<'_>,
        say: impl Fn(About) -> Result<T, CliError>,
    ) -> Result<Option<(String, Session)>, CliError> {
        let party = self.remote.partner()?;
        let session = self.remote.open().await?;
        let request = v1::GetProtocolRequest {
            protocol_id: self.protocol.to_string(),
            version: self.version.unwrap_or(0),
        };
        let answer = Client::new(session.service()).get_protocol(request).await?.into_inner();
        session.logged(console, answer.receipt)?;
        let entry = present(answer.entry, "entry")?;
        let incomplete = || CliError::AnswerIncomplete { part: "digest" };
        let digest: [u8; 32] = entry.digest.as_slice().try_into().map_err(|_| incomplete())?;
        let agreement = Agreement {
            protocol: self.protocol.clone(),
            version: ProtocolVersion::new(entry.version).ok_or_else(incomplete)?,
            digest: Digest::from_bytes(digest),
        };
        let paper = say(About { party: party.clone(), agreement, entry })?;
        let document = self.sign(&party, &paper)?;
        if let Some(path) = &self.out {
            write(path, &document)?;
            console.note(&format!("signed: {}; nothing was sent", path.display()));
            return Ok(None);
        }
        Ok(Some((document, session)))
    }

    fn sign<T: Document>(&self, party: &PartnerId, paper: &T) -> Result<String, CliError> {
        let path = &self.key;
        let key = signing_key(path)?;
        let canonical = paper.canonical().map_err(|fault| rejected(path, fault))?;
        let draft = Signed::<T, Draft>::draft(&canonical);
        let envelope: Envelope = draft.map_err(|fault| rejected(path, fault))?.envelope().clone();
        let kid = key.verifying_key().kid();
        let signatory = Signatory { party, role: self.role, key_file: path };
        let header = signatory.header(&envelope, &kid, SystemClock.now())?;
        sign_with(envelope, header, &key)
            .and_then(|signed| signed.to_json())
            .map_err(|error| rejected(path, error))
    }
}
