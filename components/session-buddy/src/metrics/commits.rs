//! What a store does.

use prometheus::{Histogram, IntCounterVec};
use session_model::fold::Kind;

use super::Catalogue;
use crate::store::{Commit, FailureKind, ledger};

/// From what an SSD takes for a sync (0.13 ms measured) to what a disk in need takes.
const SECONDS: &[f64] = &[
    0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
];
/// A transaction takes no further job once it has 256 changes, and each job has at most 256.
const RECORDS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// Commits and failures.
#[derive(Debug)]
pub(super) struct CommitMetrics {
    durations: Histogram,
    records: Histogram,
    kinds: IntCounterVec,
    failures: IntCounterVec,
}

impl CommitMetrics {
    pub(super) fn new(catalogue: &Catalogue) -> Self {
        let metrics = Self {
            durations: catalogue.histogram(
                "session_buddy_commit_duration_seconds",
                "How long a transaction took, from its begin until it was on disk",
                SECONDS,
            ),
            records: catalogue.histogram(
                "session_buddy_commit_records",
                "How many ledger records a transaction had",
                RECORDS,
            ),
            kinds: catalogue.counters(
                "session_buddy_ledger_records_total",
                "Ledger records that were written",
                &["kind"],
            ),
            failures: catalogue.counters(
                "session_buddy_store_errors_total",
                "What the store could not do: unavailable (a commit failed), overloaded (no room in the queue), damaged (the record of a session), read",
                &["kind"],
            ),
        };
        let kinds = Kind::ALL.into_iter().map(Kind::as_str);
        for kind in kinds.chain([ledger::ADMIN]) {
            metrics.kinds.with_label_values(&[kind]);
        }
        for kind in FailureKind::ALL {
            metrics.failures.with_label_values(&[kind.as_str()]);
        }
        metrics
    }

    #[expect(clippy::cast_precision_loss, reason = "a transaction has few records")]
    pub(super) fn count(&self, commit: &Commit) {
        self.durations.observe(commit.took.as_secs_f64());
        self.records.observe(commit.records.len() as f64);
        for kind in &commit.records {
            self.kinds.with_label_values(&[kind]).inc();
        }
    }

    pub(super) fn failed(&self, kind: FailureKind) {
        self.failures.with_label_values(&[kind.as_str()]).inc();
    }
}
