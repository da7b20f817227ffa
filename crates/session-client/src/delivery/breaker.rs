//! When a server is left alone.

use std::time::{Duration, Instant};

/// How many calls in a row must fail before the server is left alone.
const FAILURES_MAX: u32 = 3;

/// A circuit breaker. *Closed* lets calls pass, *open* refuses them, *half-open* lets one probe pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CircuitBreaker {
    cooldown: Duration,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed { failures: u32 },
    Open { until: Instant },
    HalfOpen,
}

impl CircuitBreaker {
    /// Makes a closed one. `cooldown` is how long it stays open.
    pub const fn new(cooldown: Duration) -> Self {
        Self {
            cooldown,
            state: State::Closed { failures: 0 },
        }
    }

    /// Tells whether a call may pass now. Each call that passes must be followed by [`Self::record`].
    pub fn allow(&mut self, now: Instant) -> bool {
        match self.state {
            State::Closed { .. } => true,
            State::Open { until } if now < until => false,
            // The one probe; further calls wait for its outcome.
            State::Open { .. } => {
                self.state = State::HalfOpen;
                true
            }
            State::HalfOpen => false,
        }
    }

    /// Takes the outcome of a call.
    pub fn record(&mut self, succeeded: bool, now: Instant) {
        self.state = match self.state {
            _ if succeeded => State::Closed { failures: 0 },
            State::Closed { failures } if failures + 1 < FAILURES_MAX => State::Closed {
                failures: failures + 1,
            },
            State::Closed { .. } | State::Open { .. } | State::HalfOpen => State::Open {
                until: now + self.cooldown,
            },
        };
    }

    /// Lets the next call pass as a probe although the server has not been left alone long enough: something says that
    /// it is back.
    pub fn expect_recovery(&mut self, now: Instant) {
        if let State::Open { .. } = self.state {
            self.state = State::Open { until: now };
        }
    }

    /// Gives until when calls are refused; `None` while they pass.
    pub const fn open_until(&self) -> Option<Instant> {
        match self.state {
            State::Open { until } => Some(until),
            State::Closed { .. } | State::HalfOpen => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COOLDOWN: Duration = Duration::from_secs(60);

    fn open(at: Instant) -> CircuitBreaker {
        let mut breaker = CircuitBreaker::new(COOLDOWN);
        for _ in 0..FAILURES_MAX {
            assert!(breaker.allow(at));
            breaker.record(false, at);
        }
        breaker
    }

    #[test]
    fn the_third_failure_in_a_row_opens_it_for_60_seconds() {
        let t0 = Instant::now();
        let mut breaker = CircuitBreaker::new(COOLDOWN);
        for succeeded in [false, false, true, false, false] {
            breaker.record(succeeded, t0);
            assert_eq!(breaker.open_until(), None);
        }
        breaker.record(false, t0);
        assert_eq!(breaker.open_until(), Some(t0 + COOLDOWN));
        assert!(!breaker.allow(t0 + Duration::from_secs(59)));
    }

    #[test]
    fn one_probe_passes_after_the_cooldown_and_decides() {
        let t0 = Instant::now();
        let later = t0 + COOLDOWN;
        for succeeded in [true, false] {
            let mut breaker = open(t0);
            assert!(breaker.allow(later));
            assert!(!breaker.allow(later));
            breaker.record(succeeded, later);
            assert_eq!(breaker.allow(later), succeeded);
        }
    }

    #[test]
    fn a_sign_of_recovery_admits_the_probe_at_once() {
        let t0 = Instant::now();
        let mut breaker = open(t0);
        breaker.expect_recovery(t0);
        assert!(breaker.allow(t0));
        breaker.record(false, t0);
        assert!(!breaker.allow(t0));
    }
}
