//! The durable store: what it keeps, and how it opens.

use std::{
    path::Path,
    sync::{Arc, mpsc::channel},
};

use serde_json::json;
use session_buddy::{
    clock::Clock,
    store::{
        Change, Decision, SessionStore, Standing, StoreError, Verdict,
        sqlite::{OpenError, SqliteStore, verify::verify},
    },
    tracker::{Event, EventResult, ListRequest, Tracker},
};
use session_model::{
    Counters, Fact, Field, SessionFilter, SessionId, SessionStartEvent, SessionStartResult,
    Started,
    fold::{Accepted, Vitals},
};

use crate::rules::{TestClock, delivery, end, start, start_json};

fn open(path: &Path) -> Result<SqliteStore, OpenError> {
    SqliteStore::open(path, &TestClock::new().clock())
}

fn tracker(path: &Path) -> Tracker {
    Tracker::new(Arc::new(open(path).unwrap()), TestClock::new().clock())
}

fn everything() -> ListRequest {
    ListRequest {
        filter: SessionFilter::default(),
        cursor: None,
        limit: 1000,
        count: true,
    }
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    let before = tracker(&path);
    for number in 0..3 {
        before.start(start(number), delivery()).await.unwrap();
    }
    before.end(end(1), delivery()).await.unwrap();
    let listed = before.list(everything()).await.unwrap().sessions;
    before.close().await.unwrap();

    let after = tracker(&path);
    after.recall().await.unwrap();
    assert_eq!(after.list(everything()).await.unwrap().sessions, listed);
    after.close().await.unwrap();
    let verified = verify(&path).unwrap();
    // The genesis record, three starts, one end.
    assert_eq!(
        (verified.records, verified.sessions, verified.erased),
        (5, 3, 0)
    );
    let wal = folder.path().join("sessions.db-wal");
    assert!(!wal.exists() || wal.metadata().unwrap().len() == 0);
}

#[tokio::test]
async fn many_at_once_become_one_chain_without_a_gap() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    let tracker = tracker(&path);
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..500 {
        let tracker = tracker.clone();
        // Each twice: a duplicate in the same transaction sees its twin.
        for _ in 0..2 {
            let tracker = tracker.clone();
            tasks.spawn(async move { tracker.start(start(number), delivery()).await.unwrap() });
        }
    }
    while let Some(answer) = tasks.join_next().await {
        assert!(matches!(
            answer.unwrap(),
            SessionStartResult::Tracked { .. }
        ));
    }
    let listing = tracker.list(everything()).await.unwrap();
    assert_eq!((listing.sessions.len(), listing.total), (500, Some(500)));
    tracker.close().await.unwrap();
    let verified = verify(&path).unwrap();
    assert_eq!((verified.records, verified.sessions), (501, 500));
}

#[tokio::test]
async fn pages_follow_each_other_without_overlap() {
    let folder = tempfile::tempdir().unwrap();
    let tracker = tracker(&folder.path().join("sessions.db"));
    // All begin in the same instant, so only the id tells them apart.
    for number in 0..10 {
        tracker.start(start(number), delivery()).await.unwrap();
    }
    let whole: Vec<_> = tracker.list(everything()).await.unwrap().sessions;
    let (mut paged, mut cursor) = (Vec::new(), None);
    loop {
        let request = ListRequest {
            cursor,
            limit: 3,
            ..everything()
        };
        let page = tracker.list(request).await.unwrap();
        assert_eq!(page.total, Some(10));
        paged.extend(page.sessions);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(paged, whole);
}

#[test]
fn a_database_has_one_writer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    let first = open(&path).unwrap();
    assert!(matches!(open(&path), Err(OpenError::Locked)));
    drop(first);
}

#[test]
fn foreign_newer_and_changed_databases_are_refused_and_left_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.db");
    std::fs::write(
        &text,
        "not a database, but long enough to be taken for one by mistake",
    )
    .unwrap();
    assert!(matches!(open(&text), Err(OpenError::Foreign)));
    assert!(
        std::fs::read_to_string(&text)
            .unwrap()
            .starts_with("not a database")
    );

    let foreign = folder.path().join("foreign.db");
    rusqlite::Connection::open(&foreign)
        .unwrap()
        .execute_batch("CREATE TABLE cats (name TEXT)")
        .unwrap();
    let before = std::fs::read(&foreign).unwrap();
    assert!(matches!(open(&foreign), Err(OpenError::Foreign)));
    assert_eq!(std::fs::read(&foreign).unwrap(), before);

    for (sql, newer) in [
        ("INSERT INTO migrations VALUES (999, 'later', 'x')", true),
        ("UPDATE migrations SET checksum = 'x'", false),
    ] {
        let path = folder.path().join(format!("ours-{newer}.db"));
        drop(open(&path).unwrap());
        let writer = rusqlite::Connection::open(&path).unwrap();
        writer.execute_batch(sql).unwrap();
        drop(writer);
        match open(&path) {
            Err(OpenError::Newer { found: 999, .. }) => assert!(newer),
            Err(OpenError::ChangedMigration { number: 1 }) => assert!(!newer),
            other => panic!("{other:?}"),
        }
    }
}

/// A change that the database refuses: a start of `1` under the id of another session breaks its uniqueness.
struct Broken(SessionId);

impl Change for Broken {
    fn session_id(&self) -> &SessionId {
        &self.0
    }

    fn decide(self: Box<Self>, _: Option<&Standing>) -> Decision {
        let received_at = "2026-02-06T22:05:00Z".parse().unwrap();
        let vitals = Vitals {
            last_seen: received_at,
            counters: Counters::default(),
            lease_expires_at: None,
        };
        let started = Started {
            event: start(1),
            skew_micros: None,
        };
        let fact = Fact::Start(Box::new(started));
        let record = Accepted {
            received_at,
            origin: Some(delivery().origin),
            subject: None,
            fact,
        };
        Decision {
            records: vec![record.into()],
            vitals: Some(vitals),
            verdict: Verdict::Tracked,
        }
    }
}

#[tokio::test]
async fn a_failed_commit_acknowledges_nothing_and_the_chain_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    let store = Arc::new(open(&path).unwrap());
    let tracker = Tracker::new(
        Arc::clone(&store) as Arc<dyn SessionStore>,
        TestClock::new().clock(),
    );
    tracker.start(start(1), delivery()).await.unwrap();
    let refused = store.apply(Box::new(Broken(start(2).session_id()))).await;
    assert!(
        matches!(refused, Err(StoreError::Unavailable(_))),
        "{refused:?}"
    );
    assert!(store.health().failure.is_some());
    tracker.start(start(3), delivery()).await.unwrap();
    assert_eq!(store.health().failure, None);
    tracker.close().await.unwrap();
    let verified = verify(&path).unwrap();
    assert_eq!((verified.records, verified.sessions), (3, 2));
}

/// A change that changes nothing, once `before` lets it.
struct Idle<F>(SessionId, F);

impl<F: FnOnce() + Send> Change for Idle<F> {
    fn session_id(&self) -> &SessionId {
        &self.0
    }

    fn decide(self: Box<Self>, _: Option<&Standing>) -> Decision {
        self.1();
        Decision {
            records: Vec::new(),
            vitals: None,
            verdict: Verdict::NotFound,
        }
    }
}

fn idle(before: impl FnOnce() + Send + 'static) -> Box<dyn Change> {
    Box::new(Idle(start(0).session_id(), before))
}

#[tokio::test]
async fn changes_without_room_are_refused_together_and_fewer_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("sessions.db")).unwrap();
    let (taken, is_taken) = channel();
    let (let_go, wait) = channel::<()>();
    let held = store.apply(idle(move || {
        taken.send(()).unwrap();
        let _ = wait.recv();
    }));
    is_taken.recv().unwrap();
    let some = |count: usize| store.apply_all((0..count).map(|_| idle(|| {})).collect());
    let room = store.health().queue_limit;
    let most = some(room - 3);
    let refused = some(4).await;
    assert!(
        matches!(refused, Err(StoreError::Overloaded)),
        "{refused:?}"
    );
    assert_eq!(store.health().queued, room - 3);
    let last = some(3);
    let refused = store.apply(idle(|| {})).await;
    assert!(
        matches!(refused, Err(StoreError::Overloaded)),
        "{refused:?}"
    );
    drop(let_go);
    assert_eq!(held.await.unwrap(), Verdict::NotFound);
    assert_eq!(most.await.unwrap().len(), room - 3);
    assert_eq!(last.await.unwrap().len(), 3);
    assert_eq!(store.health().queued, 0);
}

#[tokio::test]
async fn a_damaged_session_keeps_no_other_from_being_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    let tracker = tracker(&path);
    tracker.start(start(1), delivery()).await.unwrap();
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch("DELETE FROM ledger_payload")
        .unwrap();
    let events = vec![
        (Event::End(Box::new(end(1))), delivery()),
        (Event::Start(Box::new(start(2))), delivery()),
    ];
    let answers = tracker.take(events).await.unwrap();
    assert!(
        matches!(
            answers[..],
            [
                Err(StoreError::Damaged(_)),
                Ok(EventResult::Start(SessionStartResult::Tracked { .. }))
            ]
        ),
        "{answers:?}"
    );
    assert_eq!(tracker.health().failure, None);
}

#[tokio::test]
async fn a_repeated_start_is_known_again_whatever_its_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let tracker = tracker(&folder.path().join("sessions.db"));
    let mut event = start_json(1);
    // Parsed by the shortest way, the first of these comes out one unit in the last place off.
    event["metadata"] = json!({"a": 8.754911714482379e-10, "b": 1e300, "c": 0.1, "d": -0.0, "e": u64::MAX, "f": 1.0});
    for _ in 0..2 {
        let event = serde_json::from_str::<serde_json::Value>(&event.to_string()).unwrap();
        let answer = tracker
            .start(SessionStartEvent::from_json(&event).unwrap(), delivery())
            .await
            .unwrap();
        assert!(
            matches!(answer, SessionStartResult::Tracked { .. }),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn nothing_is_acknowledged_on_what_a_reader_keeps_from_being_made_sure_of() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    let tracker = tracker(&path);
    tracker.start(start(1), delivery()).await.unwrap();
    let reader = rusqlite::Connection::open(&path).unwrap();
    let snapshot = reader.unchecked_transaction().unwrap();
    let count: i64 = snapshot
        .query_row("SELECT count(*) FROM sessions", [], |row| row.get(0))
        .unwrap();
    assert_eq!(count, 1);
    tracker.start(start(2), delivery()).await.unwrap();
    tracker.close().await.unwrap();
    // The reader still sees one session, so the WAL cannot be emptied.
    assert!(matches!(open(&path), Err(OpenError::Busy)));
    drop(snapshot);
    open(&path).unwrap();
}

#[tokio::test]
async fn a_store_that_was_closed_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let tracker = tracker(&folder.path().join("sessions.db"));
    tracker.close().await.unwrap();
    let refused = tracker.start(start(1), delivery()).await;
    assert!(matches!(refused, Err(StoreError::Stopping)), "{refused:?}");
}

#[test]
fn the_files_are_their_owners_alone() {
    use std::os::unix::fs::MetadataExt;
    let folder = tempfile::tempdir().unwrap();
    let _store = SqliteStore::open(&folder.path().join("sessions.db"), &Clock::system()).unwrap();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let file = file.unwrap();
        assert_eq!(
            file.metadata().unwrap().mode() & 0o777,
            0o600,
            "{:?}",
            file.file_name()
        );
    }
}
