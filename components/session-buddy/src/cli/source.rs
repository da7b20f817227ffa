//! Where a command finds sessions: at the running server, else in the database.

use std::{fs, io, os::unix::fs::MetadataExt, path::Path, sync::Arc};

use anstream::eprintln;
use axum::body::Bytes;
use nix::unistd::Uid;
use serde::de::DeserializeOwned;
use session_client::{
    ConnectionError, Credential, Destination, Imported, PAGE_MAX, Page, Policies, Reader,
    ReaderError,
};
use session_model::{
    ActName, ActRecord, Deed, ErrorCode, SessionFilter, SessionRecord, Text, Transport,
    fold::Origin,
};

use super::{DatabaseArgs, ExitStatus, Failure, failure::START_A_SERVER};
use crate::{
    analytics::request::{ReportRequest, ViewName, ViewRequest},
    auth::Voice,
    clock::Clock,
    export,
    import::{ImportError, Importer, Staging},
    lifecycle::{Flags, Settings},
    liveness::Sender,
    store::{
        ActQuery, Differing, SessionStore, StoreError,
        sqlite::{OpenError, ReadOnlyStore, SqliteStore},
    },
    tracker::{Delivery, EndError, ListRequest, ResolveError, Tracker, Violating},
};

/// Where to look
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct SourceArgs {
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// Which server to ask
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct ServerArgs {
    /// Server to ask, as http://HOST:PORT, https://HOST:PORT or unix:PATH [default: the socket in the state folder]
    #[arg(long, value_name = "URL", help_heading = "Where")]
    server: Option<Destination>,
}

impl ServerArgs {
    /// Connects to a server that must be there.
    pub(super) async fn connect(&self) -> Result<Reader, Failure> {
        match &self.server {
            Some(destination) => connect(destination.clone()).await,
            None => {
                let socket = super::settings(Flags::default())?.socket();
                Ok(Reader::connect(Destination::Socket(socket)).await?)
            }
        }
    }
}

/// Where sessions are.
pub(super) enum Source {
    /// A running server.
    Server(Reader),
    /// No server runs; the rules over the database.
    Database(Tracker),
}

impl SourceArgs {
    /// Tells whether a server was named.
    pub(super) const fn names_a_server(&self) -> bool {
        self.server.server.is_some()
    }

    /// Reads the settings that tell where server and database are.
    pub(super) fn settings(&self) -> Result<Settings, Failure> {
        self.database.settings()
    }

    /// Connects for reading. Makes nothing.
    pub(super) async fn to_read(&self) -> Result<Source, Failure> {
        let settings = self.database.settings()?;
        if let Some(reader) = self.reader(&settings).await? {
            return Ok(Source::Server(reader));
        }
        let store = ReadOnlyStore::open(existing(&settings)?)
            .map_err(|error| cannot_open(&settings, &error))?;
        eprintln!("note: server not running; liveness unknown");
        Ok(Source::database(Arc::new(store), settings.policies))
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
        Ok(Source::database(Arc::new(store), settings.policies))
    }

    /// Connects to the server; `None` where none was named and none runs.
    async fn reader(&self, settings: &Settings) -> Result<Option<Reader>, Failure> {
        if self.names_a_server() {
            return Ok(Some(self.server.connect().await?));
        }
        match Reader::connect(Destination::Socket(settings.socket())).await {
            Ok(reader) => Ok(Some(reader)),
            Err(ReaderError::Connection(ConnectionError::Unreachable { .. })) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Connects to a server that was named, with what this environment has to say of who asks.
async fn connect(destination: Destination) -> Result<Reader, Failure> {
    let credential = Credential::from_environment(&|name| std::env::var_os(name))
        .map_err(|error| Failure::of(ExitStatus::Failed, &error))?;
    let reader = Reader::connect(destination).await?;
    Ok(match credential {
        Some(credential) => reader.with_credential(credential, Clock::system()),
        None => reader,
    })
}

/// Gives the database, if there is one that is ours.
pub(super) fn existing(settings: &Settings) -> Result<&Path, Failure> {
    let path = &settings.db_path;
    let name = path.display();
    match fs::metadata(path) {
        Ok(found) if found.uid() == Uid::effective().as_raw() || Uid::effective().is_root() => {
            Ok(path)
        }
        Ok(found) => {
            let message = format!(
                "no server runs, and the database {name} belongs to user id {}",
                found.uid()
            );
            Err(Failure::new(ExitStatus::Failed, message)
                .hint("ask its owner, or name your own with --db-path"))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let message = format!("no server runs, and there is no database {name}");
            Err(Failure::new(ExitStatus::Unreachable, message).hint(START_A_SERVER))
        }
        Err(error) => {
            let message = format!("no server runs, and the database {name} cannot be looked at");
            Err(Failure::new(ExitStatus::Failed, message).because(&error))
        }
    }
}

pub(super) fn cannot_open(settings: &Settings, error: &OpenError) -> Failure {
    Failure::new(
        ExitStatus::Failed,
        format!("cannot use the database {}", settings.db_path.display()),
    )
    .because(error)
    .hint_for(error)
}

impl Source {
    fn database(store: Arc<dyn SessionStore>, policies: Policies) -> Self {
        let tracker = Tracker::without_server(store, Clock::system());
        Self::Database(tracker.with_policies(policies))
    }

    /// Gives a page of sessions, newest first, of each what `T` wants.
    pub(super) async fn list<T: DeserializeOwned>(
        &mut self,
        filter: &SessionFilter,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<T>, Failure> {
        let limit = limit.min(PAGE_MAX);
        match self {
            Self::Server(reader) => Ok(reader.list(filter, limit, cursor).await?),
            Self::Database(tracker) => {
                let failed = |error: &(dyn std::error::Error + 'static)| {
                    Failure::of(ExitStatus::Failed, error)
                };
                let cursor = cursor
                    .map(str::parse)
                    .transpose()
                    .map_err(|error| failed(&error))?;
                let request = ListRequest {
                    filter: filter.clone(),
                    cursor,
                    limit,
                    count: false,
                };
                let listing = tracker.list(request).await?;
                // As a server would send them.
                let json = serde_json::to_vec(&listing.sessions).map_err(|error| failed(&error))?;
                let sessions = serde_json::from_slice(&json).map_err(|error| failed(&error))?;
                Ok(Page {
                    sessions,
                    next: listing.next.map(|cursor| cursor.to_string()),
                })
            }
        }
    }

    /// Gives a session by what was typed for it.
    pub(super) async fn show(&mut self, id: &str) -> Result<SessionRecord, Failure> {
        not_empty(id)?;
        match self {
            Self::Server(reader) => Ok(reader.show(id).await?),
            Self::Database(tracker) => Ok(tracker.get(id, None).await??),
        }
    }

    /// Closes a session by hand.
    pub(super) async fn end(
        &mut self,
        id: &str,
        reason: Option<&Text<500>>,
        force: bool,
    ) -> Result<SessionRecord, Failure> {
        not_empty(id)?;
        match self {
            Self::Server(reader) => Ok(reader
                .end(id, reason.map(|reason| &**reason), force)
                .await?),
            Self::Database(tracker) => {
                let origin = own_origin();
                let by = origin.name();
                let delivery = Delivery {
                    origin,
                    sender: Sender::Unknown,
                    subject: None,
                    sent_at: None,
                    voice: Voice::of_all(None),
                };
                Ok(tracker
                    .end_by_hand(id, by, reason.cloned(), force, delivery)
                    .await??)
            }
        }
    }

    /// Gives an answer about many sessions, as a `T`: a view, else the report that `pairs` ask for.
    pub(super) async fn analytics<T: DeserializeOwned>(
        &mut self,
        view: Option<ViewName>,
        pairs: &[(String, String)],
    ) -> Result<T, Failure> {
        let tracker = match self {
            Self::Server(reader) => {
                return Ok(reader.analytics(view.map(ViewName::as_str), pairs).await?);
            }
            Self::Database(tracker) => tracker,
        };
        let refused = |error| Failure::of(ExitStatus::Usage, &error);
        let answer = match view {
            Some(view) => {
                let request = ViewRequest::from_pairs(view, pairs).map_err(refused)?;
                serde_json::to_vec(&tracker.view(&request).await?)
            }
            None => {
                let request = ReportRequest::from_pairs(pairs).map_err(refused)?;
                serde_json::to_vec(&tracker.report(&request).await?)
            }
        };
        // As a server would send it.
        let read = answer.and_then(|json| serde_json::from_slice(&json));
        read.map_err(|error| Failure::of(ExitStatus::Failed, &error))
    }

    /// Gives acts, newest first.
    pub(super) async fn acts(&mut self, limit: usize) -> Result<Vec<ActRecord>, Failure> {
        match self {
            Self::Server(reader) => Ok(reader.acts(limit).await?),
            Self::Database(tracker) => {
                let query = ActQuery {
                    before: None,
                    limit,
                };
                Ok(tracker.acts(query).await?.acts)
            }
        }
    }

    /// Gives the open sessions that break a policy.
    pub(super) async fn violations(&mut self) -> Result<Vec<Violating>, Failure> {
        match self {
            Self::Server(reader) => Ok(reader.violations().await?),
            Self::Database(tracker) => Ok(tracker.violations().await?),
        }
    }

    /// Lets a token be good no longer.
    pub(super) async fn revoke_token(
        &mut self,
        id: &str,
        reason: Option<&Text<500>>,
    ) -> Result<(), Failure> {
        let reason = reason.map(|reason| &**reason);
        match self {
            Self::Server(reader) => Ok(reader.revoke_token(id, reason).await?),
            Self::Database(tracker) => {
                let deed = Deed {
                    token_id: Some(id.to_owned()),
                    reason: reason.map(str::to_owned),
                    ..Deed::new(ActName::TokenRevoked)
                };
                Ok(tracker.record(deed, own_origin(), None).await?)
            }
        }
    }

    /// Gives all sessions that match to `take`, part by part, as text.
    pub(super) async fn export(
        &mut self,
        format: export::Format,
        filter: &SessionFilter,
        take: &mut (dyn FnMut(&[u8]) -> Result<(), Failure> + '_),
    ) -> Result<(), Failure> {
        match self {
            Self::Server(reader) => {
                let mut export = reader.export(format.as_str(), filter).await?;
                while let Some(part) = export.next().await? {
                    take(&part)?;
                }
            }
            Self::Database(tracker) => {
                let mut text = export::Text::new(tracker.export(filter.clone()), format);
                while let Some(part) = text.next().await? {
                    take(&part)?;
                }
            }
        }
        Ok(())
    }

    /// Counts the sessions that match.
    pub(super) async fn count(&mut self, filter: &SessionFilter) -> Result<Option<u64>, Failure> {
        match self {
            Self::Server(reader) => Ok(reader.count(filter).await?),
            Self::Database(tracker) => {
                let request = ListRequest {
                    filter: filter.clone(),
                    cursor: None,
                    limit: 1,
                    count: true,
                };
                Ok(tracker.list(request).await?.total)
            }
        }
    }

    /// Imports sessions from what `read` gives, part by part, until it gives nothing. Without a server they are put aside
    /// in the folder `aside`.
    pub(super) async fn import(
        &mut self,
        aside: &Path,
        mut read: impl FnMut() -> io::Result<Option<Bytes>> + Send + 'static,
    ) -> Result<Imported, Failure> {
        let tracker = match self {
            Self::Server(reader) => return Ok(reader.import(read).await?),
            Self::Database(tracker) => tracker,
        };
        let who = Importer {
            received_at: tracker.clock().now(),
            origin: own_origin(),
            subject: None,
        };
        let mut staging = Staging::begin(aside, who).map_err(not_imported)?;
        while let Some(part) = read().map_err(|error| Failure::of(ExitStatus::Failed, &error))? {
            staging.take(&part).map_err(not_imported)?;
        }
        let staged = staging.finish().map_err(not_imported)?;
        match tracker.import(staged).await? {
            Ok(count) => Ok(Imported {
                imported: count.imported,
                known: count.known,
            }),
            Err(differing) => {
                let lines = differing
                    .iter()
                    .map(|one| format!("line {}: {one}", one.line));
                let summary = Differing::summary(&differing);
                let failure = format!("nothing was imported: {summary}");
                Err(Failure::new(ExitStatus::Failed, failure).listing(lines))
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

fn not_imported(error: ImportError) -> Failure {
    let message = format!("nothing was imported: {error}");
    match error {
        ImportError::Lines { told, .. } => {
            let lines = told.iter().flat_map(|line| {
                let errors = line.fields();
                errors
                    .as_slice()
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
            });
            Failure::new(ExitStatus::Failed, message).listing(lines)
        }
        ImportError::Staging(inside) => Failure::new(ExitStatus::Failed, message)
            .because(&inside)
            .hint_for(&inside),
        ImportError::Foreign(_) | ImportError::TooLarge(_) => {
            Failure::new(ExitStatus::Failed, message)
        }
    }
}

/// Gives what the ledger says of whoever runs this command.
fn own_origin() -> Origin {
    Origin {
        transport: Transport::Stdio,
        address: None,
        uid: Some(Uid::effective().as_raw()),
    }
}

/// Refuses an empty id, which would be another path of a server.
fn not_empty(id: &str) -> Result<(), Failure> {
    if id.is_empty() {
        Err(ResolveError::NotFound("\"\"".to_owned()).into())
    } else {
        Ok(())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::of(ExitStatus::Failed, &error)
    }
}

impl From<ResolveError> for Failure {
    fn from(error: ResolveError) -> Self {
        let message = error.to_string();
        match error {
            ResolveError::NotFound(_) => {
                Self::refused(ErrorCode::SessionNotFound.as_str(), message, &[])
            }
            ResolveError::Ambiguous { candidates, .. } => {
                let candidates: Vec<_> = candidates.iter().map(ToString::to_string).collect();
                Self::refused(ErrorCode::AmbiguousId.as_str(), message, &candidates)
            }
        }
    }
}

impl From<EndError> for Failure {
    fn from(error: EndError) -> Self {
        match error {
            EndError::Resolve(error) => error.into(),
            EndError::Alive(_) => {
                Self::refused(ErrorCode::SessionAlive.as_str(), error.to_string(), &[])
            }
            EndError::Refused(_) => Self::of(ExitStatus::Failed, &error),
        }
    }
}
