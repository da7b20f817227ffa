//! A history that is loaded is the one that a server would have recorded.

use std::{path::Path, sync::Arc};

use rusqlite::{Connection, types::Value as Cell};
use serde_json::{Value, json};
use session_buddy::{
    store::sqlite::{Loader, SqliteStore, verify::verify},
    tracker::{Event, Tracker, past},
};
use session_model::{Field, SessionEndEvent, SessionStartEvent, Timestamp};

use crate::rules::{TestClock, delivery};

const SESSIONS: u32 = 10_000;
const COMPONENTS: [&str; 3] = ["oneiric", "mahavishnu", "akosha"];
/// Events that come together: as many as a batch may have.
const TOGETHER: u32 = 128;

fn start_of(number: u32) -> SessionStartEvent {
    let (day, minute) = (1 + number / 1_440 % 28, number % 1_440);
    let event = json!({
        "event_version": "1.0",
        "event_id": format!("00000000-0000-4000-8000-{number:012}"),
        "component_name": COMPONENTS[number as usize % COMPONENTS.len()],
        "shell_type": "Shell",
        "timestamp": format!("2026-02-{day:02}T{:02}:{:02}:00.{:06}Z", minute / 60, minute % 60, number * 7 % 1_000_000),
        "pid": 12345,
        "user": {"username": format!("user{:03}", number * 31 % 211), "home": "/home/user"},
        "hostname": format!("host-{:02}", number % 17),
        "environment": {"python_version": "", "platform": "Linux", "cwd": "/srv/app"},
        "metadata": {"ticket": number % 97},
        "session_type": if number.is_multiple_of(11) { "batch" } else { "admin_shell" },
    });
    SessionStartEvent::from_json(&event).unwrap()
}

/// Each way to end: not yet, well, with an error, lost.
fn end_of(number: u32, start: &SessionStartEvent) -> Option<SessionEndEvent> {
    let end = Timestamp::from_micros(start.timestamp.as_micros() + i64::from(number) * 1_000_003)
        .unwrap();
    let mut event = json!({"session_id": start.session_id(), "timestamp": end, "command_count": number % 5, "error_count": 0});
    match number % 10 {
        0 => return None,
        1 => {
            event["error_count"] = json!(1);
            event["last_error"] = json!(format!("no such order {}", number % 13));
        }
        2 => event["exit_reason"] = json!("lost"),
        3 => event["duration_seconds"] = json!(f64::from(number) / 3.0),
        _ => {}
    }
    Some(SessionEndEvent::from_json(&event).unwrap())
}

async fn by_the_tracker(path: &Path, clock: &TestClock) {
    let store = Arc::new(SqliteStore::open(path, &clock.clock()).unwrap());
    let tracker = Tracker::new(store, clock.clock());
    let numbers: Vec<u32> = (0..SESSIONS).collect();
    for together in numbers.chunks(TOGETHER as usize) {
        let mut events = Vec::new();
        for number in together {
            let start = start_of(*number);
            let end = end_of(*number, &start);
            events.push((Event::Start(Box::new(start)), delivery()));
            events.extend(end.map(|end| (Event::End(Box::new(end)), delivery())));
        }
        for result in tracker.take(events).await.unwrap() {
            result.unwrap();
        }
        clock.step(1);
    }
    tracker.close().await.unwrap();
}

fn by_the_loader(path: &Path, clock: &TestClock) {
    let mut loader = Loader::open(path, clock.clock().now()).unwrap();
    let numbers: Vec<u32> = (0..SESSIONS).collect();
    for together in numbers.chunks(TOGETHER as usize) {
        let at = clock.clock().now();
        let pasts = together.iter().map(|number| {
            let start = start_of(*number);
            let end = end_of(*number, &start).map(|end| (end, delivery(), at));
            past((start, delivery(), at), end)
        });
        loader.load(pasts.collect()).unwrap();
        clock.step(1);
    }
    loader.finish().unwrap();
}

/// What a table holds, but for what is random: the chain's id, salts, and the hashes that come of them.
const TABLES: [&str; 12] = [
    "SELECT rowid, * FROM sessions ORDER BY rowid",
    "SELECT record, format, kind, session_id, received_at FROM ledger ORDER BY record",
    "SELECT record, payload FROM ledger_payload ORDER BY record",
    "SELECT * FROM series ORDER BY series",
    "SELECT * FROM usernames ORDER BY user",
    "SELECT * FROM rollup_quarters ORDER BY quarter, chain, series",
    "SELECT * FROM rollup_days ORDER BY day, chain, series",
    "SELECT * FROM rollup_users ORDER BY day, block, chain",
    "SELECT * FROM rollup_presence ORDER BY quarter, chain",
    "SELECT * FROM rollup_errors ORDER BY day, chain, series, error",
    "SELECT * FROM error_messages ORDER BY error",
    "SELECT count(*) FROM rollup_journal",
];

fn rows(path: &Path, sql: &str) -> Vec<Vec<Cell>> {
    let connection = Connection::open(path).unwrap();
    let mut statement = connection.prepare(sql).unwrap();
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| {
        (0..columns).map(|column| row.get(column)).collect()
    });
    rows.unwrap().map(Result::unwrap).collect()
}

#[tokio::test]
async fn ten_thousand_sessions_are_loaded_as_the_tracker_records_them() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["tracked.db", "loaded.db"].map(|name| folder.path().join(name));
    let [tracked, loaded] = &paths;
    by_the_tracker(tracked, &TestClock::new()).await;
    by_the_loader(loaded, &TestClock::new());
    for sql in TABLES {
        let (expected, found) = (rows(tracked, sql), rows(loaded, sql));
        assert_eq!(found.len(), expected.len(), "{sql}");
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found, expected, "{sql}");
        }
    }
    SqliteStore::rebuild_search(tracked).unwrap();
    let [expected, found] = paths.map(|path| verify(&path).unwrap());
    let what = |verified: &session_buddy::store::sqlite::verify::Verified| {
        json!([
            verified.records,
            verified.sessions,
            verified.rollups,
            verified.search_entries
        ])
    };
    assert_eq!(what(&found), what(&expected));
    assert_eq!(what(&found)[1], Value::from(SESSIONS));
}
