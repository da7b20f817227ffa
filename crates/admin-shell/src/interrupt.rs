//! The wish to stop what runs, and what is not waited for any longer then.

use std::{
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// The wish to stop what runs. Clones mean the same wish.
#[derive(Clone, Default)]
pub(crate) struct Interrupt(Arc<Shared>);

#[derive(Default)]
struct Shared {
    is_set: AtomicBool,
    mutex: Mutex<()>,
    bell: Condvar,
}

impl Interrupt {
    pub(crate) fn set(&self) {
        let guard = self.0.mutex.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.is_set.store(true, Ordering::Relaxed);
        drop(guard);
        self.0.bell.notify_all();
    }

    pub(crate) fn clear(&self) {
        self.0.is_set.store(false, Ordering::Relaxed);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.is_set.load(Ordering::Relaxed)
    }

    /// Waits; gives whether it was set before the time was over.
    pub(crate) fn wait(&self, time: Duration) -> bool {
        let until = Instant::now().checked_add(time);
        let mut guard = self.0.mutex.lock().unwrap_or_else(PoisonError::into_inner);
        while !self.is_set() {
            let left = until.map_or(Duration::MAX, |until| {
                until.saturating_duration_since(Instant::now())
            });
            if left.is_zero() {
                return false;
            }
            let waited = self.0.bell.wait_timeout(guard, left);
            guard = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}
