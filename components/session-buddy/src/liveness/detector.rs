//! What proves that a session lives, and when it no longer does. No clock is read here, and nothing is opened.
//!
//! - A lease runs for a term after each heartbeat. That it ran out is a presumption, so it is made late rather than early:
//!   a sweep marks what is over, and a sweep at least [`GRACE`] later takes it, so that heartbeats which waited meanwhile
//!   are heard first. When a sweep comes more than [`LATE`] after the one before, this program was not there to hear
//!   anything, and every lease gets a full term.
//! - A process is its own proof for as long as it is watched; no lease is asked for then. When it ends, its session is due
//!   [`LAST_WORDS`] later, for its end may be under way.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use session_model::{Counters, SessionId, Timestamp};

use super::term;

/// How long what is over is left alone, for heartbeats that wait: 1 second.
pub const GRACE: Duration = Duration::from_secs(1);
/// A sweep that comes so much after the last one says that nobody was listening: 5 seconds.
pub const LATE: Duration = Duration::from_secs(5);
/// How long the end of a process that is gone may take to come: 2 seconds.
pub const LAST_WORDS: Duration = Duration::from_secs(2);

/// What heartbeats say, beyond that a session lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signs {
    /// Receipt of the last one.
    pub last_seen: Timestamp,
    /// What was counted until then.
    pub counters: Counters,
}

/// How a process was seen to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Death {
    /// When that was seen.
    pub at: Timestamp,
    /// When it was certainly there.
    pub last_seen: Timestamp,
}

/// The sessions of which more is known than their rows say.
#[derive(Debug, Default)]
pub struct Detector {
    sessions: HashMap<SessionId, Life>,
    /// The last two sweeps by the wall clock, and the last one.
    ticks: [Option<Timestamp>; 2],
    swept_at: Option<Instant>,
}

#[derive(Debug)]
struct Life {
    /// Its sender's promise; none where no heartbeats are promised.
    lease_seconds: Option<u32>,
    proof: Proof,
    signs: Signs,
    /// Whether its row does not know the signs yet.
    unwritten: bool,
    /// Whether the store has been asked to close it; what is heard now is for the store to judge.
    closing: bool,
}

#[derive(Debug)]
enum Proof {
    /// None: its process is still to be looked at.
    Awaited,
    /// A heartbeat.
    Lease {
        deadline: Instant,
        over_since: Option<Instant>,
    },
    /// Its process.
    Process,
    /// None any more: its process has ended.
    Gone { death: Death, since: Instant },
}

/// What a sweep found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// Sessions whose lease has run out.
    pub expired: Vec<SessionId>,
    /// Sessions whose process has ended without a word.
    pub gone: Vec<SessionId>,
}

impl Due {
    /// Tells whether it found nothing.
    pub const fn is_empty(&self) -> bool {
        self.expired.is_empty() && self.gone.is_empty()
    }
}

impl Detector {
    /// Takes a session that lives. Without a lease, and with no process that is `awaited`, there is nothing to know of it.
    pub fn begin(
        &mut self,
        id: SessionId,
        lease_seconds: Option<u32>,
        awaited: bool,
        signs: Signs,
        now: Instant,
    ) {
        let proof = match lease_seconds {
            Some(seconds) => lease(seconds, now),
            None if awaited => Proof::Awaited,
            None => return,
        };
        let life = Life {
            lease_seconds,
            proof,
            signs,
            unwritten: false,
            closing: false,
        };
        self.sessions.insert(id, life);
    }

    /// Hears a heartbeat and gives the length of the lease that it renews; `None` where only the store can tell what it
    /// means.
    pub fn hear(
        &mut self,
        id: &SessionId,
        counters: Counters,
        at: Timestamp,
        now: Instant,
    ) -> Option<Option<u32>> {
        let life = self.sessions.get_mut(id).filter(|life| !life.closing)?;
        life.signs = Signs {
            last_seen: at,
            counters: std::mem::take(&mut life.signs.counters).join(counters),
        };
        life.unwritten = true;
        if let (Proof::Lease { .. }, Some(seconds)) = (&life.proof, life.lease_seconds) {
            life.proof = lease(seconds, now);
        }
        Some(life.lease_seconds)
    }

    /// Takes a session that the store says is alive. What a process proves stays as it is.
    pub fn revive(
        &mut self,
        id: &SessionId,
        lease_seconds: Option<u32>,
        signs: Signs,
        now: Instant,
    ) {
        match self.sessions.get_mut(id) {
            Some(life) if !matches!(life.proof, Proof::Lease { .. }) => {
                life.closing = false;
                life.signs.last_seen = life.signs.last_seen.max(signs.last_seen);
            }
            known => {
                // What was heard and is not written yet stays so.
                let heard = known.map(|life| (life.signs.counters.clone(), life.unwritten));
                self.begin(id.clone(), lease_seconds, false, signs, now);
                if let (Some((counters, unwritten)), Some(life)) =
                    (heard, self.sessions.get_mut(id))
                {
                    life.signs.counters = counters;
                    life.unwritten = unwritten;
                }
            }
        }
    }

    /// Takes the process of a session for its proof; false where the session is no longer there.
    pub fn watch(&mut self, id: &SessionId) -> bool {
        let Some(life) = self.sessions.get_mut(id) else {
            return false;
        };
        life.proof = Proof::Process;
        true
    }

    /// Gives up the process of a session: its lease is what is left, for a full term.
    pub fn unwatch(&mut self, id: &SessionId, now: Instant) {
        let Some(life) = self.sessions.get_mut(id) else {
            return;
        };
        match (&life.proof, life.lease_seconds) {
            (Proof::Awaited | Proof::Process, Some(seconds)) => life.proof = lease(seconds, now),
            (Proof::Awaited | Proof::Process, None) => {
                self.sessions.remove(id);
            }
            (Proof::Lease { .. } | Proof::Gone { .. }, _) => {}
        }
    }

    /// Notes that the process of a session has ended; false where the session is no longer there.
    pub fn gone(&mut self, id: &SessionId, at: Timestamp, now: Instant) -> bool {
        // One sweep back: the last one may have come after the end, when this program was stopped in between.
        let ticked = self.ticks[0];
        let Some(life) = self.sessions.get_mut(id) else {
            return false;
        };
        let last_seen = match life.proof {
            Proof::Process => ticked.map_or(life.signs.last_seen, |ticked| {
                ticked.max(life.signs.last_seen)
            }),
            Proof::Awaited | Proof::Lease { .. } | Proof::Gone { .. } => life.signs.last_seen,
        };
        let death = Death {
            at,
            last_seen: last_seen.min(at),
        };
        life.proof = Proof::Gone { death, since: now };
        true
    }

    /// Forgets a session that is closed; tells whether its process was looked at.
    pub fn forget(&mut self, id: &SessionId) -> bool {
        let life = self.sessions.remove(id);
        life.is_some_and(|life| !matches!(life.proof, Proof::Lease { .. }))
    }

    /// Finds the sessions that have no proof left, and marks them as being closed. `wall` is the time that is told.
    pub fn sweep(&mut self, wall: Timestamp, now: Instant) -> Due {
        let late = self
            .swept_at
            .is_some_and(|at| now.saturating_duration_since(at) > LATE);
        self.swept_at = Some(now);
        self.ticks = [self.ticks[1], Some(wall)];
        let mut due = Due::default();
        for (id, life) in &mut self.sessions {
            match &mut life.proof {
                _ if life.closing => {}
                Proof::Awaited | Proof::Process => {}
                Proof::Lease {
                    deadline,
                    over_since,
                } => {
                    if late {
                        *deadline = now + term(life.lease_seconds.unwrap_or_default());
                        *over_since = None;
                    } else if now < *deadline {
                        *over_since = None;
                    } else if now.saturating_duration_since(*over_since.get_or_insert(now)) >= GRACE
                    {
                        life.closing = true;
                        due.expired.push(id.clone());
                    }
                }
                Proof::Gone { since, .. } => {
                    if now.saturating_duration_since(*since) >= LAST_WORDS {
                        life.closing = true;
                        due.gone.push(id.clone());
                    }
                }
            }
        }
        // Rows that lie beside each other are written together, and in the same order each time.
        due.expired.sort_unstable();
        due.gone.sort_unstable();
        due
    }

    /// Notes that a session could not be closed; the next sweep finds it again.
    pub fn reopen(&mut self, id: &SessionId, now: Instant) {
        if let Some(life) = self.sessions.get_mut(id) {
            life.closing = false;
            if let Proof::Lease { over_since, .. } = &mut life.proof {
                *over_since = Some(now);
            }
        }
    }

    /// Tells whether a session is proved alive.
    pub fn is_alive(&self, id: &SessionId, now: Instant) -> bool {
        self.sessions.get(id).is_some_and(|life| match life.proof {
            Proof::Process => true,
            Proof::Lease { deadline, .. } => now < deadline,
            Proof::Awaited | Proof::Gone { .. } => false,
        })
    }

    /// Gives what heartbeats said.
    pub fn signs(&self, id: &SessionId) -> Option<&Signs> {
        self.sessions.get(id).map(|life| &life.signs)
    }

    /// Tells how the process of a session was seen to end.
    pub fn death(&self, id: &SessionId) -> Option<Death> {
        match self.sessions.get(id)?.proof {
            Proof::Gone { death, .. } => Some(death),
            Proof::Awaited | Proof::Lease { .. } | Proof::Process => None,
        }
    }

    /// Takes the signs that no row knows yet, with what is left of each lease. A process that is watched has been seen by
    /// the last sweep but one.
    pub fn unwritten(&mut self, now: Instant) -> Vec<(SessionId, Signs, Option<Duration>)> {
        let ticked = self.ticks[0];
        let mut unwritten: Vec<_> = self
            .sessions
            .iter_mut()
            .filter_map(|(id, life)| {
                let rest = match life.proof {
                    Proof::Lease { deadline, .. } => Some(deadline.saturating_duration_since(now)),
                    Proof::Process => {
                        if let Some(ticked) = ticked.filter(|at| *at > life.signs.last_seen) {
                            life.signs.last_seen = ticked;
                            life.unwritten = true;
                        }
                        None
                    }
                    Proof::Awaited | Proof::Gone { .. } => None,
                };
                std::mem::take(&mut life.unwritten).then(|| (id.clone(), life.signs.clone(), rest))
            })
            .collect();
        // Rows that lie beside each other are written together.
        unwritten.sort_unstable_by(|(one, ..), (other, ..)| one.cmp(other));
        unwritten
    }

    /// Counts the sessions that live by their process, and those that live by a lease.
    pub fn counts(&self) -> (usize, usize) {
        let by = |proof: fn(&Proof) -> bool| {
            let lives = self.sessions.values();
            lives.filter(|life| proof(&life.proof)).count()
        };
        (
            by(|proof| matches!(proof, Proof::Process)),
            by(|proof| matches!(proof, Proof::Lease { .. })),
        )
    }
}

fn lease(seconds: u32, now: Instant) -> Proof {
    Proof::Lease {
        deadline: now + term(seconds),
        over_since: None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn id(name: &str) -> SessionId {
        name.parse().unwrap()
    }

    fn wall(seconds: u32) -> Timestamp {
        let start: Timestamp = "2026-02-06T22:05:00Z".parse().unwrap();
        start.saturating_add(jiff::SignedDuration::from_secs(seconds.into()))
    }

    fn signs(seconds: u32) -> Signs {
        Signs {
            last_seen: wall(seconds),
            counters: Counters::default(),
        }
    }

    /// A detector with clocks of its own, which go at one pace unless told otherwise.
    struct Desk {
        detector: Detector,
        origin: Instant,
        seconds: u32,
    }

    impl Desk {
        fn new() -> Self {
            Self {
                detector: Detector::default(),
                origin: Instant::now(),
                seconds: 0,
            }
        }

        fn now(&self) -> Instant {
            self.origin + self.seconds * SECOND
        }

        fn begin(&mut self, name: &str, lease_seconds: Option<u32>, awaited: bool) {
            let (now, signs) = (self.now(), signs(self.seconds));
            self.detector
                .begin(id(name), lease_seconds, awaited, signs, now);
        }

        fn hear(&mut self, name: &str) -> Option<Option<u32>> {
            let (now, at) = (self.now(), wall(self.seconds));
            self.detector.hear(&id(name), Counters::default(), at, now)
        }

        /// Sweeps once a second for some seconds, and gives what was due at which second.
        fn sweeps(&mut self, seconds: u32) -> Vec<(u32, Due)> {
            let mut found = Vec::new();
            for _ in 0..seconds {
                self.seconds += 1;
                let due = self.detector.sweep(wall(self.seconds), self.now());
                if !due.is_empty() {
                    found.push((self.seconds, due));
                }
            }
            found
        }

        fn is_alive(&self, name: &str) -> bool {
            self.detector.is_alive(&id(name), self.now())
        }
    }

    fn expired(name: &str) -> Due {
        Due {
            expired: vec![id(name)],
            gone: Vec::new(),
        }
    }

    fn gone(name: &str) -> Due {
        Due {
            expired: Vec::new(),
            gone: vec![id(name)],
        }
    }

    #[test]
    fn a_lease_that_ran_out_is_due_once_what_waited_was_heard() {
        let mut desk = Desk::new();
        desk.begin("a-1", Some(90), false);
        assert_eq!(desk.sweeps(90), []);
        assert!(!desk.is_alive("a-1"));
        // A heartbeat that waited is heard between two sweeps.
        assert_eq!(desk.hear("a-1"), Some(Some(90)));
        assert!(desk.is_alive("a-1"));
        assert_eq!(desk.sweeps(300), [(181, expired("a-1"))]);
        // While it is being closed, what a heartbeat means is for the store to say.
        assert_eq!(desk.hear("a-1"), None);
        desk.detector.reopen(&id("a-1"), desk.now());
        assert_eq!(desk.sweeps(1), [(391, expired("a-1"))]);
        desk.detector.forget(&id("a-1"));
        assert_eq!(desk.sweeps(300), []);
    }

    #[test]
    fn a_sweep_that_comes_late_gives_every_lease_a_full_term() {
        let mut desk = Desk::new();
        desk.begin("a-1", Some(90), false);
        assert_eq!(desk.sweeps(90), []);
        desk.seconds += 5;
        assert_eq!(desk.sweeps(1), []);
        assert!(desk.is_alive("a-1"));
        assert_eq!(desk.sweeps(200), [(187, expired("a-1"))]);
    }

    /// Five seconds between two sweeps are no reason to think that nobody listened.
    #[test]
    fn a_sweep_that_comes_a_little_late_gives_nothing() {
        let mut desk = Desk::new();
        desk.begin("a-1", Some(90), false);
        desk.sweeps(90);
        desk.seconds += 4;
        assert_eq!(desk.sweeps(1), [(95, expired("a-1"))]);
    }

    /// SIGSTOP for an hour: no heartbeat comes, and the process is there.
    #[test]
    fn a_process_that_is_watched_needs_no_lease() {
        let mut desk = Desk::new();
        desk.begin("a-1", Some(90), true);
        assert!(desk.detector.watch(&id("a-1")));
        assert_eq!(desk.sweeps(3_600), []);
        assert!(desk.is_alive("a-1"));
        assert_eq!(desk.detector.counts(), (1, 0));
    }

    #[test]
    fn a_process_that_is_gone_is_due_after_two_seconds_and_was_there_at_the_sweep_before_the_last()
    {
        let mut desk = Desk::new();
        desk.begin("a-1", None, true);
        desk.detector.watch(&id("a-1"));
        desk.sweeps(10);
        assert!(desk.detector.gone(&id("a-1"), wall(10), desk.now()));
        assert!(!desk.is_alive("a-1"));
        let death = Death {
            at: wall(10),
            last_seen: wall(9),
        };
        assert_eq!(desk.detector.death(&id("a-1")), Some(death));
        assert_eq!(desk.sweeps(300), [(12, gone("a-1"))]);
    }

    /// While this program was stopped it cannot have seen anything.
    #[test]
    fn of_a_process_that_ended_meanwhile_only_what_was_before_is_known() {
        let mut desk = Desk::new();
        desk.begin("a-1", None, true);
        desk.detector.watch(&id("a-1"));
        desk.sweeps(10);
        desk.seconds += 600;
        desk.sweeps(1);
        desk.detector.gone(&id("a-1"), wall(611), desk.now());
        let death = desk.detector.death(&id("a-1")).unwrap();
        assert_eq!(death.last_seen, wall(10));
    }

    #[test]
    fn a_process_that_is_not_the_one_leaves_a_session_to_its_lease() {
        let mut desk = Desk::new();
        desk.begin("a-1", Some(90), true);
        desk.begin("a-2", None, true);
        desk.sweeps(60);
        assert!(!desk.is_alive("a-2"));
        for name in ["a-1", "a-2"] {
            desk.detector.unwatch(&id(name), desk.now());
        }
        assert_eq!(desk.detector.counts(), (0, 1));
        assert_eq!(desk.sweeps(300), [(91, expired("a-1"))]);
        assert!(!desk.detector.watch(&id("a-2")));
    }

    #[test]
    fn what_heartbeats_said_is_written_once_and_the_processes_that_are_watched_are_seen() {
        let mut desk = Desk::new();
        desk.begin("a-2", Some(90), false);
        desk.begin("a-1", Some(90), true);
        desk.detector.watch(&id("a-1"));
        assert_eq!(desk.detector.unwritten(desk.now()), []);
        desk.sweeps(10);
        desk.hear("a-2");
        desk.seconds += 1;
        let written = [
            (id("a-1"), signs(9), None),
            (id("a-2"), signs(10), Some(89 * SECOND)),
        ];
        assert_eq!(desk.detector.unwritten(desk.now()), written);
        assert_eq!(desk.detector.unwritten(desk.now()), []);
    }

    proptest! {
        /// Whatever happens when: nothing is due that was heard less than its lease ago, nothing stays that was silent for
        /// its lease and ten seconds, as long as somebody sweeps every second.
        #[test]
        fn a_lease_is_due_between_its_term_and_ten_seconds_more(
            lease_seconds in 5_u32..200,
            silences in prop::collection::vec(0_u32..260, 1..12),
        ) {
            let mut desk = Desk::new();
            desk.begin("a-1", Some(lease_seconds), false);
            for silence in silences {
                let heard = desk.seconds;
                let due = desk.sweeps(silence);
                if let Some((at, found)) = due.first() {
                    prop_assert_eq!(found, &expired("a-1"));
                    prop_assert!((heard + lease_seconds..=heard + lease_seconds + 10).contains(at));
                    return Ok(());
                }
                prop_assert!(silence <= lease_seconds + 10);
                prop_assert_eq!(desk.hear("a-1"), Some(Some(lease_seconds)));
            }
        }
    }
}
