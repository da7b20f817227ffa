//! Time that is never set, passed in.

use std::{sync::Arc, time::Instant};

/// A source of monotonic time. Clones read the same clock.
#[derive(Clone)]
pub struct MonotonicClock(Arc<dyn Fn() -> Instant + Send + Sync>);

impl MonotonicClock {
    /// The machine's clock; on Linux the one that goes on while the machine is suspended (`CLOCK_BOOTTIME`), so that
    /// waking up is noticed.
    pub fn system() -> Self {
        system::clock()
    }

    /// A clock that a test sets.
    pub fn new(read: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// Reads the clock.
    pub fn now(&self) -> Instant {
        (self.0)()
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::time::{Duration, Instant};

    use rustix::time::{ClockId, clock_gettime};

    use super::MonotonicClock;

    pub(super) fn clock() -> MonotonicClock {
        let (origin, origin_since_boot) = (Instant::now(), since_boot());
        MonotonicClock::new(move || origin + since_boot().saturating_sub(origin_since_boot))
    }

    fn since_boot() -> Duration {
        Duration::try_from(clock_gettime(ClockId::Boottime)).unwrap_or_default()
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::time::Instant;

    use super::MonotonicClock;

    pub(super) fn clock() -> MonotonicClock {
        MonotonicClock::new(Instant::now)
    }
}
