//! Sessions that nothing proves alive any more.

use session_model::{SessionId, Timestamp, fold::Vitals, words::LossCause};
use tracing::{info, warn};

use super::{
    Tracker, change,
    hand_over::{Asked, Lesson, hand_over},
};
use crate::store::{Note, StoreError, Verdict};

/// How many changes or notes the store is asked for at a time, so that others get their turn.
const BATCH: usize = 256;

impl Tracker {
    /// Closes what has no proof of life left: presumed lost where a lease has run out, lost where a process is gone. To be
    /// called every half second. Gives how many sessions were found.
    ///
    /// # Errors
    ///
    /// As [`SessionStore::apply_all`](crate::store::SessionStore::apply_all); the next sweep tries again.
    pub async fn sweep(&self) -> Result<usize, StoreError> {
        let now = self.clock.now();
        let due = self
            .liveness
            .lock()
            .detector
            .sweep(now, self.liveness.now());
        let count = due.expired.len() + due.gone.len();
        let expired = due.expired.into_iter();
        let gone = due.gone.into_iter();
        let lapsed: Vec<_> = gone
            .map(|id| (id, LossCause::ProcessGone))
            .chain(expired.map(|id| (id, LossCause::LeaseExpired)))
            .collect();
        let mut failure = None;
        for lapsed in lapsed.chunks(BATCH) {
            // Those that fail are open again, also when the ones before them failed.
            if let Err(error) = self.lapse(lapsed).await {
                failure = Some(error);
            }
        }
        failure.map_or(Ok(count), Err)
    }

    /// Closes sessions as lost.
    pub(super) async fn lapse(&self, lapsed: &[(SessionId, LossCause)]) -> Result<(), StoreError> {
        let landing = {
            let mut state = self.liveness.lock();
            let asked = lapsed.iter().map(|(id, cause)| {
                let change = Box::new(change::Lapse {
                    id: id.clone(),
                    cause: *cause,
                    known: state.known(id),
                    now: self.clock.now(),
                });
                Asked::of(&mut state, change, Lesson::Lapse)
            });
            let asked = asked.collect();
            hand_over(&self.liveness, &state, &*self.store, asked)
        };
        let outcomes = landing.await?;
        for ((id, cause), outcome) in lapsed.iter().zip(outcomes) {
            match outcome {
                Ok(Verdict::Ended) => {
                    info!(session.id = %id, cause = %cause.end_known_by(), "Session {id} is lost");
                }
                Ok(_) => {}
                Err(error) => warn!(session.id = %id, "Session {id} cannot be closed: {error}"),
            }
        }
        Ok(())
    }

    /// Notes that the process of a session has ended. Its own end has a little time to come; then a sweep closes it.
    pub fn process_gone(&self, id: &SessionId, at: Timestamp) {
        let now = self.liveness.now();
        self.liveness.lock().detector.gone(id, at, now);
    }

    /// Writes what heartbeats have said since the last time to the rows of their sessions. To be called every minute.
    ///
    /// # Errors
    ///
    /// As [`SessionStore::note`](crate::store::SessionStore::note).
    pub async fn write_signs(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        let unwritten = self.liveness.lock().detector.unwritten(self.liveness.now());
        let notes = unwritten.into_iter().map(|(id, signs, rest)| {
            let rest = rest.and_then(|rest| jiff::SignedDuration::try_from(rest).ok());
            let vitals = Vitals {
                last_seen: signs.last_seen,
                counters: signs.counters,
                lease_expires_at: rest.map(|rest| now.saturating_add(rest)),
            };
            Note::Fed(id, vitals)
        });
        self.note(notes.collect()).await
    }

    /// Writes notes, some at a time.
    pub(crate) async fn note(&self, notes: Vec<Note>) -> Result<(), StoreError> {
        let mut notes = notes.into_iter();
        loop {
            let some: Vec<_> = notes.by_ref().take(BATCH).collect();
            if some.is_empty() {
                return Ok(());
            }
            self.store.note(some).await?;
        }
    }
}
