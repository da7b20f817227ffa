//! `cargo xtask bench`: the figures, as medians of repeats with their range, beside their targets.
//!
//! Rates are compared inside one repeat, the arms one after the other in an order that rotates, because the
//! machine's own speed moves more between repeats than what is looked for.

mod batches;
mod cli;
mod detect;
mod footprint;
mod hostile;
mod latency;
mod liveness;
mod machine;
mod prefilled;
mod recovery;
mod replay;
mod shell;
mod starts;
mod table;
mod terminal;
mod tracking;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};

use crate::workspace::{self, Profile};

/// What to measure and how long.
#[derive(Args)]
pub(crate) struct Options {
    #[arg(value_enum, default_value = "all")]
    what: What,
    /// Repeats; the table shows their median and range
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    repeats: u32,
    /// Length of one measured window [default: 3 for rates, 10 for latency]
    #[arg(long)]
    seconds: Option<u64>,
    /// Sessions in the pre-filled store; 0 leaves it out
    #[arg(long, default_value_t = 1_000_000)]
    sessions: u64,
    /// Shells in each situation of `tracking`
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..))]
    shells: u64,
    /// Only the situations of `tracking` whose name holds this text
    #[arg(long)]
    situation: Option<String>,
    /// Sessions that dead shells left, two events each
    #[arg(long, default_value_t = 50_000, value_parser = clap::value_parser!(u64).range(1..))]
    dead: u64,
    /// Clients of the server that returns
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    clients: u64,
    /// The server to measure [default: the release build of this checkout]
    #[arg(long)]
    binary: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    /// Durable starts per second beside a do-nothing tool and an echo
    Starts,
    /// Starts per second in batches, into an empty store and a full one
    Batches,
    /// Latency of starts at a fixed rate over 1,000 connections
    Latency,
    /// Start-up, memory, sizes
    Footprint,
    /// Time of `list-sessions` beside `true`
    Cli,
    /// Time of a shell's own thread in calls for tracking, whatever the server and the disk do
    Tracking,
    /// Time and memory of the example shell, tracked and not
    Shell,
    /// From exec to the prompt, and from a key to the screen, at a terminal
    Terminal,
    /// Delivery of what dead shells left
    Replay,
    /// What a server sees that returns to many clients
    Recovery,
    /// What tokens and bounds cost, and what hostile clients cost an honest one
    Hostile,
    /// How soon a dead shell is known, and what watching and leases cost
    Liveness,
    /// What akosha's `detect` finds of what was planted, beside a z-score
    Detect,
    All,
}

/// What every measurement needs to know.
struct Setting {
    binary: PathBuf,
    repeats: u32,
    seconds: Option<u64>,
    sessions: u64,
    shells: u64,
    situation: Option<String>,
    dead: u64,
    clients: u64,
}

impl Setting {
    fn window(&self, default_seconds: u64) -> Duration {
        Duration::from_secs(self.seconds.unwrap_or(default_seconds))
    }
}

pub(crate) fn run(options: &Options) -> Result<()> {
    if options.binary.is_none() && options.what != What::Detect {
        build(&["-p", "session-buddy"])?;
    }
    if cfg!(debug_assertions) {
        return again_in_release();
    }
    let setting = Setting {
        binary: options
            .binary
            .clone()
            .unwrap_or_else(|| workspace::session_buddy(Profile::Release)),
        repeats: options.repeats,
        seconds: options.seconds,
        sessions: options.sessions,
        shells: options.shells,
        situation: options.situation.clone(),
        dead: options.dead,
        clients: options.clients,
    };
    if options.what == What::Detect {
        return detect::measure();
    }
    machine::print(&setting.binary);
    let chosen = |what| options.what == What::All || options.what == what;
    if chosen(What::Starts) {
        starts::measure(&setting)?;
    }
    if chosen(What::Batches) {
        batches::measure(&setting)?;
    }
    if chosen(What::Latency) {
        latency::measure(&setting)?;
    }
    if chosen(What::Footprint) {
        footprint::measure(&setting)?;
    }
    if chosen(What::Cli) {
        cli::measure(&setting)?;
    }
    if chosen(What::Tracking) {
        tracking::measure(&setting)?;
    }
    if chosen(What::Shell) {
        shell::measure(&setting)?;
    }
    if chosen(What::Terminal) {
        terminal::measure(&setting)?;
    }
    if chosen(What::Replay) {
        replay::measure(&setting)?;
    }
    if chosen(What::Recovery) {
        recovery::measure(&setting)?;
    }
    if chosen(What::Hostile) {
        hostile::measure(&setting)?;
    }
    if chosen(What::Liveness) {
        liveness::measure(&setting)?;
    }
    if chosen(What::Detect) {
        detect::measure()?;
    }
    Ok(())
}

fn build(what: &[&str]) -> Result<()> {
    let mut cargo = Command::new(workspace::cargo());
    cargo
        .current_dir(workspace::root())
        .args(["build", "--quiet", "--locked", "--release"])
        .args(what);
    ensure!(cargo.status()?.success(), "{cargo:?} failed");
    Ok(())
}

/// A debug build measures nothing worth knowing, so the same command runs again as a release build.
fn again_in_release() -> Result<()> {
    let mut cargo = Command::new(workspace::cargo());
    cargo.args([
        "run",
        "--quiet",
        "--locked",
        "--release",
        "-p",
        "xtask",
        "--",
    ]);
    cargo.args(std::env::args_os().skip(1));
    let status = cargo.status().context("could not run cargo")?;
    ensure!(status.success(), "the benchmark ended with {status}");
    Ok(())
}
