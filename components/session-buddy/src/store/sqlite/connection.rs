//! Connections to the database file.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags};

use super::OpenError;

/// How long a connection waits for another one's lock; only a person with `sqlite3` can make it wait.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Every 4,000 pages (16 MiB) the WAL goes into the database. More buys rate with tail latency (measured: p99 18 ms at
/// 4,000, 42 ms at 20,000), fewer cost a quarter of the rate.
const CHECKPOINT_PAGES: i64 = 4_000;

/// Page cache of the writer, in KiB. Indexes of a million sessions fit; 512 MB measured no faster than 64.
const WRITER_CACHE_KIB: i64 = 32 * 1024;

/// Page cache of a reader, in KiB.
const READER_CACHE_KIB: i64 = 4 * 1024;

/// Makes the database file if it is missing, for its owner alone.
pub(super) fn create(path: &Path) -> Result<(), OpenError> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path);
    file.map(drop).map_err(|source| OpenError::File {
        path: path.to_owned(),
        source,
    })
}

/// Opens an existing database for writing. Everything that it can read is on disk when this returns.
pub(super) fn read_write(path: &Path) -> Result<Connection, OpenError> {
    look_at(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // Before the first change: a file of something else stays as it is.
    super::schema::check_owner(&connection)?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "secure_delete", "ON")?;
    // The checks of the tables are for whoever writes by hand: what is written here comes from types that allow nothing else,
    // and names records that it has just written. They cost a twelfth of a start, for SQLite makes a table of a list of words,
    // for each row anew, and looks up each record that is named. Debug builds have them.
    let checked = cfg!(debug_assertions);
    connection.pragma_update(None, "ignore_check_constraints", !checked)?;
    connection.pragma_update(None, "foreign_keys", checked)?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    if checkpoint(&connection)? {
        Ok(connection)
    } else {
        Err(OpenError::Busy)
    }
}

/// Commits a page, to see whether that is possible. No page says anything else afterwards.
pub(super) fn try_to_write(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "user_version", 0)
}

/// Opens an existing database for reading.
pub(super) fn read_only(path: &Path) -> Result<Connection, OpenError> {
    look_at(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
    super::schema::check(&connection)?;
    Ok(connection)
}

/// Says why a file cannot be read; SQLite says only that it cannot. The file is not opened for that: closing it again would
/// take away the locks that SQLite has on it in this process, and the next `sqlite3` that ends would believe that it was the
/// last one, and remove the WAL that the writer writes.
fn look_at(path: &Path) -> Result<(), OpenError> {
    rustix::fs::access(path, rustix::fs::Access::READ_OK).map_err(|error| OpenError::File {
        path: path.to_owned(),
        source: error.into(),
    })
}

/// Brings the WAL into the database, on disk, and empties it, on disk too. Tells whether that could be done: a reader that
/// holds on to an older state keeps it from being emptied, and SQLite says so in the answer, not as an error.
///
/// SQLite does not sync a WAL that it has emptied. After a sync that failed the old one may still stand on the disk without
/// what it failed to take; a power cut would bring it back over a database that has all of it.
pub(super) fn checkpoint(connection: &Connection) -> Result<bool, OpenError> {
    let emptied = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
        row.get::<_, i64>(0).map(|busy| busy == 0)
    })?;
    if emptied && let Some(path) = connection.path().filter(|path| !path.is_empty()) {
        sync(Path::new(&format!("{path}-wal")))?;
    }
    Ok(emptied)
}

fn sync(path: &Path) -> Result<(), OpenError> {
    match File::open(path).and_then(|file| file.sync_all()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        synced => synced.map_err(|source| OpenError::File {
            path: path.to_owned(),
            source,
        }),
    }
}
