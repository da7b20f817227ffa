//! Routes by which shells and agents speak to the server.

use serde_json::{Value, json};
use session_model::ErrorCode;

use super::{
    super::answers::{Answer, reference},
    JSON, Operation, answer, get, object, queries,
};
use crate::http::{EVENTS, MCP, events::LINES_MAX, parameters};

pub(super) fn take_events() -> Operation {
    let events = [
        "SessionStartEvent",
        "SessionEndEvent",
        "SessionHeartbeatEvent",
    ]
    .map(reference);
    let results = [
        "SessionStartResult",
        "SessionEndResult",
        "SessionHeartbeatResult",
    ]
    .map(reference);
    Operation {
        method: "POST",
        description: "One event on each line, at most 256, in one commit; each names its `event_type`, and may carry \
            `sent_at`. Each is answered in its place, so one that cannot be taken fails none of the others: it is \
            `INVALID_EVENT` or `CONFLICT`, which are final, or another code, and may be sent again.",
        body: Some((
            "application/x-ndjson",
            json!({
                "type": "array",
                "maxItems": LINES_MAX,
                "items": {
                    "description": "An event; what is none is answered in its place",
                    "anyOf": [{"anyOf": events}, {}],
                },
            }),
        )),
        answers: answer(
            "The results, in the order of the lines",
            json!({"type": "array", "maxItems": LINES_MAX, "items": {"anyOf": results}}),
        ),
        refusals: &[],
        ..get(EVENTS, "takeEvents", "events", "Takes what shells report")
    }
}

pub(super) fn call_tools() -> Operation {
    let id = json!({"type": ["string", "integer"]});
    let message = |more: Value, required: &[&str]| {
        let mut members = json!({"jsonrpc": {"const": "2.0"}});
        for (name, schema) in more.as_object().into_iter().flatten() {
            members[name] = schema.clone();
        }
        object(members, required)
    };
    let error = object(
        json!({"code": {"type": "integer"}, "message": {"type": "string"}}),
        &["code", "message"],
    );
    let failed = message(
        json!({"id": {"type": ["string", "integer", "null"]}, "error": error}),
        &["jsonrpc", "error"],
    );
    let result = message(
        json!({"id": id, "result": {"type": "object"}}),
        &["jsonrpc", "id", "result"],
    );
    let body = message(
        json!({"id": id, "method": {"type": "string"}, "params": {"type": "object"}}),
        &["jsonrpc", "method"],
    );
    let status = |status, description, schema: Option<Value>| Answer {
        status,
        description,
        content: schema.map(|schema| (JSON, schema)),
        headers: &[],
    };
    Operation {
        method: "POST",
        description: "Streamable HTTP without sessions, revisions 2025-11-25 and 2026-07-28, an answer of plain JSON for \
            each request. What is wrong inside a message is answered as JSON-RPC has it. `tools/list` tells the tools.",
        body: Some((JSON, body)),
        answers: vec![
            status(
                200,
                "The response to a request",
                Some(json!({"anyOf": [result, failed]})),
            ),
            status(202, "A notification was taken", None),
            status(
                400,
                "The message cannot be read, or its headers contradict it",
                Some(failed.clone()),
            ),
            status(
                404,
                "There is no such method (revision 2026-07-28)",
                Some(failed),
            ),
        ],
        refusals: &[ErrorCode::NotAcceptable],
        ..get(
            MCP,
            "callTools",
            "events",
            "Takes one message of the Model Context Protocol",
        )
    }
}

pub(super) fn follow_events() -> Operation {
    let last = json!({
        "name": "Last-Event-ID",
        "in": "header",
        "description": "The id of the event that was seen last: the stream goes on after it, whatever happened meanwhile",
        "schema": {"type": "string", "format": "event-id"},
    });
    let mut parameters = queries(parameters::FOLLOW);
    parameters.push(last);
    Operation {
        description: "Server-sent events: `event` is the kind of the ledger's record, or `dropped` where the stream ends \
            because it was not taken fast enough; `data` the session's record; `id` is opaque.",
        parameters,
        answers: vec![Answer {
            status: 200,
            description: "What happens, until one of both ends it",
            content: Some(("text/event-stream", json!({"type": "string"}))),
            headers: &[],
        }],
        refusals: &[ErrorCode::InvalidCursor, ErrorCode::StorageUnavailable],
        ..get(
            EVENTS,
            "followEvents",
            "events",
            "Tells what happens to sessions, as it happens",
        )
    }
}
