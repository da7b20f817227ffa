//! What operations answer: what was asked for, or why not.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::StatusCode;
use serde_json::{Map, Value, json};
use session_model::{ActRecord, ErrorCode, schema};

use super::Operation;
use crate::{
    analytics::views::{ActiveSession, ComponentUsage, ErrorRate, SessionStats},
    http::{health::HealthReport, problem, schemas::ListedSchemas},
    tracker::Violating,
};

/// The media type of refusals.
pub(super) const PROBLEM: &str = "application/problem+json";

/// What a route answers when it does what it was asked for.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) description: &'static str,
    /// Of its body; none where it has none.
    pub(super) content: Option<(&'static str, Value)>,
    /// Names of headers, with what they tell.
    pub(super) headers: &'static [(&'static str, &'static str)],
}

/// Gives the schemas of answers that are no models.
pub(super) fn schemas() -> [(&'static str, Value); 8] {
    [
        ("ActRecord", schema::of::<ActRecord>()),
        ("ActiveSession", schema::of::<ActiveSession>()),
        ("ComponentUsage", schema::of::<ComponentUsage>()),
        ("ErrorRate", schema::of::<ErrorRate>()),
        ("HealthReport", schema::of::<HealthReport>()),
        ("ListedSchemas", schema::of::<ListedSchemas>()),
        ("SessionStats", schema::of::<SessionStats>()),
        ("Violating", schema::of::<Violating>()),
    ]
}

/// Refers to a schema of the document.
pub(super) fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// Describes all that an operation answers, by status.
pub(super) fn of(operation: &Operation) -> Map<String, Value> {
    let mut answers = Map::new();
    for answer in &operation.answers {
        join(&mut answers, answer.status.to_string(), &given(answer));
    }
    for (status, codes) in refusals(operation) {
        let refused = refused(status, &codes);
        join(&mut answers, status.as_str().to_owned(), &refused);
    }
    answers
}

/// Adds what may be answered with a status, beside what else may be. The first one says what it means.
fn join(answers: &mut Map<String, Value>, status: String, answer: &Value) {
    let nothing = || json!({"description": answer["description"], "headers": {}, "content": {}});
    let known = answers.entry(status).or_insert_with(nothing);
    for part in ["content", "headers"] {
        for (name, value) in answer[part].as_object().into_iter().flatten() {
            known[part][name] = value.clone();
        }
    }
}

fn given(answer: &Answer) -> Value {
    let mut given = json!({"description": answer.description, "headers": headers(answer.headers)});
    if let Some((media_type, schema)) = &answer.content {
        given["content"] = json!({*media_type: {"schema": schema}});
    }
    given
}

fn headers(headers: &[(&str, &str)]) -> Map<String, Value> {
    let header =
        |description: &str| json!({"description": description, "schema": {"type": "string"}});
    let headers = headers.iter();
    headers
        .map(|(name, tells)| ((*name).to_owned(), header(tells)))
        .collect()
}

/// Gives the codes with which an operation may be refused, by status: those of its own, and those that come of every request
/// before a handler sees it.
fn refusals(operation: &Operation) -> BTreeMap<StatusCode, BTreeSet<&'static str>> {
    const OF_EVERY_REQUEST: [ErrorCode; 11] = [
        ErrorCode::InvalidParameter,
        ErrorCode::TokenInvalid,
        ErrorCode::TokenExpired,
        ErrorCode::TokenRevoked,
        ErrorCode::Forbidden,
        ErrorCode::HostRefused,
        ErrorCode::OriginRefused,
        ErrorCode::RateLimited,
        ErrorCode::Internal,
        ErrorCode::Overloaded,
        ErrorCode::Stopping,
    ];
    const OF_EVERY_BODY: [ErrorCode; 3] = [
        ErrorCode::Timeout,
        ErrorCode::TooLarge,
        ErrorCode::UnsupportedMediaType,
    ];
    let of_body = operation.body.iter().flat_map(|_| OF_EVERY_BODY);
    let of_token = super::security(operation) != json!([]);
    let of_token = of_token.then_some(ErrorCode::TokenRequired);
    let own = operation.refusals.iter().copied();
    let mut refusals: BTreeMap<StatusCode, BTreeSet<&str>> = BTreeMap::new();
    for code in OF_EVERY_REQUEST
        .into_iter()
        .chain(of_body)
        .chain(of_token)
        .chain(own)
    {
        let codes = refusals.entry(problem::status(code)).or_default();
        codes.insert(code.as_str());
    }
    refusals
}

fn refused(status: StatusCode, codes: &BTreeSet<&str>) -> Value {
    let of_status: &[(&str, &str)] = match status {
        StatusCode::UNAUTHORIZED => &[("WWW-Authenticate", "How to ask with a token")],
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            &[("Retry-After", "When to try again, in seconds")]
        }
        _ => &[],
    };
    json!({
        "description": status.canonical_reason().unwrap_or("Refused"),
        "headers": headers(of_status),
        "content": {PROBLEM: {"schema": {
            "allOf": [reference("Problem")],
            "properties": {"status": {"const": status.as_u16()}, "code": {"enum": codes}},
        }}},
    })
}
