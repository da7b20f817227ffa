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

/// Reads `all`, or one or several of some words with commas between them, in any case of letters.
pub(crate) fn several<T: Copy>(
    what: &str,
    text: &str,
    all: &[T],
    named: &[(&'static str, T)],
) -> Result<Vec<T>, String> {
    if text.trim().eq_ignore_ascii_case("all") {
        return Ok(all.to_vec());
    }
    let known = named.iter().map(|(name, _)| *name).chain(["all"]);
    let one = |word: &str| {
        let word = word.trim().to_lowercase();
        let found = named.iter().find(|(name, _)| *name == word);
        found
            .map(|(_, thing)| *thing)
            .ok_or_else(|| unknown(what, &word, known.clone()))
    };
    text.split(',').map(one).collect()
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

    #[test]
    fn several_words_are_read_or_all_are_meant() {
        let read = |text: &str| several("number", text, &[1, 2], &[("one", 1), ("two", 2)]);
        assert_eq!(read("Two, one"), Ok(vec![2, 1]));
        assert_eq!(read("ALL"), Ok(vec![1, 2]));
        let refused = "there is no number \"tow\", did you mean two?";
        assert_eq!(read("one,tow"), Err(refused.to_owned()));
    }
}
