//! From the spool to a server: one path, for a live shell, for those who adopt what dead ones left, online and offline.
//!
//! - [`target`]: where events go.
//! - [`transport`]: how they travel.
//! - [`answer`]: what a server says to an event.
//! - [`retry`], [`breaker`]: when a call is made again, and when a server is left alone. Time is passed in.
//! - [`adoption`]: what dead shells left.

pub mod adoption;
pub mod answer;
pub mod breaker;
pub mod retry;
pub mod target;
pub(crate) mod transport;

use std::{
    fs,
    os::unix::fs::MetadataExt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use crate::{
    Clock,
    spool::{Event, EventKind, Refused, SpoolError, SpoolFile},
};
use answer::{Answer, Kind};
use breaker::CircuitBreaker;
use retry::Retry;
use target::Target;
use transport::{CallError, Message, Transport};

/// The most bytes of the events of one request; half of the server's bound for a body.
const BATCH_BYTES_MAX: usize = 512 * 1024;

/// What became of what waited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing waits any more.
    Done,
    /// Something waits, and should be tried again then.
    Later(Instant),
}

/// Brings events to one target.
pub struct Courier {
    target: Target,
    transport: Option<Transport>,
    breaker: CircuitBreaker,
    retry: Retry,
    wait_until: Option<Instant>,
    last_error: Option<String>,
    /// What stood at the socket when the last call failed.
    socket_then: Option<u64>,
    /// A call has begun, and no outcome of it is known.
    in_call: bool,
    clock: Clock,
}

/// An event in a batch: which of the files it is from, and where its record ends.
struct Place {
    file: usize,
    end: u64,
    kind: EventKind,
}

impl Courier {
    /// Makes a courier; it connects when there is something to bring.
    pub fn new(target: Target, clock: Clock) -> Self {
        Self {
            target,
            transport: None,
            breaker: CircuitBreaker::default(),
            retry: Retry::default(),
            wait_until: None,
            last_error: None,
            socket_then: None,
            in_call: false,
            clock,
        }
    }

    /// Gives where it brings events.
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// Gives until when the server is left alone.
    pub const fn circuit_open_until(&self) -> Option<Instant> {
        self.breaker.open_until()
    }

    /// Gives why the last call failed; `None` once one succeeded.
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

    /// Gives the inode of the socket, if the target has one.
    fn socket_now(&self) -> Option<u64> {
        let Target::Local { socket, .. } = &self.target else {
            return None;
        };
        fs::symlink_metadata(socket).ok().map(|found| found.ino())
    }

    /// Brings what waits in the files, in the order of each, until nothing waits or a call fails. What comes of each
    /// event is written down in its file. Dropped half way, it leaves the files as they are, and what was sent is sent
    /// again.
    pub async fn deliver(&mut self, files: &[&Mutex<SpoolFile>]) -> Outcome {
        let mut started = vec![false; files.len()];
        loop {
            let batch_max = self.transport.as_ref().map_or(1, Transport::batch_max);
            let (mut messages, mut places) = batch(files, batch_max);
            if messages.is_empty() {
                return Outcome::Done;
            }
            if let Err(until) = self.may_call() {
                return Outcome::Later(until);
            }
            let sent = self.call(|events_max| {
                if events_max != batch_max {
                    (messages, places) = batch(files, events_max);
                }
                std::mem::take(&mut messages)
            });
            let taken = match sent.await {
                Ok(answers) => apply(files, &places, answers, &mut started),
                Err(error) => Err(error),
            };
            self.record(&taken);
            if let Err(error) = taken {
                for file in places.iter().map(|place| files[place.file]) {
                    // Only for people; the cause is shown by the status too.
                    let _ = locked(file).note_problem(&error.cause);
                }
                return Outcome::Later(self.back_off(&error));
            }
        }
    }

    /// Sends a heartbeat, without another try: the next one comes soon enough.
    pub async fn heartbeat(&mut self, json: String, session_id: Option<String>) -> Option<Answer> {
        self.may_call().ok()?;
        let message = Message {
            kind: Kind::Heartbeat,
            json,
            session_id,
        };
        let answer = self.call(|_| vec![message]).await;
        let answer = answer.map(|answers| answers.into_iter().next());
        let outcome = match &answer {
            Ok(Some(Answer::NotTaken { cause })) => Err(CallError::because(cause)),
            Ok(_) => Ok(()),
            Err(error) => Err(error.clone()),
        };
        self.record(&outcome);
        answer.ok().flatten()
    }

    /// Allows a call, or says until when there is none.
    fn may_call(&mut self) -> Result<(), Instant> {
        let now = Instant::now();
        if std::mem::take(&mut self.in_call) {
            // The call before was given up: nobody waited for its answer.
            self.breaker.record(false, now);
        }
        if let Some(until) = self.wait_until.filter(|&until| until > now) {
            return Err(until);
        }
        if self.breaker.allow(now) {
            return Ok(());
        }
        Err(self.breaker.open_until().unwrap_or(now + breaker::COOLDOWN))
    }

    /// Sends what `messages` gives for the most events that a call may carry. While it is under way there is no
    /// connection, so that one that is given up is not used again.
    async fn call(
        &mut self,
        messages: impl FnOnce(usize) -> Vec<Message>,
    ) -> Result<Vec<Answer>, CallError> {
        self.in_call = true;
        let mut transport = match self.transport.take() {
            Some(transport) if !transport.is_closed() => transport,
            Some(_) | None => Transport::connect(&self.target).await?,
        };
        let messages = messages(transport.batch_max());
        let answers = transport.send(&messages, self.clock.now()).await?;
        self.transport = Some(transport);
        Ok(answers)
    }

    /// Takes the outcome of a call.
    fn record(&mut self, outcome: &Result<(), CallError>) {
        self.in_call = false;
        self.breaker.record(outcome.is_ok(), Instant::now());
        match outcome {
            Ok(()) => {
                self.retry = Retry::default();
                self.wait_until = None;
                self.last_error = None;
            }
            Err(error) => {
                self.last_error = Some(error.cause.clone());
                self.socket_then = self.socket_now();
            }
        }
    }

    /// Says when to try again after a failed call.
    fn back_off(&mut self, error: &CallError) -> Instant {
        let now = Instant::now();
        let until = match self.retry.failed(fastrand::f64(), error.retry_after) {
            Some(wait) => now + wait,
            None => {
                self.retry = Retry::default();
                self.breaker.open_until().unwrap_or(now + breaker::COOLDOWN)
            }
        };
        self.wait_until = Some(until);
        until
    }
}

impl CallError {
    fn because(cause: &str) -> Self {
        Self {
            cause: cause.to_owned(),
            retry_after: None,
        }
    }
}

/// A file is whole whatever its last user did: each step leaves it so.
pub(crate) fn locked(file: &Mutex<SpoolFile>) -> MutexGuard<'_, SpoolFile> {
    file.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the first events that wait, at most `events_max`, each file's in order.
fn batch(files: &[&Mutex<SpoolFile>], events_max: usize) -> (Vec<Message>, Vec<Place>) {
    let (mut messages, mut places): (Vec<Message>, Vec<Place>) = (Vec::new(), Vec::new());
    let mut bytes = 0;
    for (number, file) in files.iter().enumerate() {
        let file = locked(file);
        let contents = file.contents();
        if contents.refused.is_some() {
            continue;
        }
        for Event { kind, json, end } in contents.waiting() {
            bytes += json.len();
            if messages.len() >= events_max || (bytes > BATCH_BYTES_MAX && !messages.is_empty()) {
                return (messages, places);
            }
            messages.push(Message {
                kind: match kind {
                    EventKind::Start => Kind::Start,
                    EventKind::End => Kind::End,
                },
                json: json.clone(),
                session_id: contents.acknowledged.session_id.clone(),
            });
            places.push(Place {
                file: number,
                end: *end,
                kind: *kind,
            });
        }
    }
    (messages, places)
}

/// Writes down what became of each event. An error when nothing at all was taken or settled.
fn apply(
    files: &[&Mutex<SpoolFile>],
    places: &[Place],
    answers: Vec<Answer>,
    started: &mut [bool],
) -> Result<(), CallError> {
    let mut failure = None;
    let mut settled = false;
    // A file whose event was not taken waits with all that follows.
    let mut stuck = vec![false; files.len()];
    for (place, answer) in places.iter().zip(answers) {
        if stuck[place.file] {
            continue;
        }
        let mut file = locked(files[place.file]);
        match settle(&mut file, place, answer, &mut started[place.file]) {
            Ok(()) => settled = true,
            Err(cause) => {
                // The cause is for people, and shown by the status too.
                let _ = file.note_problem(&cause);
                stuck[place.file] = true;
                failure = Some(CallError::because(&cause));
            }
        }
        stuck[place.file] |= file.contents().refused.is_some() || !file.contents().was_delivered();
    }
    match failure {
        Some(failure) if !settled => Err(failure),
        _ => Ok(()),
    }
}

/// Writes down what became of one event, or says why it still waits.
fn settle(
    file: &mut SpoolFile,
    place: &Place,
    answer: Answer,
    started: &mut bool,
) -> Result<(), String> {
    // What cannot be written down is sent again by whoever reads the file next.
    let noted = |written: Result<(), SpoolError>| drop(written);
    match answer {
        Answer::Taken { session_id } => {
            *started |= place.kind == EventKind::Start;
            let own = session_id == file.contents().header.session_id;
            noted(file.acknowledge(place.end, (!own).then_some(session_id)));
            Ok(())
        }
        Answer::NotFound if *started => {
            Err("it took the start of the session and does not know the session".to_owned())
        }
        Answer::NotFound if file.contents().start().is_some() => {
            noted(file.forget_acknowledgements());
            Ok(())
        }
        Answer::NotFound => {
            noted(
                file.refuse(Refused {
                    error: "the server does not know the session, and its start is damaged here"
                        .to_owned(),
                    error_code: None,
                }),
            );
            Ok(())
        }
        Answer::Refused(refused) => {
            noted(file.refuse(refused));
            Ok(())
        }
        Answer::Closed => Err("it answered an event as if it were a heartbeat".to_owned()),
        Answer::NotTaken { cause } => Err(cause),
    }
}
