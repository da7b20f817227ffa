//! Signs of life.

use std::{
    fs::{self, File},
    path::Path,
    time::{Duration, SystemTime},
};

use session_client::{delivery::timing::Timing, spool::look};

use crate::harness::*;

const INTERVAL: Duration = Duration::from_millis(20);

fn beating_home() -> Home {
    let mut home = Home::new();
    home.settings.timing.heartbeat = INTERVAL;
    home
}

/// Waits until the shell has beaten once more: it touches its file each time, whatever it says to whom.
fn wait_beat(file: &Path) {
    let touched = || fs::metadata(file).unwrap().modified().unwrap();
    let long_ago = SystemTime::UNIX_EPOCH;
    File::options()
        .append(true)
        .open(file)
        .unwrap()
        .set_modified(long_ago)
        .unwrap();
    wait_until("a touch", || touched() > long_ago);
}

#[test]
fn each_interval_tells_the_counters_and_nothing_of_it_is_spooled() {
    let home = beating_home();
    let record = Record::default();
    let server = Server::unix(&home.socket(), record.server());
    let shell = home.shell();
    wait_status(&shell, "the start", |status| status.acknowledged);
    server.wait("a heartbeat", |_| record.heartbeats().first().cloned());
    let bytes = fs::metadata(home.path_of(&shell)).unwrap().len();
    shell.count_command();
    shell.count_command();
    shell.count_error(Some("no such invoice"));
    let last = server.wait("the counters", |_| {
        let heartbeats = record.heartbeats();
        heartbeats
            .into_iter()
            .find(|heartbeat| heartbeat["error_count"] == 1)
    });
    assert_eq!(last["command_count"], 2);
    assert_eq!(last["last_error"], "no such invoice");
    assert_eq!(last["session_id"], shell.session_id().as_str());
    let after_it = last["sequence"].as_i64().unwrap();
    server.wait("the next one", |_| {
        let next = record.heartbeats().last()?["sequence"].as_i64()?;
        (next > after_it).then_some(())
    });
    let sequences = record
        .heartbeats()
        .into_iter()
        .map(|beat| beat["sequence"].as_i64().unwrap());
    assert!(sequences.is_sorted_by(|before, after| before < after));

    let contents = look(&home.path_of(&shell))
        .unwrap()
        .unwrap()
        .contents
        .unwrap();
    assert_eq!(contents.events.len(), 1);
    assert_eq!(fs::metadata(home.path_of(&shell)).unwrap().len(), bytes);
    leave(&shell);
    let end = record.session(shell.session_id().as_str()).end.unwrap();
    assert_eq!(
        (&end["command_count"], &end["error_count"]),
        (&2.into(), &1.into())
    );
}

#[test]
fn a_session_that_the_server_has_closed_beats_no_more() {
    let home = beating_home();
    let record = Record::default();
    record.close();
    let server = Server::unix(&home.socket(), record.server());
    let shell = home.shell();
    server.wait("a heartbeat", |_| record.heartbeats().first().map(drop));
    for _ in 0..3 {
        wait_beat(&home.path_of(&shell));
    }
    assert_eq!(record.heartbeats().len(), 1);
    leave(&shell);
    assert!(record.session(shell.session_id().as_str()).end.is_some());
}

#[test]
fn nobody_hears_of_a_session_before_its_start_was_taken() {
    let home = beating_home();
    let server = Server::unix(&home.socket(), |_| Reply::status(503));
    let shell = home.shell();
    server.wait_requests(1);
    for _ in 0..3 {
        wait_beat(&home.path_of(&shell));
    }
    let sent: Vec<_> = server.requests().iter().flat_map(events).collect();
    assert!(
        sent.iter()
            .all(|event| event["event_type"] == "session_start"),
        "{sent:#?}"
    );
    leave(&shell);
}

/// A heartbeat that fails is not sent again, and the next one says that the server is back.
#[test]
fn a_heartbeat_that_fails_is_lost_and_costs_nothing() {
    let home = beating_home();
    let record = Record::default();
    let server = Server::unix(&home.socket(), record.server());
    let shell = home.shell();
    server.wait("a heartbeat", |_| record.heartbeats().first().map(drop));
    server.become_(|_| Reply::Close);
    let offline = wait_status(&shell, "offline", |status| {
        matches!(
            status.connection,
            session_client::emitter::Connection::Offline { .. }
        )
    });
    assert!(offline.acknowledged);
    server.become_(record.server());
    wait_status(&shell, "connected", |status| {
        status.connection == session_client::emitter::Connection::Connected
    });
    leave(&shell);
    let sequences: Vec<_> = record
        .heartbeats()
        .iter()
        .map(|beat| beat["sequence"].as_i64().unwrap())
        .collect();
    assert!(
        sequences.is_sorted_by(|before, after| before < after),
        "{sequences:?}"
    );
    assert_eq!(record.sessions().len(), 1);
}

#[test]
fn the_start_tells_how_often_to_listen() {
    let mut home = Home::new();
    home.settings.timing = Timing::default();
    let start = home.start_of(&home.begin());
    assert_eq!(start["heartbeat_interval_seconds"], 30);
}
