//! What others know at the moment of a scrape.

use prometheus::proto::MetricFamily;

use super::{Catalogue, process};

/// What others know, each of it at hand.
#[derive(Clone, Debug)]
pub struct Known {
    /// Whether events are accepted.
    pub accepting_events: bool,
    /// Changes that wait to be written.
    pub queued: usize,
    /// Processes that are watched.
    pub watched: usize,
    /// Sessions that live by a lease.
    pub leases: usize,
    /// Streams of events that are open.
    pub streams: usize,
    /// How often something was refused, by code.
    pub refusals: [(&'static str, u64); 5],
    /// How often somebody was told to wait, or was cut off: name, help, count.
    pub traffic: [(&'static str, &'static str, u64); 5],
}

impl Known {
    /// Gives it as families, made for this scrape alone: their counters are others'.
    pub(super) fn families(&self) -> Vec<MetricFamily> {
        let catalogue = Catalogue::default();
        let gauge = |name: &str, help: &str, value: usize| {
            let value = i64::try_from(value).unwrap_or(i64::MAX);
            catalogue.gauge(name, help).set(value);
        };
        gauge(
            "session_buddy_accepting_events",
            "Whether events are accepted: 1, or 0 while the server says that it is unhealthy",
            self.accepting_events.into(),
        );
        gauge(
            "session_buddy_writer_queue_length",
            "Changes that wait to be written",
            self.queued,
        );
        gauge(
            "session_buddy_watched_processes",
            "Processes whose end the server will see",
            self.watched,
        );
        gauge(
            "session_buddy_leases",
            "Sessions that live by their heartbeats",
            self.leases,
        );
        gauge(
            "session_buddy_event_streams",
            "Streams of events that are open",
            self.streams,
        );
        if let Some(bytes) = process::resident_bytes() {
            gauge(
                "process_resident_memory_bytes",
                "Memory of the server that is in RAM",
                bytes,
            );
        }
        let refusals = catalogue.counters(
            "session_buddy_auth_refusals_total",
            "What was refused for want of a right or a good token",
            &["code"],
        );
        for (code, count) in self.refusals {
            refusals.with_label_values(&[code]).inc_by(count);
        }
        for (name, help, count) in self.traffic {
            let counter = catalogue.counters(&format!("session_buddy_{name}_total"), help, &[]);
            counter.with_label_values::<&str>(&[]).inc_by(count);
        }
        catalogue.gather()
    }
}
