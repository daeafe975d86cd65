//! Threshold only: counts below ten are withheld, all others are exact.

use super::{Mechanism, Shown};

pub(in crate::bench::attacks) struct Threshold;

impl Mechanism for Threshold {
    fn name(&self) -> &'static str {
        "threshold"
    }

    fn display(&self, count: i64, _noise: i64) -> Shown {
        (count >= 10).then_some(count)
    }

    fn behind(&self, shown: Shown) -> Option<(i64, i64)> {
        Some(shown.map_or((0, 9), |count| (count, count)))
    }
}
