//! A chart of the ratios, as a small SVG that needs nothing else: one bar a figure, as long
//! as the part of the limit that it reaches.
//!
//! It is drawn for people who can't see it, too: it has a title and a description that says
//! every figure, and no meaning hangs on colour.

use super::Row;
use std::fmt::Write;

const WIDTH: f64 = 720.0;
const LABELS: f64 = 190.0;
const BARS: f64 = 380.0;
const LINE: f64 = 34.0;
const TOP: f64 = 56.0;

/// The chart of the rows that are rates; times (`ms`) are told in the table alone.
pub(crate) fn svg(rows: &[Row]) -> String {
    let rates: Vec<&Row> = rows.iter().filter(|row| row.unit.ends_with("/s")).collect();
    let most = rates.iter().map(|row| row.ratio).fold(1.0, f64::max);
    // A bench has some dozens of rows.
    let height = TOP + LINE * rates.len() as f64 + 24.0;
    let said: Vec<String> = rates
        .iter()
        .map(|row| {
            format!(
                "{} on {}: {} {}, {:.0}% of the limit's {}",
                row.name,
                row.engine,
                row.value,
                row.unit,
                row.ratio * 100.0,
                row.limit
            )
        })
        .collect();
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-labelledby=\"title desc\" font-family=\"sans-serif\" font-size=\"14\">\n\
         <title id=\"title\">tallygate beside its limits</title>\n\
         <desc id=\"desc\">{}</desc>\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n\
         <text x=\"16\" y=\"28\" font-size=\"18\" fill=\"#1a1a1a\">\
         Part of what this machine could do at all, in the same run</text>\n",
        escaped(&format!("{}.", said.join("; "))),
    );
    for (number, row) in (0_u16..).zip(&rates) {
        let top = TOP + LINE * f64::from(number);
        let (baseline, length) = (top + 17.0, BARS * row.ratio.max(0.0) / most);
        // Writing to a String can't fail.
        let _ = write!(
            text,
            "<text x=\"{:.1}\" y=\"{baseline:.1}\" text-anchor=\"end\" fill=\"#1a1a1a\">{}</text>\n\
             <rect x=\"{LABELS}\" y=\"{top:.1}\" width=\"{length:.1}\" height=\"24\" \
             fill=\"#1f5f8b\"/>\n\
             <text x=\"{:.1}\" y=\"{baseline:.1}\" fill=\"#1a1a1a\">{}</text>\n",
            LABELS - 10.0,
            escaped(&format!("{}, {}", row.name, row.engine)),
            LABELS + length + 8.0,
            escaped(&format!("{:.0}% ({:.0} {})", row.ratio * 100.0, row.value, row.unit)),
        );
    }
    let limit = LABELS + BARS / most;
    let _ = write!(
        text,
        "<line x1=\"{limit:.1}\" y1=\"{:.1}\" x2=\"{limit:.1}\" y2=\"{:.1}\" stroke=\"#1a1a1a\" \
         stroke-dasharray=\"4 3\"/>\n\
         <text x=\"{limit:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"#1a1a1a\">the limit\
         </text>\n</svg>\n",
        TOP - 4.0,
        height - 20.0,
        height - 6.0,
    );
    text
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &'static str, unit: &'static str, ratio: f64) -> Row {
        let (value, limit) = (ratio * 1_000.0, 1_000.0);
        let (p50_ms, p99_ms, rss_mib) = (1.0, 2.0, None);
        Row { name, engine: "sqlite", value, unit, limit, ratio, p50_ms, p99_ms, rss_mib }
    }

    #[test]
    fn a_bar_is_as_long_as_its_ratio_and_everything_is_said_in_words() {
        let rows = [row("half", "calls/s", 0.5), row("<all>", "calls/s", 1.0), row("t", "ms", 9.0)];
        let chart = svg(&rows);
        let widths: Vec<&str> = chart.split("width=\"").skip(2).collect();
        assert!(widths[0].starts_with("190.0\"") && widths[1].starts_with("380.0\""), "{chart}");
        assert!(chart.contains("half on sqlite: 500 calls/s, 50% of the limit's 1000"), "{chart}");
        assert!(
            chart.contains("&lt;all&gt;") && !chart.contains("<all>") && !chart.contains(" ms")
        );
    }

    #[test]
    fn no_rows_make_an_empty_chart_and_a_figure_beyond_its_limit_fits() {
        assert!(svg(&[]).ends_with("</svg>\n"));
        let chart = svg(&[row("beyond", "calls/s", 2.0)]);
        assert!(chart.contains("width=\"380.0\""), "{chart}");
        assert!(chart.contains("<line x1=\"380.0\""), "{chart}");
    }
}
