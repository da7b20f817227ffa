//! What tracking costs the one who waits for the prompt: time of the shell's own thread in calls for tracking, at the
//! start and at the exit, every shell a process of its own.

mod situation;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use tempfile::NamedTempFile;

use super::Setting;
use super::table::{Sample, Table, ratio, verdict};
use crate::dead_shells;
use crate::server::{self, Server, StateFolder};
use crate::tracked::{BEGUN, READY, Spent};
use situation::{BlackHole, BusyDisk, FullBacklog};

/// Where nobody listens: shells that find no socket look at this port of `localhost`.
const NO_PORT: (&str, &str) = ("SESSION_BUDDY_PORT", "1");
/// How many begin at the same moment.
const TOGETHER: u64 = 64;

const START_MS: f64 = 2.0;
const START_TOGETHER_MS: f64 = 12.0;
const EXIT_MS: f64 = 20.0;
const EXIT_KNOWN_DOWN_MS: f64 = 2.0;

/// Something that may be wrong, and the shells that are opened in it.
struct Case {
    name: &'static str,
    shells: fn(&Setting, &StateFolder) -> Result<Series>,
    start_ms: f64,
    exit_ms: f64,
}

const CASES: [Case; 8] = [
    Case {
        name: "server up",
        shells: server_up,
        start_ms: START_MS,
        exit_ms: EXIT_MS,
    },
    Case {
        name: "down",
        shells: down,
        start_ms: START_MS,
        exit_ms: EXIT_MS,
    },
    Case {
        name: "down, and the shell knows it",
        shells: known_down,
        start_ms: START_MS,
        exit_ms: EXIT_KNOWN_DOWN_MS,
    },
    Case {
        name: "accepts and never answers",
        shells: black_holed,
        start_ms: START_MS,
        exit_ms: EXIT_MS,
    },
    Case {
        name: "its backlog is full",
        shells: backlog_full,
        start_ms: START_MS,
        exit_ms: EXIT_MS,
    },
    Case {
        name: "up, disk busy",
        shells: disk_busy,
        start_ms: START_MS,
        exit_ms: EXIT_MS,
    },
    Case {
        name: "up, 64 shells at once",
        shells: together,
        start_ms: START_TOGETHER_MS,
        exit_ms: EXIT_MS,
    },
    Case {
        name: "down, dead sessions waiting",
        shells: many_waiting,
        start_ms: START_MS,
        exit_ms: EXIT_MS,
    },
];

pub(super) fn measure(setting: &Setting) -> Result<()> {
    let mut whole = Table::new(&[
        "server",
        "start p50 ms",
        "p99",
        "max",
        "CPU p99",
        "target p99",
        "",
        "exit p50 ms",
        "p99",
        "max",
        "target p99",
        "",
    ]);
    let mut parts = Table::new(&[
        "p50 / p99, ms",
        "settings",
        "identity",
        "begin",
        "probe",
        "deliver",
    ]);
    // ext4 without a journal looks for a free inode past each one that was freed in the last minutes, which costs whoever
    // makes a file next a millisecond: nothing is removed before all is measured.
    let mut kept = Vec::new();
    let wanted = |case: &&Case| {
        let part = setting.situation.as_deref();
        part.is_none_or(|part| case.name.contains(part))
    };
    for case in CASES.iter().filter(wanted) {
        let state = StateFolder::new()?;
        let series = (case.shells)(setting, &state);
        let series = series.with_context(|| format!("case: {}", case.name))?;
        kept.push(state);
        whole.row(series.row(case));
        parts.row(series.parts(case.name));
    }
    whole.print(&format!(
        "Time of a shell's thread in tracking, {} shells each; {} dead sessions wait where they do",
        setting.shells, setting.dead
    ));
    parts.print("What the starts are made of");
    Ok(())
}

/// What the shells of one case spent.
#[derive(Default)]
struct Series(Vec<Spent>);

impl Series {
    fn of(&self, part: impl Fn(&Spent) -> f64) -> Sample {
        self.0.iter().map(|spent| part(spent) / 1e3).collect()
    }

    fn row(&self, case: &Case) -> Vec<String> {
        let (start, exit) = (self.of(Spent::start), self.of(|spent| spent.end));
        let mut row = vec![case.name.to_owned()];
        row.extend([0.5, 0.99, 1.0].map(|part| ratio(start.quantile(part))));
        row.push(ratio(self.of(|spent| spent.start_cpu).quantile(0.99)));
        row.extend(target(&start, case.start_ms));
        row.extend([0.5, 0.99, 1.0].map(|part| ratio(exit.quantile(part))));
        row.extend(target(&exit, case.exit_ms));
        row
    }

    fn parts(&self, name: &str) -> Vec<String> {
        let part = |part: fn(&Spent) -> f64| {
            let sample = self.of(part);
            format!(
                "{} / {}",
                ratio(sample.median()),
                ratio(sample.quantile(0.99))
            )
        };
        vec![
            name.to_owned(),
            part(|spent| spent.settings),
            part(|spent| spent.identity),
            part(|spent| spent.begin),
            part(|spent| spent.probe),
            part(|spent| spent.deliver),
        ]
    }
}

fn target(sample: &Sample, target_ms: f64) -> [String; 2] {
    [
        format!("<= {target_ms:.0}"),
        verdict(sample.quantile(0.99) <= target_ms),
    ]
}

fn server_up(setting: &Setting, state: &StateFolder) -> Result<Series> {
    let server = Server::start(&setting.binary, state)?;
    let series = one_by_one(setting, state, &[])?;
    server.stop(state)?;
    Ok(series)
}

fn down(setting: &Setting, state: &StateFolder) -> Result<Series> {
    one_by_one(setting, state, &[])
}

fn known_down(setting: &Setting, state: &StateFolder) -> Result<Series> {
    one_by_one(setting, state, &["--until-offline"])
}

fn black_holed(setting: &Setting, state: &StateFolder) -> Result<Series> {
    let _hole = BlackHole::at(&state.socket())?;
    one_by_one(setting, state, &[])
}

fn backlog_full(setting: &Setting, state: &StateFolder) -> Result<Series> {
    let _full = FullBacklog::at(&state.socket())?;
    one_by_one(setting, state, &[])
}

fn disk_busy(setting: &Setting, state: &StateFolder) -> Result<Series> {
    let server = Server::start(&setting.binary, state)?;
    let busy = BusyDisk::beside(state)?;
    let series = one_by_one(setting, state, &[])?;
    busy.stop()?;
    server.stop(state)?;
    Ok(series)
}

fn many_waiting(setting: &Setting, state: &StateFolder) -> Result<Series> {
    dead_shells::leave(&state.home(), None, setting.dead)?;
    one_by_one(setting, state, &[])
}

fn together(setting: &Setting, state: &StateFolder) -> Result<Series> {
    let server = Server::start(&setting.binary, state)?;
    let mut series = Series::default();
    for _ in 0..setting.shells.div_ceil(TOGETHER) {
        series.0.extend(at_once(state)?);
    }
    server.stop(state)?;
    Ok(series)
}

fn one_by_one(setting: &Setting, state: &StateFolder, arguments: &[&str]) -> Result<Series> {
    let shells = (0..setting.shells).map(|_| {
        let output = shell(state)?
            .args(arguments)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()?;
        ensure!(
            output.status.success(),
            "a shell ended with {}",
            output.status
        );
        Ok(serde_json::from_slice(&output.stdout)?)
    });
    shells.collect::<Result<_>>().map(Series)
}

/// Opens shells that all begin when the same pipe ends, and, when all have begun, all end when the same file is unlocked.
fn at_once(state: &StateFolder) -> Result<Vec<Spent>> {
    let (start, trigger) = std::io::pipe()?;
    let gate = NamedTempFile::new_in(state.home())?;
    gate.as_file().lock()?;
    let mut shells = (0..TOGETHER)
        .map(|_| Waiting::open(state, start.try_clone()?.into(), gate.path()))
        .collect::<Result<Vec<_>>>()?;
    for shell in &mut shells {
        shell.expect(READY)?;
    }
    drop(trigger);
    for shell in &mut shells {
        shell.expect(BEGUN)?;
    }
    gate.as_file().unlock()?;
    shells.into_iter().map(Waiting::finish).collect()
}

/// A shell that waits for its siblings.
struct Waiting {
    process: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Waiting {
    fn open(state: &StateFolder, start: Stdio, gate: &Path) -> Result<Self> {
        let mut process = shell(state)?
            .arg("--together")
            .arg(gate)
            .stdin(start)
            .stdout(Stdio::piped())
            .spawn()?;
        let output = process.stdout.take().context("its output is a pipe")?;
        Ok(Self {
            process,
            output: BufReader::new(output),
        })
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line)
    }

    fn expect(&mut self, expected: &str) -> Result<()> {
        let line = self.line()?;
        ensure!(line == expected, "a shell says {line:?}");
        Ok(())
    }

    fn finish(mut self) -> Result<Spent> {
        let spent = serde_json::from_str(&self.line()?)?;
        let status = self.process.wait()?;
        ensure!(status.success(), "a shell ended with {status}");
        Ok(spent)
    }
}

fn shell(state: &StateFolder) -> Result<Command> {
    let mut shell = server::command(&std::env::current_exe()?, state);
    shell.env(NO_PORT.0, NO_PORT.1).arg("tracked-shell");
    Ok(shell)
}
