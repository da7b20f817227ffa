//! Text that acts, in every field that others fill, at every door where it is shown: none of it acts there. What is stored
//! is what was sent.

use serde_json::{Value, json};
use session_model::escape::is_unsafe;

use crate::harness::{Home, Ran, Server, end, run, start, with};

/// What acts on terminals, in tables, in logs and on the eyes of people.
const HOSTILE: [&str; 12] = [
    "\u{1b}[2J\u{1b}[31mred",
    "\u{1b}]8;;http://evil.example\u{7}link\u{1b}]8;;\u{7}",
    "\u{1b}]52;c;aGk=\u{7}",
    "\u{9b}31mred",
    "abc\u{202e}fdp.exe",
    "a\u{2066}b\u{200b}c\u{feff}d\u{e0041}",
    "forged\n2026-11-27T12:00:00Z ERROR root: all is lost user=\"root\"",
    "back\rover",
    "=HYPERLINK(\"http://evil.example\")",
    "+1+cmd|' /C calc'!A0",
    "@SUM(1)\t-2",
    "\"quote\", 'quote', \\ and <script>",
];

/// A server with a session for each hostile text, which stands in every field that takes one.
fn server() -> Server {
    let server = Home::new().start();
    for (number, hostile) in (1..).zip(HOSTILE) {
        let id = server.begin(with(
            start(number),
            json!({
                "shell_type": hostile,
                "hostname": hostile,
                "reason": hostile,
                "user": {"username": hostile.chars().take(100).collect::<String>(), "home": hostile},
                "environment": {"platform": hostile, "cwd": hostile, "python_version": hostile},
                "actor": {"kind": "agent", "name": hostile},
                "tty": hostile,
                "remote_address": hostile,
                "runtime": hostile,
                "parent_session_id": hostile,
                "metadata": {"project": hostile, hostile: hostile},
            }),
        ));
        let report = json!({"last_error": hostile, "error_count": 1, "exit_reason": "error", "metadata": {"x": hostile}});
        server.call("track_session_end", with(end(&id), report));
    }
    // An open one, with hostile acts about it.
    let open = server.begin(with(start(99), json!({"reason": HOSTILE[0]})));
    let close = json!({"session_id": open, "reason": HOSTILE[6], "force": true});
    server.call("end_session", close);
    for hostile in HOSTILE {
        let revoke = json!({"token_id": hostile, "reason": hostile});
        assert_eq!(server.post("/api/tokens/revoke", &revoke).status, 200);
    }
    server
}

/// Says where a text acts.
fn acting(name: &str, text: &str) -> Option<String> {
    let acts = |c: char| c != '\n' && is_unsafe(c);
    let at = text.find(acts)?;
    let from = text.floor_char_boundary(at.saturating_sub(40));
    let to = text.ceil_char_boundary((at + 20).min(text.len()));
    Some(format!("{name}: {:?}", &text[from..to]))
}

fn shell(server: &Server, script: &str) -> Ran {
    let mut command = server.command();
    command.args(["shell", "--no-server", "--no-tracking", "-c", script]);
    run(command, "")
}

#[test]
fn nothing_that_others_wrote_acts_where_it_is_shown() {
    let server = server();
    let mut acts = Vec::new();
    let mut look = |name: &str, text: &str| acts.extend(acting(name, text));
    for line in [
        "list-sessions",
        "list-sessions --format json",
        "list-sessions --format csv",
        "audit",
        "audit --format json",
        "violations",
        "event-buffer list",
    ] {
        let ran = server.cli(line);
        look(line, &ran.stdout);
        look(line, &ran.stderr);
    }
    let listed = server.get("/api/sessions").json();
    for session in listed.as_array().unwrap() {
        let id = session["session_id"].as_str().unwrap();
        for format in ["", " --format json"] {
            let line = format!("show-session {id}{format}");
            look("show-session", &server.cli(&line).stdout);
        }
        look(
            "%session",
            &shell(&server, &format!("%session {id}")).stdout,
        );
    }
    look("ps()", &shell(&server, "ps()").stdout);
    look("/metrics", server.get("/metrics").text());
    for (tool, arguments) in [
        ("get_prometheus_metrics", json!({})),
        ("list_sessions", json!({})),
        (
            "get_session",
            json!({"session_id": listed[0]["session_id"]}),
        ),
    ] {
        look(tool, &server.call(tool, arguments).text);
    }
    for hostile in HOSTILE {
        for arguments in [
            &["show-session", hostile][..],
            &["end-session", hostile],
            &["list-sessions", "--after", hostile],
            &["list-sessions", "--tz", hostile],
            &["list-sessions", "--status", hostile],
            &["list-sessions", "--db-path", hostile],
            &["list-sessions", "--server", hostile],
            &["token", "revoke", hostile],
        ] {
            let mut command = server.command();
            command.args(arguments);
            look(arguments[arguments.len() - 2], &run(command, "").stderr);
        }
        // What a script says may have lines and columns.
        let said = shell(&server, &format!("throw {hostile:?}")).stderr;
        look("a script", &said.replace('\t', " "));
        let refused = server.call("get_session", json!({"session_id": hostile}));
        look("get_session", &refused.text);
        let refused = server.call(
            "track_session_start",
            with(start(1), json!({"timestamp": hostile})),
        );
        look("track_session_start", &refused.text);
        let escaped: String = hostile.bytes().map(|byte| format!("%{byte:02X}")).collect();
        for path in [
            "/api/sessions/",
            "/api/sessions?status=",
            "/api/sessions?",
            "/",
        ] {
            let answer = server.get(&format!("{path}{escaped}"));
            look(path, answer.json()["detail"].as_str().unwrap_or_default());
        }
    }
    assert!(acts.is_empty(), "{}", acts.join("\n"));

    // What is stored is what was sent.
    let reasons: Vec<&Value> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|session| &session["reason"])
        .collect();
    for hostile in HOSTILE {
        assert!(
            reasons.contains(&&json!(hostile)),
            "{hostile:?} was changed"
        );
    }
    // A log is a line for each thing that happened, and none of them is anybody's own work.
    for line in server.stop_for_log().lines() {
        assert_eq!(acting("log", line), None);
        assert!(line.starts_with("20"), "forged: {line:?}");
    }
}

#[test]
fn no_cell_of_a_spreadsheet_is_a_formula() {
    let server = server();
    let csv = server.cli("list-sessions --format csv").with_code(0).stdout;
    let mut table = csv::ReaderBuilder::new().from_reader(csv.as_bytes());
    let mut cells = 0;
    for row in table.records() {
        for cell in row.unwrap().iter() {
            cells += 1;
            assert!(
                !cell.starts_with(['=', '+', '-', '@', '\t', '\r']),
                "a formula: {cell:?}"
            );
        }
    }
    assert!(cells > 500, "{cells}");
}
