//! A file from the browser: its columns mapped, checked, its rejects corrected, sent.

use super::{Browser, HOST, Page};
use crate::support::gateway::Copy;
use http::{Method, StatusCode, header};
use tallygate::wire::v1::{self, access_log_service_client::AccessLogServiceClient};

const BOUNDARY: &str = "----browser7";

/// A sender's extract with its own headings, codes and dates; the last row's NHS number is wrong.
const EXTRACT: &str = "Ref;NHS No;Surname;First Name;DOB;Gender;Home Postcode;Date;Extract Date;Review;Outcome;Notes\n\
    web-1;999 000 0018;Example;Ada;28/02/2024;F;cv1 1ah;03/02/2026;2026-04-02;Twelve month;COMPLETED;x\n\
    web-2;9990000026;Example;Ben;27/02/2024;1;CV1 1AH;03/02/2026;2026-04-02;new_birth;Declined;x\n\
    web-3;9990000019;Example;Cat;26/02/2024;F;CV1 1AH;03/02/2026;2026-04-02;new_birth;Declined;x\n";

async fn send(browser: &mut Browser, origin: &str, form: &str, feed: &str, file: &str) -> Page {
    let part = |name: &str, more: &str, value: &str| {
        format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"{more}\r\n\r\n{value}\r\n"
        )
    };
    let body = [
        part("form", "", form),
        part("feed", "", feed),
        part("extract_day", "", ""),
        part("file", "; filename=\"reviews.csv\"", file),
        format!("--{BOUNDARY}--\r\n"),
    ]
    .concat();
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    let headers = [("origin", origin), ("content-type", kind.as_str())];
    browser.ask(Method::POST, "/push", &headers, &body).await
}

/// How many leaves of a kind there are.
async fn leaves(gateway: &Copy, kind: &str) -> usize {
    let mut client = AccessLogServiceClient::new(gateway.caller("auditor").await);
    let request = v1::SearchEntriesRequest {
        kind: kind.to_owned(),
        partner_id: "health".to_owned(),
        page_size: 1_000,
        ..Default::default()
    };
    client.search_entries(request).await.unwrap().into_inner().entries.len()
}

/// Where a page's form goes that is about its file.
fn file_of(page: &Page) -> String {
    let after = page.text.split("action=\"/push/").nth(1).expect("a form about the file");
    format!("/push/{}", after.split('"').next().unwrap())
}

/// What the form that maps columns would send as it stands.
fn as_proposed(page: &Page) -> String {
    let columns = page.text.split("<select ").skip(1).map(|select| {
        let name = select.split("name=\"").nth(1).unwrap().split('"').next().unwrap();
        let chosen = select.split("</select>").next().unwrap();
        let chosen = chosen.split("\" selected").next().filter(|before| *before != chosen);
        let value = chosen.and_then(|before| before.rsplit("value=\"").next()).unwrap_or_default();
        format!("{name}={value}&")
    });
    columns.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_extract_is_mapped_checked_sent_and_its_rejects_come_back() {
    let gateway = Copy::start().await;
    let mut health = Browser::signed_in(&gateway, "health").await;
    let here = format!("https://{HOST}");
    let page = health.get("/push").await;
    assert!(page.text.contains("isp-health/health_review"), "{}", page.text);
    let form = page.form();
    let accepted = leaves(&gateway, "batch_accepted").await;
    let mapping = send(&mut health, &here, &form, "isp-health/health_review", EXTRACT).await;
    assert_eq!(mapping.status, StatusCode::OK, "{}", mapping.text);
    assert!(mapping.text.contains("Which column is what"), "{}", mapping.text);
    assert!(mapping.text.contains("NHS No") && !mapping.text.contains("9990000026"));

    let path = file_of(&mapping);
    let fields = format!("form={form}&act=check&{}", as_proposed(&mapping));
    let checked = health.post(&path, &fields).await;
    assert_eq!(checked.status, StatusCode::OK, "{}", checked.text);
    for words in
        ["2 of 3 rows are well-formed", "Nothing is stored yet", "nhs_number", "1 row would"]
    {
        assert!(checked.text.contains(words), "{words}: {}", checked.text);
    }
    assert_eq!(leaves(&gateway, "batch_accepted").await, accepted, "a check stores nothing");

    let path = file_of(&checked);
    let rejects = health.get(&format!("{path}/rejects.csv")).await;
    assert!(rejects.text.contains("9990000019") && rejects.text.contains("_message"));
    assert!(!rejects.text.contains("9990000026"), "its neighbours are not in it");
    assert!(rejects.headers[header::CONTENT_DISPOSITION].to_str().unwrap().contains("attachment"));
    // It is its sender's alone.
    for other in ["officer", "auditor", "manager-CC01"] {
        let mut browser = Browser::signed_in(&gateway, other).await;
        let page = browser.get(&format!("{path}/rejects.csv")).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{other}");
        let form = browser.get("/figures").await.form();
        let page = browser.post(&path, &format!("form={form}&act=send")).await;
        assert_eq!(page.refusal(), ("wrong_role".to_owned(), true), "{other}");
    }
    assert_eq!(health.post(&path, "act=send").await.status, StatusCode::FORBIDDEN);

    let sent = health.post(&path, &format!("form={form}&act=send")).await;
    assert_eq!(sent.status, StatusCode::OK, "{}", sent.text);
    assert!(sent.text.contains("2 of 3 rows were taken"), "{}", sent.text);
    assert_eq!(leaves(&gateway, "batch_accepted").await, accepted + 1);
    // A second press sends nothing.
    let again = health.post(&path, &format!("form={form}&act=send")).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
    assert_eq!(leaves(&gateway, "batch_accepted").await, accepted + 1);
    let link = sent.text.split("href=\"/push/").find(|rest| rest.contains("/receipts.json"));
    let link = format!("/push/{}", link.unwrap().split('"').next().unwrap());
    let receipts: serde_json::Value =
        serde_json::from_str(&health.get(&link.replace("rejects.csv", "receipts.json")).await.text)
            .unwrap();
    assert_eq!(receipts.as_array().unwrap().len(), 3, "opening, batch and closing");

    // The rejects, corrected, are a file like any; its neighbours are not needed again.
    let corrected = rejects.text.replace("9990000019", "9990000034");
    let mapping = send(&mut health, &here, &form, "isp-health/health_review", &corrected).await;
    let fields = format!("form={form}&act=check&{}", as_proposed(&mapping));
    let checked = health.post(&file_of(&mapping), &fields).await;
    assert!(checked.text.contains("1 of 1 rows are well-formed"), "{}", checked.text);
    // Signing out lets it go.
    let path = file_of(&checked);
    assert_eq!(health.get(&format!("{path}/rejects.csv")).await.status, StatusCode::OK);
    health.post("/sign-out", &format!("form={form}")).await;
    let mut health = Browser::signed_in(&gateway, "health").await;
    assert_eq!(health.get(&format!("{path}/rejects.csv")).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_files_and_others_forms_are_refused_in_one_sentence() {
    let gateway = Copy::start().await;
    let mut health = Browser::signed_in(&gateway, "health").await;
    let here = format!("https://{HOST}");
    let form = health.get("/push").await.form();
    let feed = "isp-health/health_review";
    let long = "x".repeat(9 << 20);
    for (feed, file, status, words) in [
        (feed, "", StatusCode::BAD_REQUEST, "the file is empty"),
        (feed, "PK\u{3}\u{4} and no more", StatusCode::BAD_REQUEST, "the workbook can"),
        (feed, &long, StatusCode::PAYLOAD_TOO_LARGE, "longer than 8 MB"),
        ("isp-health/nothing", EXTRACT, StatusCode::BAD_REQUEST, "Choose what you send"),
        ("nothing/health_review", EXTRACT, StatusCode::OK, "Which column is what"),
    ] {
        let page = send(&mut health, &here, &form, feed, file).await;
        assert_eq!(
            (page.status, page.text.contains(words)),
            (status, true),
            "{words}: {}",
            page.text
        );
    }
    // A protocol that the sender is no party of is refused by intake's own decision.
    let own = "record_id,event_date,extracted_at,nhs_number,review,outcome\n";
    let page = send(&mut health, &here, &form, "nothing/health_review", own).await;
    assert!(page.refusal().1 || page.text.contains("Which column"), "{}", page.text);
    for (origin, form) in [("https://evil.example", form.as_str()), (&here, "other"), (&here, "")] {
        let page = send(&mut health, origin, form, feed, EXTRACT).await;
        assert_eq!(page.refusal(), ("form_not_yours".to_owned(), true), "{origin}");
    }
    let mut officer = Browser::signed_in(&gateway, "officer").await;
    let form = officer.get("/").await.form();
    let page = send(&mut officer, &here, &form, feed, EXTRACT).await;
    assert_eq!(page.refusal(), ("wrong_role".to_owned(), true));
}
