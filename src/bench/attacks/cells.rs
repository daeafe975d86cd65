//! Sets of people as a statistic sees them, and the questions that an attacker asks about them.

use rand::{Rng, SeedableRng, rngs::StdRng};

/// A set of people: how many, and the sum of their persistent record keys. Two different sets
/// have different sums for all that matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Set {
    pub(super) count: u32,
    pub(super) key: u64,
}

impl Set {
    /// This set and another, which have nobody in common.
    pub(super) const fn with(self, other: Self) -> Self {
        Self { count: self.count + other.count, key: self.key.wrapping_add(other.key) }
    }
}

/// One published number: the set that it counts where the target's change is not there, and
/// where it is. The attacker knows both sets; which of them was counted it wants to know.
pub(super) type Question = [Set; 2];

/// The chance of a run of trials.
pub(super) struct Dice(StdRng);

impl Dice {
    /// Chance of its own for each run.
    pub(super) fn new(numbers: [u64; 4]) -> Self {
        let mut seed = [0; 32];
        for (bytes, number) in seed.chunks_mut(8).zip(numbers) {
            bytes.copy_from_slice(&number.to_le_bytes());
        }
        Self(StdRng::from_seed(seed))
    }

    /// The generator itself, for what draws noise.
    pub(super) const fn rng(&mut self) -> &mut StdRng {
        &mut self.0
    }

    /// Even odds.
    pub(super) fn coin(&mut self) -> bool {
        self.0.next_u64() >> 63 == 1
    }

    /// Uniform in `from..to`, but for a bias of less than 2^-32.
    pub(super) fn between(&mut self, from: u32, to: u32) -> u32 {
        let width = u64::from(to - from);
        from + u32::try_from((u64::from(self.0.next_u32()) * width) >> 32).unwrap_or(0)
    }

    /// So many people, as nobody knows their keys.
    pub(super) fn people(&mut self, count: u32) -> Set {
        Set { count, key: self.0.next_u64() }
    }

    /// A set large enough that no rule withholds it.
    pub(super) fn crowd(&mut self) -> Set {
        let count = self.between(20, 120);
        self.people(count)
    }

    /// A set so small that rules withhold it, and do so with one person more.
    pub(super) fn few(&mut self) -> Set {
        let count = self.between(2, 9);
        self.people(count)
    }

    /// The child that it is about.
    pub(super) fn target(&mut self) -> Set {
        self.people(1)
    }
}
