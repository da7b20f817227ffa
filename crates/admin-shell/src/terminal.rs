//! A line editor, for a person at a terminal that can have one.

mod editor;
mod highlighting;
mod history;
mod probe;
mod prompt;

use std::{
    collections::VecDeque,
    io::{self, IsTerminal},
    path::PathBuf,
    sync::{Arc, Mutex, mpsc::Sender},
};

use reedline::{EditCommand, Reedline, Signal};

use crate::{catalogue::Catalogue, console::Console, engine::Interpreter, language::Statement};
use history::Lines;
use probe::Answer;
pub(crate) use probe::position_report;
use prompt::ShellPrompt;
pub(crate) use prompt::{CONTINUATION, INDICATOR};

/// What an editor needs of the shell.
pub(crate) struct Surroundings {
    /// What the prompt begins with.
    pub(crate) prompt: String,
    /// Where lines are kept from one session to the next.
    pub(crate) history: Option<PathBuf>,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) interpreter: Arc<Mutex<Interpreter>>,
    pub(crate) console: Arc<Console>,
    /// Told once the first prompt is painted.
    pub(crate) painted: Sender<()>,
}

/// A terminal with a line editor.
pub(crate) struct Terminal {
    editor: Reedline,
    /// Where lines are kept for the next session.
    lines: Option<Lines>,
    prompt: ShellPrompt,
    console: Arc<Console>,
    /// What was typed before there was an editor.
    typed: Typed,
    /// An empty line was interrupted: whoever does that wants to leave.
    told_how_to_leave: bool,
}

/// What came from a terminal.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// Something to run.
    Line(String),
    /// Ctrl-D.
    End,
}

/// What was typed before anybody asked: whole lines, and the beginning of one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Typed {
    pub(crate) lines: VecDeque<Line>,
    pub(crate) rest: String,
}

impl Terminal {
    /// Makes a line editor; where the terminal cannot have one, gives what was typed meanwhile.
    ///
    /// It cannot if it is dumb, or does not answer within 150 ms when it is asked where the cursor is: the editor asks that
    /// before each prompt.
    pub(crate) fn open(surroundings: Surroundings) -> Result<Self, Typed> {
        let term = std::env::var_os("TERM").unwrap_or_default();
        let is_dumb = term.is_empty() || term == "dumb";
        if is_dumb || !io::stderr().is_terminal() {
            return Err(Typed::new());
        }
        let typed = match probe::ask() {
            Ok(Answer { bytes, came: true }) => Typed::of(&bytes),
            Ok(Answer { bytes, came: false }) => return Err(Typed::of(&bytes)),
            Err(_) => return Err(Typed::new()),
        };
        let prompt = ShellPrompt::new(surroundings.prompt.clone(), surroundings.painted.clone());
        let console = Arc::clone(&surroundings.console);
        let (mut editor, lines) = editor::make(surroundings);
        if !typed.rest.is_empty() {
            editor.run_edit_commands(&[EditCommand::InsertString(typed.rest.clone())]);
        }
        Ok(Self {
            editor,
            lines,
            prompt,
            console,
            typed,
            told_how_to_leave: false,
        })
    }

    /// Asks for a line.
    ///
    /// # Errors
    ///
    /// When the terminal fails.
    pub(crate) fn read(&mut self) -> io::Result<Line> {
        if let Some(line) = self.next_typed() {
            return Ok(line);
        }
        loop {
            let signal = self.editor.read_line(&self.prompt);
            match signal.map_err(io::Error::other)? {
                Signal::Success(line) => {
                    if let Some(lines) = &mut self.lines {
                        // A line that cannot be kept can still be run.
                        let _ = lines.append(&line);
                    }
                    return Ok(Line::Line(line));
                }
                Signal::CtrlD => return Ok(Line::End),
                Signal::CtrlC => self.tell_how_to_leave(),
                // Nothing here asks for the others.
                _ => {}
            }
        }
    }

    /// Gives what was typed before, with the prompt that it would have had.
    fn next_typed(&mut self) -> Option<Line> {
        let mut statement = Statement::default();
        while let Some(line) = self.typed.lines.pop_front() {
            let Line::Line(line) = line else {
                return Some(Line::End);
            };
            let prompt = self.prompt.before(&line, statement.is_empty());
            self.console.print(&prompt);
            statement.push(&line);
            if statement.is_whole() {
                return Some(Line::Line(statement.take()));
            }
        }
        if !statement.is_empty() {
            let begun = EditCommand::InsertString(statement.take() + "\n");
            self.editor.run_edit_commands(&[begun]);
        }
        None
    }

    fn tell_how_to_leave(&mut self) {
        if !std::mem::replace(&mut self.told_how_to_leave, true) {
            self.console.tell("exit() or Ctrl-D leaves");
        }
    }
}

impl Typed {
    pub(crate) const fn new() -> Self {
        Self {
            lines: VecDeque::new(),
            rest: String::new(),
        }
    }

    /// Reads what was typed without an editor: Enter ends a line, Ctrl-C forgets it, Ctrl-D on an empty one is the end.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut typed = Self::new();
        let text = String::from_utf8_lossy(bytes);
        let mut letters = text.chars();
        while let Some(c) = letters.next() {
            match c {
                '\u{1b}' => skip_key(&mut letters),
                '\r' | '\n' => {
                    let line = std::mem::take(&mut typed.rest);
                    typed.lines.push_back(Line::Line(line));
                }
                '\u{3}' => typed.rest.clear(),
                '\u{4}' if typed.rest.is_empty() => typed.lines.push_back(Line::End),
                '\u{7f}' | '\u{8}' => drop(typed.rest.pop()),
                c if c.is_control() => {}
                c => typed.rest.push(c),
            }
        }
        typed
    }
}

/// Passes over what a key sends that is no letter: `ESC [`, parameters, a final letter; or `ESC`, `O`, a letter.
fn skip_key(letters: &mut std::str::Chars<'_>) {
    match letters.next() {
        Some('[') => drop(letters.find(|c| matches!(c, '@'..='~'))),
        Some('O') => drop(letters.next()),
        Some(_) | None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_typed_early_is_not_lost() {
        let typed = Typed::of(b"ps()\rab\x7fc\x03exit(\x04");
        assert_eq!(typed.lines, [Line::Line("ps()".to_owned())]);
        assert_eq!(typed.rest, "exit(");
        assert_eq!(Typed::of(b"a\x1b[A\x1bOB\x1b[1;5Cb").rest, "ab");
        assert_eq!(Typed::of(b"\x04").lines, [Line::End]);
    }
}
