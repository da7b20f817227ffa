//! The rules over one store, and the events that the tests bring to them.

use std::sync::Arc;

use serde_json::{Value, json};
use session_buddy::{
    auth::Voice,
    liveness::{Liveness, Sender},
    store::{ListQuery, Page, SessionStore, sqlite::SqliteStore},
    tracker::{Delivery, EndError, Tracker},
};
use session_model::{
    Field, SessionEndEvent, SessionEndResult, SessionFilter, SessionHeartbeatEvent,
    SessionHeartbeatResult, SessionRecord, SessionStartEvent, SessionStartResult, Transport,
    fold::Origin,
};

use super::model::{ModelStore, TestClock};

/// The rules over one store, with a clock of our own.
pub(crate) struct Desk {
    pub(crate) tracker: Tracker,
    pub(crate) store: Arc<dyn SessionStore>,
    pub(crate) clock: TestClock,
    pub(crate) runtime: tokio::runtime::Runtime,
    pub(crate) folder: tempfile::TempDir,
}

/// Both stores: every test below holds for each.
pub(crate) fn desks() -> [Desk; 2] {
    let desk = |store: Arc<dyn SessionStore>, clock: TestClock, folder| Desk {
        tracker: Tracker::new(Arc::clone(&store), clock.clock())
            .with_liveness(Liveness::new(clock.monotonic())),
        store,
        clock,
        runtime: tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap(),
        folder,
    };
    let (clock, folder) = (TestClock::new(), tempfile::tempdir().unwrap());
    let sqlite = SqliteStore::open(&folder.path().join("sessions.db"), &clock.clock()).unwrap();
    [
        desk(
            Arc::new(ModelStore::default()),
            TestClock::new(),
            tempfile::tempdir().unwrap(),
        ),
        desk(Arc::new(sqlite), clock, folder),
    ]
}

pub(crate) fn delivery() -> Delivery {
    let origin = Origin {
        transport: Transport::Unix,
        address: None,
        uid: Some(1000),
    };
    Delivery {
        origin,
        sender: Sender::Unknown,
        subject: None,
        sent_at: None,
        voice: Voice::of_all(None),
    }
}

pub(crate) fn start_json(number: u32) -> Value {
    json!({
        "event_version": "1.0",
        "event_id": format!("550e8400-e29b-41d4-a716-4466554{number:05x}"),
        "component_name": "mahavishnu",
        "shell_type": "MahavishnuShell",
        "timestamp": "2026-02-06T22:04:58.123456+00:00",
        "pid": 12345,
        "user": {"username": "les", "home": "/home/les"},
        "hostname": "mbp-local",
        "environment": {"python_version": "3.13.0", "platform": "Linux", "cwd": "/home/les/p"},
        "heartbeat_interval_seconds": 30,
    })
}

pub(crate) fn start(number: u32) -> SessionStartEvent {
    SessionStartEvent::from_json(&start_json(number)).unwrap()
}

pub(super) fn end_with(number: u32, more: &Value) -> SessionEndEvent {
    let mut event = json!({
        "session_id": start(number).session_id(),
        "timestamp": "2026-02-06T23:04:58Z",
        "command_count": 7,
        "error_count": 2,
        "last_error": "no such order",
    });
    for (key, value) in more.as_object().unwrap() {
        event[key] = value.clone();
    }
    SessionEndEvent::from_json(&event).unwrap()
}

pub(crate) fn end(number: u32) -> SessionEndEvent {
    end_with(number, &json!({"exit_reason": "exit", "exit_code": 0}))
}

pub(super) fn heartbeat(number: u32, commands: i64) -> SessionHeartbeatEvent {
    SessionHeartbeatEvent::from_json(&json!({
        "session_id": start(number).session_id(),
        "timestamp": "2026-02-06T22:30:00Z",
        "command_count": commands,
        "error_count": 0,
    }))
    .unwrap()
}

impl Desk {
    pub(crate) fn start(&self, event: SessionStartEvent) -> SessionStartResult {
        self.runtime
            .block_on(self.tracker.start(event, delivery()))
            .unwrap()
    }

    pub(crate) fn end(&self, event: SessionEndEvent) -> SessionEndResult {
        self.runtime
            .block_on(self.tracker.end(event, delivery()))
            .unwrap()
    }

    pub(crate) fn heartbeat(&self, event: SessionHeartbeatEvent) -> SessionHeartbeatResult {
        self.runtime
            .block_on(self.tracker.heartbeat(event, delivery()))
            .unwrap()
    }

    /// Lets time go by, with a sweep every five seconds.
    pub(crate) fn wait(&self, seconds: u32) {
        for _ in 0..seconds.div_ceil(5) {
            self.clock.advance(5);
            self.runtime.block_on(self.tracker.sweep()).unwrap();
        }
    }

    /// Lets every lease run out.
    pub(crate) fn expire(&self) {
        self.wait(100);
    }

    /// Begins anew on the same store, as a server does that was restarted after a while.
    pub(crate) fn restart(&mut self) {
        self.clock.advance(600);
        self.tracker = self
            .tracker
            .clone()
            .with_liveness(Liveness::new(self.clock.monotonic()));
        self.runtime.block_on(self.tracker.recall()).unwrap();
    }

    pub(crate) fn close_by_hand(
        &self,
        number: u32,
        force: bool,
    ) -> Result<SessionRecord, EndError> {
        let id = start(number).session_id();
        let closing =
            self.tracker
                .end_by_hand(id.as_str(), "uid 0".to_owned(), None, force, delivery());
        self.runtime.block_on(closing).unwrap()
    }

    pub(super) fn listed(&self, pairs: &[(&str, &str)]) -> Page {
        let query = ListQuery {
            filter: SessionFilter::from_pairs(pairs.iter().copied()).unwrap(),
            after: None,
            limit: 10,
            count: false,
            now: self.clock.clock().now(),
        };
        self.runtime.block_on(self.store.list(query)).unwrap()
    }

    pub(crate) fn record(&self, number: u32) -> SessionRecord {
        let id = start(number).session_id();
        self.runtime
            .block_on(self.tracker.get(id.as_str(), None))
            .unwrap()
            .unwrap()
    }
}

pub(super) fn tracked(number: u32) -> SessionStartResult {
    SessionStartResult::Tracked {
        session_id: start(number).session_id().to_string(),
    }
}

pub(super) fn ended(number: u32) -> SessionEndResult {
    SessionEndResult::Ended {
        session_id: start(number).session_id().to_string(),
    }
}
