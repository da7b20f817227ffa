//! What shells have spooled: the server adopts it, and `event-buffer` shows, delivers and deletes it.

use std::{ffi::OsString, fs, os::unix::fs::symlink};

use serde_json::{Map, Value, json};
use session_client::{
    Beginning, Clock, Emitter, Ending, Settings,
    identity::Identity,
    spool::{Header, Spool, SpoolFile},
};
use session_model::{ExitReason, SessionType};

use crate::harness::{Home, Ran, Server, run};

/// Begins a session as a shell in this home does. While the value lives, so does the shell.
fn shell(home: &Home, reason: &str) -> Emitter {
    shell_of(home, reason, None)
}

/// Begins a session whose events go to an endpoint.
fn shell_of(home: &Home, reason: &str, endpoint: Option<&str>) -> Emitter {
    let state = home.state().to_owned();
    let variable = move |name: &str| match name {
        "SESSION_BUDDY_HOME" => Some(OsString::from(&state)),
        "SESSION_BUDDY_MCP_ENDPOINT" => endpoint.map(OsString::from),
        _ => None,
    };
    let component = "billing".parse().unwrap();
    let (settings, notices) = Settings::from_environment(&component, &variable);
    assert_eq!(notices, [""; 0]);
    let beginning = Beginning {
        component,
        shell_type: "BillingShell".to_owned(),
        session_type: SessionType::default(),
        reason: Some(reason.to_owned()),
        metadata: Map::new(),
    };
    Emitter::begin(
        &settings,
        Identity::of_this_process(&variable),
        beginning,
        Clock::system(),
    )
}

/// A shell that left by `exit()` while no server was there.
fn left_offline(home: &Home) -> String {
    let shell = shell(home, "offline");
    shell.count_command();
    shell.end(Ending {
        reason: ExitReason::Exit,
        exit_code: 0,
    });
    shell.session_id().to_string()
}

/// A shell that died without a word.
fn died(home: &Home) -> String {
    shell(home, "died").session_id().to_string()
}

/// A file with an event that no server takes.
fn bad_event(home: &Home) -> String {
    let session_id = "billing-20260206-220458-aaaaaaaa".to_owned();
    let header = Header {
        session_id: session_id.clone(),
        component: "billing".to_owned(),
        destination: format!("unix:{}", home.file("session-buddy.sock").display()),
        boot_id: None,
    };
    let spool = Spool::open(home.state()).unwrap();
    SpoolFile::create(spool.path(), header, "{\"pid\":0}".to_owned()).unwrap();
    session_id
}

fn status(home: &Home) -> Value {
    home.cli("event-buffer status --format json")
        .with_code(0)
        .json()
}

fn list(home: &Home, flags: &str) -> Vec<Value> {
    let ran: Ran = home
        .cli(format!("event-buffer list --format json {flags}").trim_end())
        .with_code(0);
    serde_json::from_value(ran.json()).unwrap()
}

fn sessions(server: &Server) -> Vec<Value> {
    serde_json::from_slice(&server.get("/api/sessions").body).unwrap()
}

#[test]
fn a_server_adopts_what_dead_shells_left_before_it_began() {
    let home = Home::new();
    let (left, died) = (left_offline(&home), died(&home));
    let server = home.start();
    server.wait_for_log("Adopted 2 sessions");
    let found = sessions(&server);
    assert_eq!(found.len(), 2);
    let record = server.show(&left);
    assert_eq!(record["status"], "ended");
    assert_eq!(record["end_known_by"], "reported");
    assert_eq!(record["exit_reason"], "exit");
    assert_eq!(record["command_count"], 1);
    assert_eq!(record["reason"], "offline");
    assert_eq!(record["origin_transport"], "unix");
    let record = server.show(&died);
    assert_eq!(record["status"], "lost");
    assert_eq!(record["end_known_by"], "process_gone");
    assert_eq!(record["closed_by"], "session-buddy server");
    assert!(record["end_earliest"].as_str().unwrap() <= record["end_latest"].as_str().unwrap());
    assert_eq!(status(&server)["files"], 0);
    let scrape = crate::metrics::Scrape::of(&server);
    let adopted = "session_buddy_spool_adoptions_total{outcome=\"delivered\"}";
    assert_eq!(scrape.value(adopted), 2.0);
    let ended = "session_end_total{component_name=\"billing\",status=\"success\"}";
    assert_eq!(scrape.value(ended), 1.0);
    let lost = "session_closed_total{cause=\"process_gone\",component_name=\"billing\"}";
    assert_eq!(scrape.value(lost), 1.0);
    assert_eq!(scrape.of_component("active_sessions", "billing"), 0.0);
}

#[test]
fn a_server_adopts_a_shell_that_dies_while_it_runs_and_no_live_one() {
    let server = Server::start();
    let living = shell(&server, "lives");
    let dead = died(&server);
    server.wait_for_log("Adopted 1 sessions");
    assert_eq!(server.show(&dead)["status"], "lost");
    let waiting = list(&server, "");
    assert_eq!(waiting.len(), 1);
    assert_eq!(
        waiting[0]["session_id"],
        json!(living.session_id().as_str())
    );
    assert_eq!(waiting[0]["owner_alive"], true);
    assert_eq!(waiting[0]["events"], 1);
    assert_eq!(sessions(&server).len(), 1);
}

#[test]
fn the_spool_is_shown_and_kept_without_a_server() {
    let home = Home::new();
    let empty = json!({"files": 0, "events": 0, "oldest": null, "dropped": 0, "refused": 0, "destinations": []});
    assert_eq!(status(&home), empty);
    assert_eq!(list(&home, ""), Vec::<Value>::new());
    let left = left_offline(&home);
    let socket = format!("unix:{}", home.file("session-buddy.sock").display());
    let status_now = status(&home);
    assert_eq!(
        (&status_now["files"], &status_now["events"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(status_now["destinations"][0]["destination"], json!(socket));
    let expected = json!({"session_id": left, "component_name": "billing", "destination": socket, "events": 2,
        "acknowledged": 0, "owner_alive": false, "last_error": null});
    assert_eq!(list(&home, ""), [expected]);

    home.cli("event-buffer replay")
        .with_code(3)
        .saying("no server answers");
    assert_eq!(status(&home)["events"], 2);
    let shown = home.cli("event-buffer list").with_code(0);
    assert!(
        shown.stdout.contains("no server answers"),
        "{}",
        shown.stdout
    );
}

/// The server has another state folder, so that it does not see this spool: only the command can deliver it.
#[test]
fn replay_delivers_what_goes_to_its_own_destination() {
    let (server, home) = (Server::start(), Home::new());
    let endpoint = format!("http://{}/mcp", server.address());
    let died = shell_of(&home, "died", Some(&endpoint));
    let id = died.session_id().to_string();
    drop(died);
    left_offline(&home);
    let mut command = home.command();
    command.args(["event-buffer", "replay", "--format", "json"]);
    command.env("SESSION_BUDDY_MCP_ENDPOINT", &endpoint);
    let replayed = run(command, "").with_code(0).json();
    let expected = json!({"delivered": 1, "refused": 0, "waiting": 0, "owned": 0, "elsewhere": 1, "destination": endpoint});
    assert_eq!(replayed, expected);
    let record = server.show(&id);
    assert_eq!(record["status"], "lost");
    assert_eq!(record["closed_by"], "session-buddy event-buffer replay");
    assert_eq!(sessions(&server).len(), 1);
    assert_eq!(status(&home)["files"], 1);
}

#[test]
fn what_a_server_refuses_for_good_is_set_aside_with_its_error() {
    let home = Home::new();
    let id = bad_event(&home);
    let fine = left_offline(&home);
    let server = home.start();
    server.wait_for_log("1 of them were refused");
    assert_eq!(server.show(&fine)["status"], "ended");
    assert_eq!(status(&server)["refused"], 1);
    let refused = list(&server, "--refused");
    assert_eq!(refused[0]["session_id"], json!(id));
    let error = refused[0]["last_error"].as_str().unwrap();
    assert!(
        error.contains("INVALID_EVENT") && error.contains("event_version: required"),
        "{error}"
    );

    let again = server
        .cli("event-buffer replay --include-refused --format json")
        .with_code(0);
    assert_eq!(again.json()["refused"], 1);
    assert_eq!(list(&server, "--refused").len(), 1);
    server
        .cli("event-buffer purge --refused --yes")
        .with_code(0);
    assert_eq!(status(&server)["refused"], 0);
}

#[test]
fn purge_asks_and_leaves_live_shells_alone() {
    let home = Home::new();
    let living = shell(&home, "lives");
    died(&home);
    home.cli("event-buffer purge").with_code(2).saying("--yes");
    assert_eq!(status(&home)["files"], 2);
    let ran = home.cli("event-buffer purge --yes").with_code(0);
    assert_eq!(ran.stdout, "deleted 1 events of 1 sessions\n");
    let left = list(&home, "");
    assert_eq!(left.len(), 1);
    assert_eq!(left[0]["session_id"], json!(living.session_id().as_str()));
    assert_eq!(
        home.cli("event-buffer purge --yes").with_code(0).stdout,
        "nothing to delete\n"
    );
}

#[test]
fn what_is_no_spool_file_of_ours_is_left_alone_and_said() {
    let home = Home::new();
    let fine = left_offline(&home);
    let folder = home.file("spool");
    fs::write(folder.join("foreign.spool"), "no such thing").unwrap();
    fs::write(home.root().join("target"), "precious").unwrap();
    symlink(home.root().join("target"), folder.join("link.spool")).unwrap();
    fs::hard_link(home.root().join("target"), folder.join("second.spool")).unwrap();
    fs::create_dir(folder.join("folder.spool")).unwrap();
    let server = home.start();
    server.wait_for_log("Adopted 1 sessions");
    assert_eq!(server.show(&fine)["status"], "ended");
    let listed = server.cli("event-buffer list").with_code(0);
    for name in ["foreign", "link", "second", "folder"] {
        assert!(listed.stderr.contains(name), "{name}: {}", listed.stderr);
        assert!(fs::symlink_metadata(folder.join(format!("{name}.spool"))).is_ok());
    }
    assert_eq!(
        fs::read_to_string(home_of(&server).join("target")).unwrap(),
        "precious"
    );
}

fn home_of(home: &Home) -> &std::path::Path {
    home.root()
}
