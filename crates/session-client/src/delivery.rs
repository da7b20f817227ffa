//! From the spool to a server: one path, for a live shell, for those who adopt what dead ones left, online and offline.
//!
//! - [`target`]: where events go.
//! - `transport`: how they travel.
//! - [`answer`]: what a server says to an event.
//! - `batch`: what is sent next, and what the answers mean.
//! - [`retry`], [`breaker`]: when a call is made again, and when a server is left alone. Time is passed in.
//! - [`timing`]: how long all this takes.
//! - [`adoption`]: what dead shells left.

pub mod adoption;
pub mod answer;
mod batch;
pub mod breaker;
pub(crate) mod listener;
pub mod retry;
pub mod target;
pub mod timing;
pub(crate) mod transport;

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tracing::{debug, info, warn};

use crate::{
    Clock, Credential,
    network::{Network, Socket},
    spool::SpoolFile,
    token::Scopes,
};
use answer::{Answer, Kind};
use batch::Pass;
use breaker::CircuitBreaker;
use retry::Retry;
use target::Target;
use timing::Timing;
use transport::{CallError, Message, Transport};

/// What became of what waited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing waits any more.
    Done,
    /// A call failed, or none may be made now: something waits, and should be tried again then.
    Later(Instant),
    /// The server answers, and has not taken something that waits.
    NotTaken {
        /// Why.
        cause: String,
    },
}

/// Brings events to one target.
pub struct Courier {
    target: Target,
    credential: Option<Credential>,
    network: Network,
    timing: Timing,
    transport: Option<Transport>,
    breaker: CircuitBreaker,
    retry: Retry,
    wait_until: Option<Instant>,
    last_error: Option<String>,
    /// What stood at the socket when the last call failed.
    socket_then: Option<Socket>,
    /// A call has begun, and no outcome of it is known.
    in_call: bool,
    clock: Clock,
}

impl Courier {
    /// Makes a courier; it connects when there is something to bring.
    pub fn new(target: Target, clock: Clock) -> Self {
        Self::with_timing(target, clock, Timing::default())
    }

    /// Makes a courier that takes its own time.
    pub fn with_timing(target: Target, clock: Clock, timing: Timing) -> Self {
        Self {
            target,
            credential: None,
            network: Network::system(),
            transport: None,
            breaker: CircuitBreaker::new(timing.cooldown),
            retry: Retry::new(timing.retry_first, timing.cooldown),
            wait_until: None,
            last_error: None,
            socket_then: None,
            in_call: false,
            timing,
            clock,
        }
    }

    /// Lets it say who it is, where a server may ask.
    #[must_use]
    pub fn with_credential(self, credential: Option<Credential>) -> Self {
        Self { credential, ..self }
    }

    /// Lets it go over another network than the machine's.
    #[must_use]
    pub fn over(self, network: Network) -> Self {
        Self { network, ..self }
    }

    /// Gives where it brings events.
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// Gives until when the server is left alone.
    pub const fn circuit_open_until(&self) -> Option<Instant> {
        self.breaker.open_until()
    }

    /// Gives why the last call failed, or what it brought was not taken; `None` once one succeeded.
    pub fn last_error(&self) -> Option<&str> {
        self.last_error.as_deref()
    }

    /// Gives until when no call is made; `None` if one would be made now.
    pub fn silent_until(&self, now: Instant) -> Option<Instant> {
        let until = self.wait_until.max(self.breaker.open_until());
        until.filter(|&until| until > now)
    }

    /// Looks whether a server has appeared at the socket since the last call failed; if so the next call is made at once.
    pub fn look_for_recovery(&mut self, now: Instant) {
        if self.silent_until(now).is_some()
            && self
                .socket_now()
                .is_some_and(|now| Some(now) != self.socket_then)
        {
            self.breaker.expect_recovery(now);
            self.wait_until = None;
        }
    }

    /// Gives what stands at the socket, if the target has one.
    fn socket_now(&self) -> Option<Socket> {
        let Target::Local { socket, .. } = &self.target else {
            return None;
        };
        self.network.at_socket(socket).ok()
    }

    /// Brings what waits in the files, in the order of each, until nothing waits or a call fails. A file with an event
    /// that the server does not take holds up no other file. What comes of each event is written down in its file.
    /// Dropped half way, it leaves the files as they are, and what was sent is sent again.
    pub async fn deliver(&mut self, files: &[&Mutex<SpoolFile>]) -> Outcome {
        let mut pass = Pass::over(files);
        loop {
            let events_max = self.transport.as_ref().map_or(1, Transport::batch_max);
            let takes_token = self.transport.as_ref().map_or_else(
                || !matches!(self.target, Target::Local { .. }),
                Transport::takes_token,
            );
            let speaker = self.credential.clone();
            let mut batch = pass.next(events_max, speaker.as_ref().filter(|_| takes_token));
            let Some(component) = batch.component().map(str::to_owned) else {
                return self.outcome(pass.cause());
            };
            if let Err(until) = self.may_call() {
                return Outcome::Later(until);
            }
            let sent = self.call(&component, |transport| {
                let (now_max, now_takes_token) = (transport.batch_max(), transport.takes_token());
                if (now_max, now_takes_token) != (events_max, takes_token) {
                    batch = pass.next(now_max, speaker.as_ref().filter(|_| now_takes_token));
                }
                batch.take_messages()
            });
            match sent.await {
                Ok(answers) => pass.settle(&batch, answers),
                Err(error) => {
                    pass.note(&batch, &error.cause);
                    return Outcome::Later(self.back_off(&error));
                }
            }
        }
    }

    /// Sends a heartbeat, without another try: the next one comes soon enough.
    pub(crate) async fn heartbeat(&mut self, message: Message) -> Option<Answer> {
        debug_assert_eq!(message.kind, Kind::Heartbeat, "events go through the spool");
        self.may_call().ok()?;
        let component = message.component.clone();
        let answers = self.call(&component, |_| vec![message]).await;
        answers.ok()?.into_iter().next()
    }

    /// Waits before what was not taken is tried again, as after a failed call; gives until when.
    pub(crate) fn rest(&mut self, cause: &str) -> Instant {
        let error = CallError::new(cause);
        self.last_error = Some(error.cause.clone());
        self.back_off(&error)
    }

    fn outcome(&mut self, cause: Option<String>) -> Outcome {
        match cause {
            Some(cause) => Outcome::NotTaken { cause },
            None => {
                self.retry.reset();
                Outcome::Done
            }
        }
    }

    /// Allows a call, or says until when there is none.
    fn may_call(&mut self) -> Result<(), Instant> {
        let now = instant();
        if self.in_call {
            // Nobody waited for the answer, so that a probe would stay one for ever.
            self.record(&Err::<(), _>(CallError::new("the last call was given up")));
        }
        if let Some(until) = self.wait_until.filter(|&until| until > now) {
            return Err(until);
        }
        if self.breaker.allow(now) {
            return Ok(());
        }
        let open_until = self.breaker.open_until();
        Err(open_until.unwrap_or(now + self.timing.cooldown))
    }

    /// Sends what `messages` gives for a transport, of one component where that takes a token, and takes the outcome.
    async fn call(
        &mut self,
        component: &str,
        messages: impl FnOnce(&Transport) -> Vec<Message>,
    ) -> Result<Vec<Answer>, CallError> {
        self.in_call = true;
        let answers = self.exchange(component, messages).await;
        self.record(&answers);
        answers
    }

    /// While a call is under way there is no connection, so that one that is given up is not used again.
    async fn exchange(
        &mut self,
        component: &str,
        messages: impl FnOnce(&Transport) -> Vec<Message>,
    ) -> Result<Vec<Answer>, CallError> {
        // Where nobody asks for one it is made for nothing, which takes microseconds, and is not sent.
        let now = self.clock.now();
        let token = self
            .credential
            .as_ref()
            .map(|credential| credential.token(Scopes::EMIT, Some(component), now))
            .transpose()
            .map_err(|error| CallError::new(with_cause(&error)))?;
        let token = token.as_deref();
        let mut transport = match self.transport.take() {
            Some(transport) if !transport.is_closed() => transport,
            Some(_) | None => {
                Transport::connect(&self.network, &self.target, token, &self.timing).await?
            }
        };
        let messages = messages(&transport);
        let answers = if messages.is_empty() {
            // All that was left is of components that it may not speak for.
            Vec::new()
        } else {
            let token = token.filter(|_| transport.takes_token());
            transport.send(&messages, now, token, &self.timing).await?
        };
        self.transport = Some(transport);
        Ok(answers)
    }

    /// Takes the outcome of a call.
    fn record<T>(&mut self, outcome: &Result<T, CallError>) {
        self.in_call = false;
        let was_open = self.breaker.open_until().is_some();
        self.breaker.record(outcome.is_ok(), instant());
        self.log(outcome.as_ref().err(), was_open);
        match outcome {
            Ok(_) => {
                self.wait_until = None;
                self.last_error = None;
            }
            Err(error) => {
                self.last_error = Some(error.cause.clone());
                self.socket_then = self.socket_now();
            }
        }
    }

    /// Says in the log how a call went; what goes on in the same way is said at `debug` only.
    fn log(&self, error: Option<&CallError>, was_open: bool) {
        let target = &self.target;
        let is_open = self.breaker.open_until().is_some();
        match error {
            None if self.last_error.is_some() => {
                info!("Session-Buddy at {target} takes events again")
            }
            None => debug!("Session-Buddy at {target} answered"),
            Some(CallError { cause, .. }) if is_open && !was_open => {
                warn!("Circuit breaker opened - Session-Buddy unavailable at {target}: {cause}");
            }
            Some(CallError { cause, .. }) if self.last_error.is_none() => {
                warn!("Session-Buddy MCP unavailable at {target}, events wait: {cause}");
            }
            Some(CallError { cause, .. }) => {
                debug!("Session-Buddy at {target} failed again: {cause}")
            }
        }
    }

    /// Says when to try again after a failed call.
    fn back_off(&mut self, error: &CallError) -> Instant {
        let now = instant();
        let until = match self.retry.failed(fastrand::f64(), error.retry_after) {
            Some(wait) => now + wait,
            None => {
                self.retry.reset();
                self.breaker
                    .open_until()
                    .unwrap_or(now + self.timing.cooldown)
            }
        };
        self.wait_until = Some(until);
        until
    }
}

fn with_cause(error: &(dyn std::error::Error + 'static)) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// Gives the time by which is waited: the runtime's, which a test lets go by as it likes.
pub(crate) fn instant() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// A file is whole whatever its last user did: each step leaves it so.
pub(crate) fn locked(file: &Mutex<SpoolFile>) -> MutexGuard<'_, SpoolFile> {
    file.lock().unwrap_or_else(PoisonError::into_inner)
}
