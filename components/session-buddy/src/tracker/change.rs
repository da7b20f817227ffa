//! What each message does to a session.

use std::borrow::Cow;

use jiff::SignedDuration;
use session_model::{
    ByHand, Counters, ExitReason, Fact, Gap, Loss, LossCause, Report, Revival, SessionEndEvent,
    SessionHeartbeatEvent, SessionId, SessionStartEvent, SessionState, Started, Text, Timestamp,
    fold::{Accepted, Strength, Vitals},
    words::LostCause,
};

use super::Delivery;
use crate::{
    auth::Voice,
    liveness::Known,
    store::{Change, Decision, Entry, Standing, Verdict},
};

/// A lease is three heartbeats long, so that one may be late and one may be lost.
const HEARTBEATS_PER_LEASE: u32 = 3;
/// No lease is shorter than this, whatever the sender promises: 5 seconds.
const LEASE_SECONDS_MIN: u32 = 5;

impl Decision {
    const fn nothing(verdict: Verdict) -> Self {
        Self {
            records: Vec::new(),
            vitals: None,
            verdict,
        }
    }

    fn record(record: impl Into<Entry>, vitals: Vitals, verdict: Verdict) -> Self {
        Self {
            records: vec![record.into()],
            vitals: Some(vitals),
            verdict,
        }
    }
}

impl Delivery {
    fn may_speak_for(&self, standing: &Standing) -> bool {
        self.voice.may_speak_for(&standing.session)
    }

    fn accepted(&self, received_at: Timestamp, fact: Fact) -> Accepted {
        Accepted {
            received_at,
            origin: Some(self.origin.clone()),
            subject: self.subject.clone(),
            fact,
        }
    }
}

/// Gives how long a session counts as alive after a proof of life; `None` if its sender promised no heartbeats.
pub(super) fn lease_seconds(start: &SessionStartEvent) -> Option<u32> {
    lease_of_interval(start.heartbeat_interval_seconds?.get())
}

/// Gives the lease of a sender that promised a heartbeat every so many seconds.
pub(super) fn lease_of_interval(seconds: i64) -> Option<u32> {
    let interval = u32::try_from(seconds).ok()?;
    let lease = interval.saturating_mul(HEARTBEATS_PER_LEASE);
    Some(lease.max(LEASE_SECONDS_MIN))
}

fn lease_expires_at(start: &SessionStartEvent, now: Timestamp) -> Option<Timestamp> {
    lease_seconds(start)
        .map(|seconds| now.saturating_add(SignedDuration::from_secs(seconds.into())))
}

/// A start. It comes to the same whatever stands, so that is made when it comes and not by the writer.
pub(super) struct Start {
    id: SessionId,
    entry: Entry,
    vitals: Vitals,
    voice: Voice,
}

impl Start {
    pub(super) fn new(event: SessionStartEvent, delivery: Delivery, now: Timestamp) -> Self {
        let skew_micros = delivery.sent_at.map(|sent_at| now.micros_since(sent_at));
        let id = event.session_id();
        let vitals = Vitals {
            last_seen: now,
            counters: Counters::default(),
            lease_expires_at: lease_expires_at(&event, now),
        };
        let started = Started { event, skew_micros };
        let record = delivery.accepted(now, Fact::Start(Box::new(started)));
        Self {
            id,
            entry: record.into(),
            vitals,
            voice: delivery.voice,
        }
    }

    fn event(&self) -> &SessionStartEvent {
        match &self.entry.record.fact {
            Fact::Start(started) => &started.event,
            other => unreachable!("a start is recorded as one, not as {other:?}"),
        }
    }
}

impl Change for Start {
    fn session_id(&self) -> &SessionId {
        &self.id
    }

    fn decide(self: Box<Self>, standing: Option<&Standing>) -> Decision {
        let event = self.event();
        if !self.voice.may_begin(event) {
            return Decision::nothing(Verdict::Forbidden);
        }
        let Some(Standing { session, .. }) = standing else {
            return Decision::record(self.entry, self.vitals, Verdict::Begun);
        };
        // An import tells less of a start than its sender does.
        let event = match session.is_imported() {
            true => Cow::Owned(event.clone().as_recorded()),
            false => Cow::Borrowed(event),
        };
        let same = session.started().event == *event;
        Decision::nothing(if same {
            Verdict::Tracked
        } else {
            Verdict::Conflict
        })
    }
}

/// Gives a session as it stands with what its row does not say yet.
fn known_to_stand(standing: &Standing, known: &Known) -> Standing {
    let mut standing = standing.clone();
    if let Some(signs) = &known.signs {
        standing.vitals.last_seen = signs.last_seen;
        standing.vitals.counters = standing.vitals.counters.join(signs.counters.clone());
    }
    standing
}

/// An end, or a deliverer's report that a shell died.
pub(super) struct End {
    event: SessionEndEvent,
    delivery: Delivery,
    known: Known,
    now: Timestamp,
}

impl End {
    pub(super) const fn new(
        event: SessionEndEvent,
        delivery: Delivery,
        known: Known,
        now: Timestamp,
    ) -> Self {
        Self {
            event,
            delivery,
            known,
            now,
        }
    }

    /// Gives what the event claims.
    fn fact(&self, standing: &Standing) -> Fact {
        let counters = Counters::from(&self.event).or(&standing.vitals.counters);
        if self.event.exit_reason != Some(ExitReason::Lost) {
            return Fact::Ended(Box::new(Report {
                event: self.event.clone(),
                counters,
            }));
        }
        let cause = self.event.lost_cause.unwrap_or(LostCause::ProcessGone);
        let last_seen = self.event.last_seen.unwrap_or(standing.vitals.last_seen);
        let (end_time, last_seen) = match (cause, self.known.death) {
            // Who watched it knows better than who found what it left.
            (LostCause::ProcessGone, Some(death)) => (death.at, death.last_seen),
            // The moment at which it was seen to be gone; the last proof of life where its host went with it.
            (LostCause::ProcessGone, None) => (self.event.timestamp, last_seen),
            (LostCause::HostRestarted, _) => (last_seen, last_seen),
        };
        let reported_by = self.event.reported_by.as_ref().map(ToString::to_string);
        Fact::Lost(Box::new(Loss {
            cause: cause.into(),
            round: standing.session.rounds(),
            end_time,
            last_seen,
            closed_by: reported_by.or_else(|| self.delivery.subject.clone()),
            counters,
            event: Some(self.event.clone()),
        }))
    }
}

impl Change for End {
    fn session_id(&self) -> &SessionId {
        &self.event.session_id
    }

    fn decide(self: Box<Self>, standing: Option<&Standing>) -> Decision {
        let Some(standing) = standing else {
            return Decision::nothing(Verdict::NotFound);
        };
        if !self.delivery.may_speak_for(standing) {
            return Decision::nothing(Verdict::Forbidden);
        }
        let standing = known_to_stand(standing, &self.known);
        close(
            &standing,
            self.delivery.accepted(self.now, self.fact(&standing)),
        )
    }
}

/// Closes a session if the claim is stronger than what stands.
fn close(standing: &Standing, record: Accepted) -> Decision {
    let mut closed = standing.session.clone();
    closed.accept(record.clone());
    if closed.strength() <= standing.session.strength() {
        return Decision::nothing(Verdict::Ended);
    }
    let Vitals {
        last_seen,
        counters,
        ..
    } = standing.vitals.clone();
    let (last_seen, counters) = match &record.fact {
        Fact::Ended(report) => (record.received_at, report.counters.clone()),
        Fact::Lost(loss) => (last_seen, loss.counters.clone()),
        Fact::ClosedByHand(act) => (last_seen, act.counters.clone()),
        Fact::Start(_) | Fact::Revived(_) | Fact::Imported(_) => (last_seen, counters),
    };
    let vitals = Vitals {
        last_seen,
        counters,
        lease_expires_at: None,
    };
    Decision::record(record, vitals, Verdict::Ended)
}

/// A heartbeat that does more than move a lease.
pub(super) struct Heartbeat {
    event: SessionHeartbeatEvent,
    delivery: Delivery,
    now: Timestamp,
}

impl Heartbeat {
    pub(super) const fn new(
        event: SessionHeartbeatEvent,
        delivery: Delivery,
        now: Timestamp,
    ) -> Self {
        Self {
            event,
            delivery,
            now,
        }
    }
}

impl Change for Heartbeat {
    fn session_id(&self) -> &SessionId {
        &self.event.session_id
    }

    fn decide(self: Box<Self>, standing: Option<&Standing>) -> Decision {
        let Some(standing) = standing else {
            return Decision::nothing(Verdict::NotFound);
        };
        if !self.delivery.may_speak_for(standing) {
            return Decision::nothing(Verdict::Forbidden);
        }
        let Standing { session, vitals } = standing;
        let Strength::Presumed(_) = session.strength() else {
            return Decision::nothing(Verdict::Ended);
        };
        let start = &session.started().event;
        let records = match session.state() {
            SessionState::Lost { loss, .. } => {
                let gap = Gap {
                    from: loss.last_seen,
                    to: self.now,
                };
                let revival = Revival {
                    round: loss.round,
                    gap,
                    event: self.event.clone(),
                };
                let fact = Fact::Revived(Box::new(revival));
                vec![self.delivery.accepted(self.now, fact).into()]
            }
            SessionState::Active | SessionState::Ended(_) | SessionState::Closed { .. } => {
                Vec::new()
            }
        };
        let alive = Vitals {
            last_seen: self.now,
            counters: vitals.counters.clone().join(Counters::from(&self.event)),
            lease_expires_at: lease_expires_at(start, self.now),
        };
        let verdict = Verdict::Alive {
            lease_seconds: lease_seconds(start),
        };
        Decision {
            records,
            vitals: Some(alive),
            verdict,
        }
    }
}

/// A session that nothing proves alive any more.
pub(super) struct Lapse {
    pub(super) id: SessionId,
    pub(super) cause: LossCause,
    pub(super) known: Known,
    pub(super) now: Timestamp,
}

impl Change for Lapse {
    fn session_id(&self) -> &SessionId {
        &self.id
    }

    fn decide(self: Box<Self>, standing: Option<&Standing>) -> Decision {
        let Some(standing) = standing else {
            return Decision::nothing(Verdict::NotFound);
        };
        let standing = known_to_stand(standing, &self.known);
        let Vitals {
            last_seen,
            counters,
            ..
        } = &standing.vitals;
        let (end_time, last_seen) = match (self.cause, self.known.death) {
            (LossCause::ProcessGone, Some(death)) => (death.at, death.last_seen),
            (LossCause::ProcessGone, None) => (self.now, *last_seen),
            (LossCause::LeaseExpired | LossCause::HostRestarted, _) => (*last_seen, *last_seen),
        };
        // A clock that was stepped back since must not turn the bounds around.
        let loss = Loss {
            cause: self.cause,
            round: standing.session.rounds(),
            end_time: end_time.min(self.now),
            last_seen: last_seen.min(self.now),
            closed_by: None,
            counters: counters.clone(),
            event: None,
        };
        let fact = Fact::Lost(Box::new(loss));
        close(
            &standing,
            Accepted {
                received_at: self.now,
                origin: None,
                subject: None,
                fact,
            },
        )
    }
}

/// Somebody closes a session.
pub(super) struct CloseByHand {
    pub(super) id: SessionId,
    pub(super) by: String,
    pub(super) reason: Option<Text<500>>,
    pub(super) force: bool,
    /// Whether it is proved alive.
    pub(super) alive: bool,
    pub(super) known: Known,
    pub(super) delivery: Delivery,
    pub(super) now: Timestamp,
}

impl Change for CloseByHand {
    fn session_id(&self) -> &SessionId {
        &self.id
    }

    fn decide(self: Box<Self>, standing: Option<&Standing>) -> Decision {
        let Some(standing) = standing else {
            return Decision::nothing(Verdict::NotFound);
        };
        if !self.delivery.may_speak_for(standing) {
            return Decision::nothing(Verdict::Forbidden);
        }
        let standing = known_to_stand(standing, &self.known);
        let Standing { session, vitals } = &standing;
        if *session.state() == SessionState::Active && self.alive && !self.force {
            return Decision::nothing(Verdict::ForceNeeded);
        }
        let act = ByHand {
            by: self.by.clone(),
            reason: self.reason.as_ref().map(ToString::to_string),
            last_seen: vitals.last_seen.min(self.now),
            counters: vitals.counters.clone(),
        };
        close(
            &standing,
            self.delivery
                .accepted(self.now, Fact::ClosedByHand(Box::new(act))),
        )
    }
}
