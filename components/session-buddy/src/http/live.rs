//! `GET /api/events`: what happens to sessions, as it happens (server-sent events, WHATWG HTML, section 9.2).
//!
//! The ledger is the queue. A stream stands at a record of it; the writer only says that there is a newer one, and waits for
//! nobody. So a stream goes on exactly where another one ended, over a crash of the server too, and one that is slow costs
//! the server nothing but its place.
//!
//! - [`feed`]: reads the ledger once for all who follow it.
//! - [`follower`]: one stream.

mod feed;
mod follower;

use std::sync::Arc;

use axum::{
    Extension,
    body::Body,
    extract::{RawQuery, State},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::{IntoResponse, Response},
};
use session_model::{ErrorCode, FieldErrors, SessionFilter, Timestamp, field::Place};

pub(super) use feed::Feed;

use self::follower::Follower;
use super::{App, Problem, api};
use crate::{
    auth::Caller,
    store::{
        StoreError,
        checkpoint::ChainHead,
        happening::{Mark, Sought},
    },
};

/// Where a client says what it saw last.
const LAST_EVENT_ID: &str = "Last-Event-ID";
/// The filters of a stream: what an event says of its session by itself. `status` is the one that the event led to.
const FILTERS: [&str; 4] = ["type", "component", "user", "status"];

/// Follows what happens: after the event that the client saw last, else since a time, else from now on.
pub(super) async fn follow(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let (mut filter, since) = asked(&query.unwrap_or_default())?;
    let sought = last_event(&headers)?.map(Sought::Mark);
    let sought = sought.or(since.map(Sought::Before));
    api::keep_to_component(&app, &caller, &mut filter, "GET /api/events").await?;
    let place = app
        .traffic
        .follow(&caller.peer)
        .map_err(|full| app.limited(full, &caller, "event streams"))?;
    let begin = begin(&app, sought).await?;
    let events = Follower::new(app, caller, filter, begin).events();
    let mut answer = (EVENT_STREAM, Body::from_stream(events)).into_response();
    // Held until the stream ends, in the place of the one of its request.
    answer.extensions_mut().insert(Arc::new(place));
    Ok(answer)
}

/// Nobody keeps it, and no proxy collects it before it passes it on (`X-Accel-Buffering` is nginx's word for that).
const EVENT_STREAM: [(HeaderName, HeaderValue); 3] = [
    (
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    ),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    ),
];

fn asked(query: &str) -> Result<(SessionFilter, Option<Timestamp>), Problem> {
    let pairs = api::form_pairs(query);
    let known = |name: &str| FILTERS.contains(&name) || name == "since";
    if let Some((name, _)) = pairs.iter().find(|(name, _)| !known(name)) {
        let names = FILTERS.join(", ");
        return Err(Problem::parameter(
            name,
            format!("unknown; known are {names}, since"),
        ));
    }
    let all = pairs
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    let filter = SessionFilter::from_pairs(all)
        .map_err(|errors| Problem::fields(ErrorCode::InvalidParameter, &errors))?;
    let since = pairs.iter().rev().find(|(name, _)| name == "since");
    let since = since.map(|(_, value)| session_model::filter::instant(value));
    let since = since.transpose();
    Ok((
        filter,
        since.map_err(|error| Problem::parameter("since", error))?,
    ))
}

/// Reads which event the client saw last. Browsers send the header empty where they saw none.
fn last_event(headers: &HeaderMap) -> Result<Option<Mark>, Problem> {
    let Some(value) = headers.get(LAST_EVENT_ID).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let mark = value.to_str().unwrap_or_default().parse::<Mark>();
    mark.map(Some)
        .map_err(|error| not_resumable(error.to_string()))
}

fn not_resumable(message: impl Into<String>) -> Problem {
    let mut errors = FieldErrors::default();
    errors.add(Place::root().member(LAST_EVENT_ID), message);
    Problem::fields(ErrorCode::InvalidCursor, &errors)
}

/// Gives the record after which a stream begins.
async fn begin(app: &App, sought: Option<Sought>) -> Result<ChainHead, Problem> {
    let newest = *app.tracker.head().borrow();
    let newest = newest.ok_or_else(|| StoreError::Unavailable("nothing is written".to_owned()))?;
    let Some(sought) = sought else {
        return Ok(newest);
    };
    let found = app.tracker.locate(sought, newest).await?;
    found.ok_or_else(|| {
        not_resumable(
            "it names an event that is not in this server's ledger, which may be another server's or was put back from a \
             backup; leave it out to begin with what happens now",
        )
    })
}
