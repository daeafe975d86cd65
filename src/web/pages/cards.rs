//! An area's card wall: each indicator's newest figure with its margin, word, trend, target,
//! definition and the weeks of the feeds behind it.

use super::{
    Pages,
    answer::{self, Answer, Frame},
    asked::Asked,
    figures::{feed_of, feed_text, figure_of},
};
use crate::{
    book::{self, Line},
    gateway::{CARD_PURPOSES, CardLine, CardRequest},
    protocol::CallerRole,
};
use askama::Template;
use axum::extract::State;
use http::HeaderMap;
use serde::Deserialize;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "cards.html")]
struct CardsPage {
    frame: Frame,
    area: String,
    name: String,
    quarter: String,
    period: String,
    cards: Vec<Card>,
    notices: Vec<(String, String)>,
    linkage_note: &'static str,
    release: String,
    /// Whether the visitor may follow a figure to its sources.
    traced: bool,
    entry: u64,
}

struct Card {
    id: String,
    title: String,
    value: String,
    margin: String,
    interval: String,
    word: String,
    out_of: String,
    target: String,
    definition: String,
    denominator: String,
    chart: String,
    feeds: Vec<String>,
}

/// Which quarter of an area is asked for; the latest where none is.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AskedQuarter {
    pub(super) quarter: String,
}

/// The purposes that a page of figures claims.
pub(super) fn purposes() -> Vec<String> {
    CARD_PURPOSES.split(',').map(str::to_owned).collect()
}

pub(super) async fn wall(
    State(pages): State<Arc<Pages>>,
    headers: HeaderMap,
    Asked { visitor, at: area, query: AskedQuarter { quarter } }: Asked<String, AskedQuarter>,
) -> Answer {
    let request = CardRequest { area, quarter, purposes: purposes() };
    let card = pages.gateway().card(&visitor.actor, &request).await;
    let card = card.map_err(|denied| answer::denied(&pages, &visitor, denied))?;
    let (card, receipt) = card.into_parts();
    let title = format!("{}: figures", card.area_name);
    let notices = card.notices.iter();
    Ok(answer::packed_page(
        &headers,
        &CardsPage {
            frame: visitor.frame(&pages, &title, "/"),
            area: card.area.to_string(),
            name: card.area_name,
            quarter: card.quarter.to_string(),
            period: book::quarter_text(&card.quarter.to_string()),
            notices: notices
                .map(|notice| {
                    (book::quarter_text(&notice.quarter.to_string()), notice.notice.clone())
                })
                .collect(),
            cards: card.lines.into_iter().map(shown).collect(),
            linkage_note: card.linkage_note,
            release: card.release.to_string(),
            traced: visitor.is(CallerRole::Auditor),
            entry: receipt.leaf_index,
        },
    ))
}

fn shown(line: CardLine) -> Card {
    let line = line_of(line);
    let id = line.figure.indicator.clone();
    Card {
        value: line.figure.value_text(),
        margin: line.figure.margin_text(),
        interval: line.figure.interval_text(),
        chart: line.small_trend(&format!("trend-{id}")),
        word: line.figure.word,
        out_of: line.figure.out_of,
        title: line.title,
        target: line.target,
        definition: line.definition,
        denominator: line.denominator,
        feeds: line.feeds.iter().map(feed_text).collect(),
        id,
    }
}

fn line_of(line: CardLine) -> Line {
    Line {
        number: line.number.to_string(),
        title: line.title,
        definition: line.definition,
        denominator: line.denominator,
        target: line.target,
        standing: None,
        figure: figure_of(line.figure),
        trend: line.trend.into_iter().map(figure_of).collect(),
        changes: Vec::new(),
        parts: Vec::new(),
        beside: Vec::new(),
        comparisons: 0,
        feeds: line.feeds.iter().map(feed_of).collect(),
    }
}
