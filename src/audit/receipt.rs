//! What every answer carries: the proof that it is in the log, checkable without us.

use super::{Appended, AuditError, Hash};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Serialize, Serializer};

/// The proof that a leaf is in the tree of a signed checkpoint. As JSON, hashes are base64
/// as in the C2SP formats.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// The leaf's index in the log.
    pub leaf_index: u64,
    /// The leaf's RFC 6962 hash.
    #[serde(serialize_with = "as_base64")]
    pub leaf_hash: Hash,
    /// The signed note that holds the tree's size and root.
    pub checkpoint: String,
    /// The audit path from leaf to root.
    #[serde(serialize_with = "all_as_base64")]
    pub proof: Vec<Hash>,
    /// The leaf as it is encoded: canonical JSON, and so text.
    #[serde(serialize_with = "as_text")]
    pub leaf: Vec<u8>,
}

fn as_base64<S: Serializer>(hash: &Hash, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&STANDARD.encode(hash.as_bytes()))
}

fn all_as_base64<S: Serializer>(hashes: &[Hash], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(hashes.iter().map(|hash| STANDARD.encode(hash.as_bytes())))
}

fn as_text<S: Serializer>(leaf: &[u8], to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(std::str::from_utf8(leaf).map_err(serde::ser::Error::custom)?)
}

impl Receipt {
    /// The receipt of a leaf, of which this is the hash, that `appended` added, under the
    /// checkpoint signed for it.
    ///
    /// # Errors
    /// `BeyondTree` or `MissingHash` when the append did not add that leaf.
    pub fn of(
        appended: &Appended,
        leaf_index: u64,
        leaf_hash: Hash,
        leaf: Vec<u8>,
        checkpoint: String,
    ) -> Result<Self, AuditError> {
        let proof = appended.inclusion_proof(leaf_index)?;
        Ok(Self { leaf_index, leaf_hash, checkpoint, proof, leaf })
    }
}
