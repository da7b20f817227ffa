//! The world of one run: its chance, its time, its processes, and what happened in it.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use session_buddy::{clock::Clock, liveness::MonotonicClock};
use session_model::Timestamp;
use tokio::{
    task::AbortHandle,
    time::{Instant, sleep},
};

use super::{disk::Platter, oracle::Book, server::Running, store::Database};

/// How many steps are kept, and with how many a difference is told.
const STEPS_KEPT: usize = 100_000;
const STEPS_TOLD: usize = 120;
/// How far the clocks of two hosts are apart at most, in microseconds: 2 minutes each way.
const SKEW_MICROS: i64 = 120_000_000;

/// A world. Clones are the same one.
#[derive(Clone)]
pub(super) struct Stage(Arc<Mutex<World>>);

pub(super) struct World {
    pub(super) dice: fastrand::Rng,
    rates: Rates,
    /// No fault comes any more.
    pub(super) calm: bool,
    /// At how many operations a fault could have come.
    pub(super) points: u64,
    origin: Instant,
    steps: VecDeque<String>,
    processes: Vec<Process>,
    pub(super) hosts: Vec<Host>,
    pub(super) server: Option<Running>,
    pub(super) database: Database,
    pub(super) book: Book,
}

pub(super) struct Host {
    pub(super) platter: Platter,
    /// Nothing gets through until then.
    pub(super) cut_off_until: Instant,
    /// Most writes fail until then.
    pub(super) disk_fails_until: Instant,
    /// How far its wall clock is from the true time.
    pub(super) skew_micros: i64,
}

struct Process {
    name: String,
    alive: bool,
    tasks: Vec<AbortHandle>,
}

/// A process, by its number in this world.
pub(super) type ProcessId = usize;

/// Where a fault can come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum At {
    /// The disk is written.
    Write,
    /// The disk is read.
    Read,
    /// A connection is made.
    Connect,
    /// A request is on its way.
    Request,
    /// An answer is on its way.
    Answer,
    /// Changes are handed to the store.
    HandOver,
    /// The store commits.
    Commit,
}

/// What becomes of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Passes,
    Fails,
    /// Whoever does it dies before or in the middle of it, and is dead already.
    Dies,
    /// Whoever does it is to die once it is done.
    DiesAfter,
}

/// How often what happens: another mixture in each run, for what is rare hides behind what is frequent (Groce and others,
/// "Swarm Testing", 2012).
struct Rates(BTreeMap<At, (f64, f64)>);

impl Rates {
    fn of(dice: &mut fastrand::Rng) -> Self {
        const ALL: [At; 7] = [
            At::Write,
            At::Read,
            At::Connect,
            At::Request,
            At::Answer,
            At::HandOver,
            At::Commit,
        ];
        const RATES: [f64; 5] = [0.0, 0.003, 0.01, 0.05, 0.2];
        let rates = ALL.map(|at| {
            // Whoever dies at each second step never gets anywhere.
            let deadly = RATES[dice.usize(..4)];
            (at, (RATES[dice.usize(..RATES.len())], deadly))
        });
        Self(rates.into())
    }
}

impl Stage {
    pub(super) fn new(seed: u64) -> Self {
        let mut dice = fastrand::Rng::with_seed(seed);
        let now = Instant::now();
        let hosts = 1 + dice.usize(..3);
        let hosts = (0..hosts).map(|_| Host {
            platter: Platter::default(),
            cut_off_until: now,
            disk_fails_until: now,
            skew_micros: dice.i64(-SKEW_MICROS..SKEW_MICROS),
        });
        let hosts = hosts.collect();
        let world = World {
            rates: Rates::of(&mut dice),
            dice,
            calm: false,
            points: 0,
            origin: now,
            steps: VecDeque::new(),
            processes: Vec::new(),
            hosts,
            server: None,
            database: Database::default(),
            book: Book::default(),
        };
        Self(Arc::new(Mutex::new(world)))
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }

    /// Writes a step down, for whoever has to find out how a difference came about.
    pub(super) fn tell(&self, step: fmt::Arguments<'_>) {
        self.world().tell(step);
    }

    /// Begins a process. What it does goes on the same list with [`Self::run`].
    pub(super) fn begin(&self, name: String) -> ProcessId {
        let mut world = self.world();
        world.tell(format_args!("{name} begins"));
        world.processes.push(Process {
            name,
            alive: true,
            tasks: Vec::new(),
        });
        world.processes.len() - 1
    }

    /// Runs a task of a process, which ends with it.
    pub(super) fn run(&self, process: ProcessId, task: impl Future<Output = ()> + Send + 'static) {
        if !self.is_alive(process) {
            return;
        }
        let task = tokio::spawn(task).abort_handle();
        let tasks = &mut self.world().processes[process].tasks;
        tasks.retain(|task| !task.is_finished());
        tasks.push(task);
    }

    pub(super) fn is_alive(&self, process: ProcessId) -> bool {
        self.world().processes[process].alive
    }

    /// Ends a process where it stands: nothing more comes of it, and its locks are free.
    pub(super) fn kill(&self, process: ProcessId, how: &str) {
        self.world().kill(process, how);
    }

    /// An operation at which a fault may come. None where whoever does it is dead.
    pub(super) fn point(&self, process: ProcessId, at: At, what: &str) -> Option<Fate> {
        let mut world = self.world();
        if !world.processes[process].alive {
            return None;
        }
        world.points += 1;
        let (fails, dies) = world.rates.0[&at];
        let roll = if world.calm { 1.0 } else { world.dice.f64() };
        // A death at every operation of a shell would leave no shell; a tenth of the rate is often enough.
        let dies = dies / 10.0;
        let fate = if roll < dies / 2.0 {
            Fate::Dies
        } else if roll < dies {
            Fate::DiesAfter
        } else if roll < dies + fails {
            Fate::Fails
        } else {
            Fate::Passes
        };
        let name = world.processes[process].name.clone();
        world.tell(format_args!("{name}: {what}: {fate:?}"));
        if fate == Fate::Dies {
            world.kill(process, "dies of it");
        }
        Some(fate)
    }

    pub(super) async fn pause(&self, from: Duration, to: Duration) {
        let pause = self.world().between(from, to);
        sleep(pause).await;
    }

    /// The wall clock of a host, and the time since its boot.
    pub(super) fn clock_of(&self, host: usize) -> Clock {
        let (wall, boot) = (self.clone(), self.clone());
        Clock::new(move || wall.world().wall(host)).with_since_boot(move || boot.world().elapsed())
    }

    pub(super) fn monotonic(&self) -> MonotonicClock {
        MonotonicClock::new(|| Instant::now().into_std())
    }
}

impl World {
    pub(super) fn tell(&mut self, step: fmt::Arguments<'_>) {
        if self.steps.len() == STEPS_KEPT {
            self.steps.pop_front();
        }
        let at = self.elapsed().as_secs_f64();
        self.steps.push_back(format!("{at:10.4} {step}"));
    }

    /// Gives the last steps that name one of these; all where there is none.
    pub(super) fn steps(&self, about: &[String]) -> String {
        let named = |step: &&String| about.is_empty() || about.iter().any(|it| step.contains(it));
        let mut steps: Vec<_> = self
            .steps
            .iter()
            .rev()
            .filter(named)
            .take(STEPS_TOLD)
            .collect();
        steps.reverse();
        steps.into_iter().map(|step| format!("{step}\n")).collect()
    }

    fn elapsed(&self) -> Duration {
        self.origin.elapsed()
    }

    pub(super) fn wall(&self, host: usize) -> Timestamp {
        /// 2026-02-06T22:05:00Z.
        const BEGINNING_MICROS: i64 = 1_770_415_500_000_000;
        let elapsed = i64::try_from(self.elapsed().as_micros()).unwrap();
        Timestamp::from_micros(BEGINNING_MICROS + elapsed + self.hosts[host].skew_micros).unwrap()
    }

    pub(super) fn is_alive(&self, process: ProcessId) -> bool {
        self.processes[process].alive
    }

    pub(super) fn kill(&mut self, process: ProcessId, how: &str) {
        if !self.processes[process].alive {
            return;
        }
        let name = self.processes[process].name.clone();
        self.tell(format_args!("{name} {how}"));
        self.processes[process].alive = false;
        for task in self.processes[process].tasks.drain(..) {
            task.abort();
        }
        self.book.died(process, &self.server);
    }

    pub(super) fn chance(&mut self, share: f64) -> bool {
        self.dice.f64() < share
    }

    pub(super) fn between(&mut self, from: Duration, to: Duration) -> Duration {
        from + (to - from).mul_f64(self.dice.f64())
    }
}
