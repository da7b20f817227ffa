//! What sessions can be grouped by.

use jiff::{ToSpan, Zoned, civil::Weekday, tz::TimeZone};
use serde_json::Value;
use session_model::Timestamp;

use crate::{
    history::{Name, Visit},
    words,
};

macro_rules! fields {
    ($($(#[$doc:meta])* $variant:ident = $name:literal $(| $also:literal)*,)+) => {
        /// Something that a session has one of.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Field { $($(#[$doc])* $variant,)+ }

        impl Field {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Gives its name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// Finds a field by its name, or the name that it has in a session's record.
            #[must_use]
            pub fn of_name(name: &str) -> Option<Self> {
                match name.to_lowercase().as_str() {
                    $($name $(| $also)* => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

fields! {
    /// The component whose shell it is.
    Component = "component" | "components" | "component_name",
    /// Account name.
    User = "user" | "username",
    /// Host.
    Host = "host" | "hostname",
    /// The kind of session.
    Type = "type" | "session_type",
    /// The kind of shell.
    ShellType = "shell_type",
    /// How it stands.
    Status = "status",
    /// The project that its shell named.
    Project = "project" | "projects",
    /// How it came to its end.
    ExitReason = "exit_reason",
    /// How its end is known.
    EndKnownBy = "end_known_by",
    /// Whether anything failed.
    Error = "error" | "error_occurred",
    /// The last error.
    ErrorMessage = "error_message",
    /// Why it was opened.
    Reason = "reason",
    /// Who logged in.
    LoginName = "login_name",
    /// Where its user was logged in from.
    RemoteAddress = "remote_address",
    /// A person or a program.
    Actor = "actor" | "actor_kind",
    /// Platform.
    Platform = "platform",
    /// The server that knows it.
    Server = "server" | "servers",
    /// The hour in which it began.
    Hour = "hour",
    /// The day.
    Day = "day" | "date",
    /// The week, from its Monday.
    Week = "week",
    /// The month.
    Month = "month",
    /// The day of the week.
    Weekday = "weekday",
    /// The hour of the day, 0 to 23.
    HourOfDay = "hour_of_day",
}

/// What a session has of a field; in the order in which groups are shown.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// Nothing.
    None,
    /// A number.
    Number(i64),
    /// A date, or a date and an hour: as text the order is that of time.
    Time(String),
    /// A day of the week, Monday is 1.
    Weekday(i8),
    /// A word of ours.
    Word(&'static str),
    /// What a sender sent.
    Text(Name),
}

/// The days of the week from Monday on.
const WEEKDAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

impl Field {
    /// Reads a name.
    ///
    /// # Errors
    ///
    /// Which one was probably meant, or all that there are.
    pub fn read(name: &str) -> Result<Self, String> {
        Self::of_name(name).ok_or_else(|| words::unknown("field", name, Self::names()))
    }

    /// Gives the names of all.
    pub fn names() -> impl Iterator<Item = &'static str> + Clone {
        Self::ALL.iter().map(|field| field.name())
    }

    /// Tells whether it goes by time, so that its groups stand in the order of time.
    #[must_use]
    pub const fn is_time(self) -> bool {
        matches!(
            self,
            Self::Hour | Self::Day | Self::Week | Self::Month | Self::Weekday | Self::HourOfDay
        )
    }

    /// Gives what a session has of it; times are those of `zone`.
    #[must_use]
    pub fn of(self, visit: &Visit, zone: &TimeZone) -> Key {
        let text = |name: &Name| Key::Text(Name::clone(name));
        let some = |name: &Option<Name>| name.as_ref().map_or(Key::None, text);
        let word = |word: Option<&'static str>| word.map_or(Key::None, Key::Word);
        match self {
            Self::Component => text(&visit.component),
            Self::User => text(&visit.user),
            Self::Host => text(&visit.host),
            Self::Type => text(&visit.session_type),
            Self::ShellType => text(&visit.shell_type),
            Self::Platform => text(&visit.platform),
            Self::Server => text(&visit.server),
            Self::Project => some(&visit.project),
            Self::ErrorMessage => some(&visit.error_message),
            Self::Reason => some(&visit.reason),
            Self::LoginName => some(&visit.login_name),
            Self::RemoteAddress => some(&visit.remote_address),
            Self::Actor => some(&visit.actor),
            Self::Status => Key::Word(visit.status.as_str()),
            Self::ExitReason => word(visit.exit_reason.map(|reason| reason.as_str())),
            Self::EndKnownBy => word(visit.end_known_by.map(|by| by.as_str())),
            Self::Error => Key::Word(if visit.error { "true" } else { "false" }),
            Self::Hour | Self::Day | Self::Week | Self::Month => {
                Key::Time(self.bucket(visit.start, zone))
            }
            Self::Weekday => {
                let weekday = visit.start.as_jiff().to_zoned(zone.clone()).weekday();
                Key::Weekday(weekday.to_monday_one_offset())
            }
            Self::HourOfDay => {
                let hour = visit.start.as_jiff().to_zoned(zone.clone()).hour();
                Key::Number(hour.into())
            }
        }
    }

    /// Gives the hour, day, week or month in which something began.
    fn bucket(self, at: Timestamp, zone: &TimeZone) -> String {
        let at = at.as_jiff().to_zoned(zone.clone());
        let written = |at: &Zoned, format| at.strftime(format).to_string();
        match self {
            Self::Hour => written(&at, "%Y-%m-%d %H:00"),
            Self::Week => {
                let back = i64::from(at.weekday().since(Weekday::Monday));
                // Far from the bounds of the calendar, or it stays where it is.
                let monday = at.date().checked_sub(back.days()).unwrap_or(at.date());
                monday.to_string()
            }
            Self::Month => written(&at, "%Y-%m"),
            _ => written(&at, "%Y-%m-%d"),
        }
    }
}

impl Key {
    /// Gives it as plain data.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match self {
            Self::None => Value::Null,
            Self::Number(number) => (*number).into(),
            Self::Weekday(day) => (*day).into(),
            Self::Time(text) => text.as_str().into(),
            Self::Word(word) => (*word).into(),
            Self::Text(text) => (&**text).into(),
        }
    }

    /// Gives it as it is shown and typed.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Self::None => "-".to_owned(),
            Self::Number(number) => number.to_string(),
            Self::Weekday(day) => {
                let place = usize::try_from(day - 1).unwrap_or_default();
                WEEKDAYS.get(place).copied().unwrap_or_default().to_owned()
            }
            Self::Time(text) => text.clone(),
            Self::Word(word) => (*word).to_owned(),
            Self::Text(text) => text.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(field: &str, start: &str, zone: &str) -> String {
        let visit = Visit::new("1", "billing", "les", "ops", start.parse().unwrap());
        let zone = TimeZone::get(zone).unwrap();
        Field::read(field).unwrap().of(&visit, &zone).to_text()
    }

    #[test]
    fn buckets_are_those_of_the_zone() {
        // A Sunday night in UTC is a Monday morning in Berlin.
        let start = "2026-11-29T23:30:00Z";
        for (field, utc, berlin) in [
            ("hour", "2026-11-29 23:00", "2026-11-30 00:00"),
            ("day", "2026-11-29", "2026-11-30"),
            ("week", "2026-11-23", "2026-11-30"),
            ("month", "2026-11", "2026-11"),
            ("weekday", "Sunday", "Monday"),
            ("hour_of_day", "23", "0"),
        ] {
            assert_eq!(key(field, start, "UTC"), utc, "{field}");
            assert_eq!(key(field, start, "Europe/Berlin"), berlin, "{field}");
        }
    }

    #[test]
    fn a_field_has_the_records_name_too() {
        assert_eq!(Field::read("component_name"), Ok(Field::Component));
        assert_eq!(Field::read("USER"), Ok(Field::User));
        assert_eq!(
            Field::read("hst").unwrap_err(),
            "there is no field \"hst\", did you mean host?"
        );
        assert_eq!(key("project", "2026-11-29T23:30:00Z", "UTC"), "-");
    }
}
