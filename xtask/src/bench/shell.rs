//! What tracking costs a whole shell: the example, tracked and not, from exec to exit.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::cli::time;
use super::table::{Sample, Table, ratio, tenths};
use super::{Setting, build};
use crate::server::{self, Server, StateFolder};
use crate::workspace::{self, Profile};

const RUNS: usize = 300;
/// Memory moves little from run to run.
const MEMORY_RUNS: usize = 20;
/// What switches the tracking of the example off.
const OFF: (&str, &str) = ("BILLING_SESSION_ENABLED", "false");

/// The runs with tracking, or without.
#[derive(Default)]
struct Series {
    ms: Sample,
    mebibytes: Sample,
}

impl Series {
    fn row(&self, name: &str) -> Vec<String> {
        vec![
            name.to_owned(),
            self.ms.show(ratio),
            ratio(self.ms.quantile(0.99)),
            self.mebibytes.show(tenths),
        ]
    }
}

pub(super) fn measure(setting: &Setting) -> Result<()> {
    build(&["-p", "admin-shell", "--example", "billing"])?;
    let state = StateFolder::new()?;
    let server = Server::start(&setting.binary, &state)?;
    let (mut tracked, mut untracked) = (Series::default(), Series::default());
    for run in 0..RUNS {
        for turn in 0..2 {
            let is_tracked = (run + turn) % 2 == 0;
            let series = match is_tracked {
                true => &mut tracked,
                false => &mut untracked,
            };
            series.ms.push(time(&mut shell(&state, is_tracked))?);
            if run < MEMORY_RUNS {
                series.mebibytes.push(peak_mebibytes(&state, is_tracked)?);
            }
        }
    }
    server.stop(&state)?;
    let mut table = Table::new(&["-c 'exit()'", "ms", "p99 ms", "peak memory, MiB"]);
    table.row(tracked.row("tracked"));
    table.row(untracked.row("BILLING_SESSION_ENABLED=false"));
    table.row([
        "difference of the medians".to_owned(),
        ratio(tracked.ms.median() - untracked.ms.median()),
        String::new(),
        tenths(tracked.mebibytes.median() - untracked.mebibytes.median()),
    ]);
    table.print(&format!(
        "The example shell from exec to exit, server up, {RUNS} runs of each in turn"
    ));
    Ok(())
}

fn shell(state: &StateFolder, tracked: bool) -> Command {
    let mut shell = server::command(&workspace::billing(Profile::Release), state);
    shell.args(["-c", "exit()"]);
    if !tracked {
        shell.env(OFF.0, OFF.1);
    }
    shell
}

fn peak_mebibytes(state: &StateFolder, tracked: bool) -> Result<f64> {
    let shell = shell(state, tracked);
    let mut command = Command::new(std::env::current_exe()?);
    command
        .arg("peak-memory")
        .arg(shell.get_program())
        .args(shell.get_args());
    for (name, value) in shell.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let output = command.output()?;
    ensure!(output.status.success(), "{command:?}: {output:?}");
    let kibibytes = String::from_utf8(output.stdout)?.trim().parse::<f64>();
    Ok(kibibytes.context("the most memory is a number")? / 1024.0)
}
