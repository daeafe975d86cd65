//! A release found wrong: a notice stays where its figures were.

use super::{
    last_leaf, reason_of, refused,
    support::{PLANNING, Town},
};
use crate::{
    audit::{Hash, LeafKind},
    gateway::{CardRequest, QueryRequest},
    protocol::CallerRole,
};
use sha2::{Digest, Sha256};

const QUARTER: &str = "2026Q1";
const NEXT: &str = "2026Q2";
const NOTICE: &str = "One sender sent the registrations of another town (see the minutes).";

fn card(quarter: &str) -> CardRequest {
    let (area, quarter) = ("CC01".to_owned(), quarter.to_owned());
    CardRequest { area, quarter, purposes: vec![PLANNING.to_owned()] }
}

fn query(from: &str, to: &str) -> QueryRequest {
    QueryRequest {
        indicator: "registered".to_owned(),
        area: "CC01".to_owned(),
        from: from.to_owned(),
        to: to.to_owned(),
        by: String::new(),
        purpose: PLANNING.to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawn_release_is_answered_with_its_notice_and_nothing_else() {
    let mut town = Town::new().await;
    town.populate(3_000).await;
    let before = town.close(QUARTER).await.into_parts().0;
    town.set_clock("2026-08-13T12:00:00Z");
    let (gateway, officer, manager) = (&town.gateway, town.officer(), town.manager("CC01"));
    // A card that was looked up before must not stay in memory.
    gateway.card(&manager, &card("")).await.unwrap();
    let withdrawn = gateway.withdraw_release(&officer, QUARTER, NOTICE).await.unwrap();
    assert_eq!(withdrawn.value().withdrawn.as_ref().unwrap().notice, NOTICE);
    let leaf = last_leaf(&town).await;
    assert_eq!(leaf.kind, LeafKind::ReleaseWithdrawn);
    assert_eq!(leaf.notes.release, Some(Hash::new(*before.digest.as_bytes())));
    assert_eq!(leaf.notes.document, Some(Hash::new(Sha256::digest(NOTICE).into())));

    let shown = gateway.card(&manager, &card("")).await.unwrap().into_parts().0;
    assert_eq!(shown.notices.len(), 1);
    assert_eq!(
        (shown.notices[0].quarter.to_string().as_str(), &*shown.notices[0].notice),
        (QUARTER, NOTICE)
    );
    let figures = shown.lines.iter().flat_map(|line| line.parts.iter().chain([&line.figure]));
    for figure in figures {
        assert_eq!(figure.value, "withdrawn");
        let rest = [&figure.lower, &figure.upper, &figure.margin, &figure.out_of];
        assert!(rest.iter().all(|text| text.is_empty()) && figure.word.is_empty(), "{figure:?}");
    }

    // It counts as released and as paid for, and is not made again.
    let again = gateway.close_quarter(&officer, QUARTER, &[]).await;
    assert_eq!(refused(again).0, "already_released");
    let next = town.close(NEXT).await.into_parts().0;
    assert_eq!(next.release.budget.releases, 2);
    assert_eq!(next.release.previous, Some(before.digest));

    // The trend has a gap, and the next quarter its values.
    let shown = gateway.card(&manager, &card(NEXT)).await.unwrap().into_parts().0;
    assert_eq!(shown.notices.len(), 1);
    let registered = shown.lines.iter().find(|line| line.number == 3).unwrap();
    assert_eq!(registered.trend[0].value, "withdrawn");
    assert!(registered.figure.value.parse::<f64>().is_ok());
    let answer = gateway.query_figures(&manager, &query(QUARTER, NEXT)).await.unwrap();
    let values: Vec<bool> =
        answer.value().figures.iter().map(|figure| figure.value == "withdrawn").collect();
    assert_eq!((values, answer.value().notices.len()), (vec![true, false], 1));
    let answer = gateway.query_figures(&manager, &query(NEXT, NEXT)).await.unwrap();
    assert!(answer.value().notices.is_empty());

    // What was signed stays as it was, with the notice beside it.
    let kept = gateway.release(&town.auditor(), QUARTER).await.unwrap().into_parts().0;
    assert_eq!((&kept.document, kept.withdrawn.is_some()), (&before.document, true));
    let listed = gateway.list_releases(&town.auditor()).await.unwrap().into_parts().0;
    let withdrawn: Vec<bool> = listed.iter().map(|frozen| frozen.withdrawn.is_some()).collect();
    assert_eq!(withdrawn, [true, false]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_data_officers_withdraw_once_and_what_is_released() {
    let town = Town::new().await;
    town.close(QUARTER).await;
    let (gateway, officer) = (&town.gateway, town.officer());
    let provider = town.actor("health", &[CallerRole::Provider], None);
    for actor in [town.auditor(), town.manager("CC01"), provider] {
        let (reason, _) = refused(gateway.withdraw_release(&actor, QUARTER, NOTICE).await);
        assert_eq!((reason, reason_of(&last_leaf(&town).await)), ("wrong_role", "wrong_role"));
    }
    let withdraw = |quarter: &'static str, notice: &'static str| {
        let officer = &officer;
        async move { refused(gateway.withdraw_release(officer, quarter, notice).await).0 }
    };
    assert_eq!(withdraw("2025Q4", NOTICE).await, "not_found");
    assert_eq!(withdraw("spring", NOTICE).await, "invalid_argument");
    assert_eq!(withdraw(QUARTER, "short").await, "invalid_argument");
    assert_eq!(withdraw(QUARTER, "child 999 000 0018 came twice").await, "invalid_argument");
    gateway.withdraw_release(&officer, QUARTER, NOTICE).await.unwrap();
    assert_eq!(withdraw(QUARTER, "Another notice, later on.").await, "already_withdrawn");
    let kept = gateway.release(&officer, QUARTER).await.unwrap();
    assert_eq!(kept.value().withdrawn.as_ref().unwrap().notice, NOTICE);
}
