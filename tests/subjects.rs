//! What information-governance staff do with the program: consents as they were known, their
//! receipts, and a report that the data protection officer alone can read.

use crate::support::{demo, files, gateway::Copy, tallygate};
use serde_json::Value;
use std::fs;
use tallygate::connector::ProfileFile;

/// Runs the program on a thread on which it may wait: exit code, JSON and what was said.
async fn run(words: String) -> (Option<i32>, Value, String) {
    let run = move || {
        let done = tallygate(words.split_whitespace());
        let value = serde_json::from_slice(&done.stdout).unwrap_or(Value::Null);
        (done.status.code(), value, String::from_utf8_lossy(&done.stderr).into_owned())
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_is_asked_for_as_it_was_known_and_has_a_receipt() {
    let gateway = Copy::start().await;
    let centres = gateway.profile_file("centres");
    let path = |name: &str| gateway.path(name).display().to_string();
    let text = "consent_ref,state,given_by,recorded_on,notice_version,giver_ref,obtained,\
        purposes,record_types,evidence_ref,valid_until\n\
        G-1,given,parent,2026-01-02,2025-1,mother,in_writing,childrens_centre_planning,\
        attendance;registration,form 12,2026-12-31\n\
        G-1,refused,parent,2026-02-02,2025-1,father,online,,,,\n\
        G-2,given,parent,2026-01-02,2025-1,mother,by_conduct,,,,\n";
    fs::write(gateway.path("consents.csv"), text).unwrap();
    let record =
        format!("consent record {} --format json --profile {centres}", path("consents.csv"));
    let (code, told, said) = run(record).await;
    assert_eq!((code, &told["recorded"], &told["rejected"]), (Some(1), &2.into(), &1.into()));
    assert!(said.contains("row 4: obtained (unknown-code)"), "{said}");
    let show =
        |more: &str| run(format!("consent show G-1 {more} --format json --profile {centres}"));
    assert_eq!(show("").await.1["state"], "refused");
    assert_eq!(show("--on 2026-01-15").await.1["state"], "given");
    assert_eq!(show("--on 2026-01-01").await.1["state"], "unknown");
    assert_eq!(show("--known-at 2026-01-15T00:00:00Z").await.1["state"], "unknown");
    let statements = show("--statements").await.1;
    let states: Vec<_> = statements.as_array().unwrap().iter().map(|s| &s["state"]).collect();
    assert_eq!(states, ["given", "refused"]);
    assert_eq!(statements[0]["record_types"], "registration;attendance");

    let receipt = |more: &str, out: &str| {
        let out = path(out);
        let what = format!("--protocol isp-centres --out {out} --format json");
        run(format!("consent receipt G-1 {more} {what} --profile {centres}"))
    };
    let (code, _, said) = receipt("", "receipt.json").await;
    assert_eq!(code, Some(0), "{said}");
    let text = fs::read_to_string(gateway.path("receipt.json")).unwrap();
    let written: Value = serde_json::from_str(&text).unwrap();
    assert!(!text.contains("G-1") && !text.contains("form 12") && !text.contains("father"));
    assert_eq!(written["events"].as_array().unwrap().len(), 2);
    assert_eq!(written["events"][0]["validity_duration"], "P364D");
    let processing = &written["pii_processing"];
    assert_eq!(processing["privacy_notice"], "2025-1");
    let types = processing["purposes"][0]["pii_information"].as_array().unwrap();
    assert!(types.iter().any(|t| t["pii_type"] == "attendance"));
    assert_eq!(written["party_identification"].as_array().unwrap().len(), 2);
    // Its log receipt is one, for any verifier.
    assert!(written["log_receipt"]["checkpoint"].as_str().unwrap().contains('\n'));
    assert_eq!(receipt("", "receipt.json").await.0, Some(2), "a receipt is never replaced");
    assert_eq!(receipt("--name-reference", "named.json").await.0, Some(0));
    assert!(fs::read_to_string(gateway.path("named.json")).unwrap().contains("G-1"));
    let nothing = format!("consent receipt G-9 --protocol isp-centres --out {}", path("none.json"));
    assert_eq!(run(format!("{nothing} --profile {centres}")).await.0, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_made_by_two_and_read_by_one() {
    let gateway = Copy::start().await;
    let path = |name: &str| gateway.path(name).display().to_string();
    let officer = gateway.profile_file("officer");
    let file = ProfileFile { user: "another-officer".to_owned(), ..gateway.profile("officer") };
    let second = gateway.path("profiles/here-officer-2.toml");
    fs::write(&second, file.to_toml().unwrap()).unwrap();
    let second = second.display().to_string();

    // Somebody of whom health sent a review.
    let reviews = fs::read(demo().dir.join("files/health/health_review.csv")).unwrap();
    let mut reader = csv::Reader::from_reader(&*reviews);
    let heading = reader.headers().unwrap().clone();
    let value = |row: &csv::StringRecord, name: &str| {
        let at = heading.iter().position(|column| column == name).unwrap();
        row.get(at).unwrap().to_owned()
    };
    let valid = |row: &csv::StringRecord| {
        let nhs = value(row, "nhs_number");
        let scheme = tallygate::domain::identifier::Scheme::Nhs;
        let birth = value(row, "date_of_birth").parse::<jiff::civil::Date>();
        tallygate::domain::identifier::check(scheme, &nhs).is_ok() && birth.is_ok()
    };
    let row = reader.records().map(Result::unwrap).find(valid).unwrap();
    let (nhs, birth) = (value(&row, "nhs_number"), value(&row, "date_of_birth"));
    let who = format!("nhs_number,date_of_birth\n{nhs},{birth}\n");
    fs::write(gateway.path("person.csv"), who).unwrap();

    assert_eq!(run(format!("subject new-key --out {}", path("dpo"))).await.0, Some(0));
    let asked = run(format!("subject request --proof passport --format json --profile {officer}"));
    let number = asked.await.1["number"].as_u64().unwrap();
    let report = |out: &str, profile: &str| {
        let (who, key, out) = (path("person.csv"), path("dpo/dpo.pub"), path(out));
        let what = format!("--who {who} --to {key} --out {out} --format json");
        run(format!("subject report {number} {what} --profile {profile}"))
    };
    let (code, waits, said) = report("first.json", &officer).await;
    assert_eq!((code, &waits["state"]), (Some(0), &"waiting for a second person".into()), "{said}");
    assert!(!gateway.path("first.json").exists());
    assert_eq!(report("first.json", &officer).await.0, Some(2), "one person is not two");
    let (code, done, said) = report("sealed.json", &second).await;
    assert_eq!((code, &done["state"]), (Some(0), &"made".into()), "{said}");
    let open = |key: &str| run(format!("subject open {} --key {}", path("sealed.json"), path(key)));
    let (code, opened, said) = open("dpo/dpo.key").await;
    assert_eq!(code, Some(0), "{said}");
    let shared = opened["shared"].as_array().unwrap();
    assert!(shared.iter().any(|line| line["record_type"] == "health_review"), "{opened}");
    assert!(!opened.to_string().contains(&nhs), "a report repeats no identifier");
    assert_eq!(run(format!("subject new-key --out {}", path("other"))).await.0, Some(0));
    assert_eq!(open("other/dpo.key").await.0, Some(2));
    let list = run(format!("subject list --format json --profile {officer}")).await;
    assert_eq!((list.0, list.1[0]["done_at"].as_str().unwrap().is_empty()), (Some(0), false));

    // The gateway keeps neither the report nor whom it is about.
    let needles = ["tallygate subject report v1".as_bytes(), nhs.as_bytes()];
    let mut looked_through = 0;
    for file in files(gateway.path("").as_path()) {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("gateway.db") || file.to_string_lossy().contains("tiles") {
            // A draft of a tile may be gone by now.
            let Ok(bytes) = fs::read(&file) else { continue };
            looked_through += 1;
            for needle in needles {
                assert!(!bytes.windows(needle.len()).any(|part| part == needle), "{name}");
            }
        }
    }
    assert!(looked_through > 1, "{looked_through} files");
}
