//! `tallygate audit prove` and `consistency`: proofs asked of the gateway, checked here.
//!
//! A proof that the gateway gives is worth nothing by itself; it is checked with a verifier
//! key and checkpoints that the auditor holds from elsewhere. The checking is the auditor's
//! own code ([`crate::verify`]), none of the gateway's.

use super::{
    CliError, Console, Outcome,
    audit::client,
    output::{Format, Printing, Record},
    partner_file::read_text,
    remote::{Remote, Session},
};
use crate::{
    connector::KeptReceipt,
    verify::{
        self, Checkpoint, VerifierKey,
        note::verify_checkpoint,
        proof::{Sha, empty_root, hash_of_entry, is_consistent},
    },
    wire::v1,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const PROVE_HELP: &str = "\
With --format json the proof is printed in the form of a receipt file. Exit code 1 when the proof
does not hold or could not be checked.

Examples:
  tallygate audit prove 1204 --profile auditor.toml
  tallygate audit prove 1204 --vkey-file log.vkey --format json --profile auditor.toml";

const CONSISTENCY_HELP: &str = "\
OLD and NEW are sizes of the log, or files that hold a saved checkpoint (or a receipt, which
holds one); NEW is the latest checkpoint when left out. A proof between two checkpoints is
checked here; between bare sizes it is only printed. Exit code 1 when it does not hold or could not
be checked.

Examples:
  tallygate audit consistency last-month.checkpoint --vkey-file log.vkey --profile auditor.toml
  tallygate audit consistency 1000 2000 --format json --profile auditor.toml";

/// The flag with the log's verifier key.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct KeyFile {
    /// The log's verifier key, which you hold from elsewhere; needed for checking
    #[arg(long, value_name = "FILE")]
    vkey_file: Option<PathBuf>,
}

/// Reads a verifier key file.
///
/// # Errors
/// When it can't be read or holds something else.
pub(super) fn read_key(path: &Path) -> Result<VerifierKey, CliError> {
    read_text(path)?.trim().parse().map_err(|_| CliError::WrongForm {
        path: path.to_owned(),
        expected: "a C2SP verifier key (name+id+base64)",
    })
}

impl KeyFile {
    /// The key, if one was given.
    ///
    /// # Errors
    /// When the file can't be read or holds something else.
    pub(super) fn read(&self) -> Result<Option<VerifierKey>, CliError> {
        self.vkey_file.as_deref().map(read_key).transpose()
    }
}

#[derive(Debug, clap::Args)]
#[command(after_help = PROVE_HELP)]
pub(super) struct Prove {
    /// The entry's number, from 0.
    entry: u64,
    #[command(flatten)]
    key: KeyFile,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    printing: Printing,
}

impl Prove {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let key = self.key.read()?;
        let session = self.remote.open().await?;
        let checkpoint = latest(&session, console).await?;
        let tree_size = size_of(&checkpoint)?;
        let request = v1::GetInclusionProofRequest { index: self.entry, tree_size };
        let proof = client(&session).get_inclusion_proof(request).await?.into_inner();
        session.logged(console, proof.receipt)?;
        let receipt = v1::Receipt {
            leaf_index: self.entry,
            // Of the bytes that were shown, not the hash that the gateway says they have.
            leaf_hash: hash_of_entry(&proof.leaf).to_vec(),
            checkpoint,
            inclusion_proof: proof.hashes,
            leaf: proof.leaf,
        };
        let checked = key.map(|key| check_inclusion(&receipt, &key));
        print_inclusion(&receipt, tree_size, checked, self.printing.format, console)?;
        Ok(tell(console, checked, "the entry stands in the log", "the proof does not hold"))
    }
}

/// Whether the proof leads from the entry to the signed root.
pub(super) fn check_inclusion(receipt: &v1::Receipt, key: &VerifierKey) -> bool {
    let proof: Option<Vec<Sha>> = receipt.inclusion_proof.iter().map(|hash| sha(hash)).collect();
    let (Some(leaf_hash), Some(proof)) = (sha(&receipt.leaf_hash), proof) else { return false };
    let receipt = verify::Receipt {
        leaf_index: receipt.leaf_index,
        leaf_hash,
        checkpoint: receipt.checkpoint.clone(),
        proof,
        leaf: None,
    };
    verify::verify_receipt(&receipt, None, key).is_ok()
}

fn sha(bytes: &[u8]) -> Option<Sha> {
    bytes.try_into().ok()
}

fn print_inclusion(
    receipt: &v1::Receipt,
    tree_size: u64,
    checked: Option<bool>,
    format: Format,
    console: &mut Console<'_>,
) -> Result<(), CliError> {
    if format == Format::Json {
        return console.json(&KeptReceipt::from(receipt.clone()));
    }
    let record = Record::default()
        .with("entry", receipt.leaf_index)
        .with("tree_size", tree_size)
        .with("leaf", String::from_utf8_lossy(&receipt.leaf))
        .with("leaf_hash", STANDARD.encode(&receipt.leaf_hash))
        .with("proof", hashes(&receipt.inclusion_proof))
        .with("checked", verdict(checked));
    console.record(format, &record)
}

fn hashes(hashes: &[Vec<u8>]) -> Value {
    json!(hashes.iter().map(|hash| STANDARD.encode(hash)).collect::<Vec<_>>())
}

const fn verdict(checked: Option<bool>) -> &'static str {
    match checked {
        Some(true) => "holds",
        Some(false) => "does not hold",
        None => "not checked",
    }
}

fn tell(console: &mut Console<'_>, checked: Option<bool>, good: &str, bad: &str) -> Outcome {
    match checked {
        Some(true) => console.note(&format!("checked: {good}")),
        Some(false) => console.note(&format!("FAILED: {bad}")),
        None => console.note("not checked: give --vkey-file FILE and saved checkpoints to check"),
    }
    Outcome::findings(checked != Some(true))
}

/// The gateway's latest checkpoint, unchecked.
///
/// # Errors
/// When the gateway refuses.
pub(super) async fn latest(
    session: &Session,
    console: &mut Console<'_>,
) -> Result<String, CliError> {
    let request = v1::GetCheckpointRequest {};
    let answer = client(session).get_checkpoint(request).await?.into_inner();
    session.logged(console, answer.receipt)?;
    Ok(answer.checkpoint)
}

/// The size that a checkpoint states, trusted or not.
///
/// # Errors
/// When it states none.
pub(super) fn size_of(checkpoint: &str) -> Result<u64, CliError> {
    let size = checkpoint.lines().nth(1).and_then(|line| line.parse().ok());
    size.ok_or(CliError::AnswerIncomplete { part: "checkpoint" })
}

#[derive(Debug, clap::Args)]
#[command(after_help = CONSISTENCY_HELP)]
pub(super) struct Consistency {
    /// The earlier log: a size, or a file with a saved checkpoint.
    #[arg(value_name = "OLD")]
    old: String,
    /// The later log; the latest checkpoint when left out.
    #[arg(value_name = "NEW")]
    new: Option<String>,
    #[command(flatten)]
    key: KeyFile,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    printing: Printing,
}

/// One end of a consistency proof.
enum End {
    Size(u64),
    Signed(Checkpoint),
}

impl End {
    const fn size(&self) -> u64 {
        match self {
            Self::Size(size) => *size,
            Self::Signed(checkpoint) => checkpoint.size,
        }
    }

    fn read(argument: &str, key: Option<&VerifierKey>) -> Result<Self, CliError> {
        if let Ok(size) = argument.parse() {
            return Ok(Self::Size(size));
        }
        let path = Path::new(argument);
        let text = saved_checkpoint(path)?;
        let key = key.ok_or(CliError::NoVerifierKey)?;
        verify_checkpoint(text.as_bytes(), key)
            .map(Self::Signed)
            .map_err(|problem| CliError::Rejected { path: path.to_owned(), source: problem.into() })
    }
}

/// A checkpoint file's text, or the checkpoint of a receipt file.
fn saved_checkpoint(path: &Path) -> Result<String, CliError> {
    let text = read_text(path)?;
    if !text.starts_with('{') {
        return Ok(text);
    }
    let receipt: Option<Value> = serde_json::from_str(&text).ok();
    let checkpoint = receipt.and_then(|r| r.get("checkpoint")?.as_str().map(str::to_owned));
    checkpoint.ok_or_else(|| CliError::WrongForm {
        path: path.to_owned(),
        expected: "a checkpoint or a receipt",
    })
}

impl Consistency {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let key = self.key.read()?;
        let old = End::read(&self.old, key.as_ref())?;
        let new = self.new.as_deref().map(|new| End::read(new, key.as_ref())).transpose()?;
        let session = self.remote.open().await?;
        let new = match (new, &key) {
            (Some(new), _) => new,
            (None, None) => End::Size(size_of(&latest(&session, console).await?)?),
            (None, Some(key)) => {
                let note = latest(&session, console).await?;
                match verify_checkpoint(note.as_bytes(), key) {
                    Ok(checkpoint) => End::Signed(checkpoint),
                    Err(problem) => {
                        console
                            .note(&format!("FAILED: the gateway's latest checkpoint: {problem}"));
                        return Ok(Outcome::WithFindings);
                    }
                }
            }
        };
        if new.size() < old.size() {
            console.note("FAILED: the later log is smaller than the earlier one");
            return Ok(Outcome::WithFindings);
        }
        let proof = asked(&session, &old, &new, console).await?;
        let checked = check_consistency(&old, &new, &proof);
        let record = Record::default()
            .with("old_size", old.size())
            .with("new_size", new.size())
            .with("proof", hashes(&proof))
            .with("checked", verdict(checked));
        console.record(self.printing.format, &record)?;
        let good = "the earlier log is the beginning of the later one";
        Ok(tell(console, checked, good, "the earlier log is not the beginning of the later one"))
    }
}

/// The gateway's proof. From the empty log there is none to ask for.
async fn asked(
    session: &Session,
    old: &End,
    new: &End,
    console: &mut Console<'_>,
) -> Result<Vec<Vec<u8>>, CliError> {
    if old.size() == 0 {
        return Ok(Vec::new());
    }
    let request = v1::GetConsistencyProofRequest { from_size: old.size(), to_size: new.size() };
    let proof = client(session).get_consistency_proof(request).await?.into_inner();
    session.logged(console, proof.receipt)?;
    Ok(proof.hashes)
}

/// Whether the proof holds; `None` where a root is not known.
fn check_consistency(old: &End, new: &End, proof: &[Vec<u8>]) -> Option<bool> {
    let (End::Signed(old), End::Signed(new)) = (old, new) else { return None };
    let Some(proof) = proof.iter().map(|hash| sha(hash)).collect::<Option<Vec<_>>>() else {
        return Some(false);
    };
    // Every log begins with the empty one, which has but one root.
    if old.size == 0 {
        return Some(old.root == empty_root() && proof.is_empty());
    }
    Some(is_consistent((old.size, &old.root), (new.size, &new.root), &proof))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::proof::hash_of_pair;
    use std::fs;

    fn signed(size: u64, root: Sha) -> End {
        End::Signed(Checkpoint { origin: "log".to_owned(), size, root })
    }

    #[test]
    fn consistency_is_checked_between_checkpoints_only() {
        let (left, right) = ([1; 32], [2; 32]);
        let root = hash_of_pair(&left, &right);
        let proof = vec![right.to_vec()];
        assert_eq!(check_consistency(&signed(1, left), &signed(2, root), &proof), Some(true));
        assert_eq!(check_consistency(&signed(1, right), &signed(2, root), &proof), Some(false));
        let short = vec![vec![0; 31]];
        assert_eq!(check_consistency(&signed(1, left), &signed(2, root), &short), Some(false));
        assert_eq!(check_consistency(&End::Size(1), &signed(2, root), &proof), None);
        assert_eq!(check_consistency(&signed(0, empty_root()), &signed(2, root), &[]), Some(true));
        assert_eq!(check_consistency(&signed(0, left), &signed(2, root), &[]), Some(false));
    }

    #[test]
    fn an_end_is_a_size_or_a_file_that_needs_the_key() {
        assert!(matches!(End::read("12", None), Ok(End::Size(12))));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("receipt.json");
        fs::write(&path, r#"{"checkpoint":"log\n2\nAA==\n"}"#).unwrap();
        assert_eq!(saved_checkpoint(&path).unwrap(), "log\n2\nAA==\n");
        let argument = path.to_str().unwrap();
        assert!(matches!(End::read(argument, None), Err(CliError::NoVerifierKey)));
        assert!(matches!(End::read("missing", None), Err(CliError::Unreadable { .. })));
        fs::write(&path, "{}").unwrap();
        assert!(matches!(End::read(argument, None), Err(CliError::WrongForm { .. })));
    }

    #[test]
    fn a_checkpoint_that_states_no_size_is_an_incomplete_answer() {
        assert_eq!(size_of("log\n7\nroot\n").unwrap(), 7);
        assert!(size_of("log\n").is_err());
    }

    #[test]
    fn verdicts_decide_the_outcome() {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut console = Console::new(&mut out, &mut err, false);
        assert_eq!(tell(&mut console, Some(true), "a", "b"), Outcome::Done);
        assert_eq!(tell(&mut console, None, "a", "b"), Outcome::WithFindings);
        assert_eq!(tell(&mut console, Some(false), "a", "b"), Outcome::WithFindings);
    }
}
