//! How long things take.

use std::time::Duration;

/// How long things take. Users have the default; a test shortens what it would have to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long a call may take: 5 seconds. Connecting may take as long again.
    pub call_max: Duration,
    /// How long a server may take to tell whether it is one of ours: 2 seconds, so that the rest of the time is enough
    /// for one that is not.
    pub health_max: Duration,
    /// The longest wait before the second attempt at a call: 1 second.
    pub retry_first: Duration,
    /// For how long a server is left alone after three failed calls in a row, and how long it may ask for: 60 seconds.
    pub cooldown: Duration,
    /// How often a shell says that it lives: 30 seconds.
    pub heartbeat: Duration,
    /// How long the first delivery waits, so that shells that are opened together come first: 50 ms, in which two cores open 200
    /// (measured: 0.5 ms each). Else those of the first prompts keep the last ones waiting. No end waits for it.
    pub delivery_delay: Duration,
    /// How long an end may wait for its delivery: 5 ms, so that nobody notices. One that takes longer (measured: 1.1 ms, at
    /// p99 2.2) is brought by the server itself within a second.
    pub exit_max: Duration,
    /// How often a server that was away is looked for: 2 seconds.
    pub look: Duration,
    /// How long a shell must live before it looks for what dead ones left: 1 second.
    pub adoption_delay: Duration,
    /// How often it looks then: 60 seconds.
    pub adoption: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            call_max: Duration::from_secs(5),
            health_max: Duration::from_secs(2),
            retry_first: Duration::from_secs(1),
            cooldown: Duration::from_mins(1),
            heartbeat: Duration::from_secs(30),
            delivery_delay: Duration::from_millis(50),
            exit_max: Duration::from_millis(5),
            look: Duration::from_secs(2),
            adoption_delay: Duration::from_secs(1),
            adoption: Duration::from_mins(1),
        }
    }
}
