//! A certificate as the register and the tokens name it: the SHA-256 of its DER form,
//! written base64url without padding (`x5t#S256`, RFC 7515 §4.1.8, RFC 8705 §3.1).

use super::{
    Pause,
    trust::{Judged, Trust},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use std::{fmt, net::SocketAddr, str::FromStr, sync::Arc};
use subtle::ConstantTimeEq;

/// The SHA-256 of a certificate's DER form: 32 bytes, 43 characters when written.
///
/// Not a secret: anyone who sees the certificate can compute it. It is compared in constant
/// time all the same where a caller supplies one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CertificateFingerprint([u8; 32]);

/// A text was not a certificate's fingerprint, or bytes not a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCertificate {
    /// Not 43 characters of unpadded base64url.
    #[error("not a certificate fingerprint: write x5t#S256, 43 characters of base64url")]
    Fingerprint,
}

impl CertificateFingerprint {
    /// Of a certificate.
    #[must_use]
    pub fn of(certificate: &CertificateDer<'_>) -> Self {
        Self(Sha256::digest(certificate.as_ref()).into())
    }

    /// From the 32 stored bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes, as they are stored.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether both name the same certificate, in time that tells nothing about where they
    /// first differ.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Display for CertificateFingerprint {
    /// As `x5t#S256` writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl FromStr for CertificateFingerprint {
    type Err = InvalidCertificate;

    fn from_str(text: &str) -> Result<Self, InvalidCertificate> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidCertificate::Fingerprint)?;
        bytes.try_into().map(Self).map_err(|_| InvalidCertificate::Fingerprint)
    }
}

/// The other end of a connection whose handshake is done: found in a request's extensions.
#[derive(Clone)]
pub struct Peer {
    remote_addr: SocketAddr,
    certificates: Arc<[CertificateDer<'static>]>,
    fingerprint: CertificateFingerprint,
    pause: Arc<Pause>,
    /// By whom its certificates are judged again, where that may change.
    trust: Option<Arc<Trust>>,
    judged: Judged,
}

impl Peer {
    /// From the chain that the handshake verified, leaf first; `None` when it is empty.
    #[must_use]
    pub fn new(remote_addr: SocketAddr, chain: &[CertificateDer<'static>]) -> Option<Self> {
        let fingerprint = CertificateFingerprint::of(chain.first()?);
        let (trust, judged, pause) = (None, Judged::default(), Arc::default());
        Some(Self { remote_addr, certificates: chain.into(), fingerprint, pause, trust, judged })
    }

    /// The same, judged by its listener's trust for as long as the connection is open.
    #[must_use]
    pub fn judged_by(self, trust: Option<Arc<Trust>>) -> Self {
        Self { trust, ..self }
    }

    /// Whether its certificates are still good.
    #[must_use]
    pub fn is_trusted(&self, now: Timestamp) -> bool {
        self.trust.as_ref().is_none_or(|trust| trust.holds(self, &self.judged, now))
    }

    /// A peer without a certificate, of any fingerprint.
    #[cfg(test)]
    pub(super) fn with_fingerprint(
        remote_addr: SocketAddr,
        fingerprint: CertificateFingerprint,
    ) -> Self {
        let (trust, judged, pause) = (None, Judged::default(), Arc::default());
        Self { remote_addr, certificates: Arc::new([]), fingerprint, pause, trust, judged }
    }

    /// The address it called from.
    #[must_use]
    pub const fn remote_addr(&self) -> SocketAddr {
        self.remote_addr
    }

    /// Its certificates, leaf first.
    #[must_use]
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }

    /// Of its leaf certificate.
    #[must_use]
    pub const fn fingerprint(&self) -> &CertificateFingerprint {
        &self.fingerprint
    }

    /// By which its connection is not read for a moment.
    #[must_use]
    pub const fn pause(&self) -> &Arc<Pause> {
        &self.pause
    }
}

impl fmt::Debug for Peer {
    /// Without the address: where a person works from is nobody's business in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}
