//! `tallygate audit export` and `verify-proof`: entries with their proofs, as files that other
//! tools check (C2SP tlog-proof).

use super::{
    CliError, Console, Outcome,
    audit::client,
    audit_mirror::{entries, unread},
    audit_proof::{latest, read_key, size_of},
    output::{Printing, Record, Table},
    partner_file::read_text,
    remote::Remote,
};
use crate::{
    verify::{
        Directory, VerifierKey,
        proof::{Sha, hash_of_entry},
        tlog_proof::TlogProof,
    },
    wire::v1,
};
use serde_json::json;
use std::{
    fs,
    path::{Path, PathBuf},
};

const EXPORT_HELP: &str = "\
Writes each entry's proof in the form c2sp.org/tlog-proof@v1 (index, hashes, signed checkpoint) to
FILE, and beside it the entry itself, byte for byte, to the same name ending in .json. With several
entries FILE is a folder, with one such pair of files an entry. With --vkey-file the proofs are
checked before they are written; exit code 1, and nothing written, when one does not hold.

Examples:
  tallygate audit export 1204 --out entry.tlog-proof --tiles mirror --vkey-file log.vkey
  tallygate audit export 1204 1207 --out proofs --profile auditor.toml";

const VERIFY_HELP: &str = "\
Needs nothing but the proof, the entry and the log's verifier key. Exit code 1 when the proof does
not hold.

Examples:
  tallygate audit verify-proof entry.tlog-proof --leaf entry.json --vkey-file log.vkey";

#[derive(Debug, clap::Args)]
#[command(after_help = EXPORT_HELP)]
pub(super) struct Export {
    /// The entries' numbers, from 0.
    #[arg(value_name = "INDEX", required = true)]
    entries: Vec<u64>,
    /// Where to write; a file that is there is replaced.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// A mirror of the log; else the gateway is asked.
    #[arg(long, value_name = "DIR")]
    tiles: Option<PathBuf>,
    /// Check the proofs first, with the log's verifier key
    #[arg(long, value_name = "FILE")]
    vkey_file: Option<PathBuf>,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    printing: Printing,
}

/// An entry with its proof.
struct Proved {
    entry: Vec<u8>,
    proof: TlogProof,
}

impl Export {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let key = self.vkey_file.as_deref().map(read_key).transpose()?;
        let proved = match &self.tiles {
            Some(tiles) => self.of_mirror(&Directory::new(tiles))?,
            None => self.of_gateway(console).await?,
        };
        if let Some(key) = &key
            && !hold(&proved, key, console)
        {
            return Ok(Outcome::WithFindings);
        }
        if key.is_none() {
            console.note("not checked: give --vkey-file FILE to check");
        }
        let mut table = Table::new(&["index", "proof", "leaf", "leaf_hash"]);
        for one in &proved {
            let index = one.proof.index;
            let path = match proved.len() {
                1 => self.out.clone(),
                _ => self.out.join(format!("{index:010}.tlog-proof")),
            };
            let leaf = path.with_extension("json");
            write(&path, one.proof.text().as_bytes())?;
            write(&leaf, &one.entry)?;
            table.row([
                json!(index),
                json!(path.display().to_string()),
                json!(leaf.display().to_string()),
                json!(hex::encode(hash_of_entry(&one.entry))),
            ]);
        }
        console.table(self.printing.format, &table)?;
        Ok(Outcome::Done)
    }

    fn of_mirror(&self, mirror: &Directory) -> Result<Vec<Proved>, CliError> {
        let log = entries(mirror)?;
        let checkpoint = log.checkpoint().to_owned();
        let one = |index: &u64| {
            let (_, path) = log.inclusion(*index).map_err(unread)?;
            let proof = TlogProof { index: *index, path, checkpoint: checkpoint.clone() };
            Ok(Proved { entry: log.entry(*index).map_err(unread)?, proof })
        };
        self.entries.iter().map(one).collect()
    }

    async fn of_gateway(&self, console: &mut Console<'_>) -> Result<Vec<Proved>, CliError> {
        let session = self.remote.open().await?;
        let checkpoint = latest(&session, console).await?;
        let tree_size = size_of(&checkpoint)?;
        let mut proved = Vec::new();
        for index in &self.entries {
            let request = v1::GetInclusionProofRequest { index: *index, tree_size };
            let answer = client(&session).get_inclusion_proof(request).await?.into_inner();
            session.logged(console, answer.receipt)?;
            let hashes = answer.hashes.iter().map(|hash| Sha::try_from(hash.as_slice()).ok());
            let path: Option<Vec<Sha>> = hashes.collect();
            let path = path.ok_or(CliError::AnswerIncomplete { part: "proof" })?;
            if answer.leaf.is_empty() {
                return Err(CliError::AnswerIncomplete { part: "entry" });
            }
            let proof = TlogProof { index: *index, path, checkpoint: checkpoint.clone() };
            proved.push(Proved { entry: answer.leaf, proof });
        }
        Ok(proved)
    }
}

/// Whether all proofs hold; says which do not.
fn hold(proved: &[Proved], key: &VerifierKey, console: &mut Console<'_>) -> bool {
    let mut all = true;
    for Proved { entry, proof } in proved {
        if let Err(problem) = proof.verify(entry, key) {
            console.note(&format!("FAILED: entry {}: {problem}", proof.index));
            all = false;
        }
    }
    all
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    let unwritable = |source| CliError::Unwritable { path: path.to_owned(), source };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).map_err(unwritable)?;
    }
    fs::write(path, bytes).map_err(unwritable)
}

#[derive(Debug, clap::Args)]
#[command(after_help = VERIFY_HELP)]
pub(super) struct VerifyProof {
    /// The proof.
    file: PathBuf,
    /// The entry, byte for byte.
    #[arg(long, value_name = "FILE")]
    leaf: PathBuf,
    /// The log's verifier key, which you hold from elsewhere.
    #[arg(long, value_name = "FILE")]
    vkey_file: PathBuf,
    #[command(flatten)]
    printing: Printing,
}

impl VerifyProof {
    pub(super) fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let key = read_key(&self.vkey_file)?;
        let entry = fs::read(&self.leaf)
            .map_err(|source| CliError::Unreadable { path: self.leaf.clone(), source })?;
        let text = read_text(&self.file)?;
        let read = TlogProof::parse(&text);
        let checked = read.and_then(|proof| Ok((proof.index, proof.verify(&entry, &key)?)));
        let record = match &checked {
            Ok((index, checkpoint)) => Record::default()
                .with("verdict", "holds")
                .with("log", checkpoint.origin.as_str())
                .with("index", *index)
                .with("tree_size", checkpoint.size)
                .with("root", hex::encode(checkpoint.root))
                .with("leaf_hash", hex::encode(hash_of_entry(&entry))),
            Err(problem) => Record::default()
                .with("verdict", "does not hold")
                .with("problem", problem.to_string()),
        };
        console.record(self.printing.format, &record)?;
        if let Err(problem) = &checked {
            console.note(&format!("FAILED: {problem}"));
        }
        Ok(Outcome::findings(checked.is_err()))
    }
}
