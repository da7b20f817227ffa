//! JSON values as YAML 1.2.
//!
//! JSON's strings, numbers and words are YAML's too, so all that is left is the layout; no library is worth its weight here.

use std::fmt::Write;

use serde_json::Value;
use session_model::escape;

/// Writes a value in block style, its strings in double quotes, so that none is taken for a number or a word.
pub(super) fn write(value: &Value) -> String {
    let mut text = String::new();
    block(value, 0, &mut text);
    text
}

/// Writes a value on lines of its own.
fn block(value: &Value, indent: usize, text: &mut String) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (key, value) in members {
                let _ = write!(text, "{:indent$}{}:", "", plain_or_quoted(key));
                after(value, indent, text);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                let begin = text.len();
                block(item, indent + 2, text);
                text.replace_range(begin..begin + indent + 2, &format!("{:indent$}- ", ""));
            }
        }
        scalar => {
            let _ = writeln!(
                text,
                "{:indent$}{}",
                "",
                escape::in_json(&scalar.to_string())
            );
        }
    }
}

/// Writes a value after its key.
fn after(value: &Value, indent: usize, text: &mut String) {
    let is_inline = match value {
        Value::Object(members) => members.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    };
    if is_inline {
        let _ = writeln!(text, " {}", escape::in_json(&value.to_string()));
    } else {
        text.push('\n');
        block(value, indent + 2, text);
    }
}

/// Quotes a key that could be read as anything but its text.
fn plain_or_quoted(key: &str) -> String {
    /// Words that YAML 1.1 reads as booleans or null.
    const WORDS: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    let is_plain = key.starts_with(|first: char| first.is_ascii_alphabetic() || first == '$')
        && key
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '$'))
        && !WORDS.contains(&key.to_ascii_lowercase().as_str());
    if is_plain {
        key.to_owned()
    } else {
        escape::in_json(&Value::from(key).to_string()).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_laid_out_and_texts_stay_texts() {
        let value = json!({
            "$schema": "https://x", "no": "no", "a b": [1, -2.5, true, null, "1.0", [], {}, ["x", ["y"]]],
            "items": [{"type": ["string", "null"], "pattern": "^[^\\u0000]*$"}, {}], "empty": {},
        });
        insta::assert_snapshot!(write(&value), @r#"
        $schema: "https://x"
        "a b":
          - 1
          - -2.5
          - true
          - null
          - "1.0"
          - []
          - {}
          - - "x"
            - - "y"
        empty: {}
        items:
          - pattern: "^[^\\u0000]*$"
            type:
              - "string"
              - "null"
          - {}
        "no": "no"
        "#);
    }
}
