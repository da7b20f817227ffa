//! Opening the database, and making it where there is none.

use std::{
    fs::{DirBuilder, OpenOptions},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
    time::Duration,
};

use rusqlite::{Connection, TransactionBehavior};

use super::{Store, StoreError};
use crate::project::state_folder;

/// How long a connection waits for another one's lock: a commit takes some milliseconds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// The version of the schema.
const VERSION: i64 = 1;
const SCHEMA: &str = include_str!("schema.sql");

impl Store {
    /// Opens the store of this user, and makes it if it is missing.
    ///
    /// # Errors
    ///
    /// There is no place for it, or what is there cannot be used.
    pub fn of_this_user() -> Result<Self, StoreError> {
        Self::open(&state_folder().ok_or(StoreError::Nowhere)?)
    }

    /// Opens the store in a folder, and makes it if it is missing.
    ///
    /// # Errors
    ///
    /// What is there cannot be used.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        make_folder(folder)?;
        let path = folder.join("workflows.db");
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path);
        file.map_err(|source| StoreError::Io {
            path: path.clone(),
            source,
        })?;
        let mut connection = Connection::open(&path)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "foreign_keys", "ON")?;
        prepare(&mut connection, &path)?;
        Ok(Self {
            connection,
            folder: folder.to_owned(),
        })
    }
}

/// Makes a folder that only its owner may look into.
pub(crate) fn make_folder(folder: &Path) -> Result<(), StoreError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|source| StoreError::Io {
        path: folder.to_owned(),
        source,
    })
}

/// Makes the tables of a new database; several processes may do so at once.
fn prepare(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let version = |connection: &Connection| {
        connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))
    };
    if version(connection)? == VERSION {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    match version(&transaction)? {
        0 => {
            transaction.execute_batch(SCHEMA)?;
            transaction.pragma_update(None, "user_version", VERSION)?;
        }
        VERSION => {}
        _ => return Err(StoreError::Newer(path.to_owned())),
    }
    Ok(transaction.commit()?)
}
