//! All that clients ever sent, and what was answered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::client::{Client, Tally, Told};
use crate::event::Random;

/// Sessions of earlier rounds that a client may end.
const CARRIED_PER_CLIENT: usize = 5;
/// How long clients may take to notice that it is over.
const NOTICE_LIMIT: Duration = Duration::from_secs(40);
/// How long a healthy server may take to answer all that is open.
const SETTLE_LIMIT: Duration = Duration::from_secs(30);

/// All that was ever sent, and what was answered.
#[derive(Default)]
pub(super) struct Book {
    pub(super) told: Vec<Told>,
    pub(super) tally: Arc<Tally>,
}

/// Clients that send.
pub(super) struct Load {
    running: JoinSet<Result<Vec<Told>>>,
    stop: Arc<AtomicBool>,
}

impl Book {
    /// Lets clients send: first what has no answer, and the ends of some open sessions of earlier rounds.
    pub(super) fn load(
        &mut self,
        runtime: &Runtime,
        address: SocketAddr,
        connections: usize,
        random: &mut Random,
    ) -> Load {
        let stop = Arc::new(AtomicBool::new(false));
        let mut running = JoinSet::new();
        for hand in self.deal(connections, random) {
            let client = Client::new(hand, &[random.next()], self.tally.clone());
            let sending = client.send_until(stop.clone(), address);
            running.spawn_on(sending, runtime.handle());
        }
        Load { running, stop }
    }

    fn deal(&mut self, connections: usize, random: &mut Random) -> Vec<Vec<Told>> {
        let mut hands: Vec<Vec<Told>> = (0..connections).map(|_| Vec::new()).collect();
        let mut rest = Vec::with_capacity(self.told.len());
        let mut carried = 0;
        for told in self.told.drain(..) {
            let carry = told.is_open()
                && carried < CARRIED_PER_CLIENT * connections
                && random.below(4) == 0;
            carried += usize::from(carry);
            if carry || told.is_unanswered() {
                let which = usize::try_from(random.below(connections as u64));
                hands[which.expect("a count of connections")].push(told);
            } else {
                rest.push(told);
            }
        }
        self.told = rest;
        hands
    }

    /// Stops the clients, and enters what each of them was told.
    pub(super) fn enter(&mut self, runtime: &Runtime, mut load: Load) -> Result<()> {
        load.stop.store(true, Ordering::Relaxed);
        let finished = async {
            while let Some(told) = load.running.join_next().await {
                self.told.extend(told.expect("a client does not panic")?);
            }
            anyhow::Ok(())
        };
        runtime
            .block_on(async { tokio::time::timeout(NOTICE_LIMIT, finished).await })
            .context("a client still waits, though it was told to stop")?
    }

    /// Sends once more what was never answered, to a server that is left alone.
    pub(super) fn settle(&mut self, runtime: &Runtime, address: SocketAddr) -> Result<()> {
        let (unanswered, rest): (Vec<_>, Vec<_>) =
            self.told.drain(..).partition(Told::is_unanswered);
        self.told = rest;
        let client = Client::new(unanswered, &[0], self.tally.clone());
        let (told, _) = runtime.block_on(client.insist(address, false, SETTLE_LIMIT))?;
        self.told.extend(told);
        Ok(())
    }

    pub(super) fn summary(&self) -> String {
        let ended = self.told.iter().filter(|told| told.is_ended()).count();
        format!(
            "{} sessions sent, {ended} ended, {} starts sent again, {} refused for now",
            self.told.len(),
            self.tally.repeated.load(Ordering::Relaxed),
            self.tally.refused.load(Ordering::Relaxed)
        )
    }
}
