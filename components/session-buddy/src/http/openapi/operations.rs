//! Each route: what it is for, what it takes, what it answers, and with which codes of its own it refuses.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use session_model::{ErrorCode, Text, schema::inside};

use super::answers::{Answer, reference};
use crate::{
    analytics::request::ViewName,
    http::{
        EVENTS, MCP,
        api::Closing,
        events::LINES_MAX,
        parameters::{self, Parameter},
    },
};

/// A route as the document describes it.
pub(in crate::http) struct Operation {
    pub(in crate::http) method: &'static str,
    pub(in crate::http) path: &'static str,
    pub(super) id: &'static str,
    pub(super) tag: &'static str,
    pub(super) summary: &'static str,
    /// What the summary does not say; empty where that is nothing.
    pub(super) description: &'static str,
    /// Of its query.
    pub(super) parameters: Vec<Value>,
    /// Media type and schema of what it takes.
    pub(super) body: Option<(&'static str, Value)>,
    pub(super) answers: Vec<Answer>,
    /// The codes that only its handler has.
    pub(super) refusals: &'static [ErrorCode],
}

/// The tags with what they stand for.
pub(super) const TAGS: &[(&str, &str)] = &[
    ("sessions", "Who is in which shell"),
    ("analytics", "What many sessions have in common"),
    ("events", "What shells report"),
    ("administration", "Who did what, and who may"),
    ("health", "How the server is"),
    ("description", "What the server takes and answers"),
];

const JSON: &str = "application/json";
/// What the store may say of any question to it.
const OF_STORE: &[ErrorCode] = &[ErrorCode::StorageUnavailable];

/// Gives every route that this server has.
pub(in crate::http) fn operations() -> Vec<Operation> {
    let mut all = vec![list_sessions(), show_session(), end_session(), violations()];
    all.extend([report(), view(ViewName::Sessions), view(ViewName::Duration)]);
    all.extend([
        view(ViewName::Components),
        view(ViewName::Errors),
        view(ViewName::Active),
    ]);
    all.extend([take_events(), call_tools(), list_acts(), revoke_token()]);
    all.extend([
        health("/health", "health"),
        health("/health/ready", "ready"),
        live(),
    ]);
    all.extend([list_schemas(), show_schema(), show_document()]);
    all
}

fn get(
    path: &'static str,
    id: &'static str,
    tag: &'static str,
    summary: &'static str,
) -> Operation {
    Operation {
        method: "GET",
        path,
        id,
        tag,
        summary,
        description: "",
        parameters: Vec::new(),
        body: None,
        answers: Vec::new(),
        refusals: &[],
    }
}

fn answer(description: &'static str, schema: Value) -> Vec<Answer> {
    vec![Answer {
        status: 200,
        description,
        content: Some((JSON, schema)),
        headers: &[],
    }]
}

fn page(description: &'static str, item: &str, headers: &'static [(&str, &str)]) -> Vec<Answer> {
    vec![Answer {
        headers,
        ..answer(description, array(reference(item))).remove(0)
    }]
}

fn array(items: Value) -> Value {
    json!({"type": "array", "items": items})
}

fn queries(parameters: &[Parameter]) -> Vec<Value> {
    parameters.iter().map(Parameter::query).collect()
}

/// An object of which more than these members may come, and is ignored.
fn object(members: Value, required: &[&str]) -> Value {
    json!({"type": "object", "properties": members, "required": required})
}

const NEXT: (&str, &str) = (
    "Link",
    "The next page, as `<...>; rel=\"next\"`; none on the last",
);

fn list_sessions() -> Operation {
    Operation {
        description: "Filters that are repeated, or have commas, are alternatives; different filters are all required. \
            Sessions are told as they stand now.",
        parameters: queries(parameters::LIST),
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

fn show_session() -> Operation {
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

fn end_session() -> Operation {
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

fn violations() -> Operation {
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

fn report() -> Operation {
    Operation {
        description: "Over all of history. Percentiles are at most 0.8 % off, all else is exact. `period` goes with the \
            metrics count and unique_users alone; `after` is not later than `before`.",
        parameters: queries(parameters::REPORT),
        answers: answer("The report", reference("AnalyticsReport")),
        refusals: OF_STORE,
        ..get(
            "/api/analytics",
            "report",
            "analytics",
            "Tells how long sessions ran, how many began when, by how many users, and what failed",
        )
    }
}

fn view(view: ViewName) -> Operation {
    let by_component = |value: Value| json!({"type": "object", "additionalProperties": value});
    let (path, id, summary, schema) = match view {
        ViewName::Sessions => (
            "/api/analytics/sessions",
            "viewSessions",
            "Sums by component",
            array(reference("SessionStats")),
        ),
        ViewName::Duration => (
            "/api/analytics/duration",
            "viewDuration",
            "Mean length of closed sessions by component, in seconds",
            by_component(json!({"type": "number"})),
        ),
        ViewName::Components => (
            "/api/analytics/components",
            "viewComponents",
            "The components that are used most",
            array(reference("ComponentUsage")),
        ),
        ViewName::Errors => (
            "/api/analytics/errors",
            "viewErrors",
            "Shares of errors by component",
            by_component(reference("ErrorRate")),
        ),
        ViewName::Active => (
            "/api/analytics/active",
            "viewActive",
            "What is active",
            array(reference("ActiveSession")),
        ),
    };
    Operation {
        parameters: queries(&parameters::of_view(view)),
        answers: answer("The view", schema),
        refusals: OF_STORE,
        ..get(path, id, "analytics", summary)
    }
}

fn take_events() -> Operation {
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

fn call_tools() -> Operation {
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

fn list_acts() -> Operation {
    Operation {
        parameters: queries(parameters::ACTS),
        answers: page("A page of acts", "ActRecord", &[NEXT]),
        refusals: &[ErrorCode::InvalidCursor, ErrorCode::StorageUnavailable],
        ..get(
            "/api/audit",
            "listActs",
            "administration",
            "Lists what administrators did and what was refused to whom, newest first",
        )
    }
}

fn revoke_token() -> Operation {
    let mut token_id = inside::<Text<200>>();
    token_id["minLength"] = 1.into();
    let members = json!({"token_id": token_id, "reason": inside::<Option<Text<500>>>()});
    let revoked = json!({"token_id": {"type": "string"}, "status": {"const": "revoked"}});
    Operation {
        method: "POST",
        body: Some((JSON, object(members, &["token_id"]))),
        answers: answer(
            "It is no longer good",
            object(revoked, &["token_id", "status"]),
        ),
        refusals: OF_STORE,
        ..get(
            "/api/tokens/revoke",
            "revokeToken",
            "administration",
            "Lets no token with this id be good from now on",
        )
    }
}

fn health(path: &'static str, id: &'static str) -> Operation {
    let unhealthy = Answer {
        status: 503,
        description: "Events are not accepted; `cause` says why",
        ..answer("", reference("HealthReport")).remove(0)
    };
    let mut answers = answer("Events are accepted", reference("HealthReport"));
    answers.push(unhealthy);
    Operation {
        answers,
        ..get(path, id, "health", "Tells whether events are accepted")
    }
}

fn live() -> Operation {
    Operation {
        answers: answer(
            "It answers, whatever it says of itself",
            reference("HealthReport"),
        ),
        ..get(
            "/health/live",
            "live",
            "health",
            "Tells whether the process answers",
        )
    }
}

fn list_schemas() -> Operation {
    Operation {
        answers: answer("The schemas", reference("ListedSchemas")),
        ..get(
            "/api/schemas",
            "listSchemas",
            "description",
            "Gives the JSON Schemas of events, results and records",
        )
    }
}

fn show_schema() -> Operation {
    Operation {
        answers: answer(
            "Its schema, draft 2020-12",
            inside::<BTreeMap<String, Value>>(),
        ),
        refusals: &[ErrorCode::NotFound],
        ..get(
            "/api/schemas/{name}",
            "showSchema",
            "description",
            "Gives the JSON Schema of one model",
        )
    }
}

fn show_document() -> Operation {
    let document = object(
        json!({"openapi": {"type": "string", "pattern": "^3[.]1[.]"}}),
        &["openapi"],
    );
    Operation {
        answers: answer("This document", document),
        ..get(
            "/api/openapi.json",
            "showDocument",
            "description",
            "Gives this document",
        )
    }
}
