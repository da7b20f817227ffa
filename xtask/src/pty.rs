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
/// How long a line editor says nothing once it has shown a line.
const QUIET: Duration = Duration::from_millis(50);
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
        if let Some(folder) = program.get_current_dir() {
            command.current_dir(folder);
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
        let is_there = |bytes: &[u8]| {
            let mut seen = bytes.windows(text.len());
            seen.any(|bytes| bytes == text.as_bytes())
        };
        self.read_until(is_there)
            .with_context(|| format!("{text:?} does not come"))
    }

    /// Types a line, and measures from the Enter after it to the first character that anybody sees of what comes of it.
    pub(crate) fn time_to_answer(&mut self, line: &str) -> Result<Duration> {
        self.type_in(line)?;
        while self.is_readable(QUIET)? {
            self.read()?;
        }
        let begin = Instant::now();
        self.type_in("\r")?;
        self.read_until(shows_something_below)
            .with_context(|| format!("nothing comes of {line:?}"))?;
        Ok(begin.elapsed())
    }

    /// Reads until what was written from now on is as it should be.
    fn read_until(&mut self, holds: impl Fn(&[u8]) -> bool) -> Result<()> {
        let from = self.written.len();
        let until = Instant::now() + LIMIT;
        while !holds(&self.written[from..]) {
            ensure!(
                self.is_readable(until.saturating_duration_since(Instant::now()))?,
                "there came {:?}",
                String::from_utf8_lossy(&self.written[from..])
            );
            self.read()?;
        }
        Ok(())
    }

    fn is_readable(&self, patience: Duration) -> Result<bool> {
        let mut watched = [PollFd::new(&self.terminal, PollFlags::IN)];
        Ok(poll(&mut watched, Some(&Timespec::try_from(patience)?))? > 0)
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

/// Tells whether there is a line break and then something that is no control sequence (ECMA-48, 5.4).
fn shows_something_below(written: &[u8]) -> bool {
    let Some(break_at) = written.iter().position(|byte| *byte == b'\n') else {
        return false;
    };
    let mut rest = written[break_at..].iter();
    while let Some(byte) = rest.next() {
        match byte {
            0x1b if rest.next() == Some(&b'[') => {
                rest.find(|byte| (0x40..=0x7e).contains(*byte));
            }
            0..=0x20 => {}
            _ => return true,
        }
    }
    false
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // One that has left already needs neither.
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::shows_something_below;

    #[test]
    fn only_what_is_seen_below_the_line_is_an_answer() {
        for (written, is_seen) in [
            ("ps()", false),
            ("ps()\r\n", false),
            ("ps()\r\n\x1b[?2004l\x1b[1;31m", false),
            ("ps()\r\n\x1b[?2004l \x1b=", false),
            ("ps()\r\n\x1b[2Kno sessions", true),
        ] {
            assert_eq!(
                shows_something_below(written.as_bytes()),
                is_seen,
                "{written:?}"
            );
        }
    }
}
