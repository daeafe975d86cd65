//! What can't be read, is not asked so, or takes too long: each comes back as a page in plain words.

use super::{Browser, HOST, PEOPLE, Page};
use crate::support::gateway::Copy;
use axum::body::{Body, Bytes};
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use std::{convert::Infallible, time::Duration};
use tallygate::web::pages::{answer_within, router};
use tokio_stream::pending;

/// An address of each page that reads something behind its question mark, that part twice.
const TWICE: [&str; 14] = [
    "/areas/CC01?quarter=2026Q1&quarter=2026Q1",
    "/areas/CC01/indicators/registered?quarter=a&quarter=b",
    "/areas/CC01/compare?indicator=a&indicator=b",
    "/areas/CC01/map?indicator=a&indicator=b",
    "/areas/CC01/book?quarter=a&quarter=b",
    "/figures?q=a&q=b",
    "/log/entries?kind=a&kind=b",
    "/log/trace?area=a&area=b",
    "/log/review?first=1&first=2",
    "/protocols?q=a&q=b",
    "/explain?act=a&act=b",
    "/releases/next?quarter=a&quarter=b",
    "/areas/%FF",
    "/log/tile/%C3%28",
];

fn is_a_page(page: &Page, what: &str) {
    let policy = page.headers.get(header::CONTENT_SECURITY_POLICY);
    assert!(policy.is_some(), "{what}: no policy");
    assert!(page.text.starts_with("<!DOCTYPE html>"), "{what}: {}", page.text);
    assert!(page.text.contains("<h1"), "{what}: {}", page.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_can_t_be_read_is_refused_in_the_callers_name() {
    let gateway = Copy::start().await;
    for name in PEOPLE {
        let mut browser = Browser::signed_in(&gateway, name).await;
        for path in TWICE {
            let page = browser.get(path).await;
            assert_eq!(page.status, StatusCode::BAD_REQUEST, "{name} {path}: {}", page.text);
            assert_eq!(page.refusal(), ("invalid_argument".to_owned(), true), "{name} {path}");
            is_a_page(&page, path);
        }
        let origin = format!("https://{HOST}");
        let here = [("origin", origin.as_str()), ("sec-fetch-site", "same-origin")];
        let page = browser.ask(Method::POST, "/push/%FF", &here, "form=x").await;
        assert_eq!(page.refusal(), ("invalid_argument".to_owned(), true), "{name}");
    }
    // Nobody's, too, is a page; it names no entry, as there is none of anybody's.
    let mut nobody = Browser::new(&gateway);
    for path in ["/sign-in?ended=1&ended=2", "/sign-in/%FF", "/sign-in/back/0?code=a&code=b"] {
        let page = nobody.get(path).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{path}");
        assert!(!page.text.contains("of the access log"), "{path}");
        is_a_page(&page, path);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_asked_so_or_by_nobody_is_a_page() {
    let gateway = Copy::start().await;
    let mut browser = Browser::signed_in(&gateway, "manager-CC01").await;
    let page = browser.post("/figures", "").await;
    assert_eq!(page.status, StatusCode::METHOD_NOT_ALLOWED);
    is_a_page(&page, "/figures");
    // A form that was filled in while the session ended.
    browser.cookie.clear();
    let page = browser.post("/releases/next", "quarter=2026Q2").await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(page.text.contains("nothing was done"), "{}", page.text);
    is_a_page(&page, "/releases/next");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_takes_too_long_says_so() {
    let gateway = Copy::start().await;
    let browser = Browser::signed_in(&gateway, "manager-CC01").await;
    // A form that never comes whole.
    let request = Request::builder()
        .method(Method::POST)
        .uri("/sign-out")
        .header(header::HOST, HOST)
        .header(header::COOKIE, &browser.cookie)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from_stream(pending::<Result<Bytes, Infallible>>()))
        .unwrap();
    let (pages, routes) = (&browser.pages, router(browser.pages.clone()));
    let answer = answer_within(Duration::from_millis(50), pages, routes, request).await;
    let (parts, body) = answer.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let page = Page { status: parts.status, headers: parts.headers, text, weight: bytes.len() };
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(page.text.contains("This took too long"), "{}", page.text);
    is_a_page(&page, "late");
}
