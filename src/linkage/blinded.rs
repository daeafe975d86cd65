//! What a partner's connector sends of an identity instead of showing it, and the gateway's half.
//!
//! A connector makes a [`KeyedIdentity`] by the very same code as a gateway ([`RawIdentity`]), from
//! PRF values that it got without showing the inputs. What it sends of it is the inner values; the
//! gateway wraps them, and binds what is the partner's own to the partner that sends it.
//!
//! What arrives beside them, readable to the gateway: date of birth and sex, since ages, windows
//! and a birth's month are counted (sealed at once, as ever), and the LSOA where the sender gives
//! one. What the gateway can't check any more: that an NHS number is well-formed, or that the values
//! belong to the date of birth. It never could check that they belong to a child. What it stores as
//! the fingerprint is bound to everything else that came, so that nobody can send another's
//! fingerprint first, with keys of his own, and have the other's records follow these.

use super::{
    Comparison, Facts, KeyedIdentity, Lookup, MatchKey, MatchKeys, RawIdentity, Rung, Sex,
};
use crate::{
    domain::{
        PartnerId,
        field::Value,
        identifier::Linkable,
        record::RecordDefinition,
        records::live_birth,
        row::{CheckedIdentifier, Identity},
    },
    keys::{
        BirthDate, KeyError, Pseudonym, PseudonymDomain, Pseudonymiser, RawIdentifier, RawText,
    },
};

/// An identity's inner values, as a connector sends them.
#[derive(Clone, PartialEq, Eq)]
pub struct BlindedIdentity {
    /// The whole tuple.
    pub fingerprint: [u8; 16],
    /// The NHS number.
    pub nhs: Option<[u8; 16]>,
    /// The unique learner number.
    pub uln: Option<[u8; 16]>,
    /// The unique pupil number.
    pub upn: Option<[u8; 16]>,
    /// The National Insurance number.
    pub nino: Option<[u8; 16]>,
    /// The partner's own id.
    pub local_id: Option<[u8; 16]>,
    /// What it may be linked by.
    pub match_keys: Vec<(Rung, [u8; 16])>,
    /// By what those are found that it may be tied to.
    pub lookups: Vec<(Lookup, [u8; 16])>,
    /// By what it is compared with them.
    pub comparison: Comparison,
}

impl std::fmt::Debug for BlindedIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BlindedIdentity(..)")
    }
}

impl BlindedIdentity {
    /// What a connector sends of what it made.
    #[must_use]
    pub fn of(keyed: &KeyedIdentity) -> Self {
        let inner = |value: &Option<Pseudonym>| value.as_ref().map(|made| *made.as_bytes());
        Self {
            fingerprint: *keyed.fingerprint.as_bytes(),
            nhs: inner(&keyed.nhs),
            uln: inner(&keyed.uln),
            upn: inner(&keyed.upn),
            nino: inner(&keyed.nino),
            local_id: inner(&keyed.local_id),
            match_keys: keyed.match_keys.iter().map(|k| (k.rung, *k.key.as_bytes())).collect(),
            lookups: keyed.lookups.iter().map(|(by, key)| (*by, *key.as_bytes())).collect(),
            comparison: keyed.comparison.clone(),
        }
    }

    /// What the gateway makes of it; `partner` is who sends it.
    ///
    /// # Errors
    /// [`KeyError::NotBlinded`] where pseudonyms are made with a keyed hash.
    pub fn keyed(
        &self,
        facts: Facts,
        partner: &PartnerId,
        with: &Pseudonymiser,
    ) -> Result<KeyedIdentity, KeyError> {
        let shared = |domain, inner: Option<[u8; 16]>| {
            inner.map(|inner| with.of_blinded(domain, inner, None)).transpose()
        };
        let keys = self.match_keys.iter().map(|(rung, inner)| {
            let key = with.of_blinded(rung.domain(), *inner, None)?;
            Ok(MatchKey { rung: *rung, key })
        });
        let match_keys = MatchKeys::from_stored(keys.collect::<Result<Vec<_>, KeyError>>()?);
        let lookups = self
            .lookups
            .iter()
            .map(|(by, inner)| Ok((*by, with.of_blinded(Lookup::domain(), *inner, None)?)));
        let owner = match_keys.is_empty().then_some(partner);
        let local = self
            .local_id
            .map(|inner| with.of_blinded(PseudonymDomain::Local, inner, Some(partner)));
        KeyedIdentity {
            fingerprint: with.of_blinded(PseudonymDomain::Subject, self.fingerprint, owner)?,
            nhs: shared(PseudonymDomain::Nhs, self.nhs)?,
            uln: shared(PseudonymDomain::Uln, self.uln)?,
            upn: shared(PseudonymDomain::Upn, self.upn)?,
            nino: shared(PseudonymDomain::Nino, self.nino)?,
            local_id: local.transpose()?,
            match_keys,
            lookups: lookups.collect::<Result<_, KeyError>>()?,
            comparison: self.comparison.clone(),
            facts,
        }
        .bound(with)
    }

    /// Whether what it is compared by can belong to somebody of whom the row shows this sex: tags
    /// of no other kind than a record's, and the NHS number's exactly with the number.
    #[must_use]
    pub fn agrees_with(&self, sex: Sex) -> bool {
        self.comparison.is_of_a_record(sex, self.nhs.is_some())
    }
}

impl RawIdentity {
    /// What a well-formed row says of somebody, without what may not link.
    #[must_use]
    pub fn of(identity: Identity<'_>, plurality: Option<u8>) -> Self {
        let linkable = |checked: Option<CheckedIdentifier<'_>>| {
            checked
                .filter(|id| id.linkable == Linkable::Yes)
                .map(|id| RawIdentifier::new(id.text.to_owned()))
        };
        let text = |value: Option<&str>| value.map(|text| RawText::new(text.to_owned()));
        Self {
            nhs_number: linkable(identity.nhs),
            uln: linkable(identity.uln),
            upn: linkable(identity.upn),
            nino: linkable(identity.nino),
            local_id: identity.local_id.map(|id| RawIdentifier::new(id.to_owned())),
            surname: text(identity.surname),
            forename: text(identity.forename),
            birth: identity.date_of_birth.map(BirthDate::new),
            sex: identity.sex,
            postcode: identity.postcode.map(RawText::new),
            uprn: text(identity.uprn),
            plurality,
            ..Self::default()
        }
    }
}

/// How many children a record says were born at once.
#[must_use]
pub fn plurality(definition: &RecordDefinition, values: &[(u8, Value)]) -> Option<u8> {
    values.iter().find_map(|(number, value)| match value {
        Value::Integer(n) if definition.event_is_birth && *number == live_birth::PLURALITY => {
            u8::try_from(*n).ok()
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests;
