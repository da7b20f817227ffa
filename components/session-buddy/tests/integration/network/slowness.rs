//! Who is slow is cut off, and nobody else waits.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::{until_closed, with_config};
use crate::harness::{Server, request, start, with};

/// The first part of a request that never ends.
const SLOW: &[u8] = b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Slow: ";

#[test]
fn a_hundred_that_never_end_their_headers_are_closed_and_hold_nobody_up() {
    let server = with_config("header_timeout: 1s\n");
    let began = Instant::now();
    let mut slow: Vec<TcpStream> = (0..100)
        .map(|_| {
            let mut stream = server.tcp();
            stream.write_all(SLOW).unwrap();
            stream
        })
        .collect();
    server.assert_serves(1);
    // What trickles in gives no more time.
    for stream in &mut slow {
        stream.write_all(b"x").unwrap();
    }
    for stream in slow {
        assert_eq!(until_closed(stream), "");
    }
    assert!(
        began.elapsed() >= Duration::from_secs(1),
        "they had their time"
    );
    server.assert_serves(2);
}

#[test]
fn who_connects_and_says_nothing_is_closed() {
    let server = with_config("header_timeout: 100ms\n");
    assert_eq!(until_closed(server.tcp()), "");
    assert_eq!(until_closed(server.unix()), "");
}

#[test]
fn a_connection_between_two_requests_has_the_idle_time() {
    let server = with_config("header_timeout: 100ms\nidle_timeout: 1s\n");
    let mut stream = server.tcp();
    let ask = request("GET", "/health", &[("Connection", "")], "");
    let served = |stream: &mut TcpStream| {
        stream.write_all(&ask).unwrap();
        let answer = crate::harness::Answer::read(&mut *stream);
        assert_eq!(answer.status, 200);
    };
    served(&mut stream);
    served(&mut stream);
    let began = Instant::now();
    assert_eq!(until_closed(&mut stream), "");
    assert!(
        began.elapsed() >= Duration::from_millis(900),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn a_body_that_does_not_come_is_answered_408() {
    let server = with_config("body_timeout: 100ms\n");
    let bytes = b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
        Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
    let problem = server.raw(bytes).problem(408, "TIMEOUT");
    assert_eq!(problem["detail"], "the body did not come within 0.1 s");
}

#[test]
fn who_does_not_read_a_long_list_is_cut_off() {
    let server = with_config("write_timeout: 500ms\n");
    fill(&server);
    let mut slow: Vec<TcpStream> = (0..8).map(|_| server.tcp()).collect();
    // Several megabytes, more than the kernel takes in their place.
    let ask = request("GET", "/api/sessions?limit=1000", &[], "");
    for stream in &mut slow {
        stream.write_all(&ask).unwrap();
    }
    server.assert_serves(1);
    // They end before all is there, since the server was not waited for.
    let whole = server.get("/api/sessions?limit=1000").body.len();
    server.wait_for_cut(slow.len());
    for mut stream in slow {
        let mut said = Vec::new();
        let _ = stream.read_to_end(&mut said);
        assert!(said.len() < whole, "it was given all of it");
    }
}

/// Records sessions whose list is far longer than what the kernel holds for a connection.
fn fill(server: &Server) {
    let long = "x".repeat(12_000);
    for batch in 0..10 {
        let lines: Vec<_> = (0..60)
            .map(|number| {
                let event = with(
                    start(1),
                    serde_json::json!({
                        "event_type": "session_start",
                        "event_id": format!("00000000-0000-4000-8000-{:012}", batch * 60 + number + 1),
                        "timestamp": "2026-02-06T10:00:00Z",
                        "metadata": {"long": long},
                    }),
                );
                event.to_string()
            })
            .collect();
        let headers = [("Content-Type", "application/x-ndjson")];
        let answer = server.send("POST", "/api/events", &headers, &lines.join("\n"));
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

impl Server {
    /// Waits until the server holds no more than its own connection open of these.
    fn wait_for_cut(&self, connections: usize) {
        let deadline = Instant::now() + crate::harness::DEADLINE;
        let table = || std::fs::read_to_string("/proc/net/tcp").unwrap();
        let port = format!(":{:04X}", self.address().port());
        let established = || {
            let table = table();
            let rows = table.lines().filter(|line| {
                let mut columns = line.split_ascii_whitespace().skip(1);
                let (local, state) = (columns.next(), columns.nth(1));
                local.is_some_and(|local| local.ends_with(&port)) && state == Some("01")
            });
            rows.count()
        };
        assert!(connections > 0);
        while established() > 0 {
            assert!(Instant::now() < deadline, "they are still open");
            std::thread::yield_now();
        }
    }
}
