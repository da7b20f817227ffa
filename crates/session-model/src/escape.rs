//! Showing text that came from a session.
//!
//! Such text is data of somebody else: on a terminal or in a model's context it must not act. Control characters
//! (C0, DEL, C1) and characters that reorder or hide others are replaced by their escapes; all else stays.

use std::{borrow::Cow, fmt::Write};

/// Tells whether a character acts instead of being seen: controls, line and paragraph separators, bidirectional marks,
/// embeddings and isolates, invisible joiners and fillers, tags, and the byte order mark.
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00AD}' | '\u{061C}' | '\u{180E}'
            | '\u{200B}'..='\u{200F}'
            | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{2069}'
            | '\u{FEFF}'
            | '\u{FFF9}'..='\u{FFFB}'
            | '\u{E0000}'..='\u{E007F}')
}

/// Tells whether a text is printable ASCII, as nearly all are; much faster than a look at each character.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// Escapes a text for one line of a terminal or a log: `\n`, `\t`, `\r` by their letters, others as `\u{1b}`.
///
/// ```
/// assert_eq!(session_model::escape::for_line("a\u{1b}[31m\nb"), "a\\u{1b}[31m\\nb");
/// ```
pub fn for_line(text: &str) -> Cow<'_, str> {
    if is_plain(text) || !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_unsafe(c) {
            escaped.extend(c.escape_default());
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

/// Escapes JSON text so that no character in it acts; the value that it spells stays the same. JSON allows such
/// characters only inside strings, where `\uXXXX` stands for them.
///
/// ```
/// let json = session_model::escape::in_json("\"a\u{202e}b\u{e0041}\"");
/// assert_eq!(json, r#""a\u202eb\udb40\udc41""#);
/// ```
pub fn in_json(json: &str) -> Cow<'_, str> {
    if is_plain(json) || !json.contains(is_unsafe) {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if is_unsafe(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(escaped, "\\u{unit:04x}").expect("writing to a String cannot fail");
            }
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_is_escaped_and_what_is_seen_stays() {
        for acting in [
            "\u{0}",
            "\u{1b}]0;x\u{7}",
            "\u{9b}31m",
            "\u{7f}",
            "\u{202e}",
            "\u{2066}",
            "\u{200b}",
            "\r\n",
        ] {
            assert!(!for_line(acting).contains(is_unsafe), "{acting:?}");
        }
        for seen in ["é 漢字 🦀 \"quoted\" \\ back", "", "مرحبا"] {
            assert_eq!(for_line(seen), seen);
        }
    }

    #[test]
    fn escaped_json_spells_the_same_value() {
        let value = serde_json::json!({"a\u{7f}": "x\u{202e}\u{1b}[0m\u{e0041}é"});
        let text = value.to_string();
        let escaped = in_json(&text);
        assert!(!escaped.contains(is_unsafe));
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&escaped).unwrap(),
            value
        );
    }
}
