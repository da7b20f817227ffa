//! What is counted in the store once a minute, because it changes by itself or is a sum over many sessions.

use std::collections::HashMap;

use prometheus::{GaugeVec, IntGauge, IntGaugeVec};

use super::{Catalogue, Components};
use crate::tracker::{Census, LONG};

/// What the last census found.
#[derive(Debug)]
pub(super) struct CensusMetrics {
    stale: IntGaugeVec,
    long: IntGaugeVec,
    quality: GaugeVec,
    users: IntGauge,
    at: IntGauge,
}

impl CensusMetrics {
    pub(super) fn new(catalogue: &Catalogue) -> Self {
        Self {
            stale: catalogue.gauges(
                "sessions_stale",
                "Open sessions that nothing proves alive and that have been silent for a day; counted once a minute",
                &["component_name"],
            ),
            long: catalogue.gauges(
                "session_buddy_sessions_open_longer",
                "Open sessions that began more than so many seconds ago; counted once a minute",
                &["component_name", "seconds"],
            ),
            quality: catalogue.exact_gauges(
                "session_quality_score",
                "Mean quality, 0 to 100, of the sessions that began in the last 24 hours and are closed; computed once a minute",
                &["component_name"],
            ),
            users: catalogue.gauge(
                "session_buddy_unique_users_today",
                "Account names of the sessions that began on this UTC day; counted once a minute",
            ),
            at: catalogue.gauge(
                "session_buddy_census_timestamp_seconds",
                "When that which is counted once a minute was counted last, in seconds since 1970",
            ),
        }
    }

    pub(super) fn begin_at_zero(&self, component: &str) {
        self.stale.with_label_values(&[component]);
        for (_, seconds) in LONG {
            self.long.with_label_values(&[component, seconds]);
        }
    }

    pub(super) fn take(&self, components: &Components, census: &Census) {
        let mut found: HashMap<String, Found> = components
            .all()
            .into_iter()
            .map(|label| (label, Found::default()))
            .collect();
        for (component, open) in &census.open {
            let found = found
                .entry(components.label(component).to_owned())
                .or_default();
            found.stale += open.stale;
            for (sum, count) in found.long.iter_mut().zip(open.long) {
                *sum += count;
            }
        }
        for (component, quality) in &census.quality {
            let found = found
                .entry(components.label(component).to_owned())
                .or_default();
            found.closed += quality.closed;
            found.quality += quality.mean * quality.closed;
        }
        for (label, found) in found {
            self.stale.with_label_values(&[&label]).set(found.stale);
            for ((_, seconds), count) in LONG.into_iter().zip(found.long) {
                self.long.with_label_values(&[&label, seconds]).set(count);
            }
            if found.closed > 0.0 {
                let quality = self.quality.with_label_values(&[&label]);
                quality.set(found.quality / found.closed);
            } else {
                // Of nothing there is no mean; it is an error that there was none before.
                let _ = self.quality.remove_label_values(&[&label]);
            }
        }
        self.users.set(census.users_today);
        self.at.set(census.at.as_micros().div_euclid(1_000_000));
    }
}

/// What was found of the components of a label.
#[derive(Default)]
struct Found {
    stale: i64,
    long: [i64; LONG.len()],
    closed: f64,
    quality: f64,
}
