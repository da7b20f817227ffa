//! What is known of those who look.

use jiff::tz::TimeZone;
use session_model::Timestamp;

/// For whom something is written.
#[derive(Clone, Debug)]
pub struct View {
    /// The columns of their terminal; `None` where there is no end to a line.
    pub width: Option<usize>,
    /// What time it is for them.
    pub now: Timestamp,
    /// Their zone.
    pub zone: TimeZone,
}

impl View {
    /// Writes a time: that of the day if it is today's, else with its date.
    pub fn time(&self, at: Timestamp) -> String {
        let local = |at: Timestamp| at.as_jiff().to_zoned(self.zone.clone());
        let (at, now) = (local(at), local(self.now));
        let format = if at.date() == now.date() {
            "%H:%M:%S"
        } else {
            "%Y-%m-%d %H:%M"
        };
        at.strftime(format).to_string()
    }
}

/// Writes a length of time for people: `45s`, `5m 30s`, `1h 30m`, `3d 4h`.
pub fn length(seconds: i64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, _, _) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_name_their_two_largest_units() {
        let lengths = [0, 45, 330, 5_400, 273_600].map(length);
        assert_eq!(lengths, ["0s", "45s", "5m 30s", "1h 30m", "3d 4h"]);
    }
}
