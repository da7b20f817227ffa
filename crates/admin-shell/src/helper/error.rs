//! Why a helper failed.

use std::{error::Error, fmt};

/// Why a helper failed, for people. Any error becomes one, its causes too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HelperError {
    message: String,
    hint: Option<String>,
    /// With which a command ends that failed so.
    exit_code: u8,
}

impl HelperError {
    /// Makes an error. The message is a fragment in lower case.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
            exit_code: 1,
        }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says with which exit code a command ends that failed so, instead of 1: 2 for wrong usage, 3 where no server answers. A
    /// script ends with 1 whatever failed.
    #[must_use]
    pub const fn exit_code(mut self, code: u8) -> Self {
        self.exit_code = code;
        self
    }

    pub(crate) const fn code(&self) -> u8 {
        self.exit_code
    }

    /// Gives what to do about it.
    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for HelperError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl<E: Error> From<E> for HelperError {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut next = error.source();
        while let Some(cause) = next {
            message = format!("{message}: {cause}");
            next = cause.source();
        }
        Self::new(message)
    }
}
