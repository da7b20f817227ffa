//! Whoever tampers with requests, tokens or the record is refused or found out. The table is `tests/tampering`; what is here
//! names each difference to the word.

mod case;
mod record;
mod requests;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rusqlite::Connection;
use session_buddy::{
    store::{
        ListQuery, SessionStore,
        sqlite::{
            ReadOnlyStore, SqliteStore,
            verify::{VerifyError, verify},
        },
    },
    tracker::Tracker,
};
use session_model::SessionFilter;

use crate::rules::{TestClock, delivery, end, start};

/// Makes a database of three sessions, one ended, and lets `sql` change it.
async fn tampered(folder: &Path, sql: &str) -> PathBuf {
    let path = folder.join("sessions.db");
    let store = Arc::new(SqliteStore::open(&path, &TestClock::new().clock()).unwrap());
    let tracker = Tracker::new(store, TestClock::new().clock());
    for number in 0..3 {
        tracker.start(start(number), delivery()).await.unwrap();
    }
    tracker.end(end(1), delivery()).await.unwrap();
    tracker.close().await.unwrap();
    let attacker = Connection::open(&path).unwrap();
    attacker.pragma_update(None, "foreign_keys", "OFF").unwrap();
    attacker.execute_batch(sql).unwrap();
    path
}

/// Gives where the first difference stands, and what it is.
async fn found(sql: &str) -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = tampered(folder.path(), sql).await;
    match verify(&path) {
        Err(VerifyError::Difference { place, what }) => (place, what),
        other => panic!("{sql}: {other:?}"),
    }
}

#[tokio::test]
async fn an_untouched_record_verifies() {
    let folder = tempfile::tempdir().unwrap();
    let path = tampered(folder.path(), "").await;
    let verified = verify(&path).unwrap();
    assert_eq!((verified.records, verified.sessions), (5, 3));
    assert_eq!(verified.heads.len(), 1);
    assert_eq!(verified.heads[0].1, 4);
}

#[tokio::test]
async fn each_change_of_the_sums_is_named() {
    const OF: &str = "chain 1, component mahavishnu, type admin_shell";
    for (sql, place, what) in [
        (
            "UPDATE rollup_days SET sessions = 4",
            "rollup_days: day 2026-02-06, {}",
            "column sessions is 4, and by the sessions 3",
        ),
        (
            "UPDATE rollup_quarters SET failed = 0",
            "rollup_quarters: quarter 88 of day 2026-02-06, {}",
            "column failed is 0, and by the sessions 1",
        ),
        (
            "UPDATE rollup_users SET members = substr(members, 1, 5)",
            "rollup_users: day 2026-02-06, chain 1, users from 0 to 31",
            "it cannot be read",
        ),
        (
            // The third byte is how many bytes follow, the fourth how many sessions: two for each.
            "UPDATE rollup_users SET members = CAST(substr(members, 1, 3) || x'08' || substr(members, 5) AS BLOB)",
            "rollup_users: day 2026-02-06, {}, user 1",
            "column sessions is 4, and by the sessions 3",
        ),
        (
            "DELETE FROM rollup_users",
            "rollup_users: day 2026-02-06, {}, user 1",
            "it is missing",
        ),
        (
            "UPDATE rollup_days SET day = day + 1",
            "rollup_days: day 2026-02-06, {}",
            "it is missing",
        ),
        (
            "INSERT INTO rollup_days SELECT day + 1, chain, series, sessions, active, lost, failed, seconds, quality_nanos,
                last_start, lengths, quarters FROM rollup_days",
            "rollup_days: day 2026-02-07, {}",
            "no session belongs to it",
        ),
        (
            "UPDATE rollup_presence SET members = CAST(substr(members, 1, 2) || x'02' AS BLOB)",
            "rollup_presence: quarter 88 of day 2026-02-06, chain 1",
            "user 1 of series 1 is missing",
        ),
        (
            "UPDATE rollup_presence SET quarter = quarter - 96",
            "rollup_presence: quarter 88 of day 2026-02-05, chain 1",
            "no session belongs to it",
        ),
        (
            "INSERT INTO rollup_journal (changes) VALUES (x'0202')",
            "rollup_journal",
            "it cannot be read",
        ),
        (
            // Chain 1, series 1, user 1, a session more at 1970-01-01T00:00Z.
            "INSERT INTO rollup_journal (changes) VALUES (x'02020202020000000000000000')",
            "rollup_quarters: quarter 0 of day 1970-01-01, {}",
            "no session belongs to it",
        ),
        (
            "DELETE FROM rollup_errors",
            "rollup_errors: day 2026-02-06, {}, error 1",
            "it is missing",
        ),
        (
            "UPDATE error_messages SET message = 'none'",
            "rollup_errors: error 1, as of 2026-02-06",
            "another text",
        ),
        (
            "UPDATE series SET component_name = 'akosha'",
            "rollup_quarters: quarter 88 of day 2026-02-06, chain 1, series -1",
            "it is missing",
        ),
    ] {
        let (found_place, found_what) = found(sql).await;
        let place = place.replace("{}", OF);
        assert!(found_place.starts_with(&place), "{sql}: {found_place}: {found_what}");
        assert!(found_what.contains(what), "{sql}: {found_what}");
    }
}

#[tokio::test]
async fn sums_are_made_anew_from_the_sessions() {
    let folder = tempfile::tempdir().unwrap();
    let path = tampered(
        folder.path(),
        "DELETE FROM rollup_quarters; UPDATE rollup_days SET sessions = 7; INSERT INTO rollup_errors VALUES (0, 1, 1, 7, 5);
         UPDATE error_messages SET message = 'none'; INSERT INTO rollup_journal (changes) VALUES (x'00')",
    )
    .await;
    assert!(verify(&path).is_err());
    assert_eq!(SqliteStore::rebuild_rollups(&path).unwrap(), 3);
    verify(&path).unwrap();
}

#[tokio::test]
async fn the_index_of_words_is_compared_and_made_anew_from_the_sessions() {
    let folder = tempfile::tempdir().unwrap();
    let path = tampered(folder.path(), "UPDATE search_state SET indexed = 3").await;
    let error = verify(&path).unwrap_err().to_string();
    let place = "search index, 2026-02-06: its words are not those of the sessions";
    assert!(error.starts_with(place), "{error}");
    assert_eq!(SqliteStore::rebuild_search(&path).unwrap(), 3);
    assert!(verify(&path).unwrap().search_entries > 0);
    let more = "INSERT INTO session_words (rowid, words) VALUES (1, 'more')";
    Connection::open(&path).unwrap().execute(more, []).unwrap();
    let error = verify(&path).unwrap_err().to_string();
    assert!(error.starts_with("search index, 1970-01-01"), "{error}");
}

#[tokio::test]
async fn a_database_of_an_older_server_is_searched_without_an_index() {
    let folder = tempfile::tempdir().unwrap();
    let path = tampered(
        folder.path(),
        "DROP TABLE session_words; DROP TABLE search_state; DROP TABLE search_changed; DROP INDEX sessions_lost;
         DELETE FROM migrations WHERE name = 'search'",
    )
    .await;
    assert_eq!(verify(&path).unwrap().search_entries, 0);
    let query = || ListQuery {
        filter: SessionFilter::from_pairs([("search", "mahavishnu les mbp-l")]).unwrap(),
        after: None,
        limit: 2,
        count: true,
        now: TestClock::new().clock().now(),
    };
    let before = ReadOnlyStore::open(&path)
        .unwrap()
        .list(query())
        .await
        .unwrap();
    assert_eq!((before.sessions.len(), before.total), (2, Some(3)));
    let store = SqliteStore::open(&path, &TestClock::new().clock()).unwrap();
    assert_eq!(store.list(query()).await.unwrap(), before);
}

#[tokio::test]
async fn a_database_of_an_older_server_gets_its_sums_when_it_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let path = tampered(
        folder.path(),
        "DROP TABLE rollup_quarters; DROP TABLE rollup_days; DROP TABLE rollup_users; DROP TABLE rollup_presence;
         DROP TABLE rollup_errors; DROP TABLE rollup_journal; DROP TABLE series; DROP TABLE usernames; DROP TABLE error_messages;
         DROP INDEX sessions_with_error; DELETE FROM migrations WHERE name IN ('rollups', 'rollup_journal')",
    )
    .await;
    assert_eq!(verify(&path).unwrap().rollups, 0);
    let store = SqliteStore::open(&path, &TestClock::new().clock()).unwrap();
    store.close().await.unwrap();
    assert_eq!(verify(&path).unwrap().rollups, 5);
}

#[tokio::test]
async fn each_change_of_the_ledger_is_named() {
    for (sql, place, what) in [
        ("UPDATE ledger SET received_at = received_at + 1 WHERE seq = 2", "ledger record 2 of chain 1", "edited"),
        ("UPDATE ledger SET kind = 'end' WHERE seq = 2", "ledger record 2 of chain 1", "edited"),
        (
            "UPDATE ledger_payload SET payload = CAST(replace(CAST(payload AS TEXT), 'les', 'eve') AS BLOB) WHERE seq = 3",
            "ledger record 3 of chain 1",
            "payload",
        ),
        ("UPDATE ledger_payload SET salt = zeroblob(32) WHERE seq = 3", "ledger record 3 of chain 1", "payload"),
        ("DELETE FROM ledger WHERE seq = 2", "ledger record 2 of chain 1", "missing"),
        ("DELETE FROM ledger WHERE seq = 0", "ledger record 0 of chain 1", "missing"),
        ("UPDATE chains SET uuid = zeroblob(16)", "ledger record 0 of chain 1", "edited"),
        (
            "INSERT INTO ledger SELECT record + 1, format, kind, session_id, received_at, payload_commitment,
                leaf_hash, chain_hash FROM ledger WHERE seq = 4",
            "ledger record 5 of chain 1",
            "edited",
        ),
        (
            "UPDATE ledger SET record = record + 97 WHERE seq = 2;
             UPDATE ledger SET record = record - 1 WHERE seq = 3;
             UPDATE ledger SET record = record - 96 WHERE seq = 99",
            "ledger record 2 of chain 1",
            "edited",
        ),
        (
            "UPDATE ledger_payload SET record = record + 97 WHERE seq = 2;
             UPDATE ledger_payload SET record = record - 1 WHERE seq = 3;
             UPDATE ledger_payload SET record = record - 96 WHERE seq = 99",
            "ledger record 2 of chain 1",
            "payload",
        ),
        (
            "INSERT INTO ledger_payload VALUES ((1 << 40) + 77, zeroblob(32), NULL, x'00')",
            "table ledger_payload",
            "no ledger record",
        ),
        ("INSERT INTO chains (uuid) VALUES (randomblob(16))", "table chains", "without a record"),
        ("DELETE FROM ledger_payload WHERE seq = 3", "ledger record 3 of chain 1", "payload is missing"),
        ("UPDATE ledger SET format = 99999 WHERE seq = 3", "ledger record 3 of chain 1", "cannot be read"),
        (
            "DELETE FROM ledger_payload; DELETE FROM ledger; DELETE FROM sessions; DELETE FROM chains",
            "table chains",
            "it is empty",
        ),
        (
            "CREATE TRIGGER t AFTER INSERT ON sessions BEGIN UPDATE sessions SET username = 'x'; END",
            "database schema",
            "trigger t",
        ),
    ] {
        let (found_place, found_what) = found(sql).await;
        assert_eq!(found_place, place, "{sql}");
        assert!(found_what.contains(what), "{sql}: {found_what}");
    }
}

#[tokio::test]
async fn each_change_of_a_session_row_is_named() {
    let id = start(1).session_id();
    for (sql, what) in [
        (
            "UPDATE sessions SET username = 'eve'",
            "column username is \"eve\", and by the ledger \"les\"",
        ),
        (
            "UPDATE sessions SET exit_code = 1",
            "column exit_code is 1, and by the ledger 0",
        ),
        (
            "UPDATE sessions SET start_record = start_record - 1",
            "column start_record is 1099511627777, and by the ledger 1099511627778",
        ),
        (
            "UPDATE sessions SET error_count = 0",
            "column error_count is 0, and by the ledger 2",
        ),
        (
            "UPDATE sessions SET metadata = '{ }'",
            "column metadata is \"{ }\", and by the ledger \"{}\"",
        ),
        (
            "UPDATE sessions SET exit_reason = 'bogus'",
            "column exit_reason is \"bogus\", and by the ledger \"exit\"",
        ),
        (
            "UPDATE sessions SET last_seen = 'xxxxxxxxxxxxxxxxxxxxxxxxxxx'",
            "column last_seen is no time",
        ),
        ("DELETE FROM sessions", "its row is missing"),
    ] {
        let sql = format!("{sql} WHERE session_id = '{id}'");
        assert_eq!(
            found(&sql).await,
            (format!("session {id}"), what.to_owned()),
            "{sql}"
        );
    }
    let invented = format!(
        "UPDATE sessions SET session_id = 'zebra-20260206-220458-aaaaaaaa' WHERE session_id = '{id}'"
    );
    assert_eq!(found(&invented).await.1, "its row is missing");
}

#[tokio::test]
async fn sessions_that_nobody_recorded_are_named() {
    let columns = "session_type, component_name, shell_type, status, username, hostname, pid, platform, python_version,
        working_directory, start_time, end_estimated, error_occurred, origin_transport, event_id, created_at, last_seen,
        gaps, metadata, end_metadata, start_record";
    let insert = format!(
        "INSERT INTO sessions (session_id, {columns}) SELECT 'zebra', {columns} FROM sessions WHERE status = 'active' LIMIT 1"
    );
    let found = found(&insert).await;
    assert_eq!(
        found,
        (
            "session zebra".to_owned(),
            "it has a row and no ledger record".to_owned()
        )
    );
}
