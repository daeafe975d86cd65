//! Who calls: the certificate of the connection, the token bound to it, and the register
//! that knows both.
//!
//! Why it exists: a caller is a partner (whose certificate the register knows) and a user
//! of that partner (whom the partner's own token names). Everything behind this room sees
//! only a [`Caller`], and a `Caller` comes only out of [`CallerCheck::recognise`].
//!
//! Invariants:
//! - A token is worth nothing without the private key of the certificate it is bound to
//!   (RFC 8705 §3.1: `cnf.x5t#S256`, compared in constant time).
//! - A token lives at most [`MAX_LIFETIME_SECONDS`] and is of type `at+jwt` (RFC 9068 §2.1).
//! - The key that signed it is one the register holds for its issuer. No header of a token
//!   leads to a key: `jku`, `x5u`, `x5c` and `jwk` are refused (RFC 8725 §3.10).
//! - Time is a parameter: nothing here reads the machine's clock but [`SystemClock`].
//! - A user's name is held in [`UserSubject`], which no log line or error can show.
//!
//! The parts: [`certificate`] fingerprints and the peer of a connection, [`caller`] the one
//! check, [`Recogniser`] the same for every transport, [`token`] the strict wrapper, [`token_key`] the keys
//! tokens are signed with, [`mod@pause`] for callers that were turned away,
//! [`mod@mint`] for clients, [`cache`] of verified tokens, [`issue`] certificates for the demo
//! and the tests, [`session`] people in browsers, [`oidc`] and [`id_token`] how they sign in, [`clock`] the source
//! of time, [`trust`] which certificates are trusted while their connections are open.

pub mod cache;
pub mod caller;
pub mod certificate;
pub mod clock;
mod der;
pub mod id_token;
pub mod issue;
pub mod mint;
pub mod oidc;
pub mod pause;
mod recognise;
pub mod refused;
pub mod session;
pub mod token;
pub mod token_key;
pub mod trust;

#[cfg(test)]
mod tests;

pub use cache::TokenCache;
pub use caller::{
    Caller, CallerCheck, CallerRefused, CertificateRegister, RefusedCaller, RegisteredCertificate,
    UserSubject,
};
pub use certificate::{CertificateFingerprint, InvalidCertificate, Peer};
pub use clock::{Clock, SystemClock, TlsClock};
pub use id_token::{AskedToken, IdTokenCheck, ProviderKeys};
pub use issue::{
    CertificateAuthority, IssueError, Issued, IssuedTokenKey, LOOPBACK_NAMES, Validity,
};
pub use mint::{MintError, TokenClaims, TokenId, mint};
pub use oidc::{
    AskProvider, CameBack, Provider, ProviderSettings, SignInRefused, Told, form_encoded,
};
pub use pause::Pause;
pub use recognise::{Recogniser, RegisterView};
pub use refused::{ClaimName, TokenRefused};
pub use session::{OneTimeLinks, Secret, Session, SessionLimits, Sessions, SignedIn};
pub use token::{MAX_LIFETIME_SECONDS, TokenVerifier, bearer_token};
pub use token_key::{
    InvalidTokenKey, TokenAlgorithm, TokenKeyEntry, TokenKeys, TokenPublicKey, TokenSigningKey,
};
pub use trust::Trust;
