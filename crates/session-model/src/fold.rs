//! What a session is: the fold of its accepted ledger records.
//!
//! # The law
//!
//! A [`Session`] is a function of the *set* of its accepted records, not of their order. Each record claims a state;
//! the strongest claim stands:
//!
//! 1. presumed lost and alive again, by rounds: a presumption names how many revivals came before it (its round), a
//!    revival names the round that it undoes, so that `lost 0 < alive 1 < lost 1 < alive 2 < ...` needs no clock;
//! 2. proved lost: its process is gone, its host restarted;
//! 3. closed by hand;
//! 4. ended by its own report.
//!
//! Who accepts records (the server's tracker) takes only a claim that is stronger than what stands, so the ledger holds
//! at most one of each. Should two of one strength meet all the same, the one received first stands.

use std::cmp::Reverse;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    event::{SessionEndEvent, SessionHeartbeatEvent, SessionStartEvent},
    field::{Field, FieldErrors},
    id::SessionId,
    record::{Gap, SessionRecord, micros_of_seconds, seconds_of_micros},
    text::{Metadata, Number},
    timestamp::Timestamp,
    words::{EndKnownBy, ExitReason, LossCause, SessionStatus, Transport},
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
    fn beyond(&self, other: &Self) -> Self {
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

/// Where a session stands. What belongs to a state lives in it.
#[derive(Clone, Debug, PartialEq)]
pub enum SessionState {
    /// No end is known.
    Active,
    /// It reported its end.
    Ended(Box<Report>),
    /// Somebody closed it; replaced by its own report.
    Closed {
        /// The moment of the act.
        at: Timestamp,
        /// The act.
        act: Box<ByHand>,
    },
    /// It is gone without a report; its end is an estimate.
    Lost {
        /// When that was concluded.
        closed_at: Timestamp,
        /// The conclusion.
        loss: Box<Loss>,
    },
}

/// How strong a claim is. Derived order: the variants from weak to strong, the first also by its steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strength {
    /// Alive after `n` revivals is step `2n`, presumed lost after them step `2n + 1`.
    Presumed(u64),
    /// Its process is gone, or its host restarted.
    Proved,
    /// Somebody closed it.
    ByHand,
    /// Its own report.
    Reported,
}

impl Strength {
    const fn alive(revivals: u32) -> Self {
        Self::Presumed(2 * revivals as u64)
    }

    const fn lost(cause: LossCause, round: u32) -> Self {
        match cause {
            LossCause::LeaseExpired => Self::Presumed(2 * round as u64 + 1),
            LossCause::ProcessGone | LossCause::HostRestarted => Self::Proved,
        }
    }
}

/// A session: everything that its accepted records say.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    id: SessionId,
    start: Accepted,
    state: SessionState,
    strength: Strength,
    decided_at: Timestamp,
    /// By round.
    gaps: Vec<(u32, Gap)>,
    /// It was not seen to begin.
    imported: bool,
}

impl Session {
    /// Begins a session; `None` where the record is neither a start nor an import.
    pub fn begin(start: Accepted) -> Option<Self> {
        let started = match start.fact {
            Fact::Imported(imported) => return Some(imported.into_session()),
            Fact::Start(ref started) => started,
            Fact::Ended(_) | Fact::Lost(_) | Fact::ClosedByHand(_) | Fact::Revived(_) => {
                return None;
            }
        };
        Some(Self {
            id: started.event.session_id(),
            decided_at: start.received_at,
            start,
            state: SessionState::Active,
            strength: Strength::alive(0),
            gaps: Vec::new(),
            imported: false,
        })
    }

    /// Folds a set of records, in any order; `None` where none begins a session.
    pub fn fold(records: impl IntoIterator<Item = Accepted>) -> Option<Self> {
        let (starts, others): (Vec<_>, Vec<_>) = records
            .into_iter()
            .partition(|record| record.fact.kind().begins_a_session());
        let mut session = Self::begin(starts.into_iter().min_by_key(|start| start.received_at)?)?;
        for record in others {
            session.accept(record);
        }
        Some(session)
    }

    /// Takes one more record into account. Records can come in any order; a weaker claim than what stands changes
    /// nothing but the gaps.
    pub fn accept(&mut self, record: Accepted) {
        let Accepted {
            received_at, fact, ..
        } = record;
        let (strength, state) = match fact {
            // A session has one start; another one is refused before it gets here.
            Fact::Start(_) | Fact::Imported(_) => return,
            Fact::Revived(revival) => {
                let Revival { round, gap, .. } = *revival;
                if let Err(place) = self.gaps.binary_search_by_key(&round, |(round, _)| *round) {
                    self.gaps.insert(place, (round, gap));
                }
                (Strength::alive(round + 1), SessionState::Active)
            }
            Fact::Lost(loss) => (
                Strength::lost(loss.cause, loss.round),
                SessionState::Lost {
                    closed_at: received_at,
                    loss,
                },
            ),
            Fact::ClosedByHand(act) => (
                Strength::ByHand,
                SessionState::Closed {
                    at: received_at,
                    act,
                },
            ),
            Fact::Ended(report) => (Strength::Reported, SessionState::Ended(report)),
        };
        if (strength, Reverse(received_at)) > (self.strength, Reverse(self.decided_at)) {
            self.strength = strength;
            self.state = state;
            self.decided_at = received_at;
        }
    }

    /// Gives its start.
    pub fn started(&self) -> &Started {
        match &self.start.fact {
            Fact::Start(started) => started,
            Fact::Ended(_)
            | Fact::Lost(_)
            | Fact::ClosedByHand(_)
            | Fact::Revived(_)
            | Fact::Imported(_) => {
                unreachable!("a session begins with a start, see `begin`")
            }
        }
    }

    /// Gives the record of its start.
    pub const fn start(&self) -> &Accepted {
        &self.start
    }

    /// Tells whether all that is known of its start is what somebody imported: nothing of that was verified here.
    pub const fn is_imported(&self) -> bool {
        self.imported
    }

    /// Gives its id.
    pub const fn id(&self) -> &SessionId {
        &self.id
    }

    /// Gives its state.
    pub const fn state(&self) -> &SessionState {
        &self.state
    }

    /// Gives the strength of the claim that stands.
    pub const fn strength(&self) -> Strength {
        self.strength
    }

    /// Counts the presumptions of its loss that were undone.
    pub fn rounds(&self) -> u32 {
        self.gaps.last().map_or(0, |(round, _)| round + 1)
    }

    /// Gives the receipt of its start.
    pub const fn received_at(&self) -> Timestamp {
        self.start.received_at
    }

    /// Gives its record, as it is stored: of an active session without duration and liveness. `vitals` is what
    /// heartbeats fed, which the ledger does not hold.
    pub fn record(&self, vitals: &Vitals) -> SessionRecord {
        let started = self.started();
        let event = &started.event;
        let ending = self.ending(vitals);
        let text = |text: &str| text.to_owned();
        SessionRecord {
            session_id: self.id.to_string(),
            session_type: event.session_type.to_string(),
            component_name: event.component_name.to_string(),
            shell_type: event.shell_type.to_string(),
            status: ending.status,
            liveness: None,
            username: event.user.username.to_string(),
            hostname: event.hostname.to_string(),
            pid: event.pid.get(),
            platform: event.environment.platform.to_string(),
            python_version: event.environment.python_version.to_string(),
            working_directory: event.environment.cwd.to_string(),
            start_time: event.timestamp,
            end_time: ending.at,
            duration_seconds: ending.duration_micros.map(|micros| micros / 1_000_000),
            end_known_by: ending.known_by,
            end_estimated: ending
                .known_by
                .is_some_and(|known_by| known_by != EndKnownBy::Reported),
            end_earliest: ending.bounds.map(|(earliest, _)| earliest),
            end_latest: ending.bounds.map(|(_, latest)| latest),
            error_occurred: ending.error_occurred(),
            quality_score: ending.quality(),
            closed_by: ending.closed_by,
            exit_reason: ending.exit_reason,
            exit_code: ending.exit_code,
            command_count: ending.counters.command_count,
            error_count: ending.counters.error_count,
            error_message: ending.counters.last_error,
            project: project(&event.metadata),
            reason: event.reason.as_deref().map(text),
            parent_session_id: event.parent_session_id.as_ref().map(ToString::to_string),
            actor_kind: event.actor.as_ref().map(|actor| actor.kind),
            actor_name: event
                .actor
                .as_ref()
                .and_then(|actor| actor.name.as_deref())
                .map(text),
            login_name: event.user.login_name.as_deref().map(text),
            login_name_source: event.user.login_name_source,
            tty: event.tty.as_deref().map(text),
            remote_address: event.remote_address.as_deref().map(text),
            runtime: event.runtime.as_deref().map(text),
            user_home: Some(event.user.home.to_string()),
            origin_transport: self
                .start
                .origin
                .as_ref()
                .map_or(Transport::Stdio, |origin| origin.transport),
            origin_address: self
                .start
                .origin
                .as_ref()
                .and_then(|origin| origin.address.clone()),
            origin_uid: self
                .start
                .origin
                .as_ref()
                .and_then(|origin| origin.uid)
                .map(i64::from),
            token_subject: self.start.subject.clone(),
            event_id: event.event_id.to_string(),
            created_at: self.start.received_at,
            skew_seconds: started.skew_micros.map(seconds_of_micros),
            last_seen: vitals.last_seen,
            gaps: self.gaps.iter().map(|(_, gap)| gap.clone()).collect(),
            metadata: event.metadata.clone(),
            end_metadata: ending.metadata,
        }
    }

    fn ending(&self, vitals: &Vitals) -> Ending {
        let start = self.started().event.timestamp;
        let lasted = |end: Timestamp| Some(end.micros_since(start).max(0));
        let reported = |event: Option<&SessionEndEvent>| {
            let seconds = event.and_then(|event| event.duration_seconds)?;
            Some(micros_of_seconds(seconds.get()))
        };
        match &self.state {
            SessionState::Active => Ending::none(vitals.counters.clone()),
            SessionState::Ended(report) => {
                let event = &report.event;
                Ending {
                    status: SessionStatus::Ended,
                    at: Some(event.timestamp),
                    duration_micros: reported(Some(event)).or_else(|| lasted(event.timestamp)),
                    known_by: Some(EndKnownBy::Reported),
                    exit_reason: event.exit_reason,
                    exit_code: event.exit_code.map(|code| code.get()),
                    counters: report.counters.clone(),
                    metadata: event.metadata.clone(),
                    ..Ending::none(Counters::default())
                }
            }
            SessionState::Closed { at, act } => Ending {
                status: SessionStatus::Ended,
                at: Some(*at),
                duration_micros: lasted(*at),
                known_by: Some(EndKnownBy::ByHand),
                bounds: Some((act.last_seen, *at)),
                closed_by: Some(act.by.clone()),
                counters: act.counters.clone(),
                ..Ending::none(Counters::default())
            },
            SessionState::Lost { closed_at, loss } => Ending {
                status: SessionStatus::Lost,
                at: Some(loss.end_time),
                duration_micros: reported(loss.event.as_ref()).or_else(|| lasted(loss.end_time)),
                known_by: Some(loss.cause.end_known_by()),
                bounds: Some((loss.last_seen, *closed_at)),
                closed_by: loss.closed_by.clone(),
                exit_code: loss
                    .event
                    .as_ref()
                    .and_then(|event| event.exit_code)
                    .map(|code| code.get()),
                counters: loss.counters.clone(),
                metadata: loss
                    .event
                    .as_ref()
                    .map(|event| event.metadata.clone())
                    .unwrap_or_default(),
                ..Ending::none(Counters::default())
            },
        }
    }
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

/// What a record says of the end of its session.
struct Ending {
    status: SessionStatus,
    at: Option<Timestamp>,
    duration_micros: Option<i64>,
    known_by: Option<EndKnownBy>,
    bounds: Option<(Timestamp, Timestamp)>,
    closed_by: Option<String>,
    exit_reason: Option<ExitReason>,
    exit_code: Option<i64>,
    counters: Counters,
    metadata: Metadata,
}

impl Ending {
    fn none(counters: Counters) -> Self {
        Self {
            status: SessionStatus::Active,
            at: None,
            duration_micros: None,
            known_by: None,
            bounds: None,
            closed_by: None,
            exit_reason: None,
            exit_code: None,
            counters,
            metadata: Metadata::default(),
        }
    }

    fn error_occurred(&self) -> bool {
        self.counters.error_count.is_some_and(|count| count > 0)
            || matches!(
                self.exit_reason,
                Some(ExitReason::Error | ExitReason::Panic)
            )
    }

    /// 100 - 40 x share of commands that failed - 30 if the end was not reported - 30 x min(1, width / 600 s).
    fn quality(&self) -> Option<Number> {
        /// An estimate this wide says nothing of the end: ten minutes.
        const WIDEST_SECONDS: f64 = 600.0;
        let known_by = self.known_by?;
        let failed = match (self.counters.command_count, self.counters.error_count) {
            #[expect(
                clippy::cast_precision_loss,
                reason = "a share needs no more than 53 bits"
            )]
            (Some(commands), Some(errors)) if commands > 0 => {
                (errors as f64 / commands as f64).min(1.0)
            }
            _ => f64::from(u8::from(self.error_occurred())),
        };
        let unreported = f64::from(u8::from(known_by != EndKnownBy::Reported));
        let width = self.bounds.map_or(0.0, |(earliest, latest)| {
            seconds_of_micros(latest.micros_since(earliest))
        });
        let width = (width / WIDEST_SECONDS).clamp(0.0, 1.0);
        Some(Number::saturating(
            100.0 - 40.0 * failed - 30.0 * unreported - 30.0 * width,
        ))
    }
}

fn project(metadata: &Metadata) -> Option<String> {
    let text = |key: &str| {
        metadata
            .as_map()
            .get(key)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    };
    let root = || {
        text("project_root")?
            .trim_end_matches('/')
            .rsplit('/')
            .next()
            .filter(|part| !part.is_empty())
    };
    text("project").or_else(root).map(str::to_owned)
}

mod imported;
pub(crate) mod payload;

pub use imported::Imported;
pub use payload::{Kind, PayloadError};
