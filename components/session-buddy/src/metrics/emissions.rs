//! Events as they are answered.

use std::time::Duration;

use prometheus::{HistogramVec, IntCounterVec};

use super::{Catalogue, OTHER, SECONDS_OF_AN_ANSWER};

const EVENT_TYPES: [&str; 3] = ["session_start", SESSION_END, "session_heartbeat"];
const SESSION_END: &str = "session_end";

/// What is known of an event before it is answered.
#[derive(Clone, Debug)]
pub(crate) struct Emission {
    /// The component that it names; anything, where it is refused.
    pub(crate) component: String,
    /// Its type; none where it is no event at all.
    pub(crate) event_type: Option<&'static str>,
}

impl Emission {
    fn event_type(&self) -> &'static str {
        self.event_type.unwrap_or(OTHER)
    }

    pub(super) fn is_end(&self) -> bool {
        self.event_type == Some(SESSION_END)
    }
}

/// How an event was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome<'a> {
    /// What it says is on record.
    Taken,
    /// Its session is not on record.
    NotFound,
    /// It was refused, with this code.
    Refused(&'a str),
}

/// Emissions, as the server sees them: Prometheus cannot ask shells.
#[derive(Debug)]
pub(super) struct EmissionMetrics {
    successes: IntCounterVec,
    failures: IntCounterVec,
    durations: HistogramVec,
}

impl EmissionMetrics {
    pub(super) fn new(catalogue: &Catalogue) -> Self {
        Self {
            successes: catalogue.counters(
                "mcp_event_emit_success_total",
                "Events that were taken, repeated ones too",
                &["component_name", "event_type"],
            ),
            failures: catalogue.counters(
                "mcp_event_emit_failure_total",
                "Events that were refused, or whose session is not on record, by the code of the answer",
                &["component_name", "event_type", "error_type"],
            ),
            durations: catalogue.histograms(
                "mcp_event_emit_duration_seconds",
                "How long the server took to answer an event; those of a batch are answered together",
                SECONDS_OF_AN_ANSWER,
                &["component_name", "event_type"],
            ),
        }
    }

    pub(super) fn begin_at_zero(&self, component: &str) {
        for event_type in EVENT_TYPES {
            self.successes.with_label_values(&[component, event_type]);
        }
    }

    pub(super) fn count(
        &self,
        component: &str,
        emission: &Emission,
        outcome: Outcome<'_>,
        took: Duration,
    ) {
        let labels = [component, emission.event_type()];
        self.durations
            .with_label_values(&labels)
            .observe(took.as_secs_f64());
        let failed = |error_type: &str| {
            let [component, event_type] = labels;
            self.failures
                .with_label_values(&[component, event_type, error_type])
                .inc();
        };
        match outcome {
            Outcome::Taken => self.successes.with_label_values(&labels).inc(),
            Outcome::NotFound => failed("session_not_found"),
            Outcome::Refused(code) => failed(&code.to_ascii_lowercase()),
        }
    }
}
