//! Every rule about sessions.
//!
//! HTTP handlers, MCP tools and the CLI parse, call once, and wrap; the store does what was decided. What may happen to
//! a session, and what its sender is told, is decided here alone, on top of the fold in [`session_model::fold`]: a claim
//! that is not stronger than what stands changes nothing and is not recorded.

mod change;
mod event;
mod resolve;

use std::sync::Arc;

use session_model::{
    Act, ComponentName, Deed, SessionEndEvent, SessionEndResult, SessionHeartbeatEvent,
    SessionHeartbeatResult, SessionId, SessionRecord, SessionStartEvent, SessionStartResult, Text,
    Timestamp, fold::Origin, record::ProofOfLife,
};

pub use event::{Event, EventResult};
pub use resolve::ResolveError;

use crate::{
    auth::{Refusal, Voice},
    clock::Clock,
    store::{
        ActPage, ActQuery, Cursor, ListQuery, Page, SessionStore, StoreError, StoreHealth, Stored,
        Verdict,
    },
};

/// The rules over a store.
#[derive(Clone)]
pub struct Tracker {
    store: Arc<dyn SessionStore>,
    clock: Clock,
    judge: Judge,
}

/// Who can tell whether an active session lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Judge {
    /// A server, which hears of it.
    Server,
    /// Nobody: no server runs.
    Nobody,
}

/// How an event came.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// From where, as verified.
    pub origin: Origin,
    /// The subject of the token that came with it.
    pub subject: Option<String>,
    /// When its sender sent it, by the sender's clock.
    pub sent_at: Option<Timestamp>,
    /// For whose sessions its sender speaks.
    pub voice: Voice,
}

/// Why a session was not closed by hand.
#[derive(Debug, thiserror::Error)]
pub enum EndError {
    /// The id names no session, or several.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// It is proved alive.
    #[error("session {0} is alive")]
    Alive(SessionId),
    /// It is somebody else's.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// Which sessions to list.
#[derive(Clone, Debug)]
pub struct ListRequest {
    /// Which ones.
    pub filter: session_model::SessionFilter,
    /// Where to go on.
    pub cursor: Option<Cursor>,
    /// The most to give.
    pub limit: usize,
    /// Whether to count all that match.
    pub count: bool,
}

/// Sessions as they stand now.
#[derive(Clone, Debug)]
pub struct Listing {
    /// The sessions, newest first.
    pub sessions: Vec<SessionRecord>,
    /// Where the next page begins.
    pub next: Option<Cursor>,
    /// How many match in all, where that is known.
    pub total: Option<u64>,
}

impl Tracker {
    /// Puts a server's rules over a store.
    pub fn new(store: Arc<dyn SessionStore>, clock: Clock) -> Self {
        Self {
            store,
            clock,
            judge: Judge::Server,
        }
    }

    /// Puts the rules over a store while no server runs: nobody can tell whether an active session lives.
    pub fn without_server(store: Arc<dyn SessionStore>, clock: Clock) -> Self {
        Self {
            store,
            clock,
            judge: Judge::Nobody,
        }
    }

    /// Takes events in their order, all in one commit, and gives the answer to each in its place.
    ///
    /// # Errors
    ///
    /// The outer and the inner error as [`SessionStore::apply_all`].
    pub async fn take(
        &self,
        events: Vec<(Event, Delivery)>,
    ) -> Result<Vec<Result<EventResult, StoreError>>, StoreError> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let now = self.clock.now();
        let (asked, changes) = events
            .into_iter()
            .map(|(event, delivery)| event.into_change(delivery, now))
            .unzip::<_, _, Vec<_>, Vec<_>>();
        let outcomes = self.store.apply_all(changes).await?;
        let answers = asked.into_iter().zip(outcomes);
        Ok(answers
            .map(|(asked, outcome)| outcome.map(|verdict| asked.answer(verdict)))
            .collect())
    }

    /// Takes a start: `tracked`, also when it is repeated; an error `CONFLICT` when the session is known with other
    /// content.
    ///
    /// # Errors
    ///
    /// As [`SessionStore::apply`].
    pub async fn start(
        &self,
        event: SessionStartEvent,
        delivery: Delivery,
    ) -> Result<SessionStartResult, StoreError> {
        let session_id = event.session_id().to_string();
        let change = change::Start::new(event, delivery, self.clock.now());
        let verdict = self.store.apply(Box::new(change)).await?;
        Ok(event::start_result(session_id, verdict))
    }

    /// Takes an end: `ended`, also when it is repeated; `not_found` without a start. An end with `exit_reason` `lost` is
    /// a deliverer's proof that the shell died, and recorded as a loss.
    ///
    /// # Errors
    ///
    /// As [`SessionStore::apply`].
    pub async fn end(
        &self,
        event: SessionEndEvent,
        delivery: Delivery,
    ) -> Result<SessionEndResult, StoreError> {
        let session_id = event.session_id.to_string();
        let change = change::End::new(event, delivery, self.clock.now());
        let verdict = self.store.apply(Box::new(change)).await?;
        Ok(event::end_result(session_id, verdict))
    }

    /// Takes a heartbeat: `alive`; `ended` for a session that ended, is proved lost or was closed by hand; `not_found`
    /// without a start. It revives a session that was presumed lost.
    ///
    /// # Errors
    ///
    /// As [`SessionStore::apply`].
    pub async fn heartbeat(
        &self,
        event: SessionHeartbeatEvent,
        delivery: Delivery,
    ) -> Result<SessionHeartbeatResult, StoreError> {
        let session_id = event.session_id.to_string();
        let change = change::Heartbeat::new(event, delivery, self.clock.now());
        let verdict = self.store.apply(Box::new(change)).await?;
        Ok(event::heartbeat_result(session_id, verdict))
    }

    /// Presumes a session lost because its lease has run out; nothing happens if a heartbeat came in between.
    ///
    /// # Errors
    ///
    /// As [`SessionStore::apply`].
    pub async fn presume_lost(&self, id: SessionId) -> Result<Verdict, StoreError> {
        self.store
            .apply(Box::new(change::Expire::new(id, self.clock.now())))
            .await
    }

    /// Closes a session by hand and gives its record after that. A session that is proved alive asks for `force`; one
    /// that has reported its end stays as it is.
    ///
    /// # Errors
    ///
    /// The outer error as [`SessionStore::apply`].
    pub async fn end_by_hand(
        &self,
        id: &str,
        by: String,
        reason: Option<Text<500>>,
        force: bool,
        delivery: Delivery,
    ) -> Result<Result<SessionRecord, EndError>, StoreError> {
        let id = match self.resolve(id, delivery.voice.component()).await? {
            Ok(id) => id,
            Err(error) => return Ok(Err(error.into())),
        };
        let now = self.clock.now();
        let change = change::CloseByHand {
            id: id.clone(),
            by,
            reason,
            force,
            delivery,
            now,
        };
        Ok(match self.store.apply(Box::new(change)).await? {
            Verdict::ForceNeeded => Err(EndError::Alive(id)),
            Verdict::Forbidden => Err(Refusal::NotYours(id).into()),
            Verdict::Tracked
            | Verdict::Conflict
            | Verdict::Alive { .. }
            | Verdict::Ended
            | Verdict::NotFound => match self.store.get(id.clone()).await? {
                Some(stored) => Ok(self.shown(stored)),
                None => Err(ResolveError::NotFound(id.to_string()).into()),
            },
        })
    }

    /// Gives a session by its id, or by what a person types for it; of one component, if there is one, and then there are
    /// no others.
    ///
    /// # Errors
    ///
    /// The outer error as [`SessionStore::apply`].
    pub async fn get(
        &self,
        id: &str,
        of: Option<&ComponentName>,
    ) -> Result<Result<SessionRecord, ResolveError>, StoreError> {
        let id = match self.resolve(id, of).await? {
            Ok(id) => id,
            Err(error) => return Ok(Err(error)),
        };
        let stored = self.store.get(id.clone()).await?;
        Ok(stored
            .map(|stored| self.shown(stored))
            .ok_or_else(|| ResolveError::NotFound(id.to_string())))
    }

    /// Lists sessions, newest first.
    ///
    /// # Errors
    ///
    /// As [`SessionStore::apply`].
    pub async fn list(&self, request: ListRequest) -> Result<Listing, StoreError> {
        let ListRequest {
            filter,
            cursor,
            limit,
            count,
        } = request;
        let query = ListQuery {
            filter,
            after: cursor,
            limit,
            count,
            now: self.clock.now(),
        };
        let Page {
            sessions,
            next,
            total,
        } = self.store.list(query).await?;
        Ok(Listing {
            sessions: sessions
                .into_iter()
                .map(|stored| self.shown(stored))
                .collect(),
            next,
            total,
        })
    }

    /// Records an act that is about no session.
    ///
    /// # Errors
    ///
    /// As [`SessionStore::apply`].
    pub async fn record(
        &self,
        deed: Deed,
        origin: Origin,
        subject: Option<String>,
    ) -> Result<(), StoreError> {
        let received_at = self.clock.now();
        let act = Act {
            received_at,
            origin,
            subject,
            deed,
        };
        self.store.record(act).await
    }

    /// Lists acts and closures by hand, newest first.
    ///
    /// # Errors
    ///
    /// As [`SessionStore::apply`].
    pub async fn acts(&self, query: ActQuery) -> Result<ActPage, StoreError> {
        self.store.acts(query).await
    }

    /// Gives the ids of all tokens that were revoked.
    ///
    /// # Errors
    ///
    /// As [`SessionStore::apply`].
    pub async fn revoked_tokens(&self) -> Result<Vec<String>, StoreError> {
        self.store.revoked_tokens().await
    }

    /// Tells how the store is.
    pub fn health(&self) -> StoreHealth {
        self.store.health()
    }

    /// Commits what waits.
    ///
    /// # Errors
    ///
    /// When that fails; what was acknowledged is on disk all the same.
    pub async fn close(&self) -> Result<(), StoreError> {
        self.store.close().await
    }

    /// Gives a record as it stands now: to a server a session is proved alive while its lease runs.
    fn shown(&self, stored: Stored) -> SessionRecord {
        let now = self.clock.now();
        let proof = match self.judge {
            Judge::Server if lease_runs(stored.lease_expires_at, now) => ProofOfLife::Given,
            Judge::Server => ProofOfLife::None,
            Judge::Nobody => ProofOfLife::NotAsked,
        };
        stored.record.as_of(now, proof)
    }
}

/// Tells whether a session counts as alive.
fn lease_runs(lease_expires_at: Option<Timestamp>, now: Timestamp) -> bool {
    lease_expires_at.is_some_and(|expires_at| expires_at > now)
}
