//! `bench attacks`, `bench noise` and `catalogue dpia` as they are called, with as
//! many trials as show half of the noise and no more. `src/bench/attacks/tests.rs` plants it.

use crate::support::output;
use serde_json::Value;
use std::{collections::BTreeMap, fs};

/// At 3,000 trials of a whole childhood the interval is 0.03 wide on either side, and half of the
/// noise lies 0.08 above the bound.
const TRIALS: &str = "3000";

fn rows(arguments: &[&str], code: i32) -> Vec<Value> {
    let text = output(&[arguments, &["--format", "json"]].concat(), code);
    serde_json::from_str(&text).unwrap()
}

#[test]
fn every_attack_is_run_ours_stands_and_the_rules_in_use_fall() {
    let rows = rows(&["bench", "attacks", "--trials", TRIALS, "--seed", "7"], 0);
    let mut worst: BTreeMap<&str, f64> = BTreeMap::new();
    for row in &rows {
        let number = |name: &str| row[name].as_f64().unwrap();
        assert!(number("low") <= number("accuracy") && number("accuracy") <= number("high"));
        let most = worst.entry(row["mechanism"].as_str().unwrap()).or_default();
        *most = most.max(number("accuracy"));
        assert!(number("epsilon") >= 0.0 && number("mu") >= 0.0);
        let ours = row["mechanism"].as_str().unwrap().starts_with("tallygate");
        assert_eq!(row["bound"].is_number(), ours, "{row}");
        assert_eq!(row["ledger"].is_number(), ours, "{row}");
        assert_eq!(row["within"].as_bool(), ours.then_some(true), "{row}");
    }
    let mut numbers: Vec<u32> = rows
        .iter()
        .map(|row| row["attack"].as_str().unwrap().split(' ').next().unwrap().parse().unwrap())
        .collect();
    numbers.dedup();
    assert_eq!(numbers, (0..=12).collect::<Vec<_>>());
    for mechanism in ["threshold", "hes", "ons_10_5", "cell_keys_1", "cell_keys_9_5"] {
        let others = worst[mechanism];
        assert!(others > 0.85 && others > worst["tallygate"], "{mechanism}: {worst:?}");
    }
    assert!(worst["tallygate"] < 0.82, "{worst:?}");
}

#[test]
fn the_noises_probabilities_are_whole_and_its_draws_are_as_many_as_asked_for() {
    let rows = rows(&["bench", "noise", "--variance", "9", "--draws", "5000"], 0);
    let drawn: u64 = rows.iter().map(|row| row["drawn"].as_u64().unwrap()).sum();
    assert_eq!(drawn, 5_000);
    let units = |row: &Value| u128::from_str_radix(row["probability"].as_str().unwrap(), 16);
    let sum = rows.iter().fold(0_u128, |sum, row| sum.wrapping_add(units(row).unwrap()));
    assert_eq!(sum, 0, "they sum to 2^128");
    assert_eq!(rows.len() % 2, 1);
}

#[test]
fn the_impact_assessment_has_the_numbers_the_attacks_and_the_residual_risks() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("intruder.md");
    let arguments = ["catalogue", "dpia", "--trials", "400", "--out", file.to_str().unwrap()];
    assert_eq!(output(&arguments, 0), "");
    let text = fs::read_to_string(&file).unwrap();
    let numbers = output(&["catalogue", "dpia", "--format", "json"], 0);
    let numbers: Value = serde_json::from_str(&numbers).unwrap();
    for period in ["quarter", "childhood"] {
        let rho: f64 = numbers[period]["rho"].as_str().unwrap().parse().unwrap();
        let accuracy = numbers[period]["accuracy"].as_f64().unwrap();
        assert!(text.contains(&format!("{rho:.4}")), "{text}");
        assert!(text.contains(&format!("({accuracy:.4})")), "{text}");
    }
    for part in [
        "motivated intruder",
        "Singling out",
        "Linkability",
        "Inference",
        "| nested areas |",
        "| a whole childhood |",
        "Siblings and twins",
        "Partners who collude",
        "[The authority's conclusion",
    ] {
        assert!(text.contains(part), "{part}");
    }
    // A page or two.
    assert!((60..140).contains(&text.lines().count()), "{}", text.lines().count());
}
