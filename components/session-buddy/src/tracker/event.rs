//! An event of any type, and what its sender is told.

use serde::Serialize;
use session_model::{
    ErrorCode, SessionEndEvent, SessionEndResult, SessionHeartbeatEvent, SessionHeartbeatResult,
    SessionId, SessionStartEvent, SessionStartResult, result::Refusal,
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

/// The code of a refusal for want of a right, as every front spells it.
pub(crate) const FORBIDDEN: &str = ErrorCode::Forbidden.as_str();

fn forbidden(error: String) -> Refusal {
    Refusal {
        error,
        error_code: Some(FORBIDDEN.to_owned()),
    }
}

fn not_yours(session_id: &str) -> Refusal {
    forbidden(format!(
        "session {session_id} was begun by somebody else, and only an administrator may speak for others"
    ))
}

impl EventResult {
    /// Gives why it was refused; none where it was not.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Start(SessionStartResult::Error(refusal))
            | Self::End(SessionEndResult::Error { refusal, .. })
            | Self::Heartbeat(SessionHeartbeatResult::Error { refusal, .. }) => Some(refusal),
            Self::Start(_) | Self::End(_) | Self::Heartbeat(_) => None,
        }
    }

    /// Tells whether its session is not on record.
    pub const fn is_not_found(&self) -> bool {
        matches!(
            self,
            Self::End(SessionEndResult::NotFound { .. })
                | Self::Heartbeat(SessionHeartbeatResult::NotFound { .. })
        )
    }

    /// Tells whether it was refused for want of a right.
    pub fn is_forbidden(&self) -> bool {
        let code = self
            .refusal()
            .and_then(|refusal| refusal.error_code.as_deref());
        code == Some(FORBIDDEN)
    }
}

pub(super) fn start_result(session_id: String, verdict: Verdict) -> SessionStartResult {
    match verdict {
        Verdict::Forbidden => {
            SessionStartResult::Error(forbidden("the token is for another component".to_owned()))
        }
        Verdict::Conflict => SessionStartResult::Error(Refusal {
            error: format!(
                "session {session_id} is on record with another event_id or other content"
            ),
            error_code: Some(ErrorCode::Conflict.to_string()),
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
        Verdict::Forbidden => SessionEndResult::Error {
            refusal: not_yours(&session_id),
            session_id,
        },
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
        Verdict::Forbidden => SessionHeartbeatResult::Error {
            refusal: not_yours(&session_id),
            session_id: Some(session_id),
        },
        Verdict::Begun
        | Verdict::Tracked
        | Verdict::Conflict
        | Verdict::Ended
        | Verdict::ForceNeeded => SessionHeartbeatResult::Ended { session_id },
    }
}
