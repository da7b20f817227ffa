//! The words of a line.

use std::ops::Range;

/// What a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A name or a keyword.
    Name,
    /// A number.
    Number,
    /// A text in quotes of any kind; not whole if its end is missing.
    Text {
        /// Whether the closing quote is there.
        whole: bool,
    },
    /// A comment, Python's or Rhai's.
    Comment {
        /// Whether its end is there.
        whole: bool,
    },
    /// White space.
    Space,
    /// Anything else, one character or an operator of several.
    Sign,
}

/// A word and where it stands, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) span: Range<usize>,
}

impl Token {
    pub(crate) fn text<'a>(&self, source: &'a str) -> &'a str {
        &source[self.span.clone()]
    }
}

/// Operators of several characters in which a shorter one must not be seen: `==` is no `=`.
const LONG_SIGNS: [&str; 24] = [
    "..=", "**=", "<<=", ">>=", "==", "!=", "<=", ">=", "=>", "+=", "-=", "*=", "/=", "%=", "&=",
    "|=", "^=", "&&", "||", "??", "?.", "::", "..", "#{",
];

/// Reads all words of a text. Nothing is left out: the spans follow one another.
pub(crate) fn tokens(source: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(first) = source[at..].chars().next() {
        let (kind, length) = next(&source[at..], first);
        let span = at..at + length;
        at = span.end;
        tokens.push(Token { kind, span });
    }
    tokens
}

/// Gives the kind and the length of the first word.
fn next(rest: &str, first: char) -> (Kind, usize) {
    let run = |of: fn(char) -> bool| rest.find(|c| !of(c)).unwrap_or(rest.len());
    match first {
        c if c.is_whitespace() => (Kind::Space, run(char::is_whitespace)),
        c if is_name_start(c) => (Kind::Name, run(is_name)),
        c if c.is_ascii_digit() => (Kind::Number, number(rest)),
        '`' => backticks(rest),
        '"' | '\'' => text(rest, first),
        '/' if rest.starts_with("/*") => block_comment(rest),
        '/' if rest.starts_with("//") => (Kind::Comment { whole: true }, line(rest)),
        '#' if raw_text(rest).is_some() => {
            (Kind::Text { whole: true }, raw_text(rest).unwrap_or(1))
        }
        // `#{` begins a map.
        '#' if !rest.starts_with("#{") => (Kind::Comment { whole: true }, line(rest)),
        c => {
            let long = LONG_SIGNS.iter().find(|sign| rest.starts_with(**sign));
            (Kind::Sign, long.map_or(c.len_utf8(), |sign| sign.len()))
        }
    }
}

fn is_name_start(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn line(rest: &str) -> usize {
    rest.find('\n').unwrap_or(rest.len())
}

/// A number ends before a dot that no digit follows: `1..5` is a range.
fn number(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let mut end = 0;
    while let Some(&byte) = bytes.get(end) {
        let exponent = matches!(byte, b'+' | b'-')
            && matches!(bytes.get(end.wrapping_sub(1)), Some(b'e' | b'E'))
            && !rest.starts_with("0x");
        let fraction = byte == b'.' && bytes.get(end + 1).is_some_and(u8::is_ascii_digit);
        if !(byte.is_ascii_alphanumeric() || byte == b'_' || fraction || exponent) {
            break;
        }
        end += 1;
    }
    end
}

fn text(rest: &str, quote: char) -> (Kind, usize) {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return (Kind::Text { whole: true }, at + 1),
            '\n' => return (Kind::Text { whole: false }, at),
            _ => {}
        }
    }
    (Kind::Text { whole: false }, rest.len())
}

/// A text in backticks knows no escapes, and goes over several lines.
fn backticks(rest: &str) -> (Kind, usize) {
    match rest[1..].find('`') {
        Some(end) => (Kind::Text { whole: true }, end + 2),
        None => (Kind::Text { whole: false }, rest.len()),
    }
}

/// Gives the length of a raw text: `#"..."#`, with as many `#` at its end as at its beginning.
fn raw_text(rest: &str) -> Option<usize> {
    let marks = rest.find(|c| c != '#')?;
    let body = rest[marks..].strip_prefix('"')?;
    let end = format!("\"{}", &rest[..marks]);
    Some(marks + 1 + body.find(&end)? + end.len())
}

/// Rhai's comments nest.
fn block_comment(rest: &str) -> (Kind, usize) {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return (Kind::Comment { whole: true }, at);
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    (Kind::Comment { whole: false }, rest.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_are_what_they_look_like() {
        let kinds = |source: &str| -> Vec<(Kind, String)> {
            let words = tokens(source).into_iter();
            words
                .filter(|token| token.kind != Kind::Space)
                .map(|token| (token.kind, token.text(source).to_owned()))
                .collect()
        };
        let sign = |text: &str| (Kind::Sign, text.to_owned());
        let number = |text: &str| (Kind::Number, text.to_owned());
        assert_eq!(
            kinds("1..=2.5e-3"),
            [number("1"), sign("..="), number("2.5e-3")]
        );
        assert_eq!(kinds("0xe+1"), [number("0xe"), sign("+"), number("1")]);
        assert_eq!(kinds("a==b")[1], sign("=="));
        assert_eq!(
            kinds("'it\\'s'"),
            [(Kind::Text { whole: true }, "'it\\'s'".to_owned())]
        );
        for text in ["#\"raw \\\"#", "##\"a\"# b\"##", "`a\\`"] {
            assert_eq!(kinds(text), [(Kind::Text { whole: true }, text.to_owned())]);
        }
        assert_eq!(kinds("#\"remark")[0].0, Kind::Comment { whole: true });
    }

    proptest! {
        #[test]
        fn the_words_are_the_text(source in "\\PC{0,40}|[a(\\[{#}\\])'\"`/*\\\\ \n0-9._=]{0,40}") {
            let words = tokens(&source);
            let again: String = words.iter().map(|token| token.text(&source)).collect();
            prop_assert_eq!(again, source);
        }
    }
}
