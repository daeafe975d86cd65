//! Why a signed document is refused: each way to fail by its own name, never with a value.

use super::fault::Fault;
use super::quorum::Missing;

/// Why a signed document is refused. `place` counts the signatures from 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The JWS text is not well-formed.
    #[error("the signed form is not well-formed: {0}")]
    Envelope(Fault),
    /// A protected header is not well-formed (a missing `typ` is found here).
    #[error("signature {place}: the protected header is not well-formed: {fault}")]
    Header {
        /// Which signature.
        place: usize,
        /// What is wrong in the header.
        fault: Fault,
    },
    /// A header asks for an extension to be understood.
    #[error("signature {place}: an unknown critical extension is asked for")]
    UnknownCritical {
        /// Which signature.
        place: usize,
    },
    /// Neither Ed25519 nor EdDSA.
    #[error("signature {place}: the algorithm is not Ed25519")]
    UnknownAlgorithm {
        /// Which signature.
        place: usize,
    },
    /// Signed as another kind of document.
    #[error("signature {place}: typ is not that of this document")]
    WrongType {
        /// Which signature.
        place: usize,
    },
    /// Two copies hold different documents.
    #[error("the payloads differ: this is not the same document")]
    PayloadDiffers,
    /// The payload is not a document that holds.
    #[error("the document is refused: {0}")]
    Document(Fault),
    /// Nobody has signed.
    #[error("there is no signature")]
    Unsigned,
    /// The key is not in the register.
    #[error("signature {place}: the key is not registered")]
    UnregisteredKey {
        /// Which signature.
        place: usize,
    },
    /// The key is registered for something else than protocols.
    #[error("signature {place}: the key is registered for another purpose")]
    WrongPurpose {
        /// Which signature.
        place: usize,
    },
    /// The header names another party than the key's.
    #[error("signature {place}: the key is not this party's")]
    WrongParty {
        /// Which signature.
        place: usize,
    },
    /// The header names another office than the key's.
    #[error("signature {place}: the key is not held in this office")]
    WrongRole {
        /// Which signature.
        place: usize,
    },
    /// Signed by somebody who is no party.
    #[error("signature {place}: the signatory is not a party")]
    NotAParty {
        /// Which signature.
        place: usize,
    },
    /// The document does not name this key for the party.
    #[error("signature {place}: the document does not name this key")]
    KeyNotNamed {
        /// Which signature.
        place: usize,
    },
    /// Signed, or arrived, before the key was valid.
    #[error("signature {place}: the key was not yet valid")]
    KeyNotYetValid {
        /// Which signature.
        place: usize,
    },
    /// Signed, or arrived, after the key's last moment.
    #[error("signature {place}: the key had expired")]
    KeyExpired {
        /// Which signature.
        place: usize,
    },
    /// The key had been revoked.
    #[error("signature {place}: the key had been revoked")]
    KeyRevoked {
        /// Which signature.
        place: usize,
    },
    /// Signed later than it arrived.
    #[error("signature {place}: the time of signing lies in the future")]
    SignedInFuture {
        /// Which signature.
        place: usize,
    },
    /// The same key signed twice.
    #[error("signature {place}: this key has signed already")]
    Duplicate {
        /// Which signature.
        place: usize,
    },
    /// The signature does not verify: a byte of payload, header or signature was changed.
    #[error("signature {place}: it does not verify")]
    Corrupt {
        /// Which signature.
        place: usize,
    },
    /// The signing key could not sign.
    #[error("the key could not sign")]
    SigningFailed,
    /// The quorum is not full.
    #[error("the quorum is not full: {} signature(s) missing", .0.len())]
    Incomplete(Vec<Missing>),
}
