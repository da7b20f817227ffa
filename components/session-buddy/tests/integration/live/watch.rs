//! `session-buddy watch`, and the client behind it.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, ChildStdout, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::{at_ten, begin_many, screen::Screen};
use crate::{
    harness::{Home, Server, end, finish, five_sessions, start, with},
    permissions::callers::{Guarded, SECRET, claims, hs256},
};

/// A `watch` that writes into a pipe.
struct Watching {
    process: Option<Child>,
    lines: BufReader<ChildStdout>,
}

impl Watching {
    fn begin(mut command: Command, line: &str) -> Self {
        command.arg("watch").args(line.split_ascii_whitespace());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap());
        Self {
            process: Some(process),
            lines,
        }
    }

    fn of(home: &Home, line: &str) -> Self {
        Self::begin(home.command(), line)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn event(&mut self) -> Value {
        let line = self.line();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    fn pid(&self) -> Pid {
        Pid::from_child(self.process.as_ref().unwrap())
    }

    /// Interrupts it as Ctrl-C does; gives what it wrote beside.
    fn interrupt(mut self) -> (String, String) {
        kill_process(self.pid(), Signal::INT).unwrap();
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).unwrap();
        (rest, self.ended(0))
    }

    fn ended(&mut self, code: i32) -> String {
        let output = finish(self.process.take().unwrap());
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{said}");
        said
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

#[test]
fn each_event_is_a_line_for_people_and_no_text_in_it_acts() {
    let server = Server::start();
    let mut watching = Watching::of(&server, "--since 2020-01-01 --tz UTC");
    five_sessions(&server);
    let hostile = json!({"user": {"username": "les\u{1b}[2J\n"}, "reason": "x\u{202e}y"});
    let id = server.begin(with(start(6), hostile));
    let counted = json!({"command_count": 12, "error_count": 1, "last_error": "no such order", "exit_code": 3, "exit_reason": "error"});
    server.call("track_session_end", with(end(&id), counted));
    let mut lines: Vec<_> = (0..10).map(|_| watching.line()).collect();
    // Their last parts are hashes.
    for line in &mut lines {
        let at = line.find("-2026020").unwrap() + "-20260206-100100-".len();
        line.replace_range(at..at + 8, "........");
    }
    // It was closed just now.
    let by_hand = lines.remove(7);
    assert!(
        by_hand.contains("  closed   billing       les@build-7           billing-20260206-100400-"),
        "{by_hand}"
    );
    assert!(by_hand.contains("  by uid "), "{by_hand}");
    insta::assert_snapshot!(lines.join("\n"), @r#"
    2026-02-06 10:01  start    mahavishnu    les@build-7           mahavishnu-20260206-100100-........
    2026-02-06 10:02  start    billing       ana@build-7           billing-20260206-100200-........
    2026-02-06 10:03  start    mahavishnu    les@build-7           mahavishnu-20260206-100300-........
    2026-02-06 10:04  start    billing       les@build-7           billing-20260206-100400-........
    2026-02-06 10:05  start    crackerjack   ana@build-7           crackerjack-20260206-100500-........
    2026-02-06 11:30  end      mahavishnu    les@build-7           mahavishnu-20260206-100100-........  after 1h 30m, exit
    2026-02-06 10:04  closed   mahavishnu    les@build-7           mahavishnu-20260206-100300-........  lost after 1m 0s: its process is gone
    2026-02-06 10:06  start    mahavishnu    les\u{1b}[2J@build-7  mahavishnu-20260206-100600-........  for "x\u{202e}y"
    2026-02-06 11:30  end      mahavishnu    les\u{1b}[2J@build-7  mahavishnu-20260206-100600-........  after 1h 24m, error, code 3, 12 commands, 1 error: no such order
    "#);
    assert_eq!(watching.interrupt(), (String::new(), String::new()));
}

#[test]
fn programs_get_the_record_and_json_is_whole_when_it_is_ended() {
    let server = Server::start();
    let mut of_lines = Watching::of(&server, "--format ndjson --since 2020-01-01");
    let of_array = Watching::of(
        &server,
        "--format json --since 2020-01-01 --component billing",
    );
    let ids = five_sessions(&server);
    let events: Vec<Value> = (0..8).map(|_| of_lines.event()).collect();
    assert_eq!(events[5]["event"], "end");
    assert_eq!(events[5]["session"], server.show(&ids[0]));
    let mut rest = server.follow_from(events[6]["id"].as_str().unwrap());
    assert_eq!(rest.next().unwrap().data, events[7]["session"]);
    of_lines.interrupt();

    let mut of_array = of_array;
    let first: Vec<String> = (0..4).map(|_| of_array.line()).collect();
    let (more, _) = of_array.interrupt();
    let all: Value = serde_json::from_str(&format!("{}\n{more}", first.join("\n"))).unwrap();
    let kinds: Vec<_> = all
        .as_array()
        .unwrap()
        .iter()
        .map(|event| &event["event"])
        .collect();
    assert_eq!(kinds, ["start", "start", "closed"]);
    let none = Watching::of(&server, "--format json --user nobody");
    // It has begun once it has written the bracket.
    let mut none = none;
    let mut bracket = [0];
    none.lines.read_exact(&mut bracket).unwrap();
    assert_eq!((&bracket, &*none.interrupt().0), (b"[", "\n]\n"));
}

#[test]
fn a_pipe_that_is_closed_ends_it_though_nothing_happens() {
    let server = Server::start();
    let mut watching = Watching::of(&server, "--since 2020-01-01");
    server.begin(start(1));
    assert!(watching.line().contains("start"));
    let Watching { lines, .. } = &mut watching;
    let reader = std::mem::replace(lines, BufReader::new(empty()));
    drop(reader);
    assert_eq!(watching.ended(0), "");
}

/// The output of a program that writes nothing.
fn empty() -> ChildStdout {
    let mut nothing = Command::new("true").stdout(Stdio::piped()).spawn().unwrap();
    let output = nothing.stdout.take().unwrap();
    nothing.wait().unwrap();
    output
}

#[test]
fn a_server_that_goes_is_said_once_and_nothing_is_missed_over_it() {
    let server = Server::start();
    let mut watching = Watching::of(&server, "--format ndjson --since 2020-01-01");
    begin_many(&server, 1..=3, &json!({}));
    let mut seen: Vec<u64> = Vec::new();
    let mut see = |watching: &mut Watching, count: usize| {
        for _ in 0..count {
            let event = watching.event();
            let id = event["session"]["event_id"].as_str().unwrap().to_owned();
            seen.push(id[24..].parse().unwrap());
        }
    };
    see(&mut watching, 3);
    let home = server.kill();
    let server = home.start();
    begin_many(&server, 4..=6, &json!({}));
    see(&mut watching, 3);
    let home = server.stop();
    let server = home.start();
    server.begin(at_ten(7));
    see(&mut watching, 1);
    assert_eq!(seen, (1..=7).collect::<Vec<_>>());
    let (rest, said) = watching.interrupt();
    assert_eq!(rest, "");
    assert_eq!(
        said.matches("waiting for it to come back").count(),
        2,
        "{said}"
    );
    assert_eq!(
        said.matches("the server is back; nothing was missed")
            .count(),
        2,
        "{said}"
    );
}

#[test]
fn a_record_that_was_put_back_is_told_as_a_gap() {
    let server = Server::start();
    server.begin(start(1));
    let home = server.stop();
    let backup = std::fs::read(home.database()).unwrap();
    let server = home.start();
    let mut watching = Watching::of(&home, "--format ndjson --since 2020-01-01");
    server.begin(start(2));
    assert_eq!(watching.event()["event"], "start");
    assert_eq!(watching.event()["event"], "start");
    let home = server.stop();
    std::fs::write(home.database(), backup).unwrap();
    let server = home.start();
    // Whatever is recorded before it has noticed is not shown; so this goes on until something is.
    let (sender, shown) = std::sync::mpsc::channel();
    let events = std::thread::spawn(move || {
        let event = watching.event();
        sender.send(()).unwrap();
        (event, watching.interrupt().1)
    });
    for number in 3..800 {
        server.begin(at_ten(number));
        if shown.try_recv().is_ok() {
            break;
        }
    }
    let (event, said) = events.join().unwrap();
    assert_eq!(event["event"], "start");
    assert!(said.contains("another record than before"), "{said}");
}

#[test]
fn tokens_decide_over_tcp_and_a_revoked_one_ends_it() {
    let server = Guarded::start();
    let url = format!("--server http://{} --format ndjson", server.address());
    let with_token = |token: &str| {
        let mut command = server.command();
        command.env("SESSION_BUDDY_TOKEN", token);
        Watching::begin(command, &format!("{url} --since 2020-01-01"))
    };
    let token = hs256(SECRET, &claims(json!({"scopes": ["read"], "jti": "t-1"})));
    let mut watching = with_token(&token);
    server.begin_by_hand(start(1));
    assert_eq!(watching.event()["event"], "start");
    let revoke = json!({"token_id": "t-1"}).to_string();
    server
        .owner()
        .send("POST", "/api/tokens/revoke", &[], &revoke);
    let said = watching.ended(1);
    assert!(
        said.starts_with("error: Authentication failed: Token was revoked"),
        "{said}"
    );
    let emit = hs256(SECRET, &claims(json!({"scopes": ["emit"]})));
    let said = with_token(&emit).ended(1);
    assert!(said.contains("it takes scope read"), "{said}");
}

#[test]
fn a_client_with_a_secret_follows_beyond_the_life_of_its_tokens() {
    let server = Guarded::start();
    let mut command = server.command();
    command.env("SESSION_BUDDY_SECRET", SECRET);
    let line = format!(
        "--server http://{} --format ndjson --since 2020-01-01",
        server.address()
    );
    let mut watching = Watching::begin(command, &line);
    server.begin_by_hand(start(1));
    assert_eq!(watching.event()["event"], "start");
    watching.interrupt();
}

#[test]
fn what_is_wrong_is_said_before_anything_is_followed() {
    let home = Home::new();
    home.cli("watch")
        .with_code(3)
        .saying("no server answers at");
    home.cli("watch --status gone")
        .with_code(2)
        .saying("--status: ");
    home.cli("watch --since yesterday")
        .with_code(2)
        .saying("--since: expected a date");
    home.cli("watch --format csv")
        .with_code(2)
        .saying("[possible values: table, json, ndjson]");
    let server = home.start();
    server
        .cli("watch --server http://127.0.0.1:9")
        .with_code(3)
        .saying("no server answers");
}

#[test]
fn on_a_terminal_lines_fit_and_ctrl_c_ends_it() {
    let server = Server::start();
    let mut command = server.command();
    command
        .args(["watch", "--since", "2020-01-01", "--tz", "UTC"])
        .env("LANG", "C.UTF-8");
    let mut screen = Screen::of(command, 60, true);
    screen.wait_for("Ctrl-C ends it");
    let long = json!({"user": {"username": "someone-with-a-long-name"}, "reason": "a reason that is far longer than the line"});
    let id = server.begin(with(start(1), long));
    let last = id.rsplit('-').next().unwrap();
    screen.wait_for("mahavishnu");
    screen.wait("a line that is cut", |seen| seen.contains('…'));
    assert!(screen.text().lines().all(|line| line.chars().count() <= 60));
    assert!(screen.raw().contains("\u{1b}[32mstart"), "{}", screen.raw());
    server.end(&id);
    screen.wait_for(&format!("end      {last}  mahavishnu  someone"));
    screen.type_in("\u{3}");
    assert_eq!(screen.left(), Some(0));
    assert!(screen.is_sane());
}
