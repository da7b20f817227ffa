//! Checkpoints: what a server and the command line sign, and what of it is seen when the end of a ledger is gone.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Instant};

use serde_json::Value;

use crate::harness::{DEADLINE, Home, Server, start};

/// Takes away the newest record without a trace, as somebody with the file can.
pub(crate) const CUT: &str = "
    DELETE FROM sessions WHERE start_record = (SELECT max(record) FROM ledger);
    DELETE FROM ledger_payload WHERE record = (SELECT max(record) FROM ledger);
    DELETE FROM ledger WHERE record = (SELECT max(record) FROM ledger)";

fn change(home: &Home, sql: &str) {
    let database = rusqlite::Connection::open(home.database()).unwrap();
    database.pragma_update(None, "foreign_keys", "OFF").unwrap();
    database.execute_batch(sql).unwrap();
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// A home whose server has ended with three sessions on record.
fn three_sessions() -> Home {
    let server = Server::start();
    for number in 1..4 {
        server.begin(start(number));
    }
    server.stop()
}

fn put_aside(home: &Home) -> Vec<String> {
    let names = fs::read_dir(home.state()).unwrap();
    names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("checkpoint-"))
        .collect()
}

#[test]
fn a_server_that_stops_has_signed_its_newest_record() {
    let home = three_sessions();
    let checkpoint = read(&home.file("checkpoint.json"));
    assert_eq!(checkpoint["seq"], 3);
    for name in ["checkpoint.json", "checkpoint.key"] {
        let mode = fs::metadata(home.file(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let verified = home.cli("verify").with_code(0);
    assert!(
        verified
            .stdout
            .contains("signed:   record 3 was the newest at"),
        "{verified:?}"
    );
    assert_eq!(verified.stderr, "");
    // A start that finds nothing new signs nothing, and the key stays.
    let again = home.start().stop();
    assert_eq!(read(&again.file("checkpoint.json")), checkpoint);
}

#[test]
fn a_server_signs_when_it_starts_and_after_a_crash_goes_on() {
    let server = Server::start();
    let path = server.file("checkpoint.json");
    let deadline = Instant::now() + DEADLINE;
    while !path.exists() {
        assert!(Instant::now() < deadline, "no checkpoint is written");
        std::thread::yield_now();
    }
    server.begin(start(1));
    let home = server.kill();
    assert_eq!(
        home.start().get("/health").json()["checks"]["checkpoint"],
        "ok"
    );
    home.cli("verify").with_code(0);
}

#[test]
fn a_ledger_that_was_cut_is_seen_by_verify_and_by_each_start_until_somebody_looked() {
    let home = three_sessions();
    change(&home, CUT);
    home.cli("verify")
        .with_code(1)
        .saying("the ledger ends at record 2, and record 3 was there at");
    home.cli("checkpoint")
        .with_code(1)
        .saying("its newest records were cut off");
    for start in 0..2 {
        let server = home.start();
        let log = server.wait_for_log("does not agree with its checkpoint");
        // By the second start another record stands in its place.
        let why = ["the ledger ends at record 2", "record 3 is not the one"][usize::from(start)];
        assert!(log.contains(why), "{log}");
        let health = server.get("/health").json();
        assert_eq!(
            (&health["status"], &health["checks"]["checkpoint"]),
            (&"healthy".into(), &"warn".into())
        );
        server.assert_serves(5 + start);
        server.stop();
    }
    let aside = put_aside(&home);
    assert_eq!(aside.len(), 1, "{aside:?}");
    home.cli("verify")
        .with_code(1)
        .saying("record 3 is not the one that was there at");
    fs::remove_file(home.file(&aside[0])).unwrap();
    home.cli("verify").with_code(1).saying("rollup_");
    home.cli("maintenance rebuild-rollups").with_code(0);
    home.cli("verify").with_code(0);
    assert_eq!(
        home.start().get("/health").json()["checks"]["checkpoint"],
        "ok"
    );
}

#[test]
fn a_checkpoint_that_was_kept_elsewhere_sees_what_the_owner_of_the_key_did() {
    let home = three_sessions();
    let elsewhere = home.root().join("elsewhere.json");
    let line = format!("--output {}", elsewhere.display());
    home.cli(&format!("checkpoint {line}")).with_code(0);
    let check = format!("verify --checkpoint {}", elsewhere.display());
    let verified = home.cli(&check).with_code(0);
    assert_eq!(
        verified.stdout.matches("signed: ").count(),
        2,
        "{verified:?}"
    );

    // Whoever has all files writes checkpoint and sums anew.
    change(&home, CUT);
    home.cli("maintenance rebuild-rollups").with_code(0);
    fs::remove_file(home.file("checkpoint.json")).unwrap();
    home.start().stop();
    home.cli("verify").with_code(0);
    home.cli(&check)
        .with_code(1)
        .saying("elsewhere.json: the ledger ends at record 2");
    // With a key of his own, too.
    fs::remove_file(home.file("checkpoint.json")).unwrap();
    fs::remove_file(home.file("checkpoint.key")).unwrap();
    home.start().stop();
    home.cli("verify").with_code(0);
    home.cli(&check)
        .with_code(1)
        .saying("it was signed with key");
}

#[test]
fn a_copy_is_verified_where_there_is_neither_server_nor_key() {
    let home = three_sessions();
    let auditor = three_sessions();
    for name in ["sessions.db", "checkpoint.json"] {
        fs::copy(home.file(name), auditor.root().join(name)).unwrap();
    }
    let copy = auditor.root().join("sessions.db");
    let verified = auditor
        .cli(&format!("verify --db-path {}", copy.display()))
        .with_code(0);
    assert!(
        verified.stdout.contains("signed:   record 3"),
        "{verified:?}"
    );
    let other = auditor.cli(&format!(
        "verify --checkpoint {}",
        auditor.root().join("checkpoint.json").display()
    ));
    other.with_code(1).saying("it was signed with key");
}

#[test]
fn without_a_key_or_a_place_for_it_the_server_takes_events_and_says_so() {
    let home = three_sessions();
    fs::set_permissions(
        home.file("checkpoint.key"),
        fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    let server = home.start();
    let log = server.wait_for_log("No checkpoint can be written");
    assert!(
        log.contains("is not a file of its user alone (mode 644"),
        "{log}"
    );
    let health = server.get("/health").json();
    assert_eq!(
        (&health["status"], &health["checks"]["checkpoint"]),
        (&"healthy".into(), &"warn".into())
    );
    server.assert_serves(9);
    let home = server.stop();
    fs::set_permissions(
        home.file("checkpoint.key"),
        fs::Permissions::from_mode(0o600),
    )
    .unwrap();
    let home = home.start().stop();
    assert_eq!(read(&home.file("checkpoint.json"))["seq"], 4);

    // A folder in its way.
    fs::create_dir(home.file("checkpoint.json.new")).unwrap();
    let server = home.start();
    server.assert_serves(10);
    let log = server.stop_for_log();
    assert!(log.contains("No checkpoint can be written"), "{log}");
}

#[test]
fn no_checkpoint_is_a_note_and_none_is_made_by_looking() {
    let home = three_sessions();
    fs::remove_file(home.file("checkpoint.json")).unwrap();
    home.cli("verify")
        .with_code(0)
        .saying("but there is a key, so it was removed");
    fs::remove_file(home.file("checkpoint.key")).unwrap();
    home.cli("verify")
        .with_code(0)
        .saying("note: there is no checkpoint beside the database; without one");
    home.cli("checkpoint")
        .with_code(1)
        .saying("there is no key");
    assert!(!home.file("checkpoint.key").exists());
    home.cli("verify --checkpoint /nowhere.json")
        .with_code(1)
        .saying("it cannot be read");
    Home::new().cli("checkpoint").with_code(3);
}
