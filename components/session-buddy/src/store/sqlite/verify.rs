//! Does the record still say what was recorded?
//!
//! Passes over one snapshot: along each chain (hashes, gaps in the numbers, commitments), along the sessions (does folding a
//! session's ledger records give its row), along the days (do the sums say what the sessions say), and along the words (does
//! the index have those of the sessions). Each names the first difference. None needs more memory the longer the record is.

mod chain;
mod sessions;

use std::path::Path;

use rusqlite::{Connection, OptionalExtension};
use uuid::Uuid;

use self::{
    chain::{verify_chains, verify_records},
    sessions::verify_sessions,
};
use super::{OpenError, connection, rollup, row::record_key, search};
use crate::store::ledger::Hash;

/// What was verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Ledger records.
    pub records: u64,
    /// Payloads that were erased: their commitments cannot be checked, nor can the sessions that they belong to.
    pub erased: u64,
    /// Sessions whose row was compared.
    pub sessions: u64,
    /// Rows of sums that were compared with the sessions.
    pub rollups: u64,
    /// Entries of the index of words that were compared with the sessions.
    pub search_entries: u64,
    /// The last record of each chain: its id, number and hash.
    pub heads: Vec<(Uuid, u64, Hash)>,
}

/// Why a database does not verify.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It cannot be read.
    #[error("the database cannot be read")]
    Read(#[from] rusqlite::Error),
    /// It does not say what was recorded.
    #[error("{place}: {what}")]
    Difference {
        /// Where the first difference stands.
        place: String,
        /// What it is.
        what: String,
    },
}

fn difference<T>(place: impl Into<String>, what: impl Into<String>) -> Result<T, VerifyError> {
    Err(VerifyError::Difference {
        place: place.into(),
        what: what.into(),
    })
}

/// Verifies a database.
///
/// # Errors
///
/// The first difference, or why there was nothing to look at.
pub fn verify(path: &Path) -> Result<Verified, VerifyError> {
    let connection = connection::read_only(path)?;
    // One transaction sees one moment, whatever is written meanwhile.
    let snapshot = connection.unchecked_transaction()?;
    let integrity: String =
        snapshot.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if integrity != "ok" {
        return difference("database file", integrity);
    }
    if let Some(name) = foreign_object(&snapshot)? {
        return difference(
            "database schema",
            format!("{name} is not part of it, and may change what is written"),
        );
    }
    let mut verified = Verified::default();
    verify_chains(&snapshot, &mut verified)?;
    verify_sessions(&snapshot, &mut verified)?;
    verified.rollups = verify_rollups(&snapshot)?;
    verified.search_entries = verify_search(&snapshot)?;
    Ok(verified)
}

/// Finds a trigger or a view: this program makes none.
fn foreign_object(snapshot: &Connection) -> rusqlite::Result<Option<String>> {
    const OBJECT: &str =
        "SELECT type || ' ' || name FROM sqlite_schema WHERE type IN ('trigger', 'view') LIMIT 1";
    snapshot.query_row(OBJECT, [], |row| row.get(0)).optional()
}

/// How many records are verified before anything is written: a damaged file is refused, not written on. The end of the
/// ledger is what was written last, and is read in a moment.
const END_RECORDS: i64 = 256;

/// Verifies the end of the ledger.
pub(super) fn verify_end(connection: &Connection, chain: i64, seq: u64) -> Result<(), OpenError> {
    let last = i64::try_from(seq).unwrap_or(i64::MAX);
    let first = record_key(chain, last.saturating_sub(END_RECORDS).max(0));
    let verified = verify_records(connection, first, &mut Verified::default());
    match verified {
        Ok(_) => Ok(()),
        Err(VerifyError::Difference { place, what }) => Err(OpenError::Damaged { place, what }),
        Err(VerifyError::Read(error)) => Err(error.into()),
        Err(VerifyError::Open(error)) => Err(error),
    }
}

/// Says of a database that SQLite finds damaged what [`verify`] finds.
pub(super) fn explained(error: OpenError, path: &Path) -> OpenError {
    let OpenError::Database(inside) = &error else {
        return error;
    };
    if inside.sqlite_error_code() != Some(rusqlite::ErrorCode::DatabaseCorrupt) {
        return error;
    }
    match verify(path) {
        Err(VerifyError::Difference { place, what }) => OpenError::Damaged { place, what },
        Ok(_) | Err(VerifyError::Open(_) | VerifyError::Read(_)) => OpenError::Damaged {
            place: "database file".to_owned(),
            what: inside.to_string(),
        },
    }
}

/// Compares the sums with the sessions. A database that only older servers have opened has none.
fn verify_rollups(snapshot: &Connection) -> Result<u64, VerifyError> {
    if !rollup::exist(snapshot)? {
        return Ok(0);
    }
    rollup::compare(snapshot).map_err(|error| match error {
        rollup::CompareError::Read(error) => VerifyError::Read(error),
        rollup::CompareError::Difference { place, what } => VerifyError::Difference { place, what },
    })
}

/// Tells whether a difference is one of the index of words, which says nothing that the sessions do not say.
pub fn is_of_search(place: &str) -> bool {
    place.starts_with(search::PLACE)
}

/// Compares the index of words with the sessions. A database that only older servers have opened has none.
fn verify_search(snapshot: &Connection) -> Result<u64, VerifyError> {
    if search::exists(snapshot)? {
        search::compare(snapshot)
    } else {
        Ok(0)
    }
}
