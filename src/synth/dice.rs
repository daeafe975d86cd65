//! Seeded chance: one ChaCha8 stream for each stage, so that a change in one partner's generator leaves the
//! other partners' files as they were.

use chacha20::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// The part of the simulation that draws; each has a stream of its own.
#[derive(Clone, Copy)]
pub(super) enum Stage {
    /// Households, births and moves.
    Population,
    /// Records of the health trust.
    Health,
    /// Lists of eligible two-year-olds.
    Dwp,
    /// Funded places and learning aims.
    Learning,
    /// Cases and referrals of the families' services.
    Families,
    /// Registrations, attendances and referrals of the centres.
    Centres,
    /// People who can be searched for.
    Canaries,
    /// Errors, repeats, mistakes.
    Dirt,
    /// Moves that the health trust hears of.
    Moves,
    /// An agency's further files, by its number.
    More(u8),
    /// Errors in these.
    MoreDirt,
    /// Records about nobody.
    Nobody,
}

impl Stage {
    fn stream(self) -> u64 {
        match self {
            Self::Population => 1,
            Self::Health => 2,
            Self::Dwp => 3,
            Self::Learning => 4,
            Self::Families => 5,
            Self::Centres => 6,
            Self::Canaries => 7,
            Self::Dirt => 8,
            Self::Moves => 9,
            Self::MoreDirt => 10,
            Self::Nobody => 11,
            Self::More(agency) => 16 + u64::from(agency),
        }
    }
}

/// A stage's generator.
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    pub(super) fn new(seed: u64, stage: Stage) -> Self {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        generator.set_stream(stage.stream());
        Self(generator)
    }

    /// True with probability `p`, which is clamped to 0..=1.
    pub(super) fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// Uniform in 0.0..1.0.
    pub(super) fn unit(&mut self) -> f64 {
        self.0.random::<f64>()
    }

    /// Uniform in `low..=high`; `low` when the range is empty.
    pub(super) fn between(&mut self, low: i32, high: i32) -> i32 {
        if high <= low { low } else { self.0.random_range(low..=high) }
    }

    /// Uniform index below `length`; 0 for an empty range.
    pub(super) fn index(&mut self, length: usize) -> usize {
        if length < 2 { 0 } else { self.0.random_range(0..length) }
    }

    /// Uniform in `low..=high` for small numbers.
    pub(super) fn small(&mut self, low: u8, high: u8) -> u8 {
        if high <= low { low } else { self.0.random_range(low..=high) }
    }

    /// A code, by weight: the position of the drawn weight.
    pub(super) fn weighted(&mut self, weights: &[u32]) -> u8 {
        let total: u32 = weights.iter().sum();
        let mut left = self.0.random_range(0..total.max(1));
        for (position, weight) in (0u8..).zip(weights) {
            if left < *weight {
                return position;
            }
            left -= *weight;
        }
        0
    }

    /// A Poisson count with a small mean (Knuth's product method), at most 28.
    pub(super) fn events(&mut self, mean: f64) -> u32 {
        let limit = (-mean).exp();
        let mut product = self.unit();
        let mut count = 0;
        while product > limit && count < 28 {
            product *= self.unit();
            count += 1;
        }
        count
    }

    /// 64 uniform bits.
    pub(super) fn bits(&mut self) -> u64 {
        self.0.random::<u64>()
    }
}

/// Mixes 64 bits (the finaliser of SplitMix64): a fixed coin for a person and a purpose, without storing it.
pub(super) fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
