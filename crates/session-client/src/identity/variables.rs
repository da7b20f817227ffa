//! Reading environment variables, which anybody may have set to anything.

use std::{ffi::OsString, path::PathBuf};

use crate::leaving::{Door, redaction::Rules};

/// Looks up environment variables, and lets out what is made of them.
pub(super) struct Variables<'a> {
    look_up: &'a dyn Fn(&str) -> Option<OsString>,
    /// The door through which it leaves.
    pub(super) door: Door,
}

impl<'a> Variables<'a> {
    pub(super) fn new(look_up: &'a dyn Fn(&str) -> Option<OsString>) -> Self {
        // What is wrong with the rules is said by whoever reads the settings.
        let (rules, _) = Rules::from_environment(look_up);
        let door = Door::new(rules);
        Self { look_up, door }
    }

    /// Gives a variable that is set and not empty, which is the same to most programs.
    pub(super) fn raw(&self, name: &str) -> Option<OsString> {
        (self.look_up)(name).filter(|value| !value.is_empty())
    }

    /// Gives a variable as text, unless it is blank.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let value = self.raw(name)?.to_string_lossy().into_owned();
        (!value.trim().is_empty()).then_some(value)
    }

    /// Gives a variable that holds an absolute path.
    pub(super) fn absolute_path(&self, name: &str) -> Option<PathBuf> {
        let path = PathBuf::from(self.raw(name)?);
        path.is_absolute().then_some(path)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::path::Path;

    use super::*;

    /// Makes an environment of exactly these variables.
    pub(in crate::identity) fn of<'a>(
        pairs: &'a [(&'a str, &'a str)],
    ) -> impl Fn(&str) -> Option<OsString> + 'a {
        move |wanted| {
            let (_, value) = pairs.iter().find(|(name, _)| *name == wanted)?;
            Some(OsString::from(value))
        }
    }

    #[test]
    fn what_is_blank_or_relative_is_as_good_as_not_set() {
        let look_up = of(&[
            ("EMPTY", ""),
            ("BLANK", " \t"),
            ("A", " a "),
            ("PATH", "/a"),
        ]);
        let variables = Variables::new(&look_up);
        assert_eq!(variables.raw("EMPTY"), None);
        assert_eq!(variables.text("BLANK"), None);
        assert_eq!(variables.text("A").as_deref(), Some(" a "));
        assert_eq!(variables.absolute_path("A"), None);
        assert_eq!(
            variables.absolute_path("PATH").as_deref(),
            Some(Path::new("/a"))
        );
    }
}
