//! Routes about the server: who may, how it is, what it takes.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use session_model::{ErrorCode, Text, schema::inside};

use super::{
    super::answers::{Answer, reference},
    JSON, NEXT, OF_STORE, Operation, answer, fine, get, object, page, queries,
};
use crate::http::parameters;

pub(super) fn list_acts() -> Operation {
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

pub(super) fn revoke_token() -> Operation {
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

pub(super) fn health(path: &'static str, id: &'static str) -> Operation {
    let unhealthy = Answer {
        status: 503,
        description: "Events are not accepted; `cause` says why",
        ..fine("", reference("HealthReport"))
    };
    let mut answers = answer("Events are accepted", reference("HealthReport"));
    answers.push(unhealthy);
    Operation {
        answers,
        ..get(path, id, "health", "Tells whether events are accepted")
    }
}

pub(super) fn live() -> Operation {
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

pub(super) fn metrics() -> Operation {
    Operation {
        answers: vec![Answer {
            status: 200,
            description: "The metrics, in Prometheus' text format 0.0.4",
            content: Some(("text/plain", json!({"type": "string"}))),
            headers: &[],
        }],
        refusals: &[ErrorCode::NotFound],
        ..get(
            "/metrics",
            "metrics",
            "health",
            "Gives what is counted and measured",
        )
    }
}

pub(super) fn list_schemas() -> Operation {
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

pub(super) fn show_schema() -> Operation {
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

pub(super) fn show_document() -> Operation {
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
