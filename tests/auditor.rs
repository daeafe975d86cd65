//! The auditor's tools on the shared demo's log, in its mirror and at its gateway; and on logs
//! that were forged by whoever holds the log's key.

mod commands;

use crate::support::{copy, demo, gateway::Copy, output, tallygate};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};
use tallygate::{
    audit::{
        Frontier, Hash, Leaf, LeafKind, LogSigner, Receipt, leaf_hash,
        tile::{CHECKPOINT_PATH, TileKind, encode_bundle, encode_hashes, plan},
    },
    verify::{
        self, VerifierKey,
        entries::Entries,
        evidence::{Contradiction, verify_evidence},
        reconcile::{Present, Verdict, reconcile},
    },
};

type Files = BTreeMap<String, Vec<u8>>;

const NAME: &str = "tallygate.example/forged/2026";

/// A log whose key is in wrong hands.
struct Log {
    signer: LogSigner,
    entries: Vec<Vec<u8>>,
    files: Files,
    receipts: Vec<Receipt>,
}

fn entry(n: u64) -> Vec<u8> {
    let at = Timestamp::from_second(1_780_000_000).unwrap();
    let at = at + SignedDuration::from_millis(n.cast_signed());
    let mut leaf = Leaf::new(LeafKind::QueryAnswered, at);
    leaf.partner = Some("centres".parse().unwrap());
    leaf.partner_sequence = Some(n + 1);
    leaf.encode().unwrap()
}

fn entries(count: u64) -> Vec<Vec<u8>> {
    (0..count).map(entry).collect()
}

/// A log that grew in these steps, with a receipt for each entry as of its step.
fn log_in_steps(entries: &[Vec<u8>], steps: &[usize]) -> Log {
    let signer = LogSigner::from_seed(NAME.parse().unwrap(), &[5; 32]).unwrap();
    let (mut frontier, mut hashes) = (Frontier::empty(), BTreeMap::<(u8, u64), Hash>::new());
    let (mut files, mut receipts, mut from) = (Files::new(), Vec::new(), 0);
    for to in steps {
        let leaves: Vec<Hash> = entries[from..*to].iter().map(|entry| leaf_hash(entry)).collect();
        let appended = frontier.append(&leaves).unwrap();
        hashes.extend(appended.new_hashes.iter().map(|new| ((new.level, new.index), new.hash)));
        let checkpoint = signer.sign_checkpoint(appended.frontier.size(), &appended.root);
        for (index, (hash, leaf)) in (appended.old_size..).zip(leaves.iter().zip(&entries[from..]))
        {
            let (leaf, checkpoint) = (leaf.clone(), checkpoint.clone());
            receipts.push(Receipt::of(&appended, index, *hash, leaf, checkpoint).unwrap());
        }
        files.insert(CHECKPOINT_PATH.to_owned(), checkpoint.into_bytes());
        frontier = appended.frontier;
        from = *to;
    }
    for file in plan(0, frontier.size()) {
        let range = file.first()..file.first() + file.width as u64;
        let bytes = match file.kind {
            TileKind::Entries => {
                encode_bundle(range.map(|n| entries[usize::try_from(n).unwrap()].as_slice()))
                    .unwrap()
            }
            TileKind::Hashes(level) => {
                encode_hashes(&range.map(|n| hashes[&(level, n)]).collect::<Vec<_>>())
            }
        };
        files.insert(file.path(), bytes);
    }
    Log { signer, entries: entries.to_vec(), files, receipts }
}

/// Steps that end at powers of two, at tiles' borders and elsewhere.
const STEPS: [usize; 9] = [1, 2, 64, 200, 256, 512, 600, 699, 700];

fn kept(receipt: &Receipt) -> verify::Receipt {
    serde_json::from_value(serde_json::to_value(receipt).unwrap()).unwrap()
}

impl Log {
    fn key(&self) -> VerifierKey {
        self.signer.vkey().parse().unwrap()
    }

    fn present(&self) -> Present {
        let note = String::from_utf8(self.files[CHECKPOINT_PATH].clone()).unwrap();
        Present::new(&note, &self.key()).unwrap()
    }

    fn verdict(&self, files: &Files, receipt: &verify::Receipt) -> Verdict {
        let mirror = Entries::open(files).unwrap();
        reconcile(receipt, &self.key(), &self.present(), &mirror).unwrap()
    }

    fn write(&self, folder: &Path) {
        for (path, bytes) in &self.files {
            let path = folder.join("tiles").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        fs::write(folder.join("log.vkey"), self.signer.vkey()).unwrap();
    }
}

/// A log of which one entry was altered after receipts had been given, tree and all.
fn altered(at: usize) -> (Log, Log) {
    let honest = log_in_steps(&entries(700), &STEPS);
    let mut forged = entries(700);
    forged[at] = entry(9_999);
    (honest, log_in_steps(&forged, &STEPS))
}

#[test]
fn every_receipt_of_a_log_that_only_grew_is_in_it() {
    let log = log_in_steps(&entries(700), &STEPS);
    for receipt in log.receipts.iter().step_by(3).chain(&log.receipts[..4]) {
        assert_eq!(log.verdict(&log.files, &kept(receipt)), Verdict::InLog);
    }
}

/// Wherever an entry was altered, each receipt of a tree that held it becomes evidence, and
/// each of an earlier tree stays in the log.
#[test]
fn a_log_that_was_rewritten_is_contradicted_by_each_receipt_that_saw_it() {
    for at in [0, 1, 63, 64, 255, 256, 300, 599, 698] {
        let (honest, forged) = altered(at);
        let mut kinds = BTreeSet::new();
        // Around the altered entry, at the end, and some of the others.
        let looked_at = |n: usize| n.is_multiple_of(17) || n.abs_diff(at) <= 1 || n == 699;
        for receipt in (0..700).filter(|n| looked_at(*n)).map(|n| &honest.receipts[n]) {
            let tree: usize = receipt.checkpoint.lines().nth(1).unwrap().parse().unwrap();
            match forged.verdict(&forged.files, &kept(receipt)) {
                Verdict::InLog => assert!(tree <= at, "entry {at}, a tree of {tree}"),
                Verdict::Contradicted(evidence) => {
                    assert!(tree > at, "entry {at}, a tree of {tree}");
                    assert_eq!(
                        verify_evidence(&evidence, &forged.key()).as_ref(),
                        Ok(&evidence.statement)
                    );
                    kinds.insert(match &evidence.contradiction {
                        Contradiction::TwoEntries { .. } => "two_entries",
                        Contradiction::TwoRoots { .. } => "two_roots",
                        Contradiction::AnotherBeginning { .. } => "another_beginning",
                    });
                }
                other => panic!("entry {at}, a tree of {tree}: {other:?}"),
            }
        }
        let all = ["another_beginning", "two_entries", "two_roots"];
        assert_eq!(kinds, BTreeSet::from(all), "entry {at}");
    }
}

/// Damage is not misbehaviour: whatever byte of a mirror's tiles is flipped, no receipt of the
/// honest log is called a contradiction.
#[test]
fn a_damaged_mirror_settles_nothing_and_accuses_nobody() {
    let log = log_in_steps(&entries(700), &STEPS);
    let receipts: Vec<_> = [0, 1, 63, 300, 599, 699].map(|n| kept(&log.receipts[n])).into();
    let mut unsettled = 0;
    for path in ["tile/0/000", "tile/0/001", "tile/0/002.p/188", "tile/1/000.p/2"] {
        for at in (0..log.files[path].len()).step_by(397) {
            let mut files = log.files.clone();
            files.get_mut(path).unwrap()[at] ^= 4;
            for receipt in &receipts {
                match log.verdict(&files, receipt) {
                    Verdict::InLog => {}
                    Verdict::Unsettled => unsettled += 1,
                    other => panic!("{path} byte {at}: {other:?}"),
                }
            }
        }
        let mut files = log.files.clone();
        files.remove(path);
        assert!(
            receipts.iter().any(|one| log.verdict(&files, one) == Verdict::Unsettled),
            "{path}"
        );
    }
    assert!(unsettled > 20, "{unsettled}");
}

#[test]
fn receipts_that_prove_nothing_or_know_more_are_told_apart() {
    let log = log_in_steps(&entries(700), &STEPS);
    let younger = log_in_steps(&entries(600), &STEPS[..7]);
    let newest = kept(&log.receipts[699]);
    assert_eq!(younger.verdict(&younger.files, &newest), Verdict::NewerThanLog);
    // A later receipt of an entry that both have is newer, too; of another entry, evidence.
    let later = verify::Receipt { leaf_index: 650, ..newest.clone() };
    assert!(matches!(younger.verdict(&younger.files, &later), Verdict::Malformed(_)));
    let mut other = newest.clone();
    other.leaf_hash[0] ^= 1;
    assert!(matches!(log.verdict(&log.files, &other), Verdict::Malformed(_)));
    let other = verify::Receipt {
        checkpoint: newest.checkpoint.replace("/forged/", "/other/"),
        ..newest.clone()
    };
    assert_eq!(log.verdict(&log.files, &other), Verdict::OtherLog);
    let mut lines: Vec<&str> = newest.checkpoint.lines().collect();
    lines[1] = "701";
    let other = verify::Receipt { checkpoint: lines.join("\n") + "\n", ..newest };
    assert!(matches!(log.verdict(&log.files, &other), Verdict::Malformed(_)));
}

/// The program's whole way: receipts and mirror in, evidence out, checked with the key alone.
#[test]
fn evidence_is_exported_and_anybody_checks_it_without_the_log() {
    let (honest, forged) = altered(300);
    let folder = tempfile::tempdir().unwrap();
    forged.write(folder.path());
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::create_dir(path("receipts")).unwrap();
    for index in [3, 300, 620, 699] {
        let text = serde_json::to_string(&honest.receipts[index]).unwrap();
        fs::write(path(&format!("receipts/{index:04}.json")), text).unwrap();
    }
    fs::write(path("receipts/9999.json"), "{}").unwrap();
    let (tiles, vkey, receipts) = (path("tiles"), path("log.vkey"), path("receipts"));
    let evidence = path("evidence");
    let line = ["audit", "reconcile", &receipts, "--tiles", &tiles, "--vkey-file", &vkey];
    let all = output(&[&line[..], &["--evidence", &evidence, "--format", "json"]].concat(), 1);
    let all: Vec<Value> = serde_json::from_str(&all).unwrap();
    let verdicts: Vec<_> = all.iter().map(|one| one["verdict"].as_str().unwrap()).collect();
    let expected = ["in_log", "contradicted", "contradicted", "contradicted", "malformed"];
    assert_eq!(verdicts, expected);
    let table = output(&line, 1);
    assert!(table.contains("5 receipts") && table.contains("3 contradicted"), "{table}");
    let csv = output(&[&line[..], &["--format", "csv"]].concat(), 1);
    assert_eq!(csv.lines().next(), Some("receipt,index,verdict,problem,evidence"));
    // Files that are there are never replaced.
    output(&[&line[..], &["--evidence", &evidence]].concat(), 1);
    assert_eq!(fs::read_dir(&evidence).unwrap().count(), 6);
    for one in &all[1..4] {
        let file = one["evidence"].as_str().unwrap();
        let check = ["audit", "verify-evidence", file, "--vkey-file", &vkey, "--format", "json"];
        let proved: Value = serde_json::from_str(&output(&check, 0)).unwrap();
        assert_eq!(proved["verdict"], "proved");
        assert_eq!(proved["statement"], one["problem"]);
        tampered_evidence_proves_nothing(file, &vkey);
    }
    let other = LogSigner::from_seed(NAME.parse().unwrap(), &[6; 32]).unwrap();
    fs::write(path("other.vkey"), other.vkey()).unwrap();
    let file = all[1]["evidence"].as_str().unwrap();
    output(&["audit", "verify-evidence", file, "--vkey-file", &path("other.vkey")], 1);
    assert_eq!(
        tallygate(["audit", "verify-evidence", "none", "--vkey-file", &vkey]).status.code(),
        Some(2)
    );
}

/// Each string and number of the file changed, one at a time.
fn tampered_evidence_proves_nothing(file: &str, vkey: &str) {
    let good: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let mut pointers = Vec::new();
    leaves_of(&good, "", &mut pointers);
    assert!(pointers.len() >= 5, "{pointers:?}");
    let spoilt = PathBuf::from(file).with_extension("spoilt");
    for pointer in pointers.iter().filter(|pointer| *pointer != "/check") {
        let mut bad = good.clone();
        let field = bad.pointer_mut(pointer).unwrap();
        *field = match field {
            Value::Number(number) => json!(number.as_u64().unwrap() + 1),
            Value::String(text) => {
                let (head, tail) = text.split_at(text.len() / 2);
                let other = if tail.starts_with('A') { 'B' } else { 'A' };
                json!(format!("{head}{other}{}", &tail[tail.chars().next().unwrap().len_utf8()..]))
            }
            other => panic!("{other}"),
        };
        fs::write(&spoilt, bad.to_string()).unwrap();
        let checked =
            tallygate(["audit", "verify-evidence", spoilt.to_str().unwrap(), "--vkey-file", vkey]);
        assert_eq!(checked.status.code(), Some(1), "{pointer}");
    }
    fs::remove_file(spoilt).unwrap();
}

fn leaves_of(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            fields
                .iter()
                .for_each(|(name, value)| leaves_of(value, &format!("{at}/{name}"), found));
        }
        // Of a list of hashes its ends will do.
        Value::Array(items) => {
            let ends = [0, items.len().saturating_sub(1)];
            for n in BTreeSet::from(ends).into_iter().filter(|n| *n < items.len()) {
                leaves_of(&items[n], &format!("{at}/{n}"), found);
            }
        }
        _ => found.push(at.to_owned()),
    }
}

#[test]
fn gaps_and_repeats_in_a_counter_are_named() {
    let mut entries = entries(300);
    entries.remove(40);
    entries.insert(200, entries[199].clone());
    let log = log_in_steps(&entries, &[300]);
    let folder = tempfile::tempdir().unwrap();
    log.write(folder.path());
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (tiles, vkey) = (path("tiles"), path("log.vkey"));
    let line = ["audit", "gaps", &tiles, "--vkey-file", &vkey, "--format", "json"];
    let found: Value = serde_json::from_str(&output(&line, 1)).unwrap();
    assert_eq!(
        found["findings"],
        json!([
            { "partner": "centres", "problem": "gap", "from": 41, "through": 41, "index": 40, "last_index": 40 },
            { "partner": "centres", "problem": "repeat", "from": 201, "through": 201, "index": 200, "last_index": 200 },
        ])
    );
    // A receipt for an entry that is not the one at its place.
    let mut other = log.receipts[7].clone();
    other.leaf_index = 9;
    fs::write(path("receipt.json"), serde_json::to_string(&other).unwrap()).unwrap();
    let receipt = path("receipt.json");
    let line = ["audit", "gaps", &tiles, "--partner", "centres", "--receipts", &receipt];
    let text = output(&[&line[..], &["--format", "csv"]].concat(), 1);
    assert!(text.contains("centres,other_entry,,,9,9"), "{text}");
    assert!(log.entries.len() == 300 && text.contains("centres,no_receipt,1,40,0,39"), "{text}");
    // An unsound mirror is not read at all.
    let bundle = path("tiles/tile/entries/000");
    let mut bytes = fs::read(&bundle).unwrap();
    bytes[60] ^= 1;
    fs::write(&bundle, bytes).unwrap();
    assert_eq!(output(&["audit", "gaps", &tiles, "--vkey-file", &vkey], 1), "");
}
