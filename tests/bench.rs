//! The form of what `tallygate bench` prints and writes. No test looks at a time: a figure
//! need only be there, and be the part of its limit that its ratio says.

use crate::support::{output, tallygate};
use serde_json::Value;
use std::{
    collections::{BTreeSet, HashMap},
    fs,
    path::Path,
};

const COLUMNS: [&str; 9] =
    ["name", "engine", "value", "unit", "limit", "ratio", "p50_ms", "p99_ms", "rss_mib"];

fn rows(text: &str) -> Vec<Value> {
    serde_json::from_str::<Vec<Value>>(text).unwrap()
}

/// Every element is closed, in order, and nothing stands between that is not escaped.
fn assert_well_formed(svg: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = svg;
    while let Some(start) = rest.find('<') {
        assert!(!rest[..start].contains('>'), "a stray > in {rest}");
        let end = start + rest[start..].find('>').unwrap();
        let tag = &rest[start + 1..end];
        assert!(!tag.contains('<'), "a stray < in {tag}");
        let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "{svg}");
        } else if !tag.ends_with('/') {
            open.push(name);
        }
        rest = &rest[end + 1..];
    }
    assert!(open.is_empty(), "never closed: {open:?}");
}

#[test]
fn every_measure_has_its_limit_and_the_files_say_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (scratch, out) = (folder.path().join("scratch"), folder.path().join("out"));
    let (dir, results) = (scratch.to_str().unwrap(), out.to_str().unwrap());
    let all = ["bench", "all", "--size", "64", "--seconds", "1", "--dir", dir, "--out", results];
    let printed = output(&[&all[..], &["--format", "json"]].concat(), 0);
    let rows = rows(&printed);
    let names: BTreeSet<_> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
    let expected = [
        "figures_card",
        "figures_lookup",
        "figures_query",
        "intake",
        "linking_mix",
        "linking_new",
        "log",
        "log_growth",
        "log_growth_memory",
        "log_p99",
        "overload_memory",
        "overload_p99",
        "overload_partner",
        "prf",
        "prf_per_record",
        "protocols_admit",
        "protocols_authorise",
        "protocols_change",
        "protocols_figure",
        "protocols_rebuild",
        "release",
        "release_joined",
        "verify",
        "withheld",
    ];
    assert_eq!(names, BTreeSet::from(expected));
    for row in &rows {
        let fields: Vec<_> = row.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(BTreeSet::from_iter(fields), BTreeSet::from(COLUMNS), "{row}");
        assert_eq!(row["engine"], "sqlite");
        let number = |name: &str| row[name].as_f64().unwrap();
        assert!(number("value") > 0.0 && number("limit") > 0.0, "{row}");
        let error = (number("ratio") - number("value") / number("limit")).abs();
        // Both are rounded: the figures to a tenth, the ratio to a thousandth.
        let rounding = 0.001 + 0.1 * (1.0 + number("ratio")) / number("limit");
        assert!(error <= rounding, "{row}");
        assert!(number("p50_ms") > 0.0 && number("p50_ms") <= number("p99_ms"), "{row}");
    }
    let written = fs::read_to_string(out.join("bench.json")).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Value>>(&written).unwrap(), rows);
    let chart = fs::read_to_string(out.join("bench.svg")).unwrap();
    assert_well_formed(&chart);
    let rates = rows.iter().filter(|row| row["unit"].as_str().unwrap().ends_with("/s")).count();
    assert_eq!(chart.matches("fill=\"#1f5f8b\"").count(), rates, "a bar a rate: {chart}");
    for part in ["role=\"img\"", "<title id=\"title\">", "<desc id=\"desc\">"] {
        assert!(chart.contains(part), "{part} is not in {chart}");
    }
    assert!(!scratch.exists(), "the scratch was left behind");
}

#[test]
fn rows_come_as_csv_too_and_nothing_of_others_is_wiped() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_str().unwrap().to_owned();
    let scratch = format!("{dir}/scratch");
    let log = ["bench", "log", "--size", "64", "--format", "csv", "--dir"];
    let printed = output(&[&log[..], &[&scratch]].concat(), 0);
    let mut lines = printed.lines();
    assert_eq!(lines.next().unwrap(), COLUMNS.join(","));
    assert!(lines.next().unwrap().starts_with("log,sqlite,"), "{printed}");
    // A folder that no run of ours made is left as it is.
    let thesis = Path::new(&dir).join("thesis.txt");
    fs::write(&thesis, "years of work").unwrap();
    let refused = tallygate([&log[..], &[&dir]].concat());
    assert_eq!(refused.status.code(), Some(2));
    assert!(thesis.exists());
}

#[test]
fn a_release_is_exported_for_another_program_to_count_and_no_other_measure_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (scratch, rows) = (path("scratch"), path("rows"));
    let own = ["bench", "release", "--size", "64", "--dir", &scratch, "--export", &rows];
    output(&own, 0);
    let read = |name: &str| {
        let mut file = csv::Reader::from_path(format!("{rows}/{name}.csv")).unwrap();
        file.deserialize().map(Result::unwrap).collect::<Vec<HashMap<String, String>>>()
    };
    let persons = read("persons");
    assert!(persons.len() > 64, "the invented and those they were invented after");
    let under_fives: u32 = read("exact")
        .iter()
        .filter(|row| row["table"] == "registered" && row["quarter"] == "2026Q1")
        .map(|row| row["count"].parse::<u32>().unwrap())
        .sum();
    assert!(under_fives > 64 && usize::try_from(under_fives).unwrap() <= persons.len());
    let numbers: BTreeSet<&str> = persons.iter().map(|row| row["person"].as_str()).collect();
    assert_eq!(numbers.len(), persons.len());
    let births = read("live_birth");
    assert!(births.iter().all(|row| numbers.contains(row["person"].as_str())));
    assert!(births.iter().all(|row| row["role"] != "principal" || row["day"].is_empty()));
    let quarters: BTreeSet<_> = read("exact").iter().map(|row| row["quarter"].clone()).collect();
    assert_eq!(quarters.len(), 4, "a table is due in one of four, or in each");
    let took = read("times").iter().map(|row| row["what"].clone()).collect::<Vec<_>>();
    assert_eq!(took, ["export", "close", "scan"]);
    let signed: Value =
        serde_json::from_str(&fs::read_to_string(format!("{rows}/release.json")).unwrap()).unwrap();
    assert!(signed["payload"].is_string() && signed["signatures"].is_array());
    for other in ["all", "intake", "log"] {
        let refused = tallygate(["bench", other, "--size", "64", "--export", &path("none")]);
        assert_eq!(refused.status.code(), Some(2), "{other}");
    }
    assert!(!Path::new(&path("none")).exists());
}
