use std::fmt;

use crate::Origin;

/// Reports a key in a file that nobody declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownKey {
    /// The key, dotted where the file nests.
    pub key: String,
    /// The file and line that set it.
    pub origin: Origin,
    /// The declared key that was probably meant.
    pub suggestion: Option<String>,
}

impl fmt::Display for UnknownKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: unknown key {}", self.origin, self.key)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, ", did you mean {suggestion}?"),
            None => Ok(()),
        }
    }
}

/// Tells whether `key` is declared: as itself, or below a prefix that ends in a dot.
pub(crate) fn is_known(key: &str, known: &[&str]) -> bool {
    known.iter().any(|known| {
        if known.ends_with('.') {
            key.len() > known.len() && key.starts_with(known)
        } else {
            key == *known
        }
    })
}

/// Finds the declared key nearest to `key`, if at most a third of it was mistyped.
///
/// Case, and `-` for `_`, do not count as mistakes. The bound is that of rustc's suggestions.
pub(crate) fn suggest(key: &str, known: &[&str]) -> Option<String> {
    let typed = fold(key);
    known
        .iter()
        .filter_map(|known| candidate(key, known))
        .map(|candidate| (strsim::osa_distance(&typed, &fold(&candidate)), candidate))
        .filter(|(distance, _)| *distance <= key.chars().count().max(3) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Spells out what `known` would make of `key`: a prefix takes over what follows as many dots.
fn candidate(key: &str, known: &str) -> Option<String> {
    let Some(dots) = known.ends_with('.').then(|| known.matches('.').count()) else {
        return Some(known.to_owned());
    };
    let rest = key.splitn(dots + 1, '.').nth(dots)?;
    Some(format!("{known}{rest}"))
}

fn fold(key: &str) -> String {
    key.to_ascii_lowercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: &[&str] = &["port", "host", "log_level", "components."];

    #[test]
    fn a_prefix_is_open_ended_but_not_itself_a_key() {
        assert!(is_known("port", KNOWN));
        assert!(is_known("components.billing.fail_closed", KNOWN));
        assert!(!is_known("components", KNOWN));
        assert!(!is_known("componentsx", KNOWN));
        assert!(!is_known("ports", KNOWN));
        assert!(!is_known("port.number", KNOWN));
    }

    #[test]
    fn a_slip_is_suggested_and_a_stranger_is_not() {
        assert_eq!(suggest("prot", KNOWN).as_deref(), Some("port"));
        assert_eq!(suggest("Port", KNOWN).as_deref(), Some("port"));
        assert_eq!(suggest("log-level", KNOWN).as_deref(), Some("log_level"));
        assert_eq!(suggest("colour", KNOWN), None);
        assert_eq!(suggest("port", &[]), None);
    }

    #[test]
    fn a_slip_in_a_prefix_keeps_what_follows() {
        let suggestion = suggest("component.billing.fail_closed", KNOWN);
        assert_eq!(
            suggestion.as_deref(),
            Some("components.billing.fail_closed")
        );
        assert_eq!(suggest("component", KNOWN), None);
    }
}
