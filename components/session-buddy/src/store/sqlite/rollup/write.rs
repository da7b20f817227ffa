//! Adding sums to the tables: one row for each key that a transaction touched, however many changes touched it.

use rusqlite::{Connection, OptionalExtension, params, params_from_iter, types::Value};

use super::{
    ErrorKey, Grain, Key, MonthKey, Sums,
    tables::{SUMS, SUMS_COUNT, aggregate},
};
use crate::analytics::Aggregate;

const ADD_DAYS: &str = "
    INSERT INTO rollup_user_months (month, chain, series, user, days) VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT DO UPDATE SET days = days | ?5 WHERE days | ?5 <> days";

const ADD_ERRORS: &str = "
    INSERT INTO rollup_errors (day, chain, series, digest, sessions) VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT DO UPDATE SET sessions = sessions + ?5";

const NO_ERRORS: &str = "
    DELETE FROM rollup_errors
     WHERE day = ?1 AND chain = ?2 AND series = ?3 AND digest = ?4 AND sessions = 0";

const ADD_MESSAGE: &str =
    "INSERT INTO error_messages (digest, message) VALUES (?1, ?2) ON CONFLICT DO NOTHING";

impl Sums {
    /// Adds them to the tables.
    pub(in crate::store::sqlite) fn write(self, connection: &Connection) -> rusqlite::Result<()> {
        let Self {
            rows,
            months,
            errors,
            messages,
        } = self;
        for (key, change) in rows {
            add(connection, &key, change)?;
        }
        let mut add_days = connection.prepare_cached(ADD_DAYS)?;
        for (key, days) in months {
            let MonthKey {
                month,
                chain,
                series,
                user,
            } = key;
            add_days.execute(params![month, chain, series, user, days])?;
        }
        for (digest, message) in messages {
            connection
                .prepare_cached(ADD_MESSAGE)?
                .execute(params![digest, message])?;
        }
        for (key, change) in errors {
            add_errors(connection, &key, change)?;
        }
        Ok(())
    }
}

/// Adds to a row of sums, which it makes if there is none.
fn add(connection: &Connection, key: &Key, mut change: Aggregate) -> rusqlite::Result<()> {
    let grain = key.grain;
    let stored = connection
        .prepare_cached(grain.one())?
        .query_row(params_from_iter(key.values()), |row| aggregate(row, 0))
        .optional()?;
    if let Some(stored) = stored {
        change.add_all(&stored);
    }
    let values = key.values().into_iter().map(Value::Integer);
    connection
        .prepare_cached(grain.put())?
        .execute(params_from_iter(values.chain(sums(&change))))?;
    Ok(())
}

fn sums(aggregate: &Aggregate) -> [Value; SUMS_COUNT] {
    let last_start = aggregate
        .last_start
        .expect("a key is touched by adding a session");
    [
        Value::Integer(aggregate.sessions),
        Value::Integer(aggregate.active),
        Value::Integer(aggregate.lost),
        Value::Integer(aggregate.failed),
        Value::Integer(aggregate.seconds),
        Value::Integer(aggregate.quality_nanos),
        Value::Integer(last_start),
        Value::Blob(aggregate.lengths.to_bytes()),
        Value::Blob(aggregate.quarters.to_bytes()),
    ]
}

fn add_errors(connection: &Connection, key: &ErrorKey, change: i64) -> rusqlite::Result<()> {
    if change == 0 {
        return Ok(());
    }
    let ErrorKey {
        day,
        chain,
        series,
        digest,
    } = key;
    connection
        .prepare_cached(ADD_ERRORS)?
        .execute(params![day, chain, series, digest, change])?;
    if change < 0 {
        connection
            .prepare_cached(NO_ERRORS)?
            .execute(params![day, chain, series, digest])?;
    }
    Ok(())
}

/// The statements that read a row, and that put one.
struct Statements {
    one: String,
    put: String,
}

impl Statements {
    fn of(grain: Grain) -> Self {
        let (table, keys) = (grain.table(), grain.keys());
        let wanted: Vec<_> = keys.iter().map(|key| format!("{key} = ?")).collect();
        let places = vec!["?"; keys.len() + SUMS_COUNT].join(", ");
        Self {
            one: format!("SELECT {SUMS} FROM {table} WHERE {}", wanted.join(" AND ")),
            put: format!(
                "INSERT OR REPLACE INTO {table} ({}, {SUMS}) VALUES ({places})",
                keys.join(", ")
            ),
        }
    }
}

static STATEMENTS: std::sync::LazyLock<[Statements; 3]> =
    std::sync::LazyLock::new(|| Grain::ALL.map(Statements::of));

impl Grain {
    fn one(self) -> &'static str {
        &STATEMENTS[self as usize].one
    }

    fn put(self) -> &'static str {
        &STATEMENTS[self as usize].put
    }
}
