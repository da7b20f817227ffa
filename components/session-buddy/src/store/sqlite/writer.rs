//! The one thread that writes: whatever waits becomes one transaction (group commit).
//!
//! It does not linger for more: under load the batch grows by itself while the disk is busy. After a failed commit the
//! connection is thrown away. Nothing is acknowledged, repeats included, until a new one has completed
//! `wal_checkpoint(TRUNCATE)`: only then is what it can read known to be on disk.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, TryRecvError},
    },
    time::Duration,
};

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use session_model::Timestamp;
use tokio::sync::oneshot;
use tracing::{error, info};
use uuid::Uuid;

use super::{
    OpenError, connection,
    status::Status,
    writing::{Head, Outcome, WriteError, Writing},
};
use crate::store::{
    Change, StoreError,
    ledger::{FORMAT, GENESIS, Header},
};

/// The most changes in one transaction; more only adds latency (measured: 5-10 ms at 256, 60-100 ms at 4,096).
const BATCH_MAX: usize = 256;

/// How often a database that could not be used is tried again.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// A change that waits, and whom to tell.
pub(super) struct Job {
    pub(super) change: Box<dyn Change>,
    pub(super) reply: Reply,
}

/// Whom to tell what came of a change.
type Reply = oneshot::Sender<Outcome>;

/// The writer: its connection while it is trusted, and how to get another.
pub(super) struct Writer {
    path: PathBuf,
    chain: Option<Chain>,
    status: Arc<Status>,
}

impl Drop for Writer {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.status
                .failed("the writer came to a bug and stopped; the log says where");
        }
    }
}

/// A connection and the end of the chain that it writes.
struct Chain {
    connection: Connection,
    key: i64,
    uuid: Uuid,
    head: Head,
}

impl Writer {
    /// Opens the database for writing.
    pub(super) fn open(
        path: PathBuf,
        now: Timestamp,
        status: Arc<Status>,
    ) -> Result<Self, OpenError> {
        connection::create(&path)?;
        let mut connection = connection::read_write(&path)?;
        super::schema::migrate(&mut connection)?;
        let chain = Chain::load_or_begin(connection, now)?;
        Ok(Self {
            path,
            chain: Some(chain),
            status,
        })
    }

    /// Writes until every sender is gone, then closes the database.
    pub(super) fn run(mut self, jobs: &Receiver<Job>) {
        while let Some(first) = self.next(jobs) {
            let (mut changes, mut replies) = (vec![first.change], vec![first.reply]);
            while changes.len() < BATCH_MAX {
                match jobs.try_recv() {
                    Ok(Job { change, reply }) => {
                        changes.push(change);
                        replies.push(reply);
                    }
                    Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
                }
            }
            self.status.taken(changes.len());
            self.commit(changes, replies);
        }
        if let Some(chain) = self.chain.take() {
            match connection::checkpoint(&chain.connection) {
                Ok(true) => {}
                // The WAL holds everything; the next start reads it.
                Ok(false) => info!("A reader kept the WAL from being brought into the database"),
                Err(error) => error!("The last checkpoint failed: {error}"),
            }
        }
    }

    /// Waits for the next change; `None` when every sender is gone. While the database cannot be used it is tried
    /// again every second, so that health comes back without a change that has to fail first.
    fn next(&mut self, jobs: &Receiver<Job>) -> Option<Job> {
        loop {
            if self.chain.is_some() {
                return jobs.recv().ok();
            }
            match jobs.recv_timeout(RETRY_INTERVAL) {
                Ok(job) => return Some(job),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {
                    if self.chain().is_ok() {
                        self.status.recovered();
                    }
                }
            }
        }
    }

    fn commit(&mut self, changes: Vec<Box<dyn Change>>, replies: Vec<Reply>) {
        let committed = self.chain().and_then(|chain| Ok(chain.commit(changes)?));
        match committed {
            Ok(verdicts) => {
                self.status.recovered();
                for (reply, verdict) in replies.into_iter().zip(verdicts) {
                    // Whoever asked may have gone; the change is made all the same.
                    let _ = reply.send(verdict);
                }
            }
            Err(failure) => {
                self.chain = None;
                let failure = super::chain_of_causes(&failure);
                if self.status.failed(&failure) {
                    error!("Nothing can be written: {failure}");
                }
                for reply in replies {
                    let _ = reply.send(Err(StoreError::Unavailable(failure.clone())));
                }
            }
        }
    }

    /// Gives the chain, over a new connection if the last one failed.
    fn chain(&mut self) -> Result<&mut Chain, OpenError> {
        let chain = match self.chain.take() {
            Some(chain) => chain,
            None => {
                let connection = connection::read_write(&self.path)?;
                super::schema::check(&connection)?;
                let chain = Chain::load(connection)?.ok_or(OpenError::Foreign)?;
                info!(
                    "The database can be written again, from record {}",
                    chain.head.seq
                );
                chain
            }
        };
        Ok(self.chain.insert(chain))
    }
}

const BEGIN_CHAIN: &str = "INSERT INTO chains (uuid) VALUES (?1)";

const LAST_RECORD: &str = "
    SELECT ledger.chain, uuid, seq, chain_hash FROM ledger JOIN chains USING (chain) ORDER BY record DESC LIMIT 1";

impl Chain {
    fn load_or_begin(mut connection: Connection, now: Timestamp) -> Result<Self, OpenError> {
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
    fn load(connection: Connection) -> Result<Option<Self>, OpenError> {
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
        Ok(last.map(|(key, uuid, seq, hash)| Self {
            connection,
            key,
            uuid,
            head: Head { seq, hash },
        }))
    }

    /// Makes a batch of changes in one transaction. On an error nothing of it is made. A session whose record is
    /// damaged does not keep the others from being made.
    fn commit(&mut self, changes: Vec<Box<dyn Change>>) -> Result<Vec<Outcome>, WriteError> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut writing = Writing::begin(&transaction, self.key, self.uuid, self.head);
        let verdicts = changes
            .into_iter()
            .map(|change| writing.outcome(change))
            .collect::<Result<Vec<_>, _>>()?;
        let head = writing.head();
        transaction.commit()?;
        self.head = head;
        Ok(verdicts)
    }
}
