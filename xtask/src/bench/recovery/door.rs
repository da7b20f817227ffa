//! A door before a server that counts what comes.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header::CONTENT_TYPE};
use axum::response::Response;
use axum::serve::ListenerExt;
use session_client::state_folder::ShortPath;
use tokio::net::{TcpListener, UnixListener};
use tokio::runtime::Runtime;

use crate::http::Connection;

/// Where the door is.
pub(super) enum Address {
    Socket(PathBuf),
    Port(u16),
}

/// A request that came.
pub(super) struct Came {
    /// How long after the opening.
    pub(super) at: Duration,
    /// Whether the server took it.
    pub(super) taken: bool,
}

/// An open door.
pub(super) struct Door {
    counter: Arc<Counter>,
    runtime: Runtime,
}

struct Counter {
    server: SocketAddr,
    opened: Instant,
    came: Mutex<Vec<Came>>,
    /// Connections to the server that are not in use.
    idle: Mutex<Vec<Connection>>,
}

impl Door {
    pub(super) fn open(address: &Address, server: SocketAddr) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let counter = Arc::new(Counter {
            server,
            opened: Instant::now(),
            came: Mutex::default(),
            idle: Mutex::default(),
        });
        let router = Router::new()
            .fallback(forward)
            .with_state(Arc::clone(&counter));
        runtime.block_on(async {
            match address {
                Address::Socket(path) => {
                    let listener = UnixListener::bind(ShortPath::of(path)?.as_path())?;
                    tokio::spawn(axum::serve(listener, router).into_future());
                }
                Address::Port(port) => {
                    let listener = TcpListener::bind(("127.0.0.1", *port)).await?;
                    let listener = listener.tap_io(|stream| {
                        // A connection that is already gone fails again when it is read.
                        let _ = stream.set_nodelay(true);
                    });
                    tokio::spawn(axum::serve(listener, router).into_future());
                }
            }
            anyhow::Ok(())
        })?;
        Ok(Self { counter, runtime })
    }

    /// Closes it; gives how long it was open, and what came, in order.
    pub(super) fn close(self) -> (Duration, Vec<Came>) {
        let opened = self.counter.opened.elapsed();
        self.runtime.shutdown_background();
        let mut came = locked(&self.counter.came);
        let mut came = std::mem::take(&mut *came);
        came.sort_by_key(|came| came.at);
        (opened, came)
    }
}

async fn forward(State(counter): State<Arc<Counter>>, request: Request) -> Response {
    let at = counter.opened.elapsed();
    let answer = counter.ask(request).await;
    let taken = answer
        .as_ref()
        .is_ok_and(|answer| answer.status() == StatusCode::OK);
    locked(&counter.came).push(Came { at, taken });
    answer.unwrap_or_else(|error| {
        let mut response = Response::new(Body::from(format!("{error:#}")));
        *response.status_mut() = StatusCode::BAD_GATEWAY;
        response
    })
}

impl Counter {
    /// Asks the server the same.
    async fn ask(&self, request: Request) -> Result<Response> {
        const BODY_BYTES_MAX: usize = 1 << 20;
        let (head, body) = request.into_parts();
        let body = to_bytes(body, BODY_BYTES_MAX).await?;
        let idle = locked(&self.idle).pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => Connection::open(self.server).await?,
        };
        let path = head.uri.path();
        let answer = match head.method {
            Method::POST => connection.post_lines(path, &body).await?,
            _ => connection.get(path).await?,
        };
        let response = Response::builder()
            .status(answer.status)
            .header(CONTENT_TYPE, "application/json")
            .body(Body::from(answer.body.to_vec()))
            .context("an answer is an answer");
        locked(&self.idle).push(connection);
        response
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
