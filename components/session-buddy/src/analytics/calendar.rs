//! In which bucket an instant lies.

use std::ops::Range;

use jiff::{
    Span, Timestamp as Instant,
    civil::{Date, ISOWeekDate, Weekday},
    tz::TimeZone,
};
use session_model::words::Period;

use super::QUARTER_MICROS;

/// Cuts time into buckets as a zone sees it.
#[derive(Clone, Debug)]
pub struct Calendar {
    /// The zone.
    pub zone: TimeZone,
    /// What a bucket is.
    pub unit: Unit,
}

/// What a bucket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// All of time.
    All,
    /// An hour; one that the clocks go through twice is two.
    Hour,
    /// A day.
    Day,
    /// An ISO week.
    Week,
    /// A month.
    Month,
    /// An hour of any week.
    HourOfWeek,
}

impl From<Period> for Unit {
    fn from(period: Period) -> Self {
        match period {
            Period::Hourly => Self::Hour,
            Period::Daily => Self::Day,
            Period::Weekly => Self::Week,
            Period::Monthly => Self::Month,
        }
    }
}

/// A bucket, in the order of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket {
    /// Counts units from 1970; of [`Unit::Hour`] the seconds to its beginning, of [`Unit::HourOfWeek`] hours from Monday.
    number: i64,
    /// Seconds from UTC to local time, where a bucket's name needs that.
    offset: i32,
}

impl Calendar {
    /// Gives the bucket of an instant, in microseconds since 1970.
    pub fn bucket(&self, micros: i64) -> Bucket {
        self.bucket_at(micros, self.offset(micros))
    }

    fn offset(&self, micros: i64) -> i32 {
        let instant = Instant::from_microsecond(micros).unwrap_or_default();
        self.zone.to_offset(instant).seconds()
    }

    fn bucket_at(&self, micros: i64, offset: i32) -> Bucket {
        let local = micros.div_euclid(1_000_000) + i64::from(offset);
        let (hour, day) = (local.div_euclid(3_600), local.div_euclid(86_400));
        match self.unit {
            Unit::All => Bucket {
                number: 0,
                offset: 0,
            },
            Unit::Hour => Bucket {
                number: hour * 3_600 - i64::from(offset),
                offset,
            },
            Unit::Day => Bucket {
                number: day,
                offset: 0,
            },
            Unit::Week => Bucket {
                number: week(day),
                offset: 0,
            },
            Unit::Month => {
                let date = date(day);
                Bucket {
                    number: i64::from(date.year()) * 12 + i64::from(date.month()) - 1,
                    offset: 0,
                }
            }
            Unit::HourOfWeek => Bucket {
                number: (day - first_day(week(day))) * 24 + hour.rem_euclid(24),
                offset: 0,
            },
        }
    }

    /// Gives the bucket in which all of these microseconds lie; `None` where there are several, or it may be so.
    ///
    /// It looks at both ends. That is enough for a span of a day or less: to be elsewhere in between, a zone would have
    /// to set its clocks twice. An offset that is no multiple of a quarter, as in the days of local time, lets a
    /// bucket begin amid a quarter.
    pub fn bucket_of_all(&self, span: &Range<i64>) -> Option<Bucket> {
        let last = span.end - 1;
        let (first_offset, last_offset) = (self.offset(span.start), self.offset(last));
        let bucket = self.bucket_at(span.start, first_offset);
        let one = bucket == self.bucket_at(last, last_offset);
        let calm = first_offset == last_offset || span.end - span.start > QUARTER_MICROS;
        (one && (calm || self.unit == Unit::All)).then_some(bucket)
    }

    /// Gives a bucket's name.
    pub fn name(&self, bucket: Bucket) -> String {
        let Bucket { number, offset } = bucket;
        match self.unit {
            Unit::All => "all".to_owned(),
            Unit::Hour => {
                let local = number + i64::from(offset);
                let date = date(local.div_euclid(86_400));
                let hour = local.rem_euclid(86_400) / 3_600;
                format!("{date}T{hour:02}:00:00{}", offset_name(offset))
            }
            Unit::Day => date(number).to_string(),
            Unit::Week => {
                let week = date(first_day(number)).iso_week_date();
                format!("{:04}-W{:02}", week.year(), week.week())
            }
            Unit::Month => {
                format!(
                    "{:04}-{:02}",
                    number.div_euclid(12),
                    number.rem_euclid(12) + 1
                )
            }
            Unit::HourOfWeek => format!("{} {:02}", number / 24 + 1, number % 24),
        }
    }

    /// Gives the bucket that has a name, where buckets follow each other.
    pub fn find(&self, name: &str) -> Option<Bucket> {
        let date: Date = match self.unit {
            Unit::All | Unit::HourOfWeek => return None,
            Unit::Hour => {
                let instant: Instant = name.parse().ok()?;
                return Some(self.bucket(instant.as_microsecond()));
            }
            Unit::Day => name.parse().ok()?,
            Unit::Week => {
                let (year, week) = name.split_once("-W")?;
                let (year, week) = (year.parse().ok()?, week.parse().ok()?);
                let first = ISOWeekDate::new(year, week, Weekday::Monday);
                first.ok()?.date()
            }
            Unit::Month => format!("{name}-01").parse().ok()?,
        };
        let first = date.to_zoned(self.zone.clone()).ok()?;
        Some(self.bucket(first.timestamp().as_microsecond()))
    }

    /// Gives the bucket after this one, where buckets follow each other.
    pub fn next(&self, bucket: Bucket) -> Option<Bucket> {
        let number = match self.unit {
            Unit::All | Unit::HourOfWeek => return None,
            Unit::Hour => return Some(self.bucket((bucket.number + 3_600) * 1_000_000)),
            Unit::Day | Unit::Week | Unit::Month => bucket.number + 1,
        };
        Some(Bucket { number, ..bucket })
    }
}

impl Bucket {
    /// Gives the day, 1 for Monday, and the hour of a bucket of [`Unit::HourOfWeek`].
    pub const fn hour_of_week(self) -> (i64, i64) {
        (self.number / 24 + 1, self.number % 24)
    }

    /// Gives the bucket of an hour of the week, counted from Monday.
    pub const fn of_hour_of_week(hour: i64) -> Self {
        Self {
            number: hour,
            offset: 0,
        }
    }
}

/// 1970-01-01 was a Thursday, the fourth day of its week.
const fn week(day: i64) -> i64 {
    (day + 3).div_euclid(7)
}

const fn first_day(week: i64) -> i64 {
    week * 7 - 3
}

/// Gives the date of a day, counted from 1970-01-01.
pub(crate) fn date(day: i64) -> Date {
    let days = Span::new().try_days(day);
    let date = days.and_then(|days| Date::constant(1970, 1, 1).checked_add(days));
    date.unwrap_or(if day < 0 { Date::MIN } else { Date::MAX })
}

fn offset_name(offset: i32) -> String {
    let (sign, size) = (if offset < 0 { '-' } else { '+' }, offset.abs());
    let (hours, minutes, seconds) = (size / 3_600, size / 60 % 60, size % 60);
    if seconds == 0 {
        format!("{sign}{hours:02}:{minutes:02}")
    } else {
        format!("{sign}{hours:02}:{minutes:02}:{seconds:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(zone: &str, unit: Unit, at: &str) -> String {
        let zone = TimeZone::get(zone).unwrap();
        let at: Instant = at.parse().unwrap();
        let calendar = Calendar { zone, unit };
        calendar.name(calendar.bucket(at.as_microsecond()))
    }

    #[test]
    fn buckets_are_those_of_the_zone() {
        let late = "2026-02-28T23:30:00Z";
        assert_eq!(named("UTC", Unit::Day, late), "2026-02-28");
        assert_eq!(named("Europe/Berlin", Unit::Day, late), "2026-03-01");
        assert_eq!(named("Europe/Berlin", Unit::Month, late), "2026-03");
        assert_eq!(named("UTC", Unit::Month, late), "2026-02");
        assert_eq!(
            named("Asia/Kathmandu", Unit::Hour, late),
            "2026-03-01T05:00:00+05:45"
        );
        assert_eq!(named("America/New_York", Unit::HourOfWeek, late), "6 18");
        assert_eq!(
            named("UTC", Unit::Day, "0001-01-01T00:00:00Z"),
            "0001-01-01"
        );
    }

    #[test]
    fn a_bucket_is_found_by_its_name_and_followed_by_the_next() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        for (unit, name, next) in [
            (
                Unit::Hour,
                "2026-10-25T02:00:00+02:00",
                "2026-10-25T02:00:00+01:00",
            ),
            (Unit::Day, "2026-03-29", "2026-03-30"),
            (Unit::Week, "2026-W53", "2027-W01"),
            (Unit::Month, "2026-12", "2027-01"),
        ] {
            let calendar = Calendar {
                zone: zone.clone(),
                unit,
            };
            let bucket = calendar.find(name).unwrap();
            assert_eq!(calendar.name(bucket), name);
            assert_eq!(calendar.name(calendar.next(bucket).unwrap()), next);
        }
    }

    #[test]
    fn weeks_are_those_of_iso_8601() {
        assert_eq!(named("UTC", Unit::Week, "2026-01-01T00:00:00Z"), "2026-W01");
        assert_eq!(named("UTC", Unit::Week, "2027-01-03T23:59:59Z"), "2026-W53");
        assert_eq!(named("UTC", Unit::Week, "2027-01-04T00:00:00Z"), "2027-W01");
        assert_eq!(named("UTC", Unit::Week, "2025-12-29T00:00:00Z"), "2026-W01");
    }

    #[test]
    fn an_hour_that_comes_twice_is_two() {
        let first = named("Europe/Berlin", Unit::Hour, "2026-10-25T00:30:00Z");
        let second = named("Europe/Berlin", Unit::Hour, "2026-10-25T01:30:00Z");
        assert_eq!(first, "2026-10-25T02:00:00+02:00");
        assert_eq!(second, "2026-10-25T02:00:00+01:00");
    }

    #[test]
    fn a_quarter_in_which_a_bucket_begins_has_none() {
        let calendar = |zone: &str| Calendar {
            zone: TimeZone::get(zone).unwrap(),
            unit: Unit::Day,
        };
        let quarter = |at: &str| {
            let first: Instant = at.parse().unwrap();
            let first = first.as_microsecond();
            first..first + QUARTER_MICROS
        };
        // Liberia was 44 min 30 s behind until 1972.
        let liberia = calendar("Africa/Monrovia");
        assert_eq!(
            liberia.bucket_of_all(&quarter("1970-05-01T00:30:00Z")),
            None
        );
        assert!(
            liberia
                .bucket_of_all(&quarter("1970-05-01T00:45:00Z"))
                .is_some()
        );
        assert!(
            liberia
                .bucket_of_all(&quarter("2026-05-01T00:00:00Z"))
                .is_some()
        );
    }
}
