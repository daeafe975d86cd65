//! ONS "10-5": below ten is withheld, all else is shown to the nearest 5.

use super::{Mechanism, Shown, to_five};

pub(in crate::bench::attacks) struct TenFive;

impl Mechanism for TenFive {
    fn name(&self) -> &'static str {
        "ons_10_5"
    }

    fn display(&self, count: i64, _noise: i64) -> Shown {
        (count >= 10).then(|| to_five(count))
    }

    fn behind(&self, shown: Shown) -> Option<(i64, i64)> {
        Some(shown.map_or((0, 9), |shown| ((shown - 2).max(10), shown + 2)))
    }
}
