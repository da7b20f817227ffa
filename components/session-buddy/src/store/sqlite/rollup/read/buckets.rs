//! How many sessions, or users, there are in each bucket of a calendar.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    ops::Range,
};

use rusqlite::params;

use super::{Asked, DAY_MICROS};
use crate::{
    analytics::{Bucket, Calendar, QUARTER_MICROS, QUARTERS_PER_DAY, visit_tally},
    store::sqlite::rollup::{Grain, names, tables::not_counts},
};

type Buckets = BTreeMap<Bucket, u64>;
/// The users of each bucket.
type Users = HashMap<Bucket, HashSet<i64>>;

/// A day, and in which bucket each of its quarters lies: `None` where it does so only in part.
struct Day {
    first_quarter: i64,
    buckets: Vec<Option<Bucket>>,
}

impl Day {
    /// Cuts a day into quarters. One in which a bucket begins, or at whose edge the span ends, has no bucket.
    fn cut(day: i64, calendar: &Calendar, span: &Range<i64>) -> Self {
        let first_quarter = day * QUARTERS_PER_DAY;
        let quarters = first_quarter..first_quarter + QUARTERS_PER_DAY;
        let bucket = |quarter| {
            let micros = micros(quarter);
            let inside = span.start <= micros.start && micros.end <= span.end;
            inside.then(|| calendar.bucket_of_all(&micros)).flatten()
        };
        Self {
            first_quarter,
            buckets: quarters.map(bucket).collect(),
        }
    }
}

fn micros(quarter: i64) -> Range<i64> {
    quarter * QUARTER_MICROS..(quarter + 1) * QUARTER_MICROS
}

/// Gives the days that a span touches.
fn days(span: &Range<i64>) -> Range<i64> {
    if span.is_empty() {
        return 0..0;
    }
    span.start.div_euclid(DAY_MICROS)..(span.end - 1).div_euclid(DAY_MICROS) + 1
}

impl Asked<'_> {
    /// Counts the sessions that began in each bucket.
    pub(super) fn starts(&self, calendar: &Calendar) -> rusqlite::Result<Buckets> {
        let mut buckets = Buckets::new();
        let mut in_part = BTreeSet::new();
        let grain = if self.users.is_some() {
            Grain::User
        } else {
            Grain::Day
        };
        let mut day = None;
        self.quarters(grain, &days(&self.span), |at, _, quarter, count| {
            let day = cut(&mut day, at, calendar, &self.span);
            match day.buckets[usize::from(quarter)] {
                Some(bucket) => *buckets.entry(bucket).or_default() += count,
                None => drop(in_part.insert(day.first_quarter + i64::from(quarter))),
            }
        })?;
        for quarter in in_part {
            self.sessions(&self.clipped(quarter), |facts| {
                let bucket = calendar.bucket(facts.start_time.as_micros());
                *buckets.entry(bucket).or_default() += 1;
            })?;
        }
        Ok(buckets)
    }

    fn clipped(&self, quarter: i64) -> Range<i64> {
        let micros = micros(quarter);
        micros.start.max(self.span.start)..micros.end.min(self.span.end)
    }

    /// Visits day, user (0 where the grain has none), quarter of the day and how many sessions began in it.
    fn quarters(
        &self,
        grain: Grain,
        days: &Range<i64>,
        mut each: impl FnMut(i64, i64, u16, u64),
    ) -> rusqlite::Result<()> {
        let keys = grain.keys().join(", ");
        let sql = format!(
            "SELECT {keys}, quarters FROM {} WHERE day >= ?1 AND day < ?2 ORDER BY day",
            grain.table()
        );
        let mut statement = self.snapshot.prepare_cached(&sql)?;
        let mut rows = statement.query(params![days.start, days.end])?;
        while let Some(row) = rows.next()? {
            let key = grain.key(row)?;
            if !self.series.contains_key(&key.series)
                || (grain == Grain::User && !self.has_user(key.user))
            {
                continue;
            }
            let column = grain.keys().len();
            let bytes = row.get_ref(column)?.as_blob()?;
            let mut sound = true;
            visit_tally(bytes, |quarter, count| {
                sound &= i64::from(quarter) < QUARTERS_PER_DAY;
                if sound {
                    each(key.at, key.user, quarter, count.unsigned_abs());
                }
            })
            .filter(|()| sound)
            .ok_or_else(|| not_counts(column))?;
        }
        Ok(())
    }

    /// Counts the account names that sessions of each bucket have.
    pub(super) fn users(&self, calendar: &Calendar) -> rusqlite::Result<Buckets> {
        let mut users = Users::new();
        let rest = self.users_of_whole_days(calendar, &mut users)?;
        let mut in_part = BTreeSet::new();
        for days in rest {
            let mut day = None;
            self.quarters(Grain::User, &days, |at, user, quarter, _| {
                let day = cut(&mut day, at, calendar, &self.span);
                match day.buckets[usize::from(quarter)] {
                    Some(bucket) => drop(users.entry(bucket).or_default().insert(user)),
                    None => drop(in_part.insert(day.first_quarter + i64::from(quarter))),
                }
            })?;
        }
        for quarter in in_part {
            let mut found = Vec::new();
            self.sessions(&self.clipped(quarter), |facts| {
                let bucket = calendar.bucket(facts.start_time.as_micros());
                found.push((bucket, facts.username.clone()));
            })?;
            for (bucket, username) in found {
                let user = names::user_of(self.snapshot, &username)?;
                users.entry(bucket).or_default().extend(user);
            }
        }
        let count = |(bucket, users): (Bucket, HashSet<i64>)| (bucket, users.len() as u64);
        Ok(users.into_iter().map(count).collect())
    }

    /// Finds the users of days that lie wholly in the span and in one bucket, and gives the days that do not.
    fn users_of_whole_days(
        &self,
        calendar: &Calendar,
        users: &mut Users,
    ) -> rusqlite::Result<Vec<Range<i64>>> {
        let mut rest: Vec<Range<i64>> = Vec::new();
        for (month, of_users) in self.months()? {
            let first_day = first_day(month);
            let any = of_users.values().fold(0, |any, days| any | days);
            for number in (0..31).filter(|number| any & (1 << number) != 0) {
                let day = first_day + number;
                let micros = day * DAY_MICROS..(day + 1) * DAY_MICROS;
                let inside = self.span.start <= micros.start && micros.end <= self.span.end;
                let bucket = inside.then(|| calendar.bucket_of_all(&micros)).flatten();
                if let Some(bucket) = bucket {
                    let there = of_users
                        .iter()
                        .filter(|(_, days)| *days & (1 << number) != 0);
                    let of_bucket = users.entry(bucket).or_default();
                    of_bucket.extend(there.map(|(user, _)| *user));
                } else if micros.end > self.span.start && micros.start < self.span.end {
                    match rest.last_mut() {
                        Some(last) if last.end == day => last.end = day + 1,
                        _ => rest.push(day..day + 1),
                    }
                }
            }
        }
        Ok(rest)
    }

    /// Gives the days of each month on which each user's sessions began.
    fn months(&self) -> rusqlite::Result<BTreeMap<i64, HashMap<i64, u32>>> {
        const MONTHS: &str = "
            SELECT month, series, user, days FROM rollup_user_months WHERE month >= ?1 AND month <= ?2";
        let days = days(&self.span);
        let mut months = BTreeMap::<_, HashMap<_, _>>::new();
        if days.is_empty() {
            return Ok(months);
        }
        let month = |day| super::super::month_of(day).0;
        let mut statement = self.snapshot.prepare_cached(MONTHS)?;
        let mut rows = statement.query(params![month(days.start), month(days.end - 1)])?;
        while let Some(row) = rows.next()? {
            let (series, user): (i64, i64) = (row.get(1)?, row.get(2)?);
            if self.series.contains_key(&series) && self.has_user(user) {
                let of_month = months.entry(row.get(0)?).or_default();
                *of_month.entry(user).or_default() |= row.get::<_, u32>(3)?;
            }
        }
        Ok(months)
    }
}

/// Gives a day's quarters, cut once for rows that follow each other.
fn cut<'a>(
    last: &'a mut Option<(i64, Day)>,
    at: i64,
    calendar: &Calendar,
    span: &Range<i64>,
) -> &'a Day {
    if last.as_ref().is_none_or(|(day, _)| *day != at) {
        *last = Some((at, Day::cut(at, calendar, span)));
    }
    let (_, day) = last.as_ref().expect("it was put there");
    day
}

/// Gives the first day of a month, counted from the year 0.
fn first_day(month: i64) -> i64 {
    let number = |number: i64| i8::try_from(number).unwrap_or(1);
    let year = i16::try_from(month.div_euclid(12)).unwrap_or(i16::MAX);
    let first = jiff::civil::Date::new(year, number(month.rem_euclid(12) + 1), 1);
    let since = first.map(|first| {
        let epoch = jiff::civil::Date::constant(1970, 1, 1);
        first.duration_since(epoch).as_hours() / 24
    });
    since.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_begin_on_their_first_day() {
        for day in [-719_162, -1, 0, 30, 31, 20_000, 2_932_895] {
            let (month, bit) = super::super::super::month_of(day);
            assert_eq!(first_day(month) + i64::from(bit.trailing_zeros()), day);
        }
    }
}
