//! From Python's simple spellings to Rhai.
//!
//! - `'text'` is a text, not a character, also where it is one letter long; `# remark` is a comment.
//! - `errors(limit=5)` names its arguments.
//! - `x = 1` makes `x` where there is none.
//! - `_` is the last value; `help(refund)` needs no quotes.
//! - A helper may be called what Rhai reserves and does not use, such as `sync`.
//!
//! What stands in `${...}` of a text in backticks is left as it is.
//!
//! `None`, `True` and `False` are constants of the engine.

use std::collections::HashSet;

use super::tokens::{Kind, Token, tokens};

/// The variable that `_` stands for.
pub(crate) const LAST_VALUE: &str = "last_value_";
/// The function that makes a named argument.
pub(crate) const NAMED: &str = "named_";

/// Words that Rhai 1.27 reserves and does not use (its `token.rs`, which its book's list of keywords runs ahead of).
const RESERVED: [&str; 26] = [
    "async",
    "await",
    "case",
    "default",
    "go",
    "goto",
    "is",
    "match",
    "module",
    "new",
    "nil",
    "null",
    "package",
    "protected",
    "public",
    "shared",
    "spawn",
    "static",
    "super",
    "sync",
    "thread",
    "use",
    "var",
    "void",
    "with",
    "yield",
];
/// Words of the language.
const KEYWORDS: [&str; 25] = [
    "as", "break", "catch", "const", "continue", "do", "else", "export", "false", "fn", "for",
    "if", "import", "in", "let", "loop", "private", "return", "switch", "this", "throw", "true",
    "try", "until", "while",
];
/// Functions of the language that cannot be others.
const FUNCTIONS: [&str; 10] = [
    "Fn",
    "call",
    "curry",
    "debug",
    "eval",
    "is_def_fn",
    "is_def_var",
    "is_shared",
    "print",
    "type_of",
];

/// What a translation must know of the shell.
pub(crate) trait Vocabulary {
    /// Tells whether there is such a helper.
    fn is_helper(&self, name: &str) -> bool;
    /// Tells whether there is such a variable or object.
    fn is_variable(&self, name: &str) -> bool;
}

/// A script in Rhai, and where its parts stood in what was typed.
#[derive(Debug, Default)]
pub(crate) struct Translation {
    pub(crate) script: String,
    /// Places in the script at which another part of the source begins: (script, source), in order.
    places: Vec<(usize, usize)>,
}

impl Translation {
    /// Gives the place in the source of a place in the script, in bytes.
    pub(crate) fn source_place(&self, at: usize) -> usize {
        let after = self.places.partition_point(|(script, _)| *script <= at);
        match self.places[..after].last() {
            Some((script, source)) => {
                let next = self
                    .places
                    .get(after)
                    .map_or(usize::MAX, |(_, source)| *source);
                (source + (at - script)).min(next)
            }
            None => at,
        }
    }

    fn copy(&mut self, source: &str, token: &Token) {
        self.put(token.text(source), token.span.start);
    }

    /// Writes a part that stands for what is at `source_place`.
    fn put(&mut self, text: &str, source_place: usize) {
        self.places.push((self.script.len(), source_place));
        self.script.push_str(text);
    }
}

/// Gives the name under which the engine knows a helper.
pub(crate) fn script_name(helper: &str) -> String {
    if RESERVED.contains(&helper) {
        format!("{helper}_")
    } else {
        helper.to_owned()
    }
}

/// Tells whether the language itself needs a word.
pub(crate) fn is_keyword(word: &str) -> bool {
    KEYWORDS.contains(&word)
}

/// Tells whether a helper or an object can have a name.
pub(crate) fn is_usable_name(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    let is_name = name.starts_with(letter)
        && name.chars().all(|c| letter(c) || c.is_ascii_digit())
        && !name.trim_matches('_').is_empty();
    is_name && !is_keyword(name) && !FUNCTIONS.contains(&name)
}

/// Translates what was typed.
pub(crate) fn translate(source: &str, vocabulary: &dyn Vocabulary) -> Translation {
    let tokens = tokens(source);
    let meaning = |token: &&Token| !matches!(token.kind, Kind::Space | Kind::Comment { .. });
    let mut writer = Writer {
        source,
        vocabulary,
        translation: Translation::default(),
        open: Vec::new(),
        made: HashSet::new(),
        is_named: false,
    };
    let mut before: Option<&Token> = None;
    for (number, token) in tokens.iter().enumerate() {
        let after = tokens[number + 1..].iter().find(meaning);
        writer.write(token, before, after);
        if meaning(&token) {
            before = Some(token);
        }
    }
    writer.translation
}

/// An open bracket.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    /// Of a call.
    Call,
    /// Of a call, in an argument that has a name.
    Named,
    /// Of `help(`.
    Help,
    /// Any other.
    Other,
}

struct Writer<'a> {
    source: &'a str,
    vocabulary: &'a dyn Vocabulary,
    translation: Translation,
    open: Vec<Open>,
    /// Variables that this text makes.
    made: HashSet<String>,
    /// An argument's name has been written with what it means, and its `=` has not been seen yet.
    is_named: bool,
}

impl Writer<'_> {
    fn write(&mut self, token: &Token, before: Option<&Token>, after: Option<&Token>) {
        let text = |token: Option<&Token>| token.map_or("", |token| token.text(self.source));
        let (word, before, after) = (token.text(self.source), text(before), text(after));
        match token.kind {
            Kind::Comment { .. } if word.starts_with('#') => {
                self.put("//", token);
                let rest = token.span.start + 1..token.span.end;
                self.copy(&Token {
                    span: rest,
                    ..*token
                });
            }
            Kind::Text { whole: true } if word.starts_with('\'') => {
                // Two texts in a row are an error, not one text.
                let gap = if before.ends_with('\'') { " " } else { "" };
                self.put(&format!("{gap}{}", double_quoted(word)), token);
            }
            Kind::Name => self.name(token, before, after),
            Kind::Sign => self.sign(token, before),
            Kind::Text { .. } | Kind::Number | Kind::Space | Kind::Comment { .. } => {
                self.copy(token);
            }
        }
    }

    fn name(&mut self, token: &Token, before: &str, after: &str) {
        let word = token.text(self.source);
        let of_something = matches!(before, "." | "?.");
        let assigned = after == "=" && !is_keyword(word);
        match self.open.last() {
            _ if word == "_" && !of_something && !is_pattern(before, after) => {
                self.put(LAST_VALUE, token);
            }
            Some(Open::Help) if before == "(" && after == ")" && !is_constant(word) => {
                self.put(&format!("{word:?}"), token);
            }
            Some(Open::Call | Open::Help) if assigned && matches!(before, "(" | ",") => {
                self.put(&format!("{NAMED}({word:?}, "), token);
                self.replace_open(Open::Named);
                self.is_named = true;
            }
            None if assigned && is_statement_start(before) && self.is_new(word) => {
                self.made.insert(word.to_owned());
                self.put("let ", token);
                self.copy(token);
            }
            _ if after == "(" && !of_something && self.vocabulary.is_helper(word) => {
                self.put(&script_name(word), token);
            }
            _ => {
                if matches!(before, "let" | "const") && self.open.is_empty() {
                    self.made.insert(word.to_owned());
                }
                self.copy(token);
            }
        }
    }

    fn sign(&mut self, token: &Token, before: &str) {
        let sign = token.text(self.source);
        match sign {
            "(" => {
                let is_callable = before
                    .chars()
                    .last()
                    .is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | ')' | ']'));
                self.open.push(match before {
                    "help" => Open::Help,
                    _ if is_callable && !is_keyword(before) => Open::Call,
                    _ => Open::Other,
                });
            }
            "[" | "{" | "#{" => self.open.push(Open::Other),
            "," if self.open.last() == Some(&Open::Named) => {
                self.put(")", token);
                self.replace_open(Open::Call);
            }
            ")" | "]" | "}" if self.open.pop() == Some(Open::Named) => self.put(")", token),
            "=" if std::mem::take(&mut self.is_named) => return,
            _ => {}
        }
        self.copy(token);
    }

    fn is_new(&self, name: &str) -> bool {
        !is_constant(name) && !self.vocabulary.is_variable(name) && !self.made.contains(name)
    }

    fn replace_open(&mut self, open: Open) {
        if let Some(last) = self.open.last_mut() {
            *last = open;
        }
    }

    fn copy(&mut self, token: &Token) {
        self.translation.copy(self.source, token);
    }

    fn put(&mut self, text: &str, token: &Token) {
        self.translation.put(text, token.span.start);
    }
}

/// Tells whether a name is a constant of the engine.
fn is_constant(name: &str) -> bool {
    matches!(name, "None" | "True" | "False")
}

/// Tells whether `_` stands where nothing is asked for: as a pattern, a parameter, or the name of a member.
fn is_pattern(before: &str, after: &str) -> bool {
    matches!(before, "let" | "const" | "for" | "|") || matches!(after, "=>" | ":" | "in" | "|")
}

/// Tells whether a statement may begin behind a word.
fn is_statement_start(before: &str) -> bool {
    matches!(before, "" | ";" | "}")
}

/// Puts a text in single quotes into double ones.
fn double_quoted(text: &str) -> String {
    let inner = &text[1..text.len() - 1];
    let mut text = String::with_capacity(inner.len() + 2);
    text.push('"');
    let mut letters = inner.chars();
    while let Some(c) = letters.next() {
        match (c, letters.as_str().starts_with('\'')) {
            ('\\', true) => text.extend(letters.next()),
            ('\\', false) => text.extend([c].into_iter().chain(letters.next())),
            ('"', _) => text.push_str("\\\""),
            (c, _) => text.push(c),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Shell;

    impl Vocabulary for Shell {
        fn is_helper(&self, name: &str) -> bool {
            matches!(name, "errors" | "sync" | "help")
        }

        fn is_variable(&self, name: &str) -> bool {
            name == "known"
        }
    }

    fn script(source: &str) -> String {
        translate(source, &Shell).script
    }

    #[test]
    fn python_becomes_rhai() {
        for (python, rhai) in [
            ("print('it\\'s \"it\"')", "print(\"it's \\\"it\\\"\")"),
            ("ps() # all", "ps() // all"),
            ("errors(n=5)", "errors(named_(\"n\", 5))"),
            (
                "errors( limit = f(a=1, 2), x = [1, 2] )",
                "errors( named_(\"limit\",   f(named_(\"a\", 1), 2)), named_(\"x\",   [1, 2] ))",
            ),
            ("x = 1; x = 2; known = 3", "let x = 1; x = 2; known = 3"),
            ("let y = 1; y = 2", "let y = 1; y = 2"),
            ("if a == 1 { b = 2 }", "if a == 1 { b = 2 }"),
            ("print(_); x._", "print(last_value_); x._"),
            (
                "help(sync); sync(); x.sync()",
                "help(\"sync\"); sync_(); x.sync()",
            ),
            ("#{a: '1'}", "#{a: \"1\"}"),
            ("'a\\\"b'", "\"a\\\"b\""),
            ("'it''s'", "\"it\" \"s\""),
            (
                "if true { let y = 1; } y = 2",
                "if true { let y = 1; } let y = 2",
            ),
        ] {
            assert_eq!(script(python), rhai, "{python}");
        }
    }

    #[test]
    fn what_is_rhai_already_stays() {
        for rhai in [
            "let a = [1, 2]; a.map(|x| x * 2)",
            "fn f(x) { x + 1 }",
            "if x == 1 { } else { }",
            "print(`a ${1 + 1}`)",
            "print(\"=\" + ps()[0].id)",
            "while (a != b) { a += 1 }",
            "switch 3 { 1 => \"a\", _ => \"b\" }",
            "#{_: 1}",
            "for _ in 0..3 { ps() }",
            "[1].map(|_| 2)",
            "#\"it's 'raw'\"#",
            "True = 0",
        ] {
            assert_eq!(script(rhai), rhai);
        }
    }

    #[test]
    fn a_place_in_the_script_leads_back_to_what_was_typed() {
        let source = "x = errors(n=1, who)";
        let translation = translate(source, &Shell);
        for word in ["errors", "1", "who"] {
            let at = translation.script.rfind(word).unwrap();
            assert_eq!(
                translation.source_place(at),
                source.rfind(word).unwrap(),
                "{word}"
            );
        }
    }
}
