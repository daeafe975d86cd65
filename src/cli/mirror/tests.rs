//! A mirror before gateways of every kind: honest, interrupted, forgetful and forging.

use super::*;
use crate::{
    audit::{
        Frontier, Hash, HashReader, Leaf, LeafKind, LogSigner, leaf_hash, node_hash,
        tile::{encode_bundle, plan},
        tree::consistency_proof,
    },
    verify::{Report, verify_log},
};
use jiff::Timestamp;
use std::collections::BTreeSet;

/// A gateway's log, in memory.
#[derive(Clone)]
struct Log {
    seed: u8,
    entries: Vec<Vec<u8>>,
}

struct Leaves<'a>(&'a [Vec<u8>]);

impl HashReader for Leaves<'_> {
    fn node(&self, height: u8, index: u64) -> Option<Hash> {
        if height == 0 {
            return self.0.get(usize::try_from(index).ok()?).map(|entry| leaf_hash(entry));
        }
        let left = self.node(height - 1, 2 * index)?;
        Some(node_hash(&left, &self.node(height - 1, 2 * index + 1)?))
    }
}

fn leaf_at(second: i64) -> Vec<u8> {
    let at = Timestamp::from_second(second).unwrap();
    Leaf::new(LeafKind::LogRead, at).encode().unwrap()
}

impl Log {
    fn new(entries: i64) -> Self {
        Self { seed: 3, entries: (0..entries).map(leaf_at).collect() }
    }

    /// The same up to an entry, and others from there on.
    fn forked_at(&self, at: usize) -> Self {
        let mut fork = self.clone();
        for (entry, n) in fork.entries.iter_mut().zip(0..).skip(at) {
            *entry = leaf_at(1_000_000 + n);
        }
        fork
    }

    fn signer(&self) -> LogSigner {
        LogSigner::from_seed("example/2026".parse().unwrap(), &[self.seed; 32]).unwrap()
    }

    fn key(&self) -> VerifierKey {
        self.signer().vkey().parse().unwrap()
    }

    fn note(&self, size: usize) -> String {
        let leaves: Vec<Hash> = self.entries[..size].iter().map(|entry| leaf_hash(entry)).collect();
        let root = Frontier::empty().append(&leaves).unwrap().root;
        self.signer().sign_checkpoint(size as u64, &root)
    }

    fn proof(&self, old: u64, new: u64) -> Vec<Sha> {
        if !(1..new).contains(&old) {
            return Vec::new();
        }
        let proof = consistency_proof(&Leaves(&self.entries), old, new).unwrap();
        proof.iter().map(|hash| *hash.as_bytes()).collect()
    }

    /// The bundles from one on, of a log of `size` entries.
    fn bundles(&self, from: u64, size: usize) -> Vec<(u64, usize, Vec<u8>)> {
        let from = usize::try_from(from).unwrap() * 256;
        let entries = self.entries.get(from..size).unwrap_or_default();
        let bundles = entries.chunks(256).zip((from / 256) as u64..);
        let bundle = |(entries, index): (&[Vec<u8>], u64)| {
            (index, entries.len(), encode_bundle(entries.iter().map(Vec::as_slice)).unwrap())
        };
        bundles.map(bundle).collect()
    }
}

type Fetched = Result<MirrorRefusedOr, CliError>;
type MirrorRefusedOr = Result<(), MirrorRefused>;

/// One fetch as the command makes it, from `log` when it has `size` entries; `spoil` is what
/// happens to the bundles on their way.
fn fetch_spoilt(
    mirror: &mut Mirror,
    log: &Log,
    size: usize,
    spoil: impl Fn(&mut Vec<(u64, usize, Vec<u8>)>),
) -> Fetched {
    let whole = mirror.has_every_file();
    if !whole {
        mirror.begin_anew()?;
    }
    let from = match mirror.begin()? {
        Some(from) => from,
        None => {
            mirror.begin_anew()?;
            mirror.begin()?.unwrap()
        }
    };
    let proof = log.proof(mirror.held_size(), size as u64);
    if let Err(refused) = mirror.offer(&log.note(size), &proof)? {
        return Ok(Err(refused));
    }
    let mut bundles = log.bundles(from, size);
    spoil(&mut bundles);
    for (index, width, bundle) in bundles {
        if let Err(refused) = mirror.take(index, width, &bundle)? {
            return Ok(Err(refused));
        }
    }
    mirror.finish()
}

/// A folder with a mirror in it, and its log.
struct Ground {
    folder: tempfile::TempDir,
    log: Log,
}

impl Ground {
    fn new(entries: i64) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), log: Log::new(entries) }
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("mirror")
    }

    fn open(&self) -> Mirror {
        Mirror::open(&self.out(), self.log.key()).unwrap()
    }

    fn fetch(&self, log: &Log, size: usize) -> Fetched {
        fetch_spoilt(&mut self.open(), log, size, |_| {})
    }

    fn report(&self) -> Report {
        verify_log(&Directory::new(self.out()), &self.log.key()).unwrap()
    }

    #[track_caller]
    fn assert_sound(&self, size: usize) {
        let report = self.report();
        assert!(report.is_sound(), "{:?}", report.findings);
        assert_eq!(report.size, Some(size as u64));
    }

    fn files(&self) -> BTreeSet<String> {
        Directory::new(self.out()).list().unwrap().into_iter().collect()
    }

    /// What lies beside the mirror.
    fn beside(&self) -> BTreeSet<String> {
        let items = fs::read_dir(self.folder.path()).unwrap();
        items.map(|item| item.unwrap().file_name().into_string().unwrap()).collect()
    }
}

fn done(fetched: Fetched) {
    assert_eq!(fetched.unwrap(), Ok(()));
}

#[test]
fn a_mirror_grows_to_any_size_and_holds_no_file_too_many() {
    let ground = Ground::new(1_100);
    let mut sizes = vec![1, 1, 2, 255, 256, 257, 511, 512, 700, 1_024, 1_100];
    for size in sizes.clone() {
        done(ground.fetch(&ground.log, size));
        ground.assert_sound(size);
        let wanted: BTreeSet<String> =
            plan(0, size as u64).map(|file| file.path()).chain(["checkpoint".to_owned()]).collect();
        assert_eq!(ground.files(), wanted, "{size}");
        assert_eq!(ground.beside(), BTreeSet::from(["mirror".to_owned()]));
    }
    // In one step each: the same files.
    sizes.dedup();
    for size in sizes {
        let other = Ground { folder: tempfile::tempdir().unwrap(), log: ground.log.clone() };
        done(other.fetch(&other.log, size));
        other.assert_sound(size);
    }
}

/// Killed behind the offer and behind each bundle, first and later fetches: the mirror is what
/// it was, and the next fetch, of a larger log by then, begins behind what was there.
#[test]
fn an_interrupted_fetch_is_gone_on_with() {
    for held in [0_usize, 1, 255, 256, 300, 600] {
        for stopped in 0..5 {
            let ground = Ground::new(1_400);
            if held > 0 {
                done(ground.fetch(&ground.log, held));
            }
            let mut mirror = ground.open();
            let from = mirror.begin().unwrap().unwrap();
            let proof = ground.log.proof(held as u64, 1_100);
            mirror.offer(&ground.log.note(1_100), &proof).unwrap().unwrap();
            let mut full = 0;
            for (index, width, bundle) in ground.log.bundles(from, 1_100).into_iter().take(stopped)
            {
                mirror.take(index, width, &bundle).unwrap().unwrap();
                full += u64::from(width == 256);
            }
            drop(mirror);
            if held > 0 {
                ground.assert_sound(held);
                let unfinished = crate::verify::Notice::Unfinished { size: 1_100 };
                assert_eq!(ground.report().notices[0], unfinished);
            } else {
                assert!(!ground.out().exists());
            }
            let mut mirror = ground.open();
            done(fetch_spoilt(&mut mirror, &ground.log, 1_400, |_| {}));
            assert_eq!(mirror.reused(), full, "{held} {stopped}");
            drop(mirror);
            ground.assert_sound(1_400);
            assert_eq!(ground.files().len(), plan(0, 1_400).count() + 1, "{held} {stopped}");
            assert_eq!(ground.beside(), BTreeSet::from(["mirror".to_owned()]));
        }
    }
}

/// A first fetch that was whole and not yet moved to its place.
#[test]
fn a_fetch_stopped_at_its_last_step_is_gone_on_with() {
    let ground = Ground::new(600);
    done(ground.fetch(&ground.log, 600));
    fs::rename(ground.out(), ground.folder.path().join(".mirror.fetching")).unwrap();
    let mut mirror = ground.open();
    done(fetch_spoilt(&mut mirror, &ground.log, 600, |_| {}));
    assert_eq!(mirror.reused(), 2);
    ground.assert_sound(600);
}

/// What an interrupted fetch left is hashed again, so that it can't have been altered.
#[test]
fn spoilt_remains_of_an_interrupted_fetch_do_not_get_in() {
    for held in [0_usize, 300] {
        for spoil in [0_usize, 1, 2] {
            let ground = Ground::new(1_100);
            if held > 0 {
                done(ground.fetch(&ground.log, held));
            }
            let stopped = fetch_spoilt(&mut ground.open(), &ground.log, 1_100, |bundles| {
                bundles.pop();
            });
            assert!(matches!(stopped, Err(CliError::BrokenOff)));
            let work = if held > 0 { ground.out() } else { beside(&ground.out(), "fetching") };
            let path = work.join("tile/entries/002");
            let mut bytes = fs::read(&path).unwrap();
            match spoil {
                0 => bytes.truncate(1_000),
                1 => bytes.clear(),
                _ => *bytes.last_mut().unwrap() ^= 1,
            }
            fs::write(&path, bytes).unwrap();
            let mut mirror = ground.open();
            let fetched = fetch_spoilt(&mut mirror, &ground.log, 1_100, |_| {}).unwrap();
            if spoil == 2 {
                // Well-formed and altered: found at the end, and then fetched again.
                assert_eq!(fetched, Err(MirrorRefused::RootDiffers));
                assert!(mirror.reused() > 0);
                done(fetch_spoilt(&mut mirror, &ground.log, 1_100, |_| {}));
                assert_eq!(mirror.reused(), 0);
            } else {
                assert_eq!(fetched, Ok(()));
            }
            drop(mirror);
            ground.assert_sound(1_100);
        }
    }
}

/// Each file of a mirror lost: the next fetch makes it whole, and keeps what was there if it
/// had to be made anew.
#[test]
fn lost_files_are_made_good() {
    let paths: Vec<String> = plan(0, 600).map(|file| file.path()).collect();
    for path in paths {
        let ground = Ground::new(700);
        done(ground.fetch(&ground.log, 600));
        fs::remove_file(ground.out().join(&path)).unwrap();
        done(ground.fetch(&ground.log, 700));
        ground.assert_sound(700);
        let anew = ground.beside().contains("mirror.damaged-1");
        assert_eq!(anew, path != "tile/entries/002.p/88", "{path}");
    }
    for path in ["tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2", "tile/entries/000"] {
        let ground = Ground::new(700);
        done(ground.fetch(&ground.log, 600));
        let path = ground.out().join(path);
        fs::write(&path, &fs::read(&path).unwrap()[..50]).unwrap();
        done(ground.fetch(&ground.log, 700));
        ground.assert_sound(700);
    }
}

/// Everything that a gateway may show and must not: the mirror stays as it was, byte for
/// byte, and an honest fetch goes on afterwards.
#[test]
fn rolled_back_forked_and_forged_logs_are_refused() {
    let ground = Ground::new(1_100);
    done(ground.fetch(&ground.log, 600));
    let refused = |log: &Log, size: usize, expected: MirrorRefused| {
        let before = fs::read(ground.out().join(CHECKPOINT)).unwrap();
        let fetched = ground.fetch(log, size).unwrap();
        assert_eq!(fetched, Err(expected));
        assert_eq!(fs::read(ground.out().join(CHECKPOINT)).unwrap(), before);
        ground.assert_sound(600);
    };
    refused(&ground.log, 599, MirrorRefused::RolledBack { had: 600, has: 599 });
    refused(&ground.log, 0, MirrorRefused::RolledBack { had: 600, has: 0 });
    let fork = ground.log.forked_at(599);
    refused(&fork, 600, MirrorRefused::Forked { size: 600 });
    refused(&fork, 601, MirrorRefused::NotProved { size: 600 });
    refused(&ground.log.forked_at(0), 1_100, MirrorRefused::NotProved { size: 600 });
    let other = Log { seed: 4, ..ground.log.clone() };
    let problem = NoteProblem::UnknownSigner { line: 5 };
    refused(&other, 700, MirrorRefused::NotSigned(problem));
    assert_eq!(ground.beside(), BTreeSet::from(["mirror".to_owned()]));
    done(ground.fetch(&ground.log, 1_100));
    ground.assert_sound(1_100);
}

#[test]
fn what_is_altered_on_its_way_is_refused() {
    type Spoil = fn(&mut Vec<(u64, usize, Vec<u8>)>);
    let cases: [(&str, Spoil, MirrorRefused); 9] = [
        // The first bundle begins with entries that the mirror has: 512 to 599.
        ("a known entry", |b| b[0].2[40] ^= 1, GrowthProblem::Rewritten.into()),
        ("a new entry", |b| *b[1].2.last_mut().unwrap() ^= 1, MirrorRefused::RootDiffers),
        ("a length", |b| b[1].2[1] ^= 1, GrowthProblem::Malformed.into()),
        ("a byte more", |b| b[1].2.push(0), GrowthProblem::Malformed.into()),
        ("a byte less", |b| b[1].2.truncate(1_000), GrowthProblem::Malformed.into()),
        ("two bundles swapped", |b| b.swap(0, 1), GrowthProblem::OutOfOrder.into()),
        ("a bundle dropped", |b| drop(b.remove(1)), GrowthProblem::OutOfOrder.into()),
        ("a wider claim", |b| b[0].1 = 257, GrowthProblem::OutOfOrder.into()),
        ("a narrower claim", |b| b[0].1 = 255, GrowthProblem::OutOfOrder.into()),
    ];
    for (what, spoil, expected) in cases {
        let ground = Ground::new(1_100);
        done(ground.fetch(&ground.log, 600));
        let mut mirror = ground.open();
        let fetched = fetch_spoilt(&mut mirror, &ground.log, 1_100, spoil).unwrap();
        assert_eq!(fetched, Err(expected), "{what}");
        ground.assert_sound(600);
        let folder = mirror.keep_evidence(&ground.log.note(1_100)).unwrap();
        let kept: BTreeSet<String> = Directory::new(&folder).list().unwrap().into_iter().collect();
        assert_eq!(kept.len(), 2, "{what}: {kept:?}");
        drop(mirror);
        done(ground.fetch(&ground.log, 1_100));
        ground.assert_sound(1_100);
    }
    // Entries that stop too early, at a first fetch: nothing is in place.
    let ground = Ground::new(1_100);
    let fetched = fetch_spoilt(&mut ground.open(), &ground.log, 1_100, |b| drop(b.pop()));
    assert!(matches!(fetched, Err(CliError::BrokenOff)));
    assert!(!ground.out().exists());
}

/// The checkpoint of a fetch that was interrupted was signed, too: the log can't go behind it.
#[test]
fn a_log_can_not_go_behind_what_was_shown_to_an_interrupted_fetch() {
    let ground = Ground::new(1_100);
    done(ground.fetch(&ground.log, 300));
    let stopped = fetch_spoilt(&mut ground.open(), &ground.log, 1_100, |b| drop(b.pop()));
    assert!(matches!(stopped, Err(CliError::BrokenOff)));
    let behind = MirrorRefused::RolledBack { had: 1_100, has: 900 };
    assert_eq!(ground.fetch(&ground.log, 900).unwrap(), Err(behind));
    let fork = ground.log.forked_at(1_000);
    let forked = MirrorRefused::Forked { size: 1_100 };
    assert_eq!(ground.fetch(&fork, 1_100).unwrap(), Err(forked));
    ground.assert_sound(300);
    let kept = ground.open().keep_evidence(&fork.note(1_100)).unwrap();
    assert_eq!(fs::read_dir(kept).unwrap().count(), 3);
}

#[test]
fn what_is_no_mirror_is_left_alone() {
    let ground = Ground::new(10);
    let open = |path: &Path, log: &Log| Mirror::open(path, log.key()).map(drop);
    fs::create_dir(ground.out()).unwrap();
    done(ground.fetch(&ground.log, 5));
    let thesis = ground.folder.path().join("thesis");
    fs::create_dir(&thesis).unwrap();
    fs::write(thesis.join("chapter"), "years of work").unwrap();
    let key = &ground.log;
    assert!(matches!(open(&thesis, key), Err(CliError::NotAMirror { .. })));
    assert!(matches!(open(Path::new("/"), key), Err(CliError::NotAMirror { .. })));
    let other = Log { seed: 9, ..ground.log.clone() };
    assert!(matches!(open(&ground.out(), &other), Err(CliError::Rejected { .. })));
    let first = ground.open();
    assert!(matches!(open(&ground.out(), key), Err(CliError::Busy { .. })));
    drop(first);
    ground.open();
}
