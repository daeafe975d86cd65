//! The file of the master keys: where it is, what protects it, and how a version of it goes.
//!
//! Under a passphrase the file is JSON, format `tallygate-protected-keys/1`, values in base64:
//! `{"format", "kdf": "pbkdf2-hmac-sha256", "iterations", "salt", "nonce", "sealed"}`. PBKDF2
//! (RFC 8018 §5.2) makes a key from passphrase and salt, and AES-256-GCM (NIST SP 800-38D)
//! seals the text of the unprotected file with format, kdf, iterations and salt as associated
//! data. Each writing draws salt and nonce anew. A passphrase comes from a file of the owner's
//! alone or from a systemd credential, never from an argument or the environment, which other
//! processes can read.
//!
//! What destroying a version does, and what it can't: the file is written anew without it, put
//! in place at once, and the old file's bytes are overwritten with zeros. A journal, a
//! copy-on-write file system, a snapshot, a flash disk's spare blocks or a backup of the file
//! may keep them all the same: keep key files off backups, on a disk that is itself encrypted.

use super::file::{Existing, read_private, wipe_after, write_private};
use super::{KeyError, KeyVersion, MasterKeys};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::pbkdf2::{self, PBKDF2_HMAC_SHA256};
use base64::{Engine, engine::general_purpose::STANDARD};
use rand::CryptoRng;
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

const FORMAT: &str = "tallygate-protected-keys/1";
const KDF: &str = "pbkdf2-hmac-sha256";
/// As OWASP's password storage cheat sheet has it for PBKDF2-HMAC-SHA256 since 2023.
const ITERATIONS: u32 = 600_000;
/// More would be a way to keep a gateway from starting; fewer no protection.
const LAWFUL: std::ops::RangeInclusive<u32> = 100_000..=10_000_000;
/// The fewest bytes of a passphrase. It should be drawn, not thought up.
const SHORTEST: usize = 12;

/// Where a passphrase comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PassphraseSource {
    /// A file that its owner alone can read.
    File(PathBuf),
    /// A systemd credential: a file of the service's own, in a folder that nobody else enters
    /// and that is never written to a disk.
    Credential(PathBuf),
}

impl PassphraseSource {
    fn read(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        // systemd lets its service in by an access list, which shows as a group's right to read.
        let (path, more) = match self {
            Self::File(path) => (path, 0),
            Self::Credential(path) => (path, 0o040),
        };
        let text = read_private(path, more)?;
        let line = text.strip_suffix(b"\n").unwrap_or(&text);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() < SHORTEST || line.contains(&b'\n') {
            let rule = "a passphrase: one line of at least 12 bytes";
            return Err(KeyError::InvalidFile { path: path.clone(), rule });
        }
        Ok(Zeroizing::new(line.to_vec()))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProtectedFile {
    format: String,
    kdf: String,
    iterations: u32,
    salt: String,
    nonce: String,
    sealed: String,
}

/// A file of master keys, with where its passphrase comes from if it has one.
#[derive(Debug, Clone)]
pub struct MasterFile {
    path: PathBuf,
    passphrase: Option<PassphraseSource>,
}

impl MasterFile {
    /// The file at a path.
    #[must_use]
    pub const fn new(path: PathBuf, passphrase: Option<PassphraseSource>) -> Self {
        Self { path, passphrase }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the keys.
    ///
    /// # Errors
    /// [`KeyError::File`], [`KeyError::OpenToOthers`], [`KeyError::InvalidFile`],
    /// [`KeyError::PassphraseNeeded`] for a protected file without a passphrase,
    /// [`KeyError::WrongPassphrase`]. A file that could be read without is read with one, too.
    pub fn load(&self) -> Result<MasterKeys, KeyError> {
        let bytes = read_private(&self.path, 0)?;
        let Ok(protected) = serde_json::from_slice::<ProtectedFile>(&bytes) else {
            return MasterKeys::parse(&bytes, &self.path);
        };
        let passphrase = self.passphrase.as_ref();
        let passphrase =
            passphrase.ok_or_else(|| KeyError::PassphraseNeeded { path: self.path.clone() })?;
        let plain = open(&protected, &passphrase.read()?, &self.path)?;
        MasterKeys::parse(&plain, &self.path)
    }

    /// Writes a new file.
    ///
    /// # Errors
    /// [`KeyError::File`], also where the file exists: keys are never lost to a slip.
    pub fn store_new(&self, keys: &MasterKeys, rng: &mut dyn CryptoRng) -> Result<(), KeyError> {
        write_private(&self.path, &self.text(keys, rng)?, Existing::Refuse)
    }

    /// Adds the next version to the file, and returns it.
    ///
    /// # Errors
    /// As [`load`](Self::load); [`KeyError::File`].
    pub fn add_version(&self, rng: &mut dyn CryptoRng) -> Result<KeyVersion, KeyError> {
        let mut keys = self.load()?;
        let version = keys.add_version(rng)?;
        write_private(&self.path, &self.text(&keys, rng)?, Existing::Replace)?;
        Ok(version)
    }

    /// Writes the file anew without a version and overwrites the old one; `false` where the
    /// file does not hold it (any longer).
    ///
    /// # Errors
    /// As [`load`](Self::load); [`KeyError::StillCurrent`], [`KeyError::File`].
    pub fn destroy_version(
        &self,
        version: KeyVersion,
        rng: &mut dyn CryptoRng,
    ) -> Result<bool, KeyError> {
        let mut keys = self.load()?;
        if !keys.holds(version) {
            return Ok(false);
        }
        keys.destroy_version(version)?;
        self.replace_and_wipe(&keys, rng)?;
        Ok(true)
    }

    /// Puts a file that is read by `self` under another passphrase, or its first.
    ///
    /// # Errors
    /// As [`load`](Self::load); [`KeyError::File`].
    pub fn protect(
        &self,
        passphrase: PassphraseSource,
        rng: &mut dyn CryptoRng,
    ) -> Result<(), KeyError> {
        let keys = self.load()?;
        let under = Self::new(self.path.clone(), Some(passphrase));
        under.replace_and_wipe(&keys, rng)
    }

    fn replace_and_wipe(&self, keys: &MasterKeys, rng: &mut dyn CryptoRng) -> Result<(), KeyError> {
        let text = self.text(keys, rng)?;
        wipe_after(&self.path, || write_private(&self.path, &text, Existing::Replace))
    }

    fn text(
        &self,
        keys: &MasterKeys,
        rng: &mut dyn CryptoRng,
    ) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let text = keys.to_text()?;
        match &self.passphrase {
            None => Ok(text),
            Some(source) => seal(text, &source.read()?, rng),
        }
    }
}

fn sealing_key(passphrase: &[u8], salt: &[u8], iterations: u32) -> Result<LessSafeKey, KeyError> {
    let refused = KeyError::Refused("make a key from the passphrase");
    let Some(rounds) = NonZeroU32::new(iterations) else { return Err(refused) };
    let mut key = Zeroizing::new([0; 32]);
    pbkdf2::derive(PBKDF2_HMAC_SHA256, rounds, salt, passphrase, &mut *key);
    UnboundKey::new(&AES_256_GCM, &*key).map(LessSafeKey::new).map_err(|_| refused)
}

fn associated(iterations: u32, salt: &[u8]) -> Aad<Vec<u8>> {
    let mut data = format!("{FORMAT}\n{KDF}\n{iterations}\n").into_bytes();
    data.extend_from_slice(salt);
    Aad::from(data)
}

fn seal(
    mut text: Zeroizing<Vec<u8>>,
    passphrase: &[u8],
    rng: &mut dyn CryptoRng,
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let (mut salt, mut nonce) = ([0; 16], [0; NONCE_LEN]);
    rng.fill_bytes(&mut salt);
    rng.fill_bytes(&mut nonce);
    let key = sealing_key(passphrase, &salt, ITERATIONS)?;
    let tag = key
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            associated(ITERATIONS, &salt),
            &mut text,
        )
        .map_err(|_| KeyError::Refused("seal the key file"))?;
    let mut sealed = text.to_vec();
    sealed.extend_from_slice(tag.as_ref());
    let file = ProtectedFile {
        format: FORMAT.to_owned(),
        kdf: KDF.to_owned(),
        iterations: ITERATIONS,
        salt: STANDARD.encode(salt),
        nonce: STANDARD.encode(nonce),
        sealed: STANDARD.encode(sealed),
    };
    let mut text = serde_json::to_vec_pretty(&file)
        .map_err(|_| KeyError::Refused("write the keys as JSON"))?;
    text.push(b'\n');
    Ok(Zeroizing::new(text))
}

fn open(
    file: &ProtectedFile,
    passphrase: &[u8],
    path: &Path,
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let invalid = |rule| KeyError::InvalidFile { path: path.to_owned(), rule };
    if file.format != FORMAT || file.kdf != KDF || !LAWFUL.contains(&file.iterations) {
        return Err(invalid("format tallygate-protected-keys/1 with its own kdf and iterations"));
    }
    let decode = |text: &str| STANDARD.decode(text).map_err(|_| invalid("values in base64"));
    let (salt, nonce) = (decode(&file.salt)?, decode(&file.nonce)?);
    let nonce: [u8; NONCE_LEN] = nonce.try_into().map_err(|_| invalid("a nonce of 12 bytes"))?;
    let mut text = Zeroizing::new(decode(&file.sealed)?);
    let key = sealing_key(passphrase, &salt, file.iterations)?;
    let (nonce, data) = (Nonce::assume_unique_for_key(nonce), associated(file.iterations, &salt));
    let length = key
        .open_in_place(nonce, data, &mut text)
        .map_err(|_| KeyError::WrongPassphrase { path: path.to_owned() })?
        .len();
    text.truncate(length);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{SeedableRng, rngs::StdRng};
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn rng() -> StdRng {
        StdRng::seed_from_u64(21)
    }

    /// A passphrase of the owner's, and the file under it.
    fn protected(dir: &Path, words: &str) -> (MasterFile, PassphraseSource) {
        let path = dir.join(format!("{}.pass", words.len()));
        fs::write(&path, words).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let source = PassphraseSource::File(path);
        (MasterFile::new(dir.join("master.json"), Some(source.clone())), source)
    }

    #[test]
    fn a_passphrase_hides_every_key_and_only_it_opens() {
        let dir = tempfile::tempdir().unwrap();
        let (file, _) = protected(dir.path(), "correct horse battery\n");
        let keys = MasterKeys::generate(&mut rng());
        file.store_new(&keys, &mut rng()).unwrap();
        let text = fs::read_to_string(dir.path().join("master.json")).unwrap();
        assert!(!text.contains("pseudonym_key") && text.contains("protected-keys/1"));
        let same = |read: &MasterKeys| {
            let first = KeyVersion::FIRST;
            read.check_value(first).unwrap() == keys.check_value(first).unwrap()
        };
        assert!(same(&file.load().unwrap()));
        let (wrong, _) = protected(dir.path(), "correct horse batterie");
        assert!(matches!(wrong.load(), Err(KeyError::WrongPassphrase { .. })));
        let without = MasterKeys::load(&dir.path().join("master.json"));
        assert!(matches!(without, Err(KeyError::PassphraseNeeded { .. })));
        let weaker = text.replace("600000", "100001");
        fs::write(dir.path().join("master.json"), weaker).unwrap();
        assert!(matches!(file.load(), Err(KeyError::WrongPassphrase { .. })), "bound to its cost");
        fs::write(dir.path().join("master.json"), text.replace("600000", "1")).unwrap();
        assert!(matches!(file.load(), Err(KeyError::InvalidFile { .. })));
    }

    #[test]
    fn a_plain_file_is_protected_in_place_and_its_old_bytes_are_gone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.json");
        let plain = MasterFile::new(path.clone(), None);
        plain.store_new(&MasterKeys::generate(&mut rng()), &mut rng()).unwrap();
        // A second name of the same file shows what became of its bytes.
        fs::hard_link(&path, dir.path().join("old")).unwrap();
        let (file, source) = protected(dir.path(), "a passphrase that was drawn");
        assert!(file.load().is_ok(), "an unprotected file stays readable");
        plain.protect(source, &mut rng()).unwrap();
        assert!(fs::read(dir.path().join("old")).unwrap().iter().all(|byte| *byte == 0));
        assert!(file.load().is_ok());
        assert!(matches!(plain.load(), Err(KeyError::PassphraseNeeded { .. })));
    }

    #[test]
    fn a_version_is_added_and_destroyed_in_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let (file, _) = protected(dir.path(), "twelve bytes and more");
        file.store_new(&MasterKeys::generate(&mut rng()), &mut rng()).unwrap();
        let two = file.add_version(&mut rng()).unwrap();
        assert_eq!(file.load().unwrap().versions().count(), 2);
        let current = file.destroy_version(two, &mut rng());
        assert!(matches!(current, Err(KeyError::StillCurrent { .. })));
        fs::hard_link(dir.path().join("master.json"), dir.path().join("old")).unwrap();
        assert!(file.destroy_version(KeyVersion::FIRST, &mut rng()).unwrap());
        assert!(!file.destroy_version(KeyVersion::FIRST, &mut rng()).unwrap(), "gone already");
        assert_eq!(file.load().unwrap().versions().collect::<Vec<_>>(), [two]);
        assert!(fs::read(dir.path().join("old")).unwrap().iter().all(|byte| *byte == 0));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3, "no draft is left");
    }

    #[test]
    fn a_passphrase_is_the_owners_alone_and_no_single_word() {
        let dir = tempfile::tempdir().unwrap();
        for (words, mode, credential, good) in [
            ("long enough it is", 0o600, false, true),
            ("long enough it is", 0o440, false, false),
            ("long enough it is", 0o440, true, true),
            ("long enough it is", 0o444, true, false),
            ("short", 0o600, false, false),
            ("of two lines\nand more", 0o600, false, false),
        ] {
            let path = dir.path().join("passphrase");
            fs::write(&path, words).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let source = match credential {
                true => PassphraseSource::Credential(path.clone()),
                false => PassphraseSource::File(path.clone()),
            };
            assert_eq!(source.read().is_ok(), good, "{words} {mode:o}");
            fs::remove_file(&path).unwrap();
        }
    }
}
