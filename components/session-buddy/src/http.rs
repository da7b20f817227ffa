//! The server's HTTP: one router over the Unix socket and over TCP.
//!
//! Handlers and tools hold no rule: they parse, call the [`Tracker`] once, and wrap.

mod acts;
mod analytics;
mod api;
mod entry;
mod events;
mod guard;
mod health;
mod intake;
mod listener;
mod live;
mod mcp;
mod problem;
mod stream;

use std::sync::Arc;

use axum::{
    Router, middleware,
    routing::{get, post},
};
use tokio::sync::Semaphore;

pub(crate) use guard::BODY_BYTES_MAX;
pub use health::Health;
pub use listener::{serve_tcp, serve_unix};
pub use problem::Problem;

use self::live::Feed;
use crate::{auth::Gate, network::Traffic, tracker::Tracker};

/// What the handlers share.
#[derive(Clone)]
pub struct App {
    /// The rules.
    pub tracker: Tracker,
    /// Who may do what.
    pub gate: Arc<Gate>,
    /// How the server is.
    pub health: Arc<Health>,
    /// Who takes how much.
    pub traffic: Arc<Traffic>,
    /// Places for batches of events: each may hold a megabyte, and what it is read into.
    batches: Arc<Semaphore>,
    /// What happens, for those who follow it.
    feed: Arc<Feed>,
}

/// The most batches of events that are worked on at once.
const BATCHES_MAX: usize = 4;

impl App {
    /// Puts together what the handlers share.
    pub fn new(tracker: Tracker, gate: Gate, health: Health, traffic: Traffic) -> Self {
        Self {
            feed: Arc::new(Feed::new(tracker.clone())),
            tracker,
            gate: Arc::new(gate),
            health: Arc::new(health),
            traffic: Arc::new(traffic),
            batches: Arc::new(Semaphore::new(BATCHES_MAX)),
        }
    }
}

/// Where batches of events are sent, the only bodies that are not JSON, and where what happens is followed.
const EVENTS: &str = "/api/events";

/// The table of contents of the API. What each route needs stands in [`crate::auth::routes`].
pub fn router(app: App) -> Router {
    let mcp = mcp::service(app.clone());
    Router::new()
        .route("/health", get(health::health))
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::health))
        .route(EVENTS, get(live::follow).post(events::take))
        .route("/api/sessions", get(api::list_sessions))
        .route("/api/sessions/{id}", get(api::show_session))
        .route("/api/sessions/{id}/end", post(api::end_session))
        .route("/api/violations", get(api::violations))
        .route("/api/analytics", get(analytics::report))
        .route("/api/analytics/sessions", get(analytics::sessions))
        .route("/api/analytics/duration", get(analytics::duration))
        .route("/api/analytics/components", get(analytics::components))
        .route("/api/analytics/errors", get(analytics::errors))
        .route("/api/analytics/active", get(analytics::active))
        .route("/api/audit", get(acts::list))
        .route("/api/tokens/revoke", post(acts::revoke_token))
        .method_not_allowed_fallback(problem::method_not_allowed)
        .fallback(problem::not_found)
        .merge(
            Router::new()
                .route_service("/mcp", mcp)
                .layer(middleware::from_fn(mcp::speak_json)),
        )
        .layer(middleware::from_fn_with_state(app.clone(), guard::guard))
        .with_state(app)
}
