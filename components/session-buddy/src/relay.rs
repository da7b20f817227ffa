//! MCP on standard input and output, carried to a server's `/mcp`. It knows no SDK: a line is a message, a message is a
//! request of HTTP, and its answer is a line again.
//!
//! Messages are carried one after the other, so a start is there before its end.

mod lines;
mod message;

use std::{io, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::ConnectInfo,
    http::{HeaderValue, Request, Response, header},
};
use session_client::{Connection, ConnectionError, Destination};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tower::ServiceExt;
use tracing::warn;

use crate::{auth::Peer, causes};
pub use lines::{Line, Lines};
use message::Message;

/// How long an answer may take: 60 seconds. Ours take milliseconds, and a disk that hangs takes what it takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// The most bytes of an answer: 64 MiB. A page of a thousand sessions with large metadata has some.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The server that messages are carried to.
pub enum Server {
    /// Over its socket.
    Running {
        /// Where it is.
        destination: Destination,
        /// Kept from message to message, made anew when it is gone.
        connection: Option<Connection>,
    },
    /// In this process.
    Embedded(Router),
}

impl Server {
    /// Names a running server; it is connected to when there is something to carry.
    pub const fn running(destination: Destination) -> Self {
        Self::Running {
            destination,
            connection: None,
        }
    }
}

/// Carries messages until the input ends.
///
/// # Errors
///
/// When the output cannot be written any more.
pub async fn run(
    mut server: Server,
    mut input: Lines,
    mut output: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    let mut session = message::Session::default();
    while let Some(line) = input.next().await {
        let answers = match line {
            Line::TooLong => vec![message::too_long()],
            Line::Whole(line) if line.trim_ascii().is_empty() => continue,
            Line::Whole(line) => {
                let message = Message::read(&line, &session);
                let answers = match server.post(message.request(line)).await {
                    Ok(response) => message.answers(response, &mut session),
                    Err(error) => message.failed(&error),
                };
                if answers.is_empty() && message.wants_answer() {
                    message.failed("the server gave no answer")
                } else {
                    answers
                }
            }
        };
        for answer in answers {
            output.write_all(&answer).await?;
            output.write_all(b"\n").await?;
        }
        output.flush().await?;
    }
    Ok(())
}

impl Server {
    async fn post(&mut self, request: Request<Bytes>) -> Result<Response<Bytes>, String> {
        match self {
            Self::Embedded(router) => embedded(router.clone(), request).await,
            Self::Running {
                destination,
                connection,
            } => over_socket(destination, connection, request)
                .await
                .map_err(|error| {
                    let said: Vec<_> = causes(&error).map(ToString::to_string).collect();
                    said.join(": ")
                }),
        }
    }
}

async fn embedded(router: Router, request: Request<Bytes>) -> Result<Response<Bytes>, String> {
    let mut request = request.map(Body::from);
    request.extensions_mut().insert(ConnectInfo(Peer::stdio()));
    // The SDK looks at it, as it would behind a connection.
    let host = HeaderValue::from_static("localhost");
    request.headers_mut().insert(header::HOST, host);
    let Ok(response) = router.oneshot(request).await;
    let (head, body) = response.into_parts();
    let body = to_bytes(body, ANSWER_BYTES_MAX)
        .await
        .map_err(|error| error.to_string())?;
    Ok(Response::from_parts(head, body))
}

/// Sends a message over the connection that is there. A server that was restarted has closed it, perhaps just now, so what
/// fails on an old connection is tried once more on a new one: events and closures may come twice.
async fn over_socket(
    destination: &Destination,
    connection: &mut Option<Connection>,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, ConnectionError> {
    if let Some(mut old) = connection.take().filter(|old| !old.is_closed()) {
        match old.send(request.clone(), PATIENCE, ANSWER_BYTES_MAX).await {
            Ok(response) => {
                *connection = Some(old);
                return Ok(response);
            }
            Err(error) => warn!("{error}; it is tried once more"),
        }
    }
    let mut new = Connection::to(destination.clone()).await?;
    let response = new.send(request, PATIENCE, ANSWER_BYTES_MAX).await?;
    *connection = Some(new);
    Ok(response)
}
