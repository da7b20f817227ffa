//! One stream of events: where it stands, and why it ends.

use std::{collections::VecDeque, convert::Infallible, sync::Arc, time::Duration};

use axum::body::Bytes;
use futures_util::{Stream, stream};
use serde_json::json;
use session_model::SessionFilter;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use super::feed::{Page, Told};
use crate::{
    auth::Caller,
    http::{App, Problem},
    store::{StoreError, checkpoint::ChainHead, happening::Mark},
};

/// How often something is said while nothing happens: 15 seconds, a quarter of what proxies wait for an answer to go on.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long a client that lost its server waits before it comes back, in milliseconds.
const RETRY: u32 = 1_000;
/// Events are put together until they have so many bytes: 16 KiB, so that a flood of them takes few writes.
const CHUNK_BYTES: usize = 16 * 1024;

/// One who follows what happens.
pub(super) struct Follower {
    app: App,
    caller: Caller,
    filter: SessionFilter,
    head: watch::Receiver<Option<ChainHead>>,
    lag_max: u64,
    /// Read, and not sent yet. All of it is after `sent`.
    waiting: VecDeque<Arc<Told>>,
    /// Up to where the ledger was read.
    read_to: ChainHead,
    /// Up to where it was sent, and is not missed by who goes on from there.
    sent: ChainHead,
    /// It had come to the end of the ledger once. Who reads the past may take its time.
    caught_up: bool,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing was said.
    New,
    Open,
    /// The last word was said.
    Over,
}

/// What somebody waited for.
enum Woken {
    ToLook,
    /// Nothing happened for so long that something has to be said.
    ToKeepAlive,
}

impl Follower {
    /// Begins after a record.
    pub(super) fn new(app: App, caller: Caller, filter: SessionFilter, begin: ChainHead) -> Self {
        Self {
            head: app.tracker.head(),
            lag_max: app.traffic.network().limits.event_lag_max,
            app,
            caller,
            filter,
            waiting: VecDeque::new(),
            read_to: begin,
            sent: begin,
            caught_up: false,
            state: State::New,
        }
    }

    /// Gives what is sent.
    pub(super) fn events(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        stream::unfold(self, |mut follower| async move {
            let bytes = follower.next().await?;
            Some((Ok(bytes), follower))
        })
    }

    async fn next(&mut self) -> Option<Bytes> {
        match self.state {
            State::New => {
                self.state = State::Open;
                return Some(self.opening());
            }
            State::Open => {}
            State::Over => return None,
        }
        let said = self.say().await;
        Some(said.unwrap_or_else(|why| {
            self.state = State::Over;
            self.last_word(&why)
        }))
    }

    /// Says where the stream begins, so that who loses it before anything happens can go on from there.
    fn opening(&self) -> Bytes {
        format!("retry: {RETRY}\n{}", self.position()).into()
    }

    /// An event without data: it moves the position of a client, and is not told to its user.
    fn position(&self) -> String {
        format!("id: {}\n\n", Mark::from(self.sent))
    }

    fn last_word(&self, why: &Problem) -> Bytes {
        let id = Mark::from(self.sent);
        let data = json!({"code": why.code(), "detail": why.detail()});
        format!("id: {id}\nevent: dropped\ndata: {data}\n\n").into()
    }

    /// Gives what is to be said next, or why nothing more is.
    async fn say(&mut self) -> Result<Bytes, Problem> {
        let mut revocations = self.app.gate.revocations();
        loop {
            let stay = self.stay()?;
            if let Some(chunk) = self.chunk() {
                return Ok(chunk);
            }
            let newest = *self.head.borrow_and_update();
            let newest = newest.unwrap_or(self.read_to);
            if newest.seq > self.read_to.seq {
                let page = self.app.feed.after(self.read_to, newest).await?;
                self.take(page);
                continue;
            }
            self.caught_up = true;
            let until = Instant::now() + stay.map_or(KEEP_ALIVE, |stay| stay.min(KEEP_ALIVE));
            let woken = tokio::select! {
                changed = self.head.changed() => {
                    changed.map_err(|_| StoreError::Stopping)?;
                    Woken::ToLook
                }
                () = self.app.health.stopping().cancelled() => Woken::ToLook,
                // The sender lives as long as the gate.
                _ = revocations.changed() => Woken::ToLook,
                () = sleep_until(until) => Woken::ToKeepAlive,
            };
            if matches!(woken, Woken::ToKeepAlive) {
                self.stay()?;
                return Ok(format!(": alive\n{}", self.position()).into());
            }
        }
    }

    /// Tells how long the stream may go on, or why it may not.
    fn stay(&self) -> Result<Option<Duration>, Problem> {
        if self.app.health.stopping().is_cancelled() {
            return Err(StoreError::Stopping.into());
        }
        let newest = self.head.borrow().map_or(0, |newest| newest.seq);
        let behind = newest.saturating_sub(self.sent.seq);
        if self.caught_up && behind > self.lag_max {
            return Err(Problem::too_slow(behind));
        }
        Ok(self.app.gate.stay(&self.caller)?)
    }

    fn take(&mut self, page: Page) {
        self.read_to = page.read_to;
        let wanted = page.told.into_iter().filter(|told| told.fits(&self.filter));
        self.waiting.extend(wanted);
        if self.waiting.is_empty() {
            self.sent = self.read_to;
        }
    }

    /// Takes events that wait, as many as are sent at once.
    fn chunk(&mut self) -> Option<Bytes> {
        let first = self.waiting.pop_front()?;
        self.sent = first.place;
        let mut size = first.text.len();
        let mut texts = vec![first.text.clone()];
        while let Some(next) = self.waiting.front()
            && size + next.text.len() <= CHUNK_BYTES
        {
            size += next.text.len();
            texts.push(next.text.clone());
            self.sent = next.place;
            self.waiting.pop_front();
        }
        if self.waiting.is_empty() {
            self.sent = self.read_to;
        }
        Some(match <[Bytes; 1]>::try_from(texts) {
            Ok([only]) => only,
            Err(texts) => texts.concat().into(),
        })
    }
}
