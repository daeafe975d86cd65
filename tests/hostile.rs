//! Whatever comes from outside as a part of the log - notes, keys, paths, bundles, receipts,
//! proofs, leaves - is read without a panic and without more memory than it takes itself, and
//! what is wrong with it is told without repeating it.
//!
//! The generators mix noise with whole, rightly made things that are spoilt in one place:
//! noise alone never gets past the first check.

use crate::audit_log::{Files, Log, NAME, log};
use proptest::prelude::*;
use std::sync::{
    OnceLock,
    atomic::{AtomicUsize, Ordering},
};
use tallygate::{
    audit::{
        AuditError, Frontier, Hash, Leaf, LogName,
        tile::CHECKPOINT_PATH,
        tree::{consistency_proof, inclusion_proof, tiles_for_consistency, tiles_for_inclusion},
    },
    verify::{
        NoteProblem, Problem, TileSource, VerifierKey, leaf,
        note::{self, verify_checkpoint},
        path::FileName,
        proof::{is_consistent, is_included},
        receipt::Receipt,
        source::SourceError,
        verify_consistency, verify_log, verify_receipt, verify_receipt_in_log,
    },
};

/// A word that must not come back in any error.
const CANARY: &str = "9990000018";

fn shared() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(log)
}

/// Sizes and indices at which arithmetic goes wrong.
fn awkward() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        0_u64..2_000,
        (0_u32..64).prop_map(|bit| 1 << bit),
        (0_u32..64).prop_map(|bit| (1 << bit) - 1),
        (0_u32..64).prop_map(|bit| (1 << bit) + 1),
        (0_u64..3).prop_map(|less| u64::MAX - less),
    ]
}

/// One change to a text.
#[derive(Debug, Clone)]
enum Spoil {
    Remove(usize),
    Repeat(usize),
    Replace(usize, String),
    Insert(usize, String),
    Cut(usize),
    Byte(usize, u8),
}

fn spoil() -> impl Strategy<Value = Spoil> {
    let line = prop_oneof![
        Just(String::new()),
        Just(CANARY.to_owned()),
        Just(format!("\u{2014} {CANARY} {CANARY}")),
        Just(format!("\u{2014} {NAME} ")),
        Just(format!("\u{2014} {NAME} {}", "A".repeat(3_000))),
        awkward().prop_map(|n| n.to_string()),
        "\\PC{0,80}",
        "[A-Za-z0-9+/=]{40,100}",
    ];
    prop_oneof![
        any::<usize>().prop_map(Spoil::Remove),
        any::<usize>().prop_map(Spoil::Repeat),
        (any::<usize>(), line.clone()).prop_map(|(at, line)| Spoil::Replace(at, line)),
        (any::<usize>(), line).prop_map(|(at, line)| Spoil::Insert(at, line)),
        any::<usize>().prop_map(Spoil::Cut),
        (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Spoil::Byte(at, byte)),
    ]
}

fn spoilt(whole: &[u8], spoils: &[Spoil]) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    for spoil in spoils {
        let mut lines: Vec<Vec<u8>> = bytes.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
        let (count, length) = (lines.len(), bytes.len().max(1));
        match spoil {
            Spoil::Remove(at) => drop(lines.remove(at % count)),
            Spoil::Repeat(at) => lines.insert(at % count, lines[at % count].clone()),
            Spoil::Replace(at, line) => lines[at % count] = line.clone().into_bytes(),
            Spoil::Insert(at, line) => lines.insert(at % count, line.clone().into_bytes()),
            Spoil::Cut(at) => {
                bytes.truncate(at % length);
                continue;
            }
            Spoil::Byte(at, byte) => {
                if let Some(place) = bytes.get_mut(at % length) {
                    *place = *byte;
                }
                continue;
            }
        }
        bytes = lines.join(&b'\n');
    }
    bytes
}

/// An error's words are of a fixed stock: the submitted word is not among them.
fn silent(error: &impl std::fmt::Display) -> Result<(), TestCaseError> {
    prop_assert!(!error.to_string().contains(CANARY), "{error}");
    Ok(())
}

/// A source that counts what is asked of it.
struct Counted<'a> {
    files: &'a Files,
    most_asked: AtomicUsize,
    reads: AtomicUsize,
}

impl<'a> Counted<'a> {
    fn new(files: &'a Files) -> Self {
        Self { files, most_asked: AtomicUsize::new(0), reads: AtomicUsize::new(0) }
    }
}

impl Counted<'_> {
    fn reads(&self) -> usize {
        self.reads.load(Ordering::Relaxed)
    }

    fn most_asked(&self) -> usize {
        self.most_asked.load(Ordering::Relaxed)
    }
}

impl TileSource for Counted<'_> {
    fn list(&self) -> Result<Vec<String>, SourceError> {
        self.files.list()
    }

    fn read(&self, path: &str, max: usize) -> Result<Option<Vec<u8>>, SourceError> {
        self.most_asked.fetch_max(max, Ordering::Relaxed);
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.files.read(path, max)
    }
}

/// The longest bundle that the standard knows.
const LONGEST_BUNDLE: usize = 256 * (2 + 65_535);

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn notes_are_accepted_as_they_were_signed_or_not_at_all(
        spoils in prop::collection::vec(spoil(), 1..4),
    ) {
        let whole = &shared().files[CHECKPOINT_PATH];
        let key = shared().key();
        let bytes = spoilt(whole, &spoils);
        match verify_checkpoint(&bytes, &key) {
            // Lines of others may stand below; what was signed is as it was.
            Ok(read) => {
                let honest = verify_checkpoint(whole, &key).unwrap();
                prop_assert_eq!(read, honest);
                prop_assert!(bytes.starts_with(&whole[..whole.len() - 1]));
            }
            Err(problem) => {
                silent(&problem)?;
                let lines = bytes.split(|b| *b == b'\n').count();
                prop_assert!((1..=lines.max(6)).contains(&problem.line().unwrap()), "{}", problem);
            }
        }
    }

    #[test]
    fn noise_is_no_note_no_key_no_name_and_no_leaf(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        text in "\\PC{0,120}",
    ) {
        let key = shared().key();
        prop_assert!(verify_checkpoint(&bytes, &key).is_err());
        prop_assert!(verify_checkpoint(text.as_bytes(), &key).is_err());
        prop_assert_eq!(text.parse::<VerifierKey>(), Err(NoteProblem::BadVerifierKey));
        if let Ok(name) = text.parse::<LogName>() {
            prop_assert!(!text.contains([' ', '+', '\n']), "{:?}", name);
        }
        let mut scratch = Vec::new();
        prop_assert!(leaf::read(&bytes, &mut scratch).is_err());
        prop_assert!(Leaf::decode(&bytes).is_err());
        prop_assert!(Frontier::from_bytes(&bytes).is_err() || bytes.len() % 32 == 8);
    }

    #[test]
    fn verifier_keys_have_one_spelling(spoils in prop::collection::vec(spoil(), 1..3)) {
        let whole = crate::audit_log::signer(1, NAME).vkey();
        let bytes = spoilt(whole.as_bytes(), &spoils);
        if let Ok(text) = std::str::from_utf8(&bytes)
            && let Ok(read) = text.parse::<VerifierKey>()
        {
            prop_assert_eq!(read, shared().key());
            prop_assert_eq!(text.trim_end_matches('\n'), whole.trim_end_matches('\n'));
        }
    }

    /// A path names a file only in the spelling that we would give it.
    #[test]
    fn paths_are_read_back_or_not_at_all(
        row in prop_oneof![Just("entries".to_owned()), "[0-9]{1,3}", "\\PC{0,8}"],
        number in prop_oneof!["[0-9]{3}", "(x[0-9]{3}/){0,8}[0-9]{3}", "\\PC{0,30}"],
        width in prop_oneof![Just(String::new()), "\\.p/[0-9]{1,25}", "\\PC{0,12}"],
    ) {
        let path = format!("tile/{row}/{number}{width}");
        if let Some(file) = FileName::parse(&path) {
            prop_assert_eq!(file.path(), path);
            prop_assert!((1..=256).contains(&file.width));
        }
    }

    /// Whatever lies in the folder, and whatever the (rightly signed) checkpoint claims: an
    /// answer, without asking for more than the standard's largest file, and without many
    /// more reads than there are files.
    #[test]
    fn folders_of_anything_are_judged(
        paths in prop::collection::vec(("(tile/(entries|[0-9])/(x[0-9]{3}/){0,2}[0-9]{3}(\\.p/[0-9]{1,3})?|\\PC{1,20})", prop::collection::vec(any::<u8>(), 0..200)), 0..6),
        gone in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        size in prop::option::of(awkward()),
        spoils in prop::collection::vec((any::<prop::sample::Index>(), any::<usize>(), any::<u8>()), 0..4),
    ) {
        let mut files = shared().files.clone();
        for index in gone {
            let path = index.get(&files.keys().cloned().collect::<Vec<_>>()).clone();
            if path != CHECKPOINT_PATH {
                files.remove(&path);
            }
        }
        for (index, at, byte) in spoils {
            let path = index.get(&files.keys().cloned().collect::<Vec<_>>()).clone();
            let bytes = files.get_mut(&path).unwrap();
            let place = at % bytes.len().max(1);
            if let Some(place) = bytes.get_mut(place) {
                *place = byte;
            }
        }
        files.extend(paths);
        if let Some(size) = size {
            let signer = crate::audit_log::signer(1, NAME);
            let note = signer.sign_checkpoint(size, &Hash::EMPTY_TREE);
            files.insert(CHECKPOINT_PATH.to_owned(), note.into_bytes());
        }
        let source = Counted::new(&files);
        let report = verify_log(&source, &shared().key()).unwrap();
        prop_assert!(source.most_asked() <= LONGEST_BUNDLE);
        prop_assert!(source.reads() <= 20 * (files.len() + 20), "{}", source.reads());
        let touched = files != shared().files;
        prop_assert!(!touched || !report.is_sound() || size.is_none(), "{:?}", report);
        prop_assert!(report.is_sound() == (report.signed && report.findings.is_empty()
            && report.recomputed_root.is_some()));
    }

    /// Bundles whose lengths lie.
    #[test]
    fn bundles_of_anything_are_judged(
        bytes in prop::collection::vec(any::<u8>(), 0..2_000),
        bundle in prop::sample::select(vec!["tile/entries/000", "tile/entries/002.p/188"]),
    ) {
        let mut files = shared().files.clone();
        files.insert(bundle.to_owned(), bytes);
        let report = verify_log(&files, &shared().key()).unwrap();
        prop_assert!(!report.is_sound());
        prop_assert!(report.findings.iter().any(|finding| finding.path == bundle));
    }

    /// Proofs of sizes and indices that no log has: false, at once.
    #[test]
    fn absurd_proofs_are_false(
        (index, size, old) in (awkward(), awkward(), awkward()),
        length in 0_usize..140,
    ) {
        let (leaf, path) = ([7; 32], vec![[9; 32]; length]);
        prop_assert!(!is_included(&leaf, index, size, &path, &[8; 32]));
        let equal = old == size && path.is_empty();
        let held = is_consistent((old, &leaf), (size, &[8; 32]), &path);
        prop_assert!(!held && (!equal || old == size));
        // The writing side refuses to prove what is not there.
        for proof in [
            tiles_for_inclusion(size, index).map(drop),
            tiles_for_consistency(old, size).map(drop),
            inclusion_proof(&Frontier::empty(), size, index).map(drop),
            consistency_proof(&Frontier::empty(), old, size).map(drop),
        ] {
            let known = matches!(
                proof,
                Ok(()) | Err(AuditError::BeyondTree | AuditError::MissingHash { .. })
            );
            prop_assert!(known, "{:?}", proof);
        }
    }

    /// Checkpoints of the future or of an absurd size, rightly signed: the tiles don't bear
    /// them out, and nobody goes on a journey to find that.
    #[test]
    fn absurd_checkpoints_are_not_consistent((old, new) in (awkward(), awkward())) {
        let signer = crate::audit_log::signer(1, NAME);
        let signed = |size| {
            let note = signer.sign_checkpoint(size, &Hash::new([7; 32]));
            verify_checkpoint(note.as_bytes(), &shared().key())
        };
        let absurd = old.max(new) > i64::MAX as u64;
        let (Ok(earlier), Ok(later)) = (signed(old), signed(new)) else {
            prop_assert!(absurd);
            return Ok(());
        };
        let source = Counted::new(&shared().files);
        let checked = verify_consistency(&source, &earlier, &later).unwrap();
        prop_assert_eq!(checked.is_ok(), old == new && old != 0);
        prop_assert!(source.reads() <= 200 && source.most_asked() <= LONGEST_BUNDLE);
    }

    #[test]
    fn receipts_prove_what_they_were_given_for_or_nothing(
        at in 0_usize..700,
        index in prop::option::of(awkward()),
        spoils in prop::collection::vec(spoil(), 0..3),
        (place, byte) in (any::<usize>(), any::<u8>()),
    ) {
        let (log, key) = (shared(), shared().key());
        let honest = serde_json::to_vec(&log.receipts[at]).unwrap();
        let mut bytes = spoilt(&honest, &spoils);
        if !spoils.is_empty() && !bytes.is_empty() {
            let place = place % bytes.len();
            bytes[place] = byte;
        }
        let receipt: Receipt = match serde_json::from_slice(&bytes) {
            Ok(receipt) => receipt,
            Err(_) => return Ok(()),
        };
        let receipt = Receipt { leaf_index: index.unwrap_or(receipt.leaf_index), ..receipt };
        let unchanged = serde_json::from_slice::<Receipt>(&honest).unwrap() == receipt;
        let now = verify_checkpoint(&log.files[CHECKPOINT_PATH], &key).unwrap();
        match verify_receipt(&receipt, None, &key) {
            Ok(_) => prop_assert!(unchanged, "{:?}", receipt),
            Err(problem) => silent(&problem)?,
        }
        let held = verify_receipt_in_log(&log.files, &receipt, &key, &now).unwrap();
        prop_assert_eq!(held.is_ok(), unchanged);
    }

    /// A leaf spoilt in one place is another lawful leaf, or none; the error says no word of it.
    #[test]
    fn leaves_are_read_as_written_or_not_at_all(
        at in 0_usize..700,
        spoils in prop::collection::vec(spoil(), 0..2),
        (place, byte) in (any::<usize>(), any::<u8>()),
    ) {
        let mut bytes = spoilt(&shared().entries[at], &spoils);
        if !bytes.is_empty() {
            let place = place % bytes.len();
            bytes[place] = byte;
        }
        let mut scratch = Vec::new();
        match leaf::read(&bytes, &mut scratch) {
            Ok(read) => prop_assert_eq!(serde_json::to_vec(&read).unwrap(), bytes.clone()),
            Err(problem) => silent(&problem)?,
        }
        match Leaf::decode(&bytes) {
            Ok(read) => prop_assert_eq!(read.encode().unwrap(), bytes),
            Err(error) => silent(&error)?,
        }
    }
}

#[test]
fn what_is_too_long_is_refused_unread() {
    let key = shared().key();
    let whole = String::from_utf8(shared().files[CHECKPOINT_PATH].clone()).unwrap();
    let long = whole + &format!("\u{2014} {CANARY} {}\n", "A".repeat(note::MAX_NOTE_BYTES));
    let problem = verify_checkpoint(long.as_bytes(), &key).unwrap_err();
    assert!(
        matches!(problem, NoteProblem::NotText { .. }) && !problem.to_string().contains(CANARY)
    );
    // Ten thousand signature lines, within the limit or not, are looked at once each.
    let lines = "\u{2014} a AAAAAAA=\n".repeat(2_000);
    let many = String::from_utf8(shared().files[CHECKPOINT_PATH].clone()).unwrap() + &lines;
    assert!(verify_checkpoint(many.as_bytes(), &key).is_err());
}

/// Files that are far longer than the standard allows are not read to their end.
#[test]
fn a_file_without_end_is_read_in_part() {
    let folder = tempfile::tempdir().unwrap();
    for (path, bytes) in &shared().files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    // Sparse: a tebibyte that takes no room.
    for path in [CHECKPOINT_PATH, "tile/0/000", "tile/entries/001"] {
        let file = std::fs::OpenOptions::new().write(true).open(folder.path().join(path)).unwrap();
        file.set_len(1 << 40).unwrap();
        drop(file);
        let source = tallygate::verify::Directory::new(folder.path());
        let report = verify_log(&source, &shared().key()).unwrap();
        let named = report.findings.iter().any(|finding| {
            let long = matches!(finding.problem, Problem::WrongLength | Problem::Note(_));
            finding.path == path && long
        });
        assert!(named, "{path}: {:?}", report.findings);
        std::fs::write(folder.path().join(path), &shared().files[path]).unwrap();
    }
}
