//! The newest values of a measure, in order.

use std::collections::VecDeque;

/// The newest values, at most so many: old habits are forgotten, and a median costs nothing.
pub(super) struct Recent {
    newest_last: VecDeque<f64>,
    ordered: Vec<f64>,
    max: usize,
}

/// The quartiles of a normal distribution lie this many standard deviations apart.
const QUARTILES_APART: f64 = 1.349;

impl Recent {
    pub(super) const fn new(max: usize) -> Self {
        Self {
            newest_last: VecDeque::new(),
            ordered: Vec::new(),
            max,
        }
    }

    pub(super) fn push(&mut self, value: f64) {
        if self.newest_last.len() == self.max
            && let Some(oldest) = self.newest_last.pop_front()
        {
            self.ordered.remove(self.place(oldest));
        }
        self.newest_last.push_back(value);
        self.ordered.insert(self.place(value), value);
    }

    fn place(&self, value: f64) -> usize {
        self.ordered.partition_point(|other| *other < value)
    }

    pub(super) fn len(&self) -> usize {
        self.ordered.len()
    }

    /// How many are at least this.
    pub(super) fn at_least(&self, value: f64) -> usize {
        self.len() - self.place(value)
    }

    /// The value below which this part of them lies, between two of them where it falls so; 0 where there are none.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "places in a short list"
    )]
    pub(super) fn quantile(&self, part: f64) -> f64 {
        let Some(last) = self.len().checked_sub(1) else {
            return 0.0;
        };
        let exact = part * last as f64;
        let below = exact.floor() as usize;
        let above = (below + 1).min(last);
        (self.ordered[above] - self.ordered[below])
            .mul_add(exact - below as f64, self.ordered[below])
    }

    pub(super) fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// A standard deviation that a quarter of outliers on either side does not move.
    pub(super) fn spread(&self) -> f64 {
        (self.quantile(0.75) - self.quantile(0.25)) / QUARTILES_APART
    }
}
