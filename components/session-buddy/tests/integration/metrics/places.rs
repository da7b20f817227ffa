//! Where the metrics are, and what else the server tells of itself.

use std::{collections::BTreeSet, fs};

use serde_json::json;
use session_buddy::metrics::TEXT_FORMAT;

use super::Scrape;
use crate::{
    harness::{Home, Server, end, request, start, with},
    permissions::callers::{SECRET, claims, hs256},
};

fn started_with(variables: &[(&str, &str)]) -> Server {
    let home = Home::new();
    let mut command = home.command();
    command.envs(variables.iter().copied());
    home.start_as(command)
}

/// Asks at the port that has metrics alone.
fn at_their_port(server: &Server, path: &str) -> crate::harness::Answer {
    let info = fs::read(server.file("server.json")).unwrap();
    let info: serde_json::Value = serde_json::from_slice(&info).unwrap();
    let stream = std::net::TcpStream::connect(info["metrics_address"].as_str().unwrap()).unwrap();
    stream
        .set_read_timeout(Some(crate::harness::DEADLINE))
        .unwrap();
    let mut writing = &stream;
    std::io::Write::write_all(&mut writing, &request("GET", path, &[], "")).unwrap();
    crate::harness::Answer::read(&stream)
}

#[test]
fn they_are_at_the_port_of_the_server_and_a_tool_gives_the_same() {
    let server = Server::start();
    server.begin(start(1));
    let answer = server.get("/metrics");
    assert_eq!(answer.header("content-type"), Some(TEXT_FORMAT));
    let called = server.call("get_prometheus_metrics", json!({}));
    assert_eq!(called.content["text"], called.text.as_str());
    for text in [answer.text(), &called.text] {
        let scrape = Scrape::read(text);
        assert_eq!(scrape.of_component("active_sessions", "mahavishnu"), 1.0);
        assert!(text.ends_with('\n'));
    }
    server
        .send("POST", "/metrics", &[], "{}")
        .problem(405, "METHOD_NOT_ALLOWED");
}

#[test]
fn switched_off_there_are_none() {
    let server = started_with(&[
        ("PROMETHEUS_METRICS_ENABLED", "false"),
        ("PROMETHEUS_METRICS_PORT", "0"),
    ]);
    server.get("/metrics").problem(404, "NOT_FOUND");
    let called = server.call("get_prometheus_metrics", json!({}));
    assert!(called.is_error);
    assert_eq!(called.content["error_code"], "NOT_FOUND");
    let info = fs::read_to_string(server.file("server.json")).unwrap();
    assert!(!info.contains("metrics_address"), "{info}");
    server.assert_serves(1);
}

#[test]
fn a_port_of_their_own_has_nothing_else() {
    let server = started_with(&[
        ("PROMETHEUS_METRICS_PORT", "0"),
        ("PROMETHEUS_METRICS_PATH", "/prom/numbers"),
    ]);
    server.begin(start(1));
    for answer in [
        server.get("/prom/numbers"),
        at_their_port(&server, "/prom/numbers"),
    ] {
        assert_eq!(answer.status, 200);
        let scrape = Scrape::read(answer.text());
        assert_eq!(scrape.of_component("active_sessions", "mahavishnu"), 1.0);
    }
    server.get("/metrics").problem(404, "NOT_FOUND");
    for path in ["/metrics", "/", "/health", "/api/sessions", "/mcp"] {
        at_their_port(&server, path).problem(404, "NOT_FOUND");
    }
}

#[test]
fn a_port_that_somebody_else_has_is_named_with_what_to_change() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let home = Home::new();
    let mut command = home.command();
    command.env("PROMETHEUS_METRICS_PORT", &port);
    let ran = home.refused_as(command, "--port 0").with_code(1);
    ran.saying(&port)
        .saying("choose another port with PROMETHEUS_METRICS_PORT");
}

#[test]
fn from_elsewhere_they_take_the_right_to_read_wherever_they_are() {
    let home = Home::new();
    let settings = "trusted_proxies: [127.0.0.1]\nprometheus_metrics_path: /prom/numbers\n";
    fs::write(home.file("config.yaml"), settings).unwrap();
    let mut command = home.command();
    command.env("SESSION_BUDDY_SECRET", SECRET);
    let server = home.start_as(command);
    let get = |headers: &[(&str, &str)]| server.send("GET", "/prom/numbers", headers, "");
    assert_eq!(get(&[]).status, 200);
    let elsewhere = ("X-Forwarded-For", "192.0.2.7");
    get(&[elsewhere]).problem(401, "TOKEN_REQUIRED");
    let token = |scope: &str| {
        let token = hs256(SECRET, &claims(json!({"scopes": [scope]})));
        format!("Bearer {token}")
    };
    get(&[elsewhere, ("Authorization", &token("emit"))]).problem(403, "FORBIDDEN");
    let read = get(&[elsewhere, ("Authorization", &token("read"))]);
    assert_eq!(read.status, 200);
}

#[test]
fn settings_that_mean_nothing_are_refused_by_name() {
    for (variable, value, said) in [
        ("PROMETHEUS_METRICS_ENABLED", "maybe", "true, false"),
        ("PROMETHEUS_METRICS_PORT", "65536", "0 to 65535"),
        ("PROMETHEUS_METRICS_PATH", "metrics", "begins with /"),
        (
            "PROMETHEUS_METRICS_PATH",
            "/api/sessions",
            "/api, /health, /mcp",
        ),
    ] {
        let home = Home::new();
        let mut command = home.command();
        command.env(variable, value);
        let ran = home.refused_as(command, "--port 0").with_code(5);
        ran.saying(variable).saying(value).saying(said);
    }
}

#[test]
fn the_server_tells_how_it_is() {
    let server = Server::start();
    server.begin(start(1));
    server.get("/api/sessions/mahavishnu");
    server.get("/no/such/path");
    let scrape = Scrape::of(&server);
    let version = env!("CARGO_PKG_VERSION");
    let info = format!("session_buddy_build_info{{version=\"{version}\"}}");
    assert_eq!(scrape.value(&info), 1.0);
    let requests = |route: &str, status: &str| {
        scrape.value(&format!(
            "session_buddy_http_requests_total{{route=\"{route}\",status=\"{status}\"}}"
        ))
    };
    assert_eq!(requests("/api/sessions/{id}", "200"), 1.0);
    assert_eq!(requests("unmatched", "404"), 1.0);
    assert_eq!(requests("/mcp", "200"), 1.0);
    let measured = "session_buddy_http_request_duration_seconds_count{route=\"/mcp\"}";
    assert_eq!(scrape.value(measured), 1.0);
    assert_eq!(
        scrape.value("session_buddy_ledger_records_total{kind=\"start\"}"),
        1.0
    );
    assert!(scrape.value("session_buddy_commit_duration_seconds_count") >= 1.0);
    assert_eq!(
        scrape.value("session_buddy_commit_records_bucket{le=\"1\"}"),
        1.0
    );
    assert_eq!(scrape.value("session_buddy_accepting_events"), 1.0);
    assert_eq!(scrape.value("session_buddy_writer_queue_length"), 0.0);
    assert_eq!(scrape.value("session_buddy_rate_limited_total"), 0.0);
    assert!(scrape.value("process_resident_memory_bytes") > 1e6);
    assert!(scrape.value("process_start_time_seconds") > 1.7e9);
}

#[test]
fn the_table_of_the_documents_has_each_family_and_no_other() {
    let server = Server::start();
    let id = server.begin(start(1));
    server.call("track_session_end", end(&id));
    server.call("track_session_start", with(start(2), json!({"pid": 0})));
    let text = server.get("/metrics").text().to_owned();
    let families = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let mut families: BTreeSet<_> = families
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    // It is there once sessions that are closed were counted.
    families.insert("session_quality_score");
    let table = include_str!("../../../../../monitoring/README.md");
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `"));
    let rows: BTreeSet<_> = rows.map(|row| row.split('`').next().unwrap()).collect();
    assert_eq!(families, rows);
}

#[test]
fn a_store_that_fails_is_told_without_it() {
    let server = Server::start();
    server.begin(start(1));
    fs::rename(server.database(), server.file("aside.db")).unwrap();
    let called = server.call("track_session_start", start(2));
    assert_eq!(called.content["error_code"], "STORAGE_UNAVAILABLE");
    let scrape = Scrape::of(&server);
    assert_eq!(scrape.of_component("active_sessions", "mahavishnu"), 1.0);
    assert_eq!(scrape.value("session_buddy_accepting_events"), 0.0);
    assert_eq!(
        scrape.value("session_buddy_store_errors_total{kind=\"unavailable\"}"),
        1.0
    );
    let failed = "mcp_event_emit_failure_total{component_name=\"mahavishnu\",error_type=\"storage_unavailable\",event_type=\"session_start\"}";
    assert_eq!(scrape.value(failed), 1.0);
}
