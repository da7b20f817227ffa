//! Searching sessions by the words of their texts: what a person types, and which sessions it finds.
//!
//! A word is a run of letters and digits, whatever their case; all else stands between words. All words that are typed have to
//! be there, the last one may be the beginning of a word. What is typed without a space between stands side by side in one
//! text, such as `host-001` or `/srv/billing`, and so does what is in quotes, whose last word is whole. There is nothing else
//! to know: no text that has a word is wrong.
//!
//! ```
//! use session_model::Search;
//!
//! let search: Search = "les \"no such order\" bill".parse().unwrap();
//! assert_eq!(search.words().collect::<Vec<_>>(), ["les", "no", "such", "order"]);
//! assert_eq!(search.beginning(), Some("bill"));
//! ```

use std::{borrow::Cow, collections::BTreeSet, fmt, str::FromStr};

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::{record::SessionRecord, text::Metadata};

/// What a person searches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    text: String,
    wanted: Vec<Wanted>,
}

/// Words that stand side by side in one text; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted {
    words: Vec<String>,
    /// Whether the last one may go on.
    open: bool,
}

/// Why a text is no [`Search`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSearch {
    /// It is too long.
    #[error("at most {max} characters, found {0}", max = Search::CHARACTERS_MAX)]
    TooLong(usize),
    /// It has no letter and no digit.
    #[error("expected a word to search for, of letters or digits")]
    NoWord,
}

impl Search {
    /// The most characters of it: what a person types, not what a program would send.
    pub const CHARACTERS_MAX: usize = 200;

    /// Gives the words of which a session that is found has each.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.wanted.iter().flat_map(|wanted| {
            let whole = wanted.words.len() - usize::from(wanted.open);
            wanted.words[..whole].iter().map(String::as_str)
        })
    }

    /// Gives the beginning of the word that may go on, if there is one.
    pub fn beginning(&self) -> Option<&str> {
        let open = self.wanted.iter().find(|wanted| wanted.open)?;
        open.words.last().map(String::as_str)
    }

    /// Tells whether it finds a session that has these texts.
    pub fn finds(&self, texts: &Searched<'_>) -> bool {
        let mut missing: Vec<&Wanted> = self.wanted.iter().collect();
        texts.each(&mut |text| {
            if !missing.is_empty() {
                let words: Vec<_> = words(text).collect();
                missing.retain(|wanted| !wanted.stands_in(&words));
            }
        });
        missing.is_empty()
    }
}

impl Wanted {
    fn stands_in(&self, words: &[Cow<'_, str>]) -> bool {
        let (last, before) = self.words.split_last().expect("a wanted text has a word");
        words.windows(self.words.len()).any(|here| {
            here.iter().zip(before).all(|(word, wanted)| word == wanted)
                && here.last().is_some_and(|word| {
                    if self.open {
                        word.starts_with(last.as_str())
                    } else {
                        word == last
                    }
                })
        })
    }
}

impl FromStr for Search {
    type Err = InvalidSearch;

    fn from_str(text: &str) -> Result<Self, InvalidSearch> {
        let characters = text.chars().count();
        if characters > Self::CHARACTERS_MAX {
            return Err(InvalidSearch::TooLong(characters));
        }
        let mut wanted = Vec::new();
        // Between the first and the second quote, the third and the fourth, and so on; the last one may be missing.
        for (number, part) in text.split('"').enumerate() {
            let quoted = number % 2 == 1;
            let typed: Vec<&str> = if quoted {
                vec![part]
            } else {
                part.split_whitespace().collect()
            };
            for text in typed {
                let words: Vec<_> = words(text).map(Cow::into_owned).collect();
                if !words.is_empty() {
                    wanted.push((Wanted { words, open: false }, quoted));
                }
            }
        }
        let Some((last, quoted)) = wanted.last_mut() else {
            return Err(InvalidSearch::NoWord);
        };
        last.open = !*quoted;
        Ok(Self {
            text: text.to_owned(),
            wanted: wanted.into_iter().map(|(wanted, _)| wanted).collect(),
        })
    }
}

impl fmt::Display for Search {
    /// Writes it as it was typed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Search {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// The texts of a session that are searched.
#[derive(Clone, Copy, Debug)]
pub struct Searched<'a> {
    /// Its component.
    pub component_name: &'a str,
    /// Its account name.
    pub username: &'a str,
    /// Its host.
    pub hostname: &'a str,
    /// Its working directory.
    pub working_directory: &'a str,
    /// Why it was opened.
    pub reason: Option<&'a str>,
    /// Its last error.
    pub error_message: Option<&'a str>,
    /// What its start carried: keys and values.
    pub metadata: &'a Metadata,
}

impl<'a> Searched<'a> {
    /// Takes them from a record.
    pub fn of(record: &'a SessionRecord) -> Self {
        Self {
            component_name: &record.component_name,
            username: &record.username,
            hostname: &record.hostname,
            working_directory: &record.working_directory,
            reason: record.reason.as_deref(),
            error_message: record.error_message.as_deref(),
            metadata: &record.metadata,
        }
    }

    /// Gives their words, each once.
    pub fn words(&self) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        self.add_words_to(&mut all);
        all
    }

    /// Adds their words to others.
    pub fn add_words_to(&self, all: &mut BTreeSet<String>) {
        self.each(&mut |text| {
            for word in words(text) {
                if !all.contains(word.as_ref()) {
                    all.insert(word.into_owned());
                }
            }
        });
    }

    fn each(&self, visit: &mut impl FnMut(&str)) {
        visit(self.component_name);
        visit(self.username);
        visit(self.hostname);
        visit(self.working_directory);
        self.reason.iter().for_each(|text| visit(text));
        self.error_message.iter().for_each(|text| visit(text));
        for (key, value) in self.metadata.as_map() {
            visit(key);
            each_of_value(value, visit);
        }
    }
}

fn each_of_value(value: &Value, visit: &mut impl FnMut(&str)) {
    match value {
        Value::Null => {}
        Value::Bool(bool) => visit(if *bool { "true" } else { "false" }),
        Value::Number(number) => visit(&number.to_string()),
        Value::String(text) => visit(text),
        Value::Array(items) => items.iter().for_each(|item| each_of_value(item, visit)),
        Value::Object(members) => {
            for (key, value) in members {
                visit(key);
                each_of_value(value, visit);
            }
        }
    }
}

/// Gives the words of a text, in lower case.
pub fn words(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    text.split(|character: char| !character.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(in_lower_case)
}

/// Character by character, so that the beginning of a word is the beginning of it in lower case, too: `str::to_lowercase`
/// writes a sigma in another way at the end.
fn in_lower_case(word: &str) -> Cow<'_, str> {
    let is_lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    if word.bytes().all(is_lower) {
        Cow::Borrowed(word)
    } else {
        Cow::Owned(word.chars().flat_map(char::to_lowercase).collect())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn finds(search: &str) -> bool {
        let Value::Object(members) = json!({"project_root": "/srv/Billing", "tries": [3, {"ticket": "OPS-4711"}], "dry": true, "none": null})
        else {
            unreachable!("the literal is an object")
        };
        let metadata = Metadata::new(members).unwrap();
        let texts = Searched {
            component_name: "mahavishnu",
            username: "Åsa",
            hostname: "host-001.example.org",
            working_directory: "/home/les/p",
            reason: Some("Refund order 17"),
            error_message: Some("no such order: 17\nretry?"),
            metadata: &metadata,
        };
        let search: Search = search.parse().unwrap();
        let found = search.finds(&texts);
        // What an index of words finds is more, never less.
        let words = texts.words();
        if found {
            assert!(search.words().all(|word| words.contains(word)));
            let begins = |beginning: &str| words.iter().any(|word| word.starts_with(beginning));
            assert!(search.beginning().is_none_or(begins));
        }
        found
    }

    #[test]
    fn every_word_is_needed_and_the_last_one_may_be_a_beginning() {
        assert!(finds("mahavishnu refund"));
        assert!(finds("MAHAVISHNU ref"));
        assert!(
            !finds("maha refund"),
            "only the last one may be a beginning"
        );
        assert!(!finds("mahavishnu refunds"));
        assert!(finds("åSA billing 4711 true 3"));
        assert!(!finds("asa"), "an accent makes another letter");
        assert!(!finds("null"));
        assert!(finds("project root"), "keys are words as well");
    }

    #[test]
    fn what_is_typed_or_quoted_as_one_stands_side_by_side_in_one_text() {
        assert!(finds("host-001"));
        assert!(finds("/srv/billing"));
        assert!(finds("001.exam"), "its last word may be a beginning, too");
        assert!(!finds("host.example"));
        assert!(finds("\"such order\" 17"));
        assert!(!finds("\"order such\" 17"));
        assert!(!finds("\"no such ord\""), "a quoted word is whole");
        assert!(finds("\"no such order"), "the second quote may be missing");
        assert!(!finds("\"17 no\""), "texts do not flow into each other");
        assert!(finds("ops-47"));
    }

    #[test]
    fn only_a_text_without_a_word_or_too_long_is_wrong() {
        for odd in [
            "a AND",
            "NOT b",
            "x*",
            "col:y",
            "(a",
            "NEAR(a b)",
            "a\"b\"\"",
            "^x + - {}",
        ] {
            odd.parse::<Search>().unwrap();
        }
        for none in ["", " ", "--- \"\" *", "\""] {
            assert_eq!(
                none.parse::<Search>(),
                Err(InvalidSearch::NoWord),
                "{none:?}"
            );
        }
        let long = "å".repeat(Search::CHARACTERS_MAX);
        assert!(long.parse::<Search>().is_ok());
        let error = format!("{long}b").parse::<Search>().unwrap_err();
        assert_eq!(error.to_string(), "at most 200 characters, found 201");
    }

    #[test]
    fn the_beginning_of_a_word_is_one_in_lower_case_too() {
        let metadata = Metadata::default();
        let texts = Searched {
            component_name: "ΟΔΟΣΑ İstanbul",
            username: "",
            hostname: "",
            working_directory: "",
            reason: None,
            error_message: None,
            metadata: &metadata,
        };
        for beginning in ["ΟΔΟΣ", "οδοσ", "İ", "i", "İSTAN"] {
            assert!(
                beginning.parse::<Search>().unwrap().finds(&texts),
                "{beginning}"
            );
        }
    }
}
