//! The demo as its user sees it: what it prints, what it leaves, what an auditor finds.

use crate::support::{copy, demo, files, output, tallygate};
use serde_json::Value;
use std::fs;

fn path(name: &str) -> String {
    demo().dir.join(name).to_str().unwrap().to_owned()
}

#[test]
fn it_ends_well_and_prints_card_verification_and_three_things_to_try() {
    let demo = demo();
    assert_eq!(demo.code, Some(0), "{}\n{}", demo.stdout, demo.stderr);
    for words in [
        "five partners pushed",
        "closed 8 quarters, 2024Q2 to 2026Q1",
        "Access log verified",
        "buf curl",
        "tallygate query registered",
        "tallygate audit search",
    ] {
        assert!(demo.stdout.contains(words), "{words}\n{}", demo.stdout);
    }
}

#[test]
fn it_leaves_what_the_command_line_page_promises() {
    for name in [
        "gateway.toml",
        "gateway.db",
        "ca.pem",
        "log.vkey",
        "jwks.json",
        "boundaries.json",
        "profiles/health.toml",
        "profiles/dwp.toml",
        "profiles/learning.toml",
        "profiles/families.toml",
        "profiles/centres.toml",
        "profiles/officer.toml",
        "profiles/officer-2.toml",
        "profiles/auditor.toml",
        "profiles/manager-CC17.toml",
        "files/health/live_birth.csv",
        "files/truth.json",
        "protocols/isp-health.json",
        "protocols/root-policy.json",
        "receipts/health/live_birth.json",
        "tiles/checkpoint",
    ] {
        assert!(demo().dir.join(name).is_file(), "{name}");
    }
}

#[test]
fn the_log_and_every_receipt_verify() {
    let (tiles, key, receipts) = (path("tiles"), path("log.vkey"), path("receipts"));
    let text = output(
        &[
            "audit",
            "verify",
            &tiles,
            "--receipts",
            &receipts,
            "--vkey-file",
            &key,
            "--format",
            "json",
        ],
        0,
    );
    let report: Value = serde_json::from_str(&text).unwrap();
    assert!(text.contains("\"release_frozen\": 8"), "{report:#}");
    // A first officer's word for each, and no refusal on the way.
    assert!(text.contains("\"approval_given\": 8"), "{report:#}");
}

#[test]
fn a_flipped_byte_is_named_and_ends_with_1() {
    let folder = tempfile::tempdir().unwrap();
    let tiles = folder.path().join("tiles");
    copy(&demo().dir.join("tiles"), &tiles);
    let key = path("log.vkey");
    for file in files(&tiles) {
        let original = fs::read(&file).unwrap();
        // First, last and one in the middle; every byte is flipped in the verifier's own tests.
        for at in [0, original.len() / 2, original.len() - 1] {
            let mut changed = original.clone();
            changed[at] ^= 0x20;
            fs::write(&file, &changed).unwrap();
            let text = output(
                &[
                    "audit",
                    "verify",
                    tiles.to_str().unwrap(),
                    "--vkey-file",
                    &key,
                    "--format",
                    "csv",
                ],
                1,
            );
            let name = file.strip_prefix(&tiles).unwrap().to_str().unwrap();
            assert!(text.contains(name), "{name} byte {at}: {text}");
        }
        fs::write(&file, &original).unwrap();
    }
}

#[test]
fn the_signed_protocols_verify_without_a_gateway() {
    let keys = path("jwks.json");
    for name in ["isp-health", "dda-dwp", "isp-learning", "isp-families", "isp-centres"] {
        output(
            &["protocol", "verify", &path(&format!("protocols/{name}.json")), "--keys", &keys],
            0,
        );
    }
}

#[test]
fn the_same_seed_gives_the_same_files_and_other_noise() {
    let folder = tempfile::tempdir().unwrap();
    let twin = folder.path().join("twin");
    let run = tallygate([
        "demo",
        "--dir",
        twin.to_str().unwrap(),
        "--scale",
        crate::support::SCALE,
        "--seed",
        "7",
        "--canaries",
        "50",
    ]);
    assert_eq!(run.status.code(), Some(0));
    for file in files(&twin.join("files")) {
        let name = file.strip_prefix(&twin).unwrap();
        let same = fs::read(&file).unwrap() == fs::read(demo().dir.join(name)).unwrap();
        assert!(same, "{}", name.display());
    }
    // The card's figures come from fresh noise: of some dozen lines not all can agree.
    let card = |text: &str| -> String {
        text.lines().skip_while(|line| !line.contains("2026Q1")).collect()
    };
    let own = String::from_utf8(run.stdout).unwrap();
    assert_ne!(card(&own), card(&demo().stdout));
}

#[test]
fn a_password_in_a_url_is_refused_unrepeated_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("demo");
    let url = "postgres://gateway:sesame@localhost/tallygate";
    let run = tallygate(["demo", "--dir", dir.to_str().unwrap(), "--postgres", url]);
    let said = String::from_utf8(run.stderr).unwrap();
    assert_eq!(run.status.code(), Some(2), "{said}");
    assert!(said.contains("password") && !said.contains("sesame"), "{said}");
    assert!(!dir.exists());
    let run = tallygate(["bench", "log", "--database", url]);
    let said = String::from_utf8(run.stderr).unwrap();
    assert_eq!(run.status.code(), Some(2), "{said}");
    assert!(said.contains("password") && !said.contains("sesame"), "{said}");
}
