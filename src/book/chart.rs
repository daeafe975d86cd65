//! Charts as inline SVG, each with a title and a description, and never without its table.
//!
//! A trend has an axis in its unit and the interval as a band behind the line; its height stands
//! for at least four margins, so that a line that only wavers within its margin looks flat.
//! Side by side each area is a mark on its interval. A figure that is not shown has a sign of its
//! own, the same for zero, small and absent.

use super::{
    html::Html,
    model::{Book, Figure, Line, Part},
    scale::Scale,
    words,
};

const WIDTH: f64 = 680.0;
/// The full height of a trend, in margins of error, at least.
const MARGINS_HIGH: f64 = 4.0;
/// Rows of areas.
const ROW: f64 = 22.0;

/// Figures in the order of quarters, the newest last.
pub(super) fn trend(html: &mut Html, id: &str, line: &Line) {
    const TOP: f64 = 26.0;
    const BOTTOM: f64 = 196.0;
    const LEFT: f64 = 58.0;
    const RIGHT: f64 = WIDTH - 26.0;
    let figures: Vec<&Figure> = line.trend.iter().chain([&line.figure]).collect();
    let places: Vec<(i32, &Figure)> =
        figures.iter().filter_map(|f| Some((words::ordinal(&f.quarter)?, *f))).collect();
    let (Some((first, _)), Some((last, _))) = (places.first(), places.last()) else { return };
    let span = f64::from((last - first).max(1));
    let x = |place: i32| LEFT + 16.0 + f64::from(place - first) / span * (RIGHT - LEFT - 32.0);
    let numbers = || figures.iter().filter_map(|figure| figure.numbers());
    let ends = numbers().flat_map(|(value, low, high)| [value, low, high]);
    let widest = figures.iter().filter_map(|f| f.margin.parse().ok()).fold(0.0, f64::max);
    let unit = &line.figure.unit;
    let y = Scale::over(ends, MARGINS_HIGH * widest, bounds(unit), 4, (BOTTOM, TOP));
    svg(html, id, (WIDTH, 232.0), &trend_title(line), &trend_description(line));
    for mark in shown_marks(&y, numbers().count()) {
        let at = y.at(*mark);
        rule(html, "grid", (LEFT, at), (RIGHT, at));
        let label = format!("{}{}", y.text(*mark), words::sign(unit));
        text(html, "end", (LEFT - 8.0, at + 4.5), &label);
    }
    text(html, "start", (LEFT - 50.0, 13.0), words::unit(unit));
    let every = usize::from(places.len() > 12) + 1;
    for (at, (place, figure)) in places.iter().enumerate() {
        if (places.len() - 1 - at).is_multiple_of(every) {
            rule(html, "tick", (x(*place), BOTTOM), (x(*place), BOTTOM + 5.0));
            let label = words::short_quarter(&figure.quarter);
            text(html, "middle", (x(*place), BOTTOM + 21.0), &label);
        }
    }
    rule(html, "axis", (LEFT, BOTTOM), (RIGHT, BOTTOM));
    for run in runs(&places) {
        band(html, &run, &x, &y);
    }
    for (place, figure) in &places {
        let at = x(*place);
        match figure.numbers() {
            Some((value, ..)) => {
                let (at, y) = (short(at), short(y.at(value)));
                html.void("circle", &[("class", "mark"), ("cx", &at), ("cy", &y), ("r", "4")]);
            }
            None => {
                let sign = figure.without_number().1;
                text(html, "middle", (at, BOTTOM - 7.0), sign);
            }
        }
    }
    html.close();
}

/// A trend in little, for a card: the same band and line, two quarters and a few marks named.
pub(super) fn small_trend(html: &mut Html, id: &str, line: &Line) {
    const SIZE: (f64, f64) = (320.0, 132.0);
    const TOP: f64 = 22.0;
    const BOTTOM: f64 = 106.0;
    const LEFT: f64 = 52.0;
    const RIGHT: f64 = SIZE.0 - 16.0;
    let figures: Vec<&Figure> = line.trend.iter().chain([&line.figure]).collect();
    let places: Vec<(i32, &Figure)> =
        figures.iter().filter_map(|f| Some((words::ordinal(&f.quarter)?, *f))).collect();
    let (Some((first, oldest)), Some((last, newest))) = (places.first(), places.last()) else {
        return;
    };
    let span = f64::from((last - first).max(1));
    let x = |place: i32| LEFT + 10.0 + f64::from(place - first) / span * (RIGHT - LEFT - 20.0);
    let numbers = || figures.iter().filter_map(|figure| figure.numbers());
    let ends = numbers().flat_map(|(value, low, high)| [value, low, high]);
    let widest = figures.iter().filter_map(|f| f.margin.parse().ok()).fold(0.0, f64::max);
    let unit = &line.figure.unit;
    let y = Scale::over(ends, MARGINS_HIGH * widest, bounds(unit), 3, (BOTTOM, TOP));
    svg(html, id, SIZE, &trend_title(line), &trend_description(line));
    text(html, "start", (2.0, 12.0), words::unit(unit));
    for mark in shown_marks(&y, numbers().count()) {
        let at = y.at(*mark);
        rule(html, "grid", (LEFT, at), (RIGHT, at));
        let label = words::grouped(&y.text(*mark));
        text(html, "end", (LEFT - 6.0, at + 4.0), &format!("{label}{}", words::sign(unit)));
    }
    rule(html, "axis", (LEFT, BOTTOM), (RIGHT, BOTTOM));
    text(html, "start", (LEFT, BOTTOM + 18.0), &words::short_quarter(&oldest.quarter));
    if first != last {
        text(html, "end", (RIGHT, BOTTOM + 18.0), &words::short_quarter(&newest.quarter));
    }
    for run in runs(&places) {
        band(html, &run, &x, &y);
    }
    for (place, figure) in &places {
        match figure.numbers() {
            Some((value, ..)) => {
                let (at, y) = (short(x(*place)), short(y.at(value)));
                html.void("circle", &[("class", "mark"), ("cx", &at), ("cy", &y), ("r", "3")]);
            }
            None => {
                let sign = figure.without_number().1;
                text(html, "middle", (x(*place), BOTTOM - 6.0), sign);
            }
        }
    }
    html.close();
}

/// The parts of a figure by one dimension, each a bar from zero with its interval.
pub(super) fn parts(html: &mut Html, id: &str, line: &Line, dimension: &str, parts: &[&Part]) {
    const LEFT: f64 = 240.0;
    const RIGHT: f64 = WIDTH - 26.0;
    const TOP: f64 = 8.0;
    const BAR: f64 = 12.0;
    let height = ROW.mul_add(f64::from(u32::try_from(parts.len()).unwrap_or(0)), TOP);
    let numbers = parts.iter().filter_map(|part| part.figure.numbers());
    // A bar is a length: it begins at nothing.
    let ends = numbers.flat_map(|(value, low, high)| [value, low, high]).chain([0.0]);
    let unit = &line.figure.unit;
    let x = Scale::over(ends, 0.0, bounds(unit), 5, (LEFT, RIGHT));
    let title = format!("{}, by {dimension}", line.title);
    let description = "A bar for each part, with its 95% interval as a line. The table below has \
                       the same figures.";
    svg(html, id, (WIDTH, height + 44.0), &title, description);
    for mark in &x.marks {
        let at = x.at(*mark);
        rule(html, "grid", (at, TOP), (at, height));
        let label = format!("{}{}", words::grouped(&x.text(*mark)), words::sign(unit));
        text(html, "middle", (at, height + 17.0), &label);
    }
    text(html, "end", (RIGHT, height + 36.0), words::unit(unit));
    for (at, part) in (0_u32..).zip(parts) {
        let y = ROW.mul_add(f64::from(at), TOP + ROW / 2.0);
        text(html, "end", (LEFT - 10.0, y + 4.5), &shortened(&part.title));
        let Some((value, low, high)) = part.figure.numbers() else {
            let sign = part.figure.without_number().1;
            text(html, "start", (LEFT + 6.0, y + 4.5), sign);
            continue;
        };
        let (from, to) = (x.at(0.0).min(x.at(value)), x.at(0.0).max(x.at(value)));
        let size = [
            ("class", "bar"),
            ("x", &short(from)),
            ("y", &short(y - BAR / 2.0)),
            ("width", &short(to - from)),
            ("height", &short(BAR)),
        ];
        html.void("rect", &size);
        rule(html, "error", (x.at(low), y), (x.at(high), y));
    }
    rule(html, "axis", (x.at(0.0), TOP), (x.at(0.0), height));
    html.close();
}

/// Where no figure is shown, no axis is: its numbers would be the program's own.
fn shown_marks(scale: &Scale, figures: usize) -> &[f64] {
    if figures == 0 { &[] } else { &scale.marks }
}

/// A quarter's place, and its value with the interval's ends.
type Point = (i32, (f64, f64, f64));

/// What follows quarter by quarter, without a gap.
fn runs(places: &[(i32, &Figure)]) -> Vec<Vec<Point>> {
    let mut runs: Vec<Vec<Point>> = Vec::new();
    for (place, figure) in places {
        let Some(numbers) = figure.numbers() else { continue };
        match runs.last_mut() {
            Some(run) if run.last().is_some_and(|(before, _)| before + 1 == *place) => {
                run.push((*place, numbers));
            }
            _ => runs.push(vec![(*place, numbers)]),
        }
    }
    runs
}

fn band(html: &mut Html, run: &[Point], x: &dyn Fn(i32) -> f64, y: &Scale) {
    if let [(place, (_, low, high))] = run {
        let at = x(*place);
        rule(html, "whisker", (at, y.at(*low)), (at, y.at(*high)));
        return;
    }
    let point = |place: i32, value: f64| format!("{},{}", short(x(place)), short(y.at(value)));
    let upper = run.iter().map(|(place, (_, _, high))| point(*place, *high));
    let lower = run.iter().rev().map(|(place, (_, low, _))| point(*place, *low));
    let outline = upper.chain(lower).collect::<Vec<_>>().join(" ");
    html.void("polygon", &[("class", "band"), ("points", &outline)]);
    let line: Vec<String> = run.iter().map(|(place, (value, ..))| point(*place, *value)).collect();
    html.void("polyline", &[("class", "line"), ("points", &line.join(" "))]);
}

fn trend_title(line: &Line) -> String {
    format!("{}, quarter by quarter", line.title)
}

fn trend_description(line: &Line) -> String {
    let first = line.trend.first().unwrap_or(&line.figure);
    let said = |figure: &Figure| {
        let value = format!("{} {}", words::value(figure), words::margin(figure));
        format!("{} in {}", value.trim(), words::short_quarter(&figure.quarter))
    };
    format!(
        "A line with its 95% interval as a band, from {} to {}. The table below has the same \
         figures.",
        said(first),
        said(&line.figure)
    )
}

/// The figure of several areas, each on its interval, in the order in which they come.
pub(super) fn side_by_side(html: &mut Html, id: &str, book: &Book, line: &Line, rows: &[&Figure]) {
    const LEFT: f64 = 240.0;
    const RIGHT: f64 = WIDTH - 26.0;
    const TOP: f64 = 8.0;
    let height = ROW.mul_add(f64::from(u32::try_from(rows.len()).unwrap_or(0)), TOP);
    let ends =
        rows.iter().filter_map(|f| f.numbers()).flat_map(|(value, low, high)| [value, low, high]);
    let unit = &line.figure.unit;
    let x = Scale::over(ends, 0.0, bounds(unit), 5, (LEFT, RIGHT));
    let title = format!("{}, areas side by side", line.title);
    let description = format!(
        "{} areas in the order of their names, each a mark on its 95% interval. The table below \
         has the same figures.",
        rows.len()
    );
    svg(html, id, (WIDTH, height + 44.0), &title, &description);
    for mark in &x.marks {
        let at = x.at(*mark);
        rule(html, "grid", (at, TOP), (at, height));
        let label = format!("{}{}", x.text(*mark), words::sign(unit));
        text(html, "middle", (at, height + 17.0), &label);
    }
    text(html, "end", (RIGHT, height + 36.0), words::unit(unit));
    rule(html, "axis", (LEFT, height), (RIGHT, height));
    let own = book.own().map_or("", |area| area.code.as_str());
    for (at, figure) in (0_u32..).zip(rows) {
        let y = ROW.mul_add(f64::from(at), TOP + ROW / 2.0);
        let is_own = figure.area == own;
        let name = shortened(&book.called(&figure.area));
        let class = if is_own { "own-label" } else { "label" };
        html.leaf(
            "text",
            &[
                ("class", class),
                ("text-anchor", "end"),
                ("x", &short(LEFT - 10.0)),
                ("y", &short(y + 4.5)),
            ],
            &name,
        );
        let Some((value, low, high)) = figure.numbers() else {
            let sign = figure.without_number().1;
            text(html, "start", (LEFT + 6.0, y + 4.5), sign);
            continue;
        };
        rule(html, if is_own { "own-whisker" } else { "whisker" }, (x.at(low), y), (x.at(high), y));
        let (at, y, class) = (x.at(value), y, if is_own { "own-mark" } else { "mark" });
        if is_own {
            let (at, y) = (short(at - 5.0), short(y - 5.0));
            let size = [("class", class), ("x", &at), ("y", &y), ("width", "10"), ("height", "10")];
            html.void("rect", &size);
        } else {
            let (at, y) = (short(at), short(y));
            html.void("circle", &[("class", class), ("cx", &at), ("cy", &y), ("r", "4")]);
        }
    }
    html.close();
}

/// A long name is cut: the table has it whole.
fn shortened(name: &str) -> String {
    const MOST: usize = 32;
    if name.chars().count() <= MOST {
        return name.to_owned();
    }
    name.chars().take(MOST - 1).chain(['\u{2026}']).collect()
}

/// What no value of a unit passes.
fn bounds(unit: &str) -> (f64, f64) {
    match unit {
        "percent" => (0.0, 100.0),
        "points" => (-100.0, 100.0),
        "ratio" => (0.0, 1.0),
        _ => (0.0, f64::MAX),
    }
}

fn svg(html: &mut Html, id: &str, (width, height): (f64, f64), title: &str, description: &str) {
    let (named, described) = (format!("{id}-title"), format!("{id}-text"));
    let view = format!("0 0 {} {}", short(width), short(height));
    html.open(
        "svg",
        &[
            ("xmlns", "http://www.w3.org/2000/svg"),
            ("viewBox", &view),
            ("role", "img"),
            ("aria-labelledby", &format!("{named} {described}")),
        ],
    );
    html.leaf("title", &[("id", &named)], title);
    html.leaf("desc", &[("id", &described)], description);
}

fn rule(html: &mut Html, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
    let [x1, y1, x2, y2] = [x1, y1, x2, y2].map(short);
    html.void("line", &[("class", class), ("x1", &x1), ("y1", &y1), ("x2", &x2), ("y2", &y2)]);
}

fn text(html: &mut Html, anchor: &str, (x, y): (f64, f64), text: &str) {
    let at = [("class", "label"), ("text-anchor", anchor), ("x", &short(x)), ("y", &short(y))];
    html.leaf("text", &at, text);
}

fn short(position: f64) -> String {
    let text = format!("{position:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}
