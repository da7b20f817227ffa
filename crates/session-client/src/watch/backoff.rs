//! How long to wait before a server is looked for again.

use std::time::Duration;

/// The longest first wait: a tenth of a second, since most servers that go are restarted.
const FIRST: Duration = Duration::from_millis(100);
/// The longest wait there is: who watches wants to see that it is back.
const MAX: Duration = Duration::from_secs(2);

/// Waits that grow, with half of each left to chance, so that many who watch do not all come back at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    ceiling: Duration,
}

impl Backoff {
    pub(super) const fn new() -> Self {
        Self { ceiling: FIRST }
    }

    /// Begins again: the server answered.
    pub(super) const fn reset(&mut self) {
        self.ceiling = FIRST;
    }

    /// Gives the next wait. `random` lies in 0..1.
    pub(super) fn next(&mut self, random: f64) -> Duration {
        let ceiling = self.ceiling;
        self.ceiling = (ceiling * 2).min(MAX);
        ceiling.mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_two_seconds_and_begin_again() {
        let mut backoff = Backoff::new();
        let waits: Vec<_> = (0..7).map(|_| backoff.next(1.0).as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1_600, 2_000, 2_000]);
        assert_eq!(backoff.next(0.0), Duration::from_secs(1));
        backoff.reset();
        assert_eq!(backoff.next(0.0), Duration::from_millis(50));
    }
}
