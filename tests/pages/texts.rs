//! What every page must be: whole without a script, with none in it, and small.

use super::{Browser, PEOPLE};
use crate::support::gateway::Copy;
use http::{Method, StatusCode, header};

/// First view and later ones, bytes on the wire.
const FIRST_VIEW: usize = 250_000;
const NEXT_VIEW: usize = 50_000;

const PATHS: [&str; 22] = [
    "/",
    "/areas/CC01",
    "/areas/E08000026",
    "/areas/CC01/indicators/registered",
    "/areas/CC01/map",
    "/areas/E08000026/map",
    "/areas/E08000026/compare",
    "/areas/CC01/book",
    "/figures",
    "/log",
    "/log/entries",
    "/log/check",
    "/log/review",
    "/log/trace?area=CC01&quarter=2026Q1",
    "/protocols",
    "/protocols/isp-health/1",
    "/push",
    "/explain",
    "/notices",
    "/partners",
    "/releases",
    "/releases/next?quarter=2026Q2",
];

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_small_and_hold_no_script_or_style() {
    let gateway = Copy::start().await;
    for name in PEOPLE {
        let mut browser = Browser::signed_in(&gateway, name).await;
        for path in PATHS {
            let page = browser.get(path).await;
            let text = &page.text;
            for forbidden in ["<style", " style=\"", " onclick", "javascript:", "http://"] {
                let text = text.replace("http://www.w3.org/2000/svg", "");
                assert!(!text.contains(forbidden), "{name} {path}: {forbidden}");
            }
            // A script is a file of this site, where there is one.
            for script in text.split("<script").skip(1) {
                assert!(script.starts_with(" src=\"/assets/"), "{name} {path}");
            }
            assert!(text.starts_with("<!DOCTYPE html>") && text.contains("lang=\"en-GB\""));
            assert_eq!(page.headers[header::CACHE_CONTROL], "no-store");
            assert_eq!(page.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
            assert_eq!(page.headers[header::REFERRER_POLICY], "same-origin");
            let accepts = [("accept-encoding", "gzip, deflate, br")];
            let packed = browser.ask(Method::GET, path, &accepts, "").await;
            let bytes = packed.weight;
            assert!(bytes < NEXT_VIEW, "{name} {path}: {bytes} bytes");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn assets_are_kept_for_ever_and_ask_for_nothing() {
    let gateway = Copy::start().await;
    let mut browser = Browser::signed_in(&gateway, "auditor").await;
    let page = browser.get("/log/check").await;
    let mut all = page.text.len();
    let mut found = 0;
    for asset in page.text.split("\"/assets/").skip(1) {
        let name = asset.split('"').next().unwrap();
        let file = browser.get(&format!("/assets/{name}")).await;
        assert_eq!(file.status, StatusCode::OK, "{name}");
        assert!(file.headers[header::CACHE_CONTROL].to_str().unwrap().contains("immutable"));
        // Nothing from elsewhere, and none of the fonts or arms that only GOV.UK may show.
        for forbidden in ["@import", "url(http", "url(/", "@font-face", "GDS Transport;", "crest"] {
            let text = file.text.split("*/").skip(1).collect::<String>();
            assert!(!text.contains(forbidden), "{name}: {forbidden}");
        }
        all += file.text.len();
        found += 1;
    }
    assert_eq!(found, 2);
    assert!(all < FIRST_VIEW, "{all} bytes");
}
