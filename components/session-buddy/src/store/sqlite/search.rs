//! The words of sessions, so that a search looks at few of them.
//!
//! - [`index`]: adds what is new to the index, a slice at a time, behind the commits that people wait for.
//! - [`read`]: finds sessions, newest first, exactly: the index names candidates, what it does not hold yet is looked at.
//! - [`compare`]: compares the index with the sessions.
//!
//! The index is an FTS5 table without content, of entries (word, moment). FTS5 calls a moment a row, and what it calls
//! inserting and deleting a row is adding and taking away entries here; each entry stands once. In a crowded moment, in
//! which more than [`CROWD`] sessions began, there is only [`CROWDED`]: whoever comes by looks at all of them. So what
//! it takes to index a session does not depend on how many others began with it.

mod common;
mod compare;
mod index;
#[cfg(test)]
mod laws;
mod lost;
mod read;
mod vocabulary;

use std::collections::BTreeSet;

use rusqlite::{Connection, Row, params};
use session_model::{Metadata, Searched, SessionFilter, SessionId, Timestamp};

use super::row::cell;

pub(super) use compare::{PLACE, compare};
pub(super) use index::{LARGE_SLICE, SLICE, clear, index, waiting};
pub(super) use read::Finder;

/// The most sessions of a moment whose words are indexed. Real clocks put a handful into a millisecond at thousands of
/// starts a second; what sends more has stamps of whole seconds, or means to be a burden.
const CROWD: usize = 32;

/// The word of a moment that is crowded. It is no letter, so nobody can search for it, and FTS5 takes it for a word.
const CROWDED: &str = "\u{F8FF}";

/// The columns of [`Texts`], in its order.
const TEXTS: &str = "component_name, username, hostname, working_directory, reason, sessions.error_message, metadata";

/// The texts of a session that are searched.
struct Texts {
    component_name: String,
    username: String,
    hostname: String,
    working_directory: String,
    reason: Option<String>,
    error_message: Option<String>,
    metadata: Metadata,
}

impl Texts {
    /// Reads [`TEXTS`] from the column `first` of a row on.
    fn read(row: &Row<'_>, first: usize) -> rusqlite::Result<Self> {
        Ok(Self {
            component_name: row.get(first)?,
            username: row.get(first + 1)?,
            hostname: row.get(first + 2)?,
            working_directory: row.get(first + 3)?,
            reason: row.get(first + 4)?,
            error_message: row.get(first + 5)?,
            metadata: cell(row, first + 6)?,
        })
    }

    fn searched(&self) -> Searched<'_> {
        Searched {
            component_name: &self.component_name,
            username: &self.username,
            hostname: &self.hostname,
            working_directory: &self.working_directory,
            reason: self.reason.as_deref(),
            error_message: self.error_message.as_deref(),
            metadata: &self.metadata,
        }
    }

    /// Gives their words with another error text.
    fn words_with(&self, error_message: Option<&str>) -> BTreeSet<String> {
        Searched {
            error_message,
            ..self.searched()
        }
        .words()
    }
}

/// Behind every start that there can be (9999-12-30 is the last day).
const BEYOND: &str = "9999-12-31";

/// A millisecond, counted from 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Moment(i64);

impl Moment {
    const MICROS: i64 = 1_000;

    fn of(time: Timestamp) -> Self {
        Self(time.as_micros().div_euclid(Self::MICROS))
    }

    /// Gives its first and its last microsecond, as they stand in a column.
    fn span(self) -> [String; 2] {
        let text = |micros| {
            let time = Timestamp::from_micros(micros);
            // The last millisecond that there is may not be there as a whole.
            time.map_or_else(|_| BEYOND.to_owned(), |time| time.to_string())
        };
        let first = self.0 * Self::MICROS;
        [text(first), text(first + Self::MICROS - 1)]
    }
}

/// Gives the first and the last start that a filter lets through, as they stand in a column.
fn starts(filter: &SessionFilter) -> [String; 2] {
    let first = filter.after.map(|after| after.to_string());
    // Before the first time that there is, nothing began.
    let last = filter.before.map(|before| {
        let last = Timestamp::from_micros(before.as_micros() - 1);
        last.map(|last| last.to_string()).unwrap_or_default()
    });
    [
        first.unwrap_or_default(),
        last.unwrap_or_else(|| BEYOND.to_owned()),
    ]
}

/// Tells whether there is an index: not before a server that knows of it has opened the database.
pub(super) fn exists(connection: &Connection) -> rusqlite::Result<bool> {
    const MADE: &str = "SELECT EXISTS (SELECT 1 FROM migrations WHERE name = 'search')";
    connection.query_row(MADE, [], |row| row.get(0))
}

/// Gives the last row of sessions whose words are indexed.
fn indexed(connection: &Connection) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("SELECT indexed FROM search_state")?
        .query_row([], |row| row.get(0))
}

/// Of a session that is not indexed yet nothing needs to be said.
const CHANGED: &str = "
    INSERT INTO search_changed (session_id, error_message)
    SELECT ?1, ?2 FROM sessions WHERE session_id = ?1 AND rowid <= (SELECT indexed FROM search_state)
    ON CONFLICT DO NOTHING";

/// Notes that the error text of a session is no longer `before`.
pub(super) fn changed(
    connection: &Connection,
    id: &SessionId,
    before: Option<&str>,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(CHANGED)?
        .execute(params![id.as_str(), before])
        .map(drop)
}

/// Gives the place of the last session that came.
fn last(connection: &Connection) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("SELECT max(rowid) FROM sessions")?
        .query_row([], |row| row.get::<_, Option<i64>>(0))
        .map(Option::unwrap_or_default)
}
