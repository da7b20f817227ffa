//! How the server says that it did not do what it was asked for (RFC 9457).

use axum::{
    Json,
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use session_model::{ErrorResponse, FieldError, FieldErrors, escape::for_line};

use crate::{
    auth::Refusal,
    network::Full,
    store::StoreError,
    tracker::{EndError, ResolveError},
};

/// A refusal, for REST as `application/problem+json`, for MCP as an [`ErrorResponse`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem(Box<Body>);

/// What a refusal says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Body {
    #[serde(rename = "type")]
    problem_type: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    code: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    candidates: Vec<String>,
    #[serde(skip)]
    retry_after_seconds: Option<u16>,
}

impl Problem {
    /// Makes a refusal. `detail` says what is wrong and what to do; what it quotes of a request does not act where it is
    /// shown.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
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
    pub fn fields(code: &'static str, errors: &FieldErrors) -> Self {
        let mut problem = Self::new(StatusCode::BAD_REQUEST, code, errors.to_string());
        let errors = errors.as_slice().iter().map(|error| FieldError {
            field: for_line(&error.field).into_owned(),
            message: for_line(&error.message).into_owned(),
        });
        problem.0.errors = errors.collect();
        problem
    }

    /// Refuses a parameter.
    pub fn parameter(name: &str, message: impl Into<String>) -> Self {
        let mut errors = FieldErrors::default();
        errors.add(session_model::field::Place::root().member(name), message);
        Self::fields("INVALID_PARAMETER", &errors)
    }

    /// Says that there is no room, or that somebody goes too fast.
    pub(super) fn full(full: Full, what: &str) -> Self {
        match full {
            Full::Overloaded => {
                let detail = format!("too many {what}; try again");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "OVERLOADED", detail).retry_after(1)
            }
            Full::TooMuch(wait) => {
                // In whole seconds, and never none.
                let seconds = wait.as_millis().div_ceil(1000).clamp(1, 3600);
                let seconds = u16::try_from(seconds).unwrap_or(u16::MAX);
                let detail = format!("too many {what}; try again in {seconds} s");
                Self::new(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED", detail)
                    .retry_after(seconds)
            }
        }
    }

    /// Says that a stream of events is not taken as fast as they happen.
    pub(super) fn too_slow(behind: u64) -> Self {
        let detail = format!(
            "what happens is not taken fast enough: {behind} records of the ledger wait; go on from the last id, at your own pace"
        );
        Self::new(StatusCode::REQUEST_TIMEOUT, "TIMEOUT", detail)
    }

    /// Gives the stable code.
    pub fn code(&self) -> &'static str {
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
            error_code: Some(body.code.to_owned()),
        }
    }

    /// Says when to try again.
    #[must_use]
    pub(super) fn retry_after(mut self, seconds: u16) -> Self {
        self.0.retry_after_seconds = Some(seconds);
        self
    }
}

impl From<StoreError> for Problem {
    fn from(failure: StoreError) -> Self {
        let unavailable = |code, detail: &str| {
            Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail).retry_after(1)
        };
        match failure {
            StoreError::Overloaded => unavailable(
                "OVERLOADED",
                "too many changes wait to be written; try again",
            ),
            StoreError::Stopping => unavailable(
                "STOPPING",
                "the server is stopping; try again when it is back",
            ),
            // The store has logged the inside.
            StoreError::Unavailable(_) => unavailable(
                "STORAGE_UNAVAILABLE",
                "nothing can be written or read now; try again, and see the server's log and /health",
            ),
            StoreError::Damaged(_) => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "INTERNAL",
                "the record of this session is damaged; see the server's log and run `session-buddy verify`",
            ),
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let status = if refusal.wants_token() {
            StatusCode::UNAUTHORIZED
        } else {
            StatusCode::FORBIDDEN
        };
        Self::new(status, refusal.code(), refusal.to_string())
    }
}

impl From<ResolveError> for Problem {
    fn from(error: ResolveError) -> Self {
        let detail = error.to_string();
        match error {
            ResolveError::NotFound(_) => {
                Self::new(StatusCode::NOT_FOUND, "SESSION_NOT_FOUND", detail)
            }
            ResolveError::Ambiguous { candidates, .. } => {
                let mut problem = Self::new(StatusCode::CONFLICT, "AMBIGUOUS_ID", detail);
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
                StatusCode::CONFLICT,
                "SESSION_ALIVE",
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
    Problem::new(
        StatusCode::NOT_FOUND,
        "NOT_FOUND",
        format!("there is no {path} here"),
    )
}

/// Answers a method that a path does not have.
pub(super) async fn method_not_allowed(request: Request) -> Problem {
    let detail = format!(
        "{} does not take {}",
        request.uri().path(),
        request.method()
    );
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", detail)
}
