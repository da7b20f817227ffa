//! Every rule about sessions.
//!
//! HTTP handlers, MCP tools and the CLI parse, call once, and wrap; the store does what was decided. What may happen to
//! a session, and what its sender is told, is decided here alone, on top of the fold in [`session_model::fold`]: a claim
//! that is not stronger than what stands changes nothing and is not recorded.

mod analytics;
mod census;
mod change;
mod event;
mod hand_over;
mod happenings;
mod lapse;
mod past;
mod policy;
mod recall;
mod resolve;
mod transfer;

use std::{sync::Arc, time::Duration};

use session_client::Policies;
use session_model::{
    Act, ComponentName, Counters, Deed, SessionEndEvent, SessionEndResult, SessionHeartbeatEvent,
    SessionHeartbeatResult, SessionId, SessionRecord, SessionStartEvent, SessionStartResult,
    SessionStatus, Text, Timestamp,
    fold::Origin,
    record::{ProofOfLife, STALE_AFTER},
};

pub use census::{Census, LONG, Open, Quality};
pub use event::{Event, EventResult};
pub use past::{Received, past};
pub use policy::Violating;
pub use resolve::ResolveError;
pub use transfer::{Export, Exported};

use self::{
    event::Waiting,
    hand_over::{Asked, Lesson, hand_over},
    policy::Broken,
};
use crate::{
    auth::{Refusal, Voice},
    clock::Clock,
    liveness::{Liveness, MonotonicClock, Sender, State},
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
    liveness: Liveness,
    stale_after: Duration,
    policies: Arc<Policies>,
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
    /// What may lead to the process that sent it.
    pub sender: Sender,
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
    /// Puts a server's rules over a store. No process is watched, and leases are judged by the machine's clock.
    pub fn new(store: Arc<dyn SessionStore>, clock: Clock) -> Self {
        Self {
            store,
            clock,
            liveness: Liveness::new(MonotonicClock::system()),
            stale_after: STALE_AFTER,
            policies: Arc::default(),
            judge: Judge::Server,
        }
    }

    /// Lets something else know which sessions live.
    #[must_use]
    pub fn with_liveness(self, liveness: Liveness) -> Self {
        Self { liveness, ..self }
    }

    /// Calls a session stale that was silent for another time than a day.
    #[must_use]
    pub fn with_stale_after(self, stale_after: Duration) -> Self {
        Self {
            stale_after,
            ..self
        }
    }

    /// Judges sessions by what is asked of their components.
    #[must_use]
    pub fn with_policies(self, policies: Policies) -> Self {
        Self {
            policies: Arc::new(policies),
            ..self
        }
    }

    /// Puts the rules over a store while no server runs: nobody can tell whether an active session lives.
    pub fn without_server(store: Arc<dyn SessionStore>, clock: Clock) -> Self {
        Self {
            judge: Judge::Nobody,
            ..Self::new(store, clock)
        }
    }

    /// Gives what is known of the life of sessions.
    pub const fn liveness(&self) -> &Liveness {
        &self.liveness
    }

    /// Gives the wall clock.
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Takes events in their order, all in one commit, and gives the answer to each in its place. A heartbeat that only
    /// moves a lease needs no commit.
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
        let mut answers = Vec::with_capacity(events.len());
        let mut broken = Broken::default();
        let landing = {
            let mut state = self.liveness.lock();
            let mut asked = Vec::new();
            for (event, delivery) in events {
                broken.note(&self.policies, answers.len(), &event, &delivery);
                answers.push(self.ask(&mut state, event, delivery, &mut asked));
            }
            (!asked.is_empty()).then(|| hand_over(&self.liveness, &state, &*self.store, asked))
        };
        let outcomes = match landing {
            Some(landing) => landing.await?,
            None => Vec::new(),
        };
        let mut outcomes = outcomes.into_iter();
        let mut results = Vec::with_capacity(answers.len());
        for (number, answer) in answers.into_iter().enumerate() {
            results.push(match answer {
                Answer::Known(result) => Ok(result),
                Answer::Waiting(waiting) => {
                    let outcome = outcomes.next().expect("every change has an outcome");
                    if let Ok(Verdict::Begun) = outcome {
                        self.record_broken(broken.take(number)).await;
                    }
                    outcome.map(|verdict| waiting.answer(verdict))
                }
            });
        }
        Ok(results)
    }

    /// Answers an event at once, or puts what it does to its session to what the store is asked for.
    fn ask(
        &self,
        state: &mut State,
        event: Event,
        delivery: Delivery,
        asked: &mut Vec<Asked>,
    ) -> Answer {
        let at = self.clock.now();
        match event {
            Event::Start(event) => {
                let lesson = Lesson::Start {
                    lease_seconds: change::lease_seconds(&event),
                    at,
                    candidate: self
                        .liveness
                        .candidate(&event, &delivery.origin, &delivery.sender),
                    voice: delivery.voice.clone(),
                };
                let waiting = Waiting::Start(event.session_id());
                let change = Box::new(change::Start::new(*event, delivery, at));
                asked.push(Asked::of(state, change, lesson));
                Answer::Waiting(waiting)
            }
            Event::End(event) => {
                let waiting = Waiting::End(event.session_id.clone());
                let known = state.known(&event.session_id);
                let change = Box::new(change::End::new(*event, delivery, known, at));
                let lesson = Lesson::Close;
                asked.push(Asked::of(state, change, lesson));
                Answer::Waiting(waiting)
            }
            Event::Heartbeat(event) => {
                let (id, counters) = (event.session_id.clone(), Counters::from(&*event));
                let now = self.liveness.now();
                if let Some(lease_seconds) = state.hear(&id, &delivery.voice, counters, at, now) {
                    let alive = SessionHeartbeatResult::Alive {
                        session_id: id.to_string(),
                        lease_seconds,
                    };
                    return Answer::Known(EventResult::Heartbeat(alive));
                }
                let voice = delivery.voice.clone();
                let lesson = Lesson::Heartbeat { at, voice };
                let change = Box::new(change::Heartbeat::new(*event, delivery, at));
                asked.push(Asked::of(state, change, lesson));
                Answer::Waiting(Waiting::Heartbeat(id))
            }
        }
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
        match self
            .take_one(Event::Start(Box::new(event)), delivery)
            .await?
        {
            EventResult::Start(result) => Ok(result),
            EventResult::End(_) | EventResult::Heartbeat(_) => unreachable!("it was a start"),
        }
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
        match self.take_one(Event::End(Box::new(event)), delivery).await? {
            EventResult::End(result) => Ok(result),
            EventResult::Start(_) | EventResult::Heartbeat(_) => unreachable!("it was an end"),
        }
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
        let event = Event::Heartbeat(Box::new(event));
        match self.take_one(event, delivery).await? {
            EventResult::Heartbeat(result) => Ok(result),
            EventResult::Start(_) | EventResult::End(_) => unreachable!("it was a heartbeat"),
        }
    }

    async fn take_one(&self, event: Event, delivery: Delivery) -> Result<EventResult, StoreError> {
        let answer = self.take(vec![(event, delivery)]).await?.pop();
        answer.expect("every event has an answer")
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
        let landing = {
            let mut state = self.liveness.lock();
            let change = Box::new(change::CloseByHand {
                id: id.clone(),
                by,
                reason,
                force,
                alive: state.detector.is_alive(&id, self.liveness.now()),
                known: state.known(&id),
                delivery,
                now,
            });
            let lesson = Lesson::Close;
            let asked = vec![Asked::of(&mut state, change, lesson)];
            hand_over(&self.liveness, &state, &*self.store, asked)
        };
        let verdict = landing.await?.pop().expect("every change has an outcome")?;
        Ok(match verdict {
            Verdict::ForceNeeded => Err(EndError::Alive(id)),
            Verdict::Forbidden => Err(Refusal::NotYours(id).into()),
            Verdict::Begun
            | Verdict::Tracked
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

    /// Commits what waits, what heartbeats said last too.
    ///
    /// # Errors
    ///
    /// When that fails; what was acknowledged is on disk all the same.
    pub async fn close(&self) -> Result<(), StoreError> {
        let written = self.write_signs().await;
        self.store.close().await.and(written)
    }

    /// Gives a record as it stands now: to a server a session is proved alive while its process is watched or its lease
    /// runs, and heartbeats have said more than its row does.
    fn shown(&self, stored: Stored) -> SessionRecord {
        let now = self.clock.now();
        let mut record = stored.record;
        if record.status != SessionStatus::Active || self.judge == Judge::Nobody {
            return record.as_of(now, ProofOfLife::NotAsked);
        }
        let view = record.session_id.parse().ok();
        let view = view.map(|id: SessionId| self.liveness.view(&id));
        if let Some(signs) = view.as_ref().and_then(|view| view.signs.as_ref()) {
            record.hear(signs.last_seen, signs.counters.clone());
        }
        record.as_of(now, self.proof(view.is_some_and(|view| view.alive)))
    }

    const fn proof(&self, alive: bool) -> ProofOfLife {
        if alive {
            ProofOfLife::Given
        } else {
            ProofOfLife::None {
                stale_after: self.stale_after,
            }
        }
    }
}

/// What an event is answered with.
enum Answer {
    /// This.
    Known(EventResult),
    /// What comes of it.
    Waiting(Waiting),
}
