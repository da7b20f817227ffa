//! Where connections come in.
//!
//! Each is a task with a place in its door's crowd. The loops that accept wait for nobody: a handshake is the task's.

use std::{
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{ConnectInfo, Request},
    response::Response,
};
use hyper::{
    body::{Body as HttpBody, Frame, Incoming, SizeHint},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream, UnixListener, UnixStream, unix::UCred},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::Service;
use tracing::{debug, error};

use super::{
    App,
    stream::{Pace, Paced, Turn},
};
use crate::{
    auth::Peer,
    liveness::{Sender, process},
    network::{Certificate, Limits, Place, count},
};

/// How long nothing is accepted after the system could not, as where too many files are open: 1 second.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// What is said to a connection for which there is no room. It is not read: whoever floods would be waited for.
const NO_ROOM: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\n\
content-type: application/problem+json\r\ncontent-length: 142\r\n\r\n\
{\"type\":\"about:blank\",\"title\":\"Service Unavailable\",\"status\":503,\"detail\":\"too many connections; try again after a while\",\"code\":\"OVERLOADED\"}";

/// Serves connections over TCP until `stop` is cancelled and every request under way is answered.
pub async fn serve_tcp(
    listener: TcpListener,
    certificate: Option<Arc<Certificate>>,
    app: App,
    router: Router,
    stop: CancellationToken,
) {
    let serving = Serving::new(app, router, stop);
    while let Some((stream, remote)) = serving.next(|| listener.accept()).await {
        // Nagle's algorithm would hold an answer back for 40 ms. A connection that is gone fails again when it is read.
        let _ = stream.set_nodelay(true);
        // Without its own address no connection can be found again in the kernel's table.
        let local = stream.local_addr().unwrap_or(remote);
        let peer = Peer::tcp(local, remote);
        let place = match serving.app.traffic.connect(&peer) {
            Ok(place) => place,
            Err(_) if certificate.is_some() => continue,
            Err(_) => {
                let _ = stream.try_write(NO_ROOM);
                continue;
            }
        };
        match &certificate {
            None => serving.spawn(stream, peer, place),
            Some(certificate) => {
                let acceptor = TlsAcceptor::from(certificate.config());
                serving.spawn_tls(acceptor, stream, peer.over_tls(), place);
            }
        }
    }
    serving.end().await;
}

/// Serves connections over a Unix socket until `stop` is cancelled and every request under way is answered.
pub async fn serve_unix(listener: UnixListener, app: App, router: Router, stop: CancellationToken) {
    let serving = Serving::new(app, router, stop);
    while let Some((stream, _)) = serving.next(|| listener.accept()).await {
        let peer = unix_peer(&stream);
        match serving.app.traffic.connect(&peer) {
            Ok(place) => serving.spawn(stream, peer, place),
            Err(_) => {
                let _ = stream.try_write(NO_ROOM);
            }
        }
    }
    serving.end().await;
}

fn unix_peer(stream: &UnixStream) -> Peer {
    let peer = stream.peer_cred();
    let pid = peer.as_ref().ok().and_then(UCred::pid);
    // A peer that the kernel does not name is nobody: this is no valid user id.
    Peer::Unix {
        uid: peer.as_ref().map_or(u32::MAX, UCred::uid),
        sender: pid.map_or(Sender::Unknown, |pid| Sender::Unix {
            pid,
            accepted_ticks: process::ticks_since_boot(),
        }),
    }
}

/// The connections of one listener.
struct Serving {
    app: App,
    router: Router,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Serving {
    fn new(app: App, router: Router, stop: CancellationToken) -> Self {
        Self {
            router,
            app,
            stop,
            tasks: TaskTracker::new(),
        }
    }

    /// Waits for the next connection; none once the server stops.
    async fn next<T, F>(&self, accept: impl Fn() -> F) -> Option<T>
    where
        F: Future<Output = io::Result<T>>,
    {
        loop {
            match self.stop.run_until_cancelled(accept()).await? {
                Ok(accepted) => return Some(accepted),
                // It was gone before it was accepted.
                Err(error) if is_of_connection(&error) => {}
                Err(error) => {
                    error!("No connection can be accepted: {error}");
                    self.stop.run_until_cancelled(sleep(ACCEPT_PAUSE)).await?;
                }
            }
        }
    }

    fn spawn<S>(&self, stream: S, peer: Peer, place: Place)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let connection = self.connection(peer, place);
        self.tasks.spawn(connection.serve(stream));
    }

    fn spawn_tls(&self, acceptor: TlsAcceptor, stream: TcpStream, peer: Peer, place: Place) {
        let connection = self.connection(peer, place);
        self.tasks.spawn(async move {
            let patience = connection.limits.header_timeout;
            let handshake = timeout(patience, acceptor.accept(stream));
            match connection.stop.clone().run_until_cancelled(handshake).await {
                Some(Ok(Ok(stream))) => connection.serve(stream).await,
                Some(Ok(Err(error))) => {
                    count(&connection.app.traffic.counters().handshakes_failed);
                    debug!("A TLS handshake failed: {error}");
                }
                Some(Err(_)) => count(&connection.app.traffic.counters().timed_out),
                None => {}
            }
        });
    }

    fn connection(&self, peer: Peer, place: Place) -> Connection {
        Connection {
            app: self.app.clone(),
            router: self.router.clone(),
            limits: self.app.traffic.network().limits.clone(),
            peer,
            stop: self.stop.clone(),
            _place: place,
        }
    }

    async fn end(self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

fn is_of_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

/// A connection, within the bounds that were in force when it came.
struct Connection {
    app: App,
    router: Router,
    limits: Limits,
    peer: Peer,
    stop: CancellationToken,
    _place: Place,
}

impl Connection {
    async fn serve<S>(self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let pace = Pace::new(&self.limits);
        let stream = TokioIo::new(Paced::new(stream, pace.clone(), &self.limits));
        let service = service_fn(|request: hyper::Request<Incoming>| {
            let turn = pace.turn();
            let mut request: Request = request.map(Body::new);
            request
                .extensions_mut()
                .insert(ConnectInfo(self.peer.clone()));
            let answer = self.router.clone().call(request);
            async move {
                let Ok(mut answer) = answer.await;
                let place = answer.extensions_mut().remove::<Arc<Place>>();
                let answer: Response<Counted> = answer.map(|body| Counted {
                    body,
                    _turn: turn,
                    _place: place,
                });
                Ok::<_, std::convert::Infallible>(answer)
            }
        });
        let mut builder = http1::Builder::new();
        builder
            .max_headers(self.limits.headers_max)
            .max_header_size(self.limits.header_bytes_max)
            .max_buf_size(self.limits.header_bytes_max);
        let mut connection = pin!(builder.serve_connection(stream, service));
        let served = tokio::select! {
            served = connection.as_mut() => served,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = served
            && is_late(&error)
        {
            count(&self.app.traffic.counters().timed_out);
        }
    }
}

fn is_late(error: &hyper::Error) -> bool {
    let source = std::error::Error::source(error);
    source
        .and_then(|source| source.downcast_ref::<io::Error>())
        .is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
}

/// The body of an answer. Its request has its turn and its place until it is sent.
struct Counted {
    body: Body,
    _turn: Turn,
    _place: Option<Arc<Place>>,
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_without_room_is_as_long_as_it_says() {
        let text = std::str::from_utf8(NO_ROOM).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.ends_with(&format!("content-length: {}", body.len())),
            "{}",
            body.len()
        );
        let problem: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(problem["code"], "OVERLOADED");
    }
}
