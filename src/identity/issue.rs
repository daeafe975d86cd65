//! Certificates for the demo and the tests: one authority, the gateway's certificate and one
//! for each partner. A real deployment brings certificates of its own public-key
//! infrastructure; nothing on the serving path depends on this file.
//!
//! Keys are ECDSA P-256 (gRPC clients built on BoringSSL take no Ed25519 certificate) from
//! the operating system's generator and never from a seed: a demo whose keys could be
//! made again would teach a bad habit.

use super::certificate::CertificateFingerprint;
use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, PKCS_ED25519,
    PublicKeyData, RevocationReason, RevokedCertParams, SerialNumber, date_time_ymd,
};
use rustls_pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use std::{fmt, time::Duration};
use zeroize::Zeroizing;

/// The names the demo's gateway answers to.
pub const LOOPBACK_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// From when until when a certificate holds, both inclusive, in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// The first second.
    pub not_before: Timestamp,
    /// The last second.
    pub not_after: Timestamp,
}

/// A certificate could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// The validity ends before it begins, or begins before 1970.
    #[error("a certificate's validity must begin after 1970 and before its end")]
    Validity,
    /// A server name is neither a host name nor an address.
    #[error("a server name is neither a host name nor an IP address")]
    Name,
    /// The operating system gave no key.
    #[error("no key could be generated")]
    Key,
    /// The certificate could not be signed.
    #[error("the certificate could not be signed")]
    Sign,
}

/// A certificate with its private key, as PEM texts ready to be written to files.
pub struct Issued {
    certificate_pem: String,
    key_pem: Zeroizing<String>,
    certificate: CertificateDer<'static>,
    serial: SerialNumber,
}

impl Issued {
    /// The certificate alone, as PEM.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The private key, PKCS#8 as PEM: write it where only its owner can read.
    #[must_use]
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// What the register and the tokens call it by.
    #[must_use]
    pub fn fingerprint(&self) -> CertificateFingerprint {
        CertificateFingerprint::of(&self.certificate)
    }
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued").field("fingerprint", &self.fingerprint()).finish_non_exhaustive()
    }
}

/// A certificate authority that lives as long as the demo that made it: its private key is
/// never written anywhere.
pub struct CertificateAuthority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    validity: Validity,
}

impl fmt::Debug for CertificateAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateAuthority").finish_non_exhaustive()
    }
}

impl CertificateAuthority {
    /// A new authority; everything it issues holds as long as itself.
    ///
    /// # Errors
    /// When the validity is empty or the key can't be made.
    pub fn new(name: &str, validity: Validity) -> Result<Self, IssueError> {
        let mut params = parameters(name, validity, &[])?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().map_err(|_| IssueError::Key)?;
        let issuer = CertifiedIssuer::self_signed(params, key).map_err(|_| IssueError::Sign)?;
        Ok(Self { issuer, validity })
    }

    /// Its own certificate, as PEM: the one trust anchor of gateway and partners.
    #[must_use]
    pub fn certificate_pem(&self) -> String {
        self.issuer.pem()
    }

    /// A server's certificate for these host names and addresses ([`LOOPBACK_NAMES`]).
    ///
    /// # Errors
    /// When a name is malformed or the key can't be made.
    pub fn issue_server(&self, names: &[&str]) -> Result<Issued, IssueError> {
        let first = names.first().ok_or(IssueError::Name)?;
        self.issue(first, names, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A client's certificate; `name` is only a label, the register goes by fingerprint.
    ///
    /// # Errors
    /// When the key can't be made.
    pub fn issue_client(&self, name: &str) -> Result<Issued, IssueError> {
        self.issue(name, &[], ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn issue(
        &self,
        name: &str,
        names: &[&str],
        purpose: ExtendedKeyUsagePurpose,
    ) -> Result<Issued, IssueError> {
        let mut params = parameters(name, self.validity, names)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate().map_err(|_| IssueError::Key)?;
        // Positive, and no two alike (RFC 5280 §4.1.2.2).
        let mut serial = Sha256::digest(key.der_bytes())[..20].to_vec();
        serial[0] = serial[0] & 0x3f | 0x40;
        let serial = SerialNumber::from(serial);
        params.serial_number = Some(serial.clone());
        let certificate = params.signed_by(&key, &self.issuer).map_err(|_| IssueError::Sign)?;
        Ok(Issued {
            certificate_pem: certificate.pem(),
            key_pem: Zeroizing::new(key.serialize_pem()),
            certificate: certificate.der().clone(),
            serial,
        })
    }

    /// The list of those of its certificates that are revoked, as PEM.
    ///
    /// # Errors
    /// When it can't be signed.
    pub fn revoke(&self, revoked: &[&Issued]) -> Result<String, IssueError> {
        let (since, until) = (date_time_ymd(2026, 1, 1), date_time_ymd(2036, 1, 1));
        let revoked = revoked.iter().map(|issued| RevokedCertParams {
            serial_number: issued.serial.clone(),
            revocation_time: since,
            reason_code: Some(RevocationReason::KeyCompromise),
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: since,
            next_update: until,
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let signed = list.signed_by(&self.issuer).and_then(|list| list.pem());
        signed.map_err(|_| IssueError::Sign)
    }
}

/// A partner's new token key.
pub struct IssuedTokenKey {
    private_pem: Zeroizing<String>,
    public_spki_der: Vec<u8>,
}

impl IssuedTokenKey {
    /// A new Ed25519 key from the operating system's generator.
    ///
    /// # Errors
    /// When the operating system gives none.
    pub fn generate() -> Result<Self, IssueError> {
        let key = KeyPair::generate_for(&PKCS_ED25519).map_err(|_| IssueError::Key)?;
        Ok(Self {
            private_pem: Zeroizing::new(key.serialize_pem()),
            public_spki_der: key.subject_public_key_info(),
        })
    }

    /// PKCS#8 as PEM, for the partner's own file.
    #[must_use]
    pub fn private_pem(&self) -> &str {
        &self.private_pem
    }

    /// SubjectPublicKeyInfo in DER form, for the register.
    #[must_use]
    pub fn public_spki_der(&self) -> &[u8] {
        &self.public_spki_der
    }
}

impl fmt::Debug for IssuedTokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedTokenKey").finish_non_exhaustive()
    }
}

fn parameters(
    name: &str,
    validity: Validity,
    names: &[&str],
) -> Result<CertificateParams, IssueError> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).map_err(|_| IssueError::Name)?;
    params.distinguished_name.push(DnType::CommonName, name);
    if validity.not_after < validity.not_before {
        return Err(IssueError::Validity);
    }
    let since_1970 = |at: Timestamp| {
        let seconds = u64::try_from(at.as_second()).map_err(|_| IssueError::Validity)?;
        Ok(date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds))
    };
    params.not_before = since_1970(validity.not_before)?;
    params.not_after = since_1970(validity.not_after)?;
    Ok(params)
}
