//! Flattens the small part of YAML that we accept into dotted keys, straight from parser events.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, StrInput};

/// The deepest nesting of mappings in a file; the top level is 1.
pub const DEPTH_MAX: usize = 16;

/// The longest key in a file, with its dots. It bounds what a nested file costs in memory.
pub const KEY_LENGTH_MAX_BYTES: usize = 256;

/// One key that the text sets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) text: String,
    pub(crate) line: usize,
}

/// Why the text is refused. Quotes nothing from it but well-formed keys, as it may hold secrets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) line: usize,
    /// The key at fault, or the one around it; empty at the top level.
    pub(crate) key: String,
    pub(crate) reason: String,
}

impl Fault {
    fn new(line: usize, key: &str, reason: impl Into<String>) -> Self {
        Self {
            line,
            key: key.to_owned(),
            reason: reason.into(),
        }
    }
}

/// Reads one document: nothing, null, or a mapping.
pub(crate) fn parse(text: &str) -> Result<Vec<Entry>, Fault> {
    let mut reader = Reader {
        parser: Parser::new_from_str(text),
        lines: BTreeMap::new(),
        entries: Vec::new(),
    };
    reader.stream()?;
    Ok(reader.entries)
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    /// Every key seen so far, mappings and nulls included, with its line.
    lines: BTreeMap<String, usize>,
    entries: Vec<Entry>,
}

impl<'a> Reader<'a> {
    fn stream(&mut self) -> Result<(), Fault> {
        let mut documents = 0;
        loop {
            match self.next("")? {
                (Event::StreamEnd, _) => return Ok(()),
                (Event::StreamStart | Event::DocumentEnd, _) => {}
                (Event::DocumentStart(_), line) => {
                    documents += 1;
                    if documents > 1 {
                        return Err(Fault::new(line, "", "a second document starts here"));
                    }
                }
                (Event::MappingStart(..), _) => self.mapping("", 1)?,
                (Event::Scalar(text, ScalarStyle::Plain, ..), _) if is_null(&text) => {}
                (_, line) => return Err(Fault::new(line, "", "the top level is not a mapping")),
            }
        }
    }

    /// Reads the rest of the mapping at `parent`, whose start was just seen.
    fn mapping(&mut self, parent: &str, depth: usize) -> Result<(), Fault> {
        loop {
            let (name, line) = match self.next(parent)? {
                (Event::MappingEnd, _) => return Ok(()),
                (Event::Scalar(name, ..), line) if is_name(&name) => (name, line),
                (_, line) => {
                    let reason = "a key here is not made of ASCII letters, digits, `_` and `-`";
                    return Err(Fault::new(line, parent, reason));
                }
            };
            let key = if parent.is_empty() {
                name.into_owned()
            } else {
                format!("{parent}.{name}")
            };
            if key.len() > KEY_LENGTH_MAX_BYTES {
                let reason = format!("a key here is longer than {KEY_LENGTH_MAX_BYTES} bytes");
                return Err(Fault::new(line, parent, reason));
            }
            if let Some(first) = self.lines.insert(key.clone(), line) {
                return Err(Fault::new(
                    line,
                    &key,
                    format!("already set on line {first}"),
                ));
            }
            if let Some(text) = self.value(&key, depth)? {
                self.entries.push(Entry { key, text, line });
            }
        }
    }

    /// Reads the value of `key`: its text, or `None` after null or a mapping.
    fn value(&mut self, key: &str, depth: usize) -> Result<Option<String>, Fault> {
        match self.next(key)? {
            (Event::Scalar(text, ScalarStyle::Plain, ..), _) if is_null(&text) => Ok(None),
            (Event::Scalar(text, ..), _) => Ok(Some(text.into_owned())),
            (Event::SequenceStart(..), _) => self.list(key).map(Some),
            (Event::MappingStart(..), line) if depth == DEPTH_MAX => Err(Fault::new(
                line,
                key,
                format!("nested deeper than {DEPTH_MAX} levels"),
            )),
            (Event::MappingStart(..), _) => self.mapping(key, depth + 1).map(|()| None),
            (_, line) => Err(Fault::new(line, key, "the value is missing")),
        }
    }

    /// Joins the rest of the list at `key` by commas, so that items must not hold any.
    fn list(&mut self, key: &str) -> Result<String, Fault> {
        let mut items = Vec::new();
        loop {
            let (item, style, line) = match self.next(key)? {
                (Event::SequenceEnd, _) => return Ok(items.join(",")),
                (Event::Scalar(item, style, ..), line) => (item, style, line),
                (_, line) => return Err(Fault::new(line, key, "a list holds single values only")),
            };
            let null = style == ScalarStyle::Plain && is_null(&item);
            if null || item.is_empty() || item.contains(',') {
                return Err(Fault::new(
                    line,
                    key,
                    "a list item is empty or holds a comma",
                ));
            }
            items.push(item.into_owned());
        }
    }

    /// Takes the next event and its line; `key` is blamed for what is refused everywhere.
    fn next(&mut self, key: &str) -> Result<(Event<'a>, usize), Fault> {
        let (event, span) = match self.parser.next_event() {
            Some(Ok(next)) => next,
            Some(Err(e)) => return Err(Fault::new(e.marker().line(), key, e.info())),
            None => return Err(Fault::new(1, key, "the document does not end")),
        };
        let line = span.start.line();
        match &event {
            Event::Alias(_) => Err(Fault::new(line, key, "aliases are not accepted")),
            Event::Scalar(_, _, anchor, tag)
            | Event::SequenceStart(anchor, tag)
            | Event::MappingStart(anchor, tag)
                if *anchor > 0 || tag.is_some() =>
            {
                Err(Fault::new(line, key, "anchors and tags are not accepted"))
            }
            _ => Ok((event, line)),
        }
    }
}

/// The spellings of null in YAML's core schema, for plain scalars.
fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

fn is_name(name: &str) -> bool {
    let accepted = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    !name.is_empty() && name.bytes().all(accepted)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entries(text: &str) -> Vec<(String, String, usize)> {
        parse(text)
            .unwrap()
            .into_iter()
            .map(|e| (e.key, e.text, e.line))
            .collect()
    }

    fn fault(text: &str) -> String {
        let Fault { line, key, reason } = parse(text).unwrap_err();
        format!("{line}: {key}: {reason}")
    }

    fn entry(key: &str, text: &str, line: usize) -> (String, String, usize) {
        (key.to_owned(), text.to_owned(), line)
    }

    #[test]
    fn mappings_nest_into_dotted_keys_with_their_lines() {
        let text = "port: 80\ncomponents:\n  billing:\n    fail_closed: yes\n  b-2: {x: 1}\n";
        let expected = [
            entry("port", "80", 1),
            entry("components.billing.fail_closed", "yes", 4),
            entry("components.b-2.x", "1", 5),
        ];
        assert_eq!(entries(text), expected);
    }

    #[test]
    fn values_keep_their_text_as_written() {
        let text = "a: 0x1F\nb: 007\nc: 1.50\nd: Yes\ne: 'null'\nf: \"\"\ng: |\n  x\n  y\n";
        let texts: Vec<_> = entries(text).into_iter().map(|(_, text, _)| text).collect();
        assert_eq!(texts, ["0x1F", "007", "1.50", "Yes", "null", "", "x\ny\n"]);
    }

    #[test]
    fn null_is_not_set() {
        assert_eq!(
            entries("a: ~\nb: null\nc:\nd: NULL\ne: {}\nf: 1\n"),
            [entry("f", "1", 6)]
        );
    }

    #[test]
    fn lists_of_single_values_are_joined_by_a_comma() {
        let text = "secret:\n  - old\n  - new\nflow: [1, 'b c']\nnone: []\n";
        let expected = [
            entry("secret", "old,new", 1),
            entry("flow", "1,b c", 4),
            entry("none", "", 5),
        ];
        assert_eq!(entries(text), expected);
    }

    #[test]
    fn a_text_without_content_sets_nothing() {
        for text in [
            "",
            "\n\n",
            "# only a comment\n",
            "---\n",
            "---\n...\n",
            "~\n",
            "{}",
            "\u{feff}",
        ] {
            assert_eq!(entries(text), [], "{text:?}");
        }
        assert_eq!(entries("\u{feff}a: 1\n"), [entry("a", "1", 1)]);
    }

    #[test]
    fn what_is_not_our_small_yaml_is_refused_with_line_and_key() {
        let cases = [
            ("- a\n", "1: : the top level is not a mapping"),
            ("\nport\n", "2: : the top level is not a mapping"),
            ("a: 1\n---\nb: 2\n", "2: : a second document starts here"),
            ("a: 1\nb: 2\na: 3\n", "3: a: already set on line 1"),
            ("a: ~\na: 3\n", "2: a: already set on line 1"),
            ("a: {x: 1}\na: {y: 1}\n", "2: a: already set on line 1"),
            ("a:\n  b: 1\n  b: 2\n", "3: a.b: already set on line 2"),
            ("a:\n  - x: 1\n", "2: a: a list holds single values only"),
            ("a:\n  - [x]\n", "2: a: a list holds single values only"),
            (
                "a:\n  - x\n  - 'y,z'\n",
                "3: a: a list item is empty or holds a comma",
            ),
            ("a: [x, ~]\n", "1: a: a list item is empty or holds a comma"),
            ("a: ['']\n", "1: a: a list item is empty or holds a comma"),
            ("a: &x 1\n", "1: a: anchors and tags are not accepted"),
            ("a: !!str 1\n", "1: a: anchors and tags are not accepted"),
            ("a: &x [1]\n", "1: a: anchors and tags are not accepted"),
            ("&x {a: 1}\n", "1: : anchors and tags are not accepted"),
        ];
        for (text, expected) in cases {
            assert_eq!(fault(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_key_is_a_plain_name() {
        let reason = "a key here is not made of ASCII letters, digits, `_` and `-`";
        for key in [
            "a.b",
            "'a b'",
            "''",
            "é",
            "\"\\e[31m\"",
            "[a]",
            "{a: 1}",
            "<<",
        ] {
            assert_eq!(
                fault(&format!("x:\n  ? {key}\n  : 1\n")),
                format!("2: x: {reason}"),
                "{key}"
            );
        }
    }

    #[test]
    fn nesting_ends_at_the_sixteenth_level() {
        let nest = |levels: usize| format!("{}1{}", "{a: ".repeat(levels), "}".repeat(levels));
        assert_eq!(entries(&nest(16))[0].0, ["a"; 16].join("."));
        let expected = format!("1: {}: nested deeper than 16 levels", ["a"; 16].join("."));
        assert_eq!(fault(&nest(17)), expected);
        assert!(parse(&"{a: ".repeat(100_000)).is_err());
        assert!(parse(&"[".repeat(100_000)).is_err());
    }

    #[test]
    fn a_key_ends_at_256_bytes() {
        let nest = |length: usize| format!("a:\n  {}: 1\n", "b".repeat(length));
        assert_eq!(entries(&nest(254))[0].0.len(), 256);
        assert_eq!(
            fault(&nest(255)),
            "2: a: a key here is longer than 256 bytes"
        );
    }

    #[test]
    fn an_alias_bomb_is_refused_at_its_first_anchor() {
        let bomb = "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n";
        assert_eq!(fault(bomb), "1: a: anchors and tags are not accepted");
    }

    #[test]
    fn broken_syntax_is_refused_with_its_line() {
        let fault = parse("a: 1\nb: [1, 2\nc: 3\n").unwrap_err();
        assert_eq!((fault.line, fault.key.as_str()), (3, "b"));
        let fault = parse("a: \"unfinished\n").unwrap_err();
        assert_eq!((fault.line, fault.key.as_str()), (1, "a"));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[ \n\r\t:?,\\-\\[\\]{}&*!|>'\"#%@~.<\\\\ab01é\u{feff}\u{0}]{0,120}") {
            let _ = parse(&text);
        }
    }
}
