//! The discrete Gaussian by inverse CDF from a table of 128-bit integers.
//!
//! Why it exists: samplers of floating point leak through their rounding, and 64-bit
//! tables cannot represent the tails that the accounting relies on. Here every
//! probability is a whole number of 2^-128, computed from 512-bit fixed point, and they
//! sum to 2^128 exactly.
//!
//! With variance parameter s the weight of k is exp(-k^2 / 2s) (Canonne, Kamath and
//! Steinke 2020, definition 1). The table ends at the last k whose probability reaches
//! 2^-128, about 13.2 standard deviations; what flooring and the cut-off take away goes to
//! 0. [`NoiseTable::delta`] bounds the distance from the ideal: below 2^-117 for every
//! variance up to 100,000, and negligible beside any delta in use.
//!
//! A draw reads the whole table whatever its outcome, and branches on nothing.

use num_bigint::BigUint;
use rand::CryptoRng;
use std::{cmp::Ordering, collections::BTreeMap};

/// Fraction bits of the arithmetic that makes the table.
const FRACTION_BITS: u64 = 512;

/// The distribution of one variance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoiseTable {
    variance: u32,
    /// The largest magnitude.
    reach: i64,
    /// For -reach .. reach-1, the probability of at most that value, in 2^-128.
    cumulative: Vec<u128>,
    /// For 0 ..= reach, the probability of exactly that value, in 2^-128.
    probability: Vec<u128>,
}

impl NoiseTable {
    /// The table of a variance parameter of 1 to 100,000 (counts squared).
    #[must_use]
    pub fn new(variance: u32) -> Self {
        let variance = variance.max(1);
        let one = BigUint::from(1_u8) << FRACTION_BITS;
        // exp(-k^2 / 2s) by w(k+1) = w(k) q^(2k+1), where q = exp(-1 / 2s).
        let q = exp_of_minus_one_over(2 * u64::from(variance));
        let q_squared = (&q * &q) >> FRACTION_BITS;
        let (mut weight, mut step) = (one.clone(), q);
        let mut weights = vec![weight.clone()];
        let smallest = BigUint::from(1_u8) << (FRACTION_BITS - 160);
        while weight > smallest {
            weight = (&weight * &step) >> FRACTION_BITS;
            step = (&step * &q_squared) >> FRACTION_BITS;
            weights.push(weight.clone());
        }
        let tail: BigUint = weights[1..].iter().sum();
        let total = one + tail * 2_u8;
        let mut probability: Vec<u128> = weights
            .iter()
            .map(|w| u128::try_from((w << 128_u8) / &total).unwrap_or(u128::MAX))
            .collect();
        while probability.last() == Some(&0) {
            probability.pop();
        }
        let tail: u128 = probability[1..].iter().sum();
        // 2^128 - 2 tail, written so that it fits: the middle takes what flooring left.
        probability[0] = u128::MAX - 2 * tail + 1;
        let cumulative = cumulative(&probability);
        let reach = i64::try_from(probability.len() - 1).unwrap_or(i64::MAX);
        Self { variance, reach, cumulative, probability }
    }

    /// One draw.
    pub fn draw<R: CryptoRng + ?Sized>(&self, rng: &mut R) -> i64 {
        let uniform = u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64());
        self.at(uniform)
    }

    /// A count with one draw added: all that ever stands in a release in a count's place.
    pub fn noised<R: CryptoRng + ?Sized>(&self, count: i64, rng: &mut R) -> i64 {
        count.saturating_add(self.draw(rng))
    }

    /// The value at which the distribution function first exceeds `uniform` / 2^128.
    fn at(&self, uniform: u128) -> i64 {
        let below: i64 = self.cumulative.iter().map(|c| i64::from(*c <= uniform)).sum();
        below - self.reach
    }

    /// The variance parameter.
    #[must_use]
    pub const fn variance(&self) -> u32 {
        self.variance
    }

    /// The largest magnitude that can be drawn.
    #[must_use]
    pub const fn reach(&self) -> i64 {
        self.reach
    }

    /// The probability of exactly `value`, in units of 2^-128.
    #[must_use]
    pub fn probability(&self, value: i64) -> u128 {
        let magnitude = usize::try_from(value.unsigned_abs()).unwrap_or(usize::MAX);
        self.probability.get(magnitude).copied().unwrap_or(0)
    }

    /// A bound on the total variation distance from the ideal distribution: each of the
    /// table's values but 0 lost less than 2^-128 to flooring, and so did all values
    /// beyond the table together with the first of them.
    #[must_use]
    pub fn delta(&self) -> f64 {
        let values = u32::try_from(2 * self.reach + 3).unwrap_or(u32::MAX);
        2.0 * f64::from(values) * (-128.0_f64).exp2()
    }

    /// The exact accuracy, at even prior odds, of telling whether one person is in one
    /// cell: half of 1 + the total variation distance between the noise and the noise
    /// moved by one, which for a symmetric unimodal table is the middle's probability.
    #[must_use]
    pub fn presence_accuracy(&self) -> f64 {
        0.5 + 0.5 * fraction(self.probability(0))
    }
}

/// The noise of every variance of a release, each made once.
#[derive(Debug, Default)]
pub struct Noises(BTreeMap<u32, NoiseTable>);

impl Noises {
    /// That of one variance.
    pub fn of(&mut self, variance: u32) -> &NoiseTable {
        self.0.entry(variance).or_insert_with(|| NoiseTable::new(variance))
    }
}

/// A number of 2^-128 as a fraction.
#[must_use]
pub fn fraction(units: u128) -> f64 {
    units as f64 * (-128.0_f64).exp2()
}

fn cumulative(probability: &[u128]) -> Vec<u128> {
    let negative = probability.iter().skip(1).rev();
    let upward = negative.chain(&probability[..probability.len() - 1]);
    let mut sum = 0_u128;
    upward
        .map(|p| {
            sum += p;
            sum
        })
        .collect()
}

/// exp(-1 / n) in fixed point: the alternating Taylor series, until its terms vanish.
fn exp_of_minus_one_over(n: u64) -> BigUint {
    let one = BigUint::from(1_u8) << FRACTION_BITS;
    let zero = BigUint::ZERO;
    let (mut plus, mut minus) = (zero.clone(), zero.clone());
    let mut term = one;
    let mut i = 0_u64;
    while term.cmp(&zero) == Ordering::Greater {
        if i.is_multiple_of(2) {
            plus += &term;
        } else {
            minus += &term;
        }
        i += 1;
        term = term / n / i;
    }
    plus - minus
}

#[cfg(test)]
mod tests {
    use super::*;
    use chacha20::ChaCha20Rng;
    use rand::SeedableRng;

    const VARIANCES: [u32; 8] = [1, 9, 20, 40, 50, 90, 160, 240];

    #[test]
    fn probabilities_sum_to_exactly_two_to_the_128_and_are_symmetric() {
        for variance in VARIANCES {
            let table = NoiseTable::new(variance);
            let sum: BigUint =
                (-table.reach()..=table.reach()).map(|k| BigUint::from(table.probability(k))).sum();
            assert_eq!(sum, BigUint::from(1_u8) << 128_u8, "{variance}");
            for k in 0..=table.reach() + 2 {
                assert_eq!(table.probability(k), table.probability(-k));
            }
            assert!(table.probability(table.reach()) >= 1);
            assert_eq!(table.probability(table.reach() + 1), 0);
            assert!(table.delta() < 1e-34, "{variance}");
        }
    }

    /// Made with Python's decimal module at 120 digits: floor(2^128 p(k)).
    #[test]
    fn probabilities_agree_with_an_independent_computation_far_into_the_tails() {
        let expected: [(u32, i64, u128); 12] = [
            (9, 1, 0x2034_0ff9_aab1_d052_5893_0086_6346_0e83),
            (9, 10, 0x0021_b10c_9de6_1fd4_ea3a_3b6a_1b66_2379),
            (9, 38, 0x28d),
            (9, 39, 0x9),
            (9, 40, 0),
            (40, 1, 0x0ff2_8c56_25e1_77ec_5489_61b9_046b_2bda),
            (40, 10, 0x04a0_61dc_9dd1_0900_45a1_7b0e_1138_8967),
            (40, 60, 0x0886_deee_cd00_251b),
            (40, 83, 0),
            (240, 60, 0xeef4_6c9c_9821_15b4_9bb8_068e_e89c),
            (240, 200, 0x5),
            (240, 205, 0),
        ];
        for (variance, k, units) in expected {
            assert_eq!(NoiseTable::new(variance).probability(k), units, "{variance} {k}");
        }
        // The middle has the ideal value and what flooring left over.
        let middle = NoiseTable::new(9).probability(0) - 0x220b_06ef_c59d_c0bc_150e_fb15_64e4_bd95;
        assert!((1..=79).contains(&middle), "{middle}");
    }

    #[test]
    fn the_tables_own_variance_is_the_parameter() {
        for variance in VARIANCES {
            let table = NoiseTable::new(variance);
            let second: f64 = (1..=table.reach())
                .map(|k| {
                    let k2 = f64::from(u32::try_from(k * k).unwrap());
                    2.0 * k2 * fraction(table.probability(k))
                })
                .sum();
            let wanted = f64::from(variance);
            // At 1 the discrete variance differs from the parameter by 2e-7, above not at all.
            assert!((second / wanted - 1.0).abs() < 1e-6, "{variance}: {second}");
        }
    }

    #[test]
    fn every_uniform_value_lands_where_the_distribution_says() {
        for variance in [1, 9, 90] {
            let table = NoiseTable::new(variance);
            assert_eq!(table.at(0), -table.reach());
            assert_eq!(table.at(u128::MAX), table.reach());
            let mut start = 0_u128;
            for k in -table.reach()..=table.reach() {
                assert_eq!(table.at(start), k);
                let last = start + (table.probability(k) - 1);
                assert_eq!(table.at(last), k);
                start = last.wrapping_add(1);
            }
            assert_eq!(start, 0, "the last interval ends at 2^128");
        }
    }

    /// Chi-square of draws against the table of `claimed`, with its degrees of freedom.
    fn chi_square(drawn: u32, claimed: u32, seed: u64, draws: u32) -> (f64, f64) {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let (source, table) = (NoiseTable::new(drawn), NoiseTable::new(claimed));
        let edge = (1..).find(|k| fraction(table.probability(*k)) * f64::from(draws) < 20.0);
        let edge = edge.unwrap();
        let bins = usize::try_from(2 * edge + 1).unwrap();
        let (mut seen, mut expected) = (vec![0.0; bins], vec![0.0; bins]);
        let bin = |k: i64| usize::try_from(k.clamp(-edge, edge) + edge).unwrap();
        for _ in 0..draws {
            seen[bin(source.draw(&mut rng))] += 1.0;
        }
        for k in -table.reach()..=table.reach() {
            expected[bin(k)] += fraction(table.probability(k)) * f64::from(draws);
        }
        let statistic = seen.iter().zip(&expected).map(|(s, e)| (s - e) * (s - e) / e).sum();
        (statistic, f64::from(u32::try_from(bins - 1).unwrap()))
    }

    #[test]
    fn draws_follow_the_table_over_many_seeds_and_half_the_variance_is_caught() {
        let (mut statistic, mut freedom) = (0.0, 0.0);
        for seed in 0..40 {
            let (s, f) = chi_square(40, 40, seed, 20_000);
            statistic += s;
            freedom += f;
            let (wrong, f) = chi_square(20, 40, seed, 20_000);
            assert!(wrong > f + 20.0 * (2.0 * f).sqrt(), "seed {seed}: not caught");
        }
        let deviation = (statistic - freedom) / (2.0_f64 * freedom).sqrt();
        assert!(deviation.abs() < 4.0, "{deviation} standard deviations");
    }

    #[test]
    fn the_exact_accuracy_of_one_cell_is_a_little_above_the_continuous_formula() {
        let exact = NoiseTable::new(9).presence_accuracy();
        assert!((exact - 0.56649).abs() < 5e-6, "{exact}");
        let continuous = crate::disclosure::accounting::attacker_accuracy(1.0 / 9.0);
        assert!((continuous - 0.56618).abs() < 5e-6, "{continuous}");
    }
}
