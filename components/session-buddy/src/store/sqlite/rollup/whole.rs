//! The tables as a whole: made anew from the sessions, and compared with them.
//!
//! Both go along the sessions in the order of their start and hold a day's sums in memory.

use std::{collections::BTreeMap, fmt, ops::Range};

use rusqlite::{Connection, params};

use super::{
    BlockKey, Change, DAY_MICROS, ErrorKey, Grain, Key, Keys, Member, Presence, PresenceKey, Sums,
    journal,
    names::{self, Names},
    presence, read,
    tables::aggregate,
    users::{self, UserSums},
};
use crate::{
    analytics::{Aggregate, Facts, QUARTERS_PER_DAY},
    store::sqlite::row::chain_of,
};

const CLEAR: &str = "
    DELETE FROM rollup_journal; DELETE FROM rollup_quarters; DELETE FROM rollup_days; DELETE FROM rollup_users;
    DELETE FROM rollup_presence; DELETE FROM rollup_errors";

/// Makes the tables anew. Gives how many sessions were counted.
pub(in crate::store::sqlite) fn rebuild(connection: &Connection) -> rusqlite::Result<u64> {
    connection.execute_batch(CLEAR)?;
    let mut names = Names::default();
    let mut counted = 0;
    by_day(
        connection,
        &mut |chain, facts| {
            counted += 1;
            let keys = Keys {
                chain,
                series: names.series(connection, &facts.component_name, &facts.session_type)?,
                user: names.user(connection, &facts.username)?,
            };
            let error = facts.error.as_deref();
            let error = error.map(|text| names::true_error(connection, text));
            Ok((keys, error.transpose()?))
        },
        &mut |_, sums| sums.write(connection),
    )?;
    Ok(counted)
}

/// Gives the keys of the names of a session that counts in a chain, and of its error text.
type KeysOf<'a, E> = dyn FnMut(i64, &Facts) -> Result<(Keys, Option<i64>), E> + 'a;

/// Sums up the sessions of each day on which any began, one day after the other.
fn by_day<E: From<rusqlite::Error>>(
    connection: &Connection,
    keys_of: &mut KeysOf<'_, E>,
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
        let (keys, error) = keys_of(chain_of(row.get(9)?), &facts)?;
        sums.add(&Change::of(keys, None, (&facts, error)));
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
    const MADE: &str = "SELECT EXISTS (SELECT 1 FROM migrations WHERE name = 'rollup_journal')";
    snapshot.query_row(MADE, [], |row| row.get(0))
}

/// Compares tables and journal with the sessions. Gives how many rows were compared.
pub(in crate::store::sqlite) fn compare(snapshot: &Connection) -> Result<u64, CompareError> {
    let titles = Titles(names::all_series(snapshot)?);
    let mut comparison = Comparison {
        snapshot,
        titles: &titles,
        waiting: journal::read(snapshot)
            .or_else(|error| cannot_be_read("rollup_journal", &error))?,
        next_day: i64::MIN,
        compared: 0,
    };
    by_day(
        snapshot,
        // A name without a key has no sums either, which is found as a missing row.
        &mut |chain, facts| {
            let keys = Keys {
                chain,
                series: titles.series_of(facts).unwrap_or(-1),
                user: names::user_of(snapshot, &facts.username)?.unwrap_or(-1),
            };
            let Some(text) = &facts.error else {
                return Ok((keys, None));
            };
            let (error, true_text) = names::error_of(snapshot, text)?.unwrap_or((-1, true));
            if !true_text {
                let place = format!("rollup_errors: error {error}, as of {}", facts.start_time);
                return differ(&place, "table error_messages has another text for it");
            }
            Ok((keys, Some(error)))
        },
        &mut |day, sums| comparison.day(day, &sums),
    )?;
    comparison.end()
}

struct Comparison<'a> {
    snapshot: &'a Connection,
    titles: &'a Titles,
    /// What the journal has.
    waiting: Vec<Change>,
    /// The day after the last that was compared.
    next_day: i64,
    compared: u64,
}

impl Comparison<'_> {
    fn day(&mut self, day: i64, expected: &Sums) -> Result<(), CompareError> {
        // On the days before it no session began.
        self.days(self.next_day..day, &Sums::default())?;
        self.next_day = day + 1;
        self.days(day..self.next_day, expected)
    }

    fn end(mut self) -> Result<u64, CompareError> {
        self.days(self.next_day..i64::MAX, &Sums::default())?;
        Ok(self.compared)
    }

    fn days(&mut self, days: Range<i64>, expected: &Sums) -> Result<(), CompareError> {
        if days.is_empty() {
            return Ok(());
        }
        let mut found = self.read(&days)?;
        for change in &self.waiting {
            if days.contains(&change.day()) {
                found.add(change);
            }
        }
        found.errors.retain(|_, count| *count != 0);
        let titles = self.titles;
        let rows = same(
            &found.rows,
            &expected.rows,
            |key| titles.place(key),
            difference,
        )?;
        let users = same(
            &by_member(&found),
            &by_member(expected),
            |(key, member)| titles.place_of_user(*key, *member),
            |found, expected| difference_of_user(found, expected),
        )?;
        let quarters = same(
            &found.presence,
            &expected.presence,
            |key| titles.place_of_presence(*key),
            |found, expected| titles.difference_of_presence(found, expected),
        )?;
        let errors = same(
            &found.errors,
            &expected.errors,
            |key| titles.place_of_error(key),
            |found, expected| differs("sessions", found, expected),
        )?;
        self.compared += (rows + users + quarters + errors) as u64;
        Ok(())
    }

    /// Reads the tables of some days.
    fn read(&self, days: &Range<i64>) -> Result<Sums, CompareError> {
        const USERS: &str =
            "SELECT day, block, chain, members FROM rollup_users WHERE day >= ?1 AND day < ?2";
        const PRESENCE: &str = "SELECT quarter, chain, members FROM rollup_presence WHERE quarter >= ?1 AND quarter < ?2";
        const ERRORS: &str = "SELECT day, chain, series, error, sessions FROM rollup_errors WHERE day >= ?1 AND day < ?2";
        let mut sums = Sums::default();
        let of_days = [days.start, days.end];
        let of_quarters = of_days.map(|day| day.saturating_mul(QUARTERS_PER_DAY));
        for grain in Grain::ALL {
            let span = match grain {
                Grain::Quarter => of_quarters,
                Grain::Day => of_days,
            };
            self.each(&grain.span(), span, |row| {
                let key = grain.key(row)?;
                let aggregate = aggregate(row);
                let aggregate =
                    aggregate.or_else(|error| cannot_be_read(&self.titles.place(&key), &error));
                sums.rows.insert(key, aggregate?);
                Ok(())
            })?;
        }
        self.each(USERS, of_days, |row| {
            let key = BlockKey {
                day: row.get(0)?,
                block: row.get(1)?,
                chain: row.get(2)?,
            };
            let block = sums.users.entry(key).or_default();
            let bytes = row.get_ref(3)?.as_blob().map_err(rusqlite::Error::from)?;
            let whole = users::members(
                key,
                bytes,
                |_| true,
                |member, sums| drop(block.insert(member, sums)),
            );
            whole.map_or_else(
                || differ(&Titles::place_of_block(key), "it cannot be read"),
                Ok,
            )
        })?;
        self.each(PRESENCE, of_quarters, |row| {
            let key = PresenceKey {
                quarter: row.get(0)?,
                chain: row.get(1)?,
            };
            let bytes = row.get_ref(2)?.as_blob().map_err(rusqlite::Error::from)?;
            let Some(presence) = presence::unpack(bytes) else {
                return differ(&self.titles.place_of_presence(key), "it cannot be read");
            };
            sums.presence.insert(key, presence);
            Ok(())
        })?;
        self.each(ERRORS, of_days, |row| {
            let key = ErrorKey {
                day: row.get(0)?,
                chain: row.get(1)?,
                series: row.get(2)?,
                error: row.get(3)?,
            };
            sums.errors.insert(key, row.get(4)?);
            Ok(())
        })?;
        Ok(sums)
    }

    fn each(
        &self,
        sql: &str,
        span: [i64; 2],
        mut each: impl FnMut(&rusqlite::Row<'_>) -> Result<(), CompareError>,
    ) -> Result<(), CompareError> {
        let mut statement = self.snapshot.prepare_cached(sql)?;
        let mut rows = statement.query(params![span[0], span[1]])?;
        while let Some(row) = rows.next()? {
            each(row)?;
        }
        Ok(())
    }
}

type ByMember<'a> = BTreeMap<(BlockKey, Member), &'a UserSums>;

fn by_member(sums: &Sums) -> ByMember<'_> {
    let blocks = sums.users.iter();
    let members =
        blocks.flat_map(|(key, block)| block.iter().map(|(member, sums)| ((*key, *member), sums)));
    members.collect()
}

/// Compares what was found with what should be there. Gives how much was compared.
fn same<K: Ord, V>(
    found: &BTreeMap<K, V>,
    expected: &BTreeMap<K, V>,
    place: impl Fn(&K) -> String,
    difference: impl Fn(&V, &V) -> Option<String>,
) -> Result<usize, CompareError> {
    for (key, expected) in expected {
        let Some(found) = found.get(key) else {
            return differ(&place(key), "it is missing");
        };
        if let Some(what) = difference(found, expected) {
            return differ(&place(key), what);
        }
    }
    match found.keys().find(|key| !expected.contains_key(key)) {
        Some(key) => differ(&place(key), "no session belongs to it"),
        None => Ok(expected.len()),
    }
}

fn differ<T>(place: &str, what: impl Into<String>) -> Result<T, CompareError> {
    Err(CompareError::Difference {
        place: place.to_owned(),
        what: what.into(),
    })
}

fn cannot_be_read<T>(place: &str, error: &rusqlite::Error) -> Result<T, CompareError> {
    differ(place, format!("it cannot be read: {error}"))
}

/// Names the first column in which two rows differ.
fn difference(found: &Aggregate, expected: &Aggregate) -> Option<String> {
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

fn difference_of_user(found: &UserSums, expected: &UserSums) -> Option<String> {
    difference(&found.sums, &expected.sums)
        .or_else(|| differs("errors", &found.errors, &expected.errors))
}

fn differs<T: fmt::Debug + PartialEq>(column: &str, found: &T, expected: &T) -> Option<String> {
    (found != expected)
        .then(|| format!("column {column} is {found:?}, and by the sessions {expected:?}"))
}

/// What keys stand for, to say where a row stands.
struct Titles(std::collections::HashMap<i64, (String, String)>);

impl Titles {
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
        match key.grain {
            Grain::Quarter => format!("{table}: {}, {of}", quarter(key.at)),
            Grain::Day => format!("{table}: day {}, {of}", date(key.at)),
        }
    }

    fn place_of_block(key: BlockKey) -> String {
        let (BlockKey { day, chain, .. }, users) = (key, key.users());
        let day = date(day);
        format!(
            "rollup_users: day {day}, chain {chain}, users from {} to {}",
            users.start,
            users.end - 1
        )
    }

    fn place_of_user(&self, key: BlockKey, member: Member) -> String {
        let (day, of) = (date(key.day), self.of_series(key.chain, member.series));
        format!("rollup_users: day {day}, {of}, user {}", member.user)
    }

    fn place_of_presence(&self, key: PresenceKey) -> String {
        format!(
            "rollup_presence: {}, chain {}",
            quarter(key.quarter),
            key.chain
        )
    }

    fn difference_of_presence(&self, found: &Presence, expected: &Presence) -> Option<String> {
        let (series, user) = found.symmetric_difference(expected).next()?;
        let who = format!("user {user} of series {series}");
        Some(if expected.contains(&(*series, *user)) {
            format!("{who} is missing")
        } else {
            format!("{who} is there, and began nothing")
        })
    }

    fn place_of_error(&self, key: &ErrorKey) -> String {
        let (day, of) = (date(key.day), self.of_series(key.chain, key.series));
        format!("rollup_errors: day {day}, {of}, error {}", key.error)
    }
}

fn quarter(quarter: i64) -> String {
    let day = date(quarter.div_euclid(QUARTERS_PER_DAY));
    format!(
        "quarter {} of day {day}",
        quarter.rem_euclid(QUARTERS_PER_DAY)
    )
}

fn date(day: i64) -> jiff::civil::Date {
    crate::analytics::date(day)
}
