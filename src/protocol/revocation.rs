//! The revocation: one party's word, alone and at once, that its own part of a protocol is over.
//!
//! It is a signed document of the same machinery: whoever calls the gateway is only the messenger, and
//! what ends the party's part is the signature of its senior information risk owner or Caldicott Guardian,
//! with a key that the register holds for the party in that office. The protocol need not name the key:
//! an officer who came later must be able to stop what a predecessor signed.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::adherence::Agreement;
use super::check::refuse_if;
use super::document::{KeyId, MAX_DOCUMENT_BYTES, SCHEMA};
use super::fault::{Fault, Rule};
use super::life::{Handling, RevocationReason};
use super::quorum::Missing;
use super::signing::{Document, Signatory};
use super::vocabulary::SignatoryRole;
use super::{schema, strict};
use crate::domain::PartnerId;

/// A party's revocation of its own part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Revoking {
    /// The version of this form: [`SCHEMA`].
    #[schemars(schema_with = "schema::form")]
    pub schema: u32,
    /// The version whose part is revoked.
    pub revokes: Agreement,
    /// Whose part.
    pub party: PartnerId,
    /// What becomes of the data that it sent under the protocol.
    pub handling: Handling,
    /// Why.
    pub reason: RevocationReason,
}

impl Revoking {
    /// The office in which it was signed; a signature that may not revoke does not count.
    #[must_use]
    pub fn office(signatories: &[Signatory]) -> Option<SignatoryRole> {
        signatories.iter().map(|signatory| signatory.role).find(|role| role.may_revoke())
    }
}

impl Document for Revoking {
    const TYP: &'static str = "tallygate-revocation+json";

    fn parse(text: &[u8]) -> Result<Self, Fault> {
        let revoking: Self = strict::read(text, MAX_DOCUMENT_BYTES)?;
        refuse_if(revoking.schema != SCHEMA, "/schema", Rule::UnknownSchema)?;
        Ok(revoking)
    }

    fn canonical(&self) -> Result<Vec<u8>, Fault> {
        serde_json_canonicalizer::to_vec(self).map_err(|_| Fault::at("", Rule::Malformed))
    }

    fn signing_parties(&self) -> Vec<&PartnerId> {
        vec![&self.party]
    }

    fn names_key(&self, party: &PartnerId, _kid: &KeyId) -> bool {
        *party == self.party
    }

    fn missing(&self, signed: &BTreeSet<(PartnerId, SignatoryRole)>) -> Vec<Missing> {
        let revokes = signed.iter().any(|(party, role)| *party == self.party && role.may_revoke());
        if revokes { Vec::new() } else { vec![Missing::Revoker(self.party.clone())] }
    }
}
