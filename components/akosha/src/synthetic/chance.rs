//! Draws from distributions, all of one seed.

use std::f64::consts::TAU;

use fastrand::Rng;

pub(super) struct Chance(Rng);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(Rng::with_seed(seed))
    }

    pub(super) fn happens(&mut self, probability: f64) -> bool {
        self.0.f64() < probability
    }

    pub(super) fn below(&mut self, count: usize) -> usize {
        self.0.usize(..count)
    }

    pub(super) fn whole(&mut self, from: usize, to: usize) -> usize {
        self.0.usize(from..=to)
    }

    pub(super) fn uniform(&mut self, from: f64, to: f64) -> f64 {
        (to - from).mul_add(self.0.f64(), from)
    }

    /// Box and Muller's transformation.
    pub(super) fn normal(&mut self, mean: f64, deviation: f64) -> f64 {
        let radius = (-2.0 * (1.0 - self.0.f64()).ln()).sqrt();
        (radius * (TAU * self.0.f64()).cos()).mul_add(deviation, mean)
    }

    /// A factor around 1.
    pub(super) fn factor(&mut self, deviation: f64) -> f64 {
        self.normal(0.0, deviation).exp()
    }

    pub(super) fn exponential(&mut self, mean: f64) -> f64 {
        -(1.0 - self.0.f64()).ln() * mean
    }

    /// A Poisson count, by Knuth's product: means are small here.
    pub(super) fn count(&mut self, mean: f64) -> usize {
        let floor = (-mean).exp();
        let mut product = self.0.f64();
        let mut count = 0;
        while product > floor {
            product *= self.0.f64();
            count += 1;
        }
        count
    }

    pub(super) fn binomial(&mut self, trials: u64, probability: f64) -> u64 {
        (0..trials)
            .map(|_| u64::from(self.happens(probability)))
            .sum()
    }

    /// A beta-distributed share: two sums of exponential draws would need whole parameters, so Jöhnk's rejection, which is
    /// quick as long as one parameter is small.
    pub(super) fn share(&mut self, mean: f64, concentration: f64) -> f64 {
        let (a, b) = (
            self.gamma(mean * concentration),
            self.gamma((1.0 - mean) * concentration),
        );
        a / (a + b)
    }

    /// Marsaglia and Tsang's draw (2000), with their boost below 1.
    fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            let boost = self.uniform(f64::MIN_POSITIVE, 1.0).powf(1.0 / shape);
            return self.gamma(shape + 1.0) * boost;
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal(0.0, 1.0);
            let v = c.mul_add(x, 1.0).powi(3);
            if v > 0.0 && (1.0 - self.0.f64()).ln() < d.mul_add(1.0 - v + v.ln(), x * x / 2.0) {
                return d * v;
            }
        }
    }
}
