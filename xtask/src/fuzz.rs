//! `cargo xtask fuzz`: changed inputs at every door, for as long as one likes. The program is a package of its own, so that
//! no other chore has to build the server first.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::workspace;

/// How to fuzz.
#[derive(Args)]
pub(crate) struct Options {
    /// How long each harness runs, in minutes
    #[arg(long, value_name = "N", default_value = "5")]
    minutes: String,
    /// One harness alone
    #[arg(long, value_name = "NAME")]
    harness: Option<String>,
    /// What makes the changes
    #[arg(long, value_name = "N")]
    seed: Option<String>,
}

/// Runs the fuzzer without optimisation: what overflows is then told, and not wrapped.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut command = Command::new("cargo");
    command.current_dir(workspace::root());
    command.args([
        "run",
        "--quiet",
        "--locked",
        "-p",
        "fuzz",
        "--",
        "--minutes",
    ]);
    command.arg(&options.minutes);
    for (flag, value) in [("--harness", &options.harness), ("--seed", &options.seed)] {
        if let Some(value) = value {
            command.args([flag, value]);
        }
    }
    let status = command.status().context("cargo does not start")?;
    ensure!(status.success(), "the fuzzer ended with {status}");
    Ok(())
}
