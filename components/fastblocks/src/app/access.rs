//! Who may see a page.

use std::{collections::BTreeSet, fmt};

/// The word for everybody.
pub const PUBLIC: &str = "public";

/// Who may see a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    Public,
    /// Whoever has one of these roles.
    Roles(BTreeSet<String>),
}

impl Access {
    /// Reads `public`, or roles with commas between them.
    ///
    /// # Errors
    ///
    /// The role that is not among those declared.
    pub(crate) fn read(text: &str, roles: &[String]) -> Result<Self, String> {
        let words = text
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty());
        let words: BTreeSet<_> = words.map(str::to_owned).collect();
        if words.len() == 1 && words.contains(PUBLIC) {
            return Ok(Self::Public);
        }
        match words.iter().find(|word| !roles.contains(word)) {
            Some(stranger) => Err(stranger.clone()),
            None if words.is_empty() => Err(String::new()),
            None => Ok(Self::Roles(words)),
        }
    }

    /// Tells whether somebody with this role may see it; `None` is somebody without one.
    pub fn admits(&self, role: Option<&str>) -> bool {
        match self {
            Self::Public => true,
            Self::Roles(roles) => role.is_some_and(|role| roles.contains(role)),
        }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Public => f.write_str(PUBLIC),
            Self::Roles(roles) => {
                let roles: Vec<_> = roles.iter().map(String::as_str).collect();
                f.write_str(&roles.join(","))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_admits_its_roles_and_nobody_else() {
        let roles = ["admin".to_owned(), "auditor".to_owned()];
        let page = Access::read("auditor", &roles).unwrap();
        assert!(page.admits(Some("auditor")));
        assert!(!page.admits(Some("admin")) && !page.admits(None));
        assert!(Access::read("public", &roles).unwrap().admits(None));
        // Public is no role that one may have beside others.
        assert_eq!(
            Access::read("public,admin", &roles),
            Err("public".to_owned())
        );
        assert_eq!(Access::read("admni", &roles), Err("admni".to_owned()));
        assert_eq!(Access::read(" , ", &roles), Err(String::new()));
    }
}
