//! The ways of tampering that tests/foreign/tamper.py shows to the foreign verifiers, before
//! our own: each must be refused, and for the right reason. An operator who lies has the
//! log's key, so some of the copies are whole logs, rightly signed; those are refused by what
//! an auditor holds from before.

use crate::audit_log::{Files, Log, NAME, entry, log, rebuilt, signer};
use base64::{Engine, engine::general_purpose::STANDARD};
use tallygate::{
    audit::tile::CHECKPOINT_PATH,
    verify::{
        Checkpoint, NoteProblem, Notice, Problem, ReceiptProblem, VerifierKey, WitnessKey,
        note::{self, verify_checkpoint},
        verify_consistency, verify_log,
    },
};

/// The size that the auditor holds a checkpoint of.
const KEPT: usize = 600;

/// What the auditor has: the key, and a checkpoint from before.
struct Auditor {
    key: VerifierKey,
    kept: Checkpoint,
}

/// Why a copy is refused.
#[derive(Debug, PartialEq)]
enum Verdict {
    Accepted,
    /// The files don't fit one another, or the signature: the first thing that is wrong.
    Unsound(String, Problem),
    /// A whole log, rightly signed, and not the one of before.
    NotTheSame(ReceiptProblem),
    /// A whole log, rightly signed, with what the gateway never writes.
    Odd(Vec<Notice>),
}

impl Auditor {
    fn judge(&self, files: &Files) -> Verdict {
        let report = verify_log(files, &self.key).unwrap();
        if let Some(first) = report.findings.first() {
            return Verdict::Unsound(first.path.clone(), first.problem.clone());
        }
        let now = verify_checkpoint(&files[CHECKPOINT_PATH], &self.key).unwrap();
        match verify_consistency(files, &self.kept, &now).unwrap() {
            // Times or numbers that only another hand could have written.
            Ok(()) if !report.is_sound() => Verdict::Odd(report.notices),
            Ok(()) => Verdict::Accepted,
            Err(problem) => Verdict::NotTheSame(problem),
        }
    }
}

/// The files of another log, under this note.
fn under(entries: &[Vec<u8>], note: &[u8]) -> Files {
    let mut files = rebuilt(entries, 9, NAME).files;
    files.insert(CHECKPOINT_PATH.to_owned(), note.to_vec());
    files
}

fn text(note: &[u8]) -> &str {
    std::str::from_utf8(note).unwrap()
}

fn flipped(files: &Files, path: &str, at: usize) -> Files {
    let mut files = files.clone();
    files.get_mut(path).unwrap()[at] ^= 1;
    files
}

fn swapped(files: &Files, one: &str, two: &str) -> Files {
    let mut files = files.clone();
    let (first, second) = (files[one].clone(), files[two].clone());
    files.insert(one.to_owned(), second);
    files.insert(two.to_owned(), first);
    files
}

/// A copy by the name of what was done to it.
fn tamperings(log: &Log) -> Vec<(&'static str, Files)> {
    let note = &log.files[CHECKPOINT_PATH];
    let honest = &rebuilt(&log.entries, 1, NAME).files;
    let mut altered = log.entries.clone();
    altered[300] = entry(1_300);
    let mut dropped = log.entries.clone();
    dropped.remove(300);
    let mut reordered = log.entries.clone();
    reordered.swap(300, 301);
    let mut truncated = honest.clone();
    truncated.get_mut("tile/entries/000").unwrap().truncate(5_000);
    let back = rebuilt(&log.entries[..KEPT - 100], 1, NAME).files;
    let mut stale = honest.clone();
    stale.insert(CHECKPOINT_PATH.to_owned(), back[CHECKPOINT_PATH].clone());
    let by_another = rebuilt(&log.entries, 9, NAME).files;
    // The log's own key id before another key's signature.
    let (body, own) = text(note).split_once("\n\n").unwrap();
    let blob = |line: &str| STANDARD.decode(line.trim().rsplit(' ').next().unwrap()).unwrap();
    let theirs = text(&by_another[CHECKPOINT_PATH]).split_once("\n\n").unwrap().1;
    let forged = [&blob(own)[..4], &blob(theirs)[4..]].concat();
    let forged = format!("{body}\n\n\u{2014} {NAME} {}\n", STANDARD.encode(forged));
    let elsewhere = "tallygate.example/elsewhere/2026";
    let other_body = text(note).replacen(NAME, elsewhere, 1);
    let new_root = text(&rebuilt(&altered, 1, NAME).files[CHECKPOINT_PATH]).to_owned();
    let new_root = format!("{}\n\n{own}", new_root.split_once("\n\n").unwrap().0);
    vec![
        ("honest", honest.clone()),
        ("flipped byte of an entry", flipped(honest, "tile/entries/000", 9_000)),
        ("flipped byte of a hash", flipped(honest, "tile/0/001", 77)),
        ("flipped byte of the signature", flipped(honest, CHECKPOINT_PATH, note.len() - 20)),
        ("dropped entry", under(&dropped, note)),
        ("reordered entries", under(&reordered, note)),
        ("truncated bundle", truncated),
        ("forked", rebuilt(&altered, 1, NAME).files),
        ("rolled back", back),
        ("signed by another key", by_another),
        ("signed by another key as the log", under(&log.entries, forged.as_bytes())),
        ("wrong origin", rebuilt(&log.entries, 1, elsewhere).files),
        ("wrong origin, the log's signature", under(&log.entries, other_body.as_bytes())),
        ("stale checkpoint", stale),
        ("swapped tiles", swapped(honest, "tile/0/000", "tile/0/001")),
        ("swapped bundles", swapped(honest, "tile/entries/000", "tile/entries/001")),
        ("altered leaf, new tree", under(&altered, note)),
        ("altered leaf, new tree and root", under(&altered, new_root.as_bytes())),
    ]
}

#[test]
fn each_way_of_tampering_is_refused_for_its_reason() {
    let log = log();
    let key = log.key();
    let kept = log.receipts[KEPT - 1].checkpoint.as_bytes();
    let auditor = Auditor { kept: verify_checkpoint(kept, &key).unwrap(), key };
    assert_eq!(auditor.kept.size, KEPT as u64);
    let mut refused = 0;
    for (name, files) in tamperings(&log) {
        let verdict = auditor.judge(&files);
        let at = |wanted: &str, problem: &dyn Fn(&Problem) -> bool| matches!(&verdict, Verdict::Unsound(path, found) if path == wanted && problem(found));
        let is_note = |problem: &Problem| matches!(problem, Problem::Note(_));
        let right = match name {
            "honest" => verdict == Verdict::Accepted,
            "forked" => verdict == Verdict::NotTheSame(ReceiptProblem::Rewritten),
            "rolled back" => verdict == Verdict::NotTheSame(ReceiptProblem::RolledBack),
            "flipped byte of an entry" => {
                at("tile/entries/000", &|problem| *problem == Problem::EntryAltered)
            }
            "flipped byte of a hash" => {
                at("tile/0/001", &|problem| *problem == Problem::HashAltered)
            }
            "dropped entry" => {
                at("tile/entries/002.p/188", &|p| matches!(p, Problem::Missing { .. }))
            }
            "reordered entries" | "altered leaf, new tree" => {
                at(CHECKPOINT_PATH, &|problem| *problem == Problem::RootDiffers)
            }
            "truncated bundle" => {
                at("tile/entries/000", &|problem| *problem == Problem::WrongLength)
            }
            "stale checkpoint" => {
                at("tile/entries/002.p/188", &|problem| *problem == Problem::BeyondCheckpoint)
                    || at("tile/entries/001", &|problem| *problem == Problem::BeyondCheckpoint)
            }
            "swapped tiles" => at("tile/0/000", &|problem| *problem == Problem::HashAltered),
            "swapped bundles" => {
                at("tile/entries/000", &|problem| *problem == Problem::EntryAltered)
            }
            _ => at(CHECKPOINT_PATH, &is_note),
        };
        assert!(right, "{name}: {verdict:?}");
        refused += usize::from(verdict != Verdict::Accepted);
    }
    assert_eq!(refused, 17);
}

/// A forged cosignature makes a log no worse than it is, and counts for nothing: whoever
/// wants this witness's word is told that the line is not its own.
#[test]
fn a_forged_cosignature_is_not_counted() {
    let vectors: serde_json::Value =
        serde_json::from_str(include_str!("vectors/cosignatures.json")).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let witness: WitnessKey = text(&vectors["vkey"]).parse().unwrap();
    let key: VerifierKey = text(&vectors["log_vkey"]).parse().unwrap();
    let [one, two] = [1, 2].map(|n| &vectors["cosignatures"][n]);
    let (checkpoint, line) = (text(&one["checkpoint"]), text(&one["line"]));
    let judge = |line: &str| {
        let note = format!("{checkpoint}{line}");
        verify_checkpoint(note.as_bytes(), &key).unwrap();
        witness.cosigned_at(&note::read(note.as_bytes()).unwrap())
    };
    let forged = Err(NoteProblem::BadSignature { line: 6 });
    assert_eq!(judge(&line), Ok(one["time"].as_u64()));
    // The witness's line of another checkpoint.
    assert_eq!(judge(&text(&two["line"])), forged);
    // Its key id and time before a signature of somebody else.
    let (head, blob) = line.trim_end().rsplit_once(' ').unwrap();
    let mut blob = STANDARD.decode(blob).unwrap();
    blob[12..].reverse();
    assert_eq!(judge(&format!("{head} {}\n", STANDARD.encode(&blob))), forged);
    // Another time before its signature.
    let mut blob = STANDARD.decode(line.trim_end().rsplit_once(' ').unwrap().1).unwrap();
    blob[11] ^= 1;
    assert_eq!(judge(&format!("{head} {}\n", STANDARD.encode(&blob))), forged);
    // Another name before its line: by nobody who was asked for.
    assert_eq!(judge(&line.replace("oversight", "elsewhere")), Ok(None));
    assert_eq!(judge(&format!("{line}{line}")), Err(NoteProblem::SecondSignature { line: 7 }));
}

/// The seeds differ, so that what "another key" says is about another key.
#[test]
fn another_key_is_another_key() {
    assert_ne!(signer(1, NAME).vkey(), signer(9, NAME).vkey());
}
