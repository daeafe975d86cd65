//! What can be taken back, by the program and over the real API: a file by its receipts, a
//! release by a notice; what lasts, also over a restart.

use crate::support::{
    copy, demo,
    gateway::{Copy, assert_refused},
    output, tallygate,
};
use serde_json::Value;
use std::fs;
use tallygate::wire::v1::{
    self, figure_service_client::FigureServiceClient, intake_service_client::IntakeServiceClient,
    release_service_client::ReleaseServiceClient,
};

const FILE: &str = "files/health/health_review.csv";
const RECEIPTS: &str = "receipts/health/health_review.json";
const NOTICE: &str = "One sender sent the registrations of another town.";

/// The program's JSON, from a thread on which it may wait.
async fn json(arguments: Vec<String>, code: i32) -> Value {
    let run = move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        serde_json::from_str(&output(&arguments, code)).unwrap()
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

fn line(words: &str) -> Vec<String> {
    words.split_whitespace().chain(["--format", "json"]).map(str::to_owned).collect()
}

/// Pushes the demo's health reviews again: well-formed, sent before.
async fn push_again(gateway: &Copy) -> (u64, u64) {
    let (file, profile) = (demo().dir.join(FILE), gateway.profile_file("health"));
    let words = format!(
        "push {} --type health_review --protocol isp-health --profile {profile}",
        file.display()
    );
    // The file has its dirt: some rows are rejected.
    let reports = json(line(&words), 1).await;
    let count = |name: &str| reports[0][name].as_u64().unwrap();
    (count("well_formed"), count("sent_before"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_undone_by_the_receipts_that_its_push_kept() {
    let gateway = Copy::start().await;
    let receipts = demo().dir.join(RECEIPTS);
    let (well_formed, before) = push_again(&gateway).await;
    assert_eq!(well_formed, before, "the demo has sent them all");
    let undo = |name: &str| {
        let profile = gateway.profile_file(name);
        format!("undo {} --reason wrong-file --profile {profile}", receipts.display())
    };
    // Somebody else's receipts open nothing.
    let words = undo("centres");
    let other =
        tokio::task::spawn_blocking(move || tallygate(words.split_whitespace()).status.code());
    assert_eq!(other.await.unwrap(), Some(2));
    let undone = json(line(&undo("health")), 0).await;
    assert_eq!(undone[0]["already"], false);
    assert!(undone[0]["records"].as_u64().unwrap() > 100, "{undone}");

    let gateway = gateway.restart().await;
    let profile = gateway.profile_file("health");
    let words = format!("undo {} --reason wrong-file --profile {profile}", receipts.display());
    let again = json(line(&words), 0).await;
    assert_eq!(
        (&again[0]["already"], &again[0]["records"]),
        (&Value::Bool(true), &undone[0]["records"])
    );
    let (well_formed, before) = push_again(&gateway).await;
    let new = well_formed - before;
    assert_eq!(Some(new), undone[0]["records"].as_u64(), "each of its records is new, once");
    assert_eq!(push_again(&gateway).await, (well_formed, well_formed));

    // What the gateway left verifies, with the leaf that says what was undone.
    let text = log_of(gateway).await;
    for words in ["\"kind\":\"intake_stream_undone\"", "\"cause\":\"wrong_file\""] {
        assert!(text.contains(words), "{words}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_undo_and_withdraw_over_the_api() {
    let gateway = Copy::start().await;
    let report: Value =
        serde_json::from_str(&fs::read_to_string(demo().dir.join(RECEIPTS)).unwrap()).unwrap();
    let opened_leaf_index = report["sessions"][0]["opened"]["leaf_index"].as_u64().unwrap();
    let undo = async |name: &str, reason: v1::UndoReason| {
        let request = v1::UndoStreamRequest {
            opened_leaf_index,
            opened_leaf_hash: vec![0; 32],
            reason: reason.into(),
        };
        IntakeServiceClient::new(gateway.caller(name).await).undo_stream(request).await
    };
    assert_refused(undo("health", v1::UndoReason::WrongFile).await, "not_found");
    assert_refused(undo("health", v1::UndoReason::Unspecified).await, "invalid_argument");
    for name in ["officer", "auditor", "manager-CC01"] {
        assert_refused(undo(name, v1::UndoReason::WrongFile).await, "wrong_role");
    }
    let withdraw = async |name: &str| {
        let (quarter, notice) = ("2026Q1".to_owned(), NOTICE.to_owned());
        let request = v1::WithdrawReleaseRequest { quarter, notice };
        ReleaseServiceClient::new(gateway.caller(name).await).withdraw_release(request).await
    };
    for name in ["health", "auditor", "manager-CC01"] {
        assert_refused(withdraw(name).await, "wrong_role");
    }
    withdraw("officer-2").await.unwrap();
    assert_refused(withdraw("officer").await, "already_withdrawn");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawn_release_is_a_notice_on_cards_queries_and_the_list() {
    let gateway = Copy::start().await;
    let mut releases = ReleaseServiceClient::new(gateway.caller("officer").await);
    let (quarter, notice) = ("2025Q4".to_owned(), NOTICE.to_owned());
    releases.withdraw_release(v1::WithdrawReleaseRequest { quarter, notice }).await.unwrap();
    let gateway = gateway.restart().await;
    let mut figures = FigureServiceClient::new(gateway.caller("manager-CC01").await);
    let card = |quarter: &str| v1::GetCardRequest {
        area: "CC01".to_owned(),
        quarter: quarter.to_owned(),
        purposes: vec!["childrens_centre_planning".to_owned()],
    };
    let whole = figures.get_card(card("2025Q4")).await.unwrap().into_inner();
    assert_eq!(whole.notices[0].notice, NOTICE);
    let values = || whole.lines.iter().map(|line| line.figure.as_ref().unwrap());
    assert!(values().count() > 5 && values().all(|figure| figure.value == "withdrawn"));
    let latest = figures.get_card(card("")).await.unwrap().into_inner();
    // What is counted once a year has no figure of that quarter.
    let quarterly: Vec<&v1::CardLine> = latest
        .lines
        .iter()
        .filter(|line| line.trend.iter().any(|figure| figure.quarter == "2025Q4"))
        .collect();
    assert!(quarterly.len() > 5);
    for line in quarterly {
        assert_ne!(line.figure.as_ref().unwrap().value, "withdrawn");
        let gap: Vec<&str> = line
            .trend
            .iter()
            .filter(|figure| figure.value == "withdrawn")
            .map(|figure| figure.quarter.as_str())
            .collect();
        assert_eq!(gap, ["2025Q4"]);
    }
    let profile = gateway.profile_file("manager-CC01");
    let words = format!("query registered --area CC01 --period 2025Q3..2026Q1 --profile {profile}");
    let answer = json(line(&words), 0).await;
    assert_eq!(answer["figures"][1]["value"], "withdrawn");
    assert_eq!(answer["notices"][0]["notice"], NOTICE);
    let words = format!("release list --profile {}", gateway.profile_file("officer"));
    let listed = json(line(&words), 0).await;
    let notices: Vec<&str> =
        listed.as_array().unwrap().iter().map(|r| r["notice"].as_str().unwrap()).collect();
    assert_eq!(notices.iter().filter(|notice| **notice == NOTICE).count(), 1);
    let mut releases = ReleaseServiceClient::new(gateway.caller("officer").await);
    let quarter = "2025Q4".to_owned();
    let request = v1::CloseQuarterRequest { quarter, accepted_warnings: vec![] };
    assert_refused(releases.close_quarter(request).await, "already_released");
    let text = log_of(gateway).await;
    assert!(text.contains("\"kind\":\"release_withdrawn\"") && !text.contains(NOTICE));
}

/// Stops the gateway and gives its whole log as text, verified.
async fn log_of(gateway: Copy) -> String {
    let (tiles, key) = (gateway.path("tiles"), gateway.path("log.vkey"));
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("tiles");
    gateway.running.stop().await.unwrap();
    copy(&tiles, &kept);
    let entries = crate::support::files(&kept.join("tile/entries"));
    let verify = move || {
        let (kept, key) = (kept.to_str().unwrap(), key.to_str().unwrap());
        output(&["audit", "verify", kept, "--vkey-file", key], 0);
    };
    let read =
        |file: &std::path::PathBuf| String::from_utf8_lossy(&fs::read(file).unwrap()).into_owned();
    let text = entries.iter().map(read).collect();
    tokio::task::spawn_blocking(verify).await.unwrap();
    text
}
