//! Texts that many sessions share.

use std::{collections::HashSet, sync::Arc};

/// A text that many sessions share: components, people and hosts are few, and sessions are many.
pub type Name = Arc<str>;

/// The texts that were seen, each kept once.
#[derive(Debug, Default)]
pub struct Names(HashSet<Name>);

impl Names {
    /// Gives the one copy of a text.
    pub fn get(&mut self, text: &str) -> Name {
        if let Some(known) = self.0.get(text) {
            return Name::clone(known);
        }
        let new: Name = text.into();
        self.0.insert(Name::clone(&new));
        new
    }

    /// Gives the one copy of a text, if there is a text.
    pub fn get_some(&mut self, text: Option<&str>) -> Option<Name> {
        text.map(|text| self.get(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_kept_once() {
        let mut names = Names::default();
        let (one, two) = (names.get("les"), names.get("les"));
        assert!(Name::ptr_eq(&one, &two));
        assert_eq!(names.get_some(None), None);
    }
}
