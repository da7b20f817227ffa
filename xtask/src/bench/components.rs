//! What a person waits for in the shells of the six components: the prompt, and the first word of an answer.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::prefilled::Prefilled;
use super::table::{Sample, Table, ratio, tenths, verdict};
use super::terminal::Arm;
use super::{Setting, build};
use crate::pty::Terminal;
use crate::server::{self, Server, StateFolder};
use crate::workspace;

const RUNS: usize = 60;
const PROMPT_MS: f64 = 20.0;
const MEBIBYTES: f64 = 25.0;
const ANSWER_RUNS: usize = 5;
const ANSWER_MS: f64 = 200.0;
const PROMPT: &str = "> ";

/// A component, and what is typed in its shell.
type Component = (&'static str, &'static [&'static str]);

const COMPONENTS: [Component; 6] = [
    (
        "oneiric",
        &[
            "show_layers()",
            "show_config()",
            "explain(\"port\")",
            "validate_config()",
            "reload_settings()",
        ],
    ),
    (
        "session-buddy",
        &["ps()", "active()", "quality()", "insights(5)", "%sessions"],
    ),
    (
        "mahavishnu",
        &["ps()", "top()", "errors(5)", "sync()", "%repos"],
    ),
    (
        "crackerjack",
        &[
            "show_project()",
            "show_adapters()",
            "show_hooks()",
            "lint()",
        ],
    ),
    (
        "akosha",
        &[
            "aggregate(\"component\")",
            "search(\"user7\")",
            "detect()",
            "graph(\"user7\")",
            "trends()",
        ],
    ),
    (
        "fastblocks",
        &["build()", "render(\"pages/home\")", "routes()", "auth()"],
    ),
];

pub(super) fn measure(setting: &Setting) -> Result<()> {
    let packages = COMPONENTS.iter().flat_map(|(name, _)| ["-p", name]);
    build(&packages.collect::<Vec<_>>())?;
    prompts(setting)?;
    answers(setting)
}

fn prompts(setting: &Setting) -> Result<()> {
    let state = StateFolder::new()?;
    let server = Server::start(&setting.binary, &state)?;
    let mut arms = COMPONENTS.map(|(name, _)| Arm::new(name, shell(name, &state), PROMPT));
    for run in 0..RUNS {
        for turn in 0..arms.len() {
            let turn = (run + turn) % arms.len();
            arms[turn].run()?;
        }
    }
    server.stop(&state)?;
    let mut table = Table::new(&["exec to prompt", "ms", "p99 ms", "RSS, MiB", "target", ""]);
    for arm in &arms {
        let reached = arm.ms.median() <= PROMPT_MS && arm.mebibytes.median() <= MEBIBYTES;
        table.row([
            format!("{} shell", arm.name),
            arm.ms.show(ratio),
            ratio(arm.ms.quantile(0.99)),
            arm.mebibytes.show(tenths),
            format!("<= {PROMPT_MS} ms, <= {MEBIBYTES} MiB"),
            verdict(reached),
        ]);
    }
    table.print(&format!(
        "From exec to the prompt at a terminal that answers, server up, {RUNS} runs of each in turn"
    ));
    Ok(())
}

/// Types each helper into a shell, on the full store, and waits for its first word.
fn answers(setting: &Setting) -> Result<()> {
    let state = match Prefilled::prepare(setting)? {
        Some(prefilled) => prefilled.copy()?,
        None => StateFolder::new()?,
    };
    let server = Server::start(&setting.binary, &state)?;
    let app = state.home().join("app");
    new_app(&app)?;
    let mut table = Table::new(&["first word of", "median ms", "worst ms", "target", ""]);
    for (name, lines) in COMPONENTS {
        for line in lines {
            let mut sample = Sample::default();
            for _ in 0..ANSWER_RUNS {
                let mut command = shell(name, &state);
                command.current_dir(match name {
                    "fastblocks" => app.clone(),
                    _ => workspace::root(),
                });
                let mut terminal = Terminal::open(&command)?;
                terminal.wait_for(PROMPT)?;
                sample.push(terminal.time_to_answer(line)?.as_secs_f64() * 1e3);
            }
            table.row([
                format!("{name}: {line}"),
                ratio(sample.median()),
                ratio(sample.quantile(1.0)),
                format!("<= {ANSWER_MS}"),
                verdict(sample.median() <= ANSWER_MS),
            ]);
        }
    }
    server.stop(&state)?;
    table.print(&format!(
        "From Enter to the first word, an answer or how far it is, {} sessions, {ANSWER_RUNS} runs of each",
        setting.sessions
    ));
    Ok(())
}

fn shell(component: &str, state: &StateFolder) -> Command {
    let program = workspace::target().join("release").join(component);
    let mut command = server::command(&program, state);
    command.arg("shell").env("PAGER", "cat");
    command
}

/// Makes a small app, which is what FastBlocks works on.
fn new_app(folder: &Path) -> Result<()> {
    let program = workspace::target().join("release/fastblocks");
    let output = Command::new(program).arg("new").arg(folder).output();
    let output = output.context("could not run fastblocks")?;
    ensure!(output.status.success(), "{output:?}");
    Ok(())
}
