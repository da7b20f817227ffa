//! Delivery to MCP servers that are not ours.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use rmcp::model::{CallToolResult, ContentBlock};
use serde_json::{Value, json};
use session_client::{
    delivery::{adoption::Report, target::Target},
    emitter::Connection,
};

use crate::harness::*;

const NEWEST: Manner = Manner {
    sessions: true,
    json: true,
    newest: ProtocolRevision::V2026_07_28,
};

fn manners() -> impl Iterator<Item = Manner> {
    let both = [true, false];
    both.into_iter().flat_map(move |sessions| {
        both.into_iter().flat_map(move |json| {
            [ProtocolRevision::V2025_06_18, ProtocolRevision::V2026_07_28].map(|newest| Manner {
                sessions,
                json,
                newest,
            })
        })
    })
}

#[test]
fn a_server_gets_what_it_names_and_the_end_under_its_own_id() {
    for manner in manners() {
        let server = Foreign::start(manner, USUAL);
        let home = Home::with_url(&server.url);
        let shell = home.shell();
        wait_status(&shell, &format!("the start, {manner:?}"), |status| {
            status.acknowledged
        });
        leave(&shell);

        let calls = server.calls();
        let names: Vec<_> = calls.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            ["track_session_start", "track_session_end"],
            "{manner:?}"
        );
        let (_, start) = &calls[0];
        assert_eq!(start["component_name"], "billing");
        assert_eq!(start["pid"], std::process::id());
        assert_eq!(start.len(), 6, "{start:?}");
        let end = json!({"session_id": "sess_1", "timestamp": now().to_string()});
        assert_eq!(Value::from(calls[1].1.clone()), end);
        assert_eq!(home.waiting(), [""; 0]);
    }
}

/// The id that the server gave is in the file, for whoever reports the death.
#[test]
fn the_end_of_a_dead_shell_goes_under_the_id_that_the_server_gave() {
    let server = Foreign::start(NEWEST, USUAL);
    let home = Home::with_url(&server.url);
    home.dead_shell();
    let mut courier = home.courier();
    // The first call brings the start; then its deliverer dies.
    server.answer_instead(vec![
        no_result(),
        CallToolResult::structured(result("sess_77", "tracked")),
    ]);
    assert_eq!(home.replay_by(&mut courier).waiting, 1);
    home.replay();
    let calls = server.calls();
    let ends = calls.iter().filter(|(name, _)| name == "track_session_end");
    assert!(ends.clone().count() > 0);
    for (_, end) in ends.take(2) {
        assert_eq!(end["session_id"], "sess_77");
    }
}

#[test]
fn a_tool_that_says_nothing_of_its_arguments_gets_all() {
    const OPEN: Tools = &[("track_session_start", None), ("track_session_end", None)];
    let server = Foreign::start(NEWEST, OPEN);
    let home = Home::with_url(&server.url);
    home.dead_shell();
    assert_eq!(home.replay().delivered, 1);
    let (_, start) = &server.calls()[0];
    assert_eq!(start["event_type"], "session_start");
    assert_eq!(start["sent_at"], now().to_string());
    assert!(start.contains_key("process"));
}

#[test]
fn a_server_without_our_tools_keeps_nothing_and_costs_nothing() {
    const OTHER: Tools = &[("search_notes", Some(&["query"]))];
    let server = Foreign::start(NEWEST, OTHER);
    let home = Home::with_url(&server.url);
    home.dead_shell();
    assert_eq!(
        home.replay(),
        Report {
            waiting: 1,
            ..Report::default()
        }
    );
    assert_eq!(home.problem(), "it has no tool track_session_start");
    assert_eq!(server.calls(), []);
}

#[test]
fn a_server_that_cannot_end_sessions_is_told_as_that() {
    const START: Tools = &[("track_session_start", Some(&["event_id", "component_name"]))];
    let server = Foreign::start(NEWEST, START);
    let home = Home::with_url(&server.url);
    home.dead_shell();
    assert_eq!(
        home.replay(),
        Report {
            waiting: 1,
            ..Report::default()
        }
    );
    assert_eq!(home.problem(), "it has no tool track_session_end");
    assert_eq!(server.calls().len(), 1);
}

#[test]
fn a_server_that_knows_heartbeats_gets_them_under_its_own_id() {
    const BEATING: Tools = &[
        ("track_session_start", Some(&["event_id"])),
        ("track_session_end", Some(&["session_id"])),
        (
            "track_session_heartbeat",
            Some(&["session_id", "error_count"]),
        ),
    ];
    let server = Foreign::start(NEWEST, BEATING);
    let mut home = Home::with_url(&server.url);
    home.settings.timing.heartbeat = Duration::from_millis(20);
    let shell = home.shell();
    let calls = server.wait_calls(3);
    assert_eq!(calls[2].0, "track_session_heartbeat");
    assert_eq!(
        Value::from(calls[2].1.clone()),
        json!({"session_id": "sess_1", "error_count": 0})
    );
    leave(&shell);
}

/// A server of an older day knows no error codes: nothing that it says is final.
#[test]
fn nothing_that_such_a_server_refuses_without_a_code_is_final() {
    let refusals = [
        CallToolResult::structured(
            json!({"session_id": null, "status": "error", "error": "database is locked"}),
        ),
        CallToolResult::structured_error(refusal(None, "INVALID_EVENT")),
        CallToolResult::error(vec![ContentBlock::text(
            "Traceback (most recent call last)",
        )]),
        CallToolResult::success(vec![ContentBlock::text("tracked, thank you")]),
        CallToolResult::structured(result("", "tracked")),
        CallToolResult::structured(result(&"x".repeat(2_000), "tracked")),
        no_result(),
    ];
    let causes = [
        "database is locked",
        "no, for this reason (INVALID_EVENT)",
        "Traceback (most recent call last)",
        "tracked, thank you",
        "it gave the session no id",
        "it gave the session an id of 2000 bytes",
        "its answer is empty",
    ];
    for (answer, cause) in refusals.into_iter().zip(causes) {
        let server = Foreign::start(NEWEST, USUAL);
        let home = Home::with_url(&server.url);
        home.dead_shell();
        server.answer_instead(vec![answer]);
        assert_eq!(
            home.replay(),
            Report {
                waiting: 1,
                ..Report::default()
            },
            "{cause}"
        );
        assert_eq!(home.problem(), cause);
        assert_eq!(home.replay().delivered, 1, "{cause}");
    }
}

#[test]
fn a_server_that_forgot_the_session_gets_its_start_again_and_the_end_under_the_new_id() {
    let server = Foreign::start(NEWEST, USUAL);
    let home = Home::with_url(&server.url);
    let shell = home.shell();
    wait_status(&shell, "the start", |status| status.acknowledged);
    server.forget();
    leave(&shell);
    let calls = server.calls();
    let told: Vec<_> = calls
        .iter()
        .map(|(name, arguments)| (name.as_str(), arguments.get("session_id").cloned()))
        .collect();
    assert_eq!(
        told,
        [
            ("track_session_start", None),
            ("track_session_end", Some("sess_1".into())),
            ("track_session_start", None),
            ("track_session_end", Some("sess_2".into())),
        ]
    );
    assert_eq!(calls[0].1["event_id"], calls[2].1["event_id"]);
}

/// A server on standard input and output, as it could be written in an afternoon, of a revision before ours.
const PROGRAM: &str = r#"
echo "$@" >>"$0.calls"
while read -r line; do
    echo "$line" >>"$0.calls"
    id=$(echo "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
    case $line in
    *'"initialize"'*) answer='{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"p","version":"1"}}' ;;
    *tools/list*) answer='{"tools":[{"name":"track_session_start","inputSchema":{"type":"object","properties":{"event_id":{}}}},{"name":"track_session_end","inputSchema":{"type":"object","properties":{"session_id":{}}}}]}' ;;
    *track_session_start*) answer='{"content":[{"type":"text","text":"{\"session_id\":\"p-1\",\"status\":\"tracked\",\"error\":null}"}]}' ;;
    *track_session_end*) answer='{"content":[{"type":"text","text":"{\"session_id\":\"p-1\",\"status\":\"ended\",\"error\":null}"}]}' ;;
    *notifications/*) continue ;;
    *)
        echo '{"jsonrpc":"2.0","id":'"$id"',"error":{"code":-32601,"message":"what?"}}'
        continue
        ;;
    esac
    echo '{"jsonrpc":"2.0","id":'"$id"',"result":'"$answer"'}'
done
"#;

fn write_program(home: &mut Home, text: &str) -> PathBuf {
    let path = home.folder.path().join("server");
    let first = if text.starts_with("#!") {
        ""
    } else {
        "#!/bin/sh\n"
    };
    fs::write(&path, format!("{first}{text}")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    home.settings.target = Target::Program(path.clone());
    path
}

#[test]
fn a_program_is_a_server_too() {
    let mut home = Home::new();
    let path = write_program(&mut home, PROGRAM);
    let shell = home.shell();
    wait_status(&shell, "the start", |status| status.acknowledged);
    leave(&shell);
    assert_eq!(home.waiting(), [""; 0]);
    let calls = fs::read_to_string(path.with_extension("calls")).unwrap();
    let ends: Vec<_> = calls
        .lines()
        .filter(|line| line.contains("track_session_end"))
        .collect();
    assert!(calls.starts_with("mcp stdio\n"), "{calls}");
    assert_eq!(ends.len(), 1);
    assert!(ends[0].contains(r#""session_id":"p-1""#), "{}", ends[0]);
}

#[test]
fn a_program_that_fails_costs_nothing_but_a_line() {
    let dies_later = PROGRAM.replace(
        "*track_session_start*)",
        "*track_session_start*) exit 7 ;;\nnever)",
    );
    let late = "no answer within 0.5 s";
    for (name, text, cause) in [
        ("dies", "read -r line; exit 3", "connection closed"),
        ("dies later", &dies_later, "Transport closed"),
        ("does not run", "#!/nonexistent/shell", "cannot start"),
        (
            "babbles",
            "while echo '}{'; do read -r line || exit; done",
            late,
        ),
        ("speaks bytes", "exec cat /bin/sh", "connection closed"),
        ("repeats", "exec cat", late),
        ("is silent", "exec tail -f /dev/null", late),
    ] {
        let mut home = Home::new();
        if cause == late {
            home.settings.timing.call_max = Duration::from_millis(500);
        }
        write_program(&mut home, text);
        let dead = home.dead_shell();
        assert_eq!(
            home.replay(),
            Report {
                waiting: 1,
                ..Report::default()
            },
            "{name}"
        );
        assert!(home.problem().contains(cause), "{name}: {}", home.problem());
        assert_eq!(home.waiting(), [dead.as_str()], "{name}");

        write_program(&mut home, PROGRAM);
        assert_eq!(home.replay_in(timing()).delivered, 1, "{name}");
        assert_eq!(home.waiting(), [""; 0], "{name}");
    }
}

#[test]
fn a_program_goes_with_the_connection() {
    let mut home = Home::new();
    home.settings.timing.call_max = Duration::from_millis(500);
    let path = write_program(&mut home, "echo $$ >\"$0.pid\"\nexec tail -f /dev/null\n");
    let shell = home.shell();
    wait_status(&shell, "the failure", |status| {
        matches!(status.connection, Connection::Offline { .. })
    });
    leave(&shell);
    let pid = fs::read_to_string(path.with_extension("pid")).unwrap();
    let process = Path::new("/proc").join(pid.trim());
    wait_until("the end of the program", || !runs(&process));
}

/// One that is dead and not yet waited for runs no more.
fn runs(process: &Path) -> bool {
    fs::read_to_string(process.join("stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

fn no_result() -> CallToolResult {
    CallToolResult::success(Vec::new())
}
