//! The commitment to private details: which records a leaf is about.
//!
//! A leaf holds only the Merkle root of per-record salted hashes, SHA-256(00 || salt ||
//! item), joined as in RFC 6962. Items and salts live off the log. Opening one item shows
//! it, its salt and its path; nothing is learnt about its neighbours, since a hash with an
//! unknown 16-byte salt can't be tried. Erasing an item destroys it and its salt and keeps
//! its hash, so the root stays and the neighbours remain provable.

use super::{AuditError, Frontier, Hash, leaf_hash};

/// The salted hash of one item.
#[must_use]
pub fn item_hash(salt: &[u8; 16], item: &[u8]) -> Hash {
    let mut salted = salt.to_vec();
    salted.extend_from_slice(item);
    leaf_hash(&salted)
}

/// The salted hashes of all items of one act, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detail {
    hashes: Vec<Hash>,
}

/// One item laid open, to be checked with [`crate::verify::detail_is_committed`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// The item's number within its act.
    pub index: u64,
    /// How many items the act had.
    pub size: u64,
    /// From the item's hash to the commitment.
    pub path: Vec<Hash>,
}

impl Detail {
    /// From the items' hashes ([`item_hash`]), which also an erased item keeps.
    #[must_use]
    pub const fn new(hashes: Vec<Hash>) -> Self {
        Self { hashes }
    }

    /// The commitment for the leaf.
    ///
    /// # Errors
    /// `BeyondTree` cannot occur for a list that fits in memory.
    pub fn commitment(&self) -> Result<Hash, AuditError> {
        Ok(Frontier::empty().append(&self.hashes)?.root)
    }

    /// The path that opens one item.
    ///
    /// # Errors
    /// `BeyondTree` when there is no such item.
    pub fn open(&self, index: u64) -> Result<Opening, AuditError> {
        let path = Frontier::empty().append(&self.hashes)?.inclusion_proof(index)?;
        Ok(Opening { index, size: self.hashes.len() as u64, path })
    }
}
