//! What commits changed of the sums since that was last added to the tables: a row for each commit.

use rusqlite::Connection;

use super::{
    Change, Keys, Sums,
    names::{self, Names},
    users::{pack_errors, unpack_errors},
};
use crate::analytics::{
    Aggregate, Facts, QUARTER_MICROS, QUARTERS_PER_DAY, Tally,
    packed::{put_signed, take_signed},
};

/// With so many bytes in the journal, about 3,000 starts, it is added to the tables: that dirties some 150 pages where
/// 9,000 users and components are busy, so that a change costs a twentieth of a page, and reading the journal takes a
/// millisecond.
const ENOUGH: usize = 64 * 1024;

const APPEND: &str = "INSERT INTO rollup_journal (changes) VALUES (?1)";
const CHANGES: &str = "SELECT changes FROM rollup_journal ORDER BY entry";
const WAITING: &str = "SELECT coalesce(sum(length(changes)), 0) FROM rollup_journal";
const CLEAR: &str = "DELETE FROM rollup_journal";

/// What the writer counts. It goes with its connection when a transaction fails.
#[derive(Debug)]
pub(in crate::store::sqlite) struct Journal {
    names: Names,
    /// Of the transaction under way.
    changes: Vec<u8>,
    /// Bytes in the table.
    waiting: usize,
}

impl Journal {
    /// Looks at what an earlier writer left.
    pub(in crate::store::sqlite) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            names: Names::default(),
            changes: Vec::new(),
            waiting: connection.query_row(WAITING, [], |row| row.get(0))?,
        })
    }

    /// Counts a session that was counted as `before` says, if it was.
    pub(in crate::store::sqlite) fn count(
        &mut self,
        connection: &Connection,
        chain: i64,
        before: Option<&Facts>,
        now: &Facts,
    ) -> rusqlite::Result<()> {
        if before == Some(now) {
            return Ok(());
        }
        let names = &mut self.names;
        let keys = Keys {
            chain,
            series: names.series(connection, &now.component_name, &now.session_type)?,
            user: names.user(connection, &now.username)?,
        };
        let error = |facts: &Facts| {
            let error = facts.error.as_deref();
            error.map(|text| names::error(connection, text)).transpose()
        };
        let before = match before {
            Some(before) => Some((before, error(before)?)),
            None => None,
        };
        let change = Change::of(keys, before, (now, error(now)?));
        change.pack(&mut self.changes);
        Ok(())
    }

    /// Writes what was counted in this transaction, and now and then adds all that waits to the tables.
    pub(in crate::store::sqlite) fn write(
        &mut self,
        connection: &Connection,
    ) -> rusqlite::Result<()> {
        if self.changes.is_empty() {
            return Ok(());
        }
        connection
            .prepare_cached(APPEND)?
            .execute([&self.changes])?;
        self.waiting += self.changes.len();
        self.changes.clear();
        if self.waiting < ENOUGH {
            return Ok(());
        }
        self.settle(connection)
    }

    /// Adds all that waits to the tables.
    pub(in crate::store::sqlite) fn settle(
        &mut self,
        connection: &Connection,
    ) -> rusqlite::Result<()> {
        if self.waiting == 0 {
            return Ok(());
        }
        let mut sums = Sums::default();
        for change in read(connection)? {
            sums.add(&change);
        }
        sums.write(connection)?;
        connection.prepare_cached(CLEAR)?.execute([])?;
        self.waiting = 0;
        Ok(())
    }
}

/// Reads what waits.
pub(super) fn read(connection: &Connection) -> rusqlite::Result<Vec<Change>> {
    let mut statement = connection.prepare_cached(CHANGES)?;
    let mut rows = statement.query([])?;
    let mut changes = Vec::new();
    while let Some(row) = rows.next()? {
        let mut bytes = row.get_ref(0)?.as_blob()?;
        while !bytes.is_empty() {
            let change = Change::unpack(&mut bytes);
            changes.push(change.ok_or_else(|| super::tables::not_counts(0))?);
        }
    }
    Ok(changes)
}

impl Change {
    fn pack(&self, bytes: &mut Vec<u8>) {
        for key in [self.chain, self.series, self.user] {
            put_signed(bytes, key);
        }
        // When it began tells the quarter.
        let sums = Aggregate {
            quarters: Tally::default(),
            ..self.sums.clone()
        };
        sums.pack(0, bytes);
        pack_errors(&self.errors, bytes);
    }

    fn unpack(bytes: &mut &[u8]) -> Option<Self> {
        let mut key = || take_signed(bytes);
        let (chain, series, user) = (key()?, key()?, key()?);
        let mut sums = Aggregate::unpack(0, bytes)?;
        let start = sums.last_start?;
        let quarter = start
            .div_euclid(QUARTER_MICROS)
            .rem_euclid(QUARTERS_PER_DAY);
        sums.quarters
            .add(u16::try_from(quarter).ok()?, sums.sessions);
        Some(Self {
            chain,
            series,
            user,
            start,
            sums,
            errors: unpack_errors(bytes)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_journal_is_added_to_the_tables() {
        let mut connection = Connection::open_in_memory().unwrap();
        super::super::super::schema::migrate(&mut connection).unwrap();
        let mut journal = Journal::load(&connection).unwrap();
        let (mut settled, mut commits) = (0, 0);
        while settled < 2 {
            for number in 0..64 {
                let facts = facts(commits * 64 + number);
                journal.count(&connection, 1, None, &facts).unwrap();
            }
            let before = journal.waiting;
            journal.write(&connection).unwrap();
            commits += 1;
            settled += i32::from(journal.waiting < before);
            let reread = Journal::load(&connection).unwrap();
            assert_eq!(journal.waiting, reread.waiting);
            assert!(journal.waiting < ENOUGH);
            let in_tables: i64 = connection
                .query_row(
                    "SELECT coalesce(sum(sessions), 0) FROM rollup_days",
                    [],
                    |row| row.get(0),
                )
                .unwrap();
            assert_eq!(
                in_tables + i64::try_from(read(&connection).unwrap().len()).unwrap(),
                commits * 64
            );
        }
    }

    fn facts(number: i64) -> Facts {
        Facts {
            start_time: session_model::Timestamp::from_micros(number * 1_000_000).unwrap(),
            component_name: "akosha".to_owned(),
            session_type: "admin_shell".to_owned(),
            username: format!("user{}", number % 50),
            status: session_model::SessionStatus::Active,
            seconds: None,
            quality: None,
            failed: false,
            error: None,
        }
    }
}
