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
        page::render(self)
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

#[cfg(test)]
mod tests;
