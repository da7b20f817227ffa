//! Where a command finds sessions: at the running server, else in the database.

use std::{path::Path, sync::Arc};

use anstream::eprintln;
use session_client::{Destination, PAGE_MAX, Page, Reader, ReaderError};
use session_model::{SessionFilter, SessionRecord, Text, Transport, fold::Origin};

use super::{DatabaseArgs, ExitStatus, Failure};
use crate::{
    clock::Clock,
    lifecycle::Settings,
    store::{
        SessionStore, StoreError,
        sqlite::{OpenError, ReadOnlyStore, SqliteStore},
    },
    tracker::{Delivery, EndError, ListRequest, ResolveError, Tracker},
};

/// Where to look
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct SourceArgs {
    /// Server to ask, as http://HOST:PORT or unix:PATH [default: the socket in the state folder]
    #[arg(long, value_name = "URL", help_heading = "Where")]
    server: Option<Destination>,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// Where sessions are.
pub(super) enum Source {
    /// A running server.
    Server(Reader),
    /// No server runs; the rules over the database.
    Database(Tracker),
}

impl SourceArgs {
    /// Connects for reading. Makes nothing.
    pub(super) async fn to_read(&self) -> Result<Source, Failure> {
        let settings = self.database.settings()?;
        if let Some(reader) = self.reader(&settings).await? {
            return Ok(Source::Server(reader));
        }
        let store = ReadOnlyStore::open(existing(&settings)?)
            .map_err(|error| cannot_open(&settings, &error))?;
        eprintln!("note: server not running; liveness unknown");
        Ok(Source::database(Arc::new(store)))
    }

    /// Connects for writing.
    pub(super) async fn to_write(&self) -> Result<Source, Failure> {
        let settings = self.database.settings()?;
        if let Some(reader) = self.reader(&settings).await? {
            return Ok(Source::Server(reader));
        }
        let path = existing(&settings)?;
        let store = SqliteStore::open(path, &Clock::system())
            .map_err(|error| cannot_open(&settings, &error))?;
        Ok(Source::database(Arc::new(store)))
    }

    /// Connects to the server; `None` where none was named and none runs.
    async fn reader(&self, settings: &Settings) -> Result<Option<Reader>, Failure> {
        if let Some(destination) = &self.server {
            return Ok(Some(Reader::connect(destination.clone()).await?));
        }
        match Reader::connect(Destination::Socket(settings.socket())).await {
            Ok(reader) => Ok(Some(reader)),
            Err(ReaderError::Unreachable { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

fn existing(settings: &Settings) -> Result<&Path, Failure> {
    let path = &settings.db_path;
    if path.exists() {
        return Ok(path);
    }
    let message = format!(
        "no server runs, and there is no database {}",
        path.display()
    );
    Err(Failure::new(ExitStatus::Unreachable, message)
        .hint("start a server with `session-buddy mcp start --foreground`"))
}

fn cannot_open(settings: &Settings, error: &OpenError) -> Failure {
    let mut failure = Failure::of(ExitStatus::Failed, error);
    if let OpenError::Locked = error {
        failure = failure.hint("the server that holds it is starting or stopping; try again");
    }
    failure.hint_if_none(format!("the database is {}", settings.db_path.display()))
}

impl Source {
    fn database(store: Arc<dyn SessionStore>) -> Self {
        Self::Database(Tracker::new(store, Clock::system()))
    }

    /// Gives a page of sessions, newest first.
    pub(super) async fn list(
        &mut self,
        filter: &SessionFilter,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page, Failure> {
        let limit = limit.min(PAGE_MAX);
        match self {
            Self::Server(reader) => Ok(reader.list(filter, limit, cursor).await?),
            Self::Database(tracker) => {
                let cursor = cursor
                    .map(str::parse)
                    .transpose()
                    .map_err(|error| Failure::of(ExitStatus::Failed, &error))?;
                let request = ListRequest {
                    filter: filter.clone(),
                    cursor,
                    limit,
                    count: false,
                };
                let listing = tracker.list(request).await?;
                Ok(Page {
                    sessions: listing.sessions,
                    next: listing.next.map(|cursor| cursor.to_string()),
                })
            }
        }
    }

    /// Gives a session by what was typed for it.
    pub(super) async fn show(&mut self, id: &str) -> Result<SessionRecord, Failure> {
        match self {
            Self::Server(reader) => Ok(reader.show(id).await?),
            Self::Database(tracker) => Ok(tracker.get(id).await??),
        }
    }

    /// Closes a session by hand.
    pub(super) async fn end(
        &mut self,
        id: &str,
        reason: Option<&Text<500>>,
        force: bool,
    ) -> Result<SessionRecord, Failure> {
        match self {
            Self::Server(reader) => Ok(reader
                .end(id, reason.map(|reason| &**reason), force)
                .await?),
            Self::Database(tracker) => {
                let uid = rustix::process::geteuid().as_raw();
                let origin = Origin {
                    transport: Transport::Stdio,
                    address: None,
                    uid: Some(uid),
                };
                let delivery = Delivery {
                    origin,
                    subject: None,
                    sent_at: None,
                };
                Ok(tracker
                    .end_by_hand(id, format!("uid {uid}"), reason.cloned(), force, delivery)
                    .await??)
            }
        }
    }

    /// Commits what waits.
    pub(super) async fn close(self) -> Result<(), Failure> {
        match self {
            Self::Server(_) => Ok(()),
            Self::Database(tracker) => Ok(tracker.close().await?),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::of(ExitStatus::Failed, &error)
    }
}

impl From<ResolveError> for Failure {
    fn from(error: ResolveError) -> Self {
        let failure = Self::of(ExitStatus::Failed, &error);
        match error {
            ResolveError::NotFound(_) => {
                failure.hint("`session-buddy list-sessions` shows what there is")
            }
            ResolveError::Ambiguous { candidates, .. } => {
                let candidates: Vec<_> = candidates.iter().map(ToString::to_string).collect();
                failure.hint(format!("it could be {}", candidates.join(", ")))
            }
        }
    }
}

impl From<EndError> for Failure {
    fn from(error: EndError) -> Self {
        match error {
            EndError::Resolve(error) => error.into(),
            EndError::Alive(_) => Self::of(ExitStatus::Failed, &error)
                .hint("leave the shell, or close it on paper with `end-session --force`"),
        }
    }
}
