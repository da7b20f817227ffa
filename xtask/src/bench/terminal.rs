//! What a person waits for: from exec to the prompt, and from a key to the screen.

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};

use super::table::{Sample, Table, ratio, tenths, verdict};
use super::{Setting, build};
use crate::pty::Terminal;
use crate::server::{self, Server, StateFolder};
use crate::workspace::{self, Profile};

const RUNS: usize = 200;
const PROMPT_MS: f64 = 15.0;
const TRACKING_MS: f64 = 2.0;
const MEBIBYTES: f64 = 25.0;
const KEY_MS: f64 = 5.0;
/// How many lines a shell remembers, which is the most there can be.
const HISTORY_LINES: usize = 100_000;
/// Keys that are typed, one after the other, and how often that is done.
const KEYS: &str = "print(orders()[0].customer)";
const KEY_RUNS: usize = 5;

/// A program with a prompt.
pub(super) struct Arm {
    pub(super) name: &'static str,
    command: Command,
    /// What its prompt ends with.
    prompt: &'static str,
    pub(super) ms: Sample,
    pub(super) mebibytes: Sample,
}

impl Arm {
    pub(super) fn new(name: &'static str, command: Command, prompt: &'static str) -> Self {
        Self {
            name,
            command,
            prompt,
            ms: Sample::default(),
            mebibytes: Sample::default(),
        }
    }

    /// Opens it once, until its prompt is there.
    pub(super) fn run(&mut self) -> Result<()> {
        let begin = Instant::now();
        let mut terminal = Terminal::open(&self.command)?;
        terminal.wait_for(self.prompt)?;
        self.ms.push(begin.elapsed().as_secs_f64() * 1e3);
        self.mebibytes.push(resident_mebibytes(terminal.pid())?);
        Ok(())
    }
}

pub(super) fn measure(setting: &Setting) -> Result<()> {
    build(&["-p", "admin-shell", "--example", "billing"])?;
    let state = StateFolder::new()?;
    let server = Server::start(&setting.binary, &state)?;
    let billing = || server::command(&workspace::billing(Profile::Release), &state);
    let mut untracked = billing();
    untracked.env("BILLING_SESSION_ENABLED", "false");
    let mut own = server::command(&setting.binary, &state);
    own.args(["shell", "--no-server"]);
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-i"]).env("PS1", "bash> ");
    let mut arms = [
        Arm::new("billing, tracked", billing(), "> "),
        Arm::new("billing, not tracked", untracked, "> "),
        Arm::new("session-buddy shell --no-server", own, "> "),
        Arm::new("bash -i", bash, "bash> "),
    ];
    for run in 0..RUNS {
        for turn in 0..arms.len() {
            arms[(run + turn) % 4].run()?;
        }
    }
    print_prompts(&arms);
    let mut keys = Sample::default();
    remember(&state)?;
    for _ in 0..KEY_RUNS {
        type_keys(&billing(), &mut keys)?;
    }
    server.stop(&state)?;
    print_keys(&keys);
    Ok(())
}

fn print_prompts(arms: &[Arm]) {
    let mut table = Table::new(&["exec to prompt", "ms", "p99 ms", "RSS, MiB", "target", ""]);
    for arm in arms {
        let is_ours = arm.name != "bash -i";
        let reached = arm.ms.median() <= PROMPT_MS && arm.mebibytes.median() <= MEBIBYTES;
        table.row([
            arm.name.to_owned(),
            arm.ms.show(ratio),
            ratio(arm.ms.quantile(0.99)),
            arm.mebibytes.show(tenths),
            if is_ours {
                format!("<= {PROMPT_MS} ms, <= {MEBIBYTES} MiB")
            } else {
                String::new()
            },
            if is_ours {
                verdict(reached)
            } else {
                String::new()
            },
        ]);
    }
    let difference = arms[0].ms.median() - arms[1].ms.median();
    table.row([
        "tracking: difference of the medians".to_owned(),
        ratio(difference),
        String::new(),
        String::new(),
        format!("<= {TRACKING_MS} ms"),
        verdict(difference <= TRACKING_MS),
    ]);
    table.print(&format!(
        "From exec to the prompt at a terminal that answers, server up, {RUNS} runs of each in turn"
    ));
}

fn print_keys(keys: &Sample) {
    let mut table = Table::new(&["a key to the screen", "ms", "p99 ms", "target", ""]);
    let p99 = keys.quantile(0.99);
    table.row([
        format!("history of {HISTORY_LINES} lines"),
        keys.show(ratio),
        ratio(p99),
        format!("<= {KEY_MS} ms"),
        verdict(p99 <= KEY_MS),
    ]);
    let count = KEYS.len() * KEY_RUNS;
    table.print(&format!(
        "{count} keys, with colours and hints from the history"
    ));
}

/// Fills the history of the example shell.
fn remember(state: &StateFolder) -> Result<()> {
    let folder = state.home().join("history");
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)?;
    let mut lines = String::new();
    for line in 0..HISTORY_LINES {
        writeln!(lines, "refund({line}) # of that day")?;
    }
    Ok(fs::write(folder.join("billing.txt"), lines)?)
}

/// Types a line, waiting for each key to be seen.
fn type_keys(shell: &Command, keys: &mut Sample) -> Result<()> {
    let mut terminal = Terminal::open(shell)?;
    terminal.wait_for("> ")?;
    for key in KEYS.chars() {
        let key = key.to_string();
        let begin = Instant::now();
        terminal.type_in(&key)?;
        terminal.wait_for(&key)?;
        keys.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    Ok(())
}

fn resident_mebibytes(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kibibytes = kibibytes.context("the status of a process has its RSS")?;
    Ok(kibibytes.parse::<f64>()? / 1024.0)
}
