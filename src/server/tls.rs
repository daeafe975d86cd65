//! The gateway's TLS configuration: version 1.3 only (RFC 8446), one crypto provider; for gRPC
//! client certificate required and HTTP/2 only (RFC 7540 §3.3), for the web a client
//! certificate of the same kind where one is shown, and HTTP/1.1 too.
//!
//! It is built whole from PEM texts and put whole into the listener's `ArcSwap`, so a new
//! certificate or client authority takes effect at the next handshake, and never by half.
//! Sessions are not resumed: every connection proves its certificate anew, so that nothing
//! issued under an old client authority outlives it.

use crate::identity::{Clock, TlsClock};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    server::{
        NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier,
        danger::ClientCertVerifier,
    },
    version::TLS13,
};
use rustls_pki_types::{
    CertificateDer, CertificateRevocationListDer, PrivateKeyDer, pem::PemObject,
};
use std::sync::Arc;

/// What gRPC calls itself in the handshake (RFC 7301).
pub const ALPN_H2: &[u8] = b"h2";

/// What HTTP/1.1 calls itself in the handshake.
pub(super) const ALPN_HTTP1: &[u8] = b"http/1.1";

/// A TLS configuration could not be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// The server's certificate file holds no certificate.
    #[error("the server certificate is not a PEM file with at least one certificate")]
    Certificate,
    /// The server's key file holds no private key.
    #[error("the server key is not a PEM file with a private key")]
    Key,
    /// Certificate and key don't belong together, or the key is of an unknown kind.
    #[error("the server key does not belong to the server certificate")]
    Mismatch,
    /// The client authorities' file holds no usable certificate.
    #[error("the client authority is not a PEM file with at least one authority certificate")]
    ClientAuthority,
    /// The file of revoked client certificates.
    #[error("the list of revoked client certificates is not a PEM file with at least one CRL")]
    Revoked,
    /// A witness's authority, or the host in its address.
    #[error(
        "log.witness: ca is not a PEM file with an authority certificate, or url has no host that a certificate can name"
    )]
    WitnessAuthority,
    /// The crypto provider lacks TLS 1.3.
    #[error("the crypto provider does not offer TLS 1.3")]
    Provider,
}

/// The configuration for a certificate chain (leaf first), its key, and the authorities whose
/// client certificates are let in, each as PEM. `clock` judges the clients' validity.
///
/// # Errors
/// When a text is not what it should be, or certificate and key don't belong together.
pub fn server_config(
    certificate_pem: &[u8],
    key_pem: &[u8],
    client_authority_pem: &[u8],
    clock: Arc<dyn Clock>,
) -> Result<ServerConfig, TlsError> {
    let clients = client_verifier(client_authority_pem, None, true)?;
    configured((certificate_pem, key_pem), Some(clients), clock, &[ALPN_H2])
}

/// The same for the web's listener.
///
/// # Errors
/// As [`server_config`].
pub fn web_config(
    certificate_pem: &[u8],
    key_pem: &[u8],
    client_authority_pem: &[u8],
    clock: Arc<dyn Clock>,
) -> Result<ServerConfig, TlsError> {
    let clients = client_verifier(client_authority_pem, None, false)?;
    configured((certificate_pem, key_pem), Some(clients), clock, &[ALPN_H2, ALPN_HTTP1])
}

/// The same for browsers, which have no certificate and are asked for none.
///
/// # Errors
/// When a text is not what it should be, or certificate and key don't belong together.
pub fn pages_config(
    certificate_pem: &[u8],
    key_pem: &[u8],
    clock: Arc<dyn Clock>,
) -> Result<ServerConfig, TlsError> {
    configured((certificate_pem, key_pem), None, clock, &[ALPN_H2, ALPN_HTTP1])
}

/// What client certificates are judged by: the authorities that sign them, and, where there are any,
/// the lists of those that were revoked, each as PEM. With lists, every authority needs one of its
/// own: whether a certificate of another was revoked is not known, and it is refused.
pub(super) fn client_verifier(
    authority_pem: &[u8],
    revoked_pem: Option<&[u8]>,
    certificate_required: bool,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let mut authorities = RootCertStore::empty();
    for authority in certificates(authority_pem).ok_or(TlsError::ClientAuthority)? {
        authorities.add(authority).map_err(|_| TlsError::ClientAuthority)?;
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), provider);
    if let Some(pem) = revoked_pem {
        let lists = CertificateRevocationListDer::pem_slice_iter(pem);
        let lists: Vec<_> = lists.collect::<Result<_, _>>().map_err(|_| TlsError::Revoked)?;
        if lists.is_empty() {
            return Err(TlsError::Revoked);
        }
        verifier = verifier.with_crls(lists).only_check_end_entity_revocation();
    }
    let verifier = if certificate_required { verifier } else { verifier.allow_unauthenticated() };
    verifier.build().map_err(|error| match error {
        VerifierBuilderError::InvalidCrl(_) => TlsError::Revoked,
        _ => TlsError::ClientAuthority,
    })
}

/// The configuration for a chain and its key; `clients` judges client certificates, where any are
/// asked for.
pub(super) fn configured(
    (certificate_pem, key_pem): (&[u8], &[u8]),
    clients: Option<Arc<dyn ClientCertVerifier>>,
    clock: Arc<dyn Clock>,
    protocols: &[&[u8]],
) -> Result<ServerConfig, TlsError> {
    let chain = certificates(certificate_pem).ok_or(TlsError::Certificate)?;
    let key = PrivateKeyDer::from_pem_slice(key_pem).map_err(|_| TlsError::Key)?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_details(provider, Arc::new(TlsClock(clock)))
        .with_protocol_versions(&[&TLS13])
        .map_err(|_| TlsError::Provider)?;
    let config = match clients {
        Some(clients) => config.with_client_cert_verifier(clients),
        None => config.with_no_client_auth(),
    };
    let mut config = config.with_single_cert(chain, key).map_err(|_| TlsError::Mismatch)?;
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// All certificates of a PEM text; `None` when there is none or one is malformed.
fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().ok()?;
    (!chain.is_empty()).then_some(chain)
}
