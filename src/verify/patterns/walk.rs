//! Questions that follow an order: a walk through areas, indicators and quarters.
//!
//! A loop over several of them comes in the order of its nesting. So each order of nesting,
//! upwards and downwards, has a count of how long the questions have kept to it; a question
//! asked again changes none. People jump to and fro and keep to none of them for long.

use super::Span;

/// The six orders of nesting of area, indicator and quarter.
const NESTINGS: [[usize; 3]; 6] =
    [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

/// What a question was about: area, indicator, quarter; empty where it named none.
pub(super) type Question = [String; 3];

/// The names of a question's parts.
pub(super) const PARTS: [&str; 3] = ["areas", "indicators", "quarters"];

/// A walk: when, where, its first and last question, and which parts changed.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) span: Span,
    pub(super) first: Question,
    pub(super) last: Question,
    pub(super) changed: [bool; 3],
}

impl Found {
    fn new(at: i64, index: u64, question: &Question) -> Self {
        let mut span = Span::new(at);
        span.add(at, index);
        Self { span, first: question.clone(), last: question.clone(), changed: [false; 3] }
    }

    fn steps(&self) -> u64 {
        self.span.count
    }

    fn add(&mut self, at: i64, index: u64, question: &Question) {
        self.span.add(at, index);
        for (changed, (old, new)) in self.changed.iter_mut().zip(self.last.iter().zip(question)) {
            *changed |= old != new;
        }
        self.last = question.clone();
    }
}

/// One actor's questions.
#[derive(Debug, Default)]
pub(super) struct Walk {
    last: Option<(i64, Question)>,
    /// A run for each nesting and direction.
    runs: Vec<Found>,
}

impl Walk {
    /// Adds a question; gives the walk that it shows to have ended.
    pub(super) fn note(
        &mut self,
        (at, index): (i64, u64),
        question: &Question,
        steps: u64,
        micros: i64,
    ) -> Option<Found> {
        let previous = self.last.replace((at, question.clone()));
        let (previous, paused) = match previous {
            Some((before, previous)) => (Some(previous), at.saturating_sub(before) > micros),
            None => (None, false),
        };
        if !paused && previous.as_ref() == Some(question) {
            return None;
        }
        let keeps = |number: usize| {
            let nesting = NESTINGS[number / 2];
            let key = |question: &Question| nesting.map(|part| question[part].clone());
            previous.as_ref().is_some_and(|previous| {
                let (old, new) = (key(previous), key(question));
                !paused && if number.is_multiple_of(2) { old < new } else { old > new }
            })
        };
        let longest = self.longest(steps);
        let goes_on = self.runs.iter().enumerate().any(|(n, run)| run.steps() >= steps && keeps(n));
        let ended = longest.filter(|_| !goes_on);
        if self.runs.is_empty() || ended.is_some() {
            self.runs = vec![Found::new(at, index, question); 2 * NESTINGS.len()];
            return ended;
        }
        for (number, run) in self.runs.iter_mut().enumerate() {
            if keeps(number) {
                run.add(at, index, question);
            } else {
                *run = Found::new(at, index, question);
            }
        }
        None
    }

    /// The walk that had not ended.
    pub(super) fn finish(self, steps: u64) -> Option<Found> {
        self.longest(steps)
    }

    fn longest(&self, steps: u64) -> Option<Found> {
        self.runs.iter().filter(|run| run.steps() >= steps).max_by_key(|run| run.steps()).cloned()
    }
}
