//! Files that are not imported: told by line, field and bound, and nothing of them is on record.

use std::{
    fs, io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::{Value, json};
use session_buddy::store::{Import, ImportCount, ImportedLine, StoreError, sqlite::verify::verify};
use session_model::{Act, ActName, Deed, Field, Imported, SessionRecord, fold::Origin};

use super::{exported, imported, lines, server};
use crate::{
    harness::{Home, Server, with},
    rules::desks,
};

/// Changes a line of an export.
fn changed(line: &Value, changes: Value) -> String {
    // Not `with`, which would keep members of what it replaces.
    let mut line = line.clone();
    for (key, value) in changes.as_object().unwrap() {
        line[key] = value.clone();
    }
    line.to_string()
}

#[test]
fn every_wrong_line_is_told_by_number_field_and_bound() {
    let (from, _) = server();
    let good = lines(&exported(&from, "ndjson"));
    let (ended, active, lost, by_hand) = (&good[0], &good[1], &good[2], &good[3]);
    let to = Server::start();
    let long = "x".repeat(101);
    for (line, said) in [
        (
            changed(ended, json!({"username": long})),
            "line 2, username: at most 100 characters, found 101",
        ),
        (
            changed(ended, json!({"working_directory": 7})),
            "line 2, working_directory: expected a string, found a number",
        ),
        (
            changed(ended, json!({"start_time": "yesterday"})),
            "line 2, start_time: expected an RFC 3339 time",
        ),
        (
            changed(ended, json!({"pid": 0})),
            "line 2, pid: expected an integer from 1 to 4194304, found 0",
        ),
        (
            changed(ended, json!({"component_name": "a b"})),
            "line 2, component_name: expected 1 to 100 of",
        ),
        (
            changed(ended, json!({"status": "gone"})),
            "line 2, status: expected one of active, ended, lost",
        ),
        (
            changed(ended, json!({"mood": "good"})),
            "line 2, mood: unknown",
        ),
        (
            changed(ended, json!({"exit_reason": "lost"})),
            "line 2, exit_reason:",
        ),
        (
            changed(ended, json!({"origin_uid": -1})),
            "line 2, origin_uid: expected an integer from 0 to 4294967295",
        ),
        (
            changed(ended, json!({"token_subject": "x".repeat(501)})),
            "line 2, token_subject: at most 500 characters",
        ),
        (
            changed(ended, json!({"metadata": {"a": "x".repeat(17_000)}})),
            "line 2, metadata:",
        ),
        // What follows from other keys.
        (
            changed(ended, json!({"quality_score": 1})),
            "line 2, quality_score: found 1.0, and the other keys give",
        ),
        (
            changed(ended, json!({"end_estimated": true})),
            "line 2, end_estimated: found true",
        ),
        (
            changed(ended, json!({"end_time": null})),
            "line 2, end_time: required where end_known_by is reported",
        ),
        (
            changed(
                ended,
                json!({"event_id": "00000000-0000-4000-8000-000000000077"}),
            ),
            "line 2, session_id: found",
        ),
        (
            changed(ended, json!({"status": "active"})),
            "line 2, status: found",
        ),
        (
            changed(active, json!({"duration_seconds": 5})),
            "line 2, duration_seconds: expected null while active",
        ),
        (
            changed(active, json!({"liveness": "live"})),
            "line 2, liveness: expected null while active",
        ),
        (
            changed(lost, json!({"end_latest": null})),
            "line 2, end_latest: required where end_known_by is process_gone",
        ),
        (
            changed(by_hand, json!({"exit_code": 3})),
            "line 2, exit_code: found 3, and the other keys give null",
        ),
        (
            changed(by_hand, json!({"actor_name": "claude"})),
            "line 2, actor_kind: required beside actor_name",
        ),
        (
            "[1]".to_owned(),
            "line 2: expected an object, found an array",
        ),
        (
            "{\"a\": tru}".to_owned(),
            "line 2: it is not JSON: expected ident, at byte",
        ),
    ] {
        let file = format!("{active}\n{line}\n{lost}\n");
        let ran = imported(&to, &file).with_code(1);
        let ran = ran.saying("nothing was imported: 1 of its lines are wrong");
        ran.saying(said);
    }
    let mut file = good[4].to_string().into_bytes();
    let end = file.len() - 2;
    file[end] = 0xff;
    let refused = refused_by_database(&file);
    assert!(
        refused.contains("line 1: it is not UTF-8: byte"),
        "{refused}"
    );
    // The first of many are told, the others counted.
    let file = "{}\n".repeat(50);
    let ran = imported(&to, &file).with_code(1);
    let ran = ran
        .saying("50 of its lines are wrong")
        .saying("line 20, session_id: required");
    assert!(!ran.stderr.contains("line 21"), "{}", ran.stderr);
    assert_eq!(to.get("/api/sessions").json(), json!([]));
    to.cli("verify").with_code(0);
}

/// Imports bytes where no server runs, and gives what is said.
fn refused_by_database(file: &[u8]) -> String {
    let home = Server::start().stop();
    let path = home.root().join("file");
    fs::write(&path, file).unwrap();
    let ran = home.cli(&format!("import {}", path.display())).with_code(1);
    assert_eq!(exported(&home, "ndjson"), "");
    ran.stderr
}

#[test]
fn what_is_something_else_is_told_as_that() {
    let (from, _) = server();
    let to = Server::start();
    let said = |file: &str, said: &str| {
        imported(&to, file).with_code(1).saying(said);
    };
    said(
        &exported(&from, "csv"),
        "nothing was imported: it is CSV; import takes what",
    );
    said(&exported(&from, "json"), "it is a JSON array");
    let ndjson = exported(&from, "ndjson");
    said(
        &format!("\u{feff}{ndjson}"),
        "it is text with a byte order mark",
    );
    let cut = &ndjson[..ndjson.len() - 40];
    said(cut, "line 5: the file ends within it: it was cut off");
    for (begins, said) in [
        (&[0x1f, 0x8b, 8, 0][..], "it is compressed"),
        (b"SQLite format 3\0\x10", "it is a database"),
        (&[0xff, 0xfe, b'{', 0], "it is text in UTF-16"),
    ] {
        let refused = refused_by_database(begins);
        assert!(refused.contains(said), "{refused}");
    }
    let told = [("Content-Type", "application/x-ndjson")];
    to.send("POST", "/api/import", &told, &exported(&from, "csv"))
        .problem(400, "INVALID_PARAMETER");
    to.send("POST", "/api/import", &[], "{}")
        .problem(415, "UNSUPPORTED_MEDIA_TYPE");
    // An end without a line's end is an end, and lines without anything are none.
    let ran = imported(
        &to,
        &format!("\r\n{}", ndjson.replace('\n', "\r\n").trim_end()),
    );
    assert_eq!(
        ran.with_code(0).stdout,
        "5 sessions imported, 0 known already\n"
    );
    assert_eq!(
        imported(&to, "").with_code(0).stdout,
        "0 sessions imported, 0 known already\n"
    );
}

#[test]
fn what_is_on_record_with_other_content_refuses_the_file() {
    let (from, ids) = server();
    let to = Server::start();
    let ndjson = exported(&from, "ndjson");
    let second = ndjson.lines().nth(1).unwrap();
    imported(&to, second).with_code(0);
    let closed = to.call("end_session", json!({"session_id": ids[1]}));
    assert!(!closed.is_error);
    let before = exported(&to, "ndjson");
    let id = &ids[1];
    let said = "nothing was imported: 1 of its sessions are on record with other content";
    imported(&to, &ndjson)
        .with_code(1)
        .saying(said)
        .saying(&format!(
            "line 2: session {id} is on record with other content: status"
        ));
    let told = [("Content-Type", "application/x-ndjson")];
    let problem = to
        .send("POST", "/api/import", &told, &ndjson)
        .problem(409, "CONFLICT");
    assert_eq!(problem["errors"][0]["field"], "line 2");
    assert_eq!(exported(&to, "ndjson"), before);
    // Nor may a file contradict itself.
    let third = Server::start();
    let first = ndjson.lines().next().unwrap();
    let twice = with(
        serde_json::from_str(first).unwrap(),
        json!({"hostname": "other"}),
    );
    imported(&third, &format!("{first}\n{twice}\n"))
        .with_code(1)
        .saying("line 2: session");
    assert_eq!(exported(&third, "ndjson"), "");
    for server in [&to, &third] {
        server.cli("verify").with_code(0);
    }
    let home = third.stop();
    imported(&home, &format!("{first}\n{twice}\n"))
        .with_code(1)
        .saying("line 2: session");
}

#[test]
fn what_cannot_be_read_or_has_nowhere_to_go_is_told_with_its_exit_code() {
    let home = Home::new();
    let file = home.root().join("none.ndjson");
    let line = format!("import {}", file.display());
    home.cli(&line).with_code(1).saying("cannot read");
    home.cli(&format!("import {}", home.root().display()))
        .with_code(1)
        .saying("is a directory");
    home.cli("import").with_code(2);
    home.cli_with_input("import -", "")
        .with_code(3)
        .saying("no server runs, and there is no database");
    assert!(!home.database().exists());
}

#[test]
fn an_import_that_breaks_off_leaves_nothing_and_the_store_goes_on() {
    let (from, _) = server();
    let record = &lines(&exported(&from, "ndjson"))[0];
    let record = SessionRecord::from_json(record).unwrap();
    let [_, desk] = desks();
    let now = desk.clock.clock().now();
    let line = ImportedLine {
        number: 1,
        received_at: now,
        imported: Imported::of(&record).unwrap(),
        payload: Vec::new(),
    };
    let acted = Arc::new(AtomicBool::new(false));
    let act = {
        let acted = Arc::clone(&acted);
        move |_: ImportCount| {
            acted.store(true, Ordering::Relaxed);
            Act {
                received_at: now,
                origin: Origin {
                    transport: session_model::Transport::Stdio,
                    address: None,
                    uid: None,
                },
                subject: None,
                deed: Deed::new(ActName::Imported),
            }
        }
    };
    let broken = io::Error::other("the disk fails");
    let import = Import {
        sessions: Box::new([Ok(line), Err(broken)].into_iter()),
        act: Box::new(act),
    };
    let failed = desk.runtime.block_on(desk.store.import(import));
    let Err(StoreError::Unavailable(what)) = failed else {
        panic!("{failed:?}")
    };
    assert!(what.contains("the disk fails"), "{what}");
    assert!(!acted.load(Ordering::Relaxed));
    drop(desk.start(crate::rules::start(1)));
    let stored = desk
        .runtime
        .block_on(desk.store.get(record.session_id.parse().unwrap()));
    assert_eq!(stored.unwrap(), None);
    desk.runtime.block_on(desk.store.close()).unwrap();
    let verified = verify(&desk.folder.path().join("sessions.db")).unwrap();
    assert_eq!(verified.sessions, 1);
}
