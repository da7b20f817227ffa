//! The tools, as an MCP client meets them.

use serde_json::{Value, json};

use crate::harness::{Home, Server, end, five_sessions, numbers, request, rpc_body, start, with};

/// `_meta` and header of the revision in which each request says its own version.
const META: &str = "io.modelcontextprotocol/protocolVersion";

fn initialize(version: &str) -> Value {
    json!({
        "protocolVersion": version,
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    })
}

#[test]
fn initialize_agrees_on_the_revision_that_the_client_speaks() {
    let server = Server::start();
    for version in ["2025-11-25", "2025-06-18", "2025-03-26"] {
        let answer = server.post("/mcp", &rpc_body("initialize", initialize(version)));
        assert_eq!(answer.header("mcp-session-id"), None, "it is stateless");
        let result = &answer.json()["result"];
        assert_eq!(result["protocolVersion"], version);
        assert_eq!(result["serverInfo"]["name"], "session-buddy");
        assert!(result["capabilities"]["tools"].is_object(), "{result}");
        let instructions = result["instructions"].as_str().unwrap();
        assert!(
            instructions.contains("never instructions"),
            "{instructions}"
        );
    }
    let unknown = server.rpc("initialize", initialize("1999-01-01"));
    assert_eq!(unknown["result"]["protocolVersion"], "2025-11-25");
}

#[test]
fn a_client_that_says_initialized_and_pings_is_content() {
    let server = Server::start();
    let body = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    assert_eq!(server.post("/mcp", &body).status, 202);
    assert_eq!(server.rpc("ping", json!({}))["result"], json!({}));
}

/// A request as the revision 2026-07-28 has it: version in the header and in `_meta`, method and name in headers.
fn stateless(server: &Server, method: &str, name: &str, mut params: Value) -> (u16, Value) {
    params["_meta"] = json!({
        META: "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let headers = [
        ("MCP-Protocol-Version", "2026-07-28"),
        ("Mcp-Method", method),
        ("Mcp-Name", name),
    ];
    let body = rpc_body(method, params).to_string();
    let answer = server.raw(&request("POST", "/mcp", &headers, &body));
    (answer.status, answer.json())
}

#[test]
fn the_newer_revision_needs_no_handshake() {
    let server = Server::start();
    let (status, discovered) = stateless(&server, "server/discover", "", json!({}));
    assert_eq!(status, 200);
    let versions = discovered["result"]["supportedVersions"]
        .as_array()
        .unwrap();
    assert!(versions.contains(&json!("2026-07-28")), "{versions:?}");
    assert!(versions.contains(&json!("2025-11-25")), "{versions:?}");

    let (status, listed) = stateless(&server, "tools/list", "", json!({}));
    assert_eq!(status, 200);
    assert_eq!(listed["result"]["tools"].as_array().unwrap().len(), 10);

    let call = json!({"name": "track_session_start", "arguments": start(1)});
    let (status, called) = stateless(&server, "tools/call", "track_session_start", call);
    assert_eq!(status, 200);
    assert_eq!(called["result"]["structuredContent"]["status"], "tracked");
}

#[test]
fn headers_that_contradict_the_body_are_refused() {
    let server = Server::start();
    let call = json!({"name": "health_check", "arguments": {}});
    let (status, refused) = stateless(&server, "tools/call", "end_session", call);
    assert_eq!(status, 400);
    assert!(refused["error"]["message"].is_string(), "{refused}");
    server.assert_serves(1);
}

#[test]
fn the_tools_say_what_they_do_and_what_they_answer() {
    let server = Server::start();
    let listed = server.rpc("tools/list", json!({}));
    let tools = listed["result"]["tools"].as_array().unwrap();
    let (reading, reporting, closing) = (
        [json!(true), json!(null)],
        [json!(false), json!(false)],
        [json!(false), json!(true)],
    );
    let expected = [
        ("track_session_start", &reporting, "session_id"),
        ("track_session_end", &reporting, "session_id"),
        ("track_session_heartbeat", &reporting, "lease_seconds"),
        ("health_check", &reading, "accepting_events"),
        ("list_sessions", &reading, "next_cursor"),
        ("get_session", &reading, "duration_seconds"),
        ("end_session", &closing, "duration_seconds"),
        ("session_analytics", &reading, "p95_seconds"),
        ("list_event_schemas", &reading, "schemas"),
        ("get_prometheus_metrics", &reading, "text"),
    ];
    assert_eq!(tools.len(), expected.len());
    for (tool, (name, hints, key)) in tools.iter().zip(expected) {
        assert_eq!(tool["name"], name);
        assert!(!tool["description"].as_str().unwrap().is_empty());
        let annotations = &tool["annotations"];
        let found = [
            &annotations["readOnlyHint"],
            &annotations["destructiveHint"],
        ];
        assert_eq!(found, [&hints[0], &hints[1]], "{name}");
        assert_eq!(tool["inputSchema"]["type"], "object", "{name}");
        assert_eq!(tool["outputSchema"]["type"], "object", "{name}");
        let results = tool["outputSchema"].to_string();
        assert!(results.contains(&format!("\"{key}\"")), "{name} {results}");
    }
    let schemas = listed.to_string();
    assert!(
        !schemas.contains(r#""additionalProperties":false"#),
        "a newer client may send more"
    );
    for shows_sessions in [&tools[4], &tools[5], &tools[7]] {
        let description = shows_sessions["description"].as_str().unwrap();
        assert!(description.contains("never instructions"), "{description}");
    }
}

#[test]
fn a_start_is_tracked_once_and_again() {
    let server = Server::start();
    let id = server.begin(start(1));
    insta::assert_snapshot!(id, @"mahavishnu-20260206-100100-q2sco5l2");
    let expected =
        json!({"session_id": id, "status": "tracked", "error": null, "error_code": null});
    // The same content in another spelling.
    let spelled = json!({
        "timestamp": "2026-02-06T11:01:00.000+01:00",
        "pid": "4242",
        "metadata": {},
        "session_type": "admin_shell",
    });
    for again in [start(1), with(start(1), spelled)] {
        let called = server.call("track_session_start", again);
        assert_eq!(called.content, expected);
        assert!(!called.is_error);
    }
    assert_eq!(numbers(&server.get("/api/sessions").json()), [1]);
}

#[test]
fn a_known_session_with_other_content_is_a_conflict() {
    let server = Server::start();
    let id = server.begin(start(1));
    let other = with(start(1), json!({"hostname": "elsewhere"}));
    let called = server.call("track_session_start", other);
    assert!(!called.is_error, "a final refusal is a result");
    assert_eq!(called.content["session_id"], json!(null));
    assert_eq!(called.content["status"], "error");
    assert_eq!(called.content["error_code"], "CONFLICT");
    assert!(called.content["error"].as_str().unwrap().contains(&id));
    assert_eq!(server.show(&id)["hostname"], "build-7");
}

#[test]
fn an_end_is_recorded_once() {
    let server = Server::start();
    let id = server.begin(start(1));
    let report = json!({
        "exit_reason": "error", "exit_code": 3, "duration_seconds": 61.9,
        "command_count": 4, "error_count": 1, "last_error": "no such job",
        "metadata": {"note": "bye"},
    });
    let first = server.call("track_session_end", with(end(&id), report));
    let expected = json!({"session_id": id, "status": "ended", "error": null, "error_code": null});
    assert_eq!(first.content, expected);
    let later = with(end(&id), json!({"exit_code": 0, "exit_reason": "exit"}));
    assert_eq!(server.call("track_session_end", later).content, expected);

    let record = server.show(&id);
    let shown = |key: &str| record[key].clone();
    assert_eq!(shown("status"), "ended");
    assert_eq!(shown("end_known_by"), "reported");
    assert_eq!(shown("end_estimated"), false);
    assert_eq!(shown("end_time"), "2026-02-06T11:30:00.000000Z");
    assert_eq!(shown("duration_seconds"), 61);
    assert_eq!(
        (shown("exit_reason"), shown("exit_code")),
        (json!("error"), json!(3))
    );
    assert_eq!(
        (shown("command_count"), shown("error_count")),
        (json!(4), json!(1))
    );
    assert_eq!(
        (shown("error_occurred"), shown("error_message")),
        (json!(true), json!("no such job"))
    );
    assert_eq!(shown("quality_score"), 90.0);
    assert_eq!(shown("end_metadata"), json!({"note": "bye"}));
    assert_eq!(shown("liveness"), json!(null));
}

#[test]
fn what_nobody_started_is_not_found() {
    let server = Server::start();
    let id = "mahavishnu-20260206-100100-aaaaaaaa";
    let expected =
        json!({"session_id": id, "status": "not_found", "error": null, "error_code": null});
    let ended = server.call("track_session_end", end(id));
    assert_eq!((ended.content, ended.is_error), (expected.clone(), false));
    let beat = json!({"session_id": id, "timestamp": "2026-02-06T11:30:00Z"});
    let beaten = server.call("track_session_heartbeat", beat);
    assert_eq!(
        beaten.content,
        with(expected, json!({"lease_seconds": null}))
    );
    // Events name their session exactly.
    let full = server.begin(start(1));
    let prefix = server.call("track_session_end", end(&full[..full.len() - 1]));
    assert_eq!(prefix.content["status"], "not_found");
}

#[test]
fn a_heartbeat_renews_a_lease_of_three_intervals() {
    let server = Server::start();
    for (number, interval, lease) in [
        (1, json!(1), json!(5)),
        (2, json!(10), json!(30)),
        (3, json!(null), json!(null)),
    ] {
        let id = server.begin(with(
            start(number),
            json!({"heartbeat_interval_seconds": interval}),
        ));
        let beat = json!({"session_id": id, "timestamp": "2026-02-06T11:00:00Z", "sequence": 1, "command_count": 7});
        let called = server.call("track_session_heartbeat", beat);
        let expected = json!({
            "session_id": id, "status": "alive", "error": null, "error_code": null, "lease_seconds": lease,
        });
        assert_eq!(called.content, expected);
        let record = server.show(&id);
        assert_eq!(
            record["liveness"],
            if lease.is_null() { "unknown" } else { "live" }
        );
        assert_eq!(record["command_count"], 7);
    }
}

#[test]
fn a_session_that_is_alive_is_closed_by_force_only() {
    let server = Server::start();
    let id = server.begin(with(start(1), json!({"heartbeat_interval_seconds": 3600})));
    let refused = server.call("end_session", json!({"session_id": id}));
    assert!(refused.is_error);
    assert_eq!(refused.content["error_code"], "SESSION_ALIVE");
    assert!(
        refused.content["detail"]
            .as_str()
            .unwrap()
            .contains("force")
    );

    let forced = json!({"session_id": id, "force": true, "reason": "left open"});
    let closed = server.call("end_session", forced);
    assert!(!closed.is_error);
    assert_eq!(closed.content["status"], "ended");
    assert_eq!(closed.content["end_known_by"], "by_hand");
    assert_eq!(closed.content["end_estimated"], true);
    let uid = rustix::process::geteuid().as_raw();
    assert_eq!(closed.content["closed_by"], format!("uid {uid}"));

    // Its shell is told, and its own report still wins.
    let beat = json!({"session_id": id, "timestamp": "2026-02-06T11:00:00Z"});
    let beaten = server.call("track_session_heartbeat", beat);
    assert_eq!(beaten.content["status"], "ended");
    assert_eq!(beaten.content["lease_seconds"], json!(null));
    server.call("track_session_end", end(&id));
    let record = server.show(&id);
    assert_eq!(record["end_known_by"], "reported");
    assert_eq!(record["closed_by"], json!(null));
}

#[test]
fn null_is_absent_and_what_is_unknown_is_ignored() {
    let server = Server::start();
    let nulls = json!({
        "event_type": null, "metadata": null, "reason": null, "actor": null, "process": null, "session_type": null,
        "sent_at": null, "token": null, "user": {"login_name": null},
        "from_the_future": {"deep": [1]}, "environment": {"shell_level": 3},
    });
    let id = server.begin(with(start(1), nulls));
    let record = server.show(&id);
    assert_eq!(record["session_type"], "admin_shell");
    assert_eq!(record["metadata"], json!({}));
    assert!(!record.to_string().contains("from_the_future"));
    let ended = with(
        end(&id),
        json!({"event_id": null, "exit_code": null, "metadata": null, "extra": 1}),
    );
    assert_eq!(
        server.call("track_session_end", ended).content["status"],
        "ended"
    );
    let listed = server.call(
        "list_sessions",
        json!({"status": null, "limit": null, "cursor": null, "extra": 1}),
    );
    assert_eq!(numbers(&listed.content["sessions"]), [1]);
    assert_eq!(
        server.call("health_check", json!({"extra": 1})).content["status"],
        "healthy"
    );
}

#[test]
fn a_bad_event_is_told_every_field() {
    let server = Server::start();
    let bad = json!({"event_version": "2.0", "event_id": "x", "pid": 0, "user": {"username": 7}, "timestamp": "today"});
    let called = server.call("track_session_start", with(start(1), bad));
    assert!(!called.is_error, "a final refusal is a result");
    assert_eq!(called.content["error_code"], "INVALID_EVENT");
    assert_eq!(called.content["session_id"], json!(null));
    insta::assert_snapshot!(called.content["error"].as_str().unwrap(), @r#"event_version: expected "1.0", found "2.0"; event_id: expected a UUID, found "x"; timestamp: expected an RFC 3339 time such as 2026-02-06T10:30:00Z, found "today"; pid: expected an integer from 1 to 4194304, found 0; user.username: expected a string, found a number"#);
    let called = server.call(
        "track_session_end",
        json!({"session_id": "x", "exit_code": "0"}),
    );
    insta::assert_snapshot!(called.content["error"].as_str().unwrap(), @"timestamp: required; exit_code: expected an integer, found a string");
    let called = server.call("track_session_heartbeat", json!({"session_id": "x"}));
    assert_eq!(called.content["session_id"], "x");
    assert_eq!(called.content["error_code"], "INVALID_EVENT");
    assert_eq!(numbers(&server.get("/api/sessions").json()), [0; 0]);
}

#[test]
fn a_session_is_shown_by_what_is_typed_for_it() {
    let server = Server::start();
    let ids = five_sessions(&server);
    let last_part = ids[1].rsplit('-').next().unwrap();
    for typed in [
        &ids[1],
        "billing-20260206-1002",
        last_part,
        &last_part[..5],
        &format!("sess_{last_part}"),
    ] {
        let called = server.call("get_session", json!({"session_id": typed}));
        assert_eq!(called.content["session_id"], ids[1], "{typed}");
    }
    let unknown = server.call("get_session", json!({"session_id": "nobody"}));
    assert!(unknown.is_error);
    let expected = json!({
        "error": "Not Found", "detail": "session nobody not found", "error_code": "SESSION_NOT_FOUND",
    });
    assert_eq!(unknown.content, expected);
    let ambiguous = server.call("get_session", json!({"session_id": "billing"}));
    assert!(ambiguous.is_error);
    assert_eq!(ambiguous.content["error_code"], "AMBIGUOUS_ID");
    let detail = ambiguous.content["detail"].as_str().unwrap();
    assert!(
        detail.contains(&ids[1]) && detail.contains(&ids[3]),
        "{detail}"
    );
    let missing = server.call("get_session", json!({}));
    assert_eq!(missing.content["error_code"], "INVALID_PARAMETER");
}

#[test]
fn lists_are_filtered_and_paged() {
    let server = Server::start();
    five_sessions(&server);
    let list = |arguments: Value| server.call("list_sessions", arguments).content;
    for (filter, expected) in [
        (json!({}), vec![5, 4, 3, 2, 1]),
        (json!({"component": "billing"}), vec![4, 2]),
        (
            json!({"component": ["billing", "crackerjack"], "status": "active"}),
            vec![5, 2],
        ),
        (json!({"type": "batch"}), vec![4]),
        (json!({"user": "ana", "incomplete": true}), vec![5, 2]),
        (
            json!({"after": "2026-02-06T10:02:00Z", "before": "2026-02-06T10:04:00Z"}),
            vec![3, 2],
        ),
        (
            json!({"duration_greater": 5399, "status": ["ended", "lost"]}),
            vec![4, 1],
        ),
        (json!({"user": "' OR 1=1 --"}), vec![]),
        (
            json!({"search": "ana \"srv app\"", "status": "active"}),
            vec![5, 2],
        ),
    ] {
        let listed = list(filter.clone());
        assert_eq!(numbers(&listed["sessions"]), expected, "{filter}");
        assert_eq!(listed["count"], expected.len(), "{filter}");
        assert_eq!(listed["next_cursor"], json!(null), "{filter}");
    }
    let mut arguments = json!({"limit": 2});
    let mut pages = Vec::new();
    loop {
        let page = list(arguments.clone());
        pages.push(numbers(&page["sessions"]));
        if page["next_cursor"].is_null() {
            break;
        }
        arguments["cursor"] = page["next_cursor"].clone();
    }
    assert_eq!(pages, [vec![5, 4], vec![3, 2], vec![1]]);
    for (wrong, code) in [
        (json!({"limit": 0}), "INVALID_PARAMETER"),
        (json!({"limit": 1001}), "INVALID_PARAMETER"),
        (json!({"status": "gone"}), "INVALID_PARAMETER"),
        (json!({"cursor": "x"}), "INVALID_CURSOR"),
        (json!({"cursor": 7}), "INVALID_CURSOR"),
    ] {
        let called = server.call("list_sessions", wrong.clone());
        assert!(called.is_error, "{wrong}");
        assert_eq!(called.content["error_code"], code, "{wrong}");
    }
}

#[test]
fn nothing_in_a_session_acts_in_the_text_of_a_result() {
    let server = Server::start();
    let acting = "a\u{202e}b\u{1b}[31mc\u{2066}d\u{200b}e\u{e0041}";
    let id = server.begin(with(
        start(1),
        json!({"user": {"username": acting}, "hostname": acting}),
    ));
    for (tool, arguments) in [
        ("get_session", json!({"session_id": id})),
        ("list_sessions", json!({})),
    ] {
        let called = server.call(tool, arguments);
        let acts = |c: char| c.is_control() || "\u{202e}\u{2066}\u{200b}\u{e0041}".contains(c);
        assert!(!called.text.contains(acts), "{tool}: {:?}", called.text);
        assert!(called.text.contains("\\u202e") && called.text.contains("\\u001b[31m"));
        let spelled: Value = serde_json::from_str(&called.text).unwrap();
        assert_eq!(spelled, called.content, "{tool}");
    }
    assert_eq!(server.show(&id)["username"], acting);
    let unknown = server.call("get_session", json!({"session_id": acting}));
    assert!(!unknown.text.contains('\u{202e}'), "{}", unknown.text);
}

#[test]
fn health_is_told_to_anybody() {
    let server = Server::start();
    let mut content = server.call("health_check", json!({})).content;
    assert!(content["uptime_seconds"].is_u64());
    content["uptime_seconds"] = json!(0);
    let expected = json!({
        "status": "healthy", "service": "session-buddy", "version": env!("CARGO_PKG_VERSION"), "ready": true,
        "accepting_events": true, "auth": "optional", "uptime_seconds": 0,
        "checks": {"checkpoint": "ok", "lifecycle": "ok", "queue": "ok", "store": "ok"},
    });
    assert_eq!(content, expected);
}

#[test]
fn a_token_never_reaches_the_log() {
    let home = Home::new();
    let mut command = home.command();
    command.env("RUST_LOG", "trace");
    let server = home.start_as(command);
    let token = json!({"token": "tok-4711"});
    let id = server.begin(with(start(1), token.clone()));
    server.call("track_session_end", with(end(&id), token.clone()));
    server.call("list_sessions", token.clone());
    server.call("track_session_start", token.clone());
    server.rpc("tools/call", json!({"name": "nothing", "arguments": token}));
    let log = server.stop_for_log();
    assert!(
        log.contains("Stopped") && !log.contains("tok-4711"),
        "{log}"
    );
}
