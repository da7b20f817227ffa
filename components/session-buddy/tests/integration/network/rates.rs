//! Who goes too fast.

use std::time::Instant;

use data_encoding::BASE64URL_NOPAD;
use ring::hmac;
use serde_json::json;

use super::{SECRET, guarded, with_config};
use crate::harness::{Answer, DEADLINE, Server, request, start, with};

fn token(subject: &str) -> String {
    let part = |part: serde_json::Value| BASE64URL_NOPAD.encode(part.to_string().as_bytes());
    let claims = json!({"sub": subject, "exp": 9_999_999_999_u64, "scopes": ["emit", "read"]});
    let message = format!(
        "{}.{}",
        part(json!({"alg": "HS256", "typ": "JWT"})),
        part(claims)
    );
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let signature = hmac::sign(&key, message.as_bytes());
    format!("{message}.{}", BASE64URL_NOPAD.encode(signature.as_ref()))
}

fn ask(server: &Server, token: &str) -> Answer {
    let header = format!("Bearer {token}");
    server.send("GET", "/api/sessions", &[("Authorization", &header)], "")
}

#[track_caller]
fn assert_limited(answer: &Answer) {
    answer.problem(429, "RATE_LIMITED");
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
}

#[test]
fn each_subject_has_a_rate_of_its_own() {
    let config = "local_requests_per_second: 1\nlocal_requests_burst: 3\nrefusal_delay: 0s\n";
    let server = guarded(config);
    let (hasty, other) = (token("hasty"), token("other"));
    let refused = (0..1000)
        .map(|_| ask(&server, &hasty))
        .find(|answer| answer.status != 200);
    assert_limited(&refused.expect("a thousand in a second are too many"));
    assert_eq!(ask(&server, &other).status, 200);
    // The owner on the socket is another one still.
    assert_eq!(
        server
            .raw_unix(&request("GET", "/api/sessions", &[], ""))
            .status,
        200
    );
}

#[test]
fn mcp_is_limited_by_http_and_what_is_refused_is_held_back() {
    let server = with_config(
        "local_requests_per_second: 1\nlocal_requests_burst: 1\nrefusal_delay: 300ms\n",
    );
    let refused = (0..1000).find_map(|number| {
        let body = crate::harness::call_body("track_session_start", start(number));
        let began = Instant::now();
        let answer = server.send("POST", "/mcp", &[], &body);
        (answer.status != 200).then(|| (answer, began.elapsed()))
    });
    let (answer, after) = refused.expect("a thousand in a second are too many");
    assert_limited(&answer);
    assert!(after.as_millis() >= 300, "{after:?}");
}

#[test]
fn a_flood_of_bad_tokens_ends_in_429_and_a_good_one_passes() {
    let server = guarded("bad_tokens_per_minute: 1\nbad_tokens_burst: 20\nrefusal_delay: 0s\n");
    let good = token("honest");
    let statuses: Vec<u16> = (0..40)
        .map(|_| ask(&server, "not.a.token").status)
        .collect();
    assert_eq!(statuses[..20], [401; 20]);
    assert_eq!(statuses[20..], [429; 20]);
    assert_limited(&ask(&server, "not.a.token"));
    assert_eq!(ask(&server, &good).status, 200);
    // In the arguments of a tool they count as well.
    let event = with(start(1), json!({"token": "not.a.token"}));
    let called = server.call("track_session_start", event);
    assert_eq!(called.content["error_code"], "RATE_LIMITED", "{called:?}");
    let log = server.stop_for_log();
    let lines = log
        .lines()
        .filter(|line| line.contains("127.0.0.1"))
        .count();
    assert!(
        (1..=12).contains(&lines),
        "{lines} lines of the flood:\n{log}"
    );
}

#[test]
fn a_shell_whose_server_says_429_loses_nothing() {
    let server =
        guarded("local_requests_per_second: 1\nlocal_requests_burst: 1\nrefusal_delay: 0s\n");
    let shell = token("shell");
    // Its subject has nothing left when the shell comes.
    while ask(&server, &shell).status != 429 {}
    let mut command = server.command();
    command
        .args(["shell", "-c", "1"])
        .env("SESSION_BUDDY_TOKEN", &shell)
        .env(
            "SESSION_BUDDY_MCP_ENDPOINT",
            format!("http://{}/mcp", server.address()),
        );
    crate::harness::run(command, "").with_code(0);
    // The shell is gone; whoever adopts what it left brings it. Another subject looks, whose rate is its own.
    let watcher = token("watcher");
    let began = Instant::now();
    let record = loop {
        let answer = ask(&server, &watcher);
        if answer.status == 200
            && !answer.json()[0].is_null()
            && answer.json()[0]["status"] != "active"
        {
            break answer.json();
        }
        assert!(began.elapsed() < DEADLINE, "{}", answer.text());
    };
    assert_eq!(record[0]["end_known_by"], "reported", "{record}");
    assert!(record[1].is_null(), "{record}");
}
