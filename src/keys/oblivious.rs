//! The oblivious PRF of blinded deployments: RFC 9497 in its verifiable mode (VOPRF), suite
//! ristretto255-SHA512.
//!
//! Why it exists: in a blinded deployment partners turn identifiers into pseudonyms' inner values
//! without showing them. A partner blinds the PRF's input ([`BlindedBatch::new`]), the gateway
//! evaluates the blinded element under its key ([`OprfKey::evaluate_blinded`]) and proves for the
//! whole batch that it used the key whose public half the partner holds, and the partner takes its
//! blind away ([`BlindedBatch::finish`]). What arrives in clear the gateway evaluates by itself
//! (`OprfKey::evaluate`), with the same result.
//!
//! Invariants:
//! - An element on the wire is the canonical encoding of a point other than the identity.
//! - No output leaves [`BlindedBatch::finish`] unless the proof verifies under the pinned key: a
//!   gateway that used one key for one partner and another one for the next would be found out.
//! - The key pair comes from the key file's 256 bits by DeriveKeyPair (RFC 9497 §3.2.1).
//!
//! What it does not give: whoever holds the key can evaluate every NHS number there is (10^9, some
//! 55 core-hours), and whoever may ask the gateway can try values one by one, for which there are
//! quotas.

use super::{KeyError, SecretKey};
use rand::CryptoRng;
use std::{fmt, str::FromStr};
use voprf::{
    BlindedElement, EvaluationElement, Group, Proof, Ristretto255, VoprfClient, VoprfServer,
};
use zeroize::{Zeroize, Zeroizing};

/// Bytes of an element on the wire.
pub const ELEMENT_BYTES: usize = 32;
/// Bytes of a batch's proof.
pub const PROOF_BYTES: usize = 64;
/// The most elements of a batch: some tenths of a second of one core.
pub const MOST_ELEMENTS: usize = 2_048;

/// Binds the derived key pair to what it is for.
const KEY_INFO: &[u8] = b"tallygate pseudonyms";
/// The longest input that is evaluated as it is; RFC 9497 ends at 65,535 bytes.
const LONGEST_INPUT: usize = 16_384;

type Element = <Ristretto255 as Group>::Elem;

/// Which keyed function a deployment's pseudonyms are made by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Prf {
    /// HMAC-SHA256: partners send identifiers over TLS.
    #[default]
    Hmac,
    /// RFC 9497: partners may blind, and the gateway never sees what they blinded.
    Oprf,
}

impl Prf {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Hmac, Self::Oprf];

    /// Its name in files, in the store and on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hmac => "hmac",
            Self::Oprf => "oprf",
        }
    }

    /// The PRF of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|prf| prf.name() == name)
    }
}

impl fmt::Display for Prf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The public half of a deployment's PRF key: partners pin it, and a proof made with any other
/// key does not verify. Written as 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrfPublicKey([u8; ELEMENT_BYTES]);

impl PrfPublicKey {
    /// From its canonical encoding.
    ///
    /// # Errors
    /// [`KeyError::InvalidPrfKey`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let point = point(bytes).ok_or(KeyError::InvalidPrfKey)?;
        Ok(Self(Ristretto255::serialize_elem(point).into()))
    }

    /// Its canonical encoding.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; ELEMENT_BYTES] {
        &self.0
    }
}

impl fmt::Display for PrfPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl FromStr for PrfPublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let bytes = hex::decode(text).map_err(|_| KeyError::InvalidPrfKey)?;
        Self::from_bytes(&bytes)
    }
}

/// A point other than the identity, from its canonical encoding.
fn point(bytes: &[u8]) -> Option<Element> {
    // The library's own error would panic on some lengths.
    (bytes.len() == ELEMENT_BYTES).then(|| Ristretto255::deserialize_elem(bytes).ok()).flatten()
}

/// Blinded elements that were read, in the order in which they came.
pub struct BlindedElements(Vec<BlindedElement<Ristretto255>>);

impl fmt::Debug for BlindedElements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlindedElements({})", self.0.len())
    }
}

impl BlindedElements {
    /// Reads a batch.
    ///
    /// # Errors
    /// [`KeyError::ElementBatch`] unless there are 1 to [`MOST_ELEMENTS`],
    /// [`KeyError::InvalidElement`] for the first that is no canonical point.
    pub fn read(elements: &[impl AsRef<[u8]>]) -> Result<Self, KeyError> {
        if elements.is_empty() || elements.len() > MOST_ELEMENTS {
            return Err(KeyError::ElementBatch);
        }
        let read = |(at, bytes): (usize, &_)| {
            let bytes: &[u8] = AsRef::as_ref(bytes);
            let right = (bytes.len() == ELEMENT_BYTES).then_some(bytes);
            right
                .and_then(|bytes| BlindedElement::deserialize(bytes).ok())
                .ok_or(KeyError::InvalidElement { position: at + 1 })
        };
        elements.iter().enumerate().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// How many.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.0.len()
    }
}

/// What the gateway answers to a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvaluatedBatch {
    /// One element for each that was sent, in their order.
    pub elements: Vec<[u8; ELEMENT_BYTES]>,
    /// The proof for all of them (RFC 9497 §2.2).
    pub proof: [u8; PROOF_BYTES],
}

/// The secret half of a deployment's PRF key; wiped when dropped.
pub struct OprfKey(VoprfServer<Ristretto255>);

impl OprfKey {
    /// The key pair of a key file's 256 bits.
    ///
    /// # Errors
    /// [`KeyError::Refused`], which happens for no seed that anybody will find.
    pub(super) fn derive(seed: &SecretKey) -> Result<Self, KeyError> {
        VoprfServer::new_from_seed(seed.bytes(), KEY_INFO)
            .map(Self)
            .map_err(|_| KeyError::Refused("derive the key of the oblivious PRF"))
    }

    /// The public half.
    #[must_use]
    pub fn public_key(&self) -> PrfPublicKey {
        PrfPublicKey(Ristretto255::serialize_elem(self.0.get_public_key()).into())
    }

    /// The first 256 bits of the PRF of an input that is known here.
    ///
    /// # Panics
    /// For an input that hashes to the identity, of which none is known.
    pub(super) fn evaluate(&self, input: &[u8]) -> Zeroizing<[u8; 32]> {
        let input = bounded(input);
        let output = self.0.evaluate(&input);
        let mut output = output.expect("the input is short, and no input of the identity is known");
        let mut first = Zeroizing::new([0; 32]);
        first.copy_from_slice(&output[..32]);
        output.as_mut_slice().zeroize();
        first
    }

    /// Evaluates a batch of blinded elements, with one proof for all.
    ///
    /// # Errors
    /// [`KeyError::ElementBatch`] for a batch that was not [read](BlindedElements::read).
    pub fn evaluate_blinded(
        &self,
        batch: &BlindedElements,
        rng: &mut dyn CryptoRng,
    ) -> Result<EvaluatedBatch, KeyError> {
        let done = self.0.batch_blind_evaluate(&mut Draw(rng), &batch.0);
        let done = done.map_err(|_| KeyError::ElementBatch)?;
        let elements = done.messages.iter().map(|element| element.serialize().into()).collect();
        let mut proof = [0; PROOF_BYTES];
        proof.copy_from_slice(&done.proof.serialize());
        Ok(EvaluatedBatch { elements, proof })
    }
}

/// A very long input stands for itself by its digest; none of a record's comes near.
fn bounded(input: &[u8]) -> Zeroizing<Vec<u8>> {
    use sha2::{Digest, Sha256};
    if input.len() <= LONGEST_INPUT {
        return Zeroizing::new(input.to_vec());
    }
    // No pseudonym's input begins so: theirs begin with four bytes of a small length.
    let mut short = b"digest of a long input".to_vec();
    short.extend_from_slice(&Sha256::digest(input));
    Zeroizing::new(short)
}

/// A partner's half of a batch: inputs and blinds stay here, the elements go to the gateway.
pub struct BlindedBatch {
    inputs: Vec<Zeroizing<Vec<u8>>>,
    /// What is hashed of each.
    bounded: Vec<Zeroizing<Vec<u8>>>,
    blinds: Vec<VoprfClient<Ristretto255>>,
    elements: Vec<[u8; ELEMENT_BYTES]>,
}

impl fmt::Debug for BlindedBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlindedBatch({})", self.elements.len())
    }
}

impl BlindedBatch {
    /// Blinds inputs, each under a blind of its own.
    ///
    /// # Errors
    /// [`KeyError::ElementBatch`] unless there are 1 to [`MOST_ELEMENTS`].
    pub fn new(inputs: Vec<Zeroizing<Vec<u8>>>, rng: &mut dyn CryptoRng) -> Result<Self, KeyError> {
        if inputs.is_empty() || inputs.len() > MOST_ELEMENTS {
            return Err(KeyError::ElementBatch);
        }
        let hashed: Vec<_> = inputs.iter().map(|input| bounded(input)).collect();
        let mut draw = Draw(rng);
        let (mut blinds, mut elements) = (Vec::new(), Vec::new());
        for input in &hashed {
            let blinded = VoprfClient::<Ristretto255>::blind(input, &mut draw)
                .map_err(|_| KeyError::Refused("blind an input"))?;
            elements.push(blinded.message.serialize().into());
            blinds.push(blinded.state);
        }
        Ok(Self { inputs, bounded: hashed, blinds, elements })
    }

    /// What is sent.
    #[must_use]
    pub fn elements(&self) -> &[[u8; ELEMENT_BYTES]] {
        &self.elements
    }

    /// Verifies the gateway's proof and takes the blinds away: each input with the first 256
    /// bits of its PRF.
    ///
    /// # Errors
    /// [`KeyError::ElementBatch`] where another number of elements came back,
    /// [`KeyError::InvalidElement`] for the first that is no canonical point, and
    /// [`KeyError::OtherPrfKey`] where the proof is not one of the pinned key's.
    pub fn finish(
        self,
        evaluated: &[impl AsRef<[u8]>],
        proof: &[u8],
        key: &PrfPublicKey,
    ) -> Result<Vec<KnownInput>, KeyError> {
        if evaluated.len() != self.elements.len() {
            return Err(KeyError::ElementBatch);
        }
        let mut answers = Vec::with_capacity(evaluated.len());
        for (at, bytes) in evaluated.iter().enumerate() {
            let bytes = bytes.as_ref();
            let right = (bytes.len() == ELEMENT_BYTES).then_some(bytes);
            let answer = right.and_then(|bytes| EvaluationElement::deserialize(bytes).ok());
            answers.push(answer.ok_or(KeyError::InvalidElement { position: at + 1 })?);
        }
        let right = (proof.len() == PROOF_BYTES).then_some(proof);
        let proof = right.and_then(|proof| Proof::deserialize(proof).ok());
        let proof = proof.ok_or(KeyError::OtherPrfKey)?;
        let public = point(&key.0).ok_or(KeyError::InvalidPrfKey)?;
        let outputs =
            VoprfClient::batch_finalize(&self.bounded, &self.blinds, &answers, &proof, public)
                .map_err(|_| KeyError::OtherPrfKey)?;
        let mut inner = Vec::with_capacity(self.inputs.len());
        for output in outputs {
            let mut output = output.map_err(|_| KeyError::Refused("finish an input"))?;
            let mut first = [0; 32];
            first.copy_from_slice(&output[..32]);
            output.as_mut_slice().zeroize();
            inner.push(first);
        }
        Ok(self.inputs.into_iter().zip(inner).collect())
    }
}

/// An input, and the first 256 bits of its PRF.
pub type KnownInput = (Zeroizing<Vec<u8>>, [u8; 32]);

/// Our generators, as the library's own generation of the trait.
pub(crate) struct Draw<'a>(pub(crate) &'a mut dyn CryptoRng);

impl rand_core06::RngCore for Draw<'_> {
    fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core06::Error> {
        self.0.fill_bytes(bytes);
        Ok(())
    }
}

impl rand_core06::CryptoRng for Draw<'_> {}

#[cfg(test)]
mod tests;
