//! A row's values as they are taken one by one, with what was wrong with each.

use super::{Rule, Violation};
use jiff::civil::Date;

/// A row under check.
pub(super) struct Reading<'a, S> {
    pub(super) values: &'a [S],
    pub(super) today: Date,
    /// Whether what identifies stands elsewhere.
    pub(super) blinded: bool,
    pub(super) violations: Vec<Violation>,
}

impl<'a, S: AsRef<str>> Reading<'a, S> {
    pub(super) fn text(&self, at: usize) -> &'a str {
        self.values[at].as_ref().trim()
    }

    /// Whether a column that identifies is passed over: in a blinded row, where it must be empty.
    pub(super) fn hides(&mut self, field: &'static str, at: usize) -> bool {
        if self.blinded && !self.values[at].as_ref().is_empty() {
            self.note(field, Rule::ClearInBlinded);
        }
        self.blinded
    }

    pub(super) fn note(&mut self, field: &'static str, rule: Rule) {
        self.violations.push(Violation { field, rule });
    }

    pub(super) fn required<T>(
        &mut self,
        field: &'static str,
        at: usize,
        read: impl FnOnce(&'a str) -> Result<T, Rule>,
    ) -> Option<T> {
        let text = self.text(at);
        if text.is_empty() {
            self.note(field, Rule::Missing);
            return None;
        }
        read(text).map_err(|rule| self.note(field, rule)).ok()
    }

    pub(super) fn optional<T>(
        &mut self,
        field: &'static str,
        at: Option<usize>,
        read: impl FnOnce(&'a str) -> Result<T, Rule>,
    ) -> Option<T> {
        let text = self.text(at?);
        if text.is_empty() {
            return None;
        }
        read(text).map_err(|rule| self.note(field, rule)).ok()
    }
}
