//! A state folder, the server on it, and shells.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use jiff::Timestamp;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::clock;
use crate::server::{Server, StateFolder, command};
use crate::workspace::{self, Profile};

/// How long anything here may take before it counts as missing.
const LIMIT: Duration = Duration::from_secs(20);
/// How often it is looked for.
const PAUSE: Duration = Duration::from_millis(10);

/// A state folder, and perhaps a server on it.
pub(crate) struct World {
    pub(crate) state: StateFolder,
    binary: PathBuf,
    server: Option<Server>,
}

/// A shell that has left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) pid: u32,
    /// Its exit code, that of a signal as a shell gives it.
    pub(crate) code: Option<i32>,
    begun: Timestamp,
    gone: Timestamp,
}

/// A shell that is open.
pub(crate) struct Shell {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    begun: Timestamp,
}

/// What a session should say of its end.
pub(crate) struct Expected {
    status: &'static str,
    end_known_by: &'static str,
    exit_reason: Value,
    exit_code: Value,
    commands: Option<i64>,
    errors: Option<i64>,
}

impl Expected {
    pub(crate) fn ended(exit_reason: &str, exit_code: i64) -> Self {
        Self {
            status: "ended",
            end_known_by: "reported",
            exit_reason: exit_reason.into(),
            exit_code: exit_code.into(),
            commands: None,
            errors: None,
        }
    }

    pub(crate) const fn lost() -> Self {
        Self {
            status: "lost",
            end_known_by: "process_gone",
            exit_reason: Value::Null,
            exit_code: Value::Null,
            commands: None,
            errors: None,
        }
    }

    pub(crate) const fn commands(mut self, count: i64) -> Self {
        self.commands = Some(count);
        self
    }

    pub(crate) const fn errors(mut self, count: i64) -> Self {
        self.errors = Some(count);
        self
    }

    fn check(&self, session: &Value) -> Result<()> {
        let count = |expected: Option<i64>, key: &str| {
            ensure!(
                expected.is_none_or(|count| session[key] == count),
                "{key} should be {expected:?}: {session}"
            );
            Ok(())
        };
        ensure!(
            session["status"] == self.status,
            "should be {}: {session}",
            self.status
        );
        ensure!(session["end_known_by"] == self.end_known_by, "{session}");
        ensure!(session["exit_reason"] == self.exit_reason, "{session}");
        ensure!(session["exit_code"] == self.exit_code, "{session}");
        count(self.commands, "command_count")?;
        count(self.errors, "error_count")
    }
}

impl World {
    pub(crate) fn new() -> Result<Self> {
        Self::of(workspace::session_buddy(Profile::Debug))
    }

    /// A world in which the server is this one.
    pub(crate) fn of(binary: PathBuf) -> Result<Self> {
        Ok(Self {
            state: StateFolder::new()?,
            binary,
            server: None,
        })
    }

    pub(crate) fn start_server(&mut self) -> Result<()> {
        self.server = Some(Server::start(&self.binary, &self.state)?);
        Ok(())
    }

    pub(crate) fn server(&self) -> Result<&Server> {
        self.server.as_ref().context("a server runs")
    }

    pub(crate) fn stop_server(&mut self) -> Result<()> {
        self.server
            .take()
            .context("a server runs")?
            .stop(&self.state)
    }

    pub(crate) fn kill_server(&mut self) -> Result<()> {
        self.server.take().context("a server runs")?.kill()
    }

    /// Takes the database away.
    pub(crate) fn forget(&self) -> Result<()> {
        self.remove("sessions.db").map(drop)
    }

    /// Removes the checkpoints that a server has put aside, as a person does who knows why they do not agree with the
    /// ledger. Gives how many there were.
    pub(crate) fn accept_checkpoints_aside(&self) -> Result<usize> {
        self.remove("checkpoint-")
    }

    /// Removes the files of the state folder whose names begin so.
    fn remove(&self, prefix: &str) -> Result<usize> {
        let mut removed = 0;
        for entry in std::fs::read_dir(self.state.home())? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(prefix) {
                std::fs::remove_file(entry.path())?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// The example shell on this state folder. It takes signals as a terminal's programs do, also where whoever runs this
    /// ignores some, as `nohup` does.
    pub(crate) fn shell(&self, arguments: &[&str]) -> Command {
        let mut command = command(Path::new("env"), &self.state);
        command
            .arg("--default-signal=HUP,INT,TERM")
            .arg(workspace::billing(Profile::Debug))
            .args(arguments);
        command
    }

    pub(crate) fn open_shell(&self, arguments: &[&str]) -> Result<Shell> {
        Self::open(self.shell(arguments))
    }

    /// Opens a shell that says that it was opened in another session.
    pub(crate) fn open_shell_in(&self, arguments: &[&str], parent: &str) -> Result<Shell> {
        let mut command = self.shell(arguments);
        command.env("SESSION_BUDDY_PARENT_SESSION_ID", parent);
        Self::open(command)
    }

    fn open(mut command: Command) -> Result<Shell> {
        let begun = clock::now();
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("could not start the example shell")?;
        let output = process.stdout.take().context("its output is a pipe")?;
        Ok(Shell {
            input: process.stdin.take(),
            output: BufReader::new(output),
            process,
            begun,
        })
    }

    /// Pipes a script into a shell.
    pub(crate) fn pipe(&self, script: &str) -> Result<Ran> {
        let mut shell = self.open_shell(&[])?;
        shell.type_in(script)?;
        shell.leave()
    }

    /// Gives all sessions that the server knows.
    pub(crate) fn sessions(&self) -> Result<Vec<Value>> {
        let listed = self.product(&["list-sessions", "--format", "json"])?;
        Ok(serde_json::from_str(&listed)?)
    }

    /// Waits until the sessions are as they should be.
    pub(crate) fn sessions_until(&self, holds: impl Fn(&[Value]) -> bool) -> Result<Vec<Value>> {
        let mut last = Vec::new();
        let found = clock::poll(LIMIT, PAUSE, || match self.sessions() {
            Ok(sessions) if holds(&sessions) => Some(Ok(sessions)),
            Ok(sessions) => {
                last = sessions;
                None
            }
            Err(error) => Some(Err(error)),
        });
        match found {
            Some(found) => found,
            None => bail!("the sessions stay as they are: {last:?}"),
        }
    }

    /// Checks that a shell is on record exactly once, with the times and the end that it had.
    pub(crate) fn one_session(&self, ran: &Ran, expected: &Expected) -> Result<()> {
        let own = |session: &&Value| session["pid"] == ran.pid;
        let over = |found: &[Value]| {
            found
                .iter()
                .filter(own)
                .any(|session| session["status"] == expected.status)
        };
        let found = self.sessions_until(over)?;
        let own: Vec<_> = found.iter().filter(own).collect();
        ensure!(
            own.len() == 1,
            "the shell is there {} times: {own:?}",
            own.len()
        );
        expected.check(own[0])?;
        let time = |key: &str| -> Result<Timestamp> {
            let text = own[0][key]
                .as_str()
                .with_context(|| format!("{key} is a time"))?;
            Ok(text.parse()?)
        };
        let (start, end) = (time("start_time")?, time("end_time")?);
        ensure!(
            ran.begun <= start && start <= ran.gone,
            "it began at {start}: {ran:?}"
        );
        // What was lost ended between its last proof of life and the moment at which that was seen.
        let end = if expected.status == "lost" {
            time("end_earliest")?
        } else {
            end
        };
        ensure!(
            start <= end && end <= ran.gone,
            "it ended at {end}: {ran:?}"
        );
        Ok(())
    }

    /// Checks that nothing waits any more, and that the record verifies.
    pub(crate) fn settled(&self) -> Result<()> {
        let status = || self.product(&["event-buffer", "status", "--format", "json"]);
        let settled = clock::poll(LIMIT, PAUSE, || {
            let status: Value = serde_json::from_str(&status().ok()?).ok()?;
            (status["files"] == 0 && status["refused"] == 0).then_some(())
        });
        settled.with_context(|| format!("something still waits: {:?}", status()))?;
        self.product(&["verify"]).map(drop)
    }

    /// Runs the product's command line on this state folder.
    pub(crate) fn product(&self, arguments: &[&str]) -> Result<String> {
        let output = command(&self.binary, &self.state)
            .args(arguments)
            .output()?;
        ensure!(output.status.success(), "{arguments:?}: {output:?}");
        Ok(String::from_utf8(output.stdout)?)
    }
}

impl Shell {
    pub(crate) fn type_in(&mut self, script: &str) -> Result<()> {
        let input = self.input.as_mut().context("its input is open")?;
        Ok(input.write_all(script.as_bytes())?)
    }

    pub(crate) fn read_line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        ensure!(line.ends_with('\n'), "it ends before it says a line");
        Ok(line)
    }

    pub(crate) fn end_by(self, signal: Signal) -> Result<Ran> {
        kill_process(Pid::from_child(&self.process), signal)?;
        self.wait()
    }

    /// Closes its input and waits until it has left.
    pub(crate) fn leave(mut self) -> Result<Ran> {
        self.input = None;
        self.wait()
    }

    fn wait(mut self) -> Result<Ran> {
        let status = clock::poll(LIMIT, PAUSE, || self.process.try_wait().transpose());
        let Some(status) = status else {
            // Nothing of ours outlives the test.
            let _ = self.process.kill();
            bail!("the shell does not leave within {LIMIT:?}");
        };
        Ok(Ran {
            pid: self.process.id(),
            code: status?.code(),
            begun: self.begun,
            gone: clock::now(),
        })
    }
}
