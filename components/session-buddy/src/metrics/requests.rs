//! HTTP requests.

use std::time::Duration;

use prometheus::{HistogramVec, IntCounterVec};

use super::{Catalogue, SECONDS_OF_AN_ANSWER};

/// The route of what has none.
pub(crate) const UNMATCHED: &str = "unmatched";

/// Requests by route, as the router names them: paths with ids in them are one.
#[derive(Debug)]
pub(super) struct RequestMetrics {
    requests: IntCounterVec,
    durations: HistogramVec,
}

impl RequestMetrics {
    pub(super) fn new(catalogue: &Catalogue) -> Self {
        Self {
            requests: catalogue.counters(
                "session_buddy_http_requests_total",
                "HTTP requests that were answered",
                &["route", "status"],
            ),
            durations: catalogue.histograms(
                "session_buddy_http_request_duration_seconds",
                "How long it took until an answer could begin",
                SECONDS_OF_AN_ANSWER,
                &["route"],
            ),
        }
    }

    pub(super) fn count(&self, route: &str, status: &str, took: Duration) {
        self.requests.with_label_values(&[route, status]).inc();
        self.durations
            .with_label_values(&[route])
            .observe(took.as_secs_f64());
    }
}
