//! Sums over sessions, by time, component, kind and user.
//!
//! A commit only appends to [`journal`] what it changes of the sums, which dirties one page, however many users and days
//! the changes are about. Once in a while that is added to the tables, in the transaction of some commit. Whoever reads
//! adds up tables and journal, so answers are exact at any time.
//!
//! - [`Change`]: what a session's change changes of the sums.
//! - [`Sums`]: sums in memory, by the keys of the tables; of a journal, or of the sessions of a day.
//! - [`names`]: short keys for components, kinds, account names and error texts.
//! - [`tables`]: sums by quarter and by day. [`users`]: by day and user. [`presence`]: who began anything in a quarter.
//! - [`write`]: adds sums to the tables. [`read`]: answers questions.
//! - [`whole`]: makes the tables anew from the sessions, and compares them with them.

mod journal;
mod names;
mod presence;
mod read;
mod tables;
mod users;
mod whole;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use self::users::{Block, BlockKey, Member};
use crate::analytics::{Aggregate, Facts, QUARTER_MICROS, QUARTERS_PER_DAY, Tally};

pub(super) use journal::Journal;
pub(super) use read::{analyze, facts};
pub(super) use whole::{CompareError, compare, exist, rebuild};

/// A day, in microseconds.
const DAY_MICROS: i64 = QUARTER_MICROS * QUARTERS_PER_DAY;

/// A table of sums. Their columns are alike but for their keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Grain {
    Quarter,
    Day,
}

/// The key of a row of sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    grain: Grain,
    /// Quarter or day.
    at: i64,
    chain: i64,
    series: i64,
}

/// The key of those who began a session in a quarter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct PresenceKey {
    quarter: i64,
    chain: i64,
}

/// Series and users, in this order.
type Presence = BTreeSet<(i64, i64)>;

/// The key of a count of sessions with an error text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct ErrorKey {
    day: i64,
    chain: i64,
    series: i64,
    error: i64,
}

/// How many sessions have each error text, by its key; none with a count of zero.
type Errors = BTreeMap<i64, i64>;

/// What a session's change changes of the sums.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Change {
    chain: i64,
    series: i64,
    user: i64,
    /// When the session began, microseconds since 1970.
    start: i64,
    /// What is added. Less than nothing of what the session no longer is.
    sums: Aggregate,
    errors: Errors,
}

/// The short keys of a session's names.
#[derive(Clone, Copy)]
struct Keys {
    chain: i64,
    series: i64,
    user: i64,
}

impl Change {
    /// Counts a session that was counted as `before` says, if it was. An error text comes with its key.
    fn of(keys: Keys, before: Option<(&Facts, Option<i64>)>, now: (&Facts, Option<i64>)) -> Self {
        let (now, error) = now;
        let (mut sums, mut errors) = (Aggregate::default(), Errors::new());
        sums.add(now);
        errors.extend(error.map(|error| (error, 1)));
        if let Some((before, error)) = before {
            sums.take_back(before);
            add_errors(&mut errors, error.map(|error| (error, -1)));
        }
        let Keys {
            chain,
            series,
            user,
        } = keys;
        Self {
            chain,
            series,
            user,
            start: now.start_time.as_micros(),
            sums,
            errors,
        }
    }

    const fn day(&self) -> i64 {
        self.start.div_euclid(DAY_MICROS)
    }

    const fn quarter(&self) -> i64 {
        self.start.div_euclid(QUARTER_MICROS)
    }

    /// Tells whether it is about a session that was not counted before.
    const fn begins(&self) -> bool {
        self.sums.sessions > 0
    }
}

/// Adds counts; what comes to zero is gone.
fn add_errors(errors: &mut Errors, others: impl IntoIterator<Item = (i64, i64)>) {
    for (error, count) in others {
        let sum = errors.entry(error).or_default();
        *sum += count;
        if *sum == 0 {
            errors.remove(&error);
        }
    }
}

/// Sums in memory.
#[derive(Debug, Default)]
struct Sums {
    rows: BTreeMap<Key, Aggregate>,
    users: BTreeMap<BlockKey, Block>,
    presence: BTreeMap<PresenceKey, Presence>,
    errors: BTreeMap<ErrorKey, i64>,
}

impl Sums {
    fn add(&mut self, change: &Change) {
        let Change {
            chain,
            series,
            user,
            ..
        } = *change;
        let (quarter, day) = (change.quarter(), change.day());
        // The key of a quarter says which one it is.
        let of_quarter = Aggregate {
            quarters: Tally::default(),
            ..change.sums.clone()
        };
        for (grain, at, sums) in [
            (Grain::Quarter, quarter, &of_quarter),
            (Grain::Day, day, &change.sums),
        ] {
            let key = Key {
                grain,
                at,
                chain,
                series,
            };
            self.rows.entry(key).or_default().add_all(sums);
        }
        let block = self
            .users
            .entry(BlockKey::of(day, user, chain))
            .or_default();
        let of_user = block.entry(Member { user, series }).or_default();
        of_user.add(&change.sums, &change.errors);
        if change.begins() {
            let there = self.presence.entry(PresenceKey { quarter, chain });
            there.or_default().insert((series, user));
        }
        for (error, count) in &change.errors {
            let key = ErrorKey {
                day,
                chain,
                series,
                error: *error,
            };
            *self.errors.entry(key).or_default() += count;
        }
    }
}
