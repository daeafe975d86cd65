//! The log as the gateway writes it, before the verifier that shares no code with it.
//!
//! What this can't find: a mistake in the standards' reading that both sides share. The
//! published vectors and the foreign verifiers are for that.

use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use tallygate::{
    audit::{
        Detail, Frontier, Hash, Leaf, LeafKind, LogSigner, PreviousLog, Receipt, SizeClass,
        TileFile,
        detail::item_hash,
        leaf_hash,
        tile::{CHECKPOINT_PATH, TileKind, encode_bundle, encode_hashes, plan, superseded},
    },
    verify::{
        Directory, Place, Problem, ReceiptProblem, Report, VerifierKey, detail_is_committed, leaf,
        note::verify_checkpoint, receipt, verify_consistency, verify_log,
    },
};

pub(crate) type Files = BTreeMap<String, Vec<u8>>;

pub(crate) fn signer(seed: u8, name: &str) -> LogSigner {
    LogSigner::from_seed(name.parse().unwrap(), &[seed; 32]).unwrap()
}

pub(crate) const NAME: &str = "tallygate.example/test/2026";

/// A writer that keeps what a store would keep.
pub(crate) struct Log {
    signer: LogSigner,
    frontier: Frontier,
    pub(crate) entries: Vec<Vec<u8>>,
    hashes: BTreeMap<(u8, u64), Hash>,
    pub(crate) files: Files,
    pub(crate) receipts: Vec<Receipt>,
}

impl Log {
    fn new(signer: LogSigner) -> Self {
        Self {
            signer,
            frontier: Frontier::empty(),
            entries: Vec::new(),
            hashes: BTreeMap::new(),
            files: Files::new(),
            receipts: Vec::new(),
        }
    }

    fn append(&mut self, entries: &[Vec<u8>]) {
        let leaves: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
        let appended = self.frontier.append(&leaves).unwrap();
        self.hashes
            .extend(appended.new_hashes.iter().map(|new| ((new.level, new.index), new.hash)));
        self.entries.extend_from_slice(entries);
        let checkpoint = self.signer.sign_checkpoint(appended.frontier.size(), &appended.root);
        for (index, (hash, leaf)) in (appended.old_size..).zip(leaves.iter().zip(entries)) {
            let (leaf, checkpoint) = (leaf.clone(), checkpoint.clone());
            let receipt = Receipt::of(&appended, index, *hash, leaf, checkpoint).unwrap();
            self.receipts.push(receipt);
        }
        let files: Vec<TileFile> = plan(appended.old_size, appended.frontier.size()).collect();
        for file in files {
            self.project(file);
        }
        self.files.insert(CHECKPOINT_PATH.to_owned(), checkpoint.into_bytes());
        self.frontier = appended.frontier;
    }

    fn project(&mut self, file: TileFile) {
        let range = file.first()..file.first() + file.width as u64;
        let bytes = match file.kind {
            TileKind::Entries => {
                let entries = range.map(|n| self.entries[usize::try_from(n).unwrap()].as_slice());
                encode_bundle(entries).unwrap()
            }
            TileKind::Hashes(level) => {
                let hashes: Vec<Hash> = range.map(|n| self.hashes[&(level, n)]).collect();
                encode_hashes(&hashes)
            }
        };
        assert!(self.files.insert(file.path(), bytes).is_none(), "{}", file.path());
    }

    pub(crate) fn key(&self) -> VerifierKey {
        self.signer.vkey().parse().unwrap()
    }

    fn report(&self, files: &Files) -> Report {
        verify_log(files, &self.key()).unwrap()
    }
}

pub(crate) fn entry(n: u64) -> Vec<u8> {
    let at = Timestamp::from_second(1_780_000_000).unwrap()
        + SignedDuration::from_millis(n.cast_signed());
    let mut leaf = if n % 7 == 3 {
        Leaf::refused(at, "area_not_covered".parse().unwrap())
    } else {
        Leaf::new(LeafKind::QueryAnswered, at)
    };
    leaf.partner = Some("centres".parse().unwrap());
    leaf.partner_sequence = Some(n + 1);
    leaf.encode().unwrap()
}

fn entries(count: u64) -> Vec<Vec<u8>> {
    (0..count).map(entry).collect()
}

/// 700 entries in uneven steps: two full tiles, a partial one, and older partial files.
pub(crate) fn log() -> Log {
    let mut log = Log::new(signer(1, NAME));
    let entries = entries(700);
    for (from, to) in [(0, 1), (1, 200), (200, 256), (256, 257), (257, 600), (600, 700)] {
        log.append(&entries[from..to]);
    }
    log
}

#[test]
fn a_log_as_written_is_sound() {
    let log = log();
    let report = log.report(&log.files);
    assert!(report.is_sound(), "{:?}", report.findings);
    assert_eq!(report.size, Some(700));
    assert_eq!((report.leaves, report.refusals["area_not_covered"]), (700, 100));
    assert_eq!((report.notices.len(), report.files), (0, log.files.len() as u64));
    assert_eq!(report.first_at.as_deref(), Some("2026-05-28T20:26:40.000000Z"));
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["kinds"]["query_answered"], 600);
    // Without the files that wider ones replaced it is as sound.
    let mut lean = log.files.clone();
    for (old, new) in [(1, 200), (200, 256), (257, 600), (600, 700)] {
        for file in superseded(old, new) {
            assert!(lean.remove(&file.path()).is_some(), "{}", file.path());
        }
    }
    let report = log.report(&lean);
    assert!(report.is_sound(), "{:?}", report.findings);
    assert_eq!(lean.len(), 8);
}

/// Around the borders of tiles, grown in one step and one by one at the end.
#[test]
fn logs_of_every_awkward_size_are_sound() {
    for size in [0, 1, 2, 3, 255, 256, 257, 511, 512, 513] {
        let mut log = Log::new(signer(1, NAME));
        let entries = entries(size + 1);
        let (last, first) = entries.split_last().unwrap();
        log.append(first);
        let report = log.report(&log.files);
        assert!(report.is_sound(), "{size}: {:?}", report.findings);
        assert_eq!(report.leaves, size);
        log.append(std::slice::from_ref(last));
        let report = log.report(&log.files);
        assert!(report.is_sound(), "{}: {:?}", size + 1, report.findings);
    }
}

/// Three levels of tiles, written and read.
#[test]
fn a_log_of_three_levels_is_sound_and_its_upper_tiles_are_checked() {
    let mut log = Log::new(signer(1, NAME));
    log.append(&entries(65_536 + 300));
    let report = log.report(&log.files);
    assert!(report.is_sound(), "{:?}", report.findings);
    assert_eq!(report.leaves, 65_836);
    for (path, number) in [("tile/1/000", 255), ("tile/1/001.p/1", 0), ("tile/2/000.p/1", 0)] {
        let mut spoilt = log.files.clone();
        spoilt.get_mut(path).unwrap()[number * 32 + 31] ^= 0x10;
        let report = log.report(&spoilt);
        assert_eq!(report.findings.len(), 1, "{:?}", report.findings);
        assert_eq!(report.findings[0].path, path);
        assert_eq!(report.findings[0].place, Place::Hash(number));
        assert_eq!(report.findings[0].problem, Problem::HashAltered);
    }
}

/// Where an entry begins in its bundle, for each entry.
fn starts(bundle: &[u8]) -> Vec<usize> {
    let (mut starts, mut at) = (Vec::new(), 0);
    while at < bundle.len() {
        starts.push(at);
        at += 2 + usize::from(u16::from_be_bytes([bundle[at], bundle[at + 1]]));
    }
    starts
}

/// In every file: every length prefix, and one byte in 241 of the rest, on changing bits.
/// (Every byte of a smaller log, one level high, is flipped in the verifier's own tests.)
#[test]
fn flipped_bytes_are_named_by_file_and_place() {
    let log = log();
    let mut flipped = 0;
    for (path, bytes) in &log.files {
        let is_bundle = path.starts_with("tile/entries");
        let starts = if is_bundle { starts(bytes) } else { Vec::new() };
        let is_prefix = |at: usize| starts.contains(&at) || (at > 0 && starts.contains(&(at - 1)));
        for at in
            (0..bytes.len()).filter(|at| at % 241 == 7 || path == "checkpoint" || is_prefix(*at))
        {
            let mut spoilt = log.files.clone();
            spoilt.get_mut(path).unwrap()[at] ^= 1 << (at % 8);
            let report = log.report(&spoilt);
            assert!(!report.is_sound());
            let place = if is_bundle {
                Some(Place::Entry(starts.partition_point(|start| *start <= at) - 1))
            } else {
                (path != "checkpoint").then_some(Place::Hash(at / 32))
            };
            let named = report.findings.iter().any(|finding| {
                finding.path == *path && place.is_none_or(|place| finding.place == place)
            });
            assert!(named, "{path} byte {at}: {:?}", report.findings);
            assert!(
                place.is_none() || report.findings.len() == 1,
                "{path} {at}: {:?}",
                report.findings
            );
            flipped += 1;
        }
    }
    assert!(flipped > 2_000, "{flipped}");
}

/// Writes anew, from entries, what a forger who lacks the log's key can write.
pub(crate) fn rebuilt(entries: &[Vec<u8>], seed: u8, name: &str) -> Log {
    let mut log = Log::new(signer(seed, name));
    log.append(entries);
    log
}

/// Each way of tampering with a log, and a finding that must come of it.
#[test]
fn tampered_logs_are_refused() {
    let log = log();
    let checkpoint = log.files[CHECKPOINT_PATH].clone();
    let honest = rebuilt(&entries(700), 1, NAME);
    assert_eq!(honest.files[CHECKPOINT_PATH], checkpoint);
    let with_old_checkpoint = |entries: &[Vec<u8>]| {
        let mut files = rebuilt(entries, 9, NAME).files;
        files.insert(CHECKPOINT_PATH.to_owned(), checkpoint.clone());
        files
    };
    let refused = |what: &str, files: &Files, path: &str, problem: &dyn Fn(&Problem) -> bool| {
        let report = log.report(files);
        assert!(!report.is_sound(), "{what}");
        let named = report.findings.iter().any(|f| f.path == path && problem(&f.problem));
        assert!(named, "{what}: {:?}", report.findings);
    };
    let is_root = |problem: &Problem| *problem == Problem::RootDiffers;
    let is_note = |problem: &Problem| matches!(problem, Problem::Note(_));

    let mut dropped = entries(700);
    dropped.remove(42);
    let missing = |problem: &Problem| matches!(problem, Problem::Missing { .. });
    refused("dropped entry", &with_old_checkpoint(&dropped), "tile/0/002.p/188", &missing);
    dropped.push(entry(700));
    refused("dropped and filled up", &with_old_checkpoint(&dropped), CHECKPOINT_PATH, &is_root);

    let mut reordered = entries(700);
    reordered.swap(10, 650);
    refused("reordered", &with_old_checkpoint(&reordered), CHECKPOINT_PATH, &is_root);

    let mut altered = entries(700);
    altered[300] = entry(1_300);
    refused("altered, tree made anew", &with_old_checkpoint(&altered), CHECKPOINT_PATH, &is_root);

    refused("signed by another key", &rebuilt(&altered, 9, NAME).files, CHECKPOINT_PATH, &is_note);
    let other = rebuilt(&entries(700), 1, "tallygate.example/other/2026");
    refused("another origin", &other.files, CHECKPOINT_PATH, &is_note);

    let mut truncated = log.files.clone();
    truncated.remove("tile/entries/002.p/188");
    refused("bundle removed", &truncated, "tile/entries/002.p/188", &missing);
    let mut truncated = log.files.clone();
    truncated.get_mut("tile/entries/001").unwrap().truncate(1_000);
    refused("bundle cut", &truncated, "tile/entries/001", &|p| *p == Problem::WrongLength);
    let mut truncated = log.files.clone();
    truncated.get_mut("tile/0/001").unwrap().truncate(1_000);
    refused("tile cut", &truncated, "tile/0/001", &|p| *p == Problem::WrongLength);

    let mut swapped = honest.files.clone();
    let (one, two) = (swapped["tile/0/000"].clone(), swapped["tile/0/001"].clone());
    swapped.insert("tile/0/000".to_owned(), two);
    swapped.insert("tile/0/001".to_owned(), one);
    refused("swapped tiles", &swapped, "tile/0/000", &|p| *p == Problem::HashAltered);
    let mut swapped = honest.files.clone();
    let (one, two) = (swapped["tile/entries/000"].clone(), swapped["tile/entries/001"].clone());
    swapped.insert("tile/entries/000".to_owned(), two);
    swapped.insert("tile/entries/001".to_owned(), one);
    refused("swapped bundles", &swapped, "tile/entries/001", &|p| *p == Problem::EntryAltered);

    let mut rolled_back = log.files.clone();
    let earlier = log.receipts[10].checkpoint.clone().into_bytes();
    rolled_back.insert(CHECKPOINT_PATH.to_owned(), earlier);
    let beyond = |problem: &Problem| *problem == Problem::BeyondCheckpoint;
    refused("rolled back, tiles left", &rolled_back, "tile/0/001", &beyond);

    let mut extra = log.files.clone();
    extra.insert("tile/0/000.tmp".to_owned(), vec![]);
    refused("stray file", &extra, "tile/0/000.tmp", &|p| *p == Problem::Unexpected);
    let mut extra = log.files.clone();
    extra.insert("tile/0/002.p/189".to_owned(), vec![0; 189 * 32]);
    refused("tile too wide", &extra, "tile/0/002.p/189", &beyond);

    let strange = rebuilt(&[entry(0), b"{\"v\":1}".to_vec()], 1, NAME);
    let unknown = |problem: &Problem| matches!(problem, Problem::NotALeaf(_));
    refused("entry that is no leaf", &strange.files, "tile/entries/000.p/2", &unknown);
}

/// Both an entry and its leaf hash changed in step, or each in its own way.
#[test]
fn tampering_on_two_levels_is_named() {
    let log = log();
    let mut files = log.files.clone();
    let bundle = files.get_mut("tile/entries/000").unwrap();
    let at = starts(bundle)[5];
    bundle[at + 40] ^= 1;
    let spoilt_hash = leaf_hash(&bundle[at + 2..starts(&log.files["tile/entries/000"])[6]]);
    files.get_mut("tile/0/000").unwrap()[5 * 32..6 * 32].copy_from_slice(spoilt_hash.as_bytes());
    let report = log.report(&files);
    // Bundle and leaf tile agree, so the tile above is where it shows, and the root.
    let paths: Vec<&str> = report.findings.iter().map(|f| f.path.as_str()).collect();
    assert!(paths.contains(&"tile/1/000.p/2") && paths.contains(&CHECKPOINT_PATH), "{paths:?}");
    files.get_mut("tile/0/000").unwrap()[5 * 32] ^= 1;
    let report = log.report(&files);
    let both = |path: &str, place| {
        let problem = Problem::EntryAndHashDiffer;
        report.findings.iter().any(|f| f.path == path && f.place == place && f.problem == problem)
    };
    assert!(both("tile/entries/000", Place::Entry(5)), "{:?}", report.findings);
    assert!(both("tile/0/000", Place::Hash(5)), "{:?}", report.findings);
}

/// A checkpoint that claims more than any disk holds ends at once.
#[test]
fn a_huge_claim_is_no_journey() {
    let log = log();
    for size in [701, 1 << 40, u64::MAX] {
        let mut files = log.files.clone();
        let note = log.signer.sign_checkpoint(size, &Hash::EMPTY_TREE).into_bytes();
        files.insert(CHECKPOINT_PATH.to_owned(), note);
        let report = log.report(&files);
        assert!(!report.is_sound());
        assert!(report.findings.len() < 30, "{:?}", report.findings);
    }
}

fn as_kept(receipt: &Receipt) -> receipt::Receipt {
    serde_json::from_value(serde_json::to_value(receipt).unwrap()).unwrap()
}

#[test]
fn receipts_prove_their_leaves_and_nothing_else() {
    let log = log();
    let key = log.key();
    let now = verify_checkpoint(&log.files[CHECKPOINT_PATH], &key).unwrap();
    let in_log = |receipt: &receipt::Receipt| {
        receipt::verify_receipt_in_log(&log.files, receipt, &key, &now).unwrap()
    };
    for (n, receipt) in log.receipts.iter().enumerate() {
        let receipt = as_kept(receipt);
        let checked = receipt::verify_receipt(&receipt, Some(&log.entries[n]), &key);
        assert!(checked.is_ok_and(|checkpoint| checkpoint.size > n as u64));
        assert_eq!(in_log(&receipt), Ok(()));
    }
    let good = as_kept(&log.receipts[300]);
    let check = |receipt: &receipt::Receipt, entry: &[u8]| {
        receipt::verify_receipt(receipt, Some(entry), &key).unwrap_err()
    };
    assert_eq!(check(&good, &log.entries[301]), ReceiptProblem::OtherEntry);
    let other_place = receipt::Receipt { leaf_index: 301, ..good.clone() };
    assert_eq!(check(&other_place, &log.entries[300]), ReceiptProblem::NotIncluded);
    let mut other_path = good.clone();
    other_path.proof[0][0] ^= 1;
    assert_eq!(check(&other_path, &log.entries[300]), ReceiptProblem::NotIncluded);
    let other_log = signer(1, "tallygate.example/other/2026").vkey().parse().unwrap();
    let checked = receipt::verify_receipt(&good, None, &other_log);
    assert!(matches!(checked, Err(ReceiptProblem::Note(_))));

    // A log that no longer contains what a receipt proves: misbehaviour, and provable.
    let mut forked = entries(700);
    forked[300] = entry(1_300);
    let forked = rebuilt(&forked, 1, NAME);
    let theirs = verify_checkpoint(&forked.files[CHECKPOINT_PATH], &key).unwrap();
    let against = |receipt| {
        receipt::verify_receipt_in_log(&forked.files, &as_kept(receipt), &key, &theirs).unwrap()
    };
    assert_eq!(against(&log.receipts[300]), Err(ReceiptProblem::Rewritten));
    assert_eq!(against(&log.receipts[650]), Err(ReceiptProblem::Forked));
    assert_eq!(against(&log.receipts[10]), Ok(()));
}

#[test]
fn checkpoints_of_one_log_are_consistent_and_others_are_not() {
    let log = log();
    let key = log.key();
    let read = |note: &str| verify_checkpoint(note.as_bytes(), &key).unwrap();
    let now = read(&log.receipts[699].checkpoint);
    for receipt in &log.receipts {
        let earlier = read(&receipt.checkpoint);
        assert_eq!(verify_consistency(&log.files, &earlier, &now).unwrap(), Ok(()));
    }
    let empty = read(&log.signer.sign_checkpoint(0, &Hash::EMPTY_TREE));
    assert_eq!(verify_consistency(&log.files, &empty, &now).unwrap(), Ok(()));
    let earlier = read(&log.receipts[0].checkpoint);
    let no_log = read(&log.signer.sign_checkpoint(0, &Hash::new([7; 32])));
    let checked = verify_consistency(&log.files, &no_log, &now).unwrap();
    assert_eq!(checked, Err(ReceiptProblem::Rewritten));
    let rolled_back = verify_consistency(&log.files, &now, &earlier).unwrap();
    assert_eq!(rolled_back, Err(ReceiptProblem::RolledBack));
    let mut files = log.files.clone();
    files.remove("tile/0/000");
    let checked = verify_consistency(&files, &earlier, &now).unwrap();
    assert_eq!(checked, Err(ReceiptProblem::MissingTile { path: "tile/0/000".to_owned() }));
}

#[test]
fn a_folder_is_read_like_memory() {
    let log = log();
    let folder = tempfile::tempdir().unwrap();
    for (path, bytes) in &log.files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let source = Directory::new(folder.path());
    assert_eq!(verify_log(&source, &log.key()).unwrap(), log.report(&log.files));
    assert!(verify_log(&Directory::new(folder.path().join("nowhere")), &log.key()).is_err());
}

/// The two lists of kinds and size classes, kept apart on purpose, say the same.
#[test]
fn every_leaf_the_gateway_can_write_is_one_the_auditor_knows() {
    let mut scratch = Vec::new();
    for kind in LeafKind::ALL {
        let mut leaf = Leaf::new(*kind, Timestamp::UNIX_EPOCH);
        leaf.notes.previous =
            Some(PreviousLog { origin: NAME.parse().unwrap(), root: Hash::EMPTY_TREE, size: 3 });
        for count in [0, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000] {
            leaf.size_class = Some(SizeClass::of(count));
            let entry = leaf.encode().unwrap();
            assert_eq!(leaf::read(&entry, &mut scratch).unwrap().kind, Some(kind.name()));
        }
    }
    assert_eq!(LeafKind::ALL.len(), leaf::KINDS.len());
}

/// One item laid open matches its leaf; with a neighbour erased it still does.
#[test]
fn a_detail_laid_open_matches_its_commitment() {
    let items: [(&[u8; 16], &[u8]); 3] =
        [(&[1; 16], b"first"), (&[2; 16], b"second"), (&[3; 16], b"third")];
    let detail = Detail::new(items.iter().map(|(salt, item)| item_hash(salt, item)).collect());
    let commitment = *detail.commitment().unwrap().as_bytes();
    for (index, item) in (0..).zip(items) {
        let opening = detail.open(index).unwrap();
        let path: Vec<[u8; 32]> = opening.path.iter().map(|hash| *hash.as_bytes()).collect();
        let check = |item| detail_is_committed(&commitment, item, index, opening.size, &path);
        assert!(check(item));
        assert!(!check((item.0, b"other".as_slice())));
        assert!(!check((&[9; 16], item.1)));
    }
}
