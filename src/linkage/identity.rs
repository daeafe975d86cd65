//! From an identity as a partner wrote it to keyed values, in one step that consumes it.
//!
//! The fingerprint stands for the whole tuple, so that a tuple seen before is recognised by one
//! lookup. How far it reaches follows what the tuple could prove:
//! - with a match key, one fingerprint for all partners: the same words would be linked anyway;
//! - with an identifier only (a local id, an NHS number without a date of birth) or with names and
//!   date of birth only, one for the partner, so that nothing links across agencies except by a
//!   rung of the ladder;
//! - with neither (a newborn twin without number or name), one for the record: two such children
//!   may have every word in common and are still two.
//!
//! A local id is scoped to its partner and never equals another's. A plurality of one says no more
//! than none does, so that a birth and a later visit make one tuple.

use super::match_key::{Fields, MatchKey, MatchKeys};
use super::{
    Sex,
    normalise::{self, RULES},
};
use crate::domain::PartnerId;
use crate::keys::{
    BirthDate, Cell, IdentifierKind, KeyError, KeyVersion, Pseudonym, PseudonymDomain,
    Pseudonymiser, RawIdentifier, RawText, Sealer,
};
use rand::CryptoRng;

/// Who wrote an identity, and in which record.
#[derive(Debug, Clone, Copy)]
pub struct Sender<'a> {
    /// The partner.
    pub partner: &'a PartnerId,
    /// The record's pseudonym ([`IdentifierKind::Record`]).
    pub record: &'a Pseudonym,
    /// Which of the record's identities this is, where it names several: 0 the principal, 1 ...
    pub position: u8,
}

/// What a record says about who somebody is: validated, not yet normalised. Identifiers that may
/// not link (temporary or administrative ones) are left out by the caller.
#[derive(Default)]
pub struct RawIdentity {
    /// NHS number.
    pub nhs_number: Option<RawIdentifier>,
    /// Unique learner number.
    pub uln: Option<RawIdentifier>,
    /// Unique pupil number.
    pub upn: Option<RawIdentifier>,
    /// National Insurance number.
    pub nino: Option<RawIdentifier>,
    /// The partner's own id.
    pub local_id: Option<RawIdentifier>,
    /// Surname.
    pub surname: Option<RawText>,
    /// Forename.
    pub forename: Option<RawText>,
    /// Date of birth.
    pub birth: Option<BirthDate>,
    /// Sex.
    pub sex: Option<Sex>,
    /// Postcode of residence.
    pub postcode: Option<RawText>,
    /// Unique property reference number of the residence.
    pub uprn: Option<RawText>,
    /// How many children were born at once, where the record says so.
    pub plurality: Option<u8>,
}

/// An identity as keyed values only, with the facts to be sealed.
pub struct KeyedIdentity {
    /// The whole tuple; unique to a subject.
    pub fingerprint: Pseudonym,
    /// The NHS number.
    pub nhs: Option<Pseudonym>,
    /// The unique learner number.
    pub uln: Option<Pseudonym>,
    /// The unique pupil number.
    pub upn: Option<Pseudonym>,
    /// The National Insurance number.
    pub nino: Option<Pseudonym>,
    /// The partner's own id.
    pub local_id: Option<Pseudonym>,
    /// What it may be linked by.
    pub match_keys: MatchKeys,
    /// What ages and windows need, to be sealed.
    pub facts: Facts,
}

/// Date of birth and sex, which the release builder needs and nobody else.
pub struct Facts {
    /// Date of birth, where the record gave one.
    pub birth: Option<BirthDate>,
    /// Sex.
    pub sex: Sex,
}

impl Facts {
    /// Seals both for one cell; `None` where there is no date of birth to keep.
    ///
    /// # Errors
    /// As [`Sealer::seal`].
    pub fn seal(
        &self,
        cell: Cell,
        sealer: &Sealer,
        rng: &mut dyn CryptoRng,
    ) -> Result<Option<Vec<u8>>, KeyError> {
        let seal = |birth| sealer.seal_birth(cell, birth, self.sex.letter(), rng);
        self.birth.as_ref().map(seal).transpose()
    }

    /// Opens what [`seal`](Self::seal) sealed; the date of birth is there.
    ///
    /// # Errors
    /// As [`Sealer::open_birth`].
    pub fn open(cell: Cell, sealer: &Sealer, sealed: &[u8]) -> Result<Self, KeyError> {
        let (birth, letter) = sealer.open_birth(cell, sealed)?;
        let sex = Sex::from_letter(letter).ok_or(KeyError::NotOpened { cell })?;
        Ok(Self { birth: Some(birth), sex })
    }
}

/// A postcode as the key of the LSOA lookup; `None` where it is no postcode or unknown.
#[must_use]
pub fn postcode_pseudonym(postcode: RawText, with: &Pseudonymiser) -> Option<Pseudonym> {
    let postcode = present(Some(postcode), normalise::postcode)?;
    Some(with.begin(PseudonymDomain::Postcode, RULES).text(Some(&postcode)).finish())
}

fn present(text: Option<RawText>, rule: fn(&str) -> String) -> Option<RawText> {
    text.map(|text| text.normalise(rule)).filter(|text| !text.is_empty())
}

impl KeyedIdentity {
    /// The same identity under another key version.
    ///
    /// # Errors
    /// [`KeyError::NoWrappingKey`] where a key is not held.
    pub fn rewrap(&mut self, with: &Pseudonymiser, to: KeyVersion) -> Result<(), KeyError> {
        let identifiers =
            [&mut self.nhs, &mut self.uln, &mut self.upn, &mut self.nino, &mut self.local_id];
        for pseudonym in identifiers.into_iter().flatten().chain([&mut self.fingerprint]) {
            *pseudonym = with.rewrap(pseudonym, to)?;
        }
        let renewed = |key: &MatchKey| Ok(MatchKey { key: with.rewrap(&key.key, to)?, ..*key });
        let keys: Vec<MatchKey> =
            self.match_keys.iter().map(renewed).collect::<Result<_, KeyError>>()?;
        self.match_keys = MatchKeys::from_stored(keys);
        Ok(())
    }
}

impl RawIdentity {
    /// Turns the identity into keyed values; no raw value survives but the facts to be sealed.
    ///
    /// # Errors
    /// [`KeyError::NoWrappingKey`] if the pseudonymiser lacks a key of its own domains.
    pub fn pseudonymise(
        self,
        sender: Sender<'_>,
        with: &Pseudonymiser,
    ) -> Result<KeyedIdentity, KeyError> {
        let keyed = |raw: Option<RawIdentifier>, kind| raw.map(|r| r.pseudonymise(kind, with));
        let nhs = keyed(self.nhs_number, IdentifierKind::Nhs);
        let uln = keyed(self.uln, IdentifierKind::Uln);
        let upn = keyed(self.upn, IdentifierKind::Upn);
        let nino = keyed(self.nino, IdentifierKind::Nino);
        let local_id = keyed(self.local_id, IdentifierKind::Local { partner: sender.partner });
        let surname = present(self.surname, normalise::name);
        let forename = present(self.forename, normalise::name);
        let postcode = present(self.postcode, normalise::postcode);
        let uprn = present(self.uprn, normalise::uprn);
        let sex = self.sex.unwrap_or(Sex::NotKnown);
        let plurality = self.plurality.filter(|born| *born > 1);
        let fields = Fields {
            nhs: nhs.as_ref(),
            surname: surname.as_ref(),
            forename: forename.as_ref(),
            birth: self.birth.as_ref(),
            sex,
            postcode: postcode.as_ref(),
            plurality,
        };
        let match_keys = fields.match_keys(with)?;
        let recognisable = fields.names_one_person()
            || [&nhs, &uln, &upn, &nino, &local_id].into_iter().any(Option::is_some);
        let (partner, record) = match (match_keys.is_empty(), recognisable) {
            (false, _) => ("", None),
            (true, true) => (sender.partner.as_str(), None),
            (true, false) => (sender.partner.as_str(), Some(sender.record)),
        };
        let position = [sender.position];
        let fingerprint = with
            .begin(PseudonymDomain::Subject, RULES)
            .bytes(partner.as_bytes())
            .own(record, sender.partner)?
            .bytes(if record.is_some() { &position } else { &[] })
            .pseudonym(nhs.as_ref())?
            .pseudonym(uln.as_ref())?
            .pseudonym(upn.as_ref())?
            .pseudonym(nino.as_ref())?
            .own(local_id.as_ref(), sender.partner)?
            .text(surname.as_ref())
            .text(forename.as_ref())
            .birth(self.birth.as_ref())
            .bytes(&[sex.letter()])
            .text(postcode.as_ref())
            .text(uprn.as_ref())
            .bytes(plurality.as_slice())
            // One that is a partner's own is bound to it, as what it is made of.
            .finish_of(match_keys.is_empty().then_some(sender.partner));
        let facts = Facts { birth: self.birth, sex };
        Ok(KeyedIdentity { fingerprint, nhs, uln, upn, nino, local_id, match_keys, facts })
    }
}

#[cfg(test)]
mod tests;
