//! Sessions that leave as text, and come back.

mod bad_files;
mod laws;

use std::{fs, process::Command};

use serde_json::{Value, json};

use crate::{
    harness::{Home, PROGRAM, Ran, Server, five_sessions, numbers, run, start, with},
    permissions::callers::Guarded,
};

/// A server with five sessions on record, and their ids.
fn server() -> (Server, Vec<String>) {
    let server = Server::start();
    let ids = five_sessions(&server);
    (server, ids)
}

fn lines(ndjson: &str) -> Vec<Value> {
    let lines = ndjson.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn exported(home: &Home, format: &str) -> String {
    home.cli(&format!("export --format {format}"))
        .with_code(0)
        .stdout
}

fn imported(home: &Home, ndjson: &str) -> Ran {
    home.cli_with_input("import -", ndjson)
}

#[test]
fn what_is_exported_and_imported_is_exported_as_the_same_bytes() {
    let (from, _) = server();
    let to = Server::start();
    let ndjson = exported(&from, "ndjson");
    let ran = imported(&to, &ndjson).with_code(0);
    assert_eq!(ran.stdout, "5 sessions imported, 0 known already\n");
    for format in ["ndjson", "csv", "json"] {
        assert_eq!(exported(&to, format), exported(&from, format), "{format}");
    }
    to.cli("verify").with_code(0);
    // Once more changes nothing.
    let ran = imported(&to, &ndjson).with_code(0);
    assert_eq!(ran.stdout, "0 sessions imported, 5 known already\n");
    // Without a server the file says the same, and takes the same.
    let (from, to) = (from.stop(), to.stop());
    assert_eq!(exported(&to, "ndjson"), ndjson);
    assert_eq!(exported(&from, "ndjson"), ndjson);
    let third = Server::start().stop();
    imported(&third, &ndjson).with_code(0);
    assert_eq!(exported(&third, "csv"), exported(&from, "csv"));
    third.cli("verify").with_code(0);
}

#[test]
fn an_export_says_nothing_that_depends_on_when_it_is_made() {
    let (server, ids) = server();
    let sessions = lines(&exported(&server, "ndjson"));
    assert_eq!(numbers(&json!(sessions)), [1, 2, 3, 4, 5], "oldest first");
    let active = &sessions[1];
    assert_eq!(active["session_id"], json!(ids[1]));
    let told = ["status", "liveness", "duration_seconds", "end_time"].map(|key| &active[key]);
    assert_eq!(
        told,
        [&json!("active"), &Value::Null, &Value::Null, &Value::Null]
    );
    let array: Value = serde_json::from_str(&exported(&server, "json")).unwrap();
    assert_eq!(array, json!(sessions));
    let csv = exported(&server, "csv");
    let mut table = csv::Reader::from_reader(csv.as_bytes());
    let header = table.headers().unwrap().clone();
    assert_eq!(&header[0], "session_id");
    for (row, session) in table.records().zip(&sessions) {
        let row = row.unwrap();
        for (name, cell) in header.iter().zip(&row) {
            let value = match &session[name] {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                value => value.to_string(),
            };
            assert_eq!(cell, value, "{name}");
        }
    }
}

#[test]
fn text_that_acts_does_not_act_in_an_export_and_comes_back_as_it_was() {
    let (from, to) = (Server::start(), Server::start());
    let hostile = "=cmd|' /C calc'!A0\u{1b}]0;x\u{7}\u{202e}\n\"é漢🦀\\";
    from.begin(with(
        start(1),
        json!({"hostname": hostile, "metadata": {"note": hostile, "project": "-1+1"}}),
    ));
    for format in ["csv", "json", "ndjson"] {
        let text = exported(&from, format);
        let acting = |c: char| c != '\n' && session_model::escape::is_unsafe(c);
        assert!(!text.contains(acting), "{format}: {text:?}");
    }
    let csv = exported(&from, "csv");
    let row = csv::Reader::from_reader(csv.as_bytes()).records().next();
    let row = row.unwrap().unwrap();
    for cell in &row {
        assert!(!cell.starts_with(['=', '-', '+', '@']), "{cell:?}");
    }
    imported(&to, &exported(&from, "ndjson")).with_code(0);
    let list = to.get("/api/sessions").json();
    assert_eq!(list[0]["hostname"], hostile);
    assert_eq!(list[0]["metadata"]["note"], hostile);
}

#[test]
fn every_filter_of_a_list_is_one_of_an_export() {
    let (server, _) = server();
    for filter in [
        "",
        "type=batch",
        "component=billing",
        "component=billing,crackerjack",
        "user=ana",
        "status=active",
        "status=lost,ended",
        "incomplete=true",
        "incomplete=true&component=billing",
        "after=2026-02-06T10:03:00Z",
        "before=2026-02-06T10:03:00Z&component=mahavishnu",
        "after=2026-02-06T10:02:00Z&before=2026-02-06T10:04:00Z",
        "duration_greater=60",
        "duration_greater=5000000",
    ] {
        let mut listed = numbers(&server.get(&format!("/api/sessions?{filter}")).json());
        listed.reverse();
        let answer = server.get(&format!("/api/export?format=json&{filter}"));
        assert_eq!(answer.status, 200, "{filter}");
        assert_eq!(numbers(&answer.json()), listed, "{filter}");
    }
    let ran = server.cli("export --format ndjson --component billing --user ana");
    assert_eq!(numbers(&json!(lines(&ran.with_code(0).stdout))), [2]);
    let ran = server
        .cli("export --format csv --component nobody")
        .with_code(0);
    assert_eq!(ran.stdout.lines().count(), 1);
    ran.saying("note: no session matches");
}

#[test]
fn sessions_that_began_together_are_all_exported_in_one_order() {
    let server = Server::start();
    let start = |number: u16| with(start(number), json!({"timestamp": "2026-02-06T10:00:00Z"}));
    let ndjson = [("Content-Type", "application/x-ndjson")];
    for batch in [0..250, 250..500, 500..620] {
        let events: Vec<_> = batch.map(|number| start(number).to_string()).collect();
        let answer = server.send("POST", "/api/events", &ndjson, &events.join("\n"));
        assert_eq!(answer.status, 200);
    }
    let sessions = lines(&exported(&server, "ndjson"));
    let ids: Vec<_> = sessions
        .iter()
        .map(|session| session["session_id"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), 620);
    assert!(ids.is_sorted_by(|one, next| one < next), "each once, by id");
}

#[test]
fn the_media_type_and_the_name_are_those_of_the_format() {
    let (server, _) = server();
    for (format, media_type) in [
        ("csv", "text/csv; charset=utf-8"),
        ("json", "application/json"),
        ("ndjson", "application/x-ndjson"),
    ] {
        let answer = server.get(&format!("/api/export?format={format}"));
        assert_eq!(answer.header("content-type"), Some(media_type));
        let name = format!("attachment; filename=\"sessions.{format}\"");
        assert_eq!(answer.header("content-disposition"), Some(&*name));
    }
    for (query, field) in [
        ("", "format"),
        ("?format=xml", "format"),
        ("?format=csv&limit=3", "limit"),
        ("?format=csv&after=yesterday", "after"),
    ] {
        let problem = server
            .get(&format!("/api/export{query}"))
            .problem(400, "INVALID_PARAMETER");
        assert_eq!(problem["errors"][0]["field"], field);
    }
}

#[test]
fn a_file_is_put_in_its_place_when_it_is_whole() {
    let (server, _) = server();
    let file = server.root().join("all.csv");
    let export = |flags: &str| server.cli(&format!("export {flags}"));
    export(&format!("--output {}", file.display())).with_code(0);
    assert_eq!(fs::read_to_string(&file).unwrap(), exported(&server, "csv"));
    // Its ending says nothing.
    let unnamed = server.root().join("all.txt");
    export(&format!("--output {}", unnamed.display()))
        .with_code(2)
        .saying("--output does not end in .csv, .json or .ndjson");
    assert!(!unnamed.exists());
    export(&format!("--format json --output {}", unnamed.display())).with_code(0);
    server.cli("export").with_code(2).saying("--format");
    // What was there stays where the export fails.
    let home = server.stop();
    let missing = home.root().join("no/such/all.csv");
    home.cli(&format!("export --output {}", missing.display()))
        .with_code(1)
        .saying("could not be written");
    fs::write(home.database(), "no database").unwrap();
    let before = fs::read(&file).unwrap();
    home.cli(&format!("export --output {}", file.display()))
        .with_code(1);
    assert_eq!(fs::read(&file).unwrap(), before);
    let left: Vec<_> = fs::read_dir(home.root()).unwrap().collect();
    assert_eq!(left.len(), 3, "the state folder and two files: {left:?}");
}

#[test]
fn who_no_longer_reads_an_export_is_not_told_of_it_and_a_full_disk_is() {
    let (server, _) = server();
    let shell = |script: &str| {
        let mut command = server.command();
        let mut through = Command::new("sh");
        for (name, value) in command.get_envs() {
            through.env(name, value.unwrap_or_default());
        }
        through.args(["-c", &script.replace("$SB", PROGRAM)]);
        command = through;
        run(command, "")
    };
    let ran = shell("{ $SB export --format ndjson; echo $? >&2; } | true");
    assert_eq!(ran.stderr, "0\n");
    let ran = shell("$SB export --format ndjson > /dev/full");
    ran.with_code(1).saying("No space left on device");
    let ran = shell("$SB export --format csv --output /dev/full");
    ran.with_code(1).saying("No space left on device");
}

#[test]
fn who_exported_and_imported_what_stands_in_the_audit() {
    let server = Guarded::start();
    let begin = |number, component: &str| {
        server.begin_by_hand(with(start(number), json!({"component_name": component})))
    };
    let ids = [begin(1, "mahavishnu"), begin(2, "billing")];
    let ana = server.with("ana", json!({"sub": "ana", "scopes": ["read"]}));
    let query = "/api/export?format=ndjson&component=billing";
    let ndjson = ana.send("GET", query, &[], "").text().to_owned();
    assert_eq!(lines(&ndjson)[0]["session_id"], json!(ids[1]));
    let admin = server.with("bo", json!({"sub": "bo", "scopes": ["admin"]}));
    let told = [("Content-Type", "application/x-ndjson")];
    let answer = admin.send("POST", "/api/import", &told, &ndjson);
    assert_eq!(answer.json(), json!({"imported": 0, "known": 1}));

    let acts = admin.send("GET", "/api/audit", &[], "").json();
    let keys = ["act", "by", "origin_transport", "what", "code"];
    let of = |act: &Value| keys.map(|key| act[key].as_str().unwrap_or("-").to_owned());
    assert_eq!(
        of(&acts[0]),
        ["imported", "bo", "tcp", "0 sessions, 1 known already", "-"]
    );
    assert!(
        acts[0]["reason"]
            .as_str()
            .unwrap()
            .starts_with("file with SHA-256 ")
    );
    assert_eq!(
        of(&acts[1]),
        ["exported", "ana", "tcp", "1 sessions as ndjson", "-"]
    );
    assert_eq!(acts[1]["reason"], "component=billing");
    server.cli("verify").with_code(0);
}

#[test]
fn a_bound_token_exports_its_component_alone_and_imports_nothing() {
    let server = Guarded::start();
    server.begin_by_hand(start(1));
    server.begin_by_hand(with(start(2), json!({"component_name": "billing"})));
    let bound = json!({"scopes": ["admin"], "component": "mahavishnu"});
    let bound = server.with("bound", bound);
    let export = |query: &str| bound.send("GET", &format!("/api/export?{query}"), &[], "");
    assert_eq!(numbers(&export("format=json").json()), [1]);
    assert_eq!(
        numbers(&export("format=json&component=mahavishnu").json()),
        [1]
    );
    export("format=json&component=billing").problem(403, "FORBIDDEN");
    let told = [("Content-Type", "application/x-ndjson")];
    bound
        .send("POST", "/api/import", &told, "")
        .problem(403, "FORBIDDEN");
}

#[test]
fn what_a_file_claims_of_a_session_gives_nobody_a_right_over_it() {
    let from = Guarded::start();
    let les = json!({"sub": "les", "scopes": ["emit"]});
    let began = from
        .with("les", les.clone())
        .call("track_session_start", start(1))
        .unwrap();
    let id = began["structuredContent"]["session_id"].clone();
    let ndjson = from
        .owner()
        .send("GET", "/api/export?format=ndjson", &[], "");
    assert_eq!(lines(ndjson.text())[0]["token_subject"], "les");

    let to = Guarded::start();
    let told = [("Content-Type", "application/x-ndjson")];
    let answer = to.owner().send("POST", "/api/import", &told, ndjson.text());
    assert_eq!(answer.json(), json!({"imported": 1, "known": 0}));
    let end = json!({"session_id": id, "timestamp": "2026-02-06T11:30:00Z"});
    let refused = to.with("les", les).call("track_session_end", end.clone());
    let refused = refused.unwrap();
    assert_eq!(refused["structuredContent"]["error_code"], "FORBIDDEN");
    // Its own shell, which a restored or moved server meets again, may go on with the owner at the socket.
    let owner = to.owner();
    let again = owner.call("track_session_start", start(1)).unwrap();
    assert_eq!(again["structuredContent"]["status"], "tracked");
    let other = with(start(1), json!({"hostname": "elsewhere"}));
    let other = owner.call("track_session_start", other).unwrap();
    assert_eq!(other["structuredContent"]["error_code"], "CONFLICT");
    let path = format!("/api/sessions/{}", id.as_str().unwrap());
    let shown = owner.send("GET", &path, &[], "").json();
    assert_eq!(shown["status"], "active");
    assert_ne!(
        shown["liveness"], "live",
        "nothing here proves that it lives"
    );
    let ended = owner.call("track_session_end", end).unwrap();
    assert_eq!(ended["structuredContent"]["status"], "ended");
    let home = to.stop();
    home.cli("verify").with_code(0);
}

#[test]
fn an_imported_session_survives_restarts_and_is_neither_watched_nor_leased() {
    let (from, _) = server();
    let heartbeats = json!({"heartbeat_interval_seconds": 1});
    from.begin(with(start(6), heartbeats));
    let ndjson = exported(&from, "ndjson");
    let to = Server::start();
    imported(&to, &ndjson).with_code(0);
    let to = to.kill().start();
    let list = to.get("/api/sessions?status=active").json();
    let lives: Vec<_> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["liveness"])
        .collect();
    assert_eq!(lives, [&json!("unknown"); 3]);
    assert_eq!(exported(&to, "ndjson"), ndjson);
    to.cli("maintenance rebuild-rollups").with_code(1);
    let home = to.stop();
    home.cli("maintenance rebuild-rollups").with_code(0);
    home.cli("verify").with_code(0);
}
