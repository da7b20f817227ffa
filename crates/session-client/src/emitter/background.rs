//! The thread that delivers: what its own shell spooled first, then heartbeats, then what dead shells left.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::SignedDuration;
use session_model::{SessionHeartbeatEvent, Timestamp, words::SessionHeartbeatType};
use tokio::{runtime, time};

use super::Shared;
use crate::{
    delivery::{
        Courier, Outcome,
        adoption::{Adopter, Report, event_json, speaks_for},
        answer::{Answer, Kind, for_people},
        instant, locked,
        transport::Message,
    },
    spool::{Dropped, Spool},
};

/// How nice the thread is: as nice as can be. Where everything wants to run at once, such as 64 shells that were opened
/// together, the shells come first: at 0 the last prompt waited for the deliveries of the others, and at 10 they still
/// outweighed it by their number.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 19;
/// How many files that cannot be used are named.
const UNUSABLE_MAX: usize = 10;

/// Starts the thread. Where there can be none, what is spooled waits for others.
pub(super) fn spawn(shared: &Arc<Shared>) {
    let shared = Arc::clone(shared);
    let spawned = std::thread::Builder::new()
        .name("session-delivery".to_owned())
        .spawn(move || {
            step_back();
            let runtime = runtime::Builder::new_current_thread().enable_all().build();
            match runtime {
                Ok(runtime) => runtime.block_on(async {
                    let wait = shared.timing.delivery_delay;
                    // Either is a reason to begin.
                    let _ = time::timeout(wait, shared.wake.notified()).await;
                    run(shared).await;
                }),
                Err(error) => shared.failed(&format!("cannot deliver: {error}")),
            }
        });
    // The status then stays `connecting`, which is as much as anybody knows.
    drop(spawned);
}

/// Delivers until the session is over.
pub(super) async fn run(shared: Arc<Shared>) {
    Background::new(shared).run().await;
}

/// Lets the shell's own thread run first. A thread that may not is as quick as any other.
fn step_back() {
    // Elsewhere than on Linux it would be the whole process that steps back.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICENESS);
}

struct Background {
    shared: Arc<Shared>,
    courier: Courier,
    adopter: Adopter,
    heartbeat_at: Instant,
    adopt_at: Instant,
    /// The server has said that the session is closed, so that heartbeats mean nothing to it.
    closed: bool,
    /// Until when the server is left alone, also as wall time, which would be another one each time it is computed.
    circuit: Option<(Instant, Timestamp)>,
    /// What the start event told of what was dropped, until a server has taken it.
    to_tell: Option<(Dropped, Spool)>,
}

impl Background {
    fn new(shared: Arc<Shared>) -> Self {
        let destination = shared.target.to_string();
        let (credential, target) = (shared.credential.clone(), shared.target.clone());
        let now = instant();
        Self {
            courier: Courier::with_timing(
                shared.target.clone(),
                shared.clock.clone(),
                shared.timing,
            )
            .with_credential(shared.credential.clone())
            .over(shared.network.clone()),
            adopter: Adopter {
                reported_by: format!("session {}", shared.session_id),
                accepts: Box::new(move |header| {
                    header.destination == destination && speaks_for(&credential, &target, header)
                }),
                include_refused: false,
                clock: shared.clock.clone(),
                disk: shared.disk.clone(),
            },
            // Shells that began together need not beat together.
            heartbeat_at: now + shared.timing.heartbeat.mul_f64(0.5 + fastrand::f64() / 2.0),
            adopt_at: now + shared.timing.adoption_delay,
            closed: false,
            circuit: None,
            to_tell: shared.told.clone(),
            shared,
        }
    }

    async fn run(mut self) {
        let timing = self.shared.timing;
        loop {
            let outcome = self.bring().await;
            self.publish();
            if self.finish() {
                return;
            }
            let now = instant();
            if now >= self.adopt_at {
                self.look_after_others(outcome.is_none()).await;
                self.adopt_at = instant() + timing.adoption;
                self.publish();
                continue;
            }
            if now >= self.heartbeat_at {
                self.heartbeat().await;
                self.publish();
                continue;
            }
            let due = self.heartbeat_at.min(self.adopt_at);
            let until = match outcome {
                None => due,
                Some(until) => due.min(until).min(now + jittered(timing.look)),
            };
            // In order, so that nothing is left to chance.
            tokio::select! {
                biased;
                () = self.shared.wake.notified() => {}
                () = time::sleep_until(until.into()) => self.courier.look_for_recovery(instant()),
            }
        }
    }

    /// Brings what its own shell has spooled; gives when to try again what could not be brought.
    async fn bring(&mut self) -> Option<Instant> {
        match self.courier.deliver(&[&self.shared.file]).await {
            Outcome::Done => None,
            Outcome::Later(until) => Some(until),
            Outcome::NotTaken { cause } => Some(self.courier.rest(&cause)),
        }
    }

    /// Tells the shell's thread how it goes.
    fn publish(&mut self) {
        let now = instant();
        let (was_delivered, refused) = {
            let file = locked(&self.shared.file);
            let contents = file.contents();
            let refused = contents.refused.as_ref();
            (
                contents.was_delivered(),
                refused.map(|refused| refused.error.clone()),
            )
        };
        if was_delivered && let Some((told, spool)) = self.to_tell.take() {
            // Told twice is better than not at all.
            let _ = spool.told_of(&told);
        }
        self.note_circuit(now);
        let mut delivery = self.shared.delivery();
        delivery.started |= was_delivered;
        delivery.refused = refused;
        delivery.last_error = self.courier.last_error().map(str::to_owned);
        delivery.connected |= delivery.started && delivery.last_error.is_none();
        delivery.silent_until = self.courier.silent_until(now);
        delivery.circuit_open_until = self.circuit.map(|(_, until)| until);
        drop(delivery);
        self.shared.changed.notify_all();
    }

    fn note_circuit(&mut self, now: Instant) {
        let until = self.courier.circuit_open_until();
        if until == self.circuit.map(|(until, _)| until) {
            return;
        }
        self.circuit = until.map(|until| {
            let wait = SignedDuration::try_from(until.saturating_duration_since(now));
            let now = self.shared.clock.now();
            (until, now.saturating_add(wait.unwrap_or_default()))
        });
    }

    /// Clears away a session that is over; gives whether it is.
    fn finish(&self) -> bool {
        let file = locked(&self.shared.file);
        let contents = file.contents();
        let over = contents.is_finished() || (contents.has_ended() && contents.refused.is_some());
        if !over {
            return false;
        }
        // What cannot be removed is removed by whoever finds it next.
        let _ = file.finish();
        drop(file);
        self.shared.delivery().finished = true;
        self.shared.changed.notify_all();
        true
    }

    async fn heartbeat(&mut self) {
        self.heartbeat_at = instant() + self.shared.timing.heartbeat;
        let shared = &self.shared;
        let (due, known_as, component) = {
            let file = locked(&shared.file);
            // The proof of life for whoever finds the file later.
            let _ = file.touch();
            let contents = file.contents();
            let known_as = contents.acknowledged.session_id.clone();
            let due = contents.was_delivered() && !contents.has_ended();
            (due, known_as, contents.header.component.clone())
        };
        if !due || self.closed {
            return;
        }
        let event = SessionHeartbeatEvent {
            session_id: shared.session_id.clone(),
            timestamp: shared.clock.now(),
            event_type: SessionHeartbeatType,
            sequence: shared.next_sequence(),
            command_count: Shared::count(&shared.commands),
            error_count: Shared::count(&shared.errors),
            last_error: shared.last_error(),
        };
        let Ok(json) = event_json(&event) else { return };
        let message = Message {
            kind: Kind::Heartbeat,
            json,
            component,
            session_id: shared.session_id.to_string(),
            known_as,
        };
        match self.courier.heartbeat(message).await {
            Some(Answer::Closed) => self.closed = true,
            Some(Answer::NotFound) => {
                // The start is sent again with the next round.
                let _ = locked(&self.shared.file).forget_acknowledgements();
            }
            Some(Answer::Taken { .. } | Answer::Refused(_) | Answer::NotTaken { .. }) | None => {}
        }
    }

    /// Brings what dead shells left, if the server takes events, and keeps what waits within its bounds. Given up when
    /// this shell has something to bring itself.
    async fn look_after_others(&mut self, online: bool) {
        let folders = self.shared.folders.iter();
        let spools: Vec<_> = folders
            .filter_map(|folder| Spool::existing_on(self.shared.disk.clone(), folder).ok()?)
            .collect();
        if online {
            let files = spools.iter().filter_map(|spool| spool.files().ok());
            let paths: Vec<_> = files.collect();
            tokio::select! {
                biased;
                () = self.shared.wake.notified() => return,
                report = self.adopter.run(paths.into_iter().flatten(), &mut self.courier) => {
                    self.shared.delivery().unusable = lines(&report);
                }
            }
        }
        for spool in spools {
            // What cannot be counted now is counted by the next shell.
            let _ = spool.enforce(self.shared.bounds, self.shared.clock.now());
        }
    }
}

/// Tells of the first files that cannot be used.
fn lines(report: &Report) -> Vec<String> {
    let mut lines: Vec<_> = report
        .unusable
        .iter()
        .map(|(path, why)| for_people(&format!("{}: {why}", path.display())))
        .collect();
    lines.sort();
    lines.truncate(UNUSABLE_MAX);
    lines
}

/// Spreads an interval over half to one and a half of it.
fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(0.5 + fastrand::f64())
}

impl Shared {
    fn failed(&self, cause: &str) {
        self.delivery().last_error = Some(cause.to_owned());
        self.changed.notify_all();
    }
}
