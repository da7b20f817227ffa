//! A terminal with a program in it, as fast as one can be: it answers where its cursor is, and shows nothing.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// What asks where the cursor is (ECMA-48, DSR 6), and the answer: at home, which is as good as any other place.
const QUESTION: &[u8] = b"\x1b[6n";
const ANSWER: &[u8] = b"\x1b[1;1R";
/// How long anything may take before it counts as missing.
const LIMIT: Duration = Duration::from_secs(20);

/// A terminal. Its program ends with it.
pub(crate) struct Terminal {
    terminal: File,
    program: Child,
    /// Everything that the program has written.
    written: Vec<u8>,
}

impl Terminal {
    /// Opens a terminal of 100 columns with a program in it.
    pub(crate) fn open(program: &Command) -> Result<Self> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let terminal = openpt(flags)?;
        grantpt(&terminal)?;
        unlockpt(&terminal)?;
        let size = Winsize {
            ws_row: 30,
            ws_col: 100,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&terminal, size)?;
        let name = ptsname(&terminal, Vec::new())?;
        let end = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(OFlags::NOCTTY.bits().cast_signed())
            .open(name.to_str()?)?;
        // In a session of its own, whose terminal this is. It costs each program the same.
        let mut command = Command::new("setsid");
        command.arg("--ctty").arg(program.get_program());
        command
            .args(program.get_args())
            .env("TERM", "xterm-256color");
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        let program = command
            .stdin(end.try_clone()?)
            .stdout(end.try_clone()?)
            .stderr(end)
            .spawn()
            .context("could not run setsid")?;
        Ok(Self {
            terminal: terminal.into(),
            program,
            written: Vec::new(),
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.program.id()
    }

    pub(crate) fn type_in(&mut self, keys: &str) -> Result<()> {
        Ok(self.terminal.write_all(keys.as_bytes())?)
    }

    /// Waits until the program has written a text, from now on.
    pub(crate) fn wait_for(&mut self, text: &str) -> Result<()> {
        let from = self.written.len();
        let until = Instant::now() + LIMIT;
        loop {
            let seen = self.written[from..].windows(text.len());
            if seen.into_iter().any(|bytes| bytes == text.as_bytes()) {
                return Ok(());
            }
            let left = Timespec::try_from(until.saturating_duration_since(Instant::now()))?;
            let mut watched = [PollFd::new(&self.terminal, PollFlags::IN)];
            ensure!(
                poll(&mut watched, Some(&left))? > 0,
                "{text:?} does not come; there came {:?}",
                String::from_utf8_lossy(&self.written[from..])
            );
            self.read()?;
        }
    }

    fn read(&mut self) -> Result<()> {
        let mut buffer = [0; 4096];
        let count = self.terminal.read(&mut buffer)?;
        // A question that is cut in two is found when its end comes.
        let begin = self.written.len().saturating_sub(QUESTION.len() - 1);
        self.written.extend_from_slice(&buffer[..count]);
        let mut recent = self.written[begin..].windows(QUESTION.len());
        if recent.any(|bytes| bytes == QUESTION) {
            self.terminal.write_all(ANSWER)?;
        }
        Ok(())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // One that has left already needs neither.
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}
