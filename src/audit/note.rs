//! Signed checkpoints (C2SP tlog-checkpoint 1.0.0 in the form of signed-note 1.0.0).
//!
//! Invariants: the text is `name \n size \n base64(root) \n`, nothing more; Ed25519 (type 01)
//! only. Reading is the verifier's business ([`crate::verify::note`]): the writer holds the
//! same facts as numbers and never parses its own notes.

use super::{AuditError, Hash};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use std::{fmt, str::FromStr, sync::Arc};

/// signed-note's type of an Ed25519 signature over the note's text.
const TYPE_ED25519: u8 = 1;

/// Stands for the year in the name of a log that has a new one each year.
const YEAR: &str = "{year}";

/// A log's origin, also its key's name, such as `tallygate.example/coventry/2026`: one for
/// each deployment and year. A URL without its scheme. As configured it may hold `{year}`,
/// which [`LogName::in_year`] fills in.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LogName(String);

impl LogName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name that the log has in a year: itself, unless it holds `{year}`.
    #[must_use]
    pub fn in_year(&self, year: i16) -> Self {
        Self(self.0.replace(YEAR, &year.to_string()))
    }

    /// The year that stands in the name for good, as its last part: such a log does not begin
    /// anew by itself.
    #[must_use]
    pub fn fixed_year(&self) -> Option<i16> {
        let (_, last) = self.0.rsplit_once('/')?;
        let is_year = last.len() == 4 && last.bytes().all(|b| b.is_ascii_digit());
        last.parse().ok().filter(|_| is_year)
    }

    /// Whether this name may follow another: they differ in nothing but their last part, so
    /// that a slip in a configuration doesn't end a log.
    #[must_use]
    pub fn may_follow(&self, old: &str) -> bool {
        match (self.0.rsplit_once('/'), old.rsplit_once('/')) {
            (Some((here, new)), Some((there, last))) => here == there && new != last,
            _ => false,
        }
    }
}

impl FromStr for LogName {
    type Err = AuditError;

    /// signed-note forbids spaces and `+`; quotes and backslashes are left out too, so that
    /// the name reads the same in JSON.
    fn from_str(text: &str) -> Result<Self, AuditError> {
        let fits = (1..=128).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_graphic() && !b"+\"\\".contains(&b))
            && !text.contains("://");
        let rule = "1 to 128 visible ASCII characters without a scheme, + \" or \\";
        if fits { Ok(Self(text.to_owned())) } else { Err(AuditError::InvalidWord { rule }) }
    }
}

impl Serialize for LogName {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for LogName {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for LogName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text of a checkpoint, as signed.
#[must_use]
pub fn checkpoint_text(name: &LogName, size: u64, root: &Hash) -> String {
    format!("{name}\n{size}\n{}\n", STANDARD.encode(root.as_bytes()))
}

/// Signs a log's checkpoints. Its Debug shows the name alone.
#[derive(Clone)]
pub struct LogSigner {
    name: LogName,
    key: Arc<Ed25519KeyPair>,
    key_id: [u8; 4],
}

impl fmt::Debug for LogSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogSigner").field("name", &self.name).finish_non_exhaustive()
    }
}

impl LogSigner {
    /// From an Ed25519 seed (RFC 8032 §5.1.5).
    ///
    /// # Errors
    /// `KeyRejected` when the library refuses the key.
    pub fn from_seed(name: LogName, seed: &[u8; 32]) -> Result<Self, AuditError> {
        let key = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| AuditError::KeyRejected)?;
        Ok(Self::new(name, Arc::new(key)))
    }

    /// From a PKCS#8 document, version 1 or 2 (RFC 5958).
    ///
    /// # Errors
    /// `KeyRejected` when it is not one of an Ed25519 key.
    pub fn from_pkcs8(name: LogName, document: &[u8]) -> Result<Self, AuditError> {
        let key = Ed25519KeyPair::from_pkcs8_maybe_unchecked(document)
            .map_err(|_| AuditError::KeyRejected)?;
        Ok(Self::new(name, Arc::new(key)))
    }

    /// The same key for the log of a year; its id is another, as its name is.
    #[must_use]
    pub fn in_year(&self, year: i16) -> Self {
        Self::new(self.name.in_year(year), Arc::clone(&self.key))
    }

    /// The same key under another name.
    #[must_use]
    pub fn named(&self, name: LogName) -> Self {
        Self::new(name, Arc::clone(&self.key))
    }

    fn new(name: LogName, key: Arc<Ed25519KeyPair>) -> Self {
        let mut sha = Sha256::new();
        sha.update(name.as_str());
        sha.update([b'\n', TYPE_ED25519]);
        sha.update(key.public_key().as_ref());
        let digest: [u8; 32] = sha.finalize().into();
        let [a, b, c, d, ..] = digest;
        Self { name, key, key_id: [a, b, c, d] }
    }

    /// The log's name.
    #[must_use]
    pub const fn name(&self) -> &LogName {
        &self.name
    }

    /// The verifier key, `name+hex(id)+base64(type || public key)`, which auditors get out
    /// of band.
    #[must_use]
    pub fn vkey(&self) -> String {
        let mut key = vec![TYPE_ED25519];
        key.extend_from_slice(self.key.public_key().as_ref());
        format!("{}+{}+{}", self.name, hex::encode(self.key_id), STANDARD.encode(key))
    }

    /// The signed checkpoint of a tree.
    #[must_use]
    pub fn sign_checkpoint(&self, size: u64, root: &Hash) -> String {
        let text = checkpoint_text(&self.name, size, root);
        let mut blob = self.key_id.to_vec();
        blob.extend_from_slice(self.key.sign(text.as_bytes()).as_ref());
        format!("{text}\n\u{2014} {} {}\n", self.name, STANDARD.encode(blob))
    }
}
