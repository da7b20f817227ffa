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
mod mcp;
mod problem;

use std::{fmt, io, net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::connect_info::Connected,
    middleware,
    routing::{get, post},
    serve::{IncomingStream, Listener},
};
use tokio::{
    net::{TcpListener, TcpStream, UnixListener, UnixStream, unix::UCred},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;

pub(crate) use guard::BODY_BYTES_MAX;
pub use health::Health;
pub use problem::Problem;

use crate::{
    auth::{Gate, Peer},
    liveness::{Sender, process},
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
    /// Places for batches of events: each may hold a megabyte, and what it is read into.
    batches: Arc<Semaphore>,
}

/// The most batches of events that are worked on at once.
const BATCHES_MAX: usize = 4;

impl App {
    /// Puts together what the handlers share.
    pub fn new(tracker: Tracker, gate: Gate, health: Health) -> Self {
        Self {
            tracker,
            gate: Arc::new(gate),
            health: Arc::new(health),
            batches: Arc::new(Semaphore::new(BATCHES_MAX)),
        }
    }
}

/// Where batches of events are sent, the only bodies that are not JSON.
const EVENTS: &str = "/api/events";

/// The table of contents of the API. What each route needs stands in [`crate::auth::routes`].
pub fn router(app: App) -> Router {
    let mcp = mcp::service(app.clone());
    Router::new()
        .route("/health", get(health::health))
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::health))
        .route(EVENTS, post(events::take))
        .route("/api/sessions", get(api::list_sessions))
        .route("/api/sessions/{id}", get(api::show_session))
        .route("/api/sessions/{id}/end", post(api::end_session))
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

/// Serves until `stop` is cancelled and every request under way is answered.
///
/// # Errors
///
/// When a listener fails for good.
pub async fn serve<L>(listener: L, app: App, stop: CancellationToken) -> io::Result<()>
where
    L: Listener,
    L::Addr: fmt::Debug,
    Peer: for<'a> Connected<IncomingStream<'a, L>>,
{
    let service = router(app).into_make_service_with_connect_info::<Peer>();
    axum::serve(listener, service)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
}

/// A TCP listener whose connections answer at once: Nagle's algorithm would hold an answer back for 40 ms.
#[derive(Debug)]
pub struct TcpDoor(pub TcpListener);

impl Listener for TcpDoor {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        let (stream, remote) = Listener::accept(&mut self.0).await;
        // A connection that is already gone fails again when it is read.
        let _ = stream.set_nodelay(true);
        (stream, remote)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl Connected<IncomingStream<'_, TcpDoor>> for Peer {
    fn connect_info(stream: IncomingStream<'_, TcpDoor>) -> Self {
        let remote = *stream.remote_addr();
        // Without its own address no connection can be found again in the kernel's table.
        let local = stream.io().local_addr().unwrap_or(remote);
        Self::tcp(local, remote)
    }
}

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        let peer = UnixStream::peer_cred(stream.io());
        let pid = peer.as_ref().ok().and_then(UCred::pid);
        // A peer that the kernel does not name is nobody: this is no valid user id.
        Self::Unix {
            uid: peer.as_ref().map_or(u32::MAX, UCred::uid),
            sender: pid.map_or(Sender::Unknown, |pid| Sender::Unix {
                pid,
                accepted_ticks: process::ticks_since_boot(),
            }),
        }
    }
}
