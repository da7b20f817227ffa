//! The cases that change files while no server runs: `verify` names the difference, and the server starts or says why not.

use std::{fs, os::unix::fs::PermissionsExt};

use rusqlite::params;
use serde_json::json;
use session_buddy::store::sqlite::unpack_payload;

use super::case::{Case, Edit, Findings, PayloadEdit, cases};
use crate::harness::{Home, Server, end, start};

/// What a state folder keeps of a record.
const FILES: [&str; 3] = ["sessions.db", "checkpoint.json", "checkpoint.key"];

/// A record of eight: 0 is the first one, 1 to 3 are starts, 4 is the end of session 1, 5 the closing of session 3 by hand, 6
/// the revocation of a token, 7 the start of session 4; with a checkpoint that was kept elsewhere.
fn honest() -> Home {
    let server = Server::start();
    let ids: Vec<_> = (1..4).map(|number| server.begin(start(number))).collect();
    server.call("track_session_end", end(&ids[0]));
    server.call("end_session", json!({"session_id": ids[2]}));
    let revoked = server.post("/api/tokens/revoke", &json!({"token_id": "stolen-1"}));
    assert_eq!(revoked.status, 200, "{}", revoked.text());
    server.begin(start(4));
    let home = server.stop();
    let elsewhere = home.root().join("elsewhere.json");
    let line = format!("checkpoint --output {}", elsewhere.display());
    home.cli(&line).with_code(0);
    home
}

fn copy_of(honest: &Home) -> Home {
    let copy = Home::new();
    for name in FILES {
        fs::copy(honest.file(name), copy.file(name)).unwrap();
    }
    copy
}

fn apply(edit: &Edit, home: &Home, foreign: &Home) -> Result<(), String> {
    let database = rusqlite::Connection::open(home.database()).unwrap();
    database.pragma_update(None, "foreign_keys", "OFF").unwrap();
    let before = database.total_changes();
    let done = database.execute_batch(&edit.sql);
    done.map_err(|error| format!("its SQL fails: {error}"))?;
    let schema = ["CREATE", "DROP", "ALTER"]
        .iter()
        .any(|word| edit.sql.contains(word));
    if !edit.sql.is_empty() && !schema && database.total_changes() == before {
        return Err("its SQL changes nothing".to_owned());
    }
    if let Some(edit) = &edit.payload {
        edit_payload(&database, edit)?;
    }
    for file in &edit.file {
        let path = home.file(&file.name);
        match (&file.content, &file.replace, file.mode) {
            _ if file.foreign => drop(fs::copy(foreign.file(&file.name), &path).unwrap()),
            (Some(content), ..) => fs::write(&path, content).unwrap(),
            (_, Some((from, to)), _) => {
                let text = fs::read_to_string(&path).unwrap();
                if !text.contains(from) {
                    return Err(format!("{from:?} is not in {text}"));
                }
                fs::write(&path, text.replacen(from, to, 1)).unwrap();
            }
            (.., Some(mode)) => {
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            }
            (None, None, None) => fs::remove_file(&path).unwrap(),
        }
    }
    Ok(())
}

fn edit_payload(database: &rusqlite::Connection, edit: &PayloadEdit) -> Result<(), String> {
    const READ: &str = "SELECT payload FROM ledger_payload WHERE seq = ?1";
    const WRITE: &str = "UPDATE ledger_payload SET payload = ?2 WHERE seq = ?1";
    let stored: Vec<u8> = database
        .query_row(READ, [edit.seq], |row| row.get(0))
        .map_err(|error| error.to_string())?;
    let text = String::from_utf8(unpack_payload(&stored).into_owned()).unwrap();
    let (from, to) = &edit.replace;
    if !text.contains(from) {
        return Err(format!("{from:?} is not in {text}"));
    }
    let edited = text.replace(from, to).into_bytes();
    let written = database.execute(WRITE, params![edit.seq, edited]);
    written.map(drop).map_err(|error| error.to_string())
}

fn try_out(case: &Case, edit: &Edit, honest: &Home, foreign: &Home, findings: &mut Findings) {
    let home = copy_of(honest);
    if let Err(why) = apply(edit, &home, foreign) {
        return findings.check(case, false, || why);
    }
    let elsewhere = honest.root().join("elsewhere.json");
    let line = match edit.elsewhere {
        true => format!("verify --checkpoint {}", elsewhere.display()),
        false => "verify".to_owned(),
    };
    let ran = home.cli(&line);
    let seen = ran.code == Some(1) && ran.stderr.contains(&edit.verify);
    findings.check(case, seen, || format!("verify: {ran:?}"));
    match &edit.refused {
        Some(why) => {
            let ran = home.refused("--port 0");
            let as_said = ran.stderr.contains(why);
            findings.check(case, as_said, || format!("start: {}", ran.stderr));
        }
        None => {
            let server = home.start();
            server.assert_serves(9);
            let health = server.get("/health").json();
            let checkpoint = &health["checks"]["checkpoint"];
            findings.check(case, *checkpoint == *edit.checkpoint, || health.to_string());
        }
    }
}

#[test]
fn every_change_of_the_table_is_seen() {
    let (honest, foreign) = (honest(), honest());
    let line = format!(
        "verify --checkpoint {}/elsewhere.json",
        honest.root().display()
    );
    copy_of(&honest).cli(&line).with_code(0);
    let mut findings = Findings::default();
    for case in &cases() {
        if let Some(edit) = &case.edit {
            try_out(case, edit, &honest, &foreign, &mut findings);
        }
    }
    copy_of(&honest).start().assert_serves(9);
    findings.finish();
}
