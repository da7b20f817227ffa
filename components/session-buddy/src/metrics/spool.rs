//! What shells left in the spool of the server's own user.

use prometheus::{IntCounterVec, IntGauge};

use super::Catalogue;

/// What waits in the spool for this server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// Files with events that nobody has acknowledged.
    pub(crate) files: usize,
    /// The age of the oldest such event, in seconds.
    pub(crate) oldest_seconds: i64,
}

const UNUSABLE: &str = "unusable";

/// The spool.
#[derive(Debug)]
pub(super) struct SpoolMetrics {
    adoptions: IntCounterVec,
    files: IntGauge,
    oldest: IntGauge,
}

impl SpoolMetrics {
    pub(super) fn new(catalogue: &Catalogue) -> Self {
        let metrics = Self {
            adoptions: catalogue.counters(
                "session_buddy_spool_adoptions_total",
                "Sessions of dead shells that were brought here from the spool: delivered, refused for good, or in a file that is unusable",
                &["outcome"],
            ),
            files: catalogue.gauge(
                "session_buddy_spool_files",
                "Sessions of which something waits in the spool for this server",
            ),
            oldest: catalogue.gauge(
                "session_buddy_spool_oldest_seconds",
                "How long the oldest event has been waiting there; 0 where none waits",
            ),
        };
        metrics.count(0, 0);
        metrics.adoptions.with_label_values(&[UNUSABLE]);
        metrics
    }

    pub(super) fn count(&self, delivered: usize, refused: usize) {
        for (outcome, count) in [("delivered", delivered), ("refused", refused)] {
            self.adoptions
                .with_label_values(&[outcome])
                .inc_by(count as u64);
        }
    }

    pub(super) fn count_unusable(&self) {
        self.adoptions.with_label_values(&[UNUSABLE]).inc();
    }

    pub(super) fn take(&self, waiting: &Waiting) {
        self.files
            .set(i64::try_from(waiting.files).unwrap_or(i64::MAX));
        self.oldest.set(waiting.oldest_seconds);
    }
}
