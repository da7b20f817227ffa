//! The command line as a person and a script use it.

mod without_server;

use std::{fs, io, process::Command, thread};

use serde_json::{Value, json};

use crate::harness::{Home, PROGRAM, Server, end, five_sessions, numbers, run, start, with};

/// Blanks out the digits of the lines that tell when the server saw something.
fn timeless(text: &str) -> String {
    let zero = |line: &str| line.replace(|c: char| c.is_ascii_digit(), "0");
    let lines = text.lines().map(|line| match line.contains("Last Seen") {
        true => zero(line),
        false => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_list_is_a_calm_table() {
    let server = Server::start();
    five_sessions(&server);
    let flags = "--tz UTC --status ended,lost --before 2026-02-06T10:04:00Z";
    let ran = server.cli(&format!("list-sessions {flags}")).with_code(0);
    assert_eq!(ran.stderr, "");
    insta::assert_snapshot!(ran.stdout, @r"
    Session ID                           Component   Type         Status  User  Started           Duration
    mahavishnu-20260206-100300-fkhaf55u  mahavishnu  admin_shell  lost    les   2026-02-06 10:03  1m 0s
    mahavishnu-20260206-100100-q2sco5l2  mahavishnu  admin_shell  ended   les   2026-02-06 10:01  1h 30m
    ");
}

#[test]
fn every_filter_finds_what_it_names() {
    let server = Server::start();
    five_sessions(&server);
    for (flags, expected) in [
        ("", vec![5, 4, 3, 2, 1]),
        (" --type batch", vec![4]),
        (" --component billing,crackerjack", vec![5, 4, 2]),
        (
            " --component billing --component crackerjack",
            vec![5, 4, 2],
        ),
        (" --user ana", vec![5, 2]),
        (" --user ana --component billing", vec![2]),
        (" --status lost", vec![3]),
        (" --incomplete", vec![5, 2]),
        (" --duration-greater 5400", vec![5, 4, 2]),
        (" --duration-greater 5399", vec![5, 4, 2, 1]),
        (" --after 2026-02-06T10:03:00Z", vec![5, 4, 3]),
        (" --before 2026-02-06T10:03:00Z", vec![2, 1]),
        (" --after 1d", vec![]),
        (" --before 1d", vec![5, 4, 3, 2, 1]),
        (" --limit 2", vec![5, 4]),
        (" --limit 5000", vec![5, 4, 3, 2, 1]),
        (" --search build-7", vec![5, 4, 3, 2, 1]),
        (" --search bil --user ana", vec![2]),
        (" --search nowhere", vec![]),
    ] {
        let ran = server.cli(&format!("list-sessions --format json{flags}"));
        assert_eq!(numbers(&ran.with_code(0).json()), expected, "{flags:?}");
    }
}

#[test]
fn dates_are_meant_in_the_zone_and_ages_count_from_now() {
    let server = Server::start();
    server.begin(with(start(1), json!({"timestamp": "2026-02-05T23:30:00Z"})));
    let now = server.show("mahavishnu")["created_at"].clone();
    server.begin(with(start(2), json!({"timestamp": now})));
    let listed = |flags: &str| {
        let ran = server.cli(&format!("list-sessions --format json {flags}"));
        numbers(&ran.with_code(0).json())
    };
    assert_eq!(listed("--before 2026-02-06 --tz UTC"), [1]);
    assert_eq!(listed("--before 2026-02-06 --tz Europe/Berlin"), [0; 0]);
    assert_eq!(listed("--after 2026-02-06 --tz Europe/Berlin"), [2, 1]);
    for age in ["90m", "12h", "7d", "1w"] {
        assert_eq!(listed(&format!("--after {age}")), [2], "{age}");
        assert_eq!(listed(&format!("--before {age}")), [1], "{age}");
    }
}

#[test]
fn json_and_csv_say_what_the_record_says() {
    let server = Server::start();
    let ids = five_sessions(&server);
    let list = "list-sessions --status ended --component mahavishnu --format";
    let record = server.show(&ids[0]);
    let json = server.cli(&format!("{list} json")).with_code(0);
    assert_eq!(json.json(), json!([record]));
    let shown = server.cli(&format!("show-session {} --format json", ids[0]));
    assert_eq!(shown.with_code(0).json(), record);

    let csv = server.cli(&format!("{list} csv")).with_code(0);
    let (header, row) = csv.stdout.split_once('\n').unwrap();
    let cells: Vec<_> = header.split(',').zip(row.trim_end().split(',')).collect();
    let first: Vec<_> = cells.iter().take(6).map(|(key, _)| *key).collect();
    assert_eq!(
        first.join(" "),
        "session_id session_type component_name shell_type status liveness"
    );
    assert_eq!(cells.len(), record.as_object().unwrap().len());
    for (key, cell) in cells {
        let expected = match &record[key] {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        assert_eq!(cell, expected, "{key}");
    }
}

#[test]
fn a_file_takes_its_format_from_its_ending_and_is_whole_at_once() {
    let server = Server::start();
    five_sessions(&server);
    let folder = server.root().join("out");
    fs::create_dir(&folder).unwrap();
    let list_to = |name: &str, flags: &str| {
        let path = folder.join(name).display().to_string();
        server.cli(&format!(
            "list-sessions --tz UTC --status ended,lost --output {path}{flags}"
        ))
    };
    for name in ["a.json", "a.csv", "a.txt", "b.JSON"] {
        let ran = list_to(name, "").with_code(0);
        assert_eq!((ran.stdout, ran.stderr), Default::default(), "{name}");
    }
    let written = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let sessions = serde_json::from_str(&written("a.json")).unwrap();
    assert_eq!(numbers(&sessions), [4, 3, 1]);
    assert_eq!(written("a.json"), written("b.JSON"));
    assert!(written("a.csv").starts_with("session_id,"));
    assert!(written("a.txt").starts_with("Session ID "));
    list_to("a.txt", " --format csv").with_code(0);
    assert_eq!(
        written("a.txt"),
        written("a.csv"),
        "a flag beats the ending"
    );

    // What fails leaves the old file as it was, and no other beside it.
    let whole = written("a.json");
    list_to("a.json", " --server http://127.0.0.1:1").with_code(3);
    assert_eq!(written("a.json"), whole);
    list_to("no/folder.json", "")
        .with_code(1)
        .saying("no/folder.json");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 4);
}

#[test]
fn nothing_found_is_said_aside() {
    let server = Server::start();
    let empty = server.cli("list-sessions").with_code(0);
    assert_eq!(
        (empty.stdout.as_str(), empty.stderr.as_str()),
        ("", "no sessions yet\n")
    );
    server.begin(start(1));
    let json = server
        .cli("list-sessions --user nobody --format json")
        .with_code(0);
    assert_eq!(
        (json.json(), json.stderr.as_str()),
        (json!([]), "no session matches\n")
    );
    let csv = server
        .cli("list-sessions --incomplete --status lost --format csv")
        .with_code(0);
    assert!(csv.stdout.starts_with("session_id,") && csv.stdout.ends_with("end_metadata\n"));
    assert_eq!(
        (csv.stdout.lines().count(), csv.stderr.as_str()),
        (1, "no session matches\n")
    );
}

#[test]
fn a_script_gets_everything_and_a_terminal_the_newest_fifty() {
    let server = Server::start();
    let event = |number: u16| {
        let timestamp = format!("2026-02-06T10:00:00.{number:04}Z");
        with(start(number), json!({"timestamp": timestamp}))
    };
    thread::scope(|scope| {
        for first in 1..=8 {
            let (server, event) = (&server, &event);
            scope.spawn(move || {
                (first..=1003)
                    .step_by(8)
                    .for_each(|number| drop(server.begin(event(number))))
            });
        }
    });
    let all = server.cli("list-sessions --format json").with_code(0);
    assert_eq!(numbers(&all.json()), (1..=1003).rev().collect::<Vec<_>>());
    assert_eq!(all.stderr, "");
    let most = server.cli("list-sessions --format json --limit 1002");
    assert_eq!(numbers(&most.json()), (2..=1003).rev().collect::<Vec<_>>());

    // `script` gives it a terminal, where both streams end up.
    let mut on_terminal = Command::new("script");
    on_terminal.args([
        "-qec",
        &format!("{PROGRAM} list-sessions --tz UTC"),
        "/dev/null",
    ]);
    on_terminal
        .env("SESSION_BUDDY_HOME", server.state())
        .env("SHELL", "/bin/sh");
    let shown = run(on_terminal, "").with_code(0).stdout;
    let rows = shown.lines().filter(|line| line.starts_with("mahavishnu-"));
    assert_eq!(rows.count(), 50, "{shown}");
    assert!(
        shown.contains("the newest 50 are shown; --limit shows more"),
        "{shown}"
    );
}

#[test]
fn wrong_usage_is_exit_2_and_says_what_is_expected() {
    let server = Server::start();
    for (line, said) in [
        ("list-sessions --limit 0", "--limit"),
        ("list-sessions --limit -1", "-1"),
        ("list-sessions --limit many", "many"),
        ("list-sessions --tz Mars/Olympus", "Europe/Berlin"),
        (
            "list-sessions --after yesterday",
            "--after: expected a date",
        ),
        (
            "list-sessions --before 2026-02-30",
            "--before: expected a date",
        ),
        (
            "list-sessions --after 2026-02-07 --before 2026-02-06",
            "--after",
        ),
        ("list-sessions --status gone", "active, ended, lost"),
        ("list-sessions --duration-greater -5", "-5"),
        (
            "list-sessions --duration-greater long",
            "--duration-greater",
        ),
        ("list-sessions --format xml", "table, json, csv"),
        ("list-sessions --server localhost:1", "http://HOST:PORT"),
        ("show-session x --format csv", "table, json"),
        ("end-session", "<ID>"),
        (
            &format!("end-session x --reason {}", "x".repeat(501)),
            "at most 500",
        ),
        ("close", "close"),
    ] {
        let ran = server.cli(line).with_code(2).saying(said);
        assert_eq!(ran.stdout, "", "{line}");
        assert!(ran.stderr.starts_with("error: "), "{}", ran.stderr);
    }
}

#[test]
fn one_session_is_a_panel() {
    let server = Server::start();
    let id = server.begin(with(start(1), json!({
        "reason": "restart of the queue",
        "actor": {"kind": "agent", "name": "claude"},
        "user": {"login_name": "root", "login_name_source": "sudo_user"},
        "tty": "pts/3", "remote_address": "192.0.2.7", "runtime": "rust 1.95.0",
        "environment": {"python_version": ""},
        "metadata": {"project_root": "/srv/app", "component_version": "1.2", "adapters": ["a", "b"], "cli_enabled": true},
    })));
    let report = json!({
        "timestamp": "2026-02-06T10:06:01Z", "exit_reason": "error", "exit_code": 2,
        "command_count": 4, "error_count": 1, "last_error": "no such job",
    });
    server.call("track_session_end", with(end(&id), report));
    let ran = server.cli("show-session mahavishnu-20260206").with_code(0);
    insta::assert_snapshot!(timeless(&ran.stdout), @r"
    ┌────────────────────────────────────────────────┐
    │ Session: mahavishnu-20260206-100100-q2sco5l2   │
    ╞════════════════════════════════════════════════╡
    │ Status:       ended                            │
    │ Start Time:   2026-02-06 10:01:00 UTC          │
    │ End Time:     2026-02-06 10:06:01 UTC          │
    │ Duration:     301 seconds (5 minutes 1 second) │
    │ End Known By: reported                         │
    │ Exit:         error, code 2                    │
    │ Component:    mahavishnu                       │
    │ Shell Type:   MahavishnuShell                  │
    │ User:         les (logged in as root)          │
    │ Host:         build-7                          │
    │ PID:          4242                             │
    │ Terminal:     pts/3                            │
    │ From:         192.0.2.7                        │
    │ Actor:        agent claude                     │
    │ Reason:       restart of the queue             │
    │ Runtime:      rust 1.95.0                      │
    │ Platform:     Linux-6.1                        │
    │ Working Dir:  /srv/app                         │
    │ Project:      app                              │
    │ Commands:     4                                │
    │ Errors:       1                                │
    │ Last Error:   no such job                      │
    │ Quality:      90 of 100                        │
    │ Version:      1.2                              │
    │ Adapters:     a, b                             │
    │ CLI Enabled:  true                             │
    │ Last Seen:    0000-00-00 00:00:00 UTC          │
    │ Origin:       tcp from 127.0.0.1               │
    └────────────────────────────────────────────────┘
    ");
    let berlin = server.cli(&format!("show-session {id} --tz Europe/Berlin"));
    let berlin = berlin.with_code(0).stdout;
    assert!(berlin.contains("2026-02-06 11:01:00 CET"), "{berlin}");
}

#[test]
fn an_id_that_means_nothing_or_too_much_is_exit_1() {
    let server = Server::start();
    let ids = five_sessions(&server);
    let last_part = ids[1].rsplit('-').next().unwrap();
    for typed in [
        &ids[1],
        "billing-20260206-1002",
        last_part,
        &format!("sess_{last_part}"),
    ] {
        let shown = server
            .cli(&format!("show-session {typed} --format json"))
            .with_code(0);
        assert_eq!(shown.json()["session_id"], ids[1], "{typed}");
    }
    let ambiguous = server.cli("show-session mahavishnu").with_code(1);
    insta::assert_snapshot!(ambiguous.stderr, @r"
    error: mahavishnu is the beginning of several ids
    hint: it could be mahavishnu-20260206-100100-q2sco5l2, mahavishnu-20260206-100300-fkhaf55u
    ");
    let unknown = server.cli("show-session ../x\u{1b}[31m").with_code(1);
    insta::assert_snapshot!(unknown.stderr, @r"
    error: session ../x\u{1b}[31m not found
    hint: `session-buddy list-sessions` shows what there is
    ");
}

#[test]
fn an_empty_id_is_not_found() {
    let server = Server::start();
    server.cli("show-session ").with_code(1).saying("not found");
}

#[test]
fn several_sessions_are_closed_and_one_failure_keeps_none_open() {
    let server = Server::start();
    let leased = json!({"heartbeat_interval_seconds": 3600});
    let ids: Vec<_> = (1..=4)
        .map(|number| server.begin(with(start(number), leased.clone())))
        .collect();
    server.call("end_session", json!({"session_id": ids[0], "force": true}));
    let ran = server
        .cli(&format!("end-session nobody {} {}", ids[1], ids[0]))
        .with_code(1);
    insta::assert_snapshot!(ran.stdout, @"mahavishnu-20260206-100100-q2sco5l2: ended");
    insta::assert_snapshot!(ran.stderr, @r"
    error: session nobody not found
    hint: `session-buddy list-sessions` shows what there is
    error: session mahavishnu-20260206-100200-miqhwsdx is alive; leave the shell, or close it on paper with force
    hint: leave the shell, or close it on paper with `end-session --force`
    error: 2 of 3 sessions were not closed
    ");
    let to_read = format!("{}\n\n  {}  \n", ids[1], ids[2]);
    let ran = server
        .cli_with_input("end-session --force - --reason over", &to_read)
        .with_code(0);
    assert_eq!(
        ran.stdout,
        format!("{}: ended\n{}: ended\n", ids[1], ids[2])
    );
    assert_eq!(server.show(&ids[2])["end_known_by"], "by_hand");
    // Without `-` nothing is read.
    let line = format!("end-session --force {}", ids[1]);
    server.cli_with_input(&line, &ids[3]).with_code(0);
    assert_eq!(server.show(&ids[3])["status"], "active");
}

#[test]
fn a_server_is_asked_where_a_flag_says() {
    let (named, own) = (Server::start(), Server::start());
    named.begin(start(1));
    let http = format!("http://{}/mcp", named.address());
    let unix = format!("unix:{}", named.socket().display());
    for destination in [http, unix] {
        let ran = own.cli(&format!(
            "list-sessions --format json --server {destination}"
        ));
        assert_eq!(numbers(&ran.with_code(0).json()), [1], "{destination}");
    }
    let nobody = own
        .cli("list-sessions --server http://127.0.0.1:1")
        .with_code(3);
    insta::assert_snapshot!(nobody.stderr, @r"
    error: no server answers at http://127.0.0.1:1
    caused by: Connection refused (os error 111)
    hint: start a server with `session-buddy mcp start`
    ");
}

#[test]
fn verify_counts_what_it_checked() {
    let server = Server::start();
    five_sessions(&server);
    let check = |home: &Home| {
        let ran = home.cli("verify").with_code(0);
        let counts = "verified: 9 ledger records, 5 sessions\nsums:     ";
        assert!(ran.stdout.starts_with(counts), "{}", ran.stdout);
        assert!(ran.stdout.contains("\nsearch:   "), "{}", ran.stdout);
        assert!(
            ran.stdout.contains(" ends at record 8, hash "),
            "{}",
            ran.stdout
        );
        assert_eq!(ran.stderr, "");
    };
    check(&server);
    check(&server.stop());
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let server = Server::start();
    five_sessions(&server);
    for line in [
        "list-sessions",
        "list-sessions --format json",
        "list-sessions --format csv",
        "show-session crackerjack",
        "show-session crackerjack --format json",
        "end-session crackerjack",
        "analytics --metric peak_hours",
        "analytics --metric count --format csv",
        "analytics sessions --days 365",
        "analytics report",
        "analytics sql error_rate",
        "verify",
        "--help",
    ] {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let mut command = server.command();
        let output = command
            .args(line.split(' '))
            .stdout(writer)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{line}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{line}");
    }
}

#[test]
fn nothing_in_a_session_acts_on_a_terminal_or_in_a_spreadsheet() {
    let server = Server::start();
    let acting = "=1+1\u{1b}]0;x\u{7}\u{202e}\nnew\u{9b}31m";
    let id = server.begin(with(start(1), json!({
        "user": {"username": acting, "home": acting}, "hostname": acting, "shell_type": acting, "reason": acting,
        "environment": {"cwd": acting, "platform": "@SUM(A1)", "python_version": "-1"},
        "metadata": {"component_version": acting, "adapters": [acting]},
    })));
    server.call(
        "track_session_end",
        with(end(&id), json!({"last_error": acting})),
    );
    for line in [
        "list-sessions --tz UTC",
        &format!("show-session {id}"),
        &format!("show-session {id} --format json"),
        "list-sessions --format json",
        &format!("show-session {acting}"),
    ] {
        let ran = server.cli(line);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        let acts = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(
            !said.contains(acts) && !said.contains("\nnew"),
            "{line}: {said:?}"
        );
    }
    let csv = server.cli("list-sessions --format csv").with_code(0).stdout;
    let mut rows = csv::Reader::from_reader(csv.as_bytes());
    let row = rows.records().next().unwrap().unwrap();
    assert_eq!((&row[8], &row[9], &row[10]), ("4242", "'@SUM(A1)", "'-1"));
    let formula = |cell: &str| cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    assert!(
        row[6].starts_with("'=1+1") && !row.iter().any(formula),
        "{row:?}"
    );
}
