//! The crash test: `kill -9` of the server at random moments under load.
//!
//! After every restart, everything that was ever acknowledged must be there exactly once, nothing may be there that
//! was never sent, and what was sent without an answer is sent again and must be answered as if for the first time.

mod check;
mod client;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use tokio::task::JoinSet;

use crate::clock;
use crate::event::Random;
use crate::server::{self, Server, StateFolder};
use crate::workspace::{self, Profile};
use client::{Client, Round, Told};

/// How often, and from which seed.
#[derive(Args)]
pub(crate) struct Options {
    /// How often the server is killed
    #[arg(long, default_value_t = 200)]
    kills: u32,
    /// What chooses the moments and the events [default: random, printed]
    #[arg(long)]
    seed: Option<u64>,
    /// Connections that send while the server is killed
    #[arg(long, default_value_t = 4)]
    connections: usize,
    /// Seconds after which the test fails for being too slow
    #[arg(long, default_value_t = 240)]
    limit: u64,
    /// The server to kill [default: the debug build of this checkout]
    #[arg(long)]
    binary: Option<PathBuf>,
}

/// Kills come this long after the clients begin, chosen evenly.
const LOAD_US_MAX: u64 = 40_000;
/// Sessions of earlier rounds that a round may end.
const CARRIED_PER_CLIENT: usize = 5;
/// How long clients may take to notice that the server is gone.
const NOTICE_LIMIT: Duration = Duration::from_secs(10);

pub(crate) fn run(options: &Options) -> Result<()> {
    let seed = options
        .seed
        .unwrap_or_else(|| clock::now().as_microsecond().unsigned_abs());
    println!(
        "{} kills, {} connections, --seed {seed}",
        options.kills, options.connections
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(torture(options, seed)).with_context(|| {
        format!("--seed {seed} repeats the moments and the events, not the scheduling")
    })
}

async fn torture(options: &Options, seed: u64) -> Result<()> {
    let binary = options
        .binary
        .clone()
        .unwrap_or_else(|| workspace::session_buddy(Profile::Debug));
    let state = StateFolder::new()?;
    let begin = Instant::now();
    let limit = Duration::from_secs(options.limit);
    let mut random = Random::new(&[seed]);
    let mut book = Book::default();
    let mut server = Server::start(&binary, &state)?;
    for kill in 1..=options.kills {
        let clients = book.deal(options.connections, &mut random, &[seed, u64::from(kill)]);
        let moment = Duration::from_micros(random.below(LOAD_US_MAX));
        let rounds = kill_under_load(server, clients, moment)
            .await
            .with_context(|| format!("kill {kill}"))?;
        rounds.into_iter().for_each(|round| book.enter(round));
        server =
            Server::start(&binary, &state).with_context(|| format!("restart after kill {kill}"))?;
        check::everything(server.address, &book.told)
            .await
            .with_context(|| format!("after kill {kill}"))?;
        ensure!(
            begin.elapsed() < limit,
            "only {kill} of {} kills in {limit:?}",
            options.kills
        );
        if kill % 50 == 0 {
            println!("{kill} kills: {}", book.summary());
        }
    }

    book.settle(server.address, seed)
        .await
        .context("sending again what was not answered")?;
    check::everything(server.address, &book.told)
        .await
        .context("at the end")?;
    server.stop(&state)?;
    let verified = server::command(&binary, &state).arg("verify").status()?;
    ensure!(
        verified.success(),
        "`session-buddy verify` ended with {verified}"
    );
    println!(
        "{} kills in {:.0} s: {}; nothing lost, nothing doubled",
        options.kills,
        begin.elapsed().as_secs_f64(),
        book.summary()
    );
    Ok(())
}

/// Lets the clients send, kills the server at the moment, and collects what each of them was told.
async fn kill_under_load(
    server: Server,
    clients: Vec<Client>,
    moment: Duration,
) -> Result<Vec<Round>> {
    let address = server.address;
    let mut running = JoinSet::new();
    for client in clients {
        running.spawn(client.send_until_broken(address));
    }
    let moment = Instant::now() + moment;
    let kill = move || {
        clock::sleep_until(moment);
        server.kill()
    };
    tokio::task::spawn_blocking(kill).await??;
    let mut rounds = Vec::new();
    let finished = async {
        while let Some(round) = running.join_next().await {
            rounds.push(round.expect("a client does not panic")?);
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(NOTICE_LIMIT, finished)
        .await
        .context("a client still waits for a killed server")??;
    Ok(rounds)
}

/// All that was ever sent, and what was answered.
#[derive(Default)]
struct Book {
    told: Vec<Told>,
    /// What was sent again because it had no answer.
    repeated: u64,
}

impl Book {
    /// Gives each client what it must send again, and some open sessions of earlier rounds to end.
    fn deal(&mut self, connections: usize, random: &mut Random, seeds: &[u64; 2]) -> Vec<Client> {
        let mut hands: Vec<Vec<Told>> = (0..connections).map(|_| Vec::new()).collect();
        let mut rest = Vec::with_capacity(self.told.len());
        let mut carried = 0;
        for told in self.told.drain(..) {
            let carry = told.is_open()
                && carried < CARRIED_PER_CLIENT * connections
                && random.below(4) == 0;
            carried += usize::from(carry);
            self.repeated += u64::from(told.is_unanswered());
            if carry || told.is_unanswered() {
                hands[usize::try_from(random.below(connections as u64))
                    .expect("a count of connections")]
                .push(told);
            } else {
                rest.push(told);
            }
        }
        self.told = rest;
        hands
            .into_iter()
            .zip(0..)
            .map(|(hand, number)| Client::new(hand, &[seeds[0], seeds[1], number]))
            .collect()
    }

    fn enter(&mut self, round: Round) {
        self.told.extend(round.0);
    }

    /// Sends once more what was never answered, to a server that nobody kills.
    async fn settle(&mut self, address: std::net::SocketAddr, seed: u64) -> Result<()> {
        let (unanswered, rest): (Vec<_>, Vec<_>) =
            self.told.drain(..).partition(Told::is_unanswered);
        self.told = rest;
        self.repeated += unanswered.len() as u64;
        self.told.extend(
            Client::new(unanswered, &[seed])
                .send_again(address)
                .await?
                .0,
        );
        Ok(())
    }

    fn summary(&self) -> String {
        let ended = self.told.iter().filter(|told| told.is_ended()).count();
        format!(
            "{} sessions sent, {ended} ended, {} times repeated for want of an answer",
            self.told.len(),
            self.repeated
        )
    }
}
