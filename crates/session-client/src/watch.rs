//! Following what happens to sessions: `GET /api/events` of a server.

mod backoff;
mod frames;

use std::{collections::VecDeque, time::Duration};

use http_body_util::{BodyExt, Limited};
use hyper::{
    Method, Request, Response,
    body::{Bytes, Incoming},
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER},
};
use serde::{Deserialize, de::DeserializeOwned};
use tokio::time::{sleep, timeout};

use self::{
    backoff::Backoff,
    frames::{Frame, Frames},
};
use crate::{
    Clock, Credential,
    connection::{Connection, ConnectionError, Destination, bearer, whole},
    reader::{ReaderError, refused},
    token::Scopes,
};

/// How long a server may take to begin: 10 seconds, since it may have to look for where to go on.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a server may say nothing: 45 seconds, three times as long as ours waits before it says that it is alive.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// The longest time for which a server is left alone because it asks for that: a minute.
const ASKED_MAX: Duration = Duration::from_secs(60);
/// The most bytes of a refusal: 64 KiB.
const REFUSAL_BYTES_MAX: usize = 64 * 1024;
const LAST_EVENT_ID: &str = "last-event-id";

/// What is seen of a server that is followed. `T` is what is wanted of a session.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen<T> {
    /// It is there, and tells what happens from here on.
    Connected,
    /// Something happened to a session.
    Happened {
        /// The kind of the ledger's record: `start`, `end`, `closed`, `revived`.
        kind: String,
        /// Its id, from which another stream can go on.
        id: String,
        /// The session as that left it.
        session: T,
    },
    /// It is not there any more, and why. It is looked for again; this is said once.
    Lost(String),
    /// It does not know where this left off: its ledger is another one. What happened in between is not told.
    Gap,
}

/// Follows what happens to sessions. A connection that breaks is made again, and goes on where it broke off: nothing is
/// missing, and nothing comes twice.
#[derive(Debug)]
pub struct Watch {
    destination: Destination,
    credential: Option<(Credential, Clock)>,
    path: String,
    last_id: Option<String>,
    open: Option<Open>,
    backoff: Backoff,
    /// How long to wait before the next connection.
    pause: Option<Duration>,
    /// How long the server asked to be left alone.
    asked: Duration,
    /// That it is lost was said.
    lost: bool,
}

#[derive(Debug)]
struct Open {
    /// Kept for as long as the body comes.
    _connection: Connection,
    body: Incoming,
    frames: Frames,
    ready: VecDeque<Frame>,
}

/// Why a server ended a stream.
#[derive(Deserialize)]
struct LastWord {
    #[serde(default)]
    code: String,
    #[serde(default)]
    detail: String,
}

impl Watch {
    pub(crate) const fn new(
        destination: Destination,
        credential: Option<(Credential, Clock)>,
        path: String,
    ) -> Self {
        Self {
            destination,
            credential,
            path,
            last_id: None,
            open: None,
            backoff: Backoff::new(),
            pause: None,
            asked: Duration::ZERO,
            lost: false,
        }
    }

    /// Waits for what is seen next.
    ///
    /// # Errors
    ///
    /// When the server refuses for good, or is none of ours. While it is away, or has no room, this waits.
    pub async fn next<T: DeserializeOwned>(&mut self) -> Result<Seen<T>, ReaderError> {
        loop {
            let Some(open) = &mut self.open else {
                match self.connect().await {
                    Ok(open) => {
                        self.open = Some(open);
                        self.lost = false;
                        return Ok(Seen::Connected);
                    }
                    Err(ReaderError::Refused(problem))
                        if problem.code == "INVALID_CURSOR" && self.last_id.is_some() =>
                    {
                        self.last_id = None;
                        return Ok(Seen::Gap);
                    }
                    Err(error) if is_final(&error) => return Err(error),
                    Err(error) => {
                        if let Some(lost) = self.fail(error.to_string()) {
                            return Ok(lost);
                        }
                        continue;
                    }
                }
            };
            match open.frame(&self.destination).await {
                Ok(frame) => {
                    self.backoff.reset();
                    if let Some(seen) = self.see(frame)? {
                        return Ok(seen);
                    }
                }
                Err(error) => {
                    if let Some(lost) = self.fail(error.to_string()) {
                        return Ok(lost);
                    }
                }
            }
        }
    }

    /// Takes note that there is no connection; gives that to be told unless it was.
    fn fail<T>(&mut self, why: String) -> Option<Seen<T>> {
        self.leave();
        let news = !std::mem::replace(&mut self.lost, true);
        news.then_some(Seen::Lost(why))
    }

    fn leave(&mut self) {
        self.open = None;
        let asked = std::mem::take(&mut self.asked);
        self.pause = Some(asked + self.backoff.next(fastrand::f64()));
    }

    fn see<T: DeserializeOwned>(&mut self, frame: Frame) -> Result<Option<Seen<T>>, ReaderError> {
        let Frame { id, event, data } = frame;
        if let Some(id) = &id {
            self.last_id = Some(id.clone());
        }
        match event {
            // Only the position moved.
            _ if data.is_empty() => Ok(None),
            Some(event) if event == "dropped" => {
                let word: LastWord = self.read(&data)?;
                if matches!(&*word.code, "TOKEN_EXPIRED" | "TOKEN_REVOKED" | "TIMEOUT") {
                    // With another token, or at another pace, it goes on; else the server says that it does not.
                    self.leave();
                    return Ok(None);
                }
                Ok(self.fail(word.detail))
            }
            Some(kind) => Ok(Some(Seen::Happened {
                kind,
                id: id.unwrap_or_default(),
                session: self.read(&data)?,
            })),
            None => Ok(None),
        }
    }

    fn read<T: DeserializeOwned>(&self, data: &str) -> Result<T, ReaderError> {
        serde_json::from_str(data).map_err(|error| foreign(&self.destination, error.to_string()))
    }

    async fn connect(&mut self) -> Result<Open, ReaderError> {
        if let Some(pause) = self.pause.take() {
            sleep(pause).await;
        }
        let mut connection = Connection::to(self.destination.clone()).await?;
        let request = self.request()?.map_err(|what| connection.broken(what))?;
        let answer = connection.begin(request.map(whole), HEAD_TIMEOUT).await?;
        let (head, body) = answer.into_parts();
        let head = Response::from_parts(head, ());
        if !head.status().is_success() {
            self.asked = retry_after(&head);
            let body = timeout(
                HEAD_TIMEOUT,
                Limited::new(body, REFUSAL_BYTES_MAX).collect(),
            )
            .await;
            let body = body.ok().and_then(Result::ok).map(|body| body.to_bytes());
            return Err(refused(
                &self.destination,
                head.status(),
                &body.unwrap_or_default(),
            ));
        }
        let kind = head
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok());
        if !kind.is_some_and(|kind| kind.starts_with("text/event-stream")) {
            return Err(foreign(
                &self.destination,
                "it does not tell what happens".to_owned(),
            ));
        }
        Ok(Open {
            _connection: connection,
            body,
            frames: Frames::default(),
            ready: VecDeque::new(),
        })
    }

    fn request(&self) -> Result<Result<Request<Bytes>, String>, ReaderError> {
        let token = self
            .credential
            .as_ref()
            .map(|(credential, clock)| credential.token(Scopes::READ, None, clock.now()))
            .transpose()?;
        Ok(self.request_with(token.as_deref()))
    }

    fn request_with(&self, token: Option<&str>) -> Result<Request<Bytes>, String> {
        let mut request = Request::builder()
            .method(Method::GET)
            .uri(&self.path)
            .header(ACCEPT, "text/event-stream");
        if let Some(id) = &self.last_id {
            let id = HeaderValue::from_str(id).map_err(|error| error.to_string())?;
            request = request.header(LAST_EVENT_ID, id);
        }
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, bearer(token)?);
        }
        request
            .body(Bytes::new())
            .map_err(|error| error.to_string())
    }
}

impl Open {
    /// Waits for the next frame.
    async fn frame(&mut self, destination: &Destination) -> Result<Frame, ConnectionError> {
        let broken = |what: String| ConnectionError::Broken {
            destination: destination.clone(),
            what,
        };
        loop {
            if let Some(frame) = self.ready.pop_front() {
                return Ok(frame);
            }
            let bytes = match timeout(SILENCE_MAX, self.body.frame()).await {
                Ok(Some(Ok(bytes))) => bytes,
                Ok(Some(Err(error))) => return Err(broken(error.to_string())),
                Ok(None) => return Err(broken("it was closed".to_owned())),
                Err(_) => {
                    let seconds = SILENCE_MAX.as_secs();
                    return Err(broken(format!("nothing came for {seconds} s")));
                }
            };
            if let Ok(bytes) = bytes.into_data() {
                self.frames
                    .take(&bytes, &mut self.ready)
                    .map_err(|error| broken(error.to_string()))?;
            }
        }
    }
}

/// Reads how long a server wants to be left alone, within reason.
fn retry_after(head: &Response<()>) -> Duration {
    let asked = head
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok());
    let seconds = asked.and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or_default()).min(ASKED_MAX)
}

/// Tells whether trying again will not help.
fn is_final(error: &ReaderError) -> bool {
    match error {
        ReaderError::Connection(ConnectionError::Stranger { .. })
        | ReaderError::Credential(_)
        | ReaderError::Foreign { .. } => true,
        ReaderError::Connection(_) => false,
        ReaderError::Refused(problem) => {
            !matches!(problem.status, 408 | 429) && (400..500).contains(&problem.status)
        }
    }
}

fn foreign(destination: &Destination, what: String) -> ReaderError {
    ReaderError::Foreign {
        destination: destination.clone(),
        what,
    }
}
