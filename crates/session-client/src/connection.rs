//! One HTTP connection to a server, over its Unix socket, TCP or TLS.

pub(crate) mod tls;

use std::{fmt, io, path::PathBuf, str::FromStr, time::Duration};

use http_body_util::{BodyExt, Full, Limited, combinators::UnsyncBoxBody};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    client::conn::http1::{self, SendRequest},
    header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue},
};
use hyper_util::rt::TokioIo;
use nix::unistd::Uid;
use tokio::{
    net::{TcpStream, UnixStream},
    time::{error::Elapsed, timeout},
};

use crate::state_folder::ShortPath;

/// How long a connection may take to be made: 1 second.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a TLS handshake may take: 2 seconds, of the 5 of a call.
const TLS_TIMEOUT: Duration = Duration::from_secs(2);

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A Unix socket.
    Socket(PathBuf),
    /// `host:port`, over HTTP.
    Http(String),
    /// `host:port`, over HTTP and TLS.
    Https(String),
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => write!(f, "unix:{}", path.display()),
            Self::Http(authority) => write!(f, "http://{authority}"),
            Self::Https(authority) => write!(f, "https://{authority}"),
        }
    }
}

impl FromStr for Destination {
    type Err = String;

    /// Reads `http://host[:port]`, `https://host[:port]` or `unix:PATH`. A path behind the host, such as `/mcp`, is ignored.
    fn from_str(text: &str) -> Result<Self, String> {
        const EXPECTED: &str = "expected http://HOST:PORT, https://HOST:PORT or unix:PATH";
        if let Some(path) = text.strip_prefix("unix:") {
            return Ok(Self::Socket(path.into()));
        }
        let wrong = || format!("{EXPECTED}, found {text:?}");
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let (made, port): (fn(String) -> Self, u16) = match scheme {
            "http" => (Self::Http, 80),
            "https" => (Self::Https, 443),
            _ => return Err(wrong()),
        };
        let authority = rest.split('/').next().unwrap_or_default();
        if authority.contains('@') {
            // Not quoted: a password may stand there.
            return Err(format!(
                "a URL with a user or a password in it is not taken, SESSION_BUDDY_TOKEN says who asks; {EXPECTED}"
            ));
        }
        match authority.parse::<hyper::http::uri::Authority>() {
            Ok(valid) if valid.port().is_some() => Ok(made(authority.to_owned())),
            Ok(valid) => Ok(made(format!("{}:{port}", valid.host()))),
            Err(_) => Err(wrong()),
        }
    }
}

/// Why there is no connection, or no answer.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// Nobody listens there.
    #[error("no server answers at {destination}")]
    Unreachable {
        /// Where.
        destination: Destination,
        /// What the system says.
        source: io::Error,
    },
    /// Somebody else listens there.
    #[error("the socket {destination} belongs to user id {uid}, neither yours nor root's")]
    Stranger {
        /// Where.
        destination: Destination,
        /// Whose it is.
        uid: u32,
    },
    /// The connection broke, or took too long.
    #[error("the connection to {destination} failed: {what}")]
    Broken {
        /// Where.
        destination: Destination,
        /// How.
        what: String,
    },
}

/// A connection; a task of the runtime in which it was made drives it until it is dropped.
#[derive(Debug)]
pub struct Connection {
    destination: Destination,
    sender: SendRequest<Outgoing>,
}

/// The body of a request: one that is there, or one that comes from somewhere.
pub(crate) type Outgoing = UnsyncBoxBody<Bytes, io::Error>;

pub(crate) fn whole(body: Bytes) -> Outgoing {
    Full::new(body)
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// A request: what is asked of which path, with which body.
pub(crate) struct Ask<'a> {
    pub(crate) method: Method,
    pub(crate) path: &'a str,
    /// Media type and content.
    pub(crate) body: Option<(&'static str, Bytes)>,
    /// The token that goes with it.
    pub(crate) token: Option<&'a str>,
    /// How long the answer may take.
    pub(crate) patience: Duration,
    /// The most bytes of the answer.
    pub(crate) answer_bytes_max: usize,
}

impl Ask<'_> {
    /// Gives it as a request, or says why it cannot be one.
    pub(crate) fn request(self) -> Result<Request<Bytes>, String> {
        let mut request = Request::builder().method(self.method).uri(self.path);
        if let Some((media_type, _)) = &self.body {
            request = request.header(CONTENT_TYPE, *media_type);
        }
        if let Some(token) = self.token {
            request = request.header(AUTHORIZATION, bearer(token)?);
        }
        let body = self.body.map(|(_, body)| body).unwrap_or_default();
        request.body(body).map_err(|error| error.to_string())
    }
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    ///
    /// When nobody listens there, or somebody whose socket is neither ours nor root's.
    pub async fn to(destination: Destination) -> Result<Self, ConnectionError> {
        let unreachable = |source| ConnectionError::Unreachable {
            destination: destination.clone(),
            source,
        };
        let late = |_| unreachable(io::ErrorKind::TimedOut.into());
        let sender = match &destination {
            Destination::Socket(path) => {
                let short = ShortPath::of(path).map_err(unreachable)?;
                let stream = timeout(CONNECT_TIMEOUT, UnixStream::connect(short.as_path()))
                    .await
                    .map_err(late)?;
                let stream = stream.map_err(unreachable)?;
                let uid = stream.peer_cred().map_err(unreachable)?.uid();
                if uid != 0 && uid != Uid::effective().as_raw() {
                    return Err(ConnectionError::Stranger { destination, uid });
                }
                handshake(TokioIo::new(stream), &destination).await?
            }
            Destination::Http(authority) => {
                let stream = tcp(authority).await.map_err(unreachable)?;
                handshake(TokioIo::new(stream), &destination).await?
            }
            Destination::Https(authority) => {
                let stream = tcp(authority).await.map_err(unreachable)?;
                let secured = timeout(TLS_TIMEOUT, tls::secure(stream, authority)).await;
                let broken = |what| ConnectionError::Broken {
                    destination: destination.clone(),
                    what,
                };
                let stream = secured
                    .unwrap_or_else(|_| Err("the TLS handshake takes too long".to_owned()))
                    .map_err(broken)?;
                handshake(TokioIo::new(stream), &destination).await?
            }
        };
        Ok(Self {
            destination,
            sender,
        })
    }

    /// Gives where it leads.
    pub(crate) const fn destination(&self) -> &Destination {
        &self.destination
    }

    /// Tells whether the other side has closed it.
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Asks, and reads the whole answer, whatever its status is. An answer that is given up leaves the connection
    /// unusable.
    ///
    /// # Errors
    ///
    /// When the connection breaks, or the answer is too long or too late.
    pub(crate) async fn ask(&mut self, ask: Ask<'_>) -> Result<Response<Bytes>, ConnectionError> {
        let (patience, answer_bytes_max) = (ask.patience, ask.answer_bytes_max);
        let request = ask.request().map_err(|what| self.broken(what))?;
        self.send(request, patience, answer_bytes_max).await
    }

    /// Sends a request, whose `Host` this adds, and reads the whole answer: at most `answer_bytes_max` bytes within
    /// `patience`. An answer that is given up leaves the connection unusable.
    ///
    /// # Errors
    ///
    /// When the connection breaks, or the answer is too long or too late.
    pub async fn send(
        &mut self,
        request: Request<Bytes>,
        patience: Duration,
        answer_bytes_max: usize,
    ) -> Result<Response<Bytes>, ConnectionError> {
        let request = self.addressed(request.map(whole))?;
        let answer = exchange(&mut self.sender, request, answer_bytes_max);
        let answer = timeout(patience, answer).await;
        self.in_time(answer, patience)
    }

    /// Sends a request with whatever body, and gives the answer once its head is there, within `patience`; its body is the
    /// caller's to read, and the connection must be kept for as long.
    ///
    /// # Errors
    ///
    /// When the connection breaks, or the head is too late.
    pub(crate) async fn begin(
        &mut self,
        request: Request<Outgoing>,
        patience: Duration,
    ) -> Result<Response<Incoming>, ConnectionError> {
        let request = self.addressed(request)?;
        let answer = timeout(patience, begin(&mut self.sender, request)).await;
        self.in_time(answer, patience)
    }

    /// Adds the name of the server.
    fn addressed(
        &self,
        mut request: Request<Outgoing>,
    ) -> Result<Request<Outgoing>, ConnectionError> {
        let host = match &self.destination {
            Destination::Socket(_) => "localhost",
            Destination::Http(authority) | Destination::Https(authority) => authority,
        };
        let host = HeaderValue::from_str(host).map_err(|error| self.broken(error.to_string()))?;
        request.headers_mut().insert(HOST, host);
        Ok(request)
    }

    pub(crate) fn late(&self, patience: Duration) -> ConnectionError {
        self.broken(format!("no answer within {} s", patience.as_secs_f64()))
    }

    fn in_time<T>(
        &self,
        answer: Result<Result<T, Box<dyn std::error::Error + Send + Sync>>, Elapsed>,
        patience: Duration,
    ) -> Result<T, ConnectionError> {
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(self.broken(error.to_string())),
            Err(_) => Err(self.late(patience)),
        }
    }

    pub(crate) fn broken(&self, what: String) -> ConnectionError {
        ConnectionError::Broken {
            destination: self.destination.clone(),
            what,
        }
    }
}

/// Says what failed and why: that a body could not be read is only in the cause.
pub(crate) fn with_cause(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// Writes a token as a header that no log shows.
pub(crate) fn bearer(token: &str) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
        .map_err(|_| "the token has characters that no header can have".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

async fn tcp(authority: &str) -> io::Result<TcpStream> {
    let stream = timeout(CONNECT_TIMEOUT, TcpStream::connect(authority)).await;
    let stream = stream.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Begins HTTP on a stream.
async fn handshake<I>(
    io: I,
    destination: &Destination,
) -> Result<SendRequest<Outgoing>, ConnectionError>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let broken = |error: hyper::Error| ConnectionError::Broken {
        destination: destination.clone(),
        what: error.to_string(),
    };
    let (sender, connection) = http1::handshake(io).await.map_err(broken)?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn exchange(
    sender: &mut SendRequest<Outgoing>,
    request: Request<Outgoing>,
    answer_bytes_max: usize,
) -> Result<Response<Bytes>, Box<dyn std::error::Error + Send + Sync>> {
    let (head, body) = begin(sender, request).await?.into_parts();
    let body = Limited::new(body, answer_bytes_max)
        .collect()
        .await?
        .to_bytes();
    Ok(Response::from_parts(head, body))
}

async fn begin(
    sender: &mut SendRequest<Outgoing>,
    request: Request<Outgoing>,
) -> Result<Response<Incoming>, Box<dyn std::error::Error + Send + Sync>> {
    sender.ready().await?;
    let answer = sender.send_request(request).await;
    let answer = answer.map_err(|error| with_cause(&error))?;
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err("it switches protocols".into());
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_is_a_url_or_a_socket() {
        assert_eq!(
            "http://localhost:8678/mcp".parse(),
            Ok(Destination::Http("localhost:8678".to_owned()))
        );
        assert_eq!(
            "http://[::1]".parse(),
            Ok(Destination::Http("[::1]:80".to_owned()))
        );
        assert_eq!(
            "https://h.example/mcp".parse(),
            Ok(Destination::Https("h.example:443".to_owned()))
        );
        let socket = "unix:/run/s.sock".parse::<Destination>().unwrap();
        assert_eq!(socket, Destination::Socket("/run/s.sock".into()));
        assert_eq!(socket.to_string(), "unix:/run/s.sock");
        for wrong in [
            "localhost:8678",
            "https://",
            "http://",
            "ftp://x",
            "http://a b",
        ] {
            assert!(wrong.parse::<Destination>().is_err(), "{wrong}");
        }
    }
}
