//! What the bounds of the spool cost, and whom that is told.

use std::{
    fs::{self, File},
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};
use session_client::{delivery::adoption::Report, spool::Bounds};
use session_model::Timestamp;

use crate::harness::*;

/// At most `events_max` events, of any age.
const fn events(events_max: usize) -> Bounds {
    Bounds {
        events_max,
        age_max: Duration::from_hours(24 * 365 * 100),
    }
}

/// Dead shells, each of which died a day after the one before; gives their sessions.
fn dead_shells(home: &Home, count: u64) -> Vec<String> {
    let day = |number| Duration::from_hours(24 * (10_000 + number));
    let dead = (0..count).map(|number| {
        let id = home.dead_shell();
        let file = File::options().append(true).open(path(home, &id)).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + day(number))
            .unwrap();
        id
    });
    dead.collect()
}

fn path(home: &Home, id: &str) -> PathBuf {
    home.spool().path().join(format!("{id}.spool"))
}

fn sorted(ids: &[String]) -> Vec<String> {
    let mut ids = ids.to_vec();
    ids.sort();
    ids
}

#[test]
fn the_oldest_sessions_are_dropped_and_counted() {
    let home = Home::new();
    let dead = dead_shells(&home, 5);
    // A file may hold a start and an end.
    assert_eq!(home.spool().enforce(events(6), now()).unwrap(), 2);
    assert_eq!(home.waiting(), sorted(&dead[2..]));
    assert_eq!(home.spool().enforce(events(6), now()).unwrap(), 0);
    assert_eq!(home.spool().enforce(events(5), now()).unwrap(), 1);
    assert_eq!(home.waiting(), sorted(&dead[3..]));
    let dropped = home.spool().dropped().unwrap().unwrap();
    assert_eq!((dropped.sessions, dropped.events), (3, 3));
    assert_eq!(dropped.since, Some(now().to_string()));
}

#[test]
fn sessions_that_are_too_old_are_dropped_however_few_they_are() {
    let home = Home::new();
    let dead = dead_shells(&home, 3);
    let bounds = Bounds {
        age_max: Duration::from_hours(30 * 24),
        ..Bounds::default()
    };
    // The first shell died on day 10,000.
    let on_day = |day: i64| Timestamp::from_micros(day * 86_400_000_000 + 1).unwrap();
    assert_eq!(home.spool().enforce(bounds, on_day(10_029)).unwrap(), 0);
    assert_eq!(home.spool().enforce(bounds, on_day(10_031)).unwrap(), 2);
    assert_eq!(home.waiting(), dead[2..]);
}

#[test]
fn the_end_of_a_session_whose_start_was_acknowledged_is_never_dropped() {
    let home = Home::new();
    let record = Record::default();
    let starts_only = record.clone();
    let server = Server::unix(&home.socket(), move |request| {
        let answer = |event: &Value| match event["event_type"].as_str() {
            Some("session_start") => starts_only.take(event),
            _ => refusal(event["session_id"].as_str(), "OVERLOADED"),
        };
        results(request, answer)
    });
    let dead = home.dead_shell();
    assert_eq!(
        home.replay(),
        Report {
            waiting: 1,
            ..Report::default()
        }
    );
    let never_delivered = home.dead_shell();
    assert_eq!(home.spool().enforce(events(1), now()).unwrap(), 1);
    assert_eq!(home.waiting(), [dead.as_str()]);

    server.become_(record.server());
    assert_eq!(home.replay().delivered, 1);
    assert_eq!(record.session(&dead).end.unwrap()["exit_reason"], "lost");
    assert!(!record.sessions().contains_key(&never_delivered));
}

#[test]
fn a_shell_that_lives_loses_nothing() {
    let home = Home::new();
    let shell = home.begin();
    assert_eq!(home.spool().enforce(events(1), now()).unwrap(), 0);
    assert_eq!(home.waiting(), [shell.session_id().as_str()]);
    assert_eq!(home.spool().dropped().unwrap(), None);
}

/// A shell whose server is away keeps the bounds, too.
#[test]
fn the_next_server_is_told_once_what_was_dropped() {
    let mut home = Home::new();
    let dead = dead_shells(&home, 4);
    let usual = home.settings.clone();
    // It looks once, at once.
    home.settings.timing.adoption_delay = Duration::ZERO;
    home.settings.timing.adoption = Duration::from_hours(1);
    home.settings.bounds = events(4);
    let offline = home.shell();
    // Five files may hold ten events.
    let count = || {
        home.spool()
            .dropped()
            .unwrap()
            .map_or(0, |dropped| dropped.sessions)
    };
    wait_until("the count", || count() == 3);
    leave(&offline);
    let left = [dead[3].clone(), offline.session_id().to_string()];
    assert_eq!(home.waiting(), sorted(&left));

    home.settings = usual;
    let record = Record::default();
    let _server = Server::unix(&home.socket(), record.server());
    let told = home.shell();
    wait_status(&told, "the start", |status| status.acknowledged);
    leave(&told);
    let start = record.session(told.session_id().as_str()).start;
    let expected = json!({"sessions": 3, "events": 3, "since": now().to_string()});
    assert_eq!(start["metadata"]["dropped_events"], expected);
    assert_eq!(home.spool().dropped().unwrap(), None);

    let next = home.shell();
    leave(&next);
    let start = record.session(next.session_id().as_str()).start;
    assert_eq!(start.get("metadata"), None);
}

#[test]
fn what_no_server_was_told_stays_counted() {
    let home = Home::new();
    dead_shells(&home, 2);
    home.spool().enforce(events(1), now()).unwrap();
    let dropped = home.spool().dropped().unwrap();
    let shell = home.shell();
    wait_status(&shell, "the failure", |status| {
        status.circuit_open_until.is_some()
    });
    leave(&shell);
    assert_eq!(home.spool().dropped().unwrap(), dropped);
    assert_eq!(dropped.unwrap().sessions, 2);
}

#[test]
fn a_file_that_cannot_be_read_does_not_keep_the_others() {
    const TEST: &str = "bounds::a_file_that_cannot_be_read_does_not_keep_the_others";
    if role().is_none() {
        if is_root() {
            // Permissions do not stop root.
            go_on(TEST, as_stranger(), "");
        }
        return;
    }
    let home = Home::new();
    let dead = dead_shells(&home, 3);
    fs::set_permissions(path(&home, &dead[0]), fs::Permissions::from_mode(0o000)).unwrap();
    assert_eq!(home.spool().enforce(events(4), now()).unwrap(), 1);
    assert_eq!(home.waiting(), sorted(&[dead[0].clone(), dead[2].clone()]));
}

#[test]
fn a_count_that_cannot_be_read_stops_nobody() {
    let home = Home::new();
    let count = home.spool().path().join("dropped.json");
    fs::write(&count, b"\xff\xfe").unwrap();
    assert_eq!(home.spool().dropped().unwrap(), None);
    home.dead_shell();
    assert_eq!(home.spool().enforce(events(1), now()).unwrap(), 1);
    assert_eq!(home.spool().dropped().unwrap().unwrap().sessions, 1);
}

/// A pipe would be waited for, and a link leads to somebody else's.
#[test]
fn a_count_that_is_no_file_of_ours_is_none() {
    let home = Home::new();
    let elsewhere = home.folder.path().join("elsewhere");
    fs::write(&elsewhere, r#"{"sessions": 7, "events": 7, "since": null}"#).unwrap();
    let link = |at: &Path| symlink(&elsewhere, at).unwrap();
    let pipe = |at: &Path| assert!(Command::new("mkfifo").arg(at).status().unwrap().success());
    let count = home.spool().path().join("dropped.json");
    for make in [&link as &dyn Fn(&Path), &pipe] {
        make(&count);
        let shell = home.begin();
        assert_eq!(shell.notices(), [""; 0]);
        assert_eq!(home.start_of(&shell).get("metadata"), None);
        fs::remove_file(&count).unwrap();
    }
}
