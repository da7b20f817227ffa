//! From the arguments of an event tool to its result.

use serde::Serialize;
use serde_json::{Map, Value};
use session_model::{
    Field, FieldErrors, SessionEndResult, SessionHeartbeatResult, SessionStartResult, Timestamp,
    event::without_nulls, field::Place, result::Refusal,
};

use super::{App, Problem};
use crate::{auth::Peer, store::StoreError, tracker::Delivery};

/// What an event tool answers, and whether it failed in a way that another try may mend.
pub(super) struct Answer<T> {
    pub(super) result: T,
    pub(super) failed: bool,
}

/// The result of an event tool, made from a refusal.
pub(super) trait EventResult: Serialize {
    fn refused(session_id: Option<String>, refusal: Refusal) -> Self;
}

impl EventResult for SessionStartResult {
    fn refused(_: Option<String>, refusal: Refusal) -> Self {
        Self::Error(refusal)
    }
}

impl EventResult for SessionEndResult {
    fn refused(session_id: Option<String>, refusal: Refusal) -> Self {
        Self::Error {
            session_id: session_id.unwrap_or_default(),
            refusal,
        }
    }
}

impl EventResult for SessionHeartbeatResult {
    fn refused(session_id: Option<String>, refusal: Refusal) -> Self {
        Self::Error {
            session_id,
            refusal,
        }
    }
}

/// Takes an event: reads it, hands it to `track`, wraps what comes of it. A refusal that is final (a bad event, a
/// conflict) is a result like any other; a failure that another try may mend is marked.
pub(super) async fn take<E, R, F>(
    app: &App,
    peer: &Peer,
    arguments: Map<String, Value>,
    track: impl FnOnce(crate::tracker::Tracker, E, Delivery) -> F,
) -> Answer<R>
where
    E: Field,
    R: EventResult,
    F: Future<Output = Result<R, StoreError>>,
{
    let session_id = arguments
        .get("session_id")
        .and_then(Value::as_str)
        .map(str::to_owned);
    match read(arguments, peer) {
        Err(errors) => {
            let refusal = refusal(&Problem::fields("INVALID_EVENT", &errors));
            Answer {
                result: R::refused(session_id, refusal),
                failed: false,
            }
        }
        Ok((event, delivery)) => match track(app.tracker.clone(), event, delivery).await {
            Ok(result) => Answer {
                result,
                failed: false,
            },
            Err(failure) => Answer {
                result: R::refused(session_id, refusal(&Problem::from(failure))),
                failed: true,
            },
        },
    }
}

fn refusal(problem: &Problem) -> Refusal {
    Refusal {
        error: problem.detail().to_owned(),
        error_code: Some(problem.code().to_owned()),
    }
}

/// Reads an event and what travels beside it.
fn read<E: Field>(
    arguments: Map<String, Value>,
    peer: &Peer,
) -> Result<(E, Delivery), FieldErrors> {
    let arguments = without_nulls(arguments);
    let mut errors = FieldErrors::default();
    let root = Place::root();
    let sent_at = arguments
        .get("sent_at")
        .map(|sent_at| Timestamp::read(sent_at, root.member("sent_at"), &mut errors));
    let event = E::read(&Value::Object(arguments), root, &mut errors);
    match event {
        Some(event) if errors.is_empty() => Ok((
            event,
            Delivery {
                origin: peer.origin(),
                subject: None,
                sent_at: sent_at.flatten(),
            },
        )),
        _ => Err(errors),
    }
}
