//! Why a script failed, for people.

use std::fmt::Write;

use rhai::{Dynamic, EvalAltResult, ParseErrorType, Position};
use session_model::escape::for_line;

use super::{limits::Clockwork, values};
use crate::{helper::HelperError, language::Translation, output::literal};

/// Gives the name that was probably meant by another.
type Suggestion<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Why a script failed, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ScriptError {
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    pub(crate) place: Option<Place>,
}

/// A place in what was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The line's number, from 1.
    pub(crate) number: usize,
    /// The line.
    pub(crate) line: String,
    /// How many characters stand before the place.
    pub(crate) before: usize,
}

impl ScriptError {
    pub(crate) fn new(message: impl Into<String>, hint: Option<String>) -> Self {
        Self {
            message: message.into(),
            hint,
            place: None,
        }
    }

    /// Writes the place with a caret, what is wrong, and what to do.
    pub(crate) fn for_people(&self) -> String {
        let mut text = String::new();
        if let Some(place) = &self.place {
            let line = for_line(&place.line.replace('\t', " ")).into_owned();
            let blanks = " ".repeat(place.before);
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {line}\n  {blanks}^");
        }
        let _ = write!(text, "error: {}", literal::lines(&self.message));
        if let Some(hint) = &self.hint {
            let _ = write!(text, "\nhint: {}", literal::lines(hint));
        }
        text
    }
}

/// An error whose place is not looked up yet.
pub(super) struct Unplaced {
    error: ScriptError,
    position: Position,
}

impl Unplaced {
    pub(super) fn at(self, place: impl FnOnce(Position) -> Option<Place>) -> ScriptError {
        ScriptError {
            place: place(self.position),
            ..self.error
        }
    }
}

/// Finds in what was typed a position of the script that it was translated to.
pub(super) fn place(position: Position, source: &str, translation: &Translation) -> Option<Place> {
    let line = position.line()?;
    let column = position.position().unwrap_or(1);
    let script = &translation.script;
    let start: usize = script
        .split_inclusive('\n')
        .take(line - 1)
        .map(str::len)
        .sum();
    let in_line = script[start..].char_indices().nth(column - 1);
    let at = in_line.map_or(script.len(), |(at, _)| start + at);
    let at = translation.source_place(at).min(source.len());
    let before = source.get(..at)?;
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line_end = source[at..].find('\n').map_or(source.len(), |end| at + end);
    Some(Place {
        number: before.matches('\n').count() + 1,
        line: source[line_start..line_end].to_owned(),
        before: source[line_start..at].chars().count(),
    })
}

/// Reads an error of the engine.
pub(super) fn of(
    error: &EvalAltResult,
    clockwork: &Clockwork,
    similar: Suggestion<'_>,
) -> Unplaced {
    let (message, hint) = words(error, clockwork, similar);
    Unplaced {
        error: ScriptError::new(message, hint),
        position: error.position(),
    }
}

/// Gives what is wrong, and what to do about it.
fn words(
    error: &EvalAltResult,
    clockwork: &Clockwork,
    similar: Suggestion<'_>,
) -> (String, Option<String>) {
    let meant = |name: &str| similar(name).map(|similar| format!("did you mean {similar}?"));
    let or_help =
        |name: &str| meant(name).or_else(|| Some("help() lists what there is".to_owned()));
    match error {
        EvalAltResult::ErrorRuntime(thrown, _) => of_thrown(thrown),
        EvalAltResult::ErrorInFunctionCall(name, _, inner, _) => {
            let (message, hint) = words(inner, clockwork, similar);
            (format!("in {name}(): {message}"), hint)
        }
        EvalAltResult::ErrorVariableNotFound(name, _) => {
            (format!("there is no {name}"), or_help(name))
        }
        EvalAltResult::ErrorFunctionNotFound(signature, _) => {
            let name = signature.split(" (").next().unwrap_or(signature);
            match signature.strip_prefix(name).map(str::trim) {
                Some("()") | None | Some("") => {
                    (format!("there is no function {name}()"), or_help(name))
                }
                Some(types) => (
                    format!("there is no function {name}() that takes {types}"),
                    or_help(name),
                ),
            }
        }
        EvalAltResult::ErrorTerminated(_, _) => (
            format!(
                "the script ran for more than {} s and was stopped",
                clockwork.time_max().as_secs()
            ),
            None,
        ),
        EvalAltResult::ErrorParsing(problem, _) => (of_parsing(problem), None),
        EvalAltResult::ErrorPropertyNotFound(name, _) => {
            (format!("there is no field {name}"), None)
        }
        EvalAltResult::ErrorStackOverflow(_) => {
            ("functions call one another too deeply".to_owned(), None)
        }
        error => (without_place(error), None),
    }
}

fn of_thrown(thrown: &Dynamic) -> (String, Option<String>) {
    match thrown.read_lock::<HelperError>() {
        Some(error) => (error.to_string(), error.hint_text().map(str::to_owned)),
        None => (literal::plain(&values::to_value(thrown)), None),
    }
}

fn of_parsing(problem: &ParseErrorType) -> String {
    let text = problem.to_string();
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_lowercase().to_string());
    let text = format!("{}{}", first.unwrap_or_default(), letters.as_str());
    format!("this cannot be read: {text}")
}

/// Gives the engine's own words, without the place at their end, which is shown.
fn without_place(error: &EvalAltResult) -> String {
    let mut error = error.to_string();
    if let Some(place) = error.rfind(" (line ") {
        error.truncate(place);
    }
    let mut letters = error.chars();
    let first = letters.next().map(|c| c.to_lowercase().to_string());
    format!("{}{}", first.unwrap_or_default(), letters.as_str())
}
