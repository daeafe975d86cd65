//! A day on which a partner does many times what it usually does.

use super::{Span, config::SuddenVolume};
use crate::domain::time::epoch_day;
use jiff::civil::Date;
use std::collections::VecDeque;

/// One partner's acts of one sort, by day.
#[derive(Debug, Default)]
pub(super) struct Volume {
    today: Option<(i32, Span)>,
    /// The days before on which it acted, and how often.
    before: VecDeque<(i32, u64)>,
}

/// A day of much: what it was, and the mean of the days before.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) span: Span,
    pub(super) mean: u64,
    pub(super) known_days: u64,
}

impl Volume {
    /// Adds an act; gives the day that it shows to have ended, where that was much.
    pub(super) fn note(
        &mut self,
        day: Date,
        (at, index): (i64, u64),
        config: &SuddenVolume,
    ) -> Option<Found> {
        let day = epoch_day(day);
        let mut ended = None;
        match &mut self.today {
            Some((today, span)) if *today == day => span.add(at, index),
            _ => {
                ended = self.end(config);
                let mut span = Span::new(at);
                span.add(at, index);
                self.today = Some((day, span));
            }
        }
        ended
    }

    /// Ends the day.
    pub(super) fn end(&mut self, config: &SuddenVolume) -> Option<Found> {
        let (today, span) = self.today.take()?;
        let first = i64::from(today) - i64::from(config.days);
        while self.before.front().is_some_and(|(day, _)| i64::from(*day) < first) {
            self.before.pop_front();
        }
        let known_days = self.before.len() as u64;
        let total: u64 = self.before.iter().map(|(_, acts)| acts).sum();
        let acts = span.count;
        self.before.push_back((today, acts));
        let known = known_days >= u64::from(config.known_days);
        // acts / (total / days) >= times, without a fraction.
        let much = acts >= u64::from(config.acts)
            && acts.saturating_mul(known_days) >= total.saturating_mul(u64::from(config.times));
        (known && much).then(|| Found { span, mean: total.div_ceil(known_days.max(1)), known_days })
    }
}
