//! A data officer looks at feeds.

use super::Browser;
use crate::support::gateway::Copy;
use http::StatusCode;
use tallygate::wire::v1::{self, access_log_service_client::AccessLogServiceClient};

/// How many looks at a register there were.
async fn looks(gateway: &Copy, partner: &str) -> usize {
    let mut client = AccessLogServiceClient::new(gateway.caller("auditor").await);
    let request = v1::SearchEntriesRequest {
        kind: "register_read".to_owned(),
        partner_id: partner.to_owned(),
        page_size: 1_000,
        ..Default::default()
    };
    client.search_entries(request).await.unwrap().into_inner().entries.len()
}

/// The rows of the feeds' table, as texts without markup.
fn feeds(text: &str) -> Vec<String> {
    let table = text.split("Feeds, the most pressing first").nth(1).unwrap();
    let table = table.split("</table>").next().unwrap();
    let plain = |row: &str| {
        let cells = row.split('<').map(|part| part.split_once('>').map_or("", |(_, text)| text));
        cells.filter(|text| !text.trim().is_empty()).collect::<Vec<_>>().join(" | ")
    };
    table.split("<tr ").skip(2).map(plain).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_feed_says_what_came_last_and_what_is_due() {
    let gateway = Copy::start().await;
    let mut officer = Browser::signed_in(&gateway, "officer").await;
    let before = looks(&gateway, "authority").await;
    let page = officer.get("/partners").await;
    assert_eq!(page.status, StatusCode::OK, "{}", page.text);
    assert_eq!(looks(&gateway, "authority").await, before + 1, "one page, one leaf");
    let rows = feeds(&page.text);
    // What health may send of reviews came in by the demo, under a protocol in force.
    let reviews: Vec<&String> =
        rows.iter().filter(|row| row.starts_with("health | health review | ")).collect();
    assert_eq!(reviews.len(), 1, "each feed once: {rows:#?}");
    assert!(reviews[0].contains("every ") && reviews[0].contains(" 2026"), "{}", reviews[0]);
    let states = ["overdue", "never sent", "due", "on time", "no longer expected"];
    for row in &rows {
        let state = row.rsplit(" | ").next().unwrap();
        assert!(states.contains(&state), "{row}");
        let place = states.iter().position(|one| *one == state);
        let first = states.iter().position(|one| rows[0].ends_with(one));
        assert!(first <= place, "the most pressing stands first: {rows:#?}");
        assert_eq!(state == "never sent", row.matches(" 20").count() == 0, "{row}");
    }
    // The auditor sees the same.
    let mut auditor = Browser::signed_in(&gateway, "auditor").await;
    assert_eq!(feeds(&auditor.get("/partners").await.text), rows);
}
