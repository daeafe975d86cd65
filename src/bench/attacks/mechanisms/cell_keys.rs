//! Persistent cell keys, as the ONS has them: each record has a key for ever, a cell's key is the
//! sum of its records', and a table of perturbations says what is added for which key. An empty
//! cell stays empty.

use super::{Mechanism, Shown, to_five};
use crate::disclosure::noise::{NoiseTable, fraction};

/// Cell keys are taken modulo this.
const KEYS: usize = 4_096;

pub(in crate::bench::attacks) struct CellKeys {
    name: &'static str,
    round_to: i64,
    /// The perturbation of each key.
    table: Vec<i64>,
    noises: Vec<(i64, f64)>,
}

impl CellKeys {
    /// Perturbations of a variance, shown to the nearest 1 or 5.
    pub(in crate::bench::attacks) fn new(name: &'static str, variance: u32, round_to: i64) -> Self {
        let noise = NoiseTable::new(variance);
        let (mut table, mut below, mut value) = (Vec::new(), 0.0, -noise.reach());
        for key in 0..KEYS {
            let place = (key as f64 + 0.5) / KEYS as f64;
            while below + fraction(noise.probability(value)) <= place && value < noise.reach() {
                below += fraction(noise.probability(value));
                value += 1;
            }
            table.push(value);
        }
        let share = |value: i64| {
            let keys = table.iter().filter(|own| **own == value).count();
            (value, keys as f64 / KEYS as f64)
        };
        let (first, last) = (table[0], table[KEYS - 1]);
        let noises = (first..=last).map(share).filter(|(_, p)| *p > 0.0).collect();
        Self { name, round_to, table, noises }
    }
}

impl Mechanism for CellKeys {
    fn name(&self) -> &'static str {
        self.name
    }

    fn noise(&self, key: u64) -> i64 {
        self.table[usize::try_from(key % KEYS as u64).unwrap_or(0)]
    }

    fn noises(&self) -> &[(i64, f64)] {
        &self.noises
    }

    fn display(&self, count: i64, noise: i64) -> Shown {
        if count == 0 {
            return Some(0);
        }
        let noisy = (count + noise).max(0);
        Some(if self.round_to == 5 { to_five(noisy) } else { noisy })
    }
}
