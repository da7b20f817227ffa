//! Servers with sessions, and the program beside them.

use std::{
    fmt::Write as _,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;

/// A server with a state folder of its own. Ended when dropped.
pub(crate) struct Server {
    home: TempDir,
    address: String,
    process: Option<Child>,
}

/// What a run left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) output: String,
    pub(crate) errors: String,
    pub(crate) code: Option<i32>,
}

/// A session that a test knows.
pub(crate) struct Session {
    number: u32,
    component: &'static str,
    user: &'static str,
    host: &'static str,
    start: String,
    more: Value,
    /// Its end, unless it is active.
    end: Option<Value>,
}

/// Gives a session of which the start's number is its event id.
pub(crate) fn session(
    number: u32,
    component: &'static str,
    user: &'static str,
    host: &'static str,
    start: impl Into<String>,
) -> Session {
    Session {
        number,
        component,
        user,
        host,
        start: start.into(),
        more: Value::Null,
        end: None,
    }
}

impl Session {
    pub(crate) const fn is(&self, number: u32) -> bool {
        self.number == number
    }

    pub(crate) fn metadata(self, metadata: Value) -> Self {
        let more = json!({"metadata": metadata});
        Self { more, ..self }
    }

    pub(crate) fn ended_after(self, seconds: u32) -> Self {
        let end = json!({"exit_reason": "exit", "duration_seconds": seconds, "command_count": 4, "error_count": 0});
        Self {
            end: Some(end),
            ..self
        }
    }

    pub(crate) fn failed_after(self, seconds: u32, error: &str) -> Self {
        let end = json!({"exit_reason": "exit", "duration_seconds": seconds, "command_count": 4, "error_count": 1, "last_error": error});
        Self {
            end: Some(end),
            ..self
        }
    }

    pub(crate) fn lost(self) -> Self {
        let end = json!({"exit_reason": "lost", "lost_cause": "process_gone", "last_seen": &self.start, "reported_by": "test"});
        Self {
            end: Some(end),
            ..self
        }
    }

    fn start_event(&self) -> Value {
        let mut event = json!({
            "event_type": "session_start",
            "event_version": "1.0",
            "event_id": format!("550e8400-e29b-41d4-a716-44665544{:04}", self.number),
            "component_name": self.component,
            "shell_type": "TestShell",
            "timestamp": self.start,
            "pid": 4_242,
            "hostname": self.host,
            "user": {"username": self.user, "home": format!("/home/{}", self.user)},
            "environment": {"python_version": "", "platform": "linux", "cwd": "/srv"},
        });
        extend(&mut event, &self.more);
        event
    }

    fn end_event(&self, id: &str) -> Option<Value> {
        let mut event = json!({"event_type": "session_end", "session_id": id, "timestamp": self.start, "metadata": {}});
        extend(&mut event, self.end.as_ref()?);
        Some(event)
    }
}

fn extend(event: &mut Value, more: &Value) {
    let (Some(event), Some(more)) = (event.as_object_mut(), more.as_object()) else {
        return;
    };
    event.extend(more.clone());
}

/// Six sessions of a week: five have ended, one of them lost, one is active.
pub(crate) fn a_week() -> Vec<Session> {
    vec![
        session(1, "billing", "les", "ops-1", "2026-11-23T09:00:00Z")
            .metadata(json!({"project": "site", "ticket": "OPS-7"}))
            .ended_after(60),
        session(2, "billing", "les", "ops-1", "2026-11-23T10:00:00Z")
            .failed_after(120, "TimeoutError: no answer from db-1"),
        session(3, "vault", "ana", "db-1", "2026-11-24T23:30:00Z").ended_after(600),
        session(4, "akasha", "kim", "ops-2", "2026-11-26T08:00:00Z").ended_after(30),
        session(5, "billing", "ana", "ops-1", "2026-11-26T09:00:00Z"),
        session(6, "vault", "les", "db-1", "2026-11-26T10:00:00Z").lost(),
    ]
}

impl Server {
    /// Starts a server that knows some sessions.
    pub(crate) fn with(sessions: &[Session]) -> Self {
        let home = TempDir::new().unwrap();
        let mut process = clean(&server_program(), home.path())
            .args(["mcp", "start", "--foreground", "--port", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut address = None;
        // The ready text: a name and a value on each line, `stop` last.
        for line in BufReader::new(process.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            match line.trim().split_once("  ") {
                Some(("address", value)) => address = Some(value.trim().to_owned()),
                Some(("stop", _)) => break,
                _ => {}
            }
        }
        let server = Self {
            home,
            address: address.expect("it is ready"),
            process: Some(process),
        };
        // No more than a batch may have.
        for sessions in sessions.chunks(256) {
            server.report(sessions);
        }
        server
    }

    /// Gives where it is.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// Ends it; its store stays.
    pub(crate) fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    fn report(&self, sessions: &[Session]) {
        let starts: Vec<_> = sessions.iter().map(Session::start_event).collect();
        let ids = self.post(&starts);
        let ends: Vec<_> = sessions
            .iter()
            .zip(&ids)
            .filter_map(|(session, id)| session.end_event(id))
            .collect();
        if !ends.is_empty() {
            self.post(&ends);
        }
    }

    /// Sends events, and gives the ids of their sessions.
    fn post(&self, events: &[Value]) -> Vec<String> {
        let authority = self.address.trim_start_matches("http://");
        let lines: Vec<_> = events.iter().map(ToString::to_string).collect();
        let body = lines.join("\n");
        let mut request = String::new();
        let length = body.len();
        write!(
            request,
            "POST /api/events HTTP/1.1\r\nHost: {authority}\r\nContent-Type: application/x-ndjson\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
        .unwrap();
        let mut stream = TcpStream::connect(authority).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, results) = answer.split_once("\r\n\r\n").unwrap();
        let results: Value = serde_json::from_str(results).unwrap();
        let id = |result: &Value| {
            assert_ne!(result["status"], "error", "{result}");
            result["session_id"].as_str().unwrap().to_owned()
        };
        results.as_array().unwrap().iter().map(id).collect()
    }

    /// The program of a user whose own server this is.
    pub(crate) fn command(&self, program: &str, arguments: &[&str]) -> Command {
        command_at(self.home.path(), program, arguments)
    }

    /// The command that lists what it knows.
    pub(crate) fn list(&self) -> Command {
        let mut command = clean(&server_program(), self.home.path());
        command.args(["list-sessions", "--format", "json"]);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(AKOSHA, arguments))
    }

    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let format = ["--format", "json"];
        let ran = self.run(&[arguments, &format].concat());
        serde_json::from_str(&ran.output).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

pub(crate) const AKOSHA: &str = env!("CARGO_BIN_EXE_akosha");

/// The program of a user with that state folder.
pub(crate) fn command_at(home: &Path, program: &str, arguments: &[&str]) -> Command {
    let mut command = clean(Path::new(program), home);
    command
        .args(arguments)
        .env("SESSION_BUDDY_PATH", server_program())
        .env("AKOSHA_SESSION_ENABLED", "false");
    command
}

fn clean(program: &Path, home: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(home)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", home)
        .env("SESSION_BUDDY_HOME", home.join("state"))
        .env("TZ", "UTC");
    command
}

fn server_program() -> PathBuf {
    Path::new(AKOSHA).with_file_name("examples").join("server")
}

impl Ran {
    pub(crate) fn of(mut command: Command) -> Self {
        let output = command.output().unwrap();
        Self {
            output: String::from_utf8(output.stdout).unwrap(),
            errors: String::from_utf8(output.stderr).unwrap(),
            code: output.status.code(),
        }
    }

    #[track_caller]
    pub(crate) fn with_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }
}
