//! Servers that must not come up, disks that are full, and paths that are long.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::{PermissionsExt, symlink},
    process::Stdio,
    sync::mpsc::channel,
    thread,
};

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};
use serde_json::json;

use super::strangers::can_be_a_stranger;
use crate::harness::{DEADLINE, Home, Server, numbers, run, start, with};

#[test]
fn a_file_that_is_not_ours_is_left_as_it_is() {
    let others = Home::new();
    let connection = rusqlite::Connection::open(others.database()).unwrap();
    connection
        .execute_batch("CREATE TABLE mine (x); INSERT INTO mine VALUES (1)")
        .unwrap();
    drop(connection);
    let text = b"Dear diary, this is no database at all. ".repeat(200);
    for content in [&text[..], b"short", &fs::read(others.database()).unwrap()] {
        let home = Home::new();
        fs::write(home.database(), content).unwrap();
        let unchanged = || fs::read(home.database()).unwrap() == content;
        let ran = home
            .refused("--port 0")
            .with_code(5)
            .saying("not a database of Session-Buddy");
        ran.saying("sessions.db").saying("hint: ");
        assert!(unchanged(), "the server changed it");
        for line in ["list-sessions", "end-session x", "verify"] {
            home.cli(line)
                .with_code(1)
                .saying("not a database of Session-Buddy");
            assert!(unchanged(), "{line} changed it");
        }
        assert!(!home.file("sessions.db-wal").exists() && !home.file("sessions.db-shm").exists());
    }
}

#[test]
fn a_newer_database_is_left_to_the_newer_program() {
    let server = Server::start();
    server.begin(start(1));
    let home = server.stop();
    let execute = |sql: &str| {
        let connection = rusqlite::Connection::open(home.database()).unwrap();
        connection.execute(sql, []).unwrap();
    };
    execute("INSERT INTO migrations VALUES (999, 'future', 'x')");
    let ran = home
        .refused("--port 0")
        .with_code(5)
        .saying("newer")
        .saying("999");
    ran.saying("hint: install a newer session-buddy");
    for line in ["list-sessions", "end-session mahavishnu", "verify"] {
        home.cli(line)
            .with_code(1)
            .saying("newer than this program");
    }
    execute("DELETE FROM migrations WHERE number = 999");
    assert_eq!(home.start().show("mahavishnu")["status"], "active");
}

fn set_mode(path: &std::path::Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn with_unreadable_database() -> Home {
    let home = Home::of_stranger();
    fs::write(home.database(), "").unwrap();
    set_mode(&home.database(), 0);
    home
}

fn with_unwritable_folder() -> Home {
    let home = Home::of_stranger();
    set_mode(home.state(), 0o500);
    home
}

#[test]
fn what_the_system_forbids_is_exit_6_and_named() {
    let home = with_unreadable_database();
    let ran = home
        .refused_as(home.command_of_stranger(), "--port 0")
        .with_code(6);
    ran.saying("sessions.db").saying("Permission denied");

    let home = with_unwritable_folder();
    let ran = home
        .refused_as(home.command_of_stranger(), "--port 0")
        .with_code(6);
    ran.saying(home.state().to_str().unwrap())
        .saying("Permission denied");
    assert_eq!(fs::read_dir(home.state()).unwrap().count(), 0);

    // A folder that would have to be made where nothing may be made.
    let home = Home::of_stranger();
    fs::remove_dir(home.state()).unwrap();
    let command = home.command_of_stranger();
    set_mode(home.root(), 0o555);
    home.refused_as(command, "--port 0")
        .with_code(6)
        .saying("Permission denied");
    set_mode(home.root(), 0o755);
    assert!(!home.state().exists());
}

#[test]
fn a_state_folder_is_no_link_and_no_file() {
    let home = Home::new();
    let elsewhere = home.root().join("elsewhere");
    fs::rename(home.state(), &elsewhere).unwrap();
    symlink(&elsewhere, home.state()).unwrap();
    home.refused("--port 0")
        .with_code(5)
        .saying("symbolic link");
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);

    fs::remove_file(home.state()).unwrap();
    fs::write(home.state(), "a file").unwrap();
    let said = format!("{} is not a folder", home.state().display());
    home.refused("--port 0").with_code(5).saying(&said);
    assert_eq!(fs::read(home.state()).unwrap(), b"a file");
}

#[test]
fn what_cannot_be_used_comes_with_advice() {
    let (file, linked, full) = (Home::new(), Home::new(), Home::new());
    fs::remove_dir(file.state()).unwrap();
    fs::write(file.state(), "").unwrap();
    fs::remove_dir(linked.state()).unwrap();
    symlink("/tmp", linked.state()).unwrap();
    let (unwritable, unreadable) = (with_unwritable_folder(), with_unreadable_database());
    let of_stranger = |home: &Home| home.refused_as(home.command_of_stranger(), "--port 0");
    let without_advice: Vec<_> = [
        ("state folder is a file", file.refused("--port 0")),
        ("state folder is a link", linked.refused("--port 0")),
        ("unwritable folder", of_stranger(&unwritable)),
        ("unreadable database", of_stranger(&unreadable)),
        (
            "full disk",
            full.refused_as(full.command_through(&full_disk(4096)), "--port 0"),
        ),
    ]
    .into_iter()
    .filter(|(_, ran)| !ran.stderr.contains("\nhint: "))
    .map(|(what, ran)| format!("{what}: {}", ran.stderr))
    .collect();
    assert!(without_advice.is_empty(), "{}", without_advice.join("\n"));
}

#[test]
fn an_address_that_cannot_be_had_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let home = Home::new();
    let ran = home
        .refused(&format!("--port {}", address.port()))
        .with_code(1);
    ran.saying(&address.to_string())
        .saying("Address already in use")
        .saying("--port");
    for (flags, said) in [
        (
            "--port abc",
            "port: expected an integer from 0 to 65535, found \"abc\" (flag --port)",
        ),
        ("--port 70000", "found \"70000\""),
        ("--port -1", "-1"),
        ("--host 0.0.0.0", "not a loopback address"),
        ("--host 192.0.2.7", "hint: listen on 127.0.0.1 or ::1"),
        ("--host example.com", "host: expected an IP address"),
        ("--log-level loud", "log_level: expected one of"),
        ("--colour red", "--colour"),
    ] {
        let ran = home.refused(flags).saying(said);
        // `mcp` has 2 for "not running", so wrong usage is 1 there.
        assert!([1, 5].contains(&ran.code.unwrap()), "{flags}: {ran:?}");
        assert!(
            !home.database().exists(),
            "no database is made for a server that never was"
        );
    }
    let mut from_environment = home.command();
    from_environment.env("SESSION_BUDDY_PORT", "eight");
    home.refused_as(from_environment, "")
        .with_code(5)
        .saying("SESSION_BUDDY_PORT");
}

#[test]
fn wrong_usage_of_mcp_is_exit_1_because_2_means_not_running() {
    let home = Home::new();
    home.cli("mcp").with_code(1).saying("start");
    home.cli("mcp begin").with_code(1).saying("begin");
    home.cli("mcp start --forground")
        .with_code(1)
        .saying("--foreground");
    home.cli("mcp stop --timeout soon")
        .with_code(1)
        .saying("seconds");
    assert!(!home.database().exists());
}

#[test]
fn a_configuration_file_is_refused_by_line_and_its_unknown_keys_are_told() {
    let home = Home::new();
    let file = home.file("config.yaml");
    for (text, place) in [
        ("port: 0\nhost: [\n", "config.yaml:3"),
        ("\nport: abc\n", "config.yaml:2"),
        ("log_level: LOUD\n", "config.yaml:1"),
    ] {
        fs::write(&file, text).unwrap();
        home.refused("").with_code(5).saying(place);
        assert!(!home.database().exists());
    }
    fs::write(&file, "log_level: warning\nprot: 9\n").unwrap();
    let server = home.start();
    let warned = server.wait_for_log("unknown key");
    assert!(
        warned.contains("config.yaml:2") && warned.contains("did you mean port"),
        "{warned}"
    );
    server.assert_serves(1);
}

#[test]
fn a_home_that_is_missing_or_relative_is_not_used() {
    let home = Home::new();
    let mut relative = home.command();
    relative
        .current_dir(home.root())
        .env("SESSION_BUDDY_HOME", "here");
    let ran = home.refused_as(relative, "--port 0").with_code(5);
    ran.saying("SESSION_BUDDY_HOME").saying("absolute");
    assert!(!home.root().join("here").exists());

    let mut own = home.command();
    own.env_remove("SESSION_BUDDY_HOME").args(["list-sessions"]);
    let state = home.root().join(".session-buddy");
    run(own, "").with_code(3).saying(state.to_str().unwrap());
    if !can_be_a_stranger() {
        return;
    }
    for value in [None, Some("here"), Some("")] {
        // A user whom no password database knows.
        let mut unknown = home.command_of_user(54321);
        unknown
            .current_dir("/")
            .env_remove("SESSION_BUDDY_HOME")
            .env_remove("HOME");
        unknown.envs(value.map(|value| ("HOME", value)));
        let ran = home.refused_as(unknown, "--port 0").with_code(5);
        ran.saying("54321").saying("SESSION_BUDDY_HOME");
    }
}

#[test]
fn a_second_server_is_told_of_the_first() {
    let server = Server::start();
    let mut second = server.command();
    second.args(["mcp", "start", "--foreground", "--port", "0"]);
    let ran = run(second, "").with_code(3).saying("hint: ");
    let ran = ran.saying(&format!("process {}", server.pid().as_raw_nonzero()));
    assert_eq!(ran.saying(&server.address().to_string()).stdout, "");
    assert_eq!(
        server.cli("list-sessions").with_code(0).stderr,
        "no sessions yet\n",
        "the socket is there"
    );

    // The same database from another state folder.
    let database = server.database().display().to_string();
    Home::new()
        .refused(&format!("--port 0 --db-path {database}"))
        .with_code(3);
    server.assert_serves(1);
}

#[test]
fn of_servers_started_at_once_one_wins_and_the_others_name_it() {
    let home = Home::new();
    let (sender, ended) = channel();
    let start_one = |_| {
        let mut command = home.command();
        command.args(["mcp", "start", "--foreground", "--port", "0"]);
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (pid, sender) = (Pid::from_child(&child), sender.clone());
        thread::spawn(move || sender.send((pid, child.wait_with_output().unwrap())));
        pid
    };
    let pids: Vec<_> = (0..4).map(start_one).collect();
    let losers: Vec<_> = (0..3)
        .map_while(|_| ended.recv_timeout(DEADLINE).ok())
        .collect();
    let runs = |pid: &&Pid| losers.iter().all(|(loser, _)| loser != *pid);
    let winners: Vec<_> = pids.iter().filter(runs).collect();
    for pid in &winners {
        let _ = kill_process(**pid, Signal::KILL);
    }
    assert_eq!(winners.len(), 1);
    for (_, output) in &losers {
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(
            said.contains(&format!("process {}", winners[0].as_raw_nonzero())),
            "{said}"
        );
    }
}

/// A wrapper that lets no file grow beyond `bytes`: writing then fails as on a full disk.
fn full_disk(bytes: u64) -> Vec<String> {
    let limit = format!("--fsize={bytes}:");
    ["prlimit", &limit, "env", "--ignore-signal=XFSZ"]
        .map(str::to_owned)
        .to_vec()
}

#[test]
fn a_full_disk_at_the_start_leaves_nothing_half_done() {
    for bytes in [0, 1_000, 20_000, 60_000] {
        let home = Home::new();
        let ran = home.refused_as(home.command_through(&full_disk(bytes)), "--port 0");
        ran.with_code(1).saying("sessions.db");
        home.start().assert_serves(1);
        home.cli("verify").with_code(0);
    }
}

#[test]
fn a_disk_that_fills_up_refuses_and_comes_back() {
    let home = Home::new();
    let server = home.start_as(home.command_through(&full_disk(300_000)));
    let big = |number: u16| {
        with(
            start(number),
            json!({"metadata": {"text": "x".repeat(16_000)}}),
        )
    };
    let mut acknowledged = 0;
    let refused = loop {
        let called = server.call("track_session_start", big(acknowledged + 1));
        if called.is_error {
            break called;
        }
        acknowledged += 1;
        assert!(acknowledged < 500, "the disk does not fill up");
    };
    assert_eq!(refused.content["status"], "error");
    assert_eq!(refused.content["error_code"], "STORAGE_UNAVAILABLE");
    assert!(
        !refused.text.contains(home.root().to_str().unwrap()),
        "{}",
        refused.text
    );
    // Of a batch every event is told so in its place.
    let mut lines = "{}".to_owned();
    for number in 501..531 {
        lines = format!("{lines}\n{}", big(number));
    }
    let headers = [("Content-Type", "application/x-ndjson")];
    let answer = server.send("POST", "/api/events", &headers, &lines);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let results = answer.json();
    let (first, others) = results.as_array().unwrap().split_first().unwrap();
    assert_eq!(first["error_code"], "INVALID_EVENT");
    assert_eq!(others, vec![refused.content; 30]);
    let health = server.get("/health");
    assert_eq!(
        (health.status, &health.json()["status"]),
        (503, &json!("unhealthy"))
    );
    assert!(health.json()["cause"].is_string(), "{}", health.text());
    assert_eq!(server.get("/health/live").status, 200);
    let all = (1..=acknowledged).rev().collect::<Vec<_>>();
    assert_eq!(
        numbers(&server.get("/api/sessions").json()),
        all,
        "what was acknowledged is read"
    );

    let unlimited = Rlimit {
        current: None,
        maximum: getrlimit(Resource::Fsize).maximum,
    };
    prlimit(Some(server.pid()), Resource::Fsize, unlimited).unwrap();
    let taken = |_| {
        !server
            .call("track_session_start", big(acknowledged + 1))
            .is_error
    };
    assert!((0..100).any(taken), "there is room again");
    assert_eq!(server.get("/health").status, 200);
    let server = server.kill().start();
    let all = (1..=acknowledged + 1).rev().collect::<Vec<_>>();
    assert_eq!(numbers(&server.get("/api/sessions").json()), all);
    server.cli("verify").with_code(0);
}

/// A server whose socket has a path that `sun_path` cannot hold.
fn behind_a_long_path() -> Server {
    let server = Home::with_state(&"long/".repeat(30)).start();
    assert!(server.socket().as_os_str().len() > 107);
    server.begin(start(1));
    server
}

#[test]
fn a_socket_with_a_long_path_serves() {
    let server = behind_a_long_path();
    // By another name of its folder, as any client may.
    let short = server.root().join("s");
    symlink(server.state(), &short).unwrap();
    let line = format!(
        "list-sessions --format json --server unix:{}/session-buddy.sock",
        short.display()
    );
    assert_eq!(numbers(&server.cli(&line).with_code(0).json()), [1]);
}

#[test]
fn the_command_line_finds_its_server_behind_a_long_path() {
    let server = behind_a_long_path();
    let ran = server.cli("list-sessions --format json").with_code(0);
    assert_eq!((numbers(&ran.json()), ran.stderr.as_str()), (vec![1], ""));
    server.cli("end-session mahavishnu").with_code(0);
}
