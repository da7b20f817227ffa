//! The load generator: two threads, one runtime each, raw HTTP over kept-alive connections.
//!
//! Closed loop ([`closed`]): every connection sends as soon as it has its answer; the rate is the figure.
//! Open loop ([`open`]): requests are due at fixed moments and latency counts from there, so a server that
//! falls behind cannot make its own latency look better.

pub(crate) mod closed;
pub(crate) mod fill;
pub(crate) mod open;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::clock;
use crate::event::{self, Events};
use crate::http::{self, Answer, Connection};

const THREADS: usize = 2;

/// Where requests go and what makes an answer right.
#[derive(Clone, Copy)]
pub(crate) struct Destination {
    pub(crate) address: SocketAddr,
    pub(crate) path: &'static str,
    /// Text that every right answer contains for each event.
    pub(crate) expected: &'static str,
    pub(crate) message: Message,
    /// Whose requests they are; none where nobody is asked.
    pub(crate) token: Option<&'static str>,
}

/// What a request carries.
#[derive(Clone, Copy)]
pub(crate) enum Message {
    /// The call of a tool with one event.
    Call,
    /// As many lines, an event on each.
    Batch(usize),
}

impl Destination {
    /// The MCP endpoint of a server, ours or the do-nothing one.
    pub(crate) fn mcp(address: SocketAddr) -> Self {
        Self {
            address,
            path: "/mcp",
            expected: TRACKED,
            message: Message::Call,
            token: None,
        }
    }

    /// The server's door for batches, here of as many events.
    pub(crate) fn batches(address: SocketAddr, events: usize) -> Self {
        Self {
            address,
            path: "/api/events",
            expected: TRACKED,
            message: Message::Batch(events),
            token: None,
        }
    }

    /// The same with the token that goes with each request.
    pub(crate) fn with_token(self, token: Option<&'static str>) -> Self {
        Self { token, ..self }
    }

    /// The bare echo.
    pub(crate) fn echo(address: SocketAddr) -> Self {
        Self {
            address,
            path: "/echo",
            expected: r#""track_session_start""#,
            message: Message::Call,
            token: None,
        }
    }
}

/// What the answer to a start says once it is on record.
const TRACKED: &str = r#""status":"tracked""#;

/// What the connections of a run saw inside the measured window.
#[derive(Default)]
pub(crate) struct Seen {
    /// Latencies of the right answers, in microseconds.
    pub(crate) latencies_us: Vec<u32>,
    /// Right answers that arrived inside the window (open loop only: there, late ones have a latency too).
    pub(crate) in_window: u64,
    pub(crate) errors: u64,
    pub(crate) first_error: Option<String>,
}

impl Seen {
    fn add(&mut self, other: Self) {
        self.latencies_us.extend(other.latencies_us);
        self.in_window += other.in_window;
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
    }

    fn answered(&mut self, latency: Duration) {
        self.latencies_us
            .push(u32::try_from(latency.as_micros()).unwrap_or(u32::MAX));
    }

    fn failed(&mut self, error: impl FnOnce() -> String) {
        self.errors += 1;
        self.first_error.get_or_insert_with(error);
    }

    /// The latency in milliseconds that this part of the answers stays within. Sorts.
    pub(crate) fn quantile_ms(&mut self, part: f64) -> f64 {
        self.latencies_us.sort_unstable();
        let last = self.latencies_us.len().saturating_sub(1);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index of a vector"
        )]
        let index = (last as f64 * part).round() as usize;
        self.latencies_us
            .get(index)
            .map_or(f64::NAN, |latency| f64::from(*latency) / 1e3)
    }
}

/// One client: a connection and the events that it sends.
struct Sender {
    destination: Destination,
    connection: Connection,
    events: Events,
    event: Vec<u8>,
    call: Vec<u8>,
    sent: u64,
}

impl Sender {
    async fn open(destination: Destination, seeds: &[u64]) -> Result<Self> {
        let connection = Connection::open(destination.address)
            .await
            .with_context(|| format!("could not connect to {}", destination.address))?;
        Ok(Self {
            destination,
            connection: connection.with_token(destination.token),
            events: Events::new(seeds),
            event: Vec::new(),
            call: Vec::new(),
            sent: 0,
        })
    }

    /// Sends one request with starts; whether the answer was right, or the connection broke.
    async fn start(&mut self) -> Result<Result<(), String>> {
        match self.destination.message {
            Message::Call => self.start_one().await,
            Message::Batch(events) => self.start_many(events).await,
        }
    }

    async fn start_many(&mut self, events: usize) -> Result<Result<(), String>> {
        self.event.clear();
        let now = clock::now();
        for _ in 0..events {
            self.events.start(now, &mut self.event);
            self.event.push(b'\n');
        }
        let Destination { path, expected, .. } = self.destination;
        let answer = self.connection.post_lines(path, &self.event).await?;
        let right = http::count(answer.body, expected.as_bytes());
        Ok(if answer.status == 200 && right == events {
            Ok(())
        } else {
            Err(format!("{right} of {events} right: {}", answer.excerpt()))
        })
    }

    async fn start_one(&mut self) -> Result<Result<(), String>> {
        self.event.clear();
        self.events.start(clock::now(), &mut self.event);
        self.sent += 1;
        event::tool_call(
            &mut self.call,
            self.sent,
            "track_session_start",
            &self.event,
        );
        let answer = self
            .connection
            .post(self.destination.path, &self.call)
            .await?;
        Ok(if is_right(&answer, self.destination.expected) {
            Ok(())
        } else {
            Err(answer.excerpt())
        })
    }
}

fn is_right(answer: &Answer<'_>, expected: &str) -> bool {
    answer.status == 200 && http::find(answer.body, expected.as_bytes()).is_some()
}

/// Runs `work` for each thread with the share of `count` that is its own, each on a runtime of its own.
fn on_threads<T, F>(count: usize, work: impl Fn(Vec<usize>) -> F + Sync) -> Result<Vec<T>>
where
    T: Send,
    F: Future<Output = Result<T>>,
{
    let share = |thread: usize| {
        (0..count)
            .filter(|number| number % THREADS == thread)
            .collect::<Vec<_>>()
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(share)
            .filter(|numbers| !numbers.is_empty())
            .map(|numbers| {
                let work = &work;
                scope.spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread()
                        .enable_all()
                        .build()?;
                    runtime.block_on(work(numbers))
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("the load generator does not panic"))
            .collect()
    })
}
