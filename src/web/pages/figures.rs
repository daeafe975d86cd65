//! One indicator of an area, areas side by side, and the data book with its files: all of them
//! read off one data book, which is one act.

use super::{
    Pages,
    answer::{self, Answer, Frame},
    asked::Asked,
    cards::{AskedQuarter, purposes},
    visitor::Visitor,
};
use crate::{
    book::{self, Area, Beside, Book, Change, Feed, Figure, Group, Line, Notice, Part, Period},
    disclosure::{FeedWeek, wanted::level_name},
    gateway::{self, BookAnswer, BookLine, BookRequest, FigureText},
    protocol::CallerRole,
    store::Logged,
};
use askama::Template;
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "indicator.html")]
struct IndicatorPage {
    frame: Frame,
    area: String,
    name: String,
    title: String,
    indicator: String,
    quarter: String,
    period: String,
    figures: String,
    feeds: Vec<String>,
    linkage_note: String,
    sum_note: String,
    /// Whether the visitor may follow the figure to its sources.
    traced: bool,
    entry: u64,
}

#[derive(Template)]
#[template(path = "compare.html")]
struct ComparePage {
    frame: Frame,
    area: String,
    name: String,
    quarter: String,
    period: String,
    title: String,
    indicator: String,
    /// Id and title of each, and whether it is the chosen one.
    choices: Vec<(String, String, bool)>,
    areas: String,
    entry: u64,
}

/// Which indicator of which quarter is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AskedIndicator {
    pub(super) indicator: String,
    pub(super) quarter: String,
}

/// The book of an area as the visitor may see it, and the entry that says that it did.
pub(super) async fn book_of(
    pages: &Pages,
    visitor: &Visitor,
    area: String,
    quarter: String,
) -> Result<(Book, u64), Response> {
    let request = BookRequest { area, quarter, year: 0, purposes: purposes() };
    let answered = pages.gateway().data_book(&visitor.actor, &request).await;
    let logged: Logged<BookAnswer> =
        answered.map_err(|denied| answer::denied(pages, visitor, denied))?;
    let (answer, receipt) = logged.into_parts();
    Ok((from_answer(answer), receipt.leaf_index))
}

/// One indicator: figure, meaning, trend, parts and areas side by side.
pub(super) async fn indicator(
    State(pages): State<Arc<Pages>>,
    headers: HeaderMap,
    Asked { visitor, at: (area, indicator), query }: Asked<(String, String), AskedQuarter>,
) -> Answer {
    let (book, entry) = book_of(&pages, &visitor, area, query.quarter).await?;
    let shown = book.line(&indicator).zip(book.indicator_html(&indicator));
    let (Some((line, figures)), Some(own)) = (shown, own(&book)) else {
        return Ok(answer::nothing_here(&pages, &visitor));
    };
    let title = format!("{}: {}", own.name, line.title);
    Ok(answer::packed_page(
        &headers,
        &IndicatorPage {
            frame: visitor.frame(&pages, &title, "/"),
            area: own.code.clone(),
            name: own.name.clone(),
            title: line.title.clone(),
            feeds: line.feeds.iter().map(feed_text).collect(),
            quarter: book.quarter.clone(),
            period: book::quarter_text(&book.quarter),
            linkage_note: book.linkage_note.clone(),
            sum_note: book.sum_note.clone(),
            traced: visitor.is(CallerRole::Auditor),
            indicator,
            figures,
            entry,
        },
    ))
}

/// Areas side by side with their intervals, in one indicator.
pub(super) async fn compare(
    State(pages): State<Arc<Pages>>,
    headers: HeaderMap,
    Asked { visitor, at: area, query: asked }: Asked<String, AskedIndicator>,
) -> Answer {
    let (book, entry) = book_of(&pages, &visitor, area, asked.quarter).await?;
    let comparable = || book.lines.iter().filter(|line| !line.beside.is_empty());
    let chosen = comparable().find(|line| line.figure.indicator == asked.indicator);
    let chosen = chosen.or_else(|| comparable().find(|l| l.figure.indicator == "registered"));
    let (chosen, Some(own)) = (chosen.or_else(|| comparable().next()), own(&book)) else {
        return Ok(answer::nothing_here(&pages, &visitor));
    };
    let indicator = chosen.map_or_else(String::new, |line| line.figure.indicator.clone());
    let choice = |line: &Line| {
        let id = line.figure.indicator.clone();
        (id, format!("{} {}", line.number, line.title), line.figure.indicator == indicator)
    };
    let title = format!("{}: compare areas", own.name);
    Ok(answer::packed_page(
        &headers,
        &ComparePage {
            frame: visitor.frame(&pages, &title, "/"),
            area: own.code.clone(),
            name: own.name.clone(),
            quarter: book.quarter.clone(),
            period: book::quarter_text(&book.quarter),
            title: chosen.map_or_else(String::new, |line| line.title.clone()),
            choices: comparable().map(choice).collect(),
            areas: book.areas_html(&indicator).unwrap_or_default(),
            indicator,
            entry,
        },
    ))
}

/// The data book to read and print.
pub(super) async fn book(
    State(pages): State<Arc<Pages>>,
    headers: HeaderMap,
    Asked { visitor, at: area, query: AskedQuarter { quarter } }: Asked<String, AskedQuarter>,
) -> Answer {
    let (book, _) = book_of(&pages, &visitor, area, quarter).await?;
    let code = own(&book).map_or("", |area| area.code.as_str());
    let back = format!("/areas/{code}?quarter={}", book.quarter);
    let style = format!("/assets/{}", pages.assets.book_style());
    Ok(answer::packed(&headers, book.html_of_site(&style, (&back, "Back to the figures"))))
}

/// A file of the data book, under the name that the book gives it, which says the quarter.
pub(super) async fn book_file(
    State(pages): State<Arc<Pages>>,
    Asked { visitor, at: (area, name), .. }: Asked<(String, String)>,
) -> Answer {
    let quarter = name.strip_prefix(&format!("databook-{area}-")).and_then(|rest| rest.get(..6));
    let Some(quarter) = quarter.map(str::to_owned) else {
        return Ok(answer::nothing_here(&pages, &visitor));
    };
    let (book, _) = book_of(&pages, &visitor, area, quarter).await?;
    let files = book.files().map_err(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())?;
    let Some(file) = files.into_iter().find(|file| file.name == name) else {
        return Ok(answer::nothing_here(&pages, &visitor));
    };
    let kind = match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("csv") => "text/csv; charset=utf-8",
        _ => "application/json",
    };
    Ok(answer::download(&file.name, kind, file.text))
}

pub(super) fn own(book: &Book) -> Option<&Area> {
    book.areas.iter().find(|area| area.group == Group::Own)
}

/// "health, live births: week 2026-W19".
pub(super) fn feed_text(feed: &Feed) -> String {
    let week = match feed.week.is_empty() {
        true => "nothing sent".to_owned(),
        false => format!("week {}", feed.week),
    };
    format!("{}, {}: {week}", feed.partner, feed.record_type.replace('_', " "))
}

/// The answer as a book, text by text.
fn from_answer(answer: BookAnswer) -> Book {
    let quarter = answer.quarter.to_string();
    let releases = answer.releases.into_iter().map(|(quarter, digest)| book::Release {
        quarter: quarter.to_string(),
        digest: digest.to_string(),
    });
    let notices = answer
        .notices
        .into_iter()
        .map(|notice| Notice { quarter: notice.quarter.to_string(), notice: notice.notice });
    Book {
        period: Period::Quarter(quarter.clone()),
        quarter,
        quarters: answer.period.iter().map(ToString::to_string).collect(),
        areas: answer.areas.into_iter().map(area_of).collect(),
        lines: answer.lines.into_iter().map(line_of).collect(),
        commentary: None,
        notices: notices.collect(),
        releases: releases.collect(),
        catalogue: answer.catalogue,
        geography: answer.geography,
        linkage_note: answer.linkage_note.to_owned(),
        sum_note: answer.sum_note.to_owned(),
    }
}

fn area_of(area: gateway::BookArea) -> Area {
    Area {
        code: area.code.to_string(),
        name: area.name,
        level: level_name(area.level).to_owned(),
        group: match area.beside {
            gateway::Beside::Own => Group::Own,
            gateway::Beside::Sibling => Group::Sibling,
            gateway::Beside::Inside => Group::Inside,
            gateway::Beside::Around => Group::Around,
        },
        estimated_under_fives: area.estimate,
    }
}

fn line_of(line: BookLine) -> Line {
    let part = |part: gateway::PartLine| Part {
        title: part.title,
        dimension: part.dimension,
        figure: figure_of(part.figure),
    };
    let beside = |beside: gateway::BesideLine| Beside {
        figure: figure_of(beside.figure),
        distinct_from: beside.distinct_from.iter().map(ToString::to_string).collect(),
    };
    Line {
        number: line.number,
        title: line.title,
        definition: line.definition,
        denominator: line.denominator,
        target: line.target,
        standing: line.standing.map(|standing| book::Standing {
            code: standing.code.to_owned(),
            words: standing.words.to_owned(),
            baseline: standing.baseline.map(|quarter| quarter.to_string()).unwrap_or_default(),
            change: standing.change,
            lower: standing.lower,
            upper: standing.upper,
        }),
        figure: figure_of(line.figure),
        trend: line.trend.into_iter().map(figure_of).collect(),
        changes: line.changes.into_iter().map(change_of).collect(),
        parts: line.parts.into_iter().map(part).collect(),
        beside: line.beside.into_iter().map(beside).collect(),
        comparisons: line.comparisons,
        feeds: line.feeds.iter().map(feed_of).collect(),
    }
}

fn change_of(change: gateway::ChangeText) -> Change {
    Change {
        against: change.against.to_owned(),
        since: change.since.to_string(),
        value: change.value,
        lower: change.lower,
        upper: change.upper,
        margin: change.margin,
        unit: change.unit.to_owned(),
        distinct: change.is_distinct,
    }
}

/// A feed's week, as the book has it.
pub(super) fn feed_of(feed: &FeedWeek) -> Feed {
    Feed {
        partner: feed.partner.to_string(),
        record_type: feed.record_type.name().to_owned(),
        week: feed.week.map(|week| week.to_string()).unwrap_or_default(),
    }
}

/// A figure, text by text.
pub(super) fn figure_of(figure: FigureText) -> Figure {
    Figure {
        indicator: figure.indicator.to_string(),
        area: figure.area.to_string(),
        quarter: figure.quarter.to_string(),
        part: figure.part,
        value: figure.value,
        lower: figure.lower,
        upper: figure.upper,
        margin: figure.margin,
        out_of: figure.out_of,
        word: figure.word.to_owned(),
        unit: figure.unit.to_owned(),
    }
}
