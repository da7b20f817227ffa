//! A client that sends starts and ends and remembers what it was told.

use std::io;
use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::clock;
use crate::event::{self, Events};
use crate::http::Connection;

/// One session: what was sent of it, and what came back.
pub(super) struct Told {
    pub(super) event_id: String,
    start: Vec<u8>,
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

/// What one client was told until the server was killed.
pub(super) struct Round(pub(super) Vec<Told>);

/// Sends what it was given first, then new sessions, of which it ends most.
pub(super) struct Client {
    given: Vec<Told>,
    events: Events,
    call: Vec<u8>,
    sent: u64,
}

/// Why a client stopped: the server is gone, as it should be, or it said something wrong.
enum Stop {
    Gone(io::Error),
    Wrong(anyhow::Error),
}

impl From<anyhow::Error> for Stop {
    fn from(error: anyhow::Error) -> Self {
        Self::Wrong(error)
    }
}

impl Client {
    pub(super) fn new(given: Vec<Told>, seeds: &[u64]) -> Self {
        Self {
            given,
            events: Events::new(seeds),
            call: Vec::new(),
            sent: 0,
        }
    }

    /// Sends until the connection breaks. A wrong answer is an error.
    pub(super) async fn send_until_broken(mut self, address: SocketAddr) -> Result<Round> {
        let mut told = std::mem::take(&mut self.given);
        match self.send(address, &mut told, true).await {
            Ok(()) | Err(Stop::Gone(_)) => Ok(Round(told)),
            Err(Stop::Wrong(error)) => Err(error),
        }
    }

    /// Sends what it was given, once; a broken connection is an error too.
    pub(super) async fn send_again(mut self, address: SocketAddr) -> Result<Round> {
        let mut told = std::mem::take(&mut self.given);
        match self.send(address, &mut told, false).await {
            Ok(()) => Ok(Round(told)),
            Err(Stop::Gone(error)) => {
                Err(error).context("the server is gone, though nobody killed it")
            }
            Err(Stop::Wrong(error)) => Err(error),
        }
    }

    async fn send(
        &mut self,
        address: SocketAddr,
        told: &mut Vec<Told>,
        go_on: bool,
    ) -> Result<(), Stop> {
        let mut connection = Connection::open(address).await.map_err(Stop::Gone)?;
        for told in told.iter_mut() {
            self.start(&mut connection, told).await?;
            if go_on || matches!(told.end, End::Sent(_)) {
                self.end(&mut connection, told).await?;
            }
        }
        if !go_on {
            return Ok(());
        }
        loop {
            let mut start = Vec::new();
            let event_id = self.events.start(clock::now(), &mut start).to_string();
            // It goes into the book before it goes out: the kill may come in between.
            told.push(Told {
                event_id,
                start,
                session_id: None,
                end: End::NotSent,
            });
            let latest = told.last_mut().expect("just pushed");
            self.start(&mut connection, latest).await?;
            if self.events.random().below(20) == 0 {
                self.start(&mut connection, latest).await?;
            }
            if self.events.random().below(10) < 7 {
                self.end(&mut connection, latest).await?;
            }
        }
    }

    /// Sends the start, for the first time or again: the answer is the same.
    async fn start(&mut self, connection: &mut Connection, told: &mut Told) -> Result<(), Stop> {
        let answer = self
            .call(connection, "track_session_start", &told.start)
            .await?;
        let session_id = answer["session_id"]
            .as_str()
            .context("a tracked start has an id")?;
        let known = told.session_id.get_or_insert_with(|| session_id.to_owned());
        expect(&answer, "tracked")?;
        if known != session_id {
            return Err(Stop::Wrong(anyhow::anyhow!(
                "start {} was {known}, is {session_id} now",
                told.event_id
            )));
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
        let answer = connection
            .post("/mcp", &self.call)
            .await
            .map_err(Stop::Gone)?;
        let mut body: Value = serde_json::from_slice(answer.body)
            .with_context(|| format!("{tool} was answered with {}", answer.excerpt()))?;
        if answer.status != 200 || body["id"] != self.sent {
            return Err(Stop::Wrong(anyhow::anyhow!(
                "{tool} was answered with {}",
                answer.excerpt()
            )));
        }
        Ok(body["result"]["structuredContent"].take())
    }
}

fn expect(answer: &Value, status: &str) -> Result<()> {
    ensure!(
        answer["status"] == status,
        "expected {status}, was answered {answer}"
    );
    Ok(())
}
