//! Many streams, and how they end with their server.

use serde_json::json;

use super::{begin_many, told};
use crate::harness::{Home, Server, start};

#[test]
fn sixty_four_streams_are_told_the_same() {
    let server = Server::start();
    let mut streams: Vec<_> = (0..64).map(|_| server.follow("", &[])).collect();
    begin_many(&server, 1..=300, &json!({}));
    let first: Vec<_> = (0..300).map(|_| streams[0].next().unwrap()).collect();
    assert_eq!(
        first.iter().map(super::Event::number).collect::<Vec<_>>(),
        (1..=300).collect::<Vec<_>>()
    );
    for events in &mut streams[1..] {
        for expected in &first {
            assert_eq!(events.next().as_ref(), Some(expected));
        }
    }
}

#[test]
fn a_stream_has_no_place_of_a_request_and_there_are_so_many_of_them() {
    let home = Home::new();
    let bounds = "event_streams_max: 2\nrequests_max: 1\n";
    std::fs::write(home.file("config.yaml"), bounds).unwrap();
    let server = home.start();
    let mut streams = [server.follow("", &[]), server.follow("", &[])];
    let refused = server.follow_refused("", &[]);
    refused.problem(503, "OVERLOADED");
    assert_eq!(refused.header("retry-after"), Some("1"));
    // Those on the socket have places of their own.
    let ids: Vec<_> = streams
        .iter()
        .map(|events| events.last_id.clone())
        .collect();
    let asked = crate::harness::request("HEAD", "/api/events", &[], "");
    assert_eq!(server.raw_unix(&asked).status, 200);
    server.begin(start(1));
    for events in &mut streams {
        assert_eq!(events.kinds(1), told(&[("start", 1)]));
    }
    // A place is free again when its client has left, which the server sees without writing.
    drop(streams);
    let deadline = std::time::Instant::now() + crate::harness::DEADLINE;
    let headers = [("Last-Event-ID", &*ids[0])];
    let asked = crate::harness::request("HEAD", "/api/events", &headers, "");
    while server.raw(&asked).status != 200 {
        assert!(std::time::Instant::now() < deadline, "no place comes free");
        std::thread::yield_now();
    }
}

#[test]
fn streams_end_with_their_server_and_say_so() {
    let server = Server::start();
    let mut events = server.follow("", &[]);
    server.begin(start(1));
    let begun = events.next().unwrap();
    let home = server.stop();
    let last = events.next().unwrap();
    assert_eq!(
        (&*last.kind, &last.data["code"]),
        ("dropped", &json!("STOPPING"))
    );
    assert_eq!(last.id, begun.id);
    assert!(events.next().is_none(), "and ends as a whole answer does");
    let server = home.start();
    let mut rest = server.follow_from(&last.id);
    server.begin(start(2));
    assert_eq!(rest.kinds(1), told(&[("start", 2)]));
}
