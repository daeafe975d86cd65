//! From identifiers to pseudonyms.
//!
//! inner  = first 128 bits of HMAC-SHA256(Kp, prefix(label) || version || prefix(field) ...)
//! stored = AES-256(wrapping key of (domain, key version), inner)
//!
//! `prefix(x)` is the length of x in four big-endian bytes, then x; `version` is two big-endian
//! bytes and names the rules that normalised the fields, not the wrapping key, so that rotation
//! leaves inner alone. An absent field is an empty one. inner never leaves this file.
//!
//! A field that is a pseudonym enters as its inner value: match keys and fingerprints therefore
//! need no raw identifier beside its one exit, and do not change when a wrapping key does.
//!
//! Speed: the keyed state, label included, is computed once a domain and cloned. An identifier costs
//! two SHA-256 blocks, one AES block and the wiping: 1.6 to 1.8 times the bare hash of ten bytes in
//! the same run (176 ns on quiet cores, so about 300); a whole identity with two match keys and a
//! fingerprint about 4 us on busy ones, next to the 20 to 60 us that the store takes for its rows.

use super::{BirthDate, KeyError, KeyVersion, MasterKeys, Pseudonym, PseudonymDomain, RawText};
use crate::domain::PartnerId;
use aes::Aes256;
use aes::cipher::{Array, BlockCipherDecrypt, BlockCipherEncrypt};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

/// The version of the rules for identifiers, which are hashed in their canonical form.
const IDENTIFIER_RULES: u16 = 1;

/// What an identifier is and, where two partners may use one value for different things, whose.
#[derive(Debug, Clone, Copy)]
pub enum IdentifierKind<'a> {
    /// An NHS number.
    Nhs,
    /// A unique learner number.
    Uln,
    /// A unique pupil number.
    Upn,
    /// A National Insurance number.
    Nino,
    /// An early-years provider's number.
    Provider,
    /// A partner's own id for a person.
    Local {
        /// Whose.
        partner: &'a PartnerId,
    },
    /// A record's id within its feed.
    Record {
        /// Who sends the feed.
        partner: &'a PartnerId,
        /// What it consists of: `live_birth`.
        record_type: &'a str,
    },
    /// A consent reference.
    Consent {
        /// Whose.
        partner: &'a PartnerId,
    },
    /// A partner's own reference of who gave a consent, under one consent reference alone: no
    /// two consents show that one person gave both.
    Giver {
        /// Whose.
        partner: &'a PartnerId,
        /// Of which consent.
        consent: &'a str,
    },
    /// A partner's own reference of what proves a consent.
    Evidence {
        /// Whose.
        partner: &'a PartnerId,
        /// Of which consent.
        consent: &'a str,
    },
    /// A family's case.
    Case {
        /// Whose.
        partner: &'a PartnerId,
    },
    /// A person who uses the gateway.
    User {
        /// Whose staff.
        partner: &'a PartnerId,
    },
    /// A case of a subject's rights, by its opener's own reference.
    RightsCase {
        /// Whose.
        partner: &'a PartnerId,
    },
}

impl IdentifierKind<'_> {
    /// The domain that its pseudonyms belong to.
    #[must_use]
    pub const fn domain(&self) -> PseudonymDomain {
        match self {
            Self::Nhs => PseudonymDomain::Nhs,
            Self::Uln => PseudonymDomain::Uln,
            Self::Upn => PseudonymDomain::Upn,
            Self::Nino => PseudonymDomain::Nino,
            Self::Provider => PseudonymDomain::Provider,
            Self::Local { .. } => PseudonymDomain::Local,
            Self::Record { .. } => PseudonymDomain::Record,
            // Four fields in place of two: no giver is anybody's consent.
            Self::Consent { .. } | Self::Giver { .. } | Self::Evidence { .. } => {
                PseudonymDomain::Consent
            }
            Self::Case { .. } => PseudonymDomain::Case,
            Self::User { .. } => PseudonymDomain::User,
            Self::RightsCase { .. } => PseudonymDomain::Suppression,
        }
    }
}

/// What one domain needs: the keyed state that has taken in its label, and its wrapping keys.
struct DomainKeys {
    keyed: Hmac<Sha256>,
    current: (KeyVersion, Aes256),
    /// Earlier ones, and one that is to become the current.
    others: Vec<(KeyVersion, Aes256)>,
}

/// Makes pseudonyms. Built once from the master keys; shared between tasks by reference.
pub struct Pseudonymiser {
    /// In the order of [`PseudonymDomain::ALL`].
    domains: Vec<DomainKeys>,
}

impl Pseudonymiser {
    /// Computes the keyed states. New pseudonyms are wrapped under the newest version.
    ///
    /// # Errors
    /// [`KeyError::NoWrappingKey`] where a domain has no key at all.
    pub fn new(keys: &MasterKeys) -> Result<Self, KeyError> {
        Self::under(keys, keys.newest())
    }

    /// Computes the keyed states. New pseudonyms are wrapped under `current`, but for those of
    /// the domains that don't rotate: these are wrapped under the oldest key that is held, the
    /// same in every copy of the file.
    ///
    /// # Errors
    /// [`KeyError::NoWrappingKey`] where a domain does not hold it.
    pub fn under(keys: &MasterKeys, current: KeyVersion) -> Result<Self, KeyError> {
        let unlabelled = Hmac::new_from_slice(keys.pseudonym_key().bytes())
            .map_err(|_| KeyError::Refused("key the hash"))?;
        let mut domains = Vec::with_capacity(PseudonymDomain::ALL.len());
        for &domain in PseudonymDomain::ALL {
            let mut held: Vec<_> = keys
                .wrapping_keys(domain)
                .map(|(version, key)| (version, Aes256::new(key.bytes().into())))
                .collect();
            let at = held.iter().position(|(held, _)| *held == current || !domain.rotates());
            let at = at.ok_or(KeyError::NoWrappingKey { domain, version: current })?;
            let current = held.remove(at);
            let mut keyed = unlabelled.clone();
            absorb(&mut keyed, domain.label().as_bytes());
            domains.push(DomainKeys { keyed, current, others: held });
        }
        Ok(Self { domains })
    }

    /// The key version under which new pseudonyms of a domain are wrapped.
    #[must_use]
    pub fn current_version(&self, domain: PseudonymDomain) -> KeyVersion {
        self.domains[domain.index()].current.0
    }

    /// Begins the keyed hash over several fields. `rules` is the version of the rules that
    /// normalised them: fields under other rules give other pseudonyms.
    #[must_use]
    pub fn begin(&self, domain: PseudonymDomain, rules: u16) -> MacInput<'_> {
        let mut mac = self.domains[domain.index()].keyed.clone();
        mac.update(&rules.to_be_bytes());
        MacInput { with: self, domain, mac }
    }

    /// The pseudonym under another version of its domain's wrapping key: rotation, and looking up
    /// under both versions while it runs. Needs no identifier.
    ///
    /// # Errors
    /// [`KeyError::NoWrappingKey`] where either key is not held.
    pub fn rewrap(&self, pseudonym: &Pseudonym, to: KeyVersion) -> Result<Pseudonym, KeyError> {
        let inner = self.unwrap(pseudonym)?;
        let key = self.wrapping_key(pseudonym.domain(), to)?;
        Ok(wrap(pseudonym.domain(), to, key, inner))
    }

    /// What remains of a pseudonym when it is erased, and by which it is known again: its inner
    /// value under the one key of the suppressions, whatever version wrapped it before.
    ///
    /// # Errors
    /// [`KeyError::NoWrappingKey`] where its key is not held.
    pub fn suppress(&self, pseudonym: &Pseudonym) -> Result<Pseudonym, KeyError> {
        let inner = self.unwrap(pseudonym)?;
        let (version, key) = &self.domains[PseudonymDomain::Suppression.index()].current;
        Ok(wrap(PseudonymDomain::Suppression, *version, key, inner))
    }

    /// The pseudonym that a suppression stands for, under a version of its domain's key: to look
    /// whether anything of it is stored.
    ///
    /// # Errors
    /// [`KeyError::NoWrappingKey`] where that key is not held.
    pub fn suppressed(
        &self,
        token: &[u8; 16],
        domain: PseudonymDomain,
        to: KeyVersion,
    ) -> Result<Pseudonym, KeyError> {
        let (version, _) = self.domains[PseudonymDomain::Suppression.index()].current;
        let token = Pseudonym::from_stored(PseudonymDomain::Suppression, version, token)?;
        let inner = self.unwrap(&token)?;
        Ok(wrap(domain, to, self.wrapping_key(domain, to)?, inner))
    }

    /// Covers sixteen bytes that are kept beside a suppression, by the suppressions' own key: one
    /// block of AES in the chaining mode (NIST SP 800-38A), whose vector is the suppression itself,
    /// so that equal bytes beside two of them look unrelated.
    #[must_use]
    pub fn cover(&self, beside: &[u8; 16], mut plain: [u8; 16]) -> [u8; 16] {
        let (_, key) = &self.domains[PseudonymDomain::Suppression.index()].current;
        let mut block = Array::from(mixed(beside, &plain));
        plain.zeroize();
        key.encrypt_block(&mut block);
        block.into()
    }

    /// What [`cover`](Self::cover) covered.
    #[must_use]
    pub fn uncover(&self, beside: &[u8; 16], covered: &[u8; 16]) -> [u8; 16] {
        let (_, key) = &self.domains[PseudonymDomain::Suppression.index()].current;
        let mut block = Array::from(*covered);
        key.decrypt_block(&mut block);
        mixed(beside, &block.into())
    }

    pub(super) fn identifier(&self, kind: IdentifierKind<'_>, value: &[u8]) -> Pseudonym {
        let input = self.begin(kind.domain(), IDENTIFIER_RULES);
        let scoped = match kind {
            IdentifierKind::Nhs
            | IdentifierKind::Uln
            | IdentifierKind::Upn
            | IdentifierKind::Nino
            | IdentifierKind::Provider => input,
            IdentifierKind::Local { partner }
            | IdentifierKind::Consent { partner }
            | IdentifierKind::Case { partner }
            | IdentifierKind::User { partner }
            | IdentifierKind::RightsCase { partner } => input.bytes(partner.as_str().as_bytes()),
            IdentifierKind::Giver { partner, consent } => {
                input.bytes(partner.as_str().as_bytes()).bytes(consent.as_bytes()).bytes(b"giver")
            }
            IdentifierKind::Evidence { partner, consent } => input
                .bytes(partner.as_str().as_bytes())
                .bytes(consent.as_bytes())
                .bytes(b"evidence"),
            IdentifierKind::Record { partner, record_type } => {
                input.bytes(partner.as_str().as_bytes()).bytes(record_type.as_bytes())
            }
        };
        scoped.bytes(value).finish()
    }

    fn wrapping_key(
        &self,
        domain: PseudonymDomain,
        version: KeyVersion,
    ) -> Result<&Aes256, KeyError> {
        let held = &self.domains[domain.index()];
        std::iter::once(&held.current)
            .chain(&held.others)
            .find_map(|(number, key)| (*number == version).then_some(key))
            .ok_or(KeyError::NoWrappingKey { domain, version })
    }

    fn unwrap(&self, pseudonym: &Pseudonym) -> Result<Zeroizing<[u8; 16]>, KeyError> {
        let key = self.wrapping_key(pseudonym.domain(), pseudonym.key_version())?;
        let mut block = Array::from(*pseudonym.as_bytes());
        key.decrypt_block(&mut block);
        Ok(Zeroizing::new(block.into()))
    }
}

fn mixed(one: &[u8; 16], other: &[u8; 16]) -> [u8; 16] {
    std::array::from_fn(|at| one[at] ^ other[at])
}

/// Takes in a length-prefixed value.
fn absorb(mac: &mut Hmac<Sha256>, value: &[u8]) {
    // No field comes near 4 GiB: a message of that size is refused long before.
    let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
    mac.update(&length.to_be_bytes());
    mac.update(value);
}

fn wrap(
    domain: PseudonymDomain,
    version: KeyVersion,
    key: &Aes256,
    mut inner: Zeroizing<[u8; 16]>,
) -> Pseudonym {
    let mut block = Array::from(*inner);
    inner.zeroize();
    key.encrypt_block(&mut block);
    Pseudonym::new(domain, version, block.into())
}

/// Fields on their way through the keyed hash. Their order is part of the format; its one exit is a
/// [`Pseudonym`].
pub struct MacInput<'a> {
    with: &'a Pseudonymiser,
    domain: PseudonymDomain,
    mac: Hmac<Sha256>,
}

impl MacInput<'_> {
    fn field(&mut self, value: &[u8]) {
        absorb(&mut self.mac, value);
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
    pub fn pseudonym(mut self, value: Option<&Pseudonym>) -> Result<Self, KeyError> {
        match value {
            Some(pseudonym) => {
                let inner = self.with.unwrap(pseudonym)?;
                self.field(&*inner);
            }
            None => self.field(&[]),
        }
        Ok(self)
    }

    /// The pseudonym of all fields, wrapped under the current key of its domain.
    #[must_use]
    pub fn finish(self) -> Pseudonym {
        let mut hash = self.mac.finalize().into_bytes();
        let mut inner = Zeroizing::new([0; 16]);
        inner.copy_from_slice(&hash[..16]);
        hash.as_mut_slice().zeroize();
        let (version, key) = &self.with.domains[self.domain.index()].current;
        wrap(self.domain, *version, key, inner)
    }
}

#[cfg(test)]
mod tests;
