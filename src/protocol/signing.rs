//! What signatures are worth: typed stages from draft to fully signed.
//!
//! JOSE libraries answer "valid" when any one signature of several verifies. An agreement needs the
//! opposite, so here: **every** signature must verify against a registered key of the right purpose, party
//! and office, none may come from outside the parties, none may count twice, and the quorum must be full.
//! A later stage can't be made without that verification: its only constructor is [`verify`].

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use jiff::{SignedDuration, Timestamp};

use super::document::{Digest, KeyId, Protocol};
use super::fault::{Fault, Rule};
use super::jws::{Algorithm, Envelope, EnvelopeSignature, ProtectedHeader};
pub use super::quorum::Missing;
use super::quorum::missing;
use super::register::{KeyPurpose, KeyRegister, RegisteredKey};
pub use super::signature_error::SignatureError;
use super::vocabulary::SignatoryRole;
use crate::domain::PartnerId;

/// How far a signatory's clock may run ahead of ours, in seconds.
const CLOCK_SKEW_SECONDS: i64 = 300;

/// A document that parties sign: a protocol, the root disclosure policy, an acknowledgement.
pub trait Document: Sized {
    /// The `typ` of its signatures (RFC 7515 §4.1.9).
    const TYP: &'static str;
    /// What the keys that sign it are registered for.
    const PURPOSE: KeyPurpose = KeyPurpose::ProtocolSigning;

    /// Reads it strictly.
    ///
    /// # Errors
    /// The first fault.
    fn parse(text: &[u8]) -> Result<Self, Fault>;

    /// Its canonical form (RFC 8785).
    ///
    /// # Errors
    /// [`Rule::Malformed`] if it can't be written.
    fn canonical(&self) -> Result<Vec<u8>, Fault>;

    /// The organisations that sign.
    fn signing_parties(&self) -> Vec<&PartnerId>;

    /// Whether the document names this key for this party.
    fn names_key(&self, party: &PartnerId, kid: &KeyId) -> bool;

    /// What is missing to the quorum, given who signed.
    fn missing(&self, signed: &BTreeSet<(PartnerId, SignatoryRole)>) -> Vec<Missing>;
}

impl Document for Protocol {
    const TYP: &'static str = "tallygate-protocol+json";

    fn parse(text: &[u8]) -> Result<Self, Fault> {
        Self::parse(text)
    }

    fn canonical(&self) -> Result<Vec<u8>, Fault> {
        Self::canonical(self)
    }

    fn signing_parties(&self) -> Vec<&PartnerId> {
        self.parties.iter().map(|party| &party.partner).collect()
    }

    fn names_key(&self, party: &PartnerId, kid: &KeyId) -> bool {
        self.party(party).is_some_and(|party| party.keys.contains(kid))
    }

    fn missing(&self, signed: &BTreeSet<(PartnerId, SignatoryRole)>) -> Vec<Missing> {
        missing(&self.signing_parties(), self.health_senders(), &self.quorum, signed)
    }
}

/// A signatory whose signature was verified.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Signatory {
    /// For whom.
    pub party: PartnerId,
    /// In which office.
    pub role: SignatoryRole,
    /// With which key.
    pub kid: KeyId,
    /// When, as the signatory says.
    pub signed_at: Timestamp,
}

/// Stage: nobody has signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft(());

/// Stage: every signature verifies, the quorum is not full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartlySigned {
    missing: Vec<Missing>,
}

/// Stage: every signature verifies and the quorum is full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FullySigned(());

/// A document at a stage of signing. Clones share it: a register's documents are long, and each
/// change of anything makes a new snapshot of them all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed<T, Stage> {
    contents: Arc<Contents<T>>,
    stage: Stage,
}

#[derive(Debug, PartialEq, Eq)]
struct Contents<T> {
    document: T,
    digest: Digest,
    envelope: Envelope,
    signatories: Vec<Signatory>,
}

impl<T, Stage> Signed<T, Stage> {
    /// The document.
    #[must_use]
    pub fn document(&self) -> &T {
        &self.contents.document
    }

    /// SHA-256 of its canonical form.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.contents.digest
    }

    /// Its signed form.
    #[must_use]
    pub fn envelope(&self) -> &Envelope {
        &self.contents.envelope
    }

    /// Who signed, in the order of the signatures.
    #[must_use]
    pub fn signatories(&self) -> &[Signatory] {
        &self.contents.signatories
    }
}

impl<T: Document> Signed<T, Draft> {
    /// Reads a draft's text, in any layout.
    ///
    /// # Errors
    /// The first fault of the document.
    pub fn draft(text: &[u8]) -> Result<Self, Fault> {
        let document = T::parse(text)?;
        let payload = document.canonical()?;
        let digest = Digest::of(&payload);
        let envelope = Envelope::unsigned(payload);
        let contents = Contents { document, digest, envelope, signatories: Vec::new() };
        Ok(Self { contents: Arc::new(contents), stage: Draft(()) })
    }
}

impl<T> Signed<T, PartlySigned> {
    /// Who is missing.
    #[must_use]
    pub fn missing(&self) -> &[Missing] {
        &self.stage.missing
    }
}

/// A signed document, all of whose signatures verify.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verified<T> {
    /// The quorum is not full.
    Partly(Signed<T, PartlySigned>),
    /// The quorum is full.
    Fully(Signed<T, FullySigned>),
}

impl<T> Verified<T> {
    /// The fully signed document.
    ///
    /// # Errors
    /// [`SignatureError::Incomplete`] with what is missing.
    pub fn require_full(self) -> Result<Signed<T, FullySigned>, SignatureError> {
        match self {
            Self::Fully(signed) => Ok(signed),
            Self::Partly(signed) => Err(SignatureError::Incomplete(signed.stage.missing)),
        }
    }

    /// The document.
    #[must_use]
    pub fn document(&self) -> &T {
        match self {
            Self::Partly(signed) => signed.document(),
            Self::Fully(signed) => signed.document(),
        }
    }

    /// Who signed, in the order of the signatures.
    #[must_use]
    pub fn signatories(&self) -> &[Signatory] {
        match self {
            Self::Partly(signed) => signed.signatories(),
            Self::Fully(signed) => signed.signatories(),
        }
    }
}

/// The protected header that a signatory signs under.
#[must_use]
pub fn header_for<T: Document>(key: &RegisteredKey, signed_at: Timestamp) -> ProtectedHeader {
    ProtectedHeader {
        alg: Algorithm::Ed25519,
        typ: T::TYP.to_owned(),
        kid: key.kid.clone(),
        party: key.party.clone(),
        role: key.role,
        iat: u64::try_from(signed_at.as_second()).unwrap_or(0),
    }
}

/// Verifies every signature of an envelope that arrives at `arrived`.
///
/// # Errors
/// The first thing that is wrong: the document, then each signature in order. See [`SignatureError`].
pub fn verify<T: Document>(
    envelope: Envelope,
    register: &impl KeyRegister,
    arrived: Timestamp,
) -> Result<Verified<T>, SignatureError> {
    verify_as_arrived(envelope, register, |_| arrived)
}

/// As [`verify`], for signatures that arrived at different moments, which the access log knows: a key that
/// expired or was revoked since does not undo the signature it gave before.
///
/// # Errors
/// As [`verify`].
pub fn verify_as_arrived<T: Document>(
    envelope: Envelope,
    register: &impl KeyRegister,
    arrived: impl Fn(&KeyId) -> Timestamp,
) -> Result<Verified<T>, SignatureError> {
    let document = T::parse(envelope.payload()).map_err(SignatureError::Document)?;
    if document.canonical().map_err(SignatureError::Document)? != envelope.payload() {
        return Err(SignatureError::Document(Fault::at("", Rule::NotCanonical)));
    }
    if envelope.signatures.is_empty() {
        return Err(SignatureError::Unsigned);
    }
    let mut keys_seen = BTreeSet::new();
    let mut signatories = Vec::with_capacity(envelope.signatures.len());
    for (place, signature) in envelope.signatures.iter().enumerate() {
        let kid = &signature.header.kid;
        let key = register.key(kid).ok_or(SignatureError::UnregisteredKey { place })?;
        let signed_at = check_header(&document, signature, key, arrived(kid), place)?;
        // By key, not only by kid: one key under two names must not count twice.
        if !keys_seen.insert(key.public_key) {
            return Err(SignatureError::Duplicate { place });
        }
        UnparsedPublicKey::new(&ED25519, key.public_key)
            .verify(&envelope.signing_input(signature), &signature.signature)
            .map_err(|_| SignatureError::Corrupt { place })?;
        let (party, role) = (key.party.clone(), key.role);
        signatories.push(Signatory { party, role, kid: kid.clone(), signed_at });
    }
    let signed = signatories.iter().map(|s| (s.party.clone(), s.role)).collect();
    let missing = document.missing(&signed);
    let digest = Digest::of(envelope.payload());
    let contents = Arc::new(Contents { document, digest, envelope, signatories });
    Ok(if missing.is_empty() {
        Verified::Fully(Signed { contents, stage: FullySigned(()) })
    } else {
        Verified::Partly(Signed { contents, stage: PartlySigned { missing } })
    })
}

/// Whether header, key and document agree, and the key was valid both when the signatory says that it
/// signed and when the signature arrived: the stated time alone could be backdated.
fn check_header<T: Document>(
    document: &T,
    signature: &EnvelopeSignature,
    key: &RegisteredKey,
    arrived: Timestamp,
    place: usize,
) -> Result<Timestamp, SignatureError> {
    let header = &signature.header;
    let refuse = |broken: bool, error: SignatureError| if broken { Err(error) } else { Ok(()) };
    refuse(header.typ != T::TYP, SignatureError::WrongType { place })?;
    refuse(key.purpose != T::PURPOSE, SignatureError::WrongPurpose { place })?;
    refuse(header.party != key.party, SignatureError::WrongParty { place })?;
    refuse(header.role != key.role, SignatureError::WrongRole { place })?;
    refuse(!document.signing_parties().contains(&&key.party), SignatureError::NotAParty { place })?;
    refuse(!document.names_key(&key.party, &key.kid), SignatureError::KeyNotNamed { place })?;
    let signed_at = i64::try_from(header.iat).ok().and_then(|s| Timestamp::from_second(s).ok());
    let signed_at = signed_at.ok_or(SignatureError::SignedInFuture { place })?;
    let latest = arrived + SignedDuration::from_secs(CLOCK_SKEW_SECONDS);
    refuse(signed_at > latest, SignatureError::SignedInFuture { place })?;
    for moment in [signed_at, arrived] {
        refuse(moment < key.valid_from, SignatureError::KeyNotYetValid { place })?;
        refuse(moment > key.valid_until, SignatureError::KeyExpired { place })?;
        let revoked = key.revoked_at.is_some_and(|at| moment >= at);
        refuse(revoked, SignatureError::KeyRevoked { place })?;
    }
    Ok(signed_at)
}
