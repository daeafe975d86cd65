//! Asking once: what is published is found, and what is not is asked for, costed and decided.

use super::{last_leaf, refused, support::Town};
use crate::{
    audit::LeafKind,
    disclosure::{Costed, WantedTable, catalogue::Base, wanted::Rhythm},
    protocol::CallerRole,
    store::table_requests::State,
};

fn wanted() -> WantedTable {
    WantedTable {
        title: "Fathers at centres".to_owned(),
        purpose: "childrens_centre_planning".to_owned(),
        reason: "A course is planned".to_owned(),
        cells: vec!["came".to_owned(), "none came".to_owned()],
        base: Base::ReachArea,
        rhythm: Rhythm::Yearly,
        periods: 0,
        per_thousand: 0,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_registered_finds_what_is_published_and_no_value() {
    let mut town = Town::new().await;
    town.populate(300).await;
    town.close("2026Q1").await;
    let provider = town.actor("health", &[CallerRole::Provider], None);
    let found = town.gateway.find_figures(&provider, "babies born").await.unwrap().into_parts().0;
    assert_eq!(found[0].indicator.as_str(), "births");
    let (since, until) = found[0].released.unwrap();
    assert_eq!((since.to_string(), until), ("2026Q1".to_owned(), since));
    let levels: Vec<_> = found[0].margins.iter().map(|margin| margin.level).collect();
    assert_eq!(levels.len(), 4, "{levels:?}");
    let leaf = last_leaf(&town).await;
    assert_eq!(leaf.kind, LeafKind::RegisterRead);
    assert_eq!(leaf.notes.register.unwrap().as_str(), "figures");
    assert!(leaf.indicator.is_none() && leaf.detail.is_none(), "the words are kept nowhere");
    let all = town.gateway.find_figures(&provider, "").await.unwrap().into_parts().0;
    assert!(all.len() > found.len());
    let long = "x ".repeat(101);
    let refusal = refused(town.gateway.find_figures(&provider, &long).await);
    assert_eq!(refusal.0, "invalid_argument");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_costed_seen_by_those_concerned_and_decided_once() {
    let town = Town::new().await;
    let (gateway, officer) = (&town.gateway, town.officer());
    let asker = town.actor("health", &[CallerRole::Provider], None);
    let other = town.actor("dwp", &[CallerRole::Provider], None);
    let asked = gateway.ask_table(&asker, wanted()).await.unwrap().into_parts().0;
    let leaf = last_leaf(&town).await;
    assert_eq!((leaf.kind, leaf.partner.unwrap().as_str()), (LeafKind::TableAsked, "health"));
    assert!(leaf.notes.document.is_some());
    let (number, cost) = asked;
    let cost: Costed = serde_json::from_str(&cost).unwrap();
    // The shipped catalogue leaves little: what fits is noisy, and what is dear does not.
    assert!(cost.least_variance.is_none_or(|least| least > 40), "{cost:?}");
    assert!(cost.options.iter().all(|option| option.margins.len() == 4));

    let seen = async |actor: &crate::gateway::Actor| {
        gateway.list_table_requests(actor).await.unwrap().into_parts().0.len()
    };
    assert_eq!((seen(&asker).await, seen(&other).await), (1, 0));
    assert_eq!((seen(&officer).await, seen(&town.auditor()).await), (1, 1));

    let decide = async |actor: &crate::gateway::Actor, number: u64, reason: &str| {
        gateway.decide_table_request(actor, number, false, reason).await
    };
    assert_eq!(refused(decide(&asker, number, "No").await).0, "wrong_role");
    assert_eq!(refused(decide(&officer, number + 1, "No").await).0, "not_found");
    assert_eq!(refused(decide(&officer, number, " ").await).0, "invalid_argument");
    decide(&officer, number, "The yearly table has it").await.unwrap();
    let leaf = last_leaf(&town).await;
    assert_eq!(
        (leaf.kind, leaf.notes.cause.unwrap().as_str()),
        (LeafKind::TableDecided, "refused")
    );
    assert_eq!(leaf.notes.about.unwrap().as_str(), "health");
    assert_eq!(refused(decide(&officer, number, "Again").await).0, "already_decided");
    let told = gateway.list_table_requests(&asker).await.unwrap().into_parts().0;
    assert_eq!(
        (told[0].kept.state, told[0].kept.reason.as_str()),
        (State::Refused, "The yearly table has it")
    );

    let mut numbered = wanted();
    numbered.reason = "For 9990000000".to_owned();
    let refusal = refused(gateway.ask_table(&asker, numbered).await);
    assert_eq!(refusal.0, "invalid_argument");
}
