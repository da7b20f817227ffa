//! Many events in one request: each line is answered in its place, and none fails its neighbours.

use std::sync::mpsc::channel;

use serde_json::{Value, json};
use session_model::{Field, SessionStartEvent};

use crate::harness::{Answer, DEADLINE, Server, end, numbers, start, with};

const NDJSON: (&str, &str) = ("Content-Type", "application/x-ndjson");

/// Sends lines as they are.
fn send(server: &Server, body: &str) -> Answer {
    server.send("POST", "/api/events", &[NDJSON], body)
}

/// Sends events and gives the results.
#[track_caller]
fn results(server: &Server, lines: &[String]) -> Vec<Value> {
    let answer = send(server, &lines.join("\n"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let results = answer.json().as_array().unwrap().clone();
    assert_eq!(results.len(), lines.len(), "{results:?}");
    results
}

fn line(event: Value) -> String {
    event.to_string()
}

fn beat(id: &str) -> Value {
    json!({"session_id": id, "timestamp": "2026-02-06T11:00:00Z", "event_type": "session_heartbeat"})
}

/// Checks that a line was refused for good, as one that is no event, and gives why.
#[track_caller]
fn refused(result: &Value) -> &str {
    assert_eq!(result["status"], "error", "{result}");
    assert_eq!(result["error_code"], "INVALID_EVENT", "{result}");
    assert_eq!(result.get("session_id"), Some(&Value::Null), "{result}");
    result["error"].as_str().unwrap()
}

#[test]
fn a_batch_is_answered_line_by_line_as_the_tools_answer() {
    let server = Server::start();
    let id = server.begin(start(1));
    let other = with(start(1), json!({"hostname": "another"}));
    let promising = with(start(2), json!({"heartbeat_interval_seconds": 30}));
    let unknown = "billing-20260101-000000-aaaaaaaa";
    let answers = results(
        &server,
        &[
            line(promising),
            "{not JSON".to_owned(),
            line(start(1)),
            line(other),
            line(with(start(3), json!({"event_type": "session_pause"}))),
            line(end(unknown)),
            line(beat(unknown)),
            line(with(start(4), json!({"pid": 0}))),
            line(with(end(&id), json!({"timestamp": "soon"}))),
            line(end(&id)),
            line(beat(&id)),
            line(with(start(5), json!({"token": "secret", "reason": null}))),
        ],
    );
    let words: Vec<_> = answers
        .iter()
        .map(|answer| {
            answer["error_code"]
                .as_str()
                .unwrap_or_else(|| answer["status"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        words,
        [
            "tracked",
            "INVALID_EVENT",
            "tracked",
            "CONFLICT",
            "INVALID_EVENT",
            "not_found",
            "not_found",
            "INVALID_EVENT",
            "INVALID_EVENT",
            "ended",
            "ended",
            "tracked",
        ]
    );
    assert!(refused(&answers[1]).starts_with("the line is not JSON: "));
    assert_eq!(
        refused(&answers[4]),
        "event_type: expected session_start, session_end or session_heartbeat, found \"session_pause\""
    );
    assert!(refused(&answers[7]).starts_with("pid: "), "{}", answers[7]);
    assert_eq!(answers[8]["session_id"], id, "an end names its session");
    // The same words as a tool: repeating a line through it changes nothing and says the same.
    let end_again = server.call("track_session_end", end(&id));
    assert_eq!(end_again.content, answers[9]);
    let beat_again = server.call("track_session_heartbeat", beat(unknown));
    assert_eq!(beat_again.content, answers[6]);
    assert_eq!(numbers(&server.get("/api/sessions").json()), [5, 2, 1]);
}

#[test]
fn events_of_one_session_are_taken_in_the_order_of_their_lines() {
    let server = Server::start();
    let id = server.begin(start(1));
    // The id of a session is a function of its start, so it is known before that is sent.
    let third = SessionStartEvent::from_json(&start(3)).unwrap();
    let third = third.session_id().to_string();
    let answers = results(
        &server,
        &[
            line(end(&third)),
            line(beat(&third)),
            line(start(3)),
            line(beat(&third)),
            line(start(3)),
            line(end(&third)),
            line(end(&third)),
            line(beat(&third)),
            line(start(3)),
            line(end(&id)),
        ],
    );
    let statuses: Vec<_> = answers.iter().map(|answer| &answer["status"]).collect();
    assert_eq!(
        statuses,
        [
            "not_found",
            "not_found",
            "tracked",
            "alive",
            "tracked",
            "ended",
            "ended",
            "ended",
            "tracked",
            "ended"
        ]
    );
    let record = server.show(&third);
    assert_eq!(record["end_known_by"], "reported");
    assert_eq!(record["end_time"], "2026-02-06T11:30:00.000000Z");
    let ran = server.stop().cli("verify").with_code(0);
    assert!(
        ran.stdout
            .starts_with("verified: 5 ledger records, 2 sessions\n"),
        "{}",
        ran.stdout
    );
}

#[test]
fn a_line_that_is_no_event_is_refused_in_its_place() {
    let server = Server::start();
    let deep = (1..65).fold(json!({}), |inner, _| json!({"a": inner}));
    let long = with(start(9), json!({"metadata": {"k": "x".repeat(128 * 1024)}}));
    let none = with(start(9), json!({"event_type": null}));
    let told = results(
        &server,
        &[
            line(start(1)),
            "[]".to_owned(),
            "null".to_owned(),
            String::new(),
            "\u{feff}{}".to_owned(),
            format!("{} {}", line(start(9)), line(start(9))),
            line(deep),
            line(long),
            line(none),
            "{}".to_owned(),
            r#"{"event_type": 7}"#.to_owned(),
            "[".repeat(200),
            format!("{}\r", line(start(2))),
        ],
    );
    for (n, told) in told.iter().enumerate() {
        if n == 0 || n == 12 {
            assert_eq!(told["status"], "tracked", "{told}");
        } else {
            refused(told);
        }
    }
    assert_eq!(refused(&told[1]), "the line is no JSON object");
    assert_eq!(refused(&told[6]), "the line is nested over 64 levels deep");
    assert!(refused(&told[7]).ends_with("an event has at most 131072"));
    for untyped in [8, 9] {
        assert!(refused(&told[untyped]).ends_with("found none"));
    }
    assert!(refused(&told[10]).ends_with("found 7"));
    assert_eq!(refused(&told[11]), "the line is nested over 64 levels deep");
    assert_eq!(numbers(&server.get("/api/sessions").json()), [2, 1]);
}

#[test]
fn the_largest_event_fits_a_line() {
    let server = Server::start();
    let escaped = |characters: usize| "\\ud83e\\udd80".repeat(characters);
    let largest = with(
        start(1),
        json!({
            "shell_type": "@200", "hostname": "@255", "reason": "@500", "tty": "@200", "remote_address": "@200",
            "runtime": "@200", "parent_session_id": "@200", "actor": {"kind": "agent", "name": "@100"},
            "user": {"username": "@100", "home": "@500", "login_name": "@100"},
            "environment": {"python_version": "@200", "platform": "@500", "cwd": "@500"},
            "metadata": {"k": "@4000"},
        }),
    );
    let mut text = largest.to_string();
    for characters in [100, 200, 255, 500, 4000] {
        let quoted = |inner: &str| format!("\"{inner}\"");
        text = text.replace(
            &quoted(&format!("@{characters}")),
            &quoted(&escaped(characters)),
        );
    }
    assert!((90_000..100_000).contains(&text.len()), "{}", text.len());
    assert_eq!(results(&server, &[text])[0]["status"], "tracked");
}

#[test]
fn empty_lines_at_the_end_are_no_events() {
    let server = Server::start();
    for nothing in ["", "\n", " \r\n\n"] {
        let answer = send(&server, nothing);
        assert_eq!((answer.status, answer.json()), (200, json!([])));
    }
    let answer = send(&server, &format!("{}\n\r\n \n", start(1)));
    assert_eq!(answer.json().as_array().unwrap().len(), 1);
}

#[test]
fn a_batch_has_bounds() {
    let server = Server::start();
    let lines: Vec<_> = (1..=256).map(|number| line(start(number))).collect();
    let too_many = lines.join("\n") + "\n{}";
    send(&server, &too_many).problem(413, "TOO_LARGE");
    assert_eq!(numbers(&server.get("/api/sessions").json()), [0; 0]);
    let answers = results(&server, &lines);
    assert!(answers.iter().all(|answer| answer["status"] == "tracked"));

    // Line ends count for the body and not for the lines.
    let mut whole = line(start(300));
    whole.push_str(&"\n".repeat(1024 * 1024 - whole.len()));
    assert_eq!(send(&server, &whole).status, 200);
    whole.push('\n');
    send(&server, &whole).problem(413, "TOO_LARGE");
}

#[test]
fn only_lines_of_plain_json_are_taken() {
    let server = Server::start();
    let body = line(start(1));
    let post = |path: &str, headers: &[(&str, &str)]| server.send("POST", path, headers, &body);
    for kind in ["application/json", "application/ndjson", "text/plain", ""] {
        let problem =
            post("/api/events", &[("Content-Type", kind)]).problem(415, "UNSUPPORTED_MEDIA_TYPE");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("application/x-ndjson"), "{kind}: {detail}");
    }
    for encoding in ["gzip", "br", "deflate", "zstd", "identity, gzip"] {
        for (path, kind) in [("/api/events", NDJSON.1), ("/mcp", "application/json")] {
            let headers = [("Content-Type", kind), ("Content-Encoding", encoding)];
            let problem = post(path, &headers).problem(415, "UNSUPPORTED_MEDIA_TYPE");
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.contains("Content-Encoding"), "{encoding}: {detail}");
        }
    }
    assert_eq!(numbers(&server.get("/api/sessions").json()), [0; 0]);
    // The other routes take no lines.
    post("/api/sessions/x/end", &[NDJSON]).problem(415, "UNSUPPORTED_MEDIA_TYPE");
    let spelled = [
        ("Content-Type", "Application/X-NDJSON; charset=utf-8"),
        ("Content-Encoding", "identity"),
    ];
    assert_eq!(post("/api/events", &spelled).status, 200);
    let answer = server.send("PUT", "/api/events", &[], "");
    assert_eq!(answer.header("allow"), Some("GET,HEAD,POST"));
    answer.problem(405, "METHOD_NOT_ALLOWED");
}

#[test]
fn a_fifth_batch_at_once_is_told_to_come_back() {
    let server = Server::start();
    let database = rusqlite::Connection::open(server.database()).unwrap();
    // Nothing can be committed as long as somebody else writes, so four batches are worked on until then.
    database.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (answered, answers) = channel();
    std::thread::scope(|scope| {
        for number in 1..=5 {
            let (server, answered) = (&server, answered.clone());
            let batch: Vec<_> = (0..17).map(|n| line(start(100 * number + n))).collect();
            scope.spawn(move || answered.send(send(server, &batch.join("\n"))));
        }
        let refused = answers.recv_timeout(DEADLINE).unwrap();
        database.execute_batch("ROLLBACK").unwrap();
        assert_eq!(refused.header("retry-after"), Some("1"));
        refused.problem(503, "OVERLOADED");
        for _ in 0..4 {
            let answer = answers.recv_timeout(DEADLINE).unwrap();
            assert_eq!(answer.status, 200, "{}", answer.text());
            assert_eq!(answer.json()[0]["status"], "tracked");
        }
    });
    assert_eq!(
        server.get("/api/sessions").json().as_array().unwrap().len(),
        4 * 17
    );
}
