//! Each route: what it is for, what it takes, what it answers, and with which codes of its own it refuses.

mod analytics;
mod events;
mod server;
mod sessions;

use serde_json::{Value, json};
use session_model::ErrorCode;

use super::answers::{Answer, reference};
use crate::{
    analytics::request::ViewName,
    http::{listed, parameters::Parameter},
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
    let here = listed();
    let mut operations = described();
    operations.retain(|known| here.contains(&(known.method, known.path)));
    operations
}

/// Gives every route that is described. As in the table of permissions, some may not be there yet.
fn described() -> Vec<Operation> {
    vec![
        sessions::list_sessions(),
        sessions::show_session(),
        sessions::end_session(),
        sessions::violations(),
        sessions::export(),
        sessions::import(),
        analytics::report(),
        analytics::view(ViewName::Sessions),
        analytics::view(ViewName::Duration),
        analytics::view(ViewName::Components),
        analytics::view(ViewName::Errors),
        analytics::view(ViewName::Active),
        events::take_events(),
        events::follow_events(),
        events::call_tools(),
        server::list_acts(),
        server::revoke_token(),
        server::health("/health", "health"),
        server::health("/health/ready", "ready"),
        server::live(),
        server::metrics(),
        server::list_schemas(),
        server::show_schema(),
        server::show_document(),
    ]
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

/// What is answered where all is fine.
fn fine(description: &'static str, schema: Value) -> Answer {
    Answer {
        status: 200,
        description,
        content: Some((JSON, schema)),
        headers: &[],
    }
}

/// Where nothing else is answered.
fn answer(description: &'static str, schema: Value) -> Vec<Answer> {
    vec![fine(description, schema)]
}

fn page(description: &'static str, item: &str, headers: &'static [(&str, &str)]) -> Vec<Answer> {
    let page = fine(description, array(reference(item)));
    vec![Answer { headers, ..page }]
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
