//! Words in a text.

/// Visits the words of a text: letters and digits, in lower case. Of a name such as `TimeoutError` the parts are visited too.
pub(super) fn tokens(text: &str, mut visit: impl FnMut(&str)) {
    let mut word = String::new();
    for part in text.split(|c: char| !c.is_alphanumeric()) {
        if part.is_empty() {
            continue;
        }
        if part
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        {
            visit(part);
            continue;
        }
        lower(part, &mut word);
        visit(&word);
        for inner in parts(part) {
            lower(inner, &mut word);
            visit(&word);
        }
    }
}

fn lower(text: &str, word: &mut String) {
    word.clear();
    if text.is_ascii() {
        word.push_str(text);
        word.make_ascii_lowercase();
    } else {
        word.push_str(&text.to_lowercase());
    }
}

/// Cuts a name where a small letter is followed by a large one; gives nothing where there is none.
fn parts(name: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut begin, mut before_is_small) = (0, false);
    for (at, c) in name.char_indices() {
        if before_is_small && c.is_uppercase() {
            parts.push(&name[begin..at]);
            begin = at;
        }
        before_is_small = c.is_lowercase();
    }
    if begin > 0 {
        parts.push(&name[begin..]);
    }
    parts
}

/// How much of a text is shown, in characters.
const SNIPPET_MAX: usize = 72;
/// How much of it before what was found.
const BEFORE_MAX: usize = 24;
/// What stands around what was found.
const MARKS: (&str, &str) = ("«", "»");

/// Gives the part of a text around the first thing that was found, with marks around all of them. `found` are in lower case.
pub(super) fn snippet(text: &str, found: &[&str]) -> String {
    let chars: Vec<char> = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    // A letter of which the small one has another length is compared as it is.
    let lower: Vec<char> = chars.iter().map(|c| small(*c)).collect();
    let places = places(&lower, found);
    let first = places.first().map_or(0, |(begin, _)| *begin);
    let begin = if chars.len() <= SNIPPET_MAX {
        0
    } else {
        first.saturating_sub(BEFORE_MAX)
    };
    let end = chars.len().min(begin + SNIPPET_MAX);
    let mut shown = String::new();
    if begin > 0 {
        shown.push('…');
    }
    let mut at = begin;
    for (from, to) in places {
        if from < at || from >= end {
            continue;
        }
        let to = to.min(end);
        shown.extend(&chars[at..from]);
        shown.push_str(MARKS.0);
        shown.extend(&chars[from..to]);
        shown.push_str(MARKS.1);
        at = to;
    }
    shown.extend(&chars[at..end]);
    if end < chars.len() {
        shown.push('…');
    }
    shown
}

fn small(c: char) -> char {
    let mut lower = c.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(small), None) => small,
        _ => c,
    }
}

/// Finds where one of the texts stands, the first first; what overlaps an earlier one is left out.
fn places(text: &[char], found: &[&str]) -> Vec<(usize, usize)> {
    let found: Vec<Vec<char>> = found.iter().map(|found| found.chars().collect()).collect();
    let mut places = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let here = found
            .iter()
            .filter(|found| !found.is_empty() && rest.starts_with(found));
        match here.map(Vec::len).max() {
            Some(length) => {
                places.push((at, at + length));
                at += length;
            }
            None => at += 1,
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let mut words = Vec::new();
        tokens(text, |word| words.push(word.to_owned()));
        words
    }

    #[test]
    fn words_are_letters_and_digits_in_lower_case() {
        assert_eq!(
            words("mahavishnu-20260206, /srv/Über"),
            ["mahavishnu", "20260206", "srv", "über"]
        );
        assert_eq!(
            words("TimeoutError: HTTP"),
            ["timeouterror", "timeout", "error", "http"]
        );
    }

    #[test]
    fn a_snippet_marks_what_was_found() {
        assert_eq!(
            snippet("Connection Refused by DB", &["refused", "db"]),
            "Connection «Refused» by «DB»"
        );
        assert_eq!(snippet("nothing", &["x"]), "nothing");
        let long = format!("{}needle{}", "a".repeat(100), "b".repeat(100));
        let shown = snippet(&long, &["needle"]);
        assert_eq!(
            shown,
            format!("…{}«needle»{}…", "a".repeat(24), "b".repeat(42))
        );
    }
}
