//! The tables as a whole: made anew from the sessions, and compared with them.
//!
//! Both go along the sessions in the order of their start and hold a day's sums in memory, and a month's days of users.

use std::{collections::BTreeMap, fmt};

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    DAY_MICROS, ErrorKey, Grain, Key, MonthKey, Names, Sums, month_of, names, read,
    tables::aggregate,
};
use crate::{
    analytics::{Aggregate, Facts, QUARTERS_PER_DAY},
    store::sqlite::row::chain_of,
};

const CLEAR: &str = "
    DELETE FROM rollup_quarters; DELETE FROM rollup_days; DELETE FROM rollup_users;
    DELETE FROM rollup_user_months; DELETE FROM rollup_errors";

/// Makes the tables anew. Gives how many sessions were counted.
pub(in crate::store::sqlite) fn rebuild(connection: &Connection) -> rusqlite::Result<u64> {
    connection.execute_batch(CLEAR)?;
    let mut names = Names::default();
    let mut counted = 0;
    by_day(
        connection,
        &mut |connection, facts| {
            counted += 1;
            let series = names.series(connection, &facts.component_name, &facts.session_type)?;
            Ok((series, names.user(connection, &facts.username)?))
        },
        &mut |_, sums| sums.write(connection),
    )?;
    Ok(counted)
}

/// Gives the keys of a session's series and user.
type KeysOf<'a> = dyn FnMut(&Connection, &Facts) -> Result<(i64, i64), rusqlite::Error> + 'a;

/// Sums up the sessions of each day on which any began, one day after the other.
fn by_day<E: From<rusqlite::Error>>(
    connection: &Connection,
    keys_of: &mut KeysOf<'_>,
    each: &mut dyn FnMut(i64, Sums) -> Result<(), E>,
) -> Result<(), E> {
    // Uses `sessions_by_start`.
    let sql = format!(
        "SELECT {}, start_record FROM sessions ORDER BY start_time",
        read::FACTS
    );
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query([])?;
    let (mut day, mut sums) = (i64::MIN, Sums::default());
    while let Some(row) = rows.next()? {
        let facts = read::facts(row)?;
        let of_session = facts.start_time.as_micros().div_euclid(DAY_MICROS);
        if of_session != day {
            if day != i64::MIN {
                each(day, std::mem::take(&mut sums))?;
            }
            day = of_session;
        }
        let (series, user) = keys_of(connection, &facts)?;
        sums.count(chain_of(row.get(9)?), series, user, None, &facts);
    }
    if day == i64::MIN {
        Ok(())
    } else {
        each(day, sums)
    }
}

/// Why a comparison ended early.
#[derive(Debug)]
pub(in crate::store::sqlite) enum CompareError {
    Read(rusqlite::Error),
    /// The first difference between the tables and the sessions: where it stands, and what it is.
    Difference {
        place: String,
        what: String,
    },
}

impl From<rusqlite::Error> for CompareError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Read(error)
    }
}

/// Tells whether there are tables of sums: not before a server that knows them has opened the database.
pub(in crate::store::sqlite) fn exist(snapshot: &Connection) -> rusqlite::Result<bool> {
    const MADE: &str = "SELECT EXISTS (SELECT 1 FROM migrations WHERE name = 'rollups')";
    snapshot.query_row(MADE, [], |row| row.get(0))
}

/// Compares the tables with the sessions. Gives how many rows were compared.
pub(in crate::store::sqlite) fn compare(snapshot: &Connection) -> Result<u64, CompareError> {
    let mut comparison = Comparison {
        snapshot,
        titles: Titles::load(snapshot)?,
        next_day: i64::MIN,
        month: i64::MIN,
        months: BTreeMap::new(),
        compared: 0,
    };
    let titles = Titles::load(snapshot)?;
    by_day(
        snapshot,
        // A name without a key has no sums either, which is found as a missing row.
        &mut |snapshot, facts| {
            let series = titles.series_of(facts).unwrap_or(-1);
            Ok((
                series,
                names::user_of(snapshot, &facts.username)?.unwrap_or(-1),
            ))
        },
        &mut |day, sums| comparison.day(day, sums),
    )?;
    comparison.end()
}

struct Comparison<'a> {
    snapshot: &'a Connection,
    titles: Titles,
    /// The day after the last that was compared.
    next_day: i64,
    month: i64,
    /// Of that month.
    months: BTreeMap<MonthKey, u32>,
    compared: u64,
}

impl Comparison<'_> {
    fn day(&mut self, day: i64, sums: Sums) -> Result<(), CompareError> {
        self.nothing_between(self.next_day, day)?;
        for grain in Grain::ALL {
            let expected = sums.rows.iter().filter(|(key, _)| key.grain == grain);
            let expected: BTreeMap<_, _> = expected.map(|(key, sums)| (*key, sums)).collect();
            self.rows(grain, day, &expected)?;
        }
        self.errors(day, &sums)?;
        self.next_day = day + 1;
        let (month, _) = month_of(day);
        if month != self.month {
            self.finish_month()?;
            self.no_months_between(self.month, month)?;
            self.month = month;
        }
        for (key, days) in sums.months {
            *self.months.entry(key).or_default() |= days;
        }
        Ok(())
    }

    fn end(mut self) -> Result<u64, CompareError> {
        self.nothing_between(self.next_day, i64::MAX)?;
        self.finish_month()?;
        self.no_months_between(self.month, i64::MAX)?;
        Ok(self.compared)
    }

    fn rows(
        &mut self,
        grain: Grain,
        day: i64,
        expected: &BTreeMap<Key, &Aggregate>,
    ) -> Result<(), CompareError> {
        let (first, end) = span_of(grain, day);
        let mut statement = self.snapshot.prepare_cached(&grain.span())?;
        let mut rows = statement.query(params![first, end])?;
        let mut found = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let key = grain.key(row)?;
            let place = self.titles.place(&key);
            let sums = aggregate(row, grain.keys().len());
            let sums =
                sums.or_else(|error| differ(&place, format!("it cannot be read: {error}")))?;
            found.insert(key, sums);
        }
        for (key, expected) in expected {
            let Some(found) = found.remove(key) else {
                return differ(&self.titles.place(key), "it is missing");
            };
            if let Some(what) = difference(&found, expected) {
                return differ(&self.titles.place(key), what);
            }
            self.compared += 1;
        }
        match found.keys().next() {
            Some(key) => differ(&self.titles.place(key), "no session belongs to it"),
            None => Ok(()),
        }
    }

    fn errors(&mut self, day: i64, sums: &Sums) -> Result<(), CompareError> {
        const ERRORS: &str = "
            SELECT chain, series, digest, sessions, message FROM rollup_errors LEFT JOIN error_messages USING (digest)
             WHERE day = ?1";
        let mut statement = self.snapshot.prepare_cached(ERRORS)?;
        let mut rows = statement.query([day])?;
        let mut found = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let key = ErrorKey {
                day,
                chain: row.get(0)?,
                series: row.get(1)?,
                digest: row.get(2)?,
            };
            let count: (i64, Option<String>) = (row.get(3)?, row.get(4)?);
            found.insert(key, count);
        }
        let place = |key: &ErrorKey| {
            let digest = data_encoding::HEXLOWER.encode(&key.digest);
            let of = self.titles.of_series(key.chain, key.series);
            format!(
                "rollup_errors: day {}, {of}, error text {digest}",
                date(day)
            )
        };
        for (key, expected) in &sums.errors {
            match found.remove(key) {
                None => return differ(&place(key), "it is missing"),
                Some((count, _)) if count != *expected => {
                    let what =
                        format!("column sessions is {count}, and by the sessions {expected}");
                    return differ(&place(key), what);
                }
                Some((_, message)) if message.as_ref() != sums.messages.get(&key.digest) => {
                    return differ(&place(key), "table error_messages has another text for it");
                }
                Some(_) => self.compared += 1,
            }
        }
        match found.keys().next() {
            Some(key) => differ(&place(key), "no session belongs to it"),
            None => Ok(()),
        }
    }

    fn finish_month(&mut self) -> Result<(), CompareError> {
        const MONTH: &str =
            "SELECT chain, series, user, days FROM rollup_user_months WHERE month = ?1";
        let month = self.month;
        let mut statement = self.snapshot.prepare_cached(MONTH)?;
        let mut rows = statement.query([month])?;
        let mut found = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let key = MonthKey {
                month,
                chain: row.get(0)?,
                series: row.get(1)?,
                user: row.get(2)?,
            };
            found.insert(key, row.get::<_, i64>(3)?);
        }
        let place = |key: &MonthKey| {
            let of = self.titles.of_series(key.chain, key.series);
            format!(
                "rollup_user_months: month {}, {of}, user {}",
                month_name(key.month),
                key.user
            )
        };
        for (key, expected) in std::mem::take(&mut self.months) {
            let expected = i64::from(expected);
            match found.remove(&key) {
                None => return differ(&place(&key), "it is missing"),
                Some(days) if days != expected => {
                    let what = format!("column days is {days}, and by the sessions {expected}");
                    return differ(&place(&key), what);
                }
                Some(_) => self.compared += 1,
            }
        }
        match found.keys().next() {
            Some(key) => differ(&place(key), "no session belongs to it"),
            None => Ok(()),
        }
    }

    /// Looks for rows of days on which no session began.
    fn nothing_between(&self, day: i64, next: i64) -> Result<(), CompareError> {
        for grain in Grain::ALL {
            let (first, _) = span_of(grain, day);
            let (end, _) = span_of(grain, next);
            let mut statement = self.snapshot.prepare_cached(&grain.span())?;
            let mut rows = statement.query(params![first, end])?;
            if let Some(row) = rows.next()? {
                let place = self.titles.place(&grain.key(row)?);
                return differ(&place, "no session belongs to it");
            }
        }
        self.none(
            "SELECT day FROM rollup_errors WHERE day >= ?1 AND day < ?2",
            (day, next),
            |day| format!("rollup_errors: day {}", date(day)),
        )
    }

    fn no_months_between(&self, month: i64, next: i64) -> Result<(), CompareError> {
        self.none(
            "SELECT month FROM rollup_user_months WHERE month > ?1 AND month < ?2",
            (month, next),
            |month| format!("rollup_user_months: month {}", month_name(month)),
        )
    }

    fn none(
        &self,
        sql: &str,
        between: (i64, i64),
        place: impl FnOnce(i64) -> String,
    ) -> Result<(), CompareError> {
        let mut statement = self.snapshot.prepare_cached(sql)?;
        let found = statement.query_row(between, |row| row.get(0)).optional()?;
        match found {
            Some(at) => differ(&place(at), "no session belongs to it"),
            None => Ok(()),
        }
    }
}

fn differ<T>(place: &str, what: impl Into<String>) -> Result<T, CompareError> {
    Err(CompareError::Difference {
        place: place.to_owned(),
        what: what.into(),
    })
}

/// Gives where a day's rows begin, and where the next day's do.
fn span_of(grain: Grain, day: i64) -> (i64, i64) {
    match grain {
        Grain::Quarter => {
            let first = day.saturating_mul(QUARTERS_PER_DAY);
            (first, first.saturating_add(QUARTERS_PER_DAY))
        }
        Grain::Day | Grain::User => (day, day.saturating_add(1)),
    }
}

/// Names the first column in which two rows differ.
fn difference(found: &Aggregate, expected: &Aggregate) -> Option<String> {
    let differs = |column: &str, found: &dyn fmt::Debug, expected: &dyn fmt::Debug| {
        let (found, expected) = (format!("{found:?}"), format!("{expected:?}"));
        (found != expected)
            .then(|| format!("column {column} is {found}, and by the sessions {expected}"))
    };
    let last_start = |sums: &Aggregate| sums.last_start.unwrap_or_default();
    differs("sessions", &found.sessions, &expected.sessions)
        .or_else(|| differs("active", &found.active, &expected.active))
        .or_else(|| differs("lost", &found.lost, &expected.lost))
        .or_else(|| differs("failed", &found.failed, &expected.failed))
        .or_else(|| differs("seconds", &found.seconds, &expected.seconds))
        .or_else(|| {
            differs(
                "quality_nanos",
                &found.quality_nanos,
                &expected.quality_nanos,
            )
        })
        .or_else(|| differs("last_start", &last_start(found), &last_start(expected)))
        .or_else(|| differs("lengths", &found.lengths, &expected.lengths))
        .or_else(|| differs("quarters", &found.quarters, &expected.quarters))
}

/// What keys stand for, to say where a row stands.
struct Titles(std::collections::HashMap<i64, (String, String)>);

impl Titles {
    fn load(snapshot: &Connection) -> rusqlite::Result<Self> {
        names::all_series(snapshot).map(Self)
    }

    fn series_of(&self, facts: &Facts) -> Option<i64> {
        let is = |(component, session_type): &(String, String)| {
            *component == facts.component_name && *session_type == facts.session_type
        };
        self.0
            .iter()
            .find(|(_, names)| is(names))
            .map(|(key, _)| *key)
    }

    fn of_series(&self, chain: i64, series: i64) -> String {
        match self.0.get(&series) {
            Some((component, session_type)) => {
                format!("chain {chain}, component {component}, type {session_type}")
            }
            None => format!("chain {chain}, series {series}"),
        }
    }

    fn place(&self, key: &Key) -> String {
        let (table, of) = (key.grain.table(), self.of_series(key.chain, key.series));
        let day = match key.grain {
            Grain::Quarter => key.at.div_euclid(QUARTERS_PER_DAY),
            Grain::Day | Grain::User => key.at,
        };
        let day = date(day);
        match key.grain {
            Grain::Quarter => format!(
                "{table}: quarter {} of day {day}, {of}",
                key.at.rem_euclid(QUARTERS_PER_DAY)
            ),
            Grain::Day => format!("{table}: day {day}, {of}"),
            Grain::User => format!("{table}: day {day}, {of}, user {}", key.user),
        }
    }
}

fn month_name(month: i64) -> String {
    format!(
        "{:04}-{:02}",
        month.div_euclid(12),
        month.rem_euclid(12) + 1
    )
}

fn date(day: i64) -> jiff::civil::Date {
    crate::analytics::date(day)
}
