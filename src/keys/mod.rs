//! Keys, and what only keys can do: pseudonyms, sealing, signatures.
//!
//! This room exists so that identifiers have one door. A raw value enters as a [`RawIdentifier`],
//! [`RawText`] or [`BirthDate`], which can be neither printed, compared, copied nor stored, and
//! leaves only as a [`Pseudonym`] or sealed, or at a partner's connector blinded. Nothing here knows a store, a clock or an ambient
//! source of randomness: generators are parameters.
//!
//! Invariants:
//! - No error, log line or Debug text of this room holds a value that came from a partner or a key.
//! - Every input of the keyed hash is label, version and length-prefixed fields, so that no two
//!   fields can be shifted into one another.
//! - A stored pseudonym is the AES-256 encryption of the hash under its domain's wrapping key, so
//!   that rotation needs no identifier, and a destroyed wrapping key cannot be derived again.
//! - A private key file is readable by its owner alone, or it is refused.
//!
//! - In a blinded deployment ([`Prf::Oprf`]) what a partner's own is (record, consent, case, local
//!   id) is bound to the partner once more where it is stored: the gateway can't see what was
//!   blinded, so nobody reaches another's records by evaluating another's words.
//!
//! What this does not give: whoever holds the pseudonym key can try all NHS numbers (about three
//! core-minutes with HMAC, 55 core-hours with the oblivious PRF). Rotation renews wrapping and sealing only; the pseudonym key itself changes when
//! the partners supply their records again.

mod file;
pub mod hpke;
mod identifier_kind;
mod in_use;
mod mac_input;
mod master;
mod master_file;
pub mod oblivious;
mod prf_input;
mod prf_output;
mod pseudonym;
mod pseudonymiser;
mod raw;
mod sealing;
mod signing;

pub use hpke::{RecipientKey, RecipientSecret};
pub use identifier_kind::{IDENTIFIER_RULES, IdentifierKind};
pub use in_use::{KeysInUse, VersionState, Versions};
pub use mac_input::{MacInput, Unblinded, WholeInput};
pub use master::{MasterKeys, SecretKey};
pub use master_file::{MasterFile, PassphraseSource};
pub use oblivious::{Prf, PrfPublicKey};
pub use prf_input::{Output, PrfInput};
pub use prf_output::PrfOutput;
pub use pseudonym::{KeyVersion, Pseudonym, PseudonymDomain};
pub use pseudonymiser::Pseudonymiser;
pub use raw::{BirthDate, RawIdentifier, RawText};
pub use sealing::{Cell, SEALED_OVERHEAD, Sealer};
pub use signing::{
    Acknowledgement, Jwk, KeyPurpose, Log, ProtocolSigning, Purpose, Release, Signature,
    SigningKey, Token, VerifyingKey, Witness,
};

use std::path::PathBuf;

/// What can go wrong with keys. No variant holds a secret, an identifier or a sealed value.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A pseudonym was wrapped under a key that is not held (any longer).
    #[error("no wrapping key {version} for {domain} pseudonyms")]
    NoWrappingKey {
        /// The pseudonym's domain.
        domain: PseudonymDomain,
        /// The version asked for.
        version: KeyVersion,
    },
    /// A stored pseudonym does not have 16 bytes.
    #[error("a {domain} pseudonym has {length} bytes, not 16")]
    PseudonymLength {
        /// The domain it was read for.
        domain: PseudonymDomain,
        /// Bytes found.
        length: usize,
    },
    /// A sealed value was sealed under a key that is not held (any longer).
    #[error("no sealing key {version} for {cell}")]
    NoSealingKey {
        /// Where the value stands.
        cell: Cell,
        /// The version asked for.
        version: KeyVersion,
    },
    /// A sealed value is cut short, altered, or was moved from another table, column or row.
    #[error("{cell} does not open: altered, cut short or moved")]
    NotOpened {
        /// Where the value stands.
        cell: Cell,
    },
    /// The newest version of a key is in use and cannot be retired.
    #[error("key version {version} is the current one: rotate before retiring it")]
    StillCurrent {
        /// The version asked for.
        version: KeyVersion,
    },
    /// There is no such version to retire, or none is left to rotate to.
    #[error("there is no key version {version}")]
    NoSuchVersion {
        /// The version asked for.
        version: KeyVersion,
    },
    /// The cryptographic library refused an operation that cannot fail on valid input.
    #[error("the cryptographic library refused to {0}")]
    Refused(&'static str),
    /// A key file could not be read or written.
    #[error("key file {path}: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Others than the owner may read or write a key file.
    #[error("key file {path} is open to others (mode {mode:03o}): chmod 600 it", path = path.display())]
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A key file is not what it should be.
    #[error("key file {path} is not valid: {rule}", path = path.display())]
    InvalidFile {
        /// The file.
        path: PathBuf,
        /// The rule it breaks.
        rule: &'static str,
    },
    /// A key file is protected and no passphrase was given.
    #[error(
        "key file {path} is protected: give the file of its passphrase (keys.passphrase_file, --passphrase-file)",
        path = path.display()
    )]
    PassphraseNeeded {
        /// The file.
        path: PathBuf,
    },
    /// The passphrase does not open a key file, or the file was altered.
    #[error("key file {path} does not open: another passphrase, or it was altered", path = path.display())]
    WrongPassphrase {
        /// The file.
        path: PathBuf,
    },
    /// The store needs a version that the key file does not hold.
    #[error(
        "the database needs key version {version}, which this gateway's key file does not hold"
    )]
    VersionMissing {
        /// The version.
        version: KeyVersion,
    },
    /// A version of the key file is another than the one the store was written with.
    #[error(
        "key version {version} of this gateway's file is not the one the database was written with: it is another file"
    )]
    OtherKeys {
        /// The version.
        version: KeyVersion,
    },
    /// The store's pseudonyms were made by another function than the key file is for.
    #[error(
        "this database's pseudonyms were made with pseudonym_prf = \"{stored}\" and the key file is \
         for \"{held}\": a deployment keeps its PRF; give it its own key file, or begin a new database"
    )]
    OtherPrf {
        /// What the store was written with.
        stored: Prf,
        /// What the key file says.
        held: Prf,
    },
    /// A batch of blinded elements is empty or too large, or another number came back.
    #[error("a batch has 1 to 2,048 blinded elements, and as many come back")]
    ElementBatch,
    /// A blinded element is none.
    #[error(
        "element {position} is not a blinded value: 32 bytes, the canonical encoding of a \
         ristretto255 point other than the identity"
    )]
    InvalidElement {
        /// Its place, from 1.
        position: usize,
    },
    /// A proof does not verify under the key that the partner holds.
    #[error(
        "the gateway's proof does not verify: it used another key than the one in the profile \
         (blinding_key); nothing was sent, ask its operator before going on"
    )]
    OtherPrfKey,
    /// Not the public key of an oblivious PRF.
    #[error(
        "a blinding key is 64 hexadecimal digits, the canonical encoding of a ristretto255 point \
         other than the identity"
    )]
    InvalidPrfKey,
    /// A blinded value came to a deployment that makes pseudonyms with a keyed hash.
    #[error("this deployment makes pseudonyms with HMAC and takes no blinded values")]
    NotBlinded,
    /// A public key is not the canonical encoding of a point of full order.
    #[error("not a valid Ed25519 public key")]
    InvalidPublicKey,
    /// A private key is not PKCS#8 for Ed25519.
    #[error("not a valid Ed25519 private key in PKCS#8")]
    InvalidPrivateKey,
    /// A signature does not verify.
    #[error("the signature does not verify")]
    InvalidSignature,
}
