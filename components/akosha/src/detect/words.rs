//! Numbers as the reasons say them.

/// A length of time: `45 s`, `31 min`, `9 h 12 min`, `3 d 4 h`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "saturates, and a length is not negative"
)]
pub(super) fn span(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    let two = |high: u64, unit: &str, low: u64, lower: &str| match low {
        0 => format!("{high} {unit}"),
        low => format!("{high} {unit} {low} {lower}"),
    };
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => two(seconds / 3600, "h", seconds % 3600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

/// What was before: `the one before it`, `143 before it`.
pub(super) fn of_before(count: usize) -> String {
    match count {
        1 => "the one before it".to_owned(),
        count => format!("{count} before it"),
    }
}

/// A number of things: `1 command`, `12 commands`.
pub(super) fn counted(count: u64, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    }
}

/// A share: `6.1 %`.
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent >= 10.0 {
        format!("{percent:.0} %")
    } else {
        format!("{percent:.1} %")
    }
}

/// The time of day: `03:12 UTC`.
pub(super) fn clock(seconds: i64) -> String {
    let of_day = seconds.rem_euclid(86_400);
    format!("{:02}:{:02} UTC", of_day / 3600, of_day % 3600 / 60)
}

/// The day of the week.
pub(super) fn weekday(seconds: i64) -> &'static str {
    // 1970-01-01 was a Thursday.
    match (seconds.div_euclid(86_400) + 3).rem_euclid(7) {
        0 => "Monday",
        1 => "Tuesday",
        2 => "Wednesday",
        3 => "Thursday",
        4 => "Friday",
        5 => "Saturday",
        _ => "Sunday",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_said_in_two_units() {
        let said = [0.4, 45.0, 1899.0, 3600.0, 33_120.0, 90_000.0, 86_400.0].map(span);
        assert_eq!(
            said,
            [
                "0 s",
                "45 s",
                "31 min",
                "1 h",
                "9 h 12 min",
                "1 d 1 h",
                "1 d"
            ]
        );
    }

    #[test]
    fn days_and_times_are_those_of_utc() {
        // 2026-02-06T22:04:58Z, a Friday.
        assert_eq!(
            (clock(1_770_415_498), weekday(1_770_415_498)),
            ("22:04 UTC".to_owned(), "Friday")
        );
        assert_eq!(
            (clock(-60), weekday(-60)),
            ("23:59 UTC".to_owned(), "Wednesday")
        );
    }
}
