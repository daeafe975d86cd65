//! The verifier against published vectors and a foreign implementation.

use super::{leaf, log::verify_log, note, proof::*, *};
use base64::{Engine, engine::general_purpose::STANDARD};
use ct_merkle::mem_backed_tree::MemoryBackedTree;
use proptest::prelude::*;
use serde_json::Value;
use sha2::Sha256;
use std::collections::BTreeMap;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn checkpoints() -> (VerifierKey, Vec<String>) {
    let vectors = json(include_str!("../../tests/vectors/checkpoints.json"));
    let notes = vectors["checkpoints"].as_array().unwrap().iter();
    let notes = notes.map(|vector| vector["note"].as_str().unwrap().to_owned()).collect();
    (vectors["vkey"].as_str().unwrap().parse().unwrap(), notes)
}

fn entries() -> Vec<String> {
    let vectors = json(include_str!("../../tests/vectors/leaves.json"));
    let leaves = vectors["leaves"].as_array().unwrap().iter();
    leaves.map(|leaf| leaf["entry"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn all_196_published_vectors() {
    let vectors = json(include_str!("../../tests/vectors/rfc6962_proofs.json"));
    let sha = |value: &Value| -> Option<Sha> {
        STANDARD.decode(value.as_str().unwrap()).ok()?.try_into().ok()
    };
    // Consistency vectors say "don't care" for some roots; a hash of that text stands for it.
    let root = |value: &Value| {
        sha(value).unwrap_or_else(|| hash_of_entry(value.as_str().unwrap().as_bytes()))
    };
    let path = |value: &Value| -> Option<Vec<Sha>> {
        value["proof"].as_array().into_iter().flatten().map(sha).collect()
    };
    let mut seen = 0;
    for (list, consistency) in [("inclusion", false), ("consistency", true)] {
        for vector in vectors[list].as_array().unwrap() {
            let number = |name: &str| vector[name].as_u64().unwrap();
            let holds = path(vector).is_some_and(|path| {
                if consistency {
                    let (old, new) = (root(&vector["root1"]), root(&vector["root2"]));
                    return is_consistent((number("size1"), &old), (number("size2"), &new), &path);
                }
                let hashes = sha(&vector["leafHash"]).zip(sha(&vector["root"]));
                hashes.is_some_and(|(leaf, root)| {
                    is_included(&leaf, number("leafIdx"), number("treeSize"), &path, &root)
                })
            });
            assert_eq!(!holds, vector["wantErr"].as_bool().unwrap(), "{}", vector["case"]);
            seen += 1;
        }
    }
    assert_eq!(seen, 196);
}

fn shas(bytes: &[u8]) -> Vec<Sha> {
    bytes.as_chunks::<32>().0.to_vec()
}

proptest! {
    /// Proofs made by a foreign implementation hold, and hold for nothing else.
    #[test]
    fn foreign_proofs_hold_and_altered_ones_do_not(
        size in 2_usize..600,
        at in any::<prop::sample::Index>(),
        flip in any::<prop::sample::Index>(),
        bit in 0_u8..8,
    ) {
        let mut tree = MemoryBackedTree::<Sha256, [u8; 8]>::new();
        let mut roots = vec![empty_root()];
        for n in 0..size as u64 {
            tree.push(n.to_be_bytes());
            roots.push(tree.root().as_bytes().as_slice().try_into().unwrap());
        }
        let index = at.index(size);
        let leaf = hash_of_entry(&(index as u64).to_be_bytes());
        let mut path = shas(tree.prove_inclusion(index).as_bytes());
        let included = |path: &[Sha], at: usize, size: usize| {
            is_included(&leaf, at as u64, size as u64, path, &roots[size])
        };
        prop_assert!(included(&path, index, size));
        prop_assert!(!included(&path, (index + 1) % size, size));
        prop_assert!(!included(&path[1..], index, size));
        let spoilt = flip.index(path.len());
        path[spoilt][usize::from(bit)] ^= 1 << bit;
        prop_assert!(!included(&path, index, size));
        prop_assert!(!included(&[path.clone(), path].concat(), index, size));

        let old = index.max(1);
        let mut path = shas(tree.prove_consistency(size - old).as_bytes());
        let consistent = |path: &[Sha], old: usize| {
            is_consistent((old as u64, &roots[old]), (size as u64, &roots[size]), path)
        };
        prop_assert!(consistent(&path, old));
        prop_assert!(!consistent(&path, old - 1));
        prop_assert!(!is_consistent((old as u64, &roots[old - 1]), (size as u64, &roots[size]), &path));
        prop_assert!(!is_consistent((size as u64, &roots[size]), (old as u64, &roots[old]), &path));
        let spoilt = flip.index(path.len());
        path[spoilt][usize::from(bit)] ^= 1 << bit;
        prop_assert!(!consistent(&path, old));
    }
}

#[test]
fn nothing_is_proved_about_empty_trees() {
    let other = [7; 32];
    assert!(!is_consistent((0, &empty_root()), (5, &other), &[]));
    assert!(!is_consistent((0, &empty_root()), (0, &empty_root()), &[]));
    assert!(!is_included(&other, 0, 0, &[], &other));
    assert!(!is_included(&other, u64::MAX, 1, &[], &other));
}

#[test]
fn checkpoints_of_another_hand_verify() {
    let (key, notes) = checkpoints();
    for (note, size) in notes.iter().zip([0, 1, entries().len() as u64]) {
        let checkpoint = note::verify_checkpoint(note.as_bytes(), &key).unwrap();
        assert_eq!((checkpoint.size, checkpoint.origin.as_str()), (size, key.name()));
    }
}

/// Every byte set to every other value: never the same checkpoint again, always a line.
#[test]
fn no_byte_of_a_checkpoint_can_change() {
    let (key, notes) = checkpoints();
    let whole = notes.last().unwrap().as_bytes();
    for at in 0..whole.len() {
        let line = 1 + whole[..at].iter().filter(|b| **b == b'\n').count();
        for value in 0..=255 {
            let mut spoilt = whole.to_vec();
            spoilt[at] = value;
            if value == whole[at] {
                continue;
            }
            let problem = note::verify_checkpoint(&spoilt, &key).unwrap_err();
            // A signature speaks for all lines; a line broken or joined moves the next ones.
            let moved = value == b'\n' || whole[at] == b'\n';
            let named = problem.line().unwrap();
            let near = named == line || named == 5 || (moved && named.abs_diff(line) == 1);
            assert!(near, "byte {at} of line {line} set to {value}: {problem}");
        }
    }
}

#[test]
fn notes_in_another_spelling_are_refused_by_their_line() {
    let (key, notes) = checkpoints();
    let whole = notes.last().unwrap();
    let signature = whole.lines().last().unwrap();
    let twice = format!("{whole}{signature}\n");
    let foreign = signature.replace("demo/2026 ", "demo/2027 ");
    let cases = [
        (String::new(), NoteProblem::WrongOrigin),
        (whole.trim_end().to_owned(), NoteProblem::Truncated { line: 5 }),
        (whole.replace("\n\n", "\n"), NoteProblem::ExtraLine { line: 4 }),
        (whole.replace("\n\n", "\nextension\n\n"), NoteProblem::ExtraLine { line: 4 }),
        (whole.replace('\n', "\r\n"), NoteProblem::NotText { line: 1 }),
        (whole.replace("\n12\n", "\n012\n"), NoteProblem::BadSize),
        (whole.replace("\n12\n", "\n+12\n"), NoteProblem::BadSize),
        (whole.replace("\n12\n", "\n-1\n"), NoteProblem::BadSize),
        (whole.replace("\n12\n", "\n\n"), NoteProblem::BadSize),
        (whole.replace("\n12\n", "\n18446744073709551616\n"), NoteProblem::BadSize),
        (whole.replace("\n12\n", "\n9223372036854775808\n"), NoteProblem::BadSize),
        (whole.replace("=\n\n", "\n\n"), NoteProblem::BadRoot),
        (format!("{whole}\n"), NoteProblem::BadSignatureLine { line: 6 }),
        (format!("{whole}more\n"), NoteProblem::BadSignatureLine { line: 6 }),
        (twice, NoteProblem::SecondSignature { line: 6 }),
        (format!("{whole}{foreign}\n"), NoteProblem::UnknownSigner { line: 6 }),
        (whole.replace("\u{2014} ", "- "), NoteProblem::BadSignatureLine { line: 5 }),
        (whole.replace("\u{2014} ", "\u{2014}  "), NoteProblem::BadSignatureLine { line: 5 }),
        (whole.split_inclusive('\n').take(4).collect(), NoteProblem::Truncated { line: 5 }),
        (whole.split_inclusive('\n').take(2).collect(), NoteProblem::BadRoot),
        ("x".repeat(note::MAX_NOTE_BYTES + 1), NoteProblem::NotText { line: 1 }),
    ];
    for (text, problem) in cases {
        assert_eq!(note::verify_checkpoint(text.as_bytes(), &key), Err(problem), "{text:.300}");
    }
    let not_utf8 = [whole.as_bytes(), b"\xff\n"].concat();
    let problem = note::verify_checkpoint(&not_utf8, &key).unwrap_err();
    assert_eq!(problem, NoteProblem::NotText { line: 6 });
}

#[test]
fn verifier_keys_are_read_strictly() {
    let vectors = json(include_str!("../../tests/vectors/checkpoints.json"));
    let good = vectors["vkey"].as_str().unwrap();
    assert!(format!("{good}\n").parse::<VerifierKey>().is_ok());
    for bad in [
        String::new(),
        good.replace("demo", "memo"),
        good.replace("7f4d5006", "7F4D5006"),
        good.replace("7f4d5006", "7f4d5007"),
        good.replace("+Ad", "+Bd"),
        good[..good.len() - 4].to_owned(),
        format!("{good} "),
        format!("\n{good}"),
        good.replacen('+', "", 1),
    ] {
        assert_eq!(bad.parse::<VerifierKey>(), Err(NoteProblem::BadVerifierKey), "{bad}");
    }
}

#[test]
fn leaves_are_read_and_other_spellings_refused() {
    let mut scratch = Vec::new();
    for entry in entries() {
        let leaf = leaf::read(entry.as_bytes(), &mut scratch).unwrap();
        assert_eq!(serde_json::to_string(&leaf).unwrap(), entry);
    }
    let entry = entries()[7].clone();
    use leaf::LeafProblem::*;
    for (from, to, problem) in [
        ("\"v\":1", "\"v\": 1", Spelling),
        ("\"v\":1", "\"v\":1.0", Form),
        ("\"v\":1", "\"v\":2", Version),
        ("\"v\":1}", "\"v\":1,\"x\":1}", Form),
        ("\"v\":1}", "\"v\":1}\n", Spelling),
        (",\"v\":1", "", Version),
        ("\"refused\",\"partner\"", "\"something\",\"partner\"", Kind),
        ("00.000000Z", "00Z", Time),
        ("-01-05T", "-02-30T", Time),
        ("\"decision\":\"refused\"", "\"decision\":\"granted\"", Decision),
        ("centres", "9990000018", Value),
        ("centres", "two words", Value),
        ("centres", "caf\u{e9}", Value),
        ("centres", "\\u0063entres", Form),
        ("00112233", "0011223G", Value),
        ("00112233", "00112A33", Value),
        ("\"sequence\":1", "\"sequence\":9007199254740992", Value),
        ("\"sequence\":1", "\"sequence\":-1", Form),
        ("\"area\":\"CC02\"", "\"area\":null", Spelling),
    ] {
        let other = entry.replace(from, to);
        assert_ne!(other, entry, "{from}");
        assert_eq!(leaf::read(other.as_bytes(), &mut scratch), Err(problem), "{other}");
    }
    assert_eq!(leaf::read(b"\xff", &mut scratch), Err(Form));
}

/// A log put together by hand from the vectors, with nothing of the writer's.
fn small_log() -> (VerifierKey, BTreeMap<String, Vec<u8>>) {
    let (key, notes) = checkpoints();
    let (mut bundle, mut tile) = (Vec::new(), Vec::new());
    for entry in entries() {
        bundle.extend_from_slice(&u16::try_from(entry.len()).unwrap().to_be_bytes());
        bundle.extend_from_slice(entry.as_bytes());
        tile.extend_from_slice(&hash_of_entry(entry.as_bytes()));
    }
    let files = [
        ("checkpoint", notes.last().unwrap().clone().into_bytes()),
        ("tile/entries/000.p/12", bundle),
        ("tile/0/000.p/12", tile),
    ];
    (key, files.map(|(path, bytes)| (path.to_owned(), bytes)).into())
}

#[test]
fn a_log_of_another_hand_is_sound() {
    let (key, files) = small_log();
    let report = verify_log(&files, &key).unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.leaves, report.files), (12, 3));
    assert_eq!(report.refusals, BTreeMap::from([("area_not_covered".to_owned(), 1)]));
    assert_eq!(report.kinds.values().sum::<u64>(), 12);
    assert_eq!(report.notices, []);
    let empty =
        BTreeMap::from([("checkpoint".to_owned(), checkpoints().1[0].clone().into_bytes())]);
    assert!(verify_log(&empty, &key).unwrap().is_sound());
    assert!(!verify_log(&BTreeMap::new(), &key).unwrap().is_sound());
}

/// Every byte of every file, flipped: the file is named, and within it the place.
#[test]
fn any_flipped_byte_is_named() {
    let (key, files) = small_log();
    for (path, bytes) in &files {
        let starts: Vec<usize> = entries()
            .iter()
            .scan(0, |at, entry| {
                let start = *at;
                *at += 2 + entry.len();
                Some(start)
            })
            .collect();
        for at in 0..bytes.len() {
            let mut spoilt = files.clone();
            spoilt.get_mut(path).unwrap()[at] ^= 1 << (at % 8);
            let report = verify_log(&spoilt, &key).unwrap();
            assert!(!report.is_sound(), "{path} byte {at}");
            let expected = match path.as_str() {
                "checkpoint" => None,
                "tile/0/000.p/12" => Some(Place::Hash(at / 32)),
                _ => Some(Place::Entry(starts.partition_point(|start| *start <= at) - 1)),
            };
            let named = report.findings.iter().any(|finding| {
                finding.path == *path
                    && expected.map_or(matches!(finding.place, Place::Line(_)), |place| {
                        finding.place == place
                    })
            });
            assert!(named, "{path} byte {at}: {:?}", report.findings);
            if expected.is_some() {
                assert_eq!(report.findings.len(), 1, "{path} byte {at}: {:?}", report.findings);
            }
        }
    }
}

#[test]
fn what_a_clock_or_a_partner_left_out_is_noticed_and_not_punished() {
    let (_, files) = small_log();
    let (key, _) = checkpoints();
    // Not the signed tree any more, so only the notices are looked at.
    let mut swapped = files;
    let entries = entries();
    let order = [1, 0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
    let changed: Vec<String> =
        order.iter().map(|n| entries[*n].replace("\"sequence\":4", "\"sequence\":6")).collect();
    let (mut bundle, mut tile) = (Vec::new(), Vec::new());
    for entry in &changed {
        bundle.extend_from_slice(&u16::try_from(entry.len()).unwrap().to_be_bytes());
        bundle.extend_from_slice(entry.as_bytes());
        tile.extend_from_slice(&hash_of_entry(entry.as_bytes()));
    }
    swapped.insert("tile/entries/000.p/12".to_owned(), bundle);
    swapped.insert("tile/0/000.p/12".to_owned(), tile);
    let report = verify_log(&swapped, &key).unwrap();
    assert_eq!(report.findings.len(), 1);
    assert_eq!(report.findings[0].problem, Problem::RootDiffers);
    assert!(matches!(report.notices[0], Notice::ClockWentBack { index: 1, .. }));
    let partner = "authority".to_owned();
    assert_eq!(report.notices[1], Notice::SequenceGap { index: 8, partner, expected: 4, found: 6 });
}

#[test]
fn a_receipt_is_of_the_callers_own_act_or_says_why_not() {
    let entry = entries().into_iter().find(|entry| entry.contains(r#""partner":"health""#));
    let entry = entry.unwrap();
    let leaf = leaf::read(entry.as_bytes(), &mut Vec::new()).unwrap();
    let at: jiff::Timestamp = leaf.at.unwrap().parse().unwrap();
    let good = Receipt {
        leaf_index: 0,
        leaf_hash: hash_of_entry(entry.as_bytes()),
        checkpoint: String::new(),
        proof: Vec::new(),
        leaf: Some(entry.clone()),
    };
    let act = receipt::own_act(&good, "health", at).unwrap();
    assert_eq!((Some(&*act.kind), act.sequence), (leaf.kind, leaf.sequence));
    let later = at + jiff::SignedDuration::from_micros(1);
    assert_eq!(receipt::own_act(&good, "health", later), Err(ReceiptProblem::Earlier));
    assert_eq!(receipt::own_act(&good, "centres", at), Err(ReceiptProblem::OtherPartner));
    let without = Receipt { leaf: None, ..good.clone() };
    assert_eq!(receipt::own_act(&without, "health", at), Err(ReceiptProblem::NoLeaf));
    let other = Receipt { leaf: Some(entry.replace("health", "centre")), ..good };
    assert_eq!(receipt::own_act(&other, "health", at), Err(ReceiptProblem::OtherEntry));
}
