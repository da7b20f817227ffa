//! What a script may use up. Limits guard against accidents: whoever may type into a shell may do what the shell may.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rhai::{Dynamic, Engine, module_resolvers::DummyModuleResolver};

use crate::{console::Console, interrupt::Interrupt};

/// How deep functions may call one another. Far above what people write, far below what the stack bears.
const CALLS_MAX: usize = 64;
/// How deep an expression may be nested.
const DEPTH_MAX: usize = 64;
/// The longest text, in bytes: 64 MiB.
const TEXT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// The longest list, and the largest map.
const ITEMS_MAX: usize = 10_000_000;
/// How many operations pass between two looks at the clock: some 20 us.
const OPERATIONS_A_LOOK: u64 = 256;

/// Why a script was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// It asked to leave, with this exit code.
    Exit(u8),
    /// The user asked.
    Interrupted,
    /// It took too long.
    TooLong,
    /// What it writes cannot be written.
    Unread,
}

/// Measures how long a script runs by itself: while a helper works the clock stands still.
#[derive(Clone)]
pub(super) struct Clockwork {
    interrupt: Interrupt,
    time_max: Duration,
    deadline: Arc<Mutex<Option<Instant>>>,
}

impl Clockwork {
    pub(super) fn new(interrupt: Interrupt, time_max: Duration) -> Self {
        Self {
            interrupt,
            time_max,
            deadline: Arc::default(),
        }
    }

    /// Gives how long a script may run.
    pub(super) const fn time_max(&self) -> Duration {
        self.time_max
    }

    /// Begins to measure.
    pub(super) fn start(&self) {
        *self.deadline() = Instant::now().checked_add(self.time_max);
    }

    /// Lets something run that does not count.
    pub(super) fn stand_still<T>(&self, work: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let done = work();
        let mut deadline = self.deadline();
        *deadline = deadline.and_then(|deadline| deadline.checked_add(began.elapsed()));
        drop(deadline);
        done
    }

    fn is_over(&self) -> bool {
        self.deadline()
            .is_some_and(|deadline| Instant::now() > deadline)
    }

    fn deadline(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.deadline.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sets the limits of an engine.
pub(super) fn set(engine: &mut Engine, clockwork: &Clockwork, console: &Arc<Console>) {
    engine
        .set_max_call_levels(CALLS_MAX)
        .set_max_expr_depths(DEPTH_MAX, DEPTH_MAX)
        .set_max_string_size(TEXT_BYTES_MAX)
        .set_max_array_size(ITEMS_MAX)
        .set_max_map_size(ITEMS_MAX)
        // A script is what was typed; files are for `%run`.
        .set_module_resolver(DummyModuleResolver::new())
        .disable_symbol("eval");
    let (clockwork, console) = (clockwork.clone(), Arc::clone(console));
    engine.on_progress(move |operations| {
        let stop = if clockwork.interrupt.is_set() {
            Stop::Interrupted
        } else if console.is_unread() {
            Stop::Unread
        } else if operations % OPERATIONS_A_LOOK == 0 && clockwork.is_over() {
            Stop::TooLong
        } else {
            return None;
        };
        Some(Dynamic::from(stop))
    });
}
