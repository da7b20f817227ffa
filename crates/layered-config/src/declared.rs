use std::fmt;

use crate::{Contribution, Origin};

/// Declares a setting: what it may be, what it is when nobody says, and who may say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declaration {
    /// Its key, dotted where files nest.
    pub key: String,
    /// What it may be.
    pub kind: Kind,
    /// What it is when no layer sets it.
    pub default: Option<String>,
    /// The variable of the environment that sets it.
    pub variable: Option<String>,
    /// Whether its value is hidden from people.
    pub secret: bool,
    /// What it is for, in a line.
    pub about: String,
}

impl Declaration {
    /// Declares a setting that is no secret and that a variable sets.
    pub fn new(key: &str, kind: Kind, default: Option<&str>, variable: &str, about: &str) -> Self {
        Self {
            key: key.to_owned(),
            kind,
            default: default.map(str::to_owned),
            variable: Some(variable.to_owned()),
            secret: false,
            about: about.to_owned(),
        }
    }
}

/// What a setting may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// A path that is not empty.
    Path,
    /// `true false 1 0 yes no on off`, in any case.
    Boolean,
    /// An integer from `min` to `max`.
    Integer {
        /// The least that is accepted.
        min: i64,
        /// The most that is accepted.
        max: i64,
    },
    /// A number with a point or without.
    Number,
    /// A whole number of `s`, `m`, `h` or `d`.
    Duration,
    /// One of some words, in any case.
    OneOf(Vec<String>),
}

/// Something wrong with what a layer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Who says it.
    pub origin: Origin,
    /// The key.
    pub key: String,
    /// What is wrong.
    pub problem: String,
    /// The key that was probably meant.
    pub suggestion: Option<String>,
}

impl Kind {
    /// Checks a text.
    ///
    /// # Errors
    ///
    /// What is accepted, with bounds; completes "expected …".
    pub fn check(&self, text: &str) -> Result<(), String> {
        let accepted = match self {
            Self::Text => true,
            Self::Path => !text.is_empty(),
            Self::Boolean => <bool as crate::FromText>::from_text(text).is_some(),
            Self::Integer { min, max } => text
                .parse::<i64>()
                .is_ok_and(|number| (*min..=*max).contains(&number)),
            Self::Number => text.parse::<f64>().is_ok_and(f64::is_finite),
            Self::Duration => is_duration(text),
            Self::OneOf(words) => words.iter().any(|word| word.eq_ignore_ascii_case(text)),
        };
        if accepted {
            Ok(())
        } else {
            Err(self.to_string())
        }
    }
}

/// Tells whether a text is a number and its unit, such as `90m`.
fn is_duration(text: &str) -> bool {
    let number = text.strip_suffix(['s', 'm', 'h', 'd']);
    number.is_some_and(|number| number.parse::<u32>().is_ok_and(|number| number > 0))
}

impl fmt::Display for Kind {
    /// Completes "expected …".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("text"),
            Self::Path => f.write_str("a path that is not empty"),
            Self::Boolean => f.write_str("true, false, 1, 0, yes, no, on or off"),
            Self::Integer { min, max } => write!(f, "an integer from {min} to {max}"),
            Self::Number => f.write_str("a number"),
            Self::Duration => f.write_str("a number of s, m, h or d, such as 24h"),
            Self::OneOf(words) => write!(f, "one of {}", words.join(", ")),
        }
    }
}

impl Problem {
    /// Says that a value is not what its key accepts.
    pub(crate) fn of_value(key: &str, said: &Contribution, found: &str, expected: &str) -> Self {
        Self {
            origin: said.origin.clone(),
            key: key.to_owned(),
            problem: format!("expected {expected}, found {found}"),
            suggestion: None,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.origin, self.key, self.problem)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, ", did you mean {suggestion}?"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_knows_its_bounds() {
        let level = Kind::OneOf(vec!["DEBUG".to_owned(), "INFO".to_owned()]);
        let port = Kind::Integer { min: 1, max: 65535 };
        for (kind, text, accepted) in [
            (&Kind::Text, "", true),
            (&Kind::Path, "", false),
            (&Kind::Boolean, "On", true),
            (&Kind::Boolean, "2", false),
            (&port, "1", true),
            (&port, "65535", true),
            (&port, "0", false),
            (&port, "65536", false),
            (&port, "1.0", false),
            (&Kind::Number, "-1.5", true),
            (&Kind::Number, "NaN", false),
            (&Kind::Duration, "90m", true),
            (&Kind::Duration, "0s", false),
            (&Kind::Duration, "é", false),
            (&level, "debug", true),
            (&level, "loud", false),
        ] {
            assert_eq!(kind.check(text).is_ok(), accepted, "{kind:?} {text}");
        }
        assert_eq!(port.check("x").unwrap_err(), "an integer from 1 to 65535");
        assert_eq!(level.check("x").unwrap_err(), "one of DEBUG, INFO");
    }
}
