//! Thousands of clients, all connected, all cut off at once, all back at once.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::book::Book;
use super::client::{Client, Told};
use crate::event::{Events, Random};
use crate::http::Connection;
use crate::process;
use crate::world::World;

/// How long all of them may take to be answered.
const LIMIT: Duration = Duration::from_secs(100);
/// Files that are open besides.
const OTHER_FILES: u64 = 500;

/// Connects `count` clients, kills the server under them, and lets each repeat its start and end its session. Gives how long
/// that took, from the moment at which the server is ready again.
pub(super) fn reconnects(
    world: &mut World,
    runtime: &Runtime,
    book: &mut Book,
    count: usize,
    random: &mut Random,
) -> Result<Duration> {
    // The server inherits the limit.
    process::allow_open_files(count as u64 + OTHER_FILES)?;
    world.stop_server()?;
    world.start_server()?;
    let mut events = Events::new(&[random.next()]);
    let hands = (0..count).map(|_| vec![Told::new(&mut events)]).collect();
    let connected =
        all(runtime, book, hands, world.server()?.address, false).context("the first time")?;
    world.kill_server()?;
    let (hands, cut): (Vec<_>, Vec<_>) = connected.into_iter().unzip();
    drop(cut);
    world.start_server()?;
    let begin = Instant::now();
    let connected = all(runtime, book, hands, world.server()?.address, true).context("again")?;
    let took = begin.elapsed();
    for (told, _connection) in connected {
        book.told.extend(told);
    }
    Ok(took)
}

/// Lets clients send all that is open, at once, each over a connection that stays.
fn all(
    runtime: &Runtime,
    book: &Book,
    hands: Vec<Vec<Told>>,
    address: SocketAddr,
    end: bool,
) -> Result<Vec<(Vec<Told>, Connection)>> {
    let mut running = JoinSet::new();
    for (number, hand) in (0..).zip(hands) {
        let client = Client::new(hand, &[number], book.tally.clone());
        running.spawn_on(client.insist(address, end, LIMIT), runtime.handle());
    }
    runtime.block_on(async {
        let mut done = Vec::new();
        while let Some(one) = running.join_next().await {
            done.push(one.expect("a client does not panic")?);
        }
        Ok(done)
    })
}
