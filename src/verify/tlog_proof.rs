//! Proofs as files of one page (C2SP tlog-proof, `c2sp.org/tlog-proof@v1`): an entry's index,
//! its audit path and the signed checkpoint. With the entry itself and the verifier key,
//! anybody checks one offline, with this program or another.

use super::{
    note::{Checkpoint, NoteProblem, VerifierKey, verify_checkpoint},
    proof::{Sha, hash_of_entry, is_included},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use std::fmt::Write;

const HEADER: &str = "c2sp.org/tlog-proof@v1";
/// The longest path of a tree of 2^64 entries.
const MAX_PATH: usize = 64;

/// A proof that an entry stands in a signed tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof {
    /// The entry's index.
    pub index: u64,
    /// Its audit path, leaf's sibling first.
    pub path: Vec<Sha>,
    /// The signed checkpoint, as the log gave it.
    pub checkpoint: String,
}

/// Why a file is no proof of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TlogProofProblem {
    /// A line is not as the standard says.
    #[error("line {line}: not as {HEADER} has it")]
    Form {
        /// Counted from 1.
        line: usize,
    },
    /// The checkpoint is not the log's.
    #[error("the checkpoint, {0}")]
    Note(#[from] NoteProblem),
    /// The path does not lead from the entry to the root.
    #[error("the proof does not lead from this entry to the checkpoint's root")]
    NotIncluded,
}

impl TlogProof {
    /// The file's text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{HEADER}\nindex {}\n", self.index);
        for hash in &self.path {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{}", STANDARD.encode(hash));
        }
        text.push('\n');
        text.push_str(&self.checkpoint);
        text
    }

    /// Reads a file's text; its line of extra data, which proves nothing, is passed over.
    ///
    /// # Errors
    /// The first line that is not as the standard says.
    pub fn parse(text: &str) -> Result<Self, TlogProofProblem> {
        let mut rest = text;
        let mut number = 0;
        let mut line = || {
            number += 1;
            let form = TlogProofProblem::Form { line: number };
            let (line, after) = rest.split_once('\n').ok_or(form)?;
            rest = after;
            Ok::<_, TlogProofProblem>((line, form))
        };
        let (header, form) = line()?;
        if header != HEADER {
            return Err(form);
        }
        let (mut second, mut form) = line()?;
        if let Some(extra) = second.strip_prefix("extra ") {
            STANDARD.decode(extra).map_err(|_| form)?;
            (second, form) = line()?;
        }
        let digits = second.strip_prefix("index ").ok_or(form)?;
        let index: u64 = digits.parse().map_err(|_| form)?;
        if index.to_string() != digits {
            return Err(form);
        }
        let mut path = Vec::new();
        loop {
            let (hash, form) = line()?;
            if hash.is_empty() {
                break;
            }
            let hash = STANDARD.decode(hash).ok().and_then(|bytes| bytes.try_into().ok());
            path.push(hash.filter(|_| path.len() < MAX_PATH).ok_or(form)?);
        }
        Ok(Self { index, path, checkpoint: rest.to_owned() })
    }

    /// Checks that the entry stands in the signed tree; gives the checkpoint.
    ///
    /// # Errors
    /// What is wrong.
    pub fn verify(&self, entry: &[u8], key: &VerifierKey) -> Result<Checkpoint, TlogProofProblem> {
        let tree = verify_checkpoint(self.checkpoint.as_bytes(), key)?;
        let leaf = hash_of_entry(entry);
        if is_included(&leaf, self.index, tree.size, &self.path, &tree.root) {
            Ok(tree)
        } else {
            Err(TlogProofProblem::NotIncluded)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn proof(index: u64, hashes: u8) -> TlogProof {
        let path = (0..hashes).map(|n| [n; 32]).collect();
        TlogProof { index, path, checkpoint: "log\n9\nroot\n\n\u{2014} log AA==\n".to_owned() }
    }

    #[test]
    fn a_proof_reads_as_it_is_written() {
        let text = proof(7, 1).text();
        let zeros = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        let expected = format!(
            "c2sp.org/tlog-proof@v1\nindex 7\n{zeros}\n\nlog\n9\nroot\n\n\u{2014} log AA==\n"
        );
        assert_eq!(text, expected);
        for proof in [proof(0, 0), proof(u64::MAX, 64)] {
            assert_eq!(TlogProof::parse(&proof.text()), Ok(proof));
        }
        let extra = text.replacen("index", "extra AAEC\nindex", 1);
        assert_eq!(TlogProof::parse(&extra), Ok(proof(7, 1)));
    }

    #[test]
    fn other_forms_are_refused_by_their_line() {
        let text = proof(7, 2).text();
        for (from, to, line) in [
            ("@v1", "@v2", 1),
            ("index 7", "index 07", 2),
            ("index 7", "index +7", 2),
            ("index 7", "index", 2),
            ("index 7", "extra !\nindex 7", 2),
            ("index 7", "extra AA==\nextra AA==\nindex 7", 3),
            ("AAAA=", "AAAA", 3),
            ("\nAQ", "\nAAAA\nAQ", 4),
            ("\n\nlog", "\nlog", 5),
        ] {
            let other = text.replacen(from, to, 1);
            assert_ne!(other, text, "{from}");
            assert_eq!(TlogProof::parse(&other), Err(TlogProofProblem::Form { line }), "{other}");
        }
        assert!(TlogProof::parse(&proof(7, 65).text()).is_err());
        assert!(TlogProof::parse("").is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "(c2sp.org/tlog-proof@v1\n)?(index [0-9]{0,3}\n)?\\PC*\n?") {
            let _ = TlogProof::parse(&text);
        }
    }
}
