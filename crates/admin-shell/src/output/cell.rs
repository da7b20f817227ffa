//! A value in a table.

use serde_json::Value;
use session_model::{Timestamp, escape};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{Kind, View, literal, view::length};

/// A value, and how it is shown where its kind does not say that well enough.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    pub(super) value: Value,
    shown: Option<String>,
}

impl Cell {
    /// Makes a value that people are shown as a text of its own.
    pub fn shown_as(value: impl Into<Value>, shown: impl Into<String>) -> Self {
        Self {
            value: value.into(),
            shown: Some(shown.into()),
        }
    }

    /// Writes it for people, on one line.
    pub(super) fn for_people(&self, kind: Kind, view: &View) -> String {
        match &self.shown {
            Some(shown) => one_line(shown),
            None => show(&self.value, kind, view),
        }
    }

    /// Tells whether there is nothing to show.
    pub(super) fn is_empty(&self) -> bool {
        match &self.shown {
            Some(shown) => shown.is_empty(),
            None => self.value.is_null(),
        }
    }
}

impl<T: Into<Value>> From<T> for Cell {
    fn from(value: T) -> Self {
        Self {
            value: value.into(),
            shown: None,
        }
    }
}

/// Writes a value for people, on one line; nothing for null.
fn show(value: &Value, kind: Kind, view: &View) -> String {
    match (value, kind) {
        (Value::Null, _) => String::new(),
        (Value::String(text), Kind::Time) => match text.parse::<Timestamp>() {
            Ok(at) => view.time(at),
            Err(_) => one_line(text),
        },
        (Value::Number(number), Kind::Seconds) => {
            #[expect(
                clippy::cast_possible_truncation,
                reason = "saturates, and whole seconds are what is shown"
            )]
            let seconds = number.as_f64().map(|seconds| seconds as i64);
            seconds.map_or_else(|| number.to_string(), length)
        }
        (Value::String(text), _) => one_line(text),
        (value, _) => literal::repr(value),
    }
}

fn one_line(text: &str) -> String {
    escape::for_line(text).into_owned()
}

/// Gives how many columns of a terminal a text takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// Cuts a text to a number of columns, with a mark of one column, such as `…`, where something is missing.
pub fn cut(text: &str, columns: usize, mark: char) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut taken = String::new();
    let mut used = 1;
    for c in text.chars() {
        used += c.width().unwrap_or(0);
        if used > columns {
            break;
        }
        taken.push(c);
    }
    taken.push(mark);
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_at_what_is_seen_of_it() {
        assert_eq!(cut("billing", 7, '…'), "billing");
        assert_eq!(cut("billing", 4, '…'), "bil…");
        assert_eq!(cut("日本語", 5, '…'), "日本…");
        assert_eq!(cut("日本語", 4, '…'), "日…");
    }
}
