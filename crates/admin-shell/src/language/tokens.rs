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

/// Tells whether a text can be run as it is: its brackets are closed, and so are its texts and comments that may go over
/// several lines.
///
/// A quoted text that misses its end on its own line is complete: it is an error, which more lines would not mend.
pub(crate) fn is_complete(source: &str) -> bool {
    let mut depth = 0_usize;
    for token in tokens(source) {
        match (token.kind, token.text(source)) {
            (Kind::Text { whole: false }, text) if text.starts_with('`') => return false,
            (Kind::Comment { whole: false }, _) => return false,
            (Kind::Sign, "(" | "[" | "{" | "#{") => depth += 1,
            (Kind::Sign, ")" | "]" | "}") => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    depth == 0
}

/// Gives the kind and the length of the first word.
fn next(rest: &str, first: char) -> (Kind, usize) {
    let run = |of: fn(char) -> bool| rest.find(|c| !of(c)).unwrap_or(rest.len());
    match first {
        c if c.is_whitespace() => (Kind::Space, run(char::is_whitespace)),
        c if is_name_start(c) => (Kind::Name, run(is_name)),
        c if c.is_ascii_digit() => (Kind::Number, number(rest)),
        '"' | '\'' | '`' => text(rest, first),
        '/' if rest.starts_with("/*") => block_comment(rest),
        '/' if rest.starts_with("//") => (Kind::Comment { whole: true }, line(rest)),
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
            '\n' if quote != '`' => return (Kind::Text { whole: false }, at),
            _ => {}
        }
    }
    (Kind::Text { whole: false }, rest.len())
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
    fn a_line_is_whole_when_what_it_opens_is_closed() {
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
        ] {
            assert!(is_complete(whole), "{whole}");
        }
        for part in ["fn f() {", "ps(", "`a\n", "/* /* */", "#{a: 1,", "[1,\n2"] {
            assert!(!is_complete(part), "{part}");
        }
    }

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
