//! The first page: the areas that the visitor may look at.

use super::{
    Pages,
    answer::{self, Answer, Frame},
    visitor::Visitor,
};
use crate::{gateway::AreaLevel, protocol::CallerRole};
use askama::Template;
use axum::extract::State;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage {
    frame: Frame,
    groups: Vec<Group>,
    /// Whether the visitor may see figures at all.
    reads: bool,
}

struct Group {
    heading: &'static str,
    areas: Vec<Area>,
}

struct Area {
    code: String,
    name: String,
}

/// The home page; the list of areas is one look at the register.
pub(super) async fn home(State(pages): State<Arc<Pages>>, visitor: Visitor) -> Answer {
    let areas = pages.gateway().list_areas(&visitor.actor, None).await;
    let areas = areas.map_err(|denied| answer::denied(&pages, &visitor, denied))?;
    let own = visitor.actor.areas.as_ref();
    let shown =
        areas.value().areas.iter().filter(|area| own.is_none_or(|own| own.contains(&area.code)));
    let mut groups: Vec<Group> = [
        (AreaLevel::ReachArea, "Reach areas"),
        (AreaLevel::Cluster, "Clusters"),
        (AreaLevel::LeadAgency, "Lead agencies"),
        (AreaLevel::Authority, "Authority"),
    ]
    .into_iter()
    .map(|(level, heading)| Group {
        heading,
        areas: shown
            .clone()
            .filter(|area| area.level == level)
            .map(|area| Area { code: area.code.to_string(), name: area.name.clone() })
            .collect(),
    })
    .collect();
    groups.retain(|group| !group.areas.is_empty());
    let readers = [CallerRole::Consumer, CallerRole::DataOfficer, CallerRole::Auditor];
    let reads = readers.into_iter().any(|role| visitor.is(role));
    if !reads {
        groups.clear();
    }
    let frame = visitor.frame(&pages, "Areas", "/");
    Ok(answer::page(&HomePage { frame, groups, reads }))
}
