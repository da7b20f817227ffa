//! The model as its users see it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod fold;
mod released;
mod schemas;
mod vectors;

use serde_json::{Value, json};
use session_model::{Field, SessionStartEvent};

/// Gives the start event that a Python emitter sends.
fn start_json() -> Value {
    json!({
        "event_version": "1.0",
        "event_id": "550e8400-e29b-41d4-a716-446655440000",
        "event_type": "session_start",
        "component_name": "mahavishnu",
        "shell_type": "MahavishnuShell",
        "timestamp": "2026-02-06T22:04:58.123456+00:00",
        "pid": 12345,
        "user": {"username": "les", "home": "/home/les"},
        "hostname": "mbp-local",
        "environment": {"python_version": "3.13.0", "platform": "Linux-6.5.0-x86_64", "cwd": "/home/les/p"},
        "metadata": {"component_version": "1.0.0", "adapters": ["agno"]},
    })
}

/// Gives a start event with every key that there is.
fn full_start_json() -> Value {
    let mut event = start_json();
    for (key, value) in [
        ("session_type", json!("admin_shell")),
        ("reason", json!("look at a queue")),
        ("actor", json!({"kind": "agent", "name": "claude"})),
        (
            "parent_session_id",
            json!("mahavishnu-20260206-220458-z3ucgb7g"),
        ),
        ("heartbeat_interval_seconds", json!(30)),
        (
            "process",
            json!({"boot_id": "b", "pid_namespace": 4026531836_u64, "start_ticks": 1, "pidfd_inode": 2}),
        ),
        ("host_id", json!("ab".repeat(32))),
        ("tty", json!("/dev/pts/1")),
        ("remote_address", json!("10.0.0.1")),
        ("runtime", json!("rust 1.95.0")),
        ("emitter_id", json!("0192e4a0-0000-7000-8000-000000000001")),
        ("sequence", json!(0)),
    ] {
        event[key] = value;
    }
    event["user"]["login_name"] = json!("root");
    event["user"]["login_name_source"] = json!("loginuid");
    event
}

fn start() -> SessionStartEvent {
    SessionStartEvent::from_json(&full_start_json()).unwrap()
}
