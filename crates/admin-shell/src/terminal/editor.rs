//! The editor, put together.

use std::{
    fs::OpenOptions,
    io,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::{Arc, Mutex},
};

use nu_ansi_term::{Color, Style};
use reedline::{
    ColumnarMenu, Completer, CompletionResult, DefaultHinter, Emacs, ExternalPrinter,
    FileBackedHistory, KeyCode, KeyModifiers, MenuBuilder, Reedline, ReedlineEvent, ReedlineMenu,
    Span, Suggestion, ValidationResult, Validator, default_emacs_keybindings,
};
use rustix::fs::OFlags;
use session_client::state_folder;

use super::{INDICATOR, Surroundings, highlighting::Colours};
use crate::{
    catalogue::Catalogue,
    completion::candidates,
    engine::Interpreter,
    language::{Command, is_complete},
};

/// How many lines are kept from one session to the next.
const HISTORY_LINES_MAX: usize = 100_000;
/// How many lines from outside wait for the prompt; further ones wait for a place.
const OUTSIDE_LINES_MAX: usize = 64;
const MENU: &str = "completion";

pub(super) fn make(surroundings: Surroundings) -> Reedline {
    let Surroundings {
        history,
        catalogue,
        interpreter,
        console,
        ..
    } = surroundings;
    let colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let printer = ExternalPrinter::new(OUTSIDE_LINES_MAX);
    console.set_printer(printer.sender());
    let mut keys = default_emacs_keybindings();
    keys.add_binding(
        KeyModifiers::NONE,
        KeyCode::Tab,
        ReedlineEvent::UntilFound(vec![
            ReedlineEvent::Menu(MENU.to_owned()),
            ReedlineEvent::MenuNext,
        ]),
    );
    keys.add_binding(
        KeyModifiers::SHIFT,
        KeyCode::BackTab,
        ReedlineEvent::MenuPrevious,
    );
    let menu = ColumnarMenu::default()
        .with_name(MENU)
        .with_marker(INDICATOR);
    let completer = Names {
        catalogue: Arc::clone(&catalogue),
        interpreter,
    };
    let editor = Reedline::create()
        .with_ansi_colors(colours)
        .with_edit_mode(Box::new(Emacs::new(keys)))
        .with_completer(Box::new(completer))
        .with_quick_completions(true)
        .with_partial_completions(true)
        .with_menu(ReedlineMenu::EngineCompleter(Box::new(menu)))
        .with_highlighter(Box::new(Colours(catalogue)))
        .with_hinter(Box::new(
            DefaultHinter::default().with_style(Style::new().fg(Color::DarkGray)),
        ))
        .with_validator(Box::new(Whole))
        // What begins with a blank is not kept, as in other shells.
        .with_history_exclusion_prefix(Some(" ".to_owned()))
        .with_external_printer(printer);
    let Some(path) = history else { return editor };
    match open_history(&path) {
        Ok(history) => editor.with_history(Box::new(history)),
        Err(error) => {
            console.tell(format_args!(
                "note: lines are not kept for the next session: {}: {error}",
                path.display()
            ));
            editor
        }
    }
}

/// Opens the file of lines, for its owner alone.
fn open_history(path: &Path) -> io::Result<FileBackedHistory> {
    if let Some(folder) = path.parent() {
        state_folder::prepare(folder).map_err(io::Error::other)?;
    }
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)?;
    FileBackedHistory::with_file(HISTORY_LINES_MAX, path.to_owned()).map_err(io::Error::other)
}

/// Offers the names of the shell.
struct Names {
    catalogue: Arc<Catalogue>,
    interpreter: Arc<Mutex<Interpreter>>,
}

impl Completer for Names {
    fn complete(&mut self, line: &str, position: usize) -> CompletionResult {
        let head = line.get(..position).unwrap_or(line);
        let found = candidates(head, &self.catalogue, &self.interpreter);
        let suggestions: Vec<_> = found
            .into_iter()
            .map(|candidate| Suggestion {
                value: candidate.text,
                description: candidate.description,
                span: Span::new(candidate.start, head.len()),
                ..Suggestion::default()
            })
            .collect();
        CompletionResult::fresh(suggestions)
    }
}

/// Asks for more lines until what was begun is closed.
struct Whole;

impl Validator for Whole {
    fn validate(&self, line: &str) -> ValidationResult {
        match Command::of(line) {
            Command::Script(script) if !is_complete(script) => ValidationResult::Incomplete,
            Command::Script(_)
            | Command::Nothing
            | Command::Magic { .. }
            | Command::System(_)
            | Command::Explain(_) => ValidationResult::Complete,
        }
    }
}
