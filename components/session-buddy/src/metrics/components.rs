//! Which components and kinds of shell have a label of their own.
//!
//! Names come from whoever may report, and each costs a scrape some sixty lines, for as long as the server runs and in
//! Prometheus for as long as that keeps them. So the first ones get a label, in the order in which they came, which is the
//! same after a restart; all others are [`OTHER`] together. Only a session that was begun makes a label: what is refused
//! cannot use them up.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    sync::{PoisonError, RwLock},
};

use session_model::escape::for_line;

/// The most components with a label of their own: 256. A scrape is measured with 200.
pub const COMPONENTS_MAX: usize = 256;
/// The most kinds of shell of a component with a label of their own: 8. A component has one or two.
pub const SHELL_TYPES_MAX: usize = 8;
/// The label of all others.
pub const OTHER: &str = "other";

/// The labels that were given.
#[derive(Debug, Default)]
pub(super) struct Components(RwLock<HashMap<String, HashSet<String>>>);

impl Components {
    /// Gives the label of a component that has sessions, and tells whether it is new.
    pub(super) fn admit<'a>(&self, name: &'a str) -> (&'a str, bool) {
        let label = self.label(name);
        if label == name && label != OTHER {
            return (label, false);
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let label = if known.len() < COMPONENTS_MAX {
            name
        } else {
            OTHER
        };
        // It is made room for beyond the others, once.
        let is_new = !known.contains_key(label);
        if is_new {
            known.insert(label.to_owned(), HashSet::new());
        }
        (label, is_new)
    }

    /// Gives the label of a component that somebody names.
    pub(super) fn label<'a>(&self, name: &'a str) -> &'a str {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if known.contains_key(name) {
            name
        } else {
            OTHER
        }
    }

    /// Gives the label of a kind of shell. It is free text, so what acts in it is escaped.
    pub(super) fn shell_type<'a>(&self, component: &str, shell_type: &'a str) -> Cow<'a, str> {
        let label = for_line(shell_type);
        let is_known = |known: &HashMap<String, HashSet<String>>| {
            known
                .get(component)
                .is_some_and(|shells| shells.contains(&*label))
        };
        if is_known(&self.0.read().unwrap_or_else(PoisonError::into_inner)) {
            return label;
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match known.get_mut(component) {
            Some(shells) if shells.len() < SHELL_TYPES_MAX => {
                shells.insert(label.clone().into_owned());
                label
            }
            Some(_) | None => OTHER.into(),
        }
    }

    /// Gives all labels.
    pub(super) fn all(&self) -> Vec<String> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.keys().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_components_ends_in_other() {
        let components = Components::default();
        for number in 0..COMPONENTS_MAX {
            let name = format!("c{number}");
            assert_eq!(components.admit(&name), (name.as_str(), true));
            assert_eq!(components.admit(&name), (name.as_str(), false));
        }
        assert_eq!(components.admit("one-more"), (OTHER, true));
        assert_eq!(components.admit("and-more"), (OTHER, false));
        assert_eq!(components.label("one-more"), OTHER);
        assert_eq!(components.label("c7"), "c7");
        assert_eq!(components.all().len(), COMPONENTS_MAX + 1);
    }

    #[test]
    fn what_has_no_session_gets_no_label() {
        let components = Components::default();
        assert_eq!(components.label("a"), OTHER);
        assert_eq!(components.admit("a"), ("a", true));
    }

    #[test]
    fn a_flood_of_kinds_of_shell_ends_in_other_for_its_component_alone() {
        let components = Components::default();
        components.admit("a");
        components.admit("b");
        for number in 0..SHELL_TYPES_MAX {
            let shell_type = format!("S{number}");
            assert_eq!(components.shell_type("a", &shell_type), shell_type);
        }
        assert_eq!(components.shell_type("a", "More"), OTHER);
        assert_eq!(components.shell_type("a", "S3"), "S3");
        assert_eq!(components.shell_type("b", "More"), "More");
        assert_eq!(
            components.shell_type("b", "a\u{1b}[31mb\n"),
            r"a\u{1b}[31mb\n"
        );
    }
}
