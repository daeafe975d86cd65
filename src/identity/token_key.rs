//! The keys tokens are signed with: public ones as the register holds them, private ones as
//! a partner's client reads them from its file.
//!
//! The algorithm is a property of the key and never of the token (RFC 8725 §3.1): a token
//! can't choose how it is checked. There is no shared-secret key.

use super::der::{ShelledKey, rsa_modulus_bits};
use crate::domain::PartnerId;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use rustls_pki_types::{PrivatePkcs8KeyDer, alg_id, pem::PemObject};
use serde_json::{Map, Value};
use std::{fmt, sync::Arc};

/// How the holder of a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenAlgorithm {
    /// Ed25519 (RFC 8032); written `Ed25519` (RFC 9864) or `EdDSA` (RFC 8037).
    Ed25519,
    /// ECDSA on P-256 with SHA-256 (RFC 7518 §3.4).
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256, 2,048 to 8,192 bits (RFC 7518 §3.3).
    Rs256,
}

impl TokenAlgorithm {
    /// The `alg` this gateway's own clients write.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ed25519 => "Ed25519",
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }

    /// Whether a token header's `alg` names this algorithm.
    #[must_use]
    pub fn is_named(self, alg: &str) -> bool {
        alg == self.as_str() || (self == Self::Ed25519 && alg == "EdDSA")
    }

    const fn of_library(self) -> Algorithm {
        match self {
            Self::Ed25519 => Algorithm::EdDSA,
            Self::Es256 => Algorithm::ES256,
            Self::Rs256 => Algorithm::RS256,
        }
    }
}

/// A key is of no use for tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTokenKey {
    /// Not a subject public key info (DER), or followed by other bytes.
    #[error("not a public key in SubjectPublicKeyInfo form")]
    Public,
    /// Neither Ed25519, nor P-256, nor RSA of 2,048 to 8,192 bits.
    #[error("a token key is Ed25519, ECDSA P-256 or RSA of 2048 to 8192 bits")]
    Kind,
    /// Not one PKCS#8 private key as PEM.
    #[error("not an unencrypted PKCS#8 private key in PEM form")]
    Private,
}

/// A public key that tokens are checked with.
#[derive(Clone)]
pub struct TokenPublicKey {
    algorithm: TokenAlgorithm,
    key: DecodingKey,
}

impl TokenPublicKey {
    /// From the 32 bytes of an Ed25519 public key.
    #[must_use]
    pub fn ed25519(bytes: &[u8; 32]) -> Self {
        Self { algorithm: TokenAlgorithm::Ed25519, key: DecodingKey::from_ed_der(bytes) }
    }

    /// From a SubjectPublicKeyInfo (RFC 5280 §4.1.2.7) in DER form.
    ///
    /// # Errors
    /// When it is malformed or of another kind than [`TokenAlgorithm`] lists.
    pub fn from_spki_der(der: &[u8]) -> Result<Self, InvalidTokenKey> {
        let info = ShelledKey::public(der).ok_or(InvalidTokenKey::Public)?;
        if info.is(alg_id::ED25519) {
            let bytes = info.key.try_into().map_err(|_| InvalidTokenKey::Public)?;
            Ok(Self::ed25519(bytes))
        } else if info.is(alg_id::ECDSA_P256) {
            // SEC 1 §2.3.3: 04 and two coordinates of 32 bytes.
            if info.key.len() != 65 || info.key[0] != 4 {
                return Err(InvalidTokenKey::Kind);
            }
            Ok(Self { algorithm: TokenAlgorithm::Es256, key: DecodingKey::from_ec_der(info.key) })
        } else if info.is(alg_id::RSA_ENCRYPTION) {
            if !rsa_modulus_bits(info.key).is_some_and(|bits| (2048..=8192).contains(&bits)) {
                return Err(InvalidTokenKey::Kind);
            }
            Ok(Self { algorithm: TokenAlgorithm::Rs256, key: DecodingKey::from_rsa_der(info.key) })
        } else {
            Err(InvalidTokenKey::Kind)
        }
    }

    /// From a JSON Web Key (RFC 7517, RFC 7518 §6, RFC 8037 §2).
    ///
    /// # Errors
    /// When it is malformed or of another kind than [`TokenAlgorithm`] lists.
    pub fn from_jwk(jwk: &Map<String, Value>) -> Result<Self, InvalidTokenKey> {
        let text = |name: &str| jwk.get(name).and_then(Value::as_str).unwrap_or_default();
        let bytes =
            |name: &str| URL_SAFE_NO_PAD.decode(text(name)).map_err(|_| InvalidTokenKey::Public);
        match (text("kty"), text("crv")) {
            ("OKP", "Ed25519") => {
                let bytes = bytes("x")?.try_into().map_err(|_| InvalidTokenKey::Public)?;
                Ok(Self::ed25519(&bytes))
            }
            ("EC", "P-256") => {
                let point = [vec![4], bytes("x")?, bytes("y")?].concat();
                if point.len() != 65 {
                    return Err(InvalidTokenKey::Public);
                }
                Ok(Self { algorithm: TokenAlgorithm::Es256, key: DecodingKey::from_ec_der(&point) })
            }
            ("RSA", _) => {
                let (modulus, exponent) = (bytes("n")?, bytes("e")?);
                // 2,048 to 8,192 bits, written without leading zeros.
                let whole = modulus.first().is_some_and(|first| *first != 0);
                if !whole || !(256..=1024).contains(&modulus.len()) {
                    return Err(InvalidTokenKey::Kind);
                }
                let key = DecodingKey::from_rsa_raw_components(&modulus, &exponent);
                Ok(Self { algorithm: TokenAlgorithm::Rs256, key })
            }
            _ => Err(InvalidTokenKey::Kind),
        }
    }

    /// How its holder signs.
    #[must_use]
    pub const fn algorithm(&self) -> TokenAlgorithm {
        self.algorithm
    }

    /// Whether `signature` (base64url, as the token writes it) signs `message` with this key.
    pub(super) fn verifies(&self, message: &[u8], signature: &str) -> bool {
        let algorithm = self.algorithm.of_library();
        jsonwebtoken::crypto::verify(signature, message, &self.key, algorithm).unwrap_or(false)
    }
}

impl fmt::Debug for TokenPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenPublicKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// What the register says about a token's issuer and key.
#[derive(Debug, Clone)]
pub enum TokenKeyEntry {
    /// No active partner issues tokens under this name.
    UnknownIssuer,
    /// The issuer is known; it never had a key of this id.
    UnknownKey,
    /// The issuer withdrew this key.
    Revoked,
    /// Tokens of this partner may be checked with this key.
    Usable {
        /// Whose tokens they are.
        partner: PartnerId,
        /// The key to check them with.
        key: Arc<TokenPublicKey>,
    },
}

/// The register of token keys, as of one policy epoch: pure memory, for it is asked on every
/// call that the cache does not answer.
pub trait TokenKeys {
    /// The key that `issuer` has registered under `kid`. Both are as the token writes them,
    /// unverified, so they only select and are never stored or logged.
    fn token_key(&self, issuer: &str, kid: &str) -> TokenKeyEntry;
}

/// A partner's private token key, with the id it is registered under.
#[derive(Clone)]
pub struct TokenSigningKey {
    kid: String,
    algorithm: TokenAlgorithm,
    key: EncodingKey,
}

impl TokenSigningKey {
    /// From a PKCS#8 file's text.
    ///
    /// # Errors
    /// When it is not PEM, encrypted, or of a kind that [`TokenAlgorithm`] does not list.
    pub fn from_pem(kid: &str, pem: &str) -> Result<Self, InvalidTokenKey> {
        let file = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| InvalidTokenKey::Private)?;
        let der = file.secret_pkcs8_der();
        let info = ShelledKey::private(der).ok_or(InvalidTokenKey::Private)?;
        let (algorithm, key) = if info.is(alg_id::ED25519) {
            (TokenAlgorithm::Ed25519, EncodingKey::from_ed_der(der))
        } else if info.is(alg_id::ECDSA_P256) {
            (TokenAlgorithm::Es256, EncodingKey::from_ec_der(der))
        } else if info.is(alg_id::RSA_ENCRYPTION) {
            // The one kind of which the library takes the key without its shell.
            (TokenAlgorithm::Rs256, EncodingKey::from_rsa_der(info.key))
        } else {
            return Err(InvalidTokenKey::Kind);
        };
        let key = Self { kid: kid.to_owned(), algorithm, key };
        // One signature now, so that a broken key fails here and not at a call.
        key.sign(b"").ok_or(InvalidTokenKey::Kind)?;
        Ok(key)
    }

    /// The id it is registered under.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// How it signs.
    #[must_use]
    pub const fn algorithm(&self) -> TokenAlgorithm {
        self.algorithm
    }

    /// The signature of `message`, base64url; `None` when the key can't sign.
    pub(super) fn sign(&self, message: &[u8]) -> Option<String> {
        jsonwebtoken::crypto::sign(message, &self.key, self.algorithm.of_library()).ok()
    }
}

impl fmt::Debug for TokenSigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSigningKey")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}
