//! Evidence that a log's key signed two things that can't both be true of one append-only log.
//!
//! Why it exists: a receipt that the log does not contain proves misbehaviour, but only to
//! whoever can see receipt and log side by side. Evidence is self-contained: one file, and
//! the verifier key that everybody holds, are enough, whatever the gateway says by then. It
//! never rests on the word of whoever made it: each side is what the log's key signed, and
//! the rest is arithmetic (RFC 9162 §2.1.3.2 and §2.1.4.2).

use super::{
    note::{Checkpoint, NoteProblem, VerifierKey, verify_checkpoint},
    proof::{Sha, is_included, roots_by_path},
    receipt::{sha, shas},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize, Serializer};

/// What the file calls itself.
pub const FORMAT: &str = "tallygate.evidence/v1";
/// An evidence file beyond this many bytes is refused unread.
pub const MAX_EVIDENCE_BYTES: u64 = 1 << 20;

/// A self-contained contradiction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// [`FORMAT`].
    pub format: String,
    /// What the two sides signed and why both can't be true; it must be exactly what the rest
    /// of the file proves.
    pub statement: String,
    /// How to check it.
    pub check: String,
    /// The two sides.
    pub contradiction: Contradiction,
}

/// One entry of one signed tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Side {
    /// The signed checkpoint.
    pub checkpoint: String,
    /// The hash of the entry, base64.
    #[serde(serialize_with = "as_base64", deserialize_with = "sha")]
    pub leaf_hash: Sha,
    /// Its audit path in that tree, base64.
    #[serde(serialize_with = "all_as_base64", deserialize_with = "shas")]
    pub proof: Vec<Sha>,
}

/// The two sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Contradiction {
    /// Two signed trees have different entries at one index.
    TwoEntries {
        /// The index.
        index: u64,
        /// What a receipt proves.
        receipt: Side,
        /// What the log shows.
        log: Side,
    },
    /// Two signed trees of one size have different roots.
    TwoRoots {
        /// The checkpoint of a receipt.
        receipt: String,
        /// The log's.
        log: String,
    },
    /// The later tree does not begin with the earlier one.
    AnotherBeginning {
        /// The earlier checkpoint, of a receipt.
        receipt: String,
        /// The log's, which is later.
        log: String,
        /// In the log's tree, the last complete subtree of as many entries as the receipt's
        /// tree has.
        #[serde(serialize_with = "as_base64", deserialize_with = "sha")]
        first: Sha,
        /// The rest of the consistency proof.
        #[serde(serialize_with = "all_as_base64", deserialize_with = "shas")]
        path: Vec<Sha>,
    },
}

fn as_base64<S: Serializer>(hash: &Sha, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&STANDARD.encode(hash))
}

fn all_as_base64<S: Serializer>(hashes: &[Sha], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(hashes.iter().map(|hash| STANDARD.encode(hash)))
}

/// Why a file is no evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceProblem {
    /// It is of another form or version.
    #[error("its format is not the one that this program knows")]
    Format,
    /// A checkpoint is not the log's.
    #[error("the {side} side's checkpoint, {problem}")]
    Note {
        /// Whose.
        side: &'static str,
        /// What is wrong.
        problem: NoteProblem,
    },
    /// A proof does not lead to its checkpoint's root.
    #[error("the {side} side's proof does not lead to the root that was signed")]
    Proof {
        /// Whose.
        side: &'static str,
    },
    /// Both sides can be true at once.
    #[error("the two sides don't contradict each other")]
    NoContradiction,
    /// The words say something else than what is proved.
    #[error("its statement is not what it proves")]
    Statement,
}

fn signed(
    side: &'static str,
    checkpoint: &str,
    key: &VerifierKey,
) -> Result<Checkpoint, EvidenceProblem> {
    verify_checkpoint(checkpoint.as_bytes(), key)
        .map_err(|problem| EvidenceProblem::Note { side, problem })
}

fn included(
    side: &'static str,
    index: u64,
    entry: &Side,
    key: &VerifierKey,
) -> Result<Checkpoint, EvidenceProblem> {
    let tree = signed(side, &entry.checkpoint, key)?;
    if is_included(&entry.leaf_hash, index, tree.size, &entry.proof, &tree.root) {
        Ok(tree)
    } else {
        Err(EvidenceProblem::Proof { side })
    }
}

fn tree(checkpoint: &Checkpoint) -> String {
    format!("a tree of {} entries with the root {}", checkpoint.size, hex::encode(checkpoint.root))
}

const RECEIPT: &str = "receipt's";
const LOG: &str = "log's";

impl Contradiction {
    /// What it proves, in words, once every signature and proof has been checked.
    ///
    /// # Errors
    /// Why it proves nothing.
    pub fn statement(&self, key: &VerifierKey) -> Result<String, EvidenceProblem> {
        let name = key.name();
        match self {
            Self::TwoEntries { index, receipt, log } => {
                let (one, other) =
                    (included(RECEIPT, *index, receipt, key)?, included(LOG, *index, log, key)?);
                if receipt.leaf_hash == log.leaf_hash {
                    return Err(EvidenceProblem::NoContradiction);
                }
                Ok(format!(
                    "The key of the log {name} signed {}, in which entry {index} has the leaf \
                     hash {}, for a receipt; and it signed {}, in which entry {index} has the \
                     leaf hash {}. An append-only log has one entry at each index.",
                    tree(&one),
                    hex::encode(receipt.leaf_hash),
                    tree(&other),
                    hex::encode(log.leaf_hash),
                ))
            }
            Self::TwoRoots { receipt, log } => {
                let (one, other) = (signed(RECEIPT, receipt, key)?, signed(LOG, log, key)?);
                if one.size != other.size || one.root == other.root {
                    return Err(EvidenceProblem::NoContradiction);
                }
                Ok(format!(
                    "The key of the log {name} signed {} for a receipt; and it signed {}. An \
                     append-only log has one root for each number of entries.",
                    tree(&one),
                    tree(&other),
                ))
            }
            Self::AnotherBeginning { receipt, log, first, path } => {
                let (one, other) = (signed(RECEIPT, receipt, key)?, signed(LOG, log, key)?);
                let (beginning, root) = roots_by_path(one.size, other.size, first, path)
                    .ok_or(EvidenceProblem::Proof { side: LOG })?;
                if root != other.root {
                    return Err(EvidenceProblem::Proof { side: LOG });
                }
                if beginning == one.root {
                    return Err(EvidenceProblem::NoContradiction);
                }
                Ok(format!(
                    "The key of the log {name} signed {} for a receipt; and it signed {}, whose \
                     first {} entries have the root {}. An append-only log keeps its beginning.",
                    tree(&one),
                    tree(&other),
                    one.size,
                    hex::encode(beginning),
                ))
            }
        }
    }
}

impl Evidence {
    /// Evidence of a contradiction, in words that anybody can check.
    ///
    /// # Errors
    /// Why it would prove nothing.
    pub fn of(contradiction: Contradiction, key: &VerifierKey) -> Result<Self, EvidenceProblem> {
        let statement = contradiction.statement(key)?;
        let check = "tallygate audit verify-evidence FILE --vkey-file FILE, with the log's \
                     verifier key from whoever you trust; nothing else is needed"
            .to_owned();
        Ok(Self { format: FORMAT.to_owned(), statement, check, contradiction })
    }
}

/// Checks evidence against the log's verifier key; gives what it proves, in words.
///
/// # Errors
/// Why it proves nothing.
pub fn verify_evidence(evidence: &Evidence, key: &VerifierKey) -> Result<String, EvidenceProblem> {
    if evidence.format != FORMAT {
        return Err(EvidenceProblem::Format);
    }
    let statement = evidence.contradiction.statement(key)?;
    if statement == evidence.statement { Ok(statement) } else { Err(EvidenceProblem::Statement) }
}
