//! Filling a store through the server's own door.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use tokio::task::JoinSet;

use super::{Destination, Sender, on_threads};
use crate::clock;

const CONNECTIONS: usize = 4;
/// Sessions whose starts, and then whose ends, are sent together.
const TOGETHER: usize = 100;
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
        let connections = CONNECTIONS;
        on_threads(connections, |numbers| {
            self.drive(
                Destination::batches(address, TOGETHER),
                origin,
                numbers,
                next.clone(),
            )
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
            let first = next.fetch_add(TOGETHER as u64, Ordering::Relaxed);
            if first >= self.sessions {
                return Ok(());
            }
            let numbers = first..self.sessions.min(first + TOGETHER as u64);
            self.sessions(&mut sender, origin, numbers).await?;
        }
    }

    async fn sessions(
        self,
        sender: &mut Sender,
        origin: Timestamp,
        numbers: Range<u64>,
    ) -> Result<()> {
        sender.event.clear();
        for number in numbers.clone() {
            let start = self.start_of(origin, number)?;
            match self.shell {
                Shell::Counting => drop(sender.events.start(start, &mut sender.event)),
                Shell::Python => sender.events.python_start(start, &mut sender.event),
            }
            sender.event.push(b'\n');
        }
        let ids = send(
            sender,
            "tracked",
            usize::try_from(numbers.end - numbers.start)?,
        )
        .await?;
        sender.event.clear();
        let mut ended = 0;
        for (number, id) in numbers.zip(ids) {
            if number + self.active >= self.sessions {
                continue;
            }
            ended += 1;
            let end = self.start_of(origin, number)? + SignedDuration::from_mins(10);
            match self.shell {
                Shell::Counting => sender.events.end(&id, end, &mut sender.event),
                Shell::Python => sender.events.python_end(&id, end, &mut sender.event),
            }
            sender.event.push(b'\n');
        }
        send(sender, "ended", ended).await.map(drop)
    }

    fn start_of(self, origin: Timestamp, number: u64) -> Result<Timestamp> {
        let share = SPREAD.as_micros() * i128::from(number) / i128::from(self.sessions);
        Ok(origin + SignedDuration::from_micros(i64::try_from(share)?))
    }
}

/// The part of a result that we use.
#[derive(Deserialize)]
struct Answered {
    session_id: String,
    status: String,
}

/// Sends the sender's events and returns the session ids of the answers.
async fn send(sender: &mut Sender, expected: &str, events: usize) -> Result<Vec<String>> {
    let exchange = sender
        .connection
        .post_lines(sender.destination.path, &sender.event);
    let answer = tokio::time::timeout(CALL_LIMIT, exchange)
        .await
        .context("the server does not answer")??;
    let answered: Vec<Answered> = serde_json::from_slice(answer.body)
        .with_context(|| format!("a batch was answered with {}", answer.excerpt()))?;
    let right = |answered: &Answered| answered.status == expected;
    ensure!(
        answered.len() == events && answered.iter().all(right),
        "{events} events were answered with {}",
        answer.excerpt()
    );
    Ok(answered
        .into_iter()
        .map(|answered| answered.session_id)
        .collect())
}
