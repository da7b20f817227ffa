//! How far out a value lies: upper tails of the distributions that the baselines use, and the score that is made of them.

use std::f64::consts::PI;

/// The score of a tail probability: 0 for what is as usual as can be, 0.5 for one in 16, 0.8 for one in 625, 0.9 for one in
/// 10,000. The fourth root spreads what is worth looking at over the upper half, so that a threshold can tell it apart.
pub(super) fn score(probability: f64) -> f64 {
    1.0 - probability.clamp(0.0, 1.0).powf(0.25)
}

/// The probability that has this score.
pub(super) fn probability(score: f64) -> f64 {
    (1.0 - score.clamp(0.0, 1.0)).powi(4)
}

/// What is this improbable, a score of 0.8, is held for an event and not for a habit, whatever is asked for: baselines learn
/// nothing from it, or little.
pub(super) const OUTLIER: f64 = 1.6e-3;

/// P(T >= t) of Student's t, by Wallace's transformation to the normal distribution (Biometrika 46, 1959): within 2 % of the
/// probability for 4 degrees of freedom and more.
pub(super) fn student(t: f64, freedom: f64) -> f64 {
    let log = freedom * (t * t / freedom).ln_1p();
    let z = (8.0 * freedom + 1.0) / (8.0 * freedom + 3.0) * log.sqrt();
    normal(z.copysign(t))
}

/// P(Z >= z) of the standard normal distribution: Abramowitz and Stegun's 26.2.17 near the middle, where it is within
/// 1e-7, and the continued fraction 26.2.14 beyond, where the relative error counts.
fn normal(z: f64) -> f64 {
    if z < 0.0 {
        return 1.0 - normal(-z);
    }
    let density = (-z * z / 2.0).exp() / (2.0 * PI).sqrt();
    if z > 3.0 {
        return density / (z + 1.0 / (z + 2.0 / (z + 3.0 / (z + 4.0 / (z + 5.0 / (z + 6.0 / z))))));
    }
    let k = 1.0 / 0.231_641_9_f64.mul_add(z, 1.0);
    let coefficients = [
        1.330_274_429,
        -1.821_255_978,
        1.781_477_937,
        -0.356_563_782,
        0.319_381_530,
    ];
    let sum = coefficients
        .into_iter()
        .fold(0.0, |sum, coefficient| k * (sum + coefficient));
    density * sum
}

/// P(X >= count) of a negative binomial distribution with this mean and variance; of a Poisson distribution where the
/// variance is not above the mean.
pub(super) fn negative_binomial(count: u32, mean: f64, variance: f64) -> f64 {
    let excess = (variance - mean).max(mean * 1e-6);
    let size = mean * mean / excess;
    let failure = mean / (mean + size);
    let first = size * (-failure).ln_1p();
    upper_sum(count, None, first, |k| (k + size) / (k + 1.0) * failure)
}

/// P(X >= failed) of a beta-binomial distribution over this many trials, with the mean of its beta distribution and the sum
/// of its two parameters.
pub(super) fn beta_binomial(failed: u32, trials: u32, mean: f64, concentration: f64) -> f64 {
    let (alpha, beta) = (mean * concentration, (1.0 - mean) * concentration);
    let n = f64::from(trials);
    let first =
        ln_gamma(n + beta) - ln_gamma(beta) + ln_gamma(concentration) - ln_gamma(n + concentration);
    upper_sum(failed, Some(trials), first, |k| {
        (n - k) / (k + 1.0) * (k + alpha) / (n - k - 1.0 + beta)
    })
}

/// Sums the probabilities from `from` on. `ln_first` is the logarithm of the one of 0, `ratio` that of k + 1 to that of k.
fn upper_sum(from: u32, last: Option<u32>, ln_first: f64, ratio: impl Fn(f64) -> f64) -> f64 {
    if from == 0 {
        return 1.0;
    }
    let mut ln_term = ln_first;
    for k in 0..from {
        ln_term += ratio(f64::from(k)).ln();
    }
    let mut term = ln_term.exp();
    let mut sum = 0.0;
    let mut k = from;
    while last.is_none_or(|last| k <= last) {
        sum += term;
        term *= ratio(f64::from(k));
        // Beyond the mode the terms fall, and what is left no longer counts.
        if term < sum * 1e-9 || k - from > TERMS_MAX {
            break;
        }
        k += 1;
    }
    sum.min(1.0)
}

/// The most terms that are summed: trials are cut to a thousand before, and counts of a burst fall faster.
const TERMS_MAX: u32 = 10_000;

/// The logarithm of the gamma function of a positive number: Stirling's series from 8 on, the recurrence below.
fn ln_gamma(mut x: f64) -> f64 {
    let mut product = 1.0;
    while x < 8.0 {
        product *= x;
        x += 1.0;
    }
    let square = 1.0 / (x * x);
    let series =
        (1.0 / 12.0 - square * (1.0 / 360.0 - square * (1.0 / 1260.0 - square / 1680.0))) / x;
    (x - 0.5).mul_add(x.ln(), (2.0 * PI).ln() / 2.0) - x + series - f64::ln(product)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares with a value of R 4.3, to three digits.
    fn close(found: f64, expected: f64) {
        assert!(
            (found / expected - 1.0).abs() < 0.02,
            "{found} is not {expected}"
        );
    }

    #[test]
    fn tails_are_those_of_the_textbook() {
        close(normal(0.0), 0.5);
        close(normal(1.644_854), 0.05);
        close(normal(-1.644_854), 0.95);
        close(normal(6.0), 9.865_9e-10);
        // t(10): the 99.9 % point.
        close(student(4.143_700, 10.0), 0.001);
        // Poisson(2): P(X >= 7) = 0.0045338.
        close(negative_binomial(7, 2.0, 0.0), 0.004_533_8);
        // Geometric with mean 1: P(X >= 10) = 2^-10.
        close(negative_binomial(10, 1.0, 2.0), 1.0 / 1024.0);
        // Uniform over 0..=10, which is a beta-binomial with both parameters 1.
        close(beta_binomial(9, 10, 0.5, 2.0), 2.0 / 11.0);
        close(beta_binomial(0, 10, 0.5, 2.0), 1.0);
        // Almost a binomial: 20 trials at 0.1, P(X >= 6) = 0.011253.
        close(beta_binomial(6, 20, 0.1, 1e6), 0.011_253);
    }

    #[test]
    fn scores_are_as_documented() {
        for (one_in, expected) in [(1.0, 0.0), (16.0, 0.5), (625.0, 0.8), (10_000.0, 0.9)] {
            assert!((score(1.0 / one_in) - expected).abs() < 1e-9);
        }
        assert!((score(OUTLIER) - 0.8).abs() < 1e-9);
    }
}
