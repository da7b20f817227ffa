//! What takes time to come about, by clocks that only move when they are told to.

use std::sync::Arc;

use serde_json::{Value, json};
use session_buddy::{
    liveness::Liveness,
    metrics::{Known, Metrics},
    store::sqlite::SqliteStore,
    tracker::{Delivery, Tracker},
};
use session_model::{Field, SessionEndEvent, SessionHeartbeatEvent, SessionStartEvent, Timestamp};
use tempfile::TempDir;

use super::Scrape;
use crate::{
    harness::with,
    rules::{TestClock, delivery, end, start, start_json},
};

/// Rules over a real store that somebody counts.
struct Desk {
    clock: TestClock,
    tracker: Tracker,
    metrics: Arc<Metrics>,
    folder: Arc<TempDir>,
}

impl Desk {
    fn new() -> Self {
        Self::on(Arc::new(tempfile::tempdir().unwrap()), TestClock::new())
    }

    fn on(folder: Arc<TempDir>, clock: TestClock) -> Self {
        let metrics = Arc::new(Metrics::new(clock.clock().now()));
        let path = folder.path().join("sessions.db");
        let store = SqliteStore::open_before(&path, &clock.clock(), metrics.clone()).unwrap();
        let tracker = Tracker::new(Arc::new(store), clock.clock())
            .with_liveness(Liveness::new(clock.monotonic()));
        Self {
            clock,
            tracker,
            metrics,
            folder,
        }
    }

    /// Another server on the same database, at the same time of day.
    async fn restarted(self) -> Self {
        self.tracker.close().await.unwrap();
        Self::on(self.folder, self.clock)
    }

    fn scrape(&self) -> Scrape {
        let known = Known {
            accepting_events: true,
            queued: 0,
            watched: 0,
            leases: 0,
            streams: 0,
            refusals: [""; 5].map(|code| (code, 0)),
            traffic: ["a", "b", "c", "d", "e"].map(|name| (name, "-", 0)),
        };
        Scrape::read(&self.metrics.text(&known))
    }

    async fn begin(&self, number: u32, changes: Value) -> String {
        let mut event = start_json(number);
        for (key, value) in changes.as_object().unwrap() {
            event[key] = value.clone();
        }
        let event = SessionStartEvent::from_json(&event).unwrap();
        let id = event.session_id().to_string();
        let sent_at = Some(self.clock.clock().now());
        let delivery = Delivery {
            sent_at,
            ..delivery()
        };
        self.tracker.start(event, delivery).await.unwrap();
        id
    }

    async fn lease_runs_out(&self) {
        for _ in 0..20 {
            self.clock.advance(5);
            self.tracker.sweep().await.unwrap();
        }
    }

    async fn take_census(&self) {
        self.metrics
            .take_census(&self.tracker.census().await.unwrap());
    }
}

#[tokio::test]
async fn a_session_that_was_presumed_lost_is_measured_once() {
    let desk = Desk::new();
    desk.begin(1, json!({})).await;
    let value = |name: &str| desk.scrape().of_component(name, "mahavishnu");
    let closed = |cause: &str| {
        desk.scrape().value(&format!(
            "session_closed_total{{cause=\"{cause}\",component_name=\"mahavishnu\"}}"
        ))
    };
    assert_eq!(value("active_sessions"), 1.0);
    desk.lease_runs_out().await;
    assert_eq!(
        [closed("lease_expired"), value("active_sessions")],
        [1.0, 0.0]
    );
    assert_eq!(value("session_duration_seconds_count"), 1.0);
    let alive = json!({"session_id": start(1).session_id(), "timestamp": "2026-02-06T22:30:00Z"});
    let alive = SessionHeartbeatEvent::from_json(&alive).unwrap();
    desk.tracker.heartbeat(alive, delivery()).await.unwrap();
    assert_eq!(
        [value("session_revived_total"), value("active_sessions")],
        [1.0, 1.0]
    );
    desk.tracker.end(end(1), delivery()).await.unwrap();
    assert_eq!([closed("reported"), value("active_sessions")], [1.0, 0.0]);
    assert_eq!(value("session_duration_seconds_count"), 1.0);
    assert_eq!(value("session_end_replaced_total"), 0.0);
}

#[tokio::test]
async fn a_census_counts_what_is_long_stale_good_and_by_whom() {
    let desk = Desk::new();
    let without = |user: &str| json!({"heartbeat_interval_seconds": null, "user": {"username": user, "home": ""}});
    // At 22:05: one of 25 hours, one of 2 hours, one that has just begun, another component's.
    let day = with(without("les"), json!({"timestamp": "2026-02-05T21:04:00Z"}));
    let hours = with(without("les"), json!({"timestamp": "2026-02-06T20:04:00Z"}));
    let now = with(without("ana"), json!({"timestamp": "2026-02-06T22:04:00Z"}));
    let other = with(now.clone(), json!({"component_name": "billing"}));
    desk.begin(1, day).await;
    desk.begin(2, hours).await;
    desk.begin(3, now).await;
    let ended = desk.begin(4, other).await;
    // 40 x 2 of 4 commands failed: 80.
    let report = json!({"session_id": ended, "timestamp": "2026-02-06T22:04:30Z", "exit_reason": "exit",
        "command_count": 4, "error_count": 2, "last_error": "no such order"});
    let report = SessionEndEvent::from_json(&report).unwrap();
    desk.tracker.end(report, delivery()).await.unwrap();
    desk.take_census().await;
    let scrape = desk.scrape();
    let long = |component: &str, seconds: &str| {
        scrape.value(&format!(
            "session_buddy_sessions_open_longer{{component_name=\"{component}\",seconds=\"{seconds}\"}}"
        ))
    };
    assert_eq!(
        [long("mahavishnu", "3600"), long("mahavishnu", "86400")],
        [2.0, 1.0]
    );
    assert_eq!(
        [long("billing", "3600"), long("billing", "86400")],
        [0.0, 0.0]
    );
    assert_eq!(scrape.of_component("sessions_stale", "mahavishnu"), 0.0);
    assert_eq!(scrape.value("session_buddy_unique_users_today"), 2.0);
    assert_eq!(
        scrape.of_component("session_quality_score", "billing"),
        80.0
    );
    let at: Timestamp = "2026-02-06T22:05:00Z".parse().unwrap();
    let seconds = scrape.value("session_buddy_census_timestamp_seconds");
    assert_eq!(seconds, at.as_micros() as f64 / 1e6);

    // A day later nobody has said anything. One that beats its heart is alive, and is called so again after a restart.
    desk.clock.advance(24 * 3600);
    desk.begin(5, json!({"timestamp": "2026-02-07T22:04:00Z"}))
        .await;
    let desk = desk.restarted().await;
    desk.tracker.recall().await.unwrap();
    desk.take_census().await;
    let scrape = desk.scrape();
    assert_eq!(scrape.of_component("sessions_stale", "mahavishnu"), 3.0);
    assert_eq!(scrape.of_component("active_sessions", "mahavishnu"), 4.0);
    assert_eq!(scrape.of_component("sessions_stale", "billing"), 0.0);
    assert_eq!(scrape.value("session_buddy_unique_users_today"), 1.0);
}
