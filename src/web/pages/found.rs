//! "Is it already published?": what exists, found by people's own words, before an agency is asked
//! for data a second time; and with no words the whole catalogue with its expected errors.

use super::{
    Pages,
    answer::{self, Answer, Frame},
    asked::Asked,
};
use crate::{
    disclosure::{Level, Unit, expected::ExpectedError},
    gateway::FoundFigure,
};
use askama::Template;
use axum::extract::State;
use serde::Deserialize;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "found.html")]
struct FoundPage {
    frame: Frame,
    question: String,
    found: Vec<Found>,
    entry: u64,
}

struct Found {
    id: String,
    number: String,
    title: String,
    definition: String,
    denominator: String,
    parts: Vec<String>,
    dimensions: String,
    margins: Vec<(&'static str, String)>,
    released: String,
}

/// The words that somebody looks for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AskedWords {
    q: String,
}

pub(super) async fn page(
    State(pages): State<Arc<Pages>>,
    Asked { visitor, query: AskedWords { q }, .. }: Asked<(), AskedWords>,
) -> Answer {
    let found = pages.gateway().find_figures(&visitor.actor, &q).await;
    let found = found.map_err(|denied| answer::denied(&pages, &visitor, denied))?;
    let (found, receipt) = found.into_parts();
    Ok(answer::page(&FoundPage {
        frame: visitor.frame(&pages, "What is published", "/figures"),
        question: q,
        found: found.into_iter().map(shown).collect(),
        entry: receipt.leaf_index,
    }))
}

fn shown(found: FoundFigure) -> Found {
    let released = match found.released {
        Some((first, last)) if first == last => format!("{first}"),
        Some((first, last)) => format!("{first} to {last}"),
        None => "not yet".to_owned(),
    };
    Found {
        id: found.indicator.to_string(),
        number: found.number,
        title: found.title,
        definition: found.definition,
        denominator: found.denominator,
        parts: found.parts.into_iter().map(|(_, title)| title).collect(),
        dimensions: found.dimensions.join(", ").replace('_', " "),
        margins: found.margins.iter().map(margin).collect(),
        released,
    }
}

fn margin(error: &ExpectedError) -> (&'static str, String) {
    let level = match error.level {
        Level::ReachArea => "reach area",
        Level::Cluster => "cluster",
        Level::LeadAgency => "lead agency",
        Level::Authority => "authority",
    };
    let unit = match error.unit {
        Unit::Percent | Unit::Points => " points",
        Unit::Count => "",
    };
    (level, format!("\u{b1}\u{a0}{:.1}{unit}", error.margin))
}
