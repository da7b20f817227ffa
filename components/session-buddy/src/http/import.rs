//! `POST /api/import`: sessions of another server, all of them or none.

use std::sync::Arc;

use axum::{
    Extension, Json,
    body::{Body, Bytes},
    extract::State,
};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use session_model::{ErrorCode, FieldErrors, field::Place};
use tokio::{
    sync::mpsc::{Receiver, channel},
    task::spawn_blocking,
    time::timeout,
};

use super::{App, Problem, api::internal};
use crate::{
    auth::Caller,
    import::{ImportError, Importer, Staged, Staging},
    store::Differing,
};

/// How many parts of the body wait to be looked at.
const PARTS_AHEAD: usize = 4;

/// `POST /api/import`
pub(super) async fn import(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    body: Body,
) -> Result<Json<Value>, Problem> {
    let Ok(_place) = app.imports.clone().try_acquire_owned() else {
        let detail = "another import is under way; try again when it is done";
        let problem = Problem::new(ErrorCode::Overloaded, detail);
        return Err(problem.retry_after(10));
    };
    let who = Importer {
        received_at: app.tracker.clock().now(),
        origin: caller.origin(),
        subject: caller.subject().map(str::to_owned),
    };
    let staged = stage(&app, who, body).await?;
    match app.tracker.import(staged).await? {
        Ok(count) => Ok(Json(
            json!({"imported": count.imported, "known": count.known}),
        )),
        Err(differing) => Err(conflict(&differing)),
    }
}

/// Looks at the body as it comes, on a thread that may wait for the disk.
async fn stage(app: &App, who: Importer, body: Body) -> Result<Staged, Problem> {
    let (parts, coming) = channel(PARTS_AHEAD);
    let aside = Arc::clone(&app.aside);
    let staging = spawn_blocking(move || take_all(Staging::begin(&aside, who)?, coming));
    let patience = app.traffic.network().limits.body_timeout;
    let mut body = body;
    let broken = loop {
        let frame = match timeout(patience, body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(None) => break None,
            Ok(Some(Err(_))) => break Some(broken_off()),
            Err(_) => break Some(late(patience.as_secs_f64())),
        };
        // Trailers say nothing here.
        let Ok(part) = frame.into_data() else {
            continue;
        };
        if parts.send(Some(part)).await.is_err() {
            // It needs to see no more.
            break None;
        }
    };
    if broken.is_none() {
        let _ = parts.send(None).await;
    }
    drop(parts);
    let staged = staging
        .await
        .map_err(|_| internal("the import could not be read; the log says why"))?;
    match (broken, staged) {
        (Some(problem), _) => Err(problem),
        (None, Ok(Some(staged))) => Ok(staged),
        (None, Ok(None)) => Err(broken_off()),
        (None, Err(error)) => Err(error.into()),
    }
}

/// Takes parts until none says that there are no more; gives nothing where they end without a word.
fn take_all(
    mut staging: Staging,
    mut coming: Receiver<Option<Bytes>>,
) -> Result<Option<Staged>, ImportError> {
    while let Some(part) = coming.blocking_recv() {
        match part {
            Some(part) => staging.take(&part)?,
            None => return staging.finish().map(Some),
        }
    }
    Ok(None)
}

fn broken_off() -> Problem {
    let detail = "the body broke off; nothing was imported";
    Problem::new(ErrorCode::InvalidParameter, detail)
}

fn late(seconds: f64) -> Problem {
    let detail = format!("nothing came of the body for {seconds} s; nothing was imported");
    Problem::new(ErrorCode::Timeout, detail)
}

impl From<ImportError> for Problem {
    fn from(error: ImportError) -> Self {
        let detail = format!("nothing was imported: {error}");
        match error {
            ImportError::Foreign(_) => Self::new(ErrorCode::InvalidParameter, detail),
            ImportError::TooLarge(_) => Self::new(ErrorCode::TooLarge, detail),
            ImportError::Lines { told, .. } => {
                let errors = told.iter().fold(FieldErrors::default(), |errors, line| {
                    errors.and(line.fields())
                });
                Self::fields(ErrorCode::InvalidParameter, &errors).with_detail(detail)
            }
            ImportError::Staging(error) => {
                tracing::error!("An import could not be put aside: {error}");
                let detail = "there is no room to put the file aside, or no right; see the log";
                Self::new(ErrorCode::StorageUnavailable, detail).retry_after(10)
            }
        }
    }
}

/// Says which sessions are on record with something else.
fn conflict(differing: &[Differing]) -> Problem {
    let mut errors = FieldErrors::default();
    for one in differing {
        errors.add(
            Place::root().member(&format!("line {}", one.line)),
            one.to_string(),
        );
    }
    let detail = format!("nothing was imported: {}", Differing::summary(differing));
    Problem::fields(ErrorCode::Conflict, &errors).with_detail(detail)
}
