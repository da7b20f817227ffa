//! Times as people type them.

use jiff::{Span, Zoned, civil, tz::TimeZone};
use session_model::Timestamp;

/// Reads a date (its first instant in `zone`), an RFC 3339 time, or an age such as `7d`, counted back from `now`.
///
/// # Errors
///
/// What is expected, where it is none of them.
pub fn instant(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Timestamp, String> {
    let expected = || {
        format!(
            "expected a date (2026-02-06), an RFC 3339 time or an age (90m, 12h, 7d, 2w), found {text:?}"
        )
    };
    if text.len() == 10
        && let Ok(date) = text.parse::<civil::Date>()
    {
        let first = date.to_zoned(zone.clone()).map_err(|_| expected())?;
        return Ok(Timestamp::saturating_from(first.timestamp()));
    }
    match age(text) {
        Some(age) => {
            let now = Zoned::new(now.as_jiff(), zone.clone());
            // A day back is the same time of that day, also where the clocks were changed in between.
            let then = now
                .checked_sub(age)
                .map_err(|_| format!("{text:?} lies before all time"))?;
            Ok(Timestamp::saturating_from(then.timestamp()))
        }
        None => text.parse().map_err(|_| expected()),
    }
}

fn age(text: &str) -> Option<Span> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: i64 = number
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| number.parse().ok())??;
    let span = Span::new();
    match unit {
        "s" => span.try_seconds(number),
        "m" => span.try_minutes(number),
        "h" => span.try_hours(number),
        "d" => span.try_days(number),
        "w" => span.try_weeks(number),
        _ => return None,
    }
    .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, zone: &str) -> Result<String, String> {
        let now = "2026-04-01T12:00:00Z".parse().unwrap();
        let zone = TimeZone::get(zone).unwrap();
        instant(text, now, &zone).map(|at| at.to_string())
    }

    #[test]
    fn a_date_begins_in_its_zone() {
        assert_eq!(
            read("2026-02-06", "UTC").as_deref(),
            Ok("2026-02-06T00:00:00.000000Z")
        );
        assert_eq!(
            read("2026-02-06", "Europe/Berlin").as_deref(),
            Ok("2026-02-05T23:00:00.000000Z")
        );
        assert_eq!(
            read("2026-02-06T10:00:00Z", "Europe/Berlin").as_deref(),
            Ok("2026-02-06T10:00:00.000000Z")
        );
    }

    #[test]
    fn a_day_back_is_the_same_time_of_that_day() {
        assert_eq!(
            read("90m", "UTC").as_deref(),
            Ok("2026-04-01T10:30:00.000000Z")
        );
        // The clocks went forward on 29 March.
        assert_eq!(
            read("7d", "Europe/Berlin").as_deref(),
            Ok("2026-03-25T13:00:00.000000Z")
        );
        assert_eq!(
            read("2w", "UTC").as_deref(),
            Ok("2026-03-18T12:00:00.000000Z")
        );
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for wrong in [
            "",
            "yesterday",
            "7",
            "d",
            "-7d",
            "7y",
            "2026-02-30",
            "2026-2-6",
            "99999999999999w",
            "é",
        ] {
            assert!(read(wrong, "UTC").is_err(), "{wrong}");
        }
    }
}
