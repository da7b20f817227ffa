//! The rhythm of a week: half hours on working days and on weekends.

/// The day is cut into half hours.
pub(super) const BINS: usize = 48;
pub(super) const BIN_SECONDS: i64 = DAY_SECONDS / 48;
pub(super) const DAY_SECONDS: i64 = 24 * 60 * 60;

/// How far a session speaks for the hours around it, in half hours: work begins an hour sooner or later.
const NEAR_BINS: f64 = 2.0;
/// Now and then it begins much later, so a part of that falls only by e in a part of the time in which nine of ten sessions
/// begin: who works at all hours does so further on than who keeps to a few.
const FAR_OF_MOST: f64 = 0.29;
const FAR_BINS_MIN: f64 = 1.2;
const FAR_PART: f64 = 0.25;
/// A time of the week.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    pub(super) bin: usize,
    /// Saturday and Sunday, UTC. In other zones their edges are a little off, and learned as they are.
    pub(super) weekend: bool,
}

impl Moment {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to 47"
    )]
    pub(super) const fn of(seconds: i64) -> Self {
        let bin = seconds.rem_euclid(DAY_SECONDS) / BIN_SECONDS;
        // 1970-01-01 was a Thursday.
        let from_monday = (seconds.div_euclid(DAY_SECONDS) + 3).rem_euclid(7);
        Self {
            bin: bin as usize,
            weekend: from_monday >= 5,
        }
    }
}

/// How much a session at bin 0 says of each bin.
pub(super) struct Kernel([f32; 2 * BINS]);

impl Kernel {
    /// Makes what a session says of the hours around it, where nine of ten begin within so many half hours.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "48 bins, and weights"
    )]
    pub(super) fn of(most: usize) -> Self {
        let far_bins = (FAR_OF_MOST * most as f64).max(FAR_BINS_MIN);
        let shares = |weight: &dyn Fn(f64) -> f64| {
            let weights = (0..BINS).map(|bin| weight(bin.min(BINS - bin) as f64));
            let weights: Vec<f64> = weights.collect();
            let sum: f64 = weights.iter().sum();
            weights.into_iter().map(move |weight| weight / sum)
        };
        let near = shares(&|apart| (-0.5 * (apart / NEAR_BINS).powi(2)).exp());
        let far = shares(&|apart| (-apart / far_bins).exp());
        let mixed = near.zip(far);
        let mixed: Vec<f32> = mixed
            .map(|(near, far)| (far - near).mul_add(FAR_PART, near) as f32)
            .collect();
        Self(std::array::from_fn(|bin| mixed[bin % BINS]))
    }

    /// Makes one that says nothing of them.
    pub(super) fn exact() -> Self {
        Self(std::array::from_fn(
            |bin| if bin % BINS == 0 { 1.0 } else { 0.0 },
        ))
    }

    fn around(&self, bin: usize) -> &[f32] {
        &self.0[BINS - bin..2 * BINS - bin]
    }
}

/// Starts by half hours, smoothed, and how many they are.
#[derive(Clone)]
pub(super) struct Hours {
    pub(super) smooth: [f32; BINS],
    pub(super) total: f32,
}

impl Default for Hours {
    fn default() -> Self {
        Self {
            smooth: [0.0; BINS],
            total: 0.0,
        }
    }
}

impl Hours {
    pub(super) fn add(&mut self, bin: usize, weight: f32, kernel: &Kernel) {
        for (bin, around) in self.smooth.iter_mut().zip(kernel.around(bin)) {
            *bin += weight * around;
        }
        self.total += weight;
    }

    pub(super) fn fade(&mut self, factor: f32) {
        for bin in &mut self.smooth {
            *bin *= factor;
        }
        self.total *= factor;
    }

    /// Smooths what was counted exactly.
    pub(super) fn smoothed(&self, kernel: &Kernel) -> Self {
        let mut smoothed = Self::default();
        let counted = self
            .smooth
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0.0);
        for (bin, count) in counted {
            smoothed.add(bin, *count, kernel);
        }
        smoothed
    }

    /// The share of each half hour, mixed with what is usual elsewhere, which weighs as much as `weight` sessions.
    #[expect(clippy::cast_possible_truncation, reason = "a weight")]
    pub(super) fn mixed(&self, elsewhere: &[f32; BINS], weight: f64) -> [f32; BINS] {
        let weight = weight as f32;
        let sum = self.total + weight;
        std::array::from_fn(|bin| elsewhere[bin].mul_add(weight, self.smooth[bin]) / sum)
    }
}
