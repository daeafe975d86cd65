//! The page: what it is about, how to read it, every figure at a glance, then one by one.

use super::{
    commentary,
    html::Html,
    model::{Book, Feed, Group, Line, Period},
    sections, words,
};
use std::collections::BTreeSet;

/// The style sheet of the page, and of pages that show parts of it.
pub const STYLE: &str = include_str!("style.css");

/// Where a page is: a file of its own, or among a site's, with the site's style sheet and a way
/// back.
#[derive(Debug, Clone, Copy)]
pub(super) enum Where<'a> {
    File,
    Site { style: &'a str, back: (&'a str, &'a str) },
}

/// The whole page.
pub(super) fn render(book: &Book, place: Where<'_>) -> String {
    let area = book.own().map_or_else(String::new, |area| book.called(&area.code));
    let title = format!("{area}: data book, {}", words::period(&book.period));
    let mut html = Html::document();
    html.open("html", &[("lang", "en-GB")]).open("head", &[]);
    html.void("meta", &[("charset", "utf-8")]);
    html.void("meta", &[("name", "viewport"), ("content", "width=device-width, initial-scale=1")]);
    html.leaf("title", &[], &title);
    match place {
        Where::File => html.style(STYLE),
        Where::Site { style, .. } => html.void("link", &[("rel", "stylesheet"), ("href", style)]),
    };
    html.close().open("body", &[]);
    html.leaf("a", &[("class", "skip"), ("href", "#figures")], "Skip to the figures");
    html.open("header", &[("class", "top")]).leaf("p", &[], kind(&book.period)).close();
    if let Where::Site { back: (href, text), .. } = place {
        html.open("nav", &[("class", "back"), ("aria-label", "Back and downloads")]);
        html.leaf("a", &[("href", href)], text);
        for file in book.names() {
            html.text(" ").leaf("a", &[("href", &format!("book/{file}"))], &file);
        }
        html.close();
    }
    html.open("main", &[]);
    beginning(&mut html, book, &area);
    how_to_read(&mut html);
    if let Some(text) = &book.commentary {
        html.open("section", &[]).leaf("h2", &[], "Commentary");
        commentary::render(&mut html, text);
        html.close();
    }
    at_a_glance(&mut html, book);
    population(&mut html, book);
    for (at, line) in book.lines.iter().enumerate() {
        sections::indicator(&mut html, book, line, at == 0);
    }
    feeds(&mut html, book);
    where_from(&mut html, book);
    html.close();
    footer(&mut html, book);
    html.finish()
}

const fn kind(period: &Period) -> &'static str {
    match period {
        Period::Quarter(_) => "Quarterly data book",
        Period::Year(_) => "Annual data book",
    }
}

fn beginning(html: &mut Html, book: &Book, area: &str) {
    let level = book.own().map_or("area", |area| words::level(&area.level));
    html.leaf("h1", &[], &format!("{area}, {}", words::period(&book.period)));
    let newest = match &book.period {
        Period::Quarter(_) => String::new(),
        Period::Year(_) => format!(
            " It holds {}; each figure is the newest of the year.",
            list(&book.quarters.iter().map(|q| words::short_quarter(q)).collect::<Vec<_>>())
        ),
    };
    html.leaf(
        "p",
        &[("class", "lede")],
        &format!(
            "Protected counts of this {level}'s children and families, as released after the close of \
             each quarter.{newest}"
        ),
    );
    for notice in &book.notices {
        html.open("p", &[("class", "notice")]);
        html.leaf(
            "strong",
            &[],
            &format!("{} was withdrawn. ", words::short_quarter(&notice.quarter)),
        );
        html.text(&notice.notice).close();
    }
}

fn how_to_read(html: &mut Html) {
    html.open("section", &[]).leaf("h2", &[], "How to read it").open("ul", &[]);
    for sentence in [
        "The number after \u{b1} is the margin of error: of 20 true values, 19 lie within it. It \
         comes from the noise that protects each child, drawn once and never again, and from \
         rounding.",
        "\u{201c}<10\u{201d} stands for anything small, nothing included. Small, none and not there \
         look the same.",
        "\u{201c}Too uncertain to say\u{201d} (in a chart a question mark) stands for a share whose margin \
         reaches as far as shares go: any value would be possible. It is told from what is published \
         alone, and says nothing about the children.",
        "A word such as \u{201c}large majority\u{201d} is inspection's for that proportion. It is left \
         out where the margin reaches into another word's range.",
        "A difference has a margin of its own. Where that holds no change, the figures can't tell \
         whether there was one.",
        "Areas stand in the order of their names. That is no ranking: most of them can't be told \
         apart, and what can is said.",
    ] {
        html.leaf("li", &[], sentence);
    }
    html.close().close();
}

fn at_a_glance(html: &mut Html, book: &Book) {
    html.open("section", &[("id", "figures")]).leaf("h2", &[], "At a glance");
    table(html, "Every figure, its change and its target");
    heading(
        html,
        &[
            ("", "Indicator"),
            ("number", "Figure"),
            ("number", "Margin"),
            ("", "In words"),
            ("", "Since the quarter before"),
            ("", "Target"),
        ],
    );
    html.open("tbody", &[]);
    for line in &book.lines {
        html.open("tr", &[]).open("th", &[("scope", "row")]);
        html.leaf(
            "a",
            &[("href", &format!("#i{}", line.number))],
            &format!("{} {}", line.number, line.title),
        );
        html.close();
        html.leaf("td", &[("class", "number")], &words::value(&line.figure));
        html.leaf("td", &[("class", "number")], &words::margin(&line.figure));
        html.leaf("td", &[], &line.figure.word);
        let change = line.changes.iter().find(|change| change.against == "previous");
        html.leaf("td", &[], &change.map(words::change).unwrap_or_default());
        let standing = line.standing.as_ref().map_or("", |standing| &standing.words);
        html.leaf(
            "td",
            &[],
            &[line.target.as_str(), standing].join(if standing.is_empty() { "" } else { ": " }),
        );
        html.close();
    }
    html.close().close().close();
    html.leaf("p", &[("class", "quiet")], &book.sum_note);
    html.close();
}

/// The registry's own count and the published estimate: beside each other, never mixed.
fn population(html: &mut Html, book: &Book) {
    let counted = |line: &&Line| line.figure.indicator == "under_fives";
    let Some(line) = book.lines.iter().find(counted) else { return };
    let own = std::iter::once(&line.figure);
    let code = &line.figure.area;
    let others = line.beside.iter().map(|beside| &beside.figure).filter(|f| f.area != *code);
    let mut figures: Vec<_> = own
        .chain(others)
        .filter_map(|figure| Some((book.area(&figure.area)?, figure)))
        .filter(|(area, _)| area.estimated_under_fives > 0)
        .collect();
    figures.sort_by_cached_key(|(area, _)| sections::place(book, &area.code));
    if figures.is_empty() {
        return;
    }
    html.open("section", &[]).leaf("h2", &[], "Children known here and population estimates");
    html.leaf(
        "p",
        &[],
        "Two different things, which are never mixed: how many under-fives the sharing partners \
         know, and how many live here by the published estimate. No figure in this book is out of \
         the estimate.",
    );
    table(html, &format!("Under-fives, {}", words::short_quarter(&line.figure.quarter)));
    heading(
        html,
        &[
            ("", "Area"),
            ("number", "Known to the partners"),
            ("number", "Margin"),
            ("number", "Published estimate"),
        ],
    );
    html.open("tbody", &[]);
    for (area, figure) in figures {
        html.open("tr", if area.group == Group::Own { &[("class", "own")] } else { &[] });
        html.leaf("th", &[("scope", "row")], &book.called(&area.code));
        html.leaf("td", &[("class", "number")], &words::value(figure));
        html.leaf("td", &[("class", "number")], &words::margin(figure));
        let estimate = words::grouped(&area.estimated_under_fives.to_string());
        html.leaf("td", &[("class", "number")], &estimate).close();
    }
    html.close().close().close().close();
}

fn feeds(html: &mut Html, book: &Book) {
    let feeds: BTreeSet<&Feed> = book.lines.iter().flat_map(|line| &line.feeds).collect();
    if feeds.is_empty() {
        return;
    }
    html.open("section", &[]).leaf("h2", &[], "How fresh the feeds were");
    table(html, "The declared week of each feed's last extract when the quarter was closed");
    heading(html, &[("", "Partner"), ("", "Record type"), ("", "Week")]);
    html.open("tbody", &[]);
    for feed in feeds {
        let week = if feed.week.is_empty() { "nothing sent" } else { &feed.week };
        html.open("tr", &[]).leaf("th", &[("scope", "row")], &feed.partner);
        html.leaf("td", &[], &feed.record_type.replace('_', " ")).leaf("td", &[], week).close();
    }
    html.close().close().close().close();
}

fn where_from(html: &mut Html, book: &Book) {
    html.open("section", &[]).leaf("h2", &[], "What the margin does not cover");
    html.leaf("p", &[], &book.linkage_note);
    html.leaf("h3", &[], "Releases");
    html.leaf(
        "p",
        &[],
        &format!(
            "Catalogue {}, boundaries version {}. Each release is signed and never changes; its digest \
             stands in the access log.",
            book.catalogue, book.geography
        ),
    );
    html.open("ul", &[]);
    for release in &book.releases {
        html.open("li", &[]).text(&format!("{}: ", words::short_quarter(&release.quarter)));
        html.leaf("code", &[], &release.digest).close();
    }
    html.close().close();
}

fn footer(html: &mut Html, book: &Book) {
    let figures =
        "The same figures as CSV, with metadata (CSVW), and as JSON lie beside this page.";
    html.open("footer", &[]).leaf("p", &[], figures);
    let has_estimates = book.areas.iter().any(|area| area.estimated_under_fives > 0);
    if has_estimates {
        html.leaf(
            "p",
            &[],
            "Geography and estimates: Office for National Statistics, Open Government Licence v3.0, \
             contains OS data, Crown copyright and database right.",
        );
    }
    html.close();
}

/// Opens a table with its caption, in a part of the page that scrolls where it is too narrow.
pub(super) fn table(html: &mut Html, caption: &str) {
    let region =
        [("class", "wide"), ("role", "region"), ("aria-label", caption), ("tabindex", "0")];
    html.open("div", &region).open("table", &[]).leaf("caption", &[], caption);
}

/// The heading row of a table: class and text of each column.
pub(super) fn heading(html: &mut Html, columns: &[(&str, &str)]) {
    html.open("thead", &[]).open("tr", &[]);
    for (class, text) in columns {
        match class.is_empty() {
            true => html.leaf("th", &[("scope", "col")], text),
            false => html.leaf("th", &[("scope", "col"), ("class", class)], text),
        };
    }
    html.close().close();
}

/// "a", "a and b", "a, b and c".
pub(super) fn list(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}
