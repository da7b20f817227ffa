//! An event of any type, and what its sender is told.

use serde::Serialize;
use session_model::{
    SessionEndEvent, SessionEndResult, SessionHeartbeatEvent, SessionHeartbeatResult, SessionId,
    SessionStartEvent, SessionStartResult, result::Refusal,
};

use crate::store::Verdict;

/// What a shell says.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// It began.
    Start(Box<SessionStartEvent>),
    /// It ended.
    End(Box<SessionEndEvent>),
    /// It lives.
    Heartbeat(Box<SessionHeartbeatEvent>),
}

/// What the sender of an event is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum EventResult {
    /// Of a start.
    Start(SessionStartResult),
    /// Of an end.
    End(SessionEndResult),
    /// Of a heartbeat.
    Heartbeat(SessionHeartbeatResult),
}

/// An event that waits for its verdict.
pub(super) enum Waiting {
    Start(SessionId),
    End(SessionId),
    Heartbeat(SessionId),
}

impl Waiting {
    pub(super) fn answer(self, verdict: Verdict) -> EventResult {
        match self {
            Self::Start(id) => EventResult::Start(start_result(id.to_string(), verdict)),
            Self::End(id) => EventResult::End(end_result(id.to_string(), verdict)),
            Self::Heartbeat(id) => {
                EventResult::Heartbeat(heartbeat_result(id.to_string(), verdict))
            }
        }
    }
}

pub(super) fn start_result(session_id: String, verdict: Verdict) -> SessionStartResult {
    match verdict {
        Verdict::Conflict => SessionStartResult::Error(Refusal {
            error: format!(
                "session {session_id} is on record with another event_id or other content"
            ),
            error_code: Some("CONFLICT".to_owned()),
        }),
        Verdict::Begun
        | Verdict::Tracked
        | Verdict::Alive { .. }
        | Verdict::Ended
        | Verdict::NotFound
        | Verdict::ForceNeeded => SessionStartResult::Tracked { session_id },
    }
}

pub(super) fn end_result(session_id: String, verdict: Verdict) -> SessionEndResult {
    match verdict {
        Verdict::NotFound => SessionEndResult::NotFound { session_id },
        Verdict::Begun
        | Verdict::Tracked
        | Verdict::Conflict
        | Verdict::Alive { .. }
        | Verdict::Ended
        | Verdict::ForceNeeded => SessionEndResult::Ended { session_id },
    }
}

pub(super) fn heartbeat_result(session_id: String, verdict: Verdict) -> SessionHeartbeatResult {
    match verdict {
        Verdict::Alive { lease_seconds } => SessionHeartbeatResult::Alive {
            session_id,
            lease_seconds,
        },
        Verdict::NotFound => SessionHeartbeatResult::NotFound { session_id },
        Verdict::Begun
        | Verdict::Tracked
        | Verdict::Conflict
        | Verdict::Ended
        | Verdict::ForceNeeded => SessionHeartbeatResult::Ended { session_id },
    }
}
