//! Filters as queries, and times as people type them.

use std::time::Duration;

use jiff::tz::TimeZone;
use layered_config::FromText;
use session_buddy::cli::dates;
use session_model::{SessionFilter, Timestamp};

use super::{Door, Harness, assert_harmless, kind_of};

pub(super) const DOOR: Door = Door {
    name: "filter",
    open: || Box::new(Filters),
};

struct Filters;

impl Harness for Filters {
    fn take(&mut self, input: &[u8]) -> String {
        let pairs: Vec<(String, String)> = form_urlencoded::parse(input)
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        let said = pairs.iter().map(|(_, value)| time(value));
        let said: String = said.take(8).collect();
        match SessionFilter::from_pairs(borrowed(&pairs)) {
            Ok(filter) => {
                let pairs = filter.to_pairs();
                let again = SessionFilter::from_pairs(borrowed(&pairs));
                assert_eq!(
                    again.as_ref(),
                    Ok(&filter),
                    "what it writes is read as the same"
                );
                let names: Vec<_> = pairs.iter().map(|(name, _)| *name).collect();
                format!("{names:?} {said}")
            }
            Err(errors) => {
                let text = errors.to_string();
                assert_harmless(&text);
                format!("{} {said}", kind_of(&text))
            }
        }
    }
}

fn borrowed<N: AsRef<str>>(pairs: &[(N, String)]) -> impl Iterator<Item = (&str, &str)> {
    pairs
        .iter()
        .map(|(name, value)| (name.as_ref(), value.as_str()))
}

/// Reads a text as each kind of time that there is.
fn time(text: &str) -> String {
    let stamp = text.parse::<Timestamp>();
    if let Ok(stamp) = stamp {
        let written = stamp.to_string();
        assert_eq!(written.len(), 27, "times have one width: {written}");
        assert_eq!(written.parse(), Ok(stamp), "{written}");
        assert_eq!(Timestamp::from_micros(stamp.as_micros()), Ok(stamp));
    }
    let now: Timestamp = "2026-11-27T12:00:00Z".parse().expect("it is a time");
    let typed = dates::instant(text, now, &TimeZone::UTC);
    match &typed {
        // A bare date and an age are no stamps; a stamp means the same wherever it is typed.
        Ok(instant) => assert!(stamp.is_err() || stamp == Ok(*instant), "{text:?}"),
        Err(error) => assert_harmless(error),
    }
    let length = Duration::from_text(text);
    if let Some(length) = length {
        assert!(
            (1..=36_525 * 86_400).contains(&length.as_secs()),
            "{length:?}"
        );
    }
    let bits = [stamp.is_ok(), typed.is_ok(), length.is_some()];
    bits.map(|bit| if bit { 'y' } else { 'n' }).iter().collect()
}
