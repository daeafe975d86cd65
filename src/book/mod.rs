//! The data book as documents: one page, tables for programs, and what describes them.
//!
//! Why it exists: figures that inspection, boards and scrutiny ask for have to be read, printed
//! and reused by people who have no gateway. The room is pure: figures in, texts out. Commands
//! write the texts to files; pages may show the same.
//!
//! Invariants:
//! - A page stands alone: no script, no request, nothing but one file. Every text in it is
//!   escaped by the one builder that makes it (`html`).
//! - The same book gives the same bytes: no clock, no order but the book's own.
//! - No false ranking: areas stand in the order of their names, with intervals, and what can be
//!   told apart is said in words. Each chart stands beside the same figures as a table.
//! - Nothing is computed here that a release does not say: differences and standings come with
//!   the figures.
//!
//! Tables follow CSV on the Web (W3C Tabular Data Model and Metadata Vocabulary, 2015).

mod chart;
mod commentary;
mod csv;
mod html;
mod model;
mod page;
mod scale;
mod sections;
mod words;

pub use model::{
    Area, Beside, Book, Change, Feed, Figure, Group, Line, Notice, Part, Period, Release, Standing,
};
/// The style sheet of pages.
pub use page::STYLE;

/// Why a book could not be written out; can't happen for figures as gateways give them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the book's figures can't be written as tables")]
pub struct BookError;

/// A file of a book: its name, and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Without a folder.
    pub name: String,
    /// UTF-8.
    pub text: String,
}

impl Book {
    /// The page.
    #[must_use]
    pub fn html(&self) -> String {
        page::render(self, page::Where::File)
    }

    /// The same page within a site: with its style sheet ([`STYLE`]) under an address of its own,
    /// so that no policy has to allow a style in the page, and with a way back (address, text)
    /// and to the book's files, which lie beside it.
    #[must_use]
    pub fn html_of_site(&self, style: &str, back: (&str, &str)) -> String {
        page::render(self, page::Where::Site { style, back })
    }

    /// One indicator, without its heading: figure, meaning, trend, parts, areas side by side. To
    /// stand in a page of a site.
    #[must_use]
    pub fn indicator_html(&self, indicator: &str) -> Option<String> {
        let line = self.line(indicator)?;
        let mut html = html::Html::default();
        sections::inside(&mut html, self, line, &format!("i{}", line.number));
        Some(html.finish())
    }

    /// Its areas side by side, in one indicator.
    #[must_use]
    pub fn areas_html(&self, indicator: &str) -> Option<String> {
        let line = self.line(indicator)?;
        let mut html = html::Html::default();
        sections::beside(&mut html, &format!("i{}", line.number), self, line);
        Some(html.finish())
    }

    /// Its line of an indicator.
    #[must_use]
    pub fn line(&self, indicator: &str) -> Option<&Line> {
        self.lines.iter().find(|line| line.figure.indicator == indicator)
    }

    /// The names of its files.
    fn names(&self) -> Vec<String> {
        let files = self.files().unwrap_or_default();
        files.into_iter().map(|file| file.name).filter(|name| !name.contains("metadata")).collect()
    }

    /// Every file of it: the page, JSON, and CSV with its metadata.
    ///
    /// # Errors
    /// None for figures as gateways give them.
    pub fn files(&self) -> Result<Vec<File>, BookError> {
        let area = self.own().map_or("book", |area| area.code.as_str());
        let base = format!("databook-{area}-{}", self.period);
        let file = |ending: &str, text: String| File { name: format!("{base}{ending}"), text };
        let json = |value: &serde_json::Value| {
            let text = serde_json::to_string_pretty(value).map_err(|_| BookError)?;
            Ok::<_, BookError>(text + "\n")
        };
        let mut files = vec![
            file(".html", self.html()),
            file(".json", json(&serde_json::to_value(self).map_err(|_| BookError)?)?),
        ];
        for table in csv::tables(self) {
            let name = format!("-{}.csv", table.name);
            let metadata = table.metadata(&format!("{base}{name}"), self);
            files.push(file(&name, table.text()?));
            files.push(file(&format!("{name}-metadata.json"), json(&metadata)?));
        }
        Ok(files)
    }
}

impl Line {
    /// Its trend in little, as SVG with labelled axes; `id` is unlike any other of the page.
    #[must_use]
    pub fn small_trend(&self, id: &str) -> String {
        let mut html = html::Html::default();
        chart::small_trend(&mut html, id, self);
        html.finish()
    }
}

impl Figure {
    /// "67.1%", "1,410", "<10", "withdrawn".
    #[must_use]
    pub fn value_text(&self) -> String {
        words::value(self)
    }

    /// "± 1.2", or nothing.
    #[must_use]
    pub fn margin_text(&self) -> String {
        words::margin(self)
    }

    /// "65.9% to 68.3%", or nothing.
    #[must_use]
    pub fn interval_text(&self) -> String {
        words::interval(self)
    }

    /// The value as a number, where it is shown.
    #[must_use]
    pub fn number(&self) -> Option<f64> {
        self.numbers().map(|(value, ..)| value)
    }

    /// What its values are counted in: "Persons", "Percent".
    #[must_use]
    pub fn unit_text(&self) -> &'static str {
        words::unit(&self.unit)
    }
}

/// `2026Q1` as "January to March 2026".
#[must_use]
pub fn quarter_text(quarter: &str) -> String {
    words::quarter(quarter)
}

#[cfg(test)]
mod tests;
