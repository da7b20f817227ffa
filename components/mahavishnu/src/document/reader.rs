//! From the events of a YAML parser to a tree: no anchors, no aliases, no tags, no key twice, one document.

use saphyr_parser::{Event, Parser, ScalarStyle, StrInput};

use super::{Entry, Node, Value};

/// The deepest nesting that is read: a workflow needs 4.
const DEPTH_MAX: usize = 16;
/// Reads a document, of which nothing is null; else where and what is wrong with it.
pub(super) fn read(text: &str) -> Result<Node, Fault> {
    let parser = Parser::new_from_str(text);
    Reader { parser }.document()
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
}

/// A line and what is wrong there.
type Fault = (usize, String);

impl<'a> Reader<'a> {
    fn document(mut self) -> Result<Node, Fault> {
        let mut root = None;
        loop {
            match self.next()? {
                (Event::StreamEnd, line) => {
                    return Ok(root.unwrap_or(Node {
                        line: line.max(1),
                        value: Value::Null,
                    }));
                }
                (Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd, _) => {}
                (_, line) if root.is_some() => {
                    return Err((line, "a second document starts here".to_owned()));
                }
                next => root = Some(self.node(next, 1)?),
            }
        }
    }

    fn node(&mut self, (event, line): (Event<'a>, usize), depth: usize) -> Result<Node, Fault> {
        if depth > DEPTH_MAX {
            return Err((line, format!("nested deeper than {DEPTH_MAX} levels")));
        }
        let value = match event {
            Event::Scalar(text, ScalarStyle::Plain, ..)
                if matches!(&*text, "" | "~" | "null" | "Null" | "NULL") =>
            {
                Value::Null
            }
            Event::Scalar(text, ..) => Value::Text(text.into_owned()),
            Event::SequenceStart(..) => Value::List(self.list(depth)?),
            Event::MappingStart(..) => Value::Map(self.map(depth)?),
            _ => return Err((line, "a value is missing".to_owned())),
        };
        Ok(Node { line, value })
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, Fault> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                next => items.push(self.node(next, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Vec<Entry>, Fault> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let (key, line) = match self.next()? {
                (Event::MappingEnd, _) => return Ok(entries),
                (Event::Scalar(key, ..), line) => (key.into_owned(), line),
                (_, line) => return Err((line, "a key that is text is expected".to_owned())),
            };
            if let Some(first) = entries.iter().find(|entry| entry.key == key) {
                return Err((line, format!("{key} is already set on line {}", first.line)));
            }
            let next = self.next()?;
            let node = self.node(next, depth + 1)?;
            entries.push(Entry { key, line, node });
        }
    }

    fn next(&mut self) -> Result<(Event<'a>, usize), Fault> {
        let (event, span) = match self.parser.next_event() {
            Some(Ok(next)) => next,
            Some(Err(error)) => return Err((error.marker().line(), explained(error.info()))),
            None => return Err((1, "the document does not end".to_owned())),
        };
        let line = span.start.line();
        match &event {
            Event::Alias(_) => Err((line, "aliases are not accepted".to_owned())),
            Event::Scalar(_, _, anchor, tag)
            | Event::SequenceStart(anchor, tag)
            | Event::MappingStart(anchor, tag)
                if *anchor > 0 || tag.is_some() =>
            {
                Err((line, "anchors and tags are not accepted".to_owned()))
            }
            _ => Ok((event, line)),
        }
    }
}

/// Says of the mistake that commands invite what to do about it.
fn explained(problem: &str) -> String {
    match problem {
        "mapping values are not allowed in this context" => {
            format!(
                "{problem}: a text with `: ` in it stands in quotes, or behind a `|` on lines of its own"
            )
        }
        problem => problem.to_owned(),
    }
}
