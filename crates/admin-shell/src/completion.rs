//! What may stand where somebody is typing.

use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::{
    catalogue::Catalogue,
    engine::Interpreter,
    language::{Kind, Parameter, Signature, Token, tokens},
    output::Reply,
};

/// Constants of the language that people know from Python.
const CONSTANTS: [&str; 3] = ["False", "None", "True"];

/// Something that may be typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// Where what it replaces begins, in bytes.
    pub(crate) start: usize,
    pub(crate) text: String,
    pub(crate) description: Option<String>,
}

/// Gives what may stand at the end of `head`, the line up to the cursor.
pub(crate) fn candidates(
    head: &str,
    catalogue: &Catalogue,
    interpreter: &Mutex<Interpreter>,
) -> Vec<Candidate> {
    let trimmed = head.trim_start();
    if let Some(magic) = trimmed.strip_prefix('%') {
        return magics(magic, head.len() - magic.len(), catalogue);
    }
    if trimmed.starts_with('!') {
        return Vec::new();
    }
    let words = tokens(head);
    if matches!(
        words.last().map(|word| word.kind),
        Some(Kind::Text { whole: false } | Kind::Comment { .. } | Kind::Number)
    ) {
        return Vec::new();
    }
    let typed = Typed::read(head, &words);
    if typed.path.is_empty() {
        names(&typed, catalogue, interpreter)
    } else {
        fields(&typed, interpreter)
    }
}

/// What stands before the cursor.
struct Typed<'a> {
    /// The beginning of a name; may be empty.
    prefix: &'a str,
    start: usize,
    /// What the name is a field of: `shell.session_tracker.`.
    path: Vec<&'a str>,
    /// The function whose arguments are being typed.
    call: Option<&'a str>,
}

impl<'a> Typed<'a> {
    fn read(head: &'a str, words: &[Token]) -> Self {
        let (prefix, before) = match words.split_last() {
            Some((last, before)) if last.kind == Kind::Name => (last.text(head), before),
            _ => ("", words),
        };
        let mut path = Vec::new();
        let mut rest = before;
        while let [earlier @ .., name, dot] = rest
            && dot.text(head) == "."
            && name.kind == Kind::Name
        {
            path.insert(0, name.text(head));
            rest = earlier;
        }
        Self {
            prefix,
            start: head.len() - prefix.len(),
            path,
            call: enclosing_call(head, before),
        }
    }

    fn candidate(&self, text: String, description: Option<&str>) -> Option<Candidate> {
        text.starts_with(self.prefix).then(|| Candidate {
            start: self.start,
            text,
            description: description.map(str::to_owned),
        })
    }
}

/// Gives the name of the innermost call that is still open.
fn enclosing_call<'a>(head: &'a str, words: &[Token]) -> Option<&'a str> {
    let mut open = Vec::new();
    let mut before: Option<&Token> = None;
    for word in words.iter().filter(|word| word.kind != Kind::Space) {
        match word.text(head) {
            "(" => open.push(before.filter(|word| word.kind == Kind::Name)),
            "[" | "{" | "#{" => open.push(None),
            ")" | "]" | "}" => drop(open.pop()),
            _ => {}
        }
        before = Some(word);
    }
    open.last().copied().flatten().map(|word| word.text(head))
}

fn magics(typed: &str, start: usize, catalogue: &Catalogue) -> Vec<Candidate> {
    let fitting = catalogue
        .magics
        .iter()
        .filter(|magic| magic.name().starts_with(typed));
    fitting
        .map(|magic| Candidate {
            start,
            text: magic.name().to_owned(),
            description: Some(magic.summary().to_owned()),
        })
        .collect()
}

fn names(
    typed: &Typed<'_>,
    catalogue: &Catalogue,
    interpreter: &Mutex<Interpreter>,
) -> Vec<Candidate> {
    let mut found = Vec::new();
    let called = catalogue
        .functions()
        .find(|function| typed.call == Some(function.name.as_str()));
    for parameter in called.iter().flat_map(|function| &function.parameters) {
        found.extend(typed.candidate(argument(parameter), None));
    }
    for function in catalogue.functions() {
        found.extend(typed.candidate(call(function), Some(&function.summary)));
    }
    for object in &catalogue.objects {
        found.extend(typed.candidate(object.name.clone(), Some(&object.summary)));
    }
    let interpreter = interpreter.lock().unwrap_or_else(PoisonError::into_inner);
    for variable in interpreter.variables() {
        found.extend(typed.candidate(variable.to_owned(), None));
    }
    for constant in CONSTANTS {
        found.extend(typed.candidate(constant.to_owned(), None));
    }
    found
}

/// Gives a function with as much as can be typed for everybody.
fn call(function: &Signature) -> String {
    let closed = if function.parameters.is_empty() {
        ")"
    } else {
        ""
    };
    format!("{}({closed}", function.name)
}

fn argument(parameter: &Parameter) -> String {
    format!("{}=", parameter.name())
}

fn fields(typed: &Typed<'_>, interpreter: &Mutex<Interpreter>) -> Vec<Candidate> {
    let interpreter = interpreter.lock().unwrap_or_else(PoisonError::into_inner);
    let Some((first, rest)) = typed.path.split_first() else {
        return Vec::new();
    };
    let Some(mut keys) = interpreter.value(first).map(Fields::of) else {
        return Vec::new();
    };
    for name in rest {
        match keys.0.into_iter().find(|(key, _)| key == name) {
            Some((_, value)) => keys = Fields::of(Reply::Value(value)),
            None => return Vec::new(),
        }
    }
    let keys = keys.0.into_iter().map(|(key, _)| key);
    keys.filter_map(|key| typed.candidate(key, None)).collect()
}

/// The fields of a value.
struct Fields(Vec<(String, Value)>);

impl Fields {
    fn of(reply: Reply) -> Self {
        match reply.to_value() {
            Value::Object(members) => Self(members.into_iter().collect()),
            _ => Self(Vec::new()),
        }
    }
}
