//! A terminal with a shell in it, as a person sees it.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Write},
    num::NonZero,
    os::unix::fs::OpenOptionsExt,
    process::{Child, Command},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::OFlags,
    process::{Pid, Signal, kill_process},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize},
};

/// How long anything may take before it counts as missing.
const LIMIT: Duration = Duration::from_secs(20);
const ROWS: u16 = 24;
/// What asks where the cursor is.
const QUESTION: &[u8] = b"\x1b[6n";

/// A terminal. The shell in it ends with it.
pub(crate) struct Screen {
    terminal: File,
    /// Keeps the terminal open after the shell has left, to look at its settings.
    other_end: File,
    shell: Child,
    emulator: vt100::Parser,
    answers: bool,
    raw: Vec<u8>,
    rows: u16,
}

impl Screen {
    /// Opens a terminal of 80 columns with a shell in it.
    pub(crate) fn open(shell: Command) -> Self {
        Self::of(shell, 80, true)
    }

    /// Opens a terminal that may not answer when it is asked where the cursor is.
    pub(crate) fn of(shell: Command, columns: u16, answers: bool) -> Self {
        Self::made(shell, (columns, ROWS), answers, &["--ctty"])
    }

    /// Opens a terminal of so many columns and rows.
    pub(crate) fn sized(shell: Command, columns: u16, rows: u16) -> Self {
        Self::made(shell, (columns, rows), true, &["--ctty"])
    }

    /// Opens a terminal that is not the one of the shell's session, so that its end sends no signal.
    pub(crate) fn of_nobody(shell: Command) -> Self {
        Self::made(shell, (80, ROWS), true, &[])
    }

    fn made(shell: Command, (columns, rows): (u16, u16), answers: bool, session: &[&str]) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let terminal = openpt(flags).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&terminal, size).unwrap();
        let name = ptsname(&terminal, Vec::new()).unwrap();
        let other_end = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(OFlags::NOCTTY.bits().cast_signed())
            .open(name.to_str().unwrap())
            .unwrap();
        let end = || other_end.try_clone().unwrap();
        // In a session of its own, whose terminal this is.
        let mut command = Command::new("setsid");
        command.args(session).arg(shell.get_program());
        command.args(shell.get_args()).env("TERM", "xterm-256color");
        for (name, value) in shell.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let shell = command
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        Self {
            terminal: terminal.into(),
            other_end,
            shell,
            emulator: vt100::Parser::new(of(rows), of(columns), 1000),
            answers,
            raw: Vec::new(),
            rows,
        }
    }

    pub(crate) fn type_in(&mut self, keys: &str) {
        self.terminal.write_all(keys.as_bytes()).unwrap();
    }

    /// Gives what is seen, without blanks at the ends of lines.
    pub(crate) fn text(&self) -> String {
        let lines = self.emulator.screen().contents();
        let lines: Vec<_> = lines.lines().map(str::trim_end).collect();
        lines.join("\n").trim_end().to_owned()
    }

    /// Gives the line at the cursor.
    fn line(&self) -> String {
        let (row, _) = self.emulator.screen().cursor_position();
        let width = self.emulator.screen().size().1;
        let rows: Vec<_> = self.emulator.screen().rows(0, width.get()).collect();
        rows[usize::from(row)].trim_end().to_owned()
    }

    /// Waits until what is seen is as it should be.
    #[track_caller]
    pub(crate) fn wait(&mut self, what: &str, holds: impl Fn(&str) -> bool) {
        let until = Instant::now() + LIMIT;
        while !holds(&self.text()) {
            let left = until.saturating_duration_since(Instant::now());
            assert!(self.look(left), "{what} is missing from:\n{}", self.text());
        }
    }

    /// Waits until a text is seen.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str) {
        self.wait(text, |seen| seen.contains(text));
    }

    /// Waits until the line at the cursor is this one.
    #[track_caller]
    pub(crate) fn wait_for_line(&mut self, line: &str) {
        let until = Instant::now() + LIMIT;
        while self.line() != line {
            let left = until.saturating_duration_since(Instant::now());
            assert!(
                self.look(left),
                "{line} is not the line at the cursor of:\n{}",
                self.text()
            );
        }
    }

    /// Reads what the shell writes; gives whether there was something.
    fn look(&mut self, patience: Duration) -> bool {
        let mut watched = [PollFd::new(&self.terminal, PollFlags::IN)];
        let patience = Timespec::try_from(patience).unwrap();
        if poll(&mut watched, Some(&patience)).unwrap() == 0 {
            return false;
        }
        let mut buffer = [0; 4096];
        let count = self.terminal.read(&mut buffer).unwrap();
        let bytes = &buffer[..count];
        self.emulator.process(bytes);
        // A question that is cut in two is found when its end comes.
        let from = self.raw.len().saturating_sub(QUESTION.len() - 1);
        self.raw.extend_from_slice(bytes);
        let asked = self.raw[from..].windows(QUESTION.len());
        if self.answers && asked.filter(|bytes| *bytes == QUESTION).count() > 0 {
            let (row, column) = self.emulator.screen().cursor_position();
            self.type_in(&format!("\x1b[{};{}R", row + 1, column + 1));
        }
        true
    }

    /// Gives everything that the shell has written.
    pub(crate) fn raw(&self) -> String {
        String::from_utf8_lossy(&self.raw).into_owned()
    }

    pub(crate) fn resize(&mut self, columns: u16) {
        let size = Winsize {
            ws_row: self.rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&self.terminal, size).unwrap();
        self.emulator
            .screen_mut()
            .set_size(of(self.rows), of(columns));
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.shell), signal).unwrap();
    }

    /// Waits until the shell has left, and gives its exit code.
    pub(crate) fn left(&mut self) -> Option<i32> {
        let until = Instant::now() + LIMIT;
        loop {
            if let Some(status) = self.shell.try_wait().unwrap() {
                while self.look(Duration::ZERO) {}
                return status.code();
            }
            assert!(Instant::now() < until, "the shell stays:\n{}", self.text());
            self.look(Duration::from_millis(20));
        }
    }

    /// Tells whether a program has the whole screen, which is another one than the lines before it.
    pub(crate) fn is_whole(&self) -> bool {
        self.emulator.screen().alternate_screen()
    }

    /// Tells whether the terminal echoes and reads lines, as it did before.
    pub(crate) fn is_sane(&self) -> bool {
        let modes = tcgetattr(&self.other_end).unwrap().local_modes;
        modes.contains(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG)
    }

    /// Closes the terminal, as a window is closed, and gives the shell's exit code.
    pub(crate) fn close(self) -> Option<i32> {
        let Self {
            terminal,
            other_end,
            mut shell,
            ..
        } = self;
        drop((terminal, other_end));
        shell.wait().unwrap().code()
    }
}

fn of(columns: u16) -> NonZero<u16> {
    NonZero::new(columns).unwrap()
}
