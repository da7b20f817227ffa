//! Bounded texts, numbers and metadata.

mod metadata;
mod number;

use std::{fmt, ops::Deref};

use schemars::json_schema;
use serde::Serialize;
use serde_json::Value;

pub use metadata::Metadata;
pub use number::{Integer, Number, Pid};

use crate::field::{Field, FieldErrors, Place, expected, inline_schema, quoted};

/// The pattern that keeps U+0000 out, which no C program and no SQL text can hold.
pub(crate) const NO_NUL: &str = "^[^\\u0000]*$";

/// Finds what is wrong with a text of at most `max` code points; shared by all texts.
pub(crate) fn text_problem(text: &str, max: usize) -> Option<String> {
    // A text of at most `max` bytes has at most `max` code points.
    let length = if text.len() <= max {
        text.len()
    } else {
        text.chars().count()
    };
    if length > max {
        Some(format!("at most {max} characters, found {length}"))
    } else if text.contains('\0') {
        Some("U+0000 is not allowed".to_owned())
    } else {
        None
    }
}

/// Reads a string, or notes that there is none.
pub(crate) fn string<'a>(
    value: &'a Value,
    at: Place<'_>,
    errors: &mut FieldErrors,
) -> Option<&'a str> {
    let Value::String(text) = value else {
        errors.add(at, expected("a string", value));
        return None;
    };
    Some(text)
}

/// A text of at most `MAX` code points without U+0000, kept as sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Text<const MAX: usize>(String);

/// A text of at most `MAX` code points without U+0000, its outer white space taken off after it was measured.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Trimmed<const MAX: usize>(String);

impl<const MAX: usize> Text<MAX> {
    /// Takes a text that is within bounds.
    ///
    /// # Errors
    ///
    /// What is wrong with it, naming bound and length.
    pub fn new(text: impl Into<String>) -> Result<Self, String> {
        let text = text.into();
        text_problem(&text, MAX).map_or(Ok(Self(text)), Err)
    }

    /// Takes as much of a text as the bound allows, cut at a character boundary, U+0000 left out.
    ///
    /// ```
    /// let cut = session_model::Text::<3>::cut("né\0glige");
    /// assert_eq!(&*cut, "nég");
    /// ```
    pub fn cut(text: &str) -> Self {
        Self(text.chars().filter(|&c| c != '\0').take(MAX).collect())
    }
}

impl<const MAX: usize> Trimmed<MAX> {
    /// Takes as much of a text as the bound allows, U+0000 left out, outer white space taken off before and after the
    /// cut at a character boundary.
    ///
    /// ```
    /// let cut = session_model::Trimmed::<4>::cut(" \0 né glige");
    /// assert_eq!(&*cut, "né g");
    /// assert_eq!(&*session_model::Trimmed::<3>::cut("né glige"), "né");
    /// ```
    pub fn cut(text: &str) -> Self {
        let text = text.replace('\0', "");
        let cut: String = text.trim().chars().take(MAX).collect();
        Self(cut.trim_end().to_owned())
    }
}

macro_rules! bounded_text {
    ($name:ident, $keep:expr) => {
        impl<const MAX: usize> Field for $name<MAX> {
            fn read(value: &Value, at: Place<'_>, errors: &mut FieldErrors) -> Option<Self> {
                let text = string(value, at, errors)?;
                match text_problem(text, MAX) {
                    Some(problem) => {
                        errors.add(at, problem);
                        None
                    }
                    None => Some(Self($keep(text).to_owned())),
                }
            }
        }

        impl<const MAX: usize> Deref for $name<MAX> {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl<const MAX: usize> fmt::Display for $name<MAX> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        inline_schema!([const MAX: usize] $name<MAX>, {
            json_schema!({"type": "string", "maxLength": MAX, "pattern": NO_NUL})
        });
    };
}

bounded_text!(Text, |text| text);
bounded_text!(Trimmed, str::trim);

/// The kind of a session: 1 to 50 of `[a-z0-9_-]`; `admin_shell` unless its sender says otherwise.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct SessionType(String);

impl SessionType {
    /// Gives the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for SessionType {
    fn default() -> Self {
        Self("admin_shell".to_owned())
    }
}

impl fmt::Display for SessionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Field for SessionType {
    fn absent() -> Option<Self> {
        Some(Self::default())
    }

    fn read(value: &Value, at: Place<'_>, errors: &mut FieldErrors) -> Option<Self> {
        if value.is_null() {
            return Self::absent();
        }
        let text = string(value, at, errors)?;
        let word = text
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'));
        if word && (1..=50).contains(&text.len()) {
            return Some(Self(text.to_owned()));
        }
        errors.add(
            at,
            format!(
                "expected 1 to 50 of a-z, 0-9, _ and -, found {}",
                quoted(text)
            ),
        );
        None
    }
}

inline_schema!(SessionType, {
    json_schema!({
        "type": ["string", "null"],
        "pattern": "^[a-z0-9_-]{1,50}$",
        "default": "admin_shell",
    })
});

impl Field for String {
    fn read(value: &Value, at: Place<'_>, errors: &mut FieldErrors) -> Option<Self> {
        string(value, at, errors).map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cut_text_is_one_that_is_read_back_the_same() {
        for (text, cut) in [
            ("", ""),
            (" \0 a \0", "a"),
            ("ab  cd", "ab"),
            ("🦀🦀🦀🦀🦀", "🦀🦀🦀🦀"),
        ] {
            let made = Trimmed::<4>::cut(text);
            assert_eq!(&*made, cut, "{text:?}");
            assert_eq!(Trimmed::from_json(&json!(cut)), Ok(made));
        }
    }

    #[test]
    fn length_counts_code_points_and_names_bound_and_length() {
        assert!(Text::<3>::from_json(&json!("🦀🦀🦀")).is_ok());
        let errors = Text::<3>::from_json(&json!("🦀🦀🦀🦀")).unwrap_err();
        assert_eq!(errors.to_string(), "at most 3 characters, found 4");
    }
}
