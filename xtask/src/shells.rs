//! Real shells, a real server, and what goes wrong between them: whatever it is, the record names each shell exactly
//! once, with the times and the end that it really had.

use std::os::unix::net::UnixListener;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use clap::Args;
use rustix::process::Signal;
use serde_json::Value;

use crate::clock;
use crate::world::{Expected, World};

/// Which cases to run.
#[derive(Args)]
pub(crate) struct Options {
    /// Run only the cases whose name contains this
    #[arg(long)]
    only: Option<String>,
}

/// A case: its name, and what happens.
type Case = (&'static str, fn(&mut World) -> Result<()>);

const CASES: [Case; 11] = [
    ("server up", server_up),
    ("server down, started later", started_later),
    ("black-holed, healed later", black_holed),
    ("server killed in the middle", server_killed),
    ("server without its memory", server_forgets),
    ("shell killed, server up", shell_killed),
    ("shell killed, server down", shell_killed_offline),
    ("script error", script_error),
    ("SIGTERM, SIGHUP, SIGINT", signals),
    ("tracking off", tracking_off),
    ("64 shells at once", many),
];

pub(crate) fn run(options: &Options) -> Result<()> {
    for (name, case) in CASES {
        let wanted = options.only.as_deref();
        if wanted.is_none_or(|wanted| name.contains(wanted)) {
            let begin = std::time::Instant::now();
            case(&mut World::new()?).with_context(|| format!("case: {name}"))?;
            println!("ok {:>6.2} s  {name}", begin.elapsed().as_secs_f64());
        }
    }
    Ok(())
}

fn server_up(world: &mut World) -> Result<()> {
    world.start_server()?;
    let ran = world.pipe("orders()\nexit()\n")?;
    ensure!(ran.code == Some(0), "exit() leaves with 0, not {ran:?}");
    world.one_session(&ran, &Expected::ended("exit", 0).commands(2))?;
    world.settled()
}

fn started_later(world: &mut World) -> Result<()> {
    let ran = world.pipe("exit()\n")?;
    ensure!(
        ran.code == Some(0),
        "a shell without a server leaves with 0, not {ran:?}"
    );
    world.start_server()?;
    world.one_session(&ran, &Expected::ended("exit", 0))?;
    world.settled()
}

/// Somebody sits at the socket and never says a word.
fn black_holed(world: &mut World) -> Result<()> {
    let socket = world.state.socket();
    let hole = UnixListener::bind(&socket)?;
    let ran = world.pipe("exit()\n")?;
    ensure!(
        ran.code == Some(0),
        "a black hole does not hold a shell: {ran:?}"
    );
    drop(hole);
    std::fs::remove_file(&socket)?;
    world.start_server()?;
    world.one_session(&ran, &Expected::ended("exit", 0))?;
    world.settled()
}

fn server_killed(world: &mut World) -> Result<()> {
    world.start_server()?;
    let mut shell = world.open_shell(&[])?;
    world.sessions_until(|found| found.len() == 1)?;
    world.kill_server()?;
    shell.type_in("orders()\nexit()\n")?;
    let ran = shell.leave()?;
    ensure!(ran.code == Some(0), "a shell does not notice: {ran:?}");
    world.start_server()?;
    world.one_session(&ran, &Expected::ended("exit", 0).commands(2))?;
    world.settled()
}

/// The server comes back without what it had acknowledged, as one that was restored from an older backup does.
fn server_forgets(world: &mut World) -> Result<()> {
    world.start_server()?;
    let mut shell = world.open_shell(&[])?;
    world.sessions_until(|found| found.len() == 1)?;
    world.kill_server()?;
    world.forget()?;
    shell.type_in("exit()\n")?;
    let ran = shell.leave()?;
    world.start_server()?;
    world.one_session(&ran, &Expected::ended("exit", 0))?;
    ensure!(
        world.accept_checkpoints_aside()? == 1,
        "a server that forgot says so"
    );
    world.settled()
}

fn shell_killed(world: &mut World) -> Result<()> {
    world.start_server()?;
    let shell = world.open_shell(&[])?;
    world.sessions_until(|found| found.len() == 1)?;
    let ran = shell.end_by(Signal::KILL)?;
    world.one_session(&ran, &Expected::lost())?;
    world.settled()
}

fn shell_killed_offline(world: &mut World) -> Result<()> {
    let mut shell = world.open_shell(&[])?;
    shell.type_in("print(\"here\")\n")?;
    shell.read_line()?;
    let ran = shell.end_by(Signal::KILL)?;
    world.start_server()?;
    world.one_session(&ran, &Expected::lost())?;
    world.settled()
}

fn script_error(world: &mut World) -> Result<()> {
    world.start_server()?;
    let ran = world.pipe("no_such_helper()\nexit()\n")?;
    ensure!(
        ran.code == Some(1),
        "an error in a script is exit code 1: {ran:?}"
    );
    world.one_session(&ran, &Expected::ended("error", 1).errors(1))?;
    world.settled()
}

fn signals(world: &mut World) -> Result<()> {
    world.start_server()?;
    for (signal, reason, code) in [
        (Signal::TERM, "signal", 143),
        (Signal::HUP, "signal", 129),
        (Signal::INT, "interrupt", 130),
    ] {
        let mut shell = world.open_shell(&["-c", "print(\"here\"); loop { }"])?;
        shell.read_line()?;
        let ran = shell.end_by(signal)?;
        ensure!(
            ran.code == Some(code),
            "{signal:?} leaves with {code}: {ran:?}"
        );
        world.one_session(&ran, &Expected::ended(reason, code.into()))?;
    }
    world.settled()
}

fn tracking_off(world: &mut World) -> Result<()> {
    world.start_server()?;
    for variable in ["MAHAVISHNU_SESSION_ENABLED", "BILLING_SESSION_ENABLED"] {
        let mut command = world.shell(&["-c", "exit()"]);
        let status = command
            .env(variable, "false")
            .stdin(Stdio::null())
            .status()?;
        ensure!(status.success(), "an untracked shell works: {status}");
    }
    ensure!(
        world.sessions()?.is_empty(),
        "nothing is tracked that is switched off"
    );
    world.settled()
}

fn many(world: &mut World) -> Result<()> {
    world.start_server()?;
    let begin = clock::now();
    let mut shells = Vec::new();
    for _ in 0..64 {
        shells.push(world.open_shell(&["-c", "exit()"])?);
    }
    let mut pids = Vec::new();
    for shell in shells {
        let ran = shell.leave()?;
        ensure!(ran.code == Some(0), "{ran:?}");
        pids.push(i64::from(ran.pid));
    }
    let ended = |found: &[Value]| {
        found
            .iter()
            .filter(|session| session["status"] == "ended")
            .count()
    };
    let found = world.sessions_until(|found| ended(found) == 64)?;
    let mut listed: Vec<_> = found
        .iter()
        .filter_map(|session| session["pid"].as_i64())
        .collect();
    listed.sort_unstable();
    pids.sort_unstable();
    ensure!(
        listed == pids,
        "each shell is there exactly once since {begin}"
    );
    world.settled()
}
