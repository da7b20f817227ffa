//! Open loop: how late answers come at a rate that the world sets.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{Destination, Seen, Sender, on_threads};
use crate::{clock, process};

/// Counted, but not part of the figures: connections and caches warm up.
const WARM_UP: Duration = Duration::from_secs(1);
/// How long the last answers may take.
const GRACE: Duration = Duration::from_secs(30);
/// Requests that may wait for one connection; beyond that they count as errors.
const BACKLOG: usize = 64;

/// One measured run.
pub(crate) struct Run {
    pub(crate) destination: Destination,
    pub(crate) connections: usize,
    pub(crate) per_second: u32,
    pub(crate) window: Duration,
    pub(crate) seed: u64,
}

/// What came of it.
pub(crate) struct Outcome {
    /// Right answers that arrived inside the window, for each of its seconds. A server that cannot keep up shows here.
    pub(crate) per_second_reached: f64,
    pub(crate) seen: Seen,
}

impl Run {
    pub(crate) fn measure(&self) -> Result<Outcome> {
        process::allow_open_files(self.connections as u64 + 200)?;
        let (queues, receivers): (Vec<_>, Vec<_>) = (0..self.connections)
            .map(|_| mpsc::channel(BACKLOG))
            .unzip();
        let receivers: Receivers = receivers
            .into_iter()
            .map(|queue| Mutex::new(Some(queue)))
            .collect();
        let (opened, all_opened) = std::sync::mpsc::channel();
        let (parts, unsent) = std::thread::scope(|scope| {
            let dealer = scope.spawn(move || self.deal(&queues, &all_opened));
            let parts = on_threads(self.connections, |numbers| {
                self.drive(numbers, &receivers, opened.clone())
            });
            (parts, dealer.join().expect("the dealer does not panic"))
        });
        let mut all = Seen::default();
        parts?.into_iter().for_each(|seen| all.add(seen));
        all.add(unsent?);
        #[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
        let answers = all.in_window as f64;
        Ok(Outcome {
            per_second_reached: answers / self.window.as_secs_f64(),
            seen: all,
        })
    }

    /// Hands out the moments at which requests are due, each to the next connection, once all are open.
    /// A thread of its own, because the timers of the runtime count whole milliseconds.
    fn deal(
        &self,
        queues: &[mpsc::Sender<Due>],
        opened: &std::sync::mpsc::Receiver<()>,
    ) -> Result<Seen> {
        for _ in queues {
            opened
                .recv_timeout(GRACE)
                .context("not every connection opens")?;
        }
        let begin = Instant::now() + Duration::from_millis(100);
        let length = WARM_UP + self.window;
        let mut unsent = Seen::default();
        for (number, queue) in (0_u32..).zip(queues.iter().cycle()) {
            let after = Duration::from_secs_f64(f64::from(number) / f64::from(self.per_second));
            if after >= length {
                break;
            }
            clock::sleep_until(begin + after);
            let due = Due {
                moment: begin + after,
                from: begin + WARM_UP,
                until: begin + length,
            };
            if queue.try_send(due).is_err() {
                unsent
                    .failed(|| format!("{BACKLOG} requests wait for one connection, or it broke"));
            }
        }
        Ok(unsent)
    }

    /// Opens the connections of one thread and answers for what they see.
    async fn drive(
        &self,
        numbers: Vec<usize>,
        receivers: &Receivers,
        opened: std::sync::mpsc::Sender<()>,
    ) -> Result<Seen> {
        let mut clients = JoinSet::new();
        for number in numbers {
            let sender = Sender::open(self.destination, &[self.seed, number as u64]).await?;
            let queue = receivers[number]
                .lock()
                .expect("nobody panics with it")
                .take();
            clients.spawn(client(
                sender,
                queue.expect("each connection is opened once"),
            ));
            opened.send(()).context("the dealer has given up")?;
        }
        let mut all = Seen::default();
        let finished = async {
            while let Some(seen) = clients.join_next().await {
                all.add(seen.expect("a client does not panic"));
            }
        };
        let limit = GRACE + WARM_UP + self.window + GRACE;
        tokio::time::timeout(limit, finished)
            .await
            .context("requests are still unanswered long after the end")?;
        Ok(all)
    }
}

/// The queue of each connection, for the thread that opens it to take.
type Receivers = Vec<Mutex<Option<mpsc::Receiver<Due>>>>;

/// A request and the moment at which the world wanted to send it.
struct Due {
    moment: Instant,
    from: Instant,
    until: Instant,
}

async fn client(mut sender: Sender, mut queue: mpsc::Receiver<Due>) -> Seen {
    let mut seen = Seen::default();
    while let Some(due) = queue.recv().await {
        match sender.start().await {
            Ok(Ok(())) => {
                let now = Instant::now();
                seen.in_window += u64::from(now >= due.from && now < due.until);
                if due.moment >= due.from {
                    seen.answered(now - due.moment);
                }
            }
            Ok(Err(wrong)) => seen.failed(|| wrong),
            Err(broken) => {
                seen.failed(|| format!("{broken:#}"));
                break;
            }
        }
    }
    seen
}
