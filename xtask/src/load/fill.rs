//! Filling a store through the server's own door.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinSet;

use super::{Destination, Sender, is_right, on_threads};
use crate::{clock, event, http};

const CONNECTIONS: usize = 128;
const SEED: u64 = 0xF111;
/// The past over which the sessions are spread.
const SPREAD: SignedDuration = SignedDuration::from_hours(24 * 30);
/// Far more than a call takes; a server that hangs must not hang us.
const CALL_LIMIT: Duration = Duration::from_secs(30);

/// What a store is filled with.
#[derive(Clone, Copy)]
pub(crate) struct Fill {
    pub(crate) sessions: u64,
    /// The newest of them that get no end.
    pub(crate) active: u64,
    pub(crate) shell: Shell,
}

/// Whose events are sent.
#[derive(Clone, Copy)]
pub(crate) enum Shell {
    /// A start of about 640 bytes, and an end with counters.
    Counting,
    /// What the published Python emitter sends.
    Python,
}

impl Fill {
    /// Sends the start and then the end of every session, oldest first, spread over the last 30 days.
    pub(crate) fn send(self, address: SocketAddr) -> Result<()> {
        let origin = clock::now() - SPREAD;
        let next = Arc::new(AtomicU64::new(0));
        let connections = CONNECTIONS.min(usize::try_from(self.sessions)?);
        on_threads(connections, |numbers| {
            self.drive(Destination::mcp(address), origin, numbers, next.clone())
        })
        .map(drop)
    }

    async fn drive(
        self,
        destination: Destination,
        origin: Timestamp,
        numbers: Vec<usize>,
        next: Arc<AtomicU64>,
    ) -> Result<()> {
        let mut clients = JoinSet::new();
        for number in numbers {
            let seeds = [SEED, self.sessions, number as u64];
            clients.spawn(self.client(destination, origin, seeds, next.clone()));
        }
        while let Some(outcome) = clients.join_next().await {
            outcome.expect("a client does not panic")?;
        }
        Ok(())
    }

    async fn client(
        self,
        destination: Destination,
        origin: Timestamp,
        seeds: [u64; 3],
        next: Arc<AtomicU64>,
    ) -> Result<()> {
        let mut sender = Sender::open(destination, &seeds).await?;
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= self.sessions {
                return Ok(());
            }
            self.session(&mut sender, origin, number).await?;
        }
    }

    async fn session(self, sender: &mut Sender, origin: Timestamp, number: u64) -> Result<()> {
        let share = SPREAD.as_micros() * i128::from(number) / i128::from(self.sessions);
        let start = origin + SignedDuration::from_micros(i64::try_from(share)?);
        sender.event.clear();
        match self.shell {
            Shell::Counting => drop(sender.events.start(start, &mut sender.event)),
            Shell::Python => sender.events.python_start(start, &mut sender.event),
        }
        let session_id = call(sender, "track_session_start", r#""status":"tracked""#).await?;
        if number + self.active >= self.sessions {
            return Ok(());
        }
        sender.event.clear();
        let end = start + SignedDuration::from_mins(10);
        match self.shell {
            Shell::Counting => sender.events.end(&session_id, end, &mut sender.event),
            Shell::Python => sender
                .events
                .python_end(&session_id, end, &mut sender.event),
        }
        call(sender, "track_session_end", r#""status":"ended""#)
            .await
            .map(drop)
    }
}

/// Calls a tracking tool with the sender's event and returns the session id of the answer.
async fn call(sender: &mut Sender, tool: &str, expected: &str) -> Result<String> {
    sender.sent += 1;
    event::tool_call(&mut sender.call, sender.sent, tool, &sender.event);
    let exchange = sender
        .connection
        .post(sender.destination.path, &sender.call);
    let answer = tokio::time::timeout(CALL_LIMIT, exchange)
        .await
        .context("the server does not answer")??;
    match session_id(answer.body) {
        Some(session_id) if is_right(&answer, expected) => Ok(session_id),
        _ => bail!("{tool} was answered with {}", answer.excerpt()),
    }
}

/// The session id in the structured content of an answer; in the text copy its quotes are escaped.
pub(crate) fn session_id(body: &[u8]) -> Option<String> {
    const KEY: &[u8] = br#""session_id":""#;
    let value = &body[http::find(body, KEY)? + KEY.len()..];
    let end = value.iter().position(|byte| *byte == b'"')?;
    String::from_utf8(value[..end].to_vec()).ok()
}
