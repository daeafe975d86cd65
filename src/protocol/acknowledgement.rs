//! A party's signed word that it has done what notices asked of it.
//!
//! A document like a protocol: RFC 8785 bytes under a General JWS (RFC 7515 §7.2.1), verified by
//! the same code, with a `typ` of its own and a key that is registered for nothing else. It names
//! notices and no record.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::document::KeyId;
use super::fault::{Fault, Rule};
use super::register::KeyPurpose;
use super::signing::{Document, Missing};
use super::strict;
use super::vocabulary::SignatoryRole;
use crate::domain::PartnerId;

/// The most notices that one acknowledgement names.
pub const MOST_NOTICES: usize = 1_000;
/// Largest text that is read, in bytes.
const MAX_BYTES: usize = 64 * 1024;
const SCHEMA: u32 = 1;

/// What a party acknowledges.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acknowledgement {
    /// The version of this form: 1.
    pub schema: u32,
    /// Whose word it is.
    pub partner: PartnerId,
    /// The notices, by the ids that it was told: 32 lower case hexadecimal digits each, in order.
    pub notices: Vec<String>,
}

impl Acknowledgement {
    /// Of some notices, each once.
    #[must_use]
    pub fn new(partner: PartnerId, notices: BTreeSet<String>) -> Self {
        Self { schema: SCHEMA, partner, notices: notices.into_iter().collect() }
    }
}

impl Document for Acknowledgement {
    const TYP: &'static str = "tallygate-acknowledgement+json";
    const PURPOSE: KeyPurpose = KeyPurpose::Acknowledgement;

    fn parse(text: &[u8]) -> Result<Self, Fault> {
        let read: Self = strict::read(text, MAX_BYTES)?;
        if read.schema != SCHEMA {
            return Err(Fault::at("/schema", Rule::OutOfRange));
        }
        if !(1..=MOST_NOTICES).contains(&read.notices.len()) {
            return Err(Fault::at("/notices", Rule::OutOfRange));
        }
        let form = |id: &String| {
            id.len() == 32 && id.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        };
        if !read.notices.iter().all(form) {
            return Err(Fault::at("/notices", Rule::Malformed));
        }
        if read.notices.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err(Fault::at("/notices", Rule::Duplicate));
        }
        Ok(read)
    }

    fn canonical(&self) -> Result<Vec<u8>, Fault> {
        serde_json_canonicalizer::to_vec(self).map_err(|_| Fault::at("", Rule::Malformed))
    }

    fn signing_parties(&self) -> Vec<&PartnerId> {
        vec![&self.partner]
    }

    fn names_key(&self, _: &PartnerId, _: &KeyId) -> bool {
        // Any key that the register has for this purpose: the purpose is checked beside this.
        true
    }

    fn missing(&self, signed: &BTreeSet<(PartnerId, SignatoryRole)>) -> Vec<Missing> {
        match signed.iter().any(|(party, _)| *party == self.partner) {
            true => Vec::new(),
            false => vec![Missing::Party(self.partner.clone())],
        }
    }
}
