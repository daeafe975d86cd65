//! A count that is shown in steps.

use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder, NoLabelSet},
    metrics::{MetricType, TypedMetric},
};
use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

/// A count of which the last full ten is shown: nobody sees one, or fewer than ten, of anything.
/// What is added between two looks is known to within ten.
#[derive(Debug, Default)]
pub struct Stepped(AtomicU64);

impl Stepped {
    /// What it is rounded down to a multiple of.
    pub const STEP: u64 = 10;

    /// Counts so many more.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// What is shown of it.
    #[must_use]
    pub fn shown(&self) -> u64 {
        let exact = self.0.load(Ordering::Relaxed);
        exact - exact % Self::STEP
    }
}

impl TypedMetric for Stepped {
    const TYPE: MetricType = MetricType::Counter;
}

impl EncodeMetric for Stepped {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        encoder.encode_counter::<NoLabelSet, _, u64>(&self.shown(), None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fewer_than_ten_look_like_none() {
        let count = Stepped::default();
        for (added, shown) in [(1, 0), (8, 0), (1, 10), (9, 10), (1, 20), (105, 120)] {
            count.add(added);
            assert_eq!(count.shown(), shown);
        }
    }
}
