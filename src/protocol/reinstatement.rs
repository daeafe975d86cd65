//! The reinstatement: one officer's signed word that what was suspended resumes.
//!
//! It is a signed document of the same machinery, under a `typ` of its own: whoever calls the gateway is
//! only the messenger, and a token alone gives nobody an office. It names the agreement by its digest, and
//! the suspension by its number in that agreement's life and by whose part stands still, so that whoever
//! signs sees what resumes, and no word counts for a suspension that came later. Each office has a
//! paper of its own; the suspension ends with the last one that the quorum needs ([`super::life`]).

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::adherence::Agreement;
use super::check::{distinct, refuse_if};
use super::document::{KeyId, MAX_DOCUMENT_BYTES, SCHEMA};
use super::fault::{Fault, Rule};
use super::life::{Life, Part};
use super::quorum::Missing;
use super::signing::Document;
use super::vocabulary::SignatoryRole;
use super::{schema, strict};
use crate::domain::PartnerId;

/// An officer's word that a suspension ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reinstating {
    /// The version of this form: [`SCHEMA`].
    #[schemars(schema_with = "schema::form")]
    pub schema: u32,
    /// The version that resumes.
    pub reinstates: Agreement,
    /// Which suspension of that version ends: its number, as the register's line has it.
    #[schemars(range(min = 1))]
    pub suspension: u32,
    /// Whose parts stand still by it.
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub suspended: Vec<PartnerId>,
    /// Who agrees.
    pub party: PartnerId,
    /// In which office.
    pub office: SignatoryRole,
}

impl Reinstating {
    /// Whether it is about what stands still in this life.
    #[must_use]
    pub fn is_about(&self, life: &Life) -> bool {
        let named: BTreeSet<&PartnerId> = self.suspended.iter().collect();
        let still = life.parties().filter(|party| life.part(party) == Part::Suspended);
        self.suspension == life.suspension() && still.collect::<BTreeSet<_>>() == named
    }
}

impl Document for Reinstating {
    const TYP: &'static str = "tallygate-reinstatement+json";

    fn parse(text: &[u8]) -> Result<Self, Fault> {
        let reinstating: Self = strict::read(text, MAX_DOCUMENT_BYTES)?;
        refuse_if(reinstating.schema != SCHEMA, "/schema", Rule::UnknownSchema)?;
        refuse_if(reinstating.suspension == 0, "/suspension", Rule::OutOfRange)?;
        refuse_if(reinstating.suspended.is_empty(), "/suspended", Rule::Empty)?;
        distinct(&reinstating.suspended, "/suspended", Clone::clone)?;
        Ok(reinstating)
    }

    fn canonical(&self) -> Result<Vec<u8>, Fault> {
        serde_json_canonicalizer::to_vec(self).map_err(|_| Fault::at("", Rule::Malformed))
    }

    fn signing_parties(&self) -> Vec<&PartnerId> {
        vec![&self.party]
    }

    /// Which keys the agreement names for the party is asked where the agreement is known.
    fn names_key(&self, party: &PartnerId, _kid: &KeyId) -> bool {
        *party == self.party
    }

    fn missing(&self, signed: &BTreeSet<(PartnerId, SignatoryRole)>) -> Vec<Missing> {
        match signed.contains(&(self.party.clone(), self.office)) {
            true => Vec::new(),
            false => vec![Missing::Office { role: self.office, have: 0, need: 1 }],
        }
    }
}
