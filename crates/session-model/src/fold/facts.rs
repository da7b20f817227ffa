//! What happened to a session, and how the server knows.

use serde::{Deserialize, Serialize};

use super::Imported;
use crate::{
    event::{SessionEndEvent, SessionHeartbeatEvent, SessionStartEvent},
    record::Gap,
    timestamp::Timestamp,
    words::{LossCause, Transport},
};

/// How a record reached the server, as verified by the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The transport.
    pub transport: Transport,
    /// The peer's address, where the transport has one.
    pub address: Option<String>,
    /// The peer's user id, where the transport tells it.
    pub uid: Option<u32>,
}

impl Origin {
    /// Gives a name for who is there, of those who have no other.
    pub fn name(&self) -> String {
        match (self.uid, &self.address) {
            (Some(uid), _) => format!("uid {uid}"),
            (None, Some(address)) => address.clone(),
            (None, None) => self.transport.to_string(),
        }
    }
}

/// What a shell has counted. Null where it does not count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Commands run.
    pub command_count: Option<i64>,
    /// Commands failed.
    pub error_count: Option<i64>,
    /// The last error.
    pub last_error: Option<String>,
}

impl Counters {
    /// Joins what two messages of one shell say: counts only grow, and the last error is the one that came with most
    /// of them. The join does not depend on the order of arrival.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        let command_count = self.command_count.max(other.command_count);
        let (error_count, last_error) =
            (self.error_count, self.last_error).max((other.error_count, other.last_error));
        Self {
            command_count,
            error_count,
            last_error,
        }
    }

    /// Gives what these counters say and `other` leaves open.
    pub(super) fn beyond(&self, other: &Self) -> Self {
        Self {
            command_count: self.command_count.filter(|_| other.command_count.is_none()),
            error_count: self.error_count.filter(|_| other.error_count.is_none()),
            last_error: self
                .last_error
                .clone()
                .filter(|_| other.last_error.is_none()),
        }
    }

    /// Gives these counters, and what they leave open from `earlier`.
    #[must_use]
    pub fn or(self, earlier: &Self) -> Self {
        Self {
            command_count: self.command_count.or(earlier.command_count),
            error_count: self.error_count.or(earlier.error_count),
            last_error: self.last_error.or_else(|| earlier.last_error.clone()),
        }
    }
}

impl From<&SessionHeartbeatEvent> for Counters {
    fn from(event: &SessionHeartbeatEvent) -> Self {
        Self {
            command_count: event.command_count.map(|count| count.get()),
            error_count: event.error_count.map(|count| count.get()),
            last_error: event.last_error.as_ref().map(ToString::to_string),
        }
    }
}

impl From<&SessionEndEvent> for Counters {
    fn from(event: &SessionEndEvent) -> Self {
        Self {
            command_count: event.command_count.map(|count| count.get()),
            error_count: event.error_count.map(|count| count.get()),
            last_error: event.last_error.as_ref().map(ToString::to_string),
        }
    }
}

/// A record that was accepted: what happened, and how the server knows.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted {
    /// When the server received it.
    pub received_at: Timestamp,
    /// How it came; `None` for what the server found out by itself.
    pub origin: Option<Origin>,
    /// The subject of the token that came with it.
    pub subject: Option<String>,
    /// What happened.
    pub fact: Fact,
}

impl Accepted {
    /// Gives what it says of its session's life, without what heartbeats fed before it.
    pub fn vitals(&self) -> Vitals {
        let (last_seen, counters) = match &self.fact {
            Fact::Start(_) => (self.received_at, Counters::default()),
            Fact::Ended(report) => (self.received_at, report.counters.clone()),
            Fact::Lost(loss) => (loss.last_seen, loss.counters.clone()),
            Fact::ClosedByHand(act) => (act.last_seen, act.counters.clone()),
            Fact::Revived(revival) => (self.received_at, Counters::from(&revival.event)),
            Fact::Imported(imported) => return imported.vitals().clone(),
        };
        Vitals {
            last_seen,
            counters,
            lease_expires_at: None,
        }
    }
}

/// What happened to a session.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// It began.
    Start(Box<Started>),
    /// It reported its end.
    Ended(Box<Report>),
    /// It is gone without a report.
    Lost(Box<Loss>),
    /// Somebody closed it.
    ClosedByHand(Box<ByHand>),
    /// It was presumed lost, and lives.
    Revived(Box<Revival>),
    /// Somebody told of it what another server knows: how it began and all that came of it.
    Imported(Box<Imported>),
}

/// A start, and what the server made of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Started {
    /// The event.
    pub event: SessionStartEvent,
    /// Receipt minus `sent_at`, in microseconds.
    pub skew_micros: Option<i64>,
}

/// A session's own report of its end.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The event.
    pub event: SessionEndEvent,
    /// Its counters, and those of the last heartbeat where it says nothing.
    pub counters: Counters,
}

/// A session that went without a report.
#[derive(Clone, Debug, PartialEq)]
pub struct Loss {
    /// How that is known.
    pub cause: LossCause,
    /// How many revivals came before; decides only between presumptions.
    pub round: u32,
    /// The estimate of its end.
    pub end_time: Timestamp,
    /// The last proof of life.
    pub last_seen: Timestamp,
    /// Who reported it.
    pub closed_by: Option<String>,
    /// What was counted until then.
    pub counters: Counters,
    /// The event that reported it, where one did.
    pub event: Option<SessionEndEvent>,
}

/// A session that somebody closed.
#[derive(Clone, Debug, PartialEq)]
pub struct ByHand {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: Option<String>,
    /// The last proof of life.
    pub last_seen: Timestamp,
    /// What was counted until then.
    pub counters: Counters,
}

/// A session that was presumed lost, and lives.
#[derive(Clone, Debug, PartialEq)]
pub struct Revival {
    /// The round of the presumption that it undoes.
    pub round: u32,
    /// The last proof of life before, and this one.
    pub gap: Gap,
    /// The heartbeat that proves it.
    pub event: SessionHeartbeatEvent,
}

/// What heartbeats feed: on the session's row, not in the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vitals {
    /// Receipt of the last proof of life.
    pub last_seen: Timestamp,
    /// What was counted until then.
    pub counters: Counters,
    /// Until when it counts as alive; `None` without a lease.
    pub lease_expires_at: Option<Timestamp>,
}
