//! The one thread that writes: whatever waits becomes one transaction (group commit).
//!
//! It does not linger for more: under load the batch grows by itself while the disk is busy. After a failed commit the
//! connection is thrown away. Nothing is acknowledged, repeats included, until a new one has completed
//! `wal_checkpoint(TRUNCATE)`: only then is what it can read known to be on disk.

use std::{
    path::PathBuf,
    sync::{
        Arc, LazyLock,
        mpsc::{Receiver, RecvTimeoutError, TryRecvError},
    },
    time::Duration,
};

use rusqlite::types::Value;
use rusqlite::{
    CachedStatement, Connection, OptionalExtension, Transaction, TransactionBehavior, params,
    params_from_iter,
};
use session_model::{
    Counters, Session, SessionId, Timestamp,
    fold::{Accepted, Kind, Vitals},
};
use tokio::sync::oneshot;
use tracing::{error, info};
use uuid::Uuid;

use super::{
    OpenError, connection,
    row::{CHANGING, COLUMNS, Row, cell},
    status::Status,
};
use crate::store::{
    Change, Decision, Standing, StoreError, Verdict,
    ledger::{self, FORMAT, GENESIS, Hash, Header, Salt},
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

/// What came of a change.
type Outcome = Result<Verdict, StoreError>;

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

/// The last record of a chain.
#[derive(Clone, Copy)]
struct Head {
    seq: u64,
    hash: Hash,
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
    SELECT ledger.chain, uuid, seq, chain_hash FROM ledger JOIN chains USING (chain)
  ORDER BY ledger.chain DESC, seq DESC LIMIT 1";

const APPEND_RECORD: &str = "
    INSERT INTO ledger (chain, seq, format, kind, session_id, received_at, payload_commitment, leaf_hash, chain_hash)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";

const APPEND_PAYLOAD: &str =
    "INSERT INTO ledger_payload (chain, seq, salt, payload) VALUES (?1, ?2, ?3, ?4)";

const STANDING: &str = "
    SELECT ledger_chain, ledger_seq, status = 'active' AND gaps = '[]',
           last_seen, lease_expires_at, command_count, error_count, error_message
      FROM sessions WHERE session_id = ?1";

const START_RECORD: &str = "
    SELECT kind, received_at, payload FROM ledger JOIN ledger_payload USING (chain, seq)
     WHERE chain = ?1 AND seq = ?2";

/// Uses `ledger_after_start`.
const LATER_RECORDS: &str = "
    SELECT kind, received_at, payload FROM ledger JOIN ledger_payload USING (chain, seq)
     WHERE session_id = ?1 AND kind NOT IN ('start', 'genesis')";

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
        let mut writing = Writing {
            transaction: &transaction,
            key: self.key,
            uuid: self.uuid,
            head: self.head,
        };
        let verdicts = changes
            .into_iter()
            .map(|change| writing.outcome(change))
            .collect::<Result<Vec<_>, _>>()?;
        let head = writing.head;
        transaction.commit()?;
        self.head = head;
        Ok(verdicts)
    }
}

impl Head {
    fn append(
        &mut self,
        transaction: &Transaction<'_>,
        key: i64,
        header: &Header<'_>,
    ) -> rusqlite::Result<()> {
        let leaf = header.leaf_hash();
        let hash = ledger::chain_hash(&self.hash, &leaf);
        transaction.prepare_cached(APPEND_RECORD)?.execute(params![
            key,
            header.seq,
            header.format,
            header.kind,
            header.session_id,
            header.received_at,
            header.payload_commitment,
            leaf,
            hash,
        ])?;
        *self = Self {
            seq: header.seq,
            hash,
        };
        Ok(())
    }
}

/// Why a batch could not be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    #[error("the database failed")]
    Database(#[from] rusqlite::Error),
    #[error("the ledger record of session {id} cannot be read")]
    Record {
        id: SessionId,
        source: session_model::fold::PayloadError,
    },
    #[error("session {0} has a row and no start in the ledger; `session-buddy verify` says more")]
    NoStart(SessionId),
    #[error("no random bytes")]
    Random(#[from] rustix::io::Errno),
}

/// Where a record stands: the key of its chain, and its number.
type Position = (i64, i64);

/// A transaction under way.
struct Writing<'a> {
    transaction: &'a Transaction<'a>,
    key: i64,
    uuid: Uuid,
    head: Head,
}

impl Writing<'_> {
    /// Makes a change, unless what is on record of its session is damaged, which concerns nobody else.
    fn outcome(&mut self, change: Box<dyn Change>) -> Result<Outcome, WriteError> {
        match self.apply(change) {
            Ok(verdict) => Ok(Ok(verdict)),
            Err(error @ (WriteError::Record { .. } | WriteError::NoStart(_))) => {
                let damage = super::chain_of_causes(&error);
                error!("{damage}");
                Ok(Err(StoreError::Damaged(damage)))
            }
            Err(error @ (WriteError::Database(_) | WriteError::Random(_))) => Err(error),
        }
    }

    fn apply(&mut self, change: Box<dyn Change>) -> Result<Verdict, WriteError> {
        let id = change.session_id().clone();
        let found = self.standing(&id)?;
        let decision = change.decide(found.as_ref().map(|(standing, _)| standing));
        let Decision {
            records,
            vitals,
            verdict,
        } = decision;
        match (found, vitals) {
            (_, None) if records.is_empty() => {}
            (
                Some((
                    Standing {
                        mut session,
                        vitals: before,
                    },
                    start,
                )),
                vitals,
            ) => {
                for record in records {
                    self.append(&id, &record)?;
                    session.accept(record);
                }
                self.change(Row::of(&session, &vitals.unwrap_or(before), start))?;
            }
            (None, vitals) => {
                let (Some(start), Some(vitals)) = (records.into_iter().next(), vitals) else {
                    return Err(WriteError::NoStart(id));
                };
                if start.fact.kind() != Kind::Start {
                    return Err(WriteError::NoStart(id));
                }
                let seq = self.append(&id, &start)?;
                let session = Session::begin(start).ok_or(WriteError::NoStart(id))?;
                let row = Row::of(&session, &vitals, (self.key, seq));
                self.transaction
                    .prepare_cached(&INSERT)?
                    .execute(params_from_iter(row.into_values()))?;
            }
        }
        Ok(verdict)
    }

    /// Reads a session as it stands, and where its start stands.
    fn standing(&self, id: &SessionId) -> Result<Option<(Standing, Position)>, WriteError> {
        let mut statement = self.transaction.prepare_cached(STANDING)?;
        let mut rows = statement.query([id.as_str()])?;
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        let start: Position = (row.get(0)?, row.get(1)?);
        let only_started: bool = row.get(2)?;
        let vitals = Vitals {
            last_seen: cell(row, 3)?,
            lease_expires_at: cell(row, 4)?,
            counters: Counters {
                command_count: row.get(5)?,
                error_count: row.get(6)?,
                last_error: row.get(7)?,
            },
        };
        let mut records = self.records(
            id,
            self.transaction.prepare_cached(START_RECORD)?,
            params![start.0, start.1],
        )?;
        if !only_started {
            let later = self.transaction.prepare_cached(LATER_RECORDS)?;
            records.extend(self.records(id, later, params![id.as_str()])?);
        }
        let session = Session::fold(records).ok_or_else(|| WriteError::NoStart(id.clone()))?;
        Ok(Some((Standing { session, vitals }, start)))
    }

    fn records(
        &self,
        id: &SessionId,
        mut statement: CachedStatement<'_>,
        of: impl rusqlite::Params,
    ) -> Result<Vec<Accepted>, WriteError> {
        let mut rows = statement.query(of)?;
        let mut records = Vec::new();
        while let Some(row) = rows.next()? {
            let payload = row.get_ref(2)?.as_blob().map_err(rusqlite::Error::from)?;
            records.extend(
                read_record(
                    row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?,
                    row.get(1)?,
                    payload,
                )
                .map_err(|source| WriteError::Record {
                    id: id.clone(),
                    source,
                })?,
            );
        }
        Ok(records)
    }

    fn append(&mut self, id: &SessionId, record: &Accepted) -> Result<i64, WriteError> {
        let payload = record.payload();
        let mut salt: Salt = [0; 32];
        rustix::rand::getrandom(&mut salt, rustix::rand::GetRandomFlags::empty())?;
        let commitment = ledger::payload_commitment(&salt, &payload);
        let header = Header {
            chain: self.uuid,
            seq: self.head.seq + 1,
            format: FORMAT,
            kind: record.fact.kind().as_str(),
            session_id: Some(id.as_str()),
            received_at: record.received_at.as_micros(),
            payload_commitment: Some(&commitment),
        };
        self.head.append(self.transaction, self.key, &header)?;
        let seq = i64::try_from(self.head.seq)
            .expect("a chain of 2^63 records takes longer than the sun");
        self.transaction
            .prepare_cached(APPEND_PAYLOAD)?
            .execute(params![self.key, seq, salt, payload])?;
        Ok(seq)
    }

    fn change(&self, row: Row) -> rusqlite::Result<()> {
        let id = Value::Text(row.record.session_id.clone());
        let changing = COLUMNS
            .iter()
            .zip(row.into_values())
            .filter(|(column, _)| CHANGING.contains(column));
        let values = changing.map(|(_, value)| value).chain([id]);
        self.transaction
            .prepare_cached(&UPDATE)?
            .execute(params_from_iter(values))?;
        Ok(())
    }
}

static INSERT: LazyLock<String> = LazyLock::new(|| {
    let places = vec!["?"; COLUMNS.len()].join(", ");
    format!(
        "INSERT INTO sessions ({}) VALUES ({places})",
        COLUMNS.join(", ")
    )
});

static UPDATE: LazyLock<String> = LazyLock::new(|| {
    let changing: Vec<_> = COLUMNS
        .iter()
        .filter(|column| CHANGING.contains(column))
        .collect();
    let sets: Vec<_> = changing
        .iter()
        .map(|column| format!("{column} = ?"))
        .collect();
    format!(
        "UPDATE sessions SET {} WHERE session_id = ?",
        sets.join(", ")
    )
});

/// Reads a ledger record that is about a session; `None` for the other kinds.
pub(super) fn read_record(
    kind: &str,
    received_at: i64,
    payload: &[u8],
) -> Result<Option<Accepted>, session_model::fold::PayloadError> {
    let Some(kind) = Kind::ALL.into_iter().find(|known| known.as_str() == kind) else {
        return Ok(None);
    };
    let received_at = Timestamp::saturating_from(
        jiff::Timestamp::from_microsecond(received_at).unwrap_or(jiff::Timestamp::MIN),
    );
    Accepted::from_payload(kind, received_at, payload).map(Some)
}
