//! The server's HTTP: one router over the Unix socket and over TCP.
//!
//! Handlers and tools hold no rule: they parse, call the [`Tracker`] once, and wrap.

mod acts;
mod analytics;
mod api;
mod entry;
mod events;
mod export;
mod guard;
mod health;
mod import;
mod intake;
mod listener;
mod live;
mod mcp;
mod metrics;
mod openapi;
mod parameters;
mod problem;
mod schemas;
mod stream;

use std::{path::Path, sync::Arc};

use axum::{
    Router,
    handler::Handler,
    middleware,
    routing::{MethodRouter, get, post},
};
use tokio::sync::Semaphore;

pub(crate) use guard::BODY_BYTES_MAX;
pub use health::Health;
pub use listener::{serve_tcp, serve_unix};
pub use problem::Problem;

use self::live::Feed;
use crate::{
    auth::Gate,
    metrics::{Endpoint, Metrics},
    network::Traffic,
    tracker::Tracker,
};

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
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Where that is to be had; none where it is not.
    endpoint: Option<Arc<Endpoint>>,
    /// Places for batches of events: each may hold a megabyte, and what it is read into.
    batches: Arc<Semaphore>,
    /// A place for an import, which others wait for.
    imports: Arc<Semaphore>,
    /// Where an import is put aside.
    aside: Arc<Path>,
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
            metrics: Arc::new(Metrics::new(tracker.clock().now())),
            endpoint: Some(Arc::default()),
            tracker,
            gate: Arc::new(gate),
            health: Arc::new(health),
            traffic: Arc::new(traffic),
            batches: Arc::new(Semaphore::new(BATCHES_MAX)),
            imports: Arc::new(Semaphore::new(1)),
            aside: std::env::temp_dir().into(),
        }
    }

    /// Puts imports aside in a folder of one's own, not where everybody's temporary files are.
    #[must_use]
    pub fn with_aside(self, folder: &Path) -> Self {
        let aside = folder.into();
        Self { aside, ..self }
    }

    /// Counts with others, and says so somewhere else or nowhere.
    #[must_use]
    pub fn with_metrics(self, metrics: Arc<Metrics>, endpoint: Option<Endpoint>) -> Self {
        Self {
            metrics,
            endpoint: endpoint.map(Arc::new),
            ..self
        }
    }

    /// Gives the name under which the table of permissions has a path of the router.
    fn known_path<'a>(&self, path: &'a str) -> &'a str {
        match &self.endpoint {
            Some(endpoint) if endpoint.path == path => METRICS,
            Some(_) | None => path,
        }
    }
}

/// Where batches of events are sent, as lines of JSON, and where what happens is followed.
const EVENTS: &str = "/api/events";
/// Where sessions are imported, as lines of JSON. The only body that is not held in memory.
const IMPORT: &str = "/api/import";
/// Where tools are called.
const MCP: &str = "/mcp";
/// Where the metrics are unless somebody wants them elsewhere.
const METRICS: &str = "/metrics";

/// Gives what answers requests.
pub fn router(app: App) -> Router {
    let mcp = Router::new()
        .route_service(MCP, mcp::service(app.clone()))
        .layer(middleware::from_fn(mcp::speak_json));
    let routes = routes().router;
    let routes = routes
        .merge(metrics(&app))
        .method_not_allowed_fallback(problem::method_not_allowed)
        .fallback(problem::not_found)
        .merge(mcp);
    routes
        .layer(middleware::from_fn_with_state(app.clone(), guard::guard))
        .with_state(app)
}

/// All that a port for metrics alone has.
pub fn metrics_router(app: App) -> Router {
    metrics(&app)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .fallback(problem::not_found)
        .layer(middleware::from_fn_with_state(app.clone(), guard::guard))
        .with_state(app)
}

fn metrics(app: &App) -> Router<App> {
    match &app.endpoint {
        Some(endpoint) => Router::new().route(&endpoint.path, get(metrics::show)),
        None => Router::new(),
    }
}

/// The table of contents of the API, but for [`BESIDES`]. What each route needs stands in [`crate::auth::routes`], what it takes
/// and answers in [`openapi`]; a test holds the three to each other.
fn routes() -> Routes {
    Routes::default()
        .get("/health", health::health)
        .get("/health/live", health::live)
        .get("/health/ready", health::health)
        .with("GET", EVENTS, get(live::follow))
        .post(EVENTS, events::take)
        .get("/api/sessions", api::list_sessions)
        .get("/api/sessions/{id}", api::show_session)
        .post("/api/sessions/{id}/end", api::end_session)
        .get("/api/violations", api::violations)
        .get("/api/analytics", analytics::report)
        .get("/api/analytics/sessions", analytics::sessions)
        .get("/api/analytics/duration", analytics::duration)
        .get("/api/analytics/components", analytics::components)
        .get("/api/analytics/errors", analytics::errors)
        .get("/api/analytics/active", analytics::active)
        .get("/api/schemas", schemas::list)
        .get("/api/schemas/{name}", schemas::show)
        .get("/api/openapi.json", openapi::show)
        .get("/api/export", export::export)
        .post(IMPORT, import::import)
        .get("/api/audit", acts::list)
        .post("/api/tokens/revoke", acts::revoke_token)
}

/// Routes that are put in by themselves.
const BESIDES: [(&str, &str); 2] = [("POST", MCP), ("GET", METRICS)];

/// Lists every route by method and path.
fn listed() -> Vec<(&'static str, &'static str)> {
    routes().listed.into_iter().chain(BESIDES).collect()
}

/// A router that can tell what is in it, which axum's cannot.
#[derive(Default)]
struct Routes {
    router: Router<App>,
    listed: Vec<(&'static str, &'static str)>,
}

impl Routes {
    fn get<H: Handler<T, App>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.with("GET", path, get(handler))
    }

    fn post<H: Handler<T, App>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.with("POST", path, post(handler))
    }

    fn with(
        mut self,
        method: &'static str,
        path: &'static str,
        handler: MethodRouter<App>,
    ) -> Self {
        self.listed.push((method, path));
        self.router = self.router.route(path, handler);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_has_a_permission_and_stands_in_the_document() {
        let described = openapi::operations();
        let known = crate::auth::routes::ROUTES;
        for route in listed() {
            let found = described
                .iter()
                .filter(|known| (known.method, known.path) == route);
            assert_eq!(found.count(), 1, "{route:?} in the document");
            let found = known
                .iter()
                .filter(|(method, path, _)| (*method, *path) == route);
            assert_eq!(found.count(), 1, "{route:?} in the table of permissions");
        }
        assert_eq!(described.len(), listed().len());
    }
}
