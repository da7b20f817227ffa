use std::fmt;

use crate::Origin;

/// What is shown in the place of a secret's value.
const HIDDEN: &str = "<hidden>";

/// How much of a refused value an error quotes, in characters.
const QUOTE_MAX: usize = 64;

/// Carries the value that won, with its origin and what it beat.
#[derive(Clone, PartialEq, Eq)]
pub struct Setting<T> {
    /// The value of the strongest layer that sets the key.
    pub value: T,
    /// Where that value comes from.
    pub origin: Origin,
    /// What the weaker layers say, from strong to weak; not parsed, so perhaps not valid.
    pub beat: Vec<Contribution>,
    pub(crate) secret: bool,
}

/// Shows a secret's value as `<hidden>`.
impl<T: fmt::Debug> fmt::Debug for Setting<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value: &dyn fmt::Debug = if self.secret {
            &format_args!("{HIDDEN}")
        } else {
            &self.value
        };
        f.debug_struct("Setting")
            .field("value", value)
            .field("origin", &self.origin)
            .field("beat", &self.beat)
            .finish_non_exhaustive()
    }
}

/// Says what one layer sets a key to, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contribution {
    /// Where the value comes from.
    pub origin: Origin,
    /// The value as it was written, or `<hidden>` for a secret.
    pub text: String,
}

impl Contribution {
    pub(crate) fn new(origin: &Origin, text: &str, secret: bool) -> Self {
        let text = if secret { HIDDEN } else { text };
        Self {
            origin: origin.clone(),
            text: text.to_owned(),
        }
    }
}

impl fmt::Display for Contribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.text, self.origin)
    }
}

/// Refuses a value that does not parse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: expected {expected}, found {found} ({origin})")]
pub struct ValueError {
    /// The key that was looked up.
    pub key: String,
    /// What is accepted, with bounds.
    pub expected: String,
    /// The value in quotes, escaped and at most 64 characters of it, or `<hidden>` for a secret.
    pub found: String,
    /// Where the value comes from.
    pub origin: Origin,
}

/// Quotes `text` for an error, unless it is a secret.
pub(crate) fn quote(text: &str, secret: bool) -> String {
    if secret {
        return HIDDEN.to_owned();
    }
    match text.char_indices().nth(QUOTE_MAX) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_is_escaped_and_short() {
        assert_eq!(quote("80x", false), "\"80x\"");
        assert_eq!(
            quote("\u{1b}[31m\n\u{202e}", false),
            r#""\u{1b}[31m\n\u{202e}""#
        );
        assert_eq!(
            quote(&"é".repeat(64), false),
            format!("\"{}\"", "é".repeat(64))
        );
        assert_eq!(
            quote(&"é".repeat(65), false),
            format!("\"{}\"…", "é".repeat(64))
        );
        assert_eq!(quote("s3cret", true), "<hidden>");
    }
}
