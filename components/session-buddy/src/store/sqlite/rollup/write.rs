//! Adding sums to the tables: one row for each key, however many changes touched it.

use rusqlite::{Connection, OptionalExtension, params, params_from_iter, types::Value};

use super::{
    BlockKey, ErrorKey, Grain, Key, Presence, PresenceKey, Sums, presence,
    tables::{SUMS, SUMS_AT, SUMS_COUNT, aggregate, not_counts},
    users::{self, Block},
};
use crate::analytics::Aggregate;

const USERS: &str = "SELECT members FROM rollup_users WHERE day = ?1 AND block = ?2 AND chain = ?3";
const PUT_USERS: &str =
    "INSERT OR REPLACE INTO rollup_users (day, block, chain, members) VALUES (?1, ?2, ?3, ?4)";

const PRESENCE: &str = "SELECT members FROM rollup_presence WHERE quarter = ?1 AND chain = ?2";
const PUT_PRESENCE: &str =
    "INSERT OR REPLACE INTO rollup_presence (quarter, chain, members) VALUES (?1, ?2, ?3)";

const ADD_ERRORS: &str = "
    INSERT INTO rollup_errors (day, chain, series, error, sessions) VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT DO UPDATE SET sessions = sessions + ?5";

const NO_ERRORS: &str = "
    DELETE FROM rollup_errors
     WHERE day = ?1 AND chain = ?2 AND series = ?3 AND error = ?4 AND sessions = 0";

impl Sums {
    /// Adds them to the tables.
    pub(super) fn write(self, connection: &Connection) -> rusqlite::Result<()> {
        for (key, sums) in self.rows {
            add(connection, key, sums)?;
        }
        for (key, block) in self.users {
            add_users(connection, key, block)?;
        }
        for (key, presence) in self.presence {
            add_presence(connection, key, presence)?;
        }
        for (key, change) in self.errors {
            add_errors(connection, key, change)?;
        }
        Ok(())
    }
}

/// Adds to a row of sums, which it makes if there is none.
fn add(connection: &Connection, key: Key, mut change: Aggregate) -> rusqlite::Result<()> {
    let Key {
        grain,
        at,
        chain,
        series,
    } = key;
    let key = [at, chain, series];
    let stored = connection
        .prepare_cached(grain.one())?
        .query_row(key, aggregate)
        .optional()?;
    if let Some(stored) = stored {
        change.add_all(&stored);
    }
    let values = key.into_iter().map(Value::Integer).chain(sums(&change));
    connection
        .prepare_cached(grain.put())?
        .execute(params_from_iter(values))?;
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

fn add_users(connection: &Connection, key: BlockKey, changes: Block) -> rusqlite::Result<()> {
    let BlockKey { day, block, chain } = key;
    let stored: Option<Vec<u8>> = connection
        .prepare_cached(USERS)?
        .query_row([day, block, chain], |row| row.get(0))
        .optional()?;
    let members = users::add(key, &stored.unwrap_or_default(), changes);
    let members = members.ok_or_else(|| not_counts(0))?;
    connection
        .prepare_cached(PUT_USERS)?
        .execute(params![day, block, chain, members])?;
    Ok(())
}

fn add_presence(
    connection: &Connection,
    key: PresenceKey,
    mut there: Presence,
) -> rusqlite::Result<()> {
    let PresenceKey { quarter, chain } = key;
    let stored: Option<Vec<u8>> = connection
        .prepare_cached(PRESENCE)?
        .query_row([quarter, chain], |row| row.get(0))
        .optional()?;
    let stored = presence::unpack(&stored.unwrap_or_default());
    there.extend(stored.ok_or_else(|| not_counts(0))?);
    connection.prepare_cached(PUT_PRESENCE)?.execute(params![
        quarter,
        chain,
        presence::pack(&there)
    ])?;
    Ok(())
}

fn add_errors(connection: &Connection, key: ErrorKey, change: i64) -> rusqlite::Result<()> {
    if change == 0 {
        return Ok(());
    }
    let ErrorKey {
        day,
        chain,
        series,
        error,
    } = key;
    let key = [day, chain, series, error];
    connection
        .prepare_cached(ADD_ERRORS)?
        .execute([day, chain, series, error, change])?;
    if change < 0 {
        connection.prepare_cached(NO_ERRORS)?.execute(key)?;
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
        let (table, time) = (grain.table(), grain.time());
        let places = ["?"; SUMS_AT + SUMS_COUNT].join(", ");
        Self {
            one: format!(
                "SELECT {time}, chain, series, {SUMS} FROM {table}
                  WHERE {time} = ?1 AND chain = ?2 AND series = ?3"
            ),
            put: format!(
                "INSERT OR REPLACE INTO {table} ({time}, chain, series, {SUMS}) VALUES ({places})"
            ),
        }
    }
}

static STATEMENTS: std::sync::LazyLock<[Statements; 2]> =
    std::sync::LazyLock::new(|| Grain::ALL.map(Statements::of));

impl Grain {
    fn one(self) -> &'static str {
        &STATEMENTS[self as usize].one
    }

    fn put(self) -> &'static str {
        &STATEMENTS[self as usize].put
    }
}
