//! `GET /api/export`: sessions in a stream, so that any number of them takes little memory.

use axum::{
    Extension,
    body::{Body, Bytes},
    extract::{RawQuery, State},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use http_body_util::channel::{Channel, Sender};
use session_model::{ErrorCode, SessionFilter};
use tracing::warn;

use super::{
    App, Problem,
    api::{form_pairs, internal, keep_to_component},
};
use crate::{
    auth::Caller,
    export::{Format, Text},
    store::StoreError,
    tracker::Exported,
};

/// How many parts wait for a slow reader.
const PARTS_AHEAD: usize = 2;

/// `GET /api/export`
pub(super) async fn export(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let (format, mut filter) = asked(&query.unwrap_or_default())?;
    keep_to_component(&app, &caller, &mut filter, "GET /api/export").await?;
    let mut text = Text::new(app.tracker.export(filter.clone()), format);
    // What fails at once is told with a status.
    let first = text.next().await?;
    let mut headers = HeaderMap::new();
    let media_type = HeaderValue::from_static(format.media_type());
    headers.insert(header::CONTENT_TYPE, media_type);
    let name = format!("attachment; filename=\"sessions.{format}\"");
    let name = HeaderValue::try_from(name).map_err(|_| internal("the name cannot be written"))?;
    headers.insert(header::CONTENT_DISPOSITION, name);
    let (parts, body) = Channel::new(PARTS_AHEAD);
    // Its owner is the body: without a reader it ends with the next part.
    tokio::spawn(give(app, caller, format, filter, text, first, parts));
    Ok((headers, Body::new(body)).into_response())
}

fn asked(query: &str) -> Result<(Format, SessionFilter), Problem> {
    let pairs = form_pairs(query);
    let mut format = None;
    for (name, value) in &pairs {
        if name == "format" {
            let read: Result<Format, _> = value.parse();
            format = Some(read.map_err(|problem| Problem::parameter("format", problem))?);
        } else if !SessionFilter::NAMES.contains(&name.as_str()) {
            let names = SessionFilter::NAMES.join(", ");
            return Err(Problem::parameter(
                name,
                format!("unknown; known are format, {names}"),
            ));
        }
    }
    let pairs = pairs
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    let filter = SessionFilter::from_pairs(pairs)
        .map_err(|errors| Problem::fields(ErrorCode::InvalidParameter, &errors))?;
    let format =
        format.ok_or_else(|| Problem::parameter("format", "required: csv, json or ndjson"))?;
    Ok((format, filter))
}

/// Why an export ended early.
enum Broken {
    /// Nobody reads any more.
    ReaderGone,
    /// The store fails.
    Store(StoreError),
}

type Parts = Sender<Bytes, StoreError>;

/// Gives all sessions, then records that it did, however it ended: what was given was given.
async fn give(
    app: App,
    caller: Caller,
    format: Format,
    filter: SessionFilter,
    mut text: Text,
    first: Option<Vec<u8>>,
    mut parts: Parts,
) {
    let given = give_all(&mut text, first, &mut parts).await;
    let exported = Exported {
        filter,
        format,
        sessions: text.written(),
        whole: text.is_whole() && given.is_ok(),
    };
    let subject = caller.subject().map(str::to_owned);
    let recorded = app
        .tracker
        .record_export(&exported, caller.origin(), subject)
        .await;
    if let Err(error) = recorded {
        let (who, sessions) = (caller.name(), exported.sessions);
        warn!("That {who:?} exported {sessions} sessions could not be recorded: {error}");
    }
    if let Err(Broken::Store(error)) = given {
        warn!("An export broke off: {error}");
        // Without this the reader would take what it has for all.
        parts.abort(error);
    }
}

async fn give_all(
    text: &mut Text,
    first: Option<Vec<u8>>,
    parts: &mut Parts,
) -> Result<(), Broken> {
    let mut next = first;
    while let Some(bytes) = next {
        if !bytes.is_empty() {
            let sent = parts.send_data(Bytes::from(bytes)).await;
            sent.map_err(|_| Broken::ReaderGone)?;
        }
        next = text.next().await.map_err(Broken::Store)?;
    }
    Ok(())
}
