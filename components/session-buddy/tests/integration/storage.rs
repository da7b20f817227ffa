//! What the server does when its disk or its database lets it down: it refuses, loses nothing that it acknowledged, says
//! why, and goes on by itself once that is over.

mod failing_disk;
mod power;

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use rusqlite::Connection;
use serde_json::json;

use crate::harness::{Answer, DEADLINE, Home, Server, numbers, start, with};

/// Waits until health says so, without sending anything that would have to fail first.
#[track_caller]
fn health_until(server: &Server, status: u16) -> Answer {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let answer = server.get("/health");
        if answer.status == status {
            return answer;
        }
        assert!(Instant::now() < deadline, "{}", answer.text());
    }
}

/// Checks that health says why nothing is taken.
#[track_caller]
fn assert_unhealthy(server: &Server, cause: &str) {
    let health = health_until(server, 503).json();
    assert_eq!(health["status"], "unhealthy");
    assert_eq!(health["checks"]["store"], "fail");
    let told = health["cause"].as_str().unwrap();
    assert!(told.contains(cause), "{told}");
    assert_eq!(server.get("/health/live").status, 200);
}

/// Checks that events and acts are refused, and may come again.
#[track_caller]
fn assert_refuses(server: &Server, number: u16, id: &str) {
    let called = server.call("track_session_start", start(number));
    assert!(called.is_error, "{called:?}");
    assert_eq!(called.content["status"], "error");
    assert_eq!(called.content["error_code"], "STORAGE_UNAVAILABLE");
    let answer = server.post(&format!("/api/sessions/{id}/end"), &json!({}));
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(answer.json()["code"], "STORAGE_UNAVAILABLE");
    let lines = [("Content-Type", "application/x-ndjson")];
    let answer = server.send(
        "POST",
        "/api/events",
        &lines,
        &with(start(number), json!({})).to_string(),
    );
    assert_eq!(answer.json()[0]["error_code"], "STORAGE_UNAVAILABLE");
}

fn listed(server: &Server) -> Vec<u16> {
    let answer = server.get("/api/sessions");
    assert_eq!(answer.status, 200, "{}", answer.text());
    let mut numbers = numbers(&answer.json());
    numbers.sort_unstable();
    numbers
}

/// Says why a test does not test anything here.
#[expect(clippy::print_stdout, reason = "whoever runs the test should see it")]
fn skipped(why: &str) {
    println!("skipped: {why}");
}

/// A file system of its own for a home's state folder; taken away when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None`, with the reason printed, where none can be mounted.
    fn under(folder: &Path, size: &str) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount
            .args([
                "-t",
                "tmpfs",
                "-o",
                &format!("size={size},mode=700"),
                "none",
            ])
            .arg(folder);
        match mount.output() {
            Ok(ran) if ran.status.success() => Some(Self(folder.to_owned())),
            other => {
                skipped(&format!("no file system can be mounted here: {other:?}"));
                None
            }
        }
    }

    /// Leaves `room` bytes, or nothing at all.
    fn fill(&self, room: usize) -> PathBuf {
        let path = self.0.join("filler");
        let mut file = File::create(&path).unwrap();
        while file.write_all(&[b'x'; 4096]).is_ok() {}
        let length = file.metadata().unwrap().len();
        file.set_len(length - room as u64).unwrap();
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).output();
    }
}

#[test]
fn a_full_disk_is_told_before_an_event_has_to_fail_and_is_over_by_itself() {
    let home = Home::new();
    let Some(disk) = SmallDisk::under(home.state(), "8m") else {
        return;
    };
    let server = home.start();
    let id = server.begin(start(1));
    for room in [0, 512 * 1024] {
        let filler = disk.fill(room);
        assert_unhealthy(&server, "the disk is full");
        assert_refuses(&server, 2, &id);
        assert_eq!(listed(&server), [1]);
        fs::remove_file(filler).unwrap();
        health_until(&server, 200);
    }
    server.begin(start(2));
    // Full at the moment of the write, too.
    let filler = disk.fill(0);
    let called = server.call("track_session_start", start(3));
    assert_eq!(called.content["error_code"], "STORAGE_UNAVAILABLE");
    let home = server.kill();
    fs::remove_file(filler).unwrap();
    let filler = disk.fill(512 * 1024);
    // What was acknowledged is served while there is hardly any room.
    let server = home.start();
    assert_unhealthy(&server, "the disk is full");
    assert_eq!(listed(&server), [1, 2]);
    fs::remove_file(filler).unwrap();
    health_until(&server, 200);
    server.begin(start(3));
    server.stop().cli("verify").with_code(0);
    drop(disk);
}

#[test]
fn a_database_that_was_removed_is_not_written_into_the_void() {
    let server = Server::start();
    let id = server.begin(start(1));
    let aside = server.file("aside.db");
    fs::rename(server.database(), &aside).unwrap();
    assert_refuses(&server, 2, &id);
    assert_unhealthy(&server, "sessions.db was removed while the server ran");
    assert_eq!(listed(&server), [1]);
    assert!(!server.database().exists());

    fs::rename(aside, server.database()).unwrap();
    health_until(&server, 200);
    server.begin(start(2));
    let server = server.kill().start();
    assert_eq!(listed(&server), [1, 2]);
    server.stop().cli("verify").with_code(0);
}

#[test]
fn health_tells_of_a_removed_database_without_an_event() {
    let server = Server::start();
    fs::remove_file(server.database()).unwrap();
    assert_unhealthy(&server, "sessions.db was removed while the server ran");
    server.stop();
}

#[test]
fn a_database_that_was_replaced_is_neither_written_nor_read() {
    let other = Server::start();
    other.begin(start(9));
    let other = other.stop();
    let backup = fs::read(other.database()).unwrap();

    let server = Server::start();
    for number in 1..=3 {
        server.begin(start(number));
    }
    let aside = server.file("aside.db");
    fs::rename(server.database(), &aside).unwrap();
    fs::write(server.database(), &backup).unwrap();
    let record = server.show("mahavishnu-20260206-1001");
    assert_refuses(&server, 4, record["session_id"].as_str().unwrap());
    assert_unhealthy(&server, "sessions.db was replaced while the server ran");
    assert_eq!(listed(&server), [1, 2, 3], "what it had is read on");
    let home = server.kill();
    assert_eq!(fs::read(home.database()).unwrap(), backup);
    // All that was acknowledged is in the file that was moved away, without its WAL.
    let line = format!("list-sessions --format json --db-path {}", aside.display());
    let ran = home.cli(&line).with_code(0);
    assert_eq!(ran.json().as_array().unwrap().len(), 3);
    home.cli(&format!("verify --db-path {}", aside.display()))
        .with_code(0);
    // And the new one is not mixed with what was left beside it.
    let server = home.start();
    assert_eq!(listed(&server), [9]);
    server.begin(start(4));
    // Its checkpoint is that of the old one, so whoever put another one there is asked to say that it was meant.
    server
        .stop()
        .cli("verify")
        .with_code(1)
        .saying("which is not in this database: the ledger was begun anew");
}

#[test]
fn a_wal_that_was_removed_costs_nothing_that_was_acknowledged() {
    for name in ["sessions.db-wal", "sessions.db-shm"] {
        let server = Server::start();
        let id = server.begin(start(1));
        fs::remove_file(server.file(name)).unwrap();
        assert_refuses(&server, 2, &id);
        assert_unhealthy(&server, &format!("{name} was removed while the server ran"));
        let server = server.kill().start();
        assert_eq!(listed(&server), [1]);
        server.begin(start(2));
        server.stop().cli("verify").with_code(0);
    }
}

#[test]
fn a_person_with_sqlite3_takes_nothing_away_from_the_server() {
    let server = Server::start();
    server.begin(start(1));
    assert_eq!(listed(&server), [1]);
    // The last connection of all brings the WAL in and removes it. This one is not the last, and must be told so.
    let looked = Command::new("sqlite3")
        .arg(server.database())
        .arg("SELECT count(*) FROM sessions")
        .output();
    assert_eq!(looked.unwrap().stdout, b"1\n");
    assert!(server.file("sessions.db-wal").exists());
    server.begin(start(2));
    let server = server.kill().start();
    assert_eq!(listed(&server), [1, 2]);
    server.stop().cli("verify").with_code(0);
}

/// A home whose database has three sessions, and `change` done to the bytes of the file.
fn damaged(change: impl FnOnce(&Home, &mut Vec<u8>)) -> (Home, Vec<u8>) {
    let server = Server::start();
    for number in 1..=3 {
        server.begin(start(number));
    }
    let home = server.stop();
    let mut bytes = fs::read(home.database()).unwrap();
    change(&home, &mut bytes);
    fs::write(home.database(), &bytes).unwrap();
    (home, bytes)
}

#[test]
fn a_damaged_database_is_refused_with_what_is_damaged_and_left_as_it_is() {
    let payload = |home: &Home, bytes: &mut Vec<u8>| {
        let database = Connection::open(home.database()).unwrap();
        let payload: Vec<u8> = database
            .query_row("SELECT payload FROM ledger_payload", [], |row| row.get(0))
            .unwrap();
        let at = bytes
            .windows(payload.len())
            .position(|part| part == payload);
        bytes[at.unwrap() + payload.len() / 2] ^= 1;
    };
    let pages = |_: &Home, bytes: &mut Vec<u8>| {
        let half = bytes.len() / 2;
        bytes[half..].fill(0xFF);
    };
    let cut = |_: &Home, bytes: &mut Vec<u8>| bytes.truncate(bytes.len() / 2);
    type Change<'a> = &'a dyn Fn(&Home, &mut Vec<u8>);
    let cases: [(Change<'_>, &str); 3] = [
        (&payload, "its payload is not the one that it commits to"),
        (&pages, "database"),
        (&cut, "database"),
    ];
    for (change, what) in cases {
        let (home, bytes) = damaged(change);
        let ran = home.refused("--port 0");
        ran.with_code(5)
            .saying("it is damaged: ")
            .saying(what)
            .saying("hint: put a backup in its place");
        assert_eq!(fs::read(home.database()).unwrap(), bytes);
        home.cli("verify").with_code(1);
    }
}
