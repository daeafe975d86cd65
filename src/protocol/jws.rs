//! The signed form on the wire: JWS General JSON serialisation (RFC 7515 §7.2.1), one signature per
//! signatory over the same canonical payload (RFC 8785), Ed25519 (RFC 8037, RFC 9864).
//!
//! This file only reads, writes and adds; what a signature is worth is decided in [`super::signing`].
//! Invariant: the bytes that a signature covers are kept as they were received (`protected` and `payload`
//! in base64url), never re-encoded.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::document::{KeyId, MAX_DOCUMENT_BYTES};
use super::fault::{Fault, Rule};
use super::signing::SignatureError;
use super::strict;
use super::vocabulary::{SignatoryRole, closed};
use crate::domain::PartnerId;

/// Most signatures that an envelope may hold.
const MAX_SIGNATURES: usize = 200;

/// Largest envelope that is read, in bytes: the document in base64url and its signatures.
const MAX_ENVELOPE_BYTES: usize = 2 * MAX_DOCUMENT_BYTES;

closed! {
    /// The signature algorithm; both names mean Ed25519 here.
    pub enum Algorithm {
        Ed25519 = "Ed25519", "Ed25519 (RFC 9864): what we write";
        EdDsa = "EdDSA", "EdDSA (RFC 8037): accepted, with Ed25519 keys only";
    }
}

/// A signature's protected header. All members are mandatory and no other is accepted: no `jku`, `jwk`,
/// `x5u` can bring a key along, and no `crit` extension is understood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProtectedHeader {
    /// The algorithm.
    pub alg: Algorithm,
    /// The document's media type: a signature for one kind never counts for another.
    pub typ: String,
    /// The signing key.
    pub kid: KeyId,
    /// For whom is signed.
    pub party: PartnerId,
    /// In which office.
    pub role: SignatoryRole,
    /// When, as the signatory says: seconds since 1970-01-01.
    pub iat: u64,
}

/// What of a header is looked at before its form: these have errors of their own.
#[derive(Deserialize)]
struct HeaderTraps {
    #[serde(default)]
    alg: Option<String>,
    #[serde(default)]
    crit: Option<serde::de::IgnoredAny>,
}

/// One signature as received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EnvelopeSignature {
    pub(super) header: ProtectedHeader,
    pub(super) signature: [u8; 64],
    protected: String,
}

/// A payload and its signatures, well-formed but not verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    payload: Vec<u8>,
    pub(super) signatures: Vec<EnvelopeSignature>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireEnvelope {
    payload: String,
    signatures: Vec<WireSignature>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireSignature {
    protected: String,
    signature: String,
}

impl Envelope {
    /// An envelope without signatures around canonical bytes.
    pub(super) fn unsigned(payload: Vec<u8>) -> Self {
        Self { payload, signatures: Vec::new() }
    }

    /// Reads a General JWS JSON text. An unprotected `header` is refused: what it says is not signed.
    ///
    /// # Errors
    /// [`SignatureError::Envelope`] for the text, [`SignatureError::Header`] and
    /// [`SignatureError::UnknownCritical`], [`SignatureError::UnknownAlgorithm`] for a header.
    pub fn parse(text: &[u8]) -> Result<Self, SignatureError> {
        let wire: WireEnvelope =
            strict::read(text, MAX_ENVELOPE_BYTES).map_err(SignatureError::Envelope)?;
        let fault = |pointer: &str, rule| SignatureError::Envelope(Fault::at(pointer, rule));
        let payload = URL_SAFE_NO_PAD
            .decode(&wire.payload)
            .map_err(|_| fault("/payload", Rule::Malformed))?;
        if wire.signatures.len() > MAX_SIGNATURES {
            return Err(fault("/signatures", Rule::TooLarge));
        }
        let signatures = wire.signatures.into_iter().enumerate();
        let signatures = signatures.map(|(place, signature)| read_signature(place, signature));
        Ok(Self { payload, signatures: signatures.collect::<Result<_, _>>()? })
    }

    /// The General JWS JSON text, pretty-printed.
    ///
    /// # Errors
    /// Never in practice; [`SignatureError::Envelope`] when JSON can't be written.
    pub fn to_json(&self) -> Result<String, SignatureError> {
        let signature = |s: &EnvelopeSignature| WireSignature {
            protected: s.protected.clone(),
            signature: URL_SAFE_NO_PAD.encode(s.signature),
        };
        let wire = WireEnvelope {
            payload: URL_SAFE_NO_PAD.encode(&self.payload),
            signatures: self.signatures.iter().map(signature).collect(),
        };
        serde_json::to_string_pretty(&wire)
            .map_err(|_| SignatureError::Envelope(Fault::at("", Rule::Malformed)))
    }

    /// The payload as received: a document's text, not yet read.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The headers, as claimed and not yet verified.
    pub fn headers(&self) -> impl Iterator<Item = &ProtectedHeader> {
        self.signatures.iter().map(|s| &s.header)
    }

    /// The bytes that the signature at `place` covers (RFC 7515 §5.2 step 8).
    pub(super) fn signing_input(&self, signature: &EnvelopeSignature) -> Vec<u8> {
        signing_input(&signature.protected, &self.payload)
    }

    /// Adds one's own signature beside those already there. `sign` gets the signing input and answers with
    /// the 64 bytes of an Ed25519 signature (RFC 8032), or nothing if the key can't sign.
    ///
    /// # Errors
    /// [`SignatureError::Duplicate`] when this key has signed already,
    /// [`SignatureError::SigningFailed`] when `sign` gives nothing.
    pub fn sign(
        mut self,
        header: ProtectedHeader,
        sign: impl FnOnce(&[u8]) -> Option<[u8; 64]>,
    ) -> Result<Self, SignatureError> {
        if let Some(place) = self.signatures.iter().position(|s| s.header.kid == header.kid) {
            return Err(SignatureError::Duplicate { place });
        }
        let json = serde_json_canonicalizer::to_vec(&header)
            .map_err(|_| SignatureError::Envelope(Fault::at("", Rule::Malformed)))?;
        let protected = URL_SAFE_NO_PAD.encode(json);
        let signature =
            sign(&signing_input(&protected, &self.payload)).ok_or(SignatureError::SigningFailed)?;
        self.signatures.push(EnvelopeSignature { header, signature, protected });
        Ok(self)
    }

    /// Brings the signatures of two copies of one document together; those held by both count once.
    ///
    /// # Errors
    /// [`SignatureError::PayloadDiffers`] unless both hold the same payload, byte by byte.
    pub fn merge(mut self, other: Self) -> Result<Self, SignatureError> {
        if self.payload != other.payload {
            return Err(SignatureError::PayloadDiffers);
        }
        for signature in other.signatures {
            if !self.signatures.contains(&signature) {
                self.signatures.push(signature);
            }
        }
        Ok(self)
    }
}

fn signing_input(protected: &str, payload: &[u8]) -> Vec<u8> {
    format!("{protected}.{}", URL_SAFE_NO_PAD.encode(payload)).into_bytes()
}

fn read_signature(place: usize, wire: WireSignature) -> Result<EnvelopeSignature, SignatureError> {
    let fault = |member: &str| {
        let pointer = format!("/signatures/{place}/{member}");
        SignatureError::Envelope(Fault::at(&pointer, Rule::Malformed))
    };
    let json = URL_SAFE_NO_PAD.decode(&wire.protected).map_err(|_| fault("protected"))?;
    let traps: HeaderTraps =
        strict::read(&json, 4096).map_err(|fault| SignatureError::Header { place, fault })?;
    if traps.crit.is_some() {
        return Err(SignatureError::UnknownCritical { place });
    }
    if traps.alg.is_some_and(|alg| Algorithm::from_code(&alg).is_none()) {
        return Err(SignatureError::UnknownAlgorithm { place });
    }
    let header =
        strict::read(&json, 4096).map_err(|fault| SignatureError::Header { place, fault })?;
    let signature = URL_SAFE_NO_PAD.decode(&wire.signature).map_err(|_| fault("signature"))?;
    let signature = signature.try_into().map_err(|_| fault("signature"))?;
    Ok(EnvelopeSignature { header, signature, protected: wire.protected })
}
