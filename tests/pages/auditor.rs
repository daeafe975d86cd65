//! An auditor follows a figure to its sources, looks at what is unusual, and signs off a review.

use super::Browser;
use crate::support::gateway::Copy;
use http::StatusCode;
use tallygate::wire::v1::{self, access_log_service_client::AccessLogServiceClient};

/// The leaves of a kind, the latest first, as text.
async fn leaves(gateway: &Copy, kind: &str) -> Vec<String> {
    let mut client = AccessLogServiceClient::new(gateway.caller("auditor").await);
    let request =
        v1::SearchEntriesRequest { kind: kind.to_owned(), page_size: 1_000, ..Default::default() };
    let found = client.search_entries(request).await.unwrap().into_inner();
    let text = |entry: v1::LogEntry| String::from_utf8(entry.leaf).unwrap();
    found.entries.into_iter().map(text).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_figure_is_followed_to_its_release_and_feeds_in_size_classes() {
    let gateway = Copy::start().await;
    let mut auditor = Browser::signed_in(&gateway, "auditor").await;
    let cards = auditor.get("/areas/CC01").await;
    let link = "/log/trace?area=CC01&amp;quarter=2026Q1&amp;indicator=registered";
    assert!(cards.text.contains(link));
    let page = auditor.get(&link.replace("&amp;", "&")).await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    for words in ["The feeds behind it", "isp-centres", "registration", "&lt;1000", "Digest"] {
        let escaped = words.replace("&lt;", "&#60;");
        assert!(page.text.contains(words) || page.text.contains(&escaped), "{words}");
    }
    // The digest is the one that the card names.
    let digest = cards.text.split("with the digest <code>").nth(1).unwrap();
    assert!(page.text.contains(&digest[..64]));
    // What is wrong or not there is said in one sentence, and the rest is a form.
    for (query, words) in [
        ("", "Follow a figure"),
        ("?area=CC01&quarter=soon", "Quarter: such as 2026Q1"),
        ("?area=CC01&quarter=2026Q1&indicator=nothing", "there is none of this id"),
        ("?area=CC01&quarter=2031Q1", "The log has no release of 2031Q1"),
    ] {
        let page = auditor.get(&format!("/log/trace{query}")).await;
        assert_eq!((page.status, page.text.contains(words)), (StatusCode::OK, true), "{query}");
    }
    // Nobody else traces, and nobody else is offered it.
    for other in ["manager-CC01", "officer", "health"] {
        let mut browser = Browser::signed_in(&gateway, other).await;
        assert!(!browser.get("/areas/CC01").await.text.contains("/log/trace"), "{other}");
        for query in ["", "?area=CC01&quarter=2026Q1"] {
            let page = browser.get(&format!("/log/trace{query}")).await;
            assert_eq!(page.refusal(), ("wrong_role".to_owned(), true), "{other}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_review_is_signed_off_in_the_log_and_the_next_begins_behind_it() {
    let gateway = Copy::start().await;
    let mut manager = Browser::signed_in(&gateway, "manager-CC01").await;
    for _ in 0..12 {
        assert_eq!(manager.get("/areas/CC02").await.status, StatusCode::FORBIDDEN);
    }
    let mut auditor = Browser::signed_in(&gateway, "auditor").await;
    assert!(auditor.get("/log").await.text.contains("none among the newest"));
    let page = auditor.get("/log/review").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    for words in ["Entries 0 to ", "repeated refusals", "area not covered", "release frozen"] {
        assert!(page.text.contains(words), "{words}");
    }
    let value = |name: &str| {
        let after = page.text.split(&format!("name=\"{name}\" value=\"")).nth(1).unwrap();
        after.split('"').next().unwrap().to_owned()
    };
    let (form, until) = (page.form(), value("until"));
    let sign = |form: &str, from: &str, until: &str, finding: &str| {
        format!("form={form}&from={from}&until={until}&finding={finding}")
    };
    // Not without the form's secret, a finding of the list, or a range that there is.
    for (fields, status) in [
        (sign("", "0", &until, "nothing_found"), StatusCode::FORBIDDEN),
        (sign(&form, "0", &until, "all_well"), StatusCode::BAD_REQUEST),
        (sign(&form, "5", "5", "nothing_found"), StatusCode::BAD_REQUEST),
        (sign(&form, "0", "99999999", "nothing_found"), StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(auditor.post("/log/review", &fields).await.status, status, "{fields}");
    }
    assert!(leaves(&gateway, "log_reviewed").await.is_empty());
    let signed = auditor.post("/log/review", &sign(&form, "0", &until, "questions_asked")).await;
    assert_eq!(signed.status, StatusCode::OK, "{}", signed.text);
    let found = leaves(&gateway, "log_reviewed").await;
    assert_eq!(found.len(), 1);
    for words in [
        "\"cause\":\"questions_asked\"",
        "\"partner\":\"oversight\"",
        &format!("\"reviewed\":{{\"from\":0,\"until\":{until}}}"),
    ] {
        assert!(found[0].contains(words), "{}", found[0]);
    }
    let log = auditor.get("/log").await.text;
    assert!(log.contains("by oversight: entries 0 to ") && log.contains("questions asked"));
    let timeline = auditor.get("/log/entries?kind=log_reviewed").await.text;
    assert!(timeline.contains("entries 0 to ") && timeline.contains("questions asked"));
    let next = auditor.get("/log/review").await.text;
    assert!(next.contains(&format!("Entries {until} to ")));
    // Others neither look nor sign.
    let form = manager.get("/").await.form();
    for page in [
        manager.get("/log/review").await,
        manager.post("/log/review", &sign(&form, "0", &until, "nothing_found")).await,
    ] {
        assert_eq!(page.refusal(), ("wrong_role".to_owned(), true));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_in_and_out_are_leaves() {
    let gateway = Copy::start().await;
    let before = leaves(&gateway, "signed_in").await.len();
    let mut browser = Browser::signed_in(&gateway, "manager-CC01").await;
    let within = leaves(&gateway, "signed_in").await;
    assert_eq!(within.len(), before + 1);
    assert!(within[0].contains("\"partner\":\"centres\"") && within[0].contains("\"user\":"));
    assert!(leaves(&gateway, "signed_out").await.is_empty());
    let form = browser.get("/").await.form();
    assert_eq!(
        browser.post("/sign-out", &format!("form={form}")).await.status,
        StatusCode::SEE_OTHER
    );
    let out = leaves(&gateway, "signed_out").await;
    assert!(out.len() == 1 && out[0].contains("\"partner\":\"centres\""));
    // A link that is used up signs nobody in, and is no leaf of anybody's.
    let mut another = Browser::new(&gateway);
    assert_eq!(another.post("/sign-in/x", "").await.status, StatusCode::FORBIDDEN);
    assert_eq!(leaves(&gateway, "signed_in").await.len(), before + 1);
}
