//! What leaves say together: counts, clocks and the partners' own counters.
//!
//! A [`Summary`] is made of a run of leaves by whoever reads them, on any thread; the
//! [`History`] takes the summaries in the log's order. What went wrong between two runs is
//! seen when they meet, so the report is the same however the log was divided.

use super::{
    leaf::{KINDS, Leaf},
    report::{Notice, Report},
};
use std::collections::BTreeMap;

/// A time as it stands in a leaf. Times of this one form sort as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct At([u8; 27]);

impl At {
    fn of(leaf: &Leaf<'_>) -> Option<Self> {
        leaf.at?.as_bytes().try_into().ok().map(Self)
    }

    fn text(self) -> String {
        self.0.iter().map(|b| char::from(*b)).collect()
    }
}

/// A partner's own numbers within a run: the first with its entry's index, and the last.
#[derive(Debug, Clone, Copy)]
struct Numbers {
    first: (u64, u64),
    last: u64,
}

/// What a run of leaves says.
#[derive(Debug, Default)]
pub(super) struct Summary {
    leaves: u64,
    kinds: Counts,
    last_kind: usize,
    refusals: BTreeMap<String, u64>,
    times: Option<((u64, At), At)>,
    numbers: BTreeMap<String, Numbers>,
    notices: Vec<Notice>,
}

/// Leaves by the place of their kind in [`KINDS`].
#[derive(Debug)]
struct Counts([u64; KINDS.len()]);

impl Default for Counts {
    fn default() -> Self {
        Self([0; KINDS.len()])
    }
}

impl Summary {
    /// Adds the next leaf of the run.
    pub(super) fn note(&mut self, leaf: &Leaf<'_>, index: u64) {
        self.leaves += 1;
        if let Some(kind) = leaf.kind {
            // Leaves of a kind come in runs.
            if KINDS.get(self.last_kind) != Some(&kind) {
                self.last_kind = KINDS.binary_search(&kind).unwrap_or(KINDS.len());
            }
            if let Some(count) = self.kinds.0.get_mut(self.last_kind) {
                *count += 1;
            }
        }
        if let Some(reason) = leaf.reason {
            match self.refusals.get_mut(reason) {
                Some(count) => *count += 1,
                None => drop(self.refusals.insert(reason.to_owned(), 1)),
            }
        }
        if let Some(at) = At::of(leaf) {
            match &mut self.times {
                Some((_, last)) => {
                    if at < *last {
                        self.notices.push(went_back(index, at, *last));
                    }
                    *last = at;
                }
                times => *times = Some(((index, at), at)),
            }
        }
        if let (Some(partner), Some(found)) = (leaf.partner, leaf.sequence) {
            match self.numbers.get_mut(partner) {
                Some(numbers) => {
                    let last = std::mem::replace(&mut numbers.last, found);
                    self.notices.extend(gap(index, partner, last, found));
                }
                None => {
                    let numbers = Numbers { first: (index, found), last: found };
                    self.numbers.insert(partner.to_owned(), numbers);
                }
            }
        }
    }
}

fn went_back(index: u64, at: At, after: At) -> Notice {
    Notice::ClockWentBack { index, at: at.text(), after: after.text() }
}

fn gap(index: u64, partner: &str, last: u64, found: u64) -> Option<Notice> {
    let expected = last.saturating_add(1);
    let partner = || partner.to_owned();
    (found != expected).then(|| Notice::SequenceGap { index, partner: partner(), expected, found })
}

/// What came before.
#[derive(Debug, Default)]
pub(super) struct History {
    last: Option<At>,
    numbers: BTreeMap<String, u64>,
}

impl History {
    /// Takes the next run's summary into the report.
    pub(super) fn absorb(&mut self, run: Summary, report: &mut Report) {
        let Summary { leaves, kinds, refusals, times, numbers, mut notices, .. } = run;
        report.leaves += leaves;
        for (kind, count) in KINDS.iter().zip(kinds.0).filter(|(_, count)| *count > 0) {
            *report.kinds.entry((*kind).to_owned()).or_default() += count;
        }
        for (reason, count) in refusals {
            *report.refusals.entry(reason).or_default() += count;
        }
        if let Some(((index, first), last)) = times {
            if report.first_at.is_none() {
                report.first_at = Some(first.text());
            }
            if let Some(before) = self.last.filter(|before| first < *before) {
                notices.push(went_back(index, first, before));
            }
            self.last = Some(last);
            report.last_at = Some(last.text());
        }
        for (partner, Numbers { first: (index, found), last }) in numbers {
            match self.numbers.get_mut(&partner) {
                Some(number) => {
                    let before = std::mem::replace(number, last);
                    notices.extend(gap(index, &partner, before, found));
                }
                None => drop(self.numbers.insert(partner, last)),
            }
        }
        notices.sort_by_key(|notice| match notice {
            Notice::ClockWentBack { index, .. } => (*index, 0),
            Notice::SequenceGap { index, .. } => (*index, 1),
            Notice::Unfinished { size } => (*size, 2),
        });
        notices.into_iter().for_each(|notice| report.notice(notice));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf<'a>(second: u64, partner: &'static str, sequence: u64, at: &'a mut String) -> Leaf<'a> {
        *at = format!("2026-01-05T09:00:{second:02}.000000Z");
        Leaf {
            at: Some(at),
            kind: Some("log_read"),
            partner: Some(partner),
            sequence: Some(sequence),
            v: Some(1),
            ..Leaf::default()
        }
    }

    /// The same leaves, however they are divided, make the same report.
    #[test]
    fn runs_meet_without_a_trace() {
        let leaves = [
            (10, "health", 1),
            (11, "dwp", 7),
            (9, "health", 2),
            (12, "health", 4),
            (12, "dwp", 8),
            (11, "dwp", 8),
            (13, "health", 5),
            (14, "dwp", 10),
        ];
        let reports: Vec<Report> = [1, 2, 3, 5, 8]
            .into_iter()
            .map(|length| {
                let (mut history, mut report) = (History::default(), Report::default());
                for (run, leaves) in leaves.chunks(length).enumerate() {
                    let mut summary = Summary::default();
                    for (place, (second, partner, sequence)) in leaves.iter().enumerate() {
                        let index = (run * length + place) as u64;
                        let mut at = String::new();
                        summary.note(&leaf(*second, partner, *sequence, &mut at), index);
                    }
                    history.absorb(summary, &mut report);
                }
                report
            })
            .collect();
        for report in &reports {
            assert_eq!(report, &reports[0]);
        }
        let report = &reports[0];
        assert_eq!((report.leaves, report.notices.len()), (8, 5), "{:?}", report.notices);
        assert!(matches!(report.notices[0], Notice::ClockWentBack { index: 2, .. }));
        assert!(matches!(report.notices[1], Notice::SequenceGap { index: 3, found: 4, .. }));
        assert_eq!(report.first_at.as_deref(), Some("2026-01-05T09:00:10.000000Z"));
        assert_eq!(report.last_at.as_deref(), Some("2026-01-05T09:00:14.000000Z"));
    }
}
