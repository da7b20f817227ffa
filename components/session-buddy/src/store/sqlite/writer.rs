//! The one thread that writes: whatever waits becomes one transaction (group commit).
//!
//! It does not linger for more: under load the batch grows by itself while the disk is busy. After a failed commit the
//! connection is thrown away. Nothing is acknowledged, repeats included, until a new one has completed
//! `wal_checkpoint(TRUNCATE)`: only then is what it can read known to be on disk. Nor is it while the files are not where
//! they were opened, or the disk is full; the connection is kept then, so that it goes on once they are back.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, TryRecvError},
    },
    time::{Duration, Instant},
};

use session_model::{Act, Timestamp};
use tokio::sync::oneshot;
use tracing::{error, info};

use super::{
    OpenError,
    chain::{Chain, Made},
    connection, notes,
    place::{Place, PlaceError},
    search,
    status::Status,
    verify,
    writing::WriteError,
};
use crate::store::{
    Change, Differing, FailureKind, Import, ImportCount, Note, Outcome, StoreError, Witness,
};

/// With so many changes a transaction takes no further job; more only adds latency (measured: 5-10 ms at 256, 60-100 ms
/// at 4,096).
const BATCH_ENOUGH: usize = 256;

/// How often an idle writer looks whether it could write.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// How long nothing is indexed after that has failed. Searches look at all that is not indexed meanwhile.
const INDEX_PAUSE: Duration = Duration::from_secs(60);

/// What waits to be written.
pub(super) enum Work {
    /// Changes that are made together, each of which has an outcome.
    Changes(Vec<Box<dyn Change>>),
    /// Notes beside the record, which have none.
    Notes(Vec<Note>),
    /// An act that is about no session; it has none either.
    Act(Box<Act>),
}

impl Work {
    /// Counts its places in the queue.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Changes(changes) => changes.len(),
            Self::Notes(notes) => notes.len(),
            Self::Act(_) => 1,
        }
    }
}

/// What waits to be written together, and whom to tell.
pub(super) enum Job {
    /// Work that shares a transaction with its neighbours.
    Work(Work, oneshot::Sender<Answer>),
    /// An import, which has one of its own.
    Import(Import, oneshot::Sender<ImportAnswer>),
}

impl Job {
    /// Counts its places in the queue.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Work(work, _) => work.len(),
            Self::Import(..) => 1,
        }
    }
}

/// What came of an import.
pub(super) type ImportAnswer = Result<Result<ImportCount, Vec<Differing>>, StoreError>;

/// What came of the changes of a job; nothing, of notes and of an act.
pub(super) type Answer = Result<Vec<Outcome>, StoreError>;

/// The writer: its connection while it is trusted, and how to get another.
pub(super) struct Writer {
    place: Arc<Place>,
    chain: Option<Chain>,
    status: Arc<Status>,
    /// Until when nothing is indexed.
    index_pause: Option<Instant>,
    /// Came while a transaction was put together that it cannot be part of.
    held: Option<Job>,
    witness: Arc<dyn Witness>,
}

impl Drop for Writer {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.status
                .failed("the writer came to a bug and stopped; the log says where");
        }
    }
}

impl Writer {
    /// Opens the database for writing.
    pub(super) fn open(
        path: PathBuf,
        now: Timestamp,
        status: Arc<Status>,
        witness: Arc<dyn Witness>,
    ) -> Result<Self, OpenError> {
        connection::create(&path)?;
        let mut connection = connection::read_write(&path)?;
        super::schema::migrate(&mut connection)?;
        notes::clear(&connection)?;
        let chain = Chain::load_or_begin(connection, now)?;
        verify::verify_end(&chain.connection, chain.key, chain.head.seq)?;
        status.reached(chain.newest());
        witness.opened(&notes::count_open(&chain.connection)?);
        Ok(Self {
            place: Arc::new(Place::of(path)?),
            chain: Some(chain),
            status,
            index_pause: None,
            held: None,
            witness,
        })
    }

    /// Gives where the database lies.
    pub(super) fn place(&self) -> Arc<Place> {
        Arc::clone(&self.place)
    }

    /// Writes until every sender is gone, then closes the database.
    pub(super) fn run(mut self, jobs: &Receiver<Job>) {
        self.look();
        while let Some(first) = self.next(jobs) {
            let mut count = first.len();
            let mut batch = match first {
                Job::Work(work, reply) => vec![(work, reply)],
                Job::Import(import, reply) => {
                    self.status.taken(count);
                    self.import(import, reply);
                    continue;
                }
            };
            while count < BATCH_ENOUGH {
                match jobs.try_recv() {
                    Ok(Job::Work(work, reply)) => {
                        count += work.len();
                        batch.push((work, reply));
                    }
                    Ok(import @ Job::Import(..)) => {
                        self.held = Some(import);
                        break;
                    }
                    Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
                }
            }
            self.status.taken(count);
            self.commit(batch);
            self.index(search::SLICE);
        }
        if let Some(mut chain) = self.chain.take() {
            if let Err(error) = self
                .place
                .check()
                .map_err(OpenError::from)
                .and_then(|()| Ok(chain.settle()?))
            {
                // The next writer does it.
                error!(
                    "The journal of the sums could not be added to them: {}",
                    super::chain_of_causes(&error)
                );
            }
            match connection::checkpoint(&chain.connection) {
                Ok(true) => {}
                // The WAL holds everything; the next start reads it.
                Ok(false) => info!("A reader kept the WAL from being brought into the database"),
                Err(error) => error!("The last checkpoint failed: {error}"),
            }
        }
    }

    /// Waits for the next change; `None` when every sender is gone.
    fn next(&mut self, jobs: &Receiver<Job>) -> Option<Job> {
        if let Some(held) = self.held.take() {
            return Some(held);
        }
        loop {
            // A backlog, as after an import, goes slice by slice, with a look at the jobs in between.
            let patience = match self.to_index() >= search::SLICE {
                true => Duration::ZERO,
                false => LOOK_INTERVAL,
            };
            match jobs.recv_timeout(patience) {
                Ok(job) => return Some(job),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => {
                    self.look();
                    self.index(1);
                }
            }
        }
    }

    /// Looks whether changes would be taken, so that health tells it, and comes back, without a change that has to fail
    /// first.
    fn look(&mut self) {
        match self.usable().map(drop) {
            Ok(()) => self.recovered(),
            Err(failure) => drop(self.failed(&failure)),
        }
    }

    /// Gives how many sessions wait to be indexed, none while nothing may be.
    fn to_index(&self) -> u64 {
        let paused = self.index_pause.is_some_and(|end| Instant::now() < end);
        let waiting = self.chain.as_ref().filter(|_| !paused);
        waiting.map_or(0, |chain| chain.to_index)
    }

    /// Indexes a slice of what waits for it, if so many do. It is done when nobody waits for an answer, and of many at once,
    /// because in the transactions of the changes it would cost more than they do.
    fn index(&mut self, least: u64) {
        if self.to_index() < least {
            return;
        }
        let Ok(chain) = self.usable() else { return };
        if let Err(error) = chain.index_unsynced(search::SLICE) {
            error!(
                "Sessions could not be indexed for search, which is slow until they are: {error}; `session-buddy verify` \
                 tells whether the index is damaged"
            );
            self.chain = None;
            self.index_pause = Some(Instant::now() + INDEX_PAUSE);
        }
    }

    fn commit(&mut self, batch: Vec<(Work, oneshot::Sender<Answer>)>) {
        let (groups, replies): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        match self.make(groups) {
            Ok(outcomes) => {
                self.recovered();
                for outcome in outcomes.iter().flatten() {
                    if let Err(StoreError::Damaged(_)) = outcome {
                        self.witness.failed(FailureKind::Damaged);
                    }
                }
                for (reply, outcomes) in replies.into_iter().zip(outcomes) {
                    // Whoever asked may have gone; the changes are made all the same.
                    let _ = reply.send(Ok(outcomes));
                }
            }
            Err(failure) => {
                self.witness.failed(FailureKind::Unavailable);
                let failure = self.failed(&failure);
                for reply in replies {
                    let _ = reply.send(Err(StoreError::Unavailable(failure.clone())));
                }
            }
        }
    }

    /// Makes an import, and tells what came of it.
    fn import(&mut self, import: Import, reply: oneshot::Sender<ImportAnswer>) {
        let answer = match self.transact(|chain| chain.import(import)) {
            Ok(made) => {
                self.recovered();
                self.shrink();
                self.count_open();
                Ok(made)
            }
            Err(failure) => {
                self.witness.failed(FailureKind::Unavailable);
                Err(StoreError::Unavailable(self.failed(&failure)))
            }
        };
        let _ = reply.send(answer);
    }

    /// Tells how many sessions are open, as an import tells of no session by itself: none of them began or ended now.
    fn count_open(&self) {
        let Some(chain) = &self.chain else { return };
        match notes::count_open(&chain.connection) {
            Ok(open) => self.witness.opened(&open),
            Err(error) => error!("The open sessions could not be counted: {error}"),
        }
    }

    /// Gives back what a large transaction has taken of the disk for the WAL. Where a reader keeps it from that, a later
    /// one does.
    fn shrink(&self) {
        let Some(chain) = &self.chain else { return };
        if let Err(error) = connection::checkpoint(&chain.connection) {
            error!("The WAL could not be brought into the database: {error}");
        }
    }

    /// Makes changes in one transaction. On an error nothing of them may be acknowledged.
    fn make(&mut self, groups: Vec<Work>) -> Result<Vec<Vec<Outcome>>, OpenError> {
        self.transact(|chain| chain.commit(groups))
    }

    /// Lets the chain make a transaction, and tells of it if it is committed. After an error the connection is not used
    /// again.
    fn transact<T>(
        &mut self,
        transaction: impl FnOnce(&mut Chain) -> Result<Made<T>, WriteError>,
    ) -> Result<T, OpenError> {
        let began = Instant::now();
        let chain = self.usable()?;
        let made = transaction(chain);
        let newest = chain.newest();
        if made.is_err() {
            self.chain = None;
        }
        let (made, commit) = made?;
        if let Some(mut commit) = commit {
            commit.took = began.elapsed();
            // It is made, whatever is found out next.
            self.witness.committed(&commit);
        }
        // The files may have gone meanwhile.
        self.place.check()?;
        self.status.reached(newest);
        Ok(made)
    }

    /// Gives the chain if it may be written.
    fn usable(&mut self) -> Result<&mut Chain, OpenError> {
        if self.chain.is_some() {
            self.place.check()?;
        }
        self.place.check_room()?;
        self.chain()
    }

    /// Gives the chain, over a new connection if the last one failed.
    fn chain(&mut self) -> Result<&mut Chain, OpenError> {
        let chain = match self.chain.take() {
            Some(chain) => chain,
            None => {
                self.place.check_database()?;
                let connection = connection::read_write(self.place.path())?;
                super::schema::check(&connection)?;
                connection::try_to_write(&connection)?;
                let chain = Chain::load(connection)?.ok_or(OpenError::Foreign)?;
                self.place.reopened()?;
                self.witness.opened(&notes::count_open(&chain.connection)?);
                chain
            }
        };
        Ok(self.chain.insert(chain))
    }

    fn recovered(&self) {
        if self.status.recovered() {
            info!("The database can be written again");
        }
    }

    /// Notes a failure, and gives it as a text.
    fn failed(&self, failure: &OpenError) -> String {
        let text = super::chain_of_causes(failure);
        if self.status.failed(&text) {
            error!("Nothing can be written: {text}");
            if let OpenError::Place(PlaceError::Removed(_) | PlaceError::Replaced(_)) = failure {
                self.bring_in();
            }
        }
        text
    }

    /// Brings what stands in the WAL into the database file that was opened, wherever that is now. Then all that was
    /// acknowledged is in one file, and no other database comes upon a WAL that is not its own.
    fn bring_in(&self) {
        let Some(chain) = &self.chain else { return };
        match connection::checkpoint(&chain.connection) {
            Ok(true) => info!("What was acknowledged is in the database file that was opened"),
            Ok(false) => error!("A reader kept the WAL from being brought into the database"),
            Err(error) => error!("The WAL could not be brought into the database: {error}"),
        }
    }
}
