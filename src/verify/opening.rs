//! An item of an entry's private detail, as the gateway opened it, against the entry's own
//! commitment.
//!
//! What this shows: that the item, or the hash of one that was erased, is what the gateway
//! committed to when it wrote the entry. That the entry stands in the log is for its proof of
//! inclusion. What it can't show: that a keyed id stands for the record somebody means, which
//! only the gateway's key can tell.

use super::{
    leaf,
    proof::{Sha, detail_is_committed, is_included},
};

/// An opened item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedDetail<'a> {
    /// The entry.
    pub entry: &'a [u8],
    /// The item's number.
    pub index: u64,
    /// How many there are.
    pub size: u64,
    /// Salt and item; `None` where nothing is left of them.
    pub shown: Option<(&'a [u8; 16], &'a [u8])>,
    /// The salted hash that the gateway states.
    pub hash: Sha,
    /// From the hash to the commitment.
    pub path: Vec<Sha>,
}

/// Why an opened item proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpeningProblem {
    /// The entry can't be read.
    #[error("the entry is not a leaf of the log: {0}")]
    Entry(leaf::LeafProblem),
    /// The entry commits to nothing.
    #[error("the entry commits to no private detail")]
    NoCommitment,
    /// Salt and item are not what was committed to, or stand elsewhere.
    #[error("the item is not the one that the entry commits to")]
    NotCommitted,
    /// The hash is not what was committed to, or stands elsewhere.
    #[error("the erased item's hash is not one that the entry commits to")]
    HashNotCommitted,
}

/// Checks an opened item against the entry's commitment.
///
/// # Errors
/// What is wrong with it.
pub fn verify_opening(opened: &OpenedDetail<'_>) -> Result<(), OpeningProblem> {
    let mut scratch = Vec::new();
    let leaf = leaf::read(opened.entry, &mut scratch).map_err(OpeningProblem::Entry)?;
    let mut commitment: Sha = [0; 32];
    let stated = leaf.detail.ok_or(OpeningProblem::NoCommitment)?;
    hex::decode_to_slice(stated, &mut commitment).map_err(|_| OpeningProblem::NoCommitment)?;
    let OpenedDetail { index, size, path, .. } = opened;
    match opened.shown {
        Some(shown) if detail_is_committed(&commitment, shown, *index, *size, path) => Ok(()),
        Some(_) => Err(OpeningProblem::NotCommitted),
        None if is_included(&opened.hash, *index, *size, path, &commitment) => Ok(()),
        None => Err(OpeningProblem::HashNotCommitted),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::proof::{hash_of_entry, hash_of_pair};

    #[test]
    fn an_item_is_checked_against_the_commitment_of_its_own_entry() {
        let (salt, item): ([u8; 16], &[u8]) = ([7; 16], b"{\"erased\":1}");
        let neighbour = [9; 32];
        let hash = hash_of_entry(&[&salt[..], item].concat());
        let entry = |detail: &str| {
            format!(
                "{{\"at\":\"2026-05-01T12:00:00.000000Z\",\"decision\":\"granted\"{detail},\
                 \"kind\":\"erasures\",\"v\":1}}"
            )
        };
        let root = hash_of_pair(&neighbour, &hash);
        let own = entry(&format!(",\"detail\":\"{}\"", hex::encode(root)));
        let opened = OpenedDetail {
            entry: own.as_bytes(),
            index: 1,
            size: 2,
            shown: Some((&salt, item)),
            hash,
            path: vec![neighbour],
        };
        assert_eq!(verify_opening(&opened), Ok(()));
        let erased = OpenedDetail { shown: None, ..opened.clone() };
        assert_eq!(verify_opening(&erased), Ok(()));
        let not_committed = Err(OpeningProblem::NotCommitted);
        for wrong in [
            OpenedDetail { shown: Some((&[8; 16], item)), ..opened.clone() },
            OpenedDetail { shown: Some((&salt, b"{\"erased\":2}")), ..opened.clone() },
            OpenedDetail { index: 0, ..opened.clone() },
            OpenedDetail { path: vec![[8; 32]], ..opened.clone() },
            OpenedDetail { path: vec![], ..opened.clone() },
        ] {
            assert_eq!(verify_opening(&wrong), not_committed);
        }
        let other = OpenedDetail { hash: [1; 32], ..erased };
        assert_eq!(verify_opening(&other), Err(OpeningProblem::HashNotCommitted));
        let bare = entry("");
        let bare = OpenedDetail { entry: bare.as_bytes(), ..opened.clone() };
        assert_eq!(verify_opening(&bare), Err(OpeningProblem::NoCommitment));
        let broken = OpenedDetail { entry: b"{}", ..opened };
        assert!(matches!(verify_opening(&broken), Err(OpeningProblem::Entry(_))));
    }
}
