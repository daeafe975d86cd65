//! Which logs a witness watches, and whose signatures make their checkpoints.
//!
//! A log's origin is its key's name unless it is given apart (C2SP tlog-checkpoint recommends
//! that they are the same and does not ask for it). An origin with `{year}` stands for a log
//! that begins anew under another name each year with the same key: this year's and its
//! neighbours', so that nobody has to be told at midnight, and no other, so that whoever holds
//! the log's key can't fill the witness's disk with years.

use crate::verify::VerifierKey;
use jiff::{Timestamp, tz::TimeZone};
use std::collections::BTreeMap;

/// Stands for the year in an origin.
const YEAR: &str = "{year}";

/// A log whose name has the year in it.
#[derive(Debug, Clone)]
struct Yearly {
    before: String,
    after: String,
    keys: Vec<VerifierKey>,
}

impl Yearly {
    /// The year of an origin of this form.
    fn year_of(&self, origin: &str) -> Option<i16> {
        let year = origin.strip_prefix(&*self.before)?.strip_suffix(&*self.after)?;
        let digits = year.len() == 4 && year.bytes().all(|b| b.is_ascii_digit());
        year.parse().ok().filter(|_| digits)
    }

    /// The keys under the names that they have in an origin's year.
    fn keys_of(&self, origin: &str) -> Vec<VerifierKey> {
        let renamed = |key: &VerifierKey| match self.year_of(key.name()) {
            Some(_) => key.named(origin).ok(),
            None => Some(key.clone()),
        };
        self.keys.iter().filter_map(renamed).collect()
    }
}

/// The logs that a witness watches.
#[derive(Debug, Clone, Default)]
pub struct Watched {
    named: BTreeMap<String, Vec<VerifierKey>>,
    yearly: Vec<Yearly>,
}

impl Watched {
    /// Watches a log by a key (several of one origin are of one log). Without an origin it is
    /// the key's name; it may hold `{year}`, and then the key may be any year's.
    pub fn watch(&mut self, origin: Option<&str>, key: VerifierKey) {
        let origin = origin.unwrap_or(key.name()).to_owned();
        let Some((before, after)) = origin.split_once(YEAR) else {
            self.named.entry(origin).or_default().push(key);
            return;
        };
        let same = |yearly: &&mut Yearly| yearly.before == before && yearly.after == after;
        match self.yearly.iter_mut().find(same) {
            Some(yearly) => yearly.keys.push(key),
            None => self.yearly.push(Yearly {
                before: before.to_owned(),
                after: after.to_owned(),
                keys: vec![key],
            }),
        }
    }

    /// How many logs, each counted once for all its years.
    #[must_use]
    pub fn count(&self) -> usize {
        self.named.len() + self.yearly.len()
    }

    /// The origins that are known by their whole names.
    pub(super) fn origins(&self) -> impl Iterator<Item = &str> {
        self.named.keys().map(String::as_str)
    }

    /// The keys that may sign for an origin; none for a log that is not watched.
    pub(super) fn keys_of(&self, origin: &str, now: Timestamp) -> Vec<VerifierKey> {
        let mut keys = self.named.get(origin).cloned().unwrap_or_default();
        let this = now.to_zoned(TimeZone::UTC).year();
        for yearly in &self.yearly {
            if yearly.year_of(origin).is_some_and(|year| (year - this).abs() <= 1) {
                keys.extend(yearly.keys_of(origin));
            }
        }
        keys
    }
}
