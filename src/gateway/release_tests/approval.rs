//! What a close needs before it counts: the checklist, looked at, and two people.

use super::{
    last_leaf, reason_of, refused,
    support::{Town, partner},
};
use crate::{
    audit::{Code, LeafKind},
    domain::RecordType,
    gateway::{Closed, Denied},
    protocol::CallerRole,
    store::{Effect, Logged},
};
use jiff::civil::date;

const QUARTER: &str = "2026Q1";

fn waits(answer: Result<Logged<Closed>, Denied>) -> String {
    match answer.unwrap().value() {
        Closed::Waiting(waiting) => waiting.until.to_string(),
        Closed::Released(_) => panic!("closed by one person"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_close_takes_two_people_who_want_the_same() {
    let town = Town::new().await;
    let (gateway, one, other) = (&town.gateway, town.officer(), town.second_officer());
    let accepted = town.open_points(QUARTER).await;
    assert_eq!(accepted, ["feed_missing", "protocol_review_due"]);
    let until = waits(gateway.close_quarter(&one, QUARTER, &accepted).await);
    assert_eq!(until, "2026-05-20T12:00:00Z");
    let first = last_leaf(&town).await;
    assert_eq!(first.kind, LeafKind::ApprovalGiven);
    assert_eq!(first.user, Some(one.user));
    assert_eq!(first.notes.act.as_ref().unwrap().as_str(), "close_quarter");
    assert_eq!(first.notes.period, Some(QUARTER.parse().unwrap()));
    let codes: Vec<&str> =
        first.notes.accepted.as_ref().unwrap().iter().map(Code::as_str).collect();
    assert_eq!(codes, accepted);
    assert!(gateway.list_releases(&one).await.unwrap().value().is_empty());

    // The same person again does not count, and is told so.
    let (reason, _) = refused(gateway.close_quarter(&one, QUARTER, &accepted).await);
    assert_eq!(reason, "second_person_needed");
    let leaf = last_leaf(&town).await;
    assert_eq!((reason_of(&leaf), leaf.notes.approval), (reason, first.notes.approval));
    assert!(gateway.list_releases(&one).await.unwrap().value().is_empty());
    // Nor does somebody who is no data officer.
    assert_eq!(
        refused(gateway.close_quarter(&town.auditor(), QUARTER, &accepted).await).0,
        "wrong_role"
    );

    let closed = gateway.close_quarter(&other, QUARTER, &accepted).await.unwrap();
    assert!(matches!(closed.value(), Closed::Released(_)));
    let second = last_leaf(&town).await;
    assert_eq!((second.kind, second.user), (LeafKind::ReleaseFrozen, Some(other.user)));
    assert_eq!(second.notes.approval, first.notes.approval);
    assert_eq!(second.notes.accepted, first.notes.accepted);

    // The word is used up: the next quarter needs two again.
    town.set_clock("2026-08-13T12:00:00Z");
    let accepted = town.open_points("2026Q2").await;
    waits(gateway.close_quarter(&other, "2026Q2", &accepted).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_expires_and_holds_only_for_the_very_act_it_was_given_for() {
    let town = Town::new().await;
    let (gateway, one, other) = (&town.gateway, town.officer(), town.second_officer());
    let accepted = town.open_points(QUARTER).await;
    waits(gateway.close_quarter(&one, QUARTER, &accepted).await);
    town.set_clock("2026-05-20T12:00:00Z");
    let until = waits(gateway.close_quarter(&other, QUARTER, &accepted).await);
    assert_eq!(until, "2026-05-27T12:00:00Z", "the first word has expired; this is the first");
    // A file came in late: what the other wanted is not what is asked now.
    town.send("centres", RecordType::Registration, date(2026, 5, 10), vec![]).await;
    let more = town.open_points(QUARTER).await;
    assert!(more.contains(&"late_data".to_owned()), "{more:?}");
    assert_eq!(refused(gateway.close_quarter(&one, QUARTER, &accepted).await).0, "warnings_open");
    waits(gateway.close_quarter(&one, QUARTER, &more).await);
    let closed = gateway.close_quarter(&other, QUARTER, &more).await.unwrap();
    assert!(matches!(closed.value(), Closed::Released(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_word_of_a_partner_that_was_barred_meanwhile_does_not_count() {
    let town = Town::new().await;
    let accepted = town.open_points(QUARTER).await;
    let elsewhere = town.actor("health", &[CallerRole::DataOfficer], None);
    waits(town.gateway.close_quarter(&elsewhere, QUARTER, &accepted).await);
    let bar = Effect::DisablePartner(partner("health"));
    town.act(LeafKind::PartnerDisabled, bar).await;
    waits(town.gateway.close_quarter(&town.officer(), QUARTER, &accepted).await);
    let closed = town.gateway.close_quarter(&town.second_officer(), QUARTER, &accepted).await;
    assert!(matches!(closed.unwrap().value(), Closed::Released(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_what_the_checklist_has_open_must_be_accepted() {
    let town = Town::new().await;
    let (gateway, officer) = (&town.gateway, town.officer());
    let close = |codes: &[&str]| {
        let codes: Vec<String> = codes.iter().map(|code| (*code).to_owned()).collect();
        let officer = &officer;
        async move { gateway.close_quarter(officer, QUARTER, &codes).await }
    };
    assert_eq!(refused(close(&[]).await).0, "warnings_open");
    let leaf = last_leaf(&town).await;
    assert_eq!((reason_of(&leaf), leaf.notes.period.is_some()), ("warnings_open", true));
    assert_eq!(refused(close(&["feed_missing"]).await).0, "warnings_open");
    let beyond = ["feed_missing", "feed_stale", "protocol_review_due"];
    assert_eq!(refused(close(&beyond).await).0, "warning_not_open");
    assert_eq!(refused(close(&["everything"]).await).0, "invalid_argument");
    waits(close(&["protocol_review_due", "feed_missing"]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn late_and_old_data_are_points_until_the_next_close() {
    let town = Town::new().await;
    let registrations = RecordType::Registration;
    // In time: before the close day was over, and not older than a quarter waits.
    town.set_clock("2026-05-12T22:59:00Z");
    town.send("centres", registrations, date(2026, 4, 1), vec![]).await;
    town.set_clock("2026-05-13T12:00:00Z");
    let open = town.open_points(QUARTER).await;
    assert_eq!(open, ["feed_missing", "protocol_review_due"]);
    // A feed that serves nothing is nobody's point.
    town.send("health", registrations, date(2025, 4, 1), vec![]).await;
    assert_eq!(town.open_points(QUARTER).await, open);
    town.send("centres", registrations, date(2026, 3, 31), vec![]).await;
    let open = town.open_points(QUARTER).await;
    assert_eq!(open, ["feed_missing", "late_data", "old_extract", "protocol_review_due"]);
    town.close(QUARTER).await;
    town.set_clock("2026-08-13T12:00:00Z");
    let open = town.open_points("2026Q2").await;
    assert_eq!(open, ["feed_missing", "feed_stale", "protocol_review_due"]);
}
