//! The master keys and their file.
//!
//! Every key is 256 random bits of its own; none is derived from another. Deriving them from one
//! secret would make the file shorter, but a wrapping key that can be derived again is never really
//! destroyed, and destroying retired keys is what ends the use of an old copy of the store.
//!
//! The file is JSON, format `tallygate-master-keys/1`, mode 0600, keys in base64:
//! `{"format", "prf": "hmac" | "oprf", "pseudonym_key", "wrapping": {domain: {version: key}},
//! "sealing": {version: key}}`. Unknown members, missing domains and other formats are refused.
//! [`MasterFile`](super::MasterFile) reads and writes it, also under a passphrase.
//!
//! A version is one for all: a new one gives every domain but
//! [`User`](PseudonymDomain::User) a wrapping key of its own, and sealing as well. They lie in
//! one file, so whoever saw one of them saw all. Which version is written under is not the
//! file's to say but the store's: several gateways share it, and their files do not change at
//! one moment.

use super::file::{Existing, write_private};
use super::{
    KeyError, KeyVersion, MasterFile, Prf, PrfPublicKey, PseudonymDomain, oblivious::OprfKey,
};
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

/// 256 secret bits; wiped when dropped, never printed, compared or copied.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct SecretKey([u8; 32]);

impl SecretKey {
    pub(super) fn generate(rng: &mut dyn CryptoRng) -> Self {
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

    fn versions(&self) -> impl Iterator<Item = KeyVersion> {
        self.0.keys().map(|version| KeyVersion::new(*version))
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
    prf: Prf,
    pseudonym: KeyText,
    wrapping: BTreeMap<PseudonymDomain, KeyRing>,
    sealing: KeyRing,
}

impl MasterKeys {
    /// New keys for a new deployment to which identifiers come in clear: every version is 1.
    #[must_use]
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        Self::generate_for(Prf::Hmac, rng)
    }

    /// New keys for a new deployment, for the PRF that it keeps.
    #[must_use]
    pub fn generate_for(prf: Prf, rng: &mut dyn CryptoRng) -> Self {
        let pseudonym = KeyText(SecretKey::generate(rng));
        let wrapping = PseudonymDomain::ALL.iter().map(|d| (*d, KeyRing::generate(rng))).collect();
        Self { prf, pseudonym, wrapping, sealing: KeyRing::generate(rng) }
    }

    /// Reads what a key file holds.
    ///
    /// # Errors
    /// [`KeyError::InvalidFile`].
    pub(super) fn parse(bytes: &[u8], path: &Path) -> Result<Self, KeyError> {
        let invalid = |rule| KeyError::InvalidFile { path: path.to_owned(), rule };
        // serde_json's message could quote a key: only the rule is passed on.
        let file: KeyFile = serde_json::from_slice(bytes)
            .map_err(|_| invalid("JSON with the members of tallygate-master-keys/1"))?;
        if file.format != FORMAT {
            return Err(invalid("format tallygate-master-keys/1"));
        }
        let prf = Prf::from_name(&file.prf).ok_or_else(|| invalid("prf hmac or oprf"))?;
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
        let alike = |ring: &KeyRing| ring.versions().eq(file.sealing.versions());
        if !wrapping.iter().all(|(domain, ring)| !domain.rotates() || alike(ring)) {
            return Err(invalid("the same versions for every domain and for sealing"));
        }
        Ok(Self { prf, pseudonym: file.pseudonym_key, wrapping, sealing: file.sealing })
    }

    /// The text of a key file; wiped when dropped.
    ///
    /// # Errors
    /// [`KeyError::Refused`] if the library refuses; it does not.
    pub(super) fn to_text(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let file = KeyFileToWrite {
            format: FORMAT,
            prf: self.prf.name(),
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
        Ok(text)
    }

    /// Reads a key file that no passphrase protects.
    ///
    /// # Errors
    /// [`KeyError::File`], [`KeyError::OpenToOthers`], [`KeyError::InvalidFile`],
    /// [`KeyError::PassphraseNeeded`].
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        MasterFile::new(path.to_owned(), None).load()
    }

    /// Writes a new key file without a passphrase, for its owner alone.
    ///
    /// # Errors
    /// [`KeyError::File`], also where the file exists: keys are never lost to a slip.
    pub fn store_new(&self, path: &Path) -> Result<(), KeyError> {
        write_private(path, &self.to_text()?, Existing::Refuse)
    }

    /// Adds the next version of every key that rotates. Write the file before using it.
    ///
    /// # Errors
    /// [`KeyError::NoSuchVersion`] after 65,535 versions.
    pub fn add_version(&mut self, rng: &mut dyn CryptoRng) -> Result<KeyVersion, KeyError> {
        let last = self.newest();
        let next = last.next().ok_or(KeyError::NoSuchVersion { version: last })?;
        for ring in self.rotating() {
            ring.0.insert(next.number(), KeyText(SecretKey::generate(rng)));
        }
        Ok(next)
    }

    /// Destroys an earlier version: whatever is still wrapped or sealed under it is lost.
    ///
    /// # Errors
    /// [`KeyError::StillCurrent`] for the newest, [`KeyError::NoSuchVersion`].
    pub fn destroy_version(&mut self, version: KeyVersion) -> Result<(), KeyError> {
        if self.newest() == version {
            return Err(KeyError::StillCurrent { version });
        }
        let mut held = false;
        for ring in self.rotating() {
            held |= ring.0.remove(&version.number()).is_some();
        }
        if held { Ok(()) } else { Err(KeyError::NoSuchVersion { version }) }
    }

    fn rotating(&mut self) -> impl Iterator<Item = &mut KeyRing> {
        let wrapping = self.wrapping.iter_mut().filter(|(domain, _)| domain.rotates());
        wrapping.map(|(_, ring)| ring).chain([&mut self.sealing])
    }

    /// The newest version that is held.
    #[must_use]
    pub fn newest(&self) -> KeyVersion {
        self.sealing.current().unwrap_or(KeyVersion::FIRST)
    }

    /// The versions that are held, oldest first.
    pub fn versions(&self) -> impl Iterator<Item = KeyVersion> + '_ {
        self.sealing.versions()
    }

    /// Whether a version is held.
    #[must_use]
    pub fn holds(&self, version: KeyVersion) -> bool {
        self.sealing.0.contains_key(&version.number())
    }

    /// A public value that tells whether two files hold the same version: 128 bits of a hash
    /// keyed with the pseudonym key over every key of it, and over a text that no pseudonym's
    /// input can equal. The store keeps it, lest another key file split every person in two.
    ///
    /// # Errors
    /// [`KeyError::NoSuchVersion`]; [`KeyError::Refused`] if the library cannot key the hash.
    pub fn check_value(&self, version: KeyVersion) -> Result<[u8; 16], KeyError> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.pseudonym.0.bytes())
            .map_err(|_| KeyError::Refused("key the hash"))?;
        // A pseudonym's input begins with four bytes of a small length: 00 00 ...
        mac.update(b"tallygate key version check");
        mac.update(&version.number().to_be_bytes());
        // One key under two functions gives unrelated pseudonyms.
        if self.prf == Prf::Oprf {
            mac.update(self.prf.name().as_bytes());
        }
        // The suppressions' domain rotated once: its key counts where the version has one, so
        // that what stores have of versions from that time still fits.
        let counts = |domain: PseudonymDomain, ring: &KeyRing| {
            let kept = domain == PseudonymDomain::Suppression;
            domain.rotates() || (kept && ring.0.contains_key(&version.number()))
        };
        let wrapping = self.wrapping.iter().filter(|(domain, ring)| counts(**domain, ring));
        for ring in wrapping.map(|(_, ring)| ring).chain([&self.sealing]) {
            let key = ring.0.get(&version.number()).ok_or(KeyError::NoSuchVersion { version })?;
            mac.update(key.0.bytes());
        }
        let hash = mac.finalize().into_bytes();
        let mut value = [0; 16];
        value.copy_from_slice(&hash[..16]);
        Ok(value)
    }

    /// Which keyed function the pseudonyms are made by.
    #[must_use]
    pub const fn prf(&self) -> Prf {
        self.prf
    }

    /// The public half of the PRF's key, for partners to pin; a keyed hash has none.
    ///
    /// # Errors
    /// [`KeyError::Refused`] if no key can be derived.
    pub fn prf_public_key(&self) -> Result<Option<PrfPublicKey>, KeyError> {
        match self.prf {
            Prf::Hmac => Ok(None),
            Prf::Oprf => OprfKey::derive(self.pseudonym_key()).map(|key| Some(key.public_key())),
        }
    }

    pub(super) fn pseudonym_key(&self) -> &SecretKey {
        &self.pseudonym.0
    }

    /// Oldest first.
    pub(super) fn wrapping_keys(
        &self,
        domain: PseudonymDomain,
    ) -> impl Iterator<Item = (KeyVersion, &SecretKey)> {
        self.wrapping.get(&domain).into_iter().flat_map(KeyRing::keys)
    }

    /// Oldest first.
    pub(super) fn sealing_keys(&self) -> impl Iterator<Item = (KeyVersion, &SecretKey)> {
        self.sealing.keys()
    }

    /// Fixed keys for test vectors: `kp` and one key per domain in the order of declaration.
    #[cfg(test)]
    pub(super) fn of_vectors(
        kp: [u8; 32],
        wrapping: impl Fn(PseudonymDomain) -> Vec<[u8; 32]>,
    ) -> Self {
        let ring = |keys: Vec<[u8; 32]>| {
            KeyRing((1..).zip(keys.into_iter().map(|k| KeyText(SecretKey(k)))).collect())
        };
        let versions = wrapping(PseudonymDomain::Nhs).len();
        Self {
            prf: Prf::Hmac,
            pseudonym: KeyText(SecretKey(kp)),
            wrapping: PseudonymDomain::ALL.iter().map(|d| (*d, ring(wrapping(*d)))).collect(),
            sealing: ring(vec![[5; 32]; versions]),
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
        keys.add_version(&mut StdRng::seed_from_u64(2)).unwrap();
        keys.store_new(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let again = MasterKeys::load(&path).unwrap();
        for version in [1, 2].map(KeyVersion::new) {
            assert_eq!(keys.check_value(version).unwrap(), again.check_value(version).unwrap());
        }
        for &domain in PseudonymDomain::ALL {
            let held = |k: &MasterKeys| {
                k.wrapping_keys(domain).map(|(v, s)| (v, *s.bytes())).collect::<Vec<_>>()
            };
            assert_eq!(held(&keys), held(&again));
            assert_eq!(held(&keys).len(), 1 + usize::from(domain.rotates()));
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
        assert_eq!(
            read.check_value(KeyVersion::FIRST).unwrap(),
            first.check_value(KeyVersion::FIRST).unwrap()
        );
    }

    #[test]
    fn a_damaged_file_is_refused_without_quoting_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.json");
        keys().store_new(&path).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let damaged = [
            text.replace("keys/1", "keys/2"),
            text.replace("\"hmac\"", "\"sha1\""),
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
    fn a_file_says_which_prf_its_deployment_keeps() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.json");
        let blinded = MasterKeys::generate_for(Prf::Oprf, &mut StdRng::seed_from_u64(1));
        blinded.store_new(&path).unwrap();
        let again = MasterKeys::load(&path).unwrap();
        assert_eq!(again.prf(), Prf::Oprf);
        let public = again.prf_public_key().unwrap();
        assert!(public.is_some() && public == blinded.prf_public_key().unwrap());
        // The same bytes under another PRF are other keys.
        let clear = keys();
        assert_eq!((clear.prf(), clear.prf_public_key().unwrap()), (Prf::Hmac, None));
        let first = KeyVersion::FIRST;
        assert_ne!(clear.check_value(first).unwrap(), blinded.check_value(first).unwrap());
    }

    #[test]
    fn only_earlier_versions_are_destroyed_and_none_is_used_twice() {
        let (mut keys, mut rng) = (keys(), StdRng::seed_from_u64(3));
        let first = keys.check_value(KeyVersion::FIRST).unwrap();
        let two = keys.add_version(&mut rng).unwrap();
        assert_ne!(keys.check_value(two).unwrap(), first);
        assert!(matches!(keys.destroy_version(two), Err(KeyError::StillCurrent { .. })));
        keys.destroy_version(KeyVersion::FIRST).unwrap();
        assert_eq!(keys.versions().collect::<Vec<_>>(), [two]);
        let gone = keys.destroy_version(KeyVersion::FIRST);
        assert!(matches!(gone, Err(KeyError::NoSuchVersion { .. })));
        assert!(keys.check_value(KeyVersion::FIRST).is_err());
        // The log's users keep their one key: what the log says of them never changes.
        assert_eq!(keys.wrapping_keys(PseudonymDomain::User).count(), 1);
        assert_eq!(keys.add_version(&mut rng).unwrap(), KeyVersion::new(3));
    }

    #[test]
    fn versions_that_some_domains_lack_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.json");
        let mut keys = keys();
        keys.add_version(&mut StdRng::seed_from_u64(4)).unwrap();
        keys.wrapping.get_mut(&PseudonymDomain::Nhs).unwrap().0.remove(&1);
        keys.store_new(&path).unwrap();
        let error = MasterKeys::load(&path).err().unwrap().to_string();
        assert!(error.contains("the same versions"), "{error}");
    }
}
