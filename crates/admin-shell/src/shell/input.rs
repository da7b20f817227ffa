//! Where a shell's lines come from.

use std::{
    collections::VecDeque,
    io::{self, BufRead},
};

use session_model::ExitReason;

use crate::{
    console::Console,
    helper::Context,
    language::{Numbered, Statement, statements},
    terminal::{CONTINUATION, INDICATOR, Line, Surroundings, Terminal, Typed, position_report},
};

/// What was read.
pub(super) enum Read {
    /// Something to run: a line, or several that belong together; and the number of the first one in a script of several.
    Line(String, Option<usize>),
    /// The end, and what it means.
    End(ExitReason),
}

/// A source of lines.
pub(super) enum Input {
    /// A script that is there as a whole.
    Text {
        statements: VecDeque<Numbered>,
        /// Whether there are so many that it helps to number their lines.
        is_numbered: bool,
    },
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
    #[error("the input ends in the middle of {:?}", beginning(.0))]
    Unfinished(String),
}

impl Input {
    pub(super) fn of_text(script: &str) -> Self {
        let statements = VecDeque::from(statements(script));
        Self::Text {
            is_numbered: statements.len() > 1,
            statements,
        }
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

    /// Gives what a script that is there as a whole has left.
    pub(super) fn whole(&self) -> impl Iterator<Item = (&str, Option<usize>)> {
        let (statements, is_numbered) = match self {
            Self::Text {
                statements,
                is_numbered,
            } => (Some(statements), *is_numbered),
            Self::Lines { .. } | Self::Terminal(_) => (None, false),
        };
        let statements = statements.into_iter().flatten();
        statements.map(move |statement| {
            let number = is_numbered.then_some(statement.line);
            (statement.text.as_str(), number)
        })
    }

    /// Reads until there is something that can be run.
    ///
    /// # Errors
    ///
    /// When the input cannot be read, or ends within what was begun.
    pub(super) fn next(&mut self, context: &Context) -> Result<Read, InputError> {
        let mut statement = Statement::default();
        loop {
            let line = match self {
                Self::Terminal(terminal) => {
                    return Ok(match terminal.read()? {
                        Line::Line(line) => Read::Line(line, None),
                        Line::End => Read::End(ExitReason::Eof),
                    });
                }
                Self::Text {
                    statements,
                    is_numbered,
                } => {
                    let number = |line| is_numbered.then_some(line);
                    return match statements.pop_front() {
                        Some(cut) if cut.is_cut => Err(InputError::Unfinished(cut.text)),
                        Some(Numbered { line, text, .. }) => Ok(Read::Line(text, number(line))),
                        None => Ok(Read::End(self.end_reason())),
                    };
                }
                Self::Lines { prompt, typed } => {
                    if let Some(prompt) = prompt {
                        context.console.tell_news();
                        let first = statement.is_empty();
                        context
                            .console
                            .write(if first { prompt } else { CONTINUATION });
                    }
                    context.interrupt.clear();
                    plain_line(typed, &context.console)?
                }
            };
            if context.is_interactive() && context.is_interrupted() {
                // Ctrl-C forgets what was begun, and the terminal what was typed of the line.
                statement = Statement::default();
            }
            let Some(line) = line else {
                if statement.is_empty() {
                    return Ok(Read::End(self.end_reason()));
                }
                return Err(InputError::Unfinished(statement.take()));
            };
            statement.push(line.strip_prefix('\u{feff}').unwrap_or(&line));
            if statement.is_whole() {
                return Ok(Read::Line(statement.take(), None));
            }
        }
    }

    const fn end_reason(&self) -> ExitReason {
        match self {
            Self::Text { .. } => ExitReason::Exit,
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

/// Gives the first line of a text, at most 60 characters of it.
fn beginning(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    line.chars().take(60).collect()
}
