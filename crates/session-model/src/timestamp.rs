//! Instants as they cross the wire.

use std::{fmt, str::FromStr};

use jiff::{SignedDuration, civil, tz::Offset};
use schemars::json_schema;
use serde::Serialize;
use serde_json::Value;

use crate::field::{Field, FieldErrors, Place, expected, inline_schema, quoted};

/// An instant from 0001-01-01T00:00:00Z to 9999-12-30T22:00:00Z, in whole microseconds, UTC.
///
/// Read from RFC 3339 shape: `T` upper case, any number of fraction digits (those below a microsecond are dropped), `Z`, an
/// offset `±hh:mm` or no zone, which means UTC. Second 60 is read as 59. Written in one fixed width, so that the
/// order of the text is the order of time.
///
/// ```
/// use session_model::Timestamp;
///
/// let at: Timestamp = "2026-02-06T11:30:00.5+01:00".parse()?;
/// assert_eq!(at.to_string(), "2026-02-06T10:30:00.500000Z");
/// # Ok::<(), session_model::timestamp::TimestampError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(jiff::Timestamp);

/// The first instant that can be written: 0001-01-01T00:00:00Z.
const FIRST_MICROS: i64 = -62_135_596_800_000_000;
/// The last one: 9999-12-30T22:00:00Z, the last that every offset can show with a year of four digits.
const LAST_MICROS: i64 = 253_402_207_200_000_000;

impl Timestamp {
    /// Makes an instant from microseconds since 1970-01-01T00:00:00Z.
    ///
    /// # Errors
    ///
    /// When it lies outside the bounds of this type.
    pub fn from_micros(micros: i64) -> Result<Self, TimestampError> {
        if !(FIRST_MICROS..=LAST_MICROS).contains(&micros) {
            return Err(TimestampError::Range);
        }
        jiff::Timestamp::from_microsecond(micros)
            .map(Self)
            .map_err(|_| TimestampError::Range)
    }

    /// Makes an instant from a clock's reading, its nanoseconds dropped and its bounds applied.
    pub fn saturating_from(instant: jiff::Timestamp) -> Self {
        let micros = instant.as_microsecond().clamp(FIRST_MICROS, LAST_MICROS);
        Self(
            jiff::Timestamp::from_microsecond(micros)
                .expect("jiff holds every instant of these bounds"),
        )
    }

    /// Gives the microseconds since 1970-01-01T00:00:00Z.
    pub fn as_micros(self) -> i64 {
        self.0.as_microsecond()
    }

    /// Gives the digits of the date and of the time of day in UTC, such as 20260206 and 220458.
    pub(crate) fn to_digits(self) -> (u32, u32) {
        let at = Offset::UTC.to_datetime(self.0);
        let of = |high: u32, middle: i8, low: i8| {
            (high * 100 + u32::from(middle.unsigned_abs())) * 100 + u32::from(low.unsigned_abs())
        };
        let year = u32::from(at.year().unsigned_abs());
        (
            of(year, at.month(), at.day()),
            of(
                u32::from(at.hour().unsigned_abs()),
                at.minute(),
                at.second(),
            ),
        )
    }

    /// Gives the instant for calendars and zones.
    pub const fn as_jiff(self) -> jiff::Timestamp {
        self.0
    }

    /// Gives the microseconds from `earlier` to this instant, negative when it lies before.
    pub fn micros_since(self, earlier: Self) -> i64 {
        // Both lie within 10,000 years, so the difference is far from the limits of i64.
        self.as_micros() - earlier.as_micros()
    }

    /// Moves the instant, stopping at the bounds.
    pub fn saturating_add(self, duration: SignedDuration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        let moved = self
            .as_micros()
            .saturating_add(micros)
            .clamp(FIRST_MICROS, LAST_MICROS);
        Self(
            jiff::Timestamp::from_microsecond(moved)
                .expect("jiff holds every instant of these bounds"),
        )
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let shape = Shape::of(text.as_bytes()).ok_or(TimestampError::Shape)?;
        let date = civil::Date::new(shape.year, shape.month, shape.day)
            .map_err(|_| TimestampError::Calendar)?;
        let time = civil::Time::new(
            shape.hour,
            shape.minute,
            shape.second.min(59),
            shape.micros * 1_000,
        )
        .map_err(|_| TimestampError::Calendar)?;
        if shape.second > 60 || shape.year == 0 {
            return Err(TimestampError::Calendar);
        }
        let local = Offset::UTC
            .to_timestamp(civil::DateTime::from_parts(date, time))
            .map_err(|_| TimestampError::Range)?
            .as_microsecond();
        Self::from_micros(local - i64::from(shape.offset_minutes) * 60_000_000)
    }
}

/// What the shape of an RFC 3339 time holds, before the calendar is asked.
struct Shape {
    year: i16,
    month: i8,
    day: i8,
    hour: i8,
    minute: i8,
    second: i8,
    micros: i32,
    offset_minutes: i16,
}

impl Shape {
    fn of(text: &[u8]) -> Option<Self> {
        let (date_time, rest) = text.split_at_checked(19)?;
        for (place, separator) in [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')] {
            if date_time[place] != separator {
                return None;
            }
        }
        let (micros, zone) = match rest.strip_prefix(b".") {
            Some(fraction) => {
                let digits = fraction
                    .iter()
                    .take_while(|byte| byte.is_ascii_digit())
                    .count();
                if digits == 0 {
                    return None;
                }
                let (fraction, zone) = fraction.split_at(digits);
                let micros = (0..6).fold(0, |sum, n| {
                    sum * 10 + i32::from(fraction.get(n).map_or(0, |digit| digit - b'0'))
                });
                (micros, zone)
            }
            None => (0, rest),
        };
        Some(Self {
            year: number(&date_time[0..4])?,
            month: small(&date_time[5..7])?,
            day: small(&date_time[8..10])?,
            hour: small(&date_time[11..13])?,
            minute: small(&date_time[14..16])?,
            second: small(&date_time[17..19])?,
            micros,
            offset_minutes: offset_minutes(zone)?,
        })
    }
}

fn offset_minutes(zone: &[u8]) -> Option<i16> {
    match zone {
        b"" | b"Z" => Some(0),
        [sign @ (b'+' | b'-'), hours @ .., b':', tens, units] if hours.len() == 2 => {
            let (hours, minutes) = (number(hours)?, number(&[*tens, *units])?);
            let minutes = (hours <= 23 && minutes <= 59).then_some(hours * 60 + minutes)?;
            Some(if *sign == b'-' { -minutes } else { minutes })
        }
        _ => None,
    }
}

/// Reads at most four ASCII digits.
fn number(digits: &[u8]) -> Option<i16> {
    digits.iter().try_fold(0, |sum, digit| {
        digit
            .is_ascii_digit()
            .then(|| sum * 10 + i16::from(digit - b'0'))
    })
}

fn small(digits: &[u8]) -> Option<i8> {
    number(digits).and_then(|number| i8::try_from(number).ok())
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // By hand: an event is stored with five times, and `write!` costs ten times as much.
        let at = Offset::UTC.to_datetime(self.0);
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        let mut put = |place: usize, digits: usize, mut number: u32| {
            for byte in text[place..place + digits].iter_mut().rev() {
                *byte = b'0' + (number % 10).to_le_bytes()[0];
                number /= 10;
            }
        };
        put(0, 4, at.year().unsigned_abs().into());
        for (place, number) in [
            (5, at.month()),
            (8, at.day()),
            (11, at.hour()),
            (14, at.minute()),
            (17, at.second()),
        ] {
            put(place, 2, number.unsigned_abs().into());
        }
        put(20, 6, at.subsec_nanosecond().unsigned_abs() / 1_000);
        f.write_str(std::str::from_utf8(&text).expect("digits and separators are ASCII"))
    }
}

/// Why a text is not a [`Timestamp`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimestampError {
    /// It does not look like RFC 3339.
    #[error("expected an RFC 3339 time such as 2026-02-06T10:30:00Z")]
    Shape,
    /// It looks right and names no instant, such as 30 February.
    #[error("there is no such date or time")]
    Calendar,
    /// It lies outside 0001-01-01T00:00:00Z to 9999-12-30T22:00:00Z.
    #[error("outside 0001-01-01T00:00:00Z to 9999-12-30T22:00:00Z")]
    Range,
}

impl Field for Timestamp {
    fn read(value: &Value, at: Place<'_>, errors: &mut FieldErrors) -> Option<Self> {
        let Value::String(text) = value else {
            errors.add(at, expected("a string", value));
            return None;
        };
        text.parse()
            .map_err(|error| errors.add(at, format!("{error}, found {}", quoted(text))))
            .ok()
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

inline_schema!(Timestamp, {
    json_schema!({
        "type": "string",
        "description": "RFC 3339, any fraction; no zone means UTC",
        "pattern": "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])\
            T([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\\.[0-9]+)?\
            (Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])?$",
        "not": {"type": "string", "pattern": "^0000"},
    })
});

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Result<String, TimestampError> {
        text.parse::<Timestamp>().map(|at| at.to_string())
    }

    #[test]
    fn every_zone_becomes_utc_in_one_width() {
        for (text, expected) in [
            ("2026-02-06T10:30:00Z", "2026-02-06T10:30:00.000000Z"),
            ("2026-02-06T10:30:00", "2026-02-06T10:30:00.000000Z"),
            ("2026-02-06T00:30:00.1+01:00", "2026-02-05T23:30:00.100000Z"),
            (
                "2026-02-06T10:30:00.123456789-08:00",
                "2026-02-06T18:30:00.123456Z",
            ),
            (
                "1969-12-31T23:59:59.9999999Z",
                "1969-12-31T23:59:59.999999Z",
            ),
            ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.000000Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"),
            ("9999-12-30T22:00:00Z", "9999-12-30T22:00:00.000000Z"),
        ] {
            assert_eq!(written(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_instant_is_refused_with_its_reason() {
        for (text, error) in [
            ("", TimestampError::Shape),
            ("2026-02-06t10:30:00Z", TimestampError::Shape),
            ("2026-02-06T10:30:00z", TimestampError::Shape),
            ("2026-02-06T10:30:00.Z", TimestampError::Shape),
            ("2026-02-06T10:30:00,5Z", TimestampError::Shape),
            ("2026-02-06T10:30:00+25:00", TimestampError::Shape),
            ("2026-02-06T10:30:00Z\n", TimestampError::Shape),
            ("2026-02-06T10:30:0é", TimestampError::Shape),
            ("2026-02-30T10:30:00Z", TimestampError::Calendar),
            ("2026-02-06T24:00:00Z", TimestampError::Calendar),
            ("2026-02-06T10:30:61Z", TimestampError::Calendar),
            ("0000-01-01T00:00:00Z", TimestampError::Calendar),
            ("0001-01-01T00:00:00+00:01", TimestampError::Range),
            ("9999-12-30T22:00:01Z", TimestampError::Range),
        ] {
            assert_eq!(written(text), Err(error), "{text}");
        }
    }
}
