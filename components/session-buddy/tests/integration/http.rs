//! REST over TCP and over the Unix socket, and how a server stops.

use std::{io::Write, net::TcpStream, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{
    Answer, DEADLINE, Server, call_body, end, five_sessions, numbers, request, start, with,
};

#[test]
fn health_tells_that_events_are_accepted() {
    let server = Server::start();
    for path in ["/health", "/health/ready", "/health/live"] {
        let answer = server.get(path);
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert!(
            answer.text().contains(r#""status":"healthy""#),
            "it is compact: {}",
            answer.text()
        );
        let health = with(answer.json(), json!({"uptime_seconds": 0}));
        let expected = json!({
            "status": "healthy", "service": "session-buddy", "version": env!("CARGO_PKG_VERSION"), "ready": true,
            "accepting_events": true, "auth": "optional", "uptime_seconds": 0,
            "checks": {"checkpoint": "ok", "lifecycle": "ok", "queue": "ok", "store": "ok"},
        });
        assert_eq!(health, expected, "{path}");
    }
}

#[test]
fn a_list_is_newest_first_and_equal_starts_by_id() {
    let server = Server::start();
    let same_start = json!({"timestamp": "2026-02-06T10:02:00Z"});
    for event in [
        start(2),
        start(1),
        with(start(3), same_start.clone()),
        with(start(4), same_start),
    ] {
        server.begin(event);
    }
    let sessions = server.get("/api/sessions").json();
    let keys: Vec<_> = sessions
        .as_array()
        .unwrap()
        .iter()
        .map(|session| {
            (
                session["start_time"].to_string(),
                session["session_id"].to_string(),
            )
        })
        .collect();
    assert!(keys.is_sorted_by(|newer, older| newer > older), "{keys:?}");
    assert_eq!(keys.len(), 4);
    assert_eq!(numbers(&sessions)[3], 1);
}

#[test]
fn every_filter_finds_what_it_names() {
    let server = Server::start();
    five_sessions(&server);
    for (query, expected) in [
        ("", vec![5, 4, 3, 2, 1]),
        ("type=batch", vec![4]),
        ("type=admin_shell", vec![5, 3, 2, 1]),
        ("component=billing", vec![4, 2]),
        ("component=billing,crackerjack", vec![5, 4, 2]),
        ("component=billing&component=crackerjack", vec![5, 4, 2]),
        ("user=ana", vec![5, 2]),
        ("user=ana&component=billing", vec![2]),
        ("user=%27%20OR%201%3D1%20--", vec![]),
        ("status=active", vec![5, 2]),
        ("status=ended", vec![4, 1]),
        ("status=lost,active", vec![5, 3, 2]),
        ("incomplete=true", vec![5, 2]),
        ("incomplete=false", vec![5, 4, 3, 2, 1]),
        ("after=2026-02-06T10:03:00Z", vec![5, 4, 3]),
        ("before=2026-02-06T10:03:00Z", vec![2, 1]),
        (
            "after=2026-02-06T11:02:00%2B01:00&before=2026-02-06T10:04:00Z",
            vec![3, 2],
        ),
        ("after=2026-02-06", vec![5, 4, 3, 2, 1]),
        ("before=2026-02-06", vec![]),
        ("duration_greater=5400", vec![5, 4, 2]),
        ("duration_greater=5399", vec![5, 4, 2, 1]),
        ("limit=2", vec![5, 4]),
        ("search=build-7", vec![5, 4, 3, 2, 1]),
        ("search=ANA+bil", vec![2]),
        ("search=%22srv+app%22&user=ana&limit=1", vec![5]),
        ("search=ana,+billing", vec![2]),
        ("search=cked&search=crack", vec![5]),
        ("search=%22crack%22", vec![]),
        ("search=a+AND+NOT+NEAR(b*)", vec![]),
    ] {
        let answer = server.get(&format!("/api/sessions?{query}"));
        assert_eq!(answer.status, 200, "{query}: {}", answer.text());
        assert_eq!(numbers(&answer.json()), expected, "{query}");
    }
}

#[test]
fn pages_follow_their_link_and_a_total_is_told_where_it_is_known() {
    let server = Server::start();
    five_sessions(&server);
    let mut path = "/api/sessions?limit=2&status=active,ended".to_owned();
    let mut pages = Vec::new();
    loop {
        let answer = server.get(&path);
        pages.push(numbers(&answer.json()));
        let Some(link) = answer.header("link") else {
            break;
        };
        assert_eq!(answer.header("x-total-count"), None, "{path}");
        let (target, kind) = link.split_once('>').unwrap();
        assert_eq!(kind, r#"; rel="next""#);
        path = target.trim_start_matches('<').to_owned();
    }
    assert_eq!(pages, [vec![5, 4], vec![2, 1]]);

    let total = |query: &str| {
        let answer = server.get(&format!("/api/sessions?{query}"));
        answer.header("x-total-count").map(str::to_owned)
    };
    assert_eq!(total("").as_deref(), Some("5"));
    assert_eq!(total("status=lost").as_deref(), Some("1"));
    assert_eq!(total("limit=2"), None);
    assert_eq!(total("limit=2&count=true").as_deref(), Some("5"));
    assert_eq!(total("limit=1&count=true&user=ana").as_deref(), Some("2"));
}

#[test]
fn a_session_that_begins_between_two_pages_disturbs_nobody() {
    let server = Server::start();
    for number in 1..=3 {
        server.begin(start(number));
    }
    let first = server.get("/api/sessions?limit=1");
    let cursor = first
        .header("link")
        .unwrap()
        .split("cursor=")
        .nth(1)
        .unwrap()
        .split('>')
        .next()
        .unwrap();
    server.begin(start(4));
    let rest = server.get(&format!("/api/sessions?cursor={cursor}"));
    assert_eq!(numbers(&rest.json()), [2, 1]);
}

#[test]
fn a_parameter_that_is_wrong_is_named() {
    let server = Server::start();
    for (query, field) in [
        ("colour=red", "colour"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=ten", "limit"),
        ("status=gone", "status"),
        ("after=yesterday", "after"),
        ("before=2026-02-30", "before"),
        ("duration_greater=-1", "duration_greater"),
        ("incomplete=maybe", "incomplete"),
        ("count=perhaps", "count"),
        ("search=", "search"),
        ("search=*-", "search"),
        (&format!("search={}", "x".repeat(201)), "search"),
    ] {
        let problem = server
            .get(&format!("/api/sessions?{query}"))
            .problem(400, "INVALID_PARAMETER");
        assert_eq!(problem["errors"][0]["field"], field, "{query}");
        assert!(!problem["errors"][0]["message"].as_str().unwrap().is_empty());
        assert!(
            problem["detail"].as_str().unwrap().contains(field),
            "{query}"
        );
    }
    server
        .get("/api/sessions?cursor=%00")
        .problem(400, "INVALID_CURSOR");
}

#[test]
fn a_session_is_shown_by_what_is_typed_for_it() {
    let server = Server::start();
    let ids = five_sessions(&server);
    let last_part = ids[4].rsplit('-').next().unwrap();
    let by_last_part = format!("sess_{last_part}");
    for typed in [
        &ids[4],
        "crackerjack",
        last_part,
        &last_part[..5],
        &by_last_part,
        &by_last_part[..9],
    ] {
        assert_eq!(server.show(typed)["session_id"], ids[4], "{typed}");
    }
    let problem = server
        .get("/api/sessions/mahavishnu")
        .problem(409, "AMBIGUOUS_ID");
    assert_eq!(problem["candidates"], json!([ids[0], ids[2]]));
    let problem = server
        .get("/api/sessions/nobody")
        .problem(404, "SESSION_NOT_FOUND");
    assert!(problem["detail"].as_str().unwrap().contains("nobody"));
    assert_eq!(problem.get("candidates"), None);
}

#[test]
fn a_session_is_closed_by_hand_once() {
    let server = Server::start();
    let id = server.begin(with(start(1), json!({"heartbeat_interval_seconds": 3600})));
    let close =
        |typed: &str, body: Value| server.post(&format!("/api/sessions/{typed}/end"), &body);
    close(&id, json!({})).problem(409, "SESSION_ALIVE");
    assert_eq!(server.show(&id)["status"], "active");
    let closed = close("mahavishnu", json!({"force": true, "reason": "left open"}));
    assert_eq!(closed.status, 200, "{}", closed.text());
    let closed = closed.json();
    assert_eq!(closed["session_id"], id);
    assert_eq!(closed["end_known_by"], "by_hand");
    assert_eq!(
        closed["end_earliest"], closed["created_at"],
        "the last proof of life"
    );
    assert_eq!(closed["end_latest"], closed["end_time"]);
    assert_eq!(
        close(&id, json!({})).json(),
        closed,
        "closing again changes nothing"
    );
    close("nobody", json!({})).problem(404, "SESSION_NOT_FOUND");
    let wrong = close(&id, json!({"force": "yes", "reason": "x".repeat(501)}))
        .problem(400, "INVALID_PARAMETER");
    let fields: Vec<_> = wrong["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["field"].clone())
        .collect();
    assert_eq!(fields, ["reason", "force"]);
    close(&id, json!([])).problem(400, "INVALID_PARAMETER");
}

#[test]
fn what_is_not_there_is_a_problem_too() {
    let server = Server::start();
    server.get("/").problem(404, "NOT_FOUND");
    server.get("/api/session").problem(404, "NOT_FOUND");
    server
        .post("/nowhere", &json!({}))
        .problem(404, "NOT_FOUND");
    for (method, path, allowed) in [
        ("DELETE", "/api/sessions", "GET"),
        ("POST", "/health", "GET"),
        ("GET", "/api/sessions/x/end", "POST"),
    ] {
        let answer = server.send(method, path, &[], "{}");
        answer.problem(405, "METHOD_NOT_ALLOWED");
        assert!(
            answer.header("allow").unwrap().contains(allowed),
            "{method} {path}"
        );
    }
}

#[test]
fn the_mcp_route_refuses_other_methods_as_the_others_do() {
    let server = Server::start();
    for method in ["GET", "DELETE", "PUT"] {
        let answer = server.send(method, "/mcp", &[], "");
        assert_eq!(answer.header("allow"), Some("POST"), "{method}");
        answer.problem(405, "METHOD_NOT_ALLOWED");
    }
}

#[test]
fn the_socket_answers_as_tcp_does() {
    let server = Server::start();
    five_sessions(&server);
    for path in [
        "/api/sessions?status=ended,lost",
        "/api/sessions/nobody",
        "/api/sessions?limit=0",
    ] {
        let (tcp, unix) = (
            server.get(path),
            server.raw_unix(&request("GET", path, &[], "")),
        );
        assert_eq!(
            (unix.status, unix.json()),
            (tcp.status, tcp.json()),
            "{path}"
        );
    }
    // The name by which a socket is called does not matter.
    let answer = server.raw_unix(&request("GET", "/health", &[("Host", "anything")], ""));
    assert_eq!(answer.json()["status"], "healthy");
}

#[test]
fn the_record_says_from_where_a_start_came() {
    let server = Server::start();
    let over_tcp = server.begin(start(1));
    let body = call_body("track_session_start", start(2));
    let answer = server.raw_unix(&request("POST", "/mcp", &[], &body));
    let over_unix = answer.json()["result"]["structuredContent"]["session_id"].clone();
    let uid = rustix::process::geteuid().as_raw();
    for (id, expected) in [
        (over_tcp.as_str(), json!(["tcp", "127.0.0.1", null])),
        (over_unix.as_str().unwrap(), json!(["unix", null, uid])),
    ] {
        let record = server.show(id);
        let origin =
            ["origin_transport", "origin_address", "origin_uid"].map(|key| record[key].clone());
        assert_eq!(json!(origin), expected);
        assert_eq!(record["token_subject"], json!(null));
    }
}

#[test]
fn skew_is_receipt_minus_sending() {
    let server = Server::start();
    let now = server.show(&server.begin(start(1)))["created_at"].clone();
    let id = server.begin(with(start(2), json!({"timestamp": now, "sent_at": now})));
    let record = server.show(&id);
    let skew = record["skew_seconds"].as_f64().unwrap();
    assert!((0.0..60.0).contains(&skew), "{skew}");
    assert!(
        record["duration_seconds"].as_u64().unwrap() < 60,
        "it counts by the server's clock"
    );
    assert_eq!(
        server.show("mahavishnu-20260206-1001")["skew_seconds"],
        json!(null)
    );
}

#[test]
fn only_the_owner_reaches_what_a_server_keeps() {
    let server = Server::start();
    server.begin(start(1));
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(server.state()), 0o700);
    for name in [
        "sessions.db",
        "sessions.db-wal",
        "sessions.db-shm",
        "sessions.db.lock",
        "session-buddy.sock",
        "server.json",
    ] {
        assert_eq!(mode(&server.file(name)), 0o600, "{name}");
    }
    let info: Value =
        serde_json::from_slice(&std::fs::read(server.file("server.json")).unwrap()).unwrap();
    assert_eq!(info["pid"], server.pid().as_raw_nonzero().get());
    assert_eq!(info["address"], server.address().to_string());
    assert_eq!(info["socket"], server.socket().to_str().unwrap());
    assert_eq!(info["database"], server.database().to_str().unwrap());
    assert_eq!(info["version"], env!("CARGO_PKG_VERSION"));
    assert!(
        info["start_ticks"].is_u64() && info["started_at"].is_string(),
        "{info}"
    );

    let home = server.stop();
    assert!(!home.file("server.json").exists() && !home.file("session-buddy.sock").exists());
}

/// Begins a start over TCP of which the server has read everything but the last byte of the body.
fn under_way(server: &Server, number: u16) -> (std::net::TcpStream, [u8; 1]) {
    let body = call_body("track_session_start", start(number));
    let (most, last) = body.as_bytes().split_at(body.len() - 1);
    let length = body.len().to_string();
    let head = request(
        "POST",
        "/mcp",
        &[("Expect", "100-continue"), ("Content-Length", &length)],
        "",
    );
    let mut stream = server.tcp();
    stream.write_all(&head).unwrap();
    // It says so once a handler waits for the body.
    let mut continued = [0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
    std::io::Read::read_exact(&mut stream, &mut continued).unwrap();
    assert_eq!(&continued, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(most).unwrap();
    (stream, [last[0]])
}

#[test]
fn a_graceful_stop_answers_what_is_under_way() {
    let server = Server::start();
    let acknowledged = server.begin(start(1));
    let (mut stream, last) = under_way(&server, 2);
    server.signal(Signal::TERM);
    server.wait_for_log("Stopping after SIGTERM");
    stream.write_all(&last).unwrap();
    let answer = Answer::read(&stream).json();
    let result = &answer["result"]["structuredContent"];
    assert_eq!(result["status"], "tracked", "{answer}");
    let server = server.ended_well().start();
    assert_eq!(numbers(&server.get("/api/sessions").json()), [2, 1]);
    assert_eq!(server.show(&acknowledged)["status"], "active");
}

#[test]
fn a_second_signal_waits_for_nobody() {
    let server = Server::start();
    server.begin(start(1));
    let (_stream, _) = under_way(&server, 2);
    server.signal(Signal::INT);
    server.wait_for_log("Stopping after SIGINT");
    server.signal(Signal::TERM);
    server.wait_for_log("cut by SIGTERM");
    let server = server.ended_well().start();
    assert_eq!(numbers(&server.get("/api/sessions").json()), [1]);
}

#[test]
fn what_was_acknowledged_survives_a_crash() {
    let server = Server::start();
    for number in 1..=20 {
        server.begin(start(number));
    }
    let id = server.show("mahavishnu-20260206-1020")["session_id"]
        .as_str()
        .unwrap()
        .to_owned();
    server.call("track_session_end", end(&id));
    let server = server.kill().start();
    let sessions = server.get("/api/sessions").json();
    assert_eq!(numbers(&sessions), (1..=20).rev().collect::<Vec<_>>());
    assert_eq!(server.show(&id)["status"], "ended");
    // A sender that was not answered repeats itself, and nothing is doubled.
    assert_eq!(server.begin(start(20)), id);
    let ran = server.cli("verify").with_code(0);
    assert!(
        ran.stdout
            .starts_with("verified: 22 ledger records, 20 sessions\n"),
        "{}",
        ran.stdout
    );
}

#[test]
fn hundreds_who_come_at_once_wait_for_their_turn() {
    let server = Server::start();
    // It accepts nobody now, as when all come back after a restart.
    server.signal(Signal::STOP);
    let waiting: Vec<_> = (0..400)
        .map(|number| {
            let come = TcpStream::connect_timeout(&server.address(), Duration::from_secs(5));
            come.unwrap_or_else(|error| panic!("number {number}: {error}"))
        })
        .collect();
    server.signal(Signal::CONT);
    for mut stream in waiting {
        stream
            .write_all(&request("GET", "/health", &[], ""))
            .unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        assert_eq!(Answer::read(stream).status, 200);
    }
}
