//! From zero-concentrated differential privacy to figures that people can weigh.
//!
//! Why it exists: a budget in rho says little by itself. Here it becomes an (epsilon,
//! delta) pair by the tight conversion, and the share of the time that an attacker who
//! knows everyone else guesses one person right at even prior odds.

/// The least epsilon of a rho-zCDP mechanism at `delta`: Canonne, Kamath and Steinke 2020,
/// proposition 12, minimised over alpha (what opendp computes).
///
/// `rho` is above 0 and `delta` between 0 and 1.
#[must_use]
pub fn epsilon(rho: f64, delta: f64) -> f64 {
    // In t = ln(alpha - 1) the bound falls and then rises: golden-section search.
    let bound = |t: f64| {
        let less_one = t.exp();
        let alpha = 1.0 + less_one;
        alpha * rho + (less_one / alpha).ln() - (alpha.ln() + delta.ln()) / less_one
    };
    let ratio = (5.0_f64.sqrt() - 1.0) / 2.0;
    let (mut low, mut high) = (-12.0, 24.0);
    for _ in 0..160 {
        let (a, b) = (high - ratio * (high - low), low + ratio * (high - low));
        if bound(a) < bound(b) {
            high = b;
        } else {
            low = a;
        }
    }
    bound(f64::midpoint(low, high)).max(0.0)
}

/// How often an attacker who knows everyone else tells right, at even prior odds, between
/// two data sets whose exact counts lie `shift` apart, where `shift` is the sum over cells
/// of squared difference / variance: Phi(sqrt(shift) / 2), the Gaussian formula.
///
/// The exact discrete figure is a little higher at small variances (0.56649 against
/// 0.56618 for one cell at variance 9); at the shipped ones they agree to four places.
#[must_use]
pub fn attacker_accuracy(shift: f64) -> f64 {
    normal_distribution(0.5 * shift.sqrt())
}

/// The same for a change of cell under a budget: each table's cap persons' worth leaves one
/// cell and enters another, so the shift is 2 cap / variance, or twice rho.
#[must_use]
pub fn change_accuracy(rho: f64) -> f64 {
    attacker_accuracy(2.0 * rho)
}

/// The standard normal distribution function, to about 1e-15 for |x| below 8.
#[must_use]
pub fn normal_distribution(x: f64) -> f64 {
    if x.abs() > 8.0 {
        return if x > 0.0 { 1.0 } else { 0.0 };
    }
    // 1/2 + density times x + x^3/3 + x^5/15 + ... (Abramowitz and Stegun 26.2.11).
    let (mut term, mut sum, mut odd) = (x, x, 1.0);
    while term.abs() > 1e-18 * sum.abs() {
        odd += 2.0;
        term *= x * x / odd;
        sum += term;
    }
    0.5 + sum * (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt()
}

/// The x below which a standard normal value lies with probability `p`, between -8 and 8.
#[must_use]
pub fn normal_quantile(p: f64) -> f64 {
    let (mut low, mut high) = (-8.0, 8.0);
    for _ in 0..64 {
        let middle = f64::midpoint(low, high);
        if normal_distribution(middle) < p { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From opendp 0.16 (`make_zCDP_to_approxDP`).
    #[test]
    fn the_conversion_agrees_with_opendp() {
        let expected = [
            (0.01, 1e-6, 0.621_692_654_559_602_7),
            (0.01, 1e-9, 0.810_174_467_867_534_3),
            (0.126_527_778, 1e-6, 2.435_204_813_504_252_6),
            (0.126_527_778, 1e-9, 3.078_007_196_259_765_3),
            (0.31, 1e-6, 3.992_357_844_716_903),
            (1.340_555_556, 1e-6, 9.216_736_152_087_675),
            (1.340_555_556, 1e-9, 11.241_611_253_444_423),
            (6.2, 1e-6, 23.575_247_095_402_435),
        ];
        for (rho, delta, wanted) in expected {
            let got = epsilon(rho, delta);
            assert!((got / wanted - 1.0).abs() < 1e-6, "{rho} {delta}: {got} for {wanted}");
        }
    }

    #[test]
    fn the_normal_distribution_agrees_with_published_values() {
        for (x, wanted) in [
            (0.0, 0.5),
            (1.0, 0.841_344_746_068_542_9),
            (-1.959_963_984_540_054, 0.025),
            (3.0, 0.998_650_101_968_369_9),
        ] {
            assert!((normal_distribution(x) - wanted).abs() < 1e-13, "{x}");
        }
        assert!(normal_distribution(9.0) >= 1.0 && normal_distribution(-9.0) <= 0.0);
    }

    #[test]
    fn quantiles_undo_the_distribution() {
        for (p, x) in [(0.5, 0.0), (0.975, 1.959_963_985), (0.001, -3.090_232_306)] {
            assert!((normal_quantile(p) - x).abs() < 1e-7, "{p}");
        }
    }

    #[test]
    fn accuracies_agree_with_the_designs_table() {
        // One cell at variance 9 and five at 25: rho 0.31, and 6.2 over 20 quarters.
        let rho = 1.0 / 9.0 + 5.0 / 25.0;
        assert!((change_accuracy(rho) - 0.65).abs() < 0.005);
        assert!((change_accuracy(20.0 * rho) - 0.96).abs() < 0.005);
        // A move between two cells at variance 9.
        assert!((change_accuracy(1.0 / 9.0) - 0.59).abs() < 0.005);
    }
}
