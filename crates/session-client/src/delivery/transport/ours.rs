//! A Session-Buddy server: `POST /api/events`, many events in one request.

use std::time::Duration;

use hyper::{Method, Response, StatusCode, body::Bytes, header::RETRY_AFTER};
use serde_json::Value;
use session_model::Timestamp;

use super::{CallError, Message};
use crate::{
    connection::{Ask, ConnectionError, Destination},
    delivery::answer::{Answer, for_people},
    network::Link,
    problem::Problem,
};

/// The most events of a request, by the server's bound.
pub(super) const BATCH_MAX: usize = 256;
/// The most bytes of an answer: 1 MiB, far more than 256 results.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

pub(crate) struct Ours {
    link: Box<dyn Link>,
}

impl Ours {
    pub(super) fn new(link: Box<dyn Link>) -> Self {
        Self { link }
    }

    /// Asks a server whether it is one of ours.
    pub(super) async fn recognise(link: Box<dyn Link>, patience: Duration) -> Option<Self> {
        let mut server = Self { link };
        let ask = Ask {
            method: Method::GET,
            path: "/health",
            body: None,
            token: None,
            patience,
            answer_bytes_max: ANSWER_BYTES_MAX,
        };
        let answer = server.ask(ask).await.ok()?;
        let health: Value = serde_json::from_slice(answer.body()).ok()?;
        // Other servers of that name know no `accepting_events`.
        let ours = health["service"] == "session-buddy" && health["accepting_events"].is_boolean();
        ours.then_some(server)
    }

    pub(super) fn takes_token(&self) -> bool {
        match self.link.destination() {
            Destination::Socket(_) => false,
            Destination::Http(_) | Destination::Https(_) => true,
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.link.is_closed()
    }

    async fn ask(&mut self, ask: Ask<'_>) -> Result<Response<Bytes>, ConnectionError> {
        let (patience, answer_bytes_max) = (ask.patience, ask.answer_bytes_max);
        let request = ask.request().map_err(|what| ConnectionError::Broken {
            destination: self.link.destination().clone(),
            what,
        })?;
        self.link.send(request, patience, answer_bytes_max).await
    }

    pub(super) async fn send(
        &mut self,
        messages: &[Message],
        sent_at: Timestamp,
        token: Option<&str>,
        patience: Duration,
    ) -> Result<Vec<Answer>, CallError> {
        let ask = Ask {
            method: Method::POST,
            path: "/api/events",
            body: Some(("application/x-ndjson", lines(messages, sent_at))),
            token,
            patience,
            answer_bytes_max: ANSWER_BYTES_MAX,
        };
        let response = self.ask(ask).await?;
        let body = response.body();
        if response.status() != StatusCode::OK {
            let retry_after = response.headers().get(RETRY_AFTER);
            return Err(CallError {
                retry_after: retry_after
                    .and_then(|seconds| seconds.to_str().ok()?.parse().ok())
                    .map(Duration::from_secs),
                ..CallError::new(refusal(response.status(), body))
            });
        }
        let results: Vec<Value> = serde_json::from_slice(body)
            .map_err(|error| CallError::new(format!("its answer makes no sense: {error}")))?;
        if results.len() != messages.len() {
            return Err(CallError::new(format!(
                "it gave {} answers to {} events",
                results.len(),
                messages.len()
            )));
        }
        let answers = messages.iter().zip(&results);
        Ok(answers
            .map(|(message, result)| answer(message, result))
            .collect())
    }
}

/// Reads a result. A server of ours knows each session by its own id: another one is the answer to something else,
/// whatever it says.
fn answer(message: &Message, result: &Value) -> Answer {
    match result["session_id"].as_str() {
        Some(other) if other != message.session_id => Answer::NotTaken {
            cause: for_people(&format!("it answered for another session, {other}")),
        },
        _ => Answer::of(message.kind, result, false),
    }
}

/// Writes events as lines, each with its type and when it was sent.
fn lines(messages: &[Message], sent_at: Timestamp) -> Bytes {
    let mut lines = String::new();
    for message in messages {
        let open = message.json.strip_suffix('}').unwrap_or(&message.json);
        let event_type = message.kind.event_type();
        lines.push_str(open);
        lines.push_str(&format!(
            ",\"event_type\":\"{event_type}\",\"sent_at\":\"{sent_at}\"}}\n"
        ));
    }
    lines.into()
}

fn refusal(status: StatusCode, body: &[u8]) -> String {
    match serde_json::from_slice::<Problem>(body) {
        Ok(problem) if !problem.code.is_empty() => {
            format!("it answered {status}, {}: {}", problem.code, problem.detail)
        }
        _ => format!("it answered {status}"),
    }
}
