//! One indicator: the figure, what it means, how it went, and the same elsewhere.

use super::{
    chart,
    html::Html,
    model::{Beside, Book, Figure, Group, Line, Part, Standing},
    page::{heading, list, table},
    words,
};

const NUMBER: (&str, &str) = ("class", "number");

/// The section of an indicator.
pub(super) fn indicator(html: &mut Html, book: &Book, line: &Line, first: bool) {
    let id = format!("i{}", line.number);
    let class = if first { "indicator first" } else { "indicator" };
    html.open("section", &[("class", class), ("id", &id)]);
    html.leaf("h2", &[], &format!("{} {}", line.number, line.title));
    inside(html, book, line, &id);
    html.close();
}

/// What stands in it under its heading.
pub(super) fn inside(html: &mut Html, book: &Book, line: &Line, id: &str) {
    html.open("p", &[("class", "figure")]);
    html.leaf("span", &[("class", "value")], &words::value(&line.figure));
    if line.figure.numbers().is_some() {
        html.text(" ").leaf("span", &[("class", "margin")], &words::margin(&line.figure));
        if !line.figure.word.is_empty() {
            html.text(" ").leaf("span", &[("class", "word")], &line.figure.word);
        }
        if !line.figure.out_of.is_empty() {
            let out_of = format!("out of about {}", words::grouped(&line.figure.out_of));
            html.text(" ").leaf("span", &[("class", "quiet")], &out_of);
        }
    }
    html.text(" ");
    html.leaf("span", &[("class", "quiet")], &words::quarter(&line.figure.quarter)).close();
    meaning(html, line);
    trend(html, id, line);
    parts(html, id, line);
    beside(html, id, book, line);
}

fn meaning(html: &mut Html, line: &Line) {
    html.open("dl", &[]);
    let mut entry = |name: &str, text: &str| {
        html.leaf("dt", &[], name).leaf("dd", &[], text);
    };
    entry("Counted", &line.definition);
    entry("Out of", &line.denominator);
    if !line.target.is_empty() {
        let standing = line.standing.as_ref().map(standing).unwrap_or_default();
        entry("Target", &format!("{}{standing}", line.target));
    }
    for change in &line.changes {
        let name = if change.against == "baseline" { "Since baseline" } else { "Change" };
        entry(name, &format!("from {}: {}", words::against(change), words::change(change)));
    }
    html.close();
}

/// ": not distinguishable from no change yet (−7% against 2024 Q2, 95% interval −20% to +9%)".
fn standing(standing: &Standing) -> String {
    let mut text = format!(": {}", standing.words);
    if !standing.change.is_empty() {
        let percent = |number: &str| format!("{}%", words::grouped(number));
        let upper = match standing.upper.is_empty() {
            true => "any number".to_owned(),
            false => percent(&standing.upper),
        };
        text.push_str(&format!(
            " ({} against {}, 95% interval {} to {upper})",
            percent(&standing.change),
            words::short_quarter(&standing.baseline),
            percent(&standing.lower),
        ));
    }
    text
}

fn trend(html: &mut Html, id: &str, line: &Line) {
    html.leaf("h3", &[], "Quarter by quarter");
    if line.trend.is_empty() {
        html.leaf(
            "p",
            &[("class", "quiet")],
            "There is one figure so far: earlier quarters were not released, or the area was drawn \
             otherwise then.",
        );
        return;
    }
    html.open("figure", &[("tabindex", "0")]);
    chart::trend(html, &format!("{id}-trend"), line);
    html.close();
    table(html, &format!("{}, quarter by quarter", line.title));
    columns(html, "Quarter", &line.figure, &[]);
    html.open("tbody", &[]);
    for figure in line.trend.iter().chain([&line.figure]) {
        html.open("tr", &[]);
        html.leaf("th", &[("scope", "row")], &words::short_quarter(&figure.quarter));
        cells(html, figure);
        html.close();
    }
    html.close().close().close();
}

fn parts(html: &mut Html, id: &str, line: &Line) {
    let mut dimensions: Vec<&str> = Vec::new();
    for part in &line.parts {
        if !dimensions.contains(&part.dimension.as_str()) {
            dimensions.push(&part.dimension);
        }
    }
    for dimension in dimensions {
        let name = dimension.replace('_', " ");
        html.leaf("h3", &[], &format!("By {name}"));
        let own: Vec<&Part> = line.parts.iter().filter(|p| p.dimension == dimension).collect();
        html.open("figure", &[("tabindex", "0")]);
        chart::parts(html, &format!("{id}-by-{dimension}"), line, &name, &own);
        html.close();
        table(html, &format!("{}, by {name}", line.title));
        columns(html, "Part", &line.figure, &[]);
        html.open("tbody", &[]);
        for part in own {
            html.open("tr", &[]).leaf("th", &[("scope", "row")], &part.title);
            cells(html, &part.figure);
            html.close();
        }
        html.close().close().close();
    }
}

/// Where an area stands among others: the own one among its like, by name within a group.
pub(super) fn place(book: &Book, code: &str) -> (u8, String) {
    let group = match book.area(code).map(|area| area.group) {
        Some(Group::Own | Group::Sibling) => 0,
        Some(Group::Inside) => 1,
        Some(Group::Around) | None => 2,
    };
    (group, book.called(code).to_lowercase())
}

pub(super) fn beside(html: &mut Html, id: &str, book: &Book, line: &Line) {
    if line.beside.is_empty() {
        return;
    }
    let group = |beside: &Beside| book.area(&beside.figure.area).map_or(Group::Around, |a| a.group);
    let mut rows: Vec<&Beside> = line.beside.iter().collect();
    rows.sort_by_cached_key(|beside| place(book, &beside.figure.area));
    html.leaf("h3", &[], "Areas side by side");
    // Of numbers of people what holds an area is so much larger that the rest could not be read.
    let is_count = matches!(line.figure.unit.as_str(), "persons" | "families");
    let charted = rows.iter().filter(|row| !is_count || group(row) != Group::Around);
    let figures: Vec<&Figure> = charted.map(|beside| &beside.figure).collect();
    if figures.len() > 1 {
        html.open("figure", &[("tabindex", "0")]);
        chart::side_by_side(html, &format!("{id}-areas"), book, line, &figures);
        html.close();
    }
    html.leaf("p", &[], &told_apart(book, line, &rows));
    table(html, &format!("{}, in the order of names", line.title));
    let compared: &[(&str, &str)] =
        if line.comparisons > 0 { &[("", "Can be told from")] } else { &[] };
    columns(html, "Area", &line.figure, compared);
    html.open("tbody", &[]);
    let mut last = None;
    for row in rows {
        let is_own = group(row) == Group::Own;
        let shown = if is_own { Group::Sibling } else { group(row) };
        if last != Some(shown) && (last.is_some() || shown != Group::Sibling) {
            let span = if compared.is_empty() { "4" } else { "5" };
            if last.is_some() {
                html.close().open("tbody", &[]);
            }
            html.open("tr", &[("class", "group")]);
            html.leaf("th", &[("scope", "rowgroup"), ("colspan", span)], shown.heading());
            html.close();
        }
        last = Some(shown);
        html.open("tr", if is_own { &[("class", "own")] } else { &[] });
        html.leaf("th", &[("scope", "row")], &book.called(&row.figure.area));
        cells(html, &row.figure);
        if !compared.is_empty() {
            html.leaf("td", &[], &row.distinct_from.join(", "));
        }
        html.close();
    }
    html.close().close().close();
}

/// Which differences between areas are more than the noise.
fn told_apart(book: &Book, line: &Line, rows: &[&Beside]) -> String {
    if line.comparisons == 0 {
        return "These areas were not compared with each other: they lie in one another, or are too \
                many for their differences to be told apart. Intervals that overlap leave open \
                which figure is larger."
            .to_owned();
    }
    let own = book.own().map_or("", |area| area.code.as_str());
    let distinct = rows.iter().find(|row| row.figure.area == own).map(|row| &row.distinct_from);
    let has_siblings = book.areas.iter().any(|area| area.group == Group::Sibling);
    let together = match line.comparisons {
        1 => "One comparison was made".to_owned(),
        n => format!("{n} comparisons were made together, which is allowed for"),
    };
    if !has_siblings {
        let pairs: usize = rows.iter().map(|row| row.distinct_from.len()).sum::<usize>() / 2;
        return match pairs {
            0 => format!("{together}: no two of these areas can be told apart."),
            1 => format!("{together}: one pair of these areas can be told apart."),
            n => format!(
                "{together}: {n} pairs of these areas can be told apart; the others may differ \
                 either way, or not at all."
            ),
        };
    }
    match distinct.filter(|areas| !areas.is_empty()) {
        None => {
            format!("{together}: none of the other areas can be told from {}.", book.called(own))
        }
        Some(areas) => {
            let names: Vec<String> = areas.iter().map(|code| book.called(code)).collect();
            format!(
                "{together}: {} can be told from {}. Whether the others have more or less is open.",
                book.called(own),
                list(&names)
            )
        }
    }
}

/// The heading of a table of figures.
fn columns(html: &mut Html, first: &str, figure: &Figure, more: &[(&str, &str)]) {
    let unit = words::unit(&figure.unit);
    let interval = ("number", "95% interval");
    let mut all = vec![("", first), ("number", unit), ("number", "Margin"), interval];
    all.extend(more);
    heading(html, &all);
}

fn cells(html: &mut Html, figure: &Figure) {
    html.leaf("td", &[NUMBER], &words::value(figure));
    html.leaf("td", &[NUMBER], &words::margin(figure));
    html.leaf("td", &[NUMBER], &words::interval(figure));
}
