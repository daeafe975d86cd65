//! Receipts against the log: does it still contain what it gave receipts for?
//!
//! A receipt is the log's own signature over a tree that holds an entry. Where the log at
//! hand (a mirror, or what the gateway answers now) holds something else there, or does not
//! begin with that tree, its key signed a contradiction, and [`Evidence`] of it can be shown
//! to anyone. What merely can't be settled (a mirror that is behind, tiles that are damaged,
//! an answer that proves nothing) is never called misbehaviour.

use super::{
    entries::{Entries, EntriesError},
    evidence::{Contradiction, Evidence, Side},
    note::{Checkpoint, NoteProblem, VerifierKey, verify_checkpoint},
    proof::{Sha, hash_of_entry, is_consistent, is_included, roots_by_path},
    receipt::{Receipt, ReceiptProblem},
    source::TileSource,
};

/// The log at hand: its signed checkpoint, which has been verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    note: String,
    checkpoint: Checkpoint,
}

impl Present {
    /// From the log's signed checkpoint.
    ///
    /// # Errors
    /// When the log's key has not signed it.
    pub fn new(note: &str, key: &VerifierKey) -> Result<Self, NoteProblem> {
        let checkpoint = verify_checkpoint(note.as_bytes(), key)?;
        Ok(Self { note: note.to_owned(), checkpoint })
    }

    /// How many entries.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.checkpoint.size
    }
}

/// What the log must be asked about a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Questions {
    /// The audit path of this entry.
    pub entry: Option<u64>,
    /// The consistency proof of so many first entries.
    pub beginning: Option<u64>,
    /// The audit path of this entry, too: where the beginning is a complete tree its root is
    /// no part of the consistency proof, but of this.
    pub after: Option<u64>,
}

/// What it answered; nothing of it is believed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answers {
    /// The entry's hash and audit path.
    pub entry: Option<(Sha, Vec<Sha>)>,
    /// The consistency proof.
    pub beginning: Option<Vec<Sha>>,
    /// The other entry's audit path.
    pub after: Option<Vec<Sha>>,
}

/// What became of a receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The log contains what the receipt is for, and grew from its tree.
    InLog,
    /// It proves nothing.
    Malformed(ReceiptProblem),
    /// It is a receipt of a log by another name: of another year, say.
    OtherLog,
    /// Its tree is larger than the log at hand.
    NewerThanLog,
    /// The log contradicts it: a proof of misbehaviour.
    Contradicted(Box<Evidence>),
    /// The log at hand gives no proof either way.
    Unsettled,
}

impl Verdict {
    /// As a word.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::InLog => "in_log",
            Self::Malformed(_) => "malformed",
            Self::OtherLog => "other_log",
            Self::NewerThanLog => "newer_than_log",
            Self::Contradicted(_) => "contradicted",
            Self::Unsettled => "unsettled",
        }
    }
}

/// What to ask the log about a receipt.
///
/// # Errors
/// The verdict where nothing need be asked.
pub fn questions(
    receipt: &Receipt,
    key: &VerifierKey,
    log: &Present,
) -> Result<Questions, Verdict> {
    let tree = signed_tree(receipt, key)?;
    let size = log.checkpoint.size;
    let grown = (1..size).contains(&tree.size);
    Ok(Questions {
        entry: (receipt.leaf_index < size).then_some(receipt.leaf_index),
        beginning: grown.then_some(tree.size),
        after: (grown && tree.size.is_power_of_two()).then_some(tree.size),
    })
}

fn signed_tree(receipt: &Receipt, key: &VerifierKey) -> Result<Checkpoint, Verdict> {
    verify_checkpoint(receipt.checkpoint.as_bytes(), key).map_err(|problem| match problem {
        NoteProblem::WrongOrigin => Verdict::OtherLog,
        problem => Verdict::Malformed(problem.into()),
    })
}

/// Judges a receipt by what the log answered.
#[must_use]
pub fn judge(receipt: &Receipt, key: &VerifierKey, log: &Present, answers: Answers) -> Verdict {
    let tree = match signed_tree(receipt, key) {
        Ok(tree) => tree,
        Err(verdict) => return verdict,
    };
    let Receipt { leaf_index, leaf_hash, proof, checkpoint, leaf } = receipt;
    // What it says was logged must be what it is a receipt of.
    if leaf.as_deref().is_some_and(|leaf| hash_of_entry(leaf.as_bytes()) != *leaf_hash) {
        return Verdict::Malformed(ReceiptProblem::OtherEntry);
    }
    let holds = is_included(leaf_hash, *leaf_index, tree.size, proof, &tree.root);
    let now = &log.checkpoint;
    let entry = answers
        .entry
        .filter(|(hash, path)| is_included(hash, *leaf_index, now.size, path, &now.root));
    let contradiction = match &entry {
        Some((hash, path)) if holds && hash != leaf_hash => Some(Contradiction::TwoEntries {
            index: *leaf_index,
            receipt: Side {
                checkpoint: checkpoint.clone(),
                leaf_hash: *leaf_hash,
                proof: proof.clone(),
            },
            log: Side { checkpoint: log.note.clone(), leaf_hash: *hash, proof: path.clone() },
        }),
        _ if tree.size == now.size && tree.root != now.root => {
            Some(Contradiction::TwoRoots { receipt: checkpoint.clone(), log: log.note.clone() })
        }
        _ => None,
    };
    if let Some(contradiction) = contradiction {
        return contradicted(contradiction, key);
    }
    if (1..now.size).contains(&tree.size) {
        let path = answers.beginning.unwrap_or_default();
        if !is_consistent((tree.size, &tree.root), (now.size, &now.root), &path) {
            let after = answers.after.unwrap_or_default();
            return match another_beginning(&tree, now, path, &after) {
                Some((first, path)) => {
                    let (receipt, log) = (checkpoint.clone(), log.note.clone());
                    let found = Contradiction::AnotherBeginning { receipt, log, first, path };
                    contradicted(found, key)
                }
                None => Verdict::Unsettled,
            };
        }
    }
    match (holds, entry) {
        (false, _) => Verdict::Malformed(ReceiptProblem::NotIncluded),
        (true, _) if tree.size > now.size => Verdict::NewerThanLog,
        (true, Some(_)) => Verdict::InLog,
        (true, None) => Verdict::Unsettled,
    }
}

fn contradicted(contradiction: Contradiction, key: &VerifierKey) -> Verdict {
    Evidence::of(contradiction, key)
        .map_or(Verdict::Unsettled, |evidence| Verdict::Contradicted(Box::new(evidence)))
}

/// The proof of what the log's tree begins with, where that is another tree.
fn another_beginning(
    tree: &Checkpoint,
    now: &Checkpoint,
    path: Vec<Sha>,
    after: &[Sha],
) -> Option<(Sha, Vec<Sha>)> {
    let proves = |first: &Sha, rest: &[Sha]| {
        roots_by_path(tree.size, now.size, first, rest)
            .is_some_and(|(old, new)| new == now.root && old != tree.root)
    };
    if tree.size.is_power_of_two() {
        // The beginning's root is one of the siblings of the entry that follows it.
        let first = after.iter().find(|first| proves(first, &path)).copied()?;
        return Some((first, path));
    }
    let (first, rest) = path.split_first()?;
    proves(first, rest).then(|| (*first, rest.to_vec()))
}

/// Reconciles a receipt with a mirror.
///
/// # Errors
/// When the mirror can't be read; missing tiles leave the receipt unsettled.
pub fn reconcile<S: TileSource>(
    receipt: &Receipt,
    key: &VerifierKey,
    log: &Present,
    mirror: &Entries<'_, S>,
) -> Result<Verdict, EntriesError> {
    let asked = match questions(receipt, key, log) {
        Ok(asked) => asked,
        Err(verdict) => return Ok(verdict),
    };
    let found = |answer: Result<(Sha, Vec<Sha>), EntriesError>| match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(EntriesError::Missing { .. } | EntriesError::NoSuchEntry { .. }) => Ok(None),
        Err(error) => Err(error),
    };
    let inclusion = |index: Option<u64>| match index {
        Some(index) => found(mirror.inclusion(index)),
        None => Ok(None),
    };
    let beginning = match asked.beginning {
        Some(old) => found(mirror.consistency(old).map(|path| ([0; 32], path)))?,
        None => None,
    };
    let answers = Answers {
        entry: inclusion(asked.entry)?,
        beginning: beginning.map(|(_, path)| path),
        after: inclusion(asked.after)?.map(|(_, path)| path),
    };
    Ok(judge(receipt, key, log, answers))
}
