//! Sessions that tests begin and end.

use serde_json::{Value, json};

use super::Server;

/// The start of session number `number`, which began that many minutes after ten, as a Python sender writes it.
pub(crate) fn start(number: u16) -> Value {
    json!({
        "event_version": "1.0",
        "event_id": format!("00000000-0000-4000-8000-{number:012}"),
        "event_type": "session_start",
        "component_name": "mahavishnu",
        "shell_type": "MahavishnuShell",
        "timestamp": format!("2026-02-06T{:02}:{:02}:00Z", 10 + number / 60, number % 60),
        "pid": 4242,
        "user": {"username": "les", "home": "/home/les"},
        "hostname": "build-7",
        "environment": {"python_version": "3.13.1", "platform": "Linux-6.1", "cwd": "/srv/app"},
    })
}

/// Puts the members of `changes` into an object, level by level.
pub(crate) fn with(mut object: Value, changes: Value) -> Value {
    for (key, value) in changes.as_object().unwrap() {
        let member = &mut object[key];
        if member.is_object() && value.is_object() {
            *member = with(member.take(), value.clone());
        } else {
            *member = value.clone();
        }
    }
    object
}

/// The end of a session, an hour and a half after ten.
pub(crate) fn end(id: &str) -> Value {
    json!({"session_id": id, "timestamp": "2026-02-06T11:30:00Z", "event_type": "session_end"})
}

/// Puts five sessions on record, of which each filter finds others, and gives their ids: 1 ended by its own report
/// after 5,400 s; 2 is active; 3 lost its process after 60 s; 4 was closed by hand; 5 is active.
pub(crate) fn five_sessions(server: &Server) -> Vec<String> {
    let changes = [
        json!({}),
        json!({"component_name": "billing", "user": {"username": "ana"}}),
        json!({}),
        json!({"component_name": "billing", "session_type": "batch"}),
        json!({"component_name": "crackerjack", "user": {"username": "ana"}}),
    ];
    let ids: Vec<String> = changes
        .into_iter()
        .zip(1..)
        .map(|(changes, number)| server.begin(with(start(number), changes)))
        .collect();
    let ended = with(
        end(&ids[0]),
        json!({"duration_seconds": 5400, "exit_reason": "exit", "exit_code": 0}),
    );
    let lost = with(
        end(&ids[2]),
        json!({"exit_reason": "lost", "timestamp": "2026-02-06T10:04:00Z"}),
    );
    for end in [ended, lost] {
        let called = server.call("track_session_end", end);
        assert_eq!(called.content["status"], "ended", "{called:?}");
    }
    let closed = server.call("end_session", json!({"session_id": ids[3]}));
    assert!(!closed.is_error, "{closed:?}");
    ids
}

/// Gives the numbers of the sessions in a list.
#[track_caller]
pub(crate) fn numbers(sessions: &Value) -> Vec<u16> {
    let sessions = sessions.as_array();
    let sessions = sessions.unwrap_or_else(|| panic!("not an array"));
    let number = |session: &Value| session["event_id"].as_str().unwrap()[24..].parse().unwrap();
    sessions.iter().map(number).collect()
}
