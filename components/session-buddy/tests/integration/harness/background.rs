//! Servers that live in the background, and whose end no test may forget.

use std::{fs, ops::Deref, path::PathBuf};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde_json::Value;

use super::{Home, Ran, run};

/// A home whose server lives in the background. What still runs is killed when this is dropped, also when a test fails.
pub(crate) struct Background(Home);

impl Deref for Background {
    type Target = Home;

    fn deref(&self) -> &Home {
        &self.0
    }
}

impl Background {
    /// A home without a server.
    pub(crate) fn new() -> Self {
        Self(Home::new())
    }

    pub(crate) fn of(home: Home) -> Self {
        Self(home)
    }

    /// A home with a server at a free port.
    pub(crate) fn started() -> Self {
        let background = Self::new();
        background.cli("mcp start --port 0").with_code(0);
        background
    }

    /// Gives what `mcp status` says in JSON.
    pub(crate) fn status(&self) -> Value {
        self.cli("mcp status --format json").json()
    }

    /// Gives the process of the server.
    pub(crate) fn pid(&self) -> Pid {
        let info = read_info(&self.file("server.json")).unwrap();
        pid_of(&info).unwrap()
    }

    /// Sends a signal to the server.
    pub(crate) fn signal(&self, signal: Signal) {
        rustix::process::kill_process(self.pid(), signal).unwrap();
    }

    /// Kills the server and waits for its end.
    pub(crate) fn kill(&self) {
        kill(&read_info(&self.file("server.json")).unwrap());
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.file("logs/session-buddy.log")).unwrap()
    }

    /// Starts one that must not come up, and checks that nothing is left of it.
    pub(crate) fn refused(&self, flags: &str) -> Ran {
        let mut command = self.command();
        command.args(["mcp", "start"]);
        command.args(flags.split_ascii_whitespace());
        self.refused_as(command)
    }

    pub(crate) fn refused_as(&self, command: std::process::Command) -> Ran {
        let ran = run(command, "");
        assert_eq!(ran.stdout, "", "it says that it is ready; {}", ran.stderr);
        assert!(ran.stderr.starts_with("error: "), "{}", ran.stderr);
        assert_eq!(ran.stderr.matches("error: ").count(), 1, "{}", ran.stderr);
        assert!(!self.file("server.json").exists());
        ran
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(info) = read_info(&self.file("server.json")) {
            kill(&info);
        }
    }
}

fn read_info(path: &PathBuf) -> Option<Value> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn pid_of(info: &Value) -> Option<Pid> {
    Pid::from_raw(i32::try_from(info["pid"].as_i64()?).ok()?)
}

/// Kills the process that `server.json` names, if it still is the one, and waits for its end.
fn kill(info: &Value) {
    let pid = pid_of(info).unwrap();
    let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else {
        return;
    };
    if start_ticks(pid) == info["start_ticks"].as_u64() {
        // It may have ended meanwhile.
        let _ = pidfd_send_signal(&process, Signal::KILL);
        let mut ended = [rustix::event::PollFd::new(
            &process,
            rustix::event::PollFlags::IN,
        )];
        rustix::event::poll(&mut ended, None).unwrap();
    }
}

/// When a process started; `None` when it has ended.
pub(crate) fn start_ticks(pid: Pid) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}
