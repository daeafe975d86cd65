//! From noisy sums to what is shown: rounding, withholding, intervals.
//!
//! Why it exists: everything here is post-processing of a release. It reads only noisy
//! values and their variances, which the catalogue fixes, so it reveals nothing new; it uses
//! only the basic operations and square roots, so the same input gives the same bytes on
//! every machine.
//!
//! - A count is shown to the nearest 5, and withheld when its noisy value lies below
//!   max(10, 2 standard deviations), whether it is zero or not.
//! - Of a count both value and truth are whole numbers, so an interval of k on either side misses
//!   only from k + 1 on: its half-width is half a person less than 1.96 deviations. Without that it would
//!   cover in up to 96.1 of 100 cases at the shipped variances.
//! - A percentage and its 95% interval come from the unrounded noisy values. The interval
//!   is Fieller's: the set of p for which the noisy numerator less p times the noisy
//!   denominator is within 1.96 of its own standard deviations of 0. That statement is about a
//!   sum of noises of known variance, so it covers at 95% however small the denominator;
//!   the delta method, which treats the denominator as nearly certain, does not. The set is a
//!   bounded interval exactly when the denominator exceeds 1.96 of its standard deviations, and
//!   a percentage is withheld when it does not exceed max(10, 2 of them).
//! - A percentage whose margin is half the scale or more is not shown either, but
//!   said to be too uncertain.
//! - Displayed figures are rounded each by itself and need not sum.

/// The 0.975 quantile of the normal distribution.
pub const Z95: f64 = 1.959_963_984_540_054;

/// Counts are shown to the nearest multiple of this.
pub const ROUND_TO: f64 = 5.0;

/// No count below this is shown, however little noise it has.
pub const LEAST_SHOWN: f64 = 10.0;

/// The length of the scale of percentages, and of that of the points between two.
pub(super) const PERCENT_SCALE: f64 = 100.0;
pub(super) const POINTS_SCALE: f64 = 200.0;

/// The mean square of rounding whole numbers to the nearest 5: (4 + 1 + 0 + 1 + 4) / 5.
const ROUNDING_VARIANCE: f64 = 2.0;

/// A noisy sum of cells.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NoisySum {
    /// The unrounded noisy value.
    pub value: f64,
    /// Its noise's variance.
    pub variance: f64,
}

/// A value between its bounds, in the unit that was asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The value shown.
    pub value: f64,
    /// The 95% interval's lower end.
    pub lower: f64,
    /// Its upper end.
    pub upper: f64,
    /// What to print after ±. Of a count it covers the rounding, too; of a percentage it is at least
    /// the distance from the value to either end.
    pub margin: f64,
}

/// The least noisy value that is shown, a whole number: max(10, 2 standard deviations).
#[must_use]
pub fn least_shown(variance: f64) -> f64 {
    LEAST_SHOWN.max(2.0 * variance.sqrt()).ceil()
}

/// Whether a margin says nothing: on both sides of the value it is as long as the whole scale, so that
/// no value is left out that there could be.
///
/// It goes by the margin that would be printed, a function of released values alone: whoever has
/// the release can tell, and who has not learns no more of the exact counts than from the value.
#[must_use]
pub(super) const fn says_nothing(margin: f64, scale: f64) -> bool {
    margin.is_nan() || 2.0 * margin >= scale
}

/// A count.
#[must_use]
pub fn count(sum: NoisySum) -> Estimate {
    let half = whole_half(sum.variance);
    Estimate {
        value: ((sum.value / ROUND_TO).round() * ROUND_TO).max(0.0),
        lower: (sum.value - half).round().max(0.0),
        upper: (sum.value + half).round().max(0.0),
        margin: whole_half(sum.variance + ROUNDING_VARIANCE).round(),
    }
}

/// How far on either side a whole number has to be looked for, to find it in 95 of 100 cases.
fn whole_half(variance: f64) -> f64 {
    (Z95 * variance.sqrt() - 0.5).max(0.0)
}

/// A share in percent: `part` out of `whole`, whose noises covary by `covariance`.
#[must_use]
pub fn share(part: NoisySum, whole: NoisySum, covariance: f64) -> Estimate {
    let (low, high) = fieller(part, whole, covariance);
    percentage(part.value / whole.value, low, high)
}

/// The smaller of two sums in percent of the larger.
///
/// The interval is the image of that of smaller / larger under r -> min(r, 1 / r): where
/// the noise leaves open which is the larger, it reaches 100.
#[must_use]
pub fn balance(one: NoisySum, other: NoisySum, covariance: f64) -> Estimate {
    let (smaller, larger) = if one.value <= other.value { (one, other) } else { (other, one) };
    let (low, high) = fieller(smaller, larger, covariance);
    let ratio = smaller.value / larger.value;
    if high > 1.0 {
        percentage(ratio, low.min(1.0 / high), 1.0)
    } else {
        percentage(ratio, low, high)
    }
}

/// One share less another whose noise is independent, in percentage points. The interval puts
/// the two shares' own together (the method of variance estimates recovery): its lower end lies
/// below the difference by the root of the squares of the one's lower and the other's upper
/// side.
#[must_use]
pub fn gap(one: &Estimate, other: &Estimate) -> Estimate {
    let apart = |a: f64, b: f64| (a * a + b * b).sqrt();
    let value = one.value - other.value;
    let below = apart(one.value - one.lower, other.upper - other.value);
    let above = apart(one.upper - one.value, other.value - other.lower);
    let margin = apart(one.margin, other.margin).max(below).max(above);
    Estimate {
        value: tenths(value),
        lower: hundredths((value - below).clamp(-100.0, 100.0)),
        upper: hundredths((value + above).clamp(-100.0, 100.0)),
        margin: (10.0 * margin).ceil() / 10.0,
    }
}

/// A count and its interval, neither rounded nor kept above 0: for differences alone.
pub(super) fn unrounded_count(sum: NoisySum) -> (f64, f64, f64) {
    let half = Z95 * sum.variance.sqrt();
    (sum.value, sum.value - half, sum.value + half)
}

/// A share as a fraction, with Fieller's interval, neither rounded nor kept within 0 and 1.
pub(super) fn unrounded_share(part: NoisySum, whole: NoisySum, covariance: f64) -> (f64, f64, f64) {
    let (low, high) = fieller(part, whole, covariance);
    (part.value / whole.value, low, high)
}

/// A balance as a fraction, with the interval that [`balance`] shows.
pub(super) fn unrounded_balance(
    one: NoisySum,
    other: NoisySum,
    covariance: f64,
) -> (f64, f64, f64) {
    let (smaller, larger) = if one.value <= other.value { (one, other) } else { (other, one) };
    let (low, high) = fieller(smaller, larger, covariance);
    let ratio = smaller.value / larger.value;
    if high > 1.0 { (ratio, low.min(1.0 / high), 1.0) } else { (ratio, low, high) }
}

/// One share less another, with the interval that [`gap`] puts together.
pub(super) fn unrounded_gap(
    (one, one_low, one_high): (f64, f64, f64),
    (other, other_low, other_high): (f64, f64, f64),
) -> (f64, f64, f64) {
    let value = one - other;
    let below = (one - one_low).hypot(other_high - other);
    let above = (one_high - one).hypot(other - other_low);
    (value, value - below, value + above)
}

/// Fieller's interval for part / whole, as fractions, not yet kept within 0 and 1.
fn fieller(part: NoisySum, whole: NoisySum, covariance: f64) -> (f64, f64) {
    let z2 = Z95 * Z95;
    let a = whole.value * whole.value - z2 * whole.variance;
    let b = part.value * whole.value - z2 * covariance;
    let c = part.value * part.value - z2 * part.variance;
    let root = (b * b - a * c).max(0.0).sqrt();
    ((b - root) / a, (b + root) / a)
}

/// A fraction and its interval in percent, kept within 0 and 100. The margin is the longer
/// side of the interval before that; a value that had to be moved to 0 or 100 keeps
/// an interval of its margin, where the noise put the whole interval outside.
fn percentage(fraction: f64, low: f64, high: f64) -> Estimate {
    let margin = (fraction - low).max(high - fraction);
    let value = fraction.clamp(0.0, 1.0);
    let lower = if low > 1.0 { 1.0 - margin } else { low };
    let upper = if high < 0.0 { margin } else { high };
    Estimate {
        value: tenths(100.0 * value),
        lower: hundredths(100.0 * lower.clamp(0.0, 1.0)),
        upper: hundredths(100.0 * upper.clamp(0.0, 1.0)),
        margin: (1_000.0 * margin).ceil() / 10.0,
    }
}

fn tenths(percent: f64) -> f64 {
    (percent * 10.0).round() / 10.0
}

fn hundredths(percent: f64) -> f64 {
    (percent * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disclosure::noise::NoiseTable;
    use chacha20::ChaCha20Rng;
    use rand::SeedableRng;

    const fn sum(value: f64, variance: f64) -> NoisySum {
        NoisySum { value, variance }
    }

    #[test]
    fn counts_are_rounded_to_five_and_keep_an_unrounded_interval() {
        let shown = count(sum(72.0, 40.0));
        assert_eq!(shown, Estimate { value: 70.0, lower: 60.0, upper: 84.0, margin: 12.0 });
        assert_eq!(count(sum(-7.0, 40.0)).value, 0.0);
        assert_eq!(count(sum(-70.0, 40.0)).upper, 0.0);
    }

    #[test]
    fn a_margin_that_reaches_over_the_whole_scale_says_nothing() {
        for (margin, scale, nothing) in [
            (49.9, PERCENT_SCALE, false),
            (50.0, PERCENT_SCALE, true),
            (313.0, PERCENT_SCALE, true),
            (99.9, POINTS_SCALE, false),
            (100.0, POINTS_SCALE, true),
            (f64::NAN, PERCENT_SCALE, true),
            (f64::INFINITY, PERCENT_SCALE, true),
        ] {
            assert_eq!(says_nothing(margin, scale), nothing, "{margin}");
        }
    }

    #[test]
    fn the_least_shown_follows_the_noise() {
        assert_eq!(least_shown(9.0), 10.0);
        assert_eq!(least_shown(25.0), 10.0);
        assert_eq!(least_shown(40.0), 13.0);
        assert_eq!(least_shown(680.0), 53.0);
    }

    #[test]
    fn a_share_of_a_large_denominator_has_the_delta_methods_margin() {
        // 700 of 1,000 in six and eight cells at variance 40.
        let shown = share(sum(700.0, 240.0), sum(1000.0, 320.0), 240.0);
        let delta: f64 = 100.0 * Z95 * (1.52 * 40.0_f64).sqrt() / 1000.0;
        assert_eq!(shown.value, 70.0);
        assert!((shown.upper - shown.lower - 2.0 * delta).abs() < 0.02, "{shown:?}");
        assert!(shown.margin >= delta && shown.margin < delta + 0.2);
    }

    #[test]
    fn a_balance_does_not_depend_on_the_order_and_reaches_even_where_that_is_open() {
        let (a, b) = (sum(100.0, 100.0), sum(104.0, 100.0));
        assert_eq!(balance(a, b, 50.0), balance(b, a, 50.0));
        assert_eq!(balance(a, b, 50.0).upper, 100.0);
        let apart = balance(sum(300.0, 100.0), sum(900.0, 100.0), 50.0);
        assert!(apart.upper < 40.0 && apart.lower > 28.0);
        assert_eq!(apart.value, 33.3);
    }

    #[test]
    fn a_gap_has_an_interval_of_its_own_whichever_way_it_is_read() {
        let (one, other) = (
            share(sum(600.0, 80.0), sum(1000.0, 160.0), 80.0),
            share(sum(50.0, 80.0), sum(200.0, 160.0), 80.0),
        );
        let (there, back) = (gap(&one, &other), gap(&other, &one));
        assert_eq!((there.value, back.value), (35.0, -35.0));
        assert!((there.lower + back.upper).abs() < 0.02 && (there.upper + back.lower).abs() < 0.02);
        // The smaller side's noise is nearly all of it.
        let wide = other.upper - other.lower;
        assert!(there.upper - there.lower > wide && there.upper - there.lower < 1.1 * wide);
        assert!(there.margin >= other.margin);
    }

    #[test]
    fn a_gaps_interval_covers_at_about_95_percent_also_of_small_groups() {
        let mut rng = ChaCha20Rng::seed_from_u64(11);
        let noise = NoiseTable::new(64);
        let exact = [90.0, 60.0, 400.0, 100.0];
        let truth = 100.0 * (90.0 / 150.0 - 400.0 / 500.0);
        let mut covered = 0;
        for _ in 0..4_000 {
            let [a, b, c, d] = exact.map(|count: f64| count + noise.draw(&mut rng) as f64);
            let of = |part: f64, whole: f64| share(sum(part, 64.0), sum(whole, 128.0), 64.0);
            let told = gap(&of(a, a + b), &of(c, c + d));
            covered += u32::from(told.lower <= truth && truth <= told.upper);
        }
        assert!((3_760..=3_860).contains(&covered), "{covered} of 4,000");
    }

    #[test]
    fn values_outside_stay_within_bounds_with_an_honest_interval() {
        let above = share(sum(140.0, 4.0), sum(100.0, 8.0), 4.0);
        assert_eq!((above.value, above.upper), (100.0, 100.0));
        assert!(above.lower < 100.0);
        let below = share(sum(-40.0, 4.0), sum(100.0, 8.0), 4.0);
        assert_eq!((below.value, below.lower), (0.0, 0.0));
        assert!(below.upper > 0.0);
    }
}
