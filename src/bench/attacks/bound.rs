//! How often anybody at all can tell two data sets apart, from the noise's exact distribution.
//!
//! Why it exists: the accounting's formula is for continuous noise and lies a little below what
//! the discrete noise allows (0.56618 against 0.56649 for one cell at variance 9). Nothing here
//! comes from [`crate::disclosure::noise`]: a table that is wrong there would otherwise be held
//! against itself.
//!
//! The likelihood ratio of all cells is what anybody can know; its distribution is that of a sum
//! over cells. Cells of one variance and shift are summed exactly, on the whole numbers; groups are
//! brought together on a grid of log-likelihood ratios. Each value is split between its two
//! neighbours on the grid so that it keeps its probability under both data sets: that can only
//! help the guesser, so the bound is never below the truth, and above it by less than 1e-5.

use std::collections::BTreeMap;

/// Steps of the grid in one unit of the log-likelihood ratio.
const STEPS: f64 = 128.0;

/// Between two data sets: how many cells of which variance differ by how much.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Contrast(BTreeMap<(u32, u32), u32>);

impl Contrast {
    /// Adds cells of a variance that differ by `shift` persons.
    pub(super) fn add(&mut self, variance: u32, shift: u32, cells: u32) {
        if shift > 0 && cells > 0 {
            *self.0.entry((variance.max(1), shift)).or_default() += cells;
        }
    }

    /// The sum of squared shift / variance: mu squared of Gaussian differential privacy.
    pub(super) fn mu_squared(&self) -> f64 {
        let of = |((variance, shift), cells): (&(u32, u32), &u32)| {
            f64::from(*cells) * f64::from(*shift).powi(2) / f64::from(*variance)
        };
        self.0.iter().map(of).sum()
    }

    /// The most often that anybody guesses right at even prior odds.
    pub(super) fn accuracy(&self) -> f64 {
        let mu2 = self.mu_squared();
        let mut grid = Grid::certain(0.5 * mu2 + 9.0 * mu2.sqrt() + 2.0);
        for ((variance, shift), cells) in &self.0 {
            let sum = sum_of(&noise(*variance), *cells);
            grid = grid.with(&ratios(&sum, (*variance, *shift, *cells)));
        }
        grid.accuracy()
    }
}

/// A distribution on whole numbers from `-(len - 1) / 2` on.
type Whole = Vec<f64>;

/// Probabilities that do not matter to any digit shown.
const NEGLIGIBLE: f64 = 1e-22;

/// The discrete Gaussian of a variance parameter.
fn noise(variance: u32) -> Whole {
    let twice = 2.0 * f64::from(variance);
    let reach = (10.5 * f64::from(variance).sqrt()).ceil() + 1.0;
    let mut weights = Vec::new();
    let mut k = -reach;
    while k <= reach {
        weights.push((-k * k / twice).exp());
        k += 1.0;
    }
    let total: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / total).collect()
}

/// The distribution of a sum of so many independent values.
fn sum_of(one: &Whole, count: u32) -> Whole {
    let (mut sum, mut power, mut left) = (vec![1.0], one.clone(), count);
    while left > 0 {
        if left % 2 == 1 {
            sum = trimmed(convolved(&sum, &power));
        }
        left /= 2;
        if left > 0 {
            power = trimmed(convolved(&power, &power));
        }
    }
    sum
}

fn convolved(one: &[f64], other: &[f64]) -> Vec<f64> {
    let mut sum = vec![0.0; one.len() + other.len() - 1];
    for (at, p) in one.iter().enumerate() {
        for (slot, q) in sum[at..].iter_mut().zip(other) {
            *slot += p * q;
        }
    }
    sum
}

/// Without the tails that are negligible, as many on either side.
fn trimmed(mut values: Vec<f64>) -> Vec<f64> {
    let cut = values.iter().position(|p| *p > NEGLIGIBLE).unwrap_or(0);
    values.truncate(values.len() - cut);
    values.split_off(cut)
}

/// Log-likelihood ratios of a sum of `cells` cells that each differ by `shift`, with their
/// probabilities where nothing differs.
fn ratios(sum: &Whole, (variance, shift, cells): (u32, u32, u32)) -> Vec<(f64, f64)> {
    let (shift, cells) = (f64::from(shift), f64::from(cells));
    let first = -((sum.len() - 1) as f64) / 2.0;
    let ratio = |t: f64| (2.0 * shift * t - cells * shift * shift) / (2.0 * f64::from(variance));
    sum.iter().enumerate().map(|(at, p)| (ratio(first + at as f64), *p)).collect()
}

/// Probabilities of log-likelihood ratios on a grid around 0, where nothing differs.
struct Grid {
    /// Of `-reach ..= reach` steps.
    mass: Vec<f64>,
    reach: usize,
}

impl Grid {
    /// Nothing is known: the ratio is 1 for certain.
    fn certain(range: f64) -> Self {
        let mut reach = 1;
        while (reach as f64) < range * STEPS {
            reach += 1;
        }
        let mut mass = vec![0.0; 2 * reach + 1];
        mass[reach] = 1.0;
        Self { mass, reach }
    }

    /// With another group's ratios.
    fn with(&self, ratios: &[(f64, f64)]) -> Self {
        let mut steps: BTreeMap<i64, f64> = BTreeMap::new();
        let step = (1.0 / STEPS).exp() - 1.0;
        for (ratio, p) in ratios {
            let below = (ratio * STEPS).floor();
            // So that the mean of exp(ratio), which is the other data set's probability, stays.
            let up = ((ratio - below / STEPS).exp() - 1.0) / step;
            let at = whole(below);
            *steps.entry(at).or_default() += p * (1.0 - up);
            *steps.entry(at + 1).or_default() += p * up;
        }
        let mut mass = vec![0.0; self.mass.len()];
        for (move_by, p) in steps {
            let by = usize::try_from(move_by.unsigned_abs()).unwrap_or(usize::MAX);
            let kept = self.mass.len().saturating_sub(by);
            let (from, to) = if move_by < 0 { (by, 0) } else { (0, by) };
            if kept == 0 {
                continue;
            }
            let moved = self.mass[from..from + kept].iter();
            for (slot, mass) in mass[to..to + kept].iter_mut().zip(moved) {
                *slot += mass * p;
            }
        }
        Self { mass, reach: self.reach }
    }

    /// Half of 1 + the total variation distance; what fell off the grid counts as told apart.
    fn accuracy(&self) -> f64 {
        let (mut distance, mut kept) = (0.0, 0.0);
        for (at, p) in self.mass.iter().enumerate() {
            let ratio = (at as f64 - self.reach as f64) / STEPS;
            kept += p;
            if ratio < 0.0 {
                distance += p * (1.0 - ratio.exp());
            }
        }
        0.5 + 0.5 * (distance + (1.0 - kept).max(0.0)).min(1.0)
    }
}

/// A grid step is far below 2^53.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a ratio of probabilities of doubles is below 2^11"
)]
fn whole(steps: f64) -> i64 {
    steps as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disclosure::{accounting::attacker_accuracy, noise::NoiseTable};

    fn of(groups: &[(u32, u32, u32)]) -> f64 {
        let mut contrast = Contrast::default();
        for (variance, shift, cells) in groups {
            contrast.add(*variance, *shift, *cells);
        }
        contrast.accuracy()
    }

    #[test]
    fn one_cell_has_the_designs_figure_and_the_noise_tables_own() {
        assert!((of(&[(9, 1, 1)]) - 0.56649).abs() < 1e-5, "{}", of(&[(9, 1, 1)]));
        for variance in [1, 9, 40, 240] {
            let exact = NoiseTable::new(variance).presence_accuracy();
            let bound = of(&[(variance, 1, 1)]);
            assert!(bound >= exact - 1e-12 && bound < exact + 1e-5, "{variance}: {bound} {exact}");
        }
    }

    #[test]
    fn two_cells_agree_with_a_sum_over_all_their_values() {
        // Half the sum of |p(x) p(y) - p(x - 1) p(y + 1)| at variance 4.
        let table = noise(4);
        let p = |k: i64| {
            let middle = i64::try_from(table.len() / 2).unwrap();
            usize::try_from(k + middle).ok().and_then(|at| table.get(at)).copied().unwrap_or(0.0)
        };
        let mut distance = 0.0;
        for x in -30..=30 {
            for y in -30..=30 {
                distance += 0.5 * (p(x) * p(y) - p(x - 1) * p(y + 1)).abs();
            }
        }
        let exact = 0.5 + 0.5 * distance;
        let bound = of(&[(4, 1, 2)]);
        assert!(bound >= exact - 1e-12 && bound < exact + 1e-5, "{bound} {exact}");
    }

    #[test]
    fn many_cells_come_close_to_the_continuous_formula_from_above() {
        let many = [(40, 1, 40), (160, 1, 40), (90, 1, 40), (240, 1, 40), (50, 1, 16)];
        let shift: f64 = many.iter().map(|(v, _, n)| f64::from(*n) / f64::from(*v)).sum();
        let (bound, formula) = (of(&many), attacker_accuracy(shift));
        assert!(bound > formula && bound < formula + 1e-4, "{bound} {formula}");
        assert!(of(&[]) <= 0.5);
    }
}
