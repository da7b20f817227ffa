//! A connection that writes, and the end of the chain that it goes on from.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use session_model::Timestamp;
use uuid::Uuid;

use super::{
    OpenError, connection,
    rollup::Journal,
    search,
    writer::Work,
    writing::{Head, Left, WriteError, Writing},
};
use crate::store::{
    Commit, Differing, Import, ImportCount, Outcome, Past,
    checkpoint::ChainHead,
    ledger::{FORMAT, GENESIS, Header},
};

/// What came of a transaction, and, if it is committed, what is to be told of it.
pub(super) type Made<T> = (T, Option<Commit>);

/// A connection and the end of the chain that it writes.
pub(super) struct Chain {
    pub(super) connection: Connection,
    pub(super) key: i64,
    uuid: Uuid,
    pub(super) head: Head,
    /// What its transactions change of the sums. It goes with the connection when one fails.
    journal: Journal,
    /// How many sessions wait to be indexed.
    pub(super) to_index: u64,
}

const BEGIN_CHAIN: &str = "INSERT INTO chains (uuid) VALUES (?1)";

const LAST_RECORD: &str = "
    SELECT ledger.chain, uuid, seq, chain_hash FROM ledger JOIN chains USING (chain) ORDER BY record DESC LIMIT 1";

impl Chain {
    pub(super) fn load_or_begin(
        mut connection: Connection,
        now: Timestamp,
    ) -> Result<Self, OpenError> {
        let begun: bool =
            connection.query_row("SELECT EXISTS (SELECT 1 FROM chains)", [], |row| row.get(0))?;
        if !begun {
            let transaction = connection.transaction()?;
            let uuid = Uuid::now_v7();
            transaction.execute(BEGIN_CHAIN, [uuid.as_bytes().as_slice()])?;
            let key = transaction.last_insert_rowid();
            let mut head = Head {
                seq: 0,
                hash: [0; 32],
            };
            let genesis = Header {
                chain: uuid,
                seq: 0,
                format: FORMAT,
                kind: GENESIS,
                session_id: None,
                received_at: now.as_micros(),
                payload_commitment: None,
            };
            head.append(&transaction, key, &genesis)?;
            transaction.commit()?;
        }
        Self::load(connection)?.ok_or(OpenError::Foreign)
    }

    /// Reads the end of the chain; `None` where there is none.
    pub(super) fn load(connection: Connection) -> Result<Option<Self>, OpenError> {
        let last = connection
            .query_row(LAST_RECORD, [], |row| {
                let uuid: [u8; 16] = row.get(1)?;
                Ok((
                    row.get(0)?,
                    Uuid::from_bytes(uuid),
                    row.get(2)?,
                    row.get(3)?,
                ))
            })
            .optional()?;
        let Some((key, uuid, seq, hash)) = last else {
            return Ok(None);
        };
        Ok(Some(Self {
            journal: Journal::load(&connection)?,
            to_index: search::waiting(&connection)?,
            connection,
            key,
            uuid,
            head: Head { seq, hash },
        }))
    }

    /// Gives the newest record.
    pub(super) const fn newest(&self) -> ChainHead {
        ChainHead {
            chain: self.uuid,
            seq: self.head.seq,
            chain_hash: self.head.hash,
        }
    }

    /// Adds what the journal of the sums has to them, so that a database at rest has an empty one.
    pub(super) fn settle(&mut self) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        self.journal.settle(&transaction)?;
        transaction.commit()
    }

    /// Writes groups in one transaction. On an error nothing of them is written. A session whose record is damaged does
    /// not keep the others from being changed.
    pub(super) fn commit(
        &mut self,
        groups: Vec<Work>,
    ) -> Result<Made<Vec<Vec<Outcome>>>, WriteError> {
        let write = |writing: &mut Writing<'_>| {
            let make = |work| match work {
                Work::Changes(changes) => changes
                    .into_iter()
                    .map(|change| writing.outcome(change))
                    .collect::<Result<_, _>>(),
                Work::Notes(notes) => {
                    for note in notes {
                        writing.note(note)?;
                    }
                    Ok(Vec::new())
                }
                Work::Act(act) => writing.record(&act).map(|()| Vec::new()),
            };
            groups.into_iter().map(make).collect()
        };
        self.transact(write, |_| true)
    }

    /// Writes sessions that are not there yet in one transaction.
    pub(super) fn append(&mut self, sessions: Vec<Past>) -> Result<(), WriteError> {
        let write = |writing: &mut Writing<'_>| {
            sessions
                .into_iter()
                .try_for_each(|session| writing.load(session))
        };
        self.transact(write, |()| true).map(drop)
    }

    /// Writes an import in a transaction of its own, or nothing of it where it differs from what is on record.
    pub(super) fn import(
        &mut self,
        import: Import,
    ) -> Result<Made<Result<ImportCount, Vec<Differing>>>, WriteError> {
        self.transact(
            |writing| super::import::write(writing, import),
            Result::is_ok,
        )
    }

    /// Writes in one transaction, which is kept if what came of it is worth that.
    fn transact<T>(
        &mut self,
        write: impl FnOnce(&mut Writing<'_>) -> Result<T, WriteError>,
        is_kept: impl FnOnce(&T) -> bool,
    ) -> Result<Made<T>, WriteError> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut writing = Writing::begin(
            &transaction,
            self.key,
            self.uuid,
            self.head,
            &mut self.journal,
        );
        let made = write(&mut writing)?;
        let left = writing.finish()?;
        if is_kept(&made) {
            transaction.commit()?;
            Ok((made, Some(self.reached(left))))
        } else {
            transaction.rollback()?;
            // What was counted of it is gone with it.
            self.journal = Journal::load(&self.connection)?;
            Ok((made, None))
        }
    }

    /// Goes on from where a transaction has left the chain, and gives what is to be told of it.
    fn reached(&mut self, left: Left) -> Commit {
        self.head = left.head;
        self.to_index += left.to_index;
        left.made
    }

    /// Brings all that was written to the disk.
    pub(super) fn sync(&self) -> Result<(), OpenError> {
        self.connection.pragma_update(None, "synchronous", "FULL")?;
        connection::checkpoint(&self.connection).map(drop)
    }

    /// Indexes as [`Self::index`] does, but leaves it to the next commit to bring that to the disk with its own sync. A power
    /// cut before takes it away as a whole, and it is done again.
    pub(super) fn index_unsynced(&mut self, slice: u64) -> rusqlite::Result<u64> {
        self.connection
            .pragma_update(None, "synchronous", "NORMAL")?;
        let indexed = self.index(slice)?;
        self.connection.pragma_update(None, "synchronous", "FULL")?;
        Ok(indexed)
    }

    /// Indexes a slice of the sessions that wait for it. Gives how many.
    pub(super) fn index(&mut self, slice: u64) -> rusqlite::Result<u64> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let indexed = search::index(&transaction, slice)?;
        transaction.commit()?;
        // What was counted twice, as it changed before it was indexed, is found to be done.
        self.to_index = match indexed {
            0 => 0,
            some => self.to_index.saturating_sub(some),
        };
        Ok(indexed)
    }
}
