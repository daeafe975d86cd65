//! Cosignatures under a checkpoint (C2SP tlog-cosignature, `cosignature/v1` with Ed25519): who
//! says when that this is the newest state of the log that it has seen.
//!
//! A witness keeps what it saw last and cosigns nothing that does not continue it. So where
//! somebody trusts one of the witnesses, the log's operator can't show them one history and
//! others another. The lines are untrusted until a witness's own key, held from elsewhere,
//! fits them.

use super::note::{NoteProblem, OpenedNote, SignatureLine};
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::str::FromStr;

/// signed-note's type of an Ed25519 cosignature.
const TYPE_COSIGNATURE: u8 = 4;

/// A witness's verifier key; auditors have it out of band.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessKey {
    name: String,
    id: [u8; 4],
    public_key: [u8; 32],
}

impl WitnessKey {
    /// The witness's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The time of this witness's cosignature under a checkpoint, seconds since 1970; `None`
    /// where it did not cosign.
    ///
    /// # Errors
    /// `BadSignature` where a line that is said to be its own is not, `SecondSignature` where
    /// there are two.
    pub fn cosigned_at(&self, note: &OpenedNote<'_>) -> Result<Option<u64>, NoteProblem> {
        let mut found = None;
        let own = |line: &&SignatureLine<'_>| line.name == self.name && line.key_id == self.id;
        for line in note.signatures.iter().filter(own) {
            if found.is_some() {
                return Err(NoteProblem::SecondSignature { line: line.line });
            }
            let bad = NoteProblem::BadSignature { line: line.line };
            let (time, signature) = line.signature.split_first_chunk::<8>().ok_or(bad)?;
            let time = u64::from_be_bytes(*time);
            let message = format!("cosignature/v1\ntime {time}\n{}", note.text);
            let public_key = UnparsedPublicKey::new(&ED25519, self.public_key);
            let fits = public_key.verify(message.as_bytes(), signature).is_ok();
            if !fits || i64::try_from(time).is_err() {
                return Err(bad);
            }
            found = Some(time);
        }
        Ok(found)
    }
}

impl FromStr for WitnessKey {
    type Err = NoteProblem;

    /// Reads `name+hex(id)+base64(04 || public key)`; a line break at the end is allowed.
    fn from_str(text: &str) -> Result<Self, NoteProblem> {
        let parse = || {
            let mut parts = text.strip_suffix('\n').unwrap_or(text).splitn(3, '+');
            let (name, id, key) = (parts.next()?, parts.next()?, parts.next()?);
            let key = STANDARD.decode(key).ok()?;
            let (kind, public_key) = key.split_first()?;
            let public_key: [u8; 32] = public_key.try_into().ok()?;
            let is_name =
                !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c.is_control());
            let digest =
                Sha256::new_with_prefix(name).chain_update(b"\n").chain_update(&key).finalize();
            let fits = is_name && *kind == TYPE_COSIGNATURE && hex::encode(&digest[..4]) == id;
            let id = [digest[0], digest[1], digest[2], digest[3]];
            fits.then(|| Self { name: name.to_owned(), id, public_key })
        };
        parse().ok_or(NoteProblem::BadVerifierKey)
    }
}

/// What came of looking for one witness's cosignature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cosigned {
    /// The witness.
    pub witness: String,
    /// When it cosigned, seconds since 1970 by its own clock.
    pub at: Option<u64>,
    /// What is wrong with its line, where one is there and wrong.
    pub problem: Option<String>,
}

/// Looks for each witness's cosignature under a checkpoint.
#[must_use]
pub fn cosigned(note: &OpenedNote<'_>, witnesses: &[WitnessKey]) -> Vec<Cosigned> {
    let look = |key: &WitnessKey| {
        let (at, problem) = match key.cosigned_at(note) {
            Ok(at) => (at, None),
            Err(problem) => (None, Some(problem.to_string())),
        };
        Cosigned { witness: key.name.clone(), at, problem }
    };
    witnesses.iter().map(look).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::note, *};
    use serde_json::Value;

    /// Made by another hand: see tests/vectors/AUDIT.md.
    fn vectors() -> Value {
        serde_json::from_str(include_str!("../../tests/vectors/cosignatures.json")).unwrap()
    }

    fn text(value: &Value) -> &str {
        value.as_str().unwrap()
    }

    #[test]
    fn cosignatures_of_another_hand_verify() {
        let vectors = vectors();
        let key: WitnessKey = text(&vectors["vkey"]).parse().unwrap();
        let log: note::VerifierKey = text(&vectors["log_vkey"]).parse().unwrap();
        for vector in vectors["cosignatures"].as_array().unwrap() {
            let note = format!("{}{}", text(&vector["checkpoint"]), text(&vector["line"]));
            let opened = note::read(note.as_bytes()).unwrap();
            assert_eq!(key.cosigned_at(&opened), Ok(vector["time"].as_u64()));
            assert_eq!(opened.problems(&log), [], "a cosignature is no problem of the log's");
            note::verify_checkpoint(note.as_bytes(), &log).unwrap();
            let bare = note::read(text(&vector["checkpoint"]).as_bytes()).unwrap();
            assert_eq!(key.cosigned_at(&bare), Ok(None));
        }
    }

    /// Every byte of the line set to every other value: never cosigned by this witness.
    #[test]
    fn no_byte_of_a_cosignature_can_change() {
        let vectors = vectors();
        let key: WitnessKey = text(&vectors["vkey"]).parse().unwrap();
        let vector = &vectors["cosignatures"][1];
        let checkpoint = text(&vector["checkpoint"]);
        let line = text(&vector["line"]).as_bytes();
        for at in 0..line.len() {
            for value in (0..=255).filter(|value| *value != line[at]) {
                let mut note = [checkpoint.as_bytes(), line].concat();
                note[checkpoint.len() + at] = value;
                let Ok(opened) = note::read(&note) else { continue };
                assert!(!matches!(key.cosigned_at(&opened), Ok(Some(_))), "byte {at}: {value}");
            }
        }
    }

    #[test]
    fn a_cosignature_is_of_one_checkpoint_and_stands_once() {
        let vectors = vectors();
        let key: WitnessKey = text(&vectors["vkey"]).parse().unwrap();
        let list = vectors["cosignatures"].as_array().unwrap();
        let (first, second) = (&list[0], &list[1]);
        let moved = format!("{}{}", text(&first["checkpoint"]), text(&second["line"]));
        let moved = note::read(moved.as_bytes()).unwrap();
        assert_eq!(key.cosigned_at(&moved), Err(NoteProblem::BadSignature { line: 6 }));
        let (checkpoint, line) = (text(&first["checkpoint"]), text(&first["line"]));
        let twice = format!("{checkpoint}{line}{line}");
        let twice = note::read(twice.as_bytes()).unwrap();
        assert_eq!(key.cosigned_at(&twice), Err(NoteProblem::SecondSignature { line: 7 }));
        let found = cosigned(&moved, std::slice::from_ref(&key));
        assert!(found[0].at.is_none() && found[0].problem.is_some());
    }

    #[test]
    fn a_log_key_is_no_witness_key_and_a_witness_is_no_log() {
        let vectors = vectors();
        assert!(text(&vectors["log_vkey"]).parse::<WitnessKey>().is_err());
        assert!(text(&vectors["vkey"]).parse::<note::VerifierKey>().is_err());
        // Only cosignatures, without the log's own signature, are no checkpoint of the log.
        let log: note::VerifierKey = text(&vectors["log_vkey"]).parse().unwrap();
        let vector = &vectors["cosignatures"][0];
        let (body, _) = text(&vector["checkpoint"]).split_once("\n\n").unwrap();
        let note = format!("{body}\n\n{}", text(&vector["line"]));
        let problem = note::verify_checkpoint(note.as_bytes(), &log).unwrap_err();
        assert_eq!(problem, NoteProblem::UnknownSigner { line: 5 });
    }
}
