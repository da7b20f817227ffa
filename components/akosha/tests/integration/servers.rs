//! One server, several, none.

use std::{
    net::TcpListener,
    process::{Command, Stdio},
    time::Duration,
};

use akosha::source::{self, Source};
use serde_json::json;
use tempfile::TempDir;

use crate::harness::{AKOSHA, Ran, Server, a_week, command_at, session};

/// How long a test waits for what should answer at once.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server that knows one session of the week too, and one of its own.
fn another() -> Server {
    let mut sessions = a_week();
    sessions.retain(|session| session.is(2));
    sessions.push(session(7, "billing", "bo", "laptop", "2026-11-26T11:00:00Z").ended_after(300));
    Server::with(&sessions)
}

#[test]
fn what_two_servers_know_counts_once_and_each_row_says_its_server() {
    let (one, other) = (Server::with(&a_week()), another());
    let both = ["--server", one.address(), "--server", other.address()];
    let ran = one
        .run(
            &[
                &["aggregate", "sessions by server", "--format", "json"],
                &both[..],
            ]
            .concat(),
        )
        .with_code(0);
    assert_eq!(
        ran.errors,
        "note: known to several servers, and counted once: 1\n"
    );
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&ran.output).unwrap(),
        json!([
            {"server": one.address(), "sessions": 6},
            {"server": other.address(), "sessions": 1},
        ])
    );
    let found = one.json(&[&["search", "bo", "--index", "sessions,users"], &both[..]].concat());
    assert_eq!(found[0]["server"], other.address());
    let errors = one.json(&[&["search", "timeout", "--index", "errors"], &both[..]].concat());
    assert_eq!(errors[0]["sessions"], 1);
    // What is set counts where nothing is named.
    let mut command = one.command(AKOSHA, &["aggregate", "sessions", "--format", "csv"]);
    command.env(
        "AKOSHA_SERVERS",
        both[1..].join(",").replace("--server,", ""),
    );
    assert_eq!(Ran::of(command).with_code(0).output, "sessions\n7\n");
}

#[test]
fn a_server_that_does_not_answer_is_told_and_the_others_are_shown() {
    let server = Server::with(&a_week());
    let closed = closed_port();
    let both = ["--server", server.address(), "--server", &closed];
    let ran = server
        .run(&[&["aggregate", "sessions", "--format", "csv"], &both[..]].concat())
        .with_code(1);
    assert_eq!(ran.output, "sessions\n6\n");
    assert!(
        ran.errors.starts_with(&format!(
            "error: {closed} is left out: no server answers at {closed}: Connection refused"
        )),
        "{ran:?}"
    );
    let ran = server
        .run(&["search", "x", "--server", &closed])
        .with_code(3);
    assert!(
        ran.errors
            .starts_with(&format!("error: no server answers at {closed}")),
        "{ran:?}"
    );
    assert!(
        ran.errors
            .ends_with("hint: start a server with `session-buddy mcp start`\n"),
        "{ran:?}"
    );
    let adapters = server
        .run(&[&["adapters", "--format", "json"], &both[..]].concat())
        .with_code(1);
    let adapters: serde_json::Value = serde_json::from_str(&adapters.output).unwrap();
    assert_eq!(
        adapters[0],
        json!({"server": server.address(), "answers": true, "problem": null})
    );
    assert_eq!(adapters[1]["answers"], false);
}

#[test]
fn those_servers_answer_that_run() {
    let mut server = Server::with(&[]);
    let own = Source::Own(server.home().join("state/session-buddy.sock"));
    let source = |address: &str| Source::Server(address.parse().unwrap());
    let sources = [source(&closed_port()), own, source(server.address())];
    assert_eq!(source::that_answer(&sources, PATIENCE), sources[1..]);
    server.stop();
    assert_eq!(source::that_answer(&sources, PATIENCE), []);
}

#[test]
fn without_a_server_the_store_is_read() {
    let mut server = Server::with(&a_week());
    server.stop();
    let ran = server
        .run(&[
            "aggregate",
            "sessions by user",
            "--user",
            "les,kim",
            "--incomplete",
            "--format",
            "csv",
        ])
        .with_code(0);
    assert_eq!(ran.output, "user,sessions\n");
    let ran = server
        .run(&[
            "aggregate",
            "sessions by user",
            "--after",
            "2026-11-26",
            "--format",
            "csv",
        ])
        .with_code(0);
    assert_eq!(ran.output, "user,sessions\nana,1\nkim,1\nles,1\n");
    let found = server.json(&["search", "timeout", "--index", "sessions"]);
    assert_eq!(found[0]["server"], "local");
    // It is no server that answers.
    let adapters = server.run(&["adapters", "--format", "json"]).with_code(1);
    let adapters: serde_json::Value = serde_json::from_str(&adapters.output).unwrap();
    assert_eq!(
        (&adapters[0]["server"], &adapters[0]["answers"]),
        (&json!("local"), &json!(false))
    );
}

#[test]
fn without_server_and_store_the_next_step_is_told() {
    let home = TempDir::new().unwrap();
    let ran = Ran::of(command_at(home.path(), AKOSHA, &["aggregate"])).with_code(3);
    assert!(
        ran.errors
            .starts_with("error: no server runs, and there is no database "),
        "{ran:?}"
    );
    assert!(
        ran.errors
            .ends_with("hint: start a server with `session-buddy mcp start`\n"),
        "{ran:?}"
    );
    let mut command = command_at(home.path(), AKOSHA, &["aggregate"]);
    command.env("SESSION_BUDDY_PATH", home.path().join("nothing"));
    let ran = Ran::of(command).with_code(3);
    assert_eq!(
        ran.errors,
        "error: no server runs, and the program session-buddy, which reads the store, is not there\n\
         hint: name a server with --server, or put session-buddy on the PATH\n"
    );
}

#[test]
fn only_the_newest_are_read_and_that_is_told() {
    let server = Server::with(&a_week());
    let mut command = server.command(
        AKOSHA,
        &["aggregate", "sessions by user", "--format", "csv"],
    );
    command.env("AKOSHA_SESSIONS_MAX", "2");
    let ran = Ran::of(command).with_code(0);
    assert_eq!(ran.output, "user,sessions\nana,1\nles,1\n");
    assert_eq!(
        ran.errors,
        "note: of local only the newest 2 sessions were read (AKOSHA_SESSIONS_MAX)\n"
    );
    for (wrong, problem) in [
        (
            "0",
            "sessions_max: expected an integer from 1 to 10000000, found \"0\"",
        ),
        (
            "many",
            "sessions_max: expected an integer from 1 to 10000000, found \"many\"",
        ),
    ] {
        let mut command = server.command(AKOSHA, &["aggregate"]);
        command.env("AKOSHA_SESSIONS_MAX", wrong);
        let ran = Ran::of(command).with_code(1);
        assert!(ran.errors.contains(problem), "{ran:?}");
    }
}

#[test]
fn settings_are_read_from_the_project() {
    let server = Server::with(&a_week());
    let folder = server.home().join("settings");
    std::fs::create_dir(&folder).unwrap();
    let file = folder.join("akosha.yaml");
    std::fs::write(&file, format!("servers: [\"{}\"]\n", server.address())).unwrap();
    let groups = server.json(&["aggregate", "sessions by server"]);
    assert_eq!(groups[0]["server"], server.address());
    std::fs::write(&file, "server: x\n").unwrap();
    let ran = server.run(&["aggregate"]).with_code(1);
    assert!(
        ran.errors
            .ends_with("akosha.yaml:1: server: unknown key, did you mean servers?\n"),
        "{ran:?}"
    );
}

#[test]
fn ctrl_c_ends_the_wait_for_a_server_that_says_nothing() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", silent.local_addr().unwrap());
    let home = TempDir::new().unwrap();
    let mut child = command_at(home.path(), AKOSHA, &["aggregate", "--server", &address])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It has connected, so it waits for the answer.
    let _connection = silent.accept().unwrap();
    let pid = child.id().to_string();
    let sent = Command::new("kill").args(["-INT", &pid]).status().unwrap();
    assert!(sent.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let errors = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
    assert_eq!(errors, "interrupted\n");
}

/// An address at which nobody listens.
fn closed_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}
