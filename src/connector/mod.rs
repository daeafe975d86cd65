//! The partner's side: what runs where the records are.
//!
//! - [`profile`]: the TOML file that says which gateway, who we are, and where the keys lie.
//! - [`channel`]: the connection to the gateway, over mutual TLS.
//! - [`token_source`]: the token that goes with each call.
//! - [`mod@push`]: a file to the gateway, batch by batch, each acknowledged.
//! - `blind`: in a blinded deployment, what identifies is blinded here before it is sent.
//! - [`order`]: what to push and how, and why a push did not come to its end.
//! - [`journal`]: what was acknowledged, so that a broken push can go on.
//! - [`report`]: what became of the rows, and the receipts that prove it.

mod batches;
mod blind;
pub mod channel;
pub mod journal;
pub mod order;
pub mod profile;
pub mod push;
mod rejects_file;
pub mod report;
pub mod token_source;

#[cfg(test)]
mod tests;

pub use channel::Gateway;
pub use journal::JournalError;
pub use order::{Blinding, Progress, PushError, PushOrder, Silent};
pub use profile::{Profile, ProfileFile};
pub use push::push;
pub use report::{KeptReceipt, PushReport};
pub use token_source::{AddToken, TokenSource};

use crate::{
    identity::{InvalidTokenKey, MintError},
    keys::KeyError,
};
use std::{io, path::PathBuf};

/// A file that a profile names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProfilePart {
    /// `ca`.
    Authority,
    /// `certificate`.
    Certificate,
    /// `key`.
    Key,
    /// `token_key`.
    TokenKey,
}

impl ProfilePart {
    /// The profile's entry and what belongs there, for a sentence.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Authority => "ca (the gateway's certificate authority)",
            Self::Certificate => "certificate (this partner's client certificate)",
            Self::Key => "key (the private key of the client certificate)",
            Self::TokenKey => "token_key (the private key this partner signs tokens with)",
        }
    }
}

impl std::fmt::Display for ProfilePart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The gateway can't be reached. Each says which file or address, and what to do.
///
/// These are a partner's own words on its own machine; none of them leaves it.
#[derive(Debug, thiserror::Error)]
pub enum ConnectorError {
    /// The profile can't be read.
    #[error("can't read the profile {}: check that it exists and that you may read it", path.display())]
    ProfileUnreadable {
        /// The profile.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The profile is not what it should be.
    #[error("the profile {} is not valid: {source}", path.display())]
    ProfileInvalid {
        /// The profile.
        path: PathBuf,
        /// Line, entry and rule.
        source: Box<toml::de::Error>,
    },
    /// The profile can't be written as TOML.
    #[error("the profile could not be written as TOML")]
    ProfileUnwritable,
    /// A file that the profile names can't be read.
    #[error(
        "can't read {}, the profile's {part}: check that it exists and that you may read it",
        path.display()
    )]
    FileUnreadable {
        /// Which entry names it.
        part: ProfilePart,
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file that the profile names holds something else.
    #[error("{} does not hold the profile's {part} in PEM form", path.display())]
    FileInvalid {
        /// Which entry names it.
        part: ProfilePart,
        /// The file.
        path: PathBuf,
    },
    /// The token key is of no use.
    #[error("{} can't be used as the profile's token_key: {source}", path.display())]
    TokenKeyInvalid {
        /// The file.
        path: PathBuf,
        /// Why.
        source: InvalidTokenKey,
    },
    /// Certificate and key belong to different pairs.
    #[error(
        "the key {} does not belong to the certificate {}: put both from the same pair into the profile",
        key.display(), certificate.display()
    )]
    KeyOfAnotherCertificate {
        /// The client certificate.
        certificate: PathBuf,
        /// The private key.
        key: PathBuf,
    },
    /// `server` or `server_name` is no address.
    #[error("the profile's server must be host:port and its server_name a host name or address")]
    ServerName,
    /// Nobody answers there.
    #[error(
        "no gateway answers at {server}: check the profile's server, and that the gateway runs"
    )]
    Unreachable {
        /// Where.
        server: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// The gateway took too long.
    #[error("the gateway at {server} did not answer in time: try again later")]
    TooSlow {
        /// Where.
        server: String,
    },
    /// The gateway's certificate does not convince.
    #[error(
        "{server} is not a gateway that {} vouches for under the name {server_name}: check the \
         profile's server, server_name and ca, and ask the gateway's operator before going on",
        ca.display()
    )]
    NotTrusted {
        /// Where.
        server: String,
        /// The name it was expected to have.
        server_name: String,
        /// The trust anchor.
        ca: PathBuf,
    },
    /// The handshake failed otherwise.
    #[error("{server} does not speak TLS 1.3 and HTTP/2: check the profile's server and its port")]
    NotAGateway {
        /// Where.
        server: String,
        /// What the handshake said.
        source: io::Error,
    },
    /// The gateway did not take our certificate.
    #[error(
        "the gateway refused this partner's certificate: ask its operator whether the \
         certificate has expired or comes from another authority"
    )]
    CertificateRefused,
    /// `blinding_key` is none.
    #[error("the profile's blinding_key can't be used: {source}")]
    BlindingKey {
        /// Why.
        source: KeyError,
    },
    /// No token could be made.
    #[error("no token could be made from the profile: {0}")]
    Token(#[from] MintError),
}
