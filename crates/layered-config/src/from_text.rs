use std::{path::PathBuf, time::Duration};

/// Parses a value from the text of a setting.
pub trait FromText: Sized {
    /// What is accepted, with bounds; completes "expected …".
    const EXPECTED: &'static str;

    /// Parses `text`, or answers `None` if it is not [`EXPECTED`](Self::EXPECTED).
    fn from_text(text: &str) -> Option<Self>;
}

impl FromText for String {
    const EXPECTED: &'static str = "text";

    fn from_text(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

impl FromText for PathBuf {
    const EXPECTED: &'static str = "a path that is not empty";

    fn from_text(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self::from(text))
    }
}

impl FromText for bool {
    const EXPECTED: &'static str = "true, false, 1, 0, yes, no, on or off";

    fn from_text(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Some(true),
            "false" | "0" | "no" | "off" => Some(false),
            _ => None,
        }
    }
}

impl FromText for u16 {
    const EXPECTED: &'static str = "an integer from 0 to 65535";

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl FromText for u32 {
    const EXPECTED: &'static str = "an integer from 0 to 4294967295";

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl FromText for u64 {
    const EXPECTED: &'static str = "an integer from 0 to 18446744073709551615";

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

/// A number and its unit, such as `90m`; at most a hundred years, so that no time ever computed with it is out of range.
impl FromText for Duration {
    const EXPECTED: &'static str = "a number of s, m, h or d, such as 24h";

    fn from_text(text: &str) -> Option<Self> {
        const UNITS: [(char, u64); 4] = [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400)];
        const SECONDS_MAX: u64 = 36_525 * 86_400;
        let unit = text.chars().next_back()?;
        let (_, seconds) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
        let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
        let seconds = number.checked_mul(seconds)?;
        (1..=SECONDS_MAX)
            .contains(&seconds)
            .then_some(Self::from_secs(seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_number_and_its_unit() {
        for (text, seconds) in [("1s", 1), ("90m", 5_400), ("24h", 86_400), ("7d", 604_800)] {
            let expected = Some(Duration::from_secs(seconds));
            assert_eq!(Duration::from_text(text), expected, "{text}");
        }
        for wrong in [
            "",
            "24",
            "h",
            "0s",
            "-1h",
            "1w",
            "1.5h",
            "99999999999999d",
            "36526d",
            "1é",
        ] {
            assert_eq!(Duration::from_text(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn booleans_have_eight_spellings_in_any_case() {
        for text in ["true", "1", "yes", "on", "TRUE", "Yes", "oN"] {
            assert_eq!(bool::from_text(text), Some(true), "{text}");
        }
        for text in ["false", "0", "no", "off", "False", "NO", "oFf"] {
            assert_eq!(bool::from_text(text), Some(false), "{text}");
        }
        for text in ["", " true", "t", "y", "2", "enabled", "ＯＮ"] {
            assert_eq!(bool::from_text(text), None, "{text}");
        }
    }

    #[test]
    fn integers_stop_at_the_bounds_that_they_name() {
        assert_eq!(u16::from_text("65535"), Some(65_535));
        assert_eq!(u16::from_text("65536"), None);
        assert_eq!(u16::from_text("-1"), None);
        assert_eq!(u32::from_text("4294967295"), Some(u32::MAX));
        assert_eq!(u32::from_text("4294967296"), None);
        assert_eq!(u64::from_text("18446744073709551615"), Some(u64::MAX));
        assert_eq!(u64::from_text("18446744073709551616"), None);
        assert_eq!(u64::from_text("1_000"), None);
        assert_eq!(u64::from_text(""), None);
    }

    #[test]
    fn an_empty_path_is_refused_and_an_empty_text_is_not() {
        assert_eq!(PathBuf::from_text(""), None);
        assert_eq!(PathBuf::from_text("a b"), Some(PathBuf::from("a b")));
        assert_eq!(String::from_text(""), Some(String::new()));
    }
}
