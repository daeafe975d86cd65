//! From a figure to its sources: the release that it was read from, the protocols and feeds behind
//! that, and its batches in size classes. What is told is the verifier's own trace, of the
//! gateway's own log: an auditor who doubts the gateway traces a mirror (`tallygate audit trace`).

use super::{
    Pages,
    answer::{self, Answer, Frame},
    asked::Asked,
    review::read,
};
use crate::{
    book,
    domain::{AreaCode, IndicatorId, Quarter},
    gateway::{MOST_WALKED, Walked},
    protocol::CallerRole,
    store::Logged,
    verify::trace::{Trace, TracedFeed, Tracer},
};
use askama::Template;
use axum::{extract::State, http::StatusCode, response::IntoResponse};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

#[derive(Template)]
#[template(path = "trace.html")]
struct TracePage {
    frame: Frame,
    asked: AskedTrace,
    /// What is wrong with the question.
    wrong: &'static str,
    found: Option<Found>,
    /// Whether the log is too long to be traced here.
    too_long: bool,
    /// Whether the log has no such release.
    none: bool,
    entry: u64,
}

/// A trace with its feeds, by what counts them.
struct Found {
    trace: Trace,
    period: String,
    frozen: String,
    feeds: Vec<Feed>,
    /// Whether the release was counted by another catalogue than this gateway's.
    other_catalogue: bool,
}

struct Feed {
    feed: TracedFeed,
    record_type: String,
    tables: String,
    records: String,
}

/// Which figure.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AskedTrace {
    area: String,
    quarter: String,
    indicator: String,
}

impl AskedTrace {
    fn read(&self) -> Result<(AreaCode, Quarter, Option<IndicatorId>), &'static str> {
        let indicator = Some(self.indicator.trim()).filter(|id| !id.is_empty());
        Ok((
            self.area.trim().parse().map_err(|_| "Area: its code, such as CC01")?,
            self.quarter.trim().parse().map_err(|_| "Quarter: such as 2026Q1")?,
            indicator
                .map(str::parse)
                .transpose()
                .map_err(|_| "Indicator: its id, or nothing for all of them")?,
        ))
    }

    fn is_empty(&self) -> bool {
        self.area.is_empty() && self.quarter.is_empty() && self.indicator.is_empty()
    }
}

pub(super) async fn page(
    State(pages): State<Arc<Pages>>,
    Asked { visitor, query: asked, .. }: Asked<(), AskedTrace>,
) -> Answer {
    let frame = visitor.frame(&pages, "Follow a figure to its sources", "/log");
    let question = asked.read();
    let mut shown =
        TracePage { frame, wrong: "", found: None, too_long: false, none: false, entry: 0, asked };
    let (area, quarter, indicator) = match question {
        Ok(question) => question,
        // Who may not trace at all is refused before anything else.
        Err(wrong) if visitor.is(CallerRole::Auditor) => {
            shown.wrong = if shown.asked.is_empty() { "" } else { wrong };
            return Ok(answer::page(&shown));
        }
        Err(_) => return Err(answer::not_your_role(&pages, &visitor).await),
    };
    let catalogue = pages.gateway().catalogue();
    let Some(tables) = catalogue.counted_types(indicator.as_ref()) else {
        shown.wrong = "Indicator: there is none of this id";
        return Ok(answer::page(&shown));
    };
    let internal = || StatusCode::INTERNAL_SERVER_ERROR.into_response();
    let mut tracer = Tracer::new(quarter, area.as_str()).ok_or_else(internal)?;
    let mut scratch = Vec::new();
    let mut note = |index: u64, entry: &[u8]| {
        if let Some(leaf) = read(entry, &mut scratch) {
            tracer.note(index, &leaf);
        }
    };
    let walked = pages.gateway().walk_log(&visitor.actor, (Some(0), None), &mut note).await;
    let walked: Logged<Walked> =
        walked.map_err(|denied| answer::denied(&pages, &visitor, denied))?;
    let (walked, receipt) = walked.into_parts();
    shown.entry = receipt.leaf_index;
    shown.too_long = walked.size > MOST_WALKED;
    if !shown.too_long {
        let known = catalogue.digest().map(|digest| digest.to_string()).unwrap_or_default();
        shown.found = tracer.finish().map(|trace| found(trace, &tables, &known));
        shown.none = shown.found.is_none();
    }
    Ok(answer::page(&shown))
}

fn found(trace: Trace, tables: &BTreeMap<String, BTreeSet<String>>, known: &str) -> Found {
    let feed = |feed: &TracedFeed| {
        let tables: Vec<String> = tables.get(&feed.record_type)?.iter().cloned().collect();
        Some(Feed {
            record_type: feed.record_type.replace('_', " "),
            tables: tables.join(", "),
            records: feed.records.join(", "),
            feed: feed.clone(),
        })
    };
    let frozen = trace.release.at.parse::<jiff::Timestamp>().ok();
    Found {
        feeds: trace.feeds.iter().filter_map(feed).collect(),
        period: book::quarter_text(&trace.release.quarter),
        frozen: frozen.map_or_else(String::new, |at| at.strftime("%-d %b %Y").to_string()),
        other_catalogue: trace.release.catalogue != known,
        trace,
    }
}
