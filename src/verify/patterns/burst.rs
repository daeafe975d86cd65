//! Many of something within a sliding window of time.

use super::Span;
use std::collections::{BTreeMap, VecDeque};

/// What is many.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    /// So many...
    pub(super) most: usize,
    /// ...within less than so long, microseconds.
    pub(super) micros: i64,
    /// Whether different keys are counted, or every event.
    pub(super) distinct: bool,
}

/// One event.
#[derive(Debug, Clone)]
struct Event {
    at: i64,
    key: String,
}

/// The recent events of one actor, and the burst that they are part of.
#[derive(Debug, Default)]
pub(super) struct Burst {
    recent: VecDeque<(Event, u64)>,
    keys: BTreeMap<String, usize>,
    open: Option<Found>,
}

/// A burst: when, where, and the keys that it was about.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) span: Span,
    pub(super) keys: BTreeMap<String, usize>,
}

impl Found {
    fn add(&mut self, event: &Event, index: u64) {
        self.span.add(event.at, index);
        *self.keys.entry(event.key.clone()).or_default() += 1;
    }
}

impl Burst {
    /// Adds an event; gives the burst that it shows to have ended.
    pub(super) fn note(&mut self, at: i64, index: u64, key: &str, limit: Limit) -> Option<Found> {
        while let Some((event, _)) = self.recent.front()
            && event.at <= at.saturating_sub(limit.micros)
        {
            if let Some(count) = self.keys.get_mut(&event.key) {
                *count -= 1;
                if *count == 0 {
                    self.keys.remove(&event.key);
                }
            }
            self.recent.pop_front();
        }
        *self.keys.entry(key.to_owned()).or_default() += 1;
        let event = Event { at, key: key.to_owned() };
        self.recent.push_back((event.clone(), index));
        let many = if limit.distinct { self.keys.len() } else { self.recent.len() };
        if many < limit.most {
            return self.open.take();
        }
        match &mut self.open {
            Some(open) => open.add(&event, index),
            None => {
                let mut found = Found { span: Span::new(at), keys: BTreeMap::new() };
                for (event, index) in &self.recent {
                    found.add(event, *index);
                }
                self.open = Some(found);
            }
        }
        None
    }

    /// The burst that had not ended.
    pub(super) fn finish(self) -> Option<Found> {
        self.open
    }
}
