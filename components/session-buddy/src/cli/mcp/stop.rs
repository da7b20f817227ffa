//! `session-buddy mcp stop` and `mcp restart`

use std::{path::Path, time::Duration};

use rustix::process::Signal;

use super::{
    super::{ExitStatus, Failure, report::print},
    Format, ServerFlags, Show, Status, cannot, cannot_look, configuration, json, launch_failure,
    not_running, print_json, seconds, stale, start, unready,
};
use crate::auth::Keys;
use crate::lifecycle::{Flags, Presence, Process, ServerInfo, Settings, Told, clear_stale};

/// How long the end may take after SIGKILL: 10 seconds.
const KILL_PATIENCE: Duration = Duration::from_secs(10);

/// Stop the server, and return when it is gone
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    how: How,
    #[command(flatten)]
    show: Show,
}

/// How a server is stopped.
#[derive(Debug, clap::Args)]
struct How {
    /// How long to wait for its end, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    timeout: Duration,
    /// Kill it when that is over; nothing that was acknowledged is lost
    #[arg(long)]
    force: bool,
}

pub(super) const AFTER_RESTART_HELP: &str = "\
The new server is told what the old one was told by flags and by SESSION_BUDDY_ variables, and has \
its port, unless flags or variables say otherwise now. The rest of the environment and config.yaml \
are read anew.

Example:
  session-buddy mcp restart --log-level debug";

/// Stop the server if it runs, and start it in the background
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct RestartArgs {
    #[command(flatten)]
    how: How,
    #[command(flatten)]
    show: Show,
    #[command(flatten)]
    flags: ServerFlags,
}

pub(super) async fn run(args: Args) -> Result<(), Failure> {
    let settings = super::settings(Flags::default())?;
    let folder = &settings.state_folder;
    let (info, failure) = match look(folder, args.how.timeout).await? {
        Presence::Running(info) => {
            end(folder, &info, &args.how).await?;
            (Some(info), None)
        }
        Presence::Stale(info) => {
            clear_stale(folder).map_err(|error| cannot_look(folder, &error))?;
            let failure = stale(&info);
            (Some(info), Some(failure))
        }
        Presence::NotRunning => (None, Some(not_running(folder))),
        Presence::Unready => return Err(unready(ExitStatus::Timeout, folder)),
    };
    match (args.show.format, &info) {
        (Format::Json, _) => print_json(&json(Status::NotRunning, info.as_ref())?)?,
        (Format::Table, Some(info)) if failure.is_none() => {
            let version = &info.version;
            print(&format!(
                "Session-Buddy {version} stopped (process {})\n",
                info.pid
            ))?;
        }
        (Format::Table, _) => {}
    }
    failure.map_or(Ok(()), Err)
}

pub(super) async fn restart(args: RestartArgs) -> Result<(), Failure> {
    let folder = super::settings(Flags::default())?.state_folder;
    let presence = look(&folder, args.how.timeout).await?;
    let told = match &presence {
        Presence::Running(info) | Presence::Stale(info) => info.told.clone(),
        Presence::NotRunning => Told::default(),
        Presence::Unready => return Err(unready(ExitStatus::Timeout, &folder)),
    };
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let variables: Vec<_> = told.variables().filter(|(name, _)| !is_set(name)).collect();
    let variable = |wanted: &str| {
        let told = variables.iter().find(|(name, _)| *name == wanted);
        told.map(|(_, text)| text.into())
            .or_else(|| std::env::var_os(wanted))
    };
    let flags = Flags::from(args.flags).or(told.flags.clone());
    // What is wrong now must not cost the server that runs.
    let settings = Settings::load(flags, variable).map_err(|error| configuration(&error))?;
    if let Presence::Running(info) | Presence::Stale(info) = &presence {
        keep_secret(info)?;
    }
    if let Presence::Running(info) = &presence {
        end(&folder, info, &args.how).await?;
    }
    let info = start::launch(&settings, &variables)
        .await
        .map_err(|error| launch_failure(error, &folder))?;
    start::say_launched(args.show, &settings, &info)
}

/// Refuses to start a server without a secret where there was one: it is kept nowhere, so it must be told again.
fn keep_secret(info: &ServerInfo) -> Result<(), Failure> {
    let Some(variable) = &info.secret else {
        return Ok(());
    };
    let keys = Keys::from_environment(&|name| std::env::var_os(name))
        .map_err(|error| Failure::of(ExitStatus::Configuration, &error))?;
    if keys.is_some() {
        return Ok(());
    }
    let message =
        format!("the server had a secret ({variable}), and here is none to start it with");
    Err(
        Failure::new(ExitStatus::Configuration, message).hint(format!(
            "set {variable} again; to go on without tokens use `mcp stop` and `mcp start`"
        )),
    )
}

async fn look(state_folder: &Path, patience: Duration) -> Result<Presence, Failure> {
    Presence::settled(state_folder, patience)
        .await
        .map_err(|error| cannot_look(state_folder, &error))
}

/// Ends a server, and waits until it is gone.
async fn end(state_folder: &Path, info: &ServerInfo, how: &How) -> Result<(), Failure> {
    let cannot = |error| cannot(&format!("cannot stop process {}", info.pid), &error);
    let Some(process) = Process::of(info).map_err(cannot)? else {
        // It was faster.
        return Ok(());
    };
    process.signal(Signal::TERM).map_err(cannot)?;
    if process.ended(how.timeout).await.map_err(cannot)? {
        return Ok(());
    }
    let late = |patience: Duration, hint: &str| {
        let (pid, seconds) = (info.pid, patience.as_secs_f64());
        let message = format!("process {pid} still runs after {seconds} s");
        Failure::new(ExitStatus::Timeout, message).hint(hint)
    };
    if !how.force {
        return Err(late(
            how.timeout,
            "it stops when what it does is done; give it longer with --timeout, or kill it with --force",
        ));
    }
    process.signal(Signal::KILL).map_err(cannot)?;
    if !process.ended(KILL_PATIENCE).await.map_err(cannot)? {
        return Err(late(
            KILL_PATIENCE,
            "the system does not let go of it: look at the disk",
        ));
    }
    clear_stale(state_folder)
        .map(drop)
        .map_err(|error| cannot_look(state_folder, &error))
}
