//! Data books and asking once, by the commands, over a real gateway.

use crate::support::{gateway::Copy, tallygate};
use serde_json::Value;
use std::fs;

fn run(arguments: &[String], code: i32) -> String {
    let done = tallygate(arguments);
    let errors = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(code), "{arguments:?}\n{errors}");
    String::from_utf8(done.stdout).unwrap()
}

/// Commands run on threads of their own: the gateway answers on this runtime.
async fn asked(gateway: &Copy, who: &str, arguments: &[&str], code: i32) -> String {
    // The copy listens on a port of its own; paths in a profile are relative to its folder.
    let path = gateway.path(&format!("profiles/{who}.toml"));
    let server = format!("server = \"{}\"\n", gateway.running.address());
    let text: String = fs::read_to_string(&path)
        .unwrap()
        .lines()
        .map(|line| if line.starts_with("server =") { server.clone() } else { format!("{line}\n") })
        .collect();
    fs::write(&path, text).unwrap();
    let mut all: Vec<String> = arguments.iter().map(|&a| a.to_owned()).collect();
    all.extend(["--profile".to_owned(), path.to_str().unwrap().to_owned()]);
    tokio::task::spawn_blocking(move || run(&all, code)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_book_is_written_as_a_page_and_tables_that_describe_themselves() {
    let gateway = Copy::start().await;
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("books");
    let out = out.to_str().unwrap();
    let period = ["databook", "--area", "E08000026", "--period", "2026Q1", "--out", out];
    let files = asked(&gateway, "officer", &[&period[..], &["--format", "json"]].concat(), 0).await;
    let files: Value = serde_json::from_str(&files).unwrap();
    assert_eq!(files.as_array().unwrap().len(), 6);
    let read = |name: &str| fs::read_to_string(folder.path().join("books").join(name)).unwrap();
    let page = read("databook-E08000026-2026Q1.html");
    assert!(page.starts_with("<!DOCTYPE html>") && !page.contains("<script"));
    let json: Value = serde_json::from_str(&read("databook-E08000026-2026Q1.json")).unwrap();
    let lines = json["lines"].as_array().unwrap();
    assert!(lines.len() >= 11, "{}", lines.len());
    // Eight quarters, and a row for each figure of the JSON in the table.
    assert!(lines.iter().any(|line| line["trend"].as_array().unwrap().len() == 7));
    let rows = read("databook-E08000026-2026Q1-figures.csv").lines().count() - 1;
    let length = |line: &Value, field: &str| line[field].as_array().unwrap().len();
    let own = |line: &Value| usize::from(length(line, "beside") > 0);
    let figures: usize = lines
        .iter()
        .map(|l| length(l, "trend") + 1 + length(l, "parts") + length(l, "beside") - own(l))
        .sum();
    assert_eq!(rows, figures);

    // A year with commentary, by a manager.
    let commentary = folder.path().join("2025.md");
    fs::write(&commentary, "# Reach\n\nMore families came.").unwrap();
    let annual = ["databook", "--area", "CC17", "--year", "2025", "--out", out, "--commentary"];
    let commentary = commentary.to_str().unwrap();
    asked(&gateway, "manager-CC17", &[&annual[..], &[commentary]].concat(), 0).await;
    let page = read("databook-CC17-2025.html");
    assert!(page.contains("Annual data book") && page.contains("More families came."));
    let refused = ["databook", "--area", "CC01", "--out", out];
    asked(&gateway, "manager-CC17", &refused, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_is_found_and_what_is_not_is_asked_for() {
    let gateway = Copy::start().await;
    let found =
        asked(&gateway, "health", &["figures", "find", "two", "year", "olds", "funded"], 0).await;
    assert!(
        found.contains("tallygate query two_year_take_up") && found.contains("reach area \u{b1}"),
        "{found}"
    );
    let none = asked(&gateway, "health", &["figures", "find", "zebra"], 0).await;
    assert_eq!(none, "");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wanted.toml");
    let text = "title = \"Fathers\"\npurpose = \"inspection\"\nreason = \"Planned\"\n\
                cells = [\"came\", \"none\"]\nbase = \"reach_area\"\nrhythm = \"yearly\"\n";
    fs::write(&path, text).unwrap();
    let request = ["figures", "request", path.to_str().unwrap(), "--format", "json"];
    let cost: Value = serde_json::from_str(&asked(&gateway, "health", &request, 0).await).unwrap();
    assert!(cost["cost"]["options"].as_array().unwrap().len() >= 4, "{cost}");
    let number = cost["number"].to_string();
    let decide = ["figures", "decide", &number, "--refuse", "--reason", "Not now"];
    asked(&gateway, "health", &decide, 2).await;
    asked(&gateway, "officer", &decide, 0).await;
    let listed = asked(&gateway, "health", &["figures", "requests", "--format", "json"], 0).await;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((&listed[0]["state"], &listed[0]["reason"]), (&"refused".into(), &"Not now".into()));
}
