//! Where a shell's lines come from.

use std::{
    collections::VecDeque,
    io::{self, BufRead},
};

use session_model::ExitReason;

use crate::{console::Console, language::is_complete};

/// How a prompt asks for the rest of what was begun.
const CONTINUATION: &str = "... ";

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
    },
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
    pub(super) fn of_text(script: String) -> Self {
        Self::Text(script.lines().map(str::to_owned).collect())
    }

    pub(super) const fn lines(prompt: Option<String>) -> Self {
        Self::Lines { prompt }
    }

    /// Reads until there is something that can be run.
    ///
    /// # Errors
    ///
    /// When the input cannot be read, or ends within what was begun.
    pub(super) fn next(&mut self, console: &Console) -> Result<Read, InputError> {
        let mut text = String::new();
        loop {
            let Some(line) = self.line(console, text.is_empty())? else {
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

    fn line(&mut self, console: &Console, first: bool) -> io::Result<Option<String>> {
        match self {
            Self::Text(lines) => Ok(lines.pop_front()),
            Self::Lines { prompt } => {
                if let Some(prompt) = prompt {
                    console.write(if first { prompt } else { CONTINUATION });
                }
                let mut bytes = Vec::new();
                io::stdin().lock().read_until(b'\n', &mut bytes)?;
                if bytes.is_empty() {
                    return Ok(None);
                }
                let line = String::from_utf8(bytes).map_err(|_| {
                    io::Error::new(io::ErrorKind::InvalidData, "a line is not UTF-8")
                })?;
                Ok(Some(line.trim_end_matches(['\n', '\r']).to_owned()))
            }
        }
    }

    const fn end_reason(&self) -> ExitReason {
        match self {
            Self::Text(_) => ExitReason::Exit,
            Self::Lines { .. } => ExitReason::Eof,
        }
    }
}
