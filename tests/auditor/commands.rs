//! The auditor's commands on what the demo left: receipts, counters, patterns, proofs, sources.

use super::*;

fn demo_path(name: &str) -> String {
    let demo = demo();
    assert_eq!(demo.code, Some(0), "{}", demo.stderr);
    demo.dir.join(name).to_str().unwrap().to_owned()
}

fn parsed(arguments: &[&str], code: i32) -> Value {
    let text = output(&[arguments, &["--format", "json"]].concat(), code);
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{arguments:?}\n{text}"))
}

#[test]
fn the_demos_receipts_counters_and_patterns_hold() {
    let (tiles, vkey) = (demo_path("tiles"), demo_path("log.vkey"));
    let receipts = demo_path("receipts");
    let line = ["audit", "reconcile", &receipts, "--tiles", &tiles, "--vkey-file", &vkey];
    let all = parsed(&line, 0);
    let all = all.as_array().unwrap();
    assert!(all.len() > 20 && all.iter().all(|one| one["verdict"] == "in_log"), "{all:?}");

    let counters = parsed(&["audit", "gaps", &tiles, "--vkey-file", &vkey], 0);
    assert_eq!(counters["findings"], json!([]));
    for (partner, counter) in counters["partners"].as_object().unwrap() {
        assert_eq!(
            (&counter["first"], &counter["last"]),
            (&json!(1), &counter["acts"]),
            "{partner}"
        );
    }
    // Health pushed, and kept a receipt of every act of its pushes.
    let health = demo_path("receipts/health");
    let own = parsed(&["audit", "gaps", &tiles, "--partner", "health", "--receipts", &health], 0);
    let partners: Vec<_> = own["partners"].as_object().unwrap().keys().collect();
    assert_eq!(partners, ["health"]);
    let findings = own["findings"].as_array().unwrap();
    assert!(findings.iter().all(|found| found["problem"] == "no_receipt"), "{findings:?}");

    let erasures = parsed(&["audit", "erasures", &tiles, "--vkey-file", &vkey], 0);
    assert_eq!(erasures["missing_days"], json!([]));

    let found = parsed(&["audit", "patterns", &tiles], 0);
    assert!(found.is_array());
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/patterns.example.toml");
    assert_eq!(parsed(&["audit", "patterns", "--tiles", &tiles, "--config", config], 0), found);
    let wrong = ["audit", "patterns", &tiles, "--config", &vkey];
    assert_eq!(tallygate(wrong).status.code(), Some(2));
}

#[test]
fn an_exported_proof_holds_for_its_entry_alone() {
    let (tiles, vkey) = (demo_path("tiles"), demo_path("log.vkey"));
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("proofs").to_str().unwrap().to_owned();
    let line =
        ["audit", "export", "0", "5", "--out", &out, "--tiles", &tiles, "--vkey-file", &vkey];
    let written = parsed(&line, 0);
    assert_eq!(written.as_array().unwrap().len(), 2);
    let text = |pointer: &str| written.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    let (proof, leaf, other) = (text("/1/proof"), text("/1/leaf"), text("/0/leaf"));
    assert!(fs::read_to_string(&proof).unwrap().starts_with("c2sp.org/tlog-proof@v1\nindex 5\n"));
    let check = |proof: &str, leaf: &str, code| {
        let line = ["audit", "verify-proof", proof, "--leaf", leaf, "--vkey-file", &vkey];
        parsed(&line, code)["verdict"].clone()
    };
    assert_eq!(check(&proof, &leaf, 0), "holds");
    assert_eq!(check(&proof, &other, 1), "does not hold");
    let spoilt = fs::read_to_string(&proof).unwrap().replace("index 5", "index 4");
    let path = folder.path().join("spoilt.tlog-proof").to_str().unwrap().to_owned();
    fs::write(&path, spoilt).unwrap();
    assert_eq!(check(&path, &leaf, 1), "does not hold");
    let beyond = ["audit", "export", "99999999", "--out", &path, "--tiles", &tiles];
    assert_eq!(tallygate(beyond).status.code(), Some(2));
}

#[test]
fn a_figure_is_traced_to_its_release_and_feeds_in_classes() {
    let tiles = demo_path("tiles");
    let line = ["audit", "trace", "--area", "CC01", "--quarter", "2026Q1"];
    let of = |more: &[&str]| parsed(&[&line[..], &["--tiles", &tiles], more].concat(), 0);
    let trace = of(&["--indicator", "registered"]);
    let search = ["audit", "search", "--what", "release_frozen", "--tiles", &tiles];
    let releases = parsed(&search, 0);
    let latest = &releases[0];
    assert_eq!(
        (&trace["release"]["index"], &latest["leaf"]["period"]),
        (&latest["index"], &json!("2026Q1"))
    );
    assert_eq!(trace["release"]["digest"], latest["leaf"]["release"]);
    let feeds = trace["feeds"].as_array().unwrap();
    let types: BTreeSet<_> = feeds.iter().map(|f| f["record_type"].as_str().unwrap()).collect();
    // What the figure and its breakdowns are counted from.
    let own = ["attendance", "health_review", "live_birth", "movement", "registration"];
    let of_parts = ["early_years_profile", "funded_place", "session_attendance"];
    assert_eq!(types, own.into_iter().chain(of_parts).collect());
    for feed in feeds {
        assert!(!feed["tables"].as_array().unwrap().is_empty(), "{feed}");
        assert_eq!(feed["digest"].as_str().unwrap().len(), 64);
        assert!(feed["batches"].as_str().unwrap().starts_with('<'), "{feed}");
        for place in ["entries_from", "entries_until"] {
            assert_eq!(feed[place].as_u64().unwrap() % 256, 0, "{feed}");
        }
    }
    let all = of(&[]);
    assert!(all["feeds"].as_array().unwrap().len() > feeds.len());
    let none = ["audit", "trace", "--area", "CC01", "--quarter", "2019Q1", "--tiles", &tiles];
    assert_eq!(output(&none, 1), "");
    let unknown = [&line[..], &["--indicator", "unheard_of", "--tiles", &tiles]].concat();
    assert_eq!(tallygate(unknown).status.code(), Some(2));
}

/// Every page of a search, by the tokens that standard error names.
fn paged(arguments: &[&str], limit: &str) -> Vec<Value> {
    let mut found = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let mut line = [arguments, &["--limit", limit, "--format", "json"]].concat();
        if let Some(token) = &token {
            line.extend(["--page-token", token]);
        }
        let done = tallygate(&line);
        let errors = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(0), "{line:?}\n{errors}");
        found.extend(serde_json::from_slice::<Vec<Value>>(&done.stdout).unwrap());
        let next = errors.split_once("--page-token ").and_then(|(_, rest)| rest.split_once(' '));
        match next {
            Some((next, _)) => token = Some(next.to_owned()),
            None => return found,
        }
    }
}

/// The gateway's search and the auditor's own on a mirror of the same log find the same, and
/// so do their other tools.
#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_and_a_mirror_say_the_same() {
    let gateway = Copy::start().await;
    let profile = gateway.profile_file("auditor");
    let folder = tempfile::tempdir().unwrap();
    let mirror = folder.path().join("mirror");
    copy(&PathBuf::from(demo_path("tiles")), &mirror);
    let vkey = gateway.path("log.vkey").to_str().unwrap().to_owned();
    let work = move || {
        let mirror = mirror.to_str().unwrap();
        let (there, here) = (["--profile", &profile], ["--tiles", mirror]);
        let size: u64 = {
            let note = fs::read_to_string(format!("{mirror}/checkpoint")).unwrap();
            note.lines().nth(1).unwrap().parse().unwrap()
        };
        let first = parsed(
            &["audit", "search", "--what", "card_answered", "--limit", "1", "--tiles", mirror],
            0,
        );
        let user = first[0]["leaf"]["user"].as_str().unwrap().to_owned();
        let moment = first[0]["leaf"]["at"].as_str().unwrap().to_owned();
        let filters: [&[&str]; 9] = [
            &["--what", "release_frozen"],
            &["--who", "health", "--what", "batch_accepted"],
            &["--user", &user],
            &["--area", "CC01"],
            &["--protocol", "isp-health"],
            &["--decision", "refused"],
            &["--purpose", "childrens_centre_planning"],
            &["--until", &moment, "--who", "centres"],
            &["--from", &moment],
        ];
        let mut some = 0;
        for filter in filters {
            let search = [&["audit", "search"], filter].concat();
            let own = parsed(&[&search[..], &["--all"], &here].concat(), 0);
            let asked = parsed(&[&search[..], &["--all"], &there].concat(), 0);
            // The gateway's log has grown since.
            let asked: Vec<_> = asked
                .as_array()
                .unwrap()
                .iter()
                .filter(|entry| entry["index"].as_u64().unwrap() < size)
                .cloned()
                .collect();
            assert_eq!(own.as_array().unwrap(), &asked, "{filter:?}");
            some += usize::from(!asked.is_empty());
        }
        assert!(some >= 7, "{some} filters found something");
        // Pages are parts of the whole.
        let search = ["audit", "search", "--what", "batch_accepted"];
        let whole = parsed(&[&search[..], &["--all"], &here].concat(), 0);
        assert_eq!(&paged(&[&search[..], &here].concat(), "3"), whole.as_array().unwrap());
        assert_eq!(&paged(&[&search[..], &there].concat(), "3"), whole.as_array().unwrap());
        // Traces, but for what was told since.
        let trace = ["audit", "trace", "--area", "CC01", "--quarter", "2025Q4"];
        let (own, asked) =
            (parsed(&[&trace[..], &here].concat(), 0), parsed(&[&trace[..], &there].concat(), 0));
        assert_eq!(own, asked);
        // Proofs and receipts at the gateway.
        let out = folder.path().join("entry.tlog-proof").to_str().unwrap().to_owned();
        let leaf = folder.path().join("entry.json").to_str().unwrap().to_owned();
        let export = ["audit", "export", "7", "--out", &out, "--vkey-file", &vkey];
        parsed(&[&export[..], &there].concat(), 0);
        parsed(&["audit", "verify-proof", &out, "--leaf", &leaf, "--vkey-file", &vkey], 0);
        let births = demo_path("receipts/health/live_birth.json");
        let reconcile = ["audit", "reconcile", &births, "--vkey-file", &vkey];
        let verdicts = parsed(&[&reconcile[..], &there].concat(), 0);
        let verdicts = verdicts.as_array().unwrap();
        assert!(verdicts.len() > 2 && verdicts.iter().all(|one| one["verdict"] == "in_log"));
        let erasures = parsed(&["audit", "erasures", there[0], there[1]], 0);
        assert!(erasures["erasures"].is_array());
        folder
    };
    tokio::task::spawn_blocking(work).await.unwrap();
    gateway.running.stop().await.unwrap();
}
