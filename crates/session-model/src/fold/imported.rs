//! A session that is known by its record alone: as another server's export tells it.
//!
//! A record says less than the events that made it, so what is told must be what some fold of events could have said. The
//! events are made up from it, each key within the bounds that it has on the wire, and folded; then every key of the record,
//! also those that follow from others, must be what comes of that. So a line of an import cannot say of a session what no
//! session can be.

use serde_json::{Map, Value, json};

use super::{
    Accepted, ByHand, Counters, Fact, Loss, LossCause, Origin, Report, Session, SessionState,
    Started, Strength, Vitals,
};
use crate::{
    escape::{for_line, in_json},
    event::{SessionEndEvent, SessionStartEvent},
    field::{Field, FieldErrors, Place, expected},
    record::{SessionRecord, micros_of_seconds, seconds_of_micros},
    text::text_problem,
    timestamp::Timestamp,
    words::{EndKnownBy, ExitReason, SessionStatus},
};

/// The longest of the texts that no event holds: who closed a session, under which name and from where it was begun.
const NAME_CHARACTERS_MAX: usize = 500;

/// A session as somebody else told it.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    session: Session,
    vitals: Vitals,
}

impl Imported {
    /// Takes a session by its record, as it is stored: of an active session without duration and liveness.
    ///
    /// # Errors
    ///
    /// Every key that is out of its bounds, or that disagrees with others.
    pub fn of(record: &SessionRecord) -> Result<Self, FieldErrors> {
        let vitals = Vitals {
            last_seen: record.last_seen,
            counters: Counters {
                command_count: record.command_count,
                error_count: record.error_count,
                last_error: record.error_message.clone(),
            },
            lease_expires_at: None,
        };
        let session = session_of(record, &vitals.counters)?;
        let told = session.record(&vitals);
        if told == *record {
            Ok(Self { session, vitals })
        } else {
            Err(disagreements(record, &told))
        }
    }

    /// Reads a session from the JSON of its record. Unlike elsewhere an unknown key is refused: what it says would be lost.
    ///
    /// # Errors
    ///
    /// As [`Self::of`].
    pub fn from_json(value: &Value) -> Result<Self, FieldErrors> {
        let record = SessionRecord::from_json(value);
        let unknown = unknown_keys(value);
        let errors = match record {
            Ok(record) if unknown.is_empty() => return Self::of(&record),
            Ok(_) => FieldErrors::default(),
            Err(errors) => errors,
        };
        Err(errors.and(unknown))
    }

    /// Gives the session.
    pub const fn session(&self) -> &Session {
        &self.session
    }

    /// Gives what its heartbeats fed.
    pub const fn vitals(&self) -> &Vitals {
        &self.vitals
    }

    /// Gives the record that tells it.
    pub fn record(&self) -> SessionRecord {
        self.session.record(&self.vitals)
    }

    /// Gives the session, apart from what told it.
    pub fn into_session(self) -> Session {
        self.session
    }

    /// Gives the record as it stands in the ledger: without the keys that are null.
    pub(super) fn to_value(&self) -> Value {
        let mut value = super::payload::to_value(&self.record());
        if let Value::Object(members) = &mut value {
            members.retain(|_, member| !member.is_null());
        }
        value
    }
}

fn unknown_keys(value: &Value) -> FieldErrors {
    let mut errors = FieldErrors::default();
    let known = <SessionRecord as crate::field::Keyed>::KEYS;
    let keys = value.as_object().into_iter().flat_map(Map::keys);
    for key in keys.filter(|key| !known.contains(&key.as_str())) {
        errors.add(
            Place::root().member(&for_line(key)),
            "unknown; a newer version may have written it, which this one would lose",
        );
    }
    errors
}

fn session_of(record: &SessionRecord, counters: &Counters) -> Result<Session, FieldErrors> {
    let start = start_of(record);
    let (end, end_errors) = match end_of(record) {
        Ok(end) => (Some(end), FieldErrors::default()),
        Err(errors) => (None, errors),
    };
    let mut errors = of_server(record).and(end_errors);
    let origin_uid = record.origin_uid.map(u32::try_from).transpose();
    if origin_uid.is_err() {
        let message = format!("expected an integer from 0 to {}", u32::MAX);
        errors.add(Place::root().member("origin_uid"), message);
    }
    let (Ok(event), Some(end), Ok(uid)) = (&start, end, origin_uid) else {
        return Err(start.err().unwrap_or_default().and(errors));
    };
    if !errors.is_empty() {
        return Err(errors);
    }
    let rounds = u32::try_from(record.gaps.len()).unwrap_or(u32::MAX);
    let (state, strength, decided_at) = state_of(record, counters, end, rounds)?;
    let started = Started {
        event: event.clone(),
        skew_micros: record.skew_seconds.map(skew_micros),
    };
    Ok(Session {
        id: event.session_id(),
        start: Accepted {
            received_at: record.created_at,
            origin: Some(Origin {
                transport: record.origin_transport,
                address: record.origin_address.clone(),
                uid,
            }),
            subject: record.token_subject.clone(),
            fact: Fact::Start(Box::new(started)),
        },
        state,
        strength,
        decided_at,
        gaps: (0..).zip(record.gaps.iter().cloned()).collect(),
        imported: true,
    })
}

/// Makes up the event that began it.
fn start_of(record: &SessionRecord) -> Result<SessionStartEvent, FieldErrors> {
    let actor = record
        .actor_kind
        .map(|kind| json!({"kind": kind, "name": record.actor_name}));
    let event = json!({
        "event_version": "1.0",
        "event_id": record.event_id,
        "component_name": record.component_name,
        "shell_type": record.shell_type,
        "timestamp": record.start_time,
        "pid": record.pid,
        "user": {
            "username": record.username,
            "home": record.user_home,
            "login_name": record.login_name,
            "login_name_source": record.login_name_source,
        },
        "hostname": record.hostname,
        "environment": {
            "python_version": record.python_version,
            "platform": record.platform,
            "cwd": record.working_directory,
        },
        "session_type": record.session_type,
        "reason": record.reason,
        "actor": actor,
        "parent_session_id": record.parent_session_id,
        "tty": record.tty,
        "remote_address": record.remote_address,
        "runtime": record.runtime,
    });
    let event = SessionStartEvent::from_json(&event);
    let mut event = event.map_err(|errors| as_in_record(&errors, "start_time"))?;
    event.metadata = record.metadata.clone();
    Ok(event)
}

/// Makes up the event that reported its end; of an active session it only holds the counters.
fn end_of(record: &SessionRecord) -> Result<SessionEndEvent, FieldErrors> {
    let event = json!({
        "session_id": record.session_id,
        "timestamp": record.end_time.unwrap_or(record.start_time),
        "exit_reason": record.exit_reason,
        "exit_code": record.exit_code,
        "duration_seconds": record.duration_seconds,
        "command_count": record.command_count,
        "error_count": record.error_count,
        "last_error": record.error_message,
    });
    let event = SessionEndEvent::from_json(&event);
    let mut event = event.map_err(|errors| as_in_record(&errors, "end_time"))?;
    event.metadata = record.end_metadata.clone();
    Ok(event)
}

/// Looks at what a server puts into a record, and no event holds.
fn of_server(record: &SessionRecord) -> FieldErrors {
    let mut errors = FieldErrors::default();
    for (key, name) in [
        ("closed_by", &record.closed_by),
        ("origin_address", &record.origin_address),
        ("token_subject", &record.token_subject),
    ] {
        let problem = name
            .as_deref()
            .and_then(|name| text_problem(name, NAME_CHARACTERS_MAX));
        if let Some(problem) = problem {
            errors.add(Place::root().member(key), problem);
        }
    }
    if record.exit_reason == Some(ExitReason::Lost) {
        let message = "lost is said by whoever found the session gone, and stands in end_known_by";
        errors.add(Place::root().member("exit_reason"), message);
    }
    if record.actor_name.is_some() && record.actor_kind.is_none() {
        errors.add(
            Place::root().member("actor_kind"),
            "required beside actor_name",
        );
    }
    errors
}

fn state_of(
    record: &SessionRecord,
    counters: &Counters,
    end: SessionEndEvent,
    rounds: u32,
) -> Result<(SessionState, Strength, Timestamp), FieldErrors> {
    let Some(known_by) = record.end_known_by else {
        return Ok((
            SessionState::Active,
            Strength::alive(rounds),
            record.last_seen,
        ));
    };
    let mut errors = FieldErrors::default();
    let mut required = |key: &str, time: Option<Timestamp>| {
        if time.is_none() {
            let message = format!("required where end_known_by is {known_by}");
            errors.add(Place::root().member(key), message);
        }
        time.unwrap_or(record.last_seen)
    };
    let end_time = required("end_time", record.end_time);
    let counters = counters.clone();
    let lost = |cause, earliest, latest| {
        let loss = Loss {
            cause,
            round: rounds,
            end_time,
            last_seen: earliest,
            closed_by: record.closed_by.clone(),
            counters: counters.clone(),
            event: Some(end.clone()),
        };
        let state = SessionState::Lost {
            closed_at: latest,
            loss: Box::new(loss),
        };
        (state, Strength::lost(cause, rounds), latest)
    };
    let mut bounds = || {
        let earliest = required("end_earliest", record.end_earliest);
        (earliest, required("end_latest", record.end_latest))
    };
    let told = match known_by {
        EndKnownBy::Reported => {
            let report = Report {
                event: end.clone(),
                counters: counters.clone(),
            };
            let state = SessionState::Ended(Box::new(report));
            (state, Strength::Reported, record.last_seen)
        }
        EndKnownBy::ByHand => {
            let (last_seen, _) = bounds();
            let act = ByHand {
                by: record.closed_by.clone().unwrap_or_default(),
                reason: None,
                last_seen,
                counters: counters.clone(),
            };
            let state = SessionState::Closed {
                at: end_time,
                act: Box::new(act),
            };
            (state, Strength::ByHand, end_time)
        }
        EndKnownBy::ProcessGone => {
            let (earliest, latest) = bounds();
            lost(LossCause::ProcessGone, earliest, latest)
        }
        EndKnownBy::HostRestarted => {
            let (earliest, latest) = bounds();
            lost(LossCause::HostRestarted, earliest, latest)
        }
        EndKnownBy::LeaseExpired => {
            let (earliest, latest) = bounds();
            lost(LossCause::LeaseExpired, earliest, latest)
        }
    };
    if errors.is_empty() {
        Ok(told)
    } else {
        Err(errors)
    }
}

/// Finds the microseconds that are written as these seconds; near a year a float has room for no more than some of them.
fn skew_micros(seconds: f64) -> i64 {
    let micros = micros_of_seconds(seconds);
    let near = (0..=16).flat_map(|step| [micros.saturating_add(step), micros.saturating_sub(step)]);
    let mut written =
        near.filter(|micros| seconds_of_micros(*micros).to_bits() == seconds.to_bits());
    written.next().unwrap_or(micros)
}

/// Names keys as a record has them.
fn as_in_record(errors: &FieldErrors, timestamp: &str) -> FieldErrors {
    let mut named = FieldErrors::default();
    for error in errors.as_slice() {
        let key = match error.field.as_str() {
            "timestamp" => timestamp,
            "user.home" => "user_home",
            "environment.cwd" => "working_directory",
            "actor.name" => "actor_name",
            "last_error" => "error_message",
            field => field.rsplit('.').next().unwrap_or(field),
        };
        named.add(Place::root().member(key), &error.message);
    }
    named
}

/// Says of each key that is not what follows from the others.
fn disagreements(record: &SessionRecord, told: &SessionRecord) -> FieldErrors {
    let (found, follows) = (
        super::payload::to_value(record),
        super::payload::to_value(told),
    );
    let mut errors = FieldErrors::default();
    for key in <SessionRecord as crate::field::Keyed>::KEYS {
        let (found, follows) = (&found[key], &follows[key]);
        if found != follows {
            let message = if follows.is_null() && record.status == SessionStatus::Active {
                expected("null while active", found)
            } else {
                format!(
                    "found {}, and the other keys give {}",
                    shown(found),
                    shown(follows)
                )
            };
            errors.add(Place::root().member(key), message);
        }
    }
    errors
}

/// Writes a value for an error, cut to 60 characters.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => crate::field::quoted(text),
        value => {
            let text = value.to_string();
            let text = in_json(&text).into_owned();
            match text.char_indices().nth(60) {
                Some((end, _)) => format!("{}...", &text[..end]),
                None => text,
            }
        }
    }
}
