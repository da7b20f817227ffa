//! Who is one too many.

use std::io::Write;

use super::{until_closed, with_config};
use crate::harness::{Answer, Server, request, start, with};
use serde_json::json;

fn open(server: &Server) -> std::net::TcpStream {
    let mut stream = server.tcp();
    // Once it is answered it surely has its place.
    let ask = request("GET", "/health/live", &[("Connection", "")], "");
    stream.write_all(&ask).unwrap();
    assert_eq!(Answer::read(&mut stream).status, 200);
    stream
}

#[test]
fn a_flood_of_connections_stops_at_the_bound_and_the_socket_stays_open() {
    let server = with_config("connections_max: 16\n");
    let crowd: Vec<_> = (0..16).map(|_| open(&server)).collect();
    for _ in 0..50 {
        let said = until_closed(server.tcp());
        assert!(said.starts_with("HTTP/1.1 503 "), "{said}");
        assert!(said.contains("retry-after: 1\r\n") && said.contains("\"OVERLOADED\""));
    }
    let by_socket = server.raw_unix(&request("GET", "/health", &[], ""));
    assert_eq!(by_socket.status, 200);
    // Each that goes leaves its place.
    drop(crowd);
    let mut back = None;
    while back.is_none() {
        let answer = server.get("/health/live");
        back = (answer.status == 200).then_some(answer);
    }
}

#[test]
fn requests_beyond_the_bound_are_told_to_come_back() {
    let server = with_config("requests_max: 1\n");
    // One whose body does not come has the place.
    let mut slow = server.tcp();
    let head = b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n\
        Content-Type: application/json\r\nContent-Length: 100\r\n\r\n";
    slow.write_all(head).unwrap();
    // The server asks for the body once it works on the request.
    let mut asked = [0; 25];
    std::io::Read::read_exact(&mut slow, &mut asked).unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    let refused = server.get("/health");
    refused.problem(503, "OVERLOADED");
    assert_eq!(refused.header("retry-after"), Some("1"));
    let by_socket = server.raw_unix(&request("GET", "/health", &[], ""));
    assert_eq!(by_socket.status, 200);
    drop(slow);
    while server.get("/health").status != 200 {}
}

#[test]
fn bodies_take_only_so_much_memory_at_once() {
    let server = with_config("bodies_bytes_max: 2097152\n");
    let head = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1048576\r\n\r\n";
    let most = vec![b' '; 1_000_000];
    let large = with(start(1), json!({"padding": "x".repeat(200_000)}));
    let body = crate::harness::call_body("track_session_start", large);
    let mut held = Vec::new();
    // What was sent is read at some time, if there is room at that time; from then on there is none for others.
    let refused = loop {
        let mut stream = server.tcp();
        // One that finds no room is closed.
        let _ = stream
            .write_all(head.as_bytes())
            .and_then(|()| stream.write_all(&most));
        held.push(stream);
        let answer = server.send("POST", "/mcp", &[], &body);
        if answer.status != 200 {
            break answer;
        }
    };
    refused.problem(503, "OVERLOADED");
    drop(held);
    while server.send("POST", "/mcp", &[], &body).status != 200 {}
}

#[test]
fn headers_are_bounded_in_number_and_bytes() {
    let server = with_config("headers_max: 16\nheader_bytes_max: 8192\n");
    let many: String = (0..20).map(|number| format!("X-{number}: y\r\n")).collect();
    let long = format!("X-Long: {}\r\n", "y".repeat(9_000));
    for extra in [many, long] {
        let bytes = format!("GET /health HTTP/1.1\r\nHost: localhost\r\n{extra}\r\n");
        assert_eq!(server.raw(bytes.as_bytes()).status, 431);
    }
    server.assert_serves(1);
}
