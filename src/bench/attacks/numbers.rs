//! What so many right guesses prove: exact binomial bounds, and what they say of epsilon and mu.

use crate::disclosure::accounting::normal_quantile;
use std::f64::consts::PI;

/// How often guesses were right, by what was there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Trials in which the target's change was there, and how many of them were guessed right.
    pub(super) there: (u64, u64),
    /// Trials in which it was not, and how many of them were guessed right.
    pub(super) absent: (u64, u64),
}

impl Tally {
    pub(super) fn record(&mut self, truth: bool, guess: bool) {
        let (trials, right) = if truth { &mut self.there } else { &mut self.absent };
        *trials += 1;
        *right += u64::from(truth == guess);
    }

    pub(super) fn add(&mut self, other: Self) {
        self.there = (self.there.0 + other.there.0, self.there.1 + other.there.1);
        self.absent = (self.absent.0 + other.absent.0, self.absent.1 + other.absent.1);
    }

    pub(super) const fn trials(&self) -> u64 {
        self.there.0 + self.absent.0
    }

    pub(super) const fn right(&self) -> u64 {
        self.there.1 + self.absent.1
    }

    pub(super) fn accuracy(&self) -> f64 {
        self.right() as f64 / self.trials().max(1) as f64
    }

    /// The Clopper-Pearson interval of the accuracy that misses with at most `alpha`.
    pub(super) fn interval(&self, alpha: f64) -> (f64, f64) {
        let (right, trials) = (self.right(), self.trials());
        (at_least(right, trials, alpha / 2.0), at_most(right, trials, alpha / 2.0))
    }

    /// The least rates of the two errors that are not refuted: of missing the change, and of
    /// seeing one that is not there.
    fn most_errors(&self, alpha: f64) -> [f64; 2] {
        [self.there, self.absent]
            .map(|(trials, right)| at_most(trials - right, trials, alpha / 2.0))
    }

    /// The least epsilon at `delta` with which such guesses agree.
    pub(super) fn epsilon_at_least(&self, delta: f64, alpha: f64) -> f64 {
        let [missed, seen] = self.most_errors(alpha);
        let bound = |one: f64, other: f64| ((1.0 - delta - one) / other).ln();
        bound(missed, seen).max(bound(seen, missed)).max(0.0)
    }

    /// The least mu of Gaussian differential privacy with which such guesses agree.
    pub(super) fn mu_at_least(&self, alpha: f64) -> f64 {
        let [missed, seen] = self.most_errors(alpha);
        (normal_quantile(1.0 - seen) - normal_quantile(missed)).max(0.0)
    }
}

/// The greatest probability that `hits` or fewer of `trials` refute with less than `alpha`.
pub(in crate::bench) fn at_most(hits: u64, trials: u64, alpha: f64) -> f64 {
    if hits >= trials {
        return 1.0;
    }
    let (a, b) = (hits as f64 + 1.0, (trials - hits) as f64);
    root(|p| beta(a, b, p) >= 1.0 - alpha)
}

/// The least probability that `hits` or more of `trials` refute with less than `alpha`.
pub(in crate::bench) fn at_least(hits: u64, trials: u64, alpha: f64) -> f64 {
    if hits == 0 {
        return 0.0;
    }
    let (a, b) = (hits as f64, (trials - hits) as f64 + 1.0);
    root(|p| beta(a, b, p) >= alpha)
}

/// The least x of 0..1 from which on `reached` holds.
fn root(reached: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if reached(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    f64::midpoint(low, high)
}

/// The regularised incomplete beta function (Numerical Recipes, 6.4: the continued fraction
/// by Lentz's method).
fn beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return if x <= 0.0 { 0.0 } else { 1.0 };
    }
    let front =
        (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (1.0 - x).ln()).exp();
    if x < (a + 1.0) / (a + b + 2.0) {
        front * fraction(a, b, x) / a
    } else {
        1.0 - front * fraction(b, a, 1.0 - x) / b
    }
}

fn fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let away = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / away(1.0 - (a + b) * x / (a + 1.0));
    let mut value = d;
    for step in 1..2_000_u32 {
        let m = f64::from(step);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / away(1.0 + even * d);
        c = away(1.0 + even / c);
        value *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / away(1.0 + odd * d);
        c = away(1.0 + odd / c);
        let change = d * c;
        value *= change;
        if (change - 1.0).abs() < 1e-14 {
            break;
        }
    }
    value
}

/// Stirling's series after lifting the argument above 10.
fn ln_gamma(mut x: f64) -> f64 {
    let mut lifted = 0.0;
    while x < 10.0 {
        lifted += x.ln();
        x += 1.0;
    }
    let square = x * x;
    let series = (1.0 / 12.0 - (1.0 / 360.0 - 1.0 / (1_260.0 * square)) / square) / x;
    (x - 0.5) * x.ln() - x + 0.5 * (2.0 * PI).ln() + series - lifted
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From SciPy's `beta.ppf`.
    #[test]
    fn exact_intervals_agree_with_published_ones() {
        for (hits, trials, alpha, low, high) in [
            (0_u64, 10_u64, 0.05, 0.0, 0.308_497_1),
            (10, 10, 0.05, 0.691_502_9, 1.0),
            (5, 10, 0.05, 0.187_086_0, 0.812_914_0),
            (56_649, 100_000, 0.05, 0.563_411_7, 0.569_564_3),
        ] {
            let (l, h) = (at_least(hits, trials, alpha / 2.0), at_most(hits, trials, alpha / 2.0));
            assert!((l - low).abs() < 2e-6 && (h - high).abs() < 2e-6, "{hits}/{trials}: {l} {h}");
        }
    }

    #[test]
    fn lower_bounds_lie_below_what_made_the_guesses() {
        // Randomised response that is right with probability e/(1+e) is 1-DP.
        let right = 1.0_f64.exp() / (1.0 + 1.0_f64.exp());
        let hits = 73_106_u64;
        assert!((hits as f64 / 100_000.0 - right).abs() < 1e-4);
        let tally = Tally { there: (100_000, hits), absent: (100_000, hits) };
        let epsilon = tally.epsilon_at_least(1e-6, 0.01);
        assert!(epsilon > 0.95 && epsilon < 1.0, "{epsilon}");
        let chance = Tally { there: (1_000, 500), absent: (1_000, 500) };
        assert!(chance.epsilon_at_least(1e-6, 0.01) <= 0.0 && chance.mu_at_least(0.01) <= 0.0);
    }
}
