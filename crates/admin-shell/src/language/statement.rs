//! Lines that belong together.

use super::{
    Command,
    tokens::{Kind, tokens},
};

/// Signs behind which something must follow.
const JOINING: [&str; 28] = [
    "+", "-", "*", "/", "%", "**", "=", "==", "!=", "<", ">", "<=", ">=", "+=", "-=", "*=", "/=",
    "&&", "||", "??", "|", "&", "^", ",", ".", "?.", "=>", "::",
];
/// What a line may begin with that goes on with the line before. `-` is not among them: it may begin a number.
const CONTINUING: [&str; 13] = [
    ".", "?.", "else", "catch", "{", "&&", "||", "??", "==", "!=", "+", "*", "=>",
];

/// A statement in the making. Lines are added until it is whole; each is looked at once.
///
/// A line ends a statement, as in Python, unless a bracket, a text in backticks or a comment is open, or it ends with a sign
/// that wants something behind it.
#[derive(Debug, Default)]
pub(crate) struct Statement {
    text: String,
    open: Open,
    depth: usize,
    /// The last word wants something behind it.
    is_joining: bool,
}

/// What goes over several lines.
#[derive(Debug, Default, PartialEq, Eq)]
enum Open {
    #[default]
    Nothing,
    /// A text in backticks.
    Backticks,
    /// A quoted text whose line ends with a backslash.
    Quoted,
    /// A comment in so many comments.
    Comment(usize),
}

impl Statement {
    /// Adds a line.
    pub(crate) fn push(&mut self, line: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(line);
        // What is open is opened again, so that the line can be read by itself.
        let opened = match self.open {
            Open::Nothing => String::new(),
            Open::Backticks => "`".to_owned(),
            Open::Quoted => "\"".to_owned(),
            Open::Comment(depth) => "/*".repeat(depth),
        };
        if opened.is_empty() && self.depth == 0 && !self.is_joining && !is_script(&self.text) {
            return;
        }
        self.read(&(opened + line));
    }

    fn read(&mut self, line: &str) {
        self.open = Open::Nothing;
        for token in tokens(line) {
            let word = token.text(line);
            match token.kind {
                Kind::Text { whole: false } if word.starts_with('`') => self.open = Open::Backticks,
                Kind::Text { whole: false } if word.ends_with('\\') => self.open = Open::Quoted,
                Kind::Comment { whole: false } => {
                    let closed = word.matches("*/").count();
                    self.open = Open::Comment(word.matches("/*").count().saturating_sub(closed));
                }
                Kind::Sign if matches!(word, "(" | "[" | "{" | "#{") => self.depth += 1,
                Kind::Sign if matches!(word, ")" | "]" | "}") => {
                    self.depth = self.depth.saturating_sub(1);
                }
                _ => {}
            }
            if !matches!(token.kind, Kind::Space | Kind::Comment { .. }) {
                self.is_joining = token.kind == Kind::Sign && JOINING.contains(&word);
            }
        }
    }

    /// Tells whether it can be run as it is.
    ///
    /// A quoted text that misses its end on its own line is whole: it is an error, which more lines would not mend.
    pub(crate) fn is_whole(&self) -> bool {
        self.open == Open::Nothing && self.depth == 0 && !self.is_joining
    }

    /// Tells whether nothing was added yet.
    pub(crate) const fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Gives what it is so far.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Gives it, and begins the next one.
    pub(crate) fn take(&mut self) -> String {
        std::mem::take(self).text
    }
}

/// Magics and commands of the system are a line, whatever is in them.
fn is_script(text: &str) -> bool {
    match Command::of(text) {
        Command::Script(_) | Command::Nothing => true,
        Command::Magic { .. } | Command::System(_) | Command::Explain(_) => false,
    }
}

/// Tells whether what was typed can be run as it is.
pub(crate) fn is_whole(text: &str) -> bool {
    let mut statement = Statement::default();
    for line in text.split('\n') {
        statement.push(line);
    }
    statement.is_whole()
}

/// A statement of a script, and the number of its first line, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Numbered {
    pub(crate) line: usize,
    pub(crate) text: String,
    /// Whether the script ends in the middle of it.
    pub(crate) is_cut: bool,
}

/// Cuts a script into its statements. Here it is known what follows, so a line may also go on with one that begins with
/// `.`, `else`, `catch`, `{` or a sign that stands between two values.
pub(crate) fn statements(script: &str) -> Vec<Numbered> {
    let script = script.strip_prefix('\u{feff}').unwrap_or(script);
    let lines: Vec<&str> = script.lines().collect();
    let mut found = Vec::new();
    let mut statement = Statement::default();
    let mut first = 1;
    for (number, line) in lines.iter().enumerate() {
        if statement.is_empty() {
            first = number + 1;
        }
        statement.push(line);
        let goes_on = || {
            let mut rest = lines[number + 1..].iter();
            let next = rest.find(|line| Command::of(line) != Command::Nothing);
            is_script(statement.text()) && next.is_some_and(|line| continues(line))
        };
        if statement.is_whole() && !goes_on() {
            found.push(Numbered {
                line: first,
                text: statement.take(),
                is_cut: false,
            });
        }
    }
    if !statement.is_empty() {
        let text = statement.take();
        found.push(Numbered {
            line: first,
            text,
            is_cut: true,
        });
    }
    found
}

fn continues(line: &str) -> bool {
    let words = tokens(line);
    let mut words = words.iter().filter(|token| token.kind != Kind::Space);
    words
        .next()
        .is_some_and(|token| CONTINUING.contains(&token.text(line)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_whole_when_what_it_opens_is_closed() {
        for whole in [
            "",
            "ps()",
            "let a = [1, (2), #{b: \"}\"}]",
            "print('(') # (",
            "let s = `a\nb`",
            "/* { */ 1",
            "1..5",
            "say \"never ends",
            ")",
            "!ls /*",
            "%customer O`Brien",
            "#\"(\"#",
            "print(`a\\`)",
        ] {
            assert!(is_whole(whole), "{whole}");
        }
        for part in [
            "fn f() {", "ps(", "`a\n", "/* /* */", "#{a: 1,", "[1,\n2", "x =", "1 +", "\"a\\",
        ] {
            assert!(!is_whole(part), "{part}");
        }
    }

    #[test]
    fn a_script_is_cut_where_its_statements_end() {
        let script = "\u{feff}a()\n .len()\n\nif x {\n  1 }\nelse { 2 }\n!echo (\n# remark\nb = 1\n-2\nfn f() {";
        let found = statements(script);
        let texts: Vec<_> = found
            .iter()
            .map(|found| (found.line, &*found.text))
            .collect();
        assert_eq!(
            texts,
            [
                (1, "a()\n .len()"),
                (3, ""),
                (4, "if x {\n  1 }\nelse { 2 }"),
                (7, "!echo ("),
                (8, "# remark"),
                (9, "b = 1"),
                (10, "-2"),
                (11, "fn f() {"),
            ]
        );
        assert!(found.last().unwrap().is_cut);
    }
}
