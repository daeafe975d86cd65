//! The partners' own counters: every act in a partner's name has its next number.
//!
//! A tree proves nothing about an act that was never logged. Every answer's receipt holds its
//! leaf, and so tells each partner its own number, so that an act left out shows as a gap, and a partner
//! that kept its receipts sees acts in its name that it never did.

use super::leaf::Leaf;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// More findings than this are counted and not kept.
pub const MAX_FINDINGS: usize = 10_000;

/// What is wrong with a partner's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CounterProblem {
    /// These numbers never came.
    Gap,
    /// This number came again, or after a greater one.
    Repeat,
    /// An act in a partner's name has no number.
    Unnumbered,
    /// These numbers came, and the partner holds no receipt for them.
    NoReceipt,
    /// The partner holds a receipt for another entry at this place.
    OtherEntry,
}

impl CounterProblem {
    /// As a word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Gap => "gap",
            Self::Repeat => "repeat",
            Self::Unnumbered => "unnumbered",
            Self::NoReceipt => "no_receipt",
            Self::OtherEntry => "other_entry",
        }
    }

    /// Whether it speaks against the log. A receipt may simply not have been kept.
    #[must_use]
    pub const fn fails(self) -> bool {
        !matches!(self, Self::NoReceipt)
    }
}

/// One finding: a run of a partner's numbers, and the entries where it shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CounterFinding {
    /// Whose.
    pub partner: String,
    /// What.
    pub problem: CounterProblem,
    /// The first number; `None` for an act without one.
    pub from: Option<u64>,
    /// The last number.
    pub through: Option<u64>,
    /// The first entry where it shows.
    pub index: u64,
    /// The last entry where it shows.
    pub last_index: u64,
}

/// One partner's numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Counter {
    /// The first.
    pub first: u64,
    /// The greatest.
    pub last: u64,
    /// How many acts.
    pub acts: u64,
}

/// What is known of all counters so far.
#[derive(Debug, Default)]
pub struct Counters {
    counters: BTreeMap<String, Counter>,
    findings: Vec<CounterFinding>,
    omitted: u64,
    /// The log follows an earlier one, in which the counting began.
    continues: bool,
    only: Option<String>,
    /// What the partner holds receipts for: index and whether it is that entry.
    held: Option<BTreeSet<u64>>,
    /// Nothing but receipts is looked at.
    receipts_alone: bool,
}

impl Counters {
    /// Of all partners, or of one; with the indices of the entries for which it holds
    /// receipts, also compared with these.
    #[must_use]
    pub fn new(only: Option<String>, held: Option<BTreeSet<u64>>) -> Self {
        Self { only, held, ..Self::default() }
    }

    /// Of one partner, whose receipts alone are looked at: a number that lacks is one for which
    /// it holds none.
    #[must_use]
    pub fn of_receipts(partner: String) -> Self {
        // Where the receipts begin, the counting had begun.
        Self { only: Some(partner), receipts_alone: true, continues: true, ..Self::default() }
    }

    /// Adds the next entry of the log.
    pub fn note(&mut self, index: u64, leaf: &Leaf<'_>) {
        if index == 0 && !self.receipts_alone {
            self.continues = leaf.previous.is_some();
        }
        let Some(partner) = leaf.partner else { return };
        if self.only.as_deref().is_some_and(|only| only != partner) {
            return;
        }
        let Some(number) = leaf.sequence else {
            return self.find(partner, CounterProblem::Unnumbered, None, index);
        };
        let (first, last, acts) = self
            .counters
            .get(partner)
            .map_or((number, None, 0), |c| (c.first, Some(c.last), c.acts));
        let expected = match last {
            Some(last) => last.saturating_add(1),
            // Without an earlier log everybody begins at 1.
            None if !self.continues => 1,
            None => number,
        };
        if number > expected {
            let lacks = match self.receipts_alone {
                true => CounterProblem::NoReceipt,
                false => CounterProblem::Gap,
            };
            self.find(partner, lacks, Some((expected, number - 1)), index);
        } else if number < expected {
            self.find(partner, CounterProblem::Repeat, Some((number, number)), index);
        }
        let last = last.map_or(number, |last| last.max(number));
        let counter = Counter { first, last, acts: acts + 1 };
        match self.counters.get_mut(partner) {
            Some(known) => *known = counter,
            None => drop(self.counters.insert(partner.to_owned(), counter)),
        }
        if self.held.as_ref().is_some_and(|held| !held.contains(&index)) {
            self.no_receipt(partner, number, index);
        }
    }

    /// Adds a receipt that is for another entry than the log has at its place.
    pub fn other_entry(&mut self, partner: &str, index: u64) {
        self.find(partner, CounterProblem::OtherEntry, None, index);
    }

    /// The counters, by partner.
    #[must_use]
    pub const fn all(&self) -> &BTreeMap<String, Counter> {
        &self.counters
    }

    /// What was found, and how many findings more were not kept.
    #[must_use]
    pub fn findings(&self) -> (&[CounterFinding], u64) {
        (&self.findings, self.omitted)
    }

    /// Numbers without a receipt that follow each other are one finding.
    fn no_receipt(&mut self, partner: &str, number: u64, index: u64) {
        let follows = |found: &&mut CounterFinding| {
            found.partner == partner
                && found.problem == CounterProblem::NoReceipt
                && found.through == number.checked_sub(1)
        };
        let last = self.findings.iter_mut().rev().find(|found| found.partner == partner);
        match last.filter(follows) {
            Some(found) => {
                found.through = Some(number);
                found.last_index = index;
            }
            None => self.find(partner, CounterProblem::NoReceipt, Some((number, number)), index),
        }
    }

    fn find(
        &mut self,
        partner: &str,
        problem: CounterProblem,
        numbers: Option<(u64, u64)>,
        index: u64,
    ) {
        if self.findings.len() >= MAX_FINDINGS {
            self.omitted += 1;
            return;
        }
        self.findings.push(CounterFinding {
            partner: partner.to_owned(),
            problem,
            from: numbers.map(|(from, _)| from),
            through: numbers.map(|(_, through)| through),
            index,
            last_index: index,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(partner: &'static str, sequence: Option<u64>) -> Leaf<'static> {
        Leaf { partner: Some(partner), sequence, ..Leaf::default() }
    }

    /// Partner, problem, first and last number, and the entry.
    type Told<'f> = (&'f str, &'f str, Option<u64>, Option<u64>, u64);

    fn found(counters: &Counters) -> Vec<Told<'_>> {
        let (findings, _) = counters.findings();
        findings
            .iter()
            .map(|f| (f.partner.as_str(), f.problem.word(), f.from, f.through, f.index))
            .collect()
    }

    #[test]
    fn from_receipts_alone_a_number_that_came_twice_fails_and_one_that_lacks_is_told() {
        let mut counters = Counters::of_receipts("a".to_owned());
        for (index, sequence) in [(3, 7), (4, 8), (9, 11), (12, 11)] {
            counters.note(index, &leaf("a", Some(sequence)));
        }
        let expected =
            [("a", "no_receipt", Some(9), Some(10), 9), ("a", "repeat", Some(11), Some(11), 12)];
        assert_eq!(found(&counters), expected);
    }

    #[test]
    fn gaps_repeats_and_numbers_that_are_missing_are_named() {
        let mut counters = Counters::new(None, None);
        let leaves = [
            leaf("a", Some(1)),
            leaf("b", Some(2)),
            leaf("a", Some(2)),
            leaf("a", Some(5)),
            leaf("a", Some(5)),
            leaf("a", None),
            leaf("a", Some(6)),
            leaf("b", Some(3)),
            Leaf::default(),
        ];
        for (index, leaf) in (0..).zip(&leaves) {
            counters.note(index, leaf);
        }
        assert_eq!(
            found(&counters),
            [
                ("b", "gap", Some(1), Some(1), 1),
                ("a", "gap", Some(3), Some(4), 3),
                ("a", "repeat", Some(5), Some(5), 4),
                ("a", "unnumbered", None, None, 5),
            ]
        );
        assert_eq!(counters.all()["a"], Counter { first: 1, last: 6, acts: 5 });
    }

    #[test]
    fn a_following_years_log_goes_on_counting() {
        let previous = super::super::leaf::Previous { origin: "x", root: "y", size: 9 };
        let mut counters = Counters::new(None, None);
        counters.note(0, &Leaf { previous: Some(previous), ..Leaf::default() });
        for (index, number) in [(1, 400), (2, 401), (3, 403)] {
            counters.note(index, &leaf("a", Some(number)));
        }
        assert_eq!(found(&counters), [("a", "gap", Some(402), Some(402), 3)]);
    }

    #[test]
    fn one_partner_compares_its_numbers_with_its_receipts() {
        let held = BTreeSet::from([0, 2, 7]);
        let mut counters = Counters::new(Some("a".to_owned()), Some(held));
        for (index, (partner, number)) in
            (0..).zip([("a", 1), ("b", 9), ("a", 2), ("a", 3), ("b", 1), ("a", 4), ("a", 5)])
        {
            counters.note(index, &leaf(partner, Some(number)));
        }
        counters.note(7, &leaf("a", Some(6)));
        counters.note(8, &leaf("a", Some(7)));
        assert_eq!(
            found(&counters),
            [("a", "no_receipt", Some(3), Some(5), 3), ("a", "no_receipt", Some(7), Some(7), 8)]
        );
        assert_eq!(counters.findings().0[0].last_index, 6);
        assert!(!CounterProblem::NoReceipt.fails() && CounterProblem::Gap.fails());
    }
}
