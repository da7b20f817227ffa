//! What is looked for, as it was typed.

use super::{document, text};
use crate::words;

/// The most words of a query: what matches is kept as a bit for each.
const TERMS_MAX: usize = 32;

/// The words of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// What is looked for; at least one.
    pub(super) wanted: Vec<Term>,
    /// What must not be there.
    pub(super) unwanted: Vec<Term>,
}

/// A word, or words that stand just so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Term {
    /// In lower case.
    pub(super) text: String,
    pub(super) kind: TermKind,
    /// The place of the field in which alone it is looked for.
    pub(super) field: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TermKind {
    /// A word, or the beginning of one.
    Word,
    /// A part of the text.
    Phrase,
}

/// Why a text is no query.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TermsError(String);

impl std::str::FromStr for Terms {
    type Err = TermsError;

    fn from_str(text: &str) -> Result<Self, TermsError> {
        let mut terms = Self {
            wanted: Vec::new(),
            unwanted: Vec::new(),
        };
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let without = rest.strip_prefix('-').filter(|rest| !rest.is_empty());
            let (term, behind) = term(without.unwrap_or(rest))?;
            let list = match without {
                Some(_) => &mut terms.unwanted,
                None => &mut terms.wanted,
            };
            list.extend(term);
            rest = behind.trim_start();
        }
        if terms.wanted.is_empty() {
            let problem = "a word to look for is missing, such as timeout, \"connection refused\" or user:les";
            return Err(TermsError(problem.to_owned()));
        }
        let count = terms.wanted.len();
        if count > TERMS_MAX {
            return Err(TermsError(format!(
                "at most {TERMS_MAX} words can be looked for, found {count}"
            )));
        }
        Ok(terms)
    }
}

/// Takes a term from the beginning of a text that has one; `None` where it has neither letters nor digits.
fn term(text: &str) -> Result<(Option<Term>, &str), TermsError> {
    let (field, text) = match text.split_once(':') {
        // A field's name has no blanks and no quotes; what has them is a word with a colon in it.
        Some((name, rest)) if is_name(name) && !rest.starts_with(char::is_whitespace) => {
            match document::place(name) {
                Some(place) => (Some(place), rest),
                None if !rest.is_empty() && words::meant(name, document::names()).is_some() => {
                    let problem = words::unknown("field", name, document::names());
                    return Err(TermsError(problem));
                }
                None => (None, text),
            }
        }
        _ => (None, text),
    };
    if let Some(quoted) = text.strip_prefix('"') {
        let Some((phrase, behind)) = quoted.split_once('"') else {
            return Err(TermsError(format!(
                "the quote before {quoted:?} has no other one"
            )));
        };
        let phrase = phrase.trim().to_lowercase();
        let term = (!phrase.is_empty()).then_some(Term {
            text: phrase,
            kind: TermKind::Phrase,
            field,
        });
        return Ok((term, behind));
    }
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let (word, behind) = text.split_at(end);
    let word = word.trim_end_matches('*').to_lowercase();
    let mut tokens = 0;
    text::tokens(&word, |_| tokens += 1);
    let term = (tokens > 0).then_some(Term {
        // What is no single word, such as a host with a hyphen, stands just so.
        kind: if word.chars().all(char::is_alphanumeric) {
            TermKind::Word
        } else {
            TermKind::Phrase
        },
        text: word,
        field,
    });
    Ok((term, behind))
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphabetic() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let terms: Terms = text.parse().unwrap();
        let term = |sign: &str, term: &Term| {
            let field = term
                .field
                .map(|place| format!("{}:", document::FIELDS[place].name));
            let kind = match term.kind {
                TermKind::Word => "",
                TermKind::Phrase => "=",
            };
            format!("{sign}{}{kind}{}", field.unwrap_or_default(), term.text)
        };
        let wanted = terms.wanted.iter().map(|wanted| term("", wanted));
        let unwanted = terms.unwanted.iter().map(|unwanted| term("-", unwanted));
        wanted.chain(unwanted).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_query_has_words_phrases_fields_and_what_is_unwanted() {
        for (text, expected) in [
            ("Timeout", "timeout"),
            ("time* ops-1 -ci", "time =ops-1 -ci"),
            (
                "\"connection Refused\" user:Les",
                "=connection refused user:les",
            ),
            ("host:\"ops 1\" -status:lost", "host:=ops 1 -status:lost"),
            ("http://x", "=http://x"),
            ("a & b", "a b"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_query_is_refused() {
        let refused = |text: &str| text.parse::<Terms>().unwrap_err().to_string();
        assert!(refused("").starts_with("a word to look for is missing"));
        assert!(refused("-ci").starts_with("a word to look for is missing"));
        assert_eq!(refused("\"a"), "the quote before \"a\" has no other one");
        assert_eq!(
            refused("usr:les"),
            "there is no field \"usr\", did you mean user?"
        );
        let many = "x ".repeat(33);
        assert_eq!(
            refused(&many),
            "at most 32 words can be looked for, found 33"
        );
    }
}
