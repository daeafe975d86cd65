//! `tallygate audit reconcile`: receipts against the log, in a mirror or at the gateway.
//!
//! Where the log denies a receipt, its key has signed a contradiction: that is written down as
//! evidence which anybody can check, and nothing else is called misbehaviour.

use super::{
    CliError, Console, Outcome,
    audit::{Client, client},
    audit_mirror::{entries, unread},
    audit_proof::{latest, read_key},
    output::{Format, Printing, Record, Table},
    receipt_files::{Kept, read_receipts},
    remote::{Remote, Session},
    text::counted,
};
use crate::{
    verify::{
        Directory, Receipt, VerifierKey,
        evidence::Evidence,
        proof::Sha,
        reconcile::{self, Answers, Present, Verdict, judge, questions},
    },
    wire::v1,
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
};
use tonic::Code;

const HELP: &str = "\
RECEIPTS are files with receipts (as push, --receipts or other clients wrote them) and folders of
such files. The log is a mirror (--tiles) or what the gateway answers now, to an auditor.

  in_log          the log contains what the receipt is for, and grew from its tree
  malformed       it is no receipt, or proves nothing: its signature or its proof is wrong
  other_log       it is of a log by another name, of another year: take that log's key and mirror
  newer_than_log  the log at hand is smaller than the receipt's tree: fetch it again
  unsettled       the log at hand gives no proof either way: verify the mirror
  contradicted    the log's key signed two things that can't both be true: misbehaviour, proved

Exit code 1 when a receipt is anything but in the log.

Examples:
  tallygate audit reconcile receipts --tiles mirror --vkey-file log.vkey --evidence evidence
  tallygate audit reconcile births.json card.json --vkey-file log.vkey --profile auditor.toml";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Reconcile {
    /// Files with receipts, and folders of them.
    #[arg(required = true)]
    receipts: Vec<PathBuf>,
    /// A mirror of the log; its hash tiles are enough.
    #[arg(long, value_name = "DIR")]
    tiles: Option<PathBuf>,
    /// The log's verifier key, which you hold from elsewhere.
    #[arg(long, value_name = "FILE")]
    vkey_file: PathBuf,
    /// Write evidence of every contradiction into this folder.
    #[arg(long, value_name = "DIR")]
    evidence: Option<PathBuf>,
    /// Which gateway, and who you are: a TOML file
    #[arg(long, value_name = "FILE", env = "TALLYGATE_PROFILE")]
    profile: Option<PathBuf>,
    #[command(flatten)]
    printing: Printing,
}

/// A receipt, and what became of it.
struct Reconciled {
    path: PathBuf,
    index: Option<u64>,
    /// A verdict's word.
    verdict: &'static str,
    /// What is wrong, in words.
    problem: String,
    evidence: Option<PathBuf>,
}

impl Reconcile {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let key = read_key(&self.vkey_file)?;
        let kept = read_receipts(&self.receipts)?;
        let verdicts = match &self.tiles {
            Some(tiles) => in_mirror(&Directory::new(tiles), &kept, &key, console)?,
            None => {
                let remote = Remote { profile: self.profile.clone(), receipts: None };
                at_gateway(&remote.open().await?, &kept, &key, console).await?
            }
        };
        let Some(verdicts) = verdicts else { return Ok(Outcome::WithFindings) };
        let mut all = Vec::new();
        for (Kept { path, receipt }, verdict) in kept.into_iter().zip(verdicts) {
            let index = receipt.map(|receipt| receipt.leaf_index);
            all.push(self.settle(path, index, verdict)?);
        }
        print(&all, self.printing.format, console)?;
        let failed = all.iter().any(|one| one.verdict != Verdict::InLog.word());
        if all.iter().any(|one| one.verdict == "contradicted") {
            console.note("FAILED: the log's key has signed what can't both be true");
        } else if failed {
            console.note("FAILED: not every receipt is in the log");
        }
        Ok(Outcome::findings(failed))
    }

    /// What to print of a verdict; evidence is written where that was asked for.
    fn settle(
        &self,
        path: PathBuf,
        index: Option<u64>,
        verdict: Option<Verdict>,
    ) -> Result<Reconciled, CliError> {
        let word = verdict.as_ref().map_or("malformed", Verdict::word);
        let (problem, evidence) = match verdict {
            None => ("it is not a receipt".to_owned(), None),
            Some(Verdict::Malformed(problem)) => (problem.to_string(), None),
            Some(Verdict::Contradicted(evidence)) => {
                let folder = self.evidence.as_deref();
                let file = folder.map(|folder| export(folder, index, &evidence)).transpose()?;
                (evidence.statement, file)
            }
            Some(Verdict::OtherLog) => ("it is of a log by another name".to_owned(), None),
            Some(Verdict::NewerThanLog) => {
                ("the log at hand is smaller: fetch it".to_owned(), None)
            }
            Some(Verdict::Unsettled) => ("the log at hand gives no proof".to_owned(), None),
            Some(Verdict::InLog) => (String::new(), None),
        };
        Ok(Reconciled { path, index, verdict: word, problem, evidence })
    }
}

/// The verdict of each receipt that is one; `None` in all where the log's own checkpoint is
/// not signed by its key.
type Verdicts = Option<Vec<Option<Verdict>>>;

fn present(note: &str, key: &VerifierKey, console: &mut Console<'_>) -> Option<Present> {
    match Present::new(note, key) {
        Ok(present) => Some(present),
        Err(problem) => {
            console.note(&format!("FAILED: the checkpoint of the log at hand, {problem}"));
            None
        }
    }
}

fn in_mirror(
    mirror: &Directory,
    kept: &[Kept],
    key: &VerifierKey,
    console: &mut Console<'_>,
) -> Result<Verdicts, CliError> {
    let mirror = entries(mirror)?;
    let Some(log) = present(mirror.checkpoint(), key, console) else { return Ok(None) };
    let one = |kept: &Kept| {
        let receipt = kept.receipt.as_ref();
        let judged = receipt.map(|receipt| reconcile::reconcile(receipt, key, &log, &mirror));
        judged.transpose().map_err(unread)
    };
    kept.iter().map(one).collect::<Result<_, _>>().map(Some)
}

async fn at_gateway(
    session: &Session,
    kept: &[Kept],
    key: &VerifierKey,
    console: &mut Console<'_>,
) -> Result<Verdicts, CliError> {
    let note = latest(session, console).await?;
    let Some(log) = present(&note, key, console) else { return Ok(None) };
    let mut client = client(session);
    let mut verdicts = Vec::with_capacity(kept.len());
    for Kept { receipt, .. } in kept {
        verdicts.push(match receipt {
            Some(receipt) => Some(ask(&mut client, receipt, key, &log).await?),
            None => None,
        });
    }
    Ok(Some(verdicts))
}

/// Asks the gateway about one receipt, and judges what it answers.
async fn ask(
    client: &mut Client,
    receipt: &Receipt,
    key: &VerifierKey,
    log: &Present,
) -> Result<Verdict, CliError> {
    let asked = match questions(receipt, key, log) {
        Ok(asked) => asked,
        Err(verdict) => return Ok(verdict),
    };
    let entry = match asked.entry {
        Some(index) => inclusion(client, index, log).await?,
        None => None,
    };
    let beginning = match asked.beginning {
        Some(from_size) => {
            let request = v1::GetConsistencyProofRequest { from_size, to_size: log.size() };
            let answer = answered(client.get_consistency_proof(request).await)?;
            answer.and_then(|proof| shas(&proof.hashes))
        }
        None => None,
    };
    let after = match asked.after {
        Some(index) => inclusion(client, index, log).await?.map(|(_, path)| path),
        None => None,
    };
    Ok(judge(receipt, key, log, Answers { entry, beginning, after }))
}

async fn inclusion(
    client: &mut Client,
    index: u64,
    log: &Present,
) -> Result<Option<(Sha, Vec<Sha>)>, CliError> {
    let request = v1::GetInclusionProofRequest { index, tree_size: log.size() };
    let answer = answered(client.get_inclusion_proof(request).await)?;
    Ok(answer.and_then(|proof| Some((sha(&proof.leaf_hash)?, shas(&proof.hashes)?))))
}

/// An answer; `None` where the gateway says that it has no such proof.
fn answered<T>(answer: Result<tonic::Response<T>, tonic::Status>) -> Result<Option<T>, CliError> {
    match answer {
        Ok(answer) => Ok(Some(answer.into_inner())),
        Err(status) if status.code() == Code::InvalidArgument => Ok(None),
        Err(status) => Err(status.into()),
    }
}

fn sha(bytes: &[u8]) -> Option<Sha> {
    bytes.try_into().ok()
}

fn shas(hashes: &[Vec<u8>]) -> Option<Vec<Sha>> {
    hashes.iter().map(|hash| sha(hash)).collect()
}

/// Writes evidence into a folder; a file that is there is never replaced.
fn export(folder: &Path, index: Option<u64>, evidence: &Evidence) -> Result<PathBuf, CliError> {
    let mut text = serde_json::to_string_pretty(evidence).map_err(|_| CliError::NotPrintable)?;
    text.push('\n');
    fs::create_dir_all(folder)
        .map_err(|source| CliError::Unwritable { path: folder.to_owned(), source })?;
    for number in 1_u32.. {
        let index = index.unwrap_or_default();
        let path = folder.join(format!("evidence-{index:010}-{number}.json"));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(mut file) => {
                let written = file.write_all(text.as_bytes());
                written.map_err(|source| CliError::Unwritable { path: path.clone(), source })?;
                return Ok(path);
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(source) => return Err(CliError::Unwritable { path, source }),
        }
    }
    Err(CliError::NotPrintable)
}

/// For people counts and what is not in the log; for programs every receipt.
fn print(all: &[Reconciled], format: Format, console: &mut Console<'_>) -> Result<(), CliError> {
    let people = format == Format::Table;
    let mut table = Table::new(&["receipt", "index", "verdict", "problem", "evidence"]);
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for one in all {
        *counts.entry(one.verdict).or_default() += 1;
        if people && one.verdict == Verdict::InLog.word() {
            continue;
        }
        let shown = |path: &PathBuf| json!(path.display().to_string());
        table.row([
            shown(&one.path),
            json!(one.index),
            json!(one.verdict),
            if one.problem.is_empty() { Value::Null } else { json!(one.problem) },
            one.evidence.as_ref().map_or(Value::Null, shown),
        ]);
    }
    if !people {
        return console.table(format, &table);
    }
    let total = counted(all.len() as u64, "receipt", "receipts");
    let counts: Vec<String> = counts.iter().map(|(word, n)| format!("{n} {word}")).collect();
    let record = Record::default().with("receipts", total).with("verdicts", json!(counts));
    console.record(Format::Table, &record)?;
    if table.is_empty() {
        return Ok(());
    }
    console.text("")?;
    console.table(Format::Table, &table)
}
