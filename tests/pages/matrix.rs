//! Every page as every kind of person.
//!
//! The list of pages is read from the router, so that a new page without a row fails. A row says
//! what each person is told; a page of figures must tell what gRPC tells the same caller, and
//! show no figure that gRPC does not give it.

use super::{Browser, PEOPLE};
use crate::support::gateway::Copy;
use http::StatusCode;
use std::collections::{BTreeMap, BTreeSet};
use tallygate::wire::v1::{self, figure_service_client::FigureServiceClient};

const ROUTER: &str = include_str!("../../src/web/pages/router.rs");

/// Each page: its route, an address of it, and the status for manager, officer, auditor, sender.
const PAGES: &[(&str, &str, [u16; 4])] = &[
    ("/", "/", [200; 4]),
    ("/sign-in", "/sign-in", [200; 4]),
    ("/sign-in/with/{provider}", "/sign-in/with/0", [404; 4]),
    ("/sign-in/back/{provider}", SENT_BACK, [403; 4]),
    ("/sign-in/{link}", "/sign-in/x", [200; 4]),
    ("/assets/{file}", "/assets/none.css", [404; 4]),
    ("/areas/{area}", "/areas/CC01", [200, 200, 200, 403]),
    ("/areas/{area}", "/areas/E08000026", [200, 200, 200, 403]),
    ("/areas/{area}", "/areas/CC02", [403, 200, 200, 403]),
    ("/areas/{area}", "/areas/XX99", [403, 403, 403, 403]),
    (
        "/areas/{area}/indicators/{indicator}",
        "/areas/CC01/indicators/registered",
        [200, 200, 200, 403],
    ),
    (
        "/areas/{area}/indicators/{indicator}",
        "/areas/CC02/indicators/registered",
        [403, 200, 200, 403],
    ),
    (
        "/areas/{area}/indicators/{indicator}",
        "/areas/CC01/indicators/nothing",
        [404, 404, 404, 403],
    ),
    ("/areas/{area}/compare", "/areas/CC01/compare", [200, 200, 200, 403]),
    ("/areas/{area}/compare", "/areas/CC02/compare", [403, 200, 200, 403]),
    ("/areas/{area}/map", "/areas/CC01/map", [200, 200, 200, 403]),
    ("/areas/{area}/map", "/areas/CC02/map", [403, 200, 200, 403]),
    ("/areas/{area}/book", "/areas/CC01/book", [200, 200, 200, 403]),
    ("/areas/{area}/book", "/areas/CC02/book", [403, 200, 200, 403]),
    (
        "/areas/{area}/book/{file}",
        "/areas/CC01/book/databook-CC01-2026Q1-figures.csv",
        [200, 200, 200, 403],
    ),
    (
        "/areas/{area}/book/{file}",
        "/areas/CC02/book/databook-CC02-2026Q1.json",
        [403, 200, 200, 403],
    ),
    ("/figures", "/figures?q=births", [200; 4]),
    ("/log", "/log", [200; 4]),
    ("/log/entries", "/log/entries", [403, 403, 200, 403]),
    ("/log/trace", "/log/trace?area=CC01&quarter=2026Q1", [403, 403, 200, 403]),
    ("/log/trace", "/log/trace", [403, 403, 200, 403]),
    ("/log/review", "/log/review", [403, 403, 200, 403]),
    ("/log/check", "/log/check", [200; 4]),
    ("/log/verifier.html", "/log/verifier.html", [200; 4]),
    ("/log/checkpoint", "/log/checkpoint", [200; 4]),
    ("/log/tile/{*path}", "/log/tile/entries/000.p/1", [403, 403, 200, 403]),
    ("/log/tile/{*path}", "/log/tile/0/000.p/1", [200; 4]),
    ("/log/tile/{*path}", "/log/tile/0/1", [404; 4]),
    ("/protocols", "/protocols", [200; 4]),
    ("/protocols/{protocol}/{version}", "/protocols/isp-health/1", [200; 4]),
    ("/explain", "/explain?act=figure&table=engagement&area=CC01", [200; 4]),
    ("/notices", "/notices", [403, 200, 200, 200]),
    ("/push", "/push", [403, 403, 403, 200]),
    ("/push/{file}/{name}", "/push/x/rejects.csv", [404; 4]),
    ("/partners", "/partners", [403, 200, 200, 403]),
    ("/releases", "/releases", [200; 4]),
    ("/releases/next", "/releases/next?quarter=2026Q2", [403, 200, 403, 403]),
];

/// Where nobody is known: counted, and no leaf of anybody's.
const SENT_BACK: &str = "/sign-in/back/0?code=x&state=y";

/// Routes that are only posted to; [`super::hostile`] and [`super::sending`] ask them.
const POSTED: [&str; 2] = ["/sign-out", "/push/{file}"];

#[test]
fn every_page_has_a_row() {
    let routes: BTreeSet<&str> =
        ROUTER.split(".route(").skip(1).filter_map(|rest| rest.split('"').nth(1)).collect();
    let rows = PAGES.iter().map(|(route, ..)| *route).chain(POSTED).collect();
    assert_eq!(routes, rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_as_every_person() {
    let gateway = Copy::start().await;
    gateway.running.project_log().await.unwrap();
    let mut wrong = Vec::new();
    for (at, name) in PEOPLE.iter().enumerate() {
        let mut browser = Browser::signed_in(&gateway, name).await;
        for (_, path, expected) in PAGES {
            let page = browser.get(path).await;
            if page.status.as_u16() != expected[at] {
                wrong.push(format!("{name} {path}: {} and not {}", page.status, expected[at]));
            }
            let refused = page.status == StatusCode::FORBIDDEN && *path != SENT_BACK;
            if refused && !page.refusal().1 {
                wrong.push(format!("{name} {path}: refused without an entry of the log"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What stands in a page between marks, each time.
fn between<'a>(text: &'a str, before: &str, after: &str) -> Vec<&'a str> {
    text.split(before).skip(1).filter_map(|rest| rest.split(after).next()).collect()
}

/// A value as pages write it, as gRPC does.
fn plain(shown: &str) -> String {
    let text = shown.replace("&lt;", "<").replace("&#60;", "<").replace(['%', ','], "");
    text.replace('\u{2212}', "-")
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_show_what_grpc_gives_the_same_caller() {
    let gateway = Copy::start().await;
    let purposes = || ["childrens_centre_planning", "early_education_take_up"].map(str::to_owned);
    let mut answered = 0;
    for name in PEOPLE {
        let mut browser = Browser::signed_in(&gateway, name).await;
        let mut client = FigureServiceClient::new(gateway.caller(name).await)
            .max_decoding_message_size(16 << 20);
        for area in ["CC01", "CC02", "CL1", "E08000026", "XX99"] {
            let page = browser.get(&format!("/areas/{area}")).await;
            let request = v1::GetCardRequest {
                area: area.to_owned(),
                quarter: String::new(),
                purposes: purposes().into(),
            };
            let given = client.get_card(request).await;
            assert_eq!(page.status == StatusCode::OK, given.is_ok(), "{name} {area}");
            let Ok(given) = given else { continue };
            let lines = given.into_inner().lines;
            let values: Vec<String> =
                lines.iter().filter_map(|l| Some(l.figure.as_ref()?.value.clone())).collect();
            let shown = between(&page.text, "tg-card__value\">", "</span>");
            assert_eq!(shown.into_iter().map(plain).collect::<Vec<_>>(), values, "{name} {area}");

            // The map's figures: those of the book's reach areas, and no other.
            let map = browser.get(&format!("/areas/{area}/map?indicator=registered")).await;
            let request = v1::GetDataBookRequest {
                area: area.to_owned(),
                purposes: purposes().into(),
                ..v1::GetDataBookRequest::default()
            };
            let book = client.get_data_book(request).await.unwrap().into_inner();
            let registered = book.lines.iter().filter(|l| {
                l.figure.as_ref().is_some_and(|figure| figure.indicator == "registered")
            });
            let allowed: BTreeMap<String, String> = registered
                .flat_map(|l| {
                    l.beside.iter().filter_map(|b| b.figure.clone()).chain(l.figure.clone())
                })
                .map(|figure| (figure.area, figure.value))
                .collect();
            let rows = between(&map.text, "<tr class=\"govuk-table__row", "</tr>");
            let mut mapped = 0;
            for row in rows.iter().skip(1) {
                let code = between(row, "/areas/", "?")[0];
                let value = between(row, "numeric\">", "</td>")[0];
                assert_eq!(allowed.get(code), Some(&plain(value)), "{name} {area} {code}");
                mapped += 1;
            }
            let links = between(&map.text, "<a href=\"/areas/", "?").len();
            assert!(links >= mapped, "{name} {area}");
            answered += 1;
        }
    }
    // Manager: its area, cluster and authority; officer and auditor: four areas each.
    assert_eq!(answered, 11);
}
