//! The noise as other programs can check it: each value's exact probability, and how often it
//! was drawn. The draws are of a seed given on the command line, and of no release.

use crate::disclosure::noise::NoiseTable;
use rand::{SeedableRng, rngs::StdRng};

/// One value of the noise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Drawn {
    /// The value.
    pub(crate) value: i64,
    /// Its probability, in 2^-128; the middle's is never all of it.
    pub(crate) probability: u128,
    /// How often it was drawn.
    pub(crate) drawn: u64,
}

/// Every value of a variance's table, with so many draws.
pub(crate) fn values(variance: u32, draws: u64, seed: u64) -> Vec<Drawn> {
    let table = NoiseTable::new(variance);
    let mut rng = StdRng::seed_from_u64(seed);
    let mut values: Vec<Drawn> = (-table.reach()..=table.reach())
        .map(|value| Drawn { value, probability: table.probability(value), drawn: 0 })
        .collect();
    for _ in 0..draws {
        let at = usize::try_from(table.draw(&mut rng) + table.reach()).unwrap_or(usize::MAX);
        values[at].drawn += 1;
    }
    values
}
