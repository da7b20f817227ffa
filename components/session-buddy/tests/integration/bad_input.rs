//! What is wrong is refused by name, and the server goes on for the others.

mod at_start;
mod strangers;

use std::io::Write;

use serde_json::{Value, json};

use crate::harness::{Answer, Server, call_body, end, numbers, request, rpc_body, start, with};

fn nested(levels: usize) -> Value {
    (1..levels).fold(json!({}), |inner, _| json!({"a": inner}))
}

/// A text that is one character too long.
fn over(characters: usize) -> String {
    "é".repeat(characters + 1)
}

/// Sends an event with each of the bad values of each field to a tool, and checks that the refusal names the field.
fn assert_named(server: &Server, tool: &str, event: &Value, bad: &Value) {
    let cases = bad.as_object().unwrap().iter();
    for (field, value) in cases.flat_map(|(field, values)| {
        values
            .as_array()
            .unwrap()
            .iter()
            .map(move |value| (field, value))
    }) {
        let change = match field.split_once('.') {
            Some((outer, inner)) => json!({outer: {inner: value}}),
            None => json!({field: value}),
        };
        let called = server.call(tool, with(event.clone(), change));
        let told = called.content["error"].as_str().unwrap_or_default();
        assert!(
            told.split("; ").any(|part| part.starts_with(field)),
            "{field} = {value} is told {told:?}"
        );
        assert_eq!(
            called.content["error_code"], "INVALID_EVENT",
            "{field} = {value}"
        );
        assert!(!called.is_error, "it is final");
    }
    let required = event
        .as_object()
        .unwrap()
        .keys()
        .filter(|key| *key != "event_type");
    for field in required {
        let called = server.call(tool, with(event.clone(), json!({field: null})));
        assert_eq!(called.content["error"], format!("{field}: required"));
    }
}

#[test]
fn every_field_of_a_start_out_of_bounds_is_named() {
    let server = Server::start();
    let bad = json!({
        "event_version": ["1.1", 1.0],
        "event_id": ["x", "00000000-0000-0000-0000-000000000000", 1],
        "event_type": ["session_end"],
        "component_name": ["", "a b", "a\n", "x".repeat(101), "../etc"],
        "shell_type": [over(200), "a\u{0}b"],
        "timestamp": ["2026-02-30T00:00:00Z", "2026-02-06 10:00:00Z", "0000-01-01T00:00:00Z", 0],
        "pid": [0, 4_194_305, -1, 1.5, true, "x"],
        "user": ["les", []],
        "user.username": [over(100), 7, "a\u{0}"],
        "user.home": [over(500)],
        "user.login_name": [over(100)],
        "user.login_name_source": ["guess"],
        "hostname": [over(255), "a\u{0}b"],
        "environment.python_version": [over(200)],
        "environment.platform": [over(500)],
        "environment.cwd": [over(500)],
        "metadata": [[], "{}", {"a": "x".repeat(16 * 1024)}, nested(17), {"a": "\u{0}"}],
        "session_type": ["", "Admin Shell", "x".repeat(51)],
        "reason": [over(500)],
        "actor.kind": ["robot"],
        "parent_session_id": [over(200)],
        "heartbeat_interval_seconds": [0, 3601, "often"],
        "process.pid_namespace": [-1],
        "host_id": ["abc", "G".repeat(64)],
        "tty": [over(200)],
        "remote_address": [over(200)],
        "runtime": [over(200)],
        "emitter_id": ["me"],
        "sequence": [-1],
        "sent_at": ["now"],
    });
    assert_named(&server, "track_session_start", &start(1), &bad);
    assert_eq!(numbers(&server.get("/api/sessions").json()), [0; 0]);
    // Bounds count characters, and the bound itself is allowed.
    let crabs = "🦀".repeat(100);
    server.begin(with(
        start(1),
        json!({"user": {"username": crabs}, "metadata": nested(16)}),
    ));
    assert_eq!(server.show("mahavishnu")["username"], crabs);
}

#[test]
fn every_field_of_an_end_and_a_heartbeat_out_of_bounds_is_named() {
    let server = Server::start();
    let id = server.begin(start(1));
    let bad = json!({
        "session_id": [over(200), 1, "a\u{0}"],
        "timestamp": ["2026-13-01T00:00:00Z"],
        "event_type": ["session_start"],
        "metadata": [[], nested(17)],
        "event_id": ["x"],
        "exit_reason": ["bored"],
        "exit_code": [4_294_967_296_u64, "nought"],
        "duration_seconds": [-0.5, "long"],
        "command_count": [-1],
        "error_count": [1.5],
        "last_error": [over(500)],
        "lost_cause": ["aliens"],
        "last_seen": ["just now"],
        "reported_by": [over(200)],
    });
    assert_named(&server, "track_session_end", &end(&id), &bad);
    let bad = json!({
        "timestamp": ["T", "2026-02-06"],
        "sequence": [-1],
        "command_count": ["many"],
        "last_error": [over(500)],
    });
    let beat = json!({"session_id": id, "timestamp": "2026-02-06T11:00:00Z"});
    assert_named(&server, "track_session_heartbeat", &beat, &bad);
    assert_eq!(server.show(&id)["status"], "active");
}

/// Sends a body to `/mcp`.
fn mcp(server: &Server, body: &str) -> Answer {
    server.send("POST", "/mcp", &[], body)
}

#[test]
fn what_is_no_request_is_told_so_in_json_rpc() {
    let server = Server::start();
    for (body, code) in [
        (r#"{"jsonrpc": "2.0", "id": 1, "meth"#, -32700),
        ("", -32700),
        ("\u{0}", -32700),
        ("[]", -32600),
        (r#"[{"jsonrpc": "2.0", "id": 1, "method": "ping"}]"#, -32600),
        (r#"{"jsonrpc": "1.0", "id": 1, "method": "ping"}"#, -32600),
        (r#"{"id": 1, "method": "ping"}"#, -32600),
        (r#"{"jsonrpc": "2.0", "id": {}, "method": "ping"}"#, -32600),
        (r#"{"jsonrpc": "2.0", "id": 1, "result": {}}"#, -32600),
        ("null", -32600),
    ] {
        let answer = mcp(&server, body);
        assert_eq!(answer.status, 400, "{body}: {}", answer.text());
        let error = &answer.json()["error"];
        assert_eq!(error["code"], code, "{body}");
        assert!(!error["message"].as_str().unwrap().is_empty(), "{body}");
    }
}

#[test]
fn broken_json_rpc_stops_nobody() {
    let server = Server::start();
    for (body, number) in ["{", "", "[]", "null", "{}"].into_iter().zip(1..) {
        let status = mcp(&server, body).status;
        assert!((400..500).contains(&status), "{body}: {status}");
        server.assert_serves(number);
    }
}

#[test]
fn unknown_methods_and_tools_are_told_by_code() {
    let server = Server::start();
    let unknown = server.rpc("sessions/list", json!({}));
    assert_eq!(unknown["error"]["code"], -32601);
    let unknown = server.rpc("tools/call", json!({"name": "drop_tables\u{202e}"}));
    assert_eq!(unknown["error"]["code"], -32602);
    let message = unknown["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("drop_tables") && !message.contains('\u{202e}'),
        "{message}"
    );
    server.assert_serves(1);
}

#[test]
fn wrong_parameters_of_a_known_method_are_not_an_unknown_method() {
    let server = Server::start();
    for params in [
        json!({}),
        json!({"name": 7}),
        json!({"name": "health_check", "arguments": []}),
    ] {
        let answer = server.rpc("tools/call", params);
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
    }
}

#[test]
fn what_is_not_http_is_answered_or_dropped() {
    let server = Server::start();
    let garbage = [
        &b"\x16\x03\x01\x00\xa5hello\r\n\r\n"[..],
        b"GET / HTTP/9.9\r\n\r\n",
        b"\r\n\r\n\0\0\r\n\r\n",
    ];
    for (bytes, number) in garbage.into_iter().zip(1..) {
        assert_eq!(server.raw(bytes).status, 400, "{bytes:?}");
        server.assert_serves(number);
    }
    let long = "x".repeat(1024 * 1024);
    assert_eq!(
        server
            .send("GET", "/health", &[("X-Long", &long)], "")
            .status,
        431
    );
    // Half a request of somebody who went away.
    server
        .tcp()
        .write_all(b"POST /mcp HTTP/1.1\r\nHost: local")
        .unwrap();
    server.assert_serves(9);
}

#[test]
fn a_body_over_a_mebibyte_is_refused_and_one_below_is_not() {
    let server = Server::start();
    let body = call_body("track_session_start", start(1));
    let of_length = |length: usize| format!("{body}{}", " ".repeat(length - body.len()));
    let mebibyte = 1024 * 1024;
    let tracked = mcp(&server, &of_length(mebibyte)).json();
    assert_eq!(tracked["result"]["structuredContent"]["status"], "tracked");
    let too_long = of_length(mebibyte + 1);
    for path in ["/mcp", "/api/sessions/mahavishnu/end"] {
        let problem = server
            .send("POST", path, &[], &too_long)
            .problem(413, "TOO_LARGE");
        assert!(
            problem["detail"].as_str().unwrap().contains("1048576"),
            "{problem}"
        );
    }
    // The same without a length that says so beforehand.
    let chunked = format!("{:x}\r\n{too_long}\r\n0\r\n\r\n", too_long.len());
    let headers = [("Content-Length", ""), ("Transfer-Encoding", "chunked")];
    server
        .send("POST", "/mcp", &headers, &chunked)
        .problem(413, "TOO_LARGE");
    server.assert_serves(2);
}

#[test]
fn a_body_nested_over_64_levels_is_refused() {
    let server = Server::start();
    server.begin(start(1));
    for path in ["/mcp", "/api/sessions/mahavishnu/end"] {
        let problem = server
            .post(path, &nested(65))
            .problem(400, "INVALID_PARAMETER");
        assert!(
            problem["detail"].as_str().unwrap().contains("64"),
            "{problem}"
        );
    }
    assert_eq!(server.show("mahavishnu")["status"], "active");
    // Brackets in a text are no levels.
    server.begin(with(start(2), json!({"reason": "[".repeat(100)})));
}

#[test]
fn a_body_says_that_it_is_json_and_its_sender_what_it_accepts() {
    let server = Server::start();
    let id = server.begin(start(1));
    for path in ["/mcp", &format!("/api/sessions/{id}/end")] {
        for kind in [
            "text/plain",
            "",
            "application/x-www-form-urlencoded",
            "application/jsonp",
        ] {
            let answer = server.send("POST", path, &[("Content-Type", kind)], "{}");
            answer.problem(415, "UNSUPPORTED_MEDIA_TYPE");
        }
    }
    assert_eq!(server.show(&id)["status"], "active");
    let ping = rpc_body("ping", json!({})).to_string();
    for accept in ["", "application/json", "text/html"] {
        let answer = server.send("POST", "/mcp", &[("Accept", accept)], &ping);
        assert_eq!(answer.status, 406, "{accept}");
        let text = answer.text();
        assert!(
            text.contains("application/json") && text.contains("text/event-stream"),
            "{text}"
        );
    }
    let with_charset = [("Content-Type", "application/json; charset=utf-8")];
    assert_eq!(
        server.send("POST", "/mcp", &with_charset, &ping).status,
        200
    );
}

#[test]
fn a_media_type_is_the_same_in_any_case() {
    let server = Server::start();
    let id = server.begin(start(1));
    let headers = [("Content-Type", "Application/JSON")];
    let close = format!("/api/sessions/{id}/end");
    assert_eq!(server.send("POST", &close, &headers, "{}").status, 200);
    let ping = rpc_body("ping", json!({})).to_string();
    assert_eq!(server.send("POST", "/mcp", &headers, &ping).status, 200);
}

#[test]
fn pages_of_other_sites_are_kept_out() {
    let server = Server::start();
    let get = |name: &str, value: &str| server.send("GET", "/api/sessions", &[(name, value)], "");
    for host in [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.nip.io:80",
        "localhost@evil.example",
        "0.0.0.0",
        "a b",
        "",
    ] {
        get("Host", host).problem(403, "HOST_REFUSED");
    }
    for host in ["localhost", "LOCALHOST:8678", "127.0.0.1:1", "[::1]:8678"] {
        assert_eq!(get("Host", host).status, 200, "{host}");
    }
    for origin in [
        "http://evil.example",
        "null",
        "https://localhost",
        "http://localhost:1",
        "file://",
    ] {
        let answer = get("Origin", origin);
        answer.problem(403, "ORIGIN_REFUSED");
        assert_eq!(answer.header("access-control-allow-origin"), None);
        let over_unix = request("GET", "/api/sessions", &[("Origin", origin)], "");
        server.raw_unix(&over_unix).problem(403, "ORIGIN_REFUSED");
    }
    assert_eq!(get("Origin", "http://localhost").status, 200, "its own");
    let call = call_body("track_session_start", start(1));
    let from_a_page = server.send("POST", "/mcp", &[("Origin", "http://evil.example")], &call);
    from_a_page.problem(403, "ORIGIN_REFUSED");
    assert_eq!(numbers(&server.get("/api/sessions").json()), [0; 0]);
}

#[test]
fn a_token_in_a_query_is_refused() {
    let server = Server::start();
    for query in [
        "token=abc",
        "access_token=abc",
        "limit=1&token=abc",
        "token",
    ] {
        for path in ["/api/sessions", "/health"] {
            let problem = server
                .get(&format!("{path}?{query}"))
                .problem(400, "INVALID_PARAMETER");
            let detail = problem["detail"].as_str().unwrap();
            assert!(
                detail.contains("Authorization: Bearer") && !detail.contains("abc"),
                "{detail}"
            );
        }
    }
}

#[test]
fn ids_are_never_paths_patterns_or_sql() {
    let server = Server::start();
    server.begin(start(1));
    let long = "a".repeat(5000);
    for typed in [
        "..%2F..%2Fetc%2Fpasswd",
        "%2e%2e%2f",
        "%00",
        "mahavishnu%00",
        "%27%20OR%201%3D1%20--",
        "%25",
        "%2A",
        "mahavishn_",
        "%F0%9F%A6%80",
        "sess_",
        "sess_%25",
        "%20",
        &long,
    ] {
        let path = format!("/api/sessions/{typed}");
        server.get(&path).problem(404, "SESSION_NOT_FOUND");
        server
            .post(&format!("{path}/end"), &json!({}))
            .problem(404, "SESSION_NOT_FOUND");
    }
    server
        .get("/api/sessions/../../etc/passwd")
        .problem(404, "NOT_FOUND");
    for typed in [
        "../../etc/passwd",
        "\u{0}",
        "' OR 1=1 --",
        "%",
        "",
        " ",
        &long,
    ] {
        for tool in ["get_session", "end_session"] {
            let called = server.call(tool, json!({"session_id": typed, "force": true}));
            assert_eq!(
                called.content["error_code"], "SESSION_NOT_FOUND",
                "{}",
                called.text
            );
        }
    }
    assert_eq!(server.show("mahavishnu")["status"], "active");
}

#[test]
fn an_id_that_is_no_text_is_a_problem_too() {
    let server = Server::start();
    let answer = server.get("/api/sessions/%FF");
    assert!([400, 404].contains(&answer.status), "{}", answer.status);
    let kind = answer.header("content-type");
    assert_eq!(kind, Some("application/problem+json"), "{}", answer.text());
}

#[test]
fn a_cursor_is_ours_or_refused() {
    let server = Server::start();
    server.begin(start(1));
    let long = "A".repeat(5000);
    for cursor in [
        "!",
        "AAAA",
        "bm90IGEgY3Vyc29yIGF0IGFsbCwgYnV0IGxvbmcgZW5vdWdo",
        "%00",
        "%FF",
        &long,
        "",
    ] {
        let answer = server.get(&format!("/api/sessions?cursor={cursor}"));
        answer.problem(400, "INVALID_CURSOR");
    }
    assert_eq!(numbers(&server.get("/api/sessions").json()), [1]);
}
