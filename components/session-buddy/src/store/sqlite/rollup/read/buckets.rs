//! How many sessions, or users, there are in each bucket of a calendar.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Range,
};

use super::{Asked, DAY_MICROS};
use crate::{
    analytics::{Bucket, Calendar, QUARTER_MICROS, QUARTERS_PER_DAY, visit_tally},
    store::sqlite::rollup::{names, presence, tables::not_counts},
};

type Buckets = BTreeMap<Bucket, u64>;
/// The users of each bucket.
type Users = HashMap<Bucket, UserSet>;

/// A day, and in which bucket each of its quarters lies: `None` where it does so only in part.
struct Day {
    first_quarter: i64,
    buckets: Vec<Option<Bucket>>,
}

impl Day {
    /// Cuts a day into quarters. One in which a bucket begins, or at whose edge the span ends, has no bucket.
    fn cut(day: i64, calendar: &Calendar, span: &Range<i64>) -> Self {
        let first_quarter = day * QUARTERS_PER_DAY;
        let mut buckets = Vec::with_capacity(96);
        let quarters = first_quarter..first_quarter + QUARTERS_PER_DAY;
        cut_into(&mut buckets, quarters, calendar, span);
        Self {
            first_quarter,
            buckets,
        }
    }
}

/// Halves quarters until each half lies in one bucket: zones are asked seldom, for a day has few buckets.
fn cut_into(
    buckets: &mut Vec<Option<Bucket>>,
    quarters: Range<i64>,
    calendar: &Calendar,
    span: &Range<i64>,
) {
    let micros = quarters.start * QUARTER_MICROS..quarters.end * QUARTER_MICROS;
    let inside = span.start <= micros.start && micros.end <= span.end;
    let bucket = inside.then(|| calendar.bucket_of_all(&micros)).flatten();
    let count = quarters.end - quarters.start;
    if bucket.is_some() || count == 1 {
        buckets.extend(quarters.map(|_| bucket));
        return;
    }
    let middle = quarters.start + count / 2;
    cut_into(buckets, quarters.start..middle, calendar, span);
    cut_into(buckets, middle..quarters.end, calendar, span);
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
        let mut day = None;
        let days = days(&self.span);
        let mut add = |at, quarter: u16, count: i64| {
            let day = cut(&mut day, at, calendar, &self.span);
            match day.buckets[usize::from(quarter)] {
                Some(bucket) => *buckets.entry(bucket).or_default() += count.unsigned_abs(),
                None => drop(in_part.insert(day.first_quarter + i64::from(quarter))),
            }
        };
        match &self.users {
            Some(users) => self.users(users, &days, |day, _, of_user| {
                for (quarter, count) in of_user.sums.quarters.iter() {
                    add(day, quarter, count);
                }
            })?,
            None => self.quarters(&days, &mut add)?,
        }
        for change in &self.waiting {
            for (quarter, count) in change.sums.quarters.iter() {
                add(change.day(), quarter, count);
            }
        }
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

    /// Visits day, quarter of the day and how many sessions began in it. The journal is left out.
    fn quarters(
        &self,
        days: &Range<i64>,
        mut each: impl FnMut(i64, u16, i64),
    ) -> rusqlite::Result<()> {
        const QUARTERS: &str = "SELECT day, series, quarters FROM rollup_days WHERE day >= ?1 AND day < ?2 ORDER BY day";
        let mut statement = self.snapshot.prepare_cached(QUARTERS)?;
        let mut rows = statement.query([days.start, days.end])?;
        while let Some(row) = rows.next()? {
            let (day, series) = (row.get(0)?, row.get(1)?);
            if !self.series.contains_key(&series) {
                continue;
            }
            let bytes = row.get_ref(2)?.as_blob()?;
            let mut sound = true;
            visit_tally(bytes, |quarter, count| {
                sound &= i64::from(quarter) < QUARTERS_PER_DAY;
                if sound {
                    each(day, quarter, count);
                }
            })
            .filter(|()| sound)
            .ok_or_else(|| not_counts(2))?;
        }
        Ok(())
    }

    /// Counts the account names that sessions of each bucket have.
    pub(super) fn unique_users(&self, calendar: &Calendar) -> rusqlite::Result<Buckets> {
        let mut users = Users::new();
        let mut in_part = BTreeSet::new();
        let mut day = None;
        let mut add = |quarter: i64, user| match bucket(&mut day, quarter, calendar, &self.span) {
            Some(bucket) => users.entry(bucket).or_default().insert(user),
            None => drop(in_part.insert(quarter)),
        };
        for change in self.waiting.iter().filter(|change| change.begins()) {
            add(change.quarter(), change.user);
        }
        match &self.users {
            Some(asked) => self.users(asked, &days(&self.span), |day, member, of_user| {
                for (quarter, _) in of_user.sums.quarters.iter() {
                    add(day * QUARTERS_PER_DAY + i64::from(quarter), member.user);
                }
            })?,
            None => self.presence(calendar, &mut users, &mut in_part)?,
        }
        for quarter in in_part {
            let mut found = Vec::new();
            self.sessions(&self.clipped(quarter), |facts| {
                let bucket = calendar.bucket(facts.start_time.as_micros());
                found.push((bucket, facts.username.clone()));
            })?;
            for (bucket, username) in found {
                if let Some(user) = names::user_of(self.snapshot, &username)? {
                    users.entry(bucket).or_default().insert(user);
                }
            }
        }
        let count = |(bucket, users): (Bucket, UserSet)| (bucket, users.len());
        Ok(users.into_iter().map(count).collect())
    }

    /// Finds who began a session in the quarters that lie wholly in the span and in one bucket, and which do not. The
    /// journal is left out.
    fn presence(
        &self,
        calendar: &Calendar,
        users: &mut Users,
        in_part: &mut BTreeSet<i64>,
    ) -> rusqlite::Result<()> {
        const PRESENCE: &str = "
            SELECT quarter, members FROM rollup_presence WHERE quarter >= ?1 AND quarter < ?2 ORDER BY quarter";
        let last_user = names::last_user(self.snapshot)?;
        let days = days(&self.span);
        let mut statement = self.snapshot.prepare_cached(PRESENCE)?;
        let mut rows = statement.query([days.start, days.end].map(|day| day * QUARTERS_PER_DAY))?;
        let mut day = None;
        while let Some(row) = rows.next()? {
            let quarter = row.get(0)?;
            let micros = micros(quarter);
            if micros.end <= self.span.start || self.span.end <= micros.start {
                continue;
            }
            let Some(bucket) = bucket(&mut day, quarter, calendar, &self.span) else {
                in_part.insert(quarter);
                continue;
            };
            let there = users.entry(bucket).or_default();
            let mut sound = true;
            presence::visit(
                row.get_ref(1)?.as_blob()?,
                |series| self.series.contains_key(&series),
                |_, user| {
                    sound &= user <= last_user;
                    if sound {
                        there.insert(user);
                    }
                },
            )
            .filter(|()| sound)
            .ok_or_else(|| not_counts(1))?;
        }
        users.retain(|_, there| there.len() > 0);
        Ok(())
    }
}

/// Keys of users, one bit for each: they are small and many.
#[derive(Default)]
struct UserSet(Vec<u64>);

impl UserSet {
    fn insert(&mut self, user: i64) {
        let user = usize::try_from(user).unwrap_or_default();
        let (word, bit) = (user / 64, user % 64);
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << bit;
    }

    fn len(&self) -> u64 {
        self.0.iter().map(|word| u64::from(word.count_ones())).sum()
    }
}

fn bucket(
    day: &mut Option<(i64, Day)>,
    quarter: i64,
    calendar: &Calendar,
    span: &Range<i64>,
) -> Option<Bucket> {
    let (at, of_day) = (
        quarter.div_euclid(QUARTERS_PER_DAY),
        quarter.rem_euclid(QUARTERS_PER_DAY),
    );
    let of_day = usize::try_from(of_day).expect("a day has 96 quarters");
    cut(day, at, calendar, span).buckets[of_day]
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
