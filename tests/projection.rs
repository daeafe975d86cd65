//! The tiles' folder when it can't be written: at whatever file it fails, the folder still
//! verifies as the log that it held before (at worst with files too many), and the next tick
//! completes it.
//!
//! What this can't find: a file system that loses what it acknowledged. The first tick after
//! a start is for that: it compares every file with the database.

use crate::store::Fresh;
use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};
use tallygate::{
    audit::{Leaf, LeafKind, TileFile, tile::plan},
    gateway::{ProjectionError, Projector},
    store::{Act, Effect},
    verify::{Directory, Problem, Report, VerifierKey, verify_log},
};

struct Ground {
    fresh: Fresh,
    folder: tempfile::TempDir,
    key: VerifierKey,
}

impl Ground {
    async fn new() -> Self {
        let key = crate::store::signer().vkey().parse().unwrap();
        Self { fresh: Fresh::sqlite().await, folder: tempfile::tempdir().unwrap(), key }
    }

    fn tiles(&self) -> PathBuf {
        self.folder.path().join("tiles")
    }

    fn projector(&self) -> Projector {
        Projector::new(self.fresh.store.clone(), self.tiles())
    }

    async fn grow(&self, entries: usize) {
        let acts: Vec<_> = (0..entries)
            .map(|_| {
                let sequencer = self.fresh.sequencer.clone();
                let leaf = Leaf::new(LeafKind::LogRead, crate::store::now());
                let act = Act { leaf, effect: Effect::None, epoch: None };
                tokio::spawn(async move { sequencer.commit(act).await })
            })
            .collect();
        for act in acts {
            act.await.unwrap().unwrap();
        }
    }

    /// What the auditor's verifier says of the folder as it is at this moment.
    fn report(&self) -> Report {
        verify_log(&Directory::new(self.tiles()), &self.key).unwrap()
    }

    fn must_be_whole(&self, size: u64, case: &str) {
        let report = self.report();
        assert!(report.is_sound(), "{case}: {:?}", report.findings);
        assert_eq!(report.size, Some(size), "{case}");
    }

    /// Still the log of before: nothing wrong but files of the larger one.
    fn must_be_as_before(&self, size: u64, case: &str) {
        let report = self.report();
        assert_eq!((report.size, report.signed), (Some(size), true), "{case}");
        assert_eq!(report.root, report.recomputed_root, "{case}");
        for finding in &report.findings {
            assert_eq!(finding.problem, Problem::BeyondCheckpoint, "{case}: {finding}");
        }
    }
}

fn must_fail(done: &Result<(), ProjectionError>, case: &str) {
    assert!(matches!(done, Err(ProjectionError::File { .. })), "{case}: {done:?}");
}

/// Puts a folder with something in it where a file is to go, so that it can't be replaced.
fn block(path: &Path) {
    // An attempt before this one may have written it.
    let _ = fs::remove_file(path);
    fs::create_dir_all(path.join("in the way")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_fails_at_any_file_leaves_the_log_of_before() {
    let ground = Ground::new().await;
    let mut size = 0;
    // Over a tile's border, so that a level is added, and back to partial tiles.
    for (step, entries) in [3, 250, 4, 260, 1].into_iter().enumerate() {
        let projector = ground.projector();
        projector.project_once().await.unwrap();
        ground.grow(entries).await;
        let grown = size + entries as u64;
        let paths: BTreeSet<String> = plan(size, grown).map(|file: TileFile| file.path()).collect();
        for path in &paths {
            let case = format!("step {step}, {path}");
            let target = ground.tiles().join(path);
            block(&target);
            must_fail(&projector.project_once().await, &case);
            fs::remove_dir_all(&target).unwrap();
            if size > 0 {
                ground.must_be_as_before(size, &case);
            }
            // A gateway that starts at this moment compares, and is as careful.
            block(&target);
            must_fail(&ground.projector().project_once().await, &case);
            fs::remove_dir_all(&target).unwrap();
            if size > 0 {
                ground.must_be_as_before(size, &case);
            }
        }
        projector.project_once().await.unwrap();
        ground.must_be_whole(grown, &format!("step {step}"));
        size = grown;
    }
}

/// The system's own "no space left on device", in the middle of whatever file comes next.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_leaves_the_log_of_before() {
    let ground = Ground::new().await;
    ground.grow(5).await;
    let projector = ground.projector();
    projector.project_once().await.unwrap();
    ground.grow(300).await;
    let staged = ground.folder.path().join(".tiles.writing");
    symlink("/dev/full", &staged).unwrap();
    for _ in 0..3 {
        must_fail(&projector.project_once().await, "no space");
        ground.must_be_whole(5, "no space");
    }
    fs::remove_file(&staged).unwrap();
    projector.project_once().await.unwrap();
    ground.must_be_whole(305, "space again");
}

/// What a crash left half-written beside the folder is never taken for a file of the log.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_crash_left_half_written_is_written_anew() {
    let ground = Ground::new().await;
    ground.grow(20).await;
    fs::write(ground.folder.path().join(".tiles.writing"), b"half a fi").unwrap();
    ground.projector().project_once().await.unwrap();
    ground.must_be_whole(20, "after a crash");
    // A file cut short on disk is seen by the first tick after a start.
    let tile = ground.tiles().join("tile/0/000.p/20");
    let bytes = fs::read(&tile).unwrap();
    fs::write(&tile, &bytes[..bytes.len() / 2]).unwrap();
    assert!(!ground.report().is_sound());
    ground.projector().project_once().await.unwrap();
    ground.must_be_whole(20, "made anew");
}
