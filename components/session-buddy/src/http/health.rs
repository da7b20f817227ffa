//! How the server is. No token, no disk.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use axum::{
    Json,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Serialize;

use super::App;
use crate::{lifecycle::CheckpointHealth, store::StoreHealth};

/// What is known of the server's health beyond its store.
#[derive(Debug)]
pub struct Health {
    started: Instant,
    stopping: tokio_util::sync::CancellationToken,
    auth: AuthMode,
    checkpoints: Arc<CheckpointHealth>,
}

/// The answer to `health_check`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct HealthReport {
    /// `healthy` exactly while events are accepted, else `unhealthy`.
    status: HealthStatus,
    /// Always `session-buddy`.
    service: &'static str,
    /// Version of the server.
    version: &'static str,
    /// Whether it has started.
    ready: bool,
    /// Whether events are accepted.
    accepting_events: bool,
    /// Whether TCP needs a token for all but this.
    auth: AuthMode,
    /// How long it has run, in seconds.
    uptime_seconds: u64,
    /// The single checks.
    checks: BTreeMap<&'static str, Check>,
    /// Why it is not healthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum HealthStatus {
    Healthy,
    Unhealthy,
}

#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum AuthMode {
    Optional,
    Required,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum Check {
    Ok,
    Warn,
    Fail,
}

impl Health {
    /// Begins to count the server's uptime. `stopping` tells when it no longer accepts events.
    /// `wants_tokens` says whether TCP needs them.
    pub fn new(
        stopping: tokio_util::sync::CancellationToken,
        wants_tokens: bool,
        checkpoints: Arc<CheckpointHealth>,
    ) -> Self {
        Self {
            started: Instant::now(),
            stopping,
            auth: if wants_tokens {
                AuthMode::Required
            } else {
                AuthMode::Optional
            },
            checkpoints,
        }
    }

    /// Tells whether events are accepted.
    pub(super) fn accepts(&self, store: &StoreHealth) -> bool {
        !self.stopping.is_cancelled() && store.failure.is_none()
    }

    /// Tells when the server no longer accepts events.
    pub(super) const fn stopping(&self) -> &tokio_util::sync::CancellationToken {
        &self.stopping
    }

    pub(super) fn report(&self, store: &StoreHealth) -> HealthReport {
        let stopping = self.stopping.is_cancelled();
        let accepting = self.accepts(store);
        let queue = match store.queued {
            waiting if waiting >= store.queue_limit => Check::Fail,
            waiting if waiting >= store.queue_limit / 2 => Check::Warn,
            _ => Check::Ok,
        };
        // Events are taken all the same.
        let checkpoint = if self.checkpoints.wants_a_look() {
            Check::Warn
        } else {
            Check::Ok
        };
        let check = |fine: bool| if fine { Check::Ok } else { Check::Fail };
        let cause = if stopping {
            Some("the server is stopping".to_owned())
        } else {
            store.failure.clone()
        };
        HealthReport {
            status: if accepting {
                HealthStatus::Healthy
            } else {
                HealthStatus::Unhealthy
            },
            service: "session-buddy",
            version: env!("CARGO_PKG_VERSION"),
            ready: true,
            accepting_events: accepting,
            auth: self.auth,
            uptime_seconds: self.started.elapsed().as_secs(),
            checks: BTreeMap::from([
                ("checkpoint", checkpoint),
                ("lifecycle", check(!stopping)),
                ("queue", queue),
                ("store", check(store.failure.is_none())),
            ]),
            cause,
        }
    }
}

/// `GET /health`, `GET /health/ready`: 503 with a cause unless events are accepted.
pub(super) async fn health(State(app): State<App>) -> Response {
    let report = app.health.report(&app.tracker.health());
    let status = match report.status {
        HealthStatus::Healthy => StatusCode::OK,
        HealthStatus::Unhealthy => StatusCode::SERVICE_UNAVAILABLE,
    };
    let mut response = (status, Json(report)).into_response();
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// `GET /health/live`: 200 while the process answers.
pub(super) async fn live(State(app): State<App>) -> Response {
    Json(app.health.report(&app.tracker.health())).into_response()
}
