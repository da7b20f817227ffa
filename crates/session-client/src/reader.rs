//! Reading and closing sessions over a server's REST interface.

use std::{fmt, io, path::PathBuf, str::FromStr, time::Duration};

use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    client::conn::http1::{self, SendRequest},
    header::{CONTENT_TYPE, HOST, LINK},
};
use hyper_util::rt::TokioIo;
use nix::unistd::Uid;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use session_model::{SessionFilter, SessionRecord};
use tokio::{
    net::{TcpStream, UnixStream},
    time::timeout,
};

use crate::{problem::Problem, state_folder::ShortPath};

/// How long a connection may take to be made: 1 second.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long an answer may take: 30 seconds, since a list of everything is long.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// The most bytes of an answer: 64 MiB, far more than a page of the longest records.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// The most sessions that a server gives at once.
pub const PAGE_MAX: usize = 1000;

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A Unix socket.
    Socket(PathBuf),
    /// `host:port`, over HTTP.
    Http(String),
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => write!(f, "{}", path.display()),
            Self::Http(authority) => write!(f, "http://{authority}"),
        }
    }
}

impl FromStr for Destination {
    type Err = String;

    /// Reads `http://host[:port]` or `unix:PATH`. A path behind the host, such as `/mcp`, is ignored.
    fn from_str(text: &str) -> Result<Self, String> {
        const EXPECTED: &str = "expected http://HOST:PORT or unix:PATH";
        if let Some(path) = text.strip_prefix("unix:") {
            return Ok(Self::Socket(path.into()));
        }
        if text.starts_with("https://") {
            return Err(format!("https is not supported yet; {EXPECTED}"));
        }
        let rest = text
            .strip_prefix("http://")
            .ok_or_else(|| format!("{EXPECTED}, found {text:?}"))?;
        let authority = rest.split('/').next().unwrap_or_default();
        let valid = authority.parse::<hyper::http::uri::Authority>();
        match valid {
            Ok(valid) if valid.port().is_some() => Ok(Self::Http(authority.to_owned())),
            Ok(valid) => Ok(Self::Http(format!("{}:80", valid.host()))),
            Err(_) => Err(format!("{EXPECTED}, found {text:?}")),
        }
    }
}

/// Why a server did not answer as asked.
#[derive(Debug, thiserror::Error)]
pub enum ReaderError {
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
    /// The server refuses.
    #[error("{}", .0.detail)]
    Refused(Box<Problem>),
    /// The connection broke, or took too long.
    #[error("the connection to {destination} failed: {what}")]
    Broken {
        /// Where.
        destination: Destination,
        /// How.
        what: String,
    },
    /// It is not the answer of a Session-Buddy server.
    #[error("{destination} is not a Session-Buddy server: {what}")]
    Foreign {
        /// Where.
        destination: Destination,
        /// Why not.
        what: String,
    },
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T = SessionRecord> {
    /// The sessions, newest first.
    pub sessions: Vec<T>,
    /// Where the next page begins; `None` on the last one.
    pub next: Option<String>,
}

/// A connection to a server.
#[derive(Debug)]
pub struct Reader {
    destination: Destination,
    sender: SendRequest<Full<Bytes>>,
}

impl Reader {
    /// Connects.
    ///
    /// # Errors
    ///
    /// When nobody listens there, or somebody whose socket is neither ours nor root's.
    pub async fn connect(destination: Destination) -> Result<Self, ReaderError> {
        let unreachable = |source| ReaderError::Unreachable {
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
                    return Err(ReaderError::Stranger { destination, uid });
                }
                handshake(TokioIo::new(stream), &destination).await?
            }
            Destination::Http(authority) => {
                let stream = timeout(CONNECT_TIMEOUT, TcpStream::connect(authority))
                    .await
                    .map_err(late)?;
                let stream = stream.and_then(|stream| stream.set_nodelay(true).map(|()| stream));
                handshake(TokioIo::new(stream.map_err(unreachable)?), &destination).await?
            }
        };
        Ok(Self {
            destination,
            sender,
        })
    }

    /// Gives the page of sessions that match, newest first, from `cursor` on; at most `limit` of 1 to 1,000. `T` is what
    /// is wanted of each: a [`SessionRecord`], or a part of one, which is read faster.
    ///
    /// # Errors
    ///
    /// When the server refuses or the connection fails.
    pub async fn list<T: DeserializeOwned>(
        &mut self,
        filter: &SessionFilter,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page<T>, ReaderError> {
        let mut pairs = filter.to_pairs();
        pairs.push(("limit", limit.to_string()));
        pairs.extend(cursor.map(|cursor| ("cursor", cursor.to_owned())));
        let query: Vec<_> = pairs
            .iter()
            .map(|(name, value)| format!("{name}={}", escaped(value)))
            .collect();
        let (head, body) = self
            .call(
                Method::GET,
                &format!("/api/sessions?{}", query.join("&")),
                None,
            )
            .await?;
        let next = head
            .headers()
            .get(LINK)
            .and_then(|link| next_cursor(link.to_str().ok()?));
        let sessions = serde_json::from_slice(&body).map_err(|error| self.foreign(&error))?;
        Ok(Page { sessions, next })
    }

    /// Gives a session by its id, or by what a person types for it.
    ///
    /// # Errors
    ///
    /// When the server refuses or the connection fails.
    pub async fn show(&mut self, id: &str) -> Result<SessionRecord, ReaderError> {
        let (_, body) = self
            .call(Method::GET, &format!("/api/sessions/{}", escaped(id)), None)
            .await?;
        self.record(&body)
    }

    /// Closes a session by hand and gives its record after that.
    ///
    /// # Errors
    ///
    /// When the server refuses or the connection fails.
    pub async fn end(
        &mut self,
        id: &str,
        reason: Option<&str>,
        force: bool,
    ) -> Result<SessionRecord, ReaderError> {
        let body = json!({"reason": reason, "force": force});
        let path = format!("/api/sessions/{}/end", escaped(id));
        let (_, body) = self.call(Method::POST, &path, Some(&body)).await?;
        self.record(&body)
    }

    fn record(&self, body: &[u8]) -> Result<SessionRecord, ReaderError> {
        serde_json::from_slice(body).map_err(|error| self.foreign(&error))
    }

    fn foreign(&self, what: &impl ToString) -> ReaderError {
        ReaderError::Foreign {
            destination: self.destination.clone(),
            what: what.to_string(),
        }
    }

    fn broken(&self, what: &impl ToString) -> ReaderError {
        ReaderError::Broken {
            destination: self.destination.clone(),
            what: what.to_string(),
        }
    }

    async fn call(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(Response<()>, Bytes), ReaderError> {
        let host = match &self.destination {
            Destination::Socket(_) => "localhost",
            Destination::Http(authority) => authority,
        };
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, host);
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = request
            .body(Full::from(body))
            .map_err(|error| self.broken(&error))?;
        let answer = timeout(ANSWER_TIMEOUT, exchange(&mut self.sender, request)).await;
        let (head, body) = answer
            .map_err(|_| self.broken(&"no answer within 30 s"))?
            .map_err(|error| self.broken(&error))?;
        if head.status().is_success() {
            return Ok((head, body));
        }
        match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) if !problem.code.is_empty() => Err(ReaderError::Refused(Box::new(problem))),
            _ => Err(self.foreign(&format!("it answered {}", head.status()))),
        }
    }
}

/// Begins HTTP on a connection; a task of the caller's runtime drives it until the reader is dropped.
async fn handshake<I>(
    io: I,
    destination: &Destination,
) -> Result<SendRequest<Full<Bytes>>, ReaderError>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let broken = |error: hyper::Error| ReaderError::Broken {
        destination: destination.clone(),
        what: error.to_string(),
    };
    let (sender, connection) = http1::handshake(io).await.map_err(broken)?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn exchange(
    sender: &mut SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> Result<(Response<()>, Bytes), Box<dyn std::error::Error + Send + Sync>> {
    sender.ready().await?;
    let (head, body): (_, Incoming) = sender.send_request(request).await?.into_parts();
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        return Err("it switches protocols".into());
    }
    let body = Limited::new(body, ANSWER_BYTES_MAX)
        .collect()
        .await?
        .to_bytes();
    Ok((Response::from_parts(head, ()), body))
}

/// Escapes a value for a query or a path: everything but unreserved characters (RFC 3986).
fn escaped(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

/// Finds the cursor in a `Link` header such as `</api/sessions?limit=2&cursor=abc>; rel="next"`.
fn next_cursor(link: &str) -> Option<String> {
    let (target, _) = link
        .split(',')
        .find(|link| link.contains(r#"rel="next""#))?
        .split_once('>')?;
    let (_, query) = target.split_once('?')?;
    query
        .split('&')
        .find_map(|pair| pair.strip_prefix("cursor="))
        .map(str::to_owned)
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
            "unix:/run/s.sock".parse(),
            Ok(Destination::Socket("/run/s.sock".into()))
        );
        for wrong in [
            "localhost:8678",
            "https://x",
            "http://",
            "ftp://x",
            "http://a b",
        ] {
            assert!(wrong.parse::<Destination>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_cursor_is_found_in_the_link() {
        let link = r#"</api/sessions?limit=2&cursor=MjA_x-1>; rel="next""#;
        assert_eq!(next_cursor(link).as_deref(), Some("MjA_x-1"));
        assert_eq!(next_cursor(r#"</api/sessions>; rel="prev""#), None);
    }

    #[test]
    fn values_are_escaped_for_a_query() {
        assert_eq!(escaped("a b&c=é"), "a%20b%26c%3D%C3%A9");
    }
}
