//! Chores of the workspace: `cargo xtask test`, `bench`, `torture`, `simulate` and `fuzz`.
//!
//! - [`mod@test`]: the two stages, hermetic and external, and the installation of what they need.
//! - [`mod@bench`]: the figures, each beside its target, measured over whole paths with real processes.
//! - [`torture`]: whatever can go wrong, at random, against an oracle; the external stage runs it for a minute.
//! - [`fuzz`]: changed inputs at every door.
//! - [`simulate`]: the same questions, asked of a world without processes, millions of times.
//! - [`shells`]: real shells and what goes wrong between them and the server; the external stage runs it.
//!   [`world`] is where they and the torture live.
//! - [`pty`]: a terminal with a program in it.
//! - [`baseline`]: what the server is compared with, as a process of its own.
//! - [`tracked`]: shells without a shell, as processes of their own; [`dead_shells`] is what they leave behind.
//! - [`load`]: the load generator; [`http`] and [`event`] are what it sends; [`server`] is what it sends it to;
//!   [`listed`] is what it shows afterwards.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what a chore prints is what it is for"
)]

mod baseline;
mod bench;
mod clock;
mod dead_shells;
mod event;
mod fuzz;
mod http;
mod listed;
mod load;
mod process;
mod pty;
mod server;
mod shells;
mod simulate;
mod test;
mod torture;
mod tracked;
mod workspace;
mod world;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Chores of the Session-Buddy workspace.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Run the test stages, installing what they need
    Test(test::Options),
    /// Measure the figures and print them beside their targets
    Bench(bench::Options),
    /// Kill, cut and fill at random, and compare what is on record with what happened
    Torture(torture::Options),
    /// Change inputs at random at every door, and hold what comes of it to the laws of each
    Fuzz(fuzz::Options),
    /// Run client and server in a world of which each seed decides every fault
    Simulate(simulate::Options),
    /// Open and end real shells, and check what the server says of them
    #[command(hide = true)]
    Shells(shells::Options),
    /// Serve what the server is compared with
    #[command(hide = true)]
    Baseline,
    /// Open and end one tracked session, and print what that took
    #[command(hide = true)]
    TrackedShell(tracked::Options),
    /// Open many tracked sessions and wait until a server has taken them
    #[command(hide = true)]
    TrackedShells(tracked::many::Options),
    /// Run a program and print the most memory that it had, in KiB
    #[command(hide = true)]
    PeakMemory(process::Program),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().chore {
        Chore::Test(options) => test::run(&options),
        Chore::Bench(options) => bench::run(&options),
        Chore::Torture(options) => torture::run(&options),
        Chore::Fuzz(options) => fuzz::run(&options),
        Chore::Simulate(options) => simulate::run(&options),
        Chore::Shells(options) => shells::run(&options),
        Chore::Baseline => baseline::serve(),
        Chore::TrackedShell(options) => tracked::run(&options),
        Chore::TrackedShells(options) => tracked::many::run(&options),
        Chore::PeakMemory(program) => process::print_peak_memory(&program),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
