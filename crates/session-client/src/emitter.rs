//! A shell that is tracked.
//!
//! [`Emitter::begin`] writes the start event to the spool and returns; [`Emitter::deliver`] starts a thread that brings
//! it to the server, sends heartbeats, and looks after what dead shells left; [`Emitter::end`] writes the end event and
//! waits a moment for its delivery. The shell's own thread touches no network, and what goes wrong is never its problem:
//! it is said by [`Emitter::notices`] and [`Emitter::status`].

mod background;
mod opening;
mod probe;
mod status;

use std::{
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Map, Value};
use session_model::{
    ComponentName, ExitReason, SessionEndEvent, SessionId, SessionType, Timestamp,
    event::{Count, ErrorText},
    text::{Integer, Number},
    words::SessionEndType,
};
use tokio::sync::Notify;

use crate::{
    Clock, Credential,
    delivery::{adoption::event_json, instant, locked, target::Target, timing::Timing},
    fresh_id::fresh_id,
    identity::{Identity, PARENT_SESSION_ID},
    leaving::Door,
    network::Network,
    settings::Settings,
    spool::{Bounds, Disk, Dropped, Spool, SpoolFile},
};

pub use status::{Connection, Status, Storage};

/// What a shell says when it begins.
#[derive(Clone, Debug)]
pub struct Beginning {
    /// The component whose shell it is.
    pub component: ComponentName,
    /// The kind of shell, such as `BillingShell`; cut to 200 characters.
    pub shell_type: String,
    /// The kind of session.
    pub session_type: SessionType,
    /// Why the shell was opened; cut to 500 characters.
    pub reason: Option<String>,
    /// Anything else; cut to 16 KiB.
    pub metadata: Map<String, Value>,
}

/// What a shell says when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// How it came to its end.
    pub reason: ExitReason,
    /// Its exit code.
    pub exit_code: i32,
}

/// A session of this process. Clones speak for the same session.
#[derive(Clone)]
pub struct Emitter {
    shared: Arc<Shared>,
}

/// What the shell's thread and the delivering thread share.
struct Shared {
    session_id: SessionId,
    emitter_id: session_model::EventId,
    file: Mutex<SpoolFile>,
    storage: Storage,
    /// State folders in whose spools dead shells may have left something; none where the spool is not used.
    folders: Vec<PathBuf>,
    disk: Disk,
    network: Network,
    target: Target,
    credential: Option<Credential>,
    door: Door,
    bounds: Bounds,
    timing: Timing,
    /// What the start event told of what was dropped, and where that is counted.
    told: Option<(Dropped, Spool)>,
    clock: Clock,
    /// When the session began, since boot.
    began: Duration,
    commands: AtomicU64,
    errors: AtomicU64,
    sequence: AtomicU64,
    last_error: Mutex<Option<ErrorText>>,
    notices: Vec<String>,
    /// What the delivering thread knows, and a bell for those who wait for it.
    delivery: Mutex<Delivery>,
    changed: Condvar,
    /// Rings when there is something new to bring.
    wake: Notify,
}

/// What the delivering thread knows.
#[derive(Clone, Debug, Default)]
struct Delivery {
    /// Whether the thread runs.
    running: bool,
    /// Whether a call has succeeded, and none has failed since.
    connected: bool,
    last_error: Option<String>,
    /// Until when no call is made.
    silent_until: Option<Instant>,
    circuit_open_until: Option<Timestamp>,
    started: bool,
    finished: bool,
    refused: Option<String>,
    unusable: Vec<String>,
}

impl Emitter {
    /// Begins a session: writes its start event to the spool, or keeps it in memory where no folder can be used. Touches
    /// no network and never fails; what went wrong is in [`Self::notices`].
    pub fn begin(
        settings: &Settings,
        identity: Identity,
        beginning: Beginning,
        clock: Clock,
    ) -> Self {
        let shared = opening::open(settings, identity, beginning, clock);
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Gives the session's id, which no server has to be asked for.
    pub fn session_id(&self) -> &SessionId {
        &self.shared.session_id
    }

    /// Gives the environment variable, and its value, by which a program that the shell starts knows the session that it
    /// was started in: its own sessions then name this one as their parent.
    pub fn for_children(&self) -> (&'static str, &str) {
        (PARENT_SESSION_ID, self.shared.session_id.as_str())
    }

    /// Gives what went wrong at the beginning, to be said once.
    pub fn notices(&self) -> &[String] {
        &self.shared.notices
    }

    /// Starts to deliver, on a thread of its own, after [`Timing::delivery_delay`] or as soon as somebody waits for it. Called
    /// once the prompt is painted; calls after the first do nothing.
    pub fn deliver(&self) {
        let mut delivery = self.shared.delivery();
        if !delivery.running {
            delivery.running = true;
            drop(delivery);
            background::spawn(&self.shared);
        }
    }

    /// Delivers as [`Self::deliver`] does, but as a part of the task that waits for it, until the session is over and all of
    /// it delivered. Given up half way, it leaves what waits to others, as the death of the process does.
    pub async fn deliver_here(&self) {
        self.shared.delivery().running = true;
        background::run(Arc::clone(&self.shared)).await;
    }

    /// Tells how the delivery goes.
    pub fn status(&self) -> Status {
        status::of(&self.shared, &self.shared.delivery())
    }

    /// Waits until the delivery goes otherwise than `known`, and tells how; `None` when it did not within `patience`. A
    /// shell that says above its prompt what changed waits here on a thread of its own.
    pub fn wait_changed(&self, known: &Status, patience: Duration) -> Option<Status> {
        let now = |delivery: &Delivery| status::of(&self.shared, delivery);
        let delivery = self
            .shared
            .wait(patience, |delivery| now(delivery) != *known);
        Some(now(&delivery)).filter(|status| status != known)
    }

    /// Looks, for at most `patience`, whether somebody listens where events go: a plain connect, without a word. A
    /// target that is not on this machine is not asked.
    pub fn probe(&self, patience: Duration) -> Connection {
        probe::connection(&self.shared.target, patience)
    }

    /// Counts a command.
    pub fn count_command(&self) {
        self.shared.commands.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a command that failed; `text` is its error, where the component wants it recorded.
    pub fn count_error(&self, text: Option<&str>) {
        self.shared.errors.fetch_add(1, Ordering::Relaxed);
        if let Some(text) = text {
            let mut last = self
                .shared
                .last_error
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            *last = Some(self.shared.door.text(text));
        }
    }

    /// Waits until a server has acknowledged the start, or is left alone after three failed calls.
    ///
    /// # Errors
    ///
    /// Why none has within `patience`.
    pub fn wait_acknowledged(&self, patience: Duration) -> Result<(), String> {
        self.deliver();
        self.shared.wake.notify_one();
        let delivery = self.shared.wait(patience, |delivery| {
            delivery.started || delivery.refused.is_some() || delivery.circuit_open_until.is_some()
        });
        if delivery.started {
            return Ok(());
        }
        let cause = delivery.refused.or(delivery.last_error);
        Err(cause
            .unwrap_or_else(|| format!("no server has answered within {} s", patience.as_secs())))
    }

    /// Ends the session: writes its end event to the spool, and waits for its delivery while there is hope, at most
    /// [`Timing::exit_max`]. The first call decides; later ones, from other threads too, do nothing.
    pub fn end(&self, ending: Ending) {
        let shared = &self.shared;
        let end = shared.end_event(ending);
        let Ok(json) = event_json(&end) else { return };
        {
            let mut file = locked(&shared.file);
            if file.contents().has_ended() {
                return;
            }
            // Where it cannot be written it is still in memory, and delivered if that is possible at once.
            let _ = file.append_end(json);
        }
        shared.wake.notify_one();
        let hopeless =
            |delivery: &Delivery| delivery.silent_until.is_some_and(|until| until > instant());
        let budget = if shared.delivery().running {
            shared.timing.exit_max
        } else {
            Duration::ZERO
        };
        shared.wait(budget, |delivery| delivery.finished || hopeless(delivery));
    }
}

impl Shared {
    fn delivery(&self) -> std::sync::MutexGuard<'_, Delivery> {
        self.delivery.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until something holds of the delivery, at most `patience`, and gives it as it is then.
    fn wait(&self, patience: Duration, holds: impl Fn(&Delivery) -> bool) -> Delivery {
        let waited = self
            .changed
            .wait_timeout_while(self.delivery(), patience, |delivery| !holds(delivery));
        let (delivery, _) = waited.unwrap_or_else(PoisonError::into_inner);
        delivery.clone()
    }

    fn count(counter: &AtomicU64) -> Option<Count> {
        Integer::new(i64::try_from(counter.load(Ordering::Relaxed)).ok()?).ok()
    }

    fn next_sequence(&self) -> Option<Count> {
        let next = self.sequence.fetch_add(1, Ordering::Relaxed);
        Integer::new(i64::try_from(next).ok()?).ok()
    }

    fn last_error(&self) -> Option<ErrorText> {
        let last = self.last_error.lock();
        last.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn end_event(&self, ending: Ending) -> SessionEndEvent {
        let now = self.clock.now();
        let lasted = self.clock.since_boot().saturating_sub(self.began);
        SessionEndEvent {
            session_id: self.session_id.clone(),
            timestamp: now,
            event_type: SessionEndType,
            metadata: session_model::Metadata::default(),
            event_id: Some(fresh_id(now)),
            exit_reason: Some(ending.reason),
            exit_code: Integer::new(i64::from(ending.exit_code)).ok(),
            duration_seconds: Some(Number::saturating(lasted.as_secs_f64())),
            command_count: Self::count(&self.commands),
            error_count: Self::count(&self.errors),
            last_error: self.last_error(),
            lost_cause: None,
            last_seen: None,
            reported_by: None,
            emitter_id: Some(self.emitter_id),
            sequence: self.next_sequence(),
        }
    }
}
