//! Loading a history: many sessions that are not there yet, each with all that became of it.
//!
//! It writes what the writer would have written of their events, by the same code, but each row once and nothing synced before the
//! end: a database that is being loaded is of no use until [`Loader::finish`] has returned.

use std::{fs::File, path::Path};

use session_model::Timestamp;

use super::{OpenError, chain::Chain, connection, lock, search};
use crate::store::Past;

/// Pages in memory, in KiB: the ends of all tables and indexes.
const CACHE_KIB: i64 = 256 * 1024;

/// A database that is being loaded.
pub struct Loader {
    chain: Chain,
    _lock: File,
}

impl Loader {
    /// Opens a database for loading, made if it is missing.
    ///
    /// # Errors
    ///
    /// As `SqliteStore::open`.
    pub fn open(path: &Path, now: Timestamp) -> Result<Self, OpenError> {
        let lock = lock(path)?;
        connection::create(path)?;
        let mut connection = connection::read_write(path)?;
        super::schema::migrate(&mut connection)?;
        connection.pragma_update(None, "synchronous", "OFF")?;
        connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        Ok(Self {
            chain: Chain::load_or_begin(connection, now)?,
            _lock: lock,
        })
    }

    /// Loads sessions, all or none of them.
    ///
    /// # Errors
    ///
    /// When one of them is there already, or the database fails.
    pub fn load(&mut self, sessions: Vec<Past>) -> Result<(), OpenError> {
        Ok(self.chain.append(sessions)?)
    }

    /// Indexes what was loaded for search, and sees to it that all is on disk.
    ///
    /// # Errors
    ///
    /// When the database or the disk fails.
    pub fn finish(mut self) -> Result<(), OpenError> {
        while self.chain.index(search::LARGE_SLICE)? > 0 {}
        self.chain.settle()?;
        self.chain.sync()
    }
}
