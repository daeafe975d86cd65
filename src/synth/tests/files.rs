//! The files as a partner or an intruder would read them.

use std::collections::BTreeSet;

use super::*;
use crate::domain::field::parse_date;
use crate::domain::record::{About, ENVELOPE};

#[test]
fn the_same_plan_gives_the_same_bytes_and_another_seed_others() {
    let (one, two, other) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let plan = plan(0.02);
    write(&plan, one.path()).unwrap();
    write(&plan, two.path()).unwrap();
    write(&Plan { seed: 8, ..plan }, other.path()).unwrap();
    let (one, two, other) = (contents(one.path()), contents(two.path()), contents(other.path()));
    assert_eq!(one.len(), 25);
    assert!(one == two);
    for (name, bytes) in &one {
        assert!(other[name] != *bytes, "{name}");
    }
}

#[test]
fn plans_out_of_bounds_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let good = plan(0.02);
    for scale in [0.0, -1.0, 10.1, f64::NAN, f64::INFINITY] {
        let refused = write(&Plan { scale, ..good }, dir.path());
        assert!(matches!(refused, Err(SynthError::Scale)));
    }
    for quarters in [0, 21] {
        let refused = write(&Plan { quarters, ..good }, dir.path());
        assert!(matches!(refused, Err(SynthError::Quarters)));
    }
    let refused = write(&Plan { canaries: 1_001, ..good }, dir.path());
    assert!(matches!(refused, Err(SynthError::Canaries)));
}

#[test]
fn every_row_keeps_its_definition_but_for_the_broken_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let summary = write(&plan(0.05), dir.path()).unwrap();
    assert_eq!(summary.files.len(), 23);
    for file in &summary.files {
        let rows = rows(dir.path(), file);
        assert_eq!(u64::try_from(rows.len()).unwrap(), file.rows);
        let definition = file.record_type.definition();
        let expected: BTreeSet<&str> =
            ENVELOPE.into_iter().chain(definition.fields().map(|f| f.name)).collect();
        let columns: BTreeSet<&str> = rows[0].keys().map(String::as_str).collect();
        assert!(columns.is_subset(&expected), "{}", file.record_type);
        // What the generator does not make up: corrections, ethnicity, needs, venues.
        let left: Vec<_> = expected.difference(&columns).copied().collect();
        let mut left_out = vec!["ethnicity", "sen", "supersedes", "venue"];
        if definition.about == About::Nobody {
            left_out.push("consent_ref");
        }
        assert!(left.iter().all(|name| left_out.contains(name)), "{left:?}");
        let (mut broken, mut withdrawn) = (0, 0);
        let mut sent: BTreeMap<&str, &Row> = BTreeMap::new();
        for row in &rows {
            let days = row.values().filter(|value| parse_date(value).is_ok());
            assert!(days.map(String::as_str).max() <= Some("2026-05-10"));
            let id = row["record_id"].as_str();
            if row["operation"] == "withdraw" {
                withdrawn += 1;
                let earlier = sent[id];
                assert_eq!(earlier["operation"], "upsert");
                assert!(earlier["extracted_at"] < row["extracted_at"]);
            } else if let Some(earlier) = sent.insert(id, row) {
                assert!(earlier == row, "a record id sent twice stands for the same row");
            }
            match offences(file.record_type, row)[..] {
                [] => {}
                ["nhs_number"] => broken += 1,
                ref other => panic!("{}: {other:?}", file.record_type),
            }
            if file.partner == "centres" && definition.about != About::Nobody {
                assert!(!row["consent_ref"].is_empty());
            }
        }
        assert_eq!((broken, withdrawn), (file.broken, file.withdrawals), "{}", file.record_type);
    }
}

#[test]
fn every_consent_that_is_referred_to_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let summary = write(&plan(0.05), dir.path()).unwrap();
    let mut reader = csv::Reader::from_path(dir.path().join("centres/consent.csv")).unwrap();
    let consents: Vec<Row> = reader.deserialize().map(|row| row.unwrap()).collect();
    let by_ref: BTreeMap<&str, &Row> =
        consents.iter().map(|row| (row["consent_ref"].as_str(), row)).collect();
    assert_eq!(by_ref.len(), consents.len());
    assert_eq!(u64::try_from(consents.len()).unwrap(), summary.consents);
    let mut used = BTreeSet::new();
    let of_persons = |file: &&FileSummary| file.record_type.definition().about != About::Nobody;
    let centres = summary.files.iter().filter(|file| file.partner == "centres");
    for file in centres.filter(of_persons) {
        for row in rows(dir.path(), file) {
            let consent = by_ref[row["consent_ref"].as_str()];
            assert!(consent["state"] != "given" || consent["recorded_on"] <= row["event_date"]);
            used.insert(row["consent_ref"].clone());
        }
    }
    assert_eq!(used.len(), consents.len());
    for row in &consents {
        assert!(["given", "refused", "withdrawn"].contains(&row["state"].as_str()));
        assert!(["parent", "carer"].contains(&row["given_by"].as_str()));
    }
}

#[test]
fn a_twentieth_of_coventry_has_its_share_of_records() {
    let dir = tempfile::tempdir().unwrap();
    let summary = write(&plan(0.05), dir.path()).unwrap();
    let rows: u64 = summary.files.iter().map(|file| file.rows).sum();
    assert!((26_000..33_000).contains(&rows), "{rows}");
    assert!((1_550..1_750).contains(&summary.children), "{}", summary.children);
    let attendances =
        summary.files.iter().find(|f| f.record_type == RecordType::Attendance).map(|f| f.rows);
    assert!(attendances.unwrap() * 2 > rows);
    assert!(summary.files.iter().all(|file| file.rows > 0));
    let truth = fs::read(dir.path().join("truth.json")).unwrap();
    let truth: serde_json::Value = serde_json::from_slice(&truth).unwrap();
    let registered = &truth["2026Q1"]["registered"];
    assert!(registered["CC17"]["numerator"].as_u64() <= registered["CC17"]["denominator"].as_u64());
    assert!(registered["E08000026"]["denominator"].as_u64() > Some(1_000));
    assert!(truth["2024Q2"]["births"]["CL8"]["denominator"].is_null());
}

/// The files in which a canary's records stand, whatever the period.
fn homes_of_canary(adult: bool) -> &'static [&'static str] {
    if adult {
        &[
            "centres/attendance.csv",
            "centres/referral.csv",
            "families/family_case.csv",
            "learning/learning_aim.csv",
        ]
    } else {
        &[
            "centres/attendance.csv",
            "centres/referral.csv",
            "centres/registration.csv",
            "dwp/two_year_old_eligibility.csv",
            "families/family_case.csv",
            "health/health_review.csv",
            "health/live_birth.csv",
            "learning/funded_place.csv",
        ]
    }
}

#[test]
fn canaries_are_everywhere_unique_and_clean() {
    for quarters in [1, 8] {
        let dir = tempfile::tempdir().unwrap();
        let plan = Plan { canaries: 50, quarters, ..plan(0.01) };
        let summary = write(&plan, dir.path()).unwrap();
        let words: BTreeSet<&str> = summary
            .canaries
            .iter()
            .flat_map(|c| [c.forename.as_str(), c.surname.as_str(), c.token.as_str()])
            .collect();
        assert_eq!(words.len(), 150);
        let twelve = |w: &&str| w.len() == 12 && w.bytes().all(|b| b.is_ascii_alphabetic());
        assert!(words.iter().all(twelve));
        let adult = |c: &Canary| c.date_of_birth < date(1940, 1, 1);
        assert_eq!(summary.canaries.iter().filter(|c| adult(c)).count(), 25);
        let mut found: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        let about = |file: &&FileSummary| file.record_type.definition().about;
        for file in summary.files.iter().filter(|file| about(file) != About::Nobody) {
            for row in rows(dir.path(), file) {
                let canary = summary.canaries.iter().find(|c| c.forename == row["forename"]);
                if let Some(canary) = canary {
                    assert_eq!(row["surname"], canary.surname);
                    assert_eq!(row["postcode"], canary.postcode);
                    assert_eq!(row["date_of_birth"], canary.date_of_birth.to_string());
                    assert!([canary.nhs_number.as_str(), ""].contains(&row["nhs_number"].as_str()));
                    assert_eq!(row["local_id"].contains(&canary.token), file.partner != "dwp");
                    let names = found.entry(&canary.token).or_default();
                    names.insert(format!("{}/{}.csv", file.partner, file.record_type));
                } else {
                    let thirties = |value: &String| value.starts_with("193") && value.contains('-');
                    assert!(!row.values().any(thirties));
                }
            }
        }
        for canary in &summary.canaries {
            let found = &found[canary.token.as_str()];
            let expected = homes_of_canary(adult(canary));
            assert!(expected.iter().all(|file| found.contains(*file)), "{quarters}: {found:?}");
        }
    }
}
