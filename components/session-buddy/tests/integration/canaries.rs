//! Secrets that are planted wherever one can come in, and looked for wherever one could come out.
//!
//! What a sender puts into an event is its record, kept as it was sent; what looks like a secret is taken out by our own
//! shells before it leaves them. So of each secret it is said where it may be found: most may be found nowhere.

use std::{
    fs,
    io::Write,
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::json;

use crate::harness::{
    Answer, Background, DEADLINE, Home, Ran, call_body, request, run, start, with,
};

const SECRET: &str = "canary-01-the-secret-of-the-server-0123456789";
const EMITTERS_SECRET: &str = "canary-02-the-secret-of-the-emitters-01234567";

/// A secret, how it is told from all others, and the places that may have it.
struct Canary {
    text: &'static str,
    /// Beginnings of names of places; most have none.
    allowed: &'static [&'static str],
}

/// Where nobody but the sender's own record may have it: what is sent by others' clients is kept as it is.
const RECORD: &[&str] = &[
    "file sessions.db",
    "answer list",
    "answer show",
    "answer export",
    "cli export",
    "answer events",
    "cli list",
    "cli show",
    "cli shell ps",
];

const CANARIES: &[Canary] = &[
    nowhere(SECRET),
    nowhere(EMITTERS_SECRET),
    nowhere("canary-03-bearer"),
    nowhere("canary-04-basic"),
    nowhere("canary-05-cookie"),
    nowhere("canary-06-api-key"),
    nowhere("canary-07-argument"),
    nowhere("canary-08-query"),
    nowhere("canary-09-malformed"),
    nowhere("canary-10-line"),
    nowhere("canary-11-url-of-command"),
    nowhere("canary-12-url-of-shell"),
    nowhere("canary-13-reason"),
    nowhere("canary-14-private-key"),
    nowhere("canary-15-url-in-reason"),
    nowhere("canary-16-cloud-key"),
    nowhere("canary-17-config"),
    nowhere("canary-18-token-variable"),
    nowhere("canary-19-token-file"),
    nowhere("canary-20-field-of-nobody"),
    nowhere("canary-21-well-known"),
    nowhere("canary-24-last-event-id"),
    // Whoever typed a script sees it in the error on their own terminal.
    Canary {
        text: "canary-22-script",
        allowed: &["cli shell script"],
    },
    Canary {
        text: "canary-23-raw",
        allowed: RECORD,
    },
];

const fn nowhere(text: &'static str) -> Canary {
    Canary { text, allowed: &[] }
}

/// What came out, by where.
#[derive(Default)]
struct Places(Vec<(String, Vec<u8>)>);

impl Places {
    fn add(&mut self, name: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.0.push((name.into(), bytes.into()));
    }

    fn add_ran(&mut self, name: &str, ran: &Ran) {
        self.add(format!("cli {name}, stdout"), ran.stdout.as_bytes());
        self.add(format!("cli {name}, stderr"), ran.stderr.as_bytes());
    }

    /// Reads every file below a folder.
    fn add_files(&mut self, folder: &Path) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                self.add_files(&path);
            } else if path.is_file() && name != "config.yaml" {
                self.add(format!("file {name}"), fs::read(&path).unwrap());
            }
        }
    }

    #[track_caller]
    fn assert_clean(&self) {
        let mut found = Vec::new();
        for canary in CANARIES {
            for (name, bytes) in &self.0 {
                let allowed = canary.allowed.iter().any(|place| name.starts_with(place));
                if !allowed && contains(bytes, canary.text) {
                    found.push(format!(
                        "{} is in {name}: {}",
                        canary.text,
                        around(bytes, canary.text)
                    ));
                }
            }
        }
        assert!(found.is_empty(), "{}", found.join("\n"));
    }
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

fn around(bytes: &[u8], text: &str) -> String {
    let at = bytes
        .windows(text.len())
        .position(|window| window == text.as_bytes());
    let at = at.unwrap_or_default();
    let end = (at + text.len() + 40).min(bytes.len());
    String::from_utf8_lossy(&bytes[at.saturating_sub(120)..end]).into_owned()
}

/// The program with all secrets that an environment may hold, and the loudest log.
fn command(home: &Home, files: &Files) -> Command {
    let mut command = home.command();
    command
        .env("RUST_LOG", "trace")
        .env("SESSION_BUDDY_SECRET", SECRET)
        .env("MAHAVISHNU_CROSS_PROJECT_AUTH_SECRET_FILE", &files.emitters)
        .env("AWS_SECRET_ACCESS_KEY", "canary-16-cloud-key");
    command
}

/// Files with secrets, outside of the state folder.
struct Files {
    emitters: PathBuf,
    token: PathBuf,
}

impl Files {
    fn in_home(home: &Home) -> Self {
        let (emitters, token) = (home.root().join("emitters"), home.root().join("token"));
        fs::write(&emitters, EMITTERS_SECRET).unwrap();
        fs::write(&token, "eyJ.canary-19-token-file.x").unwrap();
        Self { emitters, token }
    }
}

fn cli(mut command: Command, arguments: &[&str]) -> Ran {
    command.args(arguments);
    run(command, "")
}

fn send(address: &str, bytes: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(bytes).unwrap();
    Answer::read(stream)
}

/// Follows what happened from the beginning, with a secret in what is asked too; it is read once the server has stopped.
fn follow(address: &str, bearer: &str) -> TcpStream {
    let refused = [
        ("Authorization", bearer),
        ("Last-Event-ID", "canary-24-last-event-id"),
    ];
    let refused = send(address, &request("GET", "/api/events", &refused, ""));
    assert_eq!(refused.status, 400);
    assert!(!contains(&refused.body, "canary-24"), "it is not quoted");
    let path = "/api/events?since=2020-01-01";
    let asked = request("GET", path, &[("Authorization", bearer)], "");
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(&asked).unwrap();
    stream
}

/// Requests with secrets in them, each with its name.
fn requests() -> Vec<(&'static str, Vec<u8>)> {
    let raw = with(
        start(1),
        json!({"reason": "password=canary-23-raw", "secret": "canary-20-field-of-nobody"}),
    );
    let with_token = with(start(2), json!({"token": "canary-07-argument"}));
    let line = with(start(3), json!({"token": "canary-10-line"})).to_string();
    let ndjson = ("Content-Type", "application/x-ndjson");
    let post =
        |path: &str, headers: &[(&str, &str)], body: &str| request("POST", path, headers, body);
    let get = |path: &str, headers: &[(&str, &str)]| request("GET", path, headers, "");
    vec![
        (
            "bearer",
            get(
                "/api/sessions",
                &[("Authorization", "Bearer canary-03-bearer")],
            ),
        ),
        (
            "basic",
            get(
                "/api/sessions",
                &[("Authorization", "Basic canary-04-basic")],
            ),
        ),
        (
            "cookie",
            get("/health", &[("Cookie", "session=canary-05-cookie")]),
        ),
        (
            "api key",
            get("/api/sessions", &[("X-Api-Key", "canary-06-api-key")]),
        ),
        (
            "argument",
            post("/mcp", &[], &call_body("track_session_start", with_token)),
        ),
        (
            "argument of no tool",
            post(
                "/mcp",
                &[],
                &call_body("no_tool", json!({"token": "canary-07-argument"})),
            ),
        ),
        (
            "argument of the wrong type",
            post(
                "/mcp",
                &[],
                &call_body("list_sessions", json!({"token": ["canary-07-argument"]})),
            ),
        ),
        ("query", get("/api/sessions?token=canary-08-query", &[])),
        (
            "access_token",
            get("/mcp?access_token=canary-08-query", &[]),
        ),
        (
            "malformed",
            post(
                "/mcp",
                &[],
                r#"{"jsonrpc": "2.0", "params": {"token": "canary-09-malformed"}, ]"#,
            ),
        ),
        (
            "malformed line",
            post(
                "/api/events",
                &[ndjson],
                r#"{"token": "canary-09-malformed", "pid": }"#,
            ),
        ),
        (
            "malformed import",
            post(
                "/api/import",
                &[ndjson],
                r#"{"token": "canary-09-malformed", "pid": }"#,
            ),
        ),
        ("import of a start", post("/api/import", &[ndjson], &line)),
        ("line", post("/api/events", &[ndjson], &line)),
        (
            "raw",
            post("/mcp", &[], &call_body("track_session_start", raw)),
        ),
    ]
}

/// Requests that read back what there is.
fn readings() -> [(&'static str, &'static str); 7] {
    [
        ("list", "/api/sessions"),
        ("export ndjson", "/api/export?format=ndjson"),
        ("export csv", "/api/export?format=csv"),
        ("audit", "/api/audit"),
        ("violations", "/api/violations"),
        ("health", "/health"),
        ("metrics", "/metrics"),
    ]
}

#[test]
fn no_secret_comes_out_anywhere() {
    let home = Background::new();
    let files = Files::in_home(&home);
    let mut places = Places::default();
    fs::write(
        home.file("config.yaml"),
        "secret: canary-17-config\nport: 0\n",
    )
    .unwrap();

    let started = cli(command(&home, &files), &["mcp", "start"]);
    places.add_ran("start", &started);
    started.with_code(0);
    let token = cli(
        command(&home, &files),
        &["token", "create", "--subject", "ops", "--ttl", "1h"],
    );
    let token = token.with_code(0).stdout.trim().to_owned();
    let status = home.status();
    let address = status["address"]
        .as_str()
        .unwrap()
        .trim_start_matches("http://")
        .to_owned();

    for (name, bytes) in requests() {
        places.add(format!("answer {name}"), send(&address, &bytes).body);
    }
    // The same once more for who is let in, so that what is behind the gate sees it too.
    let bearer = format!("Bearer {token}");
    for (name, bytes) in requests() {
        let text = String::from_utf8(bytes).unwrap();
        if !text.contains("Authorization") {
            let text = text.replacen(
                "\r\n\r\n",
                &format!("\r\nAuthorization: {bearer}\r\n\r\n"),
                1,
            );
            places.add(
                format!("answer {name}, let in"),
                send(&address, text.as_bytes()).body,
            );
        }
    }

    shells(&home, &files, &mut places);
    let server = format!("http://les:canary-11-url-of-command@{address}");
    places.add_ran(
        "server with a password",
        &cli(
            command(&home, &files),
            &["list-sessions", "--server", &server],
        ),
    );
    for arguments in [
        &["list-sessions"][..],
        &["list-sessions", "--format", "json"],
        &["list-sessions", "--format", "csv"],
        &["export", "--format", "ndjson"],
        &["export", "--format", "csv"],
        &["show-session", "mahavishnu"],
        &["audit", "--format", "json"],
        &["event-buffer", "list", "--format", "json"],
        &["event-buffer", "replay"],
        &["mcp", "status"],
        &["verify"],
    ] {
        let name = arguments[0]
            .trim_end_matches("-sessions")
            .trim_end_matches("-session");
        places.add_ran(name, &cli(command(&home, &files), arguments));
    }
    for (name, path) in readings() {
        let bytes = request("GET", path, &[("Authorization", bearer.as_str())], "");
        places.add(format!("answer {name}"), send(&address, &bytes).body);
    }
    let events = follow(&address, &bearer);
    let command_line = fs::read(format!("/proc/{}/cmdline", home.pid()));
    places.add("command line of the server", command_line.unwrap());
    let weak = {
        let mut command = home.command();
        command
            .env("RUST_LOG", "trace")
            .env("SESSION_BUDDY_SECRET", "canary-21-well-known");
        cli(command, &["mcp", "restart"])
    };
    places.add_ran("restart with a weak secret", &weak);
    places.add_ran("stop", &cli(command(&home, &files), &["mcp", "stop"]));
    // All that ever happened, and then the server's last word.
    places.add("answer events", Answer::read(events).body);
    places.add_files(home.state());

    assert!(
        contains(&all(&places, "answer events"), "canary-23-raw")
            && contains(&all(&places, "answer events"), "STOPPING"),
        "what happens is told as it was recorded, to the end"
    );
    assert!(
        contains(&all(&places, "file sessions.db"), "canary-23-raw"),
        "the record is raw"
    );
    assert!(
        contains(&all(&places, "file session-buddy.log"), "TRACE"),
        "the log is as loud as it can be"
    );
    assert!(
        contains(&all(&places, "file sessions.db"), "[redacted]"),
        "the shells' sessions are on record"
    );
    assert!(
        !contains(&all(&places, ""), &token),
        "a token that was made comes back nowhere"
    );
    places.assert_clean();
}

fn all(places: &Places, prefix: &str) -> Vec<u8> {
    let named = places.0.iter().filter(|(name, _)| name.starts_with(prefix));
    named.flat_map(|(_, bytes)| bytes.iter().copied()).collect()
}

/// Opens shells with secrets in their arguments and environment; one of them finds no server and leaves its events.
fn shells(home: &Home, files: &Files, places: &mut Places) {
    let reasons = [
        "rotate password=canary-13-reason",
        "-----BEGIN PRIVATE KEY-----\ncanary-14-private-key\n-----END PRIVATE KEY-----",
        "clone https://les:canary-15-url-in-reason@example.com/x.git",
    ];
    // On its own, this one looks like a flag, and is quoted by a usage error.
    places.add_ran(
        "usage",
        &cli(command(home, files), &["shell", "--reason", reasons[1]]),
    );
    for reason in reasons.map(|reason| format!("--reason={reason}")) {
        let ran = cli(command(home, files), &["shell", &reason, "-c", "%status"]);
        places.add_ran("shell status", &ran);
    }
    let script = cli(
        command(home, files),
        &["shell", "-c", "no_such_helper('canary-22-script')"],
    );
    places.add_ran("shell script", &script);
    places.add_ran(
        "shell ps",
        &cli(command(home, files), &["shell", "-c", "ps()"]),
    );
    for (variable, value) in [
        (
            "SESSION_BUDDY_TOKEN",
            "eyJ.canary-18-token-variable.x".to_owned(),
        ),
        (
            "SESSION_BUDDY_TOKEN_FILE",
            files.token.display().to_string(),
        ),
    ] {
        let mut command = home.command();
        command.env("RUST_LOG", "trace").env(variable, value);
        // Port 9 is nobody's: the events stay in the spool.
        command.env(
            "SESSION_BUDDY_MCP_ENDPOINT",
            "http://les:canary-12-url-of-shell@127.0.0.1:9/mcp",
        );
        let ran = cli(command, &["shell", "--no-server", "-c", "%status"]);
        places.add_ran("shell without a server", &ran);
    }
}
