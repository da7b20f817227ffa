//! When a call is made again.

use std::time::Duration;

/// How often a call is made, the first time included.
const ATTEMPTS_MAX: u32 = 3;
/// The longest wait there is.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// The attempts at one call: exponential backoff with full jitter, so that clients of a server that comes back do not
/// all come at once (<https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    first: Duration,
    asked_max: Duration,
    failures: u32,
}

impl Retry {
    /// Begins. `first` is the longest wait before the second attempt; it doubles from one to the next. `asked_max` is
    /// the longest wait that a server may ask for.
    pub const fn new(first: Duration, asked_max: Duration) -> Self {
        Self {
            first,
            asked_max,
            failures: 0,
        }
    }

    /// Begins again.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }

    /// Takes a failed attempt and gives how long to wait before the next one; `None` when there is to be none.
    /// `random` lies in 0..1; `retry_after` is what the server asked for.
    pub fn failed(&mut self, random: f64, retry_after: Option<Duration>) -> Option<Duration> {
        self.failures += 1;
        if self.failures >= ATTEMPTS_MAX {
            return None;
        }
        let ceiling = (self.first * 2_u32.pow(self.failures - 1)).min(WAIT_MAX);
        let asked = retry_after.unwrap_or_default().min(self.asked_max);
        Some(asked + ceiling.mul_f64(random.clamp(0.0, 1.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY: Retry = Retry::new(Duration::from_secs(1), Duration::from_secs(60));

    #[test]
    fn there_are_three_attempts_with_growing_ceilings() {
        let mut retry = RETRY;
        assert_eq!(retry.failed(1.0, None), Some(Duration::from_secs(1)));
        assert_eq!(retry.failed(0.5, None), Some(Duration::from_secs(1)));
        assert_eq!(retry.failed(1.0, None), None);
    }

    #[test]
    fn a_server_is_given_the_time_that_it_asks_for_within_reason() {
        let after = |asked| { RETRY }.failed(0.0, Some(Duration::from_secs(asked)));
        assert_eq!(after(7), Some(Duration::from_secs(7)));
        assert_eq!(after(86_400), Some(Duration::from_secs(60)));
    }
}
