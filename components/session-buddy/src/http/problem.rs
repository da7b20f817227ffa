//! How the server says that it did not do what it was asked for (RFC 9457).

use axum::{
    Json,
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Serialize;
use session_model::{ErrorCode, ErrorResponse, FieldError, FieldErrors, escape::for_line};

use crate::{
    auth::Refusal,
    network::Full,
    store::StoreError,
    tracker::{EndError, ResolveError},
};

/// A refusal, for REST as `application/problem+json`, for MCP as an [`ErrorResponse`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem(Box<Body>);

/// What a refusal says (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
struct Body {
    /// Always `about:blank`: `code` tells what it is.
    #[serde(rename = "type")]
    problem_type: &'static str,
    /// The status in words.
    title: &'static str,
    /// The status of the answer.
    status: u16,
    /// What is wrong, and what to do, for a person.
    detail: String,
    /// What is wrong, for a program. A code keeps its name and its meaning.
    code: ErrorCode,
    /// Every field that is wrong, where fields are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    errors: Vec<FieldError>,
    /// The sessions that could be meant, where several could.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    candidates: Vec<String>,
    #[serde(skip)]
    retry_after_seconds: Option<u16>,
}

impl Problem {
    /// Makes a refusal. `detail` says what is wrong and what to do; what it quotes of a request does not act where it is
    /// shown.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        let (status, detail) = (status(code), detail.into());
        Self(Box::new(Body {
            problem_type: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: for_line(&detail).into_owned(),
            code,
            errors: Vec::new(),
            candidates: Vec::new(),
            retry_after_seconds: None,
        }))
    }

    /// Refuses a request for what is wrong with its fields.
    pub fn fields(code: ErrorCode, errors: &FieldErrors) -> Self {
        let mut problem = Self::new(code, errors.to_string());
        let errors = errors.as_slice().iter().map(|error| FieldError {
            field: for_line(&error.field).into_owned(),
            message: for_line(&error.message).into_owned(),
        });
        problem.0.errors = errors.collect();
        problem
    }

    /// Says it in other words.
    #[must_use]
    pub(super) fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = for_line(&detail.into()).into_owned();
        self
    }

    /// Refuses a parameter.
    pub fn parameter(name: &str, message: impl Into<String>) -> Self {
        let mut errors = FieldErrors::default();
        errors.add(session_model::field::Place::root().member(name), message);
        Self::fields(ErrorCode::InvalidParameter, &errors)
    }

    /// Says that there is no room, or that somebody goes too fast.
    pub(super) fn full(full: Full, what: &str) -> Self {
        match full {
            Full::Overloaded => {
                let detail = format!("too many {what}; try again");
                Self::new(ErrorCode::Overloaded, detail).retry_after(1)
            }
            Full::TooMuch(wait) => {
                // In whole seconds, and never none.
                let seconds = wait.as_millis().div_ceil(1000).clamp(1, 3600);
                let seconds = u16::try_from(seconds).unwrap_or(u16::MAX);
                let detail = format!("too many {what}; try again in {seconds} s");
                Self::new(ErrorCode::RateLimited, detail).retry_after(seconds)
            }
        }
    }

    /// Says that a stream of events is not taken as fast as they happen.
    pub(super) fn too_slow(behind: u64) -> Self {
        let detail = format!(
            "what happens is not taken fast enough: {behind} records of the ledger wait; go on from the last id, at your own pace"
        );
        Self::new(ErrorCode::Timeout, detail)
    }

    /// Gives the stable code.
    pub fn code(&self) -> ErrorCode {
        self.0.code
    }

    /// Tells whether somebody goes too fast.
    pub(super) fn is_for_speed(&self) -> bool {
        self.0.status == StatusCode::TOO_MANY_REQUESTS.as_u16()
    }

    /// Gives what is wrong, and what to do.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// Gives the same refusal for a tool.
    pub fn to_error_response(&self) -> ErrorResponse {
        let body = &self.0;
        let mut detail = body.detail.clone();
        if !body.candidates.is_empty() {
            detail = format!("{detail}: {}", body.candidates.join(", "));
        }
        ErrorResponse {
            error: body.title.to_owned(),
            detail,
            error_code: Some(body.code.to_string()),
        }
    }

    /// Says when to try again.
    #[must_use]
    pub(super) fn retry_after(mut self, seconds: u16) -> Self {
        self.0.retry_after_seconds = Some(seconds);
        self
    }
}

/// Gives the schema of what a refusal says.
pub(super) fn schema() -> serde_json::Value {
    session_model::schema::of::<Body>()
}

/// Gives the status of an answer with this code. Each code has one.
pub(super) const fn status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::InvalidEvent | ErrorCode::InvalidParameter | ErrorCode::InvalidCursor => {
            StatusCode::BAD_REQUEST
        }
        ErrorCode::TokenRequired
        | ErrorCode::TokenInvalid
        | ErrorCode::TokenExpired
        | ErrorCode::TokenRevoked => StatusCode::UNAUTHORIZED,
        ErrorCode::Forbidden | ErrorCode::HostRefused | ErrorCode::OriginRefused => {
            StatusCode::FORBIDDEN
        }
        ErrorCode::SessionNotFound | ErrorCode::NotFound => StatusCode::NOT_FOUND,
        ErrorCode::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        ErrorCode::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
        ErrorCode::Timeout => StatusCode::REQUEST_TIMEOUT,
        ErrorCode::Conflict | ErrorCode::AmbiguousId | ErrorCode::SessionAlive => {
            StatusCode::CONFLICT
        }
        ErrorCode::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ErrorCode::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorCode::StorageUnavailable | ErrorCode::Overloaded | ErrorCode::Stopping => {
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}

impl From<StoreError> for Problem {
    fn from(failure: StoreError) -> Self {
        let unavailable = |code, detail: &str| Self::new(code, detail).retry_after(1);
        match failure {
            StoreError::Overloaded => unavailable(
                ErrorCode::Overloaded,
                "too many changes wait to be written; try again",
            ),
            StoreError::Stopping => unavailable(
                ErrorCode::Stopping,
                "the server is stopping; try again when it is back",
            ),
            // The store has logged the inside.
            StoreError::Unavailable(_) => unavailable(
                ErrorCode::StorageUnavailable,
                "nothing can be written or read now; try again, and see the server's log and /health",
            ),
            StoreError::Damaged(_) => Self::new(
                ErrorCode::Internal,
                "the record of this session is damaged; see the server's log and run `session-buddy verify`",
            ),
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.code(), refusal.to_string())
    }
}

impl From<ResolveError> for Problem {
    fn from(error: ResolveError) -> Self {
        let detail = error.to_string();
        match error {
            ResolveError::NotFound(_) => Self::new(ErrorCode::SessionNotFound, detail),
            ResolveError::Ambiguous { candidates, .. } => {
                let mut problem = Self::new(ErrorCode::AmbiguousId, detail);
                problem.0.candidates = candidates.iter().map(ToString::to_string).collect();
                problem
            }
        }
    }
}

impl From<EndError> for Problem {
    fn from(error: EndError) -> Self {
        let detail = error.to_string();
        match error {
            EndError::Resolve(error) => error.into(),
            EndError::Refused(refusal) => refusal.into(),
            EndError::Alive(_) => Self::new(
                ErrorCode::SessionAlive,
                format!("{detail}; leave the shell, or close it on paper with force"),
            ),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self(body) = self;
        let status = StatusCode::from_u16(body.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after_seconds = body.retry_after_seconds;
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer realm=\"session-buddy\"");
            headers.insert(header::WWW_AUTHENTICATE, scheme);
        }
        if let Some(seconds) = retry_after_seconds {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// Answers a path that is not there.
pub(super) async fn not_found(request: Request) -> Problem {
    let path = request.uri().path();
    Problem::new(ErrorCode::NotFound, format!("there is no {path} here"))
}

/// Answers a method that a path does not have.
pub(super) async fn method_not_allowed(request: Request) -> Problem {
    let detail = format!(
        "{} does not take {}",
        request.uri().path(),
        request.method()
    );
    Problem::new(ErrorCode::MethodNotAllowed, detail)
}
