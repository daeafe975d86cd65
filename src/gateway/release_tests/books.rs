//! Data books: one logged act, nothing in it that cards and queries would not show.

use super::{
    last_leaf, refused,
    support::{PLANNING, Town},
};
use crate::{
    audit::LeafKind,
    gateway::{Beside, BookAnswer, BookRequest, CardRequest, QueryRequest},
    protocol::CallerRole,
};

const BEFORE: &str = "2026Q1";
const AFTER: &str = "2026Q2";

fn book(area: &str, quarter: &str, year: u32) -> BookRequest {
    BookRequest {
        area: area.to_owned(),
        quarter: quarter.to_owned(),
        year,
        purposes: vec![PLANNING.to_owned()],
    }
}

async fn two_quarters() -> Town {
    let mut town = Town::new().await;
    town.populate(9_000).await;
    town.close(BEFORE).await;
    town.set_clock("2026-08-13T12:00:00Z");
    town.close(AFTER).await;
    town
}

#[tokio::test(flavor = "multi_thread")]
async fn a_book_shows_what_queries_show_and_what_follows_from_it() {
    let town = two_quarters().await;
    let (gateway, officer) = (&town.gateway, town.officer());
    let answer = gateway.data_book(&officer, &book("CC01", AFTER, 0)).await.unwrap();
    let shown: &BookAnswer = answer.value();
    let leaf = last_leaf(&town).await;
    assert_eq!(leaf.kind, LeafKind::DataBookAnswered);
    assert_eq!(leaf.area.unwrap().as_str(), "CC01");
    assert!(leaf.detail.is_some() && leaf.protocol.is_some() && leaf.size_class.is_some());

    let groups: Vec<(&str, Beside)> =
        shown.areas.iter().map(|area| (area.code.as_str(), area.beside)).collect();
    assert_eq!(
        groups,
        [
            ("CC01", Beside::Own),
            ("CC02", Beside::Sibling),
            ("CC03", Beside::Sibling),
            ("CL1", Beside::Around),
            ("E08000026", Beside::Around),
        ]
    );
    // The published estimate stands beside, and is summed for what holds several.
    let estimates: Vec<u32> = shown.areas.iter().map(|area| area.estimate).collect();
    assert_eq!(estimates, [1_000, 1_000, 1_000, 2_000, 3_000]);

    for line in &shown.lines {
        let query = QueryRequest {
            indicator: line.figure.indicator.to_string(),
            area: "CC01".to_owned(),
            from: BEFORE.to_owned(),
            to: AFTER.to_owned(),
            by: String::new(),
            purpose: PLANNING.to_owned(),
        };
        let asked = gateway.query_figures(&officer, &query).await.unwrap().into_parts().0.figures;
        let own: Vec<_> = line.trend.iter().chain([&line.figure]).cloned().collect();
        assert_eq!(own, asked);
        for beside in &line.beside {
            let area = beside.figure.area.to_string();
            let query = QueryRequest { area, from: AFTER.to_owned(), ..query.clone() };
            let asked = gateway.query_figures(&officer, &query).await.unwrap().into_parts().0;
            assert_eq!(std::slice::from_ref(&beside.figure), &asked.figures[..]);
        }
    }
    let registered = shown.lines.iter().find(|line| line.number == "3").unwrap();
    let change = &registered.changes[0];
    assert_eq!((change.against, change.unit), ("previous", "points"));
    let (low, high): (f64, f64) = (change.lower.parse().unwrap(), change.upper.parse().unwrap());
    assert!(low < 0.0 && high > 0.0 && !change.is_distinct, "nothing changed: {change:?}");
    // A third of each area is registered: nobody can be told from anybody.
    assert_eq!(registered.comparisons, 2);
    let target = shown.lines.iter().find(|line| !line.target.is_empty()).unwrap();
    assert!(target.standing.is_some(), "{target:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_has_a_book_of_the_own_area_without_others_figures() {
    let town = two_quarters().await;
    let manager = town.manager("CC01");
    let shown = town.gateway.data_book(&manager, &book("CC01", "", 0)).await.unwrap();
    let shown = shown.value();
    assert_eq!(shown.quarter.to_string(), AFTER);
    assert!(shown.areas.len() == 1 && shown.lines.iter().all(|line| line.beside.is_empty()));
    // Its lines are those of its card.
    let asked = CardRequest {
        area: "CC01".to_owned(),
        quarter: AFTER.to_owned(),
        purposes: vec![PLANNING.to_owned()],
    };
    let card = town.gateway.card(&manager, &asked).await.unwrap().into_parts().0;
    let of_card: Vec<_> = card.lines.iter().map(|line| &line.figure).collect();
    assert_eq!(shown.lines.iter().map(|line| &line.figure).collect::<Vec<_>>(), of_card);
    let other = town.gateway.data_book(&manager, &book("CC02", AFTER, 0)).await;
    assert_eq!(refused(other).0, "area_not_covered");
    let provider = town.actor("centres", &[CallerRole::Provider], None);
    let refusal = town.gateway.data_book(&provider, &book("CC01", AFTER, 0)).await;
    assert_eq!(refused(refusal).0, "wrong_role");
    let mut marketing = book("CC01", AFTER, 0);
    marketing.purposes = vec!["marketing".to_owned()];
    let refusal = town.gateway.data_book(&manager, &marketing).await;
    assert_eq!(refused(refusal).0, "purpose_not_listed");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_annual_book_has_the_newest_of_the_year_and_a_withdrawn_quarter_no_difference() {
    let town = two_quarters().await;
    let (gateway, officer) = (&town.gateway, town.officer());
    let annual = gateway.data_book(&officer, &book("E08000026", "", 2026)).await.unwrap();
    let annual = annual.into_parts().0;
    assert_eq!(annual.period.iter().map(ToString::to_string).collect::<Vec<_>>(), [BEFORE, AFTER]);
    // What is counted once a year is there with its own quarter.
    let of = |quarter: &str| {
        annual.lines.iter().filter(|l| l.figure.quarter.to_string() == quarter).count()
    };
    assert_eq!(of(BEFORE) + of(AFTER), annual.lines.len());
    assert!(of(BEFORE) > 0 && of(AFTER) > of(BEFORE));
    // The authority's reach areas are compared with each other.
    let registered = annual.lines.iter().find(|line| line.number == "3").unwrap();
    assert_eq!(registered.comparisons, 3);
    let inside = annual.areas.iter().filter(|area| area.beside == Beside::Inside);
    assert_eq!(inside.count(), 3);
    for wrong in [book("CC01", AFTER, 2026), book("CC01", "", 99_999)] {
        assert_eq!(refused(gateway.data_book(&officer, &wrong).await).0, "invalid_argument");
    }
    assert_eq!(refused(gateway.data_book(&officer, &book("CC01", "", 2020)).await).0, "not_found");
    gateway.withdraw_release(&officer, BEFORE, "Half of it was missing.").await.unwrap();
    let after = gateway.data_book(&officer, &book("CC01", AFTER, 0)).await.unwrap().into_parts().0;
    assert_eq!(after.notices.len(), 1);
    assert!(after.lines.iter().all(|line| line.changes.is_empty()));
    let told = after.lines.iter().filter_map(|line| line.standing.as_ref());
    let codes: Vec<&str> = told.map(|standing| standing.code).collect();
    assert!(codes.contains(&"withheld"), "{codes:?}");
    for compared in ["not_distinguishable", "towards", "short", "opposite"] {
        assert!(!codes.contains(&compared), "{codes:?}");
    }
}
