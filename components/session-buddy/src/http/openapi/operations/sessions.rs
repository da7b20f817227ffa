//! Routes about sessions.

use serde_json::json;
use session_model::ErrorCode;

use super::{
    super::answers::{Answer, reference},
    JSON, OF_STORE, Operation, answer, array, fine, get, object, page, queries,
};
use crate::http::{api::Closing, openapi::operations::NEXT, parameters};

pub(super) fn list_sessions() -> Operation {
    Operation {
        description: "Filters that are repeated, or have commas, are alternatives; different filters are all required. \
            Sessions are told as they stand now.",
        parameters: queries(&parameters::list()),
        answers: page(
            "A page of sessions",
            "SessionRecord",
            &[
                NEXT,
                (
                    "X-Total-Count",
                    "How many match in all, where that is known or was asked for",
                ),
            ],
        ),
        refusals: &[ErrorCode::InvalidCursor, ErrorCode::StorageUnavailable],
        ..get(
            "/api/sessions",
            "listSessions",
            "sessions",
            "Lists sessions, newest first",
        )
    }
}

pub(super) fn show_session() -> Operation {
    Operation {
        answers: answer("The session", reference("SessionRecord")),
        refusals: &[
            ErrorCode::SessionNotFound,
            ErrorCode::AmbiguousId,
            ErrorCode::StorageUnavailable,
        ],
        ..get(
            "/api/sessions/{id}",
            "showSession",
            "sessions",
            "Shows one session",
        )
    }
}

pub(super) fn end_session() -> Operation {
    Operation {
        method: "POST",
        description: "Its process goes on. Closing it again changes nothing.",
        body: Some((JSON, object(Closing::members(), &[]))),
        answers: answer("The session as it stands then", reference("SessionRecord")),
        refusals: &[
            ErrorCode::SessionNotFound,
            ErrorCode::AmbiguousId,
            ErrorCode::SessionAlive,
            ErrorCode::StorageUnavailable,
        ],
        ..get(
            "/api/sessions/{id}/end",
            "endSession",
            "sessions",
            "Closes a session by hand",
        )
    }
}

pub(super) fn violations() -> Operation {
    Operation {
        answers: answer("Those sessions", array(reference("Violating"))),
        refusals: OF_STORE,
        ..get(
            "/api/violations",
            "listViolations",
            "sessions",
            "Lists open sessions that break the policy of their component",
        )
    }
}

pub(super) fn export() -> Operation {
    let written = |media_type, schema| Answer {
        content: Some((media_type, schema)),
        headers: &[("Content-Disposition", "A name for the file")],
        ..fine("All sessions that match, in a stream", json!({}))
    };
    Operation {
        description: "Filters as in the list. Active sessions carry no duration.",
        parameters: queries(&parameters::export()),
        answers: vec![
            written(JSON, array(reference("SessionRecord"))),
            written("application/x-ndjson", json!({"type": "string"})),
            written("text/csv", json!({"type": "string"})),
        ],
        refusals: OF_STORE,
        ..get(
            "/api/export",
            "exportSessions",
            "sessions",
            "Gives all sessions, as a file",
        )
    }
}

pub(super) fn import() -> Operation {
    let count = json!({"type": "integer", "minimum": 0});
    let counts = json!({"imported": count, "known": count});
    Operation {
        method: "POST",
        description: "Sessions of another server, a line each, as its export wrote them: all of them or none.",
        body: Some(("application/x-ndjson", json!({"type": "string"}))),
        answers: answer(
            "How many are new, and how many were on record already",
            object(counts, &["imported", "known"]),
        ),
        refusals: &[ErrorCode::Conflict, ErrorCode::StorageUnavailable],
        ..get(
            "/api/import",
            "importSessions",
            "sessions",
            "Puts down sessions of another server",
        )
    }
}
