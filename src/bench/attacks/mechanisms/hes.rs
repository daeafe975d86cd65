//! NHS Hospital Episode Statistics: 0 is shown, 1 to 7 are shown as 5, all others to the nearest 5.

use super::{Mechanism, Shown, to_five};

pub(in crate::bench::attacks) struct Hes;

impl Mechanism for Hes {
    fn name(&self) -> &'static str {
        "hes"
    }

    fn display(&self, count: i64, _noise: i64) -> Shown {
        Some(match count {
            0 => 0,
            1..=7 => 5,
            more => to_five(more),
        })
    }

    fn behind(&self, shown: Shown) -> Option<(i64, i64)> {
        shown.map(|shown| match shown {
            0 => (0, 0),
            5 => (1, 7),
            more => (more - 2, more + 2),
        })
    }
}
