//! A mirror of the published log: fetched, grown, and refused where the gateway's history is another.

use super::*;

/// `audit fetch` as a command line.
struct Fetch<'a> {
    gateway: &'a Copy,
    profile: String,
    mirror: String,
    vkey: String,
}

impl<'a> Fetch<'a> {
    fn of(gateway: &'a Copy, profile: &str) -> Self {
        let text = |name: &str| gateway.path(name).to_str().unwrap().to_owned();
        let (mirror, vkey) = (text("mirror"), text("log.vkey"));
        Self { gateway, profile: gateway.profile_file(profile), mirror, vkey }
    }

    /// Runs it; gives standard output and standard error.
    fn run(&self, code: i32) -> (String, String) {
        let done = tallygate([
            "audit",
            "fetch",
            "--out",
            &self.mirror,
            "--vkey-file",
            &self.vkey,
            "--format",
            "json",
            "--profile",
            &self.profile,
            "--receipts",
            self.gateway.path("kept").to_str().unwrap(),
        ]);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let (out, err) = (text(done.stdout), text(done.stderr));
        assert_eq!(done.status.code(), Some(code), "{out}\n{err}");
        (out, err)
    }

    fn fetched(&self) -> u64 {
        let out: serde_json::Value = serde_json::from_str(&self.run(0).0).unwrap();
        out["entries"].as_u64().unwrap()
    }

    /// Verifies the mirror with the program, and with the receipts of the fetches.
    fn verify(&self, code: i32) -> String {
        output(&["audit", "verify", &self.mirror, "--vkey-file", &self.vkey], code)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_is_fetched_grows_and_survives_accidents() {
    let gateway = with_a_full_tile().await;
    let fetch = Fetch::of(&gateway, "auditor");
    let first = fetch.fetched();
    fetch.verify(0);
    assert!(live_size(&gateway).await > first);
    let second = fetch.fetched();
    assert!(second > first);
    fetch.verify(0);
    let report = verify_log(&Directory::new(&fetch.mirror), &key(&gateway)).unwrap();
    assert_eq!((report.size, report.notices.len()), (Some(second), 0));
    let kinds = (report.kinds["log_stream_opened"], report.kinds["log_stream_closed"]);
    assert_eq!(kinds, (1, 1), "of the fetch before");
    // What the fetches were given as receipts stands in what they fetched.
    fetch.fetched();
    let kept = gateway.path("kept");
    for (n, name) in fs::read_dir(&kept).unwrap().map(|item| item.unwrap().path()).enumerate() {
        assert!(n < 6, "two receipts a fetch");
        let last: u64 = name.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        if last >= second {
            fs::remove_file(name).unwrap();
        }
    }
    let kept = kept.to_str().unwrap();
    let verified = output(
        &["audit", "verify", &fetch.mirror, "--receipts", kept, "--vkey-file", &fetch.vkey],
        0,
    );
    assert!(verified.contains("receipts hold, 0 do not"), "{verified}");

    let mirror = Path::new(&fetch.mirror);
    for path in ["tile/entries/000", "tile/0/000", "tile/1/000.p"] {
        let path = mirror.join(path);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
        fetch.verify(1);
        fetch.fetched();
        fetch.verify(0);
    }
    // An altered entry is found by --recheck.
    let path = mirror.join("tile/entries/000");
    let mut bytes = fs::read(&path).unwrap();
    bytes[100] ^= 1;
    fs::write(&path, bytes).unwrap();
    fetch.verify(1);
    fetch.fetched();
    fetch.verify(1);
    let recheck =
        ["audit", "fetch", "--recheck", "--out", &fetch.mirror, "--vkey-file", &fetch.vkey];
    output(&[&recheck[..], &["--profile", &fetch.profile]].concat(), 0);
    fetch.verify(0);
    assert!(gateway.path("mirror.damaged-4").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolled_back_or_forked_gateway_is_refused_and_the_evidence_kept() {
    let gateway = Copy::start().await;
    // The mirror is to be ahead of where a restored backup starts again, its start and all.
    while live_size(&gateway).await < demo_size() + 20 {}
    let had = Fetch::of(&gateway, "auditor").fetched();
    let checkpoint = fs::read(gateway.path("mirror/checkpoint")).unwrap();
    // An earlier state of the database, as a backup has it.
    let gateway = gateway
        .restart_with(|folder| {
            fs::copy(demo().dir.join("gateway.db"), folder.join("gateway.db")).unwrap();
            for ending in ["gateway.db-wal", "gateway.db-shm"] {
                let _ = fs::remove_file(folder.join(ending));
            }
        })
        .await;
    let fetch = Fetch::of(&gateway, "auditor");
    assert!(live_size(&gateway).await < had);
    let (out, err) = fetch.run(1);
    assert!(out.is_empty() && err.contains("rolled back"), "{err}");
    fetch.verify(0);
    assert_eq!(fs::read(gateway.path("mirror/checkpoint")).unwrap(), checkpoint);
    let evidence = || fs::read_dir(gateway.path("mirror.evidence")).unwrap().count();
    assert_eq!(evidence(), 2);
    // It grows beyond where it was: another history under the same key.
    while live_size(&gateway).await <= had {}
    let (out, err) = fetch.run(1);
    assert!(out.is_empty() && err.contains("does not prove"), "{err}");
    fetch.verify(0);
    assert_eq!(fs::read(gateway.path("mirror/checkpoint")).unwrap(), checkpoint);
    assert_eq!(evidence(), 3);
    for item in fs::read_dir(gateway.path("mirror.evidence")).unwrap() {
        let note = fs::read(item.unwrap().path()).unwrap();
        verify_checkpoint(&note, &key(&gateway)).unwrap();
    }
}

fn demo_size() -> u64 {
    let note = fs::read_to_string(demo().dir.join("tiles/checkpoint")).unwrap();
    note.lines().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_auditor_with_the_right_key_fetches() {
    let gateway = Copy::start().await;
    let (out, err) = Fetch::of(&gateway, "health").run(2);
    assert!(out.is_empty() && err.contains("role"), "{err}");
    assert!(!gateway.path("mirror").exists());
    // Another log's key: the gateway's checkpoint is not that log's.
    let mut fetch = Fetch::of(&gateway, "auditor");
    let other =
        tallygate::audit::LogSigner::from_seed("other.example/1".parse().unwrap(), &[1; 32]);
    fetch.vkey = gateway.path("other.vkey").to_str().unwrap().to_owned();
    fs::write(&fetch.vkey, other.unwrap().vkey()).unwrap();
    let (_, err) = fetch.run(2);
    assert!(err.contains("no such thing"), "{err}");
    assert!(!gateway.path("mirror").exists() && !gateway.path("mirror.evidence").exists());
}

proptest! {
    /// The gateway's reading of paths and the verifier's, written apart, agree.
    #[test]
    fn two_readings_of_paths_agree(path in "tile/(entries|[0-9]{1,2})/(x[0-9]{3}/){0,3}[0-9]{2,4}(\\.p/[0-9]{1,3})?") {
        let level_of_ours = path.split('/').nth(1).unwrap().parse().is_ok_and(|level: u8| level >= 8);
        let ours = TileFile::parse(&path).map(|file| (file.index, file.width));
        let theirs = FileName::parse(&path).map(|file| (file.index, file.width));
        prop_assert!(ours == theirs || (level_of_ours && theirs.is_none()), "{path}");
    }
}
