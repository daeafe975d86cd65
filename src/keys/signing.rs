//! Ed25519 keys (RFC 8032), one type per purpose: a token key cannot sign a protocol.
//!
//! A private key rests in a PKCS#8 version 1 PEM file (RFC 8410 §7) that any tool reads, mode 0600.
//! Public keys travel as JWK (RFC 8037 §2) under their thumbprint (RFC 7638).
//!
//! Verification is strict: besides what the library checks (canonical S, RFC 8032 §5.1.7), a public
//! key whose encoding is not canonical or whose point has small order is refused, since under such
//! a key one signature fits many messages.

use super::KeyError;
use super::file::{Existing, read_private, write_private};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rand::CryptoRng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::marker::PhantomData;
use std::path::Path;
use zeroize::Zeroizing;

/// What a signing key is for, as a value: for lists and registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyPurpose {
    /// Checkpoints of the access log.
    Log,
    /// Frozen releases.
    Release,
    /// Sharing protocols and the root disclosure policy.
    ProtocolSigning,
    /// A caller's access tokens.
    Token,
    /// Acknowledgements, of a withdrawal for instance.
    Acknowledgement,
    /// A witness's cosignatures under other people's checkpoints.
    Witness,
}

impl KeyPurpose {
    /// Its name in files, registers and on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Release => "release",
            Self::ProtocolSigning => "protocol_signing",
            Self::Token => "token",
            Self::Acknowledgement => "acknowledgement",
            Self::Witness => "witness",
        }
    }
}

impl fmt::Display for KeyPurpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

mod sealed {
    pub trait Sealed {}
}

/// What a signing key is for, as a type.
pub trait Purpose: sealed::Sealed + Send + Sync + 'static {
    /// The same as a value.
    const PURPOSE: KeyPurpose;
}

macro_rules! purposes {
    ($($(#[$doc:meta])* $name:ident),+) => {$(
        $(#[$doc])*
        pub struct $name;
        impl sealed::Sealed for $name {}
        impl Purpose for $name {
            const PURPOSE: KeyPurpose = KeyPurpose::$name;
        }
    )+};
}

purposes!(
    /// Signs checkpoints of the access log.
    Log,
    /// Signs frozen releases.
    Release,
    /// Signs sharing protocols and the root disclosure policy.
    ProtocolSigning,
    /// Signs a caller's access tokens.
    Token,
    /// Signs acknowledgements.
    Acknowledgement,
    /// Cosigns the checkpoints of logs that it watches.
    Witness
);

/// An Ed25519 signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 64]);

impl Signature {
    /// From its 64 bytes.
    ///
    /// # Errors
    /// [`KeyError::InvalidSignature`] for another length.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        bytes.try_into().map(Self).map_err(|_| KeyError::InvalidSignature)
    }

    /// Its 64 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

/// The begin of a PKCS#8 version 1 document for Ed25519; the 32 bytes of the seed follow.
const PKCS8_HEADER: [u8; 16] =
    [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
const PEM_BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const PEM_END: &str = "-----END PRIVATE KEY-----";

/// A private key for one purpose. No Debug, Clone or serde; the library wipes it when freed.
pub struct SigningKey<P: Purpose> {
    pair: Ed25519KeyPair,
    public: VerifyingKey,
    purpose: PhantomData<P>,
}

impl<P: Purpose> SigningKey<P> {
    /// A new key.
    ///
    /// # Errors
    /// [`KeyError::InvalidPrivateKey`] if the library refuses a seed; it refuses none.
    pub fn generate(rng: &mut dyn CryptoRng) -> Result<Self, KeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *seed);
        Self::from_seed(&seed)
    }

    fn from_seed(seed: &[u8; 32]) -> Result<Self, KeyError> {
        Ed25519KeyPair::from_seed_unchecked(seed)
            .map_err(|_| KeyError::InvalidPrivateKey)
            .and_then(Self::from_pair)
    }

    fn from_pair(pair: Ed25519KeyPair) -> Result<Self, KeyError> {
        let public = VerifyingKey::from_bytes(pair.public_key().as_ref())?;
        Ok(Self { pair, public, purpose: PhantomData })
    }

    /// From PKCS#8 DER, version 1 or 2.
    ///
    /// # Errors
    /// [`KeyError::InvalidPrivateKey`].
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        Ed25519KeyPair::from_pkcs8(der)
            .map_err(|_| KeyError::InvalidPrivateKey)
            .and_then(Self::from_pair)
    }

    /// As PKCS#8 version 1 DER, for libraries that sign themselves (JWT).
    ///
    /// # Errors
    /// [`KeyError::InvalidPrivateKey`] if the library does not give its key.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        use aws_lc_rs::encoding::{AsBigEndian, Curve25519SeedBin};
        let seed = self.pair.seed().map_err(|_| KeyError::InvalidPrivateKey)?;
        let seed: Curve25519SeedBin<'_> =
            seed.as_be_bytes().map_err(|_| KeyError::InvalidPrivateKey)?;
        let mut der = Zeroizing::new(Vec::with_capacity(PKCS8_HEADER.len() + 32));
        der.extend_from_slice(&PKCS8_HEADER);
        der.extend_from_slice(seed.as_ref());
        Ok(der)
    }

    /// Reads a PEM file.
    ///
    /// # Errors
    /// [`KeyError::File`], [`KeyError::OpenToOthers`], [`KeyError::InvalidFile`].
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let bytes = read_private(path, 0)?;
        parse_pem(&bytes).and_then(|der| Self::from_pkcs8(&der).ok()).ok_or_else(|| {
            KeyError::InvalidFile { path: path.to_owned(), rule: "one Ed25519 key, PKCS#8 PEM" }
        })
    }

    /// Writes a new PEM file for its owner alone.
    ///
    /// # Errors
    /// [`KeyError::File`], also where the file exists.
    pub fn store_new(&self, path: &Path) -> Result<(), KeyError> {
        let der = self.to_pkcs8()?;
        let mut pem = Zeroizing::new(String::with_capacity(128));
        pem.push_str(PEM_BEGIN);
        pem.push('\n');
        STANDARD.encode_string(&*der, &mut pem);
        pem.push('\n');
        pem.push_str(PEM_END);
        pem.push('\n');
        write_private(path, pem.as_bytes(), Existing::Refuse)
    }

    /// Signs a message.
    ///
    /// # Errors
    /// [`KeyError::Refused`] if the library cannot sign.
    pub fn sign(&self, message: &[u8]) -> Result<Signature, KeyError> {
        let signature = self.pair.try_sign(message).map_err(|_| KeyError::Refused("sign"))?;
        Signature::from_bytes(signature.as_ref())
    }

    /// The public half.
    #[must_use]
    pub const fn verifying_key(&self) -> VerifyingKey {
        self.public
    }
}

fn parse_pem(bytes: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let text = std::str::from_utf8(bytes).ok()?.trim();
    let body = text.strip_prefix(PEM_BEGIN)?.strip_suffix(PEM_END)?;
    let mut compact = Zeroizing::new(Vec::with_capacity(body.len()));
    compact.extend(body.bytes().filter(|b| !b.is_ascii_whitespace()));
    let mut der = Zeroizing::new(vec![0; compact.len()]);
    let length = STANDARD.decode_slice(&*compact, &mut der).ok()?;
    der.truncate(length);
    Some(der)
}

/// The y coordinates of the points of small order (sign bit cleared), little-endian: 0, 1, p-1 and
/// the two of order eight.
const SMALL_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    {
        let mut one = [0; 32];
        one[0] = 1;
        one
    },
    {
        let mut minus_one = [0xff; 32];
        minus_one[0] = 0xec;
        minus_one[31] = 0x7f;
        minus_one
    },
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
];

/// A public key, checked when made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VerifyingKey([u8; 32]);

impl VerifyingKey {
    /// From its 32 bytes.
    ///
    /// # Errors
    /// [`KeyError::InvalidPublicKey`] for another length, an encoding that is not canonical, or a
    /// point of small order.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let key: [u8; 32] = bytes.try_into().map_err(|_| KeyError::InvalidPublicKey)?;
        let mut y = key;
        y[31] &= 0x7f;
        // p = 2^255 - 19, little-endian ed ff .. ff 7f.
        let canonical = y[31] != 0x7f || y[1..31].iter().any(|b| *b != 0xff) || y[0] < 0xed;
        if canonical && !SMALL_ORDER.contains(&y) {
            Ok(Self(key))
        } else {
            Err(KeyError::InvalidPublicKey)
        }
    }

    /// Its 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Verifies a signature over a message.
    ///
    /// # Errors
    /// [`KeyError::InvalidSignature`], whatever the cause.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), KeyError> {
        UnparsedPublicKey::new(&ED25519, &self.0)
            .verify(message, &signature.0)
            .map_err(|_| KeyError::InvalidSignature)
    }

    /// The key id: its RFC 7638 thumbprint, SHA-256, base64url without padding.
    #[must_use]
    pub fn kid(&self) -> String {
        let x = URL_SAFE_NO_PAD.encode(self.0);
        let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
        URL_SAFE_NO_PAD.encode(Sha256::digest(members.as_bytes()))
    }

    /// As a JWK under its thumbprint.
    #[must_use]
    pub fn to_jwk(&self) -> Jwk {
        Jwk {
            kty: "OKP".to_owned(),
            crv: "Ed25519".to_owned(),
            x: URL_SAFE_NO_PAD.encode(self.0),
            kid: self.kid(),
        }
    }
}

/// A public key as JSON (RFC 8037 §2). Unknown members (`use`, `alg`, ...) are ignored, as RFC 7517
/// §4 asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwk {
    /// Key type: `OKP`.
    pub kty: String,
    /// Curve: `Ed25519`.
    pub crv: String,
    /// The public key, base64url without padding.
    pub x: String,
    /// Key id: the RFC 7638 thumbprint.
    pub kid: String,
}

impl Jwk {
    /// The key, if type, curve and key id are what they should be.
    ///
    /// # Errors
    /// [`KeyError::InvalidPublicKey`].
    pub fn verifying_key(&self) -> Result<VerifyingKey, KeyError> {
        if self.kty != "OKP" || self.crv != "Ed25519" {
            return Err(KeyError::InvalidPublicKey);
        }
        let bytes = URL_SAFE_NO_PAD.decode(&self.x).map_err(|_| KeyError::InvalidPublicKey)?;
        let key = VerifyingKey::from_bytes(&bytes)?;
        if key.kid() == self.kid { Ok(key) } else { Err(KeyError::InvalidPublicKey) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    /// RFC 8032 §7.1, test 2.
    const SEED: &str = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
    const PUBLIC: &str = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
    const SIGNATURE: &str = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                             085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";

    fn key() -> SigningKey<Log> {
        SigningKey::from_seed(&hex::decode(SEED).unwrap().try_into().unwrap()).unwrap()
    }

    #[test]
    fn signs_as_rfc_8032_says() {
        let key = key();
        let public = key.verifying_key();
        assert_eq!(hex::encode(public.as_bytes()), PUBLIC);
        let signature = key.sign(&[0x72]).unwrap();
        assert_eq!(hex::encode(signature.as_bytes()), SIGNATURE);
        public.verify(&[0x72], &signature).unwrap();
        assert!(public.verify(&[0x73], &signature).is_err());
        for at in 0..64 {
            let mut changed = *signature.as_bytes();
            changed[at] ^= 1;
            assert!(public.verify(&[0x72], &Signature(changed)).is_err(), "byte {at}");
        }
    }

    #[test]
    fn s_above_the_group_order_is_refused() {
        let key = key();
        let mut bytes = *key.sign(b"m").unwrap().as_bytes();
        let order = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";
        let mut carry = 0;
        for (byte, l) in bytes[32..].iter_mut().zip(hex::decode(order).unwrap()) {
            let sum = u16::from(*byte) + u16::from(l) + carry;
            *byte = sum.to_le_bytes()[0];
            carry = sum >> 8;
        }
        let public = key.verifying_key();
        assert!(public.verify(b"m", &Signature(bytes)).is_err());
    }

    #[test]
    fn the_thumbprint_is_rfc_8037s() {
        // RFC 8037 appendix A.2 and A.3.
        let jwk = Jwk {
            kty: "OKP".to_owned(),
            crv: "Ed25519".to_owned(),
            x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo".to_owned(),
            kid: "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k".to_owned(),
        };
        let key = jwk.verifying_key().unwrap();
        assert_eq!(key.to_jwk(), jwk);
        let wrong = [
            Jwk { kid: "other".to_owned(), ..jwk.clone() },
            Jwk { kty: "EC".to_owned(), ..jwk.clone() },
            Jwk { crv: "X25519".to_owned(), ..jwk.clone() },
            Jwk { x: format!("{}=", jwk.x), ..jwk.clone() },
        ];
        for jwk in wrong {
            assert!(jwk.verifying_key().is_err());
        }
    }

    #[test]
    fn weak_public_keys_are_refused() {
        let p: [u8; 32] = {
            let mut p = [0xff; 32];
            p[0] = 0xed;
            p[31] = 0x7f;
            p
        };
        for mut weak in SMALL_ORDER.into_iter().chain([p]) {
            assert!(VerifyingKey::from_bytes(&weak).is_err());
            weak[31] |= 0x80;
            assert!(VerifyingKey::from_bytes(&weak).is_err());
        }
        assert!(VerifyingKey::from_bytes(&[9; 31]).is_err());
        let mut below_p = p;
        below_p[0] = 0xeb;
        assert!(VerifyingKey::from_bytes(&below_p).is_ok());
    }

    #[test]
    fn survives_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.pem");
        let key: SigningKey<Log> = SigningKey::generate(&mut StdRng::seed_from_u64(4)).unwrap();
        key.store_new(&path).unwrap();
        assert!(key.store_new(&path).is_err(), "never overwritten");
        let read = SigningKey::<Log>::load(&path).unwrap();
        assert_eq!(read.verifying_key(), key.verifying_key());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o604)).unwrap();
        let open = SigningKey::<Log>::load(&path);
        assert!(matches!(open, Err(KeyError::OpenToOthers { .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").unwrap();
        let damaged = SigningKey::<Log>::load(&path);
        assert!(matches!(damaged, Err(KeyError::InvalidFile { .. })));
    }

    #[test]
    fn reads_what_openssl_writes() {
        // `openssl genpkey -algorithm ED25519` writes the same header before the seed.
        let mut der = PKCS8_HEADER.to_vec();
        der.extend(hex::decode(SEED).unwrap());
        let key = SigningKey::<Token>::from_pkcs8(&der).unwrap();
        assert_eq!(hex::encode(key.verifying_key().as_bytes()), PUBLIC);
        assert_eq!(*key.to_pkcs8().unwrap(), der);
    }
}
