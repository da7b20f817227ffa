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
use session_model::{Act, Timestamp};
use tokio::sync::oneshot;
use tracing::{error, info};
use uuid::Uuid;

use super::{
    OpenError, connection,
    status::Status,
    writing::{Head, WriteError, Writing},
};
use crate::store::{
    Change, Outcome, StoreError,
    ledger::{FORMAT, GENESIS, Header},
};

/// With so many changes a transaction takes no further job; more only adds latency (measured: 5-10 ms at 256, 60-100 ms
/// at 4,096).
const BATCH_ENOUGH: usize = 256;

/// How often a database that could not be used is tried again.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// What waits to be written.
pub(super) enum Work {
    /// Changes that are made together.
    Changes(Vec<Box<dyn Change>>),
    /// An act that is about no session.
    Act(Box<Act>),
}

impl Work {
    /// Counts its places in the queue.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Changes(changes) => changes.len(),
            Self::Act(_) => 1,
        }
    }
}

/// What waits to be written, and whom to tell.
pub(super) struct Job {
    pub(super) work: Work,
    pub(super) reply: oneshot::Sender<Answer>,
}

/// What came of the changes of a job; nothing, of an act.
pub(super) type Answer = Result<Vec<Outcome>, StoreError>;

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
            let (mut count, mut batch) = (first.work.len(), vec![first]);
            while count < BATCH_ENOUGH {
                match jobs.try_recv() {
                    Ok(job) => {
                        count += job.work.len();
                        batch.push(job);
                    }
                    Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
                }
            }
            self.status.taken(count);
            self.commit(batch);
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

    fn commit(&mut self, batch: Vec<Job>) {
        let (groups, replies): (Vec<_>, Vec<_>) = batch
            .into_iter()
            .map(|Job { work, reply }| (work, reply))
            .unzip();
        let committed = self.chain().and_then(|chain| Ok(chain.commit(groups)?));
        match committed {
            Ok(outcomes) => {
                self.status.recovered();
                for (reply, outcomes) in replies.into_iter().zip(outcomes) {
                    // Whoever asked may have gone; the changes are made all the same.
                    let _ = reply.send(Ok(outcomes));
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

    /// Writes groups in one transaction. On an error nothing of them is written. A session whose record is damaged does
    /// not keep the others from being changed.
    fn commit(&mut self, groups: Vec<Work>) -> Result<Vec<Vec<Outcome>>, WriteError> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut writing = Writing::begin(&transaction, self.key, self.uuid, self.head);
        let mut make = |work| match work {
            Work::Changes(changes) => changes
                .into_iter()
                .map(|change| writing.outcome(change))
                .collect::<Result<_, _>>(),
            Work::Act(act) => writing.record(&act).map(|()| Vec::new()),
        };
        let outcomes = groups
            .into_iter()
            .map(&mut make)
            .collect::<Result<_, _>>()?;
        let head = writing.head();
        transaction.commit()?;
        self.head = head;
        Ok(outcomes)
    }
}
