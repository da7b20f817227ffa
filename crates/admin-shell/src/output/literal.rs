//! Single values the way they would be typed.

use std::fmt::Write;

use serde_json::Value;
use session_model::escape::{self, is_unsafe};

/// Writes a value as it would be typed: texts in single quotes, `None`, `True` and `False`.
///
/// Lines breaks and characters that act are written as escapes.
pub(crate) fn repr(value: &Value) -> String {
    let mut written = String::new();
    write(value, &mut written);
    written
}

/// Writes a value as `print` does: a text is itself, its lines kept; characters that act are escapes.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => lines(text),
        value => repr(value),
    }
}

/// Escapes all that acts but line breaks and tabs.
pub(crate) fn lines(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            written.push('\n');
        }
        for (number, part) in line.split('\t').enumerate() {
            if number > 0 {
                written.push('\t');
            }
            written.push_str(&escape::for_line(part));
        }
    }
    written
}

fn write(value: &Value, written: &mut String) {
    match value {
        Value::Null => written.push_str("None"),
        Value::Bool(true) => written.push_str("True"),
        Value::Bool(false) => written.push_str("False"),
        Value::Number(number) => {
            // Writing to a String cannot fail.
            let _ = write!(written, "{number}");
        }
        Value::String(text) => quoted(text, written),
        Value::Array(items) => {
            written.push('[');
            for (number, item) in items.iter().enumerate() {
                if number > 0 {
                    written.push_str(", ");
                }
                write(item, written);
            }
            written.push(']');
        }
        Value::Object(members) => {
            written.push('{');
            for (number, (key, value)) in members.iter().enumerate() {
                if number > 0 {
                    written.push_str(", ");
                }
                quoted(key, written);
                written.push_str(": ");
                write(value, written);
            }
            written.push('}');
        }
    }
}

fn quoted(text: &str, written: &mut String) {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    written.push(quote);
    for c in text.chars() {
        match c {
            c if c == quote || c == '\\' => written.extend(['\\', c]),
            c if is_unsafe(c) => written.extend(c.escape_default()),
            c => written.push(c),
        }
    }
    written.push(quote);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_written_as_they_are_typed() {
        for (value, written) in [
            (json!(null), "None"),
            (json!([true, 1, 1.5, "a"]), "[True, 1, 1.5, 'a']"),
            (json!({"it's": {}}), "{\"it's\": {}}"),
            (json!("'\"\\"), "'\\'\"\\\\'"),
            (json!("\u{1b}[31m\n"), "'\\u{1b}[31m\\n'"),
        ] {
            assert_eq!(repr(&value), written);
        }
        assert_eq!(plain(&json!("a\n\tb\u{7}")), "a\n\tb\\u{7}");
        assert_eq!(plain(&json!(true)), "True");
    }
}
