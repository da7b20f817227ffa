//! The store in one SQLite file.
//!
//! One thread writes (`writer`), a few connections read beside it (WAL). Whoever holds `<database>.lock` owns the
//! file; readers need no lock, so that the CLI and `sqlite3` can look at any time.

mod chain;
pub mod compared;
mod connection;
mod export;
mod happenings;
mod import;
mod load;
mod notes;
mod payload;
mod place;
mod reader;
mod rollup;
mod row;
mod schema;
mod search;
mod status;
pub mod verify;
mod writer;
mod writing;

use std::{
    error::Error,
    fs::{File, OpenOptions, TryLockError},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Sender, channel},
    },
    thread::JoinHandle,
};

use session_model::{Act, SessionId};
use tokio::sync::{oneshot, watch};

use self::{
    reader::Readers,
    status::Status,
    writer::{Job, Work, Writer},
};
pub use load::Loader;
pub use payload::unpack as unpack_payload;
pub use place::PlaceError;

use super::{
    ActPage, ActQuery, Change, Cursor, Differing, ExportQuery, FailureKind, Import, ImportCount,
    ListQuery, Note, OpenSession, Outcome, Page, SessionStore, StoreError, StoreFuture,
    StoreHealth, Stored, Witness,
    checkpoint::ChainHead,
    happening::{Happenings, Sought},
};
use crate::{
    analytics::{Findings, Question},
    causes,
    clock::Clock,
};

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file or its folder.
    #[error("cannot open {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another process writes it.
    #[error("another process uses the database")]
    Locked,
    /// A reader keeps the WAL from being brought in.
    #[error(
        "another program has been reading the database for seconds, so what is in it cannot be made sure of"
    )]
    Busy,
    /// It is a database of something else.
    #[error("it is not a database of Session-Buddy")]
    Foreign,
    /// It was written by a newer program.
    #[error("its schema is newer than this program: step {found}, the last one known is {known}")]
    Newer {
        /// The step that is not known.
        found: i64,
        /// The last one that is.
        known: i64,
    },
    /// A released step is not what it was.
    #[error("step {number} of its schema is not the one of this program")]
    ChangedMigration {
        /// The step.
        number: i64,
    },
    /// It does not say what was recorded.
    #[error("it is damaged: {place}: {what}")]
    Damaged {
        /// Where the first difference stands.
        place: String,
        /// What it is.
        what: String,
    },
    /// Its files are not where they were, or there is no room for more.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// A batch failed.
    #[error("a commit failed")]
    Write(#[source] Box<dyn Error + Send + Sync>),
    /// SQLite fails.
    #[error("the database failed")]
    Database(#[source] rusqlite::Error),
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::NotADatabase) => Self::Foreign,
            _ => Self::Database(error),
        }
    }
}

impl From<writing::WriteError> for OpenError {
    fn from(error: writing::WriteError) -> Self {
        Self::Write(error.into())
    }
}

/// A [`SessionStore`] in one SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    /// Bounded by [`Status::queue`], which counts changes.
    jobs: Mutex<Option<Sender<Job>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    readers: Arc<Readers>,
    status: Arc<Status>,
    witness: Arc<dyn Witness>,
    /// Held while the database is ours.
    lock: Mutex<Option<File>>,
}

impl SqliteStore {
    /// Opens the database for writing, made if it is missing, and brings it to this program's schema.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened or made, is in use, is not ours or is newer.
    pub fn open(path: &Path, clock: &Clock) -> Result<Self, OpenError> {
        Self::open_before(path, clock, Arc::new(()))
    }

    /// Opens the database as [`Self::open`] does, and tells a witness what becomes of it.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub fn open_before(
        path: &Path,
        clock: &Clock,
        witness: Arc<dyn Witness>,
    ) -> Result<Self, OpenError> {
        let lock = lock(path)?;
        let status = Arc::new(Status::default());
        let writer = Writer::open(
            path.to_owned(),
            clock.now(),
            Arc::clone(&status),
            Arc::clone(&witness),
        )
        .map_err(|error| verify::explained(error, path))?;
        let readers = Readers::beside(writer.place(), Arc::clone(&witness));
        // With one connection open, reading goes on whatever becomes of the files.
        readers.put_back(connection::read_only(path)?);
        let (jobs, waiting) = channel();
        let thread = std::thread::Builder::new().name("store-writer".to_owned());
        let thread = thread
            .spawn(move || writer.run(&waiting))
            .map_err(|source| OpenError::File {
                path: path.to_owned(),
                source,
            })?;
        Ok(Self {
            jobs: Mutex::new(Some(jobs)),
            writer: Mutex::new(Some(thread)),
            readers: Arc::new(readers),
            status,
            witness,
            lock: Mutex::new(Some(lock)),
        })
    }

    /// Gives where to look up what the newest record is, also once the store is closed.
    pub fn newest(&self) -> Newest {
        Newest(Arc::clone(&self.status))
    }

    /// Makes the sums over sessions anew, in a database that nobody writes meanwhile. Gives how many sessions were
    /// counted.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub fn rebuild_rollups(path: &Path) -> Result<u64, OpenError> {
        let _lock = lock(path)?;
        let mut connection = connection::read_write(path)?;
        schema::migrate(&mut connection)?;
        let transaction = connection.transaction()?;
        let counted = rollup::rebuild(&transaction)?;
        transaction.commit()?;
        connection::checkpoint(&connection)?;
        Ok(counted)
    }

    /// Makes the index of words anew, in a database that nobody writes meanwhile. Gives how many sessions were indexed.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub fn rebuild_search(path: &Path) -> Result<u64, OpenError> {
        let _lock = lock(path)?;
        let mut connection = connection::read_write(path)?;
        schema::migrate(&mut connection)?;
        search::clear(&connection)?;
        let mut indexed = 0;
        loop {
            // What was indexed stays, also where this is ended.
            let transaction = connection.transaction()?;
            let of_slice = search::index(&transaction, search::LARGE_SLICE)?;
            transaction.commit()?;
            if of_slice == 0 {
                break;
            }
            indexed += of_slice;
        }
        connection::checkpoint(&connection)?;
        Ok(indexed)
    }

    /// Hands a job over to the writer, which answers it.
    fn submit<T>(
        &self,
        job: impl FnOnce(oneshot::Sender<T>) -> Job,
    ) -> Result<oneshot::Receiver<T>, StoreError> {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        let jobs = jobs.as_ref().ok_or(StoreError::Stopping)?;
        let (reply, answer) = oneshot::channel();
        let job = job(reply);
        let count = job.len();
        if !self.status.queue(count) {
            self.witness.failed(FailureKind::Overloaded);
            return Err(StoreError::Overloaded);
        }
        jobs.send(job).map_err(|_| {
            self.status.taken(count);
            writer_gone()
        })?;
        Ok(answer)
    }
}

/// Tells what the newest record is that is on disk for good.
#[derive(Clone, Debug)]
pub struct Newest(Arc<Status>);

impl Newest {
    /// Gives the newest record.
    pub fn get(&self) -> Option<ChainHead> {
        self.0.newest()
    }
}

fn read_only() -> StoreError {
    StoreError::Unavailable("it is open for reading only".to_owned())
}

fn writer_gone() -> StoreError {
    StoreError::Unavailable("the writer is gone; the log says why".to_owned())
}

impl SessionStore for SqliteStore {
    fn apply_all(&self, changes: Vec<Box<dyn Change>>) -> StoreFuture<'static, Vec<Outcome>> {
        let submitted = self.submit(|reply| Job::Work(Work::Changes(changes), reply));
        Box::pin(async move { submitted?.await.map_err(|_| writer_gone())? })
    }

    fn note(&self, notes: Vec<Note>) -> StoreFuture<'static, ()> {
        let submitted = self.submit(|reply| Job::Work(Work::Notes(notes), reply));
        Box::pin(async move {
            submitted?
                .await
                .map_err(|_| writer_gone())?
                .map(|_outcomes| ())
        })
    }

    fn open_sessions(
        &self,
        after: Option<Cursor>,
        limit: usize,
    ) -> StoreFuture<'_, Page<OpenSession>> {
        self.readers
            .read(move |connection| notes::open(connection, after.as_ref(), limit))
    }

    fn record(&self, act: Act) -> StoreFuture<'_, ()> {
        let submitted = self.submit(|reply| Job::Work(Work::Act(Box::new(act)), reply));
        Box::pin(async move {
            submitted?.await.map_err(|_| writer_gone())??;
            Ok(())
        })
    }

    fn acts(&self, query: ActQuery) -> StoreFuture<'_, ActPage> {
        self.readers
            .read(move |connection| reader::acts(connection, &query))
    }

    fn revoked_tokens(&self) -> StoreFuture<'_, Vec<String>> {
        self.readers.read(reader::revoked_tokens)
    }

    fn get(&self, id: SessionId) -> StoreFuture<'_, Option<Stored>> {
        self.readers
            .read(move |connection| reader::get(connection, &id))
    }

    fn list(&self, query: ListQuery) -> StoreFuture<'_, Page> {
        self.readers
            .read(move |connection| reader::list(connection, &query))
    }

    fn export(&self, query: ExportQuery) -> StoreFuture<'_, Page> {
        self.readers
            .read(move |connection| export::page(connection, &query))
    }

    fn import(&self, import: Import) -> StoreFuture<'static, Result<ImportCount, Vec<Differing>>> {
        let submitted = self.submit(|reply| Job::Import(import, reply));
        Box::pin(async move { submitted?.await.map_err(|_| writer_gone())? })
    }

    fn find(&self, prefix: String, limit: usize) -> StoreFuture<'_, Vec<SessionId>> {
        self.readers
            .read(move |connection| reader::find(connection, &prefix, limit))
    }

    fn analyze(&self, question: Question) -> StoreFuture<'_, Findings> {
        self.readers
            .read(move |connection| rollup::analyze(connection, &question))
    }

    fn head(&self) -> watch::Receiver<Option<ChainHead>> {
        self.status.head()
    }

    fn locate(&self, sought: Sought, head: ChainHead) -> StoreFuture<'_, Option<ChainHead>> {
        self.readers
            .read(move |connection| happenings::locate(connection, sought, head))
    }

    fn happenings(
        &self,
        after: ChainHead,
        head: ChainHead,
        limit: usize,
    ) -> StoreFuture<'_, Happenings> {
        self.readers
            .read(move |connection| happenings::after(connection, after, head, limit))
    }

    fn health(&self) -> StoreHealth {
        self.status.health()
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        let closing = self.begin_to_close();
        Box::pin(async move {
            let closed = tokio::task::spawn_blocking(move || closing.wait()).await;
            if closed.unwrap_or(false) {
                Ok(())
            } else {
                Err(writer_gone())
            }
        })
    }
}

/// What is left of a store that takes no more changes.
struct Closing {
    writer: Option<JoinHandle<()>>,
    readers: Arc<Readers>,
    _lock: Option<File>,
}

impl Closing {
    /// Blocks until what waited is committed, and lets go of the database. Tells whether the writer ended well.
    fn wait(self) -> bool {
        self.readers.close();
        self.writer.is_none_or(|writer| writer.join().is_ok())
    }
}

impl SqliteStore {
    /// Takes no more changes: without a sender the writer commits what waits and ends.
    fn begin_to_close(&self) -> Closing {
        drop(
            self.jobs
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        Closing {
            writer: self
                .writer
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
            readers: Arc::clone(&self.readers),
            _lock: self
                .lock
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        }
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.begin_to_close().wait();
    }
}

/// A [`SessionStore`] that can only be looked at: no server runs, and nothing is made or changed.
#[derive(Debug)]
pub struct ReadOnlyStore(Arc<Readers>);

impl ReadOnlyStore {
    /// Opens an existing database for reading.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened, is not ours or is newer.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let connection = connection::read_only(path)?;
        let readers = Readers::alone(path.to_owned());
        readers.put_back(connection);
        Ok(Self(Arc::new(readers)))
    }
}

impl SessionStore for ReadOnlyStore {
    fn apply_all(&self, _: Vec<Box<dyn Change>>) -> StoreFuture<'static, Vec<Outcome>> {
        Box::pin(async { Err(read_only()) })
    }

    fn note(&self, _: Vec<Note>) -> StoreFuture<'static, ()> {
        Box::pin(async { Err(read_only()) })
    }

    fn open_sessions(
        &self,
        after: Option<Cursor>,
        limit: usize,
    ) -> StoreFuture<'_, Page<OpenSession>> {
        self.0
            .read(move |connection| notes::open(connection, after.as_ref(), limit))
    }

    fn record(&self, _: Act) -> StoreFuture<'_, ()> {
        Box::pin(async { Err(read_only()) })
    }

    fn acts(&self, query: ActQuery) -> StoreFuture<'_, ActPage> {
        self.0
            .read(move |connection| reader::acts(connection, &query))
    }

    fn revoked_tokens(&self) -> StoreFuture<'_, Vec<String>> {
        self.0.read(reader::revoked_tokens)
    }

    fn get(&self, id: SessionId) -> StoreFuture<'_, Option<Stored>> {
        self.0.read(move |connection| reader::get(connection, &id))
    }

    fn list(&self, query: ListQuery) -> StoreFuture<'_, Page> {
        self.0
            .read(move |connection| reader::list(connection, &query))
    }

    fn export(&self, query: ExportQuery) -> StoreFuture<'_, Page> {
        self.0
            .read(move |connection| export::page(connection, &query))
    }

    fn import(&self, _: Import) -> StoreFuture<'static, Result<ImportCount, Vec<Differing>>> {
        Box::pin(async { Err(read_only()) })
    }

    fn find(&self, prefix: String, limit: usize) -> StoreFuture<'_, Vec<SessionId>> {
        self.0
            .read(move |connection| reader::find(connection, &prefix, limit))
    }

    fn analyze(&self, question: Question) -> StoreFuture<'_, Findings> {
        self.0
            .read(move |connection| rollup::analyze(connection, &question))
    }

    fn head(&self) -> watch::Receiver<Option<ChainHead>> {
        watch::channel(None).1
    }

    fn locate(&self, sought: Sought, head: ChainHead) -> StoreFuture<'_, Option<ChainHead>> {
        self.0
            .read(move |connection| happenings::locate(connection, sought, head))
    }

    fn happenings(
        &self,
        after: ChainHead,
        head: ChainHead,
        limit: usize,
    ) -> StoreFuture<'_, Happenings> {
        self.0
            .read(move |connection| happenings::after(connection, after, head, limit))
    }

    fn health(&self) -> StoreHealth {
        StoreHealth {
            failure: Some("it is open for reading only".to_owned()),
            queued: 0,
            queue_limit: 0,
        }
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        self.0.close();
        Box::pin(async { Ok(()) })
    }
}

/// Takes the lock beside the database.
fn lock(path: &Path) -> Result<File, OpenError> {
    let mut lock = path.as_os_str().to_owned();
    lock.push(".lock");
    let lock = PathBuf::from(lock);
    let error = |source| OpenError::File {
        path: lock.clone(),
        source,
    };
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&lock)
        .map_err(error)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::Locked),
        Err(TryLockError::Error(source)) => Err(error(source)),
    }
}

/// Writes an error with its causes in one line.
fn chain_of_causes(error: &(dyn Error + 'static)) -> String {
    causes(error)
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
