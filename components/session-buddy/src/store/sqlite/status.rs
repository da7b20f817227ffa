//! How the writer is, for whoever asks without touching the disk.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::watch;

use crate::store::{StoreHealth, checkpoint::ChainHead};

/// The most changes that may wait.
const QUEUE_LIMIT: usize = 4096;

/// Shared between the writer and those who hand it changes.
#[derive(Debug, Default)]
pub(super) struct Status {
    queued: AtomicUsize,
    failure: Mutex<Option<String>>,
    newest: watch::Sender<Option<ChainHead>>,
}

impl Status {
    /// Notes that changes are about to wait; false where there is no room for all of them.
    pub(super) fn queue(&self, changes: usize) -> bool {
        let with_these = |queued: usize| Some(queued + changes).filter(|sum| *sum <= QUEUE_LIMIT);
        self.queued
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, with_these)
            .is_ok()
    }

    /// Notes that changes no longer wait.
    pub(super) fn taken(&self, changes: usize) {
        self.queued.fetch_sub(changes, Ordering::Relaxed);
    }

    /// Notes a failure; tells whether it is news.
    pub(super) fn failed(&self, failure: &str) -> bool {
        let mut current = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        let news = current.as_deref() != Some(failure);
        *current = Some(failure.to_owned());
        news
    }

    /// Notes that changes are taken; tells whether that is news.
    pub(super) fn recovered(&self) -> bool {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        failure.take().is_some()
    }

    /// Notes what is on disk for good. Who waits for it is woken, and not waited for.
    pub(super) fn reached(&self, newest: ChainHead) {
        self.newest.send_if_modified(|current| {
            let moved = *current != Some(newest);
            *current = Some(newest);
            moved
        });
    }

    /// Gives the newest record that is on disk for good; `None` before the database was opened.
    pub(super) fn newest(&self) -> Option<ChainHead> {
        *self.newest.borrow()
    }

    /// Tells of the newest record that is on disk for good, and of each that comes after it.
    pub(super) fn head(&self) -> watch::Receiver<Option<ChainHead>> {
        self.newest.subscribe()
    }

    /// Gives what is known.
    pub(super) fn health(&self) -> StoreHealth {
        StoreHealth {
            failure: self
                .failure
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
            queued: self.queued.load(Ordering::Relaxed),
            queue_limit: QUEUE_LIMIT,
        }
    }
}
