//! The schema of the database, and how an older one becomes this one.

use data_encoding::HEXLOWER;
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};

use super::{OpenError, rollup};

/// Marks the file as ours: "SBDY".
const APPLICATION_ID: i64 = 0x5342_4459;

/// A step from one schema to the next. Steps are only ever added.
struct Migration {
    number: i64,
    name: &'static str,
    sql: &'static str,
    /// Fills what the step makes from what there is.
    fill: fn(&Connection) -> rusqlite::Result<()>,
}

const fn nothing(_: &Connection) -> rusqlite::Result<()> {
    Ok(())
}

const MIGRATIONS: &[Migration] = &[
    Migration {
        number: 1,
        name: "record",
        sql: include_str!("migrations/0001_record.sql"),
        fill: nothing,
    },
    Migration {
        number: 2,
        name: "watched",
        sql: include_str!("migrations/0002_watched.sql"),
        fill: nothing,
    },
    Migration {
        number: 3,
        name: "rollups",
        sql: include_str!("migrations/0003_rollups.sql"),
        // The next step fills these tables.
        fill: nothing,
    },
    Migration {
        number: 4,
        name: "rollup_journal",
        sql: include_str!("migrations/0004_rollup_journal.sql"),
        fill: |connection| rollup::rebuild(connection).map(drop),
    },
    // The writer fills it, behind its commits.
    Migration {
        number: 5,
        name: "search",
        sql: include_str!("migrations/0005_search.sql"),
        fill: nothing,
    },
    Migration {
        number: 6,
        name: "ledger_corrections",
        sql: include_str!("migrations/0006_ledger_corrections.sql"),
        fill: nothing,
    },
];

impl Migration {
    /// Gives the SHA-256 of its text, so that a released step cannot change unnoticed.
    fn checksum(&self) -> String {
        HEXLOWER.encode(&Sha256::digest(self.sql.as_bytes()))
    }
}

/// Checks that the database is ours, or a file without any content.
pub(super) fn check_owner(connection: &Connection) -> Result<(), OpenError> {
    if is_ours(connection)? || is_empty(connection)? {
        Ok(())
    } else {
        Err(OpenError::Foreign)
    }
}

fn is_ours(connection: &Connection) -> rusqlite::Result<bool> {
    let application_id: i64 =
        connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    Ok(application_id == APPLICATION_ID)
}

fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row(
        "SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)",
        [],
        |row| row.get(0),
    )
}

/// Checks that the database is ours and not newer than this program.
pub(super) fn check(connection: &Connection) -> Result<(), OpenError> {
    if !is_ours(connection)? {
        return Err(OpenError::Foreign);
    }
    let mut statement =
        connection.prepare("SELECT number, checksum FROM migrations ORDER BY number")?;
    let mut applied = statement.query([])?;
    while let Some(row) = applied.next()? {
        let (number, checksum): (i64, String) = (row.get(0)?, row.get(1)?);
        let Some(migration) = MIGRATIONS
            .iter()
            .find(|migration| migration.number == number)
        else {
            return Err(OpenError::Newer {
                found: number,
                known: newest(),
            });
        };
        if migration.checksum() != checksum {
            return Err(OpenError::ChangedMigration { number });
        }
    }
    Ok(())
}

fn newest() -> i64 {
    MIGRATIONS.last().map_or(0, |migration| migration.number)
}

/// Brings the database to this schema; a file without any content becomes one of ours.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), OpenError> {
    let empty = is_empty(connection)?;
    let transaction = connection.transaction()?;
    if empty {
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.execute_batch(
            "CREATE TABLE migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL) STRICT",
        )?;
    }
    check(&transaction)?;
    for migration in MIGRATIONS {
        let applied = transaction
            .query_row(
                "SELECT 1 FROM migrations WHERE number = ?1",
                [migration.number],
                |_| Ok(()),
            )
            .optional()?;
        if applied.is_none() {
            transaction.execute_batch(migration.sql)?;
            (migration.fill)(&transaction)?;
            transaction.execute(
                "INSERT INTO migrations (number, name, checksum) VALUES (?1, ?2, ?3)",
                params![migration.number, migration.name, migration.checksum()],
            )?;
        }
    }
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::row::corrections;

    /// Readers open a database that no server has opened since, and read it by its index.
    #[test]
    fn corrections_are_found_by_the_index_of_either_migration() {
        let mut connection = Connection::open_in_memory().unwrap();
        let by_index = concat!(
            "SELECT record FROM ledger INDEXED BY ledger_corrections WHERE ",
            corrections!()
        );
        migrate(&mut connection).unwrap();
        connection.prepare(by_index).unwrap();
        connection
            .execute_batch(
                "DROP INDEX ledger_corrections;
                 CREATE INDEX ledger_corrections ON ledger (session_id) WHERE kind NOT IN ('genesis', 'start', 'end')",
            )
            .unwrap();
        connection.prepare(by_index).unwrap();
    }
}
