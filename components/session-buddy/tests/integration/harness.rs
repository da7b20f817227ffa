//! A server of its own for each test, and the verbs with which a test speaks to it.
//!
//! Nothing here sleeps: readiness, log lines and ends of processes are waited for, all with [`DEADLINE`].

mod background;
mod exchange;
mod samples;

use std::{
    ffi::OsStr,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, channel},
    },
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

pub(crate) use background::{Background, start_ticks};
use exchange::exchange;
pub(crate) use exchange::{Answer, Headers, call_body, request, rpc_body};
pub(crate) use samples::{end, five_sessions, numbers, start, with};

/// No wait is longer, so that no test hangs: 30 seconds.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);
/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_session-buddy");
/// A user who is neither root nor the server's: `nobody`.
pub(crate) const STRANGER: u32 = 65534;

/// A place on disk for one server: a state folder, and room beside it.
#[derive(Clone)]
pub(crate) struct Home {
    root: Arc<TempDir>,
    state: PathBuf,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self::with_state("state")
    }

    /// A home whose state folder has another name; it may have several parts.
    pub(crate) fn with_state(name: &str) -> Self {
        let root = TempDir::new().unwrap();
        let state = root.path().join(name);
        fs::create_dir_all(&state).unwrap();
        Self {
            root: Arc::new(root),
            state,
        }
    }

    /// A home that belongs to [`STRANGER`] where this test may give it away, else to its own user.
    pub(crate) fn of_stranger() -> Self {
        let home = Self::new();
        if is_root() {
            std::os::unix::fs::chown(home.state(), Some(STRANGER), Some(STRANGER)).unwrap();
        }
        home
    }

    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn state(&self) -> &Path {
        &self.state
    }

    /// A file or folder in the state folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.state.join(name)
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.file("sessions.db")
    }

    /// The program with nothing in its environment but this home.
    pub(crate) fn command(&self) -> Command {
        self.clean(Command::new(PROGRAM))
    }

    /// The program run by `wrapper`, which may change user or limits first.
    pub(crate) fn command_through(&self, wrapper: &[impl AsRef<OsStr>]) -> Command {
        let Some((first, rest)) = wrapper.split_first() else {
            return self.command();
        };
        let mut command = Command::new(first);
        command.args(rest).arg(PROGRAM);
        self.clean(command)
    }

    /// The program as [`STRANGER`] runs it. Who is not root is stranger enough to permissions.
    pub(crate) fn command_of_stranger(&self) -> Command {
        if is_root() {
            self.command_of_user(STRANGER)
        } else {
            self.command()
        }
    }

    /// The program as another user runs it; for root alone.
    pub(crate) fn command_of_user(&self, uid: u32) -> Command {
        // It may lie where only root looks. A copy made in this process could not be run while another thread forks.
        let program = self.root().join("session-buddy");
        let copied = Command::new("cp").arg(PROGRAM).arg(&program).status();
        assert!(copied.unwrap().success());
        fs::set_permissions(self.root(), fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = as_user(uid);
        command.arg(program);
        self.clean(command)
    }

    fn clean(&self, mut command: Command) -> Command {
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.root())
            .env("SESSION_BUDDY_HOME", &self.state)
            .env("TZ", "UTC");
        command
    }

    /// Runs the program to its end; the words of `line` are its arguments.
    pub(crate) fn cli(&self, line: &str) -> Ran {
        self.cli_with_input(line, "")
    }

    pub(crate) fn cli_with_input(&self, line: &str, input: &str) -> Ran {
        let mut command = self.command();
        command.args(line.split(' '));
        run(command, input)
    }

    /// Tries to start a server that must not come up, and checks that nothing says that one did.
    pub(crate) fn refused(&self, flags: &str) -> Ran {
        self.refused_as(self.command(), flags)
    }

    pub(crate) fn refused_as(&self, mut command: Command, flags: &str) -> Ran {
        command.args(["mcp", "start", "--foreground"]);
        command.args(flags.split_ascii_whitespace());
        let ran = run(command, "");
        assert_eq!(ran.stdout, "", "it says that it is ready; {}", ran.stderr);
        assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
        assert!(ran.stderr.starts_with("error: "), "{}", ran.stderr);
        for left in ["session-buddy.sock", "server.json", "server.json.new"] {
            assert!(!self.file(left).exists(), "{left} is left behind");
        }
        ran
    }

    pub(crate) fn start(&self) -> Server {
        self.start_as(self.command())
    }

    pub(crate) fn start_as(&self, mut command: Command) -> Server {
        command
            .args(["mcp", "start", "--foreground", "--port", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let stdout = lines(process.stdout.take().unwrap());
        let log = lines(process.stderr.take().unwrap());
        let mut told = Map::new();
        // The ready text: a headline, then a name and a value on each line, `stop` last.
        while !told.contains_key("stop") {
            let Ok(line) = stdout.recv_timeout(DEADLINE) else {
                let _ = process.kill();
                panic!("it is not ready: {:?}", log.iter().collect::<Vec<_>>());
            };
            if let Some((name, value)) = line.trim().split_once("  ") {
                told.insert(name.to_owned(), value.trim().into());
            }
        }
        let address = told["address"].as_str().unwrap();
        Server {
            home: self.clone(),
            address: address.rsplit("//").next().unwrap().parse().unwrap(),
            process: Some(process),
            log: Mutex::new(log),
        }
    }
}

/// A running server. Killed when dropped.
pub(crate) struct Server {
    home: Home,
    address: SocketAddr,
    process: Option<Child>,
    log: Mutex<Receiver<String>>,
}

impl std::ops::Deref for Server {
    type Target = Home;

    fn deref(&self) -> &Home {
        &self.home
    }
}

impl Server {
    /// Starts a server in a home of its own.
    pub(crate) fn start() -> Self {
        Home::new().start()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.file("session-buddy.sock")
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(self.process.as_ref().unwrap())
    }

    pub(crate) fn tcp(&self) -> TcpStream {
        let stream = TcpStream::connect_timeout(&self.address, DEADLINE).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream
    }

    pub(crate) fn unix(&self) -> UnixStream {
        let stream = UnixStream::connect(self.socket()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream
    }

    /// Sends bytes over TCP and reads one answer.
    pub(crate) fn raw(&self, bytes: &[u8]) -> Answer {
        exchange(self.tcp(), bytes)
    }

    /// Sends bytes over the Unix socket and reads one answer.
    pub(crate) fn raw_unix(&self, bytes: &[u8]) -> Answer {
        exchange(self.unix(), bytes)
    }

    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &Headers<'_>,
        body: &str,
    ) -> Answer {
        self.raw(&request(method, path, headers, body))
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "")
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[], &body.to_string())
    }

    /// Sends a JSON-RPC request and gives the whole response.
    pub(crate) fn rpc(&self, method: &str, params: Value) -> Value {
        let answer = self.post("/mcp", &rpc_body(method, params));
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// Calls a tool.
    pub(crate) fn call(&self, tool: &str, arguments: Value) -> Called {
        let response = self.rpc("tools/call", json!({"name": tool, "arguments": arguments}));
        let result = &response["result"];
        let text = result["content"][0]["text"].as_str();
        Called {
            is_error: result["isError"].as_bool().unwrap(),
            text: text.unwrap_or_else(|| panic!("{response}")).to_owned(),
            content: result["structuredContent"].clone(),
        }
    }

    /// Sends a start that must be tracked and gives the session's id.
    pub(crate) fn begin(&self, event: Value) -> String {
        let called = self.call("track_session_start", event);
        assert_eq!(called.content["status"], "tracked", "{called:?}");
        called.content["session_id"].as_str().unwrap().to_owned()
    }

    /// Gives a session's record.
    pub(crate) fn show(&self, id: &str) -> Value {
        let answer = self.get(&format!("/api/sessions/{id}"));
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// Checks that the server takes a start that it has not seen yet.
    pub(crate) fn assert_serves(&self, number: u16) {
        self.begin(start(number));
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Waits until the log says something.
    pub(crate) fn wait_for_log(&self, text: &str) -> String {
        loop {
            let line = self.log.lock().unwrap().recv_timeout(DEADLINE);
            let line = line.unwrap_or_else(|_| panic!("the log never says {text:?}"));
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Stops the server and gives what it logged since [`Self::wait_for_log`].
    pub(crate) fn stop_for_log(self) -> String {
        self.signal(Signal::TERM);
        let lines: Vec<_> = self.log.lock().unwrap().iter().collect();
        self.ended_well();
        lines.join("\n")
    }

    /// Stops the server as a person does, and checks that it ends well.
    pub(crate) fn stop(self) -> Home {
        self.signal(Signal::TERM);
        self.ended_well()
    }

    /// Waits for the end of a server that was told to stop.
    pub(crate) fn ended_well(mut self) -> Home {
        let output = finish(self.process.take().unwrap());
        assert_eq!(output.status.code(), Some(0));
        self.home.clone()
    }

    /// Ends the server as a crash does.
    pub(crate) fn kill(mut self) -> Home {
        self.signal(Signal::KILL);
        finish(self.process.take().unwrap());
        self.home.clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// What a program did.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Its exit code; `None` when a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Checks the exit code and gives standard output.
    #[track_caller]
    pub(crate) fn with_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}{}", self.stdout, self.stderr);
        self
    }

    /// Checks that standard error says something.
    #[track_caller]
    pub(crate) fn saying(self, text: &str) -> Self {
        assert!(
            self.stderr.contains(text),
            "no {text:?} in {:?}",
            self.stderr
        );
        self
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Runs a program to its end, or kills it after [`DEADLINE`].
pub(crate) fn run(mut command: Command, input: &str) -> Ran {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It may end without reading what it is given.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = finish(child);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran {
        code: output.status.code(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// Waits for the end of a process, or kills it after [`DEADLINE`].
pub(crate) fn finish(child: Child) -> Output {
    let pid = Pid::from_child(&child);
    let (sender, ended) = channel();
    thread::spawn(move || sender.send(child.wait_with_output()));
    ended.recv_timeout(DEADLINE).map_or_else(
        |_| {
            let _ = kill_process(pid, Signal::KILL);
            panic!("it does not end")
        },
        Result::unwrap,
    )
}

fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, received) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            // Who no longer listens need not be told.
            let _ = sender.send(line);
        }
    });
    received
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A command that runs the rest of its arguments as another user.
pub(crate) fn as_user(uid: u32) -> Command {
    let mut command = Command::new("setpriv");
    let ids = [format!("--reuid={uid}"), format!("--regid={uid}")];
    command.args(ids).arg("--clear-groups");
    command
}

/// What a tool answered.
#[derive(Debug)]
pub(crate) struct Called {
    pub(crate) is_error: bool,
    pub(crate) text: String,
    pub(crate) content: Value,
}
