//! Sums over sessions, by time, component, kind and user.
//!
//! - [`Sums`]: sums in memory, by the keys of the tables; a transaction's changes, or a day's sessions.
//! - [`names`]: short keys for components, kinds and account names.
//! - [`write`]: adds sums to the tables. [`read`]: answers questions.
//! - [`whole`]: makes the tables anew from the sessions, and compares them with them.

mod names;
mod read;
mod tables;
mod whole;
mod write;

use std::collections::BTreeMap;

use rusqlite::Connection;
use sha2::{Digest as _, Sha256};

use crate::analytics::{Aggregate, Facts, QUARTER_MICROS, QUARTERS_PER_DAY, Tally};

pub(super) use names::Names;
pub(super) use read::{analyze, facts};
pub(super) use whole::{CompareError, compare, exist, rebuild};

/// A day, in microseconds.
const DAY_MICROS: i64 = QUARTER_MICROS * QUARTERS_PER_DAY;

/// A table of sums. Their columns are alike but for their keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Grain {
    Quarter,
    Day,
    User,
}

/// The key of a row of sums; `user` is 0 where the grain has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    grain: Grain,
    /// Quarter or day.
    at: i64,
    chain: i64,
    series: i64,
    user: i64,
}

/// The key of the days of a month on which a user's sessions began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct MonthKey {
    month: i64,
    chain: i64,
    series: i64,
    user: i64,
}

/// The key of a count of sessions with an error text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct ErrorKey {
    day: i64,
    chain: i64,
    series: i64,
    digest: Digest,
}

/// The first half of an error text's SHA-256.
type Digest = [u8; 16];

/// Sums in memory.
#[derive(Debug, Default)]
pub(super) struct Sums {
    rows: BTreeMap<Key, Aggregate>,
    months: BTreeMap<MonthKey, u32>,
    errors: BTreeMap<ErrorKey, i64>,
    messages: BTreeMap<Digest, String>,
}

impl Sums {
    /// Counts a session that was counted as `before` says, if it was.
    pub(super) fn change(
        &mut self,
        connection: &Connection,
        names: &mut Names,
        chain: i64,
        before: Option<&Facts>,
        now: &Facts,
    ) -> rusqlite::Result<()> {
        if before == Some(now) {
            return Ok(());
        }
        let series = names.series(connection, &now.component_name, &now.session_type)?;
        let user = names.user(connection, &now.username)?;
        self.count(chain, series, user, before, now);
        Ok(())
    }

    fn count(&mut self, chain: i64, series: i64, user: i64, before: Option<&Facts>, now: &Facts) {
        let start = now.start_time.as_micros();
        let (quarter, day) = (
            start.div_euclid(QUARTER_MICROS),
            start.div_euclid(DAY_MICROS),
        );
        let mut change = Aggregate::default();
        change.add(now);
        if let Some(before) = before {
            change.take_back(before);
        }
        // The key of a quarter says which one it is.
        let of_quarter = Aggregate {
            quarters: Tally::default(),
            ..change.clone()
        };
        for (grain, at, user, change) in [
            (Grain::Quarter, quarter, 0, &of_quarter),
            (Grain::Day, day, 0, &change),
            (Grain::User, day, user, &change),
        ] {
            let key = Key {
                grain,
                at,
                chain,
                series,
                user,
            };
            self.rows.entry(key).or_default().add_all(change);
        }
        if before.is_none() {
            let (month, bit) = month_of(day);
            let key = MonthKey {
                month,
                chain,
                series,
                user,
            };
            *self.months.entry(key).or_default() |= bit;
        }
        let mut count_error = |error: &Option<String>, sign| {
            let Some(message) = error else { return };
            let digest = digest_of(message);
            let key = ErrorKey {
                day,
                chain,
                series,
                digest,
            };
            *self.errors.entry(key).or_default() += sign;
            self.messages
                .entry(digest)
                .or_insert_with(|| message.clone());
        };
        if before.map(|before| &before.error) != Some(&now.error) {
            count_error(&now.error, 1);
            if let Some(before) = before {
                count_error(&before.error, -1);
            }
        }
    }
}

/// Gives the month of a day, and the day's bit in it.
fn month_of(day: i64) -> (i64, u32) {
    let date = crate::analytics::date(day);
    let month = i64::from(date.year()) * 12 + i64::from(date.month()) - 1;
    (month, 1 << (date.day() - 1))
}

fn digest_of(message: &str) -> Digest {
    let whole: [u8; 32] = Sha256::digest(message.as_bytes()).into();
    let mut half = [0; 16];
    half.copy_from_slice(&whole[..16]);
    half
}
