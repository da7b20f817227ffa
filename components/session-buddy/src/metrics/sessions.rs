//! What commits make of sessions.

use prometheus::{HistogramVec, IntCounterVec, IntGaugeVec};
use session_model::words::EndKnownBy;

use super::{Catalogue, Components};
use crate::store::Turn;

/// From a minute to eight hours, as the Python version has it.
const LENGTHS: &[f64] = &[60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0, 28800.0];

const SUCCESS: &str = "success";
const ERROR: &str = "error";
const NOT_FOUND: &str = "not_found";

/// Sessions by component.
#[derive(Debug)]
pub(super) struct SessionMetrics {
    starts: IntCounterVec,
    ends: IntCounterVec,
    lengths: HistogramVec,
    active: IntGaugeVec,
    closed: IntCounterVec,
    replaced: IntCounterVec,
    revived: IntCounterVec,
}

impl SessionMetrics {
    pub(super) fn new(catalogue: &Catalogue) -> Self {
        Self {
            starts: catalogue.counters(
                "session_start_total",
                "Sessions that began",
                &["component_name", "shell_type"],
            ),
            ends: catalogue.counters(
                "session_end_total",
                "Sessions that reported their end, by whether anything failed in them; not_found: ends of sessions that are not on record",
                &["component_name", "status"],
            ),
            lengths: catalogue.histograms(
                "session_duration_seconds",
                "How long sessions ran, observed once, when each was closed first",
                LENGTHS,
                &["component_name"],
            ),
            active: catalogue.gauges(
                "active_sessions",
                "Sessions of which no end is known",
                &["component_name"],
            ),
            closed: catalogue.counters(
                "session_closed_total",
                "Sessions that were open and no longer are, by how that is known",
                &["component_name", "cause"],
            ),
            replaced: catalogue.counters(
                "session_end_replaced_total",
                "Ends that were replaced by one that is known better, which corrects the length too",
                &["component_name"],
            ),
            revived: catalogue.counters(
                "session_revived_total",
                "Sessions that were presumed lost and turned out to live",
                &["component_name"],
            ),
        }
    }

    /// Shows zeros for a new component, so that the first of each is an increase.
    pub(super) fn begin_at_zero(&self, component: &str) {
        for status in [SUCCESS, ERROR, NOT_FOUND] {
            self.ends.with_label_values(&[component, status]);
        }
        for cause in EndKnownBy::ALL {
            self.closed.with_label_values(&[component, cause.as_str()]);
        }
        self.lengths.with_label_values(&[component]);
        self.active.with_label_values(&[component]);
        self.replaced.with_label_values(&[component]);
        self.revived.with_label_values(&[component]);
    }

    /// Takes how many sessions of each component are open. Those of one label add up.
    pub(super) fn open_anew(&self, open: &[(&str, u64)]) {
        for (component, _) in open {
            self.active.with_label_values(&[component]).set(0);
        }
        for (component, open) in open {
            let open = i64::try_from(*open).unwrap_or(i64::MAX);
            self.active.with_label_values(&[component]).add(open);
        }
    }

    /// Counts what became of a session.
    pub(super) fn count(&self, components: &Components, component: &str, turn: &Turn) {
        let active = self.active.with_label_values(&[component]);
        match turn {
            Turn::Begun { shell_type } => {
                let shell_type = components.shell_type(component, shell_type);
                self.starts
                    .with_label_values(&[component, &shell_type])
                    .inc();
                active.inc();
            }
            Turn::Closed {
                known_by,
                failed,
                first_seconds,
            } => {
                self.closed
                    .with_label_values(&[component, known_by.as_str()])
                    .inc();
                active.dec();
                if let Some(seconds) = first_seconds {
                    #[expect(clippy::cast_precision_loss, reason = "far below a bucket")]
                    let seconds = *seconds as f64;
                    self.lengths
                        .with_label_values(&[component])
                        .observe(seconds);
                }
                self.count_end(component, *known_by, *failed);
            }
            Turn::Replaced { known_by, failed } => {
                self.replaced.with_label_values(&[component]).inc();
                self.count_end(component, *known_by, *failed);
            }
            Turn::Revived => {
                self.revived.with_label_values(&[component]).inc();
                active.inc();
            }
        }
    }

    fn count_end(&self, component: &str, known_by: EndKnownBy, failed: bool) {
        if known_by == EndKnownBy::Reported {
            let status = if failed { ERROR } else { SUCCESS };
            self.ends.with_label_values(&[component, status]).inc();
        }
    }

    /// Counts the end of a session that is not on record.
    pub(super) fn end_not_found(&self, component: &str) {
        self.ends.with_label_values(&[component, NOT_FOUND]).inc();
    }
}
