//! `cargo xtask simulate`: the simulation of the tests (`session-buddy`, `tests/integration/simulation.rs`), for as long as
//! one likes, or one seed of it.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::{clock, workspace};

/// The test that simulates.
const TEST: &str = "simulation::whatever_fails_nothing_is_lost_doubled_or_left_open";

/// How long, and from which seed.
#[derive(Args)]
pub(crate) struct Options {
    /// How long seeds are tried
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
    /// The first seed; each next one is greater by one [default: random, printed]
    #[arg(long)]
    seed: Option<u64>,
    /// Repeat one seed alone, and tell the steps that led to its difference
    #[arg(long, conflicts_with_all = ["minutes", "seed"])]
    repeat: Option<u64>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let mut command = Command::new("cargo");
    command
        .current_dir(workspace::root())
        .args(["test", "--quiet", "--locked", "-p", "session-buddy"])
        .args(["--test", "integration", "--", "--exact", TEST])
        .arg("--nocapture")
        .env("RUST_BACKTRACE", "0");
    match options.repeat {
        Some(seed) => command.env("SIMULATION_SEED", seed.to_string()),
        None => {
            let first = options
                .seed
                .unwrap_or_else(|| clock::now().as_microsecond().unsigned_abs());
            println!("{} minutes, --seed {first}", options.minutes);
            command
                .env("SIMULATION_SECONDS", (options.minutes * 60.0).to_string())
                .env("SIMULATION_FIRST_SEED", first.to_string())
        }
    };
    let status = command.status().context("cargo does not start")?;
    ensure!(status.success(), "the simulation found a difference");
    Ok(())
}
