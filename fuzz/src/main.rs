//! `cargo xtask fuzz`: each door for so many minutes.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what it prints is what it is for"
)]

use std::{process::ExitCode, time::Duration};

use anyhow::{Context, Result, bail};
use clap::Parser;
use fuzz::{
    corpus,
    engine::{self, Budget},
    harness::{DOORS, Door},
};

/// Try changed inputs at the doors of Session-Buddy.
#[derive(Parser)]
struct Arguments {
    /// How long each door is tried, in minutes
    #[arg(long, value_name = "N", default_value_t = 5.0)]
    minutes: f64,
    /// One door alone
    #[arg(long, value_name = "NAME")]
    harness: Option<String>,
    /// What makes the changes; a run with the same seed tries the same inputs in the same order
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let time = Duration::try_from_secs_f64(arguments.minutes * 60.0).context("--minutes")?;
    let chosen = |door: &&Door| {
        arguments
            .harness
            .as_ref()
            .is_none_or(|name| name == door.name)
    };
    let doors: Vec<_> = DOORS.iter().filter(chosen).collect();
    if doors.is_empty() {
        let names: Vec<_> = DOORS.iter().map(|door| door.name).collect();
        bail!("there is no such harness; there are {}", names.join(", "));
    }
    // A broken law is told once, with what broke it, and not each time that the input is made smaller.
    std::panic::set_hook(Box::new(|_| {}));
    let mut findings = 0;
    for door in doors {
        let inputs = corpus::read(door.name)
            .with_context(|| format!("cannot read {}", corpus::folder(door.name).display()))?;
        let run = engine::run(door, &inputs, arguments.seed, Budget::Time(time));
        println!(
            "{:<8} {:>10} executions, {:>5} behaviours, {}",
            door.name,
            run.executions,
            run.behaviours,
            if run.finding.is_some() {
                "A FINDING"
            } else {
                "no finding"
            }
        );
        if let Some(finding) = run.finding {
            findings += 1;
            let path = corpus::keep(door.name, &finding.input)?;
            println!("  {}\n  kept as {}", finding.message, path.display());
        }
    }
    if findings > 0 {
        bail!(
            "{findings} findings; each is in the corpus now, and fails the tests until it is mended"
        );
    }
    Ok(())
}
