//! Where a shell's lines come from.

use std::{
    collections::VecDeque,
    io::{self, BufRead},
};

use session_model::ExitReason;

use crate::{
    console::Console,
    language::is_complete,
    terminal::{CONTINUATION, INDICATOR, Line, Surroundings, Terminal, Typed, position_report},
};

/// What was read.
pub(super) enum Read {
    /// Something to run: a line, or several that belong together.
    Line(String),
    /// The end, and what it means.
    End(ExitReason),
}

/// A source of lines.
pub(super) enum Input {
    /// A script that is there as a whole.
    Text(VecDeque<String>),
    /// Standard input, with a prompt for a person.
    Lines {
        /// The prompt; none where nobody sits there.
        prompt: Option<String>,
        /// What was typed before anybody asked.
        typed: Typed,
    },
    /// A terminal with a line editor.
    Terminal(Box<Terminal>),
}

/// Why a line could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum InputError {
    #[error("cannot read standard input: {0}")]
    Io(#[from] io::Error),
    #[error("the input ends in the middle of {0:?}")]
    Unfinished(String),
}

impl Input {
    pub(super) fn of_text(script: &str) -> Self {
        Self::Text(script.lines().map(str::to_owned).collect())
    }

    /// Standard input.
    pub(super) const fn lines() -> Self {
        Self::Lines {
            prompt: None,
            typed: Typed::new(),
        }
    }

    /// A person at a terminal, with a line editor where the terminal can have one.
    pub(super) fn of_person(surroundings: Surroundings) -> Self {
        let prompt = format!("{}{INDICATOR}", surroundings.prompt);
        match Terminal::open(surroundings) {
            Ok(terminal) => Self::Terminal(Box::new(terminal)),
            Err(typed) => Self::Lines {
                prompt: Some(prompt),
                typed,
            },
        }
    }

    /// Reads until there is something that can be run.
    ///
    /// # Errors
    ///
    /// When the input cannot be read, or ends within what was begun.
    pub(super) fn next(&mut self, console: &Console) -> Result<Read, InputError> {
        let mut text = String::new();
        loop {
            let line = match self {
                Self::Terminal(terminal) => {
                    return Ok(match terminal.read()? {
                        Line::Line(line) => Read::Line(line),
                        Line::End => Read::End(ExitReason::Eof),
                    });
                }
                Self::Text(lines) => lines.pop_front(),
                Self::Lines { prompt, typed } => {
                    if let Some(prompt) = prompt {
                        console.tell_news();
                        console.write(if text.is_empty() {
                            prompt
                        } else {
                            CONTINUATION
                        });
                    }
                    plain_line(typed, console)?
                }
            };
            let Some(line) = line else {
                if text.is_empty() {
                    return Ok(Read::End(self.end_reason()));
                }
                return Err(InputError::Unfinished(text));
            };
            text.push_str(&line);
            if is_complete(&text) {
                return Ok(Read::Line(text));
            }
            text.push('\n');
        }
    }

    const fn end_reason(&self) -> ExitReason {
        match self {
            Self::Text(_) => ExitReason::Exit,
            Self::Lines { .. } | Self::Terminal(_) => ExitReason::Eof,
        }
    }
}

/// Gives the next line without an editor; `None` at the end.
fn plain_line(typed: &mut Typed, console: &Console) -> io::Result<Option<String>> {
    match typed.lines.pop_front() {
        Some(Line::Line(line)) => {
            console.print(&line);
            return Ok(Some(line));
        }
        Some(Line::End) => return Ok(None),
        None => {}
    }
    let begun = std::mem::take(&mut typed.rest);
    console.write(&begun);
    Ok(read_line()?.map(|line| begun + line.as_str()))
}

fn read_line() -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    io::stdin().lock().read_until(b'\n', &mut bytes)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    // A terminal that was asked where the cursor is may answer when nobody waits for it any longer.
    while let Some(late) = position_report(&bytes) {
        bytes.drain(late);
    }
    let line = String::from_utf8(bytes)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a line is not UTF-8"))?;
    Ok(Some(line.trim_end_matches(['\n', '\r']).to_owned()))
}
