//! `tallygate audit verify-evidence`: whether a file proves that a log's key contradicted itself.

use super::{
    CliError, Console, Outcome,
    audit_proof::read_key,
    output::{Printing, Record},
};
use crate::verify::evidence::{Evidence, EvidenceProblem, MAX_EVIDENCE_BYTES, verify_evidence};
use std::{fs, io::Read, path::PathBuf};

const HELP: &str = "\
The file is one that `audit reconcile --evidence` wrote. It holds both signed checkpoints and the
proofs, so neither the log nor its gateway is needed, and nothing in it is believed unchecked.
Exit code 0 when it proves what it says, 1 when it does not.

Examples:
  tallygate audit verify-evidence evidence/evidence-0000001204-1.json --vkey-file log.vkey";

#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct VerifyEvidence {
    /// The evidence.
    file: PathBuf,
    /// The log's verifier key, which you hold from elsewhere.
    #[arg(long, value_name = "FILE")]
    vkey_file: PathBuf,
    #[command(flatten)]
    printing: Printing,
}

impl VerifyEvidence {
    pub(super) fn run(self, console: &mut Console<'_>) -> Result<Outcome, CliError> {
        let key = read_key(&self.vkey_file)?;
        let unreadable = |source| CliError::Unreadable { path: self.file.clone(), source };
        let mut bytes = Vec::new();
        let file = fs::File::open(&self.file).map_err(unreadable)?;
        file.take(MAX_EVIDENCE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        let checked = match serde_json::from_slice::<Evidence>(&bytes) {
            Ok(evidence) if bytes.len() as u64 <= MAX_EVIDENCE_BYTES => {
                verify_evidence(&evidence, &key)
            }
            _ => Err(EvidenceProblem::Format),
        };
        let (verdict, statement, problem) = match checked {
            Ok(statement) => ("proved", Some(statement), None),
            Err(problem) => ("not proved", None, Some(problem.to_string())),
        };
        let record = Record::default()
            .with("verdict", verdict)
            .with("log", key.name())
            .with("statement", statement)
            .with("problem", problem.clone());
        console.record(self.printing.format, &record)?;
        if let Some(problem) = &problem {
            console.note(&format!("FAILED: {problem}"));
        }
        Ok(Outcome::findings(problem.is_some()))
    }
}
