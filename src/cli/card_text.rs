//! A card as plain text of at most [`WIDTH`] columns.
//!
//! The small charts must not make noise look like news: their height stands for at least
//! four margins of error, so that a line that only wavers within its margin looks flat.

use super::{
    query::notice_line,
    text::{printable, wrapped},
};
use crate::wire::v1;

/// The most columns of a line.
const WIDTH: usize = 100;
const TITLE: usize = 32;
const VALUE: usize = 8;
const MARGIN: usize = 8;
const OUT_OF: usize = 8;
const WORD: usize = 26;
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// A quarter whose value was withheld.
const WITHHELD: char = '·';
/// A quarter whose release was withdrawn, and what its value says.
const WITHDRAWN: (char, &str) = ('×', "withdrawn");
/// The full height of a chart, in margins of error, at least.
const MARGINS_HIGH: f64 = 4.0;

/// The card; with `definitions`, how each indicator is defined stands below its line.
pub(super) fn render(card: &v1::GetCardResponse, definitions: bool) -> String {
    let mut lines = vec![title_line(card), "─".repeat(WIDTH)];
    for notice in &card.notices {
        paragraph("", &notice_line(notice), &mut lines);
    }
    lines.push(row("", ["value", "margin", "out of"], "in words", &trend_heading(card)));
    for line in &card.lines {
        card_line(line, definitions, &mut lines);
    }
    lines.push("─".repeat(WIDTH));
    footer(card, &mut lines);
    lines.push(String::new());
    lines.join("\n")
}

fn title_line(card: &v1::GetCardResponse) -> String {
    let name = printable(&card.area_name);
    let left = if name.is_empty() || name == card.area {
        printable(&card.area)
    } else {
        format!("{name} ({})", printable(&card.area))
    };
    let right = printable(&card.quarter);
    let gap = WIDTH.saturating_sub(left.chars().count() + right.chars().count());
    format!("{left}{}{right}", " ".repeat(gap.max(2)))
}

/// From which quarter on the charts run.
fn trend_heading(card: &v1::GetCardResponse) -> String {
    let first = card.lines.iter().filter_map(|line| line.trend.first()).map(|f| &f.quarter).min();
    first.map_or_else(String::new, |first| format!("from {}", printable(first)))
}

fn row(title: &str, [value, margin, out_of]: [&str; 3], word: &str, trend: &str) -> String {
    format!(
        "{title:TITLE$} {value:>VALUE$} {margin:>MARGIN$} {out_of:>OUT_OF$}   {word:WORD$} {trend}"
    )
    .trim_end()
    .to_owned()
}

fn card_line(line: &v1::CardLine, definitions: bool, lines: &mut Vec<String>) {
    let Some(figure) = &line.figure else { return };
    let mut title = wrapped(&line.title, TITLE).into_iter();
    let first = title.next().unwrap_or_default();
    lines.push(figure_row(&first, figure, &sparkline(&line.trend, figure)));
    lines.extend(title);
    for part in &line.parts {
        lines.push(figure_row(&format!("  {}", printable(&part.part.replace('_', " "))), part, ""));
    }
    paragraph("    target: ", &line.target, lines);
    if definitions {
        paragraph("    ", &line.definition, lines);
        paragraph("    out of: ", &line.denominator, lines);
    }
}

fn figure_row(title: &str, figure: &v1::Figure, trend: &str) -> String {
    let margin =
        if figure.margin.is_empty() { String::new() } else { format!("± {}", figure.margin) };
    let values = [shown_value(figure), printable(&margin), printable(&figure.out_of)];
    row(title, values.each_ref().map(String::as_str), &printable(&figure.word), trend)
}

/// The value with its unit's sign.
fn shown_value(figure: &v1::Figure) -> String {
    let value = printable(&figure.value);
    if figure.unit == "percent" && number(&value).is_some() && !value.ends_with('%') {
        format!("{value}%")
    } else {
        value
    }
}

fn number(text: &str) -> Option<f64> {
    text.trim_end_matches('%').replace(',', "").parse().ok().filter(|n: &f64| n.is_finite())
}

/// The quarters up to this one as a chart of one character each.
fn sparkline(trend: &[v1::Figure], figure: &v1::Figure) -> String {
    // Whether or not the trend holds this quarter, it stands once, at the end.
    let earlier: Vec<_> = trend.iter().filter(|past| past.quarter != figure.quarter).collect();
    if earlier.is_empty() {
        return String::new();
    }
    let values: Vec<(Option<f64>, char)> = earlier
        .into_iter()
        .chain([figure])
        .map(|figure| {
            let (cross, withdrawn) = WITHDRAWN;
            (number(&figure.value), if figure.value == withdrawn { cross } else { WITHHELD })
        })
        .collect();
    let known = || values.iter().filter_map(|(value, _)| *value);
    let (low, high) = (known().fold(f64::MAX, f64::min), known().fold(f64::MIN, f64::max));
    let height = (high - low).max(MARGINS_HIGH * number(&figure.margin).unwrap_or(0.0));
    let bottom = f64::midpoint(low, high) - height / 2.0;
    let shown = |(value, absent): (Option<f64>, char)| {
        value.map_or(absent, |value| level(value - bottom, height))
    };
    values.into_iter().map(shown).collect()
}

/// The character whose height is `value` of `height`.
fn level(value: f64, height: f64) -> char {
    // The boundaries between the characters, so that no cast is needed.
    let above = |step: u8| height > 0.0 && value > height * f64::from(step) / 8.0;
    let place = (1..8).filter(|&step| above(step)).count();
    if height > 0.0 { LEVELS[place] } else { LEVELS[3] }
}

fn paragraph(lead: &str, text: &str, lines: &mut Vec<String>) {
    let width = lead.chars().count();
    for (place, line) in wrapped(text, WIDTH - width).into_iter().enumerate() {
        let lead = if place == 0 { lead.to_owned() } else { " ".repeat(width) };
        lines.push(format!("{lead}{line}"));
    }
}

fn footer(card: &v1::GetCardResponse, lines: &mut Vec<String>) {
    paragraph(
        "",
        "± is half of the 95% interval. Counts are rounded to 5 and small ones withheld (<10), so \
         displayed figures need not sum. A share whose margin would say nothing is too \
         uncertain to say. A dot in a chart is a quarter without a value, a cross a withdrawn one.",
        lines,
    );
    let mut feeds: Vec<String> = Vec::new();
    for feed in card.lines.iter().flat_map(|line| &line.feeds) {
        let shown = format!("{} {} {}", feed.partner_id, feed.record_type, feed.week);
        if !feeds.contains(&shown) {
            feeds.push(shown);
        }
    }
    if !feeds.is_empty() {
        paragraph("Feeds: ", &feeds.join("; "), lines);
    }
    paragraph("", &card.linkage_note, lines);
    if !card.release_digest.is_empty() {
        paragraph("", &format!("Release {}", hex::encode(&card.release_digest)), lines);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(value: &str, margin: &str, word: &str, unit: &str, part: &str) -> v1::Figure {
        v1::Figure {
            quarter: "2026Q1".to_owned(),
            value: value.to_owned(),
            margin: margin.to_owned(),
            word: word.to_owned(),
            unit: unit.to_owned(),
            part: part.to_owned(),
            ..v1::Figure::default()
        }
    }

    fn earlier(values: &[&str]) -> Vec<v1::Figure> {
        let quarter = |value: &&str| v1::Figure {
            quarter: "2025Q2".to_owned(),
            ..figure(value, "", "", "", "")
        };
        values.iter().map(quarter).collect()
    }

    fn card() -> v1::GetCardResponse {
        let line = |title: &str, figure, target: &str, trend: &[&str]| v1::CardLine {
            figure: Some(figure),
            title: title.to_owned(),
            definition: "Counted so. ".repeat(20),
            target: target.to_owned(),
            trend: earlier(trend),
            feeds: vec![v1::FeedWeek {
                partner_id: "centres".to_owned(),
                record_type: "registration".to_owned(),
                week: "2026-W18".to_owned(),
            }],
            denominator: "Living under-fives".to_owned(),
            ..v1::CardLine::default()
        };
        v1::GetCardResponse {
            area: "CC01".to_owned(),
            area_name: "Foleshill".to_owned(),
            quarter: "2026Q1".to_owned(),
            notices: vec![v1::ReleaseNotice {
                quarter: "2025Q4".to_owned(),
                notice: "Half was missing.".to_owned(),
                withdrawn_at: 1,
            }],
            lines: vec![
                line("Live births", figure("<10", "", "", "persons", ""), "", &["25", "<10"]),
                v1::CardLine {
                    parts: vec![
                        figure("310", "10", "", "persons", "age_0"),
                        figure("1295", "10", "", "persons", "age_1"),
                    ],
                    ..line("Under-fives", figure("1410", "10", "", "persons", ""), "", &[])
                },
                line(
                    "Registered with a children's centre, of all under-fives",
                    v1::Figure {
                        out_of: "1410".to_owned(),
                        ..figure("71.2", "1.1", "large majority", "percent", "")
                    },
                    "10% more than the baseline",
                    &["50", "60"],
                ),
            ],
            linkage_note: "Linkage may miss 4-5% of records.".to_owned(),
            release_digest: vec![0xab; 32],
            receipt: None,
        }
    }

    #[test]
    fn the_card_is_plain_aligned_and_within_its_width() {
        let text = render(&card(), true);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(text.lines().all(|line| line == line.trim_end()), "{text}");
        let column = |needle: &str| {
            let line = text.lines().find(|line| line.contains(needle)).unwrap();
            line.chars().take_while(|&c| c != '±').count()
        };
        assert_eq!(column("age 1"), column("age 0"));
        assert!(text.starts_with("Foleshill (CC01)"), "{text}");
        assert!(text.contains("\n2025Q4 was withdrawn: Half was missing.\n"), "{text}");
        assert!(text.contains("71.2%    ± 1.1     1410   large majority"), "{text}");
        assert!(text.contains("target: 10% more than the baseline"), "{text}");
        assert!(text.contains("\n  age 1 "), "{text}");
        assert!(text.contains("out of: Living under-fives"), "{text}");
        assert!(text.contains("Counted so."), "{text}");
        assert!(!render(&card(), false).contains("Counted so."));
        assert_eq!(text.matches("centres registration 2026-W18").count(), 1);
    }

    #[test]
    fn charts_show_change_but_not_noise() {
        let now = figure("70", "1", "", "percent", "");
        assert_eq!(sparkline(&earlier(&["10", "40"]), &now), "▁▄█");
        // Within the margin: all in the middle of the chart.
        let flat = sparkline(&earlier(&["70.1", "69.9"]), &now);
        assert!(flat.chars().all(|c| "▄▅".contains(c)), "{flat}");
        assert_eq!(sparkline(&earlier(&["<10"]), &now), "·▄");
        assert_eq!(sparkline(&earlier(&["<10"]), &figure("<10", "", "", "", "")), "··");
        assert_eq!(sparkline(&[], &now), "");
        assert_eq!(sparkline(&earlier(&["10", "withdrawn", "40"]), &now), "▁×▄█");
        assert_eq!(sparkline(&earlier(&["5"]), &figure("5", "", "", "", "")), "▄▄");
    }
}
