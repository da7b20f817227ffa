//! Which sessions live, and how that is known.
//!
//! - [`detector`]: what counts as proof of life and when it no longer does; time is an argument.
//! - [`flights`]: changes that a store works on, so that what they mean here is taken in the order in which they were made.
//! - [`process`]: processes of this host, the only part that knows a kernel.
//! - [`monotonic`]: the time by which leases are judged.
//! - [`keeper`]: the tasks that watch, sweep and write down.
//!
//! A session counts as alive while its process is watched or its lease runs. A process is proof for itself; a lease is only
//! for those that cannot be watched, so that a shell that is stopped for an hour on the server's own host stays alive.
//! Rules stay in the tracker: what comes of a session whose proof is gone is a change like any other.

pub mod detector;
pub mod flights;
pub mod keeper;
pub mod monotonic;
pub mod process;

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use session_model::{Counters, SessionId, SessionStartEvent, Timestamp, Transport, fold::Origin};
use tokio::sync::{Notify, Semaphore};

pub use monotonic::MonotonicClock;
pub use process::Sender;

use self::{
    detector::{Death, Detector, Signs},
    flights::Flights,
    process::{Host, ProcessId},
};
use crate::auth::Voice;

/// How many owners of sockets are looked for at once; who comes when all are taken is not watched. 8.
const LOOKUPS_MAX: usize = 8;

/// What a server knows of the life of its sessions. Clones know the same.
#[derive(Clone)]
pub struct Liveness(Arc<Shared>);

struct Shared {
    clock: MonotonicClock,
    /// The host whose processes are watched.
    host: Option<Host>,
    lookups: Arc<Semaphore>,
    state: Mutex<State>,
    /// There is work for whoever watches.
    work: Notify,
}

/// What is known, under one lock. It is held while a change is handed to the store, never while one is waited for.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) detector: Detector,
    pub(crate) flights: Flights,
    /// For each session the bounded voice that spoke for it last and was allowed to, so that its heartbeats need no look
    /// at who began it. That never changes.
    voices: HashMap<SessionId, Voice>,
    candidates: Vec<(SessionId, Candidate)>,
    forgotten: Vec<SessionId>,
    /// What was closed while the sessions of an earlier run are still being called to mind.
    closed_meanwhile: Option<HashSet<SessionId>>,
}

/// A process that may be watched, once somebody has looked at it.
#[derive(Debug)]
pub enum Candidate {
    /// One that says so itself, or that an earlier run of the server was told of.
    Claimed(ProcessId),
    /// One that an earlier run of the server has watched: if it is not there, it is gone.
    Watched(ProcessId),
    /// The one behind a connection to the Unix socket.
    Connected {
        /// Its pid.
        pid: i32,
        /// When the connection was taken, in clock ticks since boot. A process that began later only has its number.
        accepted_ticks: u64,
    },
    /// The one behind a TCP connection, which is being looked for.
    Sought(tokio::task::JoinHandle<Option<ProcessId>>),
}

/// What liveness adds to a session's row when something happens to it.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// What heartbeats said that the row does not hold yet.
    pub signs: Option<Signs>,
    /// How its process was seen to end.
    pub death: Option<Death>,
}

/// How an active session is shown.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) alive: bool,
    pub(crate) signs: Option<Signs>,
}

impl Liveness {
    /// Judges leases by a clock, and watches no process.
    pub fn new(clock: MonotonicClock) -> Self {
        Self::on(None, clock)
    }

    /// Judges leases by a clock, and watches processes of this host where its kernel allows it.
    pub fn on_this_host(clock: MonotonicClock) -> Self {
        Self::on(Host::this(), clock)
    }

    fn on(host: Option<Host>, clock: MonotonicClock) -> Self {
        Self(Arc::new(Shared {
            clock,
            host,
            lookups: Arc::new(Semaphore::new(LOOKUPS_MAX)),
            state: Mutex::default(),
            work: Notify::new(),
        }))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> std::time::Instant {
        self.0.clock.now()
    }

    pub(crate) fn host(&self) -> Option<&Host> {
        self.0.host.as_ref()
    }

    /// Finds the process that a start came from, if it may be watched: it came over the Unix socket or over loopback,
    /// and says that it is in this pid space, or says nothing and may own the other end of its connection.
    pub(crate) fn candidate(
        &self,
        start: &SessionStartEvent,
        origin: &Origin,
        sender: &Sender,
    ) -> Option<Candidate> {
        let host = self.host()?;
        // Who comes from elsewhere has no process here, whatever it says.
        if origin.transport == Transport::Stdio || !is_of_this_machine(origin.address.as_deref()) {
            return None;
        }
        let pid = i32::try_from(start.pid.get()).ok()?;
        if let Some(process) = &start.process {
            return host
                .has(process)
                .then(|| ProcessId::claimed(pid, process).map(Candidate::Claimed))?;
        }
        match *sender {
            Sender::Unix {
                pid: of_socket,
                accepted_ticks,
            } => (of_socket == pid).then_some(Candidate::Connected {
                pid,
                accepted_ticks,
            }),
            Sender::Tcp { from, to } => {
                if !process::exists(pid) {
                    return None;
                }
                let place = Arc::clone(&self.0.lookups).try_acquire_owned().ok()?;
                // The client may hang up with its answer, so nobody waits for that.
                let sought =
                    tokio::runtime::Handle::try_current()
                        .ok()?
                        .spawn_blocking(move || {
                            let _place = place;
                            process::owner(pid, from, to)
                        });
                Some(Candidate::Sought(sought))
            }
            Sender::Unknown => None,
        }
    }

    /// Gives how an active session is to be shown.
    pub(crate) fn view(&self, id: &SessionId) -> View {
        let now = self.now();
        let state = self.lock();
        View {
            alive: state.detector.is_alive(id, now),
            signs: state.detector.signs(id).cloned(),
        }
    }

    /// Begins to call to mind what an earlier run has left open.
    pub(crate) fn begin_to_recall(&self) {
        self.lock().closed_meanwhile = Some(HashSet::new());
    }

    /// Calls a session to mind that was open when it was read, unless something newer is known of it.
    pub(crate) fn recall(
        &self,
        id: SessionId,
        lease_seconds: Option<u32>,
        last_seen: Timestamp,
        candidate: Option<Candidate>,
    ) {
        let now = self.now();
        let mut state = self.lock();
        let closed = &state.closed_meanwhile;
        let newer = closed.as_ref().is_some_and(|closed| closed.contains(&id))
            || state.detector.signs(&id).is_some();
        if newer {
            return;
        }
        let signs = Signs {
            last_seen,
            counters: Counters::default(),
        };
        let awaited = candidate.is_some();
        state
            .detector
            .begin(id.clone(), lease_seconds, awaited, signs, now);
        if let Some(candidate) = candidate {
            state.candidates.push((id, candidate));
            drop(state);
            self.0.work.notify_one();
        }
    }

    /// Ends to call to mind.
    pub(crate) fn end_to_recall(&self) {
        self.lock().closed_meanwhile = None;
    }

    /// Waits for processes to be looked at or left alone. Cancel safe.
    pub(crate) async fn work(&self) -> (Vec<(SessionId, Candidate)>, Vec<SessionId>) {
        loop {
            self.0.work.notified().await;
            let mut state = self.lock();
            let work = (
                std::mem::take(&mut state.candidates),
                std::mem::take(&mut state.forgotten),
            );
            if !(work.0.is_empty() && work.1.is_empty()) {
                return work;
            }
        }
    }

    /// Counts the sessions that are watched, and those that live by a lease.
    pub fn counts(&self) -> (usize, usize) {
        self.lock().detector.counts()
    }

    /// Takes in what came of a change, if nothing newer is known of its session.
    pub(crate) fn settle(&self, id: &SessionId, ticket: u64, learned: Learned) {
        let now = self.now();
        let mut state = self.lock();
        if !state.flights.arrive(id, ticket) {
            return;
        }
        match learned {
            Learned::Nothing => {}
            Learned::Begun {
                lease_seconds,
                at,
                candidate,
                voice,
            } => {
                let signs = Signs {
                    last_seen: at,
                    counters: Counters::default(),
                };
                let awaited = candidate.is_some();
                state
                    .detector
                    .begin(id.clone(), lease_seconds, awaited, signs, now);
                state.allow(id, voice);
                if let Some(candidate) = candidate {
                    state.candidates.push((id.clone(), candidate));
                    drop(state);
                    self.0.work.notify_one();
                }
            }
            Learned::Alive {
                lease_seconds,
                at,
                voice,
            } => {
                let signs = Signs {
                    last_seen: at,
                    counters: Counters::default(),
                };
                state.detector.revive(id, lease_seconds, signs, now);
                state.allow(id, voice);
            }
            Learned::Closed => {
                state.forget(id);
                drop(state);
                self.0.work.notify_one();
            }
            Learned::NotClosed => state.detector.reopen(id, now),
        }
    }
}

/// What is learned of a session when a change was made.
pub(crate) enum Learned {
    /// Nothing about its life.
    Nothing,
    /// It began.
    Begun {
        lease_seconds: Option<u32>,
        at: Timestamp,
        candidate: Option<Candidate>,
        /// Whoever began it.
        voice: Voice,
    },
    /// Its heartbeat went to the store.
    Alive {
        lease_seconds: Option<u32>,
        at: Timestamp,
        /// Whoever sent it.
        voice: Voice,
    },
    /// It is closed, or was never there.
    Closed,
    /// It could not be closed now.
    NotClosed,
}

impl State {
    /// Gives what the row of a session does not say yet.
    pub(crate) fn known(&self, id: &SessionId) -> Known {
        Known {
            signs: self.detector.signs(id).cloned(),
            death: self.detector.death(id),
        }
    }

    /// Hears a heartbeat; gives the length of its lease if that is all there is to it. Nothing may be on its way to the
    /// store that could close the session before, and whoever sent it must be known to speak for the session: else the store
    /// has to look at who began it.
    pub(crate) fn hear(
        &mut self,
        id: &SessionId,
        voice: &Voice,
        counters: Counters,
        at: Timestamp,
        now: std::time::Instant,
    ) -> Option<Option<u32>> {
        let allowed = voice.speaks_for_everybody() || self.voices.get(id) == Some(voice);
        if !allowed || self.flights.is_aloft(id) {
            return None;
        }
        self.detector.hear(id, counters, at, now)
    }

    /// Remembers that somebody may speak for a session, while anything is known of its life.
    fn allow(&mut self, id: &SessionId, voice: Voice) {
        if !voice.speaks_for_everybody() && self.detector.signs(id).is_some() {
            self.voices.insert(id.clone(), voice);
        }
    }

    /// Gives up the process of a session.
    pub(crate) fn unwatch(&mut self, id: &SessionId, now: std::time::Instant) {
        self.detector.unwatch(id, now);
        if self.detector.signs(id).is_none() {
            self.voices.remove(id);
        }
    }

    fn forget(&mut self, id: &SessionId) {
        self.voices.remove(id);
        if let Some(closed) = &mut self.closed_meanwhile {
            closed.insert(id.clone());
        }
        if self.detector.forget(id) {
            self.forgotten.push(id.clone());
        }
    }
}

/// Tells whether a sender at such an address, if it has one, is on this machine.
pub(crate) fn is_of_this_machine(address: Option<&str>) -> bool {
    address.is_none_or(|address| {
        let address: Result<IpAddr, _> = address.parse();
        address.is_ok_and(|address| address.is_loopback())
    })
}

/// Gives how long a sender with such a term may be silent.
fn term(lease_seconds: u32) -> Duration {
    Duration::from_secs(lease_seconds.into())
}
