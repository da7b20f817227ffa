//! `cargo xtask torture`: real processes, killed, cut off and starved at random, and an oracle that compares what is on record
//! with what was acknowledged and with what the shells really did.
//!
//! - [`client`], [`book`]: clients that send events, and what each was told.
//! - [`flock`]: real shells, and how each went.
//! - [`findings`]: the oracle; [`lateness`]: how late shells that were killed are closed.
//! - [`proxy`]: a network that cuts, delays, resets and repeats; [`disk`]: a disk that fills up; [`crowd`]: thousands of
//!   connections.
//!
//! The seed decides what is done in which round, to whom and after how many microseconds. What the scheduler makes of it is
//! another matter.

mod book;
mod client;
mod crowd;
mod disk;
mod findings;
mod flock;
mod lateness;
mod proxy;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;
use tokio::runtime::Runtime;

use crate::event::Random;
use crate::workspace::{self, Profile};
use crate::world::World;
use crate::{clock, listed};
use book::Book;
use findings::{Findings, Record, Shells};
use flock::{Fate, Flock};
use lateness::Away;
use proxy::Proxy;

/// How long, and from which seed.
#[derive(Args)]
pub(crate) struct Options {
    /// How long new rounds are begun; the end takes up to half a minute more
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
    /// What decides what is done [default: random, printed]
    #[arg(long)]
    seed: Option<u64>,
    /// Connections that send while something is done
    #[arg(long, default_value_t = 4)]
    connections: usize,
    /// Clients that are cut off at once and come back
    #[arg(long, default_value_t = 5_000)]
    crowd: usize,
    /// Shells that open at once
    #[arg(long, default_value_t = 64)]
    rush: u32,
    /// The server to torture [default: the debug build of this checkout]
    #[arg(long)]
    binary: Option<PathBuf>,
}

/// Something happens this long after the clients begin at most.
const LOAD_US_MAX: u64 = 40_000;
/// A bad network lasts longer, so that its faults show.
const NETWORK_US_MAX: u64 = 400_000;
/// All is compared every so many rounds, and at the end.
const ROUNDS_PER_CHECK: u32 = 50;
/// The disk fills up every so many rounds.
const ROUNDS_PER_DISK: u32 = 400;
/// At most so many shells live at once, outside of a rush.
const LIVING_MAX: usize = 12;
/// How long what shells left may take to be on record.
const SETTLE_LIMIT: Duration = Duration::from_secs(20);
const SETTLE_PAUSE: Duration = Duration::from_millis(100);

pub(crate) fn run(options: &Options) -> Result<()> {
    let seed = options
        .seed
        .unwrap_or_else(|| clock::now().as_microsecond().unsigned_abs());
    println!("{} minutes, --seed {seed}", options.minutes);
    let torture = Torture::begin(options, seed)?;
    torture
        .run(options)
        .with_context(|| format!("--seed {seed} repeats what is done, not the scheduling"))
}

/// What a round does.
struct Round {
    network: Network,
    /// Shells come and go, too.
    shells: bool,
    server: Then,
    length: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Network {
    Good,
    Bad,
}

/// What becomes of the server.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    Runs,
    IsStopped,
    IsKilled,
}

struct Torture {
    runtime: Runtime,
    random: Random,
    world: World,
    binary: PathBuf,
    proxy: Proxy,
    book: Book,
    flock: Flock,
    begun: Instant,
    rounds: u32,
    server_kills: u32,
    /// When the server was away.
    away: Vec<Away>,
    notes: Vec<String>,
}

impl Torture {
    fn begin(options: &Options, seed: u64) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let binary = options
            .binary
            .clone()
            .unwrap_or_else(|| workspace::session_buddy(Profile::Debug));
        Ok(Self {
            proxy: Proxy::start(runtime.handle(), seed)?,
            runtime,
            random: Random::new(&[seed]),
            world: World::of(binary.clone())?,
            binary,
            book: Book::default(),
            flock: Flock::new(seed),
            begun: Instant::now(),
            rounds: 0,
            server_kills: 0,
            away: Vec::new(),
            notes: Vec::new(),
        })
    }

    fn run(mut self, options: &Options) -> Result<()> {
        let length = Duration::try_from_secs_f64(options.minutes * 60.0)?;
        self.world.start_server()?;
        self.proxy.lead_to(self.world.server()?.address);
        self.rush(options.rush).context("shells at once")?;
        self.crowd(options.crowd).context("clients at once")?;
        while self.begun.elapsed() < length {
            let number = self.rounds;
            if number.is_multiple_of(ROUNDS_PER_DISK) {
                self.full_disk()
                    .with_context(|| format!("a full disk after round {number}"))?;
            }
            self.rounds += 1;
            self.round(options.connections)
                .with_context(|| format!("round {number}"))?;
            if self.rounds.is_multiple_of(ROUNDS_PER_CHECK) {
                let (findings, _) = self.compare(false)?;
                findings
                    .ensure_none()
                    .with_context(|| format!("after round {number}"))?;
                println!("{}", self.summary());
            }
        }
        self.end()
    }

    fn round(&mut self, connections: usize) -> Result<()> {
        let kill = |random: &mut Random| match random.below(10) {
            0 => Then::IsStopped,
            _ => Then::IsKilled,
        };
        let (network, shells, server, most_us) = match self.random.below(20) {
            0..=9 => (Network::Good, false, kill(&mut self.random), LOAD_US_MAX),
            10..=13 => (Network::Good, true, kill(&mut self.random), LOAD_US_MAX),
            14..=15 => (Network::Bad, false, Then::Runs, NETWORK_US_MAX),
            16 => (Network::Bad, true, kill(&mut self.random), NETWORK_US_MAX),
            17..=18 => (Network::Good, true, Then::Runs, LOAD_US_MAX),
            _ => return self.calm(),
        };
        let length = Duration::from_micros(self.random.below(most_us));
        let round = Round {
            network,
            shells,
            server,
            length,
        };
        self.under_load(&round, connections)
    }

    fn under_load(&mut self, round: &Round, connections: usize) -> Result<()> {
        let address = match round.network {
            Network::Good => self.world.server()?.address,
            Network::Bad => self.proxy.address,
        };
        let load = self
            .book
            .load(&self.runtime, address, connections, &mut self.random);
        let until = Instant::now() + round.length;
        if round.shells {
            self.come_and_go()?;
        }
        clock::sleep_until(until);
        let away_from = clock::now();
        match round.server {
            Then::Runs => return self.book.enter(&self.runtime, load),
            Then::IsStopped => self.world.stop_server()?,
            Then::IsKilled => {
                self.world.kill_server()?;
                self.server_kills += 1;
            }
        }
        self.book.enter(&self.runtime, load)?;
        if round.shells {
            self.flock.thin_out(&mut self.random)?;
        }
        self.world.start_server()?;
        self.away.push(Away::until_now(away_from));
        self.proxy.lead_to(self.world.server()?.address);
        Ok(())
    }

    fn come_and_go(&mut self) -> Result<()> {
        if self.flock.living().len() < LIVING_MAX {
            let count = self.random.below(4);
            self.flock.open(&self.world, count)?;
        }
        if self.random.below(3) == 0 {
            self.flock.kill_early(&self.world, &mut self.random)?;
        }
        for _ in 0..self.random.below(4) {
            self.flock.thin_out(&mut self.random)?;
        }
        Ok(())
    }

    /// Kills shells while the server runs, and leaves it alone until it has noticed.
    fn calm(&mut self) -> Result<()> {
        self.flock.open(&self.world, 4)?;
        self.flock.kill_all()?;
        self.settled()?.0.ensure_none()
    }

    fn rush(&mut self, count: u32) -> Result<()> {
        let begin = Instant::now();
        let Self { world, flock, .. } = self;
        let mut shells = Vec::new();
        for _ in 0..count {
            shells.push(flock.spawn(world, &["-c", "exit()"])?);
        }
        let away_from = clock::now();
        world.kill_server()?;
        self.server_kills += 1;
        for (name, shell) in shells {
            flock.bury(name, shell, true, Fate::Left)?;
        }
        world.start_server()?;
        self.away.push(Away::until_now(away_from));
        self.proxy.lead_to(self.world.server()?.address);
        self.notes.push(format!(
            "{count} shells at once, the server killed under them: left and served again after {:.1} s",
            begin.elapsed().as_secs_f64()
        ));
        Ok(())
    }

    fn crowd(&mut self, count: usize) -> Result<()> {
        let away_from = clock::now();
        let took = crowd::reconnects(
            &mut self.world,
            &self.runtime,
            &mut self.book,
            count,
            &mut self.random,
        )?;
        self.server_kills += 1;
        self.away.push(Away::until_now(away_from));
        self.proxy.lead_to(self.world.server()?.address);
        self.notes.push(format!(
            "{count} clients cut off at once: all back and answered after {:.1} s",
            took.as_secs_f64()
        ));
        Ok(())
    }

    fn full_disk(&mut self) -> Result<()> {
        let filled = disk::fills_up(&self.binary, &self.runtime, &mut self.random)?;
        filled.findings.ensure_none()?;
        self.server_kills += filled.kills;
        self.notes.push(format!(
            "a disk full {} times ({}), the server killed on it {} times: {} refusals",
            filled.times, filled.how, filled.kills, filled.refused
        ));
        Ok(())
    }

    fn shells(&self, settled: bool) -> Shells<'_> {
        Shells {
            living: self.flock.living(),
            gone: &self.flock.gone,
            settled,
        }
    }

    fn compare(&self, settled: bool) -> Result<(Findings, Vec<Record>)> {
        let address = self.world.server()?.address;
        let records: Vec<Record> = self.runtime.block_on(listed::all(address))?;
        let findings = findings::compare(&records, &self.book.told, &self.shells(settled));
        Ok((findings, records))
    }

    /// Compares until nothing is found, or what shells left has had its time.
    fn settled(&self) -> Result<(Findings, Vec<Record>)> {
        let begin = Instant::now();
        loop {
            let compared = self.compare(true)?;
            if compared.0.are_none() || begin.elapsed() > SETTLE_LIMIT {
                return Ok(compared);
            }
            clock::sleep_until(Instant::now() + SETTLE_PAUSE);
        }
    }

    /// Lets all go, gives the server time, and compares for the last time.
    fn end(mut self) -> Result<()> {
        self.flock.kill_all()?;
        let address = self.world.server()?.address;
        self.book.settle(&self.runtime, address)?;
        let (findings, records) = self.settled()?;
        println!("{}", self.summary());
        println!("network: {}", self.proxy.summary());
        self.notes.iter().for_each(|note| println!("{note}"));
        println!("{}", lateness::of(&self.flock.gone, &records, &self.away));
        findings.ensure_none()?;
        self.world.settled()?;
        self.world.stop_server()?;
        self.world.product(&["verify"])?;
        println!(
            "0 lost, 0 doubled, 0 falsely closed, 0 left open, 0 made up; the record verifies"
        );
        Ok(())
    }

    fn summary(&self) -> String {
        let killed = self.flock.killed();
        format!(
            "{:.0} s, {} rounds, {} kills ({} of the server, {killed} of {} shells): {}",
            self.begun.elapsed().as_secs_f64(),
            self.rounds,
            self.server_kills as usize + killed,
            self.server_kills,
            self.flock.gone.len(),
            self.book.summary()
        )
    }
}
