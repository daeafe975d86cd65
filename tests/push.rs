//! Files as partners have them, by the program and over the real API: a folder that is watched,
//! with encodings, corrections and files that can't be used.

use crate::support::{gateway::Copy, output, tallygate};
use std::{fs, path::Path};

const HEADINGS: &str = "record_id;extracted_at;event_date;nhs_number;date_of_birth;forename;\
                        review;outcome;supersedes";

fn row(id: &str, nhs: &str, more: &str) -> String {
    format!("\n{id};2026-04-02;2026-02-03;{nhs};2024-02-28;Zoë;twelve_month;completed;{more}")
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watched_folder_is_pushed_file_by_file_and_tells_what_became_of_each() {
    let gateway = Copy::start().await;
    let profile = gateway.profile_file("health");
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_owned();
    let put = |name: &str, bytes: &[u8]| fs::write(root.join(name), bytes).unwrap();
    let first = format!("{HEADINGS}{}", row("W-1", "999 000 0018", ""));
    let utf16: Vec<u8> =
        [0xfeff].into_iter().chain(first.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    put("a.csv", &utf16);
    // In Windows-1252: a correction, one of nothing, and a wrong check digit.
    let text = [
        HEADINGS.to_owned(),
        row("W-2", "9990000018", "W-1"),
        row("W-3", "9990000018", "W-99"),
        row("W-4", "9990000019", ""),
    ]
    .concat();
    let latin: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    put("b.csv", &latin);
    put("c.xlsx", b"PK\x03\x04 and no more");
    put("notes.pdf", b"left alone");
    let run = move || {
        let path = root.to_str().unwrap();
        let line = ["push", "--watch", path, "--once", "--type", "health_review"];
        let more = ["--protocol", "isp-health", "--profile", &profile, "--format", "csv"];
        let done = tallygate(line.iter().chain(&more));
        let told = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(1), "{told}");
        assert!(told.contains("mend this first") && !told.contains("9990000019"), "{told}");
        assert_eq!(names(&root.join("done")), ["a.csv", "b.csv"]);
        let failed = ["b-rejects.csv", "c.xlsx", "c.xlsx.reason.txt"];
        assert_eq!(names(&root.join("failed")), failed);
        assert_eq!(names(&root.join("receipts")), ["a.json", "b.json"]);
        let rejects = root.join("failed/b-rejects.csv");
        let text = fs::read_to_string(&rejects).unwrap();
        assert!(text.contains("nothing-to-supersede") && text.contains("nhs-check-digit"));
        assert!(text.contains("Zoë"), "rejects are in UTF-8");
        // Corrected, it is pushed as it is; what was sent meanwhile may be corrected too.
        let mended = text.replace("9990000019", "9990000026").replace("W-99", "W-2");
        fs::write(&rejects, mended).unwrap();
        let path = rejects.to_str().unwrap();
        let line = ["push", path, "--type", "health_review", "--protocol", "isp-health"];
        let told = output(&[&line[..], &["--profile", &profile, "--format", "json"]].concat(), 0);
        let report: serde_json::Value = serde_json::from_str(&told).unwrap();
        assert_eq!((&report[0]["well_formed"], &report[0]["sent_before"]), (&2.into(), &0.into()));
    };
    tokio::task::spawn_blocking(run).await.unwrap();
}
