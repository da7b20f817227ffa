//! Time: the one place of this crate that reads the wall clock or sleeps.

use std::time::{Duration, Instant};

use jiff::Timestamp;

/// The wall clock, for stamps of events and for the head of a report.
#[expect(
    clippy::disallowed_methods,
    reason = "events carry the time at which they are made"
)]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// Blocks this thread until `moment`.
#[expect(clippy::disallowed_methods, reason = "a measured window has a length")]
pub(crate) fn sleep_until(moment: Instant) {
    std::thread::sleep(moment.saturating_duration_since(Instant::now()));
}

/// Asks `probe` every `pause` until it answers or `limit` has passed.
pub(crate) fn poll<T>(
    limit: Duration,
    pause: Duration,
    mut probe: impl FnMut() -> Option<T>,
) -> Option<T> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(answer) = probe() {
            return Some(answer);
        }
        if Instant::now() >= deadline {
            return None;
        }
        sleep_until(Instant::now() + pause);
    }
}
