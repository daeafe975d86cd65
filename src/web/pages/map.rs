//! The map of reach areas: shaded by released values and by nothing else.
//!
//! A value stands in one of five classes of equal width; where it is not shown (`<10`, withdrawn)
//! the area has a pattern, the same whatever lies behind, and where the visitor may not see it,
//! another. The table below says the same with margins. Outlines are of whole areas: nothing
//! smaller than what figures are released for can be read off.

use super::{
    Pages,
    answer::{self, Answer, Frame},
    asked::Asked,
    boundaries::Point,
    figures::{AskedIndicator, book_of, own},
};
use crate::{
    book::{self, Book, Figure, Line},
    gateway::{AreaEntry, AreaLevel},
};
use askama::Template;
use axum::extract::State;
use http::HeaderMap;
use std::{collections::BTreeMap, fmt::Write as _, sync::Arc};

/// The map's width; its height follows.
const WIDTH: f64 = 640.0;
const MARGIN: f64 = 8.0;
/// How many classes of values there are.
const CLASSES: u32 = 5;

#[derive(Template)]
#[template(path = "map.html")]
struct MapPage {
    frame: Frame,
    area: String,
    name: String,
    quarter: String,
    period: String,
    title: String,
    choices: Vec<(String, String, bool)>,
    height: String,
    shapes: Vec<Shape>,
    legend: Vec<(String, String)>,
    rows: Vec<Row>,
    unit: &'static str,
    entry: u64,
}

struct Shape {
    code: String,
    name: String,
    class: String,
    said: String,
    path: String,
    x: String,
    y: String,
    is_own: bool,
    is_shown: bool,
}

struct Row {
    code: String,
    name: String,
    value: String,
    margin: String,
    interval: String,
    is_own: bool,
}

pub(super) async fn page(
    State(pages): State<Arc<Pages>>,
    headers: HeaderMap,
    Asked { visitor, at: area, query: asked }: Asked<String, AskedIndicator>,
) -> Answer {
    let (book, entry) = book_of(&pages, &visitor, area, asked.quarter).await?;
    let chosen = book.line(&asked.indicator).or_else(|| book.line("registered"));
    let (Some(chosen), Some(own)) = (chosen.or_else(|| book.lines.first()), own(&book)) else {
        return Ok(answer::nothing_here(&pages, &visitor));
    };
    let snapshot = pages.gateway().snapshot();
    let areas = snapshot.areas_version(&book.geography).map(|set| set.areas()).unwrap_or_default();
    let reach: Vec<&AreaEntry> =
        areas.into_iter().filter(|area| area.level == AreaLevel::ReachArea).collect();
    let figures = figures_of(&book, chosen);
    let classes = Classes::over(figures.values().filter_map(|figure| figure.number()));
    let unit = chosen.figure.unit_text();
    let sign = if chosen.figure.unit == "percent" { "%" } else { "" };
    let (shapes, height) = shapes(&pages, &reach, &figures, &classes, &own.code);
    let choice = |line: &Line| {
        let id = line.figure.indicator.clone();
        let is_chosen = id == chosen.figure.indicator;
        (id, format!("{} {}", line.number, line.title), is_chosen)
    };
    let title = format!("{}: map", own.name);
    Ok(answer::packed_page(
        &headers,
        &MapPage {
            frame: visitor.frame(&pages, &title, "/"),
            area: own.code.clone(),
            name: own.name.clone(),
            quarter: book.quarter.clone(),
            period: book::quarter_text(&book.quarter),
            title: chosen.title.clone(),
            choices: book.lines.iter().map(choice).collect(),
            height,
            shapes,
            legend: classes.legend(sign),
            rows: rows(&reach, &figures, &own.code),
            unit,
            entry,
        },
    ))
}

/// The figures of reach areas that the visitor may see, by area.
fn figures_of<'a>(book: &Book, line: &'a Line) -> BTreeMap<&'a str, &'a Figure> {
    let is_reach = |figure: &&Figure| {
        book.areas.iter().any(|area| area.code == figure.area && area.level == "reach_area")
    };
    let beside = line.beside.iter().map(|beside| &beside.figure);
    let all = beside.chain([&line.figure]).filter(is_reach);
    all.map(|figure| (figure.area.as_str(), figure)).collect()
}

fn rows(reach: &[&AreaEntry], figures: &BTreeMap<&str, &Figure>, own: &str) -> Vec<Row> {
    let shown = reach.iter().filter_map(|area| {
        let figure = figures.get(area.code.as_str())?;
        Some(Row {
            code: area.code.to_string(),
            name: area.name.clone(),
            value: figure.value_text(),
            margin: figure.margin_text(),
            interval: figure.interval_text(),
            is_own: area.code.as_str() == own,
        })
    });
    let mut rows: Vec<Row> = shown.collect();
    // By name: that is no ranking.
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    rows
}

/// Five classes of equal width between whole numbers.
struct Classes {
    low: f64,
    step: f64,
    any: bool,
}

impl Classes {
    fn over(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = values
            .fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
        if low > high {
            return Self { low: 0.0, step: 1.0, any: false };
        }
        let step = ((high.floor() + 1.0 - low.floor()) / f64::from(CLASSES)).ceil().max(1.0);
        Self { low: low.floor(), step, any: true }
    }

    fn of(&self, value: f64) -> u32 {
        let above = |class: &u32| value >= self.low + self.step * f64::from(*class);
        (1..CLASSES).filter(above).max().unwrap_or(0)
    }

    /// Class and text of each, the lowest first.
    fn legend(&self, sign: &str) -> Vec<(String, String)> {
        let classes = (0..CLASSES).filter(|_| self.any).map(|class| {
            let from = self.low + self.step * f64::from(class);
            (format!("c{class}"), format!("{from:.0}{sign} to under {:.0}{sign}", from + self.step))
        });
        let withheld = ("few".to_owned(), "<10, or withdrawn: not shown".to_owned());
        let hidden = ("none".to_owned(), "not for you to see, or not released".to_owned());
        classes.chain([withheld, hidden]).collect()
    }
}

fn shapes(
    pages: &Pages,
    reach: &[&AreaEntry],
    figures: &BTreeMap<&str, &Figure>,
    classes: &Classes,
    own: &str,
) -> (Vec<Shape>, String) {
    let outlines: Vec<(&AreaEntry, Vec<Vec<Point>>)> = reach
        .iter()
        .map(|area| (*area, pages.settings.boundaries.outline(&area.lsoas)))
        .filter(|(_, rings)| !rings.is_empty())
        .collect();
    let view = View::over(outlines.iter().flat_map(|(_, rings)| rings.iter().flatten()));
    let shapes = outlines.iter().map(|(area, rings)| {
        let figure = figures.get(area.code.as_str());
        let class = match figure.map(|figure| figure.number()) {
            None => "none".to_owned(),
            Some(None) => "few".to_owned(),
            Some(Some(value)) => format!("c{}", classes.of(value)),
        };
        let said = figure.map_or_else(
            || "not shown to you".to_owned(),
            |figure| format!("{} {}", figure.value_text(), figure.margin_text()),
        );
        let largest = rings.iter().max_by_key(|ring| ring.len());
        let (x, y) = view.middle(largest.map_or(&[][..], Vec::as_slice));
        Shape {
            code: area.code.to_string(),
            name: area.name.clone(),
            class,
            said: said.trim_end().to_owned(),
            path: view.path(rings),
            x: format!("{x:.0}"),
            y: format!("{:.0}", y + 4.0),
            is_own: area.code.as_str() == own,
            is_shown: figure.is_some(),
        }
    });
    (shapes.collect(), format!("{:.0}", view.height))
}

/// From units of degrees to the map's own: equirectangular about the middle, which is true to
/// shape within a county.
struct View {
    west: f64,
    north: f64,
    across: f64,
    up: f64,
    height: f64,
}

impl View {
    fn over<'a>(points: impl Iterator<Item = &'a Point>) -> Self {
        let (mut west, mut east, mut south, mut north) = (f64::MAX, f64::MIN, f64::MAX, f64::MIN);
        for (x, y) in points {
            (west, east) = (west.min(f64::from(*x)), east.max(f64::from(*x)));
            (south, north) = (south.min(f64::from(*y)), north.max(f64::from(*y)));
        }
        if west > east {
            return Self { west: 0.0, north: 0.0, across: 1.0, up: 1.0, height: 0.0 };
        }
        let middle = ((south + north) / 2.0 / 10_000.0).to_radians();
        let across = (WIDTH - 2.0 * MARGIN) / (east - west).max(1.0);
        let up = across / middle.cos().max(0.1);
        Self { west, north, across, up, height: (north - south) * up + 2.0 * MARGIN }
    }

    fn at(&self, (x, y): Point) -> (f64, f64) {
        let east = (f64::from(x) - self.west) * self.across + MARGIN;
        (east, (self.north - f64::from(y)) * self.up + MARGIN)
    }

    fn path(&self, rings: &[Vec<Point>]) -> String {
        let mut path = String::new();
        for ring in rings {
            for (place, point) in ring.iter().enumerate() {
                let (x, y) = self.at(*point);
                let letter = if place == 0 { 'M' } else { 'L' };
                // Writing into a text can't fail.
                let _ = write!(path, "{letter}{x:.1} {y:.1}");
            }
            path.push('Z');
        }
        path
    }

    /// The middle of a ring's area, for its label.
    fn middle(&self, ring: &[Point]) -> (f64, f64) {
        let points: Vec<(f64, f64)> = ring.iter().map(|point| self.at(*point)).collect();
        let next = points.iter().cycle().skip(1);
        let (mut area, mut x, mut y) = (0.0, 0.0, 0.0);
        for ((x0, y0), (x1, y1)) in points.iter().zip(next) {
            let cross = x0 * y1 - x1 * y0;
            area += cross;
            x += (x0 + x1) * cross;
            y += (y0 + y1) * cross;
        }
        if area == 0.0 {
            return points.first().copied().unwrap_or((0.0, 0.0));
        }
        (x / (3.0 * area), y / (3.0 * area))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_its_class() {
        let classes = Classes::over([61.2, 70.9, 66.0].into_iter());
        assert_eq!([61.2, 63.0, 66.0, 70.9].map(|v| classes.of(v)), [0, 1, 2, 4]);
        assert_eq!(classes.legend("%")[0], ("c0".to_owned(), "61% to under 63%".to_owned()));
        let none = Classes::over([].into_iter());
        assert_eq!(none.legend("%").len(), 2);
    }

    #[test]
    fn a_square_keeps_its_shape_and_its_label_lies_inside() {
        // At 60 degrees north a degree east is half as long as one north.
        let square = vec![(0, 600_000), (200, 600_000), (200, 600_100), (0, 600_100)];
        let view = View::over(square.iter());
        assert!((view.height - WIDTH).abs() < 6.0, "{}", view.height);
        let (x, y) = view.middle(&square);
        assert!((x - WIDTH / 2.0).abs() < 1.0 && (y - view.height / 2.0).abs() < 1.0);
        assert!(view.path(&[square]).starts_with("M8.0 "));
    }
}
