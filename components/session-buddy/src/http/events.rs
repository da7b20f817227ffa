//! `POST /api/events`: many events in one request and one commit.

use axum::{Extension, Json, body::Bytes, extract::State};
use serde_json::Value;
use session_model::ErrorCode;
use tokio::task::spawn_blocking;

use super::{
    App, Problem,
    guard::{DEPTH_MAX, depth},
    intake::{self, EventType, Read},
};
use crate::{auth::Caller, tracker::EventResult};

/// The most events of a batch.
pub(super) const LINES_MAX: usize = 256;
/// A request of so many lines is what live shells send, and no batch: of those any number is worked on at once.
const SMALL_LINES_MAX: usize = 16;
/// The most bytes of an event: 128 KiB. One at all its bounds with every character escaped has 94 KiB.
const LINE_BYTES_MAX: usize = 128 * 1024;

/// Takes a batch of events, one on each line, and answers each in its place: a line that cannot be taken never fails
/// its neighbours.
pub(super) async fn take(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    body: Bytes,
) -> Result<Json<Vec<EventResult>>, Problem> {
    if lines_of(&body) <= SMALL_LINES_MAX {
        let read = read(&app, &body, &caller)?;
        return answer(&app, &caller, read).await;
    }
    let _place = app.batches.try_acquire().map_err(|_| overloaded())?;
    // Reading a batch takes milliseconds, in which nobody else should wait for this thread.
    let reading = (app.clone(), caller.clone());
    let read = spawn_blocking(move || read(&reading.0, &body, &reading.1)).await;
    let read = read.map_err(|_| {
        Problem::new(
            ErrorCode::Internal,
            "the batch could not be read; the log says why",
        )
    })??;
    answer(&app, &caller, read).await
}

fn lines_of(body: &[u8]) -> usize {
    body.split(|byte| *byte == b'\n').count()
}

async fn answer(
    app: &App,
    caller: &Caller,
    read: Vec<Read>,
) -> Result<Json<Vec<EventResult>>, Problem> {
    let answers = intake::take(app, caller, read).await;
    Ok(Json(
        answers.into_iter().map(|answer| answer.result).collect(),
    ))
}

fn overloaded() -> Problem {
    let detail = "too many batches are worked on; try again";
    Problem::new(ErrorCode::Overloaded, detail).retry_after(1)
}

fn read(app: &App, body: &[u8], caller: &Caller) -> Result<Vec<Read>, Problem> {
    let lines = body.trim_ascii_end();
    if lines.is_empty() {
        return Ok(Vec::new());
    }
    let lines: Vec<&[u8]> = lines.split(|byte| *byte == b'\n').collect();
    if lines.len() > LINES_MAX {
        let detail = format!(
            "the batch has {} lines; send at most {LINES_MAX}",
            lines.len()
        );
        return Err(Problem::new(ErrorCode::TooLarge, detail));
    }
    // All of a batch come from one caller.
    let from = intake::From::of(app, caller);
    Ok(lines
        .into_iter()
        .map(|line| read_line(line, &from))
        .collect())
}

fn read_line(line: &[u8], from: &intake::From) -> Read {
    let refused = |error: String| intake::no_event(error);
    if line.len() > LINE_BYTES_MAX {
        return refused(format!(
            "the line has {} bytes; an event has at most {LINE_BYTES_MAX}",
            line.len()
        ));
    }
    if depth(line) > DEPTH_MAX {
        return refused(format!("the line is nested over {DEPTH_MAX} levels deep"));
    }
    match serde_json::from_slice(line) {
        Ok(Value::Object(event)) => match EventType::of(&event) {
            Ok(event_type) => intake::read(event_type, event, from),
            Err(errors) => refused(errors.to_string()),
        },
        Ok(_) => refused("the line is no JSON object".to_owned()),
        Err(error) => refused(format!("the line is not JSON: {error}")),
    }
}
