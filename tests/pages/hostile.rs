//! Attempts to get at more: each is refused, and stands in the log or in the minute's count.

use super::{Browser, HOST, PEOPLE, who};
use crate::support::gateway::Copy;
use http::{Method, StatusCode, header};
use jiff::SignedDuration;
use tallygate::wire::v1::{self, access_log_service_client::AccessLogServiceClient};

/// How many refusals for a reason a partner has in the log.
async fn refusals(gateway: &Copy, partner: &str, reason: &str) -> usize {
    let mut client = AccessLogServiceClient::new(gateway.caller("auditor").await);
    let request = v1::SearchEntriesRequest {
        partner_id: partner.to_owned(),
        decision: "refused".to_owned(),
        page_size: 1_000,
        ..Default::default()
    };
    let found = client.search_entries(request).await.unwrap().into_inner();
    let word = format!("\"reason\":\"{reason}\"");
    let text = |entry: &v1::LogEntry| String::from_utf8_lossy(&entry.leaf).into_owned();
    found.entries.iter().filter(|entry| text(entry).contains(&word)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_cookies_are_nobodys() {
    let gateway = Copy::start().await;
    let mut browser = Browser::signed_in(&gateway, "manager-CC01").await;
    let cookie = browser.cookie.clone();
    let value = cookie.split_once('=').unwrap().1.to_owned();
    let mut changed = value.clone().into_bytes();
    changed[10] = if changed[10] == b'A' { b'B' } else { b'A' };
    let changed = String::from_utf8(changed).unwrap();
    for other in [
        format!("__Host-tallygate={changed}"),
        format!("__Host-tallygate={value}x"),
        format!("__Host-tallygate={}", &value[1..]),
        format!("tallygate={value}"),
        format!("__Host-tallygate={value}; __Host-tallygate={changed}"),
        "__Host-tallygate=".to_owned(),
    ] {
        browser.cookie = other.clone();
        let page = browser.get("/areas/CC01").await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{other}");
        assert!(page.text.is_empty(), "{other}");
    }
    browser.cookie = cookie;
    assert_eq!(browser.get("/areas/CC01").await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_from_elsewhere_are_refused_and_logged() {
    let gateway = Copy::start().await;
    let mut manager = Browser::signed_in(&gateway, "manager-CC01").await;
    let mut officer = Browser::signed_in(&gateway, "officer").await;
    let own = format!("form={}", manager.get("/").await.form());
    let others = format!("form={}", officer.get("/").await.form());
    let before = refusals(&gateway, "centres", "form_not_yours").await;
    let here = format!("https://{HOST}");
    let cases: [(&[(&str, &str)], &str); 7] = [
        (&[("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")], &own),
        (&[("origin", "https://evil.example")], &own),
        (&[("origin", "null")], &own),
        (&[("origin", &here), ("sec-fetch-site", "same-site")], &own),
        (&[], &own),
        (&[("origin", &here), ("sec-fetch-site", "same-origin")], &others),
        (&[("origin", &here), ("sec-fetch-site", "same-origin")], "form="),
    ];
    for (headers, form) in cases {
        let page = manager.ask(Method::POST, "/sign-out", headers, form).await;
        let expected = (StatusCode::FORBIDDEN, ("form_not_yours".to_owned(), true));
        assert_eq!((page.status, page.refusal()), expected, "{headers:?}");
    }
    assert_eq!(refusals(&gateway, "centres", "form_not_yours").await, before + cases.len());
    // It is still signed in, and its own form works.
    assert_eq!(manager.get("/").await.status, StatusCode::OK);
    assert_eq!(manager.post("/sign-out", &own).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_sent_from_elsewhere_signs_nobody_in_and_is_gone() {
    let gateway = Copy::start().await;
    let mut browser = Browser::new(&gateway);
    let life = SignedDuration::from_mins(5);
    let path = browser.pages.sign_in_path(who("officer"), life).unwrap();
    let headers = [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")];
    let page = browser.ask(Method::POST, &path, &headers, "").await;
    assert_eq!((page.status, browser.cookie.as_str()), (StatusCode::FORBIDDEN, ""));
    assert_eq!(browser.post(&path, "").await.status, StatusCode::FORBIDDEN);
    for made_up in ["/sign-in/x", "/sign-in/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        assert_eq!(browser.post(made_up, "").await.status, StatusCode::FORBIDDEN);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_areas_and_pages_are_refused_in_the_callers_name() {
    let gateway = Copy::start().await;
    let mut manager = Browser::signed_in(&gateway, "manager-CC01").await;
    let before = refusals(&gateway, "centres", "area_not_covered").await;
    let unknown = manager.get("/areas/XX99").await;
    let others = manager.get("/areas/CC02").await;
    // Of another's area nothing is told that an area that does not exist would not be told.
    assert_eq!(unknown.refusal(), others.refusal());
    assert_eq!(refusals(&gateway, "centres", "area_not_covered").await, before + 2);
    let before = refusals(&gateway, "centres", "wrong_role").await;
    for path in ["/log/entries", "/partners", "/releases/next?quarter=2026Q2"] {
        assert_eq!(manager.get(path).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    assert_eq!(refusals(&gateway, "centres", "wrong_role").await, before + 3);
    // What is no area's code, or a path out of the files, is answered as calmly.
    for path in [
        "/areas/%3Cscript%3E",
        "/areas/..%2F..%2Fetc",
        "/areas/CC01/book/databook-CC01-..%2f..%2f",
        "/log/tile/..%2F..%2Fgateway.db",
        "/protocols/x/y",
    ] {
        let page = manager.get(path).await;
        assert!(page.status.is_client_error(), "{path}: {}", page.status);
        assert!(!page.text.contains("<script>"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_comes_back_as_text() {
    let gateway = Copy::start().await;
    let nasty = "%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E";
    for name in PEOPLE {
        let mut browser = Browser::signed_in(&gateway, name).await;
        for path in [
            format!("/figures?q={nasty}"),
            format!("/protocols?q={nasty}"),
            format!("/log/entries?partner={nasty}"),
            format!("/log/entries?area={nasty}&kind={nasty}"),
            format!("/explain?act=sending&record_type={nasty}&partner={nasty}"),
            format!("/areas/CC01?quarter={nasty}"),
            format!("/sign-in/{nasty}"),
            format!("/sign-in?ended={nasty}"),
        ] {
            let page = browser.get(&path).await;
            assert!(!page.text.contains("<script>alert"), "{name} {path}");
            let policy = page.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
            assert!(
                policy.contains("default-src 'none'") && !policy.contains("unsafe"),
                "{policy}"
            );
        }
    }
}
