//! What administrators do, and what they did.

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{RawQuery, State},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use serde_json::Value;
use session_model::{ActName, Deed, ErrorCode, FieldErrors, Text, field::Place};

use super::{
    App, Problem,
    api::{PAGE_MAX, form_pairs, internal, object, page_limit},
};
use crate::{
    auth::Caller,
    store::{ActQuery, InvalidCursor},
};

/// `GET /api/audit`: acts and refusals, newest first.
pub(super) async fn list(
    State(app): State<App>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let request = request(&query.unwrap_or_default())?;
    let limit = request.limit;
    let page = app.tracker.acts(request).await?;
    let mut headers = HeaderMap::new();
    if let Some(next) = page.next {
        let link = format!("</api/audit?limit={limit}&cursor={next}>; rel=\"next\"");
        let link =
            HeaderValue::try_from(link).map_err(|_| internal("the link cannot be written"))?;
        headers.insert(header::LINK, link);
    }
    Ok((headers, Json(page.acts)).into_response())
}

fn request(query: &str) -> Result<ActQuery, Problem> {
    let mut request = ActQuery {
        before: None,
        limit: PAGE_MAX,
    };
    for (name, value) in form_pairs(query) {
        match name.as_str() {
            "limit" => request.limit = page_limit(&Value::from(value))?,
            "cursor" => {
                let cursor = value.parse().map_err(|error: InvalidCursor| {
                    Problem::new(ErrorCode::InvalidCursor, error.to_string())
                })?;
                request.before = Some(cursor);
            }
            _ => {
                return Err(Problem::parameter(
                    &name,
                    "unknown; known are limit, cursor",
                ));
            }
        }
    }
    Ok(request)
}

/// `POST /api/tokens/revoke`: no token with this id is good from now on.
pub(super) async fn revoke_token(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Result<Json<Value>, Problem> {
    let arguments = object(&body)?;
    let mut errors = FieldErrors::default();
    let id = session_model::field::member::<Text<200>>(
        &arguments,
        "token_id",
        Place::root(),
        &mut errors,
    );
    let reason = session_model::field::member::<Option<Text<500>>>(
        &arguments,
        "reason",
        Place::root(),
        &mut errors,
    );
    let (Some(id), Some(reason), true) = (id, reason, errors.is_empty()) else {
        return Err(Problem::fields(ErrorCode::InvalidParameter, &errors));
    };
    if id.is_empty() {
        return Err(Problem::parameter("token_id", "must not be empty"));
    }
    let deed = Deed {
        token_id: Some(id.to_string()),
        reason: reason.map(|reason| reason.to_string()),
        ..Deed::new(ActName::TokenRevoked)
    };
    let subject = caller.subject().map(str::to_owned);
    app.tracker.record(deed, caller.origin(), subject).await?;
    app.gate.revoke(id.to_string());
    Ok(Json(
        serde_json::json!({"token_id": id, "status": "revoked"}),
    ))
}
