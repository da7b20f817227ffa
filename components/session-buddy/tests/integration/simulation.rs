//! Client, spool, delivery and server in one world that a seed decides: every disk operation, message and commit can fail,
//! come late or twice, or be the last thing that its process does.
//!
//! - [`stage`]: chance, time and processes. [`disk`], [`network`], [`store`]: where faults come.
//! - [`shell`]: the client as it is. [`server`]: the server's router, rules and detector as they are.
//! - [`oracle`]: what must be true, at each step and in the end.
//!
//! Time is tokio's and stands still while anybody works, and there is one thread, so a seed is a run. In each run a storm
//! is followed by calm: then everything must come to be as it was meant.
//!
//! `SIMULATION_SEED` runs one seed; `SIMULATION_SECONDS` and `SIMULATION_FIRST_SEED` say for how long which are tried. `cargo
//! xtask simulate` sets them.

mod disk;
mod network;
mod oracle;
mod server;
mod shell;
mod stage;
mod store;

use std::{env, time::Duration};

use tokio::time::Instant;

use self::{
    shell::Life,
    stage::{Stage, World},
    store::Database,
};

/// For how long seeds are tried where nobody says: 60 seconds.
const SECONDS: f64 = 60.0;
/// The most shells that are opened in a storm.
const SHELLS_MAX: u32 = 24;
/// How long the calm may take to bring everything in: the longest pauses of breaker, adoption and lease, several times.
const CALM_MAX: Duration = Duration::from_mins(20);
/// How often is looked whether it has.
const CALM_LOOK: Duration = Duration::from_secs(5);

#[test]
fn whatever_fails_nothing_is_lost_doubled_or_left_open() {
    if let Some(seed) = told("SIMULATION_SEED") {
        match run(seed) {
            Ok(points) => println!("seed {seed}: {points} fault points without a difference"),
            Err(difference) => panic!("seed {seed}: {difference}"),
        }
        return;
    }
    let limit = Duration::from_secs_f64(told("SIMULATION_SECONDS").unwrap_or(SECONDS));
    let first: u64 = told("SIMULATION_FIRST_SEED").unwrap_or(1);
    let began = std::time::Instant::now();
    let (mut points, mut seed) = (0, first);
    while began.elapsed() < limit {
        match run(seed) {
            Ok(passed) => points += passed,
            Err(difference) => {
                panic!(
                    "seed {seed}: {difference}\nrepeat it with cargo xtask simulate --repeat {seed}"
                )
            }
        }
        seed += 1;
    }
    println!(
        "seeds {first} to {}: {points} fault points in {:.0} s without a difference",
        seed - 1,
        began.elapsed().as_secs_f64()
    );
}

fn told<T: std::str::FromStr<Err: std::fmt::Debug>>(variable: &str) -> Option<T> {
    env::var(variable).ok().map(|text| text.parse().unwrap())
}

/// Where a seed meant another run each time, nothing that it finds could be found again.
#[test]
fn a_seed_is_a_run() {
    for seed in 1..=10 {
        let steps = || played(seed).0.world().steps(&[]);
        assert_eq!(steps(), steps(), "seed {seed}");
    }
}

/// Runs a seed and gives its fault points, or what came out otherwise.
fn run(seed: u64) -> Result<u64, String> {
    let (stage, outcome) = played(seed);
    let points = stage.world().points;
    outcome.map(|()| points)
}

fn played(seed: u64) -> (Stage, Result<(), String>) {
    // What the client leaves to chance.
    fastrand::seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let stage = Stage::new(seed);
        let number = storm(&stage).await;
        let outcome = calm(&stage, number).await;
        // The server knows the stage, and the stage the server: one must let go.
        let server = stage.world().server.take();
        drop(server);
        (stage, outcome)
    })
}

/// Lets happen what may, and gives how many shells there were.
async fn storm(stage: &Stage) -> u32 {
    server::start(stage);
    let lasts = stage
        .world()
        .between(Duration::from_secs(20), Duration::from_secs(400));
    let until = Instant::now() + lasts;
    let mut backup = Database::default();
    let mut number = 0;
    while Instant::now() < until && stage.world().book.complaint.is_none() {
        stage.pause(Duration::ZERO, Duration::from_secs(12)).await;
        let (roll, host) = {
            let mut world = stage.world();
            let hosts = world.hosts.len();
            (world.dice.u32(..100), world.dice.usize(..hosts))
        };
        match roll {
            ..50 if number < SHELLS_MAX => {
                number += 1;
                shell::open(stage, host, number, Life::Short);
            }
            50..60 => stop_server(stage),
            60..63 => backup = stage.world().database.copy(),
            63..65 => {
                stop_server(stage);
                stage.world().restore(&backup);
            }
            65..72 => stage.world().flip_somewhere(host),
            72..80 => {
                let mut world = stage.world();
                let lasts = world.between(Duration::ZERO, Duration::from_secs(150));
                world.hosts[host].cut_off_until = Instant::now() + lasts;
                world.tell(format_args!("host {host} is cut off"));
            }
            80..83 => {
                let mut world = stage.world();
                let step = world.dice.i64(-60_000_000..60_000_000);
                world.hosts[host].skew_micros += step;
                world.tell(format_args!(
                    "the clock of host {host} is stepped by {step} us"
                ));
            }
            83..88 => shell::replay(stage, host),
            88..92 => {
                let mut world = stage.world();
                let lasts = world.between(Duration::ZERO, Duration::from_secs(30));
                world.hosts[host].disk_fails_until = Instant::now() + lasts;
                world.tell(format_args!("the disk of host {host} fails"));
            }
            _ => {}
        }
        if server::listening(stage).is_none() && stage.world().dice.bool() {
            server::start(stage);
        }
    }
    number
}

fn stop_server(stage: &Stage) {
    if let Some(process) = server::listening(stage) {
        stage.kill(process, "is killed");
    }
}

/// Lets nothing fail any more, and waits until all is as it must be.
async fn calm(stage: &Stage, number: u32) -> Result<(), String> {
    stage.world().calm = true;
    stage.tell(format_args!("calm"));
    if server::listening(stage).is_none() {
        server::start(stage);
    }
    // On each host there is a shell that looks after the others.
    let hosts = stage.world().hosts.len();
    for (host, number) in (0..hosts).zip(number + 1..) {
        shell::open(stage, host, number, Life::Long);
    }
    let until = Instant::now() + CALM_MAX;
    loop {
        tokio::time::sleep(CALM_LOOK).await;
        let mut world = stage.world();
        if let Some(complaint) = world.book.complaint.take() {
            return Err(complaint);
        }
        match world.difference() {
            None => return Ok(()),
            Some((difference, about)) if Instant::now() >= until => {
                return Err(format!(
                    "{difference}\n\nits steps:\n{}",
                    world.steps(&about)
                ));
            }
            Some(_) => {}
        }
    }
}

impl World {
    fn restore(&mut self, backup: &Database) {
        self.tell(format_args!("a backup is put back"));
        self.put_back();
        self.database = backup.copy();
    }

    fn flip_somewhere(&mut self, host: usize) {
        if let Some(path) = self.flip(host) {
            self.tell(format_args!("a bit of {} flips", path.display()));
            self.book.flipped(&path);
        }
    }
}
