//! The editor, put together.

use std::sync::{Arc, Mutex};

use nu_ansi_term::{Color, Style};
use reedline::{
    ColumnarMenu, Completer, CompletionResult, DefaultHinter, Emacs, ExternalPrinter, KeyCode,
    KeyModifiers, MenuBuilder, Reedline, ReedlineEvent, ReedlineMenu, Span, Suggestion,
    ValidationResult, Validator, default_emacs_keybindings,
};

use super::{INDICATOR, Surroundings, highlighting::Colours, history::Lines};
use crate::{
    catalogue::Catalogue, completion::candidates, engine::Interpreter, language::is_whole,
};

/// How many lines from outside wait for the prompt; further ones wait for a place.
const OUTSIDE_LINES_MAX: usize = 64;
const MENU: &str = "completion";

/// Makes an editor; gives the file of lines too, if there is one.
pub(super) fn make(surroundings: Surroundings) -> (Reedline, Option<Lines>) {
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
        .use_bracketed_paste(true)
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
    let Some(path) = history else {
        return (editor, None);
    };
    match Lines::open(&path) {
        Ok((lines, history)) => (editor.with_history(Box::new(history)), Some(lines)),
        Err(error) => {
            console.tell(format_args!(
                "note: lines are not kept for the next session: {}: {error}",
                path.display()
            ));
            (editor, None)
        }
    }
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
        if is_whole(line) {
            ValidationResult::Complete
        } else {
            ValidationResult::Incomplete
        }
    }
}
