//! A client that sends starts and ends, whatever the network does, and remembers what it was told.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_json::Value;

use crate::clock;
use crate::event::{self, Events};
use crate::http::Connection;

/// How long an answer may take before the client gives up the connection. With thousands at once every one waits, and
/// giving up early would only send everything again.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// How long a client rests when its connection broke, or its event was refused.
const PAUSE: Duration = Duration::from_millis(5);
/// Codes of refusals that ask for another try.
const TRY_AGAIN: [&str; 3] = ["STORAGE_UNAVAILABLE", "OVERLOADED", "STOPPING"];

/// One session: what was sent of it, and what came back.
pub(super) struct Told {
    pub(super) event_id: String,
    start: Vec<u8>,
    was_sent: bool,
    /// From the acknowledgement of the start; every later one must be the same.
    pub(super) session_id: Option<String>,
    end: End,
}

enum End {
    NotSent,
    Sent(Vec<u8>),
    Acknowledged,
}

impl Told {
    /// A session of which nothing was sent yet.
    pub(super) fn new(events: &mut Events) -> Self {
        let mut start = Vec::new();
        let event_id = events.start(clock::now(), &mut start).to_string();
        Self {
            event_id,
            start,
            was_sent: false,
            session_id: None,
            end: End::NotSent,
        }
    }

    /// Acknowledged and not asked to end.
    pub(super) fn is_open(&self) -> bool {
        self.session_id.is_some() && matches!(self.end, End::NotSent)
    }

    pub(super) fn is_ended(&self) -> bool {
        matches!(self.end, End::Acknowledged)
    }

    pub(super) fn is_unanswered(&self) -> bool {
        self.session_id.is_none() || matches!(self.end, End::Sent(_))
    }

    /// Whether a record may show this session with `status`.
    pub(super) fn may_be(&self, status: &str) -> bool {
        match self.end {
            End::NotSent => status == "active",
            End::Sent(_) => status == "active" || status == "ended",
            End::Acknowledged => status == "ended",
        }
    }
}

/// What all clients count together.
#[derive(Default)]
pub(super) struct Tally {
    /// Starts that were sent once more.
    pub(super) repeated: AtomicU64,
    /// Refusals that asked for another try.
    pub(super) refused: AtomicU64,
}

/// Sends what it was given first, then new sessions, of which it ends most.
pub(super) struct Client {
    told: Vec<Told>,
    events: Events,
    call: Vec<u8>,
    sent: u64,
    tally: Arc<Tally>,
}

/// Why a client stopped: it should try again, or the server said something wrong.
enum Stop {
    Gone(io::Error),
    Refused(String),
    Wrong(anyhow::Error),
}

impl From<anyhow::Error> for Stop {
    fn from(error: anyhow::Error) -> Self {
        Self::Wrong(error)
    }
}

impl Client {
    pub(super) fn new(given: Vec<Told>, seeds: &[u64], tally: Arc<Tally>) -> Self {
        Self {
            told: given,
            events: Events::new(seeds),
            call: Vec::new(),
            sent: 0,
            tally,
        }
    }

    /// Sends until it is told to stop, over as many connections as that takes. A wrong answer is an error.
    pub(super) async fn send_until(
        mut self,
        stop: Arc<AtomicBool>,
        address: SocketAddr,
    ) -> Result<Vec<Told>> {
        while !stop.load(Ordering::Relaxed) {
            match self.send_given(address, true).await {
                Ok(mut connection) => match self.send_new(&mut connection, &stop).await {
                    Err(Stop::Wrong(error)) => return Err(error),
                    Ok(()) | Err(Stop::Gone(_) | Stop::Refused(_)) => {}
                },
                Err(Stop::Wrong(error)) => return Err(error),
                Err(Stop::Gone(_) | Stop::Refused(_)) => {}
            }
            if !stop.load(Ordering::Relaxed) {
                tokio::time::sleep(PAUSE).await;
            }
        }
        Ok(self.told)
    }

    /// Sends what is open until all of it is answered, or `limit` is over, and keeps the connection. `end` ends what is
    /// open.
    pub(super) async fn insist(
        mut self,
        address: SocketAddr,
        end: bool,
        limit: Duration,
    ) -> Result<(Vec<Told>, Connection)> {
        let begin = tokio::time::Instant::now();
        loop {
            let why = match self.send_given(address, end).await {
                Ok(connection) => return Ok((self.told, connection)),
                Err(Stop::Wrong(error)) => return Err(error),
                Err(Stop::Gone(error)) => error.to_string(),
                Err(Stop::Refused(answer)) => answer,
            };
            if begin.elapsed() > limit {
                bail!("an event is still without an answer after {limit:?}: {why}");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Sends what it was given and what has no answer, over a new connection. `end` ends the sessions that are open.
    async fn send_given(&mut self, address: SocketAddr, end: bool) -> Result<Connection, Stop> {
        let mut connection = within(Connection::open(address)).await?;
        let mut told = std::mem::take(&mut self.told);
        let sent = self.send_all(&mut connection, &mut told, end).await;
        self.told = told;
        sent.map(|()| connection)
    }

    async fn send_all(
        &mut self,
        connection: &mut Connection,
        told: &mut [Told],
        end: bool,
    ) -> Result<(), Stop> {
        for told in told.iter_mut().filter(|told| !told.is_ended()) {
            self.start(connection, told).await?;
            if end || matches!(told.end, End::Sent(_)) {
                self.end(connection, told).await?;
            }
        }
        Ok(())
    }

    async fn send_new(
        &mut self,
        connection: &mut Connection,
        stop: &AtomicBool,
    ) -> Result<(), Stop> {
        while !stop.load(Ordering::Relaxed) {
            // It goes into the book before it goes out: the kill may come in between.
            self.told.push(Told::new(&mut self.events));
            let mut told = std::mem::take(&mut self.told);
            let latest = told.last_mut().expect("just pushed");
            let sent = self.send_one(connection, latest).await;
            self.told = told;
            sent?;
        }
        Ok(())
    }

    async fn send_one(&mut self, connection: &mut Connection, told: &mut Told) -> Result<(), Stop> {
        self.start(connection, told).await?;
        if self.events.random().below(20) == 0 {
            self.start(connection, told).await?;
        }
        if self.events.random().below(10) < 7 {
            self.end(connection, told).await?;
        }
        Ok(())
    }

    /// Sends the start, for the first time or again: the answer is the same.
    async fn start(&mut self, connection: &mut Connection, told: &mut Told) -> Result<(), Stop> {
        let again = u64::from(std::mem::replace(&mut told.was_sent, true));
        self.tally.repeated.fetch_add(again, Ordering::Relaxed);
        let answer = self
            .call(connection, "track_session_start", &told.start)
            .await?;
        expect(&answer, "tracked")?;
        let session_id = answer["session_id"]
            .as_str()
            .context("a tracked start has an id")?;
        let known = told.session_id.get_or_insert_with(|| session_id.to_owned());
        if known != session_id {
            let event_id = &told.event_id;
            return Err(anyhow!("start {event_id} was {known}, is {session_id} now").into());
        }
        Ok(())
    }

    async fn end(&mut self, connection: &mut Connection, told: &mut Told) -> Result<(), Stop> {
        let session_id = told
            .session_id
            .clone()
            .context("an end follows the answer to its start")?;
        let event = match &told.end {
            End::Sent(event) => event.clone(),
            End::NotSent => {
                let mut event = Vec::new();
                self.events.end(&session_id, clock::now(), &mut event);
                told.end = End::Sent(event.clone());
                event
            }
            End::Acknowledged => return Ok(()),
        };
        let answer = self.call(connection, "track_session_end", &event).await?;
        expect(&answer, "ended")?;
        told.end = End::Acknowledged;
        Ok(())
    }

    /// Calls a tool and returns its structured result.
    async fn call(
        &mut self,
        connection: &mut Connection,
        tool: &str,
        event: &[u8],
    ) -> Result<Value, Stop> {
        self.sent += 1;
        event::tool_call(&mut self.call, self.sent, tool, event);
        let answer = within(connection.post("/mcp", &self.call)).await?;
        let mut body: Value = serde_json::from_slice(answer.body)
            .with_context(|| format!("{tool} was answered with {}", answer.excerpt()))?;
        let result = &body["result"];
        let code = result["structuredContent"]["error_code"]
            .as_str()
            .or(body["code"].as_str());
        let failed = result["isError"] == true || answer.status == 503;
        if failed && code.is_some_and(|code| TRY_AGAIN.contains(&code)) {
            self.tally.refused.fetch_add(1, Ordering::Relaxed);
            return Err(Stop::Refused(answer.excerpt()));
        }
        if failed || answer.status != 200 || body["id"] != self.sent {
            return Err(anyhow!("{tool} was answered with {}", answer.excerpt()).into());
        }
        Ok(body["result"]["structuredContent"].take())
    }
}

/// A connection that says nothing any more is broken.
async fn within<T>(exchange: impl Future<Output = io::Result<T>>) -> Result<T, Stop> {
    match tokio::time::timeout(ANSWER_LIMIT, exchange).await {
        Ok(done) => done.map_err(Stop::Gone),
        Err(_) => Err(Stop::Gone(io::ErrorKind::TimedOut.into())),
    }
}

fn expect(answer: &Value, status: &str) -> Result<()> {
    ensure!(
        answer["status"] == status,
        "expected {status}, was answered {answer}"
    );
    Ok(())
}
