//! Other users of the machine. Only root can become one, so that elsewhere these tests say that they tested nothing.

use std::{fs, io::Write, os::unix::fs::PermissionsExt};

use serde_json::{Value, json};

use crate::harness::{
    Answer, Home, STRANGER, Server, as_user, call_body, is_root, request, run, start,
};

pub(super) fn can_be_a_stranger() -> bool {
    if !is_root() {
        let said = "NOT TESTED: another user's requests, since only root can become another user";
        let _ = writeln!(std::io::stderr(), "{said}");
    }
    is_root()
}

#[test]
fn another_user_may_report_over_tcp_but_neither_read_nor_close() {
    if !can_be_a_stranger() {
        return;
    }
    let server = Server::start();
    let id = server.begin(start(1));
    let send = |method: &str, path: &str, body: &str| {
        let mut shell = as_user(STRANGER);
        let relay = "exec 3<>/dev/tcp/127.0.0.1/$0; cat >&3; cat <&3";
        shell.args(["bash", "-c", relay, &server.address().port().to_string()]);
        let request = String::from_utf8(request(method, path, &[], body)).unwrap();
        Answer::read(run(shell, &request).with_code(0).stdout.as_bytes())
    };
    let path = format!("/api/sessions/{id}");
    for (method, path) in [
        ("GET", "/api/sessions"),
        ("GET", &path),
        ("POST", &format!("{path}/end")),
    ] {
        send(method, path, "{}").problem(403, "FORBIDDEN");
    }
    let call = |tool: &str, arguments: Value| {
        send("POST", "/mcp", &call_body(tool, arguments)).json()["result"].clone()
    };
    for tool in ["list_sessions", "get_session", "end_session"] {
        let refused = call(tool, json!({"session_id": id}));
        assert_eq!(refused["isError"], true, "{tool}");
        assert_eq!(
            refused["structuredContent"]["error_code"], "FORBIDDEN",
            "{tool}"
        );
        assert!(!refused.to_string().contains("build-7"), "{tool}");
    }
    let tracked = call("track_session_start", start(2));
    assert_eq!(tracked["structuredContent"]["status"], "tracked");
    assert_eq!(
        call("health_check", json!({}))["structuredContent"]["status"],
        "healthy"
    );
    assert_eq!(send("GET", "/health", "").status, 200);
    assert_eq!(server.show(&id)["status"], "active");
}

#[test]
fn another_user_is_refused_at_the_socket_even_when_its_mode_is_opened() {
    if !can_be_a_stranger() {
        return;
    }
    let (server, visitor) = (Server::start(), Home::of_stranger());
    server.begin(start(1));
    let list = || {
        let mut command = visitor.command_of_stranger();
        let socket = format!("unix:{}", server.socket().display());
        command.args(["list-sessions", "--server", &socket]);
        run(command, "")
    };
    let open = |path: &std::path::Path| {
        fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap()
    };
    open(server.root());
    list().with_code(3).saying("Permission denied");
    open(server.state());
    open(&server.socket());
    let ran = list().with_code(1).saying(&format!("user id {STRANGER}"));
    assert_eq!(ran.stdout, "");
}

#[test]
fn a_client_does_not_speak_to_another_users_socket() {
    if !can_be_a_stranger() {
        return;
    }
    let home = Home::of_stranger();
    let server = home.start_as(home.command_of_stranger());
    for line in ["list-sessions", "show-session x", "end-session x"] {
        server
            .cli(line)
            .with_code(1)
            .saying(&format!("user id {STRANGER}"));
    }
    server.assert_serves(1);
}
