//! Rounds of faults under load, each on a fresh copy of the demo: a gateway or PostgreSQL is
//! killed, the disk is full, the network is cut in the midst of a batch or of a commit, the
//! clock goes backwards, two gateways are given the same records. After each round every record
//! that was ever sent is there once (each was acknowledged at last, perhaps after retries), the
//! log verifies and holds every receipt, and releases are as they were.
//!
//! A round's seed says which fault, when and how long; what the machine makes of it differs from
//! run to run. Ten rounds, one of each kind, are in the suite, after the seeds that once failed
//! (`tests/faults/seeds`, to which a failing round adds its own). The long form:
//! `TALLYGATE_TEST_FAULTS=200 cargo test --release --test all faults:: -- --nocapture`; with
//! `TALLYGATE_TEST_FAULTS_SEED=N` it begins at the seed N.
//!
//! That each single step of a transaction fails, or is done and reported as failed, is tried one by
//! one in `src/store/faults` and `src/gateway/tests/staging.rs`; here answers of PostgreSQL are lost
//! on the way, which is the same from outside.
//!
//! What this can't find: what a power cut takes that the disk had acknowledged as written.

mod checks;
mod disk;
mod ground;
mod rounds;

use crate::support::{postgres::Cluster, told};
use futures_util::FutureExt;
use std::{fs, io::Write, panic::AssertUnwindSafe, path::PathBuf};

/// Rounds of the suite.
const ROUNDS: u64 = 10;

fn number(name: &str) -> Option<u64> {
    told(name).map(|told| told.to_str().unwrap().parse().unwrap())
}

fn seeds_file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/faults/seeds")
}

/// The seeds that once failed: what stands in a line before a blank.
fn failed_before() -> Vec<u64> {
    let text = fs::read_to_string(seeds_file()).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect()
}

#[expect(clippy::print_stdout, reason = "a round's seed is what it can be repeated by")]
#[tokio::test(flavor = "multi_thread")]
async fn rounds_of_faults_lose_nothing_and_double_nothing() {
    let cluster = tokio::task::block_in_place(|| Cluster::start(&["restart_after_crash=on"]));
    let mut ground = ground::Ground::lay(cluster).await;
    let first = number("TALLYGATE_TEST_FAULTS_SEED").unwrap_or_else(|| {
        // Multiples of ten: the suite's ten rounds are one of each kind.
        u64::from(std::process::id()) * 1_000
    });
    let count = number("TALLYGATE_TEST_FAULTS").unwrap_or(ROUNDS);
    let mut failed = Vec::new();
    for seed in failed_before().into_iter().chain(first..first + count) {
        let round = AssertUnwindSafe(rounds::round(&mut ground, seed)).catch_unwind().await;
        match round {
            Ok(said) => println!("round {seed}: {said}"),
            Err(_) => {
                println!("round {seed}: FAILED");
                failed.push(seed);
            }
        }
    }
    let known = failed_before();
    let mut file = fs::OpenOptions::new().append(true).open(seeds_file()).unwrap();
    for seed in failed.iter().filter(|seed| !known.contains(seed)) {
        writeln!(file, "{seed}").unwrap();
    }
    assert!(failed.is_empty(), "rounds that failed, by seed: {failed:?}");
}
