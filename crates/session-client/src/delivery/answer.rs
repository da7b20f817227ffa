//! What a server said to an event.

use serde_json::Value;
use session_model::{
    Field, FieldErrors, SessionEndResult, SessionHeartbeatResult, SessionStartResult,
    escape::is_unsafe, result::Refusal,
};

use crate::spool::Refused;

/// The longest id that a server may give a session, in bytes.
const ID_BYTES_MAX: usize = 1024;
/// How much of what a server says is kept.
const CAUSE_CHARACTERS_MAX: usize = 500;

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The session began.
    Start,
    /// The session ended.
    End,
    /// The session lives.
    Heartbeat,
}

impl Kind {
    /// Gives the word for it on the wire.
    pub const fn event_type(self) -> &'static str {
        match self {
            Self::Start => "session_start",
            Self::End => "session_end",
            Self::Heartbeat => "session_heartbeat",
        }
    }

    /// Gives the tool that takes it.
    pub const fn tool(self) -> &'static str {
        match self {
            Self::Start => "track_session_start",
            Self::End => "track_session_end",
            Self::Heartbeat => "track_session_heartbeat",
        }
    }
}

/// What becomes of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is on record, under this id.
    Taken {
        /// The session's id at the server.
        session_id: String,
    },
    /// The session is closed, so that a heartbeat means nothing.
    Closed,
    /// The server does not know the session: its start must come again.
    NotFound,
    /// The event will never be taken.
    Refused(Refused),
    /// The event was not taken now.
    NotTaken {
        /// Why.
        cause: String,
    },
}

/// The codes of refusals that are final, when they come as a result and not as a failure.
const FINAL_CODES: [&str; 2] = ["INVALID_EVENT", "CONFLICT"];

impl Answer {
    /// Reads the result of a tool. `failed` says that it came as a failure: then no refusal is final.
    pub fn of(kind: Kind, result: &Value, failed: bool) -> Self {
        let read = match kind {
            Kind::Start => SessionStartResult::from_json(result).map(Self::of_start),
            Kind::End => SessionEndResult::from_json(result).map(Self::of_end),
            Kind::Heartbeat => SessionHeartbeatResult::from_json(result).map(Self::of_heartbeat),
        };
        match read.unwrap_or_else(|errors| Self::unreadable(&errors)) {
            Self::Refused(Refused { error, error_code }) if failed => Self::NotTaken {
                cause: with_code(&error, error_code.as_deref()),
            },
            // A server that answers a start without an id, or with a novel, has not understood it.
            Self::Taken { session_id } if session_id.is_empty() => Self::NotTaken {
                cause: "it gave the session no id".to_owned(),
            },
            Self::Taken { session_id } if session_id.len() > ID_BYTES_MAX => Self::NotTaken {
                cause: format!("it gave the session an id of {} bytes", session_id.len()),
            },
            answer => answer,
        }
    }

    fn of_start(result: SessionStartResult) -> Self {
        match result {
            SessionStartResult::Tracked { session_id } => Self::Taken { session_id },
            SessionStartResult::Error(refusal) => Self::refused(refusal),
        }
    }

    fn of_end(result: SessionEndResult) -> Self {
        match result {
            SessionEndResult::Ended { session_id } => Self::Taken { session_id },
            SessionEndResult::NotFound { .. } => Self::NotFound,
            SessionEndResult::Error { refusal, .. } => Self::refused(refusal),
        }
    }

    fn of_heartbeat(result: SessionHeartbeatResult) -> Self {
        match result {
            SessionHeartbeatResult::Alive { session_id, .. } => Self::Taken { session_id },
            SessionHeartbeatResult::Ended { .. } => Self::Closed,
            SessionHeartbeatResult::NotFound { .. } => Self::NotFound,
            SessionHeartbeatResult::Error { refusal, .. } => Self::refused(refusal),
        }
    }

    fn refused(Refusal { error, error_code }: Refusal) -> Self {
        let is_final = error_code
            .as_deref()
            .is_some_and(|code| FINAL_CODES.contains(&code));
        if is_final {
            let error = for_people(&error);
            return Self::Refused(Refused { error, error_code });
        }
        Self::NotTaken {
            cause: with_code(&error, error_code.as_deref()),
        }
    }

    fn unreadable(errors: &FieldErrors) -> Self {
        Self::NotTaken {
            cause: for_people(&format!("its answer is no result of an event: {errors}")),
        }
    }
}

fn with_code(error: &str, code: Option<&str>) -> String {
    for_people(&match code {
        Some(code) => format!("{error} ({code})"),
        None => error.to_owned(),
    })
}

/// Takes what a server or the environment says as something that a person may read at a prompt, and that a file may
/// hold: at most 500 characters, none of which moves the cursor. What is left out of a longer text is its middle: what is
/// wrong stands at the beginning or at the end, and what is long between them.
pub(crate) fn for_people(text: &str) -> String {
    let count = text.chars().count();
    let gap = count > CAUSE_CHARACTERS_MAX;
    let (head, tail) = if gap {
        let tail = CAUSE_CHARACTERS_MAX / 3;
        (CAUSE_CHARACTERS_MAX - tail - 1, tail)
    } else {
        (count, 0)
    };
    let shown = text.chars().take(head).chain(gap.then_some('…'));
    let shown = shown.chain(text.chars().skip(count - tail));
    shown.map(|c| if is_unsafe(c) { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn error(code: Option<&str>) -> Value {
        json!({"session_id": null, "status": "error", "error": "no", "error_code": code})
    }

    #[test]
    fn only_a_bad_event_and_a_conflict_are_final() {
        let start = |code, failed| Answer::of(Kind::Start, &error(code), failed);
        for code in FINAL_CODES {
            assert!(matches!(start(Some(code), false), Answer::Refused(_)));
            assert!(matches!(start(Some(code), true), Answer::NotTaken { .. }));
        }
        for code in [None, Some("OVERLOADED"), Some("TOKEN_INVALID")] {
            assert!(
                matches!(start(code, false), Answer::NotTaken { .. }),
                "{code:?}"
            );
        }
    }

    #[test]
    fn results_are_read_by_the_kind_of_event() {
        let result = |status| json!({"session_id": "a-1", "status": status, "error": null});
        let taken = Answer::Taken {
            session_id: "a-1".to_owned(),
        };
        assert_eq!(Answer::of(Kind::Start, &result("tracked"), false), taken);
        assert_eq!(Answer::of(Kind::End, &result("ended"), false), taken);
        assert_eq!(Answer::of(Kind::Heartbeat, &result("alive"), false), taken);
        assert_eq!(
            Answer::of(Kind::Heartbeat, &result("ended"), false),
            Answer::Closed
        );
        assert_eq!(
            Answer::of(Kind::End, &result("not_found"), false),
            Answer::NotFound
        );
    }

    #[test]
    fn garbage_is_not_taken_for_an_answer() {
        for garbage in [
            json!(null),
            json!("mahavishnu-1"),
            json!([]),
            json!({"status": "tracked"}),
            json!({"session_id": "", "status": "tracked"}),
            json!({"session_id": "a", "status": "ended"}),
        ] {
            let answer = Answer::of(Kind::Start, &garbage, false);
            assert!(
                matches!(answer, Answer::NotTaken { .. }),
                "{garbage}: {answer:?}"
            );
        }
    }

    #[test]
    fn what_people_read_is_short_and_moves_nothing() {
        assert_eq!(
            for_people("it\u{1b}[31m is \u{202e}so\u{200b}\u{2028}\n"),
            "it [31m is  so   "
        );
        let fits = "é".repeat(500);
        assert_eq!(for_people(&fits), fits);
        let long = for_people(&format!("cannot use {}: too long", "/a".repeat(2_500)));
        assert_eq!(long.chars().count(), 500);
        assert!(
            long.starts_with("cannot use /a") && long.ends_with("/a: too long"),
            "{long}"
        );
    }
}
