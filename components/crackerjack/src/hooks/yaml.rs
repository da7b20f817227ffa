//! YAML as plain data: what lists of mappings need, straight from parser events. Anchors and aliases are refused, so that no
//! small file grows large.

use saphyr_parser::{Event, Parser, ScalarStyle, StrInput};
use serde_json::{Map, Value};

/// How deep values may lie in values.
const DEPTH_MAX: usize = 16;

/// What is wrong, and in which line.
type Fault = (usize, String);

/// Reads one document; every scalar is a text, but for null and the two truths.
pub(super) fn parse(text: &str) -> Result<Value, Fault> {
    let mut parser = Parser::new_from_str(text);
    loop {
        match next(&mut parser)? {
            (Event::StreamEnd, _) => return Ok(Value::Null),
            (Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd, _) => {}
            (event, line) => return value(&mut parser, event, line, 0),
        }
    }
}

fn value<'a>(
    parser: &mut Parser<'a, StrInput<'a>>,
    event: Event<'a>,
    line: usize,
    depth: usize,
) -> Result<Value, Fault> {
    if depth > DEPTH_MAX {
        return Err((line, format!("nested deeper than {DEPTH_MAX} levels")));
    }
    match event {
        Event::Scalar(text, style, ..) => Ok(scalar(&text, style)),
        Event::SequenceStart(..) => {
            let mut items = Vec::new();
            loop {
                match next(parser)? {
                    (Event::SequenceEnd, _) => return Ok(Value::Array(items)),
                    (event, line) => items.push(value(parser, event, line, depth + 1)?),
                }
            }
        }
        Event::MappingStart(..) => {
            let mut members = Map::new();
            loop {
                let key = match next(parser)? {
                    (Event::MappingEnd, _) => return Ok(Value::Object(members)),
                    (Event::Scalar(key, ..), _) => key.into_owned(),
                    (_, line) => return Err((line, "a key is no text".to_owned())),
                };
                let (event, line) = next(parser)?;
                members.insert(key, value(parser, event, line, depth + 1)?);
            }
        }
        _ => Err((line, "a value is missing".to_owned())),
    }
}

fn scalar(text: &str, style: ScalarStyle) -> Value {
    match (text, style) {
        ("" | "~" | "null", ScalarStyle::Plain) => Value::Null,
        ("true", ScalarStyle::Plain) => true.into(),
        ("false", ScalarStyle::Plain) => false.into(),
        (text, _) => text.into(),
    }
}

fn next<'a>(parser: &mut Parser<'a, StrInput<'a>>) -> Result<(Event<'a>, usize), Fault> {
    let (event, span) = match parser.next_event() {
        Some(Ok(next)) => next,
        Some(Err(error)) => return Err((error.marker().line(), error.info().to_owned())),
        None => return Err((1, "the document does not end".to_owned())),
    };
    let line = span.start.line();
    let anchor = match &event {
        Event::Scalar(_, _, anchor, _)
        | Event::SequenceStart(anchor, _)
        | Event::MappingStart(anchor, _) => *anchor,
        Event::Alias(_) => return Err((line, "aliases are not read".to_owned())),
        _ => 0,
    };
    if anchor > 0 {
        return Err((line, "anchors are not read".to_owned()));
    }
    Ok((event, line))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_of_mappings_are_read_and_bombs_are_not() {
        let text = "repos:\n- repo: local\n  hooks:\n  - id: a\n    stages: [commit]\n    pass: true\n    none:\n";
        let hook = json!({"id": "a", "stages": ["commit"], "pass": true, "none": null});
        assert_eq!(
            parse(text),
            Ok(json!({"repos": [{"repo": "local", "hooks": [hook]}]}))
        );
        assert_eq!(parse("# nothing\n"), Ok(Value::Null));
        assert_eq!(
            parse("a: 1\nb: &x [1]\n"),
            Err((2, "anchors are not read".to_owned()))
        );
        assert_eq!(parse("a: *x\n").unwrap_err().0, 1);
        assert!(parse(&"[".repeat(1000)).is_err());
    }
}
