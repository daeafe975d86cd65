//! The witness's state machine: what is cosigned, what survives a crash, who wins.

use super::{Answer, Watched, Witness, WitnessSigner};
use crate::{
    audit::{Frontier, Hash, LogName, LogSigner, TileSet, leaf_hash, tree},
    keys::SigningKey,
    verify::{VerifierKey, WitnessKey, note},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use proptest::prelude::*;
use std::{
    fs,
    path::Path,
    sync::{Arc, Barrier},
};

const ORIGIN: &str = "log.example/2026";
const NOW: i64 = 1_790_000_000;

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

/// A log of numbered leaves, of a history of its own by `salt`.
struct Log {
    signer: LogSigner,
    hashes: Vec<Hash>,
}

impl Log {
    fn new(seed: u8) -> Self {
        let name: LogName = ORIGIN.parse().unwrap();
        Self { signer: LogSigner::from_seed(name, &[seed; 32]).unwrap(), hashes: Vec::new() }
    }

    fn grown(mut self, until: u64, salt: u8) -> Self {
        for number in self.hashes.len() as u64..until {
            self.hashes.push(leaf_hash(&[&number.to_be_bytes()[..], &[salt]].concat()));
        }
        self
    }

    fn note(&self, size: usize) -> String {
        let tree = Frontier::empty().append(&self.hashes[..size]).unwrap();
        self.signer.sign_checkpoint(size as u64, &tree.root)
    }

    fn proof(&self, old: u64, new: u64) -> Vec<Hash> {
        let mut tiles = TileSet::default();
        for id in tree::tiles_for_consistency(old, new).unwrap() {
            assert_eq!(id.level, 0, "small logs only");
            let first = usize::try_from(id.first()).unwrap();
            let width = id.width(new);
            tiles.insert(id, &self.hashes[first..first + width]).unwrap();
        }
        tree::consistency_proof(&tiles, old, new).unwrap()
    }

    /// The request that a gateway sends.
    fn request(&self, old: u64, new: u64) -> Vec<u8> {
        body(old, &self.proof(old, new), &self.note(usize::try_from(new).unwrap()))
    }

    fn vkey(&self) -> VerifierKey {
        self.signer.vkey().parse().unwrap()
    }
}

fn body(old: u64, proof: &[Hash], note: &str) -> Vec<u8> {
    let lines: String =
        proof.iter().map(|hash| format!("{}\n", STANDARD.encode(hash.as_bytes()))).collect();
    format!("old {old}\n{lines}\n{note}").into_bytes()
}

fn signer() -> WitnessSigner {
    let der = hex::decode("302e020100300506032b657004220420".to_owned() + &"2a".repeat(32));
    let key = SigningKey::from_pkcs8(&der.unwrap()).unwrap();
    WitnessSigner::new("oversight.example/witness", key).unwrap()
}

fn key() -> WitnessKey {
    signer().vkey().parse().unwrap()
}

fn watched(origin: Option<&str>, key: VerifierKey) -> Watched {
    let mut watched = Watched::default();
    watched.watch(origin, key);
    watched
}

fn open(folder: &Path) -> Witness {
    Witness::open(signer(), watched(None, Log::new(1).vkey()), folder).unwrap()
}

#[track_caller]
fn cosigned(answer: Answer, note: &str) {
    let Answer::Cosigned(line) = answer else { panic!("not cosigned: {answer:?}") };
    let note = format!("{note}{line}");
    let opened = note::read(note.as_bytes()).unwrap();
    assert!(key().cosigned_at(&opened).unwrap().is_some());
}

#[test]
fn what_grows_is_cosigned_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let witness = open(folder.path());
    let log = Log::new(1).grown(12, 0);
    // Asked what it has seen of a log it has never seen.
    cosigned(witness.add_checkpoint(&log.request(0, 5), now()), &log.note(5));
    assert_eq!(witness.add_checkpoint(&log.request(0, 7), now()), Answer::Conflict { size: 5 });
    assert_eq!(witness.add_checkpoint(&log.request(4, 7), now()), Answer::Conflict { size: 5 });
    // The same again: the same state, said anew.
    cosigned(witness.add_checkpoint(&log.request(5, 5), now()), &log.note(5));
    cosigned(witness.add_checkpoint(&log.request(5, 12), now()), &log.note(12));
    // Back to where it was: never.
    assert_eq!(witness.add_checkpoint(&log.request(5, 7), now()), Answer::Conflict { size: 12 });
    assert_eq!(witness.add_checkpoint(&log.request(0, 0), now()), Answer::Conflict { size: 12 });
    // A time that went back, and a clock before 1970.
    let earlier = Timestamp::from_second(NOW - 1).unwrap();
    let ask = |at| witness.add_checkpoint(&log.request(12, 12), at);
    assert_eq!(ask(earlier), Answer::ClockWentBack);
    assert_eq!(ask(Timestamp::from_second(-1).unwrap()), Answer::ClockWentBack);
}

#[test]
fn a_time_that_was_given_away_outlives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::new(1).grown(5, 0);
    let at = |seconds: i64| Timestamp::from_second(NOW + seconds).unwrap();
    {
        let witness = open(folder.path());
        cosigned(witness.add_checkpoint(&log.request(0, 5), at(0)), &log.note(5));
        // The same size again, a minute later: only the time is new.
        cosigned(witness.add_checkpoint(&log.request(5, 5), at(60)), &log.note(5));
    }
    let witness = open(folder.path());
    let behind = witness.add_checkpoint(&log.request(5, 5), at(59));
    assert_eq!(behind, Answer::ClockWentBack);
    cosigned(witness.add_checkpoint(&log.request(5, 5), at(60)), &log.note(5));
}

#[test]
fn a_fork_and_a_false_proof_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let witness = open(folder.path());
    let log = Log::new(1).grown(5, 0);
    cosigned(witness.add_checkpoint(&log.request(0, 5), now()), &log.note(5));
    let fork = Log::new(1).grown(9, 7);
    assert_eq!(witness.add_checkpoint(&fork.request(5, 5), now()), Answer::Conflict { size: 5 });
    assert_eq!(witness.add_checkpoint(&fork.request(5, 9), now()), Answer::NotConsistent);
    let log = log.grown(9, 0);
    let proof = log.proof(5, 9);
    let longer = [&proof[..], &proof[..1]].concat();
    for wrong in [&proof[1..], &[], &longer[..]] {
        let answer = witness.add_checkpoint(&body(5, wrong, &log.note(9)), now());
        assert_eq!(answer, Answer::NotConsistent);
    }
    assert_eq!(
        witness.add_checkpoint(&body(5, &proof[..1], &log.note(5)), now()),
        Answer::NotConsistent,
        "a proof where none belongs"
    );
    cosigned(witness.add_checkpoint(&log.request(5, 9), now()), &log.note(9));
}

#[test]
fn the_empty_tree_has_one_root_and_is_continued_by_all() {
    let folder = tempfile::tempdir().unwrap();
    let witness = open(folder.path());
    let log = Log::new(1).grown(3, 0);
    let wrong = log.signer.sign_checkpoint(0, &Hash::new([9; 32]));
    assert_eq!(witness.add_checkpoint(&body(0, &[], &wrong), now()), Answer::NotConsistent);
    cosigned(witness.add_checkpoint(&log.request(0, 0), now()), &log.note(0));
    let hash = [Hash::new([1; 32])];
    let answer = witness.add_checkpoint(&body(0, &hash, &log.note(3)), now());
    assert_eq!(answer, Answer::NotConsistent, "nothing can be proved about the empty tree");
    cosigned(witness.add_checkpoint(&log.request(0, 3), now()), &log.note(3));
}

#[test]
fn strangers_and_forgers_get_the_standards_answers() {
    let folder = tempfile::tempdir().unwrap();
    let witness = open(folder.path());
    let log = Log::new(1).grown(5, 0);
    let note = log.note(5);
    let ask = |note: &str| witness.add_checkpoint(&body(0, &[], note), now());
    assert_eq!(ask(&note.replace(ORIGIN, "log.example/2027")), Answer::UnknownLog);
    assert_eq!(ask(&Log::new(2).grown(5, 0).note(5)), Answer::NotSigned);
    assert_eq!(ask(&note.replace("\n5\n", "\n6\n")), Answer::NotSigned);
    // A good signature, and one that claims the same key and is none.
    let (head, line) = note.rsplit_once("\u{2014} ").unwrap();
    let other = Log::new(1).grown(4, 0).note(4);
    let other = other.rsplit_once("\u{2014} ").unwrap().1;
    assert_eq!(ask(&format!("{head}\u{2014} {line}\u{2014} {other}")), Answer::NotSigned);
    // Signatures of others are none of its business, and its state keeps none of them.
    let stranger = format!("{note}\u{2014} other.example {}\n", STANDARD.encode([5; 68]));
    cosigned(ask(&stranger), &note);
    let own = signer().cosign("something else", 5).unwrap();
    let again = witness.add_checkpoint(&body(5, &[], &format!("{stranger}{own}")), now());
    cosigned(again, &note);
    drop(witness);
    let witness = open(folder.path());
    let later = witness.add_checkpoint(&body(6, &[], &note), now());
    assert_eq!(later, Answer::Malformed, "an old size beyond the checkpoint's");
    for bytes in [&b""[..], b"old 5\n\n", b"old 5\n\nx\n", b"old 5\n\n\xff\n\n\n\n"] {
        assert_eq!(witness.add_checkpoint(bytes, now()), Answer::Malformed);
    }
}

/// What a crash leaves: whether the reply got out or not, the state is the new one.
#[test]
fn killed_between_keeping_and_replying_it_goes_on_from_what_it_kept() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::new(1).grown(9, 0);
    let witness = open(folder.path());
    cosigned(witness.add_checkpoint(&log.request(0, 5), now()), &log.note(5));
    // The answer never reaches anybody.
    drop(witness.add_checkpoint(&log.request(5, 7), now()));
    drop(witness);
    // A crash before the rename left a draft behind, too.
    let state = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let state = state.into_iter().find(|path| !path.ends_with("lock")).unwrap();
    fs::write(state.with_extension("writing"), "half a").unwrap();
    let witness = open(folder.path());
    let fork = Log::new(1).grown(5, 0).grown(9, 3);
    for other in [fork.request(5, 9), log.request(5, 9), fork.request(0, 6)] {
        assert_eq!(witness.add_checkpoint(&other, now()), Answer::Conflict { size: 7 });
    }
    assert_eq!(witness.add_checkpoint(&fork.request(7, 9), now()), Answer::NotConsistent);
    cosigned(witness.add_checkpoint(&log.request(7, 7), now()), &log.note(7));
    cosigned(witness.add_checkpoint(&log.request(7, 9), now()), &log.note(9));
    // What it keeps, any tool reads: the log's checkpoint with both signatures.
    let kept = fs::read(&state).unwrap();
    note::verify_checkpoint(&kept, &log.vkey()).unwrap();
    assert!(key().cosigned_at(&note::read(&kept).unwrap()).unwrap().is_some());
}

#[test]
fn a_state_that_cannot_be_kept_gives_nothing_away() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("state");
    fs::create_dir(&inner).unwrap();
    let witness = Witness::open(signer(), watched(None, Log::new(1).vkey()), &inner).unwrap();
    let log = Log::new(1).grown(9, 0);
    cosigned(witness.add_checkpoint(&log.request(0, 5), now()), &log.note(5));
    fs::rename(&inner, folder.path().join("gone")).unwrap();
    assert_eq!(witness.add_checkpoint(&log.request(5, 9), now()), Answer::NotKept);
    fs::rename(folder.path().join("gone"), &inner).unwrap();
    cosigned(witness.add_checkpoint(&log.request(5, 9), now()), &log.note(9));
}

#[test]
fn a_state_that_cannot_be_read_stops_the_witness() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Witness::open(signer(), watched(None, Log::new(1).vkey()), folder.path());
    let log = Log::new(1).grown(5, 0);
    let witness = open().unwrap();
    let error = open().unwrap_err().to_string();
    assert!(error.contains("another witness is running"), "{error}");
    cosigned(witness.add_checkpoint(&log.request(0, 5), now()), &log.note(5));
    drop(witness);
    let state = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let state = state.into_iter().find(|path| !path.ends_with("lock")).unwrap();
    let whole = fs::read(&state).unwrap();
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        fs::write(&state, damaged).unwrap();
        // The log's own signature is evidence, not state.
        let text = whole.windows(2).position(|pair| pair == b"\n\n").unwrap();
        let own = whole.iter().rposition(|b| *b == 0xe2).unwrap();
        if at <= text || at >= own {
            assert!(open().is_err(), "byte {at}");
        }
    }
    fs::write(&state, "").unwrap();
    let error = open().unwrap_err().to_string();
    assert!(error.contains("damaged") && error.contains("another key and name"), "{error}");
    fs::remove_file(&state).unwrap();
    fs::create_dir(&state).unwrap();
    assert!(open().is_err());
    let error =
        Witness::open(signer(), Watched::default(), &folder.path().join("none")).unwrap_err();
    assert!(error.to_string().contains("make an empty one"), "{error}");
}

/// Many gateways with many histories at the same moment: exactly one of them is cosigned.
#[test]
fn of_concurrent_submissions_exactly_one_wins() {
    const CALLERS: u8 = 16;
    let folder = tempfile::tempdir().unwrap();
    let witness = Arc::new(open(folder.path()));
    let log = Log::new(1).grown(3, 0);
    cosigned(witness.add_checkpoint(&log.request(0, 3), now()), &log.note(3));
    let barrier = Arc::new(Barrier::new(usize::from(CALLERS)));
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (witness, barrier) = (Arc::clone(&witness), Arc::clone(&barrier));
            std::thread::spawn(move || {
                let fork = Log::new(1).grown(3, 0).grown(4 + u64::from(caller), caller);
                let request = fork.request(3, 4 + u64::from(caller));
                barrier.wait();
                witness.add_checkpoint(&request, now())
            })
        })
        .collect();
    let answers: Vec<Answer> = callers.into_iter().map(|c| c.join().unwrap()).collect();
    let won = answers.iter().filter(|answer| matches!(answer, Answer::Cosigned(_))).count();
    assert_eq!(won, 1, "{answers:?}");
    let sizes: Vec<_> =
        answers.iter().filter(|answer| matches!(answer, Answer::Conflict { .. })).collect();
    assert_eq!(sizes.len(), usize::from(CALLERS) - 1);
    assert!(sizes.iter().all(|answer| *answer == sizes[0]), "all are told the winner's size");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Requests spoilt anywhere: never a panic, and never a cosignature of what was not sent.
    #[test]
    fn spoilt_requests_are_refused(
        at in any::<prop::sample::Index>(),
        value in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let witness = open(folder.path());
        let log = Log::new(1).grown(9, 0);
        cosigned(witness.add_checkpoint(&log.request(0, 5), now()), &log.note(5));
        let whole = log.request(5, 9);
        let mut spoilt = whole.clone();
        let at = at.index(spoilt.len());
        spoilt[at] = value;
        if spoilt != whole {
            prop_assert!(!matches!(witness.add_checkpoint(&spoilt, now()), Answer::Cosigned(_)));
        }
        let cut = &whole[..cut.index(whole.len())];
        prop_assert!(!matches!(witness.add_checkpoint(cut, now()), Answer::Cosigned(_)));
    }
}

/// Signs a text as the log of `signer` would, under a key of this name.
fn signed(text: &str, key_name: &str, seed: u8) -> (String, VerifierKey) {
    let key = aws_lc_rs::signature::Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
    let signer = LogSigner::from_seed(key_name.parse().unwrap(), &[seed; 32]).unwrap();
    let vkey = signer.vkey();
    let id = hex::decode(vkey.split('+').nth(1).unwrap()).unwrap();
    let blob = [&id[..], key.sign(text.as_bytes()).as_ref()].concat();
    let note = format!("{text}\n\u{2014} {key_name} {}\n", STANDARD.encode(blob));
    (note, vkey.parse().unwrap())
}

#[test]
fn extension_lines_foreign_key_names_and_unknown_signatures_are_the_standards() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::new(1).grown(9, 0);
    let text = |size: usize| log.note(size).split_once("\n\n").unwrap().0.to_owned() + "\n";
    let stranger = format!("\u{2014} stranger.example {}\n", STANDARD.encode([9; 76]));
    let (five, key) =
        signed(&format!("{}x-time 12\nanything at all\n", text(5)), "key.example/a", 3);
    let note = five.replacen("\n\n", &format!("\n\n{stranger}"), 1);
    {
        let watched = watched(Some(ORIGIN), key.clone());
        let witness = Witness::open(signer(), watched, folder.path()).unwrap();
        let answer = witness.add_checkpoint(&body(0, &[], &note), now());
        let Answer::Cosigned(line) = answer else { panic!("{answer:?}") };
        // It is the whole text that is cosigned.
        let whole = format!("{note}{line}");
        assert!(key.name() != ORIGIN);
        assert!(
            self::key().cosigned_at(&note::read_any(whole.as_bytes()).unwrap()).unwrap().is_some()
        );
        let altered = note.replace("x-time 12", "x-time 13");
        assert_eq!(witness.add_checkpoint(&body(5, &[], &altered), now()), Answer::NotSigned);
        // The origin's own name is no key here, and an origin of the key's name no log.
        assert_eq!(witness.add_checkpoint(&log.request(5, 9), now()), Answer::NotSigned);
    }
    // After a restart it reads what it kept.
    let witness = Witness::open(signer(), watched(Some(ORIGIN), key), folder.path()).unwrap();
    let (nine, _) = signed(&text(9), "key.example/a", 3);
    let grown = body(5, &log.proof(5, 9), &nine);
    assert!(matches!(witness.add_checkpoint(&grown, now()), Answer::Cosigned(_)));
    // Lines that break the form are still none.
    for bad in [five.replacen("x-time", "\nx-time", 1), five.trim_end().to_owned(), "a\n".into()] {
        assert_eq!(witness.add_checkpoint(&body(0, &[], &bad), now()), Answer::Malformed);
    }
}

#[test]
fn one_key_holds_for_each_year_and_its_neighbours() {
    let folder = tempfile::tempdir().unwrap();
    let vkey = Log::new(1).vkey();
    let open = || {
        let watched = watched(Some("log.example/{year}"), vkey.clone());
        Witness::open(signer(), watched, folder.path()).unwrap()
    };
    let witness = open();
    let note = |year: &str, size: u64| {
        let name: LogName = format!("log.example/{year}").parse().unwrap();
        LogSigner::from_seed(name, &[1; 32]).unwrap().sign_checkpoint(size, &leaf_hash(b"1"))
    };
    let ask = |witness: &Witness, year: &str, old| {
        witness.add_checkpoint(&body(old, &[], &note(year, 1)), now())
    };
    // It is 2026.
    for year in ["2025", "2026", "2027"] {
        cosigned(ask(&witness, year, 0), &note(year, 1));
    }
    for other in ["2024", "2028", "02026", "year", "2026/x"] {
        assert_eq!(ask(&witness, other, 0), Answer::UnknownLog, "{other}");
    }
    let forged = LogSigner::from_seed("log.example/2027".parse().unwrap(), &[2; 32]).unwrap();
    let forged = forged.sign_checkpoint(2, &leaf_hash(b"2"));
    assert_eq!(witness.add_checkpoint(&body(1, &[], &forged), now()), Answer::NotSigned);
    // Each year has a state of its own, which outlives a restart.
    drop(witness);
    let witness = open();
    assert_eq!(ask(&witness, "2027", 0), Answer::Conflict { size: 1 });
    cosigned(ask(&witness, "2027", 1), &note("2027", 1));
}
