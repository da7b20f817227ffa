//! A question to the terminal: where is the cursor?

use std::{
    io::{self, Write},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    termios::{OptionalActions, Termios, tcgetattr, tcsetattr},
};

/// How long the terminal may take to answer: 150 ms, so that with all else the choice is made within 200 ms. A terminal at
/// the far side of the world takes longer, and gets plain lines.
const ANSWER_MAX: Duration = Duration::from_millis(150);
/// "Report the position of the cursor" (ECMA-48, 8.3.35, DSR 6).
const QUESTION: &[u8] = b"\x1b[6n";

/// What came back.
pub(super) struct Answer {
    /// What was typed besides.
    pub(super) bytes: Vec<u8>,
    /// Whether the terminal answered.
    pub(super) came: bool,
}

/// Asks, and waits for the answer.
pub(super) fn ask() -> io::Result<Answer> {
    let _raw = Raw::begin()?;
    let mut output = io::stderr();
    output.write_all(QUESTION)?;
    output.flush()?;
    let until = Instant::now() + ANSWER_MAX;
    let mut bytes = Vec::new();
    loop {
        if let Some(range) = position_report(&bytes) {
            bytes.drain(range);
            return Ok(Answer { bytes, came: true });
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(Answer { bytes, came: false });
        }
        if !is_readable(left)? {
            continue;
        }
        let mut buffer = [0; 256];
        match rustix::io::read(io::stdin(), &mut buffer) {
            Ok(0) => return Ok(Answer { bytes, came: false }),
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Finds `ESC [ row ; column R` (ECMA-48, 8.3.14, CPR).
pub(crate) fn position_report(bytes: &[u8]) -> Option<std::ops::Range<usize>> {
    let starts = bytes.windows(2).enumerate();
    let mut starts = starts
        .filter(|(_, pair)| *pair == b"\x1b[")
        .map(|(at, _)| at);
    starts.find_map(|start| {
        let body = &bytes[start + 2..];
        let length = body
            .iter()
            .position(|byte| !byte.is_ascii_digit() && *byte != b';')?;
        let is_answer = body[length] == b'R' && body[..length].contains(&b';');
        is_answer.then_some(start..start + 2 + length + 1)
    })
}

fn is_readable(patience: Duration) -> io::Result<bool> {
    let stdin = io::stdin();
    let mut watched = [PollFd::new(&stdin, PollFlags::IN)];
    let patience = Timespec::try_from(patience).map_err(io::Error::other)?;
    match poll(&mut watched, Some(&patience)) {
        Ok(count) => Ok(count > 0),
        // A signal is no answer; the time that is left is looked at again.
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The terminal in raw mode, as long as this lives: an answer has no line break and is not to be seen.
struct Raw(Termios);

impl Raw {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
        Ok(Self(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_found_between_what_was_typed() {
        assert_eq!(position_report(b"ps()\x1b[12;40Rx"), Some(4..12));
        assert_eq!(position_report(b"\x1b[A\x1b[1;1R"), Some(3..9));
        for other in [&b""[..], b"ps()", b"\x1b[12;4", b"\x1b[12R", b"\x1b[1;1H"] {
            assert_eq!(position_report(other), None, "{other:?}");
        }
    }
}
