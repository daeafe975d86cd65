//! The master keys and their file.
//!
//! Every key is 256 random bits of its own; none is derived from another. Deriving them from one
//! secret would make the file shorter, but a wrapping key that can be derived again is never really
//! destroyed, and destroying retired keys is what ends the use of an old copy of the store.
//!
//! The file is JSON, format `tallygate-master-keys/1`, mode 0600, keys in base64:
//! `{"format", "prf": "hmac", "pseudonym_key", "wrapping": {domain: {version: key}},
//! "sealing": {version: key}}`. The greatest version of a ring is the current one. Unknown members,
//! missing domains and other formats are refused.

use super::file::{Existing, read_private, write_private};
use super::{KeyError, KeyVersion, PseudonymDomain};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use rand::CryptoRng;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Sha256;
use std::collections::BTreeMap;
use std::path::Path;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

const FORMAT: &str = "tallygate-master-keys/1";
const PRF: &str = "hmac";

/// 256 secret bits; wiped when dropped, never printed, compared or copied.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct SecretKey([u8; 32]);

impl SecretKey {
    fn generate(rng: &mut dyn CryptoRng) -> Self {
        let mut key = Self([0; 32]);
        rng.fill_bytes(&mut key.0);
        key
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The keys of one purpose by version; never empty once it is part of [`MasterKeys`].
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct KeyRing(BTreeMap<u16, KeyText>);

/// A secret key in the key file. Private to this file, so that no other code can serialise one.
struct KeyText(SecretKey);

impl Serialize for KeyText {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut text = Zeroizing::new(String::with_capacity(44));
        STANDARD.encode_string(self.0.bytes(), &mut text);
        to.serialize_str(&text)
    }
}

impl<'de> Deserialize<'de> for KeyText {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        // Borrowed from the file's buffer, which is wiped; a text with escapes is no key.
        let text = <&str>::deserialize(from)?;
        // Base64 is decoded in whole groups of three bytes.
        let mut bytes = Zeroizing::new([0; 33]);
        let mut key = SecretKey([0; 32]);
        match STANDARD.decode_slice(text, &mut bytes[..]) {
            Ok(32) => key.0.copy_from_slice(&bytes[..32]),
            _ => return Err(serde::de::Error::custom("a key is 32 bytes in base64")),
        }
        Ok(Self(key))
    }
}

impl KeyRing {
    fn generate(rng: &mut dyn CryptoRng) -> Self {
        let first = (KeyVersion::FIRST.number(), KeyText(SecretKey::generate(rng)));
        Self(BTreeMap::from([first]))
    }

    fn current(&self) -> Option<KeyVersion> {
        self.0.last_key_value().map(|(version, _)| KeyVersion::new(*version))
    }

    fn rotate(&mut self, rng: &mut dyn CryptoRng) -> Result<KeyVersion, KeyError> {
        let next = match self.current() {
            Some(version) => version.next().ok_or(KeyError::NoSuchVersion { version })?,
            None => KeyVersion::FIRST,
        };
        self.0.insert(next.number(), KeyText(SecretKey::generate(rng)));
        Ok(next)
    }

    fn retire(&mut self, version: KeyVersion) -> Result<(), KeyError> {
        if self.current() == Some(version) {
            return Err(KeyError::StillCurrent { version });
        }
        let retired = self.0.remove(&version.number());
        retired.map(drop).ok_or(KeyError::NoSuchVersion { version })
    }

    fn keys(&self) -> impl Iterator<Item = (KeyVersion, &SecretKey)> {
        self.0.iter().map(|(version, key)| (KeyVersion::new(*version), &key.0))
    }
}

#[derive(Serialize)]
struct KeyFileToWrite<'a> {
    format: &'static str,
    prf: &'static str,
    pseudonym_key: &'a KeyText,
    wrapping: BTreeMap<&'static str, &'a KeyRing>,
    sealing: &'a KeyRing,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    format: String,
    prf: String,
    pseudonym_key: KeyText,
    wrapping: BTreeMap<String, KeyRing>,
    sealing: KeyRing,
}

/// All secret keys of a deployment but the signing keys, which have files of their own.
pub struct MasterKeys {
    pseudonym: KeyText,
    wrapping: BTreeMap<PseudonymDomain, KeyRing>,
    sealing: KeyRing,
}

impl MasterKeys {
    /// New keys for a new deployment: every version is 1.
    #[must_use]
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        let pseudonym = KeyText(SecretKey::generate(rng));
        let wrapping = PseudonymDomain::ALL.iter().map(|d| (*d, KeyRing::generate(rng))).collect();
        Self { pseudonym, wrapping, sealing: KeyRing::generate(rng) }
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// [`KeyError::File`], [`KeyError::OpenToOthers`], [`KeyError::InvalidFile`].
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let invalid = |rule| KeyError::InvalidFile { path: path.to_owned(), rule };
        let bytes = read_private(path)?;
        // serde_json's message could quote a key: only the rule is passed on.
        let file: KeyFile = serde_json::from_slice(&bytes)
            .map_err(|_| invalid("JSON with the members of tallygate-master-keys/1"))?;
        if file.format != FORMAT {
            return Err(invalid("format tallygate-master-keys/1"));
        }
        if file.prf != PRF {
            return Err(invalid("prf hmac"));
        }
        let mut wrapping = BTreeMap::new();
        for (label, ring) in file.wrapping {
            let domain = PseudonymDomain::from_label(&label)
                .ok_or_else(|| invalid("wrapping keys of known domains only"))?;
            wrapping.insert(domain, ring);
        }
        let complete = wrapping.len() == PseudonymDomain::ALL.len()
            && wrapping.values().chain([&file.sealing]).all(|ring| ring.current().is_some());
        if !complete {
            return Err(invalid("at least one key for every domain and for sealing"));
        }
        Ok(Self { pseudonym: file.pseudonym_key, wrapping, sealing: file.sealing })
    }

    /// Writes a new key file, for its owner alone.
    ///
    /// # Errors
    /// [`KeyError::File`], also where the file exists: keys are never lost to a slip.
    pub fn store_new(&self, path: &Path) -> Result<(), KeyError> {
        self.write(path, Existing::Refuse)
    }

    /// Replaces the key file after a rotation or retirement, whole or not at all.
    ///
    /// # Errors
    /// [`KeyError::File`].
    pub fn replace(&self, path: &Path) -> Result<(), KeyError> {
        self.write(path, Existing::Replace)
    }

    fn write(&self, path: &Path, existing: Existing) -> Result<(), KeyError> {
        let file = KeyFileToWrite {
            format: FORMAT,
            prf: PRF,
            pseudonym_key: &self.pseudonym,
            wrapping: self.wrapping.iter().map(|(d, ring)| (d.label(), ring)).collect(),
            sealing: &self.sealing,
        };
        let keys = file.wrapping.values().map(|ring| ring.0.len()).sum::<usize>();
        // Room beforehand: a buffer that grows leaves copies of the keys behind.
        let room = 4_096 + (keys + self.sealing.0.len()) * 128;
        let mut text = Zeroizing::new(Vec::with_capacity(room));
        serde_json::to_writer_pretty(&mut *text, &file)
            .map_err(|_| KeyError::Refused("write the keys as JSON"))?;
        text.push(b'\n');
        write_private(path, &text, existing)
    }

    /// Adds a wrapping key, which becomes the domain's current one. Write the file before using it.
    ///
    /// # Errors
    /// [`KeyError::NoSuchVersion`] after 65,535 rotations.
    pub fn rotate_wrapping(
        &mut self,
        domain: PseudonymDomain,
        rng: &mut dyn CryptoRng,
    ) -> Result<KeyVersion, KeyError> {
        self.wrapping.entry(domain).or_insert_with(|| KeyRing(BTreeMap::new())).rotate(rng)
    }

    /// Destroys an earlier wrapping key: whatever is still wrapped under it is lost.
    ///
    /// # Errors
    /// [`KeyError::StillCurrent`], [`KeyError::NoSuchVersion`].
    pub fn retire_wrapping(
        &mut self,
        domain: PseudonymDomain,
        version: KeyVersion,
    ) -> Result<(), KeyError> {
        let ring = self.wrapping.get_mut(&domain).ok_or(KeyError::NoSuchVersion { version })?;
        ring.retire(version)
    }

    /// Adds a sealing key, which becomes the current one. Write the file before using it.
    ///
    /// # Errors
    /// [`KeyError::NoSuchVersion`] after 65,535 rotations.
    pub fn rotate_sealing(&mut self, rng: &mut dyn CryptoRng) -> Result<KeyVersion, KeyError> {
        self.sealing.rotate(rng)
    }

    /// Destroys an earlier sealing key: whatever is still sealed under it is lost.
    ///
    /// # Errors
    /// [`KeyError::StillCurrent`], [`KeyError::NoSuchVersion`].
    pub fn retire_sealing(&mut self, version: KeyVersion) -> Result<(), KeyError> {
        self.sealing.retire(version)
    }

    /// A public value that tells whether a store was written with this pseudonym key: 128 bits of
    /// the keyed hash over a fixed text that no pseudonym's input can equal. Keep it in the store
    /// and compare at start, lest a wrong key file split every person in two.
    ///
    /// # Errors
    /// [`KeyError::Refused`] if the library cannot key the hash.
    pub fn check_value(&self) -> Result<[u8; 16], KeyError> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.pseudonym.0.bytes())
            .map_err(|_| KeyError::Refused("key the hash"))?;
        // A pseudonym's input begins with four bytes of a small length: 00 00 ...
        mac.update(b"tallygate pseudonym key check");
        let hash = mac.finalize().into_bytes();
        let mut value = [0; 16];
        value.copy_from_slice(&hash[..16]);
        Ok(value)
    }

    /// The domains' key versions, oldest first, for listing; sealing is the caller's last line.
    pub fn wrapping_versions(
        &self,
    ) -> impl Iterator<Item = (PseudonymDomain, impl Iterator<Item = KeyVersion> + '_)> {
        self.wrapping.iter().map(|(domain, ring)| (*domain, ring.keys().map(|(v, _)| v)))
    }

    /// The versions of the sealing key that are held, oldest first.
    pub fn sealing_versions(&self) -> impl Iterator<Item = KeyVersion> + '_ {
        self.sealing.keys().map(|(version, _)| version)
    }

    pub(super) fn pseudonym_key(&self) -> &SecretKey {
        &self.pseudonym.0
    }

    /// Oldest first; the last is the current one.
    pub(super) fn wrapping_keys(
        &self,
        domain: PseudonymDomain,
    ) -> impl Iterator<Item = (KeyVersion, &SecretKey)> {
        self.wrapping.get(&domain).into_iter().flat_map(KeyRing::keys)
    }

    /// Oldest first; the last is the current one.
    pub(super) fn sealing_keys(&self) -> impl Iterator<Item = (KeyVersion, &SecretKey)> {
        self.sealing.keys()
    }

    /// Fixed keys for test vectors: `kp` and one key per domain in the order of declaration.
    #[cfg(test)]
    pub(super) fn of_vectors(
        kp: [u8; 32],
        wrapping: impl Fn(PseudonymDomain) -> Vec<[u8; 32]>,
        rng: &mut dyn CryptoRng,
    ) -> Self {
        let ring = |keys: Vec<[u8; 32]>| {
            KeyRing((1..).zip(keys.into_iter().map(|k| KeyText(SecretKey(k)))).collect())
        };
        Self {
            pseudonym: KeyText(SecretKey(kp)),
            wrapping: PseudonymDomain::ALL.iter().map(|d| (*d, ring(wrapping(*d)))).collect(),
            sealing: KeyRing::generate(rng),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn keys() -> MasterKeys {
        MasterKeys::generate(&mut StdRng::seed_from_u64(1))
    }

    #[test]
    fn survives_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.json");
        let mut keys = keys();
        keys.store_new(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        keys.rotate_wrapping(PseudonymDomain::Nhs, &mut StdRng::seed_from_u64(2)).unwrap();
        keys.replace(&path).unwrap();
        let again = MasterKeys::load(&path).unwrap();
        assert_eq!(keys.check_value().unwrap(), again.check_value().unwrap());
        for &domain in PseudonymDomain::ALL {
            let held = |k: &MasterKeys| {
                k.wrapping_keys(domain).map(|(v, s)| (v, *s.bytes())).collect::<Vec<_>>()
            };
            assert_eq!(held(&keys), held(&again));
            assert_eq!(held(&keys).len(), 1 + usize::from(domain == PseudonymDomain::Nhs));
        }
        let all: Vec<_> = PseudonymDomain::ALL
            .iter()
            .flat_map(|d| keys.wrapping_keys(*d).map(|(_, k)| *k.bytes()).collect::<Vec<_>>())
            .collect();
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len(), "independent keys");
    }

    #[test]
    fn an_existing_file_is_never_overwritten_by_new_keys() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.json");
        let first = keys();
        first.store_new(&path).unwrap();
        let other = MasterKeys::generate(&mut StdRng::seed_from_u64(9));
        assert!(matches!(other.store_new(&path), Err(KeyError::File { .. })));
        let read = MasterKeys::load(&path).unwrap();
        assert_eq!(read.check_value().unwrap(), first.check_value().unwrap());
    }

    #[test]
    fn a_damaged_file_is_refused_without_quoting_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.json");
        keys().store_new(&path).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let damaged = [
            text.replace("keys/1", "keys/2"),
            text.replace("\"hmac\"", "\"oprf\""),
            text.replace("\"nhs\"", "\"nsh\""),
            text.replace("\"prf\"", "\"extra\": 1, \"prf\""),
            text.replacen("=\"", "\"", 1),
            text[..text.len() / 2].to_owned(),
            String::new(),
        ];
        for case in damaged {
            assert_ne!(case, text);
            fs::write(&path, &case).unwrap();
            let error = MasterKeys::load(&path).err().unwrap();
            assert!(matches!(error, KeyError::InvalidFile { .. }), "{error}");
        }
    }

    #[test]
    fn retiring_destroys_earlier_keys_only() {
        let (mut keys, mut rng) = (keys(), StdRng::seed_from_u64(3));
        let two = keys.rotate_sealing(&mut rng).unwrap();
        assert!(matches!(keys.retire_sealing(two), Err(KeyError::StillCurrent { .. })));
        keys.retire_sealing(KeyVersion::FIRST).unwrap();
        assert_eq!(keys.sealing_versions().collect::<Vec<_>>(), [two]);
        let gone = keys.retire_sealing(KeyVersion::FIRST);
        assert!(matches!(gone, Err(KeyError::NoSuchVersion { .. })));
        let three = keys.rotate_sealing(&mut rng).unwrap();
        assert_eq!(three, KeyVersion::new(3), "a version is never used twice");
    }
}
