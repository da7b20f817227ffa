//! The life of a server in the background, as its commands show it.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    net::TcpListener,
    os::unix::{
        fs::{MetadataExt, symlink},
        process::ExitStatusExt,
    },
    process::{Command, Stdio},
    thread,
};

use rustix::{
    process::{Signal, getsid},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
};
use serde_json::{Value, json};

use crate::harness::{
    Background, Home, PROGRAM, Ran, Server, call_body, finish, run, start, start_ticks, with,
};

#[test]
fn start_returns_when_the_server_is_ready_and_stop_when_it_is_gone() {
    let home = Background::new();
    let ran = home.cli("mcp start --port 0").with_code(0);
    assert_eq!(ran.stderr, "");
    let status = home.status();
    let (address, pid) = (status["address"].as_str().unwrap(), home.pid());
    let state = home.state().display();
    assert_eq!(
        ran.stdout,
        format!(
            "Session-Buddy 0.1.0 is ready\n  address   http://{address}\n  socket    {state}/session-buddy.sock\n  \
             database  {state}/sessions.db\n  log       {state}/logs/session-buddy.log\n  \
             stop      session-buddy mcp stop\n"
        )
    );
    assert_eq!(status["status"], "running");
    assert_eq!(status["pid"], pid.as_raw_nonzero().get());
    assert_eq!(status["log"], format!("{state}/logs/session-buddy.log"));
    assert_eq!(
        home.cli("list-sessions").with_code(0).stderr,
        "no sessions yet\n"
    );

    // From any folder.
    let mut elsewhere = home.command();
    elsewhere
        .current_dir("/")
        .args(["mcp", "health", "--format", "json"]);
    let health = run(elsewhere, "").with_code(0).json();
    assert_eq!(
        (&health["status"], &health["health"]["status"]),
        (&json!("running"), &json!("healthy"))
    );
    assert!(
        home.cli("mcp health")
            .with_code(0)
            .stdout
            .starts_with("healthy\n  checkpoint  ok\n")
    );

    let ran = home.cli("mcp stop").with_code(0);
    assert_eq!(
        ran.stdout,
        format!("Session-Buddy 0.1.0 stopped (process {pid})\n")
    );
    assert_eq!(start_ticks(pid), None);
    for left in ["server.json", "session-buddy.sock"] {
        assert!(!home.file(left).exists(), "{left}");
    }
    assert!(
        home.log().contains("is ready") && home.log().ends_with("Stopped\n"),
        "{}",
        home.log()
    );
}

#[test]
fn without_a_server_every_command_says_so_and_makes_nothing() {
    let home = Background::new();
    for command in ["status", "health", "stop"] {
        home.cli(&format!("mcp {command}"))
            .with_code(2)
            .saying("no server runs on")
            .saying("hint: start a server with `session-buddy mcp start`");
        let json = home
            .cli(&format!("mcp {command} --format json"))
            .with_code(2)
            .json();
        assert_eq!(json["status"], "not_running");
        for key in [
            "pid",
            "start_ticks",
            "version",
            "address",
            "socket",
            "database",
            "log",
            "started_at",
        ] {
            assert_eq!(json.get(key), Some(&Value::Null), "{command}: {key}");
        }
    }
    assert_eq!(fs::read_dir(home.state()).unwrap().count(), 0);
}

#[test]
fn a_second_start_names_the_first() {
    let home = Background::started();
    let status = home.status();
    let ran = home.cli("mcp start --port 0").with_code(3);
    ran.saying(&format!("process {}", home.pid()))
        .saying(status["address"].as_str().unwrap());
    let ran = home.cli("mcp start --format json").with_code(3);
    assert_eq!(ran.json(), status);
    home.cli("mcp health").with_code(0);
}

#[test]
fn of_starts_at_once_one_wins_and_the_others_return_when_it_is_ready() {
    let home = Background::new();
    let ran: Vec<Ran> = thread::scope(|scope| {
        let starting: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let ran = home.cli("mcp start --port 0");
                    assert_eq!(home.cli("mcp health").code, Some(0), "it is ready");
                    ran
                })
            })
            .collect();
        starting
            .into_iter()
            .map(|one| one.join().unwrap())
            .collect()
    });
    let mut codes: Vec<_> = ran.iter().map(|ran| ran.code.unwrap()).collect();
    codes.sort_unstable();
    assert_eq!(codes, [0, 3, 3, 3]);
    let winner = format!("process {}", home.pid());
    for loser in ran.into_iter().filter(|ran| ran.code == Some(3)) {
        loser.saying(&winner);
    }
}

#[test]
fn it_outlives_the_terminal_that_started_it() {
    let home = Background::new();
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new())
        .unwrap()
        .into_string()
        .unwrap();
    let shell_side = File::options().read(true).write(true).open(name).unwrap();
    let side = || Stdio::from(shell_side.try_clone().unwrap());
    let shell = Command::new("setsid")
        .args([
            "--ctty",
            "sh",
            "-c",
            "\"$0\" mcp start --port 0; exec cat",
            PROGRAM,
        ])
        .env("SESSION_BUDDY_HOME", home.state())
        .stdin(side())
        .stdout(side())
        .stderr(side())
        .spawn()
        .unwrap();
    drop(shell_side);
    let mut said = BufReader::new(File::from(terminal));
    let mut line = String::new();
    while !line.contains("mcp stop") {
        line.clear();
        assert_ne!(said.read_line(&mut line).unwrap(), 0);
    }
    assert_eq!(
        getsid(Some(home.pid())).unwrap(),
        home.pid(),
        "a session of its own"
    );
    // The terminal is closed.
    drop(said);
    let ended = finish(shell).status;
    assert_eq!(ended.signal(), Some(Signal::HUP.as_raw()));
    home.cli("mcp health").with_code(0);
    // Nor does SIGHUP itself end it.
    home.signal(Signal::HUP);
    home.cli("mcp health").with_code(0);
    home.cli("mcp stop").with_code(0);
    assert!(
        home.log().contains("Stopping after SIGTERM"),
        "{}",
        home.log()
    );
}

#[test]
fn nothing_that_the_caller_left_open_is_held() {
    let home = Background::new();
    let mut caller = Command::new("sh");
    // Descriptor 3 is the pipe whose end `run` waits for.
    caller
        .args([
            "-c",
            "\"$0\" mcp start --port 0 3>&1 >/dev/null 2>&1",
            PROGRAM,
        ])
        .env("SESSION_BUDDY_HOME", home.state());
    run(caller, "").with_code(0);
    home.cli("mcp health").with_code(0);
}

#[test]
fn after_a_crash_the_commands_say_so_and_a_start_begins_anew() {
    let home = Background::started();
    let crashed = home.status();
    home.kill();
    for command in ["status", "health"] {
        let ran = home
            .cli(&format!("mcp {command} --format json"))
            .with_code(8);
        let ran = ran.saying(&format!(
            "process {} ended without clearing up",
            crashed["pid"]
        ));
        let mut stale = crashed.clone();
        stale["status"] = json!("stale");
        assert_eq!(ran.json(), stale);
    }
    home.cli("mcp start --port 0").with_code(0);
    home.cli("mcp health").with_code(0);

    home.kill();
    home.cli("mcp stop").with_code(8);
    home.cli("mcp status").with_code(2);
    assert!(!home.file("session-buddy.sock").exists());
}

#[test]
fn a_process_that_only_has_the_number_is_left_alone() {
    let home = Background::started();
    let mut info: Value =
        serde_json::from_slice(&fs::read(home.file("server.json")).unwrap()).unwrap();
    home.kill();
    let mut other = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    info["pid"] = other.id().into();
    fs::write(home.file("server.json"), info.to_string()).unwrap();
    home.cli("mcp status").with_code(8);
    home.cli("mcp stop --force").with_code(8);

    // Also when another server has the folder.
    fs::write(home.file("server.json"), info.to_string()).unwrap();
    let folder = File::open(home.state()).unwrap();
    folder.lock().unwrap();
    home.cli("mcp status")
        .with_code(2)
        .saying("starting or stopping");
    home.cli("mcp stop --force --timeout 0.05").with_code(7);
    home.cli("mcp restart --timeout 0.05").with_code(7);
    drop(folder);
    fs::remove_file(home.file("server.json")).unwrap();
    assert_eq!(other.try_wait().unwrap(), None, "it lives");
    drop(other.stdin.take());
    assert!(finish(other).status.success());
}

#[test]
fn a_server_that_hangs_is_unhealthy_and_killed_only_by_force() {
    let home = Background::started();
    let pid = home.pid();
    home.signal(Signal::STOP);
    let ran = home
        .cli("mcp health --timeout 0.05 --format json")
        .with_code(4);
    assert_eq!(
        ran.saying("no answer within 0.05 s").json()["health"],
        Value::Null
    );
    home.cli("mcp status").with_code(0);
    home.cli("mcp stop --timeout 0.05")
        .with_code(7)
        .saying(&format!("process {pid} still runs"))
        .saying("--force");
    assert!(start_ticks(pid).is_some());
    let ran = home
        .cli("mcp stop --timeout 0.05 --force --format json")
        .with_code(0)
        .json();
    assert_eq!(
        (&ran["status"], &ran["pid"]),
        (&json!("not_running"), &json!(pid.as_raw_nonzero().get()))
    );
    assert_eq!(start_ticks(pid), None);
    home.cli("mcp status").with_code(2);
}

#[test]
fn a_server_that_takes_no_events_is_unhealthy() {
    let home = Background::new();
    let mut command =
        home.command_through(&["prlimit", "--fsize=300000:", "env", "--ignore-signal=XFSZ"]);
    command.args(["mcp", "start", "--port", "0"]);
    run(command, "").with_code(0);
    home.cli("mcp health").with_code(0);
    let big = |number: u16| {
        let event = with(
            start(number),
            json!({"metadata": {"text": "x".repeat(16_000)}}),
        );
        call_body("track_session_start", event).to_string()
    };
    let events: Vec<_> = (1..=40).map(big).collect();
    home.cli_with_input("mcp stdio", &events.join("\n"))
        .with_code(0);
    let ran = home.cli("mcp health").with_code(4);
    assert!(ran.stdout.starts_with("unhealthy\n"), "{}", ran.stdout);
    ran.saying("the server takes no events: ")
        .saying("hint: its log is");
    let ran = home.cli("mcp health --format json").with_code(4).json();
    assert_eq!(
        (&ran["status"], &ran["health"]["status"]),
        (&json!("running"), &json!("unhealthy"))
    );
    home.cli("mcp stop").with_code(0);
}

#[test]
fn a_restart_tells_the_new_server_what_the_old_one_was_told() {
    let home = Background::new();
    let mut command = home.command();
    command
        .args([
            "mcp",
            "start",
            "--db-path",
            "there.db",
            "--log-level",
            "debug",
        ])
        .env("SESSION_BUDDY_PORT", "0")
        .current_dir(home.root());
    run(command, "").with_code(0);
    let first = home.status();
    assert_eq!(
        first["database"],
        home.root().join("there.db").to_str().unwrap()
    );

    let mut elsewhere = home.command();
    elsewhere
        .current_dir("/")
        .args(["mcp", "restart", "--log-level", "warn", "--format", "json"]);
    let second = run(elsewhere, "").with_code(0).json();
    assert_eq!(second, home.status());
    assert_ne!(second["pid"], first["pid"]);
    for kept in ["address", "database", "log", "socket"] {
        assert_eq!(second[kept], first[kept], "{kept}");
    }
    let port = first["address"]
        .as_str()
        .unwrap()
        .rsplit_once(':')
        .unwrap()
        .1;
    assert_eq!(
        second["told"],
        json!({
            "flags": {"db_path": first["database"], "log_level": "warn"},
            "environment": {"port": port},
        })
    );

    // What is wrong now does not cost the server that runs.
    home.cli("mcp restart --log-level loud")
        .with_code(5)
        .saying("log_level");
    assert_eq!(home.status(), second);
    // After a crash it is the same, and so it is where nothing runs.
    home.kill();
    let third = home.cli("mcp restart --format json").with_code(0).json();
    assert_eq!(
        (&third["told"], &third["address"]),
        (&second["told"], &second["address"])
    );
    home.cli("mcp stop").with_code(0);
    home.cli("mcp restart --port 0").with_code(0);
    assert_eq!(home.status()["database"], home.database().to_str().unwrap());
}

#[test]
fn a_server_on_a_terminal_is_found_and_stopped_alike() {
    let server = Server::start();
    let status = server.cli("mcp status --format json").with_code(0).json();
    assert_eq!(status["log"], Value::Null);
    assert_eq!(status["pid"], server.pid().as_raw_nonzero().get());
    let told = server.cli("mcp status").with_code(0).stdout;
    assert!(told.contains("\n  log       standard error\n"), "{told}");
    server.cli("mcp stop").with_code(0);
    server.ended_well().cli("mcp status").with_code(2);
}

#[test]
fn why_a_server_does_not_start_is_told_where_it_was_asked_for() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let home = Background::new();
    let own = fs::read_to_string("/proc/self/comm").unwrap();
    home.refused(&format!("--port {port}"))
        .with_code(1)
        .saying(&format!("cannot listen on 127.0.0.1:{port}"))
        .saying("Address already in use")
        .saying(&format!(
            "hint: process {} ({}) listens there",
            std::process::id(),
            own.trim()
        ))
        .saying("--port");
    home.refused("--port x")
        .with_code(5)
        .saying("(flag --port)");
    home.refused("--host 192.0.2.7")
        .with_code(5)
        .saying("hint: listen on 127.0.0.1");

    let foreign = Background::new();
    fs::write(
        foreign.database(),
        "Dear diary, this is no database at all. ".repeat(9),
    )
    .unwrap();
    foreign
        .refused("--port 0")
        .with_code(5)
        .saying("not a database of Session-Buddy");

    let file = Background::new();
    fs::remove_dir(file.state()).unwrap();
    fs::write(file.state(), "").unwrap();
    file.refused("--port 0")
        .with_code(5)
        .saying("is not a folder");
    file.cli("mcp status").with_code(5);
    fs::remove_file(file.state()).unwrap();

    let locked = Background::of(Home::of_stranger());
    fs::set_permissions(
        locked.state(),
        std::os::unix::fs::PermissionsExt::from_mode(0o500),
    )
    .unwrap();
    let mut command = locked.command_of_stranger();
    command.args(["mcp", "start", "--port", "0"]);
    locked
        .refused_as(command)
        .with_code(6)
        .saying("Permission denied");

    let full = Background::new();
    let mut command =
        full.command_through(&["prlimit", "--fsize=4096:", "env", "--ignore-signal=XFSZ"]);
    command.args(["mcp", "start", "--port", "0"]);
    full.refused_as(command)
        .with_code(1)
        .saying("sessions.db")
        .saying("hint: look at the disk");
}

#[test]
fn the_log_is_its_owners_alone_and_a_full_disk_does_not_hold_up_the_server() {
    let home = Background::new();
    fs::create_dir(home.file("logs")).unwrap();
    let log = home.file("logs/session-buddy.log");
    // Whatever is written there finds the disk full.
    symlink("/dev/full", &log).unwrap();
    home.cli("mcp start --port 0 --log-level trace")
        .with_code(0);
    let begin = |number: u16| {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": "track_session_start", "arguments": start(number)}});
        let ran = home
            .cli_with_input("mcp stdio", &message.to_string())
            .with_code(0);
        assert_eq!(
            ran.json()["result"]["structuredContent"]["status"],
            "tracked"
        );
    };
    begin(1);
    fs::remove_file(&log).unwrap();
    begin(2);
    home.cli("mcp stop").with_code(0);
    assert!(
        home.log()
            .contains("lines of this log could not be written"),
        "{}",
        home.log()
    );
    let mode = |name: &str| fs::metadata(home.file(name)).unwrap().mode() & 0o777;
    assert_eq!(mode("logs/session-buddy.log"), 0o600);
}
