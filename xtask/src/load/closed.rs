//! Closed loop: how much goes through.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::task::JoinSet;

use super::{Destination, Seen, Sender, on_threads};
use crate::{clock, process};

const WARM_UP: Duration = Duration::from_millis(300);
/// How long connections may take to notice the end of the window.
const GRACE: Duration = Duration::from_secs(30);

/// One measured run.
pub(crate) struct Run {
    pub(crate) destination: Destination,
    /// The process whose processor time is measured.
    pub(crate) pid: u32,
    pub(crate) connections: usize,
    pub(crate) window: Duration,
    pub(crate) seed: u64,
}

/// What came of it.
pub(crate) struct Outcome {
    pub(crate) per_second: f64,
    /// Processor time of the server for a thousand answers, in microseconds.
    pub(crate) cpu_us_per_thousand: f64,
    /// Our own processor time for one answer, in microseconds: it is taken from the same cores.
    pub(crate) client_cpu_us: f64,
    pub(crate) seen: Seen,
}

impl Run {
    pub(crate) fn measure(&self) -> Result<Outcome> {
        let from = Instant::now() + WARM_UP;
        let until = from + self.window;
        let (seen, cpu) = std::thread::scope(|scope| {
            let cpu = scope.spawn(|| cpu_between(self.pid, from, until));
            let seen = on_threads(self.connections, |numbers| self.drive(numbers, from, until));
            (seen, cpu.join().expect("reading /proc does not panic"))
        });
        let mut all = Seen::default();
        seen?.into_iter().for_each(|seen| all.add(seen));
        #[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
        let answers = all.latencies_us.len() as f64;
        let [server, client] = cpu?;
        Ok(Outcome {
            per_second: answers / self.window.as_secs_f64(),
            cpu_us_per_thousand: server.as_secs_f64() * 1e9 / answers.max(1.0),
            client_cpu_us: client.as_secs_f64() * 1e6 / answers.max(1.0),
            seen: all,
        })
    }

    async fn drive(&self, numbers: Vec<usize>, from: Instant, until: Instant) -> Result<Seen> {
        let mut clients = JoinSet::new();
        for number in numbers {
            let seeds = [self.seed, number as u64];
            clients.spawn(client(self.destination, seeds, from, until));
        }
        let mut all = Seen::default();
        let finished = async {
            while let Some(seen) = clients.join_next().await {
                all.add(seen.expect("a client does not panic"));
            }
        };
        let limit = until.saturating_duration_since(Instant::now()) + GRACE;
        tokio::time::timeout(limit, finished)
            .await
            .context("requests are still unanswered long after the end")?;
        Ok(all)
    }
}

/// Sends as long as the window lasts. A broken connection is opened again: a server that refuses shows in the errors.
async fn client(destination: Destination, seeds: [u64; 2], from: Instant, until: Instant) -> Seen {
    let mut seen = Seen::default();
    let mut opened = 0;
    while Instant::now() < until {
        opened += 1;
        let mut sender = match Sender::open(destination, &[seeds[0], seeds[1], opened]).await {
            Ok(sender) => sender,
            Err(error) => {
                seen.failed(|| format!("{error:#}"));
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            }
        };
        loop {
            let sent = Instant::now();
            if sent >= until {
                break;
            }
            let answer = sender.start().await;
            let now = Instant::now();
            match answer {
                Ok(Ok(())) if now >= from && now < until => seen.answered(now - sent),
                Ok(Ok(())) => {}
                Ok(Err(wrong)) => seen.failed(|| wrong),
                Err(broken) => {
                    seen.failed(|| format!("{broken:#}"));
                    break;
                }
            }
        }
    }
    seen
}

/// Processor time of the server and of ourselves inside the window.
fn cpu_between(pid: u32, from: Instant, until: Instant) -> Result<[Duration; 2]> {
    let now = || anyhow::Ok([process::cpu(pid)?, process::cpu(std::process::id())?]);
    clock::sleep_until(from);
    let before = now()?;
    clock::sleep_until(until);
    let after = now()?;
    Ok([0, 1].map(|which: usize| after[which].saturating_sub(before[which])))
}
