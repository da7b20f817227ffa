//! Short keys for components, kinds, account names and error texts.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest as _, Sha256};

/// The most account names that are kept in mind; beyond, they are looked up again.
const USERS_KEPT: usize = 10_000;

/// Keys that were looked up or given. It is good as long as the transactions that gave them were committed.
#[derive(Debug, Default)]
pub(super) struct Names {
    series: HashMap<(String, String), i64>,
    users: HashMap<String, i64>,
}

const SERIES: &str = "SELECT series FROM series WHERE component_name = ?1 AND session_type = ?2";
const NEW_SERIES: &str = "INSERT INTO series (component_name, session_type) VALUES (?1, ?2)";
const USER: &str = "SELECT user FROM usernames WHERE username = ?1";
const NEW_USER: &str = "INSERT INTO usernames (username) VALUES (?1)";
const ERROR: &str = "SELECT error, message = ?2 FROM error_messages WHERE digest = ?1";
const NEW_ERROR: &str = "INSERT INTO error_messages (digest, message) VALUES (?1, ?2)";
const TRUE_ERROR: &str =
    "UPDATE error_messages SET message = ?2 WHERE error = ?1 AND message <> ?2";

impl Names {
    /// Gives the key of a component's sessions of a kind, and makes it if there is none.
    pub(super) fn series(
        &mut self,
        connection: &Connection,
        component: &str,
        session_type: &str,
    ) -> rusqlite::Result<i64> {
        let name = (component.to_owned(), session_type.to_owned());
        if let Some(series) = self.series.get(&name) {
            return Ok(*series);
        }
        let values = params![component, session_type];
        let found = connection
            .prepare_cached(SERIES)?
            .query_row(values, |row| row.get(0))
            .optional()?;
        let series = match found {
            Some(series) => series,
            None => {
                connection.prepare_cached(NEW_SERIES)?.execute(values)?;
                connection.last_insert_rowid()
            }
        };
        self.series.insert(name, series);
        Ok(series)
    }

    /// Gives the key of an account name, and makes it if there is none.
    pub(super) fn user(
        &mut self,
        connection: &Connection,
        username: &str,
    ) -> rusqlite::Result<i64> {
        if let Some(user) = self.users.get(username) {
            return Ok(*user);
        }
        let user = match user_of(connection, username)? {
            Some(user) => user,
            None => {
                connection.prepare_cached(NEW_USER)?.execute([username])?;
                connection.last_insert_rowid()
            }
        };
        if self.users.len() >= USERS_KEPT {
            self.users.clear();
        }
        self.users.insert(username.to_owned(), user);
        Ok(user)
    }
}

/// Gives the key of an account name, if it has one.
pub(super) fn user_of(connection: &Connection, username: &str) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached(USER)?
        .query_row([username], |row| row.get(0))
        .optional()
}

/// Gives the greatest key of an account name, 0 where there is none.
pub(super) fn last_user(connection: &Connection) -> rusqlite::Result<i64> {
    const LAST: &str = "SELECT coalesce(max(user), 0) FROM usernames";
    connection.query_row(LAST, [], |row| row.get(0))
}

/// The first half of an error text's SHA-256.
type Digest = [u8; 16];

fn digest_of(message: &str) -> Digest {
    let whole: [u8; 32] = Sha256::digest(message.as_bytes()).into();
    let mut half = [0; 16];
    half.copy_from_slice(&whole[..16]);
    half
}

/// Gives the key of an error text, and makes it if there is none.
pub(super) fn error(connection: &Connection, message: &str) -> rusqlite::Result<i64> {
    if let Some((error, _)) = error_of(connection, message)? {
        return Ok(error);
    }
    connection
        .prepare_cached(NEW_ERROR)?
        .execute(params![digest_of(message), message])?;
    Ok(connection.last_insert_rowid())
}

/// As [`error`], and puts the text right if the table has another one.
pub(super) fn true_error(connection: &Connection, message: &str) -> rusqlite::Result<i64> {
    let error = error(connection, message)?;
    connection
        .prepare_cached(TRUE_ERROR)?
        .execute(params![error, message])?;
    Ok(error)
}

/// Gives the key of an error text, if it has one, and whether the table has that text for it.
pub(super) fn error_of(
    connection: &Connection,
    message: &str,
) -> rusqlite::Result<Option<(i64, bool)>> {
    connection
        .prepare_cached(ERROR)?
        .query_row(params![digest_of(message), message], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()
}

/// Gives the component and the kind of each key.
pub(super) fn all_series(
    connection: &Connection,
) -> rusqlite::Result<HashMap<i64, (String, String)>> {
    let mut statement =
        connection.prepare_cached("SELECT series, component_name, session_type FROM series")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?;
    rows.collect()
}
