//! The daily entries of erasures, and the days that should have one.
//!
//! Each day's erasures are named in one leaf once the day has ended in London, also where there
//! were none; what ended while no gateway ran is named with the next start. So every day on
//! which the log has entries, other than its first, has such a leaf. Whether the log comes from
//! a program that wrote them can be known only from the first one on, and whether its last day
//! still gets one can't be known at all.

use super::{leaf::Leaf, proof::Sha, proof::hash_of_entry};
use crate::domain::time::days_after;
use jiff::{Timestamp, civil::Date, tz::TimeZone};

/// Where days are reckoned.
const LONDON: &str = "Europe/London";

/// An entry that names a day's erasures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasuresLeaf {
    /// Its index.
    pub index: u64,
    /// Its time.
    pub at: String,
    /// The last day whose erasures it names.
    pub through_day: String,
    /// How many there were.
    pub size_class: String,
    /// The commitment to which they were; empty where the entry has none.
    pub detail: String,
    /// The entry's hash.
    pub hash: Sha,
}

/// Collects them from the entries of a log, in their order.
#[derive(Debug)]
pub struct Erasures {
    zone: TimeZone,
    leaves: Vec<ErasuresLeaf>,
    missing: Vec<String>,
    /// The day of the last entry, and whether it has named erasures.
    today: Option<(Date, bool)>,
}

impl Erasures {
    /// Nothing yet; `None` where the time zone is not known, which can't happen with the zones
    /// that are built in.
    #[must_use]
    pub fn new() -> Option<Self> {
        let zone = TimeZone::get(LONDON).ok()?;
        Some(Self { zone, leaves: Vec::new(), missing: Vec::new(), today: None })
    }

    /// Adds the next entry: its bytes, and what they say.
    pub fn note(&mut self, index: u64, entry: &[u8], leaf: &Leaf<'_>) {
        let Some(at) = leaf.at.and_then(|at| at.parse::<Timestamp>().ok()) else { return };
        let day = self.zone.to_datetime(at).date();
        match self.today {
            // A clock that goes back begins no day.
            Some((today, _)) if day <= today => {}
            before => {
                if let Some((ended, false)) = before
                    && !self.leaves.is_empty()
                {
                    self.missing.push(ended.to_string());
                }
                self.today = Some((day, false));
            }
        }
        if leaf.kind != Some("erasures") {
            return;
        }
        if let Some((_, named)) = &mut self.today {
            *named = true;
        }
        let text = |field: Option<&str>| field.unwrap_or_default().to_owned();
        self.leaves.push(ErasuresLeaf {
            index,
            at: text(leaf.at),
            through_day: days_after(day, -1).to_string(),
            size_class: text(leaf.size_class),
            detail: text(leaf.detail),
            hash: hash_of_entry(entry),
        });
    }

    /// The entries.
    #[must_use]
    pub fn leaves(&self) -> &[ErasuresLeaf] {
        &self.leaves
    }

    /// The days that should have named erasures and have not.
    #[must_use]
    pub fn missing(&self) -> &[String] {
        &self.missing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(leaves: &[(&'static str, &'static str)]) -> Erasures {
        let mut erasures = Erasures::new().unwrap();
        for (index, (at, kind)) in (0..).zip(leaves) {
            let leaf = Leaf {
                at: Some(at),
                kind: Some(kind),
                size_class: Some("<100"),
                ..Leaf::default()
            };
            erasures.note(index, b"entry", &leaf);
        }
        erasures
    }

    #[test]
    fn days_with_entries_and_without_a_leaf_are_missing() {
        let erasures = noted(&[
            ("2026-01-05T09:00:00.000000Z", "gateway_started"),
            // The first day after: from here on it can be known.
            ("2026-01-06T00:00:10.000000Z", "erasures"),
            ("2026-01-07T09:00:00.000000Z", "query_answered"),
            // Nothing ran on the 8th.
            ("2026-01-09T09:00:00.000000Z", "erasures"),
            ("2026-01-10T23:00:00.000000Z", "query_answered"),
            ("2026-01-11T09:00:00.000000Z", "query_answered"),
        ]);
        assert_eq!(erasures.missing(), ["2026-01-07", "2026-01-10"]);
        let through: Vec<_> =
            erasures.leaves().iter().map(|leaf| leaf.through_day.as_str()).collect();
        assert_eq!(through, ["2026-01-05", "2026-01-08"]);
        assert_eq!(
            (erasures.leaves()[0].index, erasures.leaves()[0].size_class.as_str()),
            (1, "<100")
        );
    }

    #[test]
    fn days_are_londons_and_without_a_leaf_nothing_is_known() {
        // In summer the day ends an hour before midnight UTC.
        let erasures = noted(&[
            ("2026-07-06T23:00:10.000000Z", "erasures"),
            ("2026-07-07T22:59:00.000000Z", "query_answered"),
            ("2026-07-07T23:00:10.000000Z", "erasures"),
            ("2026-07-08T12:00:00.000000Z", "query_answered"),
        ]);
        assert_eq!(erasures.missing(), [] as [String; 0]);
        assert_eq!(erasures.leaves()[0].through_day, "2026-07-06");
        let before = noted(&[
            ("2026-01-05T09:00:00.000000Z", "log_read"),
            ("2026-01-06T09:00:00.000000Z", "log_read"),
        ]);
        assert!(before.missing().is_empty() && before.leaves().is_empty());
    }
}
