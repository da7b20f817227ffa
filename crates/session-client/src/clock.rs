//! Wall time, and time since boot, as values that are passed in.

use std::{sync::Arc, time::Duration};

use session_model::Timestamp;

/// A source of wall time. Clones read the same clock.
#[derive(Clone)]
pub struct Clock {
    wall: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    since_boot: Arc<dyn Fn() -> Duration + Send + Sync>,
}

impl Clock {
    /// The machine's clock.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the wall clock"
    )]
    pub fn system() -> Self {
        Self::new(|| Timestamp::saturating_from(jiff::Timestamp::now()))
    }

    /// A clock that a test sets.
    pub fn new(read: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self {
            wall: Arc::new(read),
            since_boot: Arc::new(since_boot),
        }
    }

    /// Takes the time since boot from elsewhere than the machine.
    #[must_use]
    pub fn with_since_boot(self, read: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self {
            since_boot: Arc::new(read),
            ..self
        }
    }

    /// Reads the clock.
    pub fn now(&self) -> Timestamp {
        (self.wall)()
    }

    /// Gives the time since boot, in which suspension counts, as it should in the length of a session.
    pub fn since_boot(&self) -> Duration {
        (self.since_boot)()
    }
}

fn since_boot() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    let nanoseconds = u32::try_from(now.tv_nsec).unwrap_or_default();
    Duration::new(seconds, nanoseconds)
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Clock").field(&self.now()).finish()
    }
}
