//! The durable record of sessions.
//!
//! A store keeps the ledger and, folded from it, a row per session. It knows no rule: a [`Change`] looks at a session as
//! it stands and decides; the store does what was decided as one step, and answers once that is on disk.

pub mod checkpoint;
pub mod happening;
pub mod ledger;
pub mod sqlite;
mod witness;

use std::{fmt, future::Future, io, pin::Pin};

use session_model::{
    Act, ActRecord, Imported, Session, SessionFilter, SessionId, SessionRecord, Timestamp,
    Transport,
    fold::{Accepted, Vitals},
};
use tokio::sync::watch;

pub use witness::{Commit, FailureKind, Step, Turn, Witness};

use self::{
    checkpoint::ChainHead,
    happening::{Happenings, Sought},
};
use crate::analytics::{Findings, Question};

/// What a call of a [`SessionStore`] gives.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// The durable record of sessions.
pub trait SessionStore: Send + Sync {
    /// Lets changes, at most 256, look at their sessions and does what each decides: in their order, each as one step,
    /// all in one commit. Gives what came of each, in the same order.
    ///
    /// Whoever is answered can rely on it: all that was decided, here and before, is on disk. Changes are handed over by
    /// the call itself, not by waiting for its answer, and are made in the order of the calls. Cancel safe: what was
    /// handed over is done even when nobody waits for it any more.
    ///
    /// # Errors
    ///
    /// [`StoreError::Overloaded`] when too many changes wait already to take all of these, [`StoreError::Stopping`]
    /// after [`SessionStore::close`], and [`StoreError::Unavailable`] when the disk or the database fails. None of them
    /// was acknowledged then, and all can be made again. [`StoreError::Damaged`] is for the single change whose
    /// session's record is damaged.
    fn apply_all(&self, changes: Vec<Box<dyn Change>>) -> StoreFuture<'static, Vec<Outcome>>;

    /// Makes one change, as [`Self::apply_all`] does.
    ///
    /// # Errors
    ///
    /// As [`Self::apply_all`].
    fn apply(&self, change: Box<dyn Change>) -> StoreFuture<'_, Verdict> {
        let outcomes = self.apply_all(vec![change]);
        Box::pin(async move {
            let outcome = outcomes.await?.pop();
            outcome.expect("every change has an outcome")
        })
    }

    /// Writes notes beside the record, at most 256, in one commit. They are handed over as changes are, and refused as they
    /// are; what is not written can be noted again.
    ///
    /// # Errors
    ///
    /// As [`Self::apply_all`].
    fn note(&self, notes: Vec<Note>) -> StoreFuture<'static, ()>;

    /// Gives sessions that are open, oldest first by start and id, with what tells whether they still live.
    fn open_sessions(
        &self,
        after: Option<Cursor>,
        limit: usize,
    ) -> StoreFuture<'_, Page<OpenSession>>;

    /// Appends an act that is about no session. It is on disk when this answers.
    ///
    /// # Errors
    ///
    /// As [`Self::apply_all`].
    fn record(&self, act: Act) -> StoreFuture<'_, ()>;

    /// Gives acts and closures by hand, newest first.
    fn acts(&self, query: ActQuery) -> StoreFuture<'_, ActPage>;

    /// Gives the ids of all tokens that were revoked.
    fn revoked_tokens(&self) -> StoreFuture<'_, Vec<String>>;

    /// Gives a session.
    fn get(&self, id: SessionId) -> StoreFuture<'_, Option<Stored>>;

    /// Gives sessions, newest first by start and id.
    fn list(&self, query: ListQuery) -> StoreFuture<'_, Page>;

    /// Gives sessions, oldest first by start and id. A page looks at no more sessions than it may give, so it can have
    /// fewer, or none, and not be the last.
    fn export(&self, query: ExportQuery) -> StoreFuture<'_, Page>;

    /// Puts down what another server tells of sessions: all of it in one commit, or nothing, where something else is on
    /// record of one of them. No other change is made meanwhile. Handed over as changes are, and made in their
    /// order.
    ///
    /// # Errors
    ///
    /// As [`Self::apply_all`], and when what was put aside cannot be read.
    fn import(&self, import: Import) -> StoreFuture<'static, Result<ImportCount, Vec<Differing>>>;

    /// Gives the ids that begin with `prefix` or whose last part does, at most `limit`, in the order of their text.
    fn find(&self, prefix: String, limit: usize) -> StoreFuture<'_, Vec<SessionId>>;

    /// Answers a question about many sessions.
    fn analyze(&self, question: Question) -> StoreFuture<'_, Findings>;

    /// Tells of the newest record that is on disk for good, and of each that comes after it; `None` where nobody writes.
    fn head(&self) -> watch::Receiver<Option<ChainHead>>;

    /// Finds a record up to `head` after which to read on; `None` where it is not in that chain.
    fn locate(&self, sought: Sought, head: ChainHead) -> StoreFuture<'_, Option<ChainHead>>;

    /// Gives what happened after a record, up to `head`, in the order of the ledger; of at most `limit` records.
    fn happenings(
        &self,
        after: ChainHead,
        head: ChainHead,
        limit: usize,
    ) -> StoreFuture<'_, Happenings>;

    /// Tells how the store is, without touching the disk.
    fn health(&self) -> StoreHealth;

    /// Commits what waits and lets go of the database. Later calls fail with [`StoreError::Stopping`].
    fn close(&self) -> StoreFuture<'_, ()>;
}

/// What is worth knowing of a session and no part of its record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// What heartbeats fed.
    Fed(SessionId, Vitals),
    /// Its process is watched.
    Watched(SessionId, Watched),
    /// Its process is no longer watched.
    Unwatched(SessionId),
}

/// A process that a server watches, or that a session says is its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// The host, where it has an id.
    pub host_id: Option<String>,
    /// The boot of its kernel.
    pub boot_id: String,
    /// Inode of its pid namespace.
    pub pid_namespace: i64,
    /// Its pid.
    pub pid: i64,
    /// When it started, in clock ticks since boot.
    pub start_ticks: i64,
    /// Inode of a pidfd of it.
    pub pidfd_inode: Option<i64>,
}

/// A session that is open, and what tells whether it still lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenSession {
    /// Its id.
    pub id: SessionId,
    /// How often its sender promised a heartbeat.
    pub heartbeat_interval_seconds: Option<i64>,
    /// When it began, by the server's clock.
    pub since: Timestamp,
    /// Receipt of the last proof of life.
    pub last_seen: Timestamp,
    /// How its start came.
    pub transport: Transport,
    /// From which address, where it had one.
    pub address: Option<String>,
    /// The process that it says is its own.
    pub claimed: Option<Watched>,
    /// The process that a server has watched.
    pub watched: Option<Watched>,
}

/// A change to one session.
pub trait Change: Send {
    /// The session.
    fn session_id(&self) -> &SessionId;

    /// Looks at the session as it stands, `None` where it is unknown, and decides.
    fn decide(self: Box<Self>, standing: Option<&Standing>) -> Decision;
}

/// A session as it stands.
#[derive(Clone, Debug)]
pub struct Standing {
    /// What its ledger records say.
    pub session: Session,
    /// What heartbeats fed.
    pub vitals: Vitals,
}

/// A session with all that became of it.
#[derive(Clone, Debug)]
pub struct Past {
    /// Its records, in order, the start first.
    pub records: Vec<Entry>,
    /// What heartbeats fed, in the end.
    pub vitals: Vitals,
}

/// A record for the ledger, and its payload, the bytes that the ledger hashes. Whoever makes it before the writer has to decide
/// anything leaves that one less to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The record.
    pub record: Accepted,
    /// What it comes to.
    pub payload: Vec<u8>,
}

impl From<Accepted> for Entry {
    fn from(record: Accepted) -> Self {
        Self {
            payload: record.payload(),
            record,
        }
    }
}

/// What a change decided.
#[derive(Debug)]
pub struct Decision {
    /// Records for the ledger, in order.
    pub records: Vec<Entry>,
    /// What heartbeats feed from now on; `None` leaves it as it is. A start always gives it.
    pub vitals: Option<Vitals>,
    /// What its sender is told.
    pub verdict: Verdict,
}

/// What came of a change: what its sender is told, or why it was not made.
pub type Outcome = Result<Verdict, StoreError>;

/// What the sender of a change is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The session is on record from now on.
    Begun,
    /// The session is on record.
    Tracked,
    /// The session is on record with other content.
    Conflict,
    /// The session is alive.
    Alive {
        /// How long it counts as alive without another heartbeat, in seconds.
        lease_seconds: Option<u32>,
    },
    /// The session is closed.
    Ended,
    /// The session is unknown.
    NotFound,
    /// The session is proved alive, and closing it takes force.
    ForceNeeded,
    /// The session is somebody else's.
    Forbidden,
}

/// A session as a store gives it.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// Its record, without duration and liveness while active.
    pub record: SessionRecord,
}

/// Which acts to list.
#[derive(Clone, Debug)]
pub struct ActQuery {
    /// The place of the last one of the page before.
    pub before: Option<ActCursor>,
    /// The most to give.
    pub limit: usize,
}

/// A place in a list of acts: the record that was given last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActCursor(pub i64);

/// A page of acts.
#[derive(Clone, Debug, PartialEq)]
pub struct ActPage {
    /// The acts.
    pub acts: Vec<ActRecord>,
    /// Where the next page begins; `None` on the last one.
    pub next: Option<ActCursor>,
}

impl fmt::Display for ActCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for ActCursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        text.parse().map(Self).map_err(|_| InvalidCursor)
    }
}

/// Which sessions to list.
#[derive(Clone, Debug)]
pub struct ListQuery {
    /// Which ones.
    pub filter: SessionFilter,
    /// The last one of the page before.
    pub after: Option<Cursor>,
    /// The most to give.
    pub limit: usize,
    /// Whether to count all that match.
    pub count: bool,
    /// By what time the length of an active session is judged.
    pub now: Timestamp,
}

/// Which sessions to export.
#[derive(Clone, Debug)]
pub struct ExportQuery {
    /// Which ones.
    pub filter: SessionFilter,
    /// The last one of the page before.
    pub after: Option<Cursor>,
    /// The most to look at.
    pub limit: usize,
    /// By what time the length of an active session is judged.
    pub now: Timestamp,
}

/// What somebody tells of sessions of another server.
pub struct Import {
    /// The sessions. An error keeps all of them out.
    pub sessions: Box<dyn Iterator<Item = io::Result<ImportedLine>> + Send>,
    /// Makes the record of the act that stands behind them.
    pub act: Box<dyn FnOnce(ImportCount) -> Act + Send>,
}

/// A session of an import.
pub struct ImportedLine {
    /// The line that tells of it.
    pub number: u64,
    /// When that came.
    pub received_at: Timestamp,
    /// The session.
    pub imported: Imported,
    /// The payload of its record, as [`Accepted::payload`] gives it.
    pub payload: Vec<u8>,
}

/// What came of an import.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportCount {
    /// Sessions that are on record from now on.
    pub imported: u64,
    /// Sessions that were on record with the same content.
    pub known: u64,
}

/// A line that tells something else of a session than what is on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Differing {
    /// The line.
    pub line: u64,
    /// The session.
    pub session_id: String,
    /// The keys of its record that differ.
    pub keys: Vec<&'static str>,
}

impl fmt::Display for Differing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (id, keys) = (&self.session_id, self.keys.join(", "));
        write!(f, "session {id} is on record with other content: {keys}")
    }
}

impl Differing {
    /// Says of several how many there are.
    pub fn summary(differing: &[Self]) -> String {
        let more = if differing.len() < Self::ENOUGH {
            ""
        } else {
            " or more"
        };
        format!(
            "{}{more} of its sessions are on record with other content",
            differing.len()
        )
    }

    /// The most that are looked for before an import is given up.
    pub const ENOUGH: usize = 20;

    /// Compares what a line tells with what is on record; `None` where it is the same but for what heartbeats feed.
    pub fn of(line: u64, told: &SessionRecord, stored: &SessionRecord) -> Option<Self> {
        (!stored.tells_the_same_as(told)).then(|| Self {
            line,
            session_id: told.session_id.clone(),
            keys: told.keys_that_differ(stored),
        })
    }
}

/// A place in a list: the session that was given last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Its start.
    pub start_time: Timestamp,
    /// Its id.
    pub session_id: String,
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<S = Stored> {
    /// The sessions.
    pub sessions: Vec<S>,
    /// Where the next page begins; `None` on the last one.
    pub next: Option<Cursor>,
    /// How many match in all, where that was asked for or is plain.
    pub total: Option<u64>,
}

/// How a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreHealth {
    /// Why changes are refused; `None` while they are taken.
    pub failure: Option<String>,
    /// Changes that wait.
    pub queued: usize,
    /// The most that may wait.
    pub queue_limit: usize,
}

/// Why a store did not do what it was asked for.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// Too many changes wait.
    #[error("too many changes wait to be written")]
    Overloaded,
    /// The store is being closed.
    #[error("the server is stopping")]
    Stopping,
    /// The disk or the database fails.
    #[error("the database cannot be used now: {0}")]
    Unavailable(String),
    /// What the database holds of this session makes no sense; trying again does not mend it.
    #[error("the record of this session is damaged: {0}")]
    Damaged(String),
}

impl fmt::Display for Cursor {
    /// Writes the cursor as an opaque text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = format!("{}{}", self.start_time, self.session_id);
        f.write_str(&data_encoding::BASE64URL_NOPAD.encode(plain.as_bytes()))
    }
}

impl std::str::FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        /// Length of a [`Timestamp`] as text.
        const TIME: usize = 27;
        let bytes = data_encoding::BASE64URL_NOPAD
            .decode(text.as_bytes())
            .map_err(|_| InvalidCursor)?;
        let plain = String::from_utf8(bytes).map_err(|_| InvalidCursor)?;
        let (time, session_id) = plain.split_at_checked(TIME).ok_or(InvalidCursor)?;
        let start_time = time.parse().map_err(|_| InvalidCursor)?;
        let session_id: SessionId = session_id.parse().map_err(|_| InvalidCursor)?;
        Ok(Self {
            start_time,
            session_id: session_id.to_string(),
        })
    }
}

/// A text that is no [`Cursor`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor of this server; take it from the last answer, or leave it out to begin anew")]
pub struct InvalidCursor;
