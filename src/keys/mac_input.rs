//! What goes into the keyed function, field by field, and a connector's half of it.
//!
//! The same code makes an input wherever it is made: at a gateway with HMAC, where it is hashed as
//! it comes, at a blinded deployment's gateway, where it is gathered and evaluated, and at a
//! partner's connector ([`Unblinded`]), where it is gathered, noted, and evaluated by the gateway
//! without being shown. An input may contain the values of others (a match key takes in a
//! number's), so a connector goes over its records until nothing is unknown.

use super::{BirthDate, KeyError, PrfOutput, Pseudonym, PseudonymDomain, Pseudonymiser, RawText};
use crate::domain::PartnerId;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};
use zeroize::{Zeroize, Zeroizing};

/// Room for an input: names, postcode and the rest of a fingerprint. One that grows leaves a copy
/// behind.
const ROOM: usize = 768;

/// A whole input of the PRF, on its way to being blinded.
pub type WholeInput = Zeroizing<Vec<u8>>;

/// Takes in a length-prefixed value.
pub(super) fn absorb(mac: &mut Hmac<Sha256>, value: &[u8]) {
    mac.update(&length(value));
    mac.update(value);
}

fn length(value: &[u8]) -> [u8; 4] {
    // No field comes near 4 GiB: a message of that size is refused long before.
    u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes()
}

/// How fields are taken in.
pub(super) enum Taking {
    /// Hashed as they come.
    Mac(Hmac<Sha256>),
    /// Gathered, to be evaluated as a whole.
    Whole(WholeInput),
    /// One of them is not known yet.
    Unknown,
}

impl Taking {
    pub(super) fn whole(label: &str, rules: u16) -> Self {
        Self::Whole(Self::gather(label, rules))
    }

    /// The beginning of a whole input.
    pub(super) fn gather(label: &str, rules: u16) -> WholeInput {
        let mut input = Zeroizing::new(Vec::with_capacity(ROOM));
        input.extend_from_slice(&length(label.as_bytes()));
        input.extend_from_slice(label.as_bytes());
        input.extend_from_slice(&rules.to_be_bytes());
        input
    }
}

/// Fields on their way through the keyed function. Their order is part of the format; its one exit
/// is a [`Pseudonym`].
pub struct MacInput<'a> {
    with: &'a Pseudonymiser,
    domain: PseudonymDomain,
    taking: Taking,
}

impl<'a> MacInput<'a> {
    pub(super) const fn new(
        with: &'a Pseudonymiser,
        domain: PseudonymDomain,
        taking: Taking,
    ) -> Self {
        Self { with, domain, taking }
    }

    fn field(&mut self, value: &[u8]) {
        match &mut self.taking {
            Taking::Mac(mac) => absorb(mac, value),
            Taking::Whole(input) => {
                input.extend_from_slice(&length(value));
                input.extend_from_slice(value);
            }
            Taking::Unknown => {}
        }
    }

    /// A field that is no one's secret: a code, a scope.
    #[must_use]
    pub fn bytes(mut self, value: &[u8]) -> Self {
        self.field(value);
        self
    }

    /// A normalised text, or its absence.
    #[must_use]
    pub fn text(mut self, value: Option<&RawText>) -> Self {
        self.field(value.map_or(&[], RawText::bytes));
        self
    }

    /// A date of birth, or its absence.
    #[must_use]
    pub fn birth(mut self, value: Option<&BirthDate>) -> Self {
        match value {
            Some(birth) => self.field(&*birth.digits()),
            None => self.field(&[]),
        }
        self
    }

    /// An identifier that has become a pseudonym, or its absence. What enters is the value below
    /// the wrapping, the same under every key version.
    ///
    /// # Errors
    /// [`KeyError::NoWrappingKey`] where its wrapping key is not held.
    pub fn pseudonym(self, value: Option<&Pseudonym>) -> Result<Self, KeyError> {
        let with = self.with;
        self.inner(value, |pseudonym| with.unwrap(pseudonym))
    }

    /// The same of what is a partner's own: its record, its local id.
    ///
    /// # Errors
    /// [`KeyError::NoWrappingKey`] where its wrapping key is not held.
    pub fn own(self, value: Option<&Pseudonym>, partner: &PartnerId) -> Result<Self, KeyError> {
        let with = self.with;
        self.inner(value, |pseudonym| with.own_inner(pseudonym, partner))
    }

    fn inner(
        mut self,
        value: Option<&Pseudonym>,
        inner: impl FnOnce(&Pseudonym) -> Result<Zeroizing<[u8; 16]>, KeyError>,
    ) -> Result<Self, KeyError> {
        match value {
            Some(pseudonym) if !self.with.knows(pseudonym) => self.taking = Taking::Unknown,
            Some(pseudonym) => self.field(&*inner(pseudonym)?),
            None => self.field(&[]),
        }
        Ok(self)
    }

    /// The pseudonym of all fields, wrapped under the current key of its domain.
    #[must_use]
    pub fn finish(self) -> Pseudonym {
        self.finish_of(None)
    }

    /// The same of what is a partner's own: in a blinded deployment it is bound to the partner.
    #[must_use]
    pub fn finish_of(self, owner: Option<&PartnerId>) -> Pseudonym {
        let output = match self.taking {
            Taking::Mac(mac) => PrfOutput::of(mac),
            Taking::Whole(input) => self.with.output(input),
            Taking::Unknown => PrfOutput::unknown(),
        };
        self.with.pseudonym_of(self.domain, &output, owner)
    }
}

/// The most values that are remembered: about 200 MB.
const MOST_KNOWN: usize = 1_500_000;

/// What a connector knows of the PRF, and what it has yet to ask for. In memory only, by the
/// digest of the input: no identifier is kept.
#[derive(Default)]
pub struct Unblinded(Mutex<Known>);

#[derive(Default)]
struct Known {
    values: HashMap<[u8; 32], [u8; 32]>,
    wanted: BTreeMap<[u8; 32], WholeInput>,
}

impl Drop for Unblinded {
    fn drop(&mut self) {
        let known = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        known.values.values_mut().for_each(Zeroize::zeroize);
    }
}

impl fmt::Debug for Unblinded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unblinded")
    }
}

impl Unblinded {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn find(&self, input: WholeInput) -> Option<Zeroizing<[u8; 32]>> {
        let digest: [u8; 32] = Sha256::digest(&*input).into();
        let mut known = self.known();
        let found = known.values.get(&digest).map(|inner| Zeroizing::new(*inner));
        if found.is_none() {
            known.wanted.entry(digest).or_insert(input);
        }
        found
    }

    /// What is to be evaluated, each input once; nothing when all is known.
    #[must_use]
    pub fn take_wanted(&self) -> Vec<WholeInput> {
        std::mem::take(&mut self.known().wanted).into_values().collect()
    }

    /// Keeps what was evaluated. Where there is no more room everything older is forgotten, and
    /// is asked for again.
    pub fn learn(&self, evaluated: Vec<(WholeInput, [u8; 32])>) {
        let mut known = self.known();
        if known.values.len() + evaluated.len() > MOST_KNOWN {
            known.values.clear();
        }
        for (input, inner) in evaluated {
            known.values.insert(Sha256::digest(&*input).into(), inner);
        }
    }
}
