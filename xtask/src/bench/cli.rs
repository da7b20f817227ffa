//! What `list-sessions` costs a person, beside a program that does nothing.

use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Result, ensure};

use super::Setting;
use super::table::{Sample, Table, ratio, verdict};
use crate::load::fill::{Fill, Shell};
use crate::server::{self, Server, StateFolder};

const SESSIONS: u64 = 1_000;
const ACTIVE: u64 = 100;
const RUNS: usize = 200;
const MORE_THAN_TRUE_MS: f64 = 5.0;

/// What is listed, and how.
const ARMS: [(&str, &[&str]); 4] = [
    ("table, the 50 rows of a terminal", &["--limit", "50"]),
    ("table, all rows, to a pipe", &["--limit", "1000"]),
    ("json, all rows", &["--format", "json"]),
    ("csv, all rows", &["--format", "csv"]),
];

pub(super) fn measure(setting: &Setting) -> Result<()> {
    let state = StateFolder::new()?;
    let server = Server::start(&setting.binary, &state)?;
    Fill {
        sessions: SESSIONS,
        active: ACTIVE,
        shell: Shell::Counting,
    }
    .send(server.address)?;
    let mut table = Table::new(&[
        "list-sessions",
        "ms",
        "true, ms",
        "difference, ms",
        "target",
        "",
    ]);
    for (name, arguments) in ARMS {
        let (mut list, mut nothing) = (Sample::default(), Sample::default());
        for _ in 0..RUNS {
            nothing.push(time(&mut Command::new("/bin/true"))?);
            let mut command = server::command(&setting.binary, &state);
            list.push(time(command.arg("list-sessions").args(arguments))?);
        }
        let difference = list.median() - nothing.median();
        let target = format!("<= {MORE_THAN_TRUE_MS:.0} ms more");
        let reached = verdict(difference <= MORE_THAN_TRUE_MS);
        table.row([
            name.to_owned(),
            list.show(ratio),
            nothing.show(ratio),
            ratio(difference),
            target,
            reached,
        ]);
    }
    server.stop(&state)?;
    table.print(&format!(
        "Process time at {SESSIONS} sessions, medians of {RUNS} runs in turn"
    ));
    Ok(())
}

/// Milliseconds from exec to exit.
pub(super) fn time(command: &mut Command) -> Result<f64> {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let begin = Instant::now();
    let status = command.status()?;
    let elapsed = begin.elapsed();
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(elapsed.as_secs_f64() * 1e3)
}
