//! A state folder, and shells that use it.

use std::{
    io::{BufRead, BufReader, Read, Write},
    path::PathBuf,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use session_client::spool::{Adoption, EventKind, Spool, SpoolFile};
use tempfile::TempDir;

/// A state folder without a server.
pub(crate) struct Home {
    folder: TempDir,
}

/// A shell that has left.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) output: String,
    pub(crate) errors: String,
    pub(crate) code: Option<i32>,
}

/// A shell that is open; killed when dropped.
pub(crate) struct Open {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

/// What a session left in the spool.
#[derive(Debug)]
pub(crate) struct Spooled {
    pub(crate) start: Value,
    pub(crate) end: Option<Value>,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self {
            folder: TempDir::new().unwrap(),
        }
    }

    pub(crate) fn path(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// An example of this crate, free of the caller's own settings.
    pub(crate) fn command(&self, example: &str, arguments: &[&str]) -> Command {
        let tests = std::env::current_exe().unwrap();
        let examples = tests.parent().unwrap().with_file_name("examples");
        self.command_of(examples.join(example), arguments)
    }

    /// A program that uses this state folder.
    pub(crate) fn command_of(
        &self,
        program: impl AsRef<std::ffi::OsStr>,
        arguments: &[&str],
    ) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            let ours = ["SESSION_BUDDY_", "MAHAVISHNU_", "ONEIRIC_", "BILLING_"];
            if ours.iter().any(|prefix| text.starts_with(prefix)) {
                command.env_remove(&name);
            }
        }
        command
            .args(arguments)
            .env("SESSION_BUDDY_HOME", self.folder.path())
            .env("SESSION_BUDDY_PORT", "1")
            .env_remove("RUST_BACKTRACE")
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command("billing", arguments))
    }

    /// Runs a script by `-c` and gives what it writes.
    pub(crate) fn script(&self, script: &str) -> Ran {
        self.run(&["-c", script])
    }

    /// Pipes lines into a shell.
    pub(crate) fn pipe(&self, lines: &str) -> Ran {
        let mut open = self.open(&[]);
        open.type_in(lines);
        open.leave()
    }

    pub(crate) fn open(&self, arguments: &[&str]) -> Open {
        self.open_command(self.command("billing", arguments))
    }

    pub(crate) fn open_command(&self, mut command: Command) -> Open {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Open {
            input: process.stdin.take(),
            output: BufReader::new(process.stdout.take().unwrap()),
            process,
        }
    }

    /// Gives what the shells have left in the spool.
    pub(crate) fn spooled(&self) -> Vec<Spooled> {
        let Some(spool) = Spool::open_existing(self.folder.path()).unwrap() else {
            return Vec::new();
        };
        let paths: Vec<PathBuf> = spool.files().unwrap().collect();
        paths.into_iter().map(|path| Spooled::read(&path)).collect()
    }

    /// Gives the id of the one session in the spool, which is the name of its file.
    pub(crate) fn session_id(&self) -> String {
        let spool = Spool::open_existing(self.folder.path()).unwrap().unwrap();
        let paths: Vec<PathBuf> = spool.files().unwrap().collect();
        assert_eq!(paths.len(), 1, "{paths:?}");
        paths[0].file_stem().unwrap().to_str().unwrap().to_owned()
    }

    /// Gives what the one shell has left in the spool.
    pub(crate) fn session(&self) -> Spooled {
        let mut spooled = self.spooled();
        assert_eq!(spooled.len(), 1, "{spooled:?}");
        spooled.remove(0)
    }
}

impl Spooled {
    fn read(path: &std::path::Path) -> Self {
        let Adoption::Adopted { file, .. } = SpoolFile::adopt(path).unwrap() else {
            panic!("{} is not free", path.display());
        };
        let event = |kind: EventKind| {
            let events = &file.contents().events;
            let found = events.iter().find(|event| event.kind == kind);
            found.map(|event| serde_json::from_str(&event.json).unwrap())
        };
        Self {
            start: event(EventKind::Start).unwrap(),
            end: event(EventKind::End),
        }
    }

    /// Checks how the session ended.
    #[track_caller]
    pub(crate) fn assert_ended(&self, reason: &str, code: i64, commands: i64, errors: i64) {
        let end = self.end.as_ref().expect("the session has an end");
        let found = ["exit_reason", "exit_code", "command_count", "error_count"];
        let found = found.map(|key| end[key].clone());
        let expected: [Value; 4] = [reason.into(), code.into(), commands.into(), errors.into()];
        assert_eq!(found, expected, "{end}");
    }
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

    /// Gives what was written, of a shell that left with 0 and had nothing to complain of.
    #[track_caller]
    pub(crate) fn succeeded(self) -> String {
        assert_eq!((self.code, &*self.errors), (Some(0), ""), "{}", self.output);
        self.output
    }

    /// Gives what was complained of, of a shell that left with a code.
    #[track_caller]
    pub(crate) fn failed(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{self:?}");
        self.errors
    }
}

impl Open {
    pub(crate) fn type_in(&mut self, text: &str) {
        let input = self.input.as_mut().unwrap();
        input.write_all(text.as_bytes()).unwrap();
    }

    pub(crate) fn read_line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    /// Closes standard output, as a reader that has seen enough does.
    pub(crate) fn stop_reading(self) -> Ran {
        let Self {
            mut process,
            input,
            output,
        } = self;
        drop(output);
        drop(input);
        let mut errors = String::new();
        let stderr = process.stderr.take();
        stderr.unwrap().read_to_string(&mut errors).unwrap();
        Ran {
            output: String::new(),
            errors,
            code: process.wait().unwrap().code(),
        }
    }

    /// Closes the input and waits until the shell has left.
    pub(crate) fn leave(mut self) -> Ran {
        self.input = None;
        let (mut output, mut errors) = (String::new(), String::new());
        self.output.read_to_string(&mut output).unwrap();
        let stderr = self.process.stderr.take();
        stderr.unwrap().read_to_string(&mut errors).unwrap();
        Ran {
            output,
            errors,
            code: self.process.wait().unwrap().code(),
        }
    }
}
