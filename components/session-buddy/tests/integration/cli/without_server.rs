//! What the command line does when no server runs.

use std::fs;

use serde_json::json;

use crate::harness::{Home, Server, five_sessions, numbers, start, with};

#[test]
fn without_a_server_the_database_is_read_and_closed_in() {
    let server = Server::start();
    let ids = five_sessions(&server);
    let home = server.stop();
    let note = "note: server not running; liveness unknown\n";
    let listed = home
        .cli("list-sessions --format json --limit 2")
        .with_code(0);
    assert_eq!(
        (numbers(&listed.json()), listed.stderr.as_str()),
        (vec![5, 4], note)
    );
    let shown = home
        .cli("show-session crackerjack --format json")
        .with_code(0);
    assert_eq!(
        (&shown.json()["session_id"], shown.stderr.as_str()),
        (&json!(ids[4]), note)
    );
    assert!(shown.json()["duration_seconds"].is_u64());

    let ran = home
        .cli(&format!("end-session {0} {0} nobody", ids[4]))
        .with_code(1)
        .saying("nobody");
    assert_eq!(ran.stdout, format!("{0}: ended\n{0}: ended\n", ids[4]));
    home.cli("verify").with_code(0);
    let record = home.start().show(&ids[4]);
    let uid = rustix::process::geteuid().as_raw();
    assert_eq!(record["end_known_by"], "by_hand");
    assert_eq!(record["closed_by"], format!("uid {uid}"));
}

#[test]
fn without_a_server_nobody_knows_who_is_alive() {
    let server = Server::start();
    server.begin(with(start(1), json!({"heartbeat_interval_seconds": 3600})));
    assert_eq!(server.show("mahavishnu")["liveness"], "live");
    let shown = server
        .stop()
        .cli("show-session mahavishnu --format json")
        .with_code(0);
    assert_eq!(shown.json()["liveness"], "unknown");
}

#[test]
fn without_server_and_database_nothing_is_made() {
    let home = Home::new();
    fs::remove_dir(home.state()).unwrap();
    for line in ["list-sessions", "show-session x", "end-session x", "verify"] {
        let ran = home.cli(line).with_code(3).saying("sessions.db");
        assert_eq!(ran.stdout, "", "{line}");
        assert!(!home.state().exists(), "{line}");
    }
    let json = home.cli("list-sessions --format json").with_code(3);
    insta::assert_snapshot!(json.stderr.replace(home.root().to_str().unwrap(), "~"), @r"
    error: no server runs, and there is no database ~/state/sessions.db
    hint: start a server with `session-buddy mcp start`
    ");
}
