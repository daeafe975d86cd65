//! From an identity as a partner wrote it to keyed values, in one step that consumes it. The step
//! has two halves: what is hashed ([`RawIdentity::into_inputs`]) needs no key, and can be done where
//! none is; evaluating it ([`IdentityInputs::keyed`]) needs no raw value.
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

use super::comparison::{Comparison, Marks, Slot};
use super::match_key::{Fields, MatchKey, MatchKeys, Rung};
use super::tags::{Lookup, Parts, RawLines, TagUse};
use super::{
    Sex,
    normalise::{self, RULES},
};
use crate::domain::PartnerId;
use crate::keys::{
    BirthDate, Cell, IdentifierKind, KeyError, KeyVersion, Output, PrfInput, PrfOutput, Pseudonym,
    PseudonymDomain, Pseudonymiser, RawIdentifier, RawText, Sealer,
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
    /// The address in lines, of sources that have no UPRN; no record type of the gateway does.
    pub lines: RawLines,
    /// An identifier of persons that has no check digit, of such sources.
    pub unchecked_number: Option<RawText>,
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
    /// By what those are found that it may be tied to.
    pub lookups: Vec<(Lookup, Pseudonym)>,
    /// By what it is compared with them, to be sealed.
    pub comparison: Comparison,
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
    /// The same with a fingerprint that is bound to all of it, where partners say themselves what
    /// stands for an identity ([`Pseudonymiser::bound_to`]). One that is its partner's own already
    /// stays as it is.
    pub(super) fn bound(mut self, with: &Pseudonymiser) -> Result<Self, KeyError> {
        if self.match_keys.is_empty() {
            return Ok(self);
        }
        let numbers = [&self.nhs, &self.uln, &self.upn, &self.nino, &self.local_id];
        // Stored rungs and lookups have numbers below these.
        let numbers = (128_u8..).zip(numbers);
        let mut parts: Vec<(u8, &Pseudonym)> =
            numbers.filter_map(|(number, held)| Some((number, held.as_ref()?))).collect();
        parts.extend(self.match_keys.iter().map(|key| (key.rung.number(), &key.key)));
        parts.extend(self.lookups.iter().map(|(by, key)| (by.number(), key)));
        parts.sort_unstable_by_key(|(number, _)| *number);
        let birth = self.facts.birth.as_ref().map(|birth| birth.days_until(0).to_be_bytes());
        let birth = zeroize::Zeroizing::new(birth.unwrap_or_default());
        let (known, sex) = ([u8::from(self.facts.birth.is_some())], [self.facts.sex.letter()]);
        let compared = self.comparison.to_bytes();
        let rest: [&[u8]; 4] = [&known, &*birth, &sex, &compared];
        self.fingerprint = with.bound_to(&self.fingerprint, &parts, &rest)?;
        Ok(self)
    }

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
        for (_, key) in &mut self.lookups {
            *key = with.rewrap(key, to)?;
        }
        Ok(())
    }
}

/// What an evaluated input becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Nhs,
    Uln,
    Upn,
    Nino,
    LocalId,
    Match(Rung),
    Fingerprint,
    Compare(TagUse),
}

/// An identity as inputs of the keyed hash, made without any key. The list is in an order in which
/// it can be evaluated; outputs that enter later inputs come first.
pub struct IdentityInputs {
    inputs: Vec<PrfInput>,
    uses: Vec<Use>,
    facts: Facts,
    marks: Marks,
}

impl IdentityInputs {
    fn new(facts: Facts) -> Self {
        let (inputs, uses) = (Vec::with_capacity(40), Vec::with_capacity(40));
        Self { inputs, uses, facts, marks: Marks::default() }
    }

    /// The inputs, in the order in which their outputs are expected.
    #[must_use]
    pub fn inputs(&self) -> &[PrfInput] {
        &self.inputs
    }

    fn add(&mut self, use_as: Use, input: PrfInput) -> Output {
        self.inputs.push(input);
        self.uses.push(use_as);
        Output::Of(self.inputs.len() - 1)
    }

    /// The keyed identity of `partner`'s that the inputs' outputs make.
    ///
    /// # Errors
    /// [`KeyError::Refused`] unless there is one output for each input.
    pub fn keyed(
        self,
        outputs: &[PrfOutput],
        partner: &PartnerId,
        with: &Pseudonymiser,
    ) -> Result<KeyedIdentity, KeyError> {
        let incomplete = KeyError::Refused("make an identity of other inputs");
        if outputs.len() != self.inputs.len() {
            return Err(incomplete);
        }
        let mut made: Vec<(Use, Pseudonym)> = Vec::with_capacity(8);
        let mut keys = Vec::with_capacity(Rung::ALL.len());
        let mut lookups = Vec::with_capacity(4);
        let mut comparison = Comparison::new(self.facts.sex, self.marks);
        let shared = self.uses.iter().any(|use_as| matches!(use_as, Use::Match(_)));
        for ((use_as, input), output) in self.uses.iter().zip(&self.inputs).zip(outputs) {
            // What is a partner's own is bound to it, as what it is made of.
            let own = match use_as {
                Use::LocalId => true,
                Use::Fingerprint => !shared,
                _ => false,
            };
            let owner = own.then_some(partner);
            let pseudonym = || with.pseudonym_of(input.domain(), output, owner);
            match use_as {
                Use::Match(rung) => keys.push(MatchKey { rung: *rung, key: pseudonym() }),
                Use::Compare(TagUse::Lookup(lookup)) => lookups.push((*lookup, pseudonym())),
                Use::Compare(TagUse::Tag(slot)) => comparison.put(*slot, output.tag()),
                Use::Compare(TagUse::Near) => comparison.near.push(output.tag()),
                other => made.push((*other, pseudonym())),
            }
            if *use_as == Use::Nhs {
                comparison.put(Slot::Nhs, output.tag());
            }
        }
        let of =
            |wanted: Use| made.iter().find_map(|(use_as, p)| (*use_as == wanted).then_some(*p));
        KeyedIdentity {
            fingerprint: of(Use::Fingerprint).ok_or(incomplete)?,
            nhs: of(Use::Nhs),
            uln: of(Use::Uln),
            upn: of(Use::Upn),
            nino: of(Use::Nino),
            local_id: of(Use::LocalId),
            match_keys: MatchKeys::from_stored(keys),
            lookups,
            comparison,
            facts: self.facts,
        }
        .bound(with)
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
        let inputs = self.into_inputs(sender.partner, sender.position);
        let outputs = with.evaluate(inputs.inputs(), sender.record, sender.partner)?;
        inputs.keyed(&outputs, sender.partner, with)
    }

    /// Turns the identity into inputs of the keyed hash: a pure function of what the partner wrote.
    /// `position` is that of [`Sender`].
    #[must_use]
    pub fn into_inputs(self, partner: &PartnerId, position: u8) -> IdentityInputs {
        let as_written = (self.surname, self.forename);
        let normal = |text: Option<&RawText>| {
            text.map(|text| text.derived(normalise::name)).filter(|text| !text.is_empty())
        };
        let (surname, forename) = (normal(as_written.0.as_ref()), normal(as_written.1.as_ref()));
        let postcode = present(self.postcode, normalise::postcode);
        let uprn = present(self.uprn, normalise::uprn);
        let sex = self.sex.unwrap_or(Sex::NotKnown);
        let plurality = self.plurality.filter(|born| *born > 1);
        let facts = Facts { birth: self.birth, sex };
        let mut made = IdentityInputs::new(facts);
        let mut identifier = |raw: Option<RawIdentifier>, use_as, kind| {
            raw.map(|raw| made.add(use_as, raw.into_input(kind)))
        };
        let nhs = identifier(self.nhs_number, Use::Nhs, IdentifierKind::Nhs);
        let ids = [
            nhs,
            identifier(self.uln, Use::Uln, IdentifierKind::Uln),
            identifier(self.upn, Use::Upn, IdentifierKind::Upn),
            identifier(self.nino, Use::Nino, IdentifierKind::Nino),
            identifier(self.local_id, Use::LocalId, IdentifierKind::Local { partner }),
        ];
        let fields = Fields {
            nhs,
            surname: surname.as_ref(),
            forename: forename.as_ref(),
            birth: made.facts.birth.as_ref(),
            sex,
            postcode: postcode.as_ref(),
            plurality,
        };
        let rungs = fields.inputs();
        let recognisable = fields.names_one_person() || ids.iter().any(Option::is_some);
        let (scope, record) = match (rungs.is_empty(), recognisable) {
            (false, _) => ("", None),
            (true, true) => (partner.as_str(), None),
            (true, false) => (partner.as_str(), Some(Output::Record)),
        };
        let whole = PrfInput::begin(PseudonymDomain::Subject, RULES)
            .code(scope.as_bytes())
            .output(record)
            .code(if record.is_some() { std::slice::from_ref(&position) } else { &[] });
        let whole = ids
            .into_iter()
            .fold(whole, PrfInput::output)
            .text(surname.as_ref())
            .text(forename.as_ref())
            .birth(made.facts.birth.as_ref())
            .code(&[sex.letter()])
            .text(postcode.as_ref())
            .text(uprn.as_ref())
            .code(plurality.as_slice());
        for (rung, input) in rungs {
            made.add(Use::Match(rung), input);
        }
        made.add(Use::Fingerprint, whole);
        let facts = &made.facts;
        let parts = Parts {
            nhs,
            number: self.unchecked_number.as_ref(),
            surname: as_written.0.as_ref(),
            forename: as_written.1.as_ref(),
            birth: facts.birth.as_ref(),
            postcode: postcode.as_ref(),
            uprn: uprn.as_ref(),
            plural: plurality.is_some(),
            lines: &self.lines,
        };
        let (inputs, uses) = (&mut made.inputs, &mut made.uses);
        made.marks = parts.inputs(&mut |use_as, input| {
            inputs.push(input);
            uses.push(Use::Compare(use_as));
            Output::Of(inputs.len() - 1)
        });
        made
    }
}

#[cfg(test)]
mod tests;
