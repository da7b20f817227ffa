//! Reading and closing sessions over a server's REST interface.

use std::{io, time::Duration};

use http_body_util::{
    BodyExt, Empty, Limited,
    channel::{Channel, Sender},
};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{AUTHORIZATION, CONTENT_TYPE, LINK},
    http,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use session_model::{ActRecord, SessionFilter, SessionRecord, Timestamp};
use tokio::time::timeout;

use crate::{
    Clock, Credential,
    connection::{Ask, Connection, ConnectionError, Destination, Outgoing, bearer, with_cause},
    problem::Problem,
    token::{Scopes, SecretError},
    watch::Watch,
};

/// How long an answer may take: 30 seconds, since a list of everything is long.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// How long an import may take: an hour, in which the server puts down what it was sent.
const IMPORT_TIMEOUT: Duration = Duration::from_secs(3_600);
/// How many parts of a body wait to be sent.
const PARTS_AHEAD: usize = 4;
/// The most bytes of an answer: 64 MiB, far more than a page of the longest records.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// The most sessions that a server gives at once.
pub const PAGE_MAX: usize = 1000;

/// Why a server did not answer as asked.
#[derive(Debug, thiserror::Error)]
pub enum ReaderError {
    /// There is no connection, or it broke.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// What says who asks cannot be used.
    #[error(transparent)]
    Credential(#[from] SecretError),
    /// The server refuses.
    #[error("{}", .0.detail)]
    Refused(Box<Problem>),
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
    connection: Connection,
    credential: Option<(Credential, Clock)>,
}

impl Reader {
    /// Connects.
    ///
    /// # Errors
    ///
    /// When nobody listens there, or somebody whose socket is neither ours nor root's.
    pub async fn connect(destination: Destination) -> Result<Self, ReaderError> {
        let connection = Connection::to(destination).await?;
        Ok(Self {
            connection,
            credential: None,
        })
    }

    /// Says who asks with each request from now on. At a Unix socket the kernel says that.
    #[must_use]
    pub fn with_credential(self, credential: Credential, clock: Clock) -> Self {
        let credential = match self.connection.destination() {
            Destination::Socket(_) => None,
            Destination::Http(_) | Destination::Https(_) => Some((credential, clock)),
        };
        Self { credential, ..self }
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

    /// Counts the sessions that match; `None` where the server does not say.
    ///
    /// # Errors
    ///
    /// When the server refuses or the connection fails.
    pub async fn count(&mut self, filter: &SessionFilter) -> Result<Option<u64>, ReaderError> {
        let pairs = filter.to_pairs();
        let query: String = pairs
            .iter()
            .map(|(name, value)| format!("&{name}={}", escaped(value)))
            .collect();
        let path = format!("/api/sessions?limit=1&count=true{query}");
        let (head, _) = self.call(Method::GET, &path, None).await?;
        let total = head.headers().get("x-total-count");
        Ok(total.and_then(|total| total.to_str().ok()?.parse().ok()))
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

    /// Gives an answer about many sessions, as a `T`: a view by its name, else the report that `pairs` ask for.
    ///
    /// # Errors
    ///
    /// When the server refuses or the connection fails.
    pub async fn analytics<T: DeserializeOwned>(
        &mut self,
        view: Option<&str>,
        pairs: &[(String, String)],
    ) -> Result<T, ReaderError> {
        let view = view.map_or_else(String::new, |view| format!("/{view}"));
        let query: Vec<_> = pairs
            .iter()
            .map(|(name, value)| format!("{name}={}", escaped(value)))
            .collect();
        let path = format!("/api/analytics{view}?{}", query.join("&"));
        let (_, body) = self.call(Method::GET, &path, None).await?;
        serde_json::from_slice(&body).map_err(|error| self.foreign(&error))
    }

    /// Gives acts of administrators and refusals, newest first, at most `limit`.
    ///
    /// # Errors
    ///
    /// When the server refuses or the connection fails.
    pub async fn acts(&mut self, limit: usize) -> Result<Vec<ActRecord>, ReaderError> {
        let mut acts: Vec<ActRecord> = Vec::new();
        let mut cursor = String::new();
        while acts.len() < limit {
            let page = (limit - acts.len()).min(PAGE_MAX);
            let path = format!("/api/audit?limit={page}{cursor}");
            let (head, body) = self.call(Method::GET, &path, None).await?;
            acts.extend(
                serde_json::from_slice::<Vec<_>>(&body).map_err(|error| self.foreign(&error))?,
            );
            let link = head.headers().get(LINK);
            match link.and_then(|link| next_cursor(link.to_str().ok()?)) {
                Some(next) => cursor = format!("&cursor={}", escaped(&next)),
                None => break,
            }
        }
        Ok(acts)
    }

    /// Gives the open sessions that break the policy of their component, of each what `T` wants.
    ///
    /// # Errors
    ///
    /// When the server refuses or the connection fails.
    pub async fn violations<T: DeserializeOwned>(&mut self) -> Result<Vec<T>, ReaderError> {
        let (_, body) = self.call(Method::GET, "/api/violations", None).await?;
        serde_json::from_slice(&body).map_err(|error| self.foreign(&error))
    }

    /// Lets a token be good no longer.
    ///
    /// # Errors
    ///
    /// When the server refuses or the connection fails.
    pub async fn revoke_token(
        &mut self,
        id: &str,
        reason: Option<&str>,
    ) -> Result<(), ReaderError> {
        let body = json!({"token_id": id, "reason": reason});
        self.call(Method::POST, "/api/tokens/revoke", Some(&body))
            .await?;
        Ok(())
    }

    /// Begins to export sessions as `format`: `csv`, `json` or `ndjson`.
    ///
    /// # Errors
    ///
    /// When the server refuses or the connection fails.
    pub async fn export(
        &mut self,
        format: &str,
        filter: &SessionFilter,
    ) -> Result<Export<'_>, ReaderError> {
        let pairs = filter.to_pairs();
        let pairs = [("format", format.to_owned())].into_iter().chain(pairs);
        let query: Vec<_> = pairs
            .map(|(name, value)| format!("{name}={}", escaped(&value)))
            .collect();
        let path = format!("/api/export?{}", query.join("&"));
        let request = Request::builder().method(Method::GET).uri(path);
        let request = self.authorized(request, Scopes::READ)?;
        let body = Empty::new().map_err(|never| match never {}).boxed_unsync();
        let answer = self.answer(request, body, ANSWER_TIMEOUT).await?;
        Ok(Export {
            body: answer.into_body(),
            reader: self,
        })
    }

    /// Imports sessions from what `read` gives, part by part, until it gives nothing. It is called on a thread of its
    /// own, and may wait.
    ///
    /// # Errors
    ///
    /// When the server refuses, the connection fails, or `read` does.
    pub async fn import(
        &mut self,
        read: impl FnMut() -> io::Result<Option<Bytes>> + Send + 'static,
    ) -> Result<Imported, ReaderError> {
        let request = Request::builder()
            .method(Method::POST)
            .uri("/api/import")
            .header(CONTENT_TYPE, "application/x-ndjson");
        let request = self.authorized(request, Scopes::ADMIN)?;
        let (parts, body) = Channel::new(PARTS_AHEAD);
        let feeding = tokio::runtime::Handle::current();
        // Nobody waits for it: it may be reading from somebody who says nothing, long after the server has refused.
        std::thread::spawn(move || feed(&feeding, read, parts));
        let answer = self
            .answer(request, body.boxed_unsync(), IMPORT_TIMEOUT)
            .await?;
        let body = self.collected(answer).await?;
        serde_json::from_slice(&body).map_err(|error| self.foreign(&error))
    }

    /// Says who asks.
    fn authorized(
        &self,
        request: http::request::Builder,
        scopes: Scopes,
    ) -> Result<http::request::Builder, ReaderError> {
        let Some(token) = self.token(scopes)? else {
            return Ok(request);
        };
        let token = bearer(&token).map_err(|what| self.connection.broken(what))?;
        Ok(request.header(AUTHORIZATION, token))
    }

    fn token(&self, scopes: Scopes) -> Result<Option<String>, SecretError> {
        let credential = self.credential.as_ref();
        let token =
            |(credential, clock): &(Credential, Clock)| credential.token(scopes, None, clock.now());
        credential.map(token).transpose()
    }

    /// Sends a request and gives the answer, if the server does what it is asked for.
    async fn answer(
        &mut self,
        request: http::request::Builder,
        body: Outgoing,
        patience: Duration,
    ) -> Result<Response<Incoming>, ReaderError> {
        let request = request
            .body(body)
            .map_err(|error| self.connection.broken(error.to_string()))?;
        let answer = self.connection.begin(request, patience).await?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let body = self.collected(answer).await?;
        Err(refused(self.connection.destination(), status, &body))
    }

    async fn collected(&self, answer: Response<Incoming>) -> Result<Bytes, ReaderError> {
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect();
        match timeout(ANSWER_TIMEOUT, body).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) => Err(self.connection.broken(error.to_string()).into()),
            Err(_) => Err(self.connection.late(ANSWER_TIMEOUT).into()),
        }
    }

    /// Follows what happens to sessions, over connections of its own: since `since`, else from now on. Of the filters those
    /// count that an event says by itself: type, component, user, and the status that it led to; a server refuses others.
    pub fn watch(&self, filter: &SessionFilter, since: Option<Timestamp>) -> Watch {
        let pairs = filter.to_pairs().into_iter();
        let pairs = pairs.chain(since.map(|since| ("since", since.to_string())));
        let query: Vec<_> = pairs
            .map(|(name, value)| format!("{name}={}", escaped(&value)))
            .collect();
        Watch::new(
            self.connection.destination().clone(),
            self.credential.clone(),
            format!("/api/events?{}", query.join("&")),
        )
    }

    fn record(&self, body: &[u8]) -> Result<SessionRecord, ReaderError> {
        serde_json::from_slice(body).map_err(|error| self.foreign(&error))
    }

    fn foreign(&self, what: &impl ToString) -> ReaderError {
        ReaderError::Foreign {
            destination: self.connection.destination().clone(),
            what: what.to_string(),
        }
    }

    async fn call(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<(Response<()>, Bytes), ReaderError> {
        let body = body.map(|body| ("application/json", Bytes::from(body.to_string())));
        // What reads can also close only where it closes.
        let scopes = match (&method, path.starts_with("/api/audit")) {
            (&Method::GET, false) => Scopes::READ,
            _ => Scopes::ADMIN,
        };
        let token = self.token(scopes)?;
        let ask = Ask {
            method,
            path,
            body,
            token: token.as_deref(),
            patience: ANSWER_TIMEOUT,
            answer_bytes_max: ANSWER_BYTES_MAX,
        };
        let (head, body) = self.connection.ask(ask).await?.into_parts();
        let head = Response::from_parts(head, ());
        if head.status().is_success() {
            return Ok((head, body));
        }
        Err(refused(self.connection.destination(), head.status(), &body))
    }
}

/// An export under way.
#[derive(Debug)]
pub struct Export<'a> {
    reader: &'a mut Reader,
    body: Incoming,
}

impl Export<'_> {
    /// Gives the next bytes, `None` once all are there.
    ///
    /// # Errors
    ///
    /// When the connection breaks, or nothing comes for long: then what came is not whole.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ReaderError> {
        let connection = &self.reader.connection;
        loop {
            let frame = match timeout(ANSWER_TIMEOUT, self.body.frame()).await {
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(error))) => return Err(connection.broken(with_cause(&error)).into()),
                Ok(None) => return Ok(None),
                Err(_) => return Err(connection.late(ANSWER_TIMEOUT).into()),
            };
            // Trailers say nothing here.
            if let Ok(bytes) = frame.into_data() {
                return Ok(Some(bytes));
            }
        }
    }
}

/// What came of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
pub struct Imported {
    /// Sessions that are on record from now on.
    pub imported: u64,
    /// Sessions that were on record with the same content.
    pub known: u64,
}

/// Gives a body part by part, as fast as it is taken.
fn feed(
    runtime: &tokio::runtime::Handle,
    mut read: impl FnMut() -> io::Result<Option<Bytes>>,
    mut parts: Sender<Bytes, io::Error>,
) {
    loop {
        match read() {
            Ok(Some(part)) => {
                // The server has refused; its answer says why.
                if runtime.block_on(parts.send_data(part)).is_err() {
                    return;
                }
            }
            Ok(None) => return,
            Err(error) => return parts.abort(error),
        }
    }
}

/// Reads why a server does not do what it is asked for.
pub(crate) fn refused(destination: &Destination, status: StatusCode, body: &[u8]) -> ReaderError {
    match serde_json::from_slice::<Problem>(body) {
        Ok(problem) if !problem.code.is_empty() => ReaderError::Refused(Box::new(problem)),
        _ => ReaderError::Foreign {
            destination: destination.clone(),
            what: format!("it answered {status}"),
        },
    }
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
