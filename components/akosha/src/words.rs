//! Words that people type, and the ones that they probably meant.

/// Gives the known word that a typed one was probably meant for: at most a third of its letters are different.
pub(crate) fn meant<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed = typed.to_lowercase();
    let off_max = typed.chars().count().max(3) / 3;
    let scored = known
        .into_iter()
        .map(|known| (strsim::osa_distance(&typed, known), known));
    scored
        .filter(|(distance, _)| *distance <= off_max)
        .min()
        .map(|(_, known)| known)
}

/// Says that a word is none of those that are known, and which one was probably meant.
pub(crate) fn unknown<'a>(
    what: &str,
    typed: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
) -> String {
    match meant(typed, known.clone()) {
        Some(meant) => format!("there is no {what} {typed:?}, did you mean {meant}?"),
        None => {
            let known: Vec<_> = known.into_iter().collect();
            format!(
                "there is no {what} {typed:?}; there are {}",
                known.join(", ")
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_meant() {
        let known = ["component", "user", "host"];
        assert_eq!(meant("componnet", known), Some("component"));
        assert_eq!(meant("Users", known), Some("user"));
        assert_eq!(meant("x", known), None);
        assert_eq!(
            unknown("field", "x", known),
            "there is no field \"x\"; there are component, user, host"
        );
    }
}
