//! From identifiers to pseudonyms.
//!
//! inner  = first 128 bits of HMAC-SHA256(Kp, prefix(label) || version || prefix(field) ...)
//! stored = AES-256(wrapping key of (domain, key version), inner)
//!
//! `prefix(x)` is the length of x in four big-endian bytes, then x; `version` is two big-endian
//! bytes and names the rules that normalised the fields, not the wrapping key, so that rotation
//! leaves inner alone. An absent field is an empty one. inner leaves this room only at a partner's
//! own connector, which sends it.
//!
//! In a blinded deployment ([`Prf::Oprf`]) the PRF is RFC 9497's over the same input, but where
//! nothing ever comes blinded (the log's users, cases of rights, who gave a consent and what proves
//! it): those stay with HMAC. What is a partner's own is XORed with HMAC(Kp, prefix(label) || ffff ||
//! prefix(partner)) before it is wrapped, by the partner that is known to call: blinded, the
//! gateway can't see whose scope stands in the input.
//!
//! A field that is a pseudonym enters as its inner value: match keys and fingerprints therefore
//! need no raw identifier beside its exits, and do not change when a wrapping key does.
//!
//! Speed: the keyed state, label included, is computed once a domain and cloned. An identifier costs
//! two SHA-256 blocks, one AES block and the wiping: 1.6 to 1.8 times the bare hash of ten bytes in
//! the same run (176 ns on quiet cores, so about 300); a whole identity takes some 27 of them
//! (`tallygate bench linkage` counts them).

use super::{
    IDENTIFIER_RULES, IdentifierKind, KeyError, KeyVersion, MacInput, MasterKeys, Output, Prf,
    PrfInput, PrfOutput, Pseudonym, PseudonymDomain, WholeInput,
    mac_input::{Taking, Unblinded, absorb},
    oblivious::OprfKey,
};
use crate::domain::PartnerId;
use aes::Aes256;
use aes::cipher::{Array, BlockCipherDecrypt, BlockCipherEncrypt};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

/// In place of the rules where a partner's own values are bound to it.
const OWN_RULES: u16 = 0xffff;
/// In place of the rules where an identity's fingerprint is bound to all that came with it.
const WHOLE_RULES: u16 = 0xfffe;
/// The version of pseudonyms at a connector, which wraps nothing.
const UNWRAPPED: KeyVersion = KeyVersion::new(0);
/// The version of a pseudonym at a connector that is not evaluated yet.
pub(super) const UNKNOWN: KeyVersion = KeyVersion::new(u16::MAX);

fn earlier(made: &[PrfOutput], at: usize) -> Result<&PrfOutput, KeyError> {
    made.get(at).ok_or(KeyError::Refused("look ahead"))
}

/// What one domain needs: the keyed state that has taken in its label, and its wrapping keys.
struct DomainKeys {
    keyed: Hmac<Sha256>,
    current: (KeyVersion, Aes256),
    /// Earlier ones, and one that is to become the current.
    others: Vec<(KeyVersion, Aes256)>,
}

/// How inner values are made.
enum Function {
    Hmac,
    /// Boxed: it is larger than the whole rest.
    Oprf(Box<OprfKey>),
    /// At a partner's connector, which holds no key: from what the gateway evaluated.
    Unblinded(Unblinded),
}

/// Makes pseudonyms. Built once from the master keys; shared between tasks by reference.
pub struct Pseudonymiser {
    function: Function,
    /// In the order of [`PseudonymDomain::ALL`]; none at a connector.
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
        let function = match keys.prf() {
            Prf::Hmac => Function::Hmac,
            Prf::Oprf => Function::Oprf(Box::new(OprfKey::derive(keys.pseudonym_key())?)),
        };
        Ok(Self { function, domains })
    }

    /// A connector's: it knows what `values` holds, notes there what is not evaluated yet, and
    /// what it makes is the inner values themselves.
    #[must_use]
    pub const fn unblinding(values: Unblinded) -> Self {
        Self { function: Function::Unblinded(values), domains: Vec::new() }
    }

    /// What a connector's values come from.
    #[must_use]
    pub const fn unblinded(&self) -> Option<&Unblinded> {
        match &self.function {
            Function::Unblinded(values) => Some(values),
            Function::Hmac | Function::Oprf(_) => None,
        }
    }

    /// What evaluates blinded elements; none where pseudonyms are made with a keyed hash.
    #[must_use]
    pub fn oprf(&self) -> Option<&OprfKey> {
        match &self.function {
            Function::Oprf(key) => Some(key),
            Function::Hmac | Function::Unblinded(_) => None,
        }
    }

    /// Begins the keyed hash over several fields. `rules` is the version of the rules that
    /// normalised them: fields under other rules give other pseudonyms.
    #[must_use]
    pub fn begin(&self, domain: PseudonymDomain, rules: u16) -> MacInput<'_> {
        // What never comes blinded.
        let clear = matches!(domain, PseudonymDomain::User | PseudonymDomain::Suppression);
        match &self.function {
            Function::Hmac => self.begin_keyed(domain, rules),
            Function::Oprf(_) if clear => self.begin_keyed(domain, rules),
            Function::Oprf(_) | Function::Unblinded(_) => {
                MacInput::new(self, domain, Taking::whole(domain.label(), rules))
            }
        }
    }

    /// The same with HMAC, whatever the deployment's PRF is.
    fn begin_keyed(&self, domain: PseudonymDomain, rules: u16) -> MacInput<'_> {
        let mut mac = self.domains[domain.index()].keyed.clone();
        mac.update(&rules.to_be_bytes());
        MacInput::new(self, domain, Taking::Mac(mac))
    }

    /// The output of a whole input; unknown where a connector has yet to ask for it.
    pub(super) fn output(&self, input: WholeInput) -> PrfOutput {
        match &self.function {
            Function::Oprf(key) => PrfOutput { bytes: key.evaluate(&input), known: true },
            Function::Unblinded(values) => match values.find(input) {
                Some(bytes) => PrfOutput { bytes, known: true },
                None => PrfOutput::unknown(),
            },
            // An input is gathered for the other two alone.
            Function::Hmac => PrfOutput::unknown(),
        }
    }

    /// Evaluates inputs in their order; `record` is the record of `partner`'s that they stand in.
    ///
    /// # Errors
    /// [`KeyError::NoWrappingKey`] where the record's wrapping key is not held,
    /// [`KeyError::Refused`] where an input takes in an output that is not there yet.
    pub fn evaluate(
        &self,
        inputs: &[PrfInput],
        record: &Pseudonym,
        partner: &PartnerId,
    ) -> Result<Vec<PrfOutput>, KeyError> {
        let mut made: Vec<PrfOutput> = Vec::with_capacity(inputs.len());
        for input in inputs {
            let output = match self.function {
                Function::Hmac => self.hashed(input, &made, record)?,
                Function::Oprf(_) | Function::Unblinded(_) => {
                    self.evaluated(input, &made, record, partner)?
                }
            };
            made.push(output);
        }
        Ok(made)
    }

    fn hashed(
        &self,
        input: &PrfInput,
        made: &[PrfOutput],
        record: &Pseudonym,
    ) -> Result<PrfOutput, KeyError> {
        let mut mac = self.domains[input.domain().index()].keyed.clone();
        mac.update(&input.rules().to_be_bytes());
        for (piece, output) in input.pieces() {
            mac.update(piece);
            match output {
                None => {}
                Some(Output::Record) => absorb(&mut mac, &*self.unwrap(record)?),
                Some(Output::Of(at)) => absorb(&mut mac, earlier(made, at)?.inner()),
            }
        }
        Ok(PrfOutput::of(mac))
    }

    /// The same of the oblivious PRF. An input that hides nothing beyond its parts' outputs needs no
    /// key: it is their digest, which a connector makes by itself.
    fn evaluated(
        &self,
        input: &PrfInput,
        made: &[PrfOutput],
        record: &Pseudonym,
        partner: &PartnerId,
    ) -> Result<PrfOutput, KeyError> {
        let mut whole = Taking::gather(input.domain().label(), input.rules());
        for (piece, output) in input.pieces() {
            whole.extend_from_slice(piece);
            let inner: &[u8; 16] = match output {
                None => continue,
                Some(Output::Record) => {
                    if !self.knows(record) {
                        return Ok(PrfOutput::unknown());
                    }
                    let own = self.own_inner(record, partner)?;
                    whole.extend_from_slice(&16u32.to_be_bytes());
                    whole.extend_from_slice(&*own);
                    continue;
                }
                Some(Output::Of(at)) => match earlier(made, at)? {
                    output if output.known => output.inner(),
                    _ => return Ok(PrfOutput::unknown()),
                },
            };
            whole.extend_from_slice(&16u32.to_be_bytes());
            whole.extend_from_slice(inner);
        }
        if input.is_derived() {
            return Ok(PrfOutput::digest(&whole));
        }
        Ok(self.output(whole))
    }

    /// Whether a pseudonym is more than a place for one: always, but at a connector.
    pub(super) fn knows(&self, pseudonym: &Pseudonym) -> bool {
        self.unblinded().is_none() || pseudonym.key_version() != UNKNOWN
    }

    /// The pseudonym of an evaluated input, wrapped under the current key of its domain.
    #[must_use]
    pub fn pseudonym(&self, domain: PseudonymDomain, output: &PrfOutput) -> Pseudonym {
        self.pseudonym_of(domain, output, None)
    }

    /// The same of what is a partner's own: in a blinded deployment it is bound to the partner.
    #[must_use]
    pub fn pseudonym_of(
        &self,
        domain: PseudonymDomain,
        output: &PrfOutput,
        owner: Option<&PartnerId>,
    ) -> Pseudonym {
        if !output.known {
            return Pseudonym::new(domain, UNKNOWN, [0; 16]);
        }
        self.wrapped(domain, Zeroizing::new(*output.inner()), owner)
    }

    /// A pseudonym of an inner value, under the current key of its domain; bound to its owner
    /// where it is a partner's own.
    pub(super) fn wrapped(
        &self,
        domain: PseudonymDomain,
        mut inner: Zeroizing<[u8; 16]>,
        owner: Option<&PartnerId>,
    ) -> Pseudonym {
        if let Function::Unblinded(_) = self.function {
            return Pseudonym::new(domain, UNWRAPPED, *inner);
        }
        if let (Function::Oprf(_), Some(partner)) = (&self.function, owner) {
            self.bind(domain, partner, &mut inner);
        }
        let (version, key) = &self.domains[domain.index()].current;
        wrap(domain, *version, key, inner)
    }

    /// Binds an inner value to a partner, or frees it again.
    fn bind(&self, domain: PseudonymDomain, partner: &PartnerId, inner: &mut [u8; 16]) {
        let mut mac = self.domains[domain.index()].keyed.clone();
        mac.update(&OWN_RULES.to_be_bytes());
        absorb(&mut mac, partner.as_str().as_bytes());
        let mut mask = mac.finalize().into_bytes();
        inner.iter_mut().zip(&mask).for_each(|(byte, mask)| *byte ^= mask);
        mask.as_mut_slice().zeroize();
    }

    /// The fingerprint of an identity of which partners say themselves what stands for it, bound to
    /// all that they say: `parts`, in one order for everybody, and `rest`. Who sends another's
    /// fingerprint with other keys has made another identity, not changed what the other is known
    /// by. Where pseudonyms are made of what came in clear, the fingerprint as it is.
    ///
    /// # Errors
    /// [`KeyError::NoWrappingKey`] where a part's key is not held.
    pub fn bound_to(
        &self,
        fingerprint: &Pseudonym,
        parts: &[(u8, &Pseudonym)],
        rest: &[&[u8]],
    ) -> Result<Pseudonym, KeyError> {
        let Function::Oprf(_) = self.function else { return Ok(*fingerprint) };
        let domain = &self.domains[fingerprint.domain().index()];
        let mut mac = domain.keyed.clone();
        mac.update(&WHOLE_RULES.to_be_bytes());
        absorb(&mut mac, &*self.unwrap(fingerprint)?);
        for (number, part) in parts {
            absorb(&mut mac, &[*number]);
            absorb(&mut mac, &*self.unwrap(part)?);
        }
        rest.iter().for_each(|field| absorb(&mut mac, field));
        let mut whole = mac.finalize().into_bytes();
        let inner = Zeroizing::new(*whole.first_chunk().unwrap_or(&[0; 16]));
        whole.as_mut_slice().zeroize();
        let (version, key) = &domain.current;
        Ok(wrap(fingerprint.domain(), *version, key, inner))
    }

    /// The inner value of a partner's own pseudonym as its connector knows it.
    pub(super) fn own_inner(
        &self,
        pseudonym: &Pseudonym,
        partner: &PartnerId,
    ) -> Result<Zeroizing<[u8; 16]>, KeyError> {
        let mut inner = self.unwrap(pseudonym)?;
        if let Function::Oprf(_) = self.function {
            self.bind(pseudonym.domain(), partner, &mut inner);
        }
        Ok(inner)
    }

    /// The pseudonym of an inner value that a partner sent blinded. `owner` is who sends it, for
    /// what is that partner's own.
    ///
    /// # Errors
    /// [`KeyError::NotBlinded`] where pseudonyms are made with a keyed hash.
    pub fn of_blinded(
        &self,
        domain: PseudonymDomain,
        inner: [u8; 16],
        owner: Option<&PartnerId>,
    ) -> Result<Pseudonym, KeyError> {
        match self.function {
            Function::Oprf(_) => Ok(self.wrapped(domain, Zeroizing::new(inner), owner)),
            Function::Hmac | Function::Unblinded(_) => Err(KeyError::NotBlinded),
        }
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
        let input = match kind.is_always_clear() {
            true => self.begin_keyed(kind.domain(), IDENTIFIER_RULES),
            false => self.begin(kind.domain(), IDENTIFIER_RULES),
        };
        let scoped = kind.scope().into_iter().flatten().fold(input, MacInput::bytes);
        scoped.bytes(value).finish_of(kind.owner())
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

    pub(super) fn unwrap(&self, pseudonym: &Pseudonym) -> Result<Zeroizing<[u8; 16]>, KeyError> {
        if let Function::Unblinded(_) = self.function {
            return Ok(Zeroizing::new(*pseudonym.as_bytes()));
        }
        let key = self.wrapping_key(pseudonym.domain(), pseudonym.key_version())?;
        let mut block = Array::from(*pseudonym.as_bytes());
        key.decrypt_block(&mut block);
        Ok(Zeroizing::new(block.into()))
    }
}

fn mixed(one: &[u8; 16], other: &[u8; 16]) -> [u8; 16] {
    std::array::from_fn(|at| one[at] ^ other[at])
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

#[cfg(test)]
mod tests;
