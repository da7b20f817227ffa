//! Times as people type them.

pub use admin_shell::dates::instant;
use jiff::tz::TimeZone;

/// Finds the zone that a flag names; the machine's own without one.
pub(super) fn zone(name: Option<&str>) -> Result<TimeZone, String> {
    match name {
        None | Some("local") => Ok(TimeZone::system()),
        Some(name) => TimeZone::get(name).map_err(|_| {
            format!("--tz: expected a zone such as UTC or Europe/Berlin, found {name:?}")
        }),
    }
}

/// Writes a length of time in words: `45 seconds`, `5 minutes`, `1 hour 30 minutes`.
pub(super) fn length_in_words(seconds: i64) -> String {
    let units = [
        (seconds / 86_400, "day"),
        (seconds / 3_600 % 24, "hour"),
        (seconds / 60 % 60, "minute"),
        (seconds % 60, "second"),
    ];
    let mut words: Vec<String> = units
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, unit)| format!("{number} {unit}{}", if *number == 1 { "" } else { "s" }))
        .collect();
    words.truncate(2);
    if words.is_empty() {
        "0 seconds".to_owned()
    } else {
        words.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_known_or_refused() {
        assert_eq!(zone(Some("UTC")), Ok(TimeZone::UTC));
        let refused = zone(Some("Mars/Olympus")).unwrap_err();
        assert!(refused.starts_with("--tz: expected a zone"), "{refused}");
    }

    #[test]
    fn lengths_in_words_name_their_two_largest_units() {
        assert_eq!(length_in_words(300), "5 minutes");
        assert_eq!(length_in_words(90_061), "1 day 1 hour");
        assert_eq!(length_in_words(0), "0 seconds");
    }
}
