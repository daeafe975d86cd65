//! Sealing to somebody's public key: HPKE (RFC 9180), base mode, DHKEM(X25519, HKDF-SHA256),
//! HKDF-SHA256, AES-256-GCM. Whoever seals can't open: what the gateway makes for a data
//! protection officer is read on that officer's machine alone.

use super::{
    KeyError,
    file::{Existing, read_private, write_private},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use rustls::crypto::{
    aws_lc_rs::hpke::DH_KEM_X25519_HKDF_SHA256_AES_256 as SUITE,
    hpke::{EncapsulatedSecret, Hpke, HpkePrivateKey, HpkePublicKey},
};
use sha2::{Digest, Sha256};
use std::path::Path;
use zeroize::Zeroizing;

/// The suite as documents name it.
pub const SUITE_NAME: &str = "DHKEM(X25519,HKDF-SHA256),HKDF-SHA256,AES-256-GCM";

/// A recipient's public key: X25519, 32 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecipientKey([u8; 32]);

impl RecipientKey {
    /// From its bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// What stands for it in logs: the first 16 bytes of its SHA-256, hexadecimal, two bytes a
    /// group. (No word of the log holds a run of digits that could be somebody's number.)
    #[must_use]
    pub fn id(&self) -> String {
        let groups: Vec<String> = Sha256::digest(self.0)[..16].chunks(2).map(hex::encode).collect();
        groups.join("-")
    }

    /// Seals for it: the encapsulated secret, and the sealed text.
    ///
    /// # Errors
    /// [`KeyError::Refused`] for a key that is no point to share a secret with.
    pub fn seal(&self, info: &[u8], plain: &[u8]) -> Result<(Vec<u8>, Vec<u8>), KeyError> {
        let key = HpkePublicKey(self.0.to_vec());
        let sealed = SUITE.seal(info, &[], plain, &key);
        let (secret, sealed) = sealed.map_err(|_| KeyError::Refused("seal to this public key"))?;
        Ok((secret.0, sealed))
    }
}

/// A recipient's private key. No Debug.
pub struct RecipientSecret(Zeroizing<[u8; 32]>);

impl RecipientSecret {
    /// A new pair. The randomness is the cryptographic library's own.
    ///
    /// # Errors
    /// When the library gives none.
    pub fn generate() -> Result<(Self, RecipientKey), KeyError> {
        let refused = || KeyError::Refused("make a key pair");
        let (public, secret) = SUITE.generate_key_pair().map_err(|_| refused())?;
        let public: [u8; 32] = public.0.try_into().map_err(|_| refused())?;
        let secret: [u8; 32] = secret.secret_bytes().try_into().map_err(|_| refused())?;
        Ok((Self::new(secret), RecipientKey(public)))
    }

    /// From its bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Writes it to a new file that its owner alone can read: base64 on one line.
    ///
    /// # Errors
    /// [`KeyError::File`], also where there is such a file already.
    pub fn write_new(&self, path: &Path) -> Result<(), KeyError> {
        let text = Zeroizing::new(format!("{}\n", STANDARD.encode(self.0.as_slice())));
        write_private(path, text.as_bytes(), Existing::Refuse)
    }

    /// Reads what [`write_new`](Self::write_new) wrote.
    ///
    /// # Errors
    /// [`KeyError::OpenToOthers`], [`KeyError::File`], [`KeyError::InvalidFile`].
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let rule = "32 bytes in base64 on one line";
        let invalid = || KeyError::InvalidFile { path: path.to_owned(), rule };
        let text = read_private(path, 0)?;
        let bytes = STANDARD.decode(text.trim_ascii()).map(Zeroizing::new);
        let bytes = bytes.map_err(|_| invalid())?;
        Ok(Self::new(bytes.as_slice().try_into().map_err(|_| invalid())?))
    }

    /// Opens what was sealed for it.
    ///
    /// # Errors
    /// [`KeyError::Refused`] for another key, or when a byte was changed.
    pub fn open(
        &self,
        secret: &[u8],
        info: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let key = HpkePrivateKey::from(self.0.to_vec());
        let secret = EncapsulatedSecret(secret.to_vec());
        let plain = SUITE.open(&secret, info, &[], sealed, &key);
        plain.map(Zeroizing::new).map_err(|_| KeyError::Refused("open what was sealed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_key_that_it_was_sealed_to_opens_it() {
        let (secret, public) = RecipientSecret::generate().unwrap();
        let (other, _) = RecipientSecret::generate().unwrap();
        let (shared, sealed) = public.seal(b"report", b"what is held").unwrap();
        assert_eq!(&**secret.open(&shared, b"report", &sealed).unwrap(), b"what is held");
        assert!(other.open(&shared, b"report", &sealed).is_err());
        assert!(secret.open(&shared, b"another", &sealed).is_err());
        let mut changed = sealed.clone();
        changed[3] ^= 1;
        assert!(secret.open(&shared, b"report", &changed).is_err());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dpo.key");
        secret.write_new(&path).unwrap();
        assert!(secret.write_new(&path).is_err(), "a key is never replaced");
        let again = RecipientSecret::load(&path).unwrap();
        assert_eq!(&**again.open(&shared, b"report", &sealed).unwrap(), b"what is held");
        assert_eq!(public.id().len(), 39);
        // The point at infinity shares its secret with everybody.
        assert!(RecipientKey::new([0; 32]).seal(b"", b"").is_err());
    }

    /// RFC 9180 has no vector of this suite; that of its key schedule's key pair (A.1) shows
    /// that the keys are plain X25519.
    #[test]
    fn a_published_private_key_has_its_published_public_key() {
        let bytes = |text: &str| -> [u8; 32] { hex::decode(text).unwrap().try_into().unwrap() };
        let secret = "4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8";
        let public = "3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d";
        let (secret, public) =
            (RecipientSecret::new(bytes(secret)), RecipientKey::new(bytes(public)));
        let (shared, sealed) = public.seal(b"", b"x").unwrap();
        assert_eq!(&**secret.open(&shared, b"", &sealed).unwrap(), b"x");
    }
}
