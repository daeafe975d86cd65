//! The auditor's verification of a whole log from its files; beside the bare hashing of the
//! same entries, read from the same files by as many threads, without tree, leaves or clocks.

use super::{
    BenchError, Row,
    sample::{Memory, Sample, rate, row},
    site::Scratch,
};
use crate::{
    audit::{
        Frontier, Hash, Leaf, LeafKind, LogSigner, ProtocolReference, TileFile, UserPseudonym,
        leaf_hash,
        tile::{CHECKPOINT_PATH, TileKind, encode_bundle, encode_hashes},
    },
    identity::Clock,
    verify::{self, Directory, verify_log},
};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use std::{
    fs,
    hint::black_box,
    path::{Path, PathBuf},
    thread,
    time::Instant,
};

/// Rounds of each kind; they alternate.
const ROUNDS: u64 = 3;
/// Entries of a full bundle.
const FULL: usize = 256;

pub(super) fn measure(
    scratch: &Scratch,
    clock: &dyn Clock,
    entries: u64,
    say: &mut dyn FnMut(&str),
) -> Result<Vec<Row>, BenchError> {
    say(&format!("verify: writing a log of {entries} entries"));
    let dir = scratch.folder("tiles")?;
    let key = write_log(&dir, clock.now(), entries)?;
    let threads = thread::available_parallelism().map_or(1, usize::from);
    say(&format!("verify: reading it, {ROUNDS} times, on {threads} threads"));
    let bundles = bundle_paths(&dir, entries);
    let (mut real, mut bare) = (Sample::default(), Sample::default());
    let memory = Memory::watch();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        hash_bare(&bundles, threads)?;
        bare.add(round(begun));
        let begun = Instant::now();
        let report = verify_log(&Directory::new(&dir), &key)?;
        if !report.is_sound() || report.leaves != entries {
            return Err(BenchError::NotSound);
        }
        real.add(round(begun));
    }
    let all = |sample: &Sample| rate(entries * ROUNDS, sample.elapsed);
    let rates = (all(&real), all(&bare));
    Ok(vec![row(("verify", "entries/s"), scratch.engine(), rates, &real, memory.peak_mib())])
}

fn round(begun: Instant) -> Sample {
    let elapsed = begun.elapsed();
    Sample { elapsed, calls: vec![elapsed] }
}

/// A leaf as an answered question leaves it.
fn leaf(at: Timestamp, number: u64) -> Result<Leaf, BenchError> {
    let mut leaf = Leaf::new(LeafKind::QueryAnswered, at);
    leaf.partner = Some("centres".parse()?);
    leaf.user = Some(UserPseudonym::new([7; 16]));
    leaf.purpose = "childrens_centre_planning".parse().ok();
    let id = "isp-centres".parse()?;
    leaf.protocol = Some(ProtocolReference { digest: Hash::new([9; 32]), id, version: 1 });
    leaf.clause = "/outputs/0".parse().ok();
    leaf.area = "CC01".parse().ok();
    leaf.table = "engagement".parse().ok();
    leaf.indicator = "registered".parse().ok();
    leaf.partner_sequence = Some(number + 1);
    leaf.notes.release = Some(Hash::new([5; 32]));
    Ok(leaf)
}

/// Writes a log as tiles and gives its verifier key; memory holds a tile a level.
fn write_log(dir: &Path, from: Timestamp, entries: u64) -> Result<verify::VerifierKey, BenchError> {
    let signer = LogSigner::from_seed("bench.example/verify".parse()?, &[3; 32])?;
    let mut files = Files { dir, bundle: Vec::new(), bundles: 0, levels: Vec::new() };
    let mut frontier = Frontier::empty();
    let mut root = Hash::EMPTY_TREE;
    for first in (0..entries).step_by(FULL) {
        let mut group = Vec::with_capacity(FULL);
        for number in first..entries.min(first + FULL as u64) {
            let micros = i64::try_from(number).unwrap_or(i64::MAX);
            group.push(leaf(from + SignedDuration::from_micros(micros), number)?.encode()?);
        }
        let hashes: Vec<Hash> = group.iter().map(|entry| leaf_hash(entry)).collect();
        let appended = frontier.append(&hashes)?;
        for new in &appended.new_hashes {
            files.hash(new.level, new.hash)?;
        }
        files.bundle = group;
        files.write_bundle()?;
        root = appended.root;
        frontier = appended.frontier;
    }
    files.write_edges()?;
    files.write(CHECKPOINT_PATH, signer.sign_checkpoint(entries, &root).as_bytes())?;
    signer.vkey().parse().map_err(|_| BenchError::NotSound)
}

/// The files of a log that grows.
struct Files<'d> {
    dir: &'d Path,
    bundle: Vec<Vec<u8>>,
    bundles: u64,
    /// Each level's unfinished tile, and how many are finished.
    levels: Vec<(Vec<Hash>, u64)>,
}

impl Files<'_> {
    fn write(&self, path: &str, bytes: &[u8]) -> Result<(), BenchError> {
        let path = self.dir.join(path);
        let failed = |source| BenchError::File { path: path.clone(), source };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        fs::write(&path, bytes).map_err(failed)
    }

    fn write_bundle(&mut self) -> Result<(), BenchError> {
        let width = self.bundle.len();
        let file = TileFile { kind: TileKind::Entries, index: self.bundles, width };
        self.write(&file.path(), &encode_bundle(self.bundle.iter().map(Vec::as_slice))?)?;
        self.bundles += 1;
        Ok(())
    }

    fn hash(&mut self, level: u8, hash: Hash) -> Result<(), BenchError> {
        let place = usize::from(level);
        if self.levels.len() <= place {
            self.levels.resize_with(place + 1, Default::default);
        }
        self.levels[place].0.push(hash);
        if self.levels[place].0.len() == FULL {
            self.write_tile(level)?;
        }
        Ok(())
    }

    fn write_tile(&mut self, level: u8) -> Result<(), BenchError> {
        let (hashes, index) = std::mem::take(&mut self.levels[usize::from(level)]);
        if !hashes.is_empty() {
            let width = hashes.len();
            let file = TileFile { kind: TileKind::Hashes(level), index, width };
            self.write(&file.path(), &encode_hashes(&hashes))?;
        }
        self.levels[usize::from(level)].1 = index + 1;
        Ok(())
    }

    fn write_edges(&mut self) -> Result<(), BenchError> {
        let levels = u8::try_from(self.levels.len()).unwrap_or(u8::MAX);
        (0..levels).try_for_each(|level| self.write_tile(level))
    }
}

fn bundle_paths(dir: &Path, entries: u64) -> Vec<PathBuf> {
    (0..entries.div_ceil(FULL as u64))
        .map(|index| {
            let rest = entries - index * FULL as u64;
            let width = usize::try_from(rest).map_or(FULL, |rest| rest.min(FULL));
            dir.join(TileFile { kind: TileKind::Entries, index, width }.path())
        })
        .collect()
}

/// Hashes every entry of the bundles, shared out among the threads.
fn hash_bare(bundles: &[PathBuf], threads: usize) -> Result<(), BenchError> {
    let hash_some = |first: usize| {
        for path in bundles.iter().skip(first).step_by(threads) {
            let failed = |source| BenchError::File { path: path.clone(), source };
            let bytes = fs::read(path).map_err(failed)?;
            let mut rest = bytes.as_slice();
            while let Some((length, after)) = rest.split_first_chunk::<2>() {
                let length = usize::from(u16::from_be_bytes(*length)).min(after.len());
                let (entry, after) = after.split_at(length);
                black_box(Sha256::new_with_prefix([0]).chain_update(entry).finalize());
                rest = after;
            }
        }
        Ok(())
    };
    thread::scope(|scope| {
        let work: Vec<_> =
            (0..threads).map(|first| scope.spawn(move || hash_some(first))).collect();
        work.into_iter().try_for_each(|worker| worker.join().map_err(|_| BenchError::CutShort)?)
    })
}
