//! How a change gets to the store, and what came of it to what is known of its session's life.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use session_model::{SessionId, Timestamp};
use tokio::runtime::Handle;

use crate::{
    auth::Voice,
    liveness::{Candidate, Learned, Liveness, State},
    store::{Change, Outcome, SessionStore, StoreError, StoreFuture, Verdict},
};

/// A change that is as good as handed over, and what it would teach.
pub(super) struct Asked {
    change: Box<dyn Change>,
    ticket: u64,
    lesson: Lesson,
}

impl Asked {
    /// From here on no heartbeat of the session is heard but by the store, behind this change.
    pub(super) fn of(state: &mut State, change: Box<dyn Change>, lesson: Lesson) -> Self {
        Self {
            ticket: state.flights.depart(change.session_id()),
            change,
            lesson,
        }
    }
}

/// What a change teaches of the life of its session, once it is made.
pub(super) enum Lesson {
    /// A start.
    Start {
        lease_seconds: Option<u32>,
        at: Timestamp,
        candidate: Option<Candidate>,
        voice: Voice,
    },
    /// A heartbeat that the store has to judge.
    Heartbeat { at: Timestamp, voice: Voice },
    /// An end, or an act that closes.
    Close,
    /// A conclusion of ours.
    Lapse,
}

impl Lesson {
    fn learned(self, outcome: &Outcome) -> Learned {
        match (self, outcome) {
            (
                Self::Start {
                    lease_seconds,
                    at,
                    candidate,
                    voice,
                },
                Ok(Verdict::Begun),
            ) => Learned::Begun {
                lease_seconds,
                at,
                candidate,
                voice,
            },
            (Self::Heartbeat { at, voice }, Ok(Verdict::Alive { lease_seconds })) => {
                Learned::Alive {
                    lease_seconds: *lease_seconds,
                    at,
                    voice,
                }
            }
            (
                Self::Heartbeat { .. } | Self::Close | Self::Lapse,
                Ok(Verdict::Ended | Verdict::NotFound),
            ) => Learned::Closed,
            (Self::Lapse, _) => Learned::NotClosed,
            (Self::Start { .. } | Self::Heartbeat { .. } | Self::Close, _) => Learned::Nothing,
        }
    }
}

/// Changes that the store works on. What comes of them is taken in also when nobody waits for it any more, since they are
/// made all the same.
pub(super) struct Landing {
    liveness: Liveness,
    flight: Option<StoreFuture<'static, Vec<Outcome>>>,
    lessons: Vec<(SessionId, u64, Lesson)>,
    /// Nobody waits for it any more.
    left: bool,
}

/// Hands changes over in their order. `_state` is the lock of `liveness` under which they were put together: nobody hands
/// over another change in between.
pub(super) fn hand_over(
    liveness: &Liveness,
    _state: &State,
    store: &dyn SessionStore,
    asked: Vec<Asked>,
) -> Landing {
    let (changes, lessons) = asked
        .into_iter()
        .map(|asked| {
            let id = asked.change.session_id().clone();
            (asked.change, (id, asked.ticket, asked.lesson))
        })
        .unzip();
    Landing {
        liveness: liveness.clone(),
        flight: Some(store.apply_all(changes)),
        lessons,
        left: false,
    }
}

impl Landing {
    fn settle(&mut self, outcomes: &Result<Vec<Outcome>, StoreError>) {
        let lessons = std::mem::take(&mut self.lessons);
        match outcomes {
            Ok(outcomes) => {
                for ((id, ticket, lesson), outcome) in lessons.into_iter().zip(outcomes) {
                    self.liveness.settle(&id, ticket, lesson.learned(outcome));
                }
            }
            Err(failure) => {
                let outcome = Err(failure.clone());
                for (id, ticket, lesson) in lessons {
                    self.liveness.settle(&id, ticket, lesson.learned(&outcome));
                }
            }
        }
    }
}

impl Future for Landing {
    type Output = Result<Vec<Outcome>, StoreError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let flight = self.flight.as_mut().expect("nobody asks after the answer");
        let outcomes = ready!(flight.as_mut().poll(context));
        self.flight = None;
        self.settle(&outcomes);
        Poll::Ready(outcomes)
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        let Some(flight) = self.flight.take() else {
            return;
        };
        // Without a runtime there is no server any more that could know anything. One that is ending drops what is given to
        // it, at once.
        if self.left {
            return;
        }
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(Self {
                liveness: self.liveness.clone(),
                flight: Some(flight),
                lessons: std::mem::take(&mut self.lessons),
                left: true,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[test]
    fn a_server_ends_while_changes_are_under_way() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.spawn(Landing {
            liveness: Liveness::new(crate::liveness::MonotonicClock::system()),
            flight: Some(Box::pin(pending())),
            lessons: Vec::new(),
            left: false,
        });
        drop(runtime);
    }
}
