//! Why a script failed, for people.

use std::fmt::Write;

use rhai::{Dynamic, EvalAltResult, ParseErrorType, Position};
use session_model::escape::for_line;
use unicode_width::UnicodeWidthStr;

use super::{limits::Clockwork, values};
use crate::{
    helper::HelperError,
    language::{LAST_VALUE, NAMED, Translation},
    output::literal,
};

/// Gives the name that was probably meant by another.
type Suggestion<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Why a script failed, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ScriptError {
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    pub(crate) place: Option<Place>,
    /// Of which script, where it is not what was just typed.
    pub(crate) script: Option<Script>,
}

/// A script of several statements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Script {
    /// Its file, where it is in one.
    file: Option<String>,
    /// The line at which the statement begins, from 1.
    line: usize,
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
            script: None,
        }
    }

    /// Says at which line of a script its statement begins.
    pub(crate) fn in_line(self, line: Option<usize>) -> Self {
        let script = line.map(|line| Script { file: None, line });
        Self {
            script: self.script.or(script),
            ..self
        }
    }

    /// Says at which line of a file its statement begins.
    pub(crate) fn in_file(self, file: &str, line: usize) -> Self {
        let file = Some(file.to_owned());
        Self {
            script: self.script.or(Some(Script { file, line })),
            ..self
        }
    }

    /// Writes the place with a caret, what is wrong, and what to do.
    pub(crate) fn for_people(&self) -> String {
        let mut text = String::new();
        if let Some(place) = &self.place {
            text.push_str(&place.for_people(self.script.as_ref()));
        }
        let _ = write!(text, "error: {}", literal::lines(&self.message));
        if let Some(hint) = &self.hint {
            let _ = write!(text, "\nhint: {}", literal::lines(hint));
        }
        text
    }
}

/// How much of a line is shown on each side of the place, in characters.
const SHOWN_MAX: usize = 60;

impl Place {
    /// Writes the line, or what is near the place, and a caret under the place.
    fn for_people(&self, script: Option<&Script>) -> String {
        let from = self.before.saturating_sub(SHOWN_MAX);
        let shown = |part: &mut dyn Iterator<Item = char>| {
            let part: String = part.map(|c| if c == '\t' { ' ' } else { c }).collect();
            for_line(&part).into_owned()
        };
        let cut = if from > 0 { "…" } else { "" };
        let head = shown(&mut self.line.chars().take(self.before).skip(from));
        let head = format!("{cut}{head}");
        let mut rest = self.line.chars().skip(self.before);
        let tail = shown(&mut rest.by_ref().take(SHOWN_MAX));
        let cut = if rest.next().is_some() { "…" } else { "" };
        let margin = match script {
            None => "  ".to_owned(),
            Some(Script { file, line }) => {
                let file = file.as_ref().map(|file| format!("{file}:"));
                let number = line + self.number - 1;
                format!("{}{number}: ", file.unwrap_or_default())
            }
        };
        let blanks = " ".repeat(margin.width() + head.width());
        format!("{margin}{head}{tail}{cut}\n{blanks}^\n")
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
            // A function without a name.
            if name.starts_with("anon$") {
                (message, hint)
            } else {
                (format!("in {name}(): {message}"), hint)
            }
        }
        EvalAltResult::ErrorVariableNotFound(name, _) if name == LAST_VALUE => {
            ("there is no last value yet".to_owned(), None)
        }
        EvalAltResult::ErrorVariableNotFound(name, _) => {
            (format!("there is no {name}"), or_help(name))
        }
        EvalAltResult::ErrorFunctionNotFound(signature, _) if signature.starts_with(NAMED) => {
            ("an argument has a name and no value".to_owned(), None)
        }
        EvalAltResult::ErrorFunctionNotFound(signature, _) => {
            let name = signature.split(" (").next().unwrap_or(signature);
            match signature.strip_prefix(name).map(str::trim) {
                Some("()") | None | Some("") => {
                    (format!("there is no function {name}()"), or_help(name))
                }
                Some(types) => {
                    let types = types.replace("&str | ImmutableString | String", "text");
                    let message = format!("there is no function {name}() that takes {types}");
                    (message, or_help(name))
                }
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
