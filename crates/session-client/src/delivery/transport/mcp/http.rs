//! HTTP as MCP speaks it, within bounds.
//!
//! The SDK's own client reads answers of any length, waits for ever on some, and keeps a stream open for messages that
//! nobody here reads. This one reads at most [`ANSWER_BYTES_MAX`] of each answer, opens no such stream, and remembers
//! why a request failed in words for people.

use std::{
    collections::HashMap,
    error::Error as StdError,
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_core::Stream;
use http_body_util::{BodyExt, Limited};
use hyper::{
    Response, StatusCode,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER},
};
use reqwest::redirect;
use rmcp::{
    model::{ClientJsonRpcMessage, ClientRequest, ErrorData, RequestId, ServerJsonRpcMessage},
    transport::streamable_http_client::{
        SseError, StreamableHttpClient, StreamableHttpError, StreamableHttpPostResponse,
    },
};
use sse_stream::{Sse, SseStream};

use super::CallError;
use crate::connection::{CONNECT_TIMEOUT, bearer, tls};

/// The most bytes of an answer: 4 MiB, enough for a list of a thousand tools with long descriptions.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The header that names a session of MCP, which is none of ours.
const SESSION: &str = "mcp-session-id";
const JSON: &str = "application/json";
const EVENT_STREAM: &str = "text/event-stream";

type Posted = Result<StreamableHttpPostResponse, StreamableHttpError<CallError>>;
type Headers = HashMap<HeaderName, HeaderValue>;
type Events = Pin<Box<dyn Stream<Item = Result<Sse, SseError>> + Send>>;

/// Why the last request failed.
#[derive(Clone, Default)]
pub(super) struct Failure(Arc<Mutex<Option<CallError>>>);

impl Failure {
    /// Gives why the last request failed; where none did, what the SDK says.
    pub(super) fn or(&self, error: &(dyn StdError + 'static)) -> CallError {
        let failed = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        failed.unwrap_or_else(|| with_causes(error))
    }

    fn note(&self, outcome: Option<CallError>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = outcome;
    }
}

/// The token that goes with each request.
#[derive(Clone, Default)]
pub(super) struct Bearer(Arc<Mutex<Option<HeaderValue>>>);

impl Bearer {
    pub(super) fn set(&self, token: Option<&str>) -> Result<(), CallError> {
        let header = token.map(bearer).transpose().map_err(CallError::new)?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = header;
        Ok(())
    }

    fn get(&self) -> Option<HeaderValue> {
        let header = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        header.clone()
    }
}

#[derive(Clone)]
pub(super) struct Http {
    client: reqwest::Client,
    failure: Failure,
    bearer: Bearer,
}

impl Http {
    /// Makes a client. An event is for the server that was named: no redirect is followed, and no proxy is asked, which
    /// the environment may name for other purposes.
    pub(super) fn new(
        patience: Duration,
        failure: Failure,
        bearer: Bearer,
    ) -> Result<Self, CallError> {
        tls::install();
        let client = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(patience)
            .build()
            .map_err(|error| with_causes(&error))?;
        Ok(Self {
            client,
            failure,
            bearer,
        })
    }

    async fn send(
        &self,
        uri: &str,
        message: &ClientJsonRpcMessage,
        session: Option<Arc<str>>,
        headers: Headers,
    ) -> Posted {
        let mut request = self
            .client
            .post(uri)
            .headers(headers.into_iter().collect())
            .header(ACCEPT, format!("{JSON}, {EVENT_STREAM}"))
            .header(CONTENT_TYPE, JSON)
            .body(serde_json::to_vec(message)?);
        if let Some(session) = &session {
            request = request.header(SESSION, &**session);
        }
        if let Some(bearer) = self.bearer.get() {
            request = request.header(AUTHORIZATION, bearer);
        }
        let answer = request.send().await.map_err(|error| failed(&error))?;
        read(answer.into(), message, session.is_some()).await
    }
}

impl StreamableHttpClient for Http {
    type Error = CallError;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session: Option<Arc<str>>,
        _auth_header: Option<String>,
        headers: Headers,
    ) -> Posted {
        let posted = self.send(&uri, &message, session, headers).await;
        self.failure.note(match &posted {
            Err(StreamableHttpError::Client(error)) => Some(error.clone()),
            Ok(_) | Err(_) => None,
        });
        posted
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session: Arc<str>,
        _auth_header: Option<String>,
        headers: Headers,
    ) -> Result<(), StreamableHttpError<CallError>> {
        let request = self.client.delete(&*uri).header(SESSION, &*session);
        let request = request.headers(headers.into_iter().collect());
        request.send().await.map_err(|error| failed(&error))?;
        Ok(())
    }

    /// There is nothing that a server could have to say unasked, and what it began to say is asked again.
    async fn get_stream(
        &self,
        _uri: Arc<str>,
        _session: Option<Arc<str>>,
        _last_event_id: Option<String>,
        _auth_header: Option<String>,
        _headers: Headers,
    ) -> Result<Events, StreamableHttpError<CallError>> {
        Err(StreamableHttpError::ServerDoesNotSupportSse)
    }
}

/// Reads an answer.
async fn read(
    answer: Response<reqwest::Body>,
    message: &ClientJsonRpcMessage,
    in_session: bool,
) -> Posted {
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, ANSWER_BYTES_MAX).map_err(cut);
    let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
    let kind = header(CONTENT_TYPE.as_str()).unwrap_or_default();
    let session = header(SESSION).map(str::to_owned);
    match head.status {
        StatusCode::ACCEPTED | StatusCode::NO_CONTENT => {
            return Ok(StreamableHttpPostResponse::Accepted);
        }
        StatusCode::NOT_FOUND if in_session => return Err(StreamableHttpError::SessionExpired),
        status if status.is_success() && kind.starts_with(EVENT_STREAM) => {
            let events = Box::pin(SseStream::new(body));
            return Ok(StreamableHttpPostResponse::Sse(events, session));
        }
        _ => {}
    }
    let text = body.collect().await.map_err(|error| failed(&error))?;
    let text = text.to_bytes();
    if head.status.is_success() {
        if text.is_empty() && !matches!(message, ClientJsonRpcMessage::Request(_)) {
            return Ok(StreamableHttpPostResponse::Accepted);
        }
        let answer = serde_json::from_slice(&text).map_err(|error| {
            StreamableHttpError::Client(CallError::new(format!(
                "its answer makes no sense: {error}"
            )))
        })?;
        return Ok(StreamableHttpPostResponse::Json(answer, session));
    }
    if let Some(id) = refused_discovery(message, head.status) {
        let error = ServerJsonRpcMessage::error(told(&text, head.status), Some(id));
        return Ok(StreamableHttpPostResponse::Json(error, None));
    }
    let retry_after = header(RETRY_AFTER.as_str()).and_then(|seconds| seconds.parse().ok());
    Err(StreamableHttpError::Client(CallError {
        retry_after: retry_after.map(Duration::from_secs),
        ..CallError::new(told(&text, head.status).message)
    }))
}

/// Tells whether a server, by its refusal, only does not know how the newest revision begins; gives the request's id. The
/// SDK then begins as older ones expect.
fn refused_discovery(message: &ClientJsonRpcMessage, status: StatusCode) -> Option<RequestId> {
    let final_status = matches!(
        status,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS
    );
    match message {
        ClientJsonRpcMessage::Request(request)
            if status.is_client_error()
                && !final_status
                && matches!(request.request, ClientRequest::DiscoverRequest(_)) =>
        {
            Some(request.id.clone())
        }
        _ => None,
    }
}

/// Gives the error that a server tells, or its status as one.
fn told(text: &[u8], status: StatusCode) -> ErrorData {
    match serde_json::from_slice(text) {
        Ok(ServerJsonRpcMessage::Error(mut told)) => {
            told.error.message = format!("it answered {status}: {}", told.error.message).into();
            told.error
        }
        _ => ErrorData::invalid_request(format!("it answered {status}"), None),
    }
}

/// Makes an error of one that has no type.
fn cut(error: Box<dyn StdError + Send + Sync>) -> io::Error {
    io::Error::other(error)
}

fn failed(error: &(dyn StdError + 'static)) -> StreamableHttpError<CallError> {
    StreamableHttpError::Client(with_causes(error))
}

/// Says what failed, and why.
fn with_causes(error: &(dyn StdError + 'static)) -> CallError {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    CallError::new(text)
}
