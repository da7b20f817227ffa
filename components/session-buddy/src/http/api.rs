//! REST over sessions.

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{Path, RawQuery, State, rejection::PathRejection},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};
use session_model::{
    ErrorCode, Field, FieldErrors, SessionFilter, SessionRecord, Text, field::Place, schema,
};

use super::{App, Problem};
use crate::{
    auth::{Caller, Refusal},
    store::Cursor,
    tracker::{Delivery, EndError, ListRequest, Violating},
};

/// The most sessions of a page, and how many a page has unless asked otherwise.
pub(super) const PAGE_MAX: usize = 1000;

pub(super) fn internal(detail: &str) -> Problem {
    Problem::new(ErrorCode::Internal, detail)
}

/// `GET /api/sessions`
pub(super) async fn list_sessions(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let query = query.unwrap_or_default();
    let mut request = list_request(&query)?;
    keep_to_component(&app, &caller, &mut request.filter, "GET /api/sessions").await?;
    let listing = app.tracker.list(request).await?;
    let mut headers = HeaderMap::new();
    if let Some(next) = &listing.next {
        let link = next_link(&query, next);
        headers.insert(
            header::LINK,
            HeaderValue::try_from(link).map_err(|_| internal("the link cannot be written"))?,
        );
    }
    if let Some(total) = listing.total {
        headers.insert("x-total-count", total.into());
    }
    Ok((headers, Json(listing.sessions)).into_response())
}

/// Keeps what is asked for to the component of a caller that is bound to one.
pub(super) async fn keep_to_component(
    app: &App,
    caller: &Caller,
    filter: &mut SessionFilter,
    what: &str,
) -> Result<(), Problem> {
    let Some(bound) = caller.component() else {
        return Ok(());
    };
    let asked = &mut filter.component;
    if asked.iter().any(|component| *component != bound.as_str()) {
        return Err(app
            .refuse(Refusal::Bound(bound.clone()), caller, what)
            .await);
    }
    *asked = vec![bound.to_string()];
    Ok(())
}

fn list_request(query: &str) -> Result<ListRequest, Problem> {
    let pairs: Vec<(String, String)> = form_pairs(query);
    let known = |name: &str| {
        SessionFilter::NAMES.contains(&name) || matches!(name, "limit" | "cursor" | "count")
    };
    if let Some((name, _)) = pairs.iter().find(|(name, _)| !known(name)) {
        let names = SessionFilter::NAMES.join(", ");
        return Err(Problem::parameter(
            name,
            format!("unknown; known are {names}, limit, cursor, count"),
        ));
    }
    let filter = SessionFilter::from_pairs(
        pairs
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str())),
    )
    .map_err(|errors| Problem::fields(ErrorCode::InvalidParameter, &errors))?;
    let last = |wanted: &str| {
        pairs
            .iter()
            .rev()
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value.as_str())
    };
    Ok(ListRequest {
        filter,
        cursor: last("cursor").map(cursor).transpose()?,
        limit: last("limit").map_or(Ok(PAGE_MAX), |limit| page_limit(&Value::from(limit)))?,
        count: match last("count") {
            None | Some("false" | "0") => false,
            Some("true" | "1") => true,
            Some(other) => {
                return Err(Problem::parameter(
                    "count",
                    format!("expected true or false, found {other:?}"),
                ));
            }
        },
    })
}

/// Reads the most sessions of a page: 1 to 1,000, as a number or a decimal text.
pub(super) fn page_limit(value: &Value) -> Result<usize, Problem> {
    let limit = match value {
        Value::String(text) => text.parse().ok(),
        value => value.as_u64().and_then(|limit| usize::try_from(limit).ok()),
    };
    limit
        .filter(|limit| (1..=PAGE_MAX).contains(limit))
        .ok_or_else(|| {
            Problem::parameter(
                "limit",
                format!("expected an integer from 1 to {PAGE_MAX}, found {value}"),
            )
        })
}

/// Reads where to go on.
pub(super) fn cursor(text: &str) -> Result<Cursor, Problem> {
    text.parse().map_err(|error: crate::store::InvalidCursor| {
        Problem::new(ErrorCode::InvalidCursor, format!("cursor: {error}"))
    })
}

/// Takes a query apart. Escapes that are no UTF-8 become U+FFFD.
pub(super) fn form_pairs(query: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(query.as_bytes())
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect()
}

fn next_link(query: &str, next: &Cursor) -> String {
    let kept = query
        .split('&')
        .filter(|pair| !pair.is_empty() && !pair.starts_with("cursor="));
    let pairs: Vec<_> = kept
        .map(str::to_owned)
        .chain([format!("cursor={next}")])
        .collect();
    format!("</api/sessions?{}>; rel=\"next\"", pairs.join("&"))
}

fn session_id(id: Result<Path<String>, PathRejection>) -> Result<String, Problem> {
    id.map(|Path(id)| id)
        .map_err(|rejection| Problem::parameter("id", rejection.body_text()))
}

/// `GET /api/sessions/{id}`
pub(super) async fn show_session(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<SessionRecord>, Problem> {
    let id = session_id(id)?;
    Ok(Json(app.tracker.get(&id, caller.component()).await??))
}

/// `GET /api/violations`: open sessions that break the policy of their component.
pub(super) async fn violations(State(app): State<App>) -> Result<Json<Vec<Violating>>, Problem> {
    Ok(Json(app.tracker.violations().await?))
}

/// `POST /api/sessions/{id}/end`
pub(super) async fn end_session(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    id: Result<Path<String>, PathRejection>,
    body: Bytes,
) -> Result<Json<SessionRecord>, Problem> {
    let id = session_id(id)?;
    let closing = Closing::read(&object(&body)?)?;
    let what = "POST /api/sessions/{id}/end";
    Ok(Json(close(&app, &caller, &id, closing, what).await?))
}

/// Closes a session by hand.
pub(super) async fn close(
    app: &App,
    caller: &Caller,
    id: &str,
    closing: Closing,
    what: &str,
) -> Result<SessionRecord, Problem> {
    let Closing { reason, force } = closing;
    let delivery = Delivery {
        origin: caller.origin(),
        sender: caller.peer.sender(),
        subject: caller.subject().map(str::to_owned),
        sent_at: None,
        voice: app.gate.voice(caller),
    };
    let closed = app
        .tracker
        .end_by_hand(id, caller.name(), reason, force, delivery)
        .await?;
    match closed {
        Ok(record) => Ok(record),
        Err(EndError::Refused(refusal)) => Err(app.refuse(refusal, caller, what).await),
        Err(error) => Err(error.into()),
    }
}

/// Reads a body that is an object.
pub(super) fn object(body: &[u8]) -> Result<Map<String, Value>, Problem> {
    let body: Value = serde_json::from_slice(body).map_err(|error| {
        Problem::new(
            ErrorCode::InvalidParameter,
            format!("the body is not JSON: {error}"),
        )
    })?;
    match body {
        Value::Object(arguments) => Ok(arguments),
        _ => Err(Problem::parameter("", "expected an object, such as {}")),
    }
}

/// How to close a session by hand.
pub(super) struct Closing {
    pub(super) reason: Option<Text<500>>,
    pub(super) force: bool,
}

impl Closing {
    /// Gives the schemas of the members that [`Self::read`] knows.
    pub(super) fn members() -> Value {
        let mut reason = schema::inside::<Option<Text<500>>>();
        reason["description"] = "Why it is closed".into();
        json!({
            "reason": reason,
            "force": {
                "type": ["boolean", "null"],
                "default": false,
                "description": "Close it also where it is proved alive",
            },
        })
    }

    /// Reads `reason` and `force`; null is absent.
    pub(super) fn read(arguments: &Map<String, Value>) -> Result<Self, Problem> {
        let mut errors = FieldErrors::default();
        let root = Place::root();
        let present = |name: &str| arguments.get(name).filter(|value| !value.is_null());
        let reason =
            present("reason").map(|value| Text::read(value, root.member("reason"), &mut errors));
        let force =
            present("force").map(|value| bool::read(value, root.member("force"), &mut errors));
        if errors.is_empty() {
            Ok(Self {
                reason: reason.flatten(),
                force: force.flatten().unwrap_or(false),
            })
        } else {
            Err(Problem::fields(ErrorCode::InvalidParameter, &errors))
        }
    }
}
