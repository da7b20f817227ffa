//! Lines of bounded length, read by a thread of their own: a read of a terminal or a pipe cannot be given up.

use std::{
    io::{self, BufRead, BufReader, Read},
    thread,
};

use tokio::sync::mpsc::{Receiver, channel};

use crate::http::BODY_BYTES_MAX;

/// How many lines are read ahead. Whoever writes faster waits.
const AHEAD: usize = 16;

/// A line of input, without its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// A line that a server takes.
    Whole(Vec<u8>),
    /// A line that is over the most bytes of a request. It was passed over.
    TooLong,
}

/// Lines as they come.
pub struct Lines(Receiver<Line>);

impl Lines {
    /// Reads lines from now on. The thread ends with the input, or when a line is read that nobody waits for any more.
    ///
    /// # Errors
    ///
    /// When there can be no thread.
    pub fn of(input: impl Read + Send + 'static) -> io::Result<Self> {
        let (sender, lines) = channel(AHEAD);
        thread::Builder::new()
            .name("input".to_owned())
            .spawn(move || {
                let mut input = BufReader::new(input);
                // An input that cannot be read has ended.
                while let Ok(Some(line)) = next(&mut input, BODY_BYTES_MAX) {
                    if sender.blocking_send(line).is_err() {
                        break;
                    }
                }
            })?;
        Ok(Self(lines))
    }

    /// Gives the next line; `None` at the end of the input. Cancel safe.
    pub(super) async fn next(&mut self) -> Option<Line> {
        self.0.recv().await
    }
}

fn next(input: &mut impl BufRead, bytes_max: usize) -> io::Result<Option<Line>> {
    let limit = u64::try_from(bytes_max)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    let mut line = Vec::new();
    input.by_ref().take(limit).read_until(b'\n', &mut line)?;
    match line.last() {
        None => Ok(None),
        Some(b'\n') => {
            line.pop();
            Ok(Some(Line::Whole(line)))
        }
        // The last line need not have an end.
        Some(_) if line.len() <= bytes_max => Ok(Some(Line::Whole(line))),
        Some(_) => {
            input.skip_until(b'\n')?;
            Ok(Some(Line::TooLong))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_whole_or_passed_over() {
        let mut input = &b"one\n\ntoo long\r\n12345\n123456\nlast"[..];
        let lines: Vec<_> = std::iter::from_fn(|| next(&mut input, 5).unwrap()).collect();
        let whole = |line: &str| Line::Whole(line.into());
        assert_eq!(
            lines,
            [
                whole("one"),
                whole(""),
                Line::TooLong,
                whole("12345"),
                Line::TooLong,
                whole("last")
            ]
        );
    }
}
