//! Who is slow costs nobody anything, and is told.

use std::{io::Read, time::Instant};

use serde_json::json;

use super::{at_ten, begin_many};
use crate::harness::{Home, Server, start};

fn with_config(lines: &str) -> Server {
    let home = Home::new();
    std::fs::write(home.file("config.yaml"), lines).unwrap();
    home.start()
}

/// More than what the kernel holds for a connection, in some hundred events.
const LONG: usize = 14_000;

#[test]
fn who_falls_behind_is_dropped_with_the_last_id_and_goes_on_from_there() {
    let server = with_config("event_lag_max: 100\n");
    let mut slow = server.follow("", &[]);
    server.begin(start(1));
    assert_eq!(slow.next().unwrap().number(), 1);
    let long = json!({"metadata": {"long": "x".repeat(LONG)}});
    begin_many(&server, 2..=1_000, &long);
    // Others are not held up.
    let mut quick = server.follow("", &[]);
    server.begin(at_ten(1_001));
    assert_eq!(quick.next().unwrap().number(), 1_001);
    let mut seen = vec![1];
    let last = loop {
        let event = slow.next().expect("it is told why it ends");
        if event.kind == "dropped" {
            break event;
        }
        seen.push(event.number());
    };
    assert_eq!(last.data["code"], "TIMEOUT");
    assert!(slow.next().is_none(), "nothing comes after it");
    assert!(seen.len() < 1_000, "it was given all of it");
    // Who reads the past may take its time.
    let mut rest = server.follow_from(&last.id);
    while seen.len() < 1_001 {
        seen.push(rest.next().unwrap().number());
    }
    assert_eq!(seen, (1..=1_001).collect::<Vec<_>>());
}

#[test]
fn who_takes_nothing_is_cut_off_while_events_go_on_being_recorded() {
    let server = with_config("write_timeout: 500ms\n");
    let mut stalled: Vec<_> = (0..8)
        .map(|_| {
            let mut stream = server.tcp();
            let asked = crate::harness::request("GET", "/api/events", &[], "");
            std::io::Write::write_all(&mut stream, &asked).unwrap();
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            stream
        })
        .collect();
    let long = json!({"metadata": {"long": "x".repeat(LONG)}});
    let began = Instant::now();
    begin_many(&server, 1..=1_000, &long);
    assert_eq!(
        server
            .get("/api/sessions?count=true&limit=1")
            .header("x-total-count"),
        Some("1000")
    );
    let whole = 1_000 * LONG;
    for stream in &mut stalled {
        let mut said = Vec::new();
        // They end before all of it was taken, since nobody waited for them.
        server.wait_until_unheld(stream);
        let _ = stream.read_to_end(&mut said);
        assert!(said.len() < whole, "it was given all of it");
    }
    assert!(began.elapsed().as_millis() >= 500, "they had their time");
}

impl Server {
    /// Waits until the server no longer holds the other end of a connection.
    fn wait_until_unheld(&self, stream: &std::net::TcpStream) {
        let deadline = Instant::now() + crate::harness::DEADLINE;
        let local = format!(":{:04X}", self.address().port());
        let remote = format!(":{:04X}", stream.local_addr().unwrap().port());
        let held = || {
            let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
            table.lines().any(|line| {
                let mut columns = line.split_ascii_whitespace().skip(1);
                let ends = (columns.next().unwrap_or(""), columns.next().unwrap_or(""));
                let state = columns.next();
                ends.0.ends_with(&local) && ends.1.ends_with(&remote) && state == Some("01")
            })
        };
        while held() {
            assert!(Instant::now() < deadline, "it is still open");
            std::thread::yield_now();
        }
    }
}
