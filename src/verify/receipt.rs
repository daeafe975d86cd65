//! Receipts, and two checkpoints of one log.

use super::{
    leaf::{self, LeafProblem},
    note::{Checkpoint, NoteProblem, VerifierKey, verify_checkpoint},
    proof::{Sha, empty_root, hash_of_entry, is_consistent, is_included},
    source::{SourceError, TileSource},
    subtrees::Subtrees,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

/// A receipt as a partner keeps it; in JSON, hashes are base64.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The leaf's index in the log.
    pub leaf_index: u64,
    /// The leaf's hash.
    #[serde(deserialize_with = "sha")]
    pub leaf_hash: Sha,
    /// The signed checkpoint.
    pub checkpoint: String,
    /// The audit path.
    #[serde(deserialize_with = "shas")]
    pub proof: Vec<Sha>,
    /// The leaf itself; `None` in receipts of earlier versions.
    #[serde(default)]
    pub leaf: Option<String>,
}

/// What a receipt says that was logged, in the caller's own name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnAct {
    /// The leaf's kind.
    pub kind: String,
    /// The caller's own number.
    pub sequence: Option<u64>,
}

/// Checks that a receipt is of an act of `partner`, done not before a moment: that it binds the
/// answer it came with, and is not that of some other or earlier act. Whether its leaf is in the
/// log, [`verify_receipt`] tells.
///
/// # Errors
/// What is wrong with it.
pub fn own_act(
    receipt: &Receipt,
    partner: &str,
    not_before: Timestamp,
) -> Result<OwnAct, ReceiptProblem> {
    let entry = receipt.leaf.as_deref().ok_or(ReceiptProblem::NoLeaf)?.as_bytes();
    if hash_of_entry(entry) != receipt.leaf_hash {
        return Err(ReceiptProblem::OtherEntry);
    }
    let leaf = leaf::read(entry, &mut Vec::new()).map_err(ReceiptProblem::NotALeaf)?;
    if leaf.partner.is_some_and(|of| of != partner) {
        return Err(ReceiptProblem::OtherPartner);
    }
    let at: Option<Timestamp> = leaf.at.and_then(|at| at.parse().ok());
    if at.is_none_or(|at| at < not_before) {
        return Err(ReceiptProblem::Earlier);
    }
    Ok(OwnAct { kind: leaf.kind.unwrap_or_default().to_owned(), sequence: leaf.sequence })
}

fn decode<E: serde::de::Error>(text: &str) -> Result<Sha, E> {
    let bytes = STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| E::custom("expected 32 bytes in base64"))
}

pub(super) fn sha<'de, D: Deserializer<'de>>(from: D) -> Result<Sha, D::Error> {
    decode(&String::deserialize(from)?)
}

pub(super) fn shas<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Sha>, D::Error> {
    Vec::<String>::deserialize(from)?.iter().map(|text| decode(text)).collect()
}

/// Why a receipt proves nothing, or two checkpoints are not of one log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptProblem {
    /// The checkpoint is not the log's.
    #[error("the checkpoint, {0}")]
    Note(#[from] NoteProblem),
    /// There is no leaf in it.
    #[error("it doesn't say what was logged")]
    NoLeaf,
    /// Its leaf is none.
    #[error("what it says was logged is no entry: {0}")]
    NotALeaf(LeafProblem),
    /// It is of somebody else's act.
    #[error("it is of another organisation's act")]
    OtherPartner,
    /// It is of an act before the one that was asked for.
    #[error("it is of an earlier act")]
    Earlier,
    /// The entry has another hash than the receipt states.
    #[error("the entry is not the one the receipt is for")]
    OtherEntry,
    /// The path does not lead from the leaf to the root.
    #[error("the proof does not lead from the leaf to the checkpoint's root")]
    NotIncluded,
    /// The log at hand has another leaf at that index.
    #[error("the log has another leaf at the receipt's index, or none")]
    NotInLog,
    /// The later checkpoint has fewer entries than the earlier one.
    #[error("rolled back: the log is now smaller than it was")]
    RolledBack,
    /// Two checkpoints of one size have different roots.
    #[error("forked: two roots for the same number of entries")]
    Forked,
    /// The earlier tree is not the beginning of the later one.
    #[error("rewritten: the earlier log is not the beginning of the later one")]
    Rewritten,
    /// A tile that the check needs is missing or too short.
    #[error("{path} is missing or too short")]
    MissingTile {
        /// The tile's path.
        path: String,
    },
}

/// Checks that a receipt proves its leaf to be in the log of `key`; with the `entry`, also
/// that it is the one. Gives the receipt's checkpoint.
///
/// # Errors
/// What is wrong with it.
pub fn verify_receipt(
    receipt: &Receipt,
    entry: Option<&[u8]>,
    key: &VerifierKey,
) -> Result<Checkpoint, ReceiptProblem> {
    let checkpoint = verify_checkpoint(receipt.checkpoint.as_bytes(), key)?;
    let leaf = receipt.leaf.as_deref().map(str::as_bytes);
    if [entry, leaf].into_iter().flatten().any(|bytes| hash_of_entry(bytes) != receipt.leaf_hash) {
        return Err(ReceiptProblem::OtherEntry);
    }
    let Receipt { leaf_index, leaf_hash, proof, .. } = receipt;
    if is_included(leaf_hash, *leaf_index, checkpoint.size, proof, &checkpoint.root) {
        Ok(checkpoint)
    } else {
        Err(ReceiptProblem::NotIncluded)
    }
}

/// Checks that a (valid) receipt's leaf stands in the log in `source`, whose checkpoint is
/// `log`, and that the receipt's checkpoint is an earlier or the same state of that log.
///
/// # Errors
/// The outer error when files can't be read, the inner one when the log denies the receipt.
pub fn verify_receipt_in_log(
    source: &impl TileSource,
    receipt: &Receipt,
    key: &VerifierKey,
    log: &Checkpoint,
) -> Result<Result<(), ReceiptProblem>, SourceError> {
    let earlier = match verify_receipt(receipt, None, key) {
        Ok(earlier) => earlier,
        Err(problem) => return Ok(Err(problem)),
    };
    if let Err(problem) = verify_consistency(source, &earlier, log)? {
        return Ok(Err(problem));
    }
    let tiles = Subtrees { source, size: log.size };
    Ok(match tiles.node(0, receipt.leaf_index)? {
        Ok(hash) if hash == receipt.leaf_hash => Ok(()),
        Ok(_) => Err(ReceiptProblem::NotInLog),
        Err(problem) => Err(problem),
    })
}

/// Checks, from the hash tiles of the later log, that the earlier checkpoint is its
/// beginning. Both checkpoints' signatures must have been checked.
///
/// # Errors
/// The outer error when files can't be read, the inner one when the log was rolled back,
/// forked or rewritten.
pub fn verify_consistency(
    source: &impl TileSource,
    earlier: &Checkpoint,
    later: &Checkpoint,
) -> Result<Result<(), ReceiptProblem>, SourceError> {
    if earlier.origin != later.origin {
        return Ok(Err(NoteProblem::WrongOrigin.into()));
    }
    if earlier.size > later.size {
        return Ok(Err(ReceiptProblem::RolledBack));
    }
    if earlier.size == later.size && earlier.root != later.root {
        return Ok(Err(ReceiptProblem::Forked));
    }
    // Every log begins with the empty one, which has but one root.
    if earlier.size == 0 {
        let empty = earlier.root == empty_root();
        return Ok(if empty { Ok(()) } else { Err(ReceiptProblem::Rewritten) });
    }
    let tiles = Subtrees { source, size: later.size };
    let path = match tiles.consistency(earlier.size)? {
        Ok(path) => path,
        Err(problem) => return Ok(Err(problem)),
    };
    let consistent = is_consistent((earlier.size, &earlier.root), (later.size, &later.root), &path);
    Ok(if consistent { Ok(()) } else { Err(ReceiptProblem::Rewritten) })
}
