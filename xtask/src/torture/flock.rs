//! Real shells, and what becomes of each.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use jiff::Timestamp;
use rustix::process::Signal;

use crate::clock;
use crate::event::Random;
use crate::world::{Shell, World};

/// A shell is killed as early as this after it was started: most have begun their session by then, some have not.
const EARLY_US_MAX: u64 = 60_000;
/// Or as late as this after it was told to leave.
const LEAVING_US_MAX: u64 = 20_000;

/// How a shell went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// By itself: its end is its own report.
    Left,
    /// Killed before it thought of leaving.
    Killed,
    /// Killed while it left: either is true.
    KilledLeaving,
}

/// A shell that is gone.
pub(super) struct Gone {
    pub(super) name: String,
    /// It had said something, so its session was on disk.
    pub(super) had_begun: bool,
    pub(super) fate: Fate,
    pub(super) at: Timestamp,
}

/// All shells of a run.
pub(super) struct Flock {
    seed: u64,
    opened: u32,
    living: Vec<(String, Shell)>,
    pub(super) gone: Vec<Gone>,
}

impl Flock {
    pub(super) const fn new(seed: u64) -> Self {
        Self {
            seed,
            opened: 0,
            living: Vec::new(),
            gone: Vec::new(),
        }
    }

    pub(super) fn living(&self) -> Vec<&str> {
        self.living.iter().map(|(name, _)| name.as_str()).collect()
    }

    pub(super) fn killed(&self) -> usize {
        self.gone
            .iter()
            .filter(|gone| gone.fate != Fate::Left)
            .count()
    }

    /// Starts a shell, with a name of its own.
    pub(super) fn spawn(&mut self, world: &World, arguments: &[&str]) -> Result<(String, Shell)> {
        self.opened += 1;
        let name = format!("torture-{}-{}", self.seed, self.opened);
        Ok((name.clone(), world.open_shell_in(arguments, &name)?))
    }

    /// Opens shells and waits until each has begun.
    pub(super) fn open(&mut self, world: &World, count: u64) -> Result<()> {
        let mut opened = Vec::new();
        for _ in 0..count {
            opened.push(self.spawn(world, &[])?);
        }
        for (name, mut shell) in opened {
            shell.type_in("print(\"here\")\n")?;
            shell.read_line()?;
            self.living.push((name, shell));
        }
        Ok(())
    }

    /// Opens a shell and kills it before anybody knows whether it has begun.
    pub(super) fn kill_early(&mut self, world: &World, random: &mut Random) -> Result<()> {
        let (name, shell) = self.spawn(world, &[])?;
        pause(random.below(EARLY_US_MAX));
        self.bury(name, shell, false, Fate::Killed)
    }

    /// Lets one shell go, one way or the other.
    pub(super) fn thin_out(&mut self, random: &mut Random) -> Result<()> {
        if self.living.is_empty() {
            return Ok(());
        }
        let which = usize::try_from(random.below(self.living.len() as u64))?;
        let (name, mut shell) = self.living.swap_remove(which);
        match random.below(4) {
            0 => {
                shell.type_in("exit()\n")?;
                self.bury(name, shell, true, Fate::Left)
            }
            1 => {
                shell.type_in("exit()\n")?;
                pause(random.below(LEAVING_US_MAX));
                self.bury(name, shell, true, Fate::KilledLeaving)
            }
            _ => self.bury(name, shell, true, Fate::Killed),
        }
    }

    /// Kills all that live.
    pub(super) fn kill_all(&mut self) -> Result<()> {
        for (name, shell) in std::mem::take(&mut self.living) {
            self.bury(name, shell, true, Fate::Killed)?;
        }
        Ok(())
    }

    /// Sees a shell off.
    pub(super) fn bury(
        &mut self,
        name: String,
        shell: Shell,
        had_begun: bool,
        fate: Fate,
    ) -> Result<()> {
        let at = clock::now();
        match fate {
            Fate::Left => {
                let ran = shell.leave()?;
                ensure!(ran.code == Some(0), "{name} left with {ran:?}");
            }
            Fate::Killed | Fate::KilledLeaving => {
                shell.end_by(Signal::KILL)?;
            }
        }
        self.gone.push(Gone {
            name,
            had_begun,
            fate,
            at,
        });
        Ok(())
    }
}

fn pause(microseconds: u64) {
    clock::sleep_until(Instant::now() + Duration::from_micros(microseconds));
}
