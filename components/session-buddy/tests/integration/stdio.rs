//! MCP on standard input and output: relayed to the running server, or served by a server within.

use std::{
    ffi::OsString,
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Instant,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Map, Value, json};
use session_client::{Beginning, Clock, Emitter, Ending, Settings, identity::Identity};
use session_model::{ExitReason, SessionType};

use crate::harness::{Background, DEADLINE, Home, PROGRAM, Server, finish, numbers, run, start};

/// A program that serves on its standard input and output. Killed when dropped.
struct Conversation {
    process: Option<Child>,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Conversation {
    fn with(home: &Home, flags: &[&str]) -> Self {
        let mut process = home
            .command()
            .args(["mcp", "stdio"])
            .args(flags)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            input: process.stdin.take(),
            output: BufReader::new(process.stdout.take().unwrap()),
            process: Some(process),
        }
    }

    fn say(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    fn hear(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    fn ask(&mut self, method: &str, params: Value) -> Value {
        self.say(
            &json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string(),
        );
        self.hear()
    }

    fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let answer = self.ask("tools/call", json!({"name": tool, "arguments": arguments}));
        answer["result"]["structuredContent"].clone()
    }

    fn begin(&mut self, number: u16) -> String {
        let result = self.call("track_session_start", start(number));
        assert_eq!(result["status"], "tracked", "{result}");
        result["session_id"].as_str().unwrap().to_owned()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(self.process.as_ref().unwrap()), signal).unwrap();
    }

    /// Ends the input, and gives the exit code and standard error.
    fn end(mut self) -> (Option<i32>, String) {
        drop(self.input.take());
        self.wait()
    }

    fn wait(mut self) -> (Option<i32>, String) {
        let output = finish(self.process.take().unwrap());
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn initialize() -> Value {
    json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}})
}

/// A message of the revision 2026-07-28.
fn stateless(mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    params
}

/// A conversation that starts its server at a free port.
fn starting(home: &Home) -> Conversation {
    Conversation::with(home, &["--port", "0"])
}

#[test]
fn a_relay_starts_a_server_that_outlives_it_and_any_number_share_it() {
    let home = Background::new();
    let mut relays: Vec<_> = (0..3).map(|_| starting(&home)).collect();
    for (number, relay) in (1..).zip(&mut relays) {
        let answer = relay.ask("initialize", initialize());
        assert_eq!(answer["result"]["protocolVersion"], "2025-11-25");
        relay.say(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string());
        relay.begin(number);
    }
    let started: usize = relays
        .into_iter()
        .map(|relay| {
            let (code, said) = relay.end();
            assert_eq!(code, Some(0), "{said}");
            said.matches("started a server in the background").count()
        })
        .sum();
    assert_eq!(started, 1);
    let listed = home.cli("list-sessions --format json").with_code(0);
    assert_eq!(numbers(&listed.json()), [3, 2, 1]);
    let record = &listed.json()[0];
    assert_eq!(
        record["origin_transport"], "unix",
        "the server knows its socket"
    );
    home.cli("mcp stop").with_code(0);
}

#[test]
fn the_newer_revision_is_relayed_with_its_headers() {
    let server = Server::start();
    let mut relay = Conversation::with(&server, &[]);
    let discovered = relay.ask("server/discover", stateless(json!({})));
    let versions = discovered["result"]["supportedVersions"]
        .as_array()
        .unwrap();
    assert!(versions.contains(&json!("2026-07-28")), "{discovered}");
    let call = json!({"name": "track_session_start", "arguments": start(1)});
    let answer = relay.ask("tools/call", stateless(call));
    assert_eq!(
        answer["result"]["structuredContent"]["status"], "tracked",
        "{answer}"
    );
    let unknown = relay.ask(
        "tools/call",
        stateless(json!({"name": "naïve tool ", "arguments": {}})),
    );
    let said = unknown["error"]["message"].as_str().unwrap();
    assert!(said.contains("unknown tool: naïve tool"), "{unknown}");
    assert_eq!(relay.end().0, Some(0));
}

#[test]
fn whatever_comes_in_is_answered_once_or_not_at_all() {
    let server = Server::start();
    let mut relay = Conversation::with(&server, &[]);
    let mut refused = |line: &str, code: i32, id: Value| {
        relay.say(line);
        let answer = relay.hear();
        assert_eq!(answer["error"]["code"], code, "{answer}");
        assert_eq!(answer["id"], id, "{answer}");
    };
    refused("garbage", -32_700, Value::Null);
    refused("[1, 2", -32_700, Value::Null);
    refused("{}", -32_600, Value::Null);
    refused(
        r#"{"jsonrpc": "2.0", "id": 7, "method": "nope"}"#,
        -32_601,
        json!(7),
    );
    refused(
        &format!("\"{}\"", "x".repeat(1024 * 1024)),
        -32_600,
        Value::Null,
    );
    let deep = format!(
        r#"{{"jsonrpc": "2.0", "id": "deep", "method": "ping", "params": {{"x": {}{}}}}}"#,
        "[".repeat(100),
        "]".repeat(100)
    );
    refused(&deep, -32_603, json!("deep"));
    // None of these is answered.
    relay.say("");
    relay.say(
        r#"{"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}"#,
    );
    assert_eq!(relay.ask("ping", json!({}))["result"], json!({}));
    // The last line needs no end.
    let input = relay.input.as_mut().unwrap();
    input
        .write_all(br#"{"jsonrpc": "2.0", "id": 9, "method": "ping"}"#)
        .unwrap();
    drop(relay.input.take());
    assert_eq!(relay.hear()["id"], 9);
    assert_eq!(relay.end().0, Some(0));
}

#[test]
fn a_relay_finds_the_server_that_was_started_again() {
    let home = Background::new();
    let mut relay = starting(&home);
    relay.begin(1);
    home.cli("mcp restart").with_code(0);
    relay.begin(2);
    home.cli("mcp stop").with_code(0);
    let refused = relay.ask(
        "tools/call",
        json!({"name": "health_check", "arguments": {}}),
    );
    let said = refused["error"]["message"].as_str().unwrap();
    assert!(said.contains("no server answers at unix:"), "{said}");
    // A person stopped it, so a relay does not start it behind their back.
    home.cli("mcp status").with_code(2);
    home.cli("mcp start --port 0").with_code(0);
    relay.begin(3);
    assert_eq!(relay.end().0, Some(0));
}

#[test]
fn a_relay_without_a_server_says_why_there_is_none() {
    let home = Home::new();
    std::fs::write(home.database(), "Dear diary, this is no database at all.").unwrap();
    let ran = home.cli("mcp stdio --port 0").with_code(5);
    assert_eq!(ran.saying("not a database of Session-Buddy").stdout, "");
}

#[test]
fn an_embedded_server_owns_the_store_and_goes_with_its_client() {
    let home = Home::new();
    let mut client = Conversation::with(&home, &["--embedded"]);
    client.ask("initialize", initialize());
    let id = client.begin(1);
    let record = client.call("get_session", json!({"session_id": id}));
    assert_eq!(record["origin_transport"], "stdio");
    assert_eq!(record["origin_uid"], rustix::process::geteuid().as_raw());
    assert_eq!(record["origin_address"], Value::Null);

    // It is a server like any other, but for TCP.
    let status = home.cli("mcp status --format json").with_code(0).json();
    assert_eq!(
        (&status["status"], &status["address"]),
        (&json!("running"), &Value::Null)
    );
    home.cli("mcp health").with_code(0);
    let mut relay = Conversation::with(&home, &[]);
    relay.begin(2);
    assert_eq!(relay.end().0, Some(0));
    home.cli("mcp start --port 0")
        .with_code(3)
        .saying("session-buddy.sock");
    let second = home.cli("mcp stdio --embedded").with_code(3);
    assert_eq!(second.stdout, "");

    let (code, log) = client.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("Stopping after the end of its input"), "{log}");
    for left in ["server.json", "session-buddy.sock"] {
        assert!(!home.file(left).exists(), "{left}");
    }
    home.cli("verify").with_code(0);
    let listed = home.cli("list-sessions --format json").with_code(0).json();
    assert_eq!(numbers(&listed), [2, 1]);
}

#[test]
fn an_embedded_server_ends_well_by_a_signal_too() {
    let home = Home::new();
    let mut client = Conversation::with(&home, &["--embedded"]);
    client.begin(1);
    client.signal(Signal::TERM);
    let (code, log) = client.wait();
    assert_eq!(code, Some(0), "{log}");
    assert!(!home.file("server.json").exists());
}

#[test]
fn a_shell_reports_through_the_program_that_session_buddy_path_names() {
    let home = Background::started();
    // The program as a user's profile would set it up; the relay is the shell's child.
    let script = home.root().join("session-buddy");
    let write = "printf '#!/bin/sh\\nSESSION_BUDDY_HOME=%s exec %s \"$@\"\\n' \"$1\" \"$2\" > \"$3\" && chmod +x \"$3\"";
    let mut shell = Command::new("sh");
    shell
        .args(["-c", write, "sh"])
        .arg(home.state())
        .arg(PROGRAM)
        .arg(&script);
    run(shell, "").with_code(0);

    let folder = home.root().join("shell");
    let (own, path) = (OsString::from(&folder), OsString::from(home.root()));
    let variable = move |name: &str| match name {
        "SESSION_BUDDY_HOME" => Some(own.clone()),
        "SESSION_BUDDY_PATH" => Some(path.clone()),
        _ => None,
    };
    let component = "billing".parse().unwrap();
    let (settings, notices) = Settings::from_environment(&component, &variable);
    assert_eq!(notices, [""; 0]);
    assert_eq!(
        settings.target.to_string(),
        format!("stdio:{}", script.display())
    );
    let beginning = Beginning {
        component,
        shell_type: "BillingShell".to_owned(),
        session_type: SessionType::default(),
        reason: None,
        metadata: Map::new(),
    };
    let identity = Identity::of_this_process(&variable);
    let emitter = Emitter::begin(&settings, identity, beginning, Clock::system());
    let id = emitter.session_id().to_string();
    emitter.deliver();
    emitter.wait_acknowledged(DEADLINE).unwrap();
    let show = || {
        home.cli(&format!("show-session {id} --format json"))
            .with_code(0)
            .json()
    };
    assert_eq!(show()["status"], "active");
    emitter.end(Ending {
        reason: ExitReason::Exit,
        exit_code: 0,
    });
    // It is delivered behind the shell's back, and nothing tells when.
    let began = Instant::now();
    while show()["status"] != "ended" {
        assert!(began.elapsed() < DEADLINE, "{:?}", emitter.status());
    }
}
